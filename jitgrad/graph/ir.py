"""The straight line of a trace: steps over regions of memory and over Python numbers.

A `Value` names a region of memory, not its contents at one moment: reading it gives what the
memory holds when the reader's turn comes, as with a tensor. Steps are in program order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.primitive import Primitive


class Memory:
    """A buffer of the trace; two values with different memories never overlap."""

    __slots__ = ("label",)

    def __init__(self, label: str = "") -> None:
        self.label = label


class Value:
    """A tensor of the trace: a strided region of a memory.

    Attributes:
        shape: the sizes.
        strides: the steps in elements.
        offset: the first element, counted in elements from the first element of the value that
            introduced the memory (negative where a view begins before it).
        dtype: the NumPy dtype.
        memory: the buffer.
        shift: a number of run time and a distance: the first element lies that many times this
            distance behind `offset`. Only kernels, and what is lowered for them, know such regions.
    """

    __slots__ = ("dtype", "memory", "offset", "shape", "shift", "strides")

    def __init__(
        self,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: np.dtype,
        memory: Memory,
        offset: int = 0,
        shift: tuple[Scalar, int] | None = None,
    ) -> None:
        self.shape = shape
        self.strides = strides
        self.dtype = dtype
        self.memory = memory
        self.offset = offset
        self.shift = shift

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for each in self.shape:
            count *= each
        return count

    def same_region(self, other: Value) -> bool:
        """Do both name the same elements in the same order?"""
        return (
            self.memory is other.memory
            and self.offset == other.offset
            and self.shift == other.shift
            and self.shape == other.shape
            and self.strides == other.strides
            and self.dtype == other.dtype
        )


class Scalar:
    """A Python number that is known only when the trace runs."""

    __slots__ = ("type",)

    def __init__(self, type: type) -> None:
        self.type = type


Operand = Value | Scalar | float | int | bool
"""What a primitive takes: a tensor, a number of run time, or a constant number."""


class Compute:
    """`output = primitive(*inputs, **params)`; a view's output lies in its input's memory.

    `variable` is the history that autograd gives the output, None where it has none.
    """

    __slots__ = ("inputs", "line", "output", "params", "primitive", "variable")

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Any, ...],
        params: dict[str, Any],
        output: Value,
        variable: Any = None,
        line: Any = None,
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.output = output
        self.variable = variable
        self.line = line


class Write:
    """The elements of `target` are overwritten by those of `source` (same shape, dtype cast)."""

    __slots__ = ("line", "source", "target")

    def __init__(self, target: Value, source: Value, line: Any = None) -> None:
        self.target = target
        self.source = source
        self.line = line


class ScalarCompute:
    """`output = function(*inputs)` on Python numbers, by Python's own rules.

    `expression` is the printed form, such as "{0} * {1}" or "math.sqrt({0})".
    """

    __slots__ = ("expression", "function", "inputs", "line", "output")

    def __init__(
        self,
        function: Callable,
        expression: str,
        inputs: tuple[Any, ...],
        output: Scalar,
        line: Any = None,
    ) -> None:
        self.function = function
        self.expression = expression
        self.inputs = inputs
        self.output = output
        self.line = line


class Item:
    """`output` is the only element of `input`, as a Python number."""

    __slots__ = ("input", "line", "output")

    def __init__(self, input: Value, output: Scalar, line: Any = None) -> None:
        self.input = input
        self.output = output
        self.line = line


Step = Compute | Write | ScalarCompute | Item


def operands(step: Step) -> tuple[Any, ...]:
    """Return what a step reads, and the target of a write."""
    if isinstance(step, (Compute, ScalarCompute)):
        return step.inputs
    if isinstance(step, Item):
        return (step.input,)
    return (step.target, step.source)


class Renaming:
    """Steps with other values in the place of some, and of what shows these.

    Attributes:
        values: what stands for a value.
        memories: the memory that stands for another one.
    """

    def __init__(self, values: dict[Value, Value] | None = None) -> None:
        self.values: dict[Value, Value] = {} if values is None else values
        self.memories: dict[Memory, Memory] = {}

    def __call__(self, operand: Any) -> Any:
        if isinstance(operand, (list, tuple)):
            return type(operand)(self(each) for each in operand)
        if not isinstance(operand, Value):
            return operand
        made = self.values.get(operand)
        if made is None:
            memory = self.memories.get(operand.memory)
            made = operand if memory is None else _moved(operand, memory, 0)
            self.values[operand] = made
        return made

    def step(self, step: Step) -> Step:
        """Return a step that does the same with what stands for its operands."""
        if isinstance(step, Write):
            return Write(self(step.target), self(step.source))
        if isinstance(step, Item):
            return Item(self(step.input), step.output)
        if isinstance(step, ScalarCompute):
            return step
        inputs = self(step.inputs)
        shown = inputs[0] if inputs else None
        if isinstance(shown, Value) and step.output.memory is step.inputs[0].memory:
            distance = shown.offset - step.inputs[0].offset
            self.values[step.output] = _moved(step.output, shown.memory, distance)
        return Compute(step.primitive, inputs, step.params, self(step.output))


def _moved(value: Value, memory: Memory, distance: int) -> Value:
    offset = value.offset + distance
    return Value(value.shape, value.strides, value.dtype, memory, offset, value.shift)
