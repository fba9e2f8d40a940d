"""Triangular systems, and the factors L and U that make them of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.along import take_along
from jitgrad.ops.joining import cat
from jitgrad.ops.linalg import check_same_dtype, matmul
from jitgrad.ops.matrices import check_matrices, check_square
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import broadcast_shapes

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["cholesky_inverse", "cholesky_solve", "lu_solve", "lu_unpack"]

BLOCK = 64
"""Rows that are solved one by one; all others are reached by products of matrices."""


class linalg_lu_factor(NamedTuple):
    """L and U in one matrix, and which row was exchanged for each, counted from 1."""

    LU: Any
    pivots: Any
    __repr__ = return_types.shown


class linalg_lu(NamedTuple):
    """A = P @ L @ U."""

    P: Any
    L: Any
    U: Any
    __repr__ = return_types.shown


def _substitute(a: np.ndarray, b: np.ndarray, *, upper: bool) -> np.ndarray:
    """Return X such that A @ X = B, reading one triangle of A."""
    if upper:
        turned = _substitute(a[..., ::-1, ::-1], b[..., ::-1, :], upper=False)
        return np.ascontiguousarray(turned[..., ::-1, :])
    x = np.array(b, order="C")
    size = a.shape[-1]
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        x[..., start:stop, :] -= a[..., start:stop, :start] @ x[..., :start, :]
        for i in range(start, stop):
            known = a[..., i : i + 1, start:i] @ x[..., start:i, :]
            x[..., i, :] = (x[..., i, :] - known[..., 0, :]) / a[..., i, i, None]
    return x


def _substitute_back(g: Tensor, out: Tensor, a: Tensor, _b: Any, *, upper: bool) -> Tensor:
    made = -matmul(substituted(a.mT, g, upper=not upper), out.mT)
    return made.triu() if upper else made.tril()


SUBSTITUTE = Primitive(
    "linalg_solve_triangular",
    Kind.OPAQUE,
    _substitute,
    (
        _substitute_back,
        lambda g, _out, a, _b, *, upper: substituted(a.mT, g, upper=not upper),
    ),
)


def substituted(a: Tensor, b: Tensor, *, upper: bool) -> Tensor:
    """Return X such that A @ X = B, of one triangle of A; the batches are the same."""
    return bind(SUBSTITUTE, a, b, upper=upper)


def with_unit_diagonal(matrix: Tensor, upper: bool = False) -> Tensor:
    """Return a triangle of `matrix` with ones on the diagonal; of a rectangle too."""
    one = matrix.new_tensor(np.eye(*matrix._array.shape[-2:]))
    return (matrix.triu(1) if upper else matrix.tril(-1)) + one


def _expanded(operation: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return matrices whose batches have one shape; RuntimeError if A @ X = B makes no sense."""
    check_same_dtype(operation, a, b)
    one, other = a._array.shape, b._array.shape
    if len(other) < 2 or one[-1] != other[-2]:
        rule = f"Incompatible shapes of A and B for the equation AX = B ({one} and {other})"
        raise RuntimeError(describe(operation, f"shapes {one} and {other}", rule))
    batch = broadcast_shapes(operation, one[:-2], other[:-2])
    return a.expand(*batch, *one[-2:]), b.expand(*batch, *other[-2:])


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return X such that A @ X = B, for triangular A; the other triangle is not read.

    Args:
        upper: A is upper triangular, not lower.
        left: without, X such that X @ A = B.
        unitriangular: the diagonal is not read either, and counts as ones.

    Zeros on the diagonal give infinities and NaN.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.

    Example:
        >>> import jitgrad as torch
        >>> A = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
        >>> torch.linalg.solve_triangular(A, torch.tensor([[2.0], [3.0]]), upper=False)
        tensor([[1.],
                [2.]])
    """
    check_square("linalg.solve_triangular", A)
    if unitriangular:
        A = with_unit_diagonal(A, upper)
    if not left:
        check_matrices("linalg.solve_triangular", B)
        return solve_triangular(A.mT, B.mT, upper=not upper).mT
    a, b = _expanded("linalg.solve_triangular", A, B)
    return substituted(a, b, upper=upper)


# -- L and U ----------------------------------------------------------------------------------


def _factor(matrix: np.ndarray, exchange: bool) -> np.ndarray:
    """Make L and U of one matrix in its place; return the row that each was exchanged for."""
    size = min(matrix.shape)
    chosen = np.arange(size)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        for i in range(start, stop):
            if exchange:
                chosen[i] = j = i + int(np.abs(matrix[i:, i]).argmax())
                if i != j:
                    matrix[[i, j]] = matrix[[j, i]]
            if matrix[i, i] != 0:
                matrix[i + 1 :, i] /= matrix[i, i]
            below, right = slice(i + 1, None), slice(i + 1, stop)
            matrix[below, right] -= matrix[below, i, None] * matrix[i, None, right]
        head = np.tril(matrix[start:stop, start:stop], -1) + np.eye(stop - start)
        matrix[start:stop, stop:] = _substitute(head, matrix[start:stop, stop:], upper=False)
        matrix[stop:, stop:] -= matrix[stop:, start:stop] @ matrix[start:stop, stop:]
    return chosen


def _factors(array: np.ndarray, exchange: bool) -> tuple[np.ndarray, np.ndarray]:
    made = array.copy(order="C")
    chosen = np.empty((*array.shape[:-2], min(array.shape[-2:])), np.int32)
    for place in np.ndindex(*array.shape[:-2]):
        chosen[place] = _factor(made[place], exchange) + 1
    return made, chosen


PIVOTS = Primitive("lu_pivots", Kind.OPAQUE, lambda array: _factors(array, True)[1])


def _lu_back(g: Tensor, out: Tensor, _a: Any) -> Tensor:
    lower, upper = with_unit_diagonal(out), out.triu()
    inner = matmul(lower.mT, g).tril(-1) + matmul(g.triu(), upper.mT).triu()
    # L^-T @ inner @ U^-T
    half = substituted(upper, inner.mT, upper=True).mT
    return substituted(lower.mT, half, upper=True)


LU = Primitive("lu_packed", Kind.OPAQUE, lambda array: _factors(array, False)[0], (_lu_back,))
"""L and U of a square matrix without an exchange of rows."""


def _row_order(pivots: np.ndarray, *, rows: int) -> np.ndarray:
    order = np.empty((*pivots.shape[:-1], rows), np.int64)
    order[...] = np.arange(rows)
    for i in range(pivots.shape[-1]):
        here, there = order[..., i].copy(), pivots[..., i, None].astype(np.int64) - 1
        order[..., i] = np.take_along_axis(order, there, -1)[..., 0]
        np.put_along_axis(order, there, here[..., None], -1)
    return order


ROW_ORDER = Primitive("lu_row_order", Kind.OPAQUE, _row_order)


def _rows_at(matrix: Tensor, order: Tensor) -> Tensor:
    return take_along(matrix, order.unsqueeze(-1).expand(matrix._array.shape), -2)


def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """Return L and U in one matrix, and the pivots, such that A = P @ L @ U.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.lu_factor(torch.tensor([[0.0, 1.0], [2.0, 3.0]])).pivots
        tensor([2, 2], dtype=torch.int32)
    """
    check_matrices("linalg.lu_factor", A)
    if not pivot:
        rule = "linalg.lu_factor: LU without pivoting is not implemented on the CPU"
        raise RuntimeError(describe("linalg.lu_factor", "pivot=False", rule))
    rows, columns = A._array.shape[-2:]
    size = min(rows, columns)
    pivots = bind(PIVOTS, A.detach())
    turned = _rows_at(A, bind(ROW_ORDER, pivots, rows=rows))
    made = bind(LU, turned[..., :size, :size])
    if rows > size:
        made = cat([made, substituted(made.mT, turned[..., size:, :].mT, upper=False).mT], -2)
    if columns > size:
        head = with_unit_diagonal(made)
        made = cat([made, substituted(head, turned[..., size:], upper=False)], -1)
    return linalg_lu_factor(made, pivots)


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """Return P, L and U of what `lu_factor` returned; empty tensors for what is not unpacked."""
    rows, columns = LU_data._array.shape[-2:]
    size = min(rows, columns)
    p = lower = upper = LU_data.new_empty(0)
    if unpack_pivots:
        order = bind(ROW_ORDER, LU_pivots, rows=rows)
        one = LU_data.new_tensor(np.eye(rows)).expand(*order._array.shape[:-1], rows, rows)
        p = _rows_at(one, order).mT
    if unpack_data:
        lower = with_unit_diagonal(LU_data[..., :size])
        upper = LU_data[..., :size, :].triu()
    return linalg_lu(p, lower, upper)


def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """Return a permutation P, L (lower triangular, ones on its diagonal) and U: A = P @ L @ U.

    Shapes: (..., m, n) gives (..., m, m), (..., m, k) and (..., k, n) with k = min(m, n).

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.lu(torch.tensor([[0.0, 1.0], [2.0, 3.0]])).U
        tensor([[2., 3.],
                [0., 1.]])
    """
    return lu_unpack(*lu_factor(A, pivot=pivot))


def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """Return X such that A @ X = B, of what `lu_factor` made of A.

    Args:
        left: without, X such that X @ A = B.
        adjoint: solve with A transposed.

    Example:
        >>> import jitgrad as torch
        >>> factors = torch.linalg.lu_factor(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
        >>> torch.linalg.lu_solve(*factors, torch.tensor([[1.0], [5.0]]))
        tensor([[1.],
                [1.]])
    """
    check_square("linalg.lu_solve", LU)
    if not left:
        return linalg_lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    packed, right = _expanded("linalg.lu_solve", LU, B)
    order = bind(ROW_ORDER, pivots, rows=LU._array.shape[-1])
    order = order.expand(*packed._array.shape[:-1])
    lower = with_unit_diagonal(packed)
    if adjoint:
        half = substituted(packed.mT, right, upper=False)
        return _rows_at(substituted(lower.mT, half, upper=True), order.argsort(-1))
    half = substituted(lower, _rows_at(right, order), upper=False)
    return substituted(packed, half, upper=True)


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """Return X such that A @ X = b: `linalg.lu_solve` with its arguments in an older order."""
    return linalg_lu_solve(LU_data, LU_pivots, b)


# -- with Cholesky's factor -------------------------------------------------------------------


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """Return X such that A @ X = B, of A's Cholesky factor: A = L @ L.T, or L.T @ L if `upper`.

    Example:
        >>> import jitgrad as torch
        >>> torch.cholesky_solve(torch.tensor([[4.0], [9.0]]), torch.diag(torch.tensor([2.0, 3.0])))
        tensor([[1.],
                [1.]])
    """
    check_square("cholesky_solve", L)
    factor, right = _expanded("cholesky_solve", L.mT if upper else L, B)
    half = substituted(factor, right, upper=False)
    return substituted(factor.mT, half, upper=True)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """Return the inverse of a matrix of its Cholesky factor.

    Example:
        >>> import jitgrad as torch
        >>> torch.cholesky_inverse(torch.diag(torch.tensor([2.0, 1.0])))
        tensor([[0.2500, 0.0000],
                [0.0000, 1.0000]])
    """
    check_square("cholesky_inverse", L)
    return cholesky_solve(L.new_tensor(np.eye(L._array.shape[-1])), L, upper)


class TriangularMethods:
    """The operations of this file as methods of `Tensor`."""

    cholesky_inverse = cholesky_inverse
    cholesky_solve = cholesky_solve
    lu_solve = lu_solve
