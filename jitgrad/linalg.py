"""Linear algebra under the names of `torch.linalg`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.decompositions import eigh as eigh
from jitgrad.ops.decompositions import eigvalsh as eigvalsh
from jitgrad.ops.decompositions import linalg_qr_of as qr
from jitgrad.ops.decompositions import linalg_svd_of as svd
from jitgrad.ops.decompositions import pinv as pinv
from jitgrad.ops.decompositions import svdvals as svdvals
from jitgrad.ops.decompositions import tolerances
from jitgrad.ops.diagonal import diagonal as _diagonal
from jitgrad.ops.linalg import matmul as matmul
from jitgrad.ops.matrices import (
    CHOLESKY_INFO,
    check_matrices,
    check_square,
    check_two_dimensions,
)
from jitgrad.ops.matrices import LinAlgError as LinAlgError
from jitgrad.ops.matrices import cholesky as cholesky
from jitgrad.ops.matrices import det as det
from jitgrad.ops.matrices import householder_product as householder_product
from jitgrad.ops.matrices import inverse as inv
from jitgrad.ops.matrices import matrix_exp as matrix_exp
from jitgrad.ops.matrices import matrix_power as matrix_power
from jitgrad.ops.matrices import slogdet as slogdet
from jitgrad.ops.matrices import solve as solve
from jitgrad.ops.norms import vector_norm as vector_norm
from jitgrad.ops.triangular import linalg_lu_solve as lu_solve
from jitgrad.ops.triangular import lu as lu
from jitgrad.ops.triangular import lu_factor as lu_factor
from jitgrad.ops.triangular import solve_triangular as solve_triangular
from jitgrad.ops.vectors import linalg_cross as cross
from jitgrad.ops.vectors import powers as vander
from jitgrad.ops.vectors import vecdot as vecdot
from jitgrad.spec import Size, wrap_dim

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "householder_product",
    "inv",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


class linalg_lstsq(NamedTuple):
    """The solution of a least-squares problem and what was found on the way."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any
    __repr__ = return_types.shown


class linalg_cholesky_ex(NamedTuple):
    """The factor L, and 0, or the order of the first minor that is not positive."""

    L: Any
    info: Any
    __repr__ = return_types.shown


def multi_dot(tensors: Any) -> Tensor:
    """Return the product of several matrices; the first and the last may be vectors.

    Raises:
        RuntimeError: fewer than two.
    """
    if len(tensors) < 2:
        rule = f"multi_dot(): expected at least 2 tensors but got {len(tensors)}"
        raise RuntimeError(describe("linalg.multi_dot", f"{len(tensors)} tensors", rule))
    product, *others = tensors
    for each in others:
        product = matmul(product, each)
    return product


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return `torch.diagonal`, by default of the last two dimensions."""
    return _diagonal(A, offset, dim1, dim2)


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Return the norm of matrices.

    Args:
        ord: "fro"; "nuc", the sum of the singular values; 2 or -2, the largest or the smallest
            of them; 1, -1, inf or -inf, the largest or smallest sum of a column or row.
        dim: the two dimensions of the matrices.

    Raises:
        RuntimeError: another `ord`.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.matrix_norm(torch.tensor([[0.0, 2.0], [3.0, 0.0]]), "nuc")
        tensor(5.)
    """
    check_two_dimensions("linalg.matrix_norm", A)
    if dtype is not None:
        A = A.to(dtype)
    ndim = A._array.ndim
    row, column = (wrap_dim("linalg.matrix_norm", each, ndim) for each in dim)
    if row == column:
        rule = "linalg.matrix_norm: dims must be different"
        raise RuntimeError(describe("linalg.matrix_norm", f"dim={dim}", rule))
    if ord == "fro":
        return vector_norm(A, 2, (row, column), keepdim)
    if ord in ("nuc", 2, -2):
        values = svdvals(A.movedim((row, column), (-2, -1)))
        made = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
        first, second = sorted((row, column))
        return made.unsqueeze(first).unsqueeze(second) if keepdim else made
    if ord not in (1, -1, math.inf, -math.inf):
        rule = f"linalg.matrix_norm: Order {ord} not supported"
        raise RuntimeError(describe("linalg.matrix_norm", f"ord={ord!r}", rule))
    summed, chosen = (row, column) if ord in (1, -1) else (column, row)
    sums = vector_norm(A, 1, summed, True)
    made = sums.amax(chosen, True) if ord > 0 else sums.amin(chosen, True)
    if keepdim:
        return made
    return made.squeeze(max(row, column)).squeeze(min(row, column))


def norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Return a norm: of the elements without `ord`, else of vectors (one dim) or matrices (two).

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor(5.)
    """
    dims = (dim,) if isinstance(dim, int) else dim
    matrices = len(dims) == 2 if dims is not None else A._array.ndim == 2
    if isinstance(ord, str) or (ord is not None and matrices):
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def cond(A: Tensor, p: Any = None) -> Tensor:
    """Return the condition number: the norm of a matrix times that of its inverse.

    Args:
        p: as `ord` of `matrix_norm`; 2 unless given. Only 2 and -2 take rectangular matrices.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.cond(torch.tensor([[4.0, 0.0], [0.0, 2.0]]))
        tensor(2.)
    """
    if p in (None, 2, -2):
        check_matrices("linalg.cond", A)
        values = svdvals(A)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        rule = f"linalg.cond got an invalid norm type: {p}"
        raise RuntimeError(describe("linalg.cond", f"p={p!r}", rule))
    check_square("linalg.cond", A)
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """Return how many singular values are greater than max(atol, rtol * the largest of them).

    Args:
        tol: an older name of `atol`.
        atol, rtol: numbers or tensors, one for each matrix; `rtol` is eps * max(m, n) unless
            either is given.
        hermitian: the matrices are symmetric; only their lower triangles are read.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.matrix_rank(torch.ones(3, 2))
        tensor(1)
    """
    check_matrices("linalg.matrix_rank", A)
    least, relative = tolerances(A, atol if tol is None else tol, rtol)
    if tol is not None and rtol is None:
        relative = 0.0
    values = eigvalsh(A).abs() if hermitian else svdvals(A)
    if not values._array.shape[-1]:
        return values.sum(-1).long()
    bound = values.amax(-1) * relative
    bound = bound.maximum(bound * 0 + least)
    return (values > bound.unsqueeze(-1)).sum(-1)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """Return X for which the sum of squares of A @ X - B is least, and of these the smallest.

    Shapes: A (..., m, n) and B (..., m, k) or (..., m) give (..., n, k) or (..., n).

    Args:
        rcond: singular values up to `rcond` times the largest count as 0.
        driver: as in LAPACK: "gelsy" (the default), "gels", "gelsd", "gelss"; it decides which
            of `residuals`, `rank` and `singular_values` are filled. All compute by singular
            values here.

    Returns:
        A named tuple (solution, residuals, rank, singular_values).

    Example:
        >>> import jitgrad as torch
        >>> A = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
        >>> torch.linalg.lstsq(A, torch.tensor([1.0, 2.0, 3.0])).solution
        tensor([1., 1.])
    """
    check_matrices("linalg.lstsq", A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        rule = "parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        raise RuntimeError(describe("linalg.lstsq", f"driver={driver!r}", rule))
    a, b = A._array.shape, B._array.shape
    vector = len(b) == 1 or (len(b) == len(a) - 1 and b == a[:-1])
    right = B.unsqueeze(-1) if vector else B
    if right._array.shape[-2] != a[-2]:
        rule = "input.size(-2) should match other.size(-2)"
        raise RuntimeError(describe("linalg.lstsq", f"shapes {a} and {b}", rule))
    solution = matmul(pinv(A, rcond), right)
    values = svdvals(A.detach())
    _, relative = tolerances(A, None, rcond)
    rank = (values > values[..., :1] * relative).sum(-1)
    residuals = A.new_empty(0)
    tall = a[-2] > a[-1]
    if driver == "gels" or (driver in ("gelsd", "gelss") and tall and (rank == a[-1]).all()):
        residuals = (matmul(A, solution) - right).square().sum(-2) if tall else residuals
    return linalg_lstsq(
        solution.squeeze(-1) if vector else solution,
        residuals,
        rank.new_empty(0) if driver == "gels" else rank,
        values if driver in ("gelsd", "gelss") else A.new_empty(0),
    )


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Return `cholesky` and 0; of a matrix that has no such factor, the order of the first minor
    that is not positive, and the factor of what comes before.

    Args:
        check_errors: raise as `cholesky` does.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.cholesky_ex(torch.tensor([[1.0, 2.0], [2.0, 1.0]])).info
        tensor(2, dtype=torch.int32)
    """
    check_square("linalg.cholesky_ex", A)
    info = bind(CHOLESKY_INFO, A.detach())
    if check_errors:
        return linalg_cholesky_ex(cholesky(A, upper=upper), info)
    size = A._array.shape[-1]
    # rows and columns from the failing one on are those of the identity, and then cut off
    kept = (info == 0).unsqueeze(-1) | (A.new_tensor(np.arange(1, size + 1)) < info.unsqueeze(-1))
    both = kept.unsqueeze(-1) & kept.unsqueeze(-2)
    sound = A.where(both, A.new_tensor(np.eye(size)))
    made = cholesky(sound).masked_fill(both.logical_not(), 0)
    return linalg_cholesky_ex(made.mT if upper else made, info)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """Return the inverse of A as a map from its last dimensions to its first `ind` ones.

    Shapes: the first `ind` sizes have the product of the others; the result has those first.
    """
    shape = A._array.shape
    first, last = Size(shape[:ind]), Size(shape[ind:])
    if ind < 1 or first.numel() != last.numel():
        rule = f"the product of A.shape[:{ind}] must equal that of A.shape[{ind}:]"
        raise RuntimeError(describe("linalg.tensorinv", f"shape {shape}", rule))
    made = inv(A.reshape(first.numel(), last.numel()))
    return made.reshape(*last, *first)


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """Return X such that tensordot(A, X, X.ndim) = B.

    Args:
        dims: dimensions of A that are moved to its end first.
    """
    ndim = A._array.ndim
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(ndim - len(dims), ndim)))
    last = Size(A._array.shape[B._array.ndim :])
    count = B._array.size
    if last.numel() != count:
        rule = "the product of A's last sizes must equal the number of elements of B"
        came = f"shapes {A._array.shape} and {B._array.shape}"
        raise RuntimeError(describe("linalg.tensorsolve", came, rule))
    return solve(A.reshape(count, count), B.reshape(count)).reshape(last)
