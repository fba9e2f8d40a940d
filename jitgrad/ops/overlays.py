"""One tensor laid into part of another: where indexing with an assignment would write in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jitgrad.errors import describe
from jitgrad.ops.index import index_put
from jitgrad.ops.slicing import sliced
from jitgrad.ops.views import reshape
from jitgrad.ops.windows import as_strided
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["as_strided_scatter", "diagonal_scatter", "put", "select_scatter", "slice_scatter"]


def _laid(
    operation: str, input: Tensor, src: Tensor, part_of: Callable[[Tensor], Tensor]
) -> Tensor:
    made = input.clone()
    part = part_of(made)
    if part._array.shape != src._array.shape:
        rule = "expected src to have a size equal to the slice of self"
        came = f"src size = {list(src._array.shape)}, slice size = {list(part._array.shape)}"
        raise RuntimeError(describe(operation, came, rule))
    part.copy_(src)
    return made


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return `input` with `src` at position `index` of dimension `dim`.

    Gradient: to `src`, and to what it does not cover.

    Raises:
        RuntimeError: `src` has another shape than `input.select(dim, index)`.

    Example:
        >>> import jitgrad as torch
        >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    return _laid("select_scatter", input, src, lambda made: made.select(dim, index))


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """Return `input` with `src` at the positions start:end:step of dimension `dim`.

    Raises:
        RuntimeError: `src` has another shape than that slice.

    Example:
        >>> import jitgrad as torch
        >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), start=0, end=3, step=2)
        tensor([1., 0., 1., 0.])
    """
    at = wrap_dim("slice_scatter", dim, input._array.ndim)
    first, last, _ = slice(start, end).indices(input._array.shape[at])
    part = (first, max(first, last), step)
    return _laid("slice_scatter", input, src, lambda made: sliced(made, at, part))


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """Return `input` with `src` on a diagonal.

    Raises:
        RuntimeError: `src` has another shape than that diagonal.

    Example:
        >>> import jitgrad as torch
        >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    return _laid("diagonal_scatter", input, src, lambda made: made.diagonal(offset, dim1, dim2))


def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:
    """Return `input` with `src` where `as_strided` of its copy would look.

    Example:
        >>> import jitgrad as torch
        >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (3,))
        tensor([1., 0., 0., 1.])
    """

    def part_of(made: Tensor) -> Tensor:
        return as_strided(made, tuple(size), tuple(stride), storage_offset)

    return _laid("as_strided_scatter", input, src, part_of)


def fill_diagonal_(input: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write `fill_value` on the diagonal, where all indices are equal; return `input`.

    Args:
        wrap: of a matrix with more rows than columns, begin again below the last one, with a
            row between.

    Raises:
        RuntimeError: fewer than two dimensions, or more than two of different sizes.

    Example:
        >>> import jitgrad as torch
        >>> torch.zeros(2, 2).fill_diagonal_(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    shape, strides = input._array.shape, input.stride()
    if len(shape) < 2:
        rule = "dimensions must larger than 1"
        raise RuntimeError(describe("fill_diagonal_", f"shape {shape}", rule))
    if len(shape) == 2:
        rows, columns = shape
        for start in range(0, rows, columns + 1) if wrap else (0,):
            input[start:].diagonal().fill_(fill_value)
        return input
    if len(set(shape)) > 1:
        rule = "all dimensions of input must be of equal length"
        raise RuntimeError(describe("fill_diagonal_", f"shape {shape}", rule))
    as_strided(input, shape[:1], (sum(strides),), input.storage_offset()).fill_(fill_value)
    return input


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return `input` with `source` at the elements with the numbers `index`, in row-major order.

    Args:
        accumulate: add to what is there.

    Raises:
        IndexError: there is no such element, or not one number for each element of `source`.
        RuntimeError: `index` is not int64.

    Example:
        >>> import jitgrad as torch
        >>> torch.put(torch.zeros(2, 2), torch.tensor([0, 3]), torch.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    if index._array.dtype != np.int64:
        rule = "put_(): Expected a long tensor for index"
        raise RuntimeError(describe("put_", f"an index of {index.dtype}", rule))
    if index._array.size != source._array.size:
        came = f"source.numel() = {source._array.size}, index.numel() = {index._array.size}"
        rule = "put_(): Expected source and index to have the same number of elements"
        raise IndexError(describe("put_", came, rule))
    flat = reshape(input, (-1,))
    places = (reshape(index, (-1,)),)
    made = index_put(flat, places, reshape(source, (-1,)), accumulate)
    return reshape(made, input._array.shape)


def put_(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Compute `put` in place."""
    return input.copy_(put(input.clone(), index, source, accumulate))


class OverlayMethods:
    """The operations of this file as methods of `Tensor`."""

    as_strided_scatter = as_strided_scatter
    diagonal_scatter = diagonal_scatter
    fill_diagonal_ = fill_diagonal_
    put = put
    put_ = put_
    select_scatter = select_scatter
    slice_scatter = slice_scatter
