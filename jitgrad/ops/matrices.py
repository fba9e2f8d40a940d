"""Determinants, inverses, linear systems and factors of square matrices and batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes, return_types
from jitgrad.dispatch import bind, bind_zeros
from jitgrad.errors import describe
from jitgrad.ops.linalg import matmul
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import broadcast_shapes

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "cholesky",
    "det",
    "inverse",
    "logdet",
    "matrix_power",
    "slogdet",
]


class LinAlgError(RuntimeError):
    """What is asked for does not exist: the inverse of a singular matrix, say."""


def check_square(operation: str, tensor: Tensor) -> None:
    """Raise RuntimeError unless `tensor` is a float matrix, or a batch, with rows = columns."""
    shape, dtype = tensor._array.shape, tensor._array.dtype
    if len(shape) < 2 or shape[-1] != shape[-2]:
        rule = f"{operation}: A must be batches of square matrices, but they are {shape}"
        if len(shape) < 2:
            rule = f"{operation}: The input tensor A must have at least 2 dimensions"
        raise RuntimeError(describe(operation, f"shape {shape}", rule))
    if dtype.kind not in "fc" or dtype == np.float16:
        raise RuntimeError(
            describe(
                operation,
                f"dtype {dtypes.FROM_NUMPY[dtype].name}",
                "Expected a floating point or complex tensor as input. Low precision dtypes not "
                "supported",
                "convert it with .float()",
            )
        )


def _transposed(matrix: Any) -> Any:
    return matrix.transpose(-2, -1)


def _inv(array: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(array)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.inv: The diagonal element is zero, the inversion could not be completed "
            "because the input matrix is singular."
        ) from None


INV = Primitive(
    "linalg_inv",
    Kind.OPAQUE,
    _inv,
    (lambda g, out, _a: -matmul(matmul(_transposed(out), g), _transposed(out)),),
    raises_on_data=True,
)


def inverse(input: Tensor) -> Tensor:
    """Return the inverse of a square matrix, or of each in a batch.

    Raises:
        linalg.LinAlgError (a RuntimeError): the matrix is singular.

    Example:
        >>> import jitgrad as torch
        >>> torch.inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    check_square("linalg.inv", input)
    return bind(INV, input)


def _solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.solve: The solver failed because the input matrix is singular."
        ) from None


SOLVE = Primitive(
    "linalg_solve",
    Kind.OPAQUE,
    _solve,
    (
        lambda g, out, a, _b: -matmul(bind(SOLVE, _transposed(a), g), _transposed(out)),
        lambda g, _out, a, _b: bind(SOLVE, _transposed(a), g),
    ),
    raises_on_data=True,
)


def solve(A: Tensor, B: Tensor) -> Tensor:
    """Return X such that A @ X = B, for a square matrix (or a batch) A and vectors or matrices B.

    Raises:
        linalg.LinAlgError (a RuntimeError): A is singular.
        RuntimeError: the shapes do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
        tensor([1.0000, 0.5000])
    """
    check_square("linalg.solve", A)
    a, b = A._array.shape, B._array.shape
    vector = len(b) == 1 or (len(b) == len(a) - 1 and b == a[:-1])
    right = B.unsqueeze(-1) if vector else B
    b = right._array.shape
    if b[-2] != a[-1]:
        rule = f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({a}, {b})"
        raise RuntimeError(describe("linalg.solve", f"shapes {a} and {b}", rule))
    batch = broadcast_shapes("linalg.solve", a[:-2], b[:-2])
    made = bind(SOLVE, A.expand(*batch, *a[-2:]), right.expand(*batch, *b[-2:]))
    return made.squeeze(-1) if vector else made


def _cofactors(array: np.ndarray) -> np.ndarray:
    # from singular values, whose products of all but one need no division
    u, s, vh = np.linalg.svd(array)
    before = np.cumprod(np.concatenate([np.ones_like(s[..., :1]), s[..., :-1]], -1), -1)
    tail = np.concatenate([s[..., 1:], np.ones_like(s[..., :1])], -1)[..., ::-1]
    after = np.cumprod(tail, -1)[..., ::-1]
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return ((u * (before * after)[..., None, :]) @ vh) * np.sign(sign)[..., None, None]


