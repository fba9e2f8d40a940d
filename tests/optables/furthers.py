"""Differences and integrals, overlays, histograms, divisors, special functions of few programs."""

from typing import Any

import numpy as np

from tests.opinfo import A, I, S, kink, op, ours, unseen, wide, wrong
from tests.optables.pointwise import unary

NAN = np.array([[1.0, np.nan, 3.0, 0.5], [np.nan, np.nan, np.nan, np.nan]])
SOME = np.array([[1.0, np.nan, 3.0, 0.5], [np.nan, 2.0, np.nan, np.nan]])


def in_place(function: Any) -> Any:
    """Return `function` of a copy of its first argument, so that leaves are not written."""
    return lambda x, *rest, **kwargs: function(x * 1, *rest, **kwargs)


CALCULUS = (
    op(
        "diff",
        S(A(4)),
        S(A(2, 4)),
        S(A(3, 2), dim=0),
        S(A(5), 2),
        S(A(3), 4),
        S(A(3), 0),
        S(A(3), prepend=A(1), append=A(2)),
        S(A(1)),
        S(A(0)),
        kinds="fib",
        reference_kinds="f",
        reference=lambda x, n=1, dim=-1, prepend=None, append=None: np.diff(
            np.concatenate([each for each in (prepend, x, append) if each is not None], dim),
            n,
            dim,
        ),
        errors=(wrong(RuntimeError, A()), wrong(RuntimeError, A(3), -1)),
    ),
    *(
        op(
            name,
            S(A(4)),
            S(A(2, 4)),
            S(A(3, 2), dim=0),
            S(A(4), dx=0.5),
            S(A(2, 4), A(4)),
            S(A(4, 2), A(4), dim=0),
            S(A(2, 4), A(2, 4)),
            S(A(2, 1)),
            kinds="fi",
            rounding=4,
            named="trapezoid",
            errors=(wrong(RuntimeError, A(3), A(2)), wrong(IndexError, A())),
        )
        for name in ("trapezoid", "trapz", "cumulative_trapezoid")
    ),
    op(
        "gradient",
        S(A(4)),
        S(A(3, 4)),
        S(A(3, 4), dim=1),
        S(A(3, 4), dim=(1, 0)),
        S(A(4), spacing=2.0),
        S(A(3, 4), spacing=(2.0, 0.5)),
        S(A(4), spacing=(np.array([0.0, 1.0, 3.0, 3.5]),)),
        S(A(4), edge_order=2),
        S(A(3), edge_order=2, spacing=(np.array([0.0, 1.0, 3.0]),)),
        kinds="w",
        rounding=8,
        errors=(
            wrong(RuntimeError, A(2), edge_order=2),
            wrong(RuntimeError, A(3), edge_order=3),
            wrong(RuntimeError, A(3, 3), spacing=(1.0, 2.0, 3.0)),
        ),
    ),
    *(
        op(
            name,
            S(A(4), 0),
            S(A(2, 3), 1),
            S(A(3, 2), 0),
            S(A(), 0),
            S(A(0, 2), 0),
            kink(np.array([1.0, 3, 3, 2, 1]), 0),
            kink(NAN, 1),
            kinds="fib",
            errors=(wrong(IndexError, A(2), 1),),
        )
        for name in ("cummax", "cummin")
    ),
)

OVERLAID = (
    op(
        "select_scatter",
        S(A(2, 3), A(3), 0, 1),
        S(A(2, 3), A(2), 1, -1),
        errors=(wrong(RuntimeError, A(2, 2), A(3), 0, 0), wrong(IndexError, A(2), A(), 0, 3)),
        named="select",
    ),
    op(
        "slice_scatter",
        S(A(4, 2), A(2, 2), 0, 1, 3),
        S(A(2, 4), A(2, 2), 1, 0, 4, 2),
        S(A(4), A(2), start=2),
        S(A(4), A(4)),
        S(A(4), A(2), 0, -2),
        errors=(wrong(RuntimeError, A(2, 2), A(3), 0, 0, 1),),
    ),
    op(
        "diagonal_scatter",
        S(A(3, 3), A(3)),
        S(A(3, 3), A(2), 1),
        S(A(2, 3, 2), A(3, 2), 0, 0, 2),
        errors=(wrong(RuntimeError, A(2, 2), A(3)),),
    ),
    op(
        "as_strided_scatter",
        # torch's derivative is that of what is covered
        ours(S(A(4), A(2), (2,), (3,))),
        ours(S(A(6), A(2, 2), (2, 2), (2, 1), 1)),
        layouts=False,
        errors=(wrong(RuntimeError, A(4), A(3), (2,), (3,)),),
    ),
    op(
        "put",
        S(A(2, 3), np.array([0, 4]), A(2)),
        S(A(2, 3), np.array([[0, 4]]), A(2)),
        S(A(2, 3), np.array([1, 4, 1]), A(3), True),
        S(A(3), np.array([-1]), A(1)),
        inplace="put_",
        errors=(
            wrong(IndexError, A(2), np.array([0]), A(2)),
            wrong(RuntimeError, A(2), A(1), A(1)),
        ),
    ),
    op(
        "Tensor.fill_diagonal_",
        S(A(3, 3), 2.0),
        S(A(5, 2), 2.0),
        S(A(7, 2), 2.0, True),
        S(A(2, 5), 2.0, True),
        S(A(2, 2, 2), 3.0),
        through=in_place,
        errors=(wrong(RuntimeError, A(2, 3, 3), 1.0), wrong(RuntimeError, A(2), 1.0)),
    ),
    *(
        op(f"Tensor.{name}", *samples, through=in_place, order=2)
        for name, samples in (
            ("unsqueeze_", (S(A(2, 3), 1),)),
            ("squeeze_", (S(A(2, 1, 1)), S(A(2, 1, 1), 1))),
            ("transpose_", (S(A(2, 3), 0, 1),)),
            ("t_", (S(A(2, 3)),)),
        )
    ),
    op("Tensor.as_strided_", S(A(4), (2, 2), (1, 2)), through=in_place, layouts=False),
    op("split_with_sizes", S(A(5), [2, 3]), S(A(2, 5), [1, 4], 1), named="split"),
)


