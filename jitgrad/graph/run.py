"""The state of one call: what was taken from outside, the values so far, the objects made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.origins import Origin, StorageEntry, TensorEntry, Variable
from jitgrad.graph.recipes import Fresh
from jitgrad.kernels.layout import extent
from jitgrad.node import Node
from jitgrad.storage import Storage


def new_storage(array: np.ndarray, entry: StorageEntry) -> Storage:
    """Return the storage of a tensor that the trace has made, given the elements of one.

    It is the whole memory, as it is for eager, also where that tensor shows a part of it.
    """
    made = Storage(array)
    if array.base is not None and entry.first is not None:
        owner, first = made.owner, entry.first
        is_array = type(owner) is np.ndarray and owner.dtype == first.dtype
        if is_array and owner.size == extent(first)[1]:
            made.array = owner
    return made


class Run:
    """Belongs to one call, or to a part of it.

    Attributes:
        arguments: the call's arguments, positional and by keyword.
        roots: objects and tensors that came from outside.
        slots: arrays and numbers; slot numbers are those of the path.
        versions: for each root tensor the version of its storage when it was taken (None for
            other objects).
        numbers: the number of the first root with an identity: `id` of an object, `-id` of the
            owner of a tensor's memory, `~id` of its storage. These never meet, since identities are
            even, and a storage or an owner may be a root itself besides.
        made: objects and tensors made so far, by their recipes' keys.
        nodes: the histories of variables, once tensors with history are made.
        last: the segment that replays ran last, to its end.
        doing: a segment with effects, while it runs; `is_torn`: some of them may have been done.
        frames: those of the evaluator that has taken the call over.
        going: the call that goes on from where the run has ended.
        recorder: who is told of the objects made, if a recording goes on from here.
    """

    last: Any
    doing: Any
    frames: list[Any] | None
    going: Any

    __slots__ = (
        "_known",
        "_numbers",
        "arguments",
        "doing",
        "frames",
        "going",
        "is_torn",
        "last",
        "made",
        "nodes",
        "recorder",
        "roots",
        "slots",
        "storages",
        "versions",
    )

    def __init__(self, arguments: list[Any]) -> None:
        self.arguments = arguments
        self.roots: list[Any] = []
        self.slots: list[Any] = []
        self.versions: list[int | None] = []
        self._numbers: dict[int, int] = {}
        self._known: Mapping[int, int] | None = None
        self.made: dict[Any, Any] = {}
        self.storages: dict[StorageEntry, Storage] = {}
        self.nodes: dict[Variable, tuple[Node, int]] = {}
        self.recorder: Any = None
        self.last = self.doing = self.frames = self.going = None
        self.is_torn = False

    def copy(self) -> Run:
        """Return a run that has taken the same, in which nothing has been made."""
        made = Run(self.arguments)
        made.roots, made.slots, made.versions = self.roots[:], self.slots[:], self.versions[:]
        made._numbers = self.numbers.copy()
        return made

    @property
    def numbers(self) -> dict[int, int]:
        """The numbers of roots, see above."""
        if self._known is not None:
            self._numbers.update(self._known)
            self._known = None
        return self._numbers

    def know(self, numbers: Mapping[int, int]) -> bool:
        """Take the numbers of many roots at once, if none of them is a root already.

        There may be thousands, and replays seldom ask for them.
        """
        if not self.numbers.keys().isdisjoint(numbers.keys()):
            return False
        self._known = numbers
        return True

    def take_object(self, found: Any, number: int) -> bool:
        """Take `found` as the next root, if the identity partition is as the trace expects."""
        index = len(self.roots)
        if self.numbers.setdefault(id(found), index) != number:
            return False
        self.roots.append(found)
        self.versions.append(None)
        return True

    def forget(self, roots: int, slots: int) -> None:
        """Drop what was taken beyond these counts by facts that did not hold in the end."""
        del self.roots[roots:], self.versions[roots:], self.slots[slots:]
        numbers = self.numbers
        self._numbers = {key: number for key, number in numbers.items() if number < roots}

    def storage(self, entry: StorageEntry, array: Any, version: int) -> Storage:
        """Return the storage of an entry, made with this version if it is new."""
        if entry.root is not None:
            return self.roots[entry.root]._storage
        found = self.storages.get(entry)
        if found is None:
            if entry.sibling is None:
                found = new_storage(array, entry)
                found.version = version
            else:
                other = self.storages.get(entry.sibling)
                if other is None:
                    # how often it was written is known where a tensor of its own is made
                    other = self.storage(entry.sibling, array, -1)
                other.lend()
                found = Storage(other.array, other.borrowed)
                found.lent = True
                found.version = version
            self.storages[entry] = found
        elif found.version < 0:
            found.version = version
        return found

    def fresh_tensor(self, recipe: Fresh) -> Any:
        """Return the tensor of a recipe; with the history of `nodes`, which may come later."""
        entry = recipe.entry
        tensor = self.made.get(entry)
        if tensor is None:
            array = recipe.array(self)
            tensor = wrap(array, self.storage(entry.storage, array, recipe.version))
            tensor._unfollowed = recipe.unfollowed
            self.made[entry] = tensor
        if self.recorder is not None:
            self.recorder.register_tensor(tensor, entry)
        if recipe.base is not None:
            tensor._base = recipe.base.build(self)
            tensor._base_node = tensor._base._node
        if recipe.variable is not None:
            tensor._node, tensor._index = self.nodes[recipe.variable]
        return tensor

    def register(
        self, made: Any, key: Any, origins: list, extra: Any = None, kind: str = ""
    ) -> None:
        """Tell the recorder, if any, of an object made."""
        if self.recorder is not None:
            self.recorder.register_object(made, key, origins, extra, kind)

    def release(self) -> None:
        """Hold no objects any longer, only tensors: the ends of generators are their own."""
        self.made = {key: made for key, made in self.made.items() if type(key) is TensorEntry}

    def register_method(self, method: Any, owner: Origin) -> None:
        """Tell the recorder, if any, of a bound method made, and where its owner comes from."""
        if self.recorder is not None:
            self.recorder.register_method(method, owner)

    def announce_writes(self, roots: Iterable[int]) -> None:
        """Let those copy who rely on the elements of these tensors, which are about to change."""
        for root in roots:
            storage = self.roots[root]._storage
            if storage.watchers is not None:
                storage.prepare_write()

    def written(self, entry: StorageEntry, count: int) -> None:
        """Raise the version of a storage that exists by now."""
        if entry.root is not None:
            self.roots[entry.root]._storage.version += count
        elif entry in self.storages and self.storages[entry].version >= 0:
            self.storages[entry].version += count
