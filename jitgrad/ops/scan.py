"""Operations that run along a dimension and keep every step: cumulative sums and products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import CAST, bind
from jitgrad.literals import as_dtype
from jitgrad.ops.scatter import gather
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "logcumsumexp",
]


def _accumulated(accumulate: Any) -> Any:
    def run(array: np.ndarray, *, dim: int, reverse: bool) -> np.ndarray:
        kind = array.dtype.kind
        half = array.dtype == np.float16
        work = np.int64 if kind in "iub" else np.float32 if half else array.dtype
        if not array.ndim:
            return array.astype(np.int64 if kind in "iub" else array.dtype)
        seen = np.flip(array, dim) if reverse else array
        made = accumulate(seen, axis=dim, dtype=work)
        if half:
            made = made.astype(np.float16)
        return np.ascontiguousarray(np.flip(made, dim)) if reverse else made

    return run


CUMSUM = Primitive(
    "cumsum",
    Kind.OPAQUE,
    _accumulated(np.add.accumulate),
    (lambda g, _out, _x, *, dim, reverse: bind(CUMSUM, g, dim=dim, reverse=not reverse),),
)


def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Return the sums of the elements so far along `dim`.

    Dtypes: integers and booleans give int64; `dtype` converts first.
    Gradient: the sum of the cotangents from there on.

    Example:
        >>> import jitgrad as torch
        >>> torch.cumsum(torch.tensor([1.0, 2.0, 3.0]), dim=0)
        tensor([1., 3., 6.])
    """
    return _scanned("cumsum", CUMSUM, input, dim, dtype)


def _scanned(
    name: str, primitive: Primitive, input: Tensor, dim: int, dtype: DType | None
) -> Tensor:
    where = wrap_dim(name, dim, input._array.ndim)
    target = None if dtype is None else as_dtype(name, dtype)
    if target is not None and input._array.dtype != target:
        input = bind(CAST, input, dtype=target)
    made = bind(primitive, input, dim=where, reverse=False)
    return made if target in (None, made._array.dtype) else bind(CAST, made, dtype=target)


def _shift(array: np.ndarray, *, dim: int, by: int, fill: float) -> np.ndarray:
    if not array.ndim:
        return np.full((), fill, array.dtype)
    result = np.full(array.shape, fill, array.dtype)
    here, there = [slice(None)] * array.ndim, [slice(None)] * array.ndim
    here[dim], there[dim] = (
        (slice(by, None), slice(None, -by))
        if by > 0
        else (
            slice(None, by),
            slice(-by, None),
        )
    )
    result[tuple(here)] = array[tuple(there)]
    return result


SHIFT = Primitive(
    "shift",
    Kind.INDEX,
    _shift,
    (lambda g, _out, _x, *, dim, by, fill: shift(g, dim, -by, 0),),
)


def shift(input: Tensor, dim: int, by: int, fill: float) -> Tensor:
    """Return `input` moved `by` places along `dim`, with `fill` where nothing came."""
    return bind(SHIFT, input, dim=dim, by=by, fill=fill)


def _recur(source: np.ndarray, factor: np.ndarray, *, dim: int, reverse: bool) -> np.ndarray:
    if not source.ndim:
        return source.copy()
    result = np.array(source)
    lines, factors = np.moveaxis(result, dim, 0), np.moveaxis(factor, dim, 0)
    count = len(lines)
    order = range(count - 2, -1, -1) if reverse else range(1, count)
    before = 1 if reverse else -1
    for i in order:
        lines[i] += factors[i] * lines[i + before]
    return result


def _recur_back(g: Tensor, factor: Tensor, dim: int, reverse: bool) -> Tensor:
    following = shift(factor, dim, 1 if reverse else -1, 0)
    return bind(LINEAR_SCAN, g, following, dim=dim, reverse=not reverse)