def _quantiles(
    x: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: Any = "linear"
) -> Any:
    return np.nanquantile(x, q, dim, keepdims=keepdim, method=interpolation)


COUNTED = (
    op(
        "histc",
        S(A(9), 4),
        S(A(3, 3), 3, -1.0, 1.5),
        S(np.array([1.0, 1.0]), 2),
        S(np.array([0.0, 1.0, 2.0, 4.0, 5.0]), 4, 0, 4),
        kinds="w",
        order=0,
        errors=(
            wrong(NotImplementedError, np.array([1, 2]), match="not implemented for 'Long'"),
            wrong(RuntimeError, A(2), 2, 3, 1),
            wrong(RuntimeError, A(2), 0),
            wrong(RuntimeError, np.array([np.nan, 1.0]), 2),
        ),
    ),
    op(
        "histogram",
        S(A(9), 4),
        S(A(9), np.array([-1.0, 0.0, 0.5, 1.0])),
        S(A(9), 3, range=(-1.0, 1.0)),
        S(A(9), 3, weight=A(9)),
        S(A(9), 3, density=True),
        S(np.array([2.0, 2.0]), 2),
        kinds="w",
        order=0,
        rounding=8,
        errors=(wrong(RuntimeError, A(2), 0),),
    ),
    op(
        "mode",
        kink(np.array([[1.0, 2, 2, 1, 3], [5, 5, 4, 4, 4]])),
        kink(np.array([[1.0, 2, 2], [1, 2, 0], [1, 1, 0]]), 0, True),
        S(A()),
        kinds="fib",
        order=2,
        expandable=False,
        errors=(wrong(IndexError, A(2, 0)), wrong(IndexError, A(2), 1)),
    ),
    op(
        "unravel_index",
        S(np.array([0, 4, 5]), (2, 3)),
        S(np.array([[7]]), (2, 2, 2)),
        S(np.array([1]), 4),
        order=0,
        kinds="d",
        reference=np.unravel_index,
    ),
    op(
        "nanquantile",
        kink(SOME, 0.5),
        kink(SOME, 0.4, 1),
        ours(kink(SOME, np.array([0.1, 0.9]), 1, True)),
        S(A(2, 5), 0.3, 1),
        kink(SOME, 0.4, 1, interpolation="nearest"),
        kinds="d",
        reference=_quantiles,
        errors=(
            wrong(RuntimeError, A(0), 0.5),
            wrong(RuntimeError, A(2), 1.5),
        ),
    ),
)

DIVISORS = (
    *(
        op(
            name,
            S(I(3, below=20), I(3, below=20)),
            S(I(2, 3, below=20), I(3, below=20) - 10),
            S(np.array([0, 4]), np.array([0, 0])),
            kinds="d",
            order=0,
            reference=getattr(np, name),
            errors=(wrong(NotImplementedError, A(2), A(2)), wrong(TypeError, np.array([1]), 2)),
        )
        for name in ("gcd", "lcm")
    ),
    op(
        "nextafter",
        S(A(3), A(3)),
        S(A(2, 3), A(3)),
        kinds="w",
        order=0,
        inplace="nextafter_",
        errors=(wrong(NotImplementedError, np.array([1]), np.array([1])),),
    ),
    op(
        "frexp",
        ours(S(A(3))),
        wide(ours(kink(np.array([0.0, np.inf, -8.0, 1e-310])))),
        reference=np.frexp,
        errors=(wrong(RuntimeError, np.array([4])),),
    ),
    op("ldexp", S(A(2, 3), I(3)), inplace="ldexp_", variant="in place", rounding=2),
    op(
        "float_power",
        S(A(3, low=0.5), 2.0),
        S(A(3, low=0.5), A(3)),
        kinds="d",
        inplace="float_power_",
        variant="in place",
        rounding=4,
    ),
)

