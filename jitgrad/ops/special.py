"""Special functions, element by element: error functions, the gamma function and its logarithm's
derivatives, the inverse of the sigmoid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.inplace import bind_inplace
from jitgrad.ops import special_values
from jitgrad.ops.checks import check_tensor
from jitgrad.ops.selection import where
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "digamma",
    "digamma_",
    "erf",
    "erf_",
    "erfc",
    "erfc_",
    "erfinv",
    "erfinv_",
    "lgamma",
    "lgamma_",
    "logit",
    "logit_",
    "polygamma",
]

ERF = Primitive(
    "erf",
    Kind.ELEMENTWISE,
    special_values.erf,
    (lambda g, _out, x: g * ((-x * x).exp() * (2 / math.sqrt(math.pi))),),
    scalar="erf({0})",
    result=Result.FLOAT,
)


def erf(input: Tensor) -> Tensor:
    """Return the error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to input.

    Gradient: 2 / sqrt(pi) exp(-input^2).

    Example:
        >>> import jitgrad as torch
        >>> torch.erf(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8427])
    """
    return bind(ERF, input)


def erf_(input: Tensor) -> Tensor:
    """Compute `erf` in place."""
    return bind_inplace(ERF, input)


ERFC = Primitive(
    "erfc",
    Kind.ELEMENTWISE,
    special_values.erfc,
    (lambda g, _out, x: g * ((-x * x).exp() * (-2 / math.sqrt(math.pi))),),
    scalar="erfc({0})",
    result=Result.FLOAT,
)


def erfc(input: Tensor) -> Tensor:
    """Return 1 - erf(input), exact where erf is close to 1 too.

    Gradient: -2 / sqrt(pi) exp(-input^2).
    """
    return bind(ERFC, input)


def erfc_(input: Tensor) -> Tensor:
    """Compute `erfc` in place."""
    return bind_inplace(ERFC, input)


ERFINV = Primitive(
    "erfinv",
    Kind.OPAQUE,
    special_values.erfinv,
    (lambda g, out, _x: g * ((out * out).exp() * (math.sqrt(math.pi) / 2)),),
    result=Result.FLOAT,
)


def erfinv(input: Tensor) -> Tensor:
    """Return the inverse of erf: infinite at -1 and 1, NaN beyond.

    Gradient: sqrt(pi) / 2 exp(output^2).

    Example:
        >>> import jitgrad as torch
        >>> torch.erfinv(torch.tensor([0.5, 1.0]))
        tensor([0.4769,    inf])
    """
    return bind(ERFINV, input)


def erfinv_(input: Tensor) -> Tensor:
    """Compute `erfinv` in place."""
    return bind_inplace(ERFINV, input)


LGAMMA = Primitive(
    "lgamma",
    Kind.ELEMENTWISE,
    special_values.lgamma,
    (lambda g, _out, x: g * x.digamma(),),
    scalar="lgamma({0})",
    result=Result.FLOAT,
)


def lgamma(input: Tensor) -> Tensor:
    """Return the logarithm of the magnitude of the gamma function.

    Gradient: digamma(input).

    Example:
        >>> import jitgrad as torch
        >>> torch.lgamma(torch.tensor([1.0, 4.0]))
        tensor([0.0000, 1.7918])
    """
    return bind(LGAMMA, input)


def lgamma_(input: Tensor) -> Tensor:
    """Compute `lgamma` in place."""
    return bind_inplace(LGAMMA, input)


DIGAMMA = Primitive(
    "digamma",
    Kind.OPAQUE,
    special_values.digamma,
    (lambda g, _out, x: g * polygamma(1, x),),
    result=Result.FLOAT,
)


def digamma(input: Tensor) -> Tensor:
    """Return the derivative of lgamma.

    Gradient: polygamma(1, input).

    Example:
        >>> import jitgrad as torch
        >>> torch.digamma(torch.tensor([1.0]))
        tensor([-0.5772])
    """
    return bind(DIGAMMA, input)


def digamma_(input: Tensor) -> Tensor:
    """Compute `digamma` in place."""
    return bind_inplace(DIGAMMA, input)


POLYGAMMA = Primitive(
    "polygamma",
    Kind.OPAQUE,
    lambda x, *, n: special_values.polygamma(x, n),
    (lambda g, _out, x, *, n: g * polygamma(n + 1, x),),
    result=Result.FLOAT,
)


def polygamma(n: int, input: Tensor) -> Tensor:
    """Return the `n`-th derivative of digamma.

    Gradient: polygamma(n + 1, input).

    Raises:
        RuntimeError: `n` is negative.

    Example:
        >>> import jitgrad as torch
        >>> torch.polygamma(1, torch.tensor([1.0]))
        tensor([1.6449])
    """
    if n < 0:
        raise RuntimeError(f"polygamma: polygamma(n, x) does not support negative n, got {n}")
    return bind(POLYGAMMA, input, n=n) if n else bind(DIGAMMA, input)


def _logit_cotangent(g: Any, _out: Any, x: Any) -> Any:
    # the magnitude, so that -0.0 counts as 0
    return where((x < 0) | (x > 1), math.nan, g / (x * (1 - x)).abs())


LOGIT = Primitive(
    "logit",
    Kind.ELEMENTWISE,
    special_values.in_float32(lambda x: np.log(x / (1 - x))),
    (_logit_cotangent,),
    scalar="log({0} / (1 - {0}))",
    result=Result.FLOAT,
)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return log(input / (1 - input)), the inverse of sigmoid; `input` held in [eps, 1 - eps].

    Gradient: 1 / (input * (1 - input)), 0 where `eps` holds, NaN outside of [0, 1].

    Example:
        >>> import jitgrad as torch
        >>> torch.logit(torch.tensor([0.0, 0.5, 1.0]))
        tensor([-inf, 0., inf])
    """
    check_tensor("logit", "input", input)
    return bind(LOGIT, input if eps is None else input.clamp(eps, 1 - eps))


def logit_(input: Tensor, eps: float | None = None) -> Tensor:
    """Compute `logit` in place."""
    return bind_inplace(LOGIT, input) if eps is None else input.copy_(logit(input, eps))


class SpecialMethods:
    """The operations of this file as methods of `Tensor`."""

    erf = erf
    erf_ = erf_
    erfc = erfc
    erfc_ = erfc_
    erfinv = erfinv
    erfinv_ = erfinv_
    lgamma = lgamma
    lgamma_ = lgamma_
    digamma = digamma
    digamma_ = digamma_
    logit = logit
    logit_ = logit_

    def polygamma(self, n: int) -> Tensor:
        """Return the `n`-th derivative of digamma."""
        return polygamma(n, self)  # type: ignore[arg-type]
