"""Numbers as machines hold them: mantissas and exponents, neighbours, common divisors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes, return_types
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.binary import float_power
from jitgrad.ops.blending import ldexp
from jitgrad.ops.checks import check_tensor, refuse_integers, refuse_other_than_integers
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "frexp",
    "gcd",
    "gcd_",
    "lcm",
    "lcm_",
    "ldexp_",
    "nextafter",
]


def _check(operation: str, input: Tensor, other: Tensor) -> None:
    check_tensor(operation, "other", other)
    for each in (input, other):
        refuse_other_than_integers(operation, (each,), each._array.dtype)


GCD = Primitive("gcd", Kind.ELEMENTWISE, np.gcd, result=Result.PROMOTE)


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """Return the greatest common divisors; 0 of two zeros.

    Raises:
        NotImplementedError: the tensors hold no integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.gcd(torch.tensor([4, 0]), torch.tensor([-6, 5]))
        tensor([2, 5])
    """
    _check("gcd", input, other)
    return bind(GCD, input, other)


def gcd_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `gcd` in place."""
    _check("gcd_", input, other)
    return bind_inplace(GCD, input, other)


LCM = Primitive("lcm", Kind.ELEMENTWISE, np.lcm, result=Result.PROMOTE)


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """Return the least common multiples; 0 where one is 0.

    Raises:
        NotImplementedError: the tensors hold no integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.lcm(torch.tensor([4]), torch.tensor([6]))
        tensor([12])
    """
    _check("lcm", input, other)
    return bind(LCM, input, other)


def lcm_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `lcm` in place."""
    _check("lcm_", input, other)
    return bind_inplace(LCM, input, other)


NEXTAFTER = Primitive(
    "nextafter",
    Kind.ELEMENTWISE,
    np.nextafter,
    result=Result.PROMOTE,
    check=refuse_integers,
)


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """Return the next number that the dtype holds, on the way to `other`.

    Raises:
        NotImplementedError: the tensors hold integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.nextafter(torch.tensor([1.0]), torch.tensor([2.0])) > 1
        tensor([True])
    """
    check_tensor("nextafter", "other", other)
    return bind(NEXTAFTER, input.detach(), other.detach())


def nextafter_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `nextafter` in place."""
    return bind_inplace(NEXTAFTER, input, other)


EXPONENT = Primitive(
    "frexp_exponent", Kind.ELEMENTWISE, lambda array: np.frexp(array)[1].astype(np.int32)
)

MANTISSA = Primitive(
    "frexp_mantissa",
    Kind.ELEMENTWISE,
    lambda array: np.frexp(array)[0],
    (lambda g, _out, x: g / 2.0 ** bind(EXPONENT, x),),
)


def frexp(input: Tensor) -> return_types.frexp:
    """Return mantissas, from 0.5 to 1 in magnitude, and exponents: input = m * 2 ** e.

    Gradient: of the mantissa, with the exponent held.

    Raises:
        RuntimeError: the tensor holds integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.frexp(torch.tensor([4.0])).exponent
        tensor([3], dtype=torch.int32)
    """
    if input._array.dtype.kind != "f":
        name = dtypes.FROM_NUMPY[input._array.dtype].name
        rule = "torch.frexp() only supports floating-point dtypes"
        raise RuntimeError(describe("frexp", f"dtype {name}", rule, "convert it with .float()"))
    return return_types.frexp(bind(MANTISSA, input), bind(EXPONENT, input.detach()))


def ldexp_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `ldexp` in place."""
    return input.copy_(ldexp(input.clone(), other))


def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """Compute `float_power` in place.

    Raises:
        RuntimeError: the tensor is not float64, which `float_power` returns.
    """
    if input._array.dtype != np.float64:
        rule = "the base given to float_power_ has to be of dtype Double"
        name = dtypes.FROM_NUMPY[input._array.dtype].name
        raise RuntimeError(describe("float_power_", f"dtype {name}", rule))
    return input.copy_(float_power(input.clone(), exponent))


class MachineNumberMethods:
    """The operations of this file as methods of `Tensor`."""

    float_power_ = float_power_
    frexp = frexp
    gcd = gcd
    gcd_ = gcd_
    lcm = lcm
    lcm_ = lcm_
    ldexp_ = ldexp_
    nextafter = nextafter
    nextafter_ = nextafter_
