"""What a recording knows: tensors, objects and numbers of the call, and the segment that grows.

`Recording` takes the notes of the dispatcher, takes things from outside (with a fact for each),
and cuts segments at sites. What Python code does to values is `recorder.Recorder`'s part.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device
from jitgrad.dispatch import TensorCore, node_of, wrap
from jitgrad.graph import facts
from jitgrad.graph.facts import ABSENT, Place, TensorSpec
from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.graph.origins import (
    IDENTIFIED,
    KNOWN,
    History,
    Origin,
    Runtime,
    SavedValue,
    StorageEntry,
    TensorEntry,
    Variable,
)
from jitgrad.graph.run import Run
from jitgrad.graph.segment import PathState, Segment
from jitgrad.modes import TrackedFloat, plain_number, state
from jitgrad.node import FREED, PrimitiveNode, Saved
from jitgrad.primitive import Kind
from jitgrad.spec import Size

CONSTANT_TYPES = (
    type(None), bool, int, str, bytes, type(Ellipsis), type(NotImplemented), Size,
    dtypes.dtype, device, np.dtype, range,
)  # fmt: skip
IDENTICAL_TYPES = (
    type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, np.ufunc,
    types.MethodDescriptorType, types.WrapperDescriptorType,
)  # fmt: skip


def has_lasting_identity(found: Any) -> bool:
    """Is `found` a function, class or the like, which a guard knows by its identity?"""
    return isinstance(found, IDENTICAL_TYPES) or type(found).__module__ == "jitgrad.compiled"


def is_plain_tensor(value: Any) -> bool:
    """Is `value` a tensor whose class is the library's own, without methods of the user's?"""
    return isinstance(value, TensorCore) and type(value).__module__.startswith("jitgrad.")


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


class Recording:
    """The notes of one recording, from an entry or a site to where it ends."""

    def __init__(self, run: Run, path: PathState) -> None:
        self.run = run
        self.path = path
        self.evaluator: Any = None
        self.active = True
        self.segment = Segment(None, 0)
        self.produced: set[Value | Scalar] = set()
        self.tensors: dict[int, tuple[Any, TensorEntry]] = {}
        self.arrays: dict[int, tuple[Any, TensorEntry]] = {}
        self.bases: dict[int, tuple[Any, int]] = {}
        self.objects: dict[int, tuple[Any, FreshObject | int]] = {}
        self.methods: dict[int, Any] = {}
        self.variables: dict[tuple[Any, int], Variable] = {}
        self.nodes: dict[Variable, Any] = {}
        self.foreign: set[Memory] = set()
        self.made_in: dict[Memory, Segment] = {}
        self.mark = 0
        self.visible = False
        self.visible_at_mark = False

    # -- things that are known --------------------------------------------------------------

    def register_tensor(self, tensor: Any, entry: TensorEntry) -> None:
        """Know `tensor` as `entry`."""
        self.tensors[id(tensor)] = (tensor, entry)
        if tensor._storage.is_foreign:
            self.foreign.add(entry.value.memory)
        self.arrays.setdefault(id(tensor._array), (tensor, entry))

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

    def register_method(self, method: Any) -> None:
        """Know a bound method."""
        self.methods[id(method)] = method

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
        other, found = near
        shared = other._storage is tensor._storage
        storage = found.storage
        if not shared:
            storage = StorageEntry(found.storage.memory, None, found.storage)
        made = TensorEntry(found.value, None, storage)
        self.register_tensor(tensor, made)
        return made

    def object(self, obj: Any) -> FreshObject | int | None:
        """Return what is known of an object: its content, the number of its root, or None."""
        known = self.objects.get(id(obj))
        return known[1] if known is not None and known[0] is obj else None

    def variable(self, tensor: Any) -> Variable | bool | None:
        """Return the history of a tensor, None without; False if the recording does not know it."""
        node = node_of(tensor)
        if node is None:
            return None
        return self.variables.get((node, tensor._index), False)

    # -- taking from outside ----------------------------------------------------------------

    def take(self, place: Place) -> tuple[Any, Origin | None]:
        """Return what is at `place` with its origin, and make a fact of it."""
        identity = place.identity()
        known = self.path.places.get(identity)
        found = place.look(self.run)
        if known is not None:
            return found, known
        origin = self._take(place, found)
        if origin is not None:
            self.path.places[identity] = origin
        return found, origin

    def _fact(self, fact: Callable, text: str) -> None:
        self.segment.facts.append(fact)
        self.segment.fact_texts.append(text)

    def _take(self, place: Place, found: Any) -> Origin | None:
        kind = type(found)
        if kind in CONSTANT_TYPES:
            self._fact(facts.same_value(place, found), f"{place} == {found!r}")
            return KNOWN
        if found is ABSENT or has_lasting_identity(found):
            text = getattr(found, "__name__", repr(found))
            self._fact(facts.same_object(place, found), f"{place} is {text}")
            return KNOWN
        if kind is float:
            scalar = Scalar(float)
            self._fact(facts.is_number(place), f"{place} is a float")
            self.add_slot(scalar, found)
            return Runtime(scalar)
        if is_plain_tensor(found):
            spec = TensorSpec.describe(self.run, found)
            self._fact(
                facts.is_tensor(place, spec),
                f"{place} is a tensor {tuple(found._array.shape)} {found._array.dtype}",
            )
            self.take_tensor(found, spec)
            return IDENTIFIED
        number = self.run.numbers.get(id(found), len(self.run.roots))
        self._fact(facts.is_object(place, kind, number), f"{place} is a {kind.__name__}")
        self.run.take_object(found, number)
        self.path.roots.append(None)
        if number == len(self.run.roots) - 1:
            self.objects[id(found)] = (found, number)
        return IDENTIFIED

    def take_argument(self, index: int, value: Any) -> Origin:
        """Take an argument of the call, whose key is that of the entry."""
        kind = type(value)
        if kind in ARGUMENT_CONSTANTS:
            return KNOWN
        if kind is float:
            scalar = Scalar(float)

            def number(run: Any) -> bool:
                run.slots.append(run.arguments[index])
                return True

            self._fact(number, f"argument {index} is a float")
            self.add_slot(scalar, value)
            return Runtime(scalar)
        if kind in CONSTANT_TYPES:
            self._fact(
                lambda run: type(run.arguments[index]) is kind and run.arguments[index] == value,
                f"argument {index} == {value!r}",
            )
            return KNOWN
        if has_lasting_identity(value):
            text = getattr(value, "__name__", repr(value))
            self._fact(lambda run: run.arguments[index] is value, f"argument {index} is {text}")
            return KNOWN
        if is_plain_tensor(value):
            spec = TensorSpec.describe(self.run, value)
            self._fact(
                lambda run: spec.take_known(run, run.arguments[index]),
                f"argument {index} is a tensor {tuple(value._array.shape)} {value._array.dtype}",
            )
            self.take_tensor(value, spec)
            return IDENTIFIED
        number_of = self.run.numbers.get(id(value), len(self.run.roots))
        self._fact(
            lambda run: run.take_object(run.arguments[index], number_of),
            f"argument {index} is a {kind.__name__}",
        )
        self.run.take_object(value, number_of)
        self.path.roots.append(None)
        self.objects.setdefault(id(value), (value, number_of))
        return IDENTIFIED

    def add_slot(self, held: Value | Scalar, value: Any) -> None:
        """Give a value or number that was taken from outside its slot."""
        self.path.slot_of[held] = self.path.slots
        self.path.slots += 1
        self.run.slots.append(value)

    def take_tensor(self, tensor: Any, spec: TensorSpec) -> None:
        """Take `tensor` as the next root."""
        path = self.path
        index = len(path.roots)
        array = tensor._array
        if not spec.take(self.run, tensor):
            raise AssertionError("a tensor does not meet the spec that was just made of it")
        if spec.number != index:
            path.roots.append(path.roots[spec.number])
            path.slots += 1
            return
        memory = path.memories.get(spec.memory)
        if memory is None:
            memory = path.memories[index] = Memory(f"input{index}")
        storage = path.storages.get(spec.storage)
        if storage is None:
            storage = path.storages[index] = StorageEntry(memory, index)
        strides = tuple(step // array.itemsize for step in array.strides)
        value = Value(array.shape, strides, array.dtype, memory, spec.offset // array.itemsize)
        entry = TensorEntry(value, index, storage)
        path.roots.append(entry)
        path.slot_of[value] = path.slots
        path.slots += 1
        self.register_tensor(tensor, entry)
        self._register_base(tensor, index)
        node = node_of(tensor)
        if node is not None:
            variable = path.variables[index] = Variable(root=index)
            self.variables[node, tensor._index] = variable
            self.nodes[variable] = node

    # -- notes of the dispatcher ------------------------------------------------------------

    def begin(self) -> None:
        """Mark where the instruction at hand begins: an exit goes back to here."""
        self.mark = len(self.segment.steps)
        self.visible_at_mark = self.visible

    def where(self) -> tuple[str, int]:
        """Return the file and line of the instruction at hand."""
        if not self.evaluator.frames:
            # an exception has left the evaluator
            return self.segment.start.line if self.segment.start is not None else ("", 0)
        frame = self.evaluator.frames[-1]
        return frame.code.filename, frame.code.lines[frame.pc].line

    def unknown(self, reason: str) -> None:
        """End the recording before the instruction at hand."""
        raise NotImplementedError

    def split(self) -> None:
        """End the segment before the instruction at hand, whose steps go to the next one."""
        raise NotImplementedError

    def may_raise(self) -> bool:
        """See to it that a step which can raise comes before all visible effects of its segment.

        When it raises in a replay, evaluation starts again where the segment began.
        """
        if self.visible:
            if self.visible != self.visible_at_mark or len(self._visible_since_mark()):
                self.unknown("an operation that can raise follows an effect of the same call")
                return False
            self.split()
        self.segment.can_raise = True
        return True

    def _visible_since_mark(self) -> list[Step]:
        return [
            step
            for step in self.segment.steps[self.mark :]
            if isinstance(step, Write)
            or (isinstance(step, Compute) and step.primitive.kind is Kind.RANDOM)
        ]

    def operand(self, value: Any) -> Any:
        """Return how a step names an input; None if it is not known."""
        if isinstance(value, TensorCore):
            entry = self.entry(value)
            if entry is None or not self.available(entry.value):
                return None
            return entry.value
        if type(value) is TrackedFloat:
            return value.scalar if self.available(value.scalar) else None
        return value

    def available(self, held: Value | Scalar) -> bool:
        """Can the current segment read this?"""
        return held in self.produced or held in self.path.slot_of

    def primitive(
        self, primitive: Any, inputs: tuple, params: dict, output: Any, node: Any
    ) -> None:
        """Note a computation."""
        if not self.active:
            return
        name = primitive.name
        if primitive.shape_depends_on_data:
            return self.unknown(f"{name}: the shape of the result depends on data")
        if any(isinstance(each, TrackedFloat) for each in params.values()):
            return self.unknown(f"{name}: a number that changes is used as a parameter")
        operands = tuple(self.operand(each) for each in inputs)
        if any(each is None and given is not None for each, given in zip(operands, inputs)):
            return self.unknown(f"{name}: a tensor that does not come from this call or a guard")
        if primitive.raises_on_data and not self.may_raise():
            return None
        if primitive.kind is Kind.RANDOM:
            self.visible = True
        array = output._array
        strides = tuple(step // array.itemsize for step in array.strides)
        if primitive.kind is Kind.VIEW:
            source = self.entry(inputs[0])
            assert source is not None
            start = facts.address(array) - facts.address(inputs[0]._array)
            offset = source.value.offset + start // max(array.itemsize, 1)
            value = Value(array.shape, strides, array.dtype, source.value.memory, offset)
            base = self.entry(output._base) if output._base is not None else None
            entry = TensorEntry(value, None, source.storage, base)
        else:
            memory = Memory()
            value = Value(array.shape, strides, array.dtype, memory)
            entry = TensorEntry(value, None, StorageEntry(memory, None))
            self.made_in[memory] = self.segment
        step = Compute(primitive, operands, params, value, None, self.where())
        self.segment.steps.append(step)
        self.produced.add(value)
        self.register_tensor(output, entry)
        if node is not None:
            step.variable = self._note_history(primitive, inputs, params, node, entry)
            if step.variable is None:
                return self.unknown(f"{name}: its input has a history that is not known")
        return None

    def _note_history(
        self, primitive: Any, inputs: tuple, params: dict, node: Any, entry: TensorEntry
    ) -> Variable | None:
        edges: list[Variable | None] = []
        kept: list[Any] = []
        indices = node.indices or (0,) * len(node.edges)
        for given, edge, index, held in zip(inputs, node.edges, indices, node.inputs):
            variable = None if edge is None else self.variables.get((edge, index))
            if edge is not None and variable is None:
                return None
            edges.append(variable)
            if isinstance(held, Saved):
                known = self.entry(given)
                assert known is not None
                writes = self.path.writes.get(known.storage, 0)
                kept.append(SavedValue(known.value, known.storage, writes))
            elif type(given) is TrackedFloat:
                kept.append(given.scalar)
            else:
                kept.append(held)
        history = History(primitive, params, node.shapes, tuple(edges), tuple(kept))
        if node.out is not None:
            history.out = SavedValue(entry.value, entry.storage, 0)
        variable = Variable(history=history)
        self.variables[node, 0] = variable
        self.nodes[variable] = node
        return variable

    def write(self, target: Any, source: Any) -> None:
        """Note that the elements of `target` are about to be overwritten."""
        if not self.active:
            return None
        known, new = self.entry(target), self.entry(source)
        if known is None or new is None or not self.available(known.value):
            return self.unknown("a write to a tensor that does not come from this call or a guard")
        computed = self.segment.steps[-1]
        assert isinstance(computed, Compute)
        writes = self.path.writes
        count = writes.get(known.storage, 0) + 1
        if computed.variable is not None:
            if known.root is not None or target._base is not None or known.storage.root is not None:
                return self.unknown(
                    f"{computed.primitive.name}_: an in-place operation with history on an "
                    "argument or a view"
                )
            history = computed.variable.history
            if history.out is not None:
                history.out = SavedValue(known.value, known.storage, count)
        elif node_of(target) is not None and state.grad_enabled:
            return self.unknown("an in-place operation that cuts a history")
        if self._may_overlap_unseen(known):
            return self.unknown(
                "a write to borrowed memory, of which another argument may show a part"
            )
        self.segment.steps.append(Write(known.value, new.value, self.where()))
        writes[known.storage] = count
        if self.made_in.get(known.storage.memory) is not self.segment:
            self.visible = True
        return None

    def _may_overlap_unseen(self, known: TensorEntry) -> bool:
        return known.value.memory in self.foreign and len(self.foreign) > 1

    def read_grad(self, leaf: Any) -> Any:
        """Return `.grad` of `leaf` for library code that is about to read it."""
        if not self.active:
            return leaf._grad
        place = self.grad_place(leaf)
        if place is None:
            self.unknown("the gradient of a tensor made in the call")
            return leaf._grad
        found, origin = self.take(place)
        if origin is None:
            self.unknown("a gradient that is not known")
        return found

    def grad_place(self, leaf: Any) -> Place | None:
        """Return the place of `.grad` of a root tensor."""
        entry = self.entry(leaf)
        if entry is None or entry.root is None:
            return None
        return Place(facts.read_grad, entry.root, True, "grad")

    def write_grad(self, leaf: Any, gradient: Any) -> None:
        """Note that `gradient` was stored as `.grad` of `leaf`."""
        raise NotImplementedError

    def visit(self, node: Any) -> None:
        """Note that the engine runs `node`, which must come from the trace."""
        if not self.active:
            return
        variable = self.variables.get((node, 0))
        if variable is None or variable.history is None:
            self.unknown("a backward pass through history made before the call")

    def grad_mode(self, enabled: bool) -> None:
        """The grad mode is read where a snapshot is made; nothing is to be noted."""

    def item(self, tensor: Any) -> Any:
        """Return the number in `tensor`, which library code asks for."""
        self.unknown("library code reads the value of a tensor")
        return tensor._array.item()

    def truth_of(self, tensor: Any) -> bool:
        """Return the truth of `tensor`, for which library code asks."""
        self.unknown("library code asks for the truth of a tensor")
        return bool(tensor._array.item())

    def scalar(self, symbol: str, function: Callable, operands: tuple) -> Any:
        """Note arithmetic on numbers of run time; return the result."""
        plain = tuple(map(plain_number, operands))
        result = function(*plain)
        if not self.active:
            return result
        named = tuple(self.operand(each) for each in operands)
        if any(each is None for each in named):
            self.unknown("a number that does not come from this call or a guard")
            return result
        made = self.compute_number(symbol, function, named, result)
        tracked = TrackedFloat(result)
        tracked.scalar = made
        return tracked

    def outcome(self, symbol: str, function: Callable, operands: tuple) -> Any:
        """Return what library code decides by, and make a fact of it."""
        result = function(*map(plain_number, operands))
        if not self.active:
            return result
        numbers = [each.scalar for each in operands if type(each) is TrackedFloat]
        if not all(each in self.path.slot_of for each in numbers):
            # the fact is checked where a segment begins: behind what computes the numbers
            self.split()
        if not self.active:
            return result
        if not all(each in self.path.slot_of for each in numbers):
            self.unknown("library code decides by a number that it computes")
            return result
        read = [
            (lambda run, at=self.path.slot_of[each.scalar]: run.slots[at])
            if type(each) is TrackedFloat
            else (lambda run, known=each: known)
            for each in operands
        ]
        text = f"{symbol.format(*map(plain_number, operands))} is still {result}"
        self._fact(lambda run: function(*(each(run) for each in read)) is result, text)
        return result

    def compute_number(
        self, symbol: str, function: Callable, operands: tuple, result: Any
    ) -> Scalar:
        """Add a step that computes a number."""
        made = Scalar(type(result))
        self.segment.steps.append(ScalarCompute(function, symbol, operands, made, self.where()))
        self.produced.add(made)
        return made

    def item_step(self, tensor: Any) -> Scalar | None:
        """Add a step that reads the number in `tensor`."""
        entry = self.entry(tensor)
        if entry is None or not self.available(entry.value):
            return None
        made = Scalar(float)
        self.segment.steps.append(Item(entry.value, made, self.where()))
        self.produced.add(made)
        return made

    def freed(self, variables: list[Variable]) -> frozenset[Variable]:
        """Return those whose saved values have been freed."""
        return frozenset(
            each
            for each in variables
            if isinstance(node := self.nodes.get(each), PrimitiveNode) and node.inputs is FREED
        )
