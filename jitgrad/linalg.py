"""Linear algebra under the names of `torch.linalg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.ops.linalg import matmul as matmul
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

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "det",
    "householder_product",
    "inv",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "slogdet",
    "solve",
    "vector_norm",
]


def multi_dot(tensors: Any) -> Tensor:
    """Return the product of several matrices; the first and the last may be vectors."""
    product, *others = tensors
    for each in others:
        product = matmul(product, each)
    return product


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Return the norm of matrices: "fro", 1, -1, inf or -inf (largest or smallest row or column).

    Raises:
        RuntimeError: another `ord` (2, -2 and "nuc" need singular values, which are not here).
    """
    if ord == "fro":
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if ord not in (1, -1, float("inf"), -float("inf")):
        rule = 'linalg.matrix_norm: Order not supported; it is "fro", 1, -1, inf or -inf here'
        raise RuntimeError(describe("linalg.matrix_norm", f"ord={ord!r}", rule))
    row, column = (each % A._array.ndim for each in dim)
    summed, chosen = (row, column) if ord in (1, -1) else (column, row)
    sums = vector_norm(A, 1, summed, True, dtype=dtype)
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
