"""Distributions of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.autograd.grad_mode import no_grad
from jitgrad.distributions.distribution import Distribution, broadcast_all
from jitgrad.dtypes import finfo
from jitgrad.ops.losses import binary_cross_entropy_with_logits
from jitgrad.ops.random import bernoulli, multinomial
from jitgrad.ops.ranges import arange
from jitgrad.ops.shape import broadcast_tensors
from jitgrad.spec import Size

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def _within(probs: Any) -> Any:
    """Return probabilities whose logarithms, and those of their complements, are finite."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


class _OfProbabilities(Distribution):
    """A distribution given by probabilities or by their logarithms or log-odds, either of which
    makes the other when it is asked for."""

    _given_probs = False
    _probs: Any = None
    _logits: Any = None

    def _take(self, probs: Any, logits: Any) -> Any:
        if (probs is None) == (logits is None):
            raise ValueError(
                f"{type(self).__name__}: Either `probs` or `logits` must be specified, but not "
                "both."
            )
        return probs if logits is None else logits

    @property
    def _param(self) -> Any:
        return self._probs if self._given_probs else self._logits

    @property
    def _shown(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("probs" if self._given_probs else "logits",)


class Bernoulli(_OfProbabilities):
    """The distribution of 1, with probability `probs`, and 0.

    Args:
        probs: the probability of 1.
        logits: instead of it, log(p / (1 - p)).

    Raises:
        ValueError: both are given, or none; a probability is not between 0 and 1.

    Example:
        >>> import jitgrad as torch
        >>> torch.distributions.Bernoulli(torch.tensor([0.5])).entropy()
        tensor([0.6931])
    """

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        (param,) = broadcast_all(self._take(probs, logits))
        self._given_probs = probs is not None
        super().__init__(param.shape, validate_args=validate_args)
        if self._given_probs:
            self._probs = param
            unit = (param >= 0) & (param <= 1)
            self._check("probs", param, unit, "Interval(lower_bound=0.0, upper_bound=1.0)")
        else:
            self._logits = param
            self._check_real("logits", param)

    @property
    def logits(self) -> Tensor:
        """The log-odds."""
        if self._logits is None:
            inner = _within(self._probs)
            self._logits = inner.log() - (-inner).log1p()
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of 1."""
        if self._probs is None:
            self._probs = self._logits.sigmoid()
        return self._probs

    @property
    def mean(self) -> Tensor:
        """The mean: `probs`."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples, of the dtype of the parameter."""
        with no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability of `value`."""
        self._check_value(value, (value == 0) | (value == 1), "Boolean()")
        logits, value = broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return 0 and 1, for each distribution of the batch with `expand`."""
        values = self._param.detach().new_tensor([0.0, 1.0])
        values = values.reshape((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class Categorical(_OfProbabilities):
    """The distribution of 0 to K - 1, with probabilities in proportion to `probs`.

    Args:
        probs: (..., K), not negative; divided by their sum.
        logits: instead of them, their logarithms, up to a constant.

    Raises:
        ValueError: both are given, or none; no dimension; a negative probability.

    Example:
        >>> import jitgrad as torch
        >>> m = torch.distributions.Categorical(torch.tensor([1.0, 3.0]))
        >>> m.log_prob(torch.tensor(1)).exp()
        tensor(0.7500)
    """

    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        param = self._take(probs, logits)
        name = "logits" if probs is None else "probs"
        if not param.dim():
            raise ValueError(f"Categorical: `{name}` parameter must be at least one-dimensional.")
        self._given_probs = probs is not None
        self._num_events = param.shape[-1]
        super().__init__(param.shape[:-1], validate_args=validate_args)
        if self._given_probs:
            self._probs = param / param.sum(-1, keepdim=True)
            self._check("probs", param, self._probs >= 0, "Simplex()")
        else:
            self._logits = param - param.logsumexp(-1, keepdim=True)
            self._check_real("logits", param)

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        if self._logits is None:
            self._logits = _within(self._probs).log()
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        if self._probs is None:
            self._probs = self._logits.softmax(-1)
        return self._probs

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    @property
    def mode(self) -> Tensor:
        """The most probable number."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Return samples, int64."""
        count = Size(sample_shape).numel()
        with no_grad():
            lines = self.probs.reshape(-1, self._num_events)
            drawn = multinomial(lines, count, True).t()
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the probability of `value`."""
        whole = (value >= 0) & (value < self._num_events) & (value % 1 == 0)
        bound = self._num_events - 1
        self._check_value(value, whole, f"IntegerInterval(lower_bound=0, upper_bound={bound})")
        places, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, places[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        # minus infinity times 0 would be NaN
        finite = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(finite * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return 0 to K - 1, for each distribution of the batch with `expand`."""
        values = arange(self._num_events).reshape((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values
