"""Choosing among elements at one place: where, the larger, the smaller, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, FILL, TensorCore, bind, number_as
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.modes import TrackedFloat
from jitgrad.ops.checks import check_tensor, refuse_bool
from jitgrad.ops.choosing import chosen
from jitgrad.ops.comparison import isnan, isneginf, isposinf
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import dtype_of_number, promote

if TYPE_CHECKING:
    from jitgrad.ops.binary import Operand
    from jitgrad.tensor import Tensor

    Bound = Tensor | float | None

__all__ = [
    "clamp",
    "clamp_",
    "clamp_max",
    "clamp_max_",
    "clamp_min",
    "clamp_min_",
    "clip",
    "clip_",
    "fmax",
    "fmin",
    "heaviside",
    "maximum",
    "minimum",
    "nan_to_num",
    "nan_to_num_",
    "where",
]

WHERE = Primitive(
    "where",
    Kind.ELEMENTWISE,
    chosen,
    (
        None,
        lambda g, _out, condition, _a, _b: bind(WHERE, condition, g, 0),
        lambda g, _out, condition, _a, _b: bind(WHERE, condition, 0, g),
    ),
    scalar="where({0}, {1}, {2})",
)


_PLAIN = (float, int, TrackedFloat)


def where(condition: Tensor, input: Operand | None = None, other: Operand | None = None) -> Any:
    """Return `input` where `condition` holds and `other` elsewhere, broadcast and promoted.

    With `condition` alone: the indices at which it holds, as `nonzero(as_tuple=True)`.
    Gradient: goes to the tensor that was chosen.

    Raises:
        RuntimeError: `condition` does not hold booleans.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([-1.0, 2.0])
        >>> torch.where(x > 0, x, 0)
        tensor([0., 2.])
    """
    check_tensor("where", "condition", condition)
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition._array.dtype.kind != "b":
        condition = _mask_of(condition)
    first, second = isinstance(input, TensorCore), isinstance(other, TensorCore)
    if first and second:
        if input._array.dtype == other._array.dtype:  # type: ignore[union-attr]
            return bind(WHERE, condition, input, other)
    elif first or second:
        chosen, number = (input, other) if first else (other, input)
        if type(number) in _PLAIN and chosen._array.dtype.kind == "f":  # type: ignore[union-attr]
            return bind(WHERE, condition, input, other)
    return _where_promoted(condition, input, other)


def _mask_of(condition: Tensor) -> Tensor:
    dtype = condition._array.dtype
    if dtype != dtypes.uint8.numpy:
        raise RuntimeError(
            describe(
                "where",
                f"a condition of {dtypes.FROM_NUMPY[dtype].name}",
                "where expected condition to be a boolean tensor",
                "compare it with something, or convert it with .bool()",
            )
        )
    return bind(CAST, condition, dtype=dtypes.bool_.numpy)


def _where_promoted(condition: Tensor, input: Any, other: Any) -> Tensor:
    for name, each in (("input", input), ("other", other)):
        if not isinstance(each, TensorCore) and dtype_of_number(each) is None:
            raise TypeError(
                f"where(): argument '{name}' must be Tensor or Number, not {type(each).__name__}"
            )
    arrays = [each._array if isinstance(each, TensorCore) else each for each in (input, other)]
    common = promote(arrays)

    def as_common(value: Any) -> Any:
        if isinstance(value, TensorCore):
            same = value._array.dtype == common
            return value if same else bind(CAST, value, dtype=common)
        return number_as(value, common)

    first, second = as_common(input), as_common(other)
    if not isinstance(first, TensorCore) and not isinstance(second, TensorCore):
        first = bind(FILL, first, size=(), dtype=common)
    return bind(WHERE, condition, first, second)


# -- the larger and the smaller -----------------------------------------------------------------


def _share(g: Any, a: Any, b: Any) -> Any:
    """Return `g` where a > b; where both are equal each takes half."""
    return where(a == b, g / 2, where(a < b, 0, g))


MAXIMUM = Primitive(
    "maximum",
    Kind.ELEMENTWISE,
    np.maximum,
    (lambda g, _out, a, b: _share(g, a, b), lambda g, _out, a, b: _share(g, b, a)),
    scalar="maximum({0}, {1})",
    result=Result.PROMOTE,
    compares=True,
)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of both elements; NaN where one is NaN.

    Gradient: goes to the larger one, half to each where they are equal.

    Example:
        >>> import jitgrad as torch
        >>> torch.maximum(torch.tensor([1, 5]), torch.tensor([3, 2]))
        tensor([3, 5])
    """
    check_tensor("maximum", "input", input)
    check_tensor("maximum", "other", other)
    return bind(MAXIMUM, input, other)