LINEAR_SCAN = Primitive(
    "linear_scan",
    Kind.OPAQUE,
    _recur,
    (
        lambda g, _out, _source, factor, *, dim, reverse: _recur_back(g, factor, dim, reverse),
        lambda g, out, _source, factor, *, dim, reverse: (
            _recur_back(g, factor, dim, reverse) * shift(out, dim, -1 if reverse else 1, 0)
        ),
    ),
)
"""h[t] = source[t] + factor[t] * h[t - 1], or with `reverse` from the end: h[t + 1]."""


def _cumprod_back(g: Tensor, _out: None, x: Tensor, *, dim: int, reverse: bool) -> Tensor:
    # what comes before an element, times the sum over k of g[k] times what lies between it and k:
    # without a division, so that zeros are no exception
    step = -1 if reverse else 1
    before = bind(CUMPROD, shift(x, dim, step, 1), dim=dim, reverse=reverse)
    following = shift(x, dim, -step, 0)
    return before * bind(LINEAR_SCAN, g, following, dim=dim, reverse=not reverse)


CUMPROD = Primitive("cumprod", Kind.OPAQUE, _accumulated(np.multiply.accumulate), (_cumprod_back,))


def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Return the products of the elements so far along `dim`.

    Dtypes: as for `cumsum`. Gradient: right also where elements are zero.

    Example:
        >>> import jitgrad as torch
        >>> torch.cumprod(torch.tensor([1.0, 2.0, 3.0]), dim=0)
        tensor([1., 2., 6.])
    """
    return _scanned("cumprod", CUMPROD, input, dim, dtype)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return log(cumsum(exp(input))) along `dim`, computed around the largest element.

    Example:
        >>> import jitgrad as torch
        >>> torch.logcumsumexp(torch.tensor([1000.0, 1000.0]), dim=0)
        tensor([1000.0000, 1000.6932])
    """
    wrap_dim("logcumsumexp", dim, input._array.ndim)
    top = input.detach().amax(dim, keepdim=True) if input._array.size else input.detach()
    top = top.masked_fill(top.abs() == float("inf"), 0)
    return (input - top).exp().cumsum(dim).log() + top


def _best_so_far(array: np.ndarray, *, dim: int, largest: bool) -> np.ndarray:
    """Return the places of the best elements so far, of equals the last; NaN is best."""
    places = np.zeros(array.shape, np.int64)
    if not array.ndim or not array.shape[dim]:
        return places
    lines, found = np.moveaxis(array, dim, 0), np.moveaxis(places, dim, 0)
    best = lines[0].copy()
    compare = np.greater_equal if largest else np.less_equal
    for i in range(1, len(lines)):
        better = compare(lines[i], best) | (lines[i] != lines[i])
        found[i] = np.where(better, i, found[i - 1])
        best = np.where(better, lines[i], best)
    return places


BEST_SO_FAR = Primitive("best_so_far", Kind.OPAQUE, _best_so_far)


def _best(name: str, input: Tensor, dim: int, largest: bool) -> tuple[Tensor, Tensor]:
    where = wrap_dim(name, dim, input._array.ndim)
    places = bind(BEST_SO_FAR, input, dim=where, largest=largest)
    return gather(input, where, places), places


def cummax(input: Tensor, dim: int) -> return_types.cummax:
    """Return the largest elements so far along `dim`, and their places, as a named tuple.

    Of equal elements the place of the last; NaN counts as largest.
    Gradient: to the elements that were largest.

    Example:
        >>> import jitgrad as torch
        >>> torch.cummax(torch.tensor([1, 3, 2]), dim=0).values
        tensor([1, 3, 3])
    """
    return return_types.cummax(*_best("cummax", input, dim, True))


def cummin(input: Tensor, dim: int) -> return_types.cummin:
    """Return the smallest elements so far along `dim`, and their places: see `cummax`."""
    return return_types.cummin(*_best("cummin", input, dim, False))


class ScanMethods:
    """The operations of this file as methods of `Tensor`."""

    cummax = cummax
    cummin = cummin
    cumprod = cumprod
    cumsum = cumsum
    logcumsumexp = logcumsumexp
