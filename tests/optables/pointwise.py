"""Operations element by element."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tests.opinfo import (
    BROADCAST,
    SHAPES,
    A,
    M,
    Op,
    S,
    Wrong,
    floats,
    kink,
    op,
    ours,
    signed,
    wrong,
)

# values that go wrong first; not for finite differences
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-5, -1e-5, 1e4, -1e4])
TIES = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 0.5, -0.5, 1.5, 2.5])


def unary(
    path: str,
    reference: Callable | None,
    low: float = -2.0,
    high: float = 2.0,
    *,
    kinds: str = "fib",
    inplace: bool = True,
    special: bool = True,
    errors: tuple[Wrong, ...] = (),
    **settings: Any,
) -> Op:
    """Return the line of a function of one tensor, with `path` as its in-place name too."""
    samples = [S(A(*shape, low=low, high=high)) for shape in SHAPES]
    if special:
        samples.append(kink(SPECIAL))
    name = path.split(".")[-1]
    return op(
        path,
        *samples,
        reference=reference,
        kinds=kinds,
        inplace=f"{name}_" if inplace else None,
        errors=(*errors, wrong(TypeError, [1.0])),
        **settings,
    )


def binary(
    path: str,
    reference: Callable | None,
    a: tuple[float, float] = (-2.0, 2.0),
    b: tuple[float, float] = (-2.0, 2.0),
    *,
    kinds: str = "fi",
    inplace: bool = True,
    scalars: tuple = (2, 0.5),
    extra: tuple = (),
    errors: tuple[Wrong, ...] = (),
    **settings: Any,
) -> Op:
    """Return the line of a function of two tensors, or of a tensor and a number."""
    samples = [
        S(A(*one, low=a[0], high=a[1]), A(*other, low=b[0], high=b[1])) for one, other in BROADCAST
    ]
    samples += [S(A(2, 3, low=a[0], high=a[1]), scalar) for scalar in scalars]
    samples += [S(A(low=a[0], high=a[1]), scalar) for scalar in scalars[:1]]
    name = path.split(".")[-1]
    return op(
        path,
        *samples,
        *extra,
        reference=reference,
        kinds=kinds,
        inplace=f"{name}_" if inplace else None,
        errors=(
            wrong(RuntimeError, A(2, 3), A(2), match="size"),
            wrong(RuntimeError, A(2, 3), A(3, 2), match="size"),
            *errors,
        ),
        **settings,
    )


def without_torch(line: Op) -> Op:
    """Return `line` without comparing its gradients with torch's."""
    return replace(line, samples=tuple(ours(sample) for sample in line.samples))


def every_pair(values: np.ndarray) -> np.ndarray:
    """Return two rows: all combinations of two of the values."""
    return np.array(np.meshgrid(values, values)).reshape(2, -1)


PAIRS = every_pair(SPECIAL)
NEAR = every_pair(TIES)

_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except ValueError:
        return math.inf


def _round(x: np.ndarray, decimals: int = 0) -> np.ndarray:
    return np.round(x, decimals)


def _comparison(path: str, reference: Callable) -> Op:
    return binary(
        path, reference, kinds="fib", order=0, extra=(S(*PAIRS), S(*NEAR), S(TIES, 0.5), S(TIES, 1))
    )


def _logical(path: str, reference: Callable) -> Op:
    return binary(path, reference, kinds="fib", order=0, scalars=(), extra=(S(*PAIRS),))


def _bitwise(path: str, reference: Callable, kinds: str = "ib") -> Op:
    def bits(a: Any, b: Any) -> np.ndarray:
        return reference(np.asarray(a).astype(np.int64), np.asarray(b).astype(np.int64))

    return op(
        path,
        S(A(2, 3, low=0, high=3), A(3, low=0, high=3)),
        S(A(0), A(1)),
        S(A(low=0, high=2), A(2, low=0, high=2)),
        S(A(3, low=0, high=3), 3),
        reference=bits,
        kinds=kinds,
        reference_kinds="" if "shift" in path else "i",
        order=0,
        inplace=f"{path}_",
        layouts=False,
        errors=(wrong(NotImplementedError, A(3), A(3)),),
    )


def _clamped(x: Any, min: Any = None, max: Any = None) -> np.ndarray:
    # np.clip gives the upper bound where the bounds cross, as PyTorch does
    x = np.asarray(x)
    if min is not None:
        x = np.maximum(x, min)
    return x if max is None else np.minimum(x, max)


