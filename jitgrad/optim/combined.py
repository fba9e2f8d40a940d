"""Several schedulers of one optimizer: one after the other, or all together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from jitgrad.optim.optimizer import Optimizer
from jitgrad.optim.plateau import ReduceLROnPlateau
from jitgrad.optim.scheduler import LRScheduler, set_option

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Combined(LRScheduler):
    """What both have in common: schedulers whose state is saved with their own."""

    _schedulers: list[LRScheduler]

    def _check(self, optimizer: Optimizer, schedulers: Sequence[Any]) -> None:
        name = type(self).__name__
        for place, each in enumerate(schedulers):
            kind = type(each).__name__
            if not hasattr(each, "optimizer"):
                raise TypeError(
                    f"{name} at index {place} should have `optimizer` as its attribute."
                )
            if isinstance(each, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires "
                    "additional kwargs to be specified when calling `step`, but got one at index "
                    f"{place} in the given schedulers sequence."
                )
            if each.optimizer is not optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got "
                    f"scheduler {kind} at index {place} has {each.optimizer}, which is different "
                    f"from {type(optimizer).__name__}."
                )

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, the schedulers as their state."""
        found = super().state_dict()
        found["_schedulers"] = [each.state_dict() for each in self._schedulers]
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        own = self._schedulers
        super().load_state_dict({**state_dict, "_schedulers": own})
        for each, state in zip(own, state_dict["_schedulers"]):
            each.load_state_dict(state)


class SequentialLR(_Combined):
    """Run schedulers one after the other, the next one from each milestone on.

    Args:
        optimizer: whose groups are changed.
        schedulers: the schedulers, all of this optimizer.
        milestones: the epochs at which the next one begins, one fewer than schedulers.

    Raises:
        ValueError: no scheduler, another number of milestones, a scheduler of another optimizer or
            one that needs a figure.

    Example:
        >>> import jitgrad as torch
        >>> schedulers = torch.optim.lr_scheduler
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
        >>> warmup = schedulers.ConstantLR(optimizer, factor=0.1, total_iters=2)
        >>> decay = schedulers.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = schedulers.SequentialLR(optimizer, [warmup, decay], milestones=[2])
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.1, 0.1, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if not schedulers:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        self._check(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than "
                f"the number of milestone points, but got number of schedulers {len(schedulers)} "
                f"and the number of milestones to be equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # all schedulers have made their first step; only that of the first one counts
        for group in optimizer.param_groups:
            set_option(group, "lr", group["initial_lr"])
        _undo(schedulers)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        self.last_epoch += 1
        place = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[place]
        if place and self._milestones[place - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo(schedulers: Sequence[LRScheduler]) -> None:
    for each in schedulers:
        if isinstance(each, _Combined):
            _undo(each._schedulers)
        else:
            each.last_epoch -= 1


class ChainedScheduler(_Combined):
    """Run several schedulers in every epoch, each on what the one before has made.

    Args:
        schedulers: the schedulers, all of one optimizer.
        optimizer: that optimizer.

    Raises:
        ValueError: no scheduler, one of another optimizer, or one that needs a figure.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if not schedulers:
            raise ValueError(
                "ChainedScheduler expects at least one scheduler to be chained, but got no "
                "scheduler."
            )
        optimizer = optimizer or schedulers[0].optimizer
        self._check(optimizer, schedulers)
        self._schedulers = list(schedulers)
        self.optimizer = optimizer
        self._last_lr = self._current()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        for each in self._schedulers:
            each.step()
        self._last_lr = self._current()
