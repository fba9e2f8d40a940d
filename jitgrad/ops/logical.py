"""Logic on truth values and on bits, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, bind
from jitgrad.inplace import bind_inplace
from jitgrad.ops.binary import OPERAND
from jitgrad.ops.checks import check_tensor, refuse_float, refuse_other_than_integers
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.ops.binary import Operand
    from jitgrad.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]

LOGICAL_NOT = Primitive(
    "logical_not",
    Kind.ELEMENTWISE,
    np.logical_not,
    scalar="not {0}",
    result=Result.BOOL,
)


def logical_not(input: Tensor) -> Tensor:
    """Say for each element whether it is zero.

    Example:
        >>> import jitgrad as torch
        >>> torch.logical_not(torch.tensor([0.0, 2.0]))
        tensor([ True, False])
    """
    return bind(LOGICAL_NOT, input)


def logical_not_(input: Tensor) -> Tensor:
    """Compute `logical_not` in place."""
    return bind_inplace(LOGICAL_NOT, input)


LOGICAL_AND = Primitive(
    "logical_and",
    Kind.ELEMENTWISE,
    np.logical_and,
    scalar="({0} != 0) and ({1} != 0)",
    result=Result.BOOL,
)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Say for each place whether neither element is zero."""
    check_tensor("logical_and", "other", other)
    return bind(LOGICAL_AND, input, other)


def logical_and_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `logical_and` in place."""
    check_tensor("logical_and_", "other", other)
    return bind_inplace(LOGICAL_AND, input, other)


LOGICAL_OR = Primitive(
    "logical_or",
    Kind.ELEMENTWISE,
    np.logical_or,
    scalar="({0} != 0) or ({1} != 0)",
    result=Result.BOOL,
)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Say for each place whether one of the elements is not zero."""
    check_tensor("logical_or", "other", other)
    return bind(LOGICAL_OR, input, other)


def logical_or_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `logical_or` in place."""
    check_tensor("logical_or_", "other", other)
    return bind_inplace(LOGICAL_OR, input, other)


LOGICAL_XOR = Primitive(
    "logical_xor",
    Kind.ELEMENTWISE,
    np.logical_xor,
    scalar="({0} != 0) != ({1} != 0)",
    result=Result.BOOL,
)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Say for each place whether exactly one of the elements is zero."""
    check_tensor("logical_xor", "other", other)
    return bind(LOGICAL_XOR, input, other)


