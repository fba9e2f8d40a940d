"""Filling parameters before training. All functions write in place, without history."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.autograd import no_grad
from jitgrad.errors import describe
from jitgrad.ops.create import tensor as new_tensor
from jitgrad.ops.random import rand, randn

if TYPE_CHECKING:
    from jitgrad.ops.generator import Generator
    from jitgrad.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights are scaled for a nonlinearity behind them.

    Args:
        nonlinearity: the name of the function in `nn.functional`.
        param: for "leaky_relu" the negative slope (0.01).

    Raises:
        ValueError: another name, or a slope that is no number.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.init.calculate_gain("relu")
        1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: negative_slope {param} not a valid number")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        rule = f"Unsupported nonlinearity {nonlinearity}"
        remedy = f"use one of leaky_relu, {', '.join(_GAINS)}"
        raise ValueError(describe("calculate_gain", repr(nonlinearity), rule, remedy))
    return _GAINS[nonlinearity]


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill `tensor` with numbers drawn evenly from `a` to `b`; return it.

    Example:
        >>> import jitgrad as torch
        >>> weight = torch.nn.init.uniform_(torch.empty(3), 1.0, 2.0)
        >>> bool((weight >= 1).all() and (weight <= 2).all())
        True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill `tensor` with numbers drawn from the normal distribution; return it."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _normal_below(x: float) -> float:
    """Return the probability that a standard normal number is less than `x`."""
    return (1 + math.erf(x / math.sqrt(2))) / 2


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill `tensor` from the normal distribution, without what lies outside `a` to `b`.

    By the inverse of the distribution function. It works well where the mean is near the limits
    or between them, and warns otherwise.

    Example:
        >>> import jitgrad as torch
        >>> weight = torch.nn.init.trunc_normal_(torch.empty(100), std=10.0)
        >>> bool((weight.abs() <= 2).all())
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            stacklevel=2,
        )
    low, high = _normal_below((a - mean) / std), _normal_below((b - mean) / std)
    with no_grad():
        tensor.uniform_(2 * low - 1, 2 * high - 1, generator=generator).erfinv_()
        return tensor.mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill `tensor` with `val`; return it."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with ones; return it."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill `tensor` with zeros; return it."""
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity: ones on the diagonal, zeros elsewhere; return it.

    Raises:
        ValueError: not 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("eye_: Only tensors with 2 dimensions are supported")
    with no_grad():
        tensor.zero_().diagonal().fill_(1)
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make the weight of a convolution pass on as many channels as it can; return it.

    Shape: (out, in / groups, *kernel), of one to three dimensions of the kernel.

    Raises:
        ValueError: another number of dimensions; `groups` does not divide the output channels.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("dirac_: Only tensors with 3, 4, or 5 dimensions are supported")
    outputs, inputs, *kernel = tensor.shape
    if outputs % groups:
        raise ValueError("dirac_: dim 0 must be divisible by groups")
    center = tuple(size // 2 for size in kernel)
    with no_grad():
        tensor.zero_()
        for group in tensor.chunk(groups):
            for channel in range(min(outputs // groups, inputs)):
                group[(channel, channel, *center)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs an output has, and how many outputs an input has."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    outputs, inputs, *kernel = tensor.shape
    places = math.prod(kernel)
    return inputs * places, outputs * places


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    fans = {"fan_in": fan_in, "fan_out": fan_out}
    if mode.lower() not in fans:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(fans)}")
    return fans[mode.lower()]


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / sum(_calculate_fan_in_and_fan_out(tensor)))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill `tensor` evenly within +-gain sqrt(6 / (fan_in + fan_out)); return it.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks, 2010.

    Raises:
        ValueError: less than 2 dimensions.
    """
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill `tensor` normally with std gain sqrt(2 / (fan_in + fan_out)); return it.

    Raises:
        ValueError: less than 2 dimensions.
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    """Return gain / sqrt(fan), None for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill `tensor` evenly within +-gain sqrt(3 / fan); return it.

    Source: He and others, Delving deep into rectifiers, 2015.

    Args:
        tensor: the weight, (out, in, *kernel).
        a: the negative slope, for "leaky_relu".
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: see `calculate_gain`.
        generator: what draws the numbers.

    Raises:
        ValueError: less than 2 dimensions, or another mode.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill `tensor` normally with std gain / sqrt(fan), see `kaiming_uniform_`; return it.

    Raises:
        ValueError: less than 2 dimensions, or another mode.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def _within_fan_in_(weight: Tensor, bias: Tensor | None) -> None:
    """Fill a weight and its bias evenly within 1 / sqrt(fan_in), as linear modules begin."""
    # with this slope that is the bound
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = _calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        uniform_(bias, -bound, bound)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Make `tensor`, as a matrix of shape (size(0), -1), orthogonal times `gain`; return it.

    Its rows are orthonormal, or its columns where there are fewer of them: those of the QR
    decomposition of normal numbers, with signs that make the distribution even.
    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks, 2013.

    Raises:
        ValueError: less than 2 dimensions.

    Example:
        >>> import jitgrad as torch
        >>> weight = torch.nn.init.orthogonal_(torch.empty(2, 3))
        >>> torch.allclose(weight @ weight.t(), torch.eye(2), atol=1e-6)
        True
    """
    if tensor.ndim < 2:
        raise ValueError("orthogonal_: Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    normal = randn(rows, columns, generator=generator).double().numpy()
    q, r = np.linalg.qr(normal.T if rows < columns else normal)
    q = q * np.where(np.diagonal(r) < 0, -1, 1)
    with no_grad():
        made = new_tensor(q.T if rows < columns else q).view(tensor.shape)
        return tensor.copy_(made).mul_(gain)


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill a matrix normally, but for a part `sparsity` of each column: zeros; return it.

    Source: Martens, Deep learning via Hessian-free optimization, 2010.

    Raises:
        ValueError: not 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("sparse_: Only tensors with 2 dimensions are supported")
    zeros = math.ceil(sparsity * tensor.shape[0])
    normal_(tensor, 0.0, std, generator)
    with no_grad():
        ranks = rand(tensor.shape, generator=generator).argsort(0).argsort(0)
        return tensor.masked_fill_(ranks < zeros, 0)


def _before(function: Callable) -> Callable:
    """Return `function` as it was called before names of functions in place ended in "_"."""
    name = function.__name__.rstrip("_")

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    renamed.__name__ = renamed.__qualname__ = name
    return renamed


uniform = _before(uniform_)
normal = _before(normal_)
constant = _before(constant_)
eye = _before(eye_)
dirac = _before(dirac_)
xavier_uniform = _before(xavier_uniform_)
xavier_normal = _before(xavier_normal_)
kaiming_uniform = _before(kaiming_uniform_)
kaiming_normal = _before(kaiming_normal_)
orthogonal = _before(orthogonal_)
sparse = _before(sparse_)
