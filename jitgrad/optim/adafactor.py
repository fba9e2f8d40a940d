"""Adafactor: average squares of matrices kept as those of rows and of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.ops.create import zeros_like
from jitgrad.ops.each import each_value, unless_zero
from jitgrad.ops.foreach import (
    _foreach_add_,
    _foreach_div,
    _foreach_lerp_,
    _foreach_maximum,
    _foreach_mul,
    _foreach_mul_,
    _foreach_neg,
    _foreach_norm,
    _foreach_rsqrt,
    _foreach_sub_,
    each_above_noise,
    each_mean,
)
from jitgrad.ops.selection import minimum
from jitgrad.optim.checks import check_learning_rate
from jitgrad.optim.list_optimizer import ListOptimizer
from jitgrad.optim.shared import Scalar, Tensors, as_vector, number, of, scalar
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.optim.optimizer import Params

__all__ = ["Adafactor"]


class Adafactor(ListOptimizer):
    """Adafactor: like Adam without momentum, with memory for rows and columns only.

    Source: Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018.

    Args:
        params: the parameters, or groups of them.
        lr: the largest relative step size.
        beta2_decay: the power of the step with which the averages of squares slow down.
        eps: the smallest square (None: the resolution of the dtype), and the smallest size of a
            parameter for which steps shrink with it.
        d: steps are clipped to this root mean square.
        weight_decay: the rate at which parameters shrink.
        foreach: accepted as a hint.
        maximize: go uphill.

    Raises:
        ValueError: an argument on the wrong side of its bound.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.ones(2, 2, requires_grad=True)
        >>> optimizer = torch.optim.Adafactor([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x[0].detach()
        tensor([0.9000, 0.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor):
            check_learning_rate("Adafactor", lr)
        for label, holds, value in (
            ("Learning rate should be >= 0", lr >= 0.0, lr),
            ("beta2_decay should be <= 0", beta2_decay <= 0.0, beta2_decay),
            ("epsilon1 should be >= 0", eps[0] is None or eps[0] >= 0.0, eps[0]),
            ("epsilon2 should be >= 0", eps[1] >= 0.0, eps[1]),
            ("Clipping threshold d should be >= 1", d >= 1.0, d),
            ("weight_decay should be >= 0", weight_decay >= 0.0, weight_decay),
        ):
            if not holds:
                raise ValueError(f"Adafactor: {label} but is: {value}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _initial_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        if param.ndim < 2:
            return {"step": number(0), "variance": zeros_like(param)}
        return {
            "step": number(0),
            "row_var": param.new_zeros((*param.shape[:-1], 1)),
            "col_var": param.new_zeros((*param.shape[:-2], 1, param.shape[-1])),
        }

    def _update(self, group: dict[str, Any], params: Tensors, grads: Tensors) -> None:
        states = self._states(params, group)
        smallest_square, smallest_size = group["eps"]
        adafactor(
            params,
            grads,
            [state.get("row_var") for state in states],
            [state.get("col_var") for state in states],
            [state.get("variance") for state in states],
            of(states, "step"),
            lr=scalar(group["lr"]),
            beta2_decay=group["beta2_decay"],
            smallest_square=smallest_square,
            smallest_size=smallest_size,
            d=group["d"],
            weight_decay=unless_zero(group["weight_decay"]),
            maximize=group["maximize"],
        )


def _rms(tensors: Tensors) -> Tensors:
    """Return the root of the average square of each."""
    return _foreach_div(_foreach_norm(tensors), [each.numel() ** 0.5 for each in tensors])


def _picked(values: Sequence, places: list[int]) -> list:
    return [values[i] for i in places]


def adafactor(
    params: Tensors,
    grads: Tensors,
    row_vars: Sequence[Tensor | None],
    col_vars: Sequence[Tensor | None],
    variances: Sequence[Tensor | None],
    steps: Tensors,
    *,
    lr: Scalar,
    beta2_decay: float,
    smallest_square: float | None,
    smallest_size: float,
    d: float,
    weight_decay: Scalar | None,
    maximize: bool,
) -> None:
    """Update parameters and state by a step of Adafactor; None: no weight decay.

    A parameter has averages of rows and of columns, or a variance for each element.
    """
    _foreach_add_(steps, 1)
    if maximize:
        grads = _foreach_neg(grads)
    counts = as_vector(steps)
    sizes = _foreach_mul(
        _foreach_maximum(_rms(params), smallest_size),
        each_value(minimum(lr * counts.new_ones(()), 1 / counts.sqrt())),
    )
    if weight_decay is not None:
        _foreach_mul_(params, 1 - lr * weight_decay)

    weights = each_value(counts**beta2_decay)
    squares = _foreach_mul(grads, grads)
    estimates: list[Any] = [None for _ in params]
    matrices = [i for i, each in enumerate(row_vars) if each is not None]
    if matrices:
        rows, columns = _picked(row_vars, matrices), _picked(col_vars, matrices)
        own = _picked(weights, matrices)
        _foreach_lerp_(rows, each_mean(_picked(squares, matrices), -1), own)
        _foreach_lerp_(columns, each_mean(_picked(squares, matrices), -2), own)
        means = each_above_noise(each_mean(rows, -2), smallest_square)
        for i, made in zip(matrices, _foreach_div(_foreach_mul(rows, columns), means)):
            estimates[i] = made
    vectors = [i for i, each in enumerate(row_vars) if each is None]
    if vectors:
        own = _picked(variances, vectors)
        _foreach_lerp_(own, _picked(squares, vectors), _picked(weights, vectors))
        for i, made in zip(vectors, own):
            estimates[i] = made
    bounded = each_above_noise(estimates, smallest_square, squared=True)
    updates = _foreach_mul(_foreach_rsqrt(bounded), grads)
    clipping = _foreach_maximum(_foreach_div(_rms(updates), d), 1.0)
    _foreach_sub_(params, _foreach_mul(updates, _foreach_div(sizes, clipping)))
