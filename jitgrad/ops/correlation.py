"""Convolutions of NumPy arrays: windows copied in blocks, each block one product of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jitgrad.ops.sliding import Pairs, Sizes, add_windows, padded, unpadded, windows

_BLOCK = 1 << 18
"""Elements of windows that are copied for one product of matrices: 1 MiB of float32.

Measured from 2^15 to 2^22 on twelve layers: with a quarter of it deep layers take up to 1.7 times
as long, with sixteen times as much others take up to 1.5 times.
"""


def _by_group(array: np.ndarray, groups: int) -> np.ndarray:
    """Return (n, groups * c, *rest) seen as (groups, c, n, *rest)."""
    n, channels, *rest = array.shape
    split = array.reshape(n, groups, channels // groups, *rest)
    return split.transpose(1, 2, 0, *range(3, split.ndim))


def _columns(array: np.ndarray, groups: int, *params: Sizes) -> np.ndarray:
    """Return the windows of (n, groups * c, *sizes) seen as (groups, c, *kernel, n, *positions)."""
    made = windows(_by_group(array, groups), *params)
    middle = 3 + len(params[0])
    return made.transpose(0, 1, *range(3, middle), 2, *range(middle, made.ndim))


def _blocks(samples: int, rows: int, each: int) -> Iterator[tuple[slice, slice]]:
    """Yield parts of the samples, and of the first spatial dimension, whose windows are a block.

    `each` is the number of elements in the windows of one sample.
    """
    many = max(_BLOCK // max(each, 1), 1)
    high = rows if many > 1 else max(rows * _BLOCK // max(each, 1), 1)
    for first in range(0, samples, many):
        for top in range(0, rows, high):
            yield slice(first, first + many), slice(top, min(top + high, rows))


def _volume(sizes: Sizes) -> int:
    volume = 1
    for each in sizes:
        volume *= each
    return volume


def _wide(*arrays: Any) -> tuple:
    """Return `arrays` in the dtype to compute in: NumPy has no BLAS for float16."""
    if arrays[0].dtype != np.float16:
        return arrays
    return tuple(each if each is None else each.astype(np.float32) for each in arrays)


def convolved(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> np.ndarray:
    dtype = x.dtype
    x, weight, bias = _wide(x, weight, bias)
    n, (channels, depth, *kernel) = x.shape[0], weight.shape
    columns = _columns(padded(x, padding), groups, tuple(kernel), stride, dilation)
    counts = columns.shape[-len(stride) :]
    depth *= _volume(tuple(kernel))
    rows = weight.reshape(groups, channels // groups, depth)
    result = np.empty((n, channels, *counts), dtype)
    grouped = _by_group(result, groups)
    rest = (slice(None),) * (len(stride) - 1)
    for samples, part in _blocks(n, counts[0], groups * depth * _volume(counts)):
        block = columns[(..., samples, part, *rest)]
        target = grouped[:, :, samples, part]
        made = np.matmul(rows, block.reshape(groups, depth, _volume(target.shape[2:])))
        if bias is not None:
            made += bias.reshape(groups, -1, 1)
        target[...] = made.reshape(target.shape)
    return result


def convolved_input(
    g: np.ndarray,
    weight: np.ndarray,
    *,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> np.ndarray:
    dtype = g.dtype
    g, weight = _wide(g, weight)
    n, counts, (channels, depth, *kernel) = g.shape[0], g.shape[2:], weight.shape
    reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
    inner = channels // groups
    by_group = weight.reshape(groups, inner, depth, *kernel)
    if max(stride) == 1 and inner <= 4 * depth:
        # as a convolution of g, which copies windows of g's channels where the general way adds
        # up those of x's: 0.14 to 0.93 of the time, but with 16 channels for 1 it takes 3.4 times
        flipped = by_group.swapaxes(1, 2)[(..., *[slice(None, None, -1)] * len(kernel))]
        turned = np.array(flipped, order="C").reshape(groups * depth, inner, *kernel)
        pairs = tuple((r - low, r - high) for r, (low, high) in zip(reach, padding))
        made = convolved(g, turned, stride=stride, padding=pairs, dilation=dilation, groups=groups)
        return made.astype(dtype, copy=False)
    full = tuple((c - 1) * s + r + 1 for c, s, r in zip(counts, stride, reach))
    result = np.zeros((n, groups * depth, *full), g.dtype)
    grouped, cotangents = _by_group(result, groups), _by_group(g, groups)
    columns = by_group.reshape(groups, inner, depth * _volume(tuple(kernel))).swapaxes(1, 2)
    for samples, part in _blocks(n, counts[0], columns.size // inner * _volume(counts)):
        block = cotangents[:, :, samples, part]
        made = np.matmul(columns, block.reshape(*block.shape[:2], _volume(block.shape[2:])))
        parts = made.reshape(groups, depth, *kernel, *block.shape[2:])
        parts = np.moveaxis(parts, 2 + len(kernel), 2)
        first = part.start * stride[0]
        add_windows(grouped[:, :, samples, first:], parts, stride, dilation)
    return np.asarray(unpadded(result, padding), dtype, order="C")


def convolved_weight(
    g: np.ndarray,
    x: np.ndarray,
    *,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> np.ndarray:
    dtype = g.dtype
    g, x = _wide(g, x)
    n, channels, *counts = g.shape
    extent = [size + low + high for size, (low, high) in zip(x.shape[2:], padding)]
    kernel = tuple(
        (e - (c - 1) * s - 1) // d + 1 for e, c, s, d in zip(extent, counts, stride, dilation)
    )
    columns = _columns(padded(x, padding), groups, kernel, stride, dilation)
    cotangents = _by_group(g, groups)
    inner = channels // groups
    depth = x.shape[1] // groups * _volume(kernel)
    result = np.zeros((groups, inner, depth), g.dtype)
    rest = (slice(None),) * (len(stride) - 1)
    for samples, part in _blocks(n, counts[0], groups * depth * _volume(tuple(counts))):
        block = cotangents[:, :, samples, part]
        positions = _volume(block.shape[2:])
        rows = columns[(..., samples, part, *rest)].reshape(groups, depth, positions)
        result += np.matmul(block.reshape(groups, inner, positions), rows.swapaxes(1, 2))
    return result.reshape(channels, x.shape[1] // groups, *kernel).astype(dtype, copy=False)
