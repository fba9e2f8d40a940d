"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import each_value, unless_zero
from jitgrad.ops.foreach import (
    _foreach_add,
    _foreach_add_,
    _foreach_addcdiv_,
    _foreach_div,
    _foreach_lerp_,
    _foreach_mul_,
    _foreach_sqrt,
)
from jitgrad.optim.checks import check_betas, check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import (
    Scalar,
    Tensors,
    as_vector,
    average_squares_,
    directions,
    number,
    of,
    scalar,
)
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["NAdam"]


class NAdam(ListOptimizer):
    """Adam whose average of gradients looks one step ahead, with a momentum that grows to beta1.

    Source: Dozat, Incorporating Nesterov Momentum into Adam, 2016.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: the decay rates of the averages of gradients and of squares.
        eps: what is added to the root in the denominator.
        weight_decay: the factor of a penalty |param|^2 / 2.
        momentum_decay: how fast the momentum grows.
        decoupled_weight_decay: shrink the parameters instead of adding a penalty.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument, a beta outside of [0, 1).

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.NAdam([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.8944, 1.8944], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate("NAdam", lr)
        check_not_negative("NAdam", "epsilon value", eps)
        check_betas("NAdam", betas)
        check_not_negative("NAdam", "weight_decay value", weight_decay)
        check_not_negative("NAdam", "momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": number(0),
            "mu_product": number(1),
            "exp_avg": zeros_like(param),
            "exp_avg_sq": zeros_like(param),
        }

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        beta1, beta2 = group["betas"]
        nadam(
            params,
            grads,
            of(states, "exp_avg"),
            of(states, "exp_avg_sq"),
            of(states, "mu_product"),
            of(states, "step"),
            lr=scalar(group["lr"]),
            beta1=scalar(beta1),
            beta2=scalar(beta2),
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            momentum_decay=group["momentum_decay"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )


def nadam(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    mu_products: Tensors,
    steps: Tensors,
    *,
    lr: Scalar,
    beta1: Scalar,
    beta2: Scalar,
    eps: float,
    weight_decay: Scalar | None,
    momentum_decay: float,
    decoupled_weight_decay: bool,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of NAdam; None: no weight decay."""
    _foreach_add_(steps, 1)
    if decoupled_weight_decay and weight_decay is not None:
        _foreach_mul_(params, 1 - lr * weight_decay)
        weight_decay = None
    grads = directions(params, grads, weight_decay, maximize)
    counts = as_vector(steps)
    momenta = beta1 * (1 - 0.5 * 0.96 ** (counts * momentum_decay))
    next_momenta = beta1 * (1 - 0.5 * 0.96 ** ((counts + 1) * momentum_decay))
    _foreach_mul_(mu_products, each_value(momenta))
    products = as_vector(mu_products)

    _foreach_lerp_(exp_avgs, grads, 1 - beta1)
    average_squares_(exp_avg_sqs, grads, beta2)
    corrected = _foreach_div(exp_avg_sqs, each_value(1 - beta2**counts))
    scales = _foreach_add(_foreach_sqrt(corrected), eps)
    of_gradient = -lr * (1 - momenta) / (1 - products)
    of_average = -lr * next_momenta / (1 - products * next_momenta)
    _foreach_addcdiv_(params, grads, scales, each_value(of_gradient))
    _foreach_addcdiv_(params, exp_avgs, scales, each_value(of_average))
