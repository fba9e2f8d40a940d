"""Operations that combine elements along dimensions, and scans, orders and counts."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.opinfo import A, I, Op, S, kink, op, ours, wrong

NAN = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, -1.0]])
TIED = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
BAD_DIM = wrong(IndexError, A(2, 3), 2, match="out of range")
SAME_DIM = wrong(RuntimeError, A(2, 3), (0, 0), match="multiple times")


def numpy_axes(reference: Callable) -> Callable:
    """Return `reference` with PyTorch's names of the arguments; an empty dim means all."""

    def call(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None, **rest: Any) -> Any:
        if isinstance(dim, (tuple, list)):
            dim = tuple(dim) or None
        if not np.ndim(x):
            dim = None
        return reference(x, axis=dim, keepdims=keepdim, **rest)

    return call


def reduction(
    path: str,
    reference: Callable,
    *samples: Any,
    several: bool = True,
    empty: bool = True,
    all_at_once: bool = True,
    **settings: Any,
) -> Op:
    """Return the line of a reduction with `dim` and `keepdim`."""
    found = [S(A(2, 3), 0), S(A(2, 3), -1, keepdim=True), S(A(2, 3, 2), 1), S(A(), 0), S(A(3), 0)]
    if all_at_once:
        found += [S(A(2, 3)), S(A())]
    if several:
        found += [S(A(2, 3, 2), (0, 2)), S(A(2, 3, 2), (-1, 0), keepdim=True)]
    if empty:
        found += [S(A(0, 3), 0), S(A(2, 0), 1, keepdim=True)]
        if all_at_once:
            found.append(S(A(0)))
    else:
        found.append(S(A(0, 3), 1))
    errors = [*settings.pop("errors", ()), BAD_DIM]
    if several:
        errors.append(SAME_DIM)
    return op(
        path, *found, *samples, reference=numpy_axes(reference), errors=tuple(errors), **settings
    )


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    with np.errstate(all="ignore"):
        count = x.size if axis is None else np.prod(np.take(x.shape, axis))
        return np.sum(x, axis=axis, keepdims=keepdims) / count


def _extreme(which: Callable, arg: Callable) -> Callable:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return which(x)
        if not np.ndim(x):
            return x, np.int64(0)
        return which(x, axis=dim, keepdims=keepdim), arg(x, axis=dim, keepdims=keepdim)

    return call


def _arg(arg: Callable) -> Callable:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if not np.ndim(x):
            return np.int64(0)
        return arg(x, axis=dim, keepdims=keepdim)

    return call


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    with np.errstate(all="ignore"):
        return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Any:
    axis = tuple(dim) if isinstance(dim, (tuple, list)) else dim
    if not np.ndim(x):
        axis, x, keepdim = None, np.asarray(x), False
    order = 2 if p in (None, "fro") else p
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdim)
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdim)
    if order == 0:
        return np.sum(size != 0, axis=axis, keepdims=keepdim).astype(float)
    return np.sum(size**order, axis=axis, keepdims=keepdim) ** (1 / order)


