"""Order: sorting, the largest few, searching in what is sorted, distinct elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import TensorCore, bind, wrap
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.ops.along import take_along
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "argsort",
    "bincount",
    "bucketize",
    "isin",
    "kthvalue",
    "msort",
    "searchsorted",
    "sort",
    "topk",
    "unique",
    "unique_consecutive",
]


def _order(array: np.ndarray, *, dim: int, descending: bool, count: int | None = None) -> Any:
    """Return the places of the elements in order; NaN counts as largest, equals keep theirs."""
    if not array.ndim:
        return np.zeros((), np.int64)
    if descending:
        # equal elements keep their order when seen from behind and turned round again
        turned = np.argsort(np.flip(array, dim), axis=dim, kind="stable")
        order = array.shape[dim] - 1 - np.flip(turned, dim)
    else:
        order = np.argsort(array, axis=dim, kind="stable")
    if count is not None:
        order = order[(slice(None),) * dim + (slice(count),)]
    return np.ascontiguousarray(order)


ARGSORT = Primitive("argsort", Kind.OPAQUE, _order)


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """Return the places (int64) of the elements along `dim` in ascending order; always stable.

    Example:
        >>> import jitgrad as torch
        >>> torch.argsort(torch.tensor([2.0, 3.0, 1.0]))
        tensor([2, 0, 1])
    """
    where = wrap_dim("argsort", dim, input._array.ndim)
    return bind(ARGSORT, input, dim=where, descending=descending)


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> return_types.sort:
    """Return the elements along `dim` in ascending order, and their places, as a named tuple.

    Equal elements keep their order; NaN counts as largest.
    Gradient: each cotangent goes to the place that the element came from.

    Example:
        >>> import jitgrad as torch
        >>> torch.sort(torch.tensor([2.0, 3.0, 1.0])).values
        tensor([1., 2., 3.])
    """
    where = wrap_dim("sort", dim, input._array.ndim)
    places = bind(ARGSORT, input, dim=where, descending=descending)
    return return_types.sort(take_along(input, places, where), places)


def msort(input: Tensor) -> Tensor:
    """Return the elements sorted along the first dimension."""
    return sort(input, 0)[0]


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> return_types.topk:
    """Return the k largest (or smallest) elements along `dim` and their places.

    Raises:
        RuntimeError: `k` is out of range.

    Example:
        >>> import jitgrad as torch
        >>> torch.topk(torch.tensor([2.0, 3.0, 1.0]), 2).indices
        tensor([1, 0])
    """
    array = input._array
    where = wrap_dim("topk", dim, array.ndim)
    if not 0 <= k <= (array.shape[where] if array.ndim else 1):
        rule = "topk(): selected index k out of range"
        raise RuntimeError(describe("topk", f"k={k} for shape {array.shape}", rule))
    places = bind(ARGSORT, input, dim=where, descending=largest, count=k)
    return return_types.topk(take_along(input, places, where), places)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> return_types.kthvalue:
    """Return the k-th smallest elements (k from 1) along `dim` and their places.

    Raises:
        RuntimeError: `k` is out of range.
    """
    array = input._array
    where = wrap_dim("kthvalue", dim, array.ndim)
    if not 1 <= k <= (array.shape[where] if array.ndim else 1):
        rule = "kthvalue(): selected number k out of range for dimension"
        raise RuntimeError(describe("kthvalue", f"k={k} for shape {array.shape}", rule))
    places = bind(ARGSORT, input, dim=where, descending=False, count=k)
    if array.ndim:
        places = places.narrow(where, k - 1, 1)
    values = take_along(input, places, where)
    if not keepdim and array.ndim:
        values, places = values.squeeze(where), places.squeeze(where)
    return return_types.kthvalue(values, places)


def _searched(edges: np.ndarray, values: Any, *, right: bool, dtype: np.dtype) -> np.ndarray:
    side: Any = "right" if right else "left"
    if edges.ndim == 1:
        return np.asarray(np.searchsorted(edges, values, side), dtype)
    result = np.empty(values.shape, dtype)
    for place in np.ndindex(edges.shape[:-1]):
        result[place] = np.searchsorted(edges[place], values[place], side)
    return result


SEARCH = Primitive("searchsorted", Kind.OPAQUE, _searched)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return the places at which `input` would go into `sorted_sequence`, before its equals.

    Args:
        sorted_sequence: sorted along the last dimension; one line, or one for each of `input`.
        right: after its equals (also written side="right").
        sorter: places that sort `sorted_sequence`.

    Raises:
        RuntimeError: the leading sizes differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.searchsorted(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([3.0, 6.0]))
        tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        rule = "side can only be 'left' or 'right'"
        raise RuntimeError(describe("searchsorted", repr(side), rule))
    if sorter is not None:
        sorted_sequence = take_along(sorted_sequence, sorter, sorted_sequence._array.ndim - 1)
    values = input if isinstance(input, TensorCore) else sorted_sequence.new_tensor(input)
    edges, wanted = sorted_sequence._array.shape, values._array.shape
    if len(edges) != 1 and edges[:-1] != wanted[:-1]:
        raise RuntimeError(
            describe(
                "searchsorted",
                f"shapes {edges} and {wanted}",
                "boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
                "tensor and input value tensor must match",
            )
        )
    dtype = np.dtype(np.int32 if out_int32 else np.int64)
    after = right or side == "right"
    return bind(SEARCH, sorted_sequence, values, right=after, dtype=dtype)


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Return the numbers of the intervals between `boundaries` in which `input` lies.

    Example:
        >>> import jitgrad as torch
        >>> torch.bucketize(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]))
        tensor([0, 1])
    """
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _counted(places: np.ndarray, weights: Any = None, *, least: int) -> np.ndarray:
    if places.size and places.min() < 0:
        raise RuntimeError(
            "bincount: bincount only supports 1-d non-negative integral inputs; one is negative"
        )
    made = np.bincount(places, weights, least)
    if weights is not None and weights.dtype == np.float32:
        return made.astype(np.float32)
    return made


