"""What distributions have in common, and many of them taken as one."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.autograd.grad_mode import no_grad
from jitgrad.dispatch import TensorCore, bind
from jitgrad.ops.create import scalar_tensor
from jitgrad.ops.shape import broadcast_tensors
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, broadcast_shapes

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def _checked(valid: np.ndarray, value: np.ndarray, *, rule: str) -> np.ndarray:
    if not valid.all():
        raise ValueError(f"{rule}, but found invalid values:\n{value}")
    return valid


CHECKED = Primitive("checked", Kind.OPAQUE, _checked, raises_on_data=True)


def broadcast_all(*values: Any) -> list[Any]:
    """Return numbers and tensors as tensors of one shape."""
    tensors = [each for each in values if isinstance(each, TensorCore)]
    for each in values:
        if not isinstance(each, (TensorCore, numbers.Number)):
            raise ValueError(
                "distributions: Input arguments must all be instances of Number or Tensor, got "
                f"{type(each).__name__}"
            )
    like: Any = tensors[0] if tensors else None
    made: list[Any] = [
        each
        if isinstance(each, TensorCore)
        else scalar_tensor(each, dtype=None if like is None else like.dtype)
        for each in values
    ]
    return list(broadcast_tensors(*made))


class Distribution:
    """A distribution of random tensors of shape `event_shape`, a batch of `batch_shape` of them.

    Attributes:
        has_rsample: are there samples that carry gradients to the parameters?
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = True
    _shown: tuple[str, ...] = ()

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Say whether parameters and values are checked where nothing else is said."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: got {value!r}; it is True or False")
        Distribution._validate_args = value

    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions, which have parameters of their own."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one sample of one distribution."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples through which gradients reach the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no rsample; use sample")

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples, of shape sample_shape + batch_shape + event_shape, without history."""
        with no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density (or of the probability) at `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of a sample up to `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """Return the inverse of `cdf`."""
        raise NotImplementedError(f"{type(self).__name__} has no icdf")

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def perplexity(self) -> Tensor:
        """Return exp(entropy)."""
        return self.entropy().exp()

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _check(self, name: str, value: Any, valid: Any, constraint: str) -> None:
        """Raise ValueError unless all of `valid` is True of the parameter `value`."""
        if self._validate_args:
            rule = (
                f"Expected parameter {name} (Tensor of shape {tuple(value.shape)}) of distribution "
                f"{type(self).__name__} to satisfy the constraint {constraint}"
            )
            bind(CHECKED, valid, value.detach(), rule=rule)

    def _check_real(self, name: str, value: Any) -> None:
        # NaN alone differs from itself
        self._check(name, value, value == value, "Real()")

    def _check_positive(self, name: str, value: Any) -> None:
        self._check(name, value, value > 0, "GreaterThan(lower_bound=0.0)")

    def _check_value(self, value: Any, valid: Any, constraint: str) -> None:
        """Raise ValueError unless `value` has a fitting shape, and all of `valid` is True of it."""
        name = type(self).__name__
        if not self._validate_args:
            return
        if not isinstance(value, TensorCore):
            raise ValueError("The value argument to log_prob must be a Tensor")
        own, given = self._batch_shape + self._event_shape, value._array.shape
        try:
            broadcast_shapes(name, own, given)
        except RuntimeError:
            raise ValueError(
                f"{name}: got a value of shape {given}; Value is not broadcastable with "
                f"batch_shape+event_shape: {tuple(own)}"
            ) from None
        rule = (
            f"Expected value argument (Tensor of shape {given}) to be within the support "
            f"({constraint}) of the distribution {self!r}"
        )
        valid = (value == value) if valid is None else valid
        bind(CHECKED, valid, value.detach(), rule=rule)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        shown = []
        for name in self._shown:
            value = getattr(self, name)
            shown.append(f"{name}: {value.shape if value.numel() != 1 else value}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Independent(Distribution):
    """A distribution whose last batch dimensions are taken as dimensions of the event.

    Example:
        >>> import jitgrad as torch
        >>> each = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
        >>> torch.distributions.Independent(each, 1).log_prob(torch.zeros(3))
        tensor(-2.7568)
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = base_distribution.batch_shape
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                "Independent: Expected reinterpreted_batch_ndims <= len(base_distribution."
                f"batch_shape), actual {reinterpreted_batch_ndims} vs {len(batch)}"
            )
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        kept = len(batch) - reinterpreted_batch_ndims
        event = batch[kept:] + base_distribution.event_shape
        super().__init__(batch[:kept], event, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Has the distribution of the elements such samples?"""
        return self.base_dist.has_rsample

    def _summed(self, values: Tensor) -> Tensor:
        count = self.reinterpreted_batch_ndims
        return values.sum(tuple(range(-count, 0))) if count else values

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        """The variance of each element."""
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples without history."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples through which gradients reach the parameters."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density at `value`, of all elements of an event."""
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        """Return the entropy, of all elements of an event."""
        return self._summed(self.base_dist.entropy())

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
