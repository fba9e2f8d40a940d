"""Sums, products and powers of two tensors, or a tensor and a number, broadcast and promoted."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, FILL, TensorCore, bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.modes import TrackedFloat
from jitgrad.ops.checks import refuse_bool, refuse_subtracting_bool
from jitgrad.ops.unary import RECIPROCAL, RSQRT, SQRT, SQUARE, zeros_for
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import promote

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Operand = Tensor | float | int | bool

__all__ = [
    "add",
    "float_power",
    "mul",
    "multiply",
    "pow",
    "rsub",
    "sub",
    "subtract",
]

OPERAND: Any = (TensorCore, float, int, np.number, np.bool_, complex)
"""What operators take; for anything else they let Python ask the other operand."""


def is_one(alpha: Any) -> bool:
    """Say whether the factor `alpha` is 1; the value of a tracked float is not asked for."""
    return type(alpha) is int and alpha == 1


def _scaled(operation: str, input: Any, other: Any, alpha: Any) -> Any:
    """Return other * alpha; RuntimeError where that would change the category of the sum."""
    found = promote(
        [each._array if isinstance(each, TensorCore) else each for each in (input, other)]
    )
    if found.kind == "b":
        return bind(MUL, other, builtins.bool(alpha))
    if type(alpha) is bool:
        raise RuntimeError(f"{operation}: Boolean alpha only supported for Boolean results.")
    if found.kind in "iu" and not isinstance(alpha, (int, np.integer)):
        raise RuntimeError(
            describe(
                operation,
                f"alpha={alpha}",
                "For integral input tensors, argument alpha must not be a floating point number.",
            )
        )
    return other * alpha


ADD = Primitive(
    "add",
    Kind.ELEMENTWISE,
    np.add,
    (lambda g, _out, _a, _b: g, lambda g, _out, _a, _b: g),
    scalar="{0} + {1}",
    result=Result.PROMOTE,
)


def add(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """Return input + alpha * other, broadcast and promoted.

    Gradient: 1 and alpha.

    Example:
        >>> import jitgrad as torch
        >>> torch.add(torch.tensor([1.0, 2.0]), 10)
        tensor([11., 12.])
    """
    return bind(ADD, input, other if is_one(alpha) else _scaled("add", input, other, alpha))


def add_(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """Compute `add` in place."""
    return bind_inplace(
        ADD, input, other if is_one(alpha) else _scaled("add_", input, other, alpha)
    )


SUB = Primitive(
    "sub",
    Kind.ELEMENTWISE,
    np.subtract,
    (lambda g, _out, _a, _b: g, lambda g, _out, _a, _b: -g),
    scalar="{0} - {1}",
    result=Result.PROMOTE,
    check=refuse_subtracting_bool,
)


def sub(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """Return input - alpha * other, broadcast and promoted.

    Gradient: 1 and -alpha.

    Raises:
        RuntimeError: an operand is boolean.

    Example:
        >>> import jitgrad as torch
        >>> torch.sub(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]), alpha=2)
        tensor([-1.,  0.])
    """
    return bind(SUB, input, other if is_one(alpha) else _scaled("sub", input, other, alpha))


def sub_(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """Compute `sub` in place."""
    return bind_inplace(
        SUB, input, other if is_one(alpha) else _scaled("sub_", input, other, alpha)
    )


subtract = sub


def rsub(input: Tensor, other: Operand, *, alpha: float = 1) -> Tensor:
    """Return other - alpha * input."""
    return bind(SUB, other, input if is_one(alpha) else _scaled("rsub", other, input, alpha))


MUL = Primitive(
    "mul",
    Kind.ELEMENTWISE,
    np.multiply,
    (lambda g, _out, _a, b: g * b, lambda g, _out, a, _b: g * a),
    scalar="{0} * {1}",
    result=Result.PROMOTE,
)


def mul(input: Tensor, other: Operand) -> Tensor:
    """Return input * other, broadcast and promoted.

    Gradient: other and input.

    Example:
        >>> import jitgrad as torch
        >>> torch.mul(torch.tensor([1.0, 2.0]), torch.tensor([[10.0], [100.0]]))
        tensor([[ 10.,  20.],
                [100., 200.]])
    """
    return bind(MUL, input, other)


def mul_(input: Tensor, other: Operand) -> Tensor:
    """Compute `mul` in place."""
    return bind_inplace(MUL, input, other)


multiply = mul

# -- powers ---------------------------------------------------------------------------------


def _check_power(name: str, inputs: tuple, promoted: np.dtype) -> None:
    base, exponent = inputs
    if not isinstance(base, TensorCore) and not isinstance(exponent, TensorCore):
        raise TypeError("pow(): base or exponent must be Tensor; Python's ** takes two numbers")
    if type(exponent) is bool:
        return
    refuse_bool(name, inputs, promoted)
    if promoted.kind in "iu" and not isinstance(exponent, TensorCore) and exponent < 0:
        raise RuntimeError(
            describe(
                name,
                f"exponent {exponent} for integers",
                "Integers to negative integer powers are not allowed",
                "convert the tensor with .float()",
            )
        )


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, np.ndarray):
        if base.dtype.kind == "b":
            return base | (not exponent)
        return np.power(base, exponent)
    if exponent.dtype.kind != "i" or not (exponent < 0).any():
        return np.power(base, exponent)
    # PyTorch's fraction of integers: only 1 and -1 have an inverse
    base = np.asarray(base, exponent.dtype)
    inverse = np.where(base == 1, 1, np.where(base == -1, 1 - 2 * (exponent & 1), 0))
    raised = np.power(base, np.maximum(exponent, 0))
    return np.where(exponent < 0, inverse, raised).astype(exponent.dtype)


def _as_tensor(number: Any, like: Any) -> Any:
    return bind(FILL, number, size=(), dtype=like._array.dtype)


def _power_base_cotangent(g: Any, _out: Any, base: Any, exponent: Any) -> Any:
    if type(exponent) is TrackedFloat:
        exponent = _as_tensor(exponent, g)  # its value is not to be asked for
    if not isinstance(exponent, TensorCore):
        return g * (exponent * pow(base, exponent - 1)) if exponent else zeros_for(g)
    inner: Any = exponent * pow(base, exponent - 1)  # type: ignore[operator]
    return g * inner.where(exponent != 0, 0)


def _power_exponent_cotangent(g: Any, out: Any, base: Any, exponent: Any) -> Any:
    if not isinstance(base, TensorCore):
        base = _as_tensor(base, g)
    inner = out * base.log()  # type: ignore[attr-defined]
    # a NaN exponent is not excepted
    return g * inner.where((base != 0) | (exponent >= 0).logical_not(), 0)


POW = Primitive(
    "pow",
    Kind.ELEMENTWISE,
    _power,
    (_power_base_cotangent, _power_exponent_cotangent),
    scalar="pow_({0}, {1})",
    result=Result.PROMOTE,
    check=_check_power,
)

_SPECIAL_POWERS = {2: SQUARE, 0.5: SQRT, -1: RECIPROCAL, -0.5: RSQRT}


def _power_record(base: Any, exponent: Any) -> Primitive | None:
    """Return the primitive for a power that has one of its own."""
    kind = type(exponent)
    if (kind is int or kind is float) and isinstance(base, TensorCore):
        found = _SPECIAL_POWERS.get(exponent)
        dtype = base._array.dtype
        # PyTorch takes roots of float16 by its general power, which differs at -inf and -0.0
        if found is not None and dtype.kind == "f" and (dtype.itemsize > 2 or exponent == 2):
            return found
    return None


def pow(input: Operand, exponent: Operand) -> Tensor:
    """Return input ** exponent, broadcast and promoted; either may be a number.

    Gradient: exponent * input ** (exponent - 1), and output * log(input); 0 where the exponent,
    or the base under an exponent that is not negative, is 0.

    Raises:
        RuntimeError: integers to a negative integer number.

    Example:
        >>> import jitgrad as torch
        >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 3), torch.pow(2, torch.tensor([1, 2]))
        (tensor([ 1.,  8., 27.]), tensor([2, 4]))
    """
    special = _power_record(input, exponent)
    return bind(POW, input, exponent) if special is None else bind(special, input)


def pow_(input: Tensor, exponent: Operand) -> Tensor:
    """Compute `pow` in place."""
    special = _power_record(input, exponent)
    if special is None:
        return bind_inplace(POW, input, exponent)
    return bind_inplace(special, input)


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """Return input ** exponent in float64.

    Example:
        >>> import jitgrad as torch
        >>> torch.float_power(torch.tensor([1, 2]), -1)
        tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    return pow(_doubled(input), _doubled(exponent))


