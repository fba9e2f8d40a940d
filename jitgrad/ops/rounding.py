"""Rounding, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.inplace import bind_inplace
from jitgrad.ops.checks import refuse_bool, refuse_integers
from jitgrad.ops.unary import zeros_for
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "ceil",
    "ceil_",
    "fix",
    "floor",
    "floor_",
    "frac",
    "frac_",
    "round",
    "round_",
    "trunc",
    "trunc_",
]

FLOOR = Primitive(
    "floor",
    Kind.ELEMENTWISE,
    np.floor,
    (lambda g, _out, _x: zeros_for(g),),
    scalar="floor({0})",
    result=Result.PROMOTE,
    check=refuse_bool,
)


def floor(input: Tensor) -> Tensor:
    """Return the largest integer that is not above each element, in the same dtype.

    Gradient: 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.floor(torch.tensor([1.5, -1.5]))
        tensor([ 1., -2.])
    """
    return bind(FLOOR, input)


def floor_(input: Tensor) -> Tensor:
    """Compute `floor` in place."""
    return bind_inplace(FLOOR, input)


CEIL = Primitive(
    "ceil",
    Kind.ELEMENTWISE,
    np.ceil,
    (lambda g, _out, _x: zeros_for(g),),
    scalar="ceil({0})",
    result=Result.PROMOTE,
    check=refuse_bool,
)


def ceil(input: Tensor) -> Tensor:
    """Return the smallest integer that is not below each element, in the same dtype.

    Gradient: 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.ceil(torch.tensor([1.5, -1.5]))
        tensor([ 2., -1.])
    """
    return bind(CEIL, input)


def ceil_(input: Tensor) -> Tensor:
    """Compute `ceil` in place."""
    return bind_inplace(CEIL, input)


TRUNC = Primitive(
    "trunc",
    Kind.ELEMENTWISE,
    np.trunc,
    (lambda g, _out, _x: zeros_for(g),),
    scalar="trunc({0})",
    result=Result.PROMOTE,
    check=refuse_bool,
)


def trunc(input: Tensor) -> Tensor:
    """Return each element without its fraction, in the same dtype.

    Gradient: 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.trunc(torch.tensor([1.5, -1.5]))
        tensor([ 1., -1.])
    """
    return bind(TRUNC, input)


def trunc_(input: Tensor) -> Tensor:
    """Compute `trunc` in place."""
    return bind_inplace(TRUNC, input)


fix = trunc

FRAC = Primitive(
    "frac",
    Kind.ELEMENTWISE,
    lambda x: x - np.trunc(x),
    (lambda g, _out, _x: g,),
    scalar="{0} - trunc({0})",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def frac(input: Tensor) -> Tensor:
    """Return the fraction of each element, with its sign.

    Gradient: 1.

    Example:
        >>> import jitgrad as torch
        >>> torch.frac(torch.tensor([1.5, -1.25]))
        tensor([ 0.5000, -0.2500])
    """
    return bind(FRAC, input)


def frac_(input: Tensor) -> Tensor:
    """Compute `frac` in place."""
    return bind_inplace(FRAC, input)


ROUND = Primitive(
    "round",
    Kind.ELEMENTWISE,
    lambda x: np.rint(x) if x.dtype.kind == "f" else x.copy(),
    (lambda g, _out, _x: zeros_for(g),),
    scalar="round_even({0})",
    result=Result.PROMOTE,
    check=refuse_bool,
)


def _round_decimals(array: Any, *, decimals: int) -> Any:
    # as PyTorch: scaled in the element's own precision
    scale = array.dtype.type(10.0 ** abs(decimals))
    if decimals < 0:
        return np.rint(array / scale) * scale
    return np.rint(array * scale) / scale


ROUND_DECIMALS = Primitive(
    "round",
    Kind.OPAQUE,
    _round_decimals,
    (lambda g, _out, _x, *, decimals: zeros_for(g),),
    result=Result.PROMOTE,
    check=refuse_integers,
)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return each element rounded to the nearest integer, or to `decimals` digits; halves to even.

    Gradient: 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.round(torch.tensor([0.5, 1.5, -1.7]))
        tensor([ 0.,  2., -2.])
    """
    if decimals:
        return bind(ROUND_DECIMALS, input, decimals=decimals)
    return bind(ROUND, input)


def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Compute `round` in place."""
    if decimals:
        return bind_inplace(ROUND_DECIMALS, input, decimals=decimals)
    return bind_inplace(ROUND, input)


class RoundingMethods:
    """The operations of this file as methods of `Tensor`."""

    floor = floor
    floor_ = floor_
    ceil = ceil
    ceil_ = ceil_
    trunc = fix = trunc
    trunc_ = fix_ = trunc_
    frac = frac
    frac_ = frac_
    round = round
    round_ = round_
