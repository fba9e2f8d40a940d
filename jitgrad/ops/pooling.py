"""The largest elements of windows, and where they are: max_pool, adaptive_max_pool."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.ops.averages import adaptive_sizes
from jitgrad.ops.checks import check_tensor, refuse_bool
from jitgrad.ops.pooling_loops import adaptive_loops, put_loops, sliding_loops, take_loops
from jitgrad.ops.positions import add_at
from jitgrad.ops.resampling import adaptive_windows
from jitgrad.ops.sliding import Sizes, batched, fitted, padded, pool_sizes
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = ["max_pool1d", "max_pool2d", "max_pool3d"]


class _Windows:
    """The windows over the last dimensions of an array.

    Attributes:
        array: what they are taken from.
        keys: for each dimension and each offset in a window, which elements lie there.
        tables: for each dimension their positions (offsets, windows) in the tensor, and its size.
    """

    def __init__(self, array: np.ndarray, keys: list[list], tables: list) -> None:
        self.array = array
        self.keys = keys
        self.tables = tables

    def part(self, offset: tuple) -> np.ndarray:
        """Return the elements that lie at one offset in all windows."""
        part = self.array
        for axis, key in enumerate(offset, part.ndim - len(offset)):
            part = _along(part, axis, key)
        return part

    def largest(self) -> np.ndarray:
        """Return the largest elements, found dimension by dimension."""
        best = self.array
        for axis, (first, *others) in enumerate(self.keys, best.ndim - len(self.keys)):
            array, best = best, np.array(_along(best, axis, first), order="C")
            for key in others:
                np.maximum(best, _along(array, axis, key), out=best)
        return best

    def places(self) -> np.ndarray:
        """Return where the largest elements are, counted over the spatial dimensions.

        Of several it is the first one; of several NaN the last one, as in PyTorch.
        """
        best = self.largest()
        offsets = list(itertools.product(*self.keys))
        which = np.zeros(best.shape, np.min_scalar_type(len(offsets)))
        for number in range(len(offsets) - 1, -1, -1):
            np.copyto(which, number, where=self.part(offsets[number]) == best)
        if best.dtype.kind == "f" and np.isnan(best).any():
            for number, offset in enumerate(offsets):
                np.copyto(which, number, where=np.isnan(self.part(offset)))
        places = np.indices([len(each) for each in self.keys]).reshape(len(self.keys), -1)
        found = np.zeros(best.shape, np.int64)
        for axis, (table, size) in enumerate(self.tables):
            count = table.shape[1]
            windows = np.arange(count).reshape(-1, *[1] * (len(self.tables) - 1 - axis))
            found *= size
            found += table.reshape(-1).take(places[axis].take(which) * count + windows)
        return found


def _along(array: np.ndarray, axis: int, key: Any) -> np.ndarray:
    if isinstance(key, slice):
        return array[(slice(None),) * axis + (key,)]
    return array.take(key, axis=axis)


def _sliding(
    array: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, counts: Sizes
) -> _Windows:
    sizes = array.shape[-len(kernel) :]
    highs = map(fitted, sizes, kernel, stride, padding, dilation, counts)
    lowest = -np.inf if array.dtype.kind == "f" else np.iinfo(array.dtype).min
    keys, tables = [], []
    for size, k, s, low, d, count in zip(sizes, kernel, stride, padding, dilation, counts):
        starts = range(0, k * d, d)
        keys.append([slice(start, start + (count - 1) * s + 1, s) for start in starts])
        places = np.arange(count) * s - low + np.arange(k)[:, None] * d
        # what lies in the padding stands for the first element that does not: it is told as the
        # place where all elements are as low as the padding
        inside = np.where(places < 0, size, places).min(0)
        tables.append((np.clip(places, inside, size - 1), size))
    return _Windows(padded(array, tuple(zip(padding, highs)), lowest), keys, tables)


def _adapted(array: np.ndarray, counts: Sizes) -> _Windows:
    keys, tables = [], []
    for size, count in zip(array.shape[-len(counts) :], counts):
        starts, stops = adaptive_windows(size, count)
        longest = int((stops - starts).max(initial=1))
        # a window that is shorter than others has its last element several times
        places = np.minimum(starts + np.arange(longest)[:, None], stops - 1)
        keys.append(list(places))
        tables.append((places, size))
    return _Windows(array, keys, tables)


def _taken(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    lead = places.shape[:2]
    lines = array.reshape(*lead, int(np.prod(array.shape[2:])))
    flat = places.reshape(*lead, int(np.prod(places.shape[2:])))
    return np.take_along_axis(lines, flat, -1).reshape(places.shape)


def _put(array: np.ndarray, places: np.ndarray, *, sizes: Sizes) -> np.ndarray:
    lead = array.shape[:2]
    result = np.zeros((*lead, *sizes), array.dtype)
    each = int(np.prod(sizes))
    starts = np.arange(lead[0] * lead[1]).reshape(*lead, *[1] * (places.ndim - 2)) * each
    add_at(result, places + starts, array)
    return result


MAX_POOL = Primitive(
    "max_pool",
    Kind.INDEX,
    lambda array, **windows: _sliding(array, **windows).largest(),
    (
        # the output is not saved, as it is small work to find it again, and may be written over
        lambda g, _out, x, **windows: bind(
            PUT_PLACES, g, bind(MAX_PLACES, x, **windows), sizes=tuple(x.shape[2:])
        ),
    ),
    loops=lambda _out, array, **windows: sliding_loops(array, **windows, wants_places=False),
)

MAX_PLACES = Primitive(
    "max_pool_places",
    Kind.INDEX,
    lambda array, **windows: _sliding(array, **windows).places(),
    loops=lambda _out, array, **windows: sliding_loops(array, **windows, wants_places=True),
)

ADAPTIVE_MAX_PLACES = Primitive(
    "adaptive_max_pool_places",
    Kind.INDEX,
    lambda array, *, counts: _adapted(array, counts).places(),
    loops=adaptive_loops,
)

TAKE_PLACES = Primitive(
    "take_places",
    Kind.INDEX,
    _taken,
    (
        lambda g, _out, x_spec, places: bind(PUT_PLACES, g, places, sizes=x_spec.shape[2:]),
        None,
    ),
    loops=take_loops,
)

PUT_PLACES = Primitive(
    "put_places",
    Kind.INDEX,
    _put,
    (lambda g, _out, _x, places, *, sizes: bind(TAKE_PLACES, g, places), None),
    loops=put_loops,
)


def _max_pool(
    ndim: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    operation = f"max_pool{ndim}d"
    check_tensor(operation, "input", input)
    refuse_bool(operation, (input,), input._array.dtype)
    x, single = batched(operation, input, ndim)
    sizes = pool_sizes(operation, x, kernel_size, stride, padding, dilation, ceil_mode)
    windows = dict(zip(("kernel", "stride", "padding", "dilation", "counts"), sizes))
    made = bind(MAX_POOL, x, **windows)
    if not return_indices:
        return made.squeeze(0) if single else made
    places = bind(MAX_PLACES, x, **windows)
    return (made.squeeze(0), places.squeeze(0)) if single else (made, places)


def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest elements of windows along one dimension.

    Arguments, errors: as for `max_pool2d`, with one spatial dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.max_pool1d(torch.tensor([[1.0, 3.0, 5.0, 2.0]]), 2)
        tensor([[3., 5.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest elements of windows of images.

    Shapes: (n, c, h, w) or (c, h, w) keep n and c; h becomes
    (h + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Args:
        stride: the distance of windows, the kernel's size unless given.
        padding: how far windows reach beyond the images, at most half of a window.
        dilation: the distance of a window's elements.
        ceil_mode: also have windows that reach beyond the padding, but begin before it.
        return_indices: also return where the elements are, counted row by row (int64), for
            `max_unpool2d`.

    Gradient: to the element chosen, of several the first.

    Raises:
        RuntimeError: other numbers of dimensions, windows that do not fit, too much padding.

    Example:
        >>> import jitgrad as torch
        >>> torch.max_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), 2)
        tensor([[[6.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest elements of windows of volumes.

    Arguments, errors: as for `max_pool2d`, with three spatial dimensions.
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# -- windows that cover the whole -----------------------------------------------------------------


def _adaptive_max(ndim: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    operation = f"adaptive_max_pool{ndim}d"
    check_tensor(operation, "input", input)
    refuse_bool(operation, (input,), input._array.dtype)
    x, single = batched(operation, input, ndim)
    counts = adaptive_sizes(operation, x, output_size, ndim)
    old = x._array.shape[2:]
    if 0 not in counts and not any(size % count for size, count in zip(old, counts)):
        kernel = tuple(size // count for size, count in zip(old, counts))
        return _max_pool(ndim, input, kernel, None, 0, 1, False, return_indices)
    places = bind(ADAPTIVE_MAX_PLACES, x, counts=counts)
    made = bind(TAKE_PLACES, x, places)
    if single:
        made, places = made.squeeze(0), places.squeeze(0)
    return (made, places) if return_indices else made


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that cover a dimension evenly.

    Arguments, errors: as for `adaptive_max_pool2d`, with one spatial dimension.
    """
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that cover images evenly.

    Window i of `size` over h elements goes from i h // size up to ceil((i + 1) h / size).

    Args:
        output_size: one size, or two, of which None keeps the size of the images.
        return_indices: also return where the elements are, counted row by row (int64).

    Gradient: to the element chosen, of several the first.

    Raises:
        RuntimeError: other numbers of dimensions, an empty dimension, a negative size.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[[1.0, 2.0, 5.0], [3.0, 6.0, 4.0]]])
        >>> torch.nn.functional.adaptive_max_pool2d(x, (1, 2))
        tensor([[[6., 6.]]])
    """
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that cover volumes evenly.

    Arguments, errors: as for `adaptive_max_pool2d`, with three spatial dimensions.
    """
    return _adaptive_max(3, input, output_size, return_indices)
