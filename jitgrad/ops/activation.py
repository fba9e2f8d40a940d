"""Smooth activations of neural networks, and relu; `rectifiers` has those made of pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.choosing import chosen
from jitgrad.ops.selection import where
from jitgrad.ops.special_values import erf, in_float32
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["relu", "relu_", "sigmoid", "sigmoid_"]


def activated(primitive: Primitive, inplace: bool, input: Tensor, *numbers: float) -> Tensor:
    """Perform an activation, in the memory of `input` if `inplace`."""
    return (bind_inplace if inplace else bind)(primitive, input, *numbers)


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


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return the larger of each element and 0 (with `inplace` in `input` itself); NaN stays.

    Gradient: 1 for positive elements, else 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.relu(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return activated(RELU, inplace, input)


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
    return chosen(scaled > threshold, x, np.log1p(np.exp(scaled)) / beta)


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


LOG_SIGMOID = Primitive(
    "log_sigmoid",
    Kind.ELEMENTWISE,
    in_float32(lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))),
    (lambda g, _out, x: g * (-x).sigmoid(),),
    scalar="minimum({0}, 0.0) - log1p(exp(-abs_({0})))",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def logsigmoid(input: Tensor) -> Tensor:
    """Return log(sigmoid(input)), precise also for large negative elements.

    Gradient: sigmoid(-input).

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.logsigmoid(torch.tensor([-100.0, 0.0]))
        tensor([-100.0000,   -0.6931])
    """
    return bind(LOG_SIGMOID, input)


# Each of the following has a primitive of its own for its slope: eager mode goes back through it
# in two operations (of one million elements, gelu takes half the time that its parts took).


def _silu_bend(x: Tensor) -> Tensor:
    share = x.sigmoid()
    return share * (1 - share) * (x * (1 - 2 * share) + 2)


def _silu_slope(x: Any) -> Any:
    share = 1 / (1 + np.exp(-x))
    return share * (1 + x * (1 - share))


SILU_SLOPE = Primitive(
    "silu_slope",
    Kind.ELEMENTWISE,
    in_float32(_silu_slope),
    (lambda g, _out, x: g * _silu_bend(x),),
    scalar="sigmoid({0}) * (1.0 + {0} * (1.0 - sigmoid({0})))",
    result=Result.PROMOTE,
)

SILU = Primitive(
    "silu",
    Kind.ELEMENTWISE,
    in_float32(lambda x: x / (1 + np.exp(-x))),
    (lambda g, _out, x: g * bind(SILU_SLOPE, x),),
    scalar="{0} * sigmoid({0})",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input * sigmoid(input), also known as swish (with `inplace` in `input` itself).

    Gradient: s + input * s * (1 - s), with s = sigmoid(input).
    """
    return activated(SILU, inplace, input)


SQRT_HALF = 0.7071067811865476
DENSITY = 0.3989422804014327
"""1 / sqrt(2 pi), the normal distribution's density at 0."""


def _gelu(x: Any) -> Any:
    made = erf(np.asarray(x * SQRT_HALF))
    made += 1
    made *= x
    made *= 0.5
    return made


def _gelu_slope(x: Any) -> Any:
    made = erf(np.asarray(x * SQRT_HALF))
    made += 1
    made *= 0.5
    made += x * np.exp(x * x * -0.5) * DENSITY
    return made


GELU_SLOPE = Primitive(
    "gelu_slope",
    Kind.ELEMENTWISE,
    in_float32(_gelu_slope),
    (lambda g, _out, x: g * ((2 - x * x) * (x * x * -0.5).exp() * DENSITY),),
    scalar=(
        f"0.5 * (1.0 + erf({{0}} * {SQRT_HALF})) + {{0}} * exp({{0}} * {{0}} * -0.5) * {DENSITY}"
    ),
    result=Result.PROMOTE,
)

GELU = Primitive(
    "gelu",
    Kind.ELEMENTWISE,
    in_float32(_gelu),
    (lambda g, _out, x: g * bind(GELU_SLOPE, x),),
    scalar=f"{{0}} * 0.5 * (1.0 + erf({{0}} * {SQRT_HALF}))",
    result=Result.PROMOTE,
    check=refuse_integers,
)

BEND, CUBE = 0.7978845608028654, 0.044715
"""sqrt(2 / pi), and the factor of x^3 (Hendrycks and Gimpel, 2016)."""


def _gelu_tanh(x: Any) -> Any:
    return x * 0.5 * (1 + np.tanh(BEND * (x + CUBE * x * x * x)))