UNARY = (
    unary("abs", np.abs, 0.1, 2, kinds="fi"),
    unary("abs", np.abs, -2, -0.1, kinds="f", variant="negative"),
    unary("acos", np.arccos, -0.9, 0.9, reference_kinds="f"),
    unary("acosh", np.arccosh, 1.1, 3),
    unary("asin", np.arcsin, -0.9, 0.9),
    unary("asinh", np.arcsinh),
    unary("atan", np.arctan),
    unary("atanh", np.arctanh, -0.9, 0.9),
    unary("ceil", np.ceil, kinds="fi"),
    unary("cos", np.cos),
    unary("cosh", np.cosh),
    unary("erf", _erf),
    unary("erfc", _erfc, rounding=4),
    unary("exp", np.exp),
    unary("exp2", np.exp2),
    unary("expm1", np.expm1),
    unary("floor", np.floor, kinds="fi"),
    unary("frac", lambda x: x - np.trunc(x), special=False, kinds="f"),
    unary("isfinite", np.isfinite, inplace=False, order=0),
    unary("isinf", np.isinf, inplace=False, order=0),
    unary("isnan", np.isnan, inplace=False, order=0),
    unary("isneginf", np.isneginf, inplace=False, order=0),
    unary("isposinf", np.isposinf, inplace=False, order=0),
    unary(
        "lgamma", np.vectorize(_lgamma, otypes=[float]), 0.3, 3, order=1, special=False, rounding=8
    ),
    unary("log", np.log, 0.1, 3),
    unary("log10", np.log10, 0.1, 3),
    unary("log1p", np.log1p, -0.9, 3),
    unary("log2", np.log2, 0.1, 3),
    unary("logical_not", np.logical_not, order=0),
    unary("neg", np.negative, kinds="fi", reference_kinds="f"),
    unary("positive", np.positive, inplace=False, kinds="fi"),
    unary("reciprocal", np.reciprocal, 0.5, 2),
    unary("relu", lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)), kinds="fi"),
    unary("round", _round, kinds="fi"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), 0.3, 3),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), rounding=2),
    unary("sign", lambda x: np.where(np.isnan(x), 0, np.sign(x))),
    unary("signbit", np.signbit, inplace=False, order=0, reference_kinds="f"),
    unary("sin", np.sin),
    unary("sinh", np.sinh),
    unary("sqrt", np.sqrt, 0.1, 3),
    unary("square", np.square, reference_kinds="f"),
    unary("tan", np.tan, -1.2, 1.2),
    unary("tanh", np.tanh),
    unary("trunc", np.trunc, kinds="fi"),
    op(
        "round",
        S(A(2, 3), decimals=1),
        S(A(3, low=-200, high=200), decimals=-1),
        S(A(0), decimals=2),
        reference=_round,
        rounding=8,
        variant="decimals",
    ),
    op(
        "bitwise_not",
        S(A(2, 3, low=0, high=3)),
        S(A()),
        S(A(0)),
        kinds="ib",
        order=0,
        inplace="bitwise_not_",
        layouts=False,
        errors=(wrong(NotImplementedError, A(3)), wrong(TypeError, 1.0)),
    ),
)

