"""Adadelta: steps as large as recent steps, relative to recent gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import unless_zero
from jitgrad.ops.foreach import (
    _foreach_add,
    _foreach_add_,
    _foreach_div,
    _foreach_mul,
    _foreach_sqrt,
)
from jitgrad.optim.checks import check_learning_rate, check_not_negative
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, average_squares_, directions, number, of, scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["Adadelta"]


class Adadelta(ListOptimizer):
    """Adadelta: gradient * root of average squared steps / root of average squared gradients.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012.

    Args:
        params: the parameters, or groups of them.
        lr: a factor of the steps.
        rho: the decay rate of both averages.
        eps: what is added under the roots.
        weight_decay: the factor of a penalty |param|^2 / 2.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative argument, a rho outside of [0, 1].

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adadelta([x])
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.9968, 1.9968], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate("Adadelta", lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Adadelta: Invalid rho value: {rho}; it must be between 0 and 1")
        check_not_negative("Adadelta", "epsilon value", eps)
        check_not_negative("Adadelta", "weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": number(0), "square_avg": zeros_like(param), "acc_delta": zeros_like(param)}

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        adadelta(
            params,
            grads,
            of(states, "square_avg"),
            of(states, "acc_delta"),
            of(states, "step"),
            lr=scalar(group["lr"]),
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            maximize=group["maximize"],
        )


def adadelta(
    params: Tensors,
    grads: Tensors,
    square_avgs: Tensors,
    acc_deltas: Tensors,
    steps: Tensors,
    *,
    lr: Scalar,
    rho: float,
    eps: float,
    weight_decay: Scalar | None,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of Adadelta; None: no weight decay."""
    _foreach_add_(steps, 1)
    grads = directions(params, grads, weight_decay, maximize)
    average_squares_(square_avgs, grads, rho)
    roots = _foreach_sqrt(_foreach_add(square_avgs, eps))
    deltas = _foreach_div(_foreach_sqrt(_foreach_add(acc_deltas, eps)), roots)
    deltas = _foreach_mul(deltas, grads)
    average_squares_(acc_deltas, deltas, rho)
    _foreach_add_(params, deltas, alpha=-lr)
