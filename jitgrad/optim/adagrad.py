"""Adagrad: steps over the root of the sum of all squared gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import full_like
from jitgrad.ops.each import each_value, unless_zero
from jitgrad.ops.foreach import (
    _foreach_add,
    _foreach_add_,
    _foreach_addcdiv_,
    _foreach_addcmul_,
    _foreach_sqrt,
)
from jitgrad.optim.checks import check_hints, check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, as_vector, directions, number, of, scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["Adagrad"]


class Adagrad(ListOptimizer):
    """Adagrad: param -= lr * gradient / (sqrt(sum of squared gradients) + eps).

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization, 2011.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        lr_decay: the rate is divided by 1 + lr_decay * steps before.
        weight_decay: the factor of a penalty |param|^2 / 2.
        initial_accumulator_value: where the sum begins.
        eps: what is added to the root in the denominator.
        maximize: go uphill.
        foreach, fused: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adagrad([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate("Adagrad", lr)
        check_not_negative("Adagrad", "lr_decay value", lr_decay)
        check_not_negative("Adagrad", "weight_decay value", weight_decay)
        check_not_negative("Adagrad", "initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("Adagrad", "epsilon value", eps)
        check_hints(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        # as in PyTorch, the sums are there before the first step
        group = self.param_groups[-1]
        for each in group["params"]:
            self.state[each] = self._initial_state(each, group)

    def share_memory(self) -> None:
        """Do nothing: there are no processes that share memory."""

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        start = group["initial_accumulator_value"]
        return {"step": number(0), "sum": full_like(param, start)}

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        adagrad(
            params,
            grads,
            of(states, "sum"),
            of(states, "step"),
            lr=scalar(group["lr"]),
            lr_decay=group["lr_decay"],
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            maximize=group["maximize"],
        )


def adagrad(
    params: Tensors,
    grads: Tensors,
    sums: Tensors,
    steps: Tensors,
    *,
    lr: Scalar,
    lr_decay: float,
    eps: float,
    weight_decay: Scalar | None,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of Adagrad; None: no weight decay."""
    _foreach_add_(steps, 1)
    grads = directions(params, grads, weight_decay, maximize)
    _foreach_addcmul_(sums, grads, grads)
    rates = -lr / (1 + (as_vector(steps) - 1) * lr_decay)
    _foreach_addcdiv_(params, grads, _foreach_add(_foreach_sqrt(sums), eps), each_value(rates))
