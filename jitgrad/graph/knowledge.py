"""What a recording knows: tensors, objects and histories of the call, each by its identity."""

from __future__ import annotations

import operator
import types
from collections import deque
from enum import Enum
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device
from jitgrad.dispatch import TensorCore, node_of, wrap
from jitgrad.graph import lookups
from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.graph.origins import (
    IDENTIFIED,
    KNOWN,
    Origin,
    StorageEntry,
    TensorEntry,
    Text,
    Variable,
)
from jitgrad.graph.run import Run
from jitgrad.graph.segment import PathState, Segment
from jitgrad.spec import Size

CONSTANT_TYPES = (
    type(None), bool, int, str, bytes, type(Ellipsis), type(NotImplemented), Size,
    dtypes.dtype, device, np.dtype, range,
)  # fmt: skip
IDENTICAL_TYPES = (
    type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, np.ufunc,
    types.MethodDescriptorType, types.WrapperDescriptorType, operator.itemgetter,
    operator.attrgetter, operator.methodcaller,
)  # fmt: skip


def has_lasting_identity(found: Any) -> bool:
    """Is `found` a function, class, enumeration's member, known to a guard by its identity?"""
    if isinstance(found, types.BuiltinFunctionType):
        # a method of an object is made anew each time
        return isinstance(found.__self__, (types.ModuleType, type, type(None)))
    return isinstance(found, (*IDENTICAL_TYPES, Enum)) or (
        type(found).__module__ == "jitgrad.compiled"
    )


def is_plain_tensor(value: Any) -> bool:
    """Is `value` a tensor whose class is the library's own, without methods of the user's?"""
    return isinstance(value, TensorCore) and type(value).__module__.startswith("jitgrad.")


LISTS = (list, deque)
"""Classes of what is known by its elements and changes by them."""

ARGUMENT_CONSTANTS = frozenset((type(None), bool, int, str, bytes))
"""Types of arguments whose value is part of the entry's key."""


class FreshObject:
    """What is known of an object made in the call: the origins of what it holds."""

    __slots__ = ("extra", "key", "kind", "origins")

    def __init__(self, kind: str, origins: list[Any], key: Any = None, extra: Any = None) -> None:
        self.kind = kind
        self.origins = origins
        self.key = object() if key is None else key
        self.extra = extra


