"""Comparisons, element by element and of whole tensors, and tests of what kind a number is."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.binary import OPERAND
from jitgrad.ops.checks import check_tensor
from jitgrad.ops.create import from_numpy
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.ops.binary import Operand
    from jitgrad.tensor import Tensor

__all__ = [
    "allclose",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "less",
    "less_equal",
    "lt",
    "ne",
    "not_equal",
    "signbit",
]

EQ = Primitive("eq", Kind.ELEMENTWISE, np.equal, scalar="{0} == {1}", result=Result.BOOL)


def eq(input: Tensor, other: Operand) -> Tensor:
    """Return input == other for each element, as bool.

    Example:
        >>> import jitgrad as torch
        >>> torch.eq(torch.tensor([1, 2]), torch.tensor([1.0, 3.0]))
        tensor([ True, False])
    """
    check_tensor("eq", "input", input)
    return bind(EQ, input, other)


NE = Primitive("ne", Kind.ELEMENTWISE, np.not_equal, scalar="{0} != {1}", result=Result.BOOL)


def ne(input: Tensor, other: Operand) -> Tensor:
    """Return input != other for each element, as bool."""
    check_tensor("ne", "input", input)
    return bind(NE, input, other)


LT = Primitive("lt", Kind.ELEMENTWISE, np.less, scalar="{0} < {1}", result=Result.BOOL)


def lt(input: Tensor, other: Operand) -> Tensor:
    """Return input < other for each element, as bool."""
    check_tensor("lt", "input", input)
    return bind(LT, input, other)


LE = Primitive("le", Kind.ELEMENTWISE, np.less_equal, scalar="{0} <= {1}", result=Result.BOOL)


def le(input: Tensor, other: Operand) -> Tensor:
    """Return input <= other for each element, as bool."""
    check_tensor("le", "input", input)
    return bind(LE, input, other)


GT = Primitive("gt", Kind.ELEMENTWISE, np.greater, scalar="{0} > {1}", result=Result.BOOL)


def gt(input: Tensor, other: Operand) -> Tensor:
    """Return input > other for each element, as bool."""
    check_tensor("gt", "input", input)
    return bind(GT, input, other)


GE = Primitive("ge", Kind.ELEMENTWISE, np.greater_equal, scalar="{0} >= {1}", result=Result.BOOL)


def ge(input: Tensor, other: Operand) -> Tensor:
    """Return input >= other for each element, as bool."""
    check_tensor("ge", "input", input)
    return bind(GE, input, other)


def eq_(input: Tensor, other: Operand) -> Tensor:
    """Compute `eq` in place: 1 and 0 in the dtype of `input`."""
    return bind_inplace(EQ, input, other)


def ne_(input: Tensor, other: Operand) -> Tensor:
    """Compute `ne` in place: 1 and 0 in the dtype of `input`."""
    return bind_inplace(NE, input, other)


def lt_(input: Tensor, other: Operand) -> Tensor:
    """Compute `lt` in place: 1 and 0 in the dtype of `input`."""
    return bind_inplace(LT, input, other)


def le_(input: Tensor, other: Operand) -> Tensor:
    """Compute `le` in place: 1 and 0 in the dtype of `input`."""
    return bind_inplace(LE, input, other)


def gt_(input: Tensor, other: Operand) -> Tensor:
    """Compute `gt` in place: 1 and 0 in the dtype of `input`."""
    return bind_inplace(GT, input, other)


def ge_(input: Tensor, other: Operand) -> Tensor:
    """Compute `ge` in place: 1 and 0 in the dtype of `input`."""
    return bind_inplace(GE, input, other)


greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne

# -- kinds of numbers ---------------------------------------------------------------------------

ISNAN = Primitive("isnan", Kind.ELEMENTWISE, np.isnan, scalar="isnan({0})", result=Result.BOOL)


def isnan(input: Tensor) -> Tensor:
    """Say for each element whether it is NaN.

    Example:
        >>> import jitgrad as torch
        >>> torch.isnan(torch.tensor([1.0, torch.nan]))
        tensor([False,  True])
    """
    return bind(ISNAN, input)


ISINF = Primitive("isinf", Kind.ELEMENTWISE, np.isinf, scalar="isinf({0})", result=Result.BOOL)


def isinf(input: Tensor) -> Tensor:
    """Say for each element whether it is infinite, of either sign."""
    return bind(ISINF, input)


ISFINITE = Primitive(
    "isfinite", Kind.ELEMENTWISE, np.isfinite, scalar="isfinite({0})", result=Result.BOOL
)


def isfinite(input: Tensor) -> Tensor:
    """Say for each element whether it is neither infinite nor NaN."""
    return bind(ISFINITE, input)


ISPOSINF = Primitive(
    "isposinf",
    Kind.ELEMENTWISE,
    lambda x: np.isinf(x) & (x > 0),
    scalar="isinf({0}) and {0} > 0",
    result=Result.BOOL,
)


def isposinf(input: Tensor) -> Tensor:
    """Say for each element whether it is inf."""
    return bind(ISPOSINF, input)


ISNEGINF = Primitive(
    "isneginf",
    Kind.ELEMENTWISE,
    lambda x: np.isinf(x) & (x < 0),
    scalar="isinf({0}) and {0} < 0",
    result=Result.BOOL,
)


def isneginf(input: Tensor) -> Tensor:
    """Say for each element whether it is -inf."""
    return bind(ISNEGINF, input)


SIGNBIT = Primitive(
    "signbit",
    Kind.OPAQUE,
    lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0,
    result=Result.BOOL,
)


def signbit(input: Tensor) -> Tensor:
    """Say for each element whether its sign is minus; -0.0 has one."""
    return bind(SIGNBIT, input)


# -- whole tensors ------------------------------------------------------------------------------


def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: builtins.bool = False,
) -> Tensor:
    """Say for each element whether |input - other| <= atol + rtol * |other|.

    Equal infinities are close; NaNs are if `equal_nan`.

    Raises:
        RuntimeError: different dtypes, or a negative tolerance.

    Example:
        >>> import jitgrad as torch
        >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    check_tensor("isclose", "input", input)
    check_tensor("isclose", "other", other)
    a, b = input._array.dtype, other._array.dtype
    if a != b:
        raise RuntimeError(
            describe(
                "isclose",
                f"tensors of {dtypes.FROM_NUMPY[a].name} and {dtypes.FROM_NUMPY[b].name}",
                "one did not match the dtype of the other",
                "convert one with .to(other.dtype)",
            )
        )
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(
                f"isclose: {name} must be greater than or equal to zero, but got {tolerance}"
            )
    close = input == other
    if a.kind == "f" and equal_nan:
        close = close | (isnan(input) & isnan(other))
    if not rtol and not atol:
        return close
    first, second = (input, other) if a.kind == "f" else (input.double(), other.double())
    distance = (first - second).abs()
    return close | (isfinite(distance) & (distance <= atol + (rtol * second).abs()))


