"""What the updates of several optimizers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.ops.foreach import _foreach_add, _foreach_addcmul_, _foreach_mul_, _foreach_neg
from jitgrad.ops.joining import stack
from jitgrad.optim.checks import scalar_dtype
from jitgrad.tensor import Tensor

Tensors = Sequence[Tensor]
Scalar = Any
"""A number, or a tensor of no dimension: a learning rate, say."""


def number(value: float) -> Tensor:
    """Return a tensor of no dimension for a state dict: a counter of steps, say."""
    return wrap(np.asarray(value, scalar_dtype()))


def scalar(value: Any) -> Scalar:
    """Return an option of a group as list operations take it: a number or a 0-d tensor."""
    return value.reshape(()) if isinstance(value, Tensor) and value.ndim else value


def directions(
    params: Tensors, grads: Tensors, weight_decay: Scalar | None, maximize: bool
) -> Tensors:
    """Return the gradients of what is minimized: negated, and with that of the penalty.

    Args:
        weight_decay: the factor of the penalty |param|^2 / 2; None for no penalty.
    """
    if maximize:
        grads = _foreach_neg(grads)
    if weight_decay is not None:
        grads = _foreach_add(grads, params, alpha=weight_decay)
    return grads


def average_squares_(averages: Tensors, values: Tensors, decay: Scalar) -> None:
    """Let decaying averages of squares take up those of `values`."""
    _foreach_mul_(averages, decay)
    _foreach_addcmul_(averages, values, values, 1 - decay)


def of(states: Sequence[dict], name: str) -> list:
    """Return what each state holds under `name`."""
    return [state[name] for state in states]


def as_vector(numbers: Tensors) -> Tensor:
    """Return 0-d tensors as a vector in float64, in which counters and rates are computed.

    Together they take a few operations however many parameters there are, and none of them is
    read: a compiled step is the same however often it is taken.
    """
    return stack(numbers).double()
