"""Sums, means and extremes of elements that positions send to the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jitgrad.dispatch import bind, bind_zeros
from jitgrad.errors import describe
from jitgrad.ops.scatter import (
    GATHER,
    SCATTER,
    SCATTER_ADD,
    SCATTER_PRODUCT,
    check_index,
    cropped,
    scattered,
)
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Spec

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["scatter_reduce"]


def _shares(g: Tensor, out: Tensor, x: Tensor, places: Tensor, source: Tensor, dim: int) -> tuple:
    """Return what is 1 where `x`, and where `source`, is the extreme, and g over their number."""
    zero = bind_zeros(Spec(x._array.shape, g._array.dtype))
    own = (x == out).to(g.dtype)
    others = (source == bind(GATHER, out, places, dim=dim)).to(g.dtype)
    count = own + bind(SCATTER_ADD, zero, places, others, dim=dim, reduce="add")
    return own, others, g / count


SCATTER_EXTREME = Primitive(
    "scatter_reduce",
    Kind.INDEX,
    scattered,
    (
        lambda g, out, x, places, source, *, dim, reduce: (
            (parts := _shares(g, out, x, places, source, dim))[0] * parts[2]
        ),
        None,
        lambda g, out, x, places, source, *, dim, reduce: (
            (parts := _shares(g, out, x, places, source, dim))[1]
            * bind(GATHER, parts[2], places, dim=dim)
        ),
    ),
    raises_on_data=True,
    compares=True,
)


_EMPTY = {"prod": 1, "amax": -np.inf, "amin": np.inf}


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return `input` combined with `src` at the positions `index` of dimension `dim`.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: does `input` count where positions name it?

    Gradient: to `input` and `src`, for "amax" and "amin" in equal shares.

    Raises:
        RuntimeError: a position out of bounds, shapes that do not fit, another `reduce`.

    Example:
        >>> import jitgrad as torch
        >>> places = torch.tensor([0, 0, 1])
        >>> torch.scatter_reduce(torch.zeros(2), 0, places, torch.tensor([1.0, 2.0, 3.0]), "amax")
        tensor([2., 3.])
    """
    at = check_index("scatter_reduce", input, dim, index, src)
    source = cropped(index, src)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            describe(
                "scatter_reduce",
                f"reduce {reduce!r}",
                "reduce argument must be either sum, prod, mean, amax or amin",
            )
        )
    if not include_self:
        start = 0 if reduce in ("sum", "mean") else _EMPTY[reduce]
        if isinstance(start, float) and input._array.dtype.kind in "iu":
            limits = np.iinfo(input._array.dtype)
            start = limits.min if start < 0 else limits.max
        input = bind(SCATTER, input, index, start, dim=at, reduce="replace")
    if reduce in ("amax", "amin"):
        return bind(SCATTER_EXTREME, input, index, source, dim=at, reduce=reduce)
    if reduce == "prod":
        return bind(SCATTER_PRODUCT, input, index, source, dim=at, reduce="multiply")
    total = bind(SCATTER_ADD, input, index, source, dim=at, reduce="add")
    if reduce == "sum":
        return total
    ones = source.detach().new_ones(source._array.shape)
    zeros = bind_zeros(Spec(input._array.shape, input._array.dtype))
    count = bind(SCATTER_ADD, zeros, index, ones, dim=at, reduce="add")
    count = count + 1 if include_self else count.clamp(min=1)
    return (
        total / count if total._array.dtype.kind == "f" else total.div(count, rounding_mode="floor")
    )


def scatter_reduce_(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Compute `scatter_reduce` in place."""
    # of a copy, because the derivatives read the old elements
    made = scatter_reduce(input.clone(), dim, index, src, reduce, include_self=include_self)
    return input.copy_(made)


class ScatterReduceMethods:
    """The operations of this file as methods of `Tensor`."""

    scatter_reduce = scatter_reduce
    scatter_reduce_ = scatter_reduce_
