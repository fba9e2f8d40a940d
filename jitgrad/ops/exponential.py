"""Exponentials and logarithms, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.inplace import bind_inplace
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "exp",
    "exp2",
    "exp2_",
    "exp_",
    "expm1",
    "expm1_",
    "log",
    "log1p",
    "log1p_",
    "log2",
    "log2_",
    "log10",
    "log10_",
    "log_",
]

LN2 = 0.6931471805599453
LN10 = 2.302585092994046

EXP = Primitive(
    "exp",
    Kind.ELEMENTWISE,
    np.exp,
    (lambda g, out, _x: g * out,),
    scalar="exp({0})",
    result=Result.FLOAT,
)


def exp(input: Tensor) -> Tensor:
    """Return e to the power of each element; integers give the default floating-point dtype.

    Gradient: exp(input).

    Example:
        >>> import jitgrad as torch
        >>> torch.exp(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 2.7183])
    """
    return bind(EXP, input)


def exp_(input: Tensor) -> Tensor:
    """Compute `exp` in place."""
    return bind_inplace(EXP, input)


EXP2 = Primitive(
    "exp2",
    Kind.ELEMENTWISE,
    np.exp2,
    (lambda g, out, _x: g * out * LN2,),
    scalar="exp2({0})",
    result=Result.FLOAT,
)


def exp2(input: Tensor) -> Tensor:
    """Return 2 to the power of each element.

    Gradient: ln(2) exp2(input).
    """
    return bind(EXP2, input)


def exp2_(input: Tensor) -> Tensor:
    """Compute `exp2` in place."""
    return bind_inplace(EXP2, input)


EXPM1 = Primitive(
    "expm1",
    Kind.ELEMENTWISE,
    np.expm1,
    (lambda g, out, _x: g * (out + 1),),
    scalar="expm1({0})",
    result=Result.FLOAT,
)


def expm1(input: Tensor) -> Tensor:
    """Return exp(input) - 1, exact for small elements too.

    Gradient: exp(input).

    Example:
        >>> import jitgrad as torch
        >>> torch.expm1(torch.tensor([1e-10], dtype=torch.float64)).item()
        1.00000000005e-10
    """
    return bind(EXPM1, input)


def expm1_(input: Tensor) -> Tensor:
    """Compute `expm1` in place."""
    return bind_inplace(EXPM1, input)


LOG = Primitive(
    "log",
    Kind.ELEMENTWISE,
    np.log,
    (lambda g, _out, x: g / x,),
    scalar="log({0})",
    result=Result.FLOAT,
)


def log(input: Tensor) -> Tensor:
    """Return the natural logarithm of each element: -inf for 0, NaN for negative ones.

    Gradient: 1 / input.

    Example:
        >>> import jitgrad as torch
        >>> torch.log(torch.tensor([1.0, 0.0]))
        tensor([0., -inf])
    """
    return bind(LOG, input)


def log_(input: Tensor) -> Tensor:
    """Compute `log` in place."""
    return bind_inplace(LOG, input)


LOG2 = Primitive(
    "log2",
    Kind.ELEMENTWISE,
    np.log2,
    (lambda g, _out, x: g / (x * LN2),),
    scalar="log2({0})",
    result=Result.FLOAT,
)


def log2(input: Tensor) -> Tensor:
    """Return the logarithm to base 2 of each element.

    Gradient: 1 / (ln(2) input).
    """
    return bind(LOG2, input)


def log2_(input: Tensor) -> Tensor:
    """Compute `log2` in place."""
    return bind_inplace(LOG2, input)


LOG10 = Primitive(
    "log10",
    Kind.ELEMENTWISE,
    np.log10,
    (lambda g, _out, x: g / (x * LN10),),
    scalar="log10({0})",
    result=Result.FLOAT,
)


def log10(input: Tensor) -> Tensor:
    """Return the logarithm to base 10 of each element.

    Gradient: 1 / (ln(10) input).
    """
    return bind(LOG10, input)


def log10_(input: Tensor) -> Tensor:
    """Compute `log10` in place."""
    return bind_inplace(LOG10, input)


LOG1P = Primitive(
    "log1p",
    Kind.ELEMENTWISE,
    np.log1p,
    (lambda g, _out, x: g / (x + 1),),
    scalar="log1p({0})",
    result=Result.FLOAT,
)


def log1p(input: Tensor) -> Tensor:
    """Return log(1 + input), exact for small elements too.

    Gradient: 1 / (1 + input).
    """
    return bind(LOG1P, input)


def log1p_(input: Tensor) -> Tensor:
    """Compute `log1p` in place."""
    return bind_inplace(LOG1P, input)


class ExponentialMethods:
    """The operations of this file as methods of `Tensor`."""

    exp = exp
    exp_ = exp_
    exp2 = exp2
    exp2_ = exp2_
    expm1 = expm1
    expm1_ = expm1_
    log = log
    log_ = log_
    log2 = log2
    log2_ = log2_
    log10 = log10
    log10_ = log10_
    log1p = log1p
    log1p_ = log1p_
