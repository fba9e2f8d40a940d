"""Derivatives of segments: recorded histories made into nodes again, walked, and noted."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from jitgrad.dispatch import node_of, wrap
from jitgrad.graph.facts import address
from jitgrad.graph.ir import Compute, Memory, Scalar, Step, Value
from jitgrad.graph.origins import SavedValue, Variable
from jitgrad.graph.segment import Segment
from jitgrad.kernels.program import Program
from jitgrad.modes import TrackedFloat, plain_number, run_quietly, state
from jitgrad.node import FREED, Node, PrimitiveNode, Saved, Unfolding
from jitgrad.primitive import Kind
from jitgrad.walk import run_nodes


class Boundary(Node):
    """Stands for a history that begins before the segment."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(())


def root_nodes(run: Any, variables: dict[int, Variable]) -> dict[Variable, tuple[Node, int]]:
    """Return the nodes of the root tensors that have a history."""
    found = {}
    for number, variable in variables.items():
        tensor = run.roots[number]
        node = node_of(tensor)
        if node is not None:
            found[variable] = (node, tensor._index)
    return found


def tracked(value: float, scalar: Scalar) -> TrackedFloat:
    """Return a number on its way through the library."""
    made = TrackedFloat(value)
    made.scalar = scalar
    return made


def described(array: np.ndarray) -> Value:
    """Return what stands for a cotangent that lies as `array` does."""
    strides = tuple(step // array.itemsize for step in array.strides)
    return Value(array.shape, strides, array.dtype, Memory("cotangent"))


def kinds_of(waiting: dict[Variable, np.ndarray]) -> tuple:
    """Return what derivatives for these cotangents depend on; a hook may have made any others."""
    return tuple((each, array.shape, array.strides, array.dtype) for each, array in waiting.items())


def only_numbers(values: dict) -> dict:
    """Return what is left where all tensors are freed: what saves none may still need numbers."""
    return {each: held for each, held in values.items() if isinstance(each, Scalar)}


class UnfoldedNode(PrimitiveNode):
    """One of the nodes that a compiled one stands for."""

    __slots__ = ("tape", "unfolding", "variable")

    tape: Any
    unfolding: Unfolding
    variable: Variable

    def release(self) -> None:
        if self.saves_anything:
            super().release()
            if self.unfolding.lasts:
                self.tape.free((self.variable,))


def rebuild(
    order: list[Variable],
    edges: dict[Variable, tuple[Node, int]],
    tape: Any,
    track: bool = False,
    unfolding: Unfolding | None = None,
) -> dict[Variable, tuple[Node, int]]:
    """Make the nodes that eager would have made.

    Args:
        order: the variables to make, results before inputs; each has a history.
        edges: the nodes of variables that lie before; the new ones are added.
        tape: where the saved values are.
        track: hand numbers of run time out as tracked ones.
        unfolding: what they free is freed on the tape, too, as long as that lasts.

    Returns:
        `edges`.
    """
    kind = PrimitiveNode if unfolding is None else UnfoldedNode
    for variable in reversed(order):
        history = variable.history
        assert history is not None
        pairs = [None if each is None else edges.get(each) for each in history.edges]
        node = kind(
            history.primitive,
            tuple(None if each is None else each[0] for each in pairs),
            tuple(0 if each is None else each[1] for each in pairs),
            history.params,
            history.shapes,
        )
        edges[variable] = (node, 0)
        if unfolding is not None and isinstance(node, UnfoldedNode):
            node.tape, node.unfolding, node.variable = tape, unfolding, variable
        try:
            _restore(node, variable, pairs, tape, track)
        except KeyError:
            # another thread may have freed it meanwhile
            if variable not in tape.freed:
                raise
            node.inputs, node.out = FREED, None
    return edges


def _restore(node: PrimitiveNode, variable: Variable, pairs: list, tape: Any, track: bool) -> None:
    """Give a node what it would hold; `pairs` are its edges."""
    if variable in tape.freed:
        node.inputs = FREED
        return
    history: Any = variable.history
    inputs = []
    for each, pair in zip(history.inputs, pairs):
        if isinstance(each, SavedValue):
            inputs.append(restore(each, pair, tape, own=False))
        elif isinstance(each, Scalar):
            number = tape.values[each]
            inputs.append(tracked(number, each) if track else number)
        else:
            inputs.append(each)
    node.inputs = tuple(inputs)
    if history.out is not None:
        node.out = restore(history.out, None, tape, own=True)


def restore(saved: SavedValue, edge: tuple[Node, int] | None, tape: Any, own: bool) -> Saved:
    """Return what eager's node would hold."""
    stale = tape.layout.state.writes.get(saved.storage, 0) != saved.version
    # overwritten in the call itself: unpacking raises before anybody looks at the elements
    held = (
        wrap(np.empty(saved.value.shape, saved.value.dtype)) if stale else tape.fetch(saved.value)
    )
    storage, version = tape.storage(saved, held._array)
    if edge is not None:
        held._node, held._index = edge
    return Saved.restore(held, storage, version, None if edge is None else edge[0], own)


class DerivativeNotes:
    """Notes what the engine performs on its way through one segment.

    Attributes:
        lines: by the nodes that it visits, the source lines of what they are the history of.
        line: that of the node that it is at.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.values: dict[int, tuple[Any, Value]] = {}
        self.inputs: dict[Value | Scalar, None] = {}
        self.produced: set[Value] = set()
        self.failed = ""
        self.lines: dict[Node, Any] = {}
        self.line: Any = None

    def know(self, tensor: Any, value: Value) -> None:
        """Know `tensor` as the input `value`."""
        self.values[id(tensor._array)] = (tensor, value)

    def value(self, tensor: Any) -> Value | None:
        """Return the value of a tensor."""
        known = self.values.get(id(tensor._array))
        if known is None:
            return None
        if known[1] not in self.produced:
            self.inputs[known[1]] = None
        return known[1]

    def unknown(self, reason: str) -> None:
        """Give up: the derivative of this segment stays eager."""
        self.failed = self.failed or reason

    def primitive(
        self, primitive: Any, inputs: tuple, params: dict, output: Any, node: Any
    ) -> None:
        """Note a computation."""
        operands = []
        for each in inputs:
            if isinstance(each, TrackedFloat):
                self.inputs[each.scalar] = None
                operands.append(each.scalar)
            elif hasattr(each, "_array"):
                operands.append(self.value(each))
            else:
                operands.append(each)
        if any(each is None and given is not None for each, given in zip(operands, inputs)):
            return self.unknown(f"{primitive.name}: a tensor from nowhere in a derivative")
        if primitive.shape_depends_on_data:
            return self.unknown(f"{primitive.name}: a shape that depends on data")
        array = output._array
        strides = tuple(step // array.itemsize for step in array.strides)
        memory, offset = Memory(), 0
        if primitive.kind is Kind.VIEW:
            source = operands[0]
            start = address(array) - address(inputs[0]._array)
            memory, offset = source.memory, source.offset + start // max(array.itemsize, 1)
        value = Value(array.shape, strides, array.dtype, memory, offset)
        self.steps.append(Compute(primitive, tuple(operands), params, value, line=self.line))
        self.produced.add(value)
        self.values[id(array)] = (output, value)
        return None

    def write(self, target: Any, source: Any) -> None:
        """A write makes the derivative eager."""
        self.unknown("a write in a derivative")

    def rebased(self, target: Any, node: Any) -> None:
        """What a write does to histories is as unknown as the write."""

    def read_grad(self, leaf: Any) -> Any:
        """Nothing in a derivative reads `.grad`."""
        self.unknown("a derivative reads .grad")
        return leaf._grad

    def write_grad(self, leaf: Any, gradient: Any) -> None:
        """Nothing in a derivative stores `.grad`."""
        self.unknown("a derivative stores .grad")

    def goes_back(self, nodes: Iterable[Any]) -> None:
        """A derivative is walked from one end to the other; there is nothing to note."""

    def visit(self, node: Any) -> None:
        """What follows is the derivative of a line."""
        self.line = self.lines.get(node)

    def grad_mode(self, enabled: bool) -> None:
        """The engine switches it; there is nothing to note."""

    def item(self, tensor: Any) -> Any:
        """A derivative that looks at values stays eager."""
        self.unknown("a derivative reads the value of a tensor")
        return tensor._array.item()

    def truth_of(self, tensor: Any) -> bool:
        """A derivative that looks at values stays eager."""
        self.unknown("a derivative asks for the truth of a tensor")
        return bool(tensor._array.item())

    def scalar(self, symbol: str, function: Any, operands: tuple) -> Any:
        """Arithmetic on numbers of run time makes the derivative eager."""
        self.unknown("a derivative computes with numbers of run time")
        return function(*(plain_number(each) for each in operands))

    outcome = scalar


class Derivative:
    """The native derivative of one segment, for one set of cotangents and one of inputs.

    Attributes:
        program: the native form, None where it stays eager (`reason` says why).
        inputs: what the program reads from the tape, before the cotangents.
        targets: the variables whose cotangents it returns.
        cotangents, outputs: the values of the cotangents that go in and come out.
    """

    def __init__(self) -> None:
        self.program: Program | None = None
        self.reason = ""
        self.steps: list[Step] = []
        self.inputs: list[Value | Scalar] = []
        self.targets: list[Variable] = []
        self.cotangents: list[Value] = []
        self.outputs: list[Value] = []

    def run(self, tape: Any, cotangents: list[np.ndarray]) -> dict[Variable, np.ndarray]:
        """Return the cotangents of the targets."""
        assert self.program is not None
        values = tape.values
        made = self.program.run(*[values[each] for each in self.inputs], *cotangents)
        return dict(zip(self.targets, made))


def differentiate(
    derivative: Derivative,
    segment: Segment,
    order: list[Variable],
    given: dict[Variable, np.ndarray],
    targets: list[Variable],
    tape: Any,
) -> dict[Variable, np.ndarray]:
    """Walk a segment's histories eagerly, return the targets' cotangents, record the derivative."""
    notes = DerivativeNotes()
    before, enabled = state.recorder, state.grad_enabled
    state.recorder, state.grad_enabled = notes, False
    try:
        edges: dict[Variable, tuple[Node, int]] = {each: (Boundary(), 0) for each in targets}
        # a tape of its own, since another thread may go back through the same call
        noted = copy.copy(tape)
        noted.notes = notes
        rebuild(order, edges, noted, track=True)
        for step in segment.steps:
            if isinstance(step, Compute) and step.variable in edges:
                notes.lines[edges[step.variable][0]] = step.line
        cotangents, inputs = [], []
        for array in given.values():
            # an array of its own: two variables may be given the same one, and are told apart by it
            tensor = wrap(array.view())
            value = described(array)
            notes.know(tensor, value)
            notes.produced.add(value)
            cotangents.append(tensor)
            inputs.append(value)
        roots = [edges[each] for each in given]
        found = run_nodes(roots, cotangents, True, False, [edges[each] for each in targets])
        made = {target: tensor for target, tensor in zip(targets, found) if tensor is not None}
        outputs = [notes.value(tensor) for tensor in made.values()]
        if any(each is None for each in outputs):
            notes.unknown("a cotangent from nowhere")
    finally:
        state.recorder, state.grad_enabled = before, enabled
    derivative.reason = notes.failed
    if not notes.failed:
        derivative.steps = notes.steps
        derivative.inputs = list(notes.inputs)
        derivative.targets = list(made)
        derivative.cotangents = inputs
        derivative.outputs = outputs  # type: ignore[assignment]
        derivative.program = segment.lower(
            notes.steps, [*derivative.inputs, *inputs], outputs, "backward pass", segment.waits
        )
    return {target: tensor._array for target, tensor in made.items()}


def add_cotangents(first: np.ndarray | None, second: np.ndarray) -> np.ndarray:
    """Return the sum of the cotangents that a variable received."""
    if first is None:
        return second
    return np.asarray(run_quietly(np.add, first, second))
