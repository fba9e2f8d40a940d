"""Trigonometric and hyperbolic functions, element by element; angles in radians."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.inplace import bind_inplace
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "acos",
    "acos_",
    "acosh",
    "acosh_",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asin_",
    "asinh",
    "asinh_",
    "atan",
    "atan_",
    "atanh",
    "atanh_",
    "cos",
    "cos_",
    "cosh",
    "cosh_",
    "deg2rad",
    "rad2deg",
    "sin",
    "sin_",
    "sinh",
    "sinh_",
    "tan",
    "tan_",
    "tanh",
    "tanh_",
]

SIN = Primitive(
    "sin",
    Kind.ELEMENTWISE,
    np.sin,
    (lambda g, _out, x: g * x.cos(),),
    scalar="sin({0})",
    result=Result.FLOAT,
)


def sin(input: Tensor) -> Tensor:
    """Return the sine of each element; integers give floats.

    Gradient: cos(input).

    Example:
        >>> import jitgrad as torch
        >>> torch.sin(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8415])
    """
    return bind(SIN, input)


def sin_(input: Tensor) -> Tensor:
    """Compute `sin` in place."""
    return bind_inplace(SIN, input)


COS = Primitive(
    "cos",
    Kind.ELEMENTWISE,
    np.cos,
    (lambda g, _out, x: -g * x.sin(),),
    scalar="cos({0})",
    result=Result.FLOAT,
)


def cos(input: Tensor) -> Tensor:
    """Return the cosine of each element; integers give floats.

    Gradient: -sin(input).
    """
    return bind(COS, input)


def cos_(input: Tensor) -> Tensor:
    """Compute `cos` in place."""
    return bind_inplace(COS, input)


TAN = Primitive(
    "tan",
    Kind.ELEMENTWISE,
    np.tan,
    (lambda g, out, _x: g * (1 + out * out),),
    scalar="tan({0})",
    result=Result.FLOAT,
)


def tan(input: Tensor) -> Tensor:
    """Return the tangent of each element; integers give floats.

    Gradient: 1 + tan(input) ** 2.
    """
    return bind(TAN, input)


def tan_(input: Tensor) -> Tensor:
    """Compute `tan` in place."""
    return bind_inplace(TAN, input)


ASIN = Primitive(
    "asin",
    Kind.ELEMENTWISE,
    np.arcsin,
    (lambda g, _out, x: g * (1 - x * x).rsqrt(),),
    scalar="asin({0})",
    result=Result.FLOAT,
)


def asin(input: Tensor) -> Tensor:
    """Return the arcsine of each element; integers give floats.

    Gradient: 1 / sqrt(1 - input ** 2).
    """
    return bind(ASIN, input)


def asin_(input: Tensor) -> Tensor:
    """Compute `asin` in place."""
    return bind_inplace(ASIN, input)


arcsin = asin

ACOS = Primitive(
    "acos",
    Kind.ELEMENTWISE,
    np.arccos,
    (lambda g, _out, x: -g * (1 - x * x).rsqrt(),),
    scalar="acos({0})",
    result=Result.FLOAT,
)


def acos(input: Tensor) -> Tensor:
    """Return the arccosine of each element; integers give floats.

    Gradient: -1 / sqrt(1 - input ** 2).
    """
    return bind(ACOS, input)


def acos_(input: Tensor) -> Tensor:
    """Compute `acos` in place."""
    return bind_inplace(ACOS, input)


arccos = acos

ATAN = Primitive(
    "atan",
    Kind.ELEMENTWISE,
    np.arctan,
    (lambda g, _out, x: g / (x * x + 1),),
    scalar="atan({0})",
    result=Result.FLOAT,
)


def atan(input: Tensor) -> Tensor:
    """Return the arctangent of each element; integers give floats.

    Gradient: 1 / (1 + input ** 2).
    """
    return bind(ATAN, input)


def atan_(input: Tensor) -> Tensor:
    """Compute `atan` in place."""
    return bind_inplace(ATAN, input)


arctan = atan

SINH = Primitive(
    "sinh",
    Kind.ELEMENTWISE,
    np.sinh,
    (lambda g, _out, x: g * x.cosh(),),
    scalar="sinh({0})",
    result=Result.FLOAT,
)


def sinh(input: Tensor) -> Tensor:
    """Return the hyperbolic sine of each element; integers give floats.

    Gradient: cosh(input).
    """
    return bind(SINH, input)


def sinh_(input: Tensor) -> Tensor:
    """Compute `sinh` in place."""
    return bind_inplace(SINH, input)


COSH = Primitive(
    "cosh",
    Kind.ELEMENTWISE,
    np.cosh,
    (lambda g, _out, x: g * x.sinh(),),
    scalar="cosh({0})",
    result=Result.FLOAT,
)


def cosh(input: Tensor) -> Tensor:
    """Return the hyperbolic cosine of each element; integers give floats.

    Gradient: sinh(input).
    """
    return bind(COSH, input)


def cosh_(input: Tensor) -> Tensor:
    """Compute `cosh` in place."""
    return bind_inplace(COSH, input)


TANH = Primitive(
    "tanh",
    Kind.ELEMENTWISE,
    np.tanh,
    (lambda g, out, _x: g * (1 - out * out),),
    scalar="tanh({0})",
    result=Result.FLOAT,
)


def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent of each element; integers give floats.

    Gradient: 1 - tanh(input) ** 2.

    Example:
        >>> import jitgrad as torch
        >>> torch.tanh(torch.tensor([0.0, 100.0]))
        tensor([0., 1.])
    """
    return bind(TANH, input)


