"""Learning rates that rise and fall: in cycles, with restarts, or once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from jitgrad.errors import describe
from jitgrad.optim.optimizer import Optimizer
from jitgrad.optim.scheduler import (
    LRScheduler,
    check_optimizer,
    per_group,
    set_option,
    state_of,
)

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the learning rate fall to `eta_min` along a cosine, again and again.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.

    Args:
        optimizer: whose groups are changed.
        T_0: the epochs until the first restart.
        T_mult: each round takes so many times the epochs of the one before.
        eta_min: the lowest learning rate.
        last_epoch: the epoch after which to continue; -1 for the beginning.

    Raises:
        ValueError: `T_0` or `T_mult` is no positive integer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the learning rates at `T_cur` of the `T_i` epochs of this round."""
        self._warn_outside_step()
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to `epoch`, which may lie between two.

        Raises:
            ValueError: a negative epoch.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        else:
            self._find_round(epoch)
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr)

    def _find_round(self, epoch: float) -> None:
        self.T_i, self.T_cur = self.T_0, epoch
        if epoch < self.T_0:
            return
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
            return
        # rounds take T_0 * (1, m, m^2, ...) epochs: a geometric series
        before = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        self.T_cur = epoch - self.T_0 * (self.T_mult**before - 1) / (self.T_mult - 1)
        self.T_i = self.T_0 * self.T_mult**before


class MomentumScheduler(LRScheduler):
    """A scheduler that changes the momentum, too: "momentum", or the first of "betas"."""

    cycle_momentum: bool
    use_beta1: bool

    def _find_momentum(self, optimizer: Optimizer, cycle_momentum: bool) -> None:
        check_optimizer(optimizer)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError(
                    describe(
                        type(self).__name__,
                        f"an optimizer {type(optimizer).__name__} without momentum",
                        "optimizer must support momentum or beta1 with `cycle_momentum` option "
                        "enabled",
                        "pass cycle_momentum=False",
                    )
                )
            self.use_beta1 = "betas" in optimizer.defaults

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def _one(_: float) -> float:
    return 1.0


def _halved(cycle: float) -> float:
    return 1 / (2.0 ** (cycle - 1))


