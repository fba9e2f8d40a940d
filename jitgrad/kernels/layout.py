"""NumPy arrays with a given layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Value
from jitgrad.modes import run_quietly


def extent(value: Value) -> tuple[int, int]:
    """Return where the lowest element of `value` lies, seen from the first, and how long it is.

    >>> extent(Value((2, 3), (4, -1), np.dtype("float32"), Memory()))
    (-2, 7)
    """
    steps = [
        (max(size, 1) - 1) * stride for size, stride in zip(value.shape, value.strides, strict=True)
    ]
    return sum(each for each in steps if each < 0), 1 + sum(map(abs, steps))


def allocate(value: Value) -> np.ndarray:
    """Return an array with the shape, strides and dtype of `value`."""
    low, length = extent(value)
    itemsize = value.dtype.itemsize
    strides = tuple(stride * itemsize for stride in value.strides)
    block = np.empty(length, value.dtype)
    return np.ndarray(value.shape, value.dtype, block, -low * itemsize, strides)


def laid_out(value: Value, array: np.ndarray) -> np.ndarray:
    """Return a copy of `array` that lies as `value` says."""
    copy = allocate(value)
    np.copyto(copy, array)
    return copy


def view_of(base: np.ndarray, layout: tuple) -> np.ndarray:
    """Return an array of another layout (shape, dtype, strides and offset in bytes) on `base`."""
    shape, dtype = layout[:2]
    if 0 in shape:
        # no element, so any memory will do, but the strides are to be the recorded ones
        return np.ndarray(shape, dtype, np.empty(1, dtype), 0, (0,) * len(shape))
    return np.asarray(_AtAddress(base, layout))


class _AtAddress:
    """Memory `offset` bytes from the first element of an array, by NumPy's array interface."""

    def __init__(self, base: np.ndarray, layout: tuple) -> None:
        shape, dtype, strides, offset = layout
        self.base = base
        address = base.__array_interface__["data"][0] + offset
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "strides": strides,
            "data": (address, not base.flags.writeable),
        }


def fresh(made: Any, layout: tuple, operands: tuple) -> np.ndarray:
    """Return `made` as an array of this layout (shape, dtype, strides) that shows no operand."""
    shape, dtype, strides = layout
    if type(made) is not np.ndarray:
        made = np.asarray(made, dtype)
    if made.strides == strides and made.dtype == dtype and made.shape == shape:
        if made.base is None:
            if not any(made is each for each in operands):
                return made
        elif not any(np.may_share_memory(made, each) for each in operands):
            return made
    itemsize = dtype.itemsize
    elements = tuple(stride // itemsize for stride in strides)
    copy = allocate(Value(shape, elements, dtype, Memory("copy")))
    run_quietly(np.copyto, copy, made, casting="unsafe")
    return copy
