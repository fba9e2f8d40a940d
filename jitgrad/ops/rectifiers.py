"""Activations made of pieces: rectifiers, shrinking functions and hard bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.activation import activated
from jitgrad.ops.checks import check_tensor, refuse_bool, refuse_integers
from jitgrad.ops.choosing import chosen
from jitgrad.ops.selection import where
from jitgrad.ops.special_values import in_float32
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "prelu",
    "relu6",
    "selu",
    "selu_",
    "softshrink",
    "threshold",
    "threshold_",
]


def _refuse_integers(name: str, inputs: tuple, _promoted: np.dtype) -> None:
    # a number among the inputs makes integers float
    refuse_integers(name, inputs, inputs[0]._array.dtype)


ELU_SLOPE = Primitive(
    "elu_slope",
    Kind.ELEMENTWISE,
    in_float32(
        lambda x, steepness, scale, width: chosen(
            x > 0, scale, np.exp(np.minimum(x, 0) / width) * steepness / width
        )
    ),
    (
        lambda g, out, x, _steepness, _scale, width: where(x > 0, 0, g * out / width),
        None,
        None,
        None,
    ),
    scalar="where({0} > 0.0, {2}, exp(minimum({0}, 0.0) / {3}) * {1} / {3})",
    result=Result.PROMOTE,
)

ELU = Primitive(
    "elu",
    Kind.ELEMENTWISE,
    # bounded above, so that the branch that is not taken is not infinite
    in_float32(
        lambda x, steepness, scale, width: chosen(
            x > 0, x * scale, np.expm1(np.minimum(x, 0) / width) * steepness
        )
    ),
    (
        lambda g, _out, x, steepness, scale, width: g * bind(ELU_SLOPE, x, steepness, scale, width),
        None,
        None,
        None,
    ),
    scalar="where({0} > 0.0, {0} * {2}, expm1(minimum({0}, 0.0) / {3}) * {1})",
    result=Result.PROMOTE,
    check=_refuse_integers,
)
"""scale * input where it is positive, steepness * (exp(input / width) - 1) elsewhere."""


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `input` where it is positive, alpha * (exp(input) - 1) elsewhere.

    With `inplace` in `input` itself. Gradient: 1, or alpha * exp(input).

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.elu(torch.tensor([-100.0, 2.0]))
        tensor([-1.,  2.])
    """
    return activated(ELU, inplace, input, alpha, 1.0, 1.0)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Compute `elu` in place."""
    return elu(input, alpha, True)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return the self-normalizing elu (Klambauer et al., 2017), with `inplace` in `input`."""
    return activated(ELU, inplace, input, SELU_ALPHA * SELU_SCALE, SELU_SCALE, 1.0)


