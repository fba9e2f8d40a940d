"""The notes of one recording: the computations of the dispatcher, and the segment that grows.

`Recording` hears of everything that the dispatcher performs. What Python code does to values is
`recorder.Recorder`'s part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.facts import SameOutcome, address
from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import (
    Excerpt,
    History,
    SavedValue,
    StorageEntry,
    TensorEntry,
    Variable,
)
from jitgrad.graph.rebasing import Rebasing
from jitgrad.modes import TrackedFloat, plain_number
from jitgrad.node import FREED, PrimitiveNode, Saved
from jitgrad.primitive import Kind
from jitgrad.python import driven, ordered, protocols, stand_ins

STANDING_IN = (protocols.FILE, stand_ins.FILE, driven.FILE, ordered.FILE)


class Recording(Rebasing):
    """The notes of one recording, from an entry or a site to where it ends."""

    def begin(self) -> None:
        """Mark where the instruction at hand begins: an exit goes back to here."""
        self.mark = len(self.segment.steps)
        self.went_back = False
        self.visible_at_mark = self.visible

    def where(self) -> tuple[str, int]:
        """Return the file and line of the instruction at hand."""
        if not self.evaluator.frames:
            # an exception has left the evaluator
            return self.segment.start.line if self.segment.start is not None else ("", 0)
        frames = self.evaluator.frames
        # what stands in for the interpreter shows where it is used
        shown = (f for f in reversed(frames) if f.code.filename not in STANDING_IN)
        frame = next(shown, frames[-1])
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
            if entry is None or not self.readable(entry.value):
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
        is_integer = output._array.dtype.kind in "iu" and not primitive.is_view
        if is_integer and any(type(each) is TrackedFloat for each in inputs):
            return self.unknown(f"{name}: a float that changes may not fit an integer dtype")
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
            start = address(array) - address(inputs[0]._array)
            offset = source.value.offset + start // max(array.itemsize, 1)
            value = Value(array.shape, strides, array.dtype, source.value.memory, offset)
            base = self.entry(output._base) if output._base is not None else None
            entry = TensorEntry(value, None, source.storage, base)
        elif primitive.is_view:
            value, entry = self._excerpt(inputs[0], operands[1], params["dim"], output, strides)
        else:
            memory = Memory()
            value = Value(array.shape, strides, array.dtype, memory)
            entry = TensorEntry(value, None, StorageEntry(memory, None, None, value))
            self.made_in[memory] = self.segment
        step = Compute(primitive, operands, params, value, None, self.where())
        if node is not None:
            # first, since the histories of its inputs may become known only now
            step.variable = self._note_history(primitive, inputs, params, node, entry)
        self.segment.steps.append(step)
        self.produced.add(value)
        self.register_tensor(output, entry)
        if node is not None and step.variable is None:
            return self.unknown(f"{name}: its input has a history that is not known")
        return None

    def _excerpt(
        self, input: Any, number: Any, dim: int, output: Any, strides: tuple
    ) -> tuple[Value, TensorEntry]:
        """Return what stands for a part of `input` at a place of run time, and for the tensor."""
        source = self.entry(input)
        assert source is not None
        memory = Excerpt(source, number, source.value.strides[dim])
        self.path.excerpts[memory] = False
        self.made_in[memory] = self.segment
        array = output._array
        value = memory.shown = Value(array.shape, strides, array.dtype, memory)
        base = self.entry(output._base) if output._base is not None else None
        return value, TensorEntry(value, None, source.storage, base)

    def _note_history(
        self, primitive: Any, inputs: tuple, params: dict, node: Any, entry: TensorEntry
    ) -> Variable | None:
        edges: list[Variable | None] = []
        kept: list[Any] = []
        indices = node.indices or (0,) * len(node.edges)
        for given, edge, index, held in zip(inputs, node.edges, indices, node.inputs):
            variable = None if edge is None else self.variables.get((edge, index))
            if edge is not None and variable is None:
                variable = self.followed(given, edge)
                if variable is None:
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
        return Place(lookups.read_grad, entry.root, True, "grad")

    def write_grad(self, leaf: Any, gradient: Any) -> None:
        """Note that `gradient` was stored as `.grad` of `leaf`."""
        raise NotImplementedError

    def visit(self, node: Any) -> None:
        """Note that the engine runs `node`, which must come from the trace."""
        if not self.active:
            return
        self.went_back = True
        if not self._is_recorded(node):
            self.unknown("a backward pass through history made before the call")

    def goes_back(self, nodes: Iterable[Any]) -> None:
        """Note that the engine is about to run `nodes`.

        Before it does: then nothing has to be done again where one does not come from the trace.
        """
        if self.active and not all(map(self._is_recorded, nodes)):
            self.unknown("a backward pass through history made before the call")

    def _is_recorded(self, node: Any) -> bool:
        variable = self.variables.get((node, 0))
        return variable is not None and variable.history is not None

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
        read: list[tuple[Any, int | None]] = [
            (each.scalar, self.path.slot_of[each.scalar])
            if type(each) is TrackedFloat
            else (each, None)
            for each in operands
        ]
        text = symbol.format(*map(plain_number, operands))
        self.fact(SameOutcome(function, symbol, read, result, text))
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
        if entry is None or not self.readable(entry.value):
            return None
        made = Scalar(type(tensor._array.item()))
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