MINIMUM = Primitive(
    "minimum",
    Kind.ELEMENTWISE,
    np.minimum,
    (lambda g, _out, a, b: _share(g, b, a), lambda g, _out, a, b: _share(g, a, b)),
    scalar="minimum({0}, {1})",
    result=Result.PROMOTE,
    compares=True,
)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of both elements; NaN where one is NaN.

    Gradient: goes to the smaller one, half to each where they are equal.
    """
    check_tensor("minimum", "input", input)
    check_tensor("minimum", "other", other)
    return bind(MINIMUM, input, other)


FMAX = Primitive(
    "fmax",
    Kind.ELEMENTWISE,
    np.fmax,
    (
        lambda g, _out, a, b: where((a >= b) | b.isnan(), g, 0),
        lambda g, _out, a, b: where((a >= b) | b.isnan(), 0, g),
    ),
    scalar="where(({0} >= {1}) or isnan({1}), {0}, {1})",
    result=Result.PROMOTE,
)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of both elements; the other one where one is NaN.

    Gradient: goes to the one that was taken, the first where they are equal.

    Example:
        >>> import jitgrad as torch
        >>> torch.fmax(torch.tensor([1.0, torch.nan]), torch.tensor([2.0, 3.0]))
        tensor([2., 3.])
    """
    check_tensor("fmax", "input", input)
    check_tensor("fmax", "other", other)
    return bind(FMAX, input, other)


FMIN = Primitive(
    "fmin",
    Kind.ELEMENTWISE,
    np.fmin,
    (
        lambda g, _out, a, b: where((a <= b) | b.isnan(), g, 0),
        lambda g, _out, a, b: where((a <= b) | b.isnan(), 0, g),
    ),
    scalar="where(({0} <= {1}) or isnan({1}), {0}, {1})",
    result=Result.PROMOTE,
)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of both elements; the other one where one is NaN.

    Gradient: goes to the one that was taken, the first where they are equal.
    """
    check_tensor("fmin", "input", input)
    check_tensor("fmin", "other", other)
    return bind(FMIN, input, other)


# -- bounds -----------------------------------------------------------------------------------


def _refuse_bool(name: str, inputs: tuple, promoted: np.dtype) -> None:
    # PyTorch bounds booleans by tensors, but not by numbers
    if not any(isinstance(each, TensorCore) for each in inputs[1:]):
        refuse_bool(name, inputs, promoted)


CLAMP_MIN = Primitive(
    "clamp_min",
    Kind.ELEMENTWISE,
    np.maximum,
    (
        lambda g, _out, x, low: where(x >= low, g, 0),
        lambda g, _out, x, low: where(x < low, g, 0),
    ),
    scalar="maximum({0}, {1})",
    result=Result.PROMOTE,
    check=_refuse_bool,
)

CLAMP_MAX = Primitive(
    "clamp_max",
    Kind.ELEMENTWISE,
    np.minimum,
    (
        lambda g, _out, x, high: where(x <= high, g, 0),
        lambda g, _out, x, high: where(x > high, g, 0),
    ),
    scalar="minimum({0}, {1})",
    result=Result.PROMOTE,
    check=_refuse_bool,
)

CLAMP = Primitive(
    "clamp",
    Kind.ELEMENTWISE,
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    (
        lambda g, _out, x, low, high: where((x >= low) & (x <= high), g, 0),
        lambda g, _out, x, low, high: where((x < low) & _below(low, high), g, 0),
        lambda g, _out, x, low, high: where((x > high) | _below(high, low), g, 0),
    ),
    scalar="minimum(maximum({0}, {1}), {2})",
    result=Result.PROMOTE,
    check=_refuse_bool,
)


def _below(a: Any, b: Any) -> Any:
    # a bound that requires grad is a tensor, the other one may be a number
    return a < b if isinstance(a, TensorCore) else b > a


def _bounded(bind: Any, operation: str, input: Any, low: Any, high: Any) -> Any:
    check_tensor(operation, "input", input)
    if high is None:
        if low is None:
            raise RuntimeError(
                f"{operation}: torch.clamp: At least one of 'min' or 'max' must not be None"
            )
        return bind(CLAMP_MIN, input, _bound(operation, input, low))
    if low is None:
        return bind(CLAMP_MAX, input, _bound(operation, input, high))
    return bind(CLAMP, input, _bound(operation, input, low), _bound(operation, input, high))


def _bound(operation: str, input: Any, bound: Any) -> Any:
    """Check a number that integers are bounded by: wrapped to their dtype it would be another."""
    dtype = input._array.dtype
    if dtype.kind in "iu" and type(bound) is int:
        limits = np.iinfo(dtype)
        if not limits.min <= bound <= limits.max:
            raise RuntimeError(
                f"{operation}: value {bound} cannot be converted to type "
                f"{dtypes.FROM_NUMPY[dtype].name} without overflow"
            )
    return bound


def clamp(input: Tensor, min: Bound = None, max: Bound = None) -> Tensor:
    """Return `input` held between `min` and `max`, numbers or tensors, broadcast and promoted.

    Where `min` is above `max` the result is `max`; NaN stays.
    Gradient: goes to `input` where it lies within the bounds (these included), else to the
    bound that was taken.

    Raises:
        RuntimeError: neither bound is given, or a number does not fit the integers it bounds.

    Example:
        >>> import jitgrad as torch
        >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), min=0, max=1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    return _bounded(bind, "clamp", input, min, max)