BINARY = (
    binary("add", np.add, kinds="fib", reference_kinds="fi", extra=(kink(*PAIRS),)),
    op(
        "add",
        S(A(2, 3), A(3), alpha=2),
        S(A(2, 3), 3, alpha=2),
        S(A(2), A(2), alpha=-1),
        reference=lambda a, b, alpha: a + alpha * b,
        kinds="fi",
        reference_kinds="f",
        inplace="add_",
        variant="alpha",
        errors=(wrong(RuntimeError, np.arange(3), np.arange(3), alpha=0.5),),
    ),
    binary(
        "sub",
        np.subtract,
        reference_kinds="f",
        extra=(kink(*PAIRS),),
        errors=(wrong(RuntimeError, M(3), M(3)),),
    ),
    binary("rsub", lambda a, b: b - a, reference_kinds="f", inplace=False, named="sub"),
    binary("mul", np.multiply, kinds="fib", reference_kinds="f", extra=(kink(*PAIRS),)),
    binary("div", np.divide, b=(0.5, 2), extra=(kink(*PAIRS), kink(A(3), 0))),
    op(
        "div",
        *(
            S(A(2, 3, low=-9, high=9), A(3, low=0.6, high=4), rounding_mode=mode)
            for mode in (None, "trunc", "floor")
        ),
        S(A(3, low=-9, high=9), 2, rounding_mode="floor"),
        S(A(3, low=-9, high=9), 2, rounding_mode="trunc"),
        kinds="fi",
        order=2,
        inplace="div_",
        variant="rounding_mode",
        errors=(wrong(RuntimeError, A(3), A(3), rounding_mode="up", match="rounding_mode"),),
    ),
    # torch refuses the derivative, which is zero
    without_torch(
        binary(
            "floor_divide",
            np.floor_divide,
            (-9, 9),
            (0.6, 4),
            scalars=(2,),
            reference_kinds="f",
        )
    ),
    binary(
        "remainder",
        np.remainder,
        (-9, 9),
        (0.6, 4),
        scalars=(2, 0.5),
        rounding=4,
        reference_kinds="f",
    ),
    binary("fmod", np.fmod, (-9, 9), (0.6, 4), scalars=(2, 0.5), rounding=4, reference_kinds="f"),
    binary(
        "pow",
        np.power,
        (0.3, 2),
        (0.3, 2),
        scalars=(2, 0.5, 0, 1, 3),
        reference_kinds="f",
        rounding=4,
        extra=(S(A(3), 2), S(A(3), 3), floats(S(A(3), -2))),
    ),
    op(
        "pow",
        S(2, A(2, 3)),
        S(0.5, A(3)),
        S(2.0, A()),
        S(1, A(2)),
        kink(0, A(2, low=0.5, high=2)),
        reference=lambda a, b: np.power(float(a), b),
        rounding=4,
        variant="of a number",
    ),
    op(
        "pow",
        kink(*PAIRS),
        kink(SPECIAL, 2),
        kink(SPECIAL, 0),
        kink(SPECIAL, 0.5),
        order=1,
        rounding=4,
        variant="special values",
    ),
    binary(
        "float_power",
        np.power,
        (0.3, 2),
        (0.3, 2),
        scalars=(2, 0.5),
        kinds="fi",
        reference_kinds="",
        inplace=False,
        named="pow",
    ),
    binary("atan2", np.arctan2, (0.3, 2), (0.3, 2), scalars=(), extra=(kink(*PAIRS),)),
    binary("hypot", np.hypot, (0.3, 2), (0.3, 2), scalars=(), kinds="f"),
    binary("copysign", np.copysign, (0.3, 2), (-2, -0.3), scalars=(2, -1.5), reference_kinds="f"),
    binary("logaddexp", np.logaddexp, scalars=(), kinds="f", inplace=False),
    binary("logaddexp2", np.logaddexp2, scalars=(), kinds="f", inplace=False),
    binary(
        "xlogy",
        lambda a, b: a * np.log(b),
        (0.3, 2),
        (0.3, 2),
        scalars=(2, 0.5),
        reference_kinds="f",
    ),
    binary(
        "maximum",
        np.maximum,
        scalars=(),
        kinds="fib",
        inplace=False,
        extra=(kink(*PAIRS), kink(*NEAR)),
    ),
    binary(
        "minimum",
        np.minimum,
        scalars=(),
        kinds="fib",
        inplace=False,
        extra=(kink(*PAIRS), kink(*NEAR)),
    ),
    binary(
        "fmax", np.fmax, scalars=(), kinds="fib", inplace=False, extra=(kink(*PAIRS), kink(*NEAR))
    ),
    binary(
        "fmin", np.fmin, scalars=(), kinds="fib", inplace=False, extra=(kink(*PAIRS), kink(*NEAR))
    ),
    _comparison("eq", np.equal),
    _comparison("ne", np.not_equal),
    _comparison("lt", np.less),
    _comparison("le", np.less_equal),
    _comparison("gt", np.greater),
    _comparison("ge", np.greater_equal),
    _logical("logical_and", np.logical_and),
    _logical("logical_or", np.logical_or),
    _logical("logical_xor", np.logical_xor),
    _bitwise("bitwise_and", np.bitwise_and),
    _bitwise("bitwise_or", np.bitwise_or),
    _bitwise("bitwise_xor", np.bitwise_xor),
    _bitwise("bitwise_left_shift", np.left_shift, "i"),
    _bitwise("bitwise_right_shift", np.right_shift, "i"),
    op(
        "isclose",
        S(np.array([1.0, 1.0, np.nan, np.inf]), np.array([1.0 + 1e-9, 1.1, np.nan, np.inf])),
        S(A(2, 3), A(3)),
        S(np.array([np.nan]), np.array([np.nan]), equal_nan=True),
        S(A(3), A(3), rtol=1.0),
        order=0,
    ),
    op("allclose", S(np.ones(3), np.ones(3)), S(A(3), A(3)), S(A(0), A(0)), order=0),
    op(
        "equal",
        S(np.ones(3), np.ones(3)),
        S(A(3), A(3)),
        S(A(2), A(3)),
        S(A(0), A(0)),
        order=0,
        kinds="fib",
    ),
)

