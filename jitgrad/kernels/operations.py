"""What a program can be asked to do, in terms of loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Value
from jitgrad.kernels.routines import Routine
from jitgrad.primitive import Kind

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


class Literal(NamedTuple):
    """A constant operand with a dtype."""

    value: Any
    dtype: np.dtype


class Operation:
    """Something done in its turn.

    Attributes:
        reads: the regions read.
        target: the region written, or None.
        scalars: the run-time numbers read, those that regions are shifted by among them.
        ordered: does it raise, draw random numbers or write to what outlives the run, so that it
            must stay in order with others that do?
        whole: the region of which the target is a part, where no operation writes all of it.
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
        touched = reads if target is None else (*reads, target)
        shifts = [each.shift[0] for each in touched if each.shift is not None]
        self.scalars = (*scalars, *shifts)
        self.ordered = ordered
        self.whole: Value | None = None


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


def copied(source: Value, target: Value) -> Map:
    """Return what gives `target` the elements of `source`, which has its shape."""
    return Map("{0}", [source], source.dtype, target)


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
            [each for each in flat(operands) if isinstance(each, Value)],
            step.output,
            [each for each in flat(operands) if isinstance(each, Scalar)],
            ordered=step.primitive.raises_on_data or step.primitive.kind is Kind.RANDOM,
        )
        self.primitive = step.primitive
        self.operands = operands
        self.params = step.params


class Native(Operation):
    """What a primitive has kernels of its own for.

    Attributes:
        call: the same by NumPy, for what the kernels decline.
    """

    def __init__(self, call: Call, routine: Routine, operands: Sequence[Any], target: Value):
        values = [each for each in operands if isinstance(each, Value)]
        reads = values if routine.declined is None else [*values, *call.reads]
        super().__init__(reads, target, call.scalars, call.ordered)
        self.call = call
        self.routine = routine


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


def flat(operands: Sequence[Any]) -> list[Any]:
    """Return the operands, those of lists (as `cat` takes them) too."""
    found: list[Any] = []
    for each in operands:
        found.extend(flat(each) if isinstance(each, (list, tuple)) else [each])
    return found
