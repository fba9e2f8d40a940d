"""Nonlinear functions of neural networks, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind, bind_inplace
from jitgrad.ops.selection import where
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "relu",
    "relu_",
    "sigmoid",
    "sigmoid_",
]


def in_float32(function: Any) -> Any:
    """Return `function` with float16 arrays computed in float32, as PyTorch computes them."""

    def widened(array: Any, *rest: Any) -> Any:
        if array.dtype == np.float16:
            return function(array.astype(np.float32), *rest).astype(np.float16)
        return function(array, *rest)

    return widened


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


class ActivationMethods:
    """The operations of this file as methods of `Tensor`."""

    relu = relu
    relu_ = relu_
    sigmoid = sigmoid
    sigmoid_ = sigmoid_