def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: builtins.bool = False,
) -> builtins.bool:
    """Say whether all elements are close, as `isclose`.

    Example:
        >>> import jitgrad as torch
        >>> torch.allclose(torch.ones(2), torch.tensor([1.0, 1.000001]))
        True
    """
    return builtins.bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> builtins.bool:
    """Say whether both tensors have the same shape and equal elements.

    Example:
        >>> import jitgrad as torch
        >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
        True
    """
    check_tensor("equal", "input", input)
    check_tensor("equal", "other", other)
    if input._array.shape != other._array.shape:
        return False
    return builtins.bool((input == other).all())


def _with_array(primitive: Primitive, input: Any, other: Any) -> Any:
    # PyTorch's == takes NumPy arrays as well (its != gives True for any)
    return (
        bind(primitive, input, from_numpy(other))
        if isinstance(other, np.ndarray)
        else NotImplemented
    )


class ComparisonMethods:
    """The operations of this file as methods of `Tensor`."""

    eq = eq
    eq_ = eq_
    ne = not_equal = ne
    ne_ = not_equal_ = ne_
    lt = less = lt
    lt_ = less_ = lt_
    le = less_equal = le
    le_ = less_equal_ = le_
    gt = greater = gt
    gt_ = greater_ = gt_
    ge = greater_equal = ge
    ge_ = greater_equal_ = ge_
    isnan = isnan
    isinf = isinf
    isfinite = isfinite
    isposinf = isposinf
    isneginf = isneginf
    signbit = signbit
    isclose = isclose
    allclose = allclose
    equal = equal

    def __eq__(self: Any, other: Any) -> Any:
        return bind(EQ, self, other) if isinstance(other, OPERAND) else _with_array(EQ, self, other)

    def __ne__(self: Any, other: Any) -> Any:
        return bind(NE, self, other) if isinstance(other, OPERAND) else _with_array(NE, self, other)

    def __lt__(self: Any, other: Any) -> Tensor:
        return bind(LT, self, other) if isinstance(other, OPERAND) else NotImplemented

    def __le__(self: Any, other: Any) -> Tensor:
        return bind(LE, self, other) if isinstance(other, OPERAND) else NotImplemented

    def __gt__(self: Any, other: Any) -> Tensor:
        return bind(GT, self, other) if isinstance(other, OPERAND) else NotImplemented

    def __ge__(self: Any, other: Any) -> Tensor:
        return bind(GE, self, other) if isinstance(other, OPERAND) else NotImplemented

    # a class that defines __eq__ loses its hash; Tensor defines one by identity
    __hash__ = object.__hash__