SUMS = (
    reduction(
        "sum",
        np.sum,
        S(A(2, 3), None),
        S(A(2, 3), (), keepdim=True),
        S(A(2, 3), dtype="float64"),
        kink(NAN),
        S(A(40)),
        kinds="fib",
    ),
    op(
        "sum",
        kink(A(2, 3), dtype="float32"),
        ours(kink(A(2, 3), 0, dtype="int64")),
        kinds="fib",
        order=1,
        variant="to another dtype",
    ),
    reduction("nansum", np.nansum, kink(NAN), kink(NAN, 1)),
    reduction(
        "mean",
        _mean,
        kink(NAN),
        S(A(2, 3), dtype="float64"),
        rounding=2,
        errors=(wrong(RuntimeError, np.arange(3), match="floating"),),
    ),
    reduction("nanmean", np.nanmean, kink(NAN, 1), S(A(2, 3)), empty=False),
    reduction("prod", np.prod, several=False, kinds="fib", reference_kinds="f", rounding=4),
    op(
        "prod",
        kink(np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]), 1),
        kink(np.array([0.0, 2.0])),
        S(np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]), 1),
        S(A(2, 3), dtype="float64"),
        variant="with zeros",
    ),
    reduction("logsumexp", _logsumexp, all_at_once=False, rounding=4),
    reduction(
        "var",
        np.var,
        S(A(2, 3), correction=0),
        S(A(4), 0, correction=2),
        empty=False,
        rounding=8,
        all_at_once=False,
        reference_kinds="",
    ),
    reduction(
        "std",
        np.std,
        S(A(2, 3), correction=0),
        S(A(3), unbiased=False),
        empty=False,
        rounding=8,
        all_at_once=False,
        reference_kinds="",
    ),
    op(
        "var",
        S(A(2, 3)),
        S(A(2, 3), unbiased=False),
        S(A(2, 3), 1, unbiased=False),
        S(A(2, 3), 0, correction=0, keepdim=True),
        rounding=8,
        variant="unbiased",
    ),
    op(
        "var",
        S(A(3, 4), 1, correction=0),
        S(A(3, 4), correction=0),
        reference=lambda x, dim=None, correction=0: np.var(x, axis=dim),
        rounding=8,
        variant="as numpy",
    ),
    op(
        "var_mean", S(A(2, 3)), S(A(2, 3), 0), S(A(2, 3), 1, correction=0, keepdim=True), rounding=8
    ),
    op(
        "std_mean", S(A(2, 3)), S(A(2, 3), 0), S(A(2, 3), 1, correction=0, keepdim=True), rounding=8
    ),
    op(
        "norm",
        S(A(2, 3)),
        S(A()),
        S(A(2, 3), 2),
        S(A(2, 3), 1, 0),
        S(A(2, 3), 3, 1, keepdim=True),
        S(A(2, 3), float("inf"), 1),
        S(A(2, 3), -float("inf"), 0),
        S(A(2, 3), 0.5, 1),
        S(A(2, 3), "fro"),
        S(A(2, 3), dim=0),
        S(A(2, 3), dim=(0, 1)),
        S(A(0)),
        kink(np.zeros(3)),
        S(A(2, 3), p=2, dim=1),
        kink(A(2, 3), 0),
        reference=_norm,
        rounding=8,
    ),
    op(
        "linalg.vector_norm",
        S(A(2, 3)),
        S(A(2, 3), 1),
        S(A(2, 3), 3, 0),
        S(A(2, 3), 2, (0, 1), keepdim=True),
        S(A(2, 3), float("inf")),
        reference=_norm,
        rounding=8,
        errors=(wrong(IndexError, A(3), 2, 1),),
    ),
    op("linalg.norm", S(A(2, 3)), S(A(3), 1), S(A(2, 3), "fro"), S(A(2, 3), dim=0), rounding=8),
    op(
        "linalg.matrix_norm",
        S(A(2, 3)),
        S(A(2, 3), 1),
        S(A(2, 3), float("inf")),
        S(A(2, 2, 3), keepdim=True),
        rounding=8,
    ),
)

EXTREMES = (
    *(
        op(
            name,
            S(A(2, 3)),
            S(A()),
            S(A(2, 3), 0),
            S(A(2, 3), -1, keepdim=True),
            S(A(), 0),
            S(A(2, 3, 2), 1),
            S(A(0, 3), 1),
            kink(TIED),
            kink(TIED, 1),
            kink(NAN),
            kink(NAN, 1),
            reference=_extreme(which, arg),
            kinds="fi",
            errors=(
                BAD_DIM,
                wrong(IndexError, A(0, 3), 0, match="non-zero size"),
                wrong(RuntimeError, A(0)),
            ),
        )
        for name, which, arg in (("max", np.max, np.argmax), ("min", np.min, np.argmin))
    ),
    op(
        "max",
        S(A(2, 3), A(3)),
        kink(TIED, TIED[::-1]),
        reference=np.maximum,
        variant="of two",
        kinds="fi",
    ),
    op(
        "min",
        S(A(2, 3), A(3)),
        kink(TIED, TIED[::-1]),
        reference=np.minimum,
        variant="of two",
        kinds="fi",
    ),
    *(
        reduction(name, which, kink(TIED), kink(TIED, 1), kink(NAN, 1), kinds="fi", empty=False)
        for name, which in (("amax", np.max), ("amin", np.min))
    ),
    op("aminmax", S(A(2, 3)), S(A(2, 3), dim=0), S(A(2, 3), dim=1, keepdim=True), kinds="fi"),
    *(
        op(
            name,
            S(A(2, 3)),
            S(A()),
            S(A(2, 3), 0),
            S(A(2, 3), -1, keepdim=True),
            S(A(), 0),
            S(A(0, 3), 1),
            S(TIED),
            S(TIED, 1),
            S(NAN, 1),
            S(NAN),
            reference=_arg(which),
            kinds="fi",
            order=0,
            errors=(BAD_DIM, wrong(IndexError, A(0), match="non-zero size")),
        )
        for name, which in (("argmax", np.argmax), ("argmin", np.argmin))
    ),
    op(
        "median",
        S(A(3)),
        S(A(4)),
        S(A(3, 4), 0),
        S(A(3, 4), 1, keepdim=True),
        S(A()),
        kink(NAN),
        kink(NAN, 1),
        kinds="fi",
        errors=(BAD_DIM,),
    ),
    op(
        "nanmedian",
        S(A(3)),
        S(A(4)),
        S(A(3, 4), 0),
        S(A(3, 4), 1, keepdim=True),
        kink(NAN, 1),
        kinds="fi",
    ),
    op(
        "quantile",
        S(A(5), 0.3),
        S(A(3, 4), 0.5, 1),
        S(A(3, 4), 0.25, 0, keepdim=True),
        S(A(5), 0.3, interpolation="lower"),
        S(A(5), 0.3, interpolation="nearest"),
        kinds="w",
        rounding=4,
        errors=(wrong(RuntimeError, A(3), 1.5, match="0, 1"),),
    ),
)

