"""RMSprop: steps over the root of the average squared gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import unless_zero
from jitgrad.ops.foreach import (
    _foreach_add,
    _foreach_add_,
    _foreach_addcdiv_,
    _foreach_addcmul,
    _foreach_lerp_,
    _foreach_mul_,
    _foreach_sqrt,
)
from jitgrad.optim.checks import check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, average_squares_, directions, number, of, scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["RMSprop"]


class RMSprop(ListOptimizer):
    """RMSprop: param -= lr * gradient / (root of the average squared gradient + eps).

    Source: Hinton, Neural Networks for Machine Learning, lecture 6, 2012; `centered`: Graves,
    Generating Sequences With Recurrent Neural Networks, 2013.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        alpha: the decay rate of the averages.
        eps: what is added to the root in the denominator.
        weight_decay: the factor of a penalty |param|^2 / 2.
        momentum: the part of a moving sum of steps that a step keeps.
        centered: divide by the root of the variance, the square of the average taken off.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.RMSprop([x], lr=0.01)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate("RMSprop", lr)
        check_not_negative("RMSprop", "epsilon value", eps)
        check_not_negative("RMSprop", "momentum value", momentum)
        check_not_negative("RMSprop", "weight_decay value", weight_decay)
        check_not_negative("RMSprop", "alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": number(0), "square_avg": zeros_like(param)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = zeros_like(param)
        return state

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        momentum = unless_zero(group["momentum"])
        rmsprop(
            params,
            grads,
            of(states, "square_avg"),
            of(states, "grad_avg") if group["centered"] else None,
            of(states, "momentum_buffer") if momentum is not None else None,
            of(states, "step"),
            lr=scalar(group["lr"]),
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            momentum=momentum,
            maximize=group["maximize"],
        )


def rmsprop(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    grad_avgs: Tensors | None,
    momentum_buffers: Tensors | None,
    steps: Tensors,
    *,
    lr: Scalar,
    alpha: float,
    eps: float,
    weight_decay: Scalar | None,
    momentum: float | None,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of RMSprop; what is None is left out."""
    _foreach_add_(steps, 1)
    grads = directions(params, grads, weight_decay, maximize)
    average_squares_(square_avgs, grads, alpha)
    squares = square_avgs
    if grad_avgs is not None:
        _foreach_lerp_(grad_avgs, grads, 1 - alpha)
        squares = _foreach_addcmul(square_avgs, grad_avgs, grad_avgs, -1)
    scales = _foreach_add(_foreach_sqrt(squares), eps)
    if momentum_buffers is None or momentum is None:
        _foreach_addcdiv_(params, grads, scales, -lr)
    else:
        _foreach_mul_(momentum_buffers, momentum)
        _foreach_addcdiv_(momentum_buffers, grads, scales)
        _foreach_add_(params, momentum_buffers, alpha=-lr)
