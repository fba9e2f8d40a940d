"""Records: what a loop keeps of its turns, or reads in them, one entry after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.conventions import DTYPES
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.loops import NotNative


def packed(value: Value) -> tuple[int, ...]:
    """Return the strides, in elements, of an entry of a record.

    Dimensions keep their order in memory, without gaps and forwards; those that repeat the same
    elements go on to do so.

    >>> packed(Value((2, 3, 4), (1, -10, 0), np.dtype("float32"), Memory()))
    (1, 2, 0)
    """
    order = sorted(range(len(value.shape)), key=lambda dim: (abs(value.strides[dim]), -dim))
    strides = [0] * len(value.shape)
    step = 1
    for dim in order:
        if value.strides[dim] or value.shape[dim] == 1:
            strides[dim] = step
            step *= max(value.shape[dim], 1)
    return value.strides if same_places(value, strides) else tuple(strides)


def same_places(value: Value, strides: Sequence[int]) -> bool:
    return all(
        size == 1 or own == other for size, own, other in zip(value.shape, value.strides, strides)
    )


def entry(kept: Value | Scalar) -> Value:
    """Return the first entry of a record of `kept`, in a memory of its own."""
    if isinstance(kept, Scalar):
        return Value((), (), number_dtype(kept.type), Memory("record"))
    if kept.dtype not in DTYPES:
        raise NotNative(f"a record of {kept.dtype}")
    return Value(kept.shape, packed(kept), kept.dtype, Memory("record"))


def entry_at(record: np.ndarray, at: int, like: Value | Scalar) -> Any:
    """Return an entry of a record, as a turn would have it that begins with `like`."""
    if isinstance(like, Scalar):
        return like.type(record[at])
    return laid_out(like, record[at])


def number_dtype(kind: type) -> np.dtype:
    """Return the dtype of the arrays that hold numbers of a type."""
    return np.dtype({float: np.float64, int: np.int64, bool: np.bool_}[kind])


def thin(value: Value) -> Value:
    """Return `value` with its repeated elements once."""
    shape = tuple(
        size if stride else min(size, 1) for size, stride in zip(value.shape, value.strides)
    )
    return Value(shape, value.strides, value.dtype, value.memory, value.offset)


class Form:
    """How records of a value lie in memory."""

    def __init__(self, value: Value) -> None:
        self.shape = value.shape
        self.dtype = value.dtype
        self.strides = strides_in_bytes(value)
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides))
        self.length = (reach if value.size else 0) + self.dtype.itemsize

    def record(self, turns: int) -> np.ndarray:
        """Return a record with room for so many turns."""
        if not self.shape:
            return np.empty(turns, self.dtype)
        block = np.empty(max(turns, 1) * self.length, np.uint8)
        strides = (self.length, *self.strides)
        return np.ndarray((turns, *self.shape), self.dtype, block, 0, strides)

    def shortened(self, record: np.ndarray, turns: int) -> np.ndarray:
        """Return the first entries of a record, in memory of their own."""
        made = self.record(turns)
        made[...] = record[:turns]
        return made

    def conforming(self, record: np.ndarray) -> np.ndarray:
        """Return `record` with entries that lie as kernels expect them."""
        if record.shape[1:] != self.shape or record.dtype != self.dtype:
            wanted = f"{self.dtype} of shape (turns, {', '.join(map(str, self.shape))})"
            raise ValueError(f"a record of {wanted} is needed, not {record.dtype} {record.shape}")
        strides = record.strides[1:]
        if strides == self.strides or not record.size:
            return record
        pairs = zip(self.shape, strides, self.strides)
        if all(size == 1 or own == wanted for size, own, wanted in pairs):
            return record
        copy = self.record(len(record))
        copy[...] = record
        return copy


def strides_in_bytes(value: Value) -> tuple[int, ...]:
    """Return the strides that an array has which lies like `value`."""
    return tuple(stride * value.dtype.itemsize for stride in value.strides)
