"""The same operation on each tensor of a list: PyTorch's `_foreach_*` functions.

Optimizers update all their parameters by a handful of such list operations. Each takes lists (or
tuples) of tensors and, beside the first, numbers, lists of numbers and 0-d tensors, too. In-place
forms write into the tensors of the first list, and return it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, TensorCore
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.modes import state
from jitgrad.ops import foreach_unary
from jitgrad.ops.binary import ADD, MUL, POW, SUB, is_one
from jitgrad.ops.blending import LERP
from jitgrad.ops.comparison import GT, LT
from jitgrad.ops.convert import CLONE
from jitgrad.ops.division import DIV
from jitgrad.ops.each import (
    check_operand,
    check_tensors,
    checked_each,
    each_value,
    is_list,
    perform_each,
)
from jitgrad.ops.extremes import AMAX, AMIN
from jitgrad.ops.foreach_unary import *  # noqa: F403
from jitgrad.ops.norms import NORM, NORM_ROOT, NORM_SQRT
from jitgrad.ops.reduce import SUM
from jitgrad.ops.selection import MAXIMUM, MINIMUM, WHERE
from jitgrad.ops.unary import ABS, SIGN, SQUARE
from jitgrad.ops.write import COPY, ZERO
from jitgrad.primitive import Primitive

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Tensors = Sequence[Tensor]
    Made = tuple[Tensor, ...]
    Number = float | int | bool
    Values = Number | Tensor | Sequence[Tensor] | Sequence[Number]

__all__ = [
    "_foreach_add",
    "_foreach_add_",
    "_foreach_addcdiv",
    "_foreach_addcdiv_",
    "_foreach_addcmul",
    "_foreach_addcmul_",
    "_foreach_clamp_max",
    "_foreach_clamp_max_",
    "_foreach_clamp_min",
    "_foreach_clamp_min_",
    "_foreach_clone",
    "_foreach_copy_",
    "_foreach_div",
    "_foreach_div_",
    "_foreach_lerp",
    "_foreach_lerp_",
    "_foreach_max",
    "_foreach_maximum",
    "_foreach_maximum_",
    "_foreach_minimum",
    "_foreach_minimum_",
    "_foreach_mul",
    "_foreach_mul_",
    "_foreach_norm",
    "_foreach_pow",
    "_foreach_pow_",
    "_foreach_sub",
    "_foreach_sub_",
    "_foreach_zero_",
]
__all__ += foreach_unary.__all__

# -- arithmetic -----------------------------------------------------------------------------------


def _scaled(name: str, tensors: Any, other: Any, alpha: Any) -> Any:
    """Return alpha * other, for each if it is a list."""
    if is_one(alpha):
        return other
    if is_list(alpha):
        raise TypeError(f"{name}(): argument 'alpha' must be a number, not {type(alpha).__name__}")
    check_tensors(name, 0, tensors)
    others = other if is_list(other) else [other]
    check_tensors(name, 1, others)
    if not isinstance(alpha, int) and all(
        each._array.dtype.kind in "iub" for each in (*tensors, *others)
    ):
        raise RuntimeError(
            describe(
                name,
                f"alpha={alpha}",
                "For integral input tensors, argument alpha must not be a floating point number.",
            )
        )
    scaled = perform_each(MUL, (others, alpha))
    return scaled if is_list(other) else scaled[0]


def _foreach_add(self: Tensors, other: Values, *, alpha: float = 1) -> Made:
    """Return tensor + alpha * other for each tensor.

    Args:
        other: a number, a tensor of no dimension, or a list of numbers or tensors.

    Raises:
        RuntimeError: an empty list, or lists of different lengths.

    Example:
        >>> import jitgrad as torch
        >>> torch._foreach_add([torch.ones(2), torch.ones(1)], [1, 2])
        (tensor([2., 2.]), tensor([3.]))
    """
    return checked_each("_foreach_add", ADD, self, _scaled("_foreach_add", self, other, alpha))


def _foreach_add_(self: Tensors, other: Values, *, alpha: float = 1) -> Tensors:
    """Compute `_foreach_add` in place."""
    scaled = _scaled("_foreach_add_", self, other, alpha)
    return checked_each("_foreach_add_", ADD, self, scaled, inplace=True)


def _foreach_sub(self: Tensors, other: Values, *, alpha: float = 1) -> Made:
    """Return tensor - alpha * other for each tensor."""
    return checked_each("_foreach_sub", SUB, self, _scaled("_foreach_sub", self, other, alpha))


def _foreach_sub_(self: Tensors, other: Values, *, alpha: float = 1) -> Tensors:
    """Compute `_foreach_sub` in place."""
    scaled = _scaled("_foreach_sub_", self, other, alpha)
    return checked_each("_foreach_sub_", SUB, self, scaled, inplace=True)


def _foreach_mul(self: Tensors, other: Values) -> Made:
    """Return tensor * other for each tensor."""
    return checked_each("_foreach_mul", MUL, self, other)


def _foreach_mul_(self: Tensors, other: Values) -> Tensors:
    """Compute `_foreach_mul` in place."""
    return checked_each("_foreach_mul_", MUL, self, other, inplace=True)


def _foreach_div(self: Tensors, other: Values) -> Made:
    """Return tensor / other for each tensor."""
    return checked_each("_foreach_div", DIV, self, other)


def _foreach_div_(self: Tensors, other: Values) -> Tensors:
    """Compute `_foreach_div` in place."""
    return checked_each("_foreach_div_", DIV, self, other, inplace=True)


def _foreach_pow(self: Tensors | Number, exponent: Values) -> Made:
    """Return tensor ** exponent for each tensor; or number ** exponent for each exponent.

    Example:
        >>> import jitgrad as torch
        >>> torch._foreach_pow(2, [torch.tensor([1.0, 2.0]), torch.tensor(3.0)])
        (tensor([2., 4.]), tensor(8.))
    """
    if isinstance(self, (int, float)):
        check_tensors("_foreach_pow", 1, exponent)
        return perform_each(POW, (self, exponent))
    return checked_each("_foreach_pow", POW, self, exponent)


def _foreach_pow_(self: Tensors, exponent: Values) -> Tensors:
    """Compute `_foreach_pow` in place."""
    return checked_each("_foreach_pow_", POW, self, exponent, inplace=True)


def _foreach_maximum(self: Tensors, other: Values) -> Made:
    """Return the larger of both elements for each tensor; NaN where one is NaN."""
    return checked_each("_foreach_maximum", MAXIMUM, self, other)


def _foreach_maximum_(self: Tensors, other: Values) -> Tensors:
    """Compute `_foreach_maximum` in place."""
    return checked_each("_foreach_maximum_", MAXIMUM, self, other, inplace=True)


def _foreach_minimum(self: Tensors, other: Values) -> Made:
    """Return the smaller of both elements for each tensor; NaN where one is NaN."""
    return checked_each("_foreach_minimum", MINIMUM, self, other)


def _foreach_minimum_(self: Tensors, other: Values) -> Tensors:
    """Compute `_foreach_minimum` in place."""
    return checked_each("_foreach_minimum_", MINIMUM, self, other, inplace=True)


_foreach_clamp_min, _foreach_clamp_min_ = _foreach_maximum, _foreach_maximum_
_foreach_clamp_max, _foreach_clamp_max_ = _foreach_minimum, _foreach_minimum_


# -- blends ---------------------------------------------------------------------------------------


def _product(
    name: str, combine: Primitive, self: Any, tensor1: Any, tensor2: Any, value: Any
) -> Any:
    """Return combine(value * tensor1, tensor2) for each."""
    if isinstance(value, TensorCore) and value._array.ndim:
        value = each_value(value)  # type: ignore[arg-type]
    for position, each in enumerate((self, tensor1, tensor2)):
        check_tensors(name, position, each)
        check_operand(name, position, self, each)
    return checked_each(
        name,
        combine,
        tensor1 if is_one(value) else checked_each(name, MUL, tensor1, value),
        tensor2,
    )


def _foreach_addcmul(self: Tensors, tensor1: Tensors, tensor2: Tensors, value: Values = 1) -> Made:
    """Return tensor + value * tensor1 * tensor2 for each tensor.

    Args:
        value: a number, a list of numbers or 0-d tensors, or a vector with a number for each.

    Example:
        >>> import jitgrad as torch
        >>> ones = [torch.ones(2), torch.ones(1)]
        >>> torch._foreach_addcmul(ones, ones, ones, [2, 3])
        (tensor([3., 3.]), tensor([4.]))
    """
    product = _product("_foreach_addcmul", MUL, self, tensor1, tensor2, value)
    return checked_each("_foreach_addcmul", ADD, self, product)


def _foreach_addcmul_(
    self: Tensors, tensor1: Tensors, tensor2: Tensors, value: Values = 1
) -> Tensors:
    """Compute `_foreach_addcmul` in place."""
    product = _product("_foreach_addcmul_", MUL, self, tensor1, tensor2, value)
    return checked_each("_foreach_addcmul_", ADD, self, product, inplace=True)


def _foreach_addcdiv(self: Tensors, tensor1: Tensors, tensor2: Tensors, value: Values = 1) -> Made:
    """Return tensor + value * tensor1 / tensor2 for each tensor, as `_foreach_addcmul` does."""
    quotient = _product("_foreach_addcdiv", DIV, self, tensor1, tensor2, value)
    return checked_each("_foreach_addcdiv", ADD, self, quotient)


def _foreach_addcdiv_(
    self: Tensors, tensor1: Tensors, tensor2: Tensors, value: Values = 1
) -> Tensors:
    """Compute `_foreach_addcdiv` in place."""
    quotient = _product("_foreach_addcdiv_", DIV, self, tensor1, tensor2, value)
    return checked_each("_foreach_addcdiv_", ADD, self, quotient, inplace=True)


def _foreach_lerp(self: Tensors, tensors1: Tensors, weight: Values) -> Made:
    """Return tensor + weight * (tensor1 - tensor) for each tensor."""
    return checked_each("_foreach_lerp", LERP, self, tensors1, weight)


def _foreach_lerp_(self: Tensors, tensors1: Tensors, weight: Values) -> Tensors:
    """Compute `_foreach_lerp` in place."""
    return checked_each("_foreach_lerp_", LERP, self, tensors1, weight, inplace=True)


# -- writing and copying --------------------------------------------------------------------------


def _foreach_copy_(self: Tensors, src: Tensors, non_blocking: bool = False) -> Tensors:
    """Overwrite each tensor with that of `src`, broadcast and converted."""
    return checked_each("_foreach_copy_", COPY, self, src, inplace=True)


def _foreach_zero_(self: Tensors) -> Tensors:
    """Overwrite each tensor with 0."""
    return checked_each("_foreach_zero_", ZERO, self, 0, inplace=True)


def _foreach_clone(self: Tensors) -> Made:
    """Return a copy of each tensor with memory of its own."""
    check_tensors("_foreach_clone", 0, self)
    return perform_each(CLONE, (self,), {"order": "K"})


# -- one number of each tensor --------------------------------------------------------------------


def _over_all(tensors: Any) -> list[dict]:
    """Return the parameters of a reduction over all dimensions of each tensor."""
    return [{"dim": tuple(range(each._array.ndim)), "keepdim": False} for each in tensors]


def _cast(tensors: Any, kinds: list[np.dtype]) -> Any:
    """Return each tensor with elements of its dtype among `kinds`."""
    if all(each._array.dtype == kind for each, kind in zip(tensors, kinds)):
        return tensors
    return perform_each(CAST, (tensors,), [{"dtype": kind} for kind in kinds])


def _foreach_max(self: Tensors) -> Made:
    """Return the largest element of each tensor."""
    check_tensors("_foreach_max", 0, self)
    return perform_each(AMAX, (self,), _over_all(self))


def _foreach_norm(self: Tensors, ord: float = 2, dtype: DType | None = None) -> Made:
    """Return the norm of the elements of each tensor, see `norm`.

    Args:
        ord: 2, or any other number, infinity or minus infinity.

    Raises:
        RuntimeError: a tensor holds integers.

    Example:
        >>> import jitgrad as torch
        >>> torch._foreach_norm([torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])])
        (tensor(5.), tensor(1.))
    """
    check_tensors("_foreach_norm", 0, self)
    kinds = [each._array.dtype for each in self]
    if dtype is not None:
        kinds = [as_dtype("_foreach_norm", dtype)] * len(kinds)
    for kind in set(kinds):
        if kind.kind != "f":
            raise RuntimeError(
                describe(
                    "_foreach_norm",
                    f"dtype {dtypes.FROM_NUMPY[kind].name}",
                    "Expected a floating point tensor as input",
                    "convert it with .float()",
                )
            )
    # float16 overflows in squares that the norm itself could hold
    wide = _cast(self, [np.promote_types(kind, np.float32) for kind in kinds])
    return tuple(_cast(_norms(wide, ord), kinds))


def _norms(tensors: Any, ord: float) -> tuple:
    over_all = _over_all(tensors)
    if ord == 2 and state.recorder is None:
        return perform_each(NORM, (tensors,), over_all)
    if ord == 2:
        return perform_each(
            NORM_SQRT, (perform_each(SUM, (perform_each(SQUARE, (tensors,)),), over_all),)
        )
    sizes = perform_each(ABS, (tensors,))
    if abs(ord) == float("inf"):
        return perform_each(AMAX if ord > 0 else AMIN, (sizes,), over_all)
    if ord == 1:
        return perform_each(SUM, (sizes,), over_all)
    if ord == 0:
        return perform_each(SUM, (perform_each(SIGN, (sizes,)),), over_all)
    total = perform_each(SUM, (perform_each(POW, (sizes, ord)),), over_all)
    return perform_each(NORM_ROOT, (total, 1.0 / ord))


# -- what optimizers need beyond PyTorch's names --------------------------------------------------


def each_less(tensors: Tensors, other: Values) -> Made:
    """Return tensor < other for each tensor."""
    return perform_each(LT, (tensors, other))


def each_greater(tensors: Tensors, other: Values) -> Made:
    """Return tensor > other for each tensor."""
    return perform_each(GT, (tensors, other))


def each_where(conditions: Tensors, input: Values, other: Values) -> Made:
    """Return the elements of `input` where the condition holds, and of `other` elsewhere."""
    return perform_each(WHERE, (conditions, input, other))


def each_mean(tensors: Tensors, dim: int) -> Made:
    """Return the mean of each tensor over its dimension `dim`, which stays with size 1."""
    params = [{"dim": (dim % each.ndim,), "keepdim": True} for each in tensors]
    sums = perform_each(SUM, (tensors,), params)
    return perform_each(DIV, (sums, [each.shape[dim] for each in tensors]))


def each_above_noise(tensors: Tensors, smallest: float | None, squared: bool = False) -> Made:
    """Return the elements of each tensor, `smallest` (or its square) where they are less.

    None stands for the distance from 1 to the next number of the tensor's dtype.
    """
    bounds = [np.finfo(each._array.dtype).eps.item() for each in tensors]
    if smallest is not None:
        bounds = [smallest] * len(bounds)
    if squared:
        bounds = [bound * bound for bound in bounds]
    return perform_each(MAXIMUM, (tensors, bounds))
