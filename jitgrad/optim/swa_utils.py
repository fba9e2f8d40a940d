"""Averages of models along a training, and the learning rates that go with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any, Literal

from jitgrad.autograd.grad_mode import no_grad
from jitgrad.nn import Module
from jitgrad.nn.modules.batchnorm import BatchNorm
from jitgrad.ops.create import tensor
from jitgrad.ops.foreach import _foreach_add_, _foreach_div, _foreach_lerp_, _foreach_sub
from jitgrad.optim.cycles import ANNEALING, check_annealing
from jitgrad.optim.optimizer import Optimizer
from jitgrad.optim.scheduler import LRScheduler, check_optimizer, per_group
from jitgrad.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Tensors = Sequence[Tensor]


def _split(averages: Tensors, values: Tensors) -> tuple[tuple[list, list], list]:
    """Return lists of those with floating-point elements, and pairs of the others."""
    pairs = list(zip(averages, values))
    real = [pair for pair in pairs if pair[0].dtype.is_floating_point]
    others = [pair for pair in pairs if not pair[0].dtype.is_floating_point]
    return ([average for average, _ in real], [value for _, value in real]), others


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Tensors, Tensors, Any], None]:
    """Return a function that updates exponential moving averages of all parameters together.

    Raises:
        ValueError: `decay` is not between 0 and 1.
    """
    _check_decay(decay)

    @no_grad()
    def update(averages: Tensors, values: Tensors, _num_averaged: Any) -> None:
        real, others = _split(averages, values)
        if real[0]:
            _foreach_lerp_(*real, 1 - decay)
        for average, value in others:
            average.copy_(average * decay + value * (1 - decay))

    return update


def get_swa_multi_avg_fn() -> Callable[[Tensors, Tensors, Any], None]:
    """Return a function that updates equally weighted averages of all parameters together."""

    @no_grad()
    def update(averages: Tensors, values: Tensors, num_averaged: Any) -> None:
        (real, latest), others = _split(averages, values)
        if real:
            _foreach_add_(real, _foreach_div(_foreach_sub(latest, real), num_averaged + 1))
        for average, value in others:
            average.copy_(average + (value - average) / (num_averaged + 1))

    return update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """Return a function that computes the exponential moving average of one parameter.

    Raises:
        ValueError: `decay` is not between 0 and 1.
    """
    _check_decay(decay)

    @no_grad()
    def average(average: Tensor, value: Tensor, _num_averaged: Any) -> Tensor:
        return decay * average + (1 - decay) * value

    return average


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """Return a function that computes the equally weighted average of one parameter."""

    @no_grad()
    def average(average: Tensor, value: Tensor, num_averaged: Any) -> Tensor:
        return average + (value - average) / (num_averaged + 1)

    return average


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those that the model has had.

    Call `update_parameters(model)` after steps; call this in place of the model.
    Source: Izmailov and others, Averaging Weights Leads to Wider Optima and Better Generalization,
    2018.

    Args:
        model: what is averaged.
        device: where the averages are kept: the cpu.
        avg_fn: `(average, value, num_averaged)` gives the new average of a parameter.
        multi_avg_fn: `(averages, values, num_averaged)` writes all of them; by default every value
            counts the same.
        use_buffers: average the buffers, too; else they are copied.

    Raises:
        AssertionError: both functions are given.

    Example:
        >>> import jitgrad as torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> averaged = torch.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = torch.nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged(torch.ones(1)).item()
        3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[Tensors, Tensors, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError(
                "Only one of avg_fn and multi_avg_fn should be provided, both are given"
            )
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the averaged model makes of the arguments."""
        return self.module(*args, **kwargs)

    def _averaged(self, model: Module) -> list[Tensor]:
        """Return what of a model is averaged, without history."""
        buffers = model.buffers() if self.use_buffers else ()
        return [each.detach() for each in itertools.chain(model.parameters(), buffers)]

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the averages."""
        with no_grad():
            averages, values = self._averaged(self.module), self._averaged(model)
            if self.n_averaged == 0:
                for average, value in zip(averages, values):
                    average.copy_(value)
            elif self.avg_fn is not None:
                for average, value in zip(averages, values):
                    average.copy_(self.avg_fn(average, value, self.n_averaged))
            else:
                update = self.multi_avg_fn or get_swa_multi_avg_fn()
                update(averages, values, self.n_averaged)
            if not self.use_buffers:
                for average, value in zip(self.module.buffers(), model.buffers()):
                    average.detach().copy_(value.detach())
            self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running means and variances of batch normalization anew, from all of `loader`.

    Args:
        loader: gives inputs, or lists and tuples that begin with one.
        model: its training mode is what it was in the end.
        device: where inputs go: the cpu.
    """
    norms = [each for each in model.modules() if isinstance(each, BatchNorm)]
    if not norms:
        return
    momenta = [each.momentum for each in norms]
    was_training = model.training
    model.train()
    for each in norms:
        each.reset_running_stats()
        # equal weights
        each.momentum = None
    for batch in loader:
        first = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(first if device is None else first.to(device))
    for each, momentum in zip(norms, momenta):
        each.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Move the learning rate to a constant `swa_lr` in some epochs.

    Args:
        optimizer: whose groups are changed.
        swa_lr: the last learning rate; a list has one for each group.
        anneal_epochs: how many epochs it takes.
        anneal_strategy: "cos" or "linear".
        last_epoch: the epoch after which to continue; -1 for the beginning.

    Raises:
        ValueError: an unknown strategy, a number of epochs that is no integer or negative.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        for group, rate in zip(optimizer.param_groups, per_group(optimizer, "swa_lr", swa_lr)):
            group["swa_lr"] = rate
        check_annealing(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """Return how far the way to the last rate has been gone at `step`."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return ANNEALING[self._anneal_strategy](0.0, 1.0, part)

    def get_lr(self) -> list[Any]:
        """Return the learning rates of this epoch, computed from those of the last one."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            # where the way began, as the current rate tells
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
