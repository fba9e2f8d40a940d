"""Special functions that few programs need: sinc, Bessel functions, the normal distribution's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.selection import where
from jitgrad.ops.special import erfc, erfinv
from jitgrad.ops.special_values import in_float64
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["i0", "i0_", "mvlgamma", "sinc", "sinc_"]


def _sinc_back(g: Tensor, _out: None, x: Tensor) -> Tensor:
    turn = x * math.pi
    slope = (turn * turn.cos() - turn.sin()) / (turn * x)
    return g * where(x == 0, 0, slope)


SINC = Primitive(
    "sinc",
    Kind.ELEMENTWISE,
    # NumPy's computes in the dtype of its input
    np.sinc,
    (_sinc_back,),
    result=Result.FLOAT,
)


def sinc(input: Tensor) -> Tensor:
    """Return sin(pi x) / (pi x), and 1 at 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.sinc(torch.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    return bind(SINC, input)


def sinc_(input: Tensor) -> Tensor:
    """Compute `sinc` in place."""
    return bind_inplace(SINC, input)


# Where the integrand is resolved by so many points, the trapezoidal rule is exact to rounding,
# because it is periodic; beyond REACH the asymptotic series is.
_POINTS = 128
_REACH = 600.0


def _bessel(x: np.ndarray, order: int) -> np.ndarray:
    """Return exp(-|x|) I_n(x): M. Abramowitz and I. Stegun, 9.6.10, 9.6.19 and 9.7.1."""
    size = np.abs(x)
    result = np.full_like(size, np.nan)
    small = size < 2
    half = size[small] / 2
    term = half**order / math.factorial(order)
    total = term.copy()
    for k in range(1, 24):
        term = term * half * half / (k * (k + order))
        total += term
    result[small] = total * np.exp(-size[small])
    middle = (size >= 2) & (size <= _REACH)
    angles = (np.arange(_POINTS) + 0.5) * (math.pi / _POINTS)
    powers = np.exp(size[middle][:, None] * (np.cos(angles) - 1)) * np.cos(order * angles)
    result[middle] = powers.mean(-1)
    large = size > _REACH
    far = size[large]
    term = total = np.ones_like(far)
    for k in range(1, 8):
        term = -term * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * far)
        total = total + term
    result[large] = total / np.sqrt(2 * math.pi * far)
    return result * np.sign(x) if order % 2 else result