BINCOUNT = Primitive(
    "bincount", Kind.OPAQUE, _counted, shape_depends_on_data=True, raises_on_data=True
)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each of 0, 1, 2, ... comes in a vector, or the sums of the `weights` there.

    Raises:
        RuntimeError: not a vector of non-negative integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.bincount(torch.tensor([0, 2, 2]))
        tensor([1, 0, 2])
    """
    array = input._array
    if array.ndim != 1 or array.dtype.kind not in "iu":
        rule = "bincount only supports 1-d non-negative integral inputs"
        kind = NotImplementedError if array.ndim == 1 else RuntimeError
        raise kind(describe("bincount", f"{array.dtype} of shape {array.shape}", rule))
    if weights is not None and weights._array.shape != array.shape:
        came = f"weights of shape {weights._array.shape} for {array.shape[0]} numbers"
        rule = "weights should be 1-d and have the same length as input"
        raise RuntimeError(describe("bincount", came, rule))
    given = (input,) if weights is None else (input, weights.detach())
    return bind(BINCOUNT, *given, least=minlength)


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Say of each of `elements` whether it is one of `test_elements`.

    Example:
        >>> import jitgrad as torch
        >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2]))
        tensor([False,  True, False])
    """
    tensors = [each if isinstance(each, TensorCore) else None for each in (elements, test_elements)]
    known: Any = tensors[0] if tensors[0] is not None else tensors[1]
    if known is None:
        raise TypeError("isin(): one of elements and test_elements must be a Tensor")
    first, second = (
        each if each is not None else known.new_tensor(given)
        for each, given in zip(tensors, (elements, test_elements))
    )
    return bind(ISIN, first, second, invert=invert)


ISIN = Primitive(
    "isin",
    Kind.OPAQUE,
    lambda elements, test_elements, *, invert: np.isin(elements, test_elements, invert=invert),
)


def _distinct(array: np.ndarray, dim: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found: Any = np.unique(
        array, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    values, inverse, counts = found
    return values, inverse.reshape(array.shape if dim is None else -1), counts


def _runs(array: np.ndarray, dim: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lines = array.reshape(-1) if dim is None else np.moveaxis(array, dim, 0)
    count = len(lines)
    first = np.ones(count, bool)
    if count:
        first[1:] = (lines[1:] != lines[:-1]).reshape(count - 1, -1).any(-1)
    starts = np.flatnonzero(first)
    values = lines[first] if dim is None else np.moveaxis(lines[first], 0, dim)
    inverse = np.cumsum(first) - 1
    counts = np.diff(np.append(starts, count))
    return values, inverse.reshape(array.shape if dim is None else -1), counts


def _unique(input: Tensor, find: Any, inverse: bool, counts: bool, dim: int | None) -> Any:
    if state.recorder is not None:
        state.recorder.unknown("unique(): the number of results depends on the elements")
    where = None if dim is None else wrap_dim("unique", dim, input._array.ndim)
    values, places, numbers = find(input._array, where)
    results = [wrap(np.ascontiguousarray(values))]
    results += [wrap(places.astype(np.int64))] * inverse
    results += [wrap(numbers.astype(np.int64))] * counts
    return results[0] if len(results) == 1 else tuple(results)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the distinct elements (or, with `dim`, slices) in ascending order.

    With `return_inverse` also where in the result each element is, with `return_counts` also how
    often it comes. Every NaN is distinct. Gradient: none.

    Example:
        >>> import jitgrad as torch
        >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    return _unique(input, _distinct, return_inverse, return_counts, dim)


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the elements (or slices along `dim`) without repetitions that follow each other.

    Example:
        >>> import jitgrad as torch
        >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    return _unique(input, _runs, return_inverse, return_counts, dim)


class SortingMethods:
    """The operations of this file as methods of `Tensor`."""

    argsort = argsort
    bincount = bincount
    kthvalue = kthvalue
    msort = msort
    sort = sort
    topk = topk
    unique = unique
    unique_consecutive = unique_consecutive