def selu_(input: Tensor) -> Tensor:
    """Compute `selu` in place."""
    return selu(input, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `input` where it is positive, alpha * (exp(input / alpha) - 1) elsewhere.

    With `inplace` in `input` itself. Its slope is continuous (Barron, 2017).

    Raises:
        RuntimeError: `alpha` is 0.
    """
    if alpha == 0:
        raise RuntimeError(
            describe("celu", "alpha=0", "ZeroDivisionError: alpha cannot be 0 for CELU")
        )
    return activated(ELU, inplace, input, alpha, 1.0, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Compute `celu` in place."""
    return celu(input, alpha, True)


LEAKY_RELU = Primitive(
    "leaky_relu",
    Kind.ELEMENTWISE,
    lambda x, slope: chosen(x > 0, x, x * slope),
    (lambda g, _out, x, slope: where(x > 0, g, g * slope), None),
    scalar="where({0} > 0.0, {0}, {0} * {1})",
    result=Result.PROMOTE,
    check=_refuse_integers,
)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return `input` where it is positive, negative_slope * input elsewhere.

    With `inplace` in `input` itself.
    """
    return activated(LEAKY_RELU, inplace, input, negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Compute `leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


PRELU = Primitive(
    "prelu",
    Kind.ELEMENTWISE,
    lambda x, slope: chosen(x > 0, x, x * slope),
    (
        lambda g, _out, x, slope: where(x > 0, g, g * slope),
        lambda g, _out, x, _slope: where(x > 0, 0, g * x),
    ),
    scalar="where({0} > 0.0, {0}, {0} * {1})",
    result=Result.PROMOTE,
)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return `input` where it is positive, weight * input elsewhere; the slope can be learnt.

    Shapes: (n, c, ...) with weight (c,), (1,) or (). Gradient: to both.

    Raises:
        RuntimeError: another number of weights, another dtype, or no dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.prelu(torch.tensor([[-2.0, 1.0]]), torch.tensor([0.5, 0.5]))
        tensor([[-1.,  1.]])
    """
    check_tensor("prelu", "input", input)
    check_tensor("prelu", "weight", weight)
    a, b = input._array, weight._array
    if a.dtype != b.dtype:
        names = [dtypes.FROM_NUMPY[each.dtype].name for each in (a, b)]
        rule = "prelu: Type promoting not supported"
        raise RuntimeError(describe("prelu", " and ".join(names), rule, "convert one of them"))
    refuse_integers("prelu", (input,), a.dtype)
    if b.size == 1:
        return bind(PRELU, input, weight.reshape(()))
    if not a.ndim:
        raise RuntimeError(describe("prelu", "a 0-d input", "Not allow zero-dim input tensor"))
    channels = a.shape[1] if a.ndim > 1 else 1
    if b.size != channels or b.ndim > 1:
        rule = (
            "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
            f"{b.size} and channel size = {channels}"
        )
        raise RuntimeError(describe("prelu", f"shapes {a.shape} and {b.shape}", rule))
    return bind(PRELU, input, weight.reshape([channels] + [1] * (a.ndim - 2)))


THRESHOLD = Primitive(
    "threshold",
    Kind.ELEMENTWISE,
    lambda x, threshold, value: chosen(x <= threshold, x.dtype.type(value), x),
    (lambda g, _out, x, threshold, _value: where(x <= threshold, 0, g), None, None),
    scalar="where({0} <= {1}, {2}, {0})",
    result=Result.PROMOTE,
)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return `input` where it is above `threshold`, else `value`; with `inplace` in `input`."""
    check_tensor("threshold", "input", input)
    refuse_bool("threshold", (input,), input._array.dtype)
    if input._array.dtype.kind in "iu":
        return activated(THRESHOLD, inplace, input, int(threshold), int(value))
    return activated(THRESHOLD, inplace, input, threshold, value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """Compute `threshold` in place."""
    return activated(THRESHOLD, True, input, threshold, value)


# unlike clamp, no gradient at the bounds themselves
HARDTANH = Primitive(
    "hardtanh",
    Kind.ELEMENTWISE,
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    (
        lambda g, _out, x, low, high: where(x <= low, 0, where(x >= high, 0, g)),
        None,
        None,
    ),
    scalar="minimum(maximum({0}, {1}), {2})",
    result=Result.PROMOTE,
)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return `input` held between `min_val` and `max_val` (with `inplace` in `input` itself).

    Gradient: none at the bounds and beyond them.

    Raises:
        ValueError: `min_val` is above `max_val`.
        RuntimeError: the tensor holds booleans, or numbers without sign and a bound is negative.
    """
    if min_val > max_val:
        raise ValueError(
            f"hardtanh: min_val {min_val} cannot be greater than max_val {max_val}; exchange them"
        )
    check_tensor("hardtanh", "input", input)
    kind = input._array.dtype.kind
    if kind == "b":
        raise RuntimeError(
            "hardtanh: Bool inputs not supported for hardtanh; convert with .float()"
        )
    if kind == "u" and (min_val < 0 or max_val < 0):
        raise RuntimeError("hardtanh: cannot do hardtanh on an unsigned type with negative limits")
    if kind in "iu":
        return activated(HARDTANH, inplace, input, int(min_val), int(max_val))
    return activated(HARDTANH, inplace, input, min_val, max_val)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Compute `hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return `input` held between 0 and 6 (with `inplace` in `input` itself)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def _raised(x: Any) -> Any:
    return np.minimum(np.maximum(x + 3, 0), 6)


_RAISED = "minimum(maximum({0} + 3.0, 0.0), 6.0)"

HARDSIGMOID = Primitive(
    "hardsigmoid",
    Kind.ELEMENTWISE,
    in_float32(lambda x: _raised(x) / 6),
    (lambda g, _out, x: where(x > -3, where(x < 3, g / 6, 0), 0),),
    scalar=f"{_RAISED} / 6.0",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input / 6 + 1/2 held between 0 and 1 (with `inplace` in `input` itself)."""
    return activated(HARDSIGMOID, inplace, input)


HARDSWISH = Primitive(
    "hardswish",
    Kind.ELEMENTWISE,
    in_float32(lambda x: x * _raised(x) / 6),
    (lambda g, _out, x: where(x <= -3, 0, where(x < 3, g * (x / 3 + 0.5), g)),),
    scalar=f"{{0}} * {_RAISED} / 6.0",
    result=Result.PROMOTE,
    check=refuse_integers,
)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return input * hardsigmoid(input) (Howard et al., 2019), with `inplace` in `input`."""
    return activated(HARDSWISH, inplace, input)


HARDSHRINK = Primitive(
    "hardshrink",
    Kind.ELEMENTWISE,
    lambda x, reach: chosen(np.abs(x) <= reach, 0, x),
    (lambda g, _out, x, reach: where(x.abs() <= reach, 0, g), None),
    scalar="where(abs_({0}) <= {1}, 0.0, {0})",
    result=Result.PROMOTE,
    check=_refuse_integers,
)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input`, but 0 between -lambd and lambd.

    Example:
        >>> import jitgrad as torch
        >>> torch.hardshrink(torch.tensor([-1.0, 0.3]))
        tensor([-1.,  0.])
    """
    return bind(HARDSHRINK, input, lambd)


SOFTSHRINK = Primitive(
    "softshrink",
    Kind.ELEMENTWISE,
    lambda x, reach: chosen(x > reach, x - reach, chosen(x < -reach, x + reach, x * 0)),
    (lambda g, _out, x, reach: where(x.abs() <= reach, 0, g), None),
    scalar="where({0} > {1}, {0} - {1}, where({0} < -{1}, {0} + {1}, {0} * 0.0))",
    result=Result.PROMOTE,
    check=_refuse_integers,
)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return `input` moved by `lambd` towards 0, and 0 between -lambd and lambd.

    Raises:
        RuntimeError: `lambd` is negative.
    """
    if lambd < 0:
        rule = "lambda must be greater or equal to 0"
        raise RuntimeError(describe("softshrink", f"lambd={lambd}", rule))
    return bind(SOFTSHRINK, input, lambd)


class RectifierMethods:
    """The operations of this file as methods of `Tensor`."""

    hardshrink = hardshrink
    prelu = prelu
