"""RAdam: Adam that trusts the average of squares only once it rests on enough steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import each_value, unless_zero
from jitgrad.ops.foreach import (
    _foreach_add,
    _foreach_add_,
    _foreach_addcmul_,
    _foreach_lerp_,
    _foreach_mul,
    _foreach_mul_,
    _foreach_reciprocal,
    _foreach_sqrt,
)
from jitgrad.ops.selection import where
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

__all__ = ["RAdam"]


class RAdam(ListOptimizer):
    """Adam with a factor for the variance of its adaptive rate, and without that rate at first.

    Source: Liu and others, On the Variance of the Adaptive Learning Rate and Beyond, 2020.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: the decay rates of the averages of gradients and of squares.
        eps: what is added to the root in the denominator.
        weight_decay: the factor of a penalty |param|^2 / 2.
        decoupled_weight_decay: shrink the parameters instead of adding a penalty.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument, a beta outside of [0, 1).

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.RAdam([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate("RAdam", lr)
        check_not_negative("RAdam", "epsilon value", eps)
        check_betas("RAdam", betas)
        check_not_negative("RAdam", "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": number(0), "exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        beta1, beta2 = group["betas"]
        radam(
            params,
            grads,
            of(states, "exp_avg"),
            of(states, "exp_avg_sq"),
            of(states, "step"),
            lr=scalar(group["lr"]),
            beta1=scalar(beta1),
            beta2=scalar(beta2),
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            decoupled_weight_decay=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )


def radam(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    steps: Tensors,
    *,
    lr: Scalar,
    beta1: Scalar,
    beta2: Scalar,
    eps: float,
    weight_decay: Scalar | None,
    decoupled_weight_decay: bool,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of RAdam; None: no weight decay."""
    _foreach_add_(steps, 1)
    if decoupled_weight_decay and weight_decay is not None:
        _foreach_mul_(params, 1 - lr * weight_decay)
        weight_decay = None
    grads = directions(params, grads, weight_decay, maximize)
    _foreach_lerp_(exp_avgs, grads, 1 - beta1)
    average_squares_(exp_avg_sqs, grads, beta2)

    counts = as_vector(steps)
    correction = 1 - beta2**counts
    # of a tensor: dividing numbers could raise, and a trace would end before it
    longest = 2 / (1 - beta2 * counts.new_ones(())) - 1
    length = longest - 2 * counts * beta2**counts / correction
    variance = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    # both kinds of steps for every parameter, one of them times 0: no value is looked at
    is_long = length > 5
    adaptive = where(is_long, (variance * correction).sqrt(), 0)
    plain = where(is_long, 0.0, 1.0)
    scales = _foreach_reciprocal(_foreach_add(_foreach_sqrt(exp_avg_sqs), eps))
    scales = _foreach_add(_foreach_mul(scales, each_value(adaptive)), each_value(plain))
    rates = -lr / (1 - beta1**counts)
    _foreach_addcmul_(params, exp_avgs, scales, each_value(rates))
