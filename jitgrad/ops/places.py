"""Whole positions of one dimension named by a tensor: index_select, index_add, index_fill, take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import FILL, TensorCore, bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.masks import MASKED_FILL
from jitgrad.ops.positions import INDEX, INDEX_PUT
from jitgrad.ops.views import VIEW, reshape
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "take",
]


def _along(operation: str, input: Tensor, dim: int, index: Tensor) -> tuple[int, Tensor, Tensor]:
    """Return `dim` from the front, `input` with a dimension and `index` as a vector."""
    at = wrap_dim(operation, dim, input._array.ndim)
    if index._array.dtype not in (np.int64, np.int32):
        raise (IndexError if operation == "index_fill" else RuntimeError)(
            describe(
                operation,
                f"an index of {index.dtype}",
                f"{operation}(): Expected dtype int32 or int64 for index",
                "convert it with .long()",
            )
        )
    if index._array.ndim > 1:
        raise IndexError(
            describe(
                operation,
                f"an index of {index._array.ndim} dimensions",
                f"{operation}(): Index is supposed to be a vector",
            )
        )
    vector = index if index._array.ndim else bind(VIEW, index, size=(1,))
    return at, input if input._array.ndim else bind(VIEW, input, size=(1,)), vector


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return a copy of the positions `index`, a vector, of dimension `dim`.

    Gradient: added up at the positions.

    Raises:
        IndexError: a position is out of bounds or negative, or `index` is no vector.
        RuntimeError: `index` does not hold int32 or int64.

    Example:
        >>> import jitgrad as torch
        >>> torch.index_select(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([1, 1]))
        tensor([[2, 2],
                [4, 4]])
    """
    at, wide, places = _along("index_select", input, dim, index)
    made = bind(INDEX, wide, places, dims=(at,), signed=False)
    return made if input._array.ndim else bind(VIEW, made, size=())


def _source(operation: str, input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return `source` in the shape of what `index` names."""
    shape = input._array.shape
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            describe(
                operation,
                f"a tensor of {input.dtype} and a source of {source.dtype}",
                f"{operation}(): self and source expected to have the same dtype",
            )
        )
    wanted = (*shape[:dim], index._array.size, *shape[dim + 1 :]) if shape else ()
    if source._array.shape != wanted and not (not source._array.ndim and len(wanted) < 2):
        raise (IndexError if operation == "index_copy" else RuntimeError)(
            describe(
                operation,
                f"a source of shape {tuple(source._array.shape)}",
                f"{operation}(): Number of indices ({index._array.size}) should be equal to "
                f"source.size(dim), and the other sizes those of the tensor: {wanted}",
            )
        )
    return source


def _put(
    operation: str,
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    accumulate: bool,
    inplace: bool,
) -> Tensor:
    at, wide, places = _along(operation, input, dim, index)
    values = _source(operation, input, at, places, source)
    if not values._array.ndim:
        values = bind(VIEW, values, size=(1,))
    params = {"dims": (at,), "accumulate": accumulate, "signed": False}
    if inplace:
        bind_inplace(INDEX_PUT, wide, values, places, **params)
        return input
    made = bind(INDEX_PUT, wide, values, places, **params)
    return made if input._array.ndim else bind(VIEW, made, size=())


def _scaled(source: Tensor, alpha: Any) -> Tensor:
    return source if type(alpha) is int and alpha == 1 else source * alpha


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """Return `input` with alpha * source added to the positions `index` of dimension `dim`.

    Gradient: 1 to `input`, alpha to `source`.

    Raises:
        IndexError: a position is out of bounds.
        RuntimeError: shapes or dtypes that do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.index_add(torch.zeros(3), 0, torch.tensor([0, 0, 2]), torch.ones(3))
        tensor([2., 0., 1.])
    """
    return _put("index_add", input, dim, index, _scaled(source, alpha), True, False)


def index_add_(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """Compute `index_add` in place."""
    return _put("index_add", input, dim, index, _scaled(source, alpha), True, True)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return `input` with `source` at the positions `index` of dimension `dim`.

    Gradient: to `source`, and to what is not overwritten.

    Raises:
        IndexError: a position is out of bounds, or not as many as `source` has.

    Example:
        >>> import jitgrad as torch
        >>> torch.index_copy(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([1.0, 2.0]))
        tensor([2., 0., 1.])
    """
    return _put("index_copy", input, dim, index, source, False, False)


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Compute `index_copy` in place."""
    return _put("index_copy", input, dim, index, source, False, True)


def _lines(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return a mask, to be broadcast, of the positions `index` of a dimension."""
    if isinstance(value, TensorCore) and value._array.ndim:
        raise RuntimeError(
            describe(
                "index_fill",
                f"a value of {value._array.ndim} dimensions",
                "index_fill_ only supports a 0-dimensional value tensor",
            )
        )
    at, wide, places = _along("index_fill", input, dim, index)
    shape = wide._array.shape
    nothing = bind(FILL, False, size=(shape[at],), dtype=np.dtype(np.bool_))
    mask = bind(INDEX_PUT, nothing, True, places, dims=(0,), accumulate=False, signed=True)
    if not input._array.ndim:
        return bind(VIEW, mask, size=())
    return bind(VIEW, mask, size=(shape[at], *[1] * (len(shape) - at - 1)))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return `input` with `value` at the positions `index` of dimension `dim`.

    Gradient: to what is not overwritten, and summed to a tensor `value`.

    Raises:
        IndexError: a position is out of bounds.

    Example:
        >>> import jitgrad as torch
        >>> torch.index_fill(torch.zeros(3), 0, torch.tensor([2, 0]), 1)
        tensor([1., 0., 1.])
    """
    return bind(MASKED_FILL, input, _lines(input, dim, index, value), value)


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Compute `index_fill` in place."""
    return bind_inplace(MASKED_FILL, input, _lines(input, dim, index, value), value)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements with the numbers `index`, in row-major order, in the shape of `index`.

    Gradient: added up at the positions.

    Raises:
        IndexError: there is no such element.

    Example:
        >>> import jitgrad as torch
        >>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([0, 3]))
        tensor([1, 4])
    """
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            describe(
                "take", f"an index of {index.dtype}", "take(): Expected a long tensor for index"
            )
        )
    return bind(INDEX, reshape(input, (-1,)), index, dims=(0,), signed=True)


class PlaceMethods:
    """The operations of this file as methods of `Tensor`."""

    index_select = index_select
    index_add = index_add
    index_add_ = index_add_
    index_copy = index_copy
    index_copy_ = index_copy_
    index_fill = index_fill
    index_fill_ = index_fill_
    take = take