def _gelu_tanh_slope(x: Any) -> Any:
    bent = np.tanh(BEND * (x + CUBE * x * x * x))
    return 0.5 * (1 + bent) + 0.5 * x * (1 - bent * bent) * (BEND * (1 + 3 * CUBE * x * x))


def _gelu_tanh_bend(x: Tensor) -> Tensor:
    square = x * x
    bent = ((square * CUBE + 1) * x * BEND).tanh()
    first = (square * (3 * CUBE) + 1) * BEND
    return (1 - bent * bent) * (first + x * (x * (3 * CUBE * BEND) - bent * first * first))


_BENT = f"tanh({BEND} * ({{0}} + {CUBE} * {{0}} * {{0}} * {{0}}))"

GELU_TANH_SLOPE = Primitive(
    "gelu_tanh_slope",
    Kind.ELEMENTWISE,
    in_float32(_gelu_tanh_slope),
    (lambda g, _out, x: g * _gelu_tanh_bend(x),),
    scalar=(
        f"0.5 * (1.0 + {_BENT}) + 0.5 * {{0}} * (1.0 - {_BENT} * {_BENT})"
        f" * ({BEND} * (1.0 + {3 * CUBE} * {{0}} * {{0}}))"
    ),
    result=Result.PROMOTE,
)

GELU_TANH = Primitive(
    "gelu_tanh",
    Kind.ELEMENTWISE,
    in_float32(_gelu_tanh),
    (lambda g, _out, x: g * bind(GELU_TANH_SLOPE, x),),
    scalar=f"{{0}} * 0.5 * (1.0 + {_BENT})",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return input times the normal distribution's cumulative function.

    Args:
        approximate: "none", with erf; "tanh", 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for twice
            the cumulative function (Hendrycks and Gimpel, 2016).

    Raises:
        RuntimeError: another `approximate`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.gelu(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            f"gelu: approximate argument must be either none or tanh, not {approximate!r}"
        )
    return bind(GELU if approximate == "none" else GELU_TANH, input)


def _mish_slope(x: Any) -> Any:
    bent = np.tanh(np.log1p(np.exp(x)))
    return bent + x * (1 - bent * bent) / (1 + np.exp(-x))


def _mish_bend(x: Tensor) -> Tensor:
    share, bent = x.sigmoid(), softplus(x).tanh()
    return (1 - bent * bent) * share * (x * (1 - share - 2 * bent * share) + 2)


_MISH = "tanh(log1p(exp({0})))"

MISH_SLOPE = Primitive(
    "mish_slope",
    Kind.ELEMENTWISE,
    in_float32(_mish_slope),
    (lambda g, _out, x: g * _mish_bend(x),),
    scalar=f"{_MISH} + {{0}} * (1.0 - {_MISH} * {_MISH}) * sigmoid({{0}})",
    result=Result.PROMOTE,
)

MISH = Primitive(
    "mish",
    Kind.ELEMENTWISE,
    in_float32(lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    (lambda g, _out, x: g * bind(MISH_SLOPE, x),),
    scalar=f"{{0}} * {_MISH}",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input * tanh(softplus(input)) (Misra, 2019), with `inplace` in `input` itself."""
    return activated(MISH, inplace, input)


def softsign(input: Tensor) -> Tensor:
    """Return input / (1 + |input|)."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """Return input - tanh(input)."""
    return input - input.tanh()


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half of `input` along `dim` times the sigmoid of the second.

    Shapes: (..., 2 n, ...) gives (..., n, ...).

    Raises:
        RuntimeError: there are no two halves.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.glu(torch.tensor([4.0, 0.0]))
        tensor([2.])
    """
    check_tensor("glu", "input", input)
    refuse_integers("glu", (input,), input._array.dtype)
    shape = input._array.shape
    if not shape:
        rule = "glu does not support scalars because halving size must be even"
        raise RuntimeError(describe("glu", "a 0-d tensor", rule))
    at = wrap_dim("glu", dim, len(shape))
    if shape[at] % 2:
        rule = f"Halving dimension must be even, but dimension {at} is size {shape[at]}"
        raise RuntimeError(describe("glu", f"shape {shape}", rule))
    first, second = input.chunk(2, at)
    return first * second.sigmoid()


class ActivationMethods:
    """The operations of this file as methods of `Tensor`."""

    relu = relu
    relu_ = relu_
    sigmoid = sigmoid
    sigmoid_ = sigmoid_
