"""The constructors of PyTorch's early days: `Tensor(2, 3)`, `FloatTensor`, `Variable`."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.device import device as check_device
from jitgrad.dispatch import FILL, TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.create import as_tensor, finished, sizes_of, tensor
from jitgrad.spec import Size

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
]


def legacy(name: str, data: tuple, device: Any, numpy_dtype: np.dtype | None = None) -> Tensor:
    """Return what the constructors of PyTorch's early days make: of sizes, or from data.

    Raises:
        TypeError: neither sizes nor data, or a tensor of another dtype.
    """
    target = dtypes.get_default_dtype().numpy if numpy_dtype is None else numpy_dtype
    if device is not None:
        check_device(device)
    whole = builtins.all(isinstance(each, int) and not isinstance(each, bool) for each in data)
    if not data:
        return bind(FILL, 0, size=(0,), dtype=target)
    if whole or isinstance(data[0], Size):
        return bind(FILL, 0, size=sizes_of(name, data), dtype=target)
    if len(data) != 1 or not hasattr(data[0], "__len__"):
        kinds = ", ".join(type(each).__name__ for each in data)
        raise TypeError(
            f"{name}: new(): data must be a sequence (got {kinds}); "
            "use torch.tensor for a number, or give the sizes as integers"
        )
    if isinstance(data[0], TensorCore):
        if numpy_dtype is not None and data[0]._array.dtype != target:
            raise TypeError(
                describe(
                    name,
                    f"a tensor of {dtypes.FROM_NUMPY[data[0]._array.dtype].name}",
                    f"expected one of {dtypes.FROM_NUMPY[target].name}",
                    "convert it with .to(dtype)",
                )
            )
        same: Any = data[0]
        return same.detach()
    return tensor(data[0], dtype=dtypes.FROM_NUMPY[target])


class TypedConstructor:
    """A constructor of PyTorch's early days: `FloatTensor(2, 3)`, `LongTensor([1, 2])`."""

    def __init__(self, name: str, dtype: DType) -> None:
        self.name, self.dtype = name, dtype

    def __call__(self, *data: Any, device: Device | str | None = None) -> Tensor:
        return legacy(self.name, data, device, self.dtype.numpy)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, TensorCore) and instance._array.dtype == self.dtype.numpy

    def __repr__(self) -> str:
        return f"<class 'torch.{self.name}'>"


FloatTensor = TypedConstructor("FloatTensor", dtypes.float32)
DoubleTensor = TypedConstructor("DoubleTensor", dtypes.float64)
HalfTensor = TypedConstructor("HalfTensor", dtypes.float16)
ByteTensor = TypedConstructor("ByteTensor", dtypes.uint8)
CharTensor = TypedConstructor("CharTensor", dtypes.int8)
ShortTensor = TypedConstructor("ShortTensor", dtypes.int16)
IntTensor = TypedConstructor("IntTensor", dtypes.int32)
LongTensor = TypedConstructor("LongTensor", dtypes.int64)
BoolTensor = TypedConstructor("BoolTensor", dtypes.bool_)


class _VariableType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TensorCore)


class Variable(metaclass=_VariableType):
    """What tensors were called in PyTorch's early days: `Variable(tensor, requires_grad=True)`.

    Returns a tensor on the same memory without history.

    Example:
        >>> import jitgrad as torch
        >>> torch.autograd.Variable(torch.tensor([1.0]), requires_grad=True)
        tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        made = tensor([]) if data is None else as_tensor(data).detach()
        return finished(made, None, requires_grad)
