"""Distances and angles between vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.diagonal import triu_indices
from jitgrad.ops.linalg import matmul
from jitgrad.ops.norms import NORM_SQRT, vector_norm
from jitgrad.ops.shape import broadcast_tensors
from jitgrad.spec import broadcast_shapes, wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["cdist", "cosine_similarity", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along `dim`, broadcast.

    Norms below `eps` count as `eps`.

    Example:
        >>> import jitgrad as torch
        >>> torch.cosine_similarity(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]), dim=0)
        tensor(0.7071)
    """
    shape = broadcast_shapes("cosine_similarity", x1._array.shape, x2._array.shape)
    wrap_dim("cosine_similarity", dim, len(shape))
    x1, x2 = x1.expand(shape), x2.expand(shape)
    x1, x2 = broadcast_tensors(x1, x2)
    first = x1 / x1.norm(2, dim, True).clamp(min=eps)
    second = x2 / x2.norm(2, dim, True).clamp(min=eps)
    return (first * second).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the p-norms of x1 - x2 + eps over the last dimension, broadcast.

    Shapes: (..., k) gives (...), or (..., 1) with `keepdim`.

    Example:
        >>> import jitgrad as torch
        >>> torch.pairwise_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([5.0000])
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def _check_points(operation: str, input: Tensor, p: float, least: int) -> None:
    array = input._array
    if array.dtype.kind != "f":
        name = dtypes.FROM_NUMPY[array.dtype].name
        rule = "only supports floating-point dtypes"
        raise RuntimeError(describe(operation, f"dtype {name}", rule, "convert it with .float()"))
    if array.ndim < least:
        rule = f"expected at least {least} dimensions"
        raise RuntimeError(describe(operation, f"a tensor of {array.ndim}", rule))
    if p < 0:
        raise RuntimeError(describe(operation, f"p={p}", "only supports non-negative p values"))


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Return the p-norm distances of each two rows: of 0 and 1, of 0 and 2, and so on.

    Shapes: (n, k) gives (n (n - 1) / 2,).

    Raises:
        RuntimeError: not a matrix of floating-point numbers, or a negative `p`.

    Example:
        >>> import jitgrad as torch
        >>> torch.pdist(torch.tensor([[0.0], [1.0], [3.0]]))
        tensor([1., 3., 2.])
    """
    _check_points("pdist", input, p, 2)
    if input._array.ndim != 2:
        rule = "pdist only supports 2D tensors"
        raise RuntimeError(describe("pdist", f"shape {input._array.shape}", rule))
    rows = len(input._array)
    first, second = triu_indices(rows, rows, 1).unbind(0)
    return _norm_of_difference(input.index_select(0, first) - input.index_select(0, second), p)


def _norm_of_difference(apart: Tensor, p: float) -> Tensor:
    if not apart._array.shape[-1]:
        # no maximum of nothing: no distance
        return apart.sum(-1)
    return vector_norm(apart, p, -1)


def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:
    """Return the p-norm distances of each row of `x1` and each row of `x2`.

    Shapes: (..., n, k) and (..., m, k) give (..., n, m); the batches broadcast.

    Args:
        compute_mode: whether Euclidean distances are computed with a matrix product (faster, and
            less precise for rows near each other): "use_mm_for_euclid_dist_if_necessary", that is
            for more than 25 rows; "use_mm_for_euclid_dist"; "donot_use_mm_for_euclid_dist".

    Raises:
        RuntimeError: shapes or dtypes that do not fit, or a negative `p`.
        ValueError: another `compute_mode`.

    Example:
        >>> import jitgrad as torch
        >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    modes: dict[Any, bool | None] = {
        None: None,
        "use_mm_for_euclid_dist_if_necessary": None,
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }
    if compute_mode not in modes:
        rule = f"{compute_mode} is not a valid value for compute_mode"
        raise ValueError(describe("cdist", f"compute_mode={compute_mode!r}", rule))
    _check_points("cdist", x1, p, 2)
    _check_points("cdist", x2, p, 2)
    a, b = x1._array.shape, x2._array.shape
    if a[-1] != b[-1]:
        rule = "X1 and X2 must have the same number of columns"
        raise RuntimeError(describe("cdist", f"shapes {a} and {b}", rule))
    broadcast_shapes("cdist", a[:-2], b[:-2])
    chosen = modes[compute_mode]
    if p == 2 and (chosen or (chosen is None and max(a[-2], b[-2]) > 25)):
        squares = (x1 * x1).sum(-1, True) + (x2 * x2).sum(-1).unsqueeze(-2)
        products = matmul(x1, x2.transpose(-1, -2))
        return bind(NORM_SQRT, (squares - products * 2).clamp_min(0))
    return _norm_of_difference(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)
