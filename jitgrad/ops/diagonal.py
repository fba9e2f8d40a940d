"""Diagonals and triangles: diagonal, diag, diag_embed, tril, triu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.masks import MASKED_FILL
from jitgrad.ops.views import restrided
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
]


def _diagonal(array: np.ndarray, *, offset: int, dim1: int, dim2: int) -> np.ndarray:
    shape, strides = array.shape, array.strides
    rows, columns = shape[dim1], shape[dim2]
    count = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = (offset * strides[dim2] if offset >= 0 else -offset * strides[dim1]) if count else 0
    rest = [i for i in range(array.ndim) if i not in (dim1, dim2)]
    size = (*[shape[i] for i in rest], count)
    steps = (*[strides[i] for i in rest], strides[dim1] + strides[dim2])
    return restrided(array, size, steps, start)


def _embedded(array: np.ndarray, *, shape: tuple, offset: int, dim1: int, dim2: int) -> np.ndarray:
    result = np.zeros(shape, array.dtype)
    _diagonal(result, offset=offset, dim1=dim1, dim2=dim2)[...] = array
    return result


DIAGONAL = Primitive(
    "diagonal",
    Kind.VIEW,
    _diagonal,
    (lambda g, _out, x_spec, **params: bind(EMBED, g, shape=x_spec.shape, **params),),
)

EMBED = Primitive(
    "diag_embed",
    Kind.INDEX,
    _embedded,
    (lambda g, _out, _x, *, shape, **params: bind(DIAGONAL, g, **params),),
)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a view of the diagonal of two dimensions, which becomes the last dimension.

    A positive `offset` means a diagonal above the main one, a negative one below.

    Gradient: to the diagonal.

    Raises:
        RuntimeError: the two dimensions are the same.
        IndexError: there is no such dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    ndim = input._array.ndim
    if ndim < 2:
        # both are checked even if there is no second one
        wrap_dim("diagonal", dim1, ndim)
        wrap_dim("diagonal", dim2, ndim)
    first, second = wrap_dim("diagonal", dim1, ndim), wrap_dim("diagonal", dim2, ndim)
    _check_different("diagonal", first, second)
    return bind(DIAGONAL, input, offset=offset, dim1=first, dim2=second)


def _check_different(operation: str, first: int, second: int) -> None:
    if first == second:
        raise RuntimeError(
            describe(
                operation,
                f"dimensions {first} and {second}",
                f"{operation} dimensions cannot be identical",
            )
        )


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return zeros with the last dimension of `input` on the diagonal of two new dimensions.

    Gradient: the diagonal.

    Example:
        >>> import jitgrad as torch
        >>> torch.diag_embed(torch.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    shape = input._array.shape
    ndim = len(shape) + 1
    first, second = wrap_dim("diag_embed", dim1, ndim), wrap_dim("diag_embed", dim2, ndim)
    _check_different("diag_embed", first, second)
    if not shape:
        raise IndexError(
            describe("diag_embed", "a tensor of 0 dimensions", "it needs at least one dimension")
        )
    if first > second:
        # the dimension that comes first counts the rows, as seen by offset
        first, second, offset = second, first, -offset
    rest = list(shape[:-1])
    side = shape[-1] + abs(offset)
    rest.insert(min(first, second), side)
    rest.insert(max(first, second), side)
    return bind(EMBED, input, shape=tuple(rest), offset=offset, dim1=first, dim2=second)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return a matrix with the vector `input` on a diagonal, or a diagonal of the matrix `input`.

    Raises:
        RuntimeError: neither a vector nor a matrix.

    Example:
        >>> import jitgrad as torch
        >>> torch.diag(torch.tensor([1, 2])), torch.diag(torch.tensor([[1, 2], [3, 4]]))
        (tensor([[1, 0],
                [0, 2]]), tensor([1, 4]))
    """
    ndim = input._array.ndim
    if ndim == 1:
        return diag_embed(input, diagonal)
    if ndim == 2:
        return bind(DIAGONAL, input, offset=diagonal, dim1=0, dim2=1).clone()
    raise RuntimeError(
        describe("diag", f"a tensor of {ndim} dimensions", "diag(): Supports 1D or 2D tensors")
    )


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Return a matrix with all elements of `input` on a diagonal."""
    return diag_embed(input.reshape(-1), offset)


TRIANGLE = Primitive(
    "triangle",
    Kind.CREATION,
    lambda *, rows, columns, offset: ~np.tri(rows, columns, offset, np.bool_),
)
"""True above a diagonal."""


def _triangle(operation: str, input: Tensor, offset: int, upper: bool) -> Tensor:
    """Return a mask of what is outside the triangle."""
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError(
            describe(
                operation,
                f"a tensor of {len(shape)} dimensions",
                f"{operation}: input tensor must have at least 2 dimensions",
            )
        )
    rows, columns = shape[-2:]
    mask = bind(TRIANGLE, rows=rows, columns=columns, offset=offset - 1 if upper else offset)
    return mask.logical_not() if upper else mask


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrices with zeros above a diagonal.

    Gradient: the same triangle.

    Raises:
        RuntimeError: fewer than two dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.tril(torch.ones(2, 2))
        tensor([[1., 0.],
                [1., 1.]])
    """
    return bind(MASKED_FILL, input, _triangle("tril", input, diagonal, False), 0)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return the matrices with zeros below a diagonal.

    Gradient: the same triangle.

    Raises:
        RuntimeError: fewer than two dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.triu(torch.ones(2, 2))
        tensor([[1., 1.],
                [0., 1.]])
    """
    return bind(MASKED_FILL, input, _triangle("triu", input, diagonal, True), 0)


def tril_(input: Tensor, diagonal: int = 0) -> Tensor:
    """Compute `tril` in place."""
    return bind_inplace(MASKED_FILL, input, _triangle("tril", input, diagonal, False), 0)


def triu_(input: Tensor, diagonal: int = 0) -> Tensor:
    """Compute `triu` in place."""
    return bind_inplace(MASKED_FILL, input, _triangle("triu", input, diagonal, True), 0)


def _places_of_triangle(
    *, row: int, col: int, offset: int, upper: bool, dtype: np.dtype
) -> np.ndarray:
    below = np.tri(row, col, offset - 1 if upper else offset, np.bool_)
    return np.stack(np.nonzero(~below if upper else below)).astype(dtype)


PLACES_OF_TRIANGLE = Primitive("triangle_indices", Kind.CREATION, _places_of_triangle)


def _indices(operation: str, row: int, col: int, offset: int, upper: bool, dtype: Any) -> Tensor:
    if row < 0 or col < 0:
        raise RuntimeError(
            describe(operation, f"{row} rows and {col} columns", "both must be non-negative")
        )
    made = (dtype or dtypes.int64).numpy
    return bind(PLACES_OF_TRIANGLE, row=row, col=col, offset=offset, upper=upper, dtype=made)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None) -> Tensor:
    """Return the positions (2, n) of the lower triangle of a row x col matrix.

    Example:
        >>> import jitgrad as torch
        >>> torch.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _indices("tril_indices", row, col, offset, False, dtype)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None) -> Tensor:
    """Return the positions (2, n) of the upper triangle of a row x col matrix.

    Example:
        >>> import jitgrad as torch
        >>> torch.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    return _indices("triu_indices", row, col, offset, True, dtype)


class DiagonalMethods:
    """The operations of this file as methods of `Tensor`."""

    diagonal = diagonal
    diag = diag
    diag_embed = diag_embed
    diagflat = diagflat
    tril = tril
    tril_ = tril_
    triu = triu
    triu_ = triu_
