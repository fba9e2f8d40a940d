"""Filling tensors with random numbers, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
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


class FillerMethods:
    """The operations of this file as methods of `Tensor`."""

    bernoulli_ = bernoulli_
    exponential_ = exponential_
    normal_ = normal_
    random_ = random_
    uniform_ = uniform_
