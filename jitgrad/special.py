"""Special functions under the names of `torch.special`."""

from __future__ import annotations

from jitgrad.ops.activation import sigmoid as expit
from jitgrad.ops.bessel import entr, erfcx, i0, i0e, i1, i1e, log_ndtr, ndtr, ndtri, sinc, xlog1py
from jitgrad.ops.bessel import mvlgamma as multigammaln
from jitgrad.ops.blending import xlogy
from jitgrad.ops.composite import log_softmax, softmax
from jitgrad.ops.exponential import exp2, expm1, log1p
from jitgrad.ops.rounding import round
from jitgrad.ops.special import digamma, erf, erfc, erfinv, logit, polygamma
from jitgrad.ops.special import digamma as psi
from jitgrad.ops.special import lgamma as gammaln
from jitgrad.ops.statistics import logsumexp

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]
