"""Functions of one tensor performed on each tensor of a list; see `ops.foreach`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jitgrad.ops.activation import SIGMOID
from jitgrad.ops.each import checked_each
from jitgrad.ops.exponential import EXP, EXPM1, LOG, LOG1P, LOG2, LOG10
from jitgrad.ops.rounding import CEIL, FLOOR, FRAC, ROUND, TRUNC
from jitgrad.ops.special import ERF, ERFC, LGAMMA
from jitgrad.ops.trigonometric import ACOS, ASIN, ATAN, COS, COSH, SIN, SINH, TAN, TANH
from jitgrad.ops.unary import ABS, NEG, RECIPROCAL, RSQRT, SIGN, SQRT
from jitgrad.primitive import Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Tensors = Sequence[Tensor]
    Made = tuple[Tensor, ...]

__all__ = [
    "_foreach_abs",
    "_foreach_abs_",
    "_foreach_acos",
    "_foreach_acos_",
    "_foreach_asin",
    "_foreach_asin_",
    "_foreach_atan",
    "_foreach_atan_",
    "_foreach_ceil",
    "_foreach_ceil_",
    "_foreach_cos",
    "_foreach_cos_",
    "_foreach_cosh",
    "_foreach_cosh_",
    "_foreach_erf",
    "_foreach_erf_",
    "_foreach_erfc",
    "_foreach_erfc_",
    "_foreach_exp",
    "_foreach_exp_",
    "_foreach_expm1",
    "_foreach_expm1_",
    "_foreach_floor",
    "_foreach_floor_",
    "_foreach_frac",
    "_foreach_frac_",
    "_foreach_lgamma",
    "_foreach_lgamma_",
    "_foreach_log",
    "_foreach_log1p",
    "_foreach_log1p_",
    "_foreach_log2",
    "_foreach_log2_",
    "_foreach_log10",
    "_foreach_log10_",
    "_foreach_log_",
    "_foreach_neg",
    "_foreach_neg_",
    "_foreach_reciprocal",
    "_foreach_reciprocal_",
    "_foreach_round",
    "_foreach_round_",
    "_foreach_rsqrt",
    "_foreach_rsqrt_",
    "_foreach_sigmoid",
    "_foreach_sigmoid_",
    "_foreach_sign",
    "_foreach_sign_",
    "_foreach_sin",
    "_foreach_sin_",
    "_foreach_sinh",
    "_foreach_sinh_",
    "_foreach_sqrt",
    "_foreach_sqrt_",
    "_foreach_tan",
    "_foreach_tan_",
    "_foreach_tanh",
    "_foreach_tanh_",
    "_foreach_trunc",
    "_foreach_trunc_",
]


def _pair(primitive: Primitive) -> tuple[Callable[[Tensors], Made], Callable[[Tensors], Tensors]]:
    """Return the function that performs `primitive` on each tensor of a list, and an in-place form.

    Example:
        >>> import jitgrad as torch
        >>> torch._foreach_sqrt([torch.tensor([4.0]), torch.tensor(9.0)])
        (tensor([2.]), tensor(3.))
    """
    name = f"_foreach_{primitive.name}"

    def new(self: Tensors) -> Made:
        return checked_each(name, primitive, self)

    def inplace(self: Tensors) -> Tensors:
        return checked_each(f"{name}_", primitive, self, inplace=True)

    for function, ending in ((new, ""), (inplace, "_")):
        function.__name__ = function.__qualname__ = name + ending
        function.__doc__ = f"Perform `{primitive.name}{ending}` on each tensor of a list."
    return new, inplace


_foreach_abs, _foreach_abs_ = _pair(ABS)
_foreach_acos, _foreach_acos_ = _pair(ACOS)
_foreach_asin, _foreach_asin_ = _pair(ASIN)
_foreach_atan, _foreach_atan_ = _pair(ATAN)
_foreach_ceil, _foreach_ceil_ = _pair(CEIL)
_foreach_cos, _foreach_cos_ = _pair(COS)
_foreach_cosh, _foreach_cosh_ = _pair(COSH)
_foreach_erf, _foreach_erf_ = _pair(ERF)
_foreach_erfc, _foreach_erfc_ = _pair(ERFC)
_foreach_exp, _foreach_exp_ = _pair(EXP)
_foreach_expm1, _foreach_expm1_ = _pair(EXPM1)
_foreach_floor, _foreach_floor_ = _pair(FLOOR)
_foreach_frac, _foreach_frac_ = _pair(FRAC)
_foreach_lgamma, _foreach_lgamma_ = _pair(LGAMMA)
_foreach_log, _foreach_log_ = _pair(LOG)
_foreach_log10, _foreach_log10_ = _pair(LOG10)
_foreach_log1p, _foreach_log1p_ = _pair(LOG1P)
_foreach_log2, _foreach_log2_ = _pair(LOG2)
_foreach_neg, _foreach_neg_ = _pair(NEG)
_foreach_reciprocal, _foreach_reciprocal_ = _pair(RECIPROCAL)
_foreach_round, _foreach_round_ = _pair(ROUND)
_foreach_rsqrt, _foreach_rsqrt_ = _pair(RSQRT)
_foreach_sigmoid, _foreach_sigmoid_ = _pair(SIGMOID)
_foreach_sign, _foreach_sign_ = _pair(SIGN)
_foreach_sin, _foreach_sin_ = _pair(SIN)
_foreach_sinh, _foreach_sinh_ = _pair(SINH)
_foreach_sqrt, _foreach_sqrt_ = _pair(SQRT)
_foreach_tan, _foreach_tan_ = _pair(TAN)
_foreach_tanh, _foreach_tanh_ = _pair(TANH)
_foreach_trunc, _foreach_trunc_ = _pair(TRUNC)
