"""What kernels are called with: the entries of their argument tables."""

from __future__ import annotations

from typing import NamedTuple

from jitgrad.graph.ir import Scalar, Value


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
