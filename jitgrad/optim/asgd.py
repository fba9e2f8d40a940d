"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import each_value, unless_zero
from jitgrad.ops.foreach import (
    _foreach_add_,
    _foreach_copy_,
    _foreach_lerp_,
    _foreach_mul,
    _foreach_mul_,
)
from jitgrad.optim.checks import check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, as_vector, directions, number, of, scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["ASGD"]


class ASGD(ListOptimizer):
    """Gradient descent with a falling rate; `state[param]["ax"]` is the average of a parameter.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate in the beginning.
        lambd: the rate at which parameters shrink; it also lets the learning rate fall.
        alpha: the power by which the learning rate falls.
        t0: the step after which averaging begins.
        weight_decay: the factor of a penalty |param|^2 / 2.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative learning rate or weight decay.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.ASGD([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate("ASGD", lr)
        check_not_negative("ASGD", "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": number(0),
            "eta": number(float(group["lr"])),
            "mu": number(1),
            "ax": zeros_like(param),
        }

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        asgd(
            params,
            grads,
            of(states, "ax"),
            of(states, "eta"),
            of(states, "mu"),
            of(states, "step"),
            lr=scalar(group["lr"]),
            lambd=group["lambd"],
            alpha=group["alpha"],
            t0=group["t0"],
            weight_decay=unless_zero(group["weight_decay"]),
            maximize=group["maximize"],
        )


def asgd(
    params: Tensors,
    grads: Tensors,
    averages: Tensors,
    etas: Tensors,
    mus: Tensors,
    steps: Tensors,
    *,
    lr: Scalar,
    lambd: float,
    alpha: float,
    t0: float,
    weight_decay: Scalar | None,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of averaged descent; None: no weight decay."""
    _foreach_add_(steps, 1)
    grads = directions(params, grads, weight_decay, maximize)
    rates = as_vector(etas)
    _foreach_mul_(params, each_value(1 - lambd * rates))
    _foreach_add_(params, _foreach_mul(grads, each_value(-rates)))
    # with a weight of 1, before averaging begins, this copies exactly
    _foreach_lerp_(averages, params, each_value(as_vector(mus)))
    counts = as_vector(steps)
    _foreach_copy_(etas, each_value(lr / (1 + lambd * lr * counts) ** alpha))
    _foreach_copy_(mus, each_value(1 / (counts - t0).clamp(min=1)))
