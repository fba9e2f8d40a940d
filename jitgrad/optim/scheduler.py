"""The base of what changes learning rates from epoch to epoch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jitgrad.errors import describe
from jitgrad.optim.optimizer import Optimizer
from jitgrad.tensor import Tensor

__all__ = ["LRScheduler"]

ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
    "order: `optimizer.step()` before `lr_scheduler.step()`. Else the first value of the learning "
    "rate schedule is skipped."
)
EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler."
)
GET_LR_WARNING = (
    "To get the last learning rate computed by the scheduler, please use `get_last_lr()`."
)


def copied(value: Any) -> Any:
    """Return an option of a group so that later changes in place do not reach it."""
    return value.clone() if isinstance(value, Tensor) else value


def set_option(group: dict[str, Any], name: str, value: Any) -> None:
    """Change an option of a group; a tensor keeps its identity and gets another value."""
    old = group[name]
    if isinstance(old, Tensor):
        old.fill_(float(value))
    else:
        group[name] = value


def per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """Return an argument as a list with a value for each group; ValueError for another length."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} "
            f"values, param_groups has {count}."
        )
    return list(value)


class LRScheduler:
    """The base of schedulers: `step()` computes new learning rates with `get_lr`.

    Making one makes the first step, that of epoch 0. A class of your own defines `get_lr`, which
    returns a learning rate for each group; it sees the epoch in `last_epoch`.

    Args:
        optimizer: whose groups are changed.
        last_epoch: the epoch after which to continue; -1 for the beginning.

    Raises:
        TypeError: `optimizer` is none.
        KeyError: continuing, but the groups do not say with which rate they began.
    """

    optimizer: Optimizer
    last_epoch: int
    _last_lr: list[Any]
    _step_count = 0
    _is_initial = False
    _get_lr_called_within_step = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{number}] when resuming "
                    "scheduler with last_epoch >= 0; load the state of the optimizer first"
                )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """Return the learning rates that the last step set."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """Return the learning rates of epoch `last_epoch`, computed from those before."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch.

        Args:
            epoch: jump to this one (PyTorch warns against it, and so do we).
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            compute = self.get_lr
        else:
            self.last_epoch = epoch
            # from the beginning, where a class knows how
            compute = getattr(self, "_get_closed_form_lr", self.get_lr)
        self._set(compute)

    def _set(self, compute: Callable[[], Sequence[Any]]) -> None:
        """Give the groups the learning rates that `compute` returns."""
        self._get_lr_called_within_step = True
        try:
            values = compute()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values):
            set_option(group, "lr", value)
        self._last_lr = self._current()

    def _current(self) -> list[Any]:
        """Return the learning rates as they are."""
        return [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(GET_LR_WARNING, UserWarning, stacklevel=3)


def check_optimizer(optimizer: Any) -> None:
    """Raise TypeError for anything but an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


class FactorScheduler(LRScheduler):
    """A scheduler that multiplies the learning rates by a factor that it computes."""

    def get_lr(self) -> list[Any]:
        """Return the current learning rates times the factor of the epoch."""
        self._warn_outside_step()
        factor = self._factor()
        if factor is None:
            return self._current()
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _factor(self) -> float | None:
        """Return the factor from the last epoch to this one; None to change nothing."""
        raise NotImplementedError


class FunctionState(LRScheduler):
    """A scheduler with functions of the user's, of which only objects have a state to be saved."""

    lr_lambdas: list[Callable[[int], Any]]

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        count = len(optimizer.param_groups)
        if not isinstance(lr_lambda, (list, tuple)):
            lr_lambda = [lr_lambda] * count
        elif len(lr_lambda) != count:
            raise ValueError(
                describe(
                    type(self).__name__,
                    f"{len(lr_lambda)} functions",
                    f"Expected {count} lr_lambdas, but got {len(lr_lambda)}",
                    "pass one for each group, or a single one",
                )
            )
        self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer; of functions nothing, of callable objects a dict."""
        found = super().state_dict()
        found["lr_lambdas"] = [state_of(each) for each in self.lr_lambdas]
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        states = state_dict["lr_lambdas"]
        super().load_state_dict({**state_dict, "lr_lambdas": self.lr_lambdas})
        for function, state in zip(self.lr_lambdas, states):
            if state is not None:
                function.__dict__.update(state)


def state_of(function: Any) -> dict[str, Any] | None:
    """Return what a callable object holds; None for a function."""
    return None if hasattr(function, "__code__") else dict(function.__dict__)
