"""Functions of two and three tensors, element by element: angles, blends, signs, sums of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import FILL, TensorCore, bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.modes import plain_number
from jitgrad.ops.binary import is_one
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.selection import where
from jitgrad.ops.unary import zeros_for
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.ops.binary import Operand
    from jitgrad.tensor import Tensor

__all__ = [
    "addcdiv",
    "addcmul",
    "arctan2",
    "atan2",
    "copysign",
    "hypot",
    "ldexp",
    "lerp",
    "logaddexp",
    "logaddexp2",
    "xlogy",
    "xlogy_",
]

LN2 = 0.6931471805599453


def _check_tensors(operation: str, input: Any, other: Any) -> None:
    check_tensor(operation, "input", input)
    check_tensor(operation, "other", other)


def _over_square(part: Any, a: Any, b: Any) -> Any:
    # the angle of the origin does not change
    return where((a == 0) & (b == 0), 0, part / (a * a + b * b))


ATAN2 = Primitive(
    "atan2",
    Kind.ELEMENTWISE,
    np.arctan2,
    (
        lambda g, _out, a, b: g * _over_square(b, a, b),
        lambda g, _out, a, b: g * _over_square(-a, a, b),
    ),
    scalar="atan2({0}, {1})",
    result=Result.FLOAT,
)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Return the angle of the point (x=other, y=input), between -pi and pi.

    Gradient: other / (input^2 + other^2) and -input / (input^2 + other^2).

    Example:
        >>> import jitgrad as torch
        >>> torch.atan2(torch.tensor([1.0]), torch.tensor([-1.0]))
        tensor([2.3562])
    """
    _check_tensors("atan2", input, other)
    return bind(ATAN2, input, other)


def atan2_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `atan2` in place."""
    _check_tensors("atan2_", input, other)
    return bind_inplace(ATAN2, input, other)


arctan2 = atan2

HYPOT = Primitive(
    "hypot",
    Kind.ELEMENTWISE,
    np.hypot,
    (lambda g, out, a, _b: g * (a / out), lambda g, out, _a, b: g * (b / out)),
    # scaled by the larger one, so that squares neither overflow nor vanish
    scalar=(
        "where(isinf({0}) or isinf({1}), abs_(where(isinf({0}), {0}, {1})), "
        "where(maximum(abs_({0}), abs_({1})) == 0, {0} * 0, maximum(abs_({0}), abs_({1})) * "
        "sqrt(1 + (minimum(abs_({0}), abs_({1})) / maximum(abs_({0}), abs_({1})))"
        " * (minimum(abs_({0}), abs_({1})) / maximum(abs_({0}), abs_({1}))))))"
    ),
    result=Result.PROMOTE,
    check=refuse_integers,
)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """Return sqrt(input^2 + other^2), without overflow on the way.

    Gradient: input / output and other / output.

    Example:
        >>> import jitgrad as torch
        >>> torch.hypot(torch.tensor([3.0]), torch.tensor([4.0]))
        tensor([5.])
    """
    _check_tensors("hypot", input, other)
    return bind(HYPOT, input, other)


def hypot_(input: Tensor, other: Tensor) -> Tensor:
    """Compute `hypot` in place."""
    _check_tensors("hypot_", input, other)
    return bind_inplace(HYPOT, input, other)


LOGADDEXP = Primitive(
    "logaddexp",
    Kind.ELEMENTWISE,
    np.logaddexp,
    (
        lambda g, _out, a, b: g * (a - b).sigmoid(),
        lambda g, _out, a, b: g * (b - a).sigmoid(),
    ),
    scalar=(
        "where({0} == {1}, {0} + 0.6931471805599453, "
        "maximum({0}, {1}) + log1p(exp(-abs_({0} - {1}))))"
    ),
    result=Result.PROMOTE,
    check=refuse_integers,
)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return log(exp(input) + exp(other)), without overflow on the way.

    Gradient: sigmoid(input - other) and sigmoid(other - input).

    Example:
        >>> import jitgrad as torch
        >>> torch.logaddexp(torch.tensor([100.0]), torch.tensor([100.0]))
        tensor([100.6931])
    """
    _check_tensors("logaddexp", input, other)
    return bind(LOGADDEXP, input, other)


