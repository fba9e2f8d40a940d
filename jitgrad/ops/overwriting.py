"""Operations in place that are rarely asked for: computed of a copy, then written over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitgrad.modes import state
from jitgrad.ops import products, scan, trigonometric
from jitgrad.ops.legacy import legacy
from jitgrad.ops.selection import heaviside
from jitgrad.ops.special import polygamma

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def addmm_(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Compute `addmm` in place."""
    return input.copy_(products.addmm(input.clone(), mat1, mat2, beta=beta, alpha=alpha))


def addmv_(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Compute `addmv` in place."""
    return input.copy_(products.addmv(input.clone(), mat, vec, beta=beta, alpha=alpha))


def addr_(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Compute `addr` in place."""
    return input.copy_(products.addr(input.clone(), vec1, vec2, beta=beta, alpha=alpha))


def addbmm_(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Compute `addbmm` in place."""
    return input.copy_(products.addbmm(input.clone(), batch1, batch2, beta=beta, alpha=alpha))


def baddbmm_(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Compute `baddbmm` in place."""
    return input.copy_(products.baddbmm(input.clone(), batch1, batch2, beta=beta, alpha=alpha))


def cumsum_(input: Tensor, dim: int) -> Tensor:
    """Compute `cumsum` in place."""
    return input.copy_(scan.cumsum(input.clone(), dim))


def cumprod_(input: Tensor, dim: int) -> Tensor:
    """Compute `cumprod` in place."""
    return input.copy_(scan.cumprod(input.clone(), dim))


def deg2rad_(input: Tensor) -> Tensor:
    """Compute `deg2rad` in place."""
    return input.copy_(trigonometric.deg2rad(input.clone()))


def rad2deg_(input: Tensor) -> Tensor:
    """Compute `rad2deg` in place."""
    return input.copy_(trigonometric.rad2deg(input.clone()))


def heaviside_(input: Tensor, values: Tensor) -> Tensor:
    """Compute `heaviside` in place."""
    return input.copy_(heaviside(input.clone(), values))


def polygamma_(input: Tensor, n: int) -> Tensor:
    """Compute `polygamma` in place."""
    return input.copy_(polygamma(n, input.clone()))


def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by what `callable` makes of it, a Python number; slow.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1.0, 2.0]).apply_(lambda x: x * 10)
        tensor([10., 20.])
    """
    if state.recorder is not None:
        state.recorder.unknown("apply_")
    made = [callable(each) for each in input.detach().reshape(-1).tolist()]
    return input.copy_(input.new_tensor(made).reshape(input._array.shape))


def new(input: Tensor, *data: Any) -> Tensor:
    """Return a tensor of the dtype of `input`, of given sizes or from data: see `Tensor`."""
    return legacy("new", data, None, input._array.dtype)


class OverwritingMethods:
    """The operations of this file as methods of `Tensor`."""

    addbmm_ = addbmm_
    addmm_ = addmm_
    addmv_ = addmv_
    addr_ = addr_
    apply_ = apply_
    baddbmm_ = baddbmm_
    cumprod_ = cumprod_
    cumsum_ = cumsum_
    deg2rad_ = deg2rad_
    heaviside_ = heaviside_
    new = new
    polygamma_ = polygamma_
    rad2deg_ = rad2deg_
