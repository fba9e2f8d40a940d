"""Rprop: step sizes of their own for all elements, grown and shrunk by signs of gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import full_like, zeros_like
from jitgrad.ops.foreach import (
    _foreach_add_,
    _foreach_addcmul_,
    _foreach_copy_,
    _foreach_maximum_,
    _foreach_minimum_,
    _foreach_mul,
    _foreach_neg,
    _foreach_sign,
    each_greater,
    each_less,
    each_where,
)
from jitgrad.optim.checks import check_learning_rate
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Tensors, number, of
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["Rprop"]


class Rprop(ListOptimizer):
    """Resilient backpropagation: steps against the sign of the gradient.

    The step size of an element grows while its gradient keeps its sign, and shrinks where that
    changes; there no step is taken. For whole batches of data.
    Source: Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning: The
    RPROP Algorithm, 1993.

    Args:
        params: the parameters, or groups of them.
        lr: the step size in the beginning.
        etas: the factors by which step sizes shrink and grow.
        step_sizes: the smallest and the largest step size.
        maximize: go uphill.
        foreach, capturable: accepted as hints.
        differentiable: record history through the step.

    Raises:
        ValueError: a negative learning rate, etas not on both sides of 1.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.Rprop([x], lr=0.1)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (x * x).sum().backward()
        ...     optimizer.step()
        >>> x
        tensor([0.7800, 1.7800], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate("Rprop", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(
                f"Rprop: Invalid eta values: {etas[0]}, {etas[1]}; the first must be between 0 "
                "and 1, the second more than 1"
            )
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": number(0),
            "prev": zeros_like(param),
            "step_size": full_like(param, float(group["lr"])),
        }

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        rprop(
            params,
            grads,
            of(states, "prev"),
            of(states, "step_size"),
            of(states, "step"),
            etas=group["etas"],
            step_sizes=group["step_sizes"],
            maximize=group["maximize"],
        )


def rprop(
    params: Tensors,
    grads: Tensors,
    previous: Tensors,
    own_sizes: Tensors,
    steps: Tensors,
    *,
    etas: tuple[float, float],
    step_sizes: tuple[float, float],
    maximize: bool,
) -> None:
    """Update parameters and state by a step of Rprop."""
    _foreach_add_(steps, 1)
    if maximize:
        grads = _foreach_neg(grads)
    agreement = _foreach_mul(grads, previous)
    turned = each_less(agreement, 0)
    grown = each_greater(agreement, 0)
    shrinking, growing = etas
    larger = each_where(grown, _foreach_mul(own_sizes, growing), own_sizes)
    smaller = _foreach_mul(own_sizes, shrinking)
    _foreach_copy_(own_sizes, each_where(turned, smaller, larger))
    smallest, largest = step_sizes
    _foreach_maximum_(own_sizes, smallest)
    _foreach_minimum_(own_sizes, largest)
    # an element whose gradient has turned stays, and forgets its gradient
    grads = each_where(turned, 0.0, grads)
    _foreach_addcmul_(params, _foreach_sign(grads), own_sizes, -1)
    _foreach_copy_(previous, grads)