class CyclicLR(MomentumScheduler):
    """Let the learning rate rise from `base_lr` to `max_lr` and fall again, step by step.

    Call `step` after each batch.
    Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017.

    Args:
        optimizer: whose groups are changed.
        base_lr, max_lr: the lowest and the highest learning rate; a list has one for each group.
        step_size_up: steps of a rise.
        step_size_down: steps of a fall; by default as many.
        mode: "triangular", "triangular2" (each cycle half as high) or "exp_range" (lower by `gamma`
            with every step).
        scale_fn: a function of your own for the height, of the cycle or of the step.
        scale_mode: "cycle" or "iterations": what `scale_fn` gets.
        cycle_momentum: let the momentum fall while the learning rate rises.
        base_momentum, max_momentum: its bounds.
        last_epoch: the step after which to continue; -1 for the beginning.

    Raises:
        ValueError: an unknown `mode`, lists of another length, no momentum to cycle.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        lowest = per_group(optimizer, "base_lr", base_lr)
        self.max_lrs = per_group(optimizer, "max_lr", max_lr)
        rise = float(step_size_up)
        fall = rise if step_size_down is None else float(step_size_down)
        self.total_size = rise + fall
        self.step_ratio = rise / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: got mode {mode!r}; mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn or mode != "exp_range" else "iterations"
        self._find_momentum(optimizer, cycle_momentum)
        if cycle_momentum:
            self.base_momentums = per_group(optimizer, "base_momentum", base_momentum)
            self.max_momentums = per_group(optimizer, "max_momentum", max_momentum)
        if last_epoch == -1:
            for number, group in enumerate(optimizer.param_groups):
                set_option(group, "lr", lowest[number])
                if cycle_momentum:
                    self._set_momentum(group, self.max_momentums[number])
                    group["max_momentum"] = self.max_momentums[number]
                    group["base_momentum"] = self.base_momentums[number]
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lowest

    def scale_fn(self, x: float) -> float:
        """Return the height of cycle, or step, `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return self.gamma**x
        return (_one if self.mode == "triangular" else _halved)(x)

    def get_lr(self) -> list[Any]:
        """Return the learning rates of this step, and set the momenta."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1.0 + self.last_epoch / self.total_size - cycle
        if place <= self.step_ratio:
            part = place / self.step_ratio
        else:
            part = (place - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums
            ):
                self._set_momentum(group, high - (high - low) * part * height)
        return [
            low + (high - low) * part * height for low, high in zip(self.base_lrs, self.max_lrs)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and a function of the user's."""
        found = super().state_dict()
        custom = found.pop("_scale_fn_custom")
        found["_scale_fn_custom"] = None if custom is None else state_of(custom)
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        custom = self._scale_fn_custom
        super().load_state_dict({**state_dict, "_scale_fn_custom": custom})
        if state_dict["_scale_fn_custom"] is not None and custom is not None:
            custom.__dict__.update(state_dict["_scale_fn_custom"])


def along_cosine(start: Any, end: Any, part: float) -> Any:
    """Return what lies at `part` of the way along half a cosine."""
    return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def along_line(start: Any, end: Any, part: float) -> Any:
    """Return what lies at `part` of the way along a line."""
    return (end - start) * part + start


ANNEALING = {"cos": along_cosine, "linear": along_line}


def check_annealing(strategy: str) -> None:
    """Raise ValueError for a strategy that does not exist."""
    if strategy not in ANNEALING:
        raise ValueError(
            f"anneal_strategy must be one of 'cos' or 'linear', instead got {strategy}"
        )


class OneCycleLR(MomentumScheduler):
    """Let the learning rate rise to `max_lr` once, and fall far below where it began.

    Call `step` after each batch.
    Source: Smith and Topin, Super-Convergence, 2018.

    Args:
        optimizer: whose groups are changed.
        max_lr: the highest learning rate; a list has one for each group.
        total_steps: the steps of the whole cycle; or:
        epochs, steps_per_epoch: whose product they are.
        pct_start: the part of the cycle in which the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: let the momentum fall while the learning rate rises.
        base_momentum, max_momentum: its bounds.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first / final_div_factor.
        three_phase: fall to the first rate as long as the rise took, and then to the last.
        last_epoch: the step after which to continue; -1 for the beginning.

    Raises:
        ValueError: neither `total_steps` nor both others, an argument out of its range, no
            momentum to cycle; or, by `step`, more steps than the cycle has.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.total_steps = _count_steps(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        check_annealing(anneal_strategy)
        self._schedule_phases = self._phases(pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        highest = per_group(optimizer, "max_lr", max_lr)
        self._find_momentum(optimizer, cycle_momentum)
        if last_epoch == -1:
            low = per_group(optimizer, "base_momentum", base_momentum)
            high = per_group(optimizer, "max_momentum", max_momentum)
            for number, group in enumerate(optimizer.param_groups):
                group["initial_lr"] = highest[number] / div_factor
                group["max_lr"] = highest[number]
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    self._set_momentum(group, high[number])
                    group["max_momentum"], group["base_momentum"] = high[number], low[number]
        super().__init__(optimizer, last_epoch)

    def _phases(self, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
        names = ["initial_lr", "max_lr", "min_lr"]
        ends = [float(pct_start * self.total_steps) - 1, self.total_steps - 1]
        momenta = ["max_momentum", "base_momentum", "max_momentum"]
        if three_phase:
            names.insert(2, "initial_lr")
            ends.insert(1, float(2 * pct_start * self.total_steps) - 2)
            momenta.append("max_momentum")
        return [
            {
                "end_step": end,
                "start_lr": names[number],
                "end_lr": names[number + 1],
                "start_momentum": momenta[number],
                "end_momentum": momenta[number + 1],
            }
            for number, end in enumerate(ends)
        ]

    def get_lr(self) -> list[Any]:
        """Return the learning rates of this step, and set the momenta."""
        self._warn_outside_step()
        number = self.last_epoch
        if number > self.total_steps:
            raise ValueError(
                f"Tried to step {number} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        begin, phase = 0.0, self._schedule_phases[0]
        for following in self._schedule_phases[1:]:
            if number <= phase["end_step"]:
                break
            begin, phase = phase["end_step"], following
        part = (number - begin) / (phase["end_step"] - begin)
        between = ANNEALING[self._anneal_func_type]
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, between(*ends, part))
        return rates


def _count_steps(total: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total is not None:
        if total <= 0 or not isinstance(total, int):
            raise ValueError(f"Expected positive integer total_steps, but got {total}")
        return total
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
        if value <= 0 or not isinstance(value, int):
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return epochs * steps_per_epoch
