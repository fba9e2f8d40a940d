"""Quotients and remainders of two tensors, or a tensor and a number, broadcast and promoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.binary import OPERAND
from jitgrad.ops.checks import refuse_bool
from jitgrad.ops.unary import zeros_for
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.ops.binary import Operand
    from jitgrad.tensor import Tensor

__all__ = [
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "remainder",
    "true_divide",
]

DIV = Primitive(
    "div",
    Kind.ELEMENTWISE,
    np.true_divide,
    (lambda g, _out, _a, b: g / b, lambda g, _out, a, b: -g * ((a / b) / b)),
    scalar="{0} / {1}",
    result=Result.FLOAT,
)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Return input / other, broadcast and promoted; integers give the default floating-point dtype.

    Args:
        rounding_mode: "floor" or "trunc" round the quotient and keep integers integers.

    Gradient: 1 / other and -input / other ** 2; 0 for rounded quotients.

    Raises:
        RuntimeError: a `rounding_mode` that does not exist; integers divided by 0 and rounded.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([7, -7])
        >>> x / 2, torch.div(x, 2, rounding_mode="floor"), torch.div(x, 2, rounding_mode="trunc")
        (tensor([ 3.5000, -3.5000]), tensor([ 3, -4]), tensor([ 3, -3]))
    """
    if rounding_mode is None:
        return bind(DIV, input, other)
    return bind(_rounded_record(rounding_mode, input, other), input, other)


