"""Variances and order statistics."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes, return_types
from jitgrad.dispatch import CAST, TensorCore, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.modes import state
from jitgrad.ops.along import take_along
from jitgrad.ops.extremes import share_with_nan
from jitgrad.ops.norms import NORM_SQRT
from jitgrad.ops.reduce import SUM, check_not_empty, counted, mean, one_dim, spread
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, wrap_dims

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Dims = int | Sequence[int] | None

__all__ = [
    "logsumexp",
    "median",
    "nanmean",
    "nanmedian",
    "nanquantile",
    "nansum",
    "quantile",
    "std",
    "std_mean",
    "var",
    "var_mean",
]


def _scatter_of(
    array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool, correction: float
) -> Any:
    count = Size(array.shape[i] for i in dim).numel()
    middle = np.add.reduce(array, axis=dim, keepdims=True) / array.dtype.type(count)
    apart = array - middle
    total = np.add.reduce(apart * apart, axis=dim, keepdims=keepdim)
    return total / array.dtype.type(builtins.max(count - correction, 0))


def _scatter_back(
    g: Tensor, _out: None, x: Tensor, *, dim: tuple[int, ...], keepdim: bool, correction: float
) -> Tensor:
    left = counted(x, dim) - correction
    factor = 2.0 / left if left > 0 else float("nan")
    return (x - mean(x, dim or None, True)) * (spread(g, x, dim, keepdim) * factor)


# Eager mode takes one operation of 10 us instead of five of 50; a trace gets those.
VAR = Primitive("var", Kind.REDUCTION, _scatter_of, (_scatter_back,))


def _checked(
    name: str, input: Tensor, dim: Any, unbiased: Any, correction: Any
) -> tuple[Tensor, tuple[int, ...], Any]:
    """Return the input in the dtype of the computation, the dimensions and the correction."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    if input._array.dtype.kind not in "fc":
        raise RuntimeError(
            describe(
                name,
                f"dtype {dtypes.FROM_NUMPY[input._array.dtype].name}",
                "std and var only support floating point and complex dtypes",
                "convert it with .float()",
            )
        )
    dims = wrap_dims(name, dim, input._array.ndim)
    half = input._array.dtype == np.float16
    return bind(CAST, input, dtype=dtypes.float32.numpy) if half else input, dims, correction


