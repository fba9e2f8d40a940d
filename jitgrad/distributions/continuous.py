"""Distributions of real numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.distributions.distribution import Distribution, broadcast_all
from jitgrad.dtypes import finfo
from jitgrad.ops.random import rand, randn

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


class _Located(Distribution):
    """A distribution around `loc`, as wide as `scale`."""

    has_rsample = True
    _shown = ("loc", "scale")

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)
        self._check_real("loc", self.loc)
        self._check_positive("scale", self.scale)

    @property
    def mean(self) -> Tensor:
        """The mean: `loc`."""
        return self.loc


class Normal(_Located):
    """The normal distribution of mean `loc` and standard deviation `scale`.

    Raises:
        ValueError: `scale` is not positive.

    Example:
        >>> import jitgrad as torch
        >>> torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
        tensor(-0.9189)
    """

    mode = _Located.mean

    @property
    def stddev(self) -> Tensor:
        """The standard deviation: `scale`."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples: loc + scale times standard normal numbers."""
        noise = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density at `value`."""
        self._check_value(value, None, "Real()")
        apart = (value - self.loc) / self.scale
        return apart.square() * -0.5 - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of a sample up to `value`."""
        self._check_value(value, None, "Real()")
        return (((value - self.loc) / self.scale / math.sqrt(2)).erf() + 1) * 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """Return the inverse of `cdf`."""
        return self.loc + self.scale * (value * 2 - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        return self.scale.log() + 0.5 + 0.5 * math.log(2 * math.pi)


class Uniform(Distribution):
    """The uniform distribution from `low` to `high`.

    Raises:
        ValueError: `low` is not smaller than `high`.

    Example:
        >>> import jitgrad as torch
        >>> torch.distributions.Uniform(0.0, 4.0).variance
        tensor(1.3333)
    """

    has_rsample = True
    _shown = ("low", "high")

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        self._check("low", self.low, self.low < self.high, "low < high")

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples: low + (high - low) times numbers from 0 to 1."""
        noise = rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + noise * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density at `value`."""
        inside = (self.low <= value) & (value <= self.high)
        self._check_value(value, inside, "Interval()")
        inside = (self.low <= value) & (value < self.high)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of a sample up to `value`."""
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """Return the inverse of `cdf`."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        return (self.high - self.low).log()


class Exponential(Distribution):
    """The exponential distribution of `rate`.

    Raises:
        ValueError: `rate` is not positive.

    Example:
        >>> import jitgrad as torch
        >>> torch.distributions.Exponential(2.0).mean
        tensor(0.5000)
    """

    has_rsample = True
    _shown = ("rate",)

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)
        self._check_positive("rate", self.rate)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.rate.reciprocal()

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, which is the mean."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples: standard ones divided by the rate."""
        noise = self.rate.new_empty(self._extended_shape(sample_shape)).exponential_()
        return noise / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density at `value`."""
        self._check_value(value, value >= 0, "GreaterThanEq(lower_bound=0.0)")
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of a sample up to `value`."""
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """Return the inverse of `cdf`."""
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        return 1 - self.rate.log()


class Laplace(_Located):
    """The distribution of Laplace: exponential on both sides of `loc`.

    Raises:
        ValueError: `scale` is not positive.

    Example:
        >>> import jitgrad as torch
        >>> torch.distributions.Laplace(0.0, 1.0).log_prob(torch.tensor(0.0))
        tensor(-0.6931)
    """

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale.square() * 2

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.scale * math.sqrt(2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples, by the inverse of `cdf`."""
        places = rand(self._extended_shape(sample_shape), dtype=self.loc.dtype) - 0.5
        # a place of -1/2 would be infinitely far
        tail = (places.abs() * -2).clamp(min=finfo(self.loc.dtype).eps - 1)
        return self.loc - self.scale * places.sign() * tail.log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density at `value`."""
        self._check_value(value, None, "Real()")
        return -(self.scale * 2).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of a sample up to `value`."""
        apart = value - self.loc
        return 0.5 - 0.5 * apart.sign() * (-apart.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """Return the inverse of `cdf`."""
        apart = value - 0.5
        return self.loc - self.scale * apart.sign() * (apart.abs() * -2).log1p()

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        return (self.scale * 2).log() + 1
