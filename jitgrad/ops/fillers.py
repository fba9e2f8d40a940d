"""Filling tensors with random numbers, in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.ops.generator import Generator
from jitgrad.ops.random import RAND, RAND_EXPONENTIAL, RANDN, drawn, integers

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def uniform_(
    input: Tensor, low: float = 0, high: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Fill `input` with numbers drawn evenly from `low` to `high`."""
    numbers = drawn("uniform_", RAND, input._array.shape, input._array.dtype, generator)
    return input.copy_(numbers * (high - low) + low)


def normal_(
    input: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Fill `input` with numbers drawn from the normal distribution of `mean` and `std`."""
    numbers = drawn("normal_", RANDN, input._array.shape, input._array.dtype, generator)
    return input.copy_(numbers * std + mean)


def exponential_(input: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Fill `input` with numbers drawn from the exponential distribution of rate `lambd`."""
    shape, dtype = input._array.shape, input._array.dtype
    return input.copy_(drawn("exponential_", RAND_EXPONENTIAL, shape, dtype, generator) / lambd)


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill `input` with ones, with probability `p` (a number or a tensor), and zeros."""
    wide = input._array.dtype
    wide = wide if wide.kind == "f" else dtypes.get_default_dtype().numpy
    return input.copy_(drawn("bernoulli_", RAND, input._array.shape, wide, generator) < p)


def random_(
    input: Tensor,
    low: int | None = None,
    high: int | None = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Fill `input` with integers drawn evenly from `low` to `high` - 1, or below `low`.

    Without limits: all that the dtype holds exactly, from 0 on.
    """
    if high is None:
        kind = input._array.dtype
        exact = {"f": 2 ** (np.finfo(kind).nmant + 1) + 1} if kind.kind == "f" else {}
        most = exact.get("f") or (2 if kind.kind == "b" else int(np.iinfo(kind).max))
        low, high = (0, most) if low is None else (0, low)
    dtype = dtypes.int64.numpy
    return input.copy_(integers("random_", low, high, input._array.shape, dtype, generator))


def log_normal_(
    input: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None
) -> Tensor:
    """Fill `input` with numbers whose logarithms are normal, of this `mean` and `std`."""
    numbers = drawn("log_normal_", RANDN, input._array.shape, input._array.dtype, generator)
    return input.copy_((numbers * std + mean).exp())


def cauchy_(
    input: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Fill `input` with numbers drawn from Cauchy's distribution."""
    numbers = drawn("cauchy_", RAND, input._array.shape, input._array.dtype, generator)
    return input.copy_(((numbers - 0.5) * math.pi).tan() * sigma + median)


def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill `input` with numbers of trials up to the first success, which has probability `p`.

    Raises:
        RuntimeError: `p` is not between 0 and 1.
    """
    if not 0 < p < 1:
        rule = "geometric_ expects p to be in (0, 1)"
        raise RuntimeError(describe("geometric_", f"p={p}", rule))
    wide = dtypes.float64.numpy
    waits = drawn("geometric_", RAND_EXPONENTIAL, input._array.shape, wide, generator)
    return input.copy_((waits / -math.log1p(-p)).ceil().clamp(min=1))


class FillerMethods:
    """The operations of this file as methods of `Tensor`."""

    bernoulli_ = bernoulli_
    cauchy_ = cauchy_
    geometric_ = geometric_
    log_normal_ = log_normal_
    exponential_ = exponential_
    normal_ = normal_
    random_ = random_
    uniform_ = uniform_