def tanh_(input: Tensor) -> Tensor:
    """Compute `tanh` in place."""
    return bind_inplace(TANH, input)


ASINH = Primitive(
    "asinh",
    Kind.ELEMENTWISE,
    np.arcsinh,
    (lambda g, _out, x: g * (x * x + 1).rsqrt(),),
    scalar="asinh({0})",
    result=Result.FLOAT,
)


def asinh(input: Tensor) -> Tensor:
    """Return the inverse hyperbolic sine of each element; integers give floats.

    Gradient: 1 / sqrt(input ** 2 + 1).
    """
    return bind(ASINH, input)


def asinh_(input: Tensor) -> Tensor:
    """Compute `asinh` in place."""
    return bind_inplace(ASINH, input)


arcsinh = asinh

ACOSH = Primitive(
    "acosh",
    Kind.ELEMENTWISE,
    np.arccosh,
    (lambda g, _out, x: g * (x * x - 1).rsqrt(),),
    scalar="acosh({0})",
    result=Result.FLOAT,
)


def acosh(input: Tensor) -> Tensor:
    """Return the inverse hyperbolic cosine of each element; integers give floats.

    Gradient: 1 / sqrt(input ** 2 - 1).
    """
    return bind(ACOSH, input)


def acosh_(input: Tensor) -> Tensor:
    """Compute `acosh` in place."""
    return bind_inplace(ACOSH, input)


arccosh = acosh

ATANH = Primitive(
    "atanh",
    Kind.ELEMENTWISE,
    np.arctanh,
    (lambda g, _out, x: g / (1 - x * x),),
    scalar="atanh({0})",
    result=Result.FLOAT,
)


def atanh(input: Tensor) -> Tensor:
    """Return the inverse hyperbolic tangent of each element; integers give floats.

    Gradient: 1 / (1 - input ** 2).
    """
    return bind(ATANH, input)


def atanh_(input: Tensor) -> Tensor:
    """Compute `atanh` in place."""
    return bind_inplace(ATANH, input)


arctanh = atanh


def deg2rad(input: Tensor) -> Tensor:
    """Return angles in degrees as radians."""
    return input * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Return angles in radians as degrees."""
    return input * (180 / math.pi)


class TrigonometricMethods:
    """The operations of this file as methods of `Tensor`."""

    sin = sin
    sin_ = sin_
    cos = cos
    cos_ = cos_
    tan = tan
    tan_ = tan_
    asin = arcsin = asin
    asin_ = arcsin_ = asin_
    acos = arccos = acos
    acos_ = arccos_ = acos_
    atan = arctan = atan
    atan_ = arctan_ = atan_
    sinh = sinh
    sinh_ = sinh_
    cosh = cosh
    cosh_ = cosh_
    tanh = tanh
    tanh_ = tanh_
    asinh = arcsinh = asinh
    asinh_ = arcsinh_ = asinh_
    acosh = arccosh = acosh
    acosh_ = arccosh_ = acosh_
    atanh = arctanh = atanh
    atanh_ = arctanh_ = atanh_
    deg2rad = deg2rad
    rad2deg = rad2deg
