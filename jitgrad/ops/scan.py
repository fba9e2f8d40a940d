"""Operations that run along a dimension and keep every step: cumulative sums and products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import CAST, bind
from jitgrad.literals import as_dtype
from jitgrad.ops.scatter import gather
from jitgrad.primitive import Kind, Primitive, Result
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


def _recurrence(more: np.ndarray, factor: np.ndarray, *, dim: int, reverse: bool) -> np.ndarray:
    made = np.empty(more.shape, more.dtype)
    if not made.ndim:
        return more.copy()
    lines = [np.moveaxis(each, dim, 0) for each in (made, more, factor)]
    results, terms, factors = [each[::-1] for each in lines] if reverse else lines
    results[:1] = terms[:1]
    for i in range(1, len(results)):
        results[i] = terms[i] + factors[i] * results[i - 1]
    return made


def _after(x: Tensor, dim: int, reverse: bool) -> Tensor:
    """Return the elements behind, in the direction of a scan; behind its end is its beginning."""
    return x.roll(1 if reverse else -1, dim) if x._array.ndim else x


def _recurrence_of_terms(
    g: Tensor, _out: Any, _more_spec: Any, factor: Tensor, *, dim: int, reverse: bool
) -> Tensor:
    return bind(RECURRENCE, g, _after(factor, dim, reverse), dim=dim, reverse=not reverse)


def _recurrence_of_factors(
    g: Tensor, out: Tensor, _more_spec: Any, factor: Tensor, *, dim: int, reverse: bool
) -> Tensor:
    terms = bind(RECURRENCE, g, _after(factor, dim, reverse), dim=dim, reverse=not reverse)
    size = out._array.shape[dim] if out._array.ndim else 1
    first = size - 1 if reverse else 0
    shape = [size if at == dim else 1 for at in range(out._array.ndim)]
    begins = (out.new_ones(shape).cumsum(dim) if shape else out.new_ones(())) == first + 1
    return (terms * _after(out, dim, not reverse)).masked_fill(begins, 0)


RECURRENCE = Primitive(
    "recurrence",
    Kind.OPAQUE,
    _recurrence,
    (_recurrence_of_terms, _recurrence_of_factors),
)
"""y[i] = more[i] + factor[i] * y[i - 1] along a dimension, or back; y[0] = more[0]."""


def _log_of_sums(array: np.ndarray, *, dim: int) -> np.ndarray:
    if not array.ndim:
        return array.copy()
    work = np.float32 if array.dtype == np.float16 else array.dtype
    return np.logaddexp.accumulate(array.astype(work), axis=dim).astype(array.dtype)


def _log_of_sums_back(g: Tensor, out: Tensor, x: Tensor, *, dim: int) -> Tensor:
    # sums do not fall: only behind the last one is there a smaller one, which does not count
    falling = (out - _after(out, dim, False)).clamp(max=0).exp()
    return (x - out).exp() * bind(RECURRENCE, g, falling, dim=dim, reverse=True)


LOG_OF_SUMS = Primitive(
    "logcumsumexp", Kind.OPAQUE, _log_of_sums, (_log_of_sums_back,), result=Result.FLOAT
)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return log(cumsum(exp(input))) along `dim`, where no exponential over- or underflows.

    Gradient: of each element its share of the sums behind it, as a recurrence along `dim`.

    Example:
        >>> import jitgrad as torch
        >>> torch.logcumsumexp(torch.tensor([1000.0, 1000.0]), dim=0)
        tensor([1000.0000, 1000.6932])
    """
    return bind(LOG_OF_SUMS, input, dim=wrap_dim("logcumsumexp", dim, input._array.ndim))


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
