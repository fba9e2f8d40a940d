"""Copies of tensors and conversions to other dtypes."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device as check_device
from jitgrad.dispatch import CAST, TensorCore, bind
from jitgrad.literals import as_dtype
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["clone"]


CLONE = Primitive(
    "clone",
    Kind.ELEMENTWISE,
    lambda array, *, order: np.array(array, order=order),
    (lambda g, _out, _x, *, order: g,),
    scalar="{0}",
)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return a copy of `input` with memory of its own.

    Gradient: passes through, so that it reaches the original.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.clone(x).zero_(), x
        (tensor([0., 0.]), tensor([1., 2.]))
    """
    return bind(CLONE, input, order="K")


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """Return `input` itself if its elements lie in row-major order, else such a copy."""
    if input._array.flags.c_contiguous:
        return input
    return bind(CLONE, input, order="C")


def cast(input: Tensor, dtype: np.dtype, copy: builtins.bool = False) -> Tensor:
    """Return `input` with elements of NumPy's `dtype`; itself where it has them, unless `copy`."""
    if input._array.dtype == dtype:
        return bind(CLONE, input, order="K") if copy else input
    return bind(CAST, input, dtype=dtype)


def to(
    input: Tensor,
    *target: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: builtins.bool = False,
    copy: builtins.bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return `input` with another dtype: `to(dtype)`, `to(device, dtype)`, `to(other)`.

    What has the dtype already is returned itself, unless `copy`. Floating-point numbers lose
    their fraction on the way to integers.
    Gradient: passes through, converted back.

    Raises:
        TypeError: what `target` names is no dtype, device or tensor.
        RuntimeError: a device that is not here.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1.7, -1.7]).to(torch.int64)
        tensor([ 1, -1])
    """
    if len(target) == 1 and type(target[0]) is dtypes.dtype and dtype is None:
        return cast(input, target[0].numpy, copy)
    for position, each in enumerate(target):
        if isinstance(each, TensorCore) and not position:
            dtype = dtypes.FROM_NUMPY[each._array.dtype]
        elif isinstance(each, builtins.bool) and position:
            # non_blocking means nothing here
            copy = each if position == len(target) - 1 and position > 1 else copy
        elif isinstance(each, (dtypes.dtype, type)):
            dtype = each
        elif each is not None:
            if not isinstance(each, (str, check_device)):
                raise TypeError(
                    f"to(): argument {position + 1} must be torch.dtype, torch.device or Tensor, "
                    f"not {type(each).__name__}"
                )
            device = each
    if device is not None:
        check_device(device)
    return cast(input, input._array.dtype if dtype is None else as_dtype("to", dtype), copy)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` with the dtype of `other`."""
    return cast(input, other._array.dtype)


_LEGACY = {
    dtypes.float16: "Half",
    dtypes.float32: "Float",
    dtypes.float64: "Double",
    dtypes.uint8: "Byte",
    dtypes.int8: "Char",
    dtypes.int16: "Short",
    dtypes.int32: "Int",
    dtypes.int64: "Long",
    dtypes.bool_: "Bool",
    dtypes.complex64: "ComplexFloat",
    dtypes.complex128: "ComplexDouble",
}


def type_(input: Tensor, dtype: Any = None, non_blocking: builtins.bool = False) -> Any:
    """Return the name of the tensor's type in PyTorch's early days, or `input` with `dtype`.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1]).type(), torch.tensor([1]).type("torch.FloatTensor")
        ('torch.LongTensor', tensor([1.]))
    """
    if dtype is None:
        return f"torch.{_LEGACY[dtypes.FROM_NUMPY[input._array.dtype]]}Tensor"
    if isinstance(dtype, str):
        for found, name in _LEGACY.items():
            if dtype == f"torch.{name}Tensor":
                return cast(input, found.numpy)
        raise ValueError(f"type: invalid type: '{dtype}'; write for example 'torch.FloatTensor'")
    return cast(input, as_dtype("type", getattr(dtype, "dtype", dtype)))


class ConvertMethods:
    """The operations of this file as methods of `Tensor`."""

    clone = clone
    contiguous = contiguous
    to = to
    type_as = type_as
    type = type_

    def float(self: Any) -> Tensor:
        """Return this tensor as float32."""
        return cast(self, dtypes.float32.numpy)

    def double(self: Any) -> Tensor:
        """Return this tensor as float64."""
        return cast(self, dtypes.float64.numpy)

    def half(self: Any) -> Tensor:
        """Return this tensor as float16."""
        return cast(self, dtypes.float16.numpy)

    def byte(self: Any) -> Tensor:
        """Return this tensor as uint8."""
        return cast(self, dtypes.uint8.numpy)

    def char(self: Any) -> Tensor:
        """Return this tensor as int8."""
        return cast(self, dtypes.int8.numpy)

    def short(self: Any) -> Tensor:
        """Return this tensor as int16."""
        return cast(self, dtypes.int16.numpy)

    def int(self: Any) -> Tensor:
        """Return this tensor as int32."""
        return cast(self, dtypes.int32.numpy)

    def long(self: Any) -> Tensor:
        """Return this tensor as int64."""
        return cast(self, dtypes.int64.numpy)

    def bool(self: Any) -> Tensor:
        """Return this tensor as bool: whether each element is not zero."""
        return cast(self, dtypes.bool_.numpy)

    def cpu(self: Any) -> Tensor:
        """Return this tensor, which is on the cpu."""
        return self