def logical_xor_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `logical_xor` in place."""
    check_tensor("logical_xor_", "other", other)
    return bind_inplace(LOGICAL_XOR, input, other)


# -- bits -------------------------------------------------------------------------------------


def _of_bits(operation: str, *operands: Any) -> tuple:
    """Return the operands; NotImplementedError for floating-point ones."""
    for each in operands:
        if isinstance(each, TensorCore):
            refuse_float(operation, operands, each._array.dtype)
        elif isinstance(each, (float, np.floating)):
            refuse_float(operation, operands, dtypes.get_default_dtype().numpy)
    return operands


BITWISE_NOT = Primitive(
    "bitwise_not",
    Kind.ELEMENTWISE,
    np.invert,
    scalar="~{0}",
    result=Result.PROMOTE,
)


def bitwise_not(input: Tensor) -> Tensor:
    """Return the complement of each element: of its bits, or of the truth value.

    Raises:
        NotImplementedError: a floating-point tensor.

    Example:
        >>> import jitgrad as torch
        >>> torch.bitwise_not(torch.tensor([0, 5])), ~torch.tensor([True])
        (tensor([-1, -6]), tensor([False]))
    """
    check_tensor("bitwise_not", "input", input)
    check_tensor("bitwise_not", "input", input)
    return bind(BITWISE_NOT, *_of_bits("bitwise_not", input))


def bitwise_not_(input: Tensor) -> Tensor:
    """Compute `bitwise_not` in place."""
    return bind_inplace(BITWISE_NOT, *_of_bits("bitwise_not_", input))


BITWISE_AND = Primitive(
    "bitwise_and",
    Kind.ELEMENTWISE,
    np.bitwise_and,
    scalar="{0} & {1}",
    result=Result.PROMOTE,
    check=refuse_float,
)


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """Return the bits (for booleans: the truth values) that are set in both.

    Raises:
        NotImplementedError: floating-point operands.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([6, 3]) & 5
        tensor([4, 1])
    """
    return bind(BITWISE_AND, *_of_bits("bitwise_and", input, other))


def bitwise_and_(input: Tensor, other: Operand) -> Tensor:
    """Compute `bitwise_and` in place."""
    return bind_inplace(BITWISE_AND, *_of_bits("bitwise_and_", input, other))


BITWISE_OR = Primitive(
    "bitwise_or",
    Kind.ELEMENTWISE,
    np.bitwise_or,
    scalar="{0} | {1}",
    result=Result.PROMOTE,
    check=refuse_float,
)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """Return the bits (for booleans: the truth values) that are set in one of both.

    Raises:
        NotImplementedError: floating-point operands.
    """
    return bind(BITWISE_OR, *_of_bits("bitwise_or", input, other))


def bitwise_or_(input: Tensor, other: Operand) -> Tensor:
    """Compute `bitwise_or` in place."""
    return bind_inplace(BITWISE_OR, *_of_bits("bitwise_or_", input, other))


BITWISE_XOR = Primitive(
    "bitwise_xor",
    Kind.ELEMENTWISE,
    np.bitwise_xor,
    scalar="{0} ^ {1}",
    result=Result.PROMOTE,
    check=refuse_float,
)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """Return the bits (for booleans: the truth values) that are set in exactly one of both.

    Raises:
        NotImplementedError: floating-point operands.
    """
    return bind(BITWISE_XOR, *_of_bits("bitwise_xor", input, other))


def bitwise_xor_(input: Tensor, other: Operand) -> Tensor:
    """Compute `bitwise_xor` in place."""
    return bind_inplace(BITWISE_XOR, *_of_bits("bitwise_xor_", input, other))


BITWISE_LEFT_SHIFT = Primitive(
    "bitwise_left_shift",
    Kind.ELEMENTWISE,
    np.left_shift,
    # processors take the shift modulo 64
    scalar="where(({1} < 0) or ({1} > 63), 0, {0} << ({1} & 63))",
    result=Result.PROMOTE,
    check=refuse_other_than_integers,
)


def bitwise_left_shift(input: Operand, other: Operand) -> Tensor:
    """Return input * 2 ** other; bits that leave the dtype are lost.

    Raises:
        NotImplementedError: floating-point or only boolean operands.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1, 3]) << 2
        tensor([ 4, 12])
    """
    return bind(BITWISE_LEFT_SHIFT, *_of_bits("bitwise_left_shift", input, other))


def bitwise_left_shift_(input: Tensor, other: Operand) -> Tensor:
    """Compute `bitwise_left_shift` in place."""
    return bind_inplace(BITWISE_LEFT_SHIFT, *_of_bits("bitwise_left_shift_", input, other))


BITWISE_RIGHT_SHIFT = Primitive(
    "bitwise_right_shift",
    Kind.ELEMENTWISE,
    np.right_shift,
    scalar="{0} >> where(({1} < 0) or ({1} > 63), 63, {1})",
    result=Result.PROMOTE,
    check=refuse_other_than_integers,
)


def bitwise_right_shift(input: Operand, other: Operand) -> Tensor:
    """Return floor(input / 2 ** other).

    Raises:
        NotImplementedError: floating-point or only boolean operands.
    """
    return bind(BITWISE_RIGHT_SHIFT, *_of_bits("bitwise_right_shift", input, other))


def bitwise_right_shift_(input: Tensor, other: Operand) -> Tensor:
    """Compute `bitwise_right_shift` in place."""
    return bind_inplace(BITWISE_RIGHT_SHIFT, *_of_bits("bitwise_right_shift_", input, other))


class LogicalMethods:
    """The operations of this file as methods of `Tensor`."""

    logical_not = logical_not
    logical_not_ = logical_not_
    logical_and = logical_and
    logical_and_ = logical_and_
    logical_or = logical_or
    logical_or_ = logical_or_
    logical_xor = logical_xor
    logical_xor_ = logical_xor_
    bitwise_not = bitwise_not
    bitwise_not_ = bitwise_not_
    bitwise_and = bitwise_and
    bitwise_and_ = __iand__ = bitwise_and_
    bitwise_or = bitwise_or
    bitwise_or_ = __ior__ = bitwise_or_
    bitwise_xor = bitwise_xor
    bitwise_xor_ = __ixor__ = bitwise_xor_
    bitwise_left_shift = bitwise_left_shift
    bitwise_left_shift_ = __ilshift__ = bitwise_left_shift_
    bitwise_right_shift = bitwise_right_shift
    bitwise_right_shift_ = __irshift__ = bitwise_right_shift_

    def __invert__(self: Any) -> Tensor:
        if self._array.dtype.kind not in "iub":
            raise TypeError(
                "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
            )
        return bind(BITWISE_NOT, self)

    def __and__(self: Any, other: Any) -> Tensor:
        return bitwise_and(self, other) if isinstance(other, OPERAND) else NotImplemented

    __rand__ = __and__

    def __or__(self: Any, other: Any) -> Tensor:
        return bitwise_or(self, other) if isinstance(other, OPERAND) else NotImplemented

    __ror__ = __or__

    def __xor__(self: Any, other: Any) -> Tensor:
        return bitwise_xor(self, other) if isinstance(other, OPERAND) else NotImplemented

    __rxor__ = __xor__

    def __lshift__(self: Any, other: Any) -> Tensor:
        return bitwise_left_shift(self, other) if isinstance(other, OPERAND) else NotImplemented

    def __rlshift__(self: Any, other: Any) -> Tensor:
        return bitwise_left_shift(other, self) if isinstance(other, OPERAND) else NotImplemented

    def __rshift__(self: Any, other: Any) -> Tensor:
        return bitwise_right_shift(self, other) if isinstance(other, OPERAND) else NotImplemented

    def __rrshift__(self: Any, other: Any) -> Tensor:
        return bitwise_right_shift(other, self) if isinstance(other, OPERAND) else NotImplemented