def div_(input: Tensor, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Compute `div` in place."""
    if rounding_mode is None:
        return bind_inplace(DIV, input, other)
    return bind_inplace(_rounded_record(rounding_mode, input, other), input, other)


divide = div


def true_divide(input: Operand, other: Operand) -> Tensor:
    """Return input / other, as `div` without rounding."""
    return bind(DIV, input, other)


def true_divide_(input: Tensor, other: Operand) -> Tensor:
    """Compute `true_divide` in place."""
    return bind_inplace(DIV, input, other)


def _is_integral(operand: Any) -> bool:
    if isinstance(operand, TensorCore):
        return operand._array.dtype.kind in "iub"
    return isinstance(operand, (int, np.integer))


def _may_raise(input: Any, other: Any) -> bool:
    """Can the values of these operands make a quotient of integers impossible?"""
    return _is_integral(input) and _is_integral(other) and not (type(other) is int and other)


def _check_divisor(name: str, made_of: Any, divisor: Any) -> None:
    """Raise RuntimeError where integers are divided by 0."""
    dtype = divisor.dtype if isinstance(divisor, np.ndarray) else made_of.dtype
    if dtype.kind in "iu" and not np.all(divisor):
        raise RuntimeError(
            describe(
                name,
                "a divisor 0 for integers",
                "ZeroDivisionError",
                "divide floating-point tensors, which gives inf or NaN",
            )
        )


def _floor_divide(a: Any, b: Any) -> Any:
    _check_divisor("floor_divide", a, b)
    return np.floor_divide(a, b)


FLOOR_DIVIDE = Primitive(
    "floor_divide",
    Kind.ELEMENTWISE,
    _floor_divide,
    (lambda g, _out, _a, _b: zeros_for(g), lambda g, _out, _a, _b: zeros_for(g)),
    scalar="floor_divide({0}, {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
)

FLOOR_DIVIDE_INTEGERS = Primitive(
    "floor_divide",
    Kind.ELEMENTWISE,
    _floor_divide,
    scalar="floor_divide({0}, {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
    raises_on_data=True,
)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """Return the quotient rounded towards minus infinity, broadcast and promoted.

    Gradient: 0.

    Raises:
        RuntimeError: integers divided by 0 (floating-point numbers give inf or NaN).

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([7, -7]) // 2
        tensor([ 3, -4])
    """
    record = FLOOR_DIVIDE_INTEGERS if _may_raise(input, other) else FLOOR_DIVIDE
    return bind(record, input, other)


def floor_divide_(input: Tensor, other: Operand) -> Tensor:
    """Compute `floor_divide` in place."""
    record = FLOOR_DIVIDE_INTEGERS if _may_raise(input, other) else FLOOR_DIVIDE
    return bind_inplace(record, input, other)


def _trunc_divide(a: Any, b: Any) -> Any:
    _check_divisor("div", a, b)
    if (b if isinstance(b, np.ndarray) else a).dtype.kind == "f":
        return np.trunc(np.true_divide(a, b))
    return np.floor_divide(a - np.fmod(a, b), b)


TRUNC_DIVIDE = Primitive(
    "div_trunc",
    Kind.ELEMENTWISE,
    _trunc_divide,
    (lambda g, _out, _a, _b: zeros_for(g), lambda g, _out, _a, _b: zeros_for(g)),
    scalar="trunc({0} / {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
)

TRUNC_DIVIDE_INTEGERS = Primitive(
    "div_trunc",
    Kind.ELEMENTWISE,
    _trunc_divide,
    scalar="floor_divide({0} - fmod({0}, {1}), {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
    raises_on_data=True,
)


def _rounded_record(rounding_mode: str, input: Any, other: Any) -> Primitive:
    """Return the primitive for a rounded quotient; RuntimeError for an unknown mode."""
    if rounding_mode == "floor":
        return FLOOR_DIVIDE_INTEGERS if _may_raise(input, other) else FLOOR_DIVIDE
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div: div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    if _is_integral(input) and _is_integral(other):
        return TRUNC_DIVIDE_INTEGERS
    return TRUNC_DIVIDE


def _remainder(a: Any, b: Any) -> Any:
    _check_divisor("remainder", a, b)
    return np.remainder(a, b)


REMAINDER = Primitive(
    "remainder",
    Kind.ELEMENTWISE,
    _remainder,
    (lambda g, _out, _a, _b: g, lambda g, _out, a, b: -g * floor_divide(a, b)),
    scalar="remainder({0}, {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
)

REMAINDER_INTEGERS = Primitive(
    "remainder",
    Kind.ELEMENTWISE,
    _remainder,
    scalar="remainder({0}, {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
    raises_on_data=True,
)


def remainder(input: Operand, other: Operand) -> Tensor:
    """Return what is left of the floored quotient, with the sign of `other`, as Python's %.

    Gradient: 1 and -floor(input / other).

    Raises:
        RuntimeError: integers divided by 0 (floating-point numbers give NaN).

    Example:
        >>> import jitgrad as torch
        >>> torch.remainder(torch.tensor([5.0, -5.0]), 3)
        tensor([2., 1.])
    """
    return bind(REMAINDER_INTEGERS if _may_raise(input, other) else REMAINDER, input, other)


def remainder_(input: Tensor, other: Operand) -> Tensor:
    """Compute `remainder` in place."""
    record = REMAINDER_INTEGERS if _may_raise(input, other) else REMAINDER
    return bind_inplace(record, input, other)


def _fmod(a: Any, b: Any) -> Any:
    _check_divisor("fmod", a, b)
    return np.fmod(a, b)


FMOD = Primitive(
    "fmod",
    Kind.ELEMENTWISE,
    _fmod,
    (
        lambda g, _out, _a, _b: g,
        lambda g, _out, a, b: -g * div(a, b, rounding_mode="trunc"),
    ),
    scalar="fmod({0}, {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
)

FMOD_INTEGERS = Primitive(
    "fmod",
    Kind.ELEMENTWISE,
    _fmod,
    scalar="fmod({0}, {1})",
    result=Result.PROMOTE,
    check=refuse_bool,
    raises_on_data=True,
)


def fmod(input: Operand, other: Operand) -> Tensor:
    """Return what is left of the quotient rounded towards 0, with the sign of `input`, as C's fmod.

    Gradient: 1 and -trunc(input / other).

    Raises:
        RuntimeError: integers divided by 0 (floating-point numbers give NaN).

    Example:
        >>> import jitgrad as torch
        >>> torch.fmod(torch.tensor([5.0, -5.0]), 3)
        tensor([ 2., -2.])
    """
    return bind(FMOD_INTEGERS if _may_raise(input, other) else FMOD, input, other)


def fmod_(input: Tensor, other: Operand) -> Tensor:
    """Compute `fmod` in place."""
    return bind_inplace(FMOD_INTEGERS if _may_raise(input, other) else FMOD, input, other)


class DivisionMethods:
    """The operations of this file as methods of `Tensor`."""

    div = divide = div
    div_ = divide_ = __itruediv__ = div_
    true_divide = true_divide
    true_divide_ = true_divide_
    floor_divide = floor_divide
    floor_divide_ = __ifloordiv__ = floor_divide_
    remainder = remainder
    remainder_ = __imod__ = remainder_
    fmod = fmod
    fmod_ = fmod_

    def __truediv__(self: Any, other: Any) -> Tensor:
        return bind(DIV, self, other) if isinstance(other, OPERAND) else NotImplemented

    def __rtruediv__(self: Any, other: Any) -> Tensor:
        return bind(DIV, other, self) if isinstance(other, OPERAND) else NotImplemented

    def __floordiv__(self: Any, other: Any) -> Tensor:
        return floor_divide(self, other) if isinstance(other, OPERAND) else NotImplemented

    def __rfloordiv__(self: Any, other: Any) -> Tensor:
        return floor_divide(other, self) if isinstance(other, OPERAND) else NotImplemented

    def __mod__(self: Any, other: Any) -> Tensor:
        return remainder(self, other) if isinstance(other, OPERAND) else NotImplemented

    def __rmod__(self: Any, other: Any) -> Tensor:
        return remainder(other, self) if isinstance(other, OPERAND) else NotImplemented