def _doubled(value: Any) -> Any:
    target = dtypes.float64.numpy
    if isinstance(value, TensorCore) and value._array.dtype != target:
        return bind(CAST, value, dtype=target)
    return value


class BinaryMethods:
    """The operations of this file as methods of `Tensor`."""

    add = add
    add_ = __iadd__ = add_
    sub = subtract = sub
    sub_ = subtract_ = __isub__ = sub_
    rsub = rsub
    mul = multiply = mul
    mul_ = multiply_ = __imul__ = mul_
    pow = pow
    pow_ = __ipow__ = pow_
    float_power = float_power

    def __add__(self: Any, other: Any) -> Tensor:
        return bind(ADD, self, other) if isinstance(other, OPERAND) else NotImplemented

    __radd__ = __add__

    def __sub__(self: Any, other: Any) -> Tensor:
        return bind(SUB, self, other) if isinstance(other, OPERAND) else NotImplemented

    def __rsub__(self: Any, other: Any) -> Tensor:
        return bind(SUB, other, self) if isinstance(other, OPERAND) else NotImplemented

    def __mul__(self: Any, other: Any) -> Tensor:
        return bind(MUL, self, other) if isinstance(other, OPERAND) else NotImplemented

    __rmul__ = __mul__

    def __pow__(self: Any, exponent: Any) -> Tensor:
        return pow(self, exponent) if isinstance(exponent, OPERAND) else NotImplemented

    def __rpow__(self: Any, base: Any) -> Tensor:
        return pow(base, self) if isinstance(base, OPERAND) else NotImplemented
