"""How far numbers and probabilities are from what they should be, element by element."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.activation import logsigmoid
from jitgrad.ops.blending import xlogy
from jitgrad.ops.reduction import (
    check_weight,
    chosen_reduction,
    reduced,
    reduced_with,
    warn_of_sizes,
)
from jitgrad.ops.selection import where
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]

# The arguments size_average and reduce, from PyTorch's past, choose the reduction with a warning.


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the squares of input - target: their mean, their sum, or ("none") as they are.

    Args:
        weight: how often each element counts.

    Raises:
        ValueError: another `reduction`, or a `weight` of another shape.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
        tensor(2.)
    """
    reduction = chosen_reduction("mse_loss", reduction, size_average, reduce)
    warn_of_sizes("mse_loss", input, target)
    check_weight("mse_loss", input, weight)
    apart = input - target
    return reduced_with(apart * apart, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the absolute values of input - target: their mean, sum, or ("none") as they are.

    Args:
        weight: how often each element counts.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
        tensor(1.)
    """
    reduction = chosen_reduction("l1_loss", reduction, size_average, reduce)
    warn_of_sizes("l1_loss", input, target)
    check_weight("l1_loss", input, weight)
    return reduced_with((input - target).abs(), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Return the distance, squared (over 2 beta) below `beta`, less half of `beta` above.

    Raises:
        RuntimeError: `beta` is negative.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
        tensor(1.5000)
    """
    if beta < 0:
        rule = "smooth_l1_loss does not support negative values for beta"
        raise RuntimeError(describe("smooth_l1_loss", f"beta={beta}", rule))
    reduction = chosen_reduction("smooth_l1_loss", reduction, size_average, reduce)
    warn_of_sizes("smooth_l1_loss", input, target)
    far = (input - target).abs()
    if beta:
        far = where(far < beta, far * far * 0.5 / beta, far - beta * 0.5)
    return reduced(far, reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Return half the square of the distance below `delta`, a straight line above.

    Args:
        weight: how often each element counts.

    Raises:
        RuntimeError: `delta` is not positive.
    """
    if delta <= 0:
        rule = "huber_loss does not support non-positive values for delta"
        raise RuntimeError(describe("huber_loss", f"delta={delta}", rule))
    reduction = chosen_reduction("huber_loss", reduction)
    warn_of_sizes("huber_loss", input, target)
    check_weight("huber_loss", input, weight)
    far = (input - target).abs()
    loss = where(far <= delta, far * far * 0.5, (far - delta * 0.5) * delta)
    # unlike the other losses, as in PyTorch, a mean over the number of elements
    return reduced(loss if weight is None else loss * weight, reduction)


LEAST = float(np.float32(1e-12))
"""What PyTorch divides by at least, a float32 number."""


def _bce(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    low = np.asarray(-100, x.dtype)
    if not np.logical_and(x >= 0, x <= 1).all():
        raise RuntimeError(
            "binary_cross_entropy: all elements of input should be between 0 and 1; "
            "apply a sigmoid, or use binary_cross_entropy_with_logits"
        )
    return -(t * np.maximum(np.log(x), low) + (1 - t) * np.maximum(np.log1p(-x), low))


BCE = Primitive(
    "binary_cross_entropy",
    Kind.ELEMENTWISE,
    _bce,
    (
        lambda g, _out, x, t: g * (x - t) / ((1 - x) * x).clamp(min=LEAST),
        lambda g, _out, x, _t: g * ((-x).log1p().clamp(min=-100) - x.log().clamp(min=-100)),
    ),
    scalar="-({1} * maximum(log({0}), -100.0) + (1.0 - {1}) * maximum(log1p(-{0}), -100.0))",
    result=Result.FLOAT,
    raises_on_data=True,
)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return -(target * log(input) + (1 - target) * log(1 - input)), logarithms at least -100.

    Args:
        weight: a factor for each element, broadcast.

    Raises:
        ValueError: the shapes differ.
        RuntimeError: `input` holds what is no probability.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
        tensor(0.6931)
    """
    reduction = chosen_reduction("binary_cross_entropy", reduction, size_average, reduce)
    if input._array.shape != target._array.shape:
        raise ValueError(
            describe(
                "binary_cross_entropy",
                f"target size {target._array.shape}, input size {input._array.shape}",
                "Using a target size that is different to the input size is deprecated",
                "make them the same size",
            )
        )
    loss = bind(BCE, input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the binary cross-entropy of sigmoid(input), precise for large elements.

    Args:
        weight: a factor for each element, broadcast.
        pos_weight: what positive targets count for.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import jitgrad as torch
        >>> f = torch.nn.functional.binary_cross_entropy_with_logits
        >>> f(torch.tensor([-200.0]), torch.tensor([1.0]))
        tensor(200.)
    """
    name = "binary_cross_entropy_with_logits"
    reduction = chosen_reduction(name, reduction, size_average, reduce)
    if input._array.shape != target._array.shape:
        raise ValueError(
            f"{name}: Target size ({tuple(target._array.shape)}) must be the same as input size "
            f"({tuple(input._array.shape)})"
        )
    logarithm = logsigmoid(input)
    if pos_weight is not None:
        logarithm = logarithm * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - logarithm
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return target * (log(target) - input), the divergence from probabilities exp(input).

    Args:
        reduction: "batchmean" (the sum over the first size, the divergence's definition),
            "mean", "sum" or "none".
        log_target: `target` holds logarithms.
    """
    by_batch = reduction == "batchmean" and size_average is None and reduce is None
    how = "sum" if by_batch else chosen_reduction("kl_div", reduction, size_average, reduce)
    if how == reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss of kl_div by both the batch size and the "
            "support size. 'batchmean' divides only by the batch size, and aligns with the KL "
            "div math definition. 'mean' will be changed to behave the same as 'batchmean' in "
            "the next major release.",
            stacklevel=2,
        )
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = xlogy(target, target) - target * input
    total = reduced(loss, how)
    return total / input._array.shape[0] if by_batch and input._array.ndim else total


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the logarithm of what `target` is worth in Poisson distributions of rate input.

    Args:
        log_input: `input` holds logarithms of rates.
        full: add Stirling's approximation of log(target!), for targets above 1.
        eps: what is added to rates before their logarithm is taken.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0.0]), torch.tensor([3.0]))
        tensor(1.)
    """
    reduction = chosen_reduction("poisson_nll_loss", reduction, size_average, reduce)
    if log_input:
        loss = input.exp() - target * input
    else:
        loss = input - target * (input + eps).log()
    if full:
        counted = where(target > 1, target, 1)
        stirling = counted * counted.log() - counted + (counted * (2 * math.pi)).log() * 0.5
        loss = loss + where(target > 1, stirling, 0)
    return reduced(loss, reduction)


def _floored(variance: np.ndarray, least: float) -> np.ndarray:
    if (variance < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    return np.maximum(variance, variance.dtype.type(least))


VARIANCE_FLOOR = Primitive(
    "variance_floor",
    Kind.OPAQUE,
    _floored,
    (lambda g, _out, _x, _least: g, None),
    raises_on_data=True,
)
"""The larger of the input and a number; the gradient does not notice, as in PyTorch."""


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the logarithm of the density of `target`, normal with mean `input`.

    Shapes: `var` has the shape of `input`, lacks its last dimension, or has one of size 1.

    Args:
        var: the variances, a tensor or a number.
        full: add the constant log(2 pi) / 2.
        eps: variances count as at least this.

    Raises:
        ValueError: a negative variance, or a shape that does not fit.

    Example:
        >>> import jitgrad as torch
        >>> mean, target = torch.tensor([0.0]), torch.tensor([2.0])
        >>> torch.nn.functional.gaussian_nll_loss(mean, target, torch.tensor([1.0]))
        tensor(2.)
    """
    reduction = chosen_reduction("gaussian_nll_loss", reduction)
    shape = input._array.shape
    variance: Any = var
    if not isinstance(var, TensorCore):
        if var < 0:
            rule = "var has negative entry/entries"
            raise ValueError(describe("gaussian_nll_loss", f"var={var}", rule))
        variance = input.detach() * 0 + var
    if variance._array.shape != shape:
        given = variance._array.shape
        if given == shape[:-1]:
            variance = variance.unsqueeze(-1)
        elif len(given) != len(shape) or [b for a, b in zip(shape, given) if a != b] != [1]:
            rule = "var is of incorrect size"
            raise ValueError(describe("gaussian_nll_loss", f"var of shape {given}", rule))
    variance = bind(VARIANCE_FLOOR, variance, eps)
    apart = input - target
    loss = (variance.log() + apart * apart / variance) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
