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


def number_type(dtype: np.dtype) -> type:
    return {"f": float, "b": bool}.get(dtype.kind, int)


def thin(value: Value) -> Value:
    """Return `value` with its repeated elements once."""
    shape = tuple(
        size if stride else min(size, 1) for size, stride in zip(value.shape, value.strides)
    )
    return Value(shape, value.strides, value.dtype, value.memory, value.offset)
