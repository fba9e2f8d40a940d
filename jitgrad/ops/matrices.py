"""Determinants, inverses, linear systems and factors of square matrices and batches of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes, return_types
from jitgrad.dispatch import bind, bind_zeros
from jitgrad.errors import describe
from jitgrad.ops.joining import cat
from jitgrad.ops.linalg import matmul
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Spec, broadcast_shapes

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "cholesky",
    "det",
    "inverse",
    "logdet",
    "matrix_exp",
    "matrix_power",
    "slogdet",
]


class LinAlgError(RuntimeError):
    """What is asked for does not exist: the inverse of a singular matrix, say."""


def check_two_dimensions(operation: str, tensor: Tensor) -> None:
    """Raise RuntimeError for fewer dimensions than two."""
    shape = tensor._array.shape
    if len(shape) < 2:
        rule = f"{operation}: The input tensor A must have at least 2 dimensions"
        raise RuntimeError(describe(operation, f"shape {shape}", rule))


def check_matrices(operation: str, tensor: Tensor) -> None:
    """Raise RuntimeError unless `tensor` is a matrix of floats of 32 or 64 bits, or a batch."""
    check_two_dimensions(operation, tensor)
    dtype = tensor._array.dtype
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


def check_square(operation: str, tensor: Tensor) -> None:
    """Raise RuntimeError unless `tensor` is a matrix of such floats, or a batch, and square."""
    check_matrices(operation, tensor)
    shape = tensor._array.shape
    if shape[-1] != shape[-2]:
        rule = f"{operation}: A must be batches of square matrices, but they are {shape}"
        raise RuntimeError(describe(operation, f"shape {shape}", rule))


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


def _minor(array: np.ndarray) -> np.ndarray:
    info = np.zeros(array.shape[:-2], np.int32)
    for place in np.ndindex(*info.shape):
        matrix = array[place]
        below, above = 0, len(matrix) + 1
        # the factors of the first `below` rows exist, those of the first `above` do not
        reached = above - 1
        while above - below > 1:
            try:
                np.linalg.cholesky(matrix[:reached, :reached])
                below = reached
            except np.linalg.LinAlgError:
                above = reached
            reached = (below + above) // 2
        info[place] = above if above <= len(matrix) else 0
    return info


CHOLESKY_INFO = Primitive("cholesky_info", Kind.OPAQUE, _minor)
"""0, or the order of the first leading minor that is not positive."""


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Return a square matrix multiplied by itself `n` times; its inverse for negative `n`."""
    check_two_dimensions("linalg.matrix_power", input)
    if input._array.shape[-1] != input._array.shape[-2]:
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


# The coefficients of the [13/13] Pade approximant of exp, and the norm up to which it is exact to
# rounding: N. Higham, "The scaling and squaring method for the matrix exponential revisited" (2005)
_PADE = tuple(
    math.factorial(26 - k) // (math.factorial(13 - k) * math.factorial(k)) for k in range(14)
)
_PADE_REACH = 5.371920351148152


def _exp(array: np.ndarray) -> np.ndarray:
    if not array.size:
        return array.copy()
    wide = array.astype(np.float64)
    norms = np.abs(wide).sum(-2, keepdims=True).max(-1, keepdims=True)
    finite = np.isfinite(norms)
    scales = np.log2(np.where(finite & (norms > _PADE_REACH), norms, _PADE_REACH) / _PADE_REACH)
    times = np.ceil(scales).astype(int)
    a = np.where(finite, wide, 0) * 0.5**times
    one = np.eye(a.shape[-1])
    square = a @ a
    # Horner's rule in a^2: of the odd powers, without one a, and of the even ones
    odd, even = _PADE[13] * one, _PADE[12] * one
    for k in range(10, -1, -2):
        odd = odd @ square + _PADE[k + 1] * one
        even = even @ square + _PADE[k] * one
    odd = a @ odd
    made = np.linalg.solve(even - odd, even + odd)
    for step in range(times.max()):
        made = np.where(step < times, made @ made, made)
    return np.where(finite, made, np.nan).astype(array.dtype)


def _exp_back(g: Tensor, _out: Any, a: Any) -> Tensor:
    # the derivative in the direction g is the upper right block of exp([[a^T, g], [0, a^T]])
    turned, size = _transposed(a), a._array.shape[-1]
    upper = cat([turned, g], -1)
    lower = cat([bind_zeros(Spec(turned._array.shape, turned._array.dtype)), turned], -1)
    return bind(MATRIX_EXP, cat([upper, lower], -2))[..., :size, size:]


MATRIX_EXP = Primitive("linalg_matrix_exp", Kind.OPAQUE, _exp, (_exp_back,))


def matrix_exp(input: Tensor) -> Tensor:
    """Return the exponential of a square matrix, or of each in a batch: sum of input^k / k!.

    Raises:
        RuntimeError: the matrices are not square.

    Example:
        >>> import jitgrad as torch
        >>> torch.matrix_exp(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[1., 1.],
                [0., 1.]])
    """
    check_square("linalg.matrix_exp", input)
    return bind(MATRIX_EXP, input)


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """Return the first columns of a product of reflections: identity - tau_i v_i v_i^T for each i.

    v_i is column i of A below the diagonal, with 1 on it and 0 above.
    Shapes: (..., m, n) with n <= m, and (..., k) with k <= n, give (..., m, n).

    Raises:
        RuntimeError: other shapes.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.householder_product(torch.zeros(2, 1), torch.tensor([2.0]))
        tensor([[-1.],
                [ 0.]])
    """
    a, b = A._array.shape, tau._array.shape
    if len(a) < 2 or a[-1] > a[-2] or a[:-2] != b[:-1] or len(b) != len(a) - 1 or b[-1] > a[-1]:
        rule = "A must be (..., m, n) and tau (..., k) with k <= n <= m"
        raise RuntimeError(describe("linalg.householder_product", f"shapes {a} and {b}", rule))
    one = A.new_tensor(np.eye(*a[-2:]))
    columns = A.tril(-1) + one
    made = one.expand(a)
    for i in reversed(range(b[-1])):
        v = columns[..., i : i + 1]
        made = made - tau[..., i, None, None] * matmul(v, matmul(_transposed(v), made))
    return made


class MatrixMethods:
    """The operations of this file as methods of `Tensor`."""

    cholesky = cholesky
    det = det
    inverse = inverse
    logdet = logdet
    matrix_exp = matrix_exp
    matrix_power = matrix_power
    slogdet = slogdet