OTHERS = (
    op(
        "clamp",
        signed(S(A(2, 3), min=-1, max=1)),
        floats(S(A(2, 3), -0.5, 0.5)),
        S(A(2, 3), 1, 2),
        S(A(3), min=0),
        S(A(3), max=0.5),
        S(A(), 0, 1),
        S(A(0), 0, 1),
        signed(S(A(3), 1, -1)),
        S(A(2, 3), A(3, low=-1.5, high=-1), A(2, 1, low=1, high=1.5)),
        S(A(2, 3), min=A(2, 3)),
        S(A(3), max=A(3)),
        signed(kink(TIES, -1, 1)),
        kink(SPECIAL, 0.0, 1.0),
        kink(SPECIAL, min=0),
        kink(TIES, TIES[::-1], TIES),
        reference=_clamped,
        kinds="fi",
        reference_kinds="f",
        inplace="clamp_",
        errors=(
            wrong(RuntimeError, A(3), match="At least one of"),
            wrong(RuntimeError, A(2, 3), A(2)),
        ),
    ),
    op(
        "clip",
        S(A(2, 3), -1, 1),
        S(A(3), max=0),
        reference=_clamped,
        inplace="clip_",
        named="clamp",
    ),
    op(
        "clamp_min",
        S(A(2, 3), 0),
        S(A(), 0.5),
        S(A(3), A(2, 1)),
        kink(TIES, 1),
        kink(SPECIAL, 0),
        reference=np.maximum,
        kinds="fi",
        reference_kinds="f",
        inplace="clamp_min_",
    ),
    op(
        "clamp_max",
        S(A(2, 3), 0),
        S(A(), 0.5),
        S(A(3), A(2, 1)),
        kink(TIES, 1),
        kink(SPECIAL, 0),
        reference=np.minimum,
        kinds="fi",
        reference_kinds="f",
        inplace="clamp_max_",
    ),
    op(
        "where",
        S(M(2, 3), A(2, 3), A(3)),
        S(M(3), A(2, 1), 0.5),
        S(M(3), 2, A(2, 1)),
        S(M(), A(), A()),
        S(M(0), A(1), A(0)),
        S(M(2, 1), A(3), A(1, 1)),
        reference=np.where,
        kinds="fib",
        reference_kinds="f",
        errors=(wrong(RuntimeError, M(2), A(3), A(3), match="size"),),
    ),
    op(
        "where",
        S(M(2, 3)),
        S(M(0)),
        S(A(3)),
        reference=np.nonzero,
        order=0,
        variant="positions",
        kinds="fib",
    ),
    op(
        "lerp",
        S(A(2, 3), A(3), 0.3),
        S(A(2, 3), A(2, 3), A(3)),
        S(A(), A(), 0.7),
        S(A(0), A(0), 2),
        S(A(3), A(3), 0.8),
        reference=lambda a, b, w: a + w * (b - a),
        inplace="lerp_",
        rounding=4,
    ),
    op(
        "addcmul",
        S(A(2, 3), A(3), A(2, 1)),
        S(A(3), A(3), A(3), value=0.5),
        S(A(0), A(0), A(1)),
        reference=lambda x, a, b, value=1: x + value * a * b,
        inplace="addcmul_",
        rounding=4,
    ),
    op(
        "addcdiv",
        S(A(2, 3), A(3), A(2, 1, low=0.5, high=2)),
        S(A(3), A(3), A(3, low=0.5, high=2), value=0.5),
        reference=lambda x, a, b, value=1: x + value * a / b,
        inplace="addcdiv_",
        rounding=4,
    ),
    op(
        "nan_to_num",
        S(A(2, 3)),
        kink(SPECIAL),
        kink(SPECIAL, nan=1.0, posinf=2.0, neginf=-2.0),
        S(A(0)),
        kinds="fib",
        inplace="nan_to_num_",
    ),
    op("clone", S(A(2, 3)), S(A()), S(A(0)), reference=np.copy, kinds="fib"),
    op("Tensor.contiguous", S(A(2, 3)), S(A()), S(A(0)), reference=np.copy, kinds="fib"),
    op(
        "Tensor.sum_to_size",
        S(A(2, 3), (1, 3)),
        S(A(2, 3), (3,)),
        S(A(2, 3), (2, 3)),
        S(A(2, 3), (1,)),
        errors=(wrong(RuntimeError, A(2, 3), (4,)),),
    ),
)

OPS = UNARY + BINARY + OTHERS