def _second(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
    # I_1(x) / x is 1/2 at 0
    ratio = where(x == 0, 0.5, out / where(x == 0, 1, x))
    return g * (i0e(x) - ratio - out * x.sign())


I0E = Primitive(
    "special_i0e",
    Kind.ELEMENTWISE,
    in_float64(lambda x: _bessel(x, 0)),
    (lambda g, out, x: g * (i1e(x) - out * x.sign()),),
    result=Result.FLOAT,
)

I1E = Primitive(
    "special_i1e",
    Kind.ELEMENTWISE,
    in_float64(lambda x: _bessel(x, 1)),
    (_second,),
    result=Result.FLOAT,
)


def i0e(input: Tensor) -> Tensor:
    """Return exp(-|x|) I_0(x), with the modified Bessel function of the first kind.

    Example:
        >>> import jitgrad as torch
        >>> torch.special.i0e(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.4658])
    """
    return bind(I0E, input)


def i1e(input: Tensor) -> Tensor:
    """Return exp(-|x|) I_1(x)."""
    return bind(I1E, input)


I0 = Primitive(
    "i0",
    Kind.ELEMENTWISE,
    in_float64(lambda x: _bessel(x, 0) * np.exp(np.abs(x))),
    (lambda g, _out, x: g * i1(x),),
    result=Result.FLOAT,
)

I1 = Primitive(
    "special_i1",
    Kind.ELEMENTWISE,
    in_float64(lambda x: _bessel(x, 1) * np.exp(np.abs(x))),
    (lambda g, out, x: g * (i0(x) - where(x == 0, 0.5, out / where(x == 0, 1, x))),),
    result=Result.FLOAT,
)


def i0(input: Tensor) -> Tensor:
    """Return I_0(x), the modified Bessel function of the first kind and order 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.i0(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 1.2661])
    """
    return bind(I0, input)


def i0_(input: Tensor) -> Tensor:
    """Compute `i0` in place."""
    return bind_inplace(I0, input)


def i1(input: Tensor) -> Tensor:
    """Return I_1(x), the modified Bessel function of the first kind and order 1."""
    return bind(I1, input)


# -- the normal distribution ------------------------------------------------------------------


def ndtr(input: Tensor) -> Tensor:
    """Return the probability that a standard normal number is below each element.

    Example:
        >>> import jitgrad as torch
        >>> torch.special.ndtr(torch.tensor([0.0, 1.0]))
        tensor([0.5000, 0.8413])
    """
    return erfc(input * -math.sqrt(0.5)) / 2


def ndtri(input: Tensor) -> Tensor:
    """Return the inverse of `ndtr`."""
    return erfinv(input * 2 - 1) * math.sqrt(2)


def _scaled(x: np.ndarray) -> np.ndarray:
    """Return exp(x^2) erfc(x) by a continued fraction (Abramowitz and Stegun, 7.1.14) from 2 on."""
    large = np.where(x > 2, x, 2.0)
    fraction = large.copy()
    for k in range(120, 0, -1):
        fraction = large + k / 2 / fraction
    near = np.clip(x, -30, 2)
    return np.where(x > 2, 1 / fraction / math.sqrt(math.pi), np.exp(near * near) * _erfc(near))


_erfc = np.vectorize(math.erfc, otypes=[float])

ERFCX = Primitive(
    "special_erfcx",
    Kind.ELEMENTWISE,
    in_float64(lambda x: _scaled(x) if x.size else x.copy()),
    (lambda g, out, x: g * (2 * x * out - 2 / math.sqrt(math.pi)),),
    result=Result.FLOAT,
)


def erfcx(input: Tensor) -> Tensor:
    """Return exp(x^2) erfc(x), which neither overflows nor vanishes for large x.

    Example:
        >>> import jitgrad as torch
        >>> torch.special.erfcx(torch.tensor([0.0, 10.0]))
        tensor([1.0000, 0.0561])
    """
    return bind(ERFCX, input)


def log_ndtr(input: Tensor) -> Tensor:
    """Return the logarithm of `ndtr`, precise far below 0 too.

    Example:
        >>> import jitgrad as torch
        >>> torch.special.log_ndtr(torch.tensor([-100.0]))
        tensor([-5005.5244])
    """
    scaled = input * math.sqrt(0.5)
    low = input < -1
    below = (erfcx(-scaled.where(low, -1)) / 2).log() - (scaled * scaled).where(low, 0)
    above = (erfc(scaled.where(low.logical_not(), 0)) / -2).log1p()
    return where(low, below, above)


def entr(input: Tensor) -> Tensor:
    """Return -x ln(x): 0 at 0, minus infinity below.

    Example:
        >>> import jitgrad as torch
        >>> torch.special.entr(torch.tensor([0.0, 0.5]))
        tensor([0.0000, 0.3466])
    """
    made = where(input > 0, -input * where(input > 0, input, 1).log(), 0)
    return where(input < 0, -math.inf, where(input != input, input, made))


def xlog1py(input: Tensor, other: Tensor) -> Tensor:
    """Return x log(1 + y), and 0 where x is 0 and y is no NaN.

    Example:
        >>> import jitgrad as torch
        >>> torch.special.xlog1py(torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 0.0]))
        tensor([0., 0.])
    """
    nothing = (input == 0) & (other == other)
    return where(nothing, 0, input * where(nothing, 0, other).log1p())


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Return the logarithm of the gamma function of `p` dimensions.

    Raises:
        RuntimeError: `p` is less than 1.

    Example:
        >>> import jitgrad as torch
        >>> torch.mvlgamma(torch.tensor([3.0]), 2)
        tensor([1.5502])
    """
    if p < 1:
        rule = "p has to be greater than or equal to 1"
        raise RuntimeError(describe("mvlgamma", f"p={p}", rule))
    steps = input.new_tensor(np.arange(p) * 0.5) if input.is_floating_point() else None
    if steps is None:
        return mvlgamma(input.float(), p)
    total = (input.unsqueeze(-1) - steps).lgamma().sum(-1)
    return total + p * (p - 1) / 4 * math.log(math.pi)


def mvlgamma_(input: Tensor, p: int) -> Tensor:
    """Compute `mvlgamma` in place."""
    return input.copy_(mvlgamma(input.clone(), p))


class BesselMethods:
    """The operations of this file as methods of `Tensor`."""

    i0 = i0
    i0_ = i0_
    mvlgamma = mvlgamma
    mvlgamma_ = mvlgamma_
    sinc = sinc
    sinc_ = sinc_
