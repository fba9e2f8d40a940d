"""Adamax: Adam with the largest gradient in place of the root of average squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import each_value, unless_zero
from jitgrad.ops.foreach import (
    _foreach_abs,
    _foreach_add,
    _foreach_add_,
    _foreach_addcdiv_,
    _foreach_lerp_,
    _foreach_maximum_,
    _foreach_mul_,
)
from jitgrad.optim.checks import check_betas, check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, as_vector, directions, number, of, scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["Adamax"]


class Adamax(ListOptimizer):
    """Adam that divides by a decaying maximum of the gradients' magnitude.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, section 7.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: the decay rates of the average gradient and of the maximum.
        eps: what is added to magnitudes.
        weight_decay: the factor of a penalty |param|^2 / 2.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument, a beta outside of [0, 1).

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adamax([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate("Adamax", lr)
        check_not_negative("Adamax", "epsilon value", eps)
        check_betas("Adamax", betas)
        check_not_negative("Adamax", "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": number(0), "exp_avg": zeros_like(param), "exp_inf": zeros_like(param)}

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        beta1, beta2 = group["betas"]
        adamax(
            params,
            grads,
            of(states, "exp_avg"),
            of(states, "exp_inf"),
            of(states, "step"),
            lr=scalar(group["lr"]),
            beta1=scalar(beta1),
            beta2=scalar(beta2),
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            maximize=group["maximize"],
        )


def adamax(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_infs: Tensors,
    steps: Tensors,
    *,
    lr: Scalar,
    beta1: Scalar,
    beta2: Scalar,
    eps: float,
    weight_decay: Scalar | None,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of Adamax; None: no weight decay."""
    _foreach_add_(steps, 1)
    grads = directions(params, grads, weight_decay, maximize)
    _foreach_lerp_(exp_avgs, grads, 1 - beta1)
    _foreach_mul_(exp_infs, beta2)
    _foreach_maximum_(exp_infs, _foreach_add(_foreach_abs(grads), eps))
    rates = -lr / (1 - beta1 ** as_vector(steps))
    _foreach_addcdiv_(params, exp_avgs, exp_infs, each_value(rates))
