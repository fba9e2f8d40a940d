"""Whole positions of one dimension named by a tensor: index_select, index_add, take, bincount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind, bind_inplace
from jitgrad.errors import describe
from jitgrad.ops.positions import INDEX, INDEX_PUT
from jitgrad.ops.views import VIEW, reshape
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "bincount",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "take",
    "unique",
    "unique_consecutive",
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
    values: Any,
    accumulate: bool,
    inplace: bool,
) -> Tensor:
    at, wide, places = _along(operation, input, dim, index)
    if isinstance(values, TensorCore) and operation != "index_fill":
        values = _source(operation, input, at, places, values)  # type: ignore[arg-type]
        if not values._array.ndim:
            values = bind(VIEW, values, size=(1,))
    params = {"dims": (at,), "accumulate": accumulate, "signed": operation == "index_fill"}
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


def _fill_value(value: Any) -> Any:
    if isinstance(value, TensorCore) and value._array.ndim:
        raise RuntimeError(
            describe(
                "index_fill",
                f"a value of {value._array.ndim} dimensions",
                "index_fill_ only supports a 0-dimensional value tensor",
            )
        )
    return value


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
    return _put("index_fill", input, dim, index, _fill_value(value), False, False)


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Compute `index_fill` in place."""
    return _put("index_fill", input, dim, index, _fill_value(value), False, True)


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


def _counts(places: np.ndarray, *weights: np.ndarray, least: int) -> np.ndarray:
    if places.size and places.min() < 0:
        raise RuntimeError(
            describe(
                "bincount",
                f"the number {places.min()}",
                "bincount only supports 1-d non-negative integral inputs",
            )
        )
    made = np.bincount(places, *weights, minlength=least)
    if weights and weights[0].dtype == np.float32:
        return made.astype(np.float32)
    return made


BINCOUNT = Primitive(
    "bincount", Kind.OPAQUE, _counts, shape_depends_on_data=True, raises_on_data=True
)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each of the numbers 0, 1, ... comes in `input`, or the sum of its weights.

    Not differentiable.

    Raises:
        RuntimeError: a negative number, not a vector of integers, weights of another shape.

    Example:
        >>> import jitgrad as torch
        >>> torch.bincount(torch.tensor([1, 3, 1]))
        tensor([0, 2, 0, 1])
    """
    if input._array.ndim != 1 or input._array.dtype.kind not in "iu":
        raise RuntimeError(
            describe(
                "bincount",
                f"a tensor of {input._array.ndim} dimensions and {input.dtype}",
                "bincount only supports 1-d non-negative integral inputs",
            )
        )
    if weights is not None and weights._array.shape != input._array.shape:
        raise RuntimeError(
            describe(
                "bincount",
                f"shapes {input._array.shape} and {weights._array.shape}",
                "weights should be 1-d and have the same length as input",
            )
        )
    if minlength < 0:
        raise RuntimeError(
            describe("bincount", f"minlength {minlength}", "minlength should be >= 0")
        )
    return bind(BINCOUNT, input, *(() if weights is None else (weights,)), least=minlength)


def _unique(array: np.ndarray, *, dim: int | None, part: str, repeats: bool) -> np.ndarray:
    """Return the different elements, or their "places" or "counts" (`part`)."""
    lines = array.reshape(-1, 1) if dim is None else np.moveaxis(array, dim, 0)
    shape = lines.shape
    flat = lines.reshape(shape[0], -1) if lines.size else np.zeros((shape[0], 0), array.dtype)
    order = np.arange(shape[0])
    if not repeats:
        order = np.lexsort(flat.T[::-1]) if flat.shape[1] else order
    ordered = flat[order]
    first = np.ones(shape[0], np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(1)
    if part == "places":
        places = np.empty(shape[0], np.int64)
        places[order] = np.cumsum(first) - 1
        return places.reshape(array.shape) if dim is None else places
    starts = np.flatnonzero(first)
    if part == "counts":
        return np.diff(starts, append=shape[0])
    found = lines[order[starts]]
    if dim is None:
        return found.reshape(-1)
    return np.asarray(np.moveaxis(found, 0, dim), order="C")


UNIQUE = Primitive("unique", Kind.OPAQUE, _unique, shape_depends_on_data=True)


def _unique_parts(
    input: Tensor, dim: int | None, inverse: bool, counts: bool, repeats: bool
) -> Any:
    at = None if dim is None else wrap_dim("unique", dim, input._array.ndim)
    if not input._array.ndim:
        at = None
    parts = ["values", *["places"] * inverse, *["counts"] * counts]
    made = tuple(bind(UNIQUE, input, dim=at, part=part, repeats=repeats) for part in parts)
    return made if len(made) > 1 else made[0]


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the different elements (or slices along `dim`), sorted; on demand also

    for each element the position of its like, and for each different one how often it comes.
    Not differentiable.

    Example:
        >>> import jitgrad as torch
        >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    return _unique_parts(input, dim, return_inverse, return_counts, False)


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the elements (or slices along `dim`) without those equal to the one before them.

    Example:
        >>> import jitgrad as torch
        >>> torch.unique_consecutive(torch.tensor([3, 3, 1, 3]))
        tensor([3, 1, 3])
    """
    return _unique_parts(input, dim, return_inverse, return_counts, True)


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
    bincount = bincount
    unique = unique
    unique_consecutive = unique_consecutive
