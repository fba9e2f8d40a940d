"""Operations with kernels of their own: loops that a primitive brings along, correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Compute, Memory, Scalar, Value
from jitgrad.kernels.entries import Emitted, Entry, Integer, Pointer, RuntimeNumber
from jitgrad.kernels.expressions import emit_literal, type_name
from jitgrad.primitive import Loops


class Routine(NamedTuple):
    """Kernels that perform one operation, in order.

    Attributes:
        kernels: they work on dense memory.
        tables: constants that they read.
        declined: an int64 that becomes 1 where the NumPy implementation is to be asked.
    """

    kernels: list[Emitted]
    tables: list[tuple[Value, np.ndarray]]
    declined: Value | None


Maker = Callable[[Value, Sequence[Any]], Routine]
"""Returns the routine, given where the result goes and the operands, all of them dense."""


def routine_for(step: Compute) -> Maker | None:
    """Return what makes the routine for `step`; None where NumPy does it."""
    if step.primitive.loops is not None:
        loops = step.primitive.loops(step.output, *step.inputs, **step.params)
        if loops is not None:
            return lambda target, operands: _loops(loops, target, operands)
    return None


def table_of(array: np.ndarray) -> tuple[Value, np.ndarray]:
    """Return an array of one dimension as a constant that kernels read."""
    array.flags.writeable = False
    return Value(array.shape, (1,), array.dtype, Memory("table")), array


class Header:
    """The first lines of a kernel, which give its arguments names.

    Attributes:
        lines: the source.
        table: what the kernel is called with.
    """

    def __init__(self) -> None:
        self.lines = ["def kernel(arguments, first, last):"]
        self.table: list[Entry] = []

    def line(self, name: str, expression: str) -> None:
        self.lines.append(f"    {name} = {expression}")

    def region(self, name: str, value: Value) -> None:
        self.line(name, f"region(arguments, {len(self.table)}, {value.dtype.name!r})")
        self.table.append(Pointer(value))

    def integer(self, name: str, value: int) -> None:
        self.line(name, f"integer(arguments, {len(self.table)})")
        self.table.append(Integer(value))

    def number(self, name: str, value: Any, dtype: np.dtype) -> None:
        """Name a number, known or of run time, as an element of `dtype`."""
        if not isinstance(value, Scalar):
            self.line(name, emit_literal(value, dtype))
            return
        read = "number" if value.type is float else "integer"
        self.line(name, f"{type_name(dtype)}({read}(arguments, {len(self.table)}))")
        self.table.append(RuntimeNumber(value))

    def emitted(self, body: str, rounds: int, nanoseconds: float) -> Emitted:
        source = "\n".join([*self.lines, *("    " + each for each in body.splitlines())])
        return Emitted(source + "\n", self.table, rounds, nanoseconds)


def _loops(loops: Loops, target: Value, operands: Sequence[Any]) -> Routine:
    header = Header()
    header.region("out", target)
    for position, operand in enumerate(operands):
        if isinstance(operand, Value):
            header.region(f"a{position}", operand)
        else:
            header.number(f"a{position}", operand, target.dtype)
    tables = []
    for name, array in loops.tables.items():
        tables.append(table_of(array))
        header.region(name, tables[-1][0])
    declined = None
    if loops.declines:
        declined = Value((1,), (1,), np.dtype(np.int64), Memory("declined"))
        header.region("declined", declined)
    for name, value in loops.sizes.items():
        header.integer(name, value)
    body = loops.body.format(kind=type_name(target.dtype))
    return Routine([header.emitted(body, loops.rounds, loops.nanoseconds)], tables, declined)
