"""Windows that slide over the last dimensions of NumPy arrays: what convolutions and pools share.

A window has the sizes `kernel`, its elements lie `dilation` apart, and neighbouring windows begin
`stride` apart. `padding` holds for each dimension how many elements are added before and after
it; negative numbers take elements away.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.errors import describe
from jitgrad.ops.views import restrided, whole_numbers

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def padded(array: np.ndarray, padding: Pairs, value: Any = 0) -> np.ndarray:
    """Return `array` with its last dimensions padded by `value` or cropped."""
    kept = len(padding)
    crop = [slice(max(-low, 0), min(high, 0) or None) for low, high in padding]
    array = array[(..., *crop)]
    if not any(low > 0 or high > 0 for low, high in padding):
        return array
    inner = array.shape[-kept:]
    adding = [(max(low, 0), max(high, 0)) for low, high in padding]
    outer = tuple(size + low + high for size, (low, high) in zip(inner, adding))
    shape = (*array.shape[:-kept], *outer)
    made = np.full(shape, value, array.dtype) if value else np.zeros(shape, array.dtype)
    made[(..., *[slice(low, low + size) for size, (low, _) in zip(inner, adding)])] = array
    return made


def unpadded(array: np.ndarray, padding: Pairs) -> np.ndarray:
    """Return what `padded` made of: its adjoint."""
    return padded(array, tuple((-low, -high) for low, high in padding))


def count_of(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """Return how many windows fit in a dimension."""
    return (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1


def fitted(size: int, kernel: int, stride: int, low: int, dilation: int, count: int) -> int:
    """Return the padding after a dimension with which `count` windows reach exactly to its end."""
    return (count - 1) * stride + dilation * (kernel - 1) + 1 - size - low


def windows(array: np.ndarray, kernel: Sizes, stride: Sizes, dilation: Sizes) -> np.ndarray:
    """Return a view (..., *kernel, *positions) of all windows of the last dimensions."""
    ndim = len(kernel)
    lead, steps = array.shape[:-ndim], array.strides[-ndim:]
    counts = tuple(map(count_of, array.shape[-ndim:], kernel, stride, [(0, 0)] * ndim, dilation))
    strides = (
        *array.strides[:-ndim],
        *[step * apart for step, apart in zip(steps, dilation)],
        *[step * apart for step, apart in zip(steps, stride)],
    )
    return restrided(array, (*lead, *kernel, *counts), strides)


def each_offset(
    kernel: Sizes, stride: Sizes, dilation: Sizes, counts: Sizes
) -> Iterator[tuple[Sizes, tuple]]:
    """Yield each place in a window, and the index of the elements that lie there in all windows."""
    for place in itertools.product(*map(range, kernel)):
        starts = [each * apart for each, apart in zip(place, dilation)]
        yield (
            place,
            (
                ...,
                *[
                    slice(start, start + (count - 1) * step + 1, step)
                    for start, step, count in zip(starts, stride, counts)
                ],
            ),
        )


def add_windows(result: np.ndarray, parts: np.ndarray, stride: Sizes, dilation: Sizes) -> None:
    """Add windows `parts` (..., *kernel, *positions) to `result`: the adjoint of `windows`."""
    ndim = len(stride)
    kernel, counts = parts.shape[-2 * ndim : -ndim], parts.shape[-ndim:]
    rest = (slice(None),) * ndim
    for place, index in each_offset(kernel, stride, dilation, counts):
        result[index] += parts[(..., *place, *rest)]


# -- arguments of the public functions ----------------------------------------------------------


def sizes_for(operation: str, argument: str, value: Any, ndim: int) -> Sizes:
    """Return `ndim` integers for an argument that is one integer, or one for each dimension.

    Raises:
        TypeError: they are no integers.
        RuntimeError: there are more or fewer.
    """
    given = whole_numbers(operation, (value,), argument)
    if len(given) == 1:
        return given * ndim
    if len(given) != ndim:
        raise RuntimeError(
            describe(
                operation,
                f"{argument}={list(given)}",
                f"expected {argument} to be a single integer value or a list of {ndim} values to "
                "match the dimensions that the windows slide over",
                f"pass one integer or {ndim}",
            )
        )
    return given


def check_least(operation: str, argument: str, values: Sizes, least: int) -> None:
    """Raise RuntimeError where one of `values` is below `least`."""
    if min(values) < least:
        refused = "non-positive" if least else "negative"
        raise RuntimeError(
            describe(
                operation,
                f"{argument}={list(values)}",
                f"{refused} {argument} is not supported",
                f"pass integers from {least} on",
            )
        )


def batched(operation: str, input: Tensor, ndim: int) -> tuple[Tensor, bool]:
    """Return `input` (n, c, *spatial), and whether its first dimension had to be added.

    Raises:
        RuntimeError: it has another number of dimensions than `ndim` + 1 or `ndim` + 2.
    """
    shape = input._array.shape
    if len(shape) == ndim + 2:
        return input, False
    if len(shape) == ndim + 1:
        return input.unsqueeze(0), True
    raise RuntimeError(
        describe(
            operation,
            f"input of size {list(shape)}",
            f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to {operation}",
            "add dimensions with unsqueeze()",
        )
    )


def pool_sizes(
    operation: str,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Sizes, Sizes, Sizes, Sizes, Sizes]:
    """Return kernel, stride, padding and dilation of pooling (n, c, *sizes), and what comes out.

    Raises:
        RuntimeError: an empty dimension, sizes that are not positive, too much padding, windows
            that do not fit.
    """
    shape = input._array.shape
    ndim = len(shape) - 2
    if 0 in shape[1:]:
        raise RuntimeError(
            describe(
                operation,
                f"input of size {list(shape)}",
                f"Expected {ndim + 1}D or {ndim + 2}D (batch mode) tensor with optional 0 dim "
                "batch size for input",
            )
        )
    kernel = sizes_for(operation, "kernel_size", kernel_size, ndim)
    missing = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    steps = kernel if missing else sizes_for(operation, "stride", stride, ndim)
    lows = sizes_for(operation, "padding", padding, ndim)
    apart = sizes_for(operation, "dilation", dilation, ndim)
    for name, values, least in (
        ("kernel_size", kernel, 1),
        ("stride", steps, 1),
        ("dilation", apart, 1),
        ("padding", lows, 0),
    ):
        check_least(operation, name, values, least)
    for low, size, d in zip(lows, kernel, apart):
        if low > (d * (size - 1) + 1) // 2:
            raise RuntimeError(
                describe(
                    operation,
                    f"pad={low}, kernel_size={size} and dilation={d}",
                    "pad should be at most half of effective kernel size",
                    "pad the input with pad()",
                )
            )
    counts = []
    for size, k, s, low, d in zip(shape[2:], kernel, steps, lows, apart):
        count = count_of(size + (s - 1 if ceil_mode else 0), k, s, (low, low), d)
        # the last window must begin in the input or in the padding before it
        counts.append(count - (ceil_mode and (count - 1) * s >= size + low))
    if min(counts) < 1:
        raise RuntimeError(
            describe(
                operation,
                f"input of size {list(shape)} and kernel_size={list(kernel)}",
                f"Calculated output size: {counts}. Output size is too small",
                "take a smaller kernel, or pad the input",
            )
        )
    return kernel, steps, lows, apart, tuple(counts)