def _cofactors_back(g: Tensor, _out: None, a: Tensor) -> Tensor:
    inverted = _transposed(bind(INV, a))
    along = (g * inverted).sum((-2, -1), keepdim=True) * inverted
    across = matmul(matmul(inverted, _transposed(g)), inverted)
    return _column(bind(DET, a)) * (along - across)


def _column(number: Any) -> Any:
    return number.unsqueeze(-1).unsqueeze(-1)


COFACTORS = Primitive(
    "cofactors",
    Kind.OPAQUE,
    lambda array: _cofactors(array) if array.size else array.copy(),
    (_cofactors_back,),
)

DET = Primitive(
    "linalg_det",
    Kind.OPAQUE,
    np.linalg.det,
    (lambda g, _out, a: _column(g) * bind(COFACTORS, a),),
)


def det(input: Tensor) -> Tensor:
    """Return the determinant of a square matrix, or of each in a batch.

    Gradient: the cofactors, also of singular matrices.

    Example:
        >>> import jitgrad as torch
        >>> torch.det(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor(8.)
    """
    check_square("linalg.det", input)
    return bind(DET, input)


SIGN_DET = Primitive(
    "sign_det",
    Kind.OPAQUE,
    lambda array: np.linalg.slogdet(array)[0],
    # constant wherever it has a derivative at all
    (lambda _g, _out, a_spec: bind_zeros(a_spec),),
)

LOG_ABS_DET = Primitive(
    "log_abs_det",
    Kind.OPAQUE,
    lambda array: np.linalg.slogdet(array)[1],
    (lambda g, _out, a: _column(g) * _transposed(bind(INV, a)),),
)


def slogdet(input: Tensor) -> return_types.slogdet:
    """Return the sign and the logarithm of the absolute value of the determinant.

    Example:
        >>> import jitgrad as torch
        >>> torch.slogdet(torch.eye(2))
        torch.return_types.slogdet(
        sign=tensor(1.),
        logabsdet=tensor(0.))
    """
    check_square("linalg.slogdet", input)
    return return_types.slogdet(bind(SIGN_DET, input), bind(LOG_ABS_DET, input))


def logdet(input: Tensor) -> Tensor:
    """Return the logarithm of the determinant; NaN where that is negative."""
    sign, size = slogdet(input)
    return size.masked_fill(sign < 0, float("nan"))


def _factor(array: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(array)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.cholesky: The factorization could not be completed because the input is not "
            "positive-definite."
        ) from None


def _cholesky_back(g: Tensor, out: Tensor, _a: Any) -> Tensor:
    # I. Murray, "Differentiation of the Cholesky decomposition" (2016)
    inner = matmul(_transposed(out), g).tril()
    half = inner - inner.diagonal(0, -2, -1).diag_embed() / 2
    inverted = bind(INV, out)
    made = matmul(matmul(_transposed(inverted), half), inverted)
    return (made + _transposed(made)) / 2


CHOLESKY = Primitive(
    "linalg_cholesky", Kind.OPAQUE, _factor, (_cholesky_back,), raises_on_data=True
)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Return the lower triangular L with L @ L.T = input, of a positive-definite matrix.

    Args:
        upper: return L.T instead.

    Raises:
        linalg.LinAlgError (a RuntimeError): the matrix is not positive-definite.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.cholesky(torch.tensor([[4.0, 0.0], [0.0, 9.0]]))
        tensor([[2., 0.],
                [0., 3.]])
    """
    check_square("linalg.cholesky", input)
    made = bind(CHOLESKY, input)
    return _transposed(made) if upper else made


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Return a square matrix multiplied by itself `n` times; its inverse for negative `n`."""
    if input._array.ndim < 2 or input._array.shape[-1] != input._array.shape[-2]:
        check_square("linalg.matrix_power", input)
    if n < 0:
        return matrix_power(inverse(input), -n)
    if n == 0:
        return input * 0 + input.new_tensor(np.eye(input._array.shape[-1]))
    result = None
    square = input
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n:
            square = matmul(square, square)
    return result if result is not input else input.clone()  # type: ignore[return-value]


class MatrixMethods:
    """The operations of this file as methods of `Tensor`."""

    cholesky = cholesky
    det = det
    inverse = inverse
    logdet = logdet
    matrix_power = matrix_power
    slogdet = slogdet