LOGADDEXP2 = Primitive(
    "logaddexp2",
    Kind.ELEMENTWISE,
    np.logaddexp2,
    (
        lambda g, _out, a, b: g * ((a - b) * LN2).sigmoid(),
        lambda g, _out, a, b: g * ((b - a) * LN2).sigmoid(),
    ),
    scalar=(
        "where({0} == {1}, {0} + 1, "
        "maximum({0}, {1}) + log1p(exp2(-abs_({0} - {1}))) * 1.4426950408889634)"
    ),
    result=Result.PROMOTE,
    check=refuse_integers,
)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Return the logarithm to base 2 of 2^input + 2^other, without overflow on the way."""
    _check_tensors("logaddexp2", input, other)
    return bind(LOGADDEXP2, input, other)


COPYSIGN = Primitive(
    "copysign",
    Kind.ELEMENTWISE,
    np.copysign,
    (
        lambda g, out, a, _b: g * where(a == 0, 0, out / a),
        lambda g, _out, _a, _b: zeros_for(g),
    ),
    # the sign of a zero shows in its reciprocal
    scalar="where(({1} < 0) or (1 / {1} < 0), -abs_({0}), abs_({0}))",
    result=Result.FLOAT,
)


def copysign(input: Tensor, other: Operand) -> Tensor:
    """Return the magnitude of `input` with the sign of `other`.

    Gradient: 1 or -1 for `input`, 0 at 0; 0 for `other`.

    Example:
        >>> import jitgrad as torch
        >>> torch.copysign(torch.tensor([1.0, -2.0]), -0.0)
        tensor([-1., -2.])
    """
    check_tensor("copysign", "input", input)
    return bind(COPYSIGN, input, other)


def copysign_(input: Tensor, other: Operand) -> Tensor:
    """Compute `copysign` in place."""
    return bind_inplace(COPYSIGN, input, other)


def _xlogy(x: Any, y: Any) -> Any:
    if not isinstance(y, np.ndarray):
        y = np.asarray(y, x.dtype)
    return np.where(np.isnan(y), y, np.where(np.equal(x, 0), 0, x * np.log(y)))


def _log_of(g: Any, value: Any) -> Any:
    if not isinstance(value, TensorCore):
        value = bind(FILL, value, size=(), dtype=g._array.dtype)
    return value.log()  # type: ignore[attr-defined]


XLOGY = Primitive(
    "xlogy",
    Kind.ELEMENTWISE,
    _xlogy,
    (
        lambda g, _out, a, b: g * where((a == 0) & (b <= 0), 0, _log_of(g, b)),
        lambda g, _out, a, b: g * (a / b),
    ),
    scalar="where(isnan({1}), {1}, where({0} == 0, 0, {0} * log({1})))",
    result=Result.FLOAT,
)


def xlogy(input: Operand, other: Operand) -> Tensor:
    """Return input * log(other), 0 where `input` is 0.

    Gradient: log(other) and input / other.

    Example:
        >>> import jitgrad as torch
        >>> torch.xlogy(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    return bind(XLOGY, input, other)


def xlogy_(input: Tensor, other: Operand) -> Tensor:
    """Compute `xlogy` in place."""
    return bind_inplace(XLOGY, input, other)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Return input * 2 ** other."""
    _check_tensors("ldexp", input, other)
    if input._array.dtype.kind == "f":
        other = other.type_as(input)
    return input * 2.0**other


# -- blends -----------------------------------------------------------------------------------


def _lerp(a: Any, b: Any, weight: Any) -> Any:
    # from the nearer end, so that both ends come out exactly
    if not isinstance(weight, np.ndarray):
        # compared by Python, in a tenth of the 2 us that NumPy takes for a number
        weight = plain_number(weight)
        near = -0.5 < weight < 0.5
        return a + weight * (b - a) if near else b - (b - a) * (1 - weight)
    near = np.less(np.abs(weight), 0.5)
    return np.where(near, a + weight * (b - a), b - (b - a) * (1 - weight))


LERP = Primitive(
    "lerp",
    Kind.ELEMENTWISE,
    _lerp,
    (
        lambda g, _out, _a, _b, weight: g * (1 - weight),
        lambda g, _out, _a, _b, weight: g * weight,
        lambda g, _out, a, b, _weight: g * (b - a),
    ),
    scalar=("where(abs_({2}) < 0.5, {0} + {2} * ({1} - {0}), {1} - ({1} - {0}) * (1 - {2}))"),
    result=Result.PROMOTE,
)


def _check_lerp(operation: str, input: Any, end: Any) -> None:
    check_tensor(operation, "input", input)
    check_tensor(operation, "end", end)
    if input._array.dtype != end._array.dtype:
        expected = dtypes.FROM_NUMPY[input._array.dtype].name
        found = dtypes.FROM_NUMPY[end._array.dtype].name
        raise RuntimeError(
            f"{operation}: expected dtype {expected} for `end` but got dtype {found}; convert one "
            "with .to(other.dtype)"
        )
    refuse_integers(operation, (input, end), input._array.dtype)


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """Return input + weight * (end - input), broadcast.

    Gradient: 1 - weight, weight and end - input.

    Raises:
        RuntimeError: different dtypes.
        NotImplementedError: integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.lerp(torch.tensor([0.0, 10.0]), torch.tensor([10.0, 20.0]), 0.25)
        tensor([ 2.5000, 12.5000])
    """
    _check_lerp("lerp", input, end)
    return bind(LERP, input, end, weight)


def lerp_(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """Compute `lerp` in place."""
    _check_lerp("lerp_", input, end)
    return bind_inplace(LERP, input, end, weight)


def _valued(operation: str, input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    check_tensor(operation, "input", input)
    check_tensor(operation, "tensor1", tensor1)
    check_tensor(operation, "tensor2", tensor2)
    if is_one(value):
        return tensor1
    if all(each._array.dtype.kind in "iub" for each in (input, tensor1, tensor2)):
        value = int(value)
    return tensor1 * value


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return input + value * tensor1 * tensor2, broadcast and promoted.

    Example:
        >>> import jitgrad as torch
        >>> torch.addcmul(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([3.0]), value=10)
        tensor([61.])
    """
    return input + _valued("addcmul", input, tensor1, tensor2, value) * tensor2


def addcmul_(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Compute `addcmul` in place."""
    return input.add_(_valued("addcmul_", input, tensor1, tensor2, value) * tensor2)


def _check_addcdiv(operation: str, tensor1: Any, tensor2: Any) -> None:
    if tensor1._array.dtype.kind in "iub" and tensor2._array.dtype.kind in "iub":
        raise RuntimeError(
            describe(
                operation,
                "two tensors of integers",
                "Integer division with addcdiv is no longer supported",
                "use input + value * torch.trunc(tensor1 / tensor2), or convert with .float()",
            )
        )


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return input + value * tensor1 / tensor2, broadcast and promoted.

    Raises:
        RuntimeError: `tensor1` and `tensor2` hold integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.addcdiv(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([4.0]), value=10)
        tensor([6.])
    """
    scaled = _valued("addcdiv", input, tensor1, tensor2, value)
    _check_addcdiv("addcdiv", tensor1, tensor2)
    return input + scaled / tensor2


def addcdiv_(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Compute `addcdiv` in place."""
    scaled = _valued("addcdiv_", input, tensor1, tensor2, value)
    _check_addcdiv("addcdiv_", tensor1, tensor2)
    return input.add_(scaled / tensor2)


class BlendingMethods:
    """The operations of this file as methods of `Tensor`."""

    atan2 = arctan2 = atan2
    atan2_ = arctan2_ = atan2_
    hypot = hypot
    hypot_ = hypot_
    logaddexp = logaddexp
    logaddexp2 = logaddexp2
    copysign = copysign
    copysign_ = copysign_
    xlogy = xlogy
    xlogy_ = xlogy_
    ldexp = ldexp
    lerp = lerp
    lerp_ = lerp_
    addcmul = addcmul
    addcmul_ = addcmul_
    addcdiv = addcdiv
    addcdiv_ = addcdiv_
