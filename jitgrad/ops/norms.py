"""Norms of the elements, of all or along dimensions."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.modes import state
from jitgrad.ops.reduce import SUM, spread
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import wrap_dims

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Dims = int | Sequence[int] | None

__all__ = ["norm"]

NORM_SQRT = Primitive(
    "norm_sqrt",
    Kind.ELEMENTWISE,
    np.sqrt,
    (lambda g, out, _x: (g / (2 * out)).masked_fill(out == 0, 0),),
    scalar="sqrt({0})",
    result=Result.FLOAT,
)
"""A square root with derivative 0 at 0, as that of a norm and of a standard deviation."""

NORM_ROOT = Primitive(
    "norm_root",
    Kind.ELEMENTWISE,
    np.power,
    (
        lambda g, out, x, power: (g * out * power / x).masked_fill(out == 0, 0),
        None,
    ),
    scalar="pow_({0}, {1})",
    result=Result.FLOAT,
)


def _length(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    return np.sqrt(np.add.reduce(array * array, axis=dim, keepdims=keepdim))


def _length_back(
    g: Tensor, out: Tensor, x: Tensor, *, dim: tuple[int, ...], keepdim: bool
) -> Tensor:
    return x * spread((g / out).masked_fill(out == 0, 0), x, dim, keepdim)


# Eager mode takes one operation of 7 us instead of three of 15; a trace gets those.
NORM = Primitive("norm", Kind.REDUCTION, _length, (_length_back,))


def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Return the p-norm of the elements, of all or over `dim` (one or several).

    Args:
        p: 2 (the same as "fro"), any other number, infinity or minus infinity.

    Gradient: 0 where the norm is 0; infinite norms share it among ties.

    Raises:
        RuntimeError: the tensor holds integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([3.0, 4.0]).norm()
        tensor(5.)
    """
    if isinstance(p, str) and p != "fro":
        raise ValueError(describe("norm", f"p={p!r}", 'p is a number or "fro"', "use p=2"))
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Return the norm of the elements as those of a vector: see `jitgrad.norm`, which calls it.

    Raises:
        RuntimeError: the tensor holds integers.
    """
    target = x._array.dtype if dtype is None else as_dtype("linalg.vector_norm", dtype)
    if target.kind not in "fc":
        raise RuntimeError(
            describe(
                "linalg.vector_norm",
                f"dtype {dtypes.FROM_NUMPY[target].name}",
                "Expected a floating point or complex tensor as input",
                "convert it with .float()",
            )
        )
    dims = wrap_dims("linalg.vector_norm", dim, x._array.ndim)
    # float16 overflows in squares that the norm itself could hold
    work = dtypes.float32.numpy if target == np.float16 else target
    if x._array.dtype != work:
        x = bind(CAST, x, dtype=work)
    made = _norm(x, ord, dims, keepdim)
    return made if made._array.dtype == target else bind(CAST, made, dtype=target)


def _norm(x: Tensor, ord: float, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    if ord == 2:
        if state.recorder is None:
            return bind(NORM, x, dim=dims, keepdim=keepdim)
        return bind(NORM_SQRT, bind(SUM, x * x, dim=dims, keepdim=keepdim))
    if ord == 0:
        return bind(CAST, bind(SUM, x != 0, dim=dims, keepdim=keepdim), dtype=x._array.dtype)
    sizes = x.abs()
    if ord == 1:
        return bind(SUM, sizes, dim=dims, keepdim=keepdim)
    if builtins.abs(ord) == float("inf"):
        return sizes.amax(dims, keepdim) if ord > 0 else sizes.amin(dims, keepdim)
    total = bind(SUM, sizes**ord, dim=dims, keepdim=keepdim)
    return bind(NORM_ROOT, total, 1.0 / ord)


class NormMethods:
    """The operations of this file as methods of `Tensor`."""

    norm = norm
