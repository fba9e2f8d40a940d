"""Operations on one tensor, element by element: signs, roots and powers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.inplace import bind_inplace
from jitgrad.ops.checks import check_tensor, refuse_bool, refuse_negating_bool
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "abs",
    "abs_",
    "absolute",
    "neg",
    "neg_",
    "negative",
    "positive",
    "reciprocal",
    "reciprocal_",
    "rsqrt",
    "rsqrt_",
    "sgn",
    "sign",
    "sqrt",
    "sqrt_",
    "square",
    "square_",
]


def zeros_for(cotangent: Any) -> Any:
    """Return the cotangent of an input on which an output of steps does not depend."""
    return cotangent.new_zeros(cotangent._array.shape)


# -- signs ----------------------------------------------------------------------------------

NEG = Primitive(
    "neg",
    Kind.ELEMENTWISE,
    np.negative,
    (lambda g, _out, _x: -g,),
    scalar="-{0}",
    result=Result.PROMOTE,
    check=refuse_negating_bool,
)


def neg(input: Tensor) -> Tensor:
    """Return -input, of the same shape and dtype.

    Gradient: -1.

    Example:
        >>> import jitgrad as torch
        >>> torch.neg(torch.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """
    return bind(NEG, input)


def neg_(input: Tensor) -> Tensor:
    """Compute `neg` in place."""
    return bind_inplace(NEG, input)


negative = neg


def positive(input: Tensor) -> Tensor:
    """Return `input` itself.

    Raises:
        RuntimeError: the tensor holds booleans.
    """
    check_tensor("positive", "input", input)
    if input._array.dtype.kind == "b":
        raise RuntimeError("positive: The `+` operator, on a bool tensor is not supported.")
    return input


ABS = Primitive(
    "abs",
    Kind.ELEMENTWISE,
    np.absolute,
    (lambda g, _out, x: g * x.sgn(),),
    scalar="abs_({0})",
    result=Result.PROMOTE,
    check=refuse_bool,
)


def abs(input: Tensor) -> Tensor:
    """Return the magnitude of each element.

    Gradient: the sign, 0 at 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.abs(torch.tensor([-1, 2]))
        tensor([1, 2])
    """
    return bind(ABS, input)


def abs_(input: Tensor) -> Tensor:
    """Compute `abs` in place."""
    return bind_inplace(ABS, input)


absolute = abs


def _sign(array: Any) -> Any:
    if array.dtype.kind == "b":
        return array.copy()
    if array.dtype.kind != "f":
        return np.sign(array)
    # PyTorch's sign of NaN is 0
    return np.greater(array, 0).astype(array.dtype) - np.less(array, 0)


SIGN = Primitive(
    "sign",
    Kind.ELEMENTWISE,
    _sign,
    (lambda g, _out, _x: zeros_for(g),),
    scalar="sign({0})",
    result=Result.PROMOTE,
)


def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1 for each element; 0 for NaN.

    Gradient: 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.sign(torch.tensor([-2.0, 0.0, 3.0]))
        tensor([-1.,  0.,  1.])
    """
    return bind(SIGN, input)


def sign_(input: Tensor) -> Tensor:
    """Compute `sign` in place."""
    return bind_inplace(SIGN, input)


sgn = sign

# -- roots and powers -------------------------------------------------------------------------

SQRT = Primitive(
    "sqrt",
    Kind.ELEMENTWISE,
    np.sqrt,
    (lambda g, out, _x: g / (2 * out),),
    scalar="sqrt({0})",
    result=Result.FLOAT,
)


def sqrt(input: Tensor) -> Tensor:
    """Return the square root of each element, NaN for negative ones.

    Gradient: 1 / (2 sqrt(input)).

    Example:
        >>> import jitgrad as torch
        >>> torch.sqrt(torch.tensor([4, 9]))
        tensor([2., 3.])
    """
    return bind(SQRT, input)


def sqrt_(input: Tensor) -> Tensor:
    """Compute `sqrt` in place."""
    return bind_inplace(SQRT, input)


RSQRT = Primitive(
    "rsqrt",
    Kind.ELEMENTWISE,
    lambda x: np.reciprocal(np.sqrt(x)),
    (lambda g, out, _x: -0.5 * g * (out * out * out),),
    scalar="rsqrt({0})",
    result=Result.FLOAT,
)


def rsqrt(input: Tensor) -> Tensor:
    """Return 1 / sqrt(input).

    Gradient: -1/2 input ** -3/2.

    Example:
        >>> import jitgrad as torch
        >>> torch.rsqrt(torch.tensor([4.0, 0.0]))
        tensor([0.5000,    inf])
    """
    return bind(RSQRT, input)


def rsqrt_(input: Tensor) -> Tensor:
    """Compute `rsqrt` in place."""
    return bind_inplace(RSQRT, input)


SQUARE = Primitive(
    "square",
    Kind.ELEMENTWISE,
    np.square,
    (lambda g, _out, x: g * (2 * x),),
    scalar="{0} * {0}",
    result=Result.PROMOTE,
)


def square(input: Tensor) -> Tensor:
    """Return input * input; booleans give int64.

    Gradient: 2 input.

    Example:
        >>> import jitgrad as torch
        >>> torch.square(torch.tensor([1.0, -3.0]))
        tensor([1., 9.])
    """
    check_tensor("square", "input", input)
    return bind(SQUARE, input if input._array.dtype.kind != "b" else input.long())


def square_(input: Tensor) -> Tensor:
    """Compute `square` in place."""
    return bind_inplace(SQUARE, input)


RECIPROCAL = Primitive(
    "reciprocal",
    Kind.ELEMENTWISE,
    np.reciprocal,
    (lambda g, out, _x: -g * (out * out),),
    scalar="1 / {0}",
    result=Result.FLOAT,
)


def reciprocal(input: Tensor) -> Tensor:
    """Return 1 / input; integers give the default floating-point dtype.

    Gradient: -1 / input ** 2.

    Example:
        >>> import jitgrad as torch
        >>> torch.reciprocal(torch.tensor([2, 0]))
        tensor([0.5000,    inf])
    """
    return bind(RECIPROCAL, input)


def reciprocal_(input: Tensor) -> Tensor:
    """Compute `reciprocal` in place."""
    return bind_inplace(RECIPROCAL, input)


class UnaryMethods:
    """The operations of this file as methods of `Tensor`."""

    neg = negative = __neg__ = neg
    neg_ = negative_ = neg_
    positive = __pos__ = positive
    abs = absolute = __abs__ = abs
    abs_ = absolute_ = abs_
    sign = sgn = sign
    sign_ = sgn_ = sign_
    sqrt = sqrt
    sqrt_ = sqrt_
    rsqrt = rsqrt
    rsqrt_ = rsqrt_
    square = square
    square_ = square_
    reciprocal = reciprocal
    reciprocal_ = reciprocal_
