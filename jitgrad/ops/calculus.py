"""Sums and differences of neighbours: integrals by trapezoids, differences, gradients of grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import TensorCore
from jitgrad.errors import describe
from jitgrad.ops.joining import cat
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["cumulative_trapezoid", "diff", "gradient", "trapezoid", "trapz"]


def _neighbours(tensor: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return all but the last and all but the first of `dim`."""
    count = max(tensor._array.shape[dim] - 1, 0)
    first = min(1, tensor._array.shape[dim])
    return tensor.narrow(dim, 0, count), tensor.narrow(dim, first, count)


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Return the differences of neighbours along `dim`, `n` times over.

    Args:
        prepend, append: are put before and behind `input` first.

    Raises:
        RuntimeError: a tensor of 0 dimensions, or a negative `n`.

    Example:
        >>> import jitgrad as torch
        >>> torch.diff(torch.tensor([1, 3, 2]))
        tensor([ 2, -1])
    """
    ndim = input._array.ndim
    if not ndim:
        rule = "diff expects input to be at least one-dimensional"
        raise RuntimeError(describe("diff", "a tensor of 0 dimensions", rule))
    if n < 0:
        rule = "order must be non-negative"
        raise RuntimeError(describe("diff", f"n={n}", rule))
    at = wrap_dim("diff", dim, ndim)
    parts = [each for each in (prepend, input, append) if each is not None]
    made = cat(parts, at) if len(parts) > 1 else input
    for _ in range(min(n, made._array.shape[at])):
        before, after = _neighbours(made, at)
        made = after.logical_xor(before) if made._array.dtype.kind == "b" else after - before
    return made.clone() if made is input else made


def _areas(operation: str, y: Tensor, x: Any, dx: Any, dim: int) -> tuple[Tensor, int]:
    """Return twice the areas between neighbours along `dim`, and that counted from the front."""
    shape = y._array.shape
    if not shape:
        rule = f"Dimension specified as {dim} but tensor has no dimensions"
        raise IndexError(describe(operation, "a tensor of 0 dimensions", rule))
    at = wrap_dim(operation, dim, len(shape))
    before, after = _neighbours(y, at)
    if not isinstance(x, TensorCore):
        step = dx if x is None else x
        return (before + after) * step, at
    points: Any = x
    if points._array.ndim == 1:
        points = points.reshape(tuple(-1 if i == at else 1 for i in range(len(shape))))
    missing = len(shape) - points._array.ndim
    there = at - missing
    if missing < 0 or there < 0 or points._array.shape[there] != shape[at]:
        came = f"shapes {shape} and {x._array.shape}"
        rule = f"{operation}: There must be one `x` value for each sample point"
        raise RuntimeError(describe(operation, came, rule))
    left, right = _neighbours(points, there)
    return (before + after) * (right - left), at


def trapezoid(y: Tensor, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """Return the integral over samples `y` along `dim` by trapezoids.

    Args:
        x: where the samples lie, of the shape of `y` or one for all; without, `dx` apart.

    Raises:
        IndexError: `y` has no dimension.
        RuntimeError: another number of points in `x`.

    Example:
        >>> import jitgrad as torch
        >>> torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]))
        tensor(4.)
    """
    areas, at = _areas("trapezoid", y, x, dx, dim)
    return areas.sum(at) / 2


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """Return the integrals so far over samples along `dim`: `trapezoid`, one element fewer than y.

    Example:
        >>> import jitgrad as torch
        >>> torch.cumulative_trapezoid(torch.tensor([1.0, 2.0, 3.0]))
        tensor([1.5000, 4.0000])
    """
    areas, at = _areas("cumulative_trapezoid", y, x, dx, dim)
    return areas.cumsum(at) / 2


def gradient(
    input: Tensor,
    *,
    spacing: Any = 1,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """Return estimates of the derivatives of a function of which `input` holds samples on a grid.

    Args:
        spacing: the distance of samples, or one for each dimension; or tensors that say where
            they lie.
        dim: the dimensions; all unless given.
        edge_order: the order of the estimates at the ends, 1 or 2.

    Raises:
        RuntimeError: too few samples, or spacings that do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0]))
        (tensor([3., 4., 5.]),)
    """
    ndim = input._array.ndim
    given = range(ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [wrap_dim("gradient", each, ndim) for each in given]
    each_own = isinstance(spacing, (tuple, list))
    steps = list(spacing) if each_own else [spacing] * len(dims)
    if len(steps) != len(dims):
        rule = f"torch.gradient expected spacing to be a number or {len(dims)} of them"
        raise RuntimeError(describe("gradient", f"{len(steps)} spacings", rule))
    if edge_order not in (1, 2):
        rule = "torch.gradient only supports edge_order=1 and edge_order=2"
        raise RuntimeError(describe("gradient", f"edge_order={edge_order}", rule))
    for at in dims:
        if input._array.shape[at] <= edge_order:
            rule = "torch.gradient expected each dimension size to be at least edge_order+1"
            raise RuntimeError(describe("gradient", f"shape {input._array.shape}", rule))
    return tuple(_slopes(input, at, step, edge_order) for at, step in zip(dims, steps))


def _slopes(input: Tensor, at: int, step: Any, edge_order: int) -> Tensor:
    size = input._array.shape[at]
    before, after = _neighbours(input, at)
    if isinstance(step, TensorCore):
        points: Any = step
        shape = tuple(-1 if i == at else 1 for i in range(input._array.ndim))
        gaps = diff(points).reshape(shape)
    else:
        gaps = input.new_ones(()).expand([size - 1 if i == at else 1 for i in range(input.ndim)])
        gaps = gaps * step
    slopes = (after - before) / gaps
    left, right = _neighbours(slopes, at)
    near, far = _neighbours(gaps, at)
    # the mean of both neighbours' slopes, the nearer counting more
    middle = (left * far + right * near) / (near + far)
    first, last = slopes.narrow(at, 0, 1), slopes.narrow(at, size - 2, 1)
    if edge_order == 2:
        count = size - 2
        bends = (right - left) / (near + far)
        first = first - bends.narrow(at, 0, 1) * gaps.narrow(at, 0, 1)
        last = last + bends.narrow(at, count - 1, 1) * gaps.narrow(at, size - 2, 1)
    return cat([first, middle, last], at)


class CalculusMethods:
    """The operations of this file as methods of `Tensor`."""

    diff = diff