LOGIC = (
    reduction("all", np.all, kink(NAN), kinds="fib", order=0, several=True),
    reduction("any", np.any, kink(NAN), kinds="fib", order=0, several=True),
    op(
        "count_nonzero",
        S(A(2, 3)),
        S(TIED, 1),
        S(TIED, (0, 1)),
        S(A(0)),
        reference=lambda x, dim=None: np.asarray(np.count_nonzero(x, axis=dim)),
        kinds="fib",
        order=0,
    ),
)

SCANS = (
    op(
        "cumsum",
        S(A(2, 3), 0),
        S(A(2, 3), -1),
        S(A(), 0),
        S(A(0), 0),
        S(A(2, 3), 1, dtype="float64"),
        reference=lambda x, dim, dtype=None: np.cumsum(x, dim).reshape(np.shape(x)),
        kinds="fib",
        rounding=2,
        errors=(BAD_DIM,),
    ),
    op(
        "cumprod",
        S(A(2, 3), 0),
        S(A(2, 3), -1),
        S(A(), 0),
        S(A(0), 0),
        kink(np.array([[0.0, 2.0, 3.0], [1.0, 0.0, 0.0]]), 1),
        S(np.array([[0.5, 2.0, 0.0], [1.0, 0.0, 0.0]]), 1),
        reference=lambda x, dim: np.cumprod(x, dim).reshape(np.shape(x)),
        kinds="fib",
        reference_kinds="f",
        rounding=4,
        errors=(BAD_DIM,),
    ),
    op(
        "logcumsumexp",
        S(A(2, 3), 0),
        S(A(2, 3), -1),
        S(np.array([[0.0, 400.0, 1.0, -300.0], [-200.0, 0.0, 100.0, 50.0]]), 1),
        S(A(0), 0),
        S(A(), 0),
        rounding=8,
        reference=lambda x, dim: np.logaddexp.accumulate(x, dim) if np.ndim(x) else x,
        errors=(BAD_DIM,),
    ),
)

ORDERS = (
    op(
        "sort",
        S(A(2, 3)),
        S(A(2, 3), 0),
        S(A(2, 3), 1, descending=True),
        S(A()),
        S(A(0)),
        kink(TIED, stable=True),
        kink(NAN, stable=True),
        kink(TIED, dim=1, descending=True, stable=True),
        kinds="fi",
        errors=(BAD_DIM,),
    ),
    op(
        "argsort",
        S(A(2, 3)),
        S(A(2, 3), 0),
        S(A(2, 3), descending=True),
        S(TIED, stable=True),
        S(A(0)),
        kinds="fi",
        order=0,
        errors=(BAD_DIM,),
        named="sort",
    ),
    op("msort", S(A(3, 2)), reference=lambda x: np.sort(x, 0)),
    op(
        "topk",
        S(A(5), 2),
        S(A(2, 4), 3, 0 - 1),
        S(A(4, 2), 2, 0, largest=False),
        S(A(3), 0),
        kinds="f",
        errors=(wrong(RuntimeError, A(3), 4, match="out of range"),),
    ),
    op(
        "kthvalue",
        S(A(5), 2),
        S(A(2, 4), 3, 1),
        S(A(4, 2), 2, 0, keepdim=True),
        kinds="f",
        errors=(wrong(RuntimeError, A(3), 4, match="out of range"),),
    ),
    op(
        "searchsorted",
        S(np.sort(A(5)), A(2, 3)),
        S(np.sort(A(2, 4)), A(2, 3)),
        S(np.sort(A(5)), A(3), right=True),
        S(np.sort(A(5)), 0.3),
        kinds="f",
        order=0,
        layouts=False,
    ),
    op(
        "bucketize",
        S(A(2, 3), np.sort(A(4))),
        S(A(3), np.sort(A(4)), right=True),
        order=0,
        layouts=False,
    ),
    op(
        "bincount",
        S(I(6, below=4)),
        S(I(6, below=4), minlength=6),
        S(I(0)),
        S(I(6, below=4), A(6)),
        reference=np.bincount,
        order=0,
        layouts=False,
        errors=(wrong(RuntimeError, np.array([-1, 2])),),
    ),
    op(
        "isin",
        S(I(2, 3, below=5), I(3, below=5)),
        S(I(4), I(2), invert=True),
        order=0,
        reference=lambda x, y, invert=False: np.isin(x, y, invert=invert),
    ),
    op(
        "unique",
        S(I(7, below=4)),
        S(I(2, 3, below=3), return_inverse=True, return_counts=True),
        S(A(3)),
        order=0,
        layouts=False,
    ),
    op(
        "unique_consecutive",
        S(np.array([1, 1, 2, 2, 1])),
        S(np.array([1, 1, 2, 2, 1]), return_inverse=True, return_counts=True),
        order=0,
        layouts=False,
    ),
)

OPS = SUMS + EXTREMES + LOGIC + SCANS + ORDERS
