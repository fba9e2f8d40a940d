"""Copies of tensors and conversions to other dtypes."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import CPU, no_cuda
from jitgrad.device import device as check_device
from jitgrad.dispatch import CAST, TensorCore, bind
from jitgrad.literals import as_dtype
from jitgrad.ops.checks import SCALAR_TYPES
from jitgrad.primitive import Kind, Primitive
from jitgrad.strides import kept_order

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["clone", "typename"]


CLONE = Primitive(
    "clone",
    Kind.ELEMENTWISE,
    lambda array, *, order: np.array(array, order=kept_order(array) if order == "K" else order),
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


def target_of(operation: str, given: tuple, named: dict) -> tuple[Any, Any, builtins.bool]:
    """Return device, NumPy dtype (None: as it is) and copy that the arguments of `to` name.

    They are `(dtype, non_blocking, copy)`, `(device, dtype, non_blocking, copy)` or
    `(other, non_blocking, copy)`, by position or by name.

    Raises:
        TypeError: what `given` names is no dtype, device or tensor; or an unknown name.
        RuntimeError: a device that is not here.
    """
    named = dict(named)
    device, dtype = named.pop("device", None), named.pop("dtype", None)
    named.pop("memory_format", None)
    rest, other = list(given), None
    if rest and isinstance(rest[0], TensorCore):
        other = rest.pop(0)
    elif rest and isinstance(rest[0], (dtypes.dtype, type)):
        dtype = rest.pop(0)
    elif rest and not isinstance(rest[0], builtins.bool):
        device = rest.pop(0)
        if device is not None and not isinstance(device, (str, builtins.int, check_device)):
            raise TypeError(
                f"{operation}(): argument 1 must be torch.dtype, torch.device or Tensor, not "
                f"{type(device).__name__}"
            )
        if rest:
            dtype = rest.pop(0)
    # the elements are here: there is nothing to wait for
    flags = dict(zip(("non_blocking", "copy"), rest)) | named
    fits = all(isinstance(each, builtins.bool) for each in flags.values())
    if len(rest) > 2 or not fits or not flags.keys() <= {"non_blocking", "copy"}:
        raise TypeError(
            f"{operation}(): received an invalid combination of arguments; write to(dtype), "
            "to(device, dtype) or to(other), each with non_blocking=, copy="
        )
    if device is not None:
        check_device(device)
    if other is not None:
        return CPU, other._array.dtype, flags.get("copy", False)
    return device, None if dtype is None else as_dtype(operation, dtype), flags.get("copy", False)


def to(input: Tensor, *target: Any, **options: Any) -> Tensor:
    """Return `input` with another dtype: `to(dtype)`, `to(device, dtype)`, `to(other)`.

    Each takes `non_blocking=`, which means nothing here, and `copy=`. What has the dtype already
    is returned itself, unless `copy`. Floating-point numbers lose their fraction on the way to
    integers.
    Gradient: passes through, converted back.

    Raises:
        TypeError: what `target` names is no dtype, device or tensor.
        RuntimeError: a device that is not here.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1.7, -1.7]).to(torch.int64)
        tensor([ 1, -1])
    """
    if len(target) == 1 and type(target[0]) is dtypes.dtype and not options:
        return cast(input, target[0].numpy)
    _, dtype, copy = target_of("to", target, options)
    return cast(input, input._array.dtype if dtype is None else dtype, copy)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` with the dtype of `other`."""
    return cast(input, other._array.dtype)


def type_(input: Tensor, dtype: Any = None, non_blocking: builtins.bool = False) -> Any:
    """Return the name of the tensor's type in PyTorch's early days, or `input` with `dtype`.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1]).type(), torch.tensor([1]).type("torch.FloatTensor")
        ('torch.LongTensor', tensor([1.]))
    """
    if dtype is None:
        return f"torch.{SCALAR_TYPES[dtypes.FROM_NUMPY[input._array.dtype]]}Tensor"
    if isinstance(dtype, str):
        for found, name in SCALAR_TYPES.items():
            if dtype == f"torch.{name}Tensor":
                return cast(input, found.numpy)
        raise ValueError(f"type: invalid type: '{dtype}'; write for example 'torch.FloatTensor'")
    return cast(input, as_dtype("type", getattr(dtype, "dtype", dtype)))


def typename(obj: Any) -> str:
    """Return the name of the class of `obj`, or of `obj` if it is one; of a tensor, of its type.

    Example:
        >>> import jitgrad as torch
        >>> torch.typename(torch.tensor([1])), torch.typename(1)
        ('torch.LongTensor', 'int')
        >>> torch.typename(torch.nn.Linear(1, 1))
        'torch.nn.modules.linear.Linear'
    """
    if isinstance(obj, TensorCore):
        return type_(obj)  # type: ignore[arg-type]
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module, _, inner = (named.__module__ or "builtins").partition(".")
    if module == "jitgrad":
        module = "torch"
    path = f"{module}.{inner}" if inner else module
    return named.__qualname__ if path == "builtins" else f"{path}.{named.__qualname__}"


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

    def cpu(self: Any, memory_format: Any = None) -> Tensor:
        """Return this tensor, which is on the cpu."""
        return self

    def cuda(self: Any, device: Any = None, non_blocking: builtins.bool = False) -> Tensor:
        """Raise RuntimeError: there is no CUDA here."""
        raise no_cuda("cuda", "a tensor")

    def get_device(self: Any) -> builtins.int:
        """Return the number of the accelerator that this tensor is on: -1, it is on the cpu."""
        return -1

    @property
    def is_cpu(self) -> builtins.bool:
        """Is this tensor on the cpu? It is."""
        return True

    @property
    def is_cuda(self) -> builtins.bool:
        """Is this tensor on a CUDA device? There is none here."""
        return False
