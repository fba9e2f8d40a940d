"""Keeping gradients small."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from jitgrad.autograd import no_grad
from jitgrad.modes import state
from jitgrad.ops.create import tensor
from jitgrad.ops.foreach import (
    _foreach_clamp_max_,
    _foreach_clamp_min_,
    _foreach_mul_,
    _foreach_norm,
)
from jitgrad.ops.joining import stack
from jitgrad.ops.norms import vector_norm
from jitgrad.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _gradient(parameter: Tensor) -> Tensor | None:
    # a trace depends on what is found there
    recorder = state.recorder
    return parameter.grad if recorder is None else recorder.read_grad(parameter)


def _gradients(parameters: Any) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not given:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    return [each for each in map(_gradient, given) if each is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of all elements of `tensors`, as if they were one vector.

    Args:
        tensors: for example gradients.
        norm_type: which norm; `float("inf")` for the largest element.
        error_if_nonfinite: raise where it is infinite or no number.
        foreach: how PyTorch computes; it makes no difference here.

    Raises:
        RuntimeError: the norm is not finite, if `error_if_nonfinite`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
        tensor(5.)
    """
    every = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not every:
        return tensor(0.0)
    total = vector_norm(stack(list(_foreach_norm(every, norm_type))), float(norm_type))
    if error_if_nonfinite and not total.isfinite().item():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale the gradients of `parameters`, whose norm is `total_norm`, to `max_norm` at most."""
    gradients = _gradients(parameters)
    if gradients:
        # without a branch, so that nobody has to wait for the norm
        limit = max_norm if isinstance(max_norm, float) else float(max_norm)
        factor = (limit / (total_norm + 1e-6)).clamp(max=1.0)
        _foreach_mul_(gradients, factor)


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of `parameters` in place so that their norm is `max_norm` at most.

    The norm is that of all gradients together, as if they were one vector.

    Args:
        parameters: one tensor or several; those without a gradient do not count.
        max_norm: the largest norm there may be.
        norm_type: which norm; `float("inf")` for the largest element.
        error_if_nonfinite: raise where the norm is infinite or no number, changing nothing.
        foreach: how PyTorch computes; it makes no difference here.

    Returns:
        The norm before.

    Raises:
        RuntimeError: the norm is not finite, if `error_if_nonfinite`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
        >>> x.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grad_norm_(x, 1.0), x.grad
        (tensor(5.), tensor([0.6000, 0.8000]))
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite, foreach)
    if given:
        clip_grads_with_norm_(given, max_norm, total, foreach)
    return total


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Move the elements of the gradients of `parameters` into +-`clip_value`, in place.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
        >>> x.grad = torch.tensor([0.5, -4.0])
        >>> torch.nn.utils.clip_grad_value_(x, 1.0)
        >>> x.grad
        tensor([ 0.5000, -1.0000])
    """
    gradients = _gradients(parameters)
    if gradients:
        _foreach_clamp_min_(gradients, -float(clip_value))
        _foreach_clamp_max_(gradients, float(clip_value))
