"""What PyTorch asks of numbers that may be complex; here all are real."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import promote

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "angle",
    "can_cast",
    "conj",
    "conj_physical",
    "imag",
    "is_conj",
    "is_neg",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "isreal",
    "promote_types",
    "real",
    "resolve_conj",
    "resolve_neg",
    "result_type",
]


def real(input: Tensor) -> Tensor:
    """Return the real part, of a real tensor the tensor itself."""
    return input


conj = conj_physical = resolve_conj = resolve_neg = real


def imag(input: Tensor) -> Tensor:
    """Raise RuntimeError: real tensors have no imaginary part in PyTorch either."""
    rule = "imag is not implemented for tensors with non-complex dtypes"
    raise RuntimeError(describe("imag", f"dtype {input.dtype}", rule))


ANGLE = Primitive(
    "angle",
    Kind.ELEMENTWISE,
    lambda x: np.where(np.isnan(x), x, np.where(x < 0, x.dtype.type(math.pi), x.dtype.type(0))),
    (lambda g, _out, _x: g * 0,),
    scalar="where(isnan({0}), {0}, where({0} < 0, 3.141592653589793, 0.0))",
    result=Result.FLOAT,
)


def angle(input: Tensor) -> Tensor:
    """Return the angles of numbers in the complex plane: 0, pi of negative ones, NaN of NaN.

    Gradient: 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.angle(torch.tensor([-2.0, 3.0]))
        tensor([3.1416, 0.0000])
    """
    return bind(ANGLE, input)


def isreal(input: Tensor) -> Tensor:
    """Say of each element whether its imaginary part is 0: of all."""
    return input.new_ones(input._array.shape, dtype=dtypes.bool_)


def is_conj(input: Tensor) -> builtins.bool:
    """Is a conjugate still to be taken? Never of real tensors."""
    return False


is_neg = is_conj


def is_signed(input: Tensor) -> builtins.bool:
    """Does the dtype hold negative numbers?"""
    return input._array.dtype.kind in "ifc"


def is_same_size(input: Tensor, other: Tensor) -> builtins.bool:
    """Have the two tensors the same shape?"""
    return input._array.shape == other._array.shape


def is_nonzero(input: Tensor) -> builtins.bool:
    """Is the only element other than 0?

    Raises:
        RuntimeError: there is not exactly one element.
    """
    return builtins.bool(input)


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """Return the dtype that two tensors or numbers promote to.

    Example:
        >>> import jitgrad as torch
        >>> torch.result_type(torch.tensor([1]), 1.0)
        torch.float32
    """
    return dtypes.FROM_NUMPY[promote([getattr(x, "_array", x) for x in (tensor1, tensor2)])]


def promote_types(type1: DType, type2: DType) -> DType:
    """Return the smallest dtype that two dtypes promote to.

    Example:
        >>> import jitgrad as torch
        >>> torch.promote_types(torch.int8, torch.uint8)
        torch.int16
    """
    return dtypes.FROM_NUMPY[promote([np.empty(1, each.numpy) for each in (type1, type2)])]


def can_cast(from_: DType, to: DType) -> builtins.bool:
    """May results of dtype `from_` be written to tensors of dtype `to`?

    Example:
        >>> import jitgrad as torch
        >>> torch.can_cast(torch.float32, torch.int64)
        False
    """
    return dtypes.CATEGORY[from_.numpy] <= dtypes.CATEGORY[to.numpy]


class RealMethods:
    """The operations of this file as methods of `Tensor`."""

    angle = angle
    conj = conj
    conj_physical = conj_physical
    conj_physical_ = conj_physical
    resolve_conj = resolve_conj
    resolve_neg = resolve_neg
    isreal = isreal
    is_conj = is_conj
    is_neg = is_neg
    is_nonzero = is_nonzero
    is_same_size = is_same_size
    is_signed = is_signed

    @property
    def real(self: Any) -> Any:
        """The real part: the tensor itself."""
        return self

    @property
    def imag(self: Any) -> Any:
        """The imaginary part, which real tensors do not have."""
        return imag(self)
