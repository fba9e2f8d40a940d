"""Nonlinear functions of neural networks, element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.inplace import bind_inplace
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.selection import where
from jitgrad.ops.special_values import in_float32
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "celu",
    "relu",
    "relu_",
    "selu",
    "sigmoid",
    "sigmoid_",
]


SQRT_HALF = 0.7071067811865476


def _refuse_bool(_name: str, _inputs: tuple, promoted: np.dtype) -> None:
    if promoted.kind == "b":
        raise RuntimeError("relu: Boolean inputs not supported for relu; convert with .float()")


RELU = Primitive(
    "relu",
    Kind.ELEMENTWISE,
    lambda x: np.maximum(x, 0),
    (lambda g, out, _x: where(out <= 0, 0, g),),
    scalar="maximum({0}, 0)",
    result=Result.PROMOTE,
    check=_refuse_bool,
)


def relu(input: Tensor) -> Tensor:
    """Return the larger of each element and 0; NaN stays.

    Gradient: 1 for positive elements, else 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.relu(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return bind(RELU, input)


def relu_(input: Tensor) -> Tensor:
    """Compute `relu` in place."""
    return bind_inplace(RELU, input)


SIGMOID = Primitive(
    "sigmoid",
    Kind.ELEMENTWISE,
    in_float32(lambda x: 1 / (1 + np.exp(-x))),
    (lambda g, out, _x: g * ((1 - out) * out),),
    scalar="sigmoid({0})",
    result=Result.FLOAT,
)


def sigmoid(input: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-input)); integers give the default floating-point dtype.

    Gradient: output * (1 - output).

    Example:
        >>> import jitgrad as torch
        >>> torch.sigmoid(torch.tensor([0.0, 100.0]))
        tensor([0.5000, 1.0000])
    """
    return bind(SIGMOID, input)


def sigmoid_(input: Tensor) -> Tensor:
    """Compute `sigmoid` in place."""
    return bind_inplace(SIGMOID, input)


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return np.where(scaled > threshold, x, np.log1p(np.exp(scaled)) / beta)


SOFTPLUS = Primitive(
    "softplus",
    Kind.ELEMENTWISE,
    in_float32(_softplus),
    (
        lambda g, _out, x, beta, threshold: where(
            x * beta > threshold, g, g * (x * beta).sigmoid()
        ),
        None,
        None,
    ),
    scalar="where({0} * {1} > {2}, {0}, log1p(exp({0} * {1})) / {1})",
    result=Result.PROMOTE,
)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta * input)) / beta, and `input` itself where beta * input > threshold.

    Gradient: sigmoid(beta * input), 1 above the threshold.
    """
    check_tensor("softplus", "input", input)
    refuse_integers("softplus", (input,), input._array.dtype)
    return bind(SOFTPLUS, input, beta, threshold)


# -- composites: float16 is computed in float32, as by PyTorch ----------------------------------


def _wide(operation: str, input: Tensor) -> Tensor:
    """Return `input` in the precision to compute in; NotImplementedError for integers."""
    check_tensor(operation, "input", input)
    dtype = input._array.dtype
    refuse_integers(operation, (input,), dtype)
    return input.float() if dtype == np.float16 else input


def silu(input: Tensor) -> Tensor:
    """Return input * sigmoid(input), also known as swish."""
    x = _wide("silu", input)
    return (x * x.sigmoid()).type_as(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return input times the normal distribution's cumulative function.

    Args:
        approximate: "none", with erf; "tanh", 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for twice
            the cumulative function (Hendrycks and Gimpel, 2016).

    Raises:
        RuntimeError: another `approximate`.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            f"gelu: approximate argument must be either none or tanh, not {approximate!r}"
        )
    x = _wide("gelu", input)
    if approximate == "none":
        return (x * 0.5 * ((x * SQRT_HALF).erf() + 1)).type_as(input)
    inner = (x + x * x * x * 0.044715) * (2 / math.pi) ** 0.5
    return (x * 0.5 * (inner.tanh() + 1)).type_as(input)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `input` where it is positive, alpha * (exp(input) - 1) elsewhere."""
    x = _wide("elu", input)
    # bounded above, so that the branch that is not taken has no infinite derivative
    return where(x > 0, x, x.clamp_max(0).expm1() * alpha).type_as(input)


def selu(input: Tensor) -> Tensor:
    """Return the self-normalizing elu (Klambauer et al., 2017)."""
    x = _wide("selu", input)
    return (elu(x, 1.6732632423543772848170429916717) * 1.0507009873554804934193349852946).type_as(
        input
    )


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `input` where it is positive, alpha * (exp(input / alpha) - 1) elsewhere."""
    x = _wide("celu", input)
    return where(x > 0, x, (x.clamp_max(0) / alpha).expm1() * alpha).type_as(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return `input` where it is positive, negative_slope * input elsewhere."""
    refuse_integers("leaky_relu", (input,), input._array.dtype)
    return where(input > 0, input, input * negative_slope)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """Return `input` where it is above `threshold`, else `value`."""
    return where(input <= threshold, value, input)


def _strictly_between(input: Tensor, low: float, high: float) -> Tensor:
    # unlike clamp, no gradient at the bounds themselves
    return where(input <= low, low, where(input >= high, high, input))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return `input` held between `min_val` and `max_val`; no gradient at the bounds.

    Raises:
        ValueError: `min_val` is above `max_val`.
    """
    if min_val > max_val:
        raise ValueError(
            f"hardtanh: min_val {min_val} cannot be greater than max_val {max_val}; exchange them"
        )
    check_tensor("hardtanh", "input", input)
    if input._array.dtype.kind in "iu":
        return input.clamp(int(min_val), int(max_val))
    return _strictly_between(input, min_val, max_val)


def relu6(input: Tensor) -> Tensor:
    """Return `input` held between 0 and 6."""
    return hardtanh(input, 0.0, 6.0)


def hardsigmoid(input: Tensor) -> Tensor:
    """Return input / 6 + 1/2 held between 0 and 1."""
    x = _wide("hardsigmoid", input)
    return (_strictly_between(x + 3, 0.0, 6.0) / 6).type_as(input)


def hardswish(input: Tensor) -> Tensor:
    """Return input * hardsigmoid(input)."""
    x = _wide("hardswish", input)
    return (x * (_strictly_between(x + 3, 0.0, 6.0) / 6)).type_as(input)


def mish(input: Tensor) -> Tensor:
    """Return input * tanh(softplus(input))."""
    x = _wide("mish", input)
    return (x * softplus(x).tanh()).type_as(input)


def softsign(input: Tensor) -> Tensor:
    """Return input / (1 + |input|)."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """Return input - tanh(input)."""
    return input - input.tanh()


class ActivationMethods:
    """The operations of this file as methods of `Tensor`."""

    relu = relu
    relu_ = relu_
    sigmoid = sigmoid
    sigmoid_ = sigmoid_
