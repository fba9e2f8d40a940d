"""What kernels are called with: the entries of their argument tables, and how they are named."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.expressions import emit_literal, type_name


class Pointer(NamedTuple):
    """An entry of the table: the address of the first element of `value`."""

    value: Value


class Integer(NamedTuple):
    """An entry: a size or stride."""

    value: int


class RuntimeNumber(NamedTuple):
    """An entry: a number of run time, as float64 or, for integers, int64."""

    scalar: Scalar


Entry = Pointer | Integer | RuntimeNumber


class Emitted(NamedTuple):
    """A kernel's source and how to call it.

    Attributes:
        source: the text.
        table: the entries in order.
        length: the rounds of the outermost loop.
        nanoseconds: an estimate of what it takes.
    """

    source: str
    table: list[Entry]
    length: int
    nanoseconds: float


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

    def regions(self, **values: Value) -> None:
        for name, value in values.items():
            self.line(name, f"region(arguments, {len(self.table)}, {value.dtype.name!r})")
            self.table.append(Pointer(value))

    def integers(self, **values: int) -> None:
        for name, value in values.items():
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
