"""Pooling undone, and pooling over windows drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.modes import fixed_number
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.pooling import TAKE_PLACES
from jitgrad.ops.random import rand
from jitgrad.ops.ranges import arange
from jitgrad.ops.selection import where
from jitgrad.ops.sliding import Sizes, batched, sizes_for
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]
    Ratios = float | Sequence[float]

__all__: list[str] = []


def _unpooled(array: np.ndarray, places: np.ndarray, *, sizes: Sizes) -> np.ndarray:
    each = int(np.prod(sizes))
    if places.size and (places.min() < 0 or places.max() >= each):
        wrong = places.max() if places.max() >= each else places.min()
        raise RuntimeError(
            describe(
                "max_unpool",
                f"index {wrong}",
                f"Found an invalid max index: {wrong} (output volumes are of size "
                f"{'x'.join(map(str, sizes))})",
            )
        )
    n, channels = array.shape[:2]
    result = np.zeros((n, channels, each), array.dtype)
    flat = places.reshape(n, channels, int(np.prod(places.shape[2:])))
    np.put_along_axis(result, flat, array.reshape(flat.shape), -1)
    return result.reshape(n, channels, *sizes)


MAX_UNPOOL = Primitive(
    "max_unpool",
    Kind.INDEX,
    _unpooled,
    (lambda g, _out, _x, places, *, sizes: bind(TAKE_PLACES, g, places), None),
    raises_on_data=True,
)


def _unpooled_sizes(
    operation: str, smallest: Sizes, stride: Sizes, output_size: Sequence[int] | None
) -> Sizes:
    if output_size is None:
        return smallest
    ndim = len(smallest)
    given = tuple(output_size)
    given = given[2:] if len(given) == ndim + 2 else given
    if len(given) != ndim:
        raise ValueError(
            describe(
                operation,
                f"output_size={tuple(output_size)}",
                f"output_size should be a sequence containing {ndim} or {ndim + 2} elements",
            )
        )
    for dim, (size, usual, step) in enumerate(zip(given, smallest, stride)):
        if not usual - step < size < usual + step:
            raise ValueError(
                describe(
                    operation,
                    f"output_size={given}",
                    f'invalid output_size "{given}" (dim {dim} must be between {usual - step} and '
                    f"{usual + step})",
                )
            )
    return given


def _max_unpool(
    ndim: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    output_size: Sequence[int] | None,
) -> Tensor:
    operation = f"max_unpool{ndim}d"
    check_tensor(operation, "input", input)
    check_tensor(operation, "indices", indices)
    kernel = sizes_for(operation, "kernel_size", kernel_size, ndim)
    steps = kernel if stride is None else sizes_for(operation, "stride", stride, ndim)
    lows = sizes_for(operation, "padding", padding, ndim)
    x, single = batched(operation, input, ndim)
    places, found = indices._array, input._array.shape
    if places.dtype != np.int64 or places.shape != found:
        raise RuntimeError(
            describe(
                operation,
                f"indices of {indices.dtype} and size {list(places.shape)} for an input of size "
                f"{list(found)}",
                "elements in indices should be type int64, and their shape that of the input",
                "pass what max_pool gives with return_indices=True",
            )
        )
    usual = tuple(
        (size - 1) * s + k - 2 * low for size, s, k, low in zip(found[-ndim:], steps, kernel, lows)
    )
    sizes = _unpooled_sizes(operation, usual, steps, output_size)
    made = bind(MAX_UNPOOL, x, indices.unsqueeze(0) if single else indices, sizes=sizes)
    return made.squeeze(0) if single else made


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the elements of `input` at the places `indices`: undoes `max_pool1d`.

    Arguments, errors: as for `max_unpool2d`, with one spatial dimension.
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the elements of `input` at the places `indices`: undoes `max_pool2d`.

    Args:
        indices: what `max_pool2d` gives with `return_indices=True`.
        output_size: which of the sizes that pooling brings to that of `input` is meant.

    Gradient: the cotangent at the places.

    Raises:
        RuntimeError: indices of another shape or out of range.
        ValueError: an `output_size` that pooling does not bring to the size of `input`.

    Example:
        >>> import jitgrad as torch
        >>> F = torch.nn.functional
        >>> largest, places = F.max_pool2d(
        ...     torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), 2, return_indices=True
        ... )
        >>> F.max_unpool2d(largest, places, 2)
        tensor([[[0., 0.],
                 [0., 6.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the elements of `input` at the places `indices`: undoes `max_pool3d`.

    Arguments, errors: as for `max_unpool2d`, with three spatial dimensions.
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


# -- windows drawn at random ----------------------------------------------------------------------


def _fractional_sizes(
    operation: str, old: Sizes, kernel: Sizes, output_size: Any, output_ratio: Any
) -> Sizes:
    ndim = len(old)
    if output_size is None:
        if output_ratio is None:
            raise ValueError(
                describe(
                    operation,
                    "neither output_size nor output_ratio",
                    f"{operation} requires specifying either an output_size or an output_ratio",
                )
            )
        several = isinstance(output_ratio, (tuple, list))
        ratios = tuple(output_ratio) if several else (output_ratio,) * ndim
        sizes = tuple(int(size * fixed_number(ratio)) for size, ratio in zip(old, ratios))
    else:
        sizes = sizes_for(operation, "output_size", output_size, ndim)
    for size, k, new in zip(old, kernel, sizes):
        if new + k - 1 > size or new < 1:
            raise RuntimeError(
                describe(
                    operation,
                    f"kernel size {k} and output size {new} for an input of size {size}",
                    "the pool is too large relative to the input: output + kernel - 1 must be at "
                    "most the input's size",
                )
            )
    return sizes


def _window_places(samples: Tensor, size: int, kernel: int, count: int) -> Tensor:
    """Return the positions (n, c, count, kernel) of pseudorandom windows (Graham, 2014)."""
    numbers = arange(count, dtype=samples.dtype)
    step = (size - kernel) / (count - 1) if count > 1 else 0.0
    shift = samples.unsqueeze(-1)
    starts = ((numbers + shift) * step).floor() - (shift * step).floor()
    starts = where(numbers == count - 1, float(size - kernel), starts).long()
    return starts.unsqueeze(-1) + arange(kernel)


def _fractional(
    ndim: int,
    input: Tensor,
    kernel_size: Ints,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    operation = f"fractional_max_pool{ndim}d"
    check_tensor(operation, "input", input)
    refuse_integers(operation, (input,), input._array.dtype)
    x, single = batched(operation, input, ndim)
    n, channels, *old = x._array.shape
    kernel = sizes_for(operation, "kernel_size", kernel_size, ndim)
    sizes = _fractional_sizes(operation, tuple(old), kernel, output_size, output_ratio)
    if samples is None:
        samples = rand(n, channels, ndim, dtype=x.dtype)
    flat: Any = 0
    for dim, (size, k, count) in enumerate(zip(old, kernel, sizes)):
        # PyTorch draws for volumes in the order of the dimensions, for images in the other
        chosen = samples.select(-1, dim if ndim == 3 else ndim - 1 - dim)
        shape = [n, channels, *[1] * (2 * ndim)]
        shape[2 + dim], shape[2 + ndim + dim] = count, k
        flat = flat * size + _window_places(chosen, size, k, count).reshape(shape)
    flat = flat.reshape(n, channels, *sizes, -1)
    chosen = bind(TAKE_PLACES, x, flat).max(-1)
    made = chosen.values
    places = flat.gather(-1, chosen.indices.unsqueeze(-1)).squeeze(-1) if return_indices else None
    if single:
        made = made.squeeze(0)
        places = None if places is None else places.squeeze(0)
    return (made, places) if return_indices else made


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Return the largest elements of windows of images that begin at pseudorandom places.

    Source: Graham, Fractional Max-Pooling (2014).

    Args:
        output_size: the sizes that come out; or else
        output_ratio: what sizes are multiplied with.
        return_indices: also return where the elements are, counted row by row (int64).

    Gradient: to the element chosen.

    Raises:
        ValueError: neither `output_size` nor `output_ratio`.
        RuntimeError: windows that do not fit.
        NotImplementedError: integers.
    """
    return _fractional(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Return the largest elements of windows of volumes that begin at pseudorandom places.

    Arguments, errors: as for `fractional_max_pool2d`, with three spatial dimensions.
    """
    return _fractional(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