SPECIALS = (
    unary("sinc", np.sinc, kinds="fi", rounding=8, order=2, special=False),
    unary("i0", np.i0, special=False, kinds="f", rounding=16),
    *(
        op(
            f"special.{name}",
            S(A(5)),
            S(A(4, low=-30.0, high=30.0)),
            S(A()),
            rounding=64,
            named=name,
        )
        for name in ("i0e", "i1", "i1e")
    ),
    op("special.i1e", wide(S(np.array([650.0, -3000.0, 1e4]))), rounding=64, variant="far"),
    op("special.i0e", wide(S(np.array([650.0, -3000.0]))), rounding=64, variant="far"),
    op("special.ndtr", S(A(5)), rounding=8),
    op("special.ndtri", S(A(5, low=0.05, high=0.95)), rounding=64),
    op("special.log_ndtr", S(A(6, low=-20.0, high=5.0)), S(A(3)), rounding=64, kinds="w"),
    op("special.erfcx", S(A(6)), S(A(4, low=2.0, high=40.0)), rounding=64, kinds="w"),
    op(
        "special.entr",
        S(A(4, low=0.1)),
        ours(kink(np.array([0.0, -1.0, np.nan, 2.0]))),
        rounding=4,
    ),
    op(
        "special.xlog1py",
        S(A(4), A(4, low=-0.9)),
        ours(kink(np.array([0.0, 0.0, 2.0]), np.array([-1.0, np.nan, np.nan]))),
        rounding=8,
    ),
    op(
        "mvlgamma",
        S(A(4, low=2.0, high=5.0), 3),
        S(A(low=1.0, high=2.0), 1),
        inplace="mvlgamma_",
        kinds="d",
        rounding=4096,
        order=1,
        errors=(wrong(RuntimeError, A(2), 0),),
    ),
)

REALS = (
    op("angle", S(A(4)), kink(np.array([0.0, np.nan, -np.inf])), kinds="fi", rounding=2),
    op("isreal", S(A(3)), kinds="fib", order=0),
    *(op(name, S(A(3)), kinds="fib") for name in ("real", "conj", "resolve_conj")),
    op("conj_physical", S(A(3)), kinds="fi"),
    op("is_same_size", S(A(3), A(3)), S(A(3), A(2)), order=0),
    op("is_signed", S(A(3)), kinds="fib", order=0),
    op("is_nonzero", S(A(1)), S(np.zeros(1)), kinds="fib", order=0),
)

WINDOWS = (
    *(
        op(name, S(8), S(7, False), S(1), S(0), S(2), S(5, dtype="float64"), rounding=4, order=0)
        for name in ("bartlett_window", "blackman_window", "hann_window", "kaiser_window")
    ),
    op("kaiser_window", S(8, True, 5.0), rounding=4, order=0, variant="beta"),
    op(
        "hamming_window",
        S(8),
        S(7, False, 0.5, 0.4),
        rounding=4,
        order=0,
        errors=(wrong(RuntimeError, -1),),
    ),
    op("range", S(1, 3), S(0.0, 1.0, 0.25), S(3, 1, -1), order=0),
    *(
        op(f"Tensor.{name}", unseen(A(3), *extra), kinds="f", order=0, through=in_place)
        for name, extra in (("log_normal_", ()), ("cauchy_", ()), ("geometric_", (0.5,)))
    ),
)

IN_PLACE = (
    *(
        op(name, *samples, inplace=f"{name}_", variant="in place", rounding=8)
        for name, samples in (
            ("addmm", (S(A(2, 4), A(2, 3), A(3, 4), beta=0.5), S(A(4), A(2, 3), A(3, 4)))),
            ("addmv", (S(A(2), A(2, 3), A(3), alpha=2.0),)),
            ("addr", (S(A(2, 3), A(2), A(3)),)),
            ("addbmm", (S(A(2, 2), A(2, 2, 3), A(2, 3, 2)),)),
            ("baddbmm", (S(A(2, 2, 2), A(2, 2, 3), A(2, 3, 2), beta=2.0),)),
            ("cumsum", (S(A(2, 3), 1),)),
            ("cumprod", (S(A(2, 3), 0),)),
            ("deg2rad", (S(A(3)),)),
            ("rad2deg", (S(A(3)),)),
        )
    ),
    op("heaviside", S(A(3), A(3)), inplace="heaviside_", variant="in place", order=0),
    op(
        "Tensor.polygamma_",
        S(A(3, low=0.5, high=3.0), 1),
        through=in_place,
        order=1,
        rounding=2048,
        kinds="d",
    ),
)

OPS = IN_PLACE + CALCULUS + OVERLAID + COUNTED + DIVISORS + SPECIALS + REALS + WINDOWS