def _variance(
    name: str, input: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> Tensor:
    x, dims, correction = _checked(name, input, dim, unbiased, correction)
    if state.recorder is None:
        made = bind(VAR, x, dim=dims, keepdim=keepdim, correction=correction)
    else:
        apart = x - mean(x, dims or None, True)
        total = bind(SUM, apart * apart, dim=dims, keepdim=keepdim)
        made = total / builtins.max(counted(x, dims) - correction, 0)
    return made if x is input else bind(CAST, made, dtype=input._array.dtype)


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
) -> Tensor:
    """Return the variance of the elements, of all or over `dim` (one or several).

    Args:
        correction: what is subtracted from the number of elements that the sum of squares is
            divided by; 1 unless given. `unbiased=False` is `correction=0`.

    Raises:
        RuntimeError: the tensor holds integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.var(torch.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    dim = dim if axis is None else axis
    return _variance("var", input, dim, unbiased, keepdim, correction)


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
) -> Tensor:
    """Return the standard deviation: the square root of `var`, with the same arguments.

    Gradient: 0 where it is 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.std(torch.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    dim = dim if axis is None else axis
    return bind(NORM_SQRT, _variance("std", input, dim, unbiased, keepdim, correction))


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return `var` and the mean."""
    variance = _variance("var_mean", input, dim, unbiased, keepdim, correction)
    return variance, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return `std` and the mean."""
    variance = _variance("std_mean", input, dim, unbiased, keepdim, correction)
    return bind(NORM_SQRT, variance), mean(input, None if isinstance(dim, bool) else dim, keepdim)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return log(sum(exp(input))) over `dim`, computed around the largest element.

    Gradient: softmax(input).

    Example:
        >>> import jitgrad as torch
        >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), dim=0)
        tensor(1000.6932)
    """
    dims = wrap_dims("logsumexp", dim, input._array.ndim)
    if input._array.dtype.kind not in "fc":
        input = bind(CAST, input, dtype=dtypes.get_default_dtype().numpy)
    if not input._array.size:
        return input.exp().sum(dims or None, keepdim).log()
    top = input.detach().amax(dims, keepdim=True)
    # an infinity minus itself would be NaN
    top = top.masked_fill(top.abs() == float("inf"), 0)
    made = bind(SUM, (input - top).exp(), dim=dims, keepdim=keepdim).log()
    return made + (top if keepdim or not dims else top.reshape(made._array.shape))


def _without_nan(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    return SUM.numpy(
        np.where(np.isnan(array), array.dtype.type(0), array), dim=dim, keepdim=keepdim
    )


NANSUM = Primitive(
    "nansum",
    Kind.REDUCTION,
    _without_nan,
    (lambda g, _out, x, *, dim, keepdim: spread(g, x, dim, keepdim) * x.isnan().logical_not(),),
    combine=("0", "{acc} + where(isnan({0}), 0, {0})"),
)


def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return the sum of the elements that are not NaN; arguments as of `sum`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nansum(torch.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    dims = wrap_dims("nansum", dim, input._array.ndim)
    if input._array.dtype.kind not in "fc":
        return input.sum(dim, keepdim, dtype=dtype)
    target = input._array.dtype if dtype is None else as_dtype("nansum", dtype)
    if input._array.dtype != target:
        input = bind(CAST, input, dtype=target)
    return bind(NANSUM, input, dim=dims, keepdim=keepdim)


def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return the mean of the elements that are not NaN; arguments as of `mean`."""
    wrap_dims("nanmean", dim, input._array.ndim)
    counts = input.isnan().logical_not().sum(dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / counts


def _middle(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    if not array.size:
        return np.full((1,) * array.ndim if keepdim else (), np.nan).astype(array.dtype)
    flat = array.reshape(-1)
    k = (flat.size - 1) // 2
    ordered = np.partition(flat, (k, flat.size - 1))
    # NaN sorts last, and makes the median NaN
    bad = array.dtype.kind == "f" and np.isnan(ordered[-1])
    found = ordered[-1] if bad else ordered[k]
    return np.full((1,) * array.ndim, found) if keepdim else found


MEDIAN = Primitive("median", Kind.REDUCTION, _middle, (share_with_nan,), compares=True)


def _middle_place(array: np.ndarray, *, dim: int, skip_nan: bool) -> Any:
    if not array.ndim:
        return np.zeros((), np.int64)
    order = np.argsort(array, axis=dim, kind="stable")
    if array.dtype.kind != "f":
        return np.take(order, [(array.shape[dim] - 1) // 2], axis=dim)
    bad = np.isnan(array)
    numbers = array.shape[dim] - np.sum(bad, axis=dim, keepdims=True)
    if not skip_nan:
        # the first NaN, which sorts after all numbers
        k = np.where(numbers < array.shape[dim], numbers, (numbers - 1) // 2)
    else:
        k = np.maximum(numbers - 1, 0) // 2
    return np.take_along_axis(order, k, axis=dim)


MEDIAN_PLACE = Primitive("median_place", Kind.OPAQUE, _middle_place)


def _median(name: str, input: Tensor, dim: Any, keepdim: bool, skip_nan: bool) -> Any:
    dims = one_dim(name, dim, input._array.ndim)
    check_not_empty(name, input._array, dims, given=True)
    where = dims[0] if dims else 0
    places = bind(MEDIAN_PLACE, input, dim=where, skip_nan=skip_nan)
    values = take_along(input, places, where)
    if not keepdim and dims:
        values, places = values.squeeze(where), places.squeeze(where)
    return values, places


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median (the lower of two in the middle), of all or along `dim`.

    With `dim` a named tuple (values, indices). NaN if there is one.
    Gradient: without `dim` in equal parts to all that equal it, with `dim` to the one chosen.

    Example:
        >>> import jitgrad as torch
        >>> torch.median(torch.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    if dim is None:
        every = tuple(range(input._array.ndim))
        return bind(MEDIAN, input, dim=every, keepdim=False)
    return return_types.median(*_median("median", input, dim, keepdim, skip_nan=False))


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of the elements that are not NaN; forms as of `median`."""
    if dim is None:
        return _median("nanmedian", input.reshape(-1), 0, False, skip_nan=True)[0]
    return return_types.nanmedian(*_median("nanmedian", input, dim, keepdim, skip_nan=True))


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """Return the q-th quantiles (q from 0 to 1, a number or a 1-d tensor), of all or along `dim`.

    Shapes: a 1-d `q` adds a first dimension. NaN if there is one.

    Raises:
        RuntimeError: nothing to choose from, or other dtypes than float32 and float64.
        ValueError: unknown `interpolation`.

    Example:
        >>> import jitgrad as torch
        >>> torch.quantile(torch.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
        tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """Return `quantile` of the elements that are not NaN.

    Example:
        >>> import jitgrad as torch
        >>> torch.nanquantile(torch.tensor([1.0, float("nan"), 3.0]), 0.5)
        tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)


def _quantile(
    name: str,
    input: Tensor,
    q: Any,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    skip_nan: bool,
) -> Tensor:
    if interpolation not in INTERPOLATIONS:
        rule = f"interpolation is one of {', '.join(INTERPOLATIONS)}"
        raise ValueError(describe(name, repr(interpolation), rule))
    if input._array.dtype not in (np.float32, np.float64) or not input._array.size:
        came = f"a tensor of {dtypes.FROM_NUMPY[input._array.dtype].name} and shape "
        raise RuntimeError(
            describe(
                name,
                came + str(tuple(input._array.shape)),
                "input tensor must be non-empty and of dtype float or double",
            )
        )
    if not isinstance(q, TensorCore) and not 0 <= q <= 1:
        rule = f"{name}() q values must be in the range [0, 1]"
        raise RuntimeError(describe(name, f"q={q}", rule))
    dims = one_dim(name, dim, input._array.ndim)
    flat = dim is None or not input._array.ndim
    lines = input.reshape(-1) if flat else input.movedim(dims[0], -1)
    single = not isinstance(q, TensorCore) or not q._array.ndim
    points: Any = q if isinstance(q, TensorCore) else input.new_full((), q)
    ordered = lines.sort(-1)[0]
    bad = lines.isnan()
    if skip_nan:
        last = (bad.logical_not().sum(-1, keepdim=True) - 1).clamp(min=0)
        ranks = points.reshape(-1) * last
    else:
        end = lines._array.shape[-1] - 1
        spoiled = bad.any(-1, keepdim=True)
        ranks = (points.reshape(-1) * end).expand(*spoiled._array.shape[:-1], points._array.size)
        ranks = ranks.masked_fill(spoiled, end)
    made = _between(ordered, ranks, interpolation)
    if keepdim:
        sizes = input._array.shape
        count = made._array.shape[-1]
        shape = (count, *(1 if i in dims else size for i, size in enumerate(sizes)))
        made = made.movedim(-1, 0).reshape(shape)
    else:
        made = made.movedim(-1, 0)
    return made.squeeze(0) if single else made


def _between(ordered: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    if interpolation == "nearest":
        return ordered.gather(-1, ranks.round().long())
    low, high = ranks.floor().long(), ranks.ceil().long()
    if interpolation == "lower":
        return ordered.gather(-1, low)
    if interpolation == "higher":
        return ordered.gather(-1, high)
    first, second = ordered.gather(-1, low), ordered.gather(-1, high)
    weight = 0.5 if interpolation == "midpoint" else ranks - low
    return first + (second - first) * weight


class StatisticsMethods:
    """The operations of this file as methods of `Tensor`."""

    logsumexp = logsumexp
    median = median
    nanmean = nanmean
    nanmedian = nanmedian
    nanquantile = nanquantile
    nansum = nansum
    quantile = quantile
    std = std
    var = var