class Knowledge:
    """What is known while one recording goes on, from an entry or a site to where it ends."""

    def __init__(self, run: Run, path: PathState) -> None:
        self.run = run
        self.path = path
        self.evaluator: Any = None
        self.active = True
        self.segment = Segment(None, 0)
        self.produced: set[Value | Scalar] = set()
        self.tensors: dict[int, tuple[Any, TensorEntry]] = {}
        self.arrays: dict[int, tuple[Any, TensorEntry]] = {}
        self.storages: dict[int, tuple[Any, StorageEntry]] = {}
        self.bases: dict[int, tuple[Any, int]] = {}
        self.objects: dict[int, tuple[Any, FreshObject | int]] = {}
        self.methods: dict[int, Any] = {}
        self.text_methods: dict[int, Text] = {}
        """Of methods of texts of run time: where the texts come from."""
        self.variables: dict[tuple[Any, int], Variable] = {}
        self.nodes: dict[Variable, Any] = {}
        self.foreign: set[Memory] = set()
        self.made_in: dict[Memory, Segment] = {}
        self.placing: dict[Memory, Scalar] = {}
        """Of excerpts of excerpts that are written: the number that says where they lie."""
        self.varying: set[Any] = set()
        """The identities of places where integers have been seen to change."""
        self.before: dict[int, Any] = {}
        """By their root, the containers that the segment has changed, as it found them."""
        self.mark = 0
        self.went_back = False
        """Has the instruction at hand gone back through a history?"""
        self.visible = False
        self.visible_at_mark = False
        self.is_handling = lookups.read_handled(None, "") is not None
        """Is an exception being handled where the call comes from?"""

    def register_tensor(self, tensor: Any, entry: TensorEntry) -> None:
        """Know `tensor` as `entry`."""
        self.tensors[id(tensor)] = (tensor, entry)
        if tensor._storage.is_foreign:
            self.foreign.add(entry.value.memory)
        self.arrays.setdefault(id(tensor._array), (tensor, entry))
        self.storages.setdefault(id(tensor._storage), (tensor._storage, entry.storage))

    def _register_base(self, tensor: Any, root: int) -> None:
        base = tensor if tensor._base is None else tensor._base
        self.bases.setdefault(id(base), (base, root))

    def adopt(self, run: Run) -> None:
        """Know the roots of a run that replays have brought here."""
        for number, (found, entry) in enumerate(zip(run.roots, self.path.roots)):
            if entry is not None:
                self.register_tensor(found, entry)
                self._register_base(found, number)
            elif id(found) not in self.objects:
                self.objects[id(found)] = (found, number)
        for entry, made in run.made.items():
            if isinstance(entry, TensorEntry):
                # stored by an effect, a gradient say, and read again behind the site
                self.register_tensor(made, entry)

    def adopt_saved(self, tape: Any) -> None:
        """Know the arrays that histories have saved, which an inner backward pass may read."""
        for variable in tape.layout.saving:
            for saved in variable.history.saved():
                array = tape.values.get(saved.value)
                if array is not None and id(array) not in self.arrays:
                    storage = tape.storage(saved, array)[0]
                    entry = TensorEntry(saved.value, None, saved.storage)
                    self.register_tensor(wrap(array, storage), entry)

    def adopt_nodes(self, nodes: dict[Variable, tuple[Any, int]]) -> None:
        """Know the histories that a handover has made."""
        for variable, (node, index) in nodes.items():
            self.variables[node, index] = variable
            self.nodes[variable] = node

    def register_object(self, made: Any, key: Any, origins: list, extra: Any, kind: str) -> None:
        """Know an object that a handover made; its parts are known already."""
        if not kind:
            name = type(made).__name__
            kind = name if name in ("list", "dict", "set", "cell", "function") else "library"
        self.objects[id(made)] = (made, FreshObject(kind, list(origins), key, extra))

    def register_method(self, method: Any, owner: Origin) -> None:
        """Know a bound method, and where what it is bound to comes from."""
        self.methods[id(method)] = method
        if isinstance(owner, Text):
            self.text_methods[id(method)] = owner

    def fresh(self, made: Any, kind: str, origins: list, extra: Any = None) -> Origin:
        """Know an object that the call just made."""
        self.objects[id(made)] = (made, FreshObject(kind, origins, None, extra))
        return IDENTIFIED

    def entry(self, tensor: Any) -> TensorEntry | None:
        """Return what is known of a tensor, None if nothing."""
        known = self.tensors.get(id(tensor))
        if known is not None and known[0] is tensor:
            return known[1]
        if not is_plain_tensor(tensor):
            return None
        near = self.arrays.get(id(tensor._array))
        if near is None or near[0]._array is not tensor._array:
            return None
        # another tensor on the same memory: detach(), .data, a saved tensor unpacked
        found = near[1]
        held, storage = self.storages.get(id(tensor._storage), (None, found.storage))
        if held is not tensor._storage:
            storage = StorageEntry(found.storage.memory, None, found.storage)
        made = TensorEntry(found.value, None, storage)
        self.register_tensor(tensor, made)
        return made

    def object(self, obj: Any) -> FreshObject | int | None:
        """Return what is known of an object: its content, the number of its root, or None."""
        known = self.objects.get(id(obj))
        return known[1] if known is not None and known[0] is obj else None

    def origin_of(self, value: Any) -> Origin | None:
        """Return the origin of something that has an identity, None if it is not known."""
        if isinstance(value, TensorCore):
            return IDENTIFIED if self.entry(value) is not None else None
        if isinstance(value, Enum):
            return KNOWN
        if self.object(value) is not None:
            return IDENTIFIED
        return None

    def variable(self, tensor: Any) -> Variable | bool | None:
        """Return the history of a tensor, None without; False if the recording does not know it."""
        node = node_of(tensor)
        if node is None:
            return None
        return self.variables.get((node, tensor._index), False)
