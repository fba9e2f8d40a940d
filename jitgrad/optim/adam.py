"""Adam, and AdamW: steps by moving averages of gradients and of their squares."""

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
    _foreach_maximum_,
    _foreach_mul_,
    _foreach_sqrt,
)
from jitgrad.optim.checks import (
    check_betas,
    check_hints,
    check_learning_rate,
    check_not_negative,
)
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

__all__ = ["Adam", "AdamW"]


class Adam(ListOptimizer):
    """Adam: steps by the average gradient over the root of the average squared gradient.

    Both averages decay exponentially, and are corrected for beginning at 0.
    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015; `amsgrad`: Reddi, Kale
    and Kumar, On the Convergence of Adam and Beyond, 2018.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: the decay rates of the averages of gradients and of squares.
        eps: what is added to the root in the denominator.
        weight_decay: the factor of a penalty |param|^2 / 2.
        amsgrad: divide by the largest average of squares so far.
        maximize: go uphill.
        foreach, fused, capturable: accepted as hints.
        differentiable: record history through the step.
        decoupled_weight_decay: shrink the parameters instead, as AdamW.

    Raises:
        ValueError: a negative argument, a beta outside of [0, 1).

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.Adam([x], lr=0.1)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (x * x).sum().backward()
        ...     optimizer.step()
        >>> x
        tensor([0.8004, 1.8002], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        _check_tensor_options(name, lr, betas, foreach and not capturable)
        check_learning_rate(name, lr)
        check_not_negative(name, "epsilon value", eps)
        check_betas(name, betas)
        check_not_negative(name, "weight_decay value", weight_decay)
        check_hints(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {
            "step": number(0),
            "exp_avg": zeros_like(param),
            "exp_avg_sq": zeros_like(param),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(param)
        return state

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        beta1, beta2 = group["betas"]
        adam(
            params,
            grads,
            of(states, "exp_avg"),
            of(states, "exp_avg_sq"),
            of(states, "max_exp_avg_sq") if group["amsgrad"] else None,
            of(states, "step"),
            lr=scalar(group["lr"]),
            beta1=scalar(beta1),
            beta2=scalar(beta2),
            eps=group["eps"],
            weight_decay=unless_zero(group["weight_decay"]),
            decoupled_weight_decay=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: param *= 1 - lr * weight_decay before each step.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019.

    Args:
        params, lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused:
            as for `Adam`.
        weight_decay: the rate at which parameters shrink.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = torch.optim.AdamW([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.8990, 1.8980], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            # what an older version, or Adam, wrote
            group["decoupled_weight_decay"] = True


def _check_tensor_options(name: str, lr: Any, betas: tuple, numbers_only: Any) -> None:
    """Raise ValueError for tensors where PyTorch takes numbers only."""
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError(f"{name}: betas must be either both floats or both Tensors")
    for argument, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
        if isinstance(value, Tensor) and numbers_only:
            raise ValueError(
                f"{name}: {argument} as a Tensor is not supported for capturable=False and "
                "foreach=True"
            )


def adam(
    params: Tensors,
    grads: Tensors,
    exp_avgs: Tensors,
    exp_avg_sqs: Tensors,
    max_exp_avg_sqs: Tensors | None,
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
    """Update parameters and state by a step of Adam; what is None is left out."""
    _foreach_add_(steps, 1)
    if decoupled_weight_decay and weight_decay is not None:
        _foreach_mul_(params, 1 - lr * weight_decay)
        weight_decay = None
    grads = directions(params, grads, weight_decay, maximize)
    _foreach_lerp_(exp_avgs, grads, 1 - beta1)
    average_squares_(exp_avg_sqs, grads, beta2)
    squares = exp_avg_sqs
    if max_exp_avg_sqs is not None:
        squares = _foreach_maximum_(max_exp_avg_sqs, exp_avg_sqs)
    counts = as_vector(steps)
    roots = (1 - beta2**counts).sqrt()
    scales = _foreach_add(_foreach_div(_foreach_sqrt(squares), each_value(roots)), eps)
    _foreach_addcdiv_(params, exp_avgs, scales, each_value(-lr / (1 - beta1**counts)))
