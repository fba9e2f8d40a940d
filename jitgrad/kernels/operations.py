"""What is to be done, in terms of loops: the steps of a trace as the lowering sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.kernels.geometry import overlap
from jitgrad.kernels.layout import allocate
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind, Primitive

DTYPES = {
    np.dtype(name)
    for name in (
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
    )
}
"""What kernels compute with; float16 only where the processor converts it (see cpu.py)."""

LARGEST_FOLDED = 1 << 24
"""Constants of more elements are not looked at."""


class Literal(NamedTuple):
    """A constant operand with a dtype."""

    value: Any
    dtype: np.dtype


class Operation:
    """Something done in its turn.

    Attributes:
        reads: the regions read.
        target: the region written, or None.
        scalars: the run-time numbers read.
        ordered: does it raise, draw random numbers or write to what outlives the run, so that it
            must stay in order with others that do?
    """

    def __init__(
        self,
        reads: Sequence[Value],
        target: Value | None,
        scalars: Sequence[Scalar] = (),
        ordered: bool = False,
    ) -> None:
        self.reads = tuple(reads)
        self.target = target
        self.scalars = tuple(scalars)
        self.ordered = ordered


class Map(Operation):
    """`target = expression(*operands)` element by element, computed in `dtype`."""

    def __init__(
        self, expression: str, operands: Sequence[Any], dtype: np.dtype, target: Value
    ) -> None:
        super().__init__(
            [each for each in operands if isinstance(each, Value)],
            target,
            [each for each in operands if isinstance(each, Scalar)],
        )
        self.expression = expression
        self.operands = tuple(operands)
        self.dtype = dtype


class Reduce(Operation):
    """`target` combines the elements of `source` along the dimensions `dims`.

    Attributes:
        begin, combine: see `Primitive.combine`.
    """

    def __init__(
        self, combine: tuple[str, str], source: Value, dims: tuple[int, ...], target: Value
    ) -> None:
        super().__init__([source], target)
        self.begin, self.combine = combine
        self.source = source
        self.dims = dims


class Product(Operation):
    """`target = a @ b`."""

    def __init__(self, a: Value, b: Value, target: Value) -> None:
        super().__init__([a, b], target)
        self.a = a
        self.b = b


class Call(Operation):
    """`target = primitive.numpy(*operands, **params)`."""

    def __init__(self, step: Compute) -> None:
        operands = step.inputs
        super().__init__(
            [each for each in _flat(operands) if isinstance(each, Value)],
            step.output,
            [each for each in _flat(operands) if isinstance(each, Scalar)],
            ordered=step.primitive.raises_on_data or step.primitive.kind is Kind.RANDOM,
        )
        self.primitive = step.primitive
        self.operands = operands
        self.params = step.params


class Copy(Operation):
    """The elements of `target` become those of `source`, of dtypes that kernels do not know."""

    def __init__(self, source: Value, target: Value) -> None:
        super().__init__([source], target, ordered=True)
        self.source = source


class Constant(Operation):
    """`target` has the elements of an array that is known now."""

    def __init__(self, array: np.ndarray, target: Value) -> None:
        super().__init__([], target)
        self.array = array


class Number(Operation):
    """`output = function(*operands)` on Python numbers."""

    def __init__(self, step: ScalarCompute) -> None:
        super().__init__(
            [], None, [each for each in step.inputs if isinstance(each, Scalar)], ordered=True
        )
        self.function: Callable = step.function
        self.expression = step.expression
        self.operands = step.inputs
        self.output = step.output


class Extract(Operation):
    """`output` is the only element of `source`."""

    def __init__(self, step: Item) -> None:
        super().__init__([step.input], None)
        self.source = step.input
        self.output = step.output


def _flat(operands: Sequence[Any]) -> list[Any]:
    """Return the operands, those of lists (as `cat` takes them) too."""
    found: list[Any] = []
    for each in operands:
        found.extend(_flat(each) if isinstance(each, (list, tuple)) else [each])
    return found


def operations(
    steps: Sequence[Step], inputs: Sequence[Value | Scalar], outputs: Sequence[Value | Scalar]
) -> list[Operation]:
    """Return what is to be done: without dead steps, with constants folded."""
    outside = {each.memory for each in inputs if isinstance(each, Value)}
    visible = outside | {each.memory for each in outputs if isinstance(each, Value)}
    live = _live(steps, visible, outputs)
    written = {step.target.memory for step in live if isinstance(step, Write)}
    reader = _Reader(outside, visible, written)
    for step in live:
        reader.read(step)
    return reader.done


def _live(
    steps: Sequence[Step], visible: set[Memory], outputs: Sequence[Value | Scalar]
) -> list[Step]:
    wanted: set[Any] = visible | {each for each in outputs if isinstance(each, Scalar)}
    kept: list[Step] = []
    for step in reversed(steps):
        if isinstance(step, Compute):
            fresh = step.output.memory not in {
                each.memory for each in _flat(step.inputs) if isinstance(each, Value)
            }
            must = step.primitive.raises_on_data or step.primitive.kind is Kind.RANDOM
            if step.output.memory not in wanted and not must:
                continue
            if fresh and step.output.memory not in visible:
                wanted.discard(step.output.memory)
            elif not fresh:
                continue  # a view is nothing to do
            operands = _flat(step.inputs)
        elif isinstance(step, Write):
            if step.target.memory not in wanted or not step.target.size:
                continue
            operands = [step.source]
        elif isinstance(step, Item):
            if step.output not in wanted:
                continue
            operands = [step.input]
        else:
            operands = step.inputs  # may raise, so it stays
        kept.append(step)
        wanted.update(each.memory for each in operands if isinstance(each, Value))
        wanted.update(each for each in operands if isinstance(each, Scalar))
    return kept[::-1]


class _Reader:
    def __init__(self, outside: set[Memory], visible: set[Memory], written: set[Memory]) -> None:
        self.outside = outside
        self.visible = visible
        self.written = written
        self.done: list[Operation] = []
        self.literals: dict[Memory, Literal] = {}
        self.unmade: dict[Memory, Value] = {}

    def add(self, operation: Operation) -> None:
        """Note `operation`, after the constants that it must find in memory."""
        for value in operation.reads:
            whole = self.unmade.pop(value.memory, None)
            if whole is not None:
                array = allocate(whole)
                array[...] = self.literals[whole.memory].value
                self.done.append(_read_only(array, whole))
        self.done.append(operation)

    def read(self, step: Step) -> None:
        if isinstance(step, Compute):
            self.compute(step)
        elif isinstance(step, Write):
            self.write(step)
        elif isinstance(step, ScalarCompute):
            self.add(Number(step))
        else:
            self.add(Extract(step))

    def compute(self, step: Compute) -> None:
        primitive, output = step.primitive, step.output
        if self._fold(step):
            return
        if primitive.scalar is not None and not primitive.raises_on_data and _is_native(step):
            if output.size:
                self.map(primitive.scalar, step.inputs, output)
        elif primitive.kind is Kind.REDUCTION and _is_plain_reduction(step):
            self.reduce(primitive, step)
        elif primitive.kind is Kind.CONTRACTION and _is_plain_product(step):
            self.add(Product(step.inputs[0], step.inputs[1], output))
        else:
            self.add(Call(step))

    def map(self, expression: str, inputs: Sequence[Any], output: Value) -> None:
        operands = [
            self.literals.get(each.memory, each) if isinstance(each, Value) else each
            for each in inputs
        ]
        self.add(Map(expression, operands, _computing_dtype(inputs, output), output))

    def write(self, step: Write) -> None:
        source: Any = step.source
        if overlap(source, step.target) and not source.same_region(step.target):
            copy = Value(source.shape, _dense(source.shape), source.dtype, Memory("copy"))
            self.map("{0}", [source], copy)
            source = copy
        if _is_native_dtype(source) and _is_native_dtype(step.target):
            self.map("{0}", [source], step.target)
            if step.target.memory in self.visible:
                self.done[-1].ordered = True
        else:
            self.add(Copy(source, step.target))

    def reduce(self, primitive: Primitive, step: Compute) -> None:
        assert primitive.combine is not None
        (source,) = step.inputs
        dims = tuple(dim for dim in step.params["dim"] if source.shape[dim] != 1)
        if dims:
            self.add(Reduce(primitive.combine, source, dims, step.output))
        else:
            only = "{0} != 0" if step.output.dtype == np.bool_ else "{0}"
            lost = () if step.params["keepdim"] else step.params["dim"]
            kept = [dim for dim in range(len(source.shape)) if dim not in lost]
            shape, strides = (
                tuple(each[dim] for dim in kept) for each in (source.shape, source.strides)
            )
            seen = Value(shape, strides, source.dtype, source.memory, source.offset)
            self.map(only, [seen], step.output)

    def _fold(self, step: Compute) -> bool:
        """Note the value of `step` if it is a constant; is nothing left to do?"""
        primitive, output = step.primitive, step.output
        operands = _flat(step.inputs)
        if output.memory in self.written or output.size > LARGEST_FOLDED or not output.size:
            return False
        if primitive.kind is Kind.CREATION:
            if any(isinstance(each, (Scalar, Value)) for each in operands):
                return False
            array = np.asarray(run_quietly(primitive.numpy, *step.inputs, **step.params))
            first = array.reshape(-1)[:1]
            if _is_native_dtype(output) and array.tobytes() == first.tobytes() * array.size:
                self.literals[output.memory] = Literal(first[0], output.dtype)
                if output.memory in self.visible:
                    return False
                self.unmade[output.memory] = output
                return True
            if output.memory in self.visible or array.shape != output.shape:
                return False
            self.add(_read_only(array, output))
            return True
        if primitive.scalar is None or primitive.raises_on_data or not _is_native(step):
            return False
        if not operands or not all(
            each.memory in self.literals
            if isinstance(each, Value)
            else not isinstance(each, Scalar)
            for each in operands
        ):
            return False
        arrays = [
            np.full((1,), self.literals[each.memory].value, each.dtype)
            if isinstance(each, Value)
            else each
            for each in operands
        ]
        made = np.asarray(run_quietly(primitive.numpy, *arrays, **step.params)).reshape(-1)
        if made.dtype != output.dtype or made.size != 1:
            return False
        self.literals[output.memory] = Literal(made[0], output.dtype)
        if output.memory in self.visible:
            self.add(Map("{0}", [self.literals[output.memory]], output.dtype, output))
        else:
            self.unmade[output.memory] = output
        return True


def _read_only(array: np.ndarray, target: Value) -> Constant:
    array.flags.writeable = False
    return Constant(array, target)


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _is_native_dtype(value: Value) -> bool:
    return value.dtype in DTYPES


def _is_native(step: Compute) -> bool:
    """Can a kernel compute `step`?"""
    values = [each for each in step.inputs if isinstance(each, Value)]
    if not all(_is_native_dtype(each) for each in (*values, step.output)):
        return False
    if any(isinstance(each, (list, tuple, complex)) for each in step.inputs):
        return False
    return step.primitive.kind in (Kind.ELEMENTWISE, Kind.CREATION)


def _is_plain_reduction(step: Compute) -> bool:
    if step.primitive.combine is None or len(step.inputs) != 1:
        return False
    (source,) = step.inputs
    return (
        _is_native_dtype(source)
        and _is_native_dtype(step.output)
        and source.size > 0
        and set(step.params) == {"dim", "keepdim"}
    )


def _is_plain_product(step: Compute) -> bool:
    a, b, out = step.inputs[0], step.inputs[1], step.output
    if len(step.inputs) != 2 or step.params or not (a.dtype == b.dtype == out.dtype):
        return False
    if out.dtype.name not in ("float32", "float64") or not out.size:
        return False
    ndim = len(a.shape)
    return (
        ndim in (2, 3)
        and len(b.shape) == ndim
        and a.shape[:-2] == b.shape[:-2]
        and out.shape == (*a.shape[:-1], b.shape[-1])
    )


def _computing_dtype(inputs: Sequence[Any], output: Value) -> np.dtype:
    """Return the dtype of numbers among the operands."""
    found = [each.dtype for each in inputs if isinstance(each, Value)]
    wide = [each for each in found if each != np.bool_]
    if wide:
        return max(wide, key=lambda each: (each.kind == "f", each.itemsize))
    return output.dtype if output.dtype != np.bool_ or found else np.dtype(np.float64)
