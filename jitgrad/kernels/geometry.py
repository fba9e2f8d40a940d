"""Shapes and strides without elements: splitting dimensions, comparing regions of memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.strides import Window


def count(sizes: Iterable[int]) -> int:
    """Return the product of `sizes`."""
    result = 1
    for each in sizes:
        result *= each
    return result


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides, in elements, of a tensor of this shape without gaps.

    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(count(max(size, 1) for size in shape[dim + 1 :]) for dim in range(len(shape)))


def elementwise(*operands: Value) -> Value:
    """Return what NumPy makes of operands of one shape and dtype, element by element.

    It has a memory of its own, in which each element has a place, also where those of an operand
    that was expanded have not.
    """
    first = operands[0]
    size = first.dtype.itemsize
    none = np.empty((), first.dtype)
    shown = [
        as_strided(none, each.shape, [step * size for step in each.strides]) for each in operands
    ]
    # which makes what a ufunc would, and reads nothing
    made = np.nditer([*shown, None], ["zerosize_ok"]).operands[-1]
    strides = tuple(
        # where there is one element any stride will do
        step // size if length > 1 else like
        for length, step, like in zip(first.shape, made.strides, first.strides)
    )
    return Value(first.shape, strides, first.dtype, Memory())


def is_row_major(value: Value) -> bool:
    """Do the elements lie in row-major order, without gaps?"""
    return all(
        size == 1 or stride == wanted
        for size, stride, wanted in zip(value.shape, value.strides, row_major(value.shape))
    )


def has_overlap(value: Value) -> bool:
    """May it show an element twice?"""
    reach = 0
    for stride, size in sorted((abs(s), n) for n, s in zip(value.shape, value.strides) if n > 1):
        if stride <= reach:
            return True
        reach += (size - 1) * stride
    return False


def part(value: Value, index: Sequence[int | Scalar | tuple[int, int, int]] | Window) -> Value:
    """Return the region of an index: for each of the first dimensions an integer or a range.

    One of the integers may be a number of run time. Of a value in row-major order it may be a
    window.

    >>> import numpy as np
    >>> from jitgrad.graph.ir import Memory
    >>> found = part(Value((4, 5, 6), (30, 6, 1), np.dtype("int8"), Memory()), (2, (1, 5, 3)))
    >>> found.shape, found.strides, found.offset
    ((2, 6), (18, 1), 66)
    """
    offset, shift = value.offset, value.shift
    if isinstance(index, Window):
        assert shift is None and is_row_major(value)
        offset += index.offset
        if isinstance(index.number, Scalar):
            shift = index.number, index.distance
        else:
            offset += index.number * index.distance
        return Value(index.size, index.stride, value.dtype, value.memory, offset, shift)
    shape, strides = [], []
    for dim, (size, stride) in enumerate(zip(value.shape, value.strides)):
        each = index[dim] if dim < len(index) else (0, size, 1)
        if isinstance(each, tuple):
            steps = range(*each)
            offset += each[0] * stride
            shape.append(len(steps))
            strides.append(stride * each[2])
        elif isinstance(each, Scalar):
            assert shift is None
            shift = each, stride
        else:
            offset += each * stride
    return Value(tuple(shape), tuple(strides), value.dtype, value.memory, offset, shift)


def span(value: Value) -> tuple[int, int]:
    """Return the first and the last element that `value` touches, as offsets in its memory.

    Where it is at a number of run time, these are the ones for the number 0.
    """
    low = high = value.offset
    for size, stride in zip(value.shape, value.strides):
        if stride < 0:
            low += (size - 1) * stride
        else:
            high += (size - 1) * stride
    return low, high


def overlap(first: Value, second: Value) -> bool:
    """Can the two name a common element?  (Interleaved slices count as overlapping.)"""
    if first.memory is not second.memory or not first.size or not second.size:
        return False
    low, high = span(first)
    other_low, other_high = span(second)
    if first.dtype.itemsize != second.dtype.itemsize or first.shift != second.shift:
        return True
    return low <= other_high and other_low <= high


def broadcast_strides(value: Value, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides by which `value` is read where it is broadcast to `shape`.

    >>> import numpy as np
    >>> from jitgrad.graph.ir import Memory
    >>> broadcast_strides(Value((3, 1), (1, 1), np.dtype("float32"), Memory()), (2, 3, 4))
    (0, 1, 0)
    """
    missing = len(shape) - len(value.shape)
    own = (
        0 if size == 1 else stride for size, stride in zip(value.shape, value.strides, strict=True)
    )
    return (0,) * missing + tuple(own)


def refined(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...] | None:
    """Return the coarsest shape that splits dimensions of both, in row-major order; None if none.

    >>> refined((6, 4), (24,)), refined((6, 4), (2, 12)), refined((6, 4), (4, 6))
    ((6, 4), (2, 3, 4), None)
    """
    marks = sorted(_marks(first) | _marks(second))
    sizes = []
    for low, high in pairwise(marks):
        if high % low:
            return None
        sizes.append(high // low)
    return tuple(reversed(sizes))


def _marks(sizes: Sequence[int]) -> set[int]:
    marks = {1}
    total = 1
    for each in reversed(sizes):
        total *= each
        marks.add(total)
    return marks


def parts(sizes: Sequence[int], fine: Sequence[int]) -> list[tuple[int, ...]]:
    """Return into which sizes of `fine` each size of `sizes`, none of them 1, is split.

    >>> parts((6, 4), (2, 3, 4))
    [(2, 3), (4,)]
    """
    result = []
    remaining = list(fine)
    for size in sizes:
        taken: list[int] = []
        while count(taken) < size:
            taken.append(remaining.pop(0))
        result.append(tuple(taken))
    return result


def split_strides(strides: Sequence[int], pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the strides after each dimension is split into `pieces`.

    >>> split_strides((4, 1), [(2, 3), (4,)])
    (12, 4, 1)
    """
    result: list[int] = []
    for stride, sizes in zip(strides, pieces, strict=True):
        inner = [count(sizes[k + 1 :]) * stride for k in range(len(sizes))]
        result.extend(inner)
    return tuple(result)