def clamp_(input: Tensor, min: Bound = None, max: Bound = None) -> Tensor:
    """Compute `clamp` in place."""
    return _bounded(bind_inplace, "clamp_", input, min, max)


clip = clamp
clip_ = clamp_


def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """Return `input` where it is not below `min`, else `min`; as `clamp(min=min)`."""
    return _bounded(bind, "clamp_min", input, min, None)


def clamp_min_(input: Tensor, min: Operand) -> Tensor:
    """Compute `clamp_min` in place."""
    return _bounded(bind_inplace, "clamp_min_", input, min, None)


def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """Return `input` where it is not above `max`, else `max`; as `clamp(max=max)`."""
    return _bounded(bind, "clamp_max", input, None, max)


def clamp_max_(input: Tensor, max: Operand) -> Tensor:
    """Compute `clamp_max` in place."""
    return _bounded(bind_inplace, "clamp_max_", input, None, max)


HEAVISIDE = Primitive(
    "heaviside",
    Kind.ELEMENTWISE,
    lambda x, values: np.where(x == 0, values, (x > 0).astype(x.dtype)),
    scalar="where({0} == 0, {1}, where({0} > 0, 1, 0))",
    result=Result.PROMOTE,
)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Return 0 for negative elements, 1 for positive ones, and `values` for 0. No gradient.

    Raises:
        RuntimeError: different dtypes.

    Example:
        >>> import jitgrad as torch
        >>> torch.heaviside(torch.tensor([-2.0, 0.0, 3.0]), torch.tensor([0.5]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    check_tensor("heaviside", "input", input)
    check_tensor("heaviside", "values", values)
    if input._array.dtype != values._array.dtype:
        raise RuntimeError(
            "heaviside: heaviside is not yet implemented for tensors with different dtypes; "
            "convert one with .to(other.dtype)"
        )
    return bind(HEAVISIDE, input, values)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Return `input` with NaN, inf and -inf replaced: by 0 and the dtype's limits unless given.

    Gradient: 1 for what stays, 0 for what is replaced.

    Example:
        >>> import jitgrad as torch
        >>> torch.nan_to_num(torch.tensor([torch.nan, torch.inf, 1.0]), posinf=9)
        tensor([0., 9., 1.])
    """
    check_tensor("nan_to_num", "input", input)
    dtype = input._array.dtype
    if dtype.kind != "f":
        return input.clone()
    limits = np.finfo(dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    number = where(isnan(input), 0.0 if nan is None else nan, input)
    return where(isposinf(input), high, where(isneginf(input), low, number))


def nan_to_num_(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Compute `nan_to_num` in place."""
    return input.copy_(nan_to_num(input, nan, posinf, neginf))


class SelectionMethods:
    """The operations of this file as methods of `Tensor`."""

    maximum = maximum
    minimum = minimum
    fmax = fmax
    fmin = fmin
    clamp = clip = clamp
    clamp_ = clip_ = clamp_
    clamp_min = clamp_min
    clamp_min_ = clamp_min_
    clamp_max = clamp_max
    clamp_max_ = clamp_max_
    heaviside = heaviside
    nan_to_num = nan_to_num
    nan_to_num_ = nan_to_num_

    def where(self: Any, condition: Tensor, other: Operand) -> Tensor:
        """Return this tensor where `condition` holds and `other` elsewhere."""
        return where(condition, self, other)
