"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.each import unless_zero
from jitgrad.ops.foreach import _foreach_add, _foreach_add_, _foreach_clone, _foreach_mul_
from jitgrad.optim.checks import check_hints, check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, directions, scalar

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params
    from jitgrad.tensor import Tensor

__all__ = ["SGD"]


class SGD(ListOptimizer):
    """Stochastic gradient descent: param -= lr * gradient, or * a moving sum of gradients.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        momentum: the part of the moving sum that a step keeps.
        dampening: the part of the gradient that does not go into the sum.
        weight_decay: the factor of a penalty |param|^2 / 2.
        nesterov: look ahead: use gradient + momentum * sum.
        maximize: go uphill.
        foreach, fused: accepted as hints; all parameters of a group are updated together anyway.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument; `nesterov` without momentum or with dampening.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.SGD([x], lr=0.1, momentum=0.9)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (x * x).sum().backward()
        ...     optimizer.step()
        >>> x
        tensor([0.4600, 0.9200], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate("SGD", lr)
        check_not_negative("SGD", "momentum value", momentum)
        check_not_negative("SGD", "weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: Nesterov momentum requires a momentum and zero dampening")
        check_hints(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        momentum = unless_zero(group["momentum"])
        states = [] if momentum is None else self._states(params, group)
        buffers = [state.get("momentum_buffer") for state in states]
        sgd(
            params,
            grads,
            buffers,
            lr=scalar(group["lr"]),
            momentum=momentum,
            dampening=group["dampening"],
            weight_decay=unless_zero(scalar(group["weight_decay"])),
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
        for state, buffer in zip(states, buffers):
            state["momentum_buffer"] = buffer


def sgd(
    params: Tensors,
    grads: Tensors,
    momentum_buffers: list[Any],
    *,
    lr: Scalar,
    momentum: float | None,
    dampening: float,
    weight_decay: Scalar | None,
    nesterov: bool,
    maximize: bool,
) -> None:
    """Update `params` and `momentum_buffers` by a step of gradient descent; None: a new buffer.

    What is None is left out: a momentum, a weight decay.
    """
    grads = directions(params, grads, weight_decay, maximize)
    if momentum is not None:
        places = range(len(params))
        old = [i for i in places if momentum_buffers[i] is not None]
        new = [i for i in places if momentum_buffers[i] is None]
        if old:
            buffers = [momentum_buffers[i] for i in old]
            _foreach_mul_(buffers, momentum)
            _foreach_add_(buffers, [grads[i] for i in old], alpha=1 - dampening)
        if new:
            for i, made in zip(new, _foreach_clone([grads[i] for i in new])):
                momentum_buffers[i] = made
        if nesterov:
            grads = _foreach_add(grads, momentum_buffers, alpha=momentum)
        else:
            grads = momentum_buffers
    _foreach_add_(params, grads, alpha=-lr)
