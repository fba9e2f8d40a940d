"""What operations refuse, in PyTorch's words."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore

SCALAR_TYPES = {
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
"""What PyTorch's errors, and its types from early days, call dtypes."""


def _not_implemented(name: str, dtype: np.dtype, remedy: str) -> NotImplementedError:
    found = SCALAR_TYPES[dtypes.FROM_NUMPY[dtype]]
    return NotImplementedError(f"\"{name}\" not implemented for '{found}'; {remedy}")


def refuse_bool(name: str, _inputs: tuple, promoted: np.dtype) -> None:
    """Raise NotImplementedError where the inputs promote to bool."""
    if promoted.kind == "b":
        raise _not_implemented(name, promoted, "convert a tensor with .long() or .float()")


def refuse_float(name: str, _inputs: tuple, promoted: np.dtype) -> None:
    """Raise NotImplementedError where the inputs promote to other than integers and booleans."""
    if promoted.kind not in "iub":
        raise _not_implemented(name, promoted, "convert the tensors with .long() or .bool()")


def refuse_other_than_integers(name: str, inputs: tuple, promoted: np.dtype) -> None:
    """Raise NotImplementedError where the inputs do not promote to integers."""
    refuse_bool(name, inputs, promoted)
    refuse_float(name, inputs, promoted)


def refuse_integers(name: str, _inputs: tuple, promoted: np.dtype) -> None:
    """Raise NotImplementedError where the inputs promote to integers or booleans."""
    if promoted.kind in "iub":
        raise _not_implemented(name, promoted, "convert a tensor with .float()")


def refuse_negating_bool(_name: str, _inputs: tuple, promoted: np.dtype) -> None:
    """Raise RuntimeError for the minus sign before booleans."""
    if promoted.kind == "b":
        raise RuntimeError(
            "neg: Negation, the `-` operator, on a bool tensor is not supported. If you are "
            "trying to invert a mask, use the `~` or `logical_not()` operator instead."
        )


def refuse_subtracting_bool(name: str, inputs: tuple, promoted: np.dtype) -> None:
    """Raise RuntimeError for a difference with booleans."""
    if promoted.kind == "b":
        raise RuntimeError(
            f"{name}: Subtraction, the `-` operator, with two bool tensors is not supported. Use "
            "the `^` or `logical_xor()` operator instead."
        )
    for each in inputs:
        if type(each) is bool or (isinstance(each, TensorCore) and each._array.dtype.kind == "b"):
            raise RuntimeError(
                f"{name}: Subtraction, the `-` operator, with a bool tensor is not supported. If "
                "you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
            )


def check_tensor(operation: str, argument: str, value: Any) -> None:
    """Raise TypeError unless `value` is a tensor."""
    if not isinstance(value, TensorCore):
        raise TypeError(
            f"{operation}(): argument '{argument}' must be Tensor, not {type(value).__name__}; "
            "make one with torch.as_tensor"
        )
