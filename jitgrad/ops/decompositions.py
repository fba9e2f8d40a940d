"""Factors of matrices, and batches of them, by rotations: SVD, eigenvalues, QR, and what is made
of them.

The factors of one matrix come from one computation, and a primitive has one output: it holds them
side by side, and the functions cut it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.joining import cat
from jitgrad.ops.linalg import matmul
from jitgrad.ops.matrices import LinAlgError, check_matrices, check_square
from jitgrad.ops.selection import where
from jitgrad.ops.triangular import substituted
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["pinverse", "qr", "svd"]


class linalg_svd(NamedTuple):
    """A = U @ diag(S) @ Vh."""

    U: Any
    S: Any
    Vh: Any
    __repr__ = return_types.shown


class svd_result(NamedTuple):
    """A = U @ diag(S) @ V.T."""

    U: Any
    S: Any
    V: Any
    __repr__ = return_types.shown


class linalg_eigh(NamedTuple):
    """A = eigenvectors @ diag(eigenvalues) @ eigenvectors.T."""

    eigenvalues: Any
    eigenvectors: Any
    __repr__ = return_types.shown


class linalg_qr(NamedTuple):
    """A = Q @ R."""

    Q: Any
    R: Any
    __repr__ = return_types.shown


svd_result.__name__ = "svd"


def _divided(above: Any, below: Any) -> Any:
    """Return above / below, and 0 where both are: what does not turn has no rate of turning."""
    return above / where((above == 0) & (below == 0), 1, below)


def _skew(matrix: Any) -> Any:
    return matrix - matrix.mT


# -- singular values --------------------------------------------------------------------------


def _svd(array: np.ndarray, **options: Any) -> Any:
    try:
        return np.linalg.svd(array, **options)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained "
            "non-finite values."
        ) from None


def _svd_packed(array: np.ndarray) -> np.ndarray:
    u, s, vh = _svd(array, full_matrices=False)
    return np.concatenate([np.swapaxes(u, -1, -2), s[..., None], vh], -1)


def _svd_parts(packed: Any, rows: int) -> tuple[Any, Any, Any]:
    return packed[..., :rows].mT, packed[..., rows], packed[..., rows + 1 :]


def _svd_back(g: Tensor, out: Tensor, a_spec: Any) -> Tensor:
    # J. Townsend, "Differentiating the singular value decomposition" (2016)
    rows, columns = a_spec.shape[-2:]
    u, s, vh = _svd_parts(out, rows)
    gu, gs, gvh = _svd_parts(g, rows)
    squares = s * s
    apart = squares.unsqueeze(-2) - squares.unsqueeze(-1)
    left = _divided(_skew(matmul(u.mT, gu)), apart) * s.unsqueeze(-2)
    right = s.unsqueeze(-1) * _divided(_skew(matmul(vh, gvh.mT)), apart)
    made = matmul(matmul(u, left + right + gs.diag_embed()), vh)
    if rows > len_of(s):
        moved = _divided(gu, s.unsqueeze(-2))
        made = made + matmul(moved - matmul(u, matmul(u.mT, moved)), vh)
    if columns > len_of(s):
        moved = _divided(gvh, s.unsqueeze(-1))
        made = made + matmul(u, moved - matmul(matmul(moved, vh.mT), vh))
    return made


def len_of(tensor: Any) -> int:
    """Return the size of the last dimension."""
    return tensor._array.shape[-1]


SVD = Primitive("linalg_svd", Kind.OPAQUE, _svd_packed, (_svd_back,), raises_on_data=True)


def _completed(array: np.ndarray) -> np.ndarray:
    count = array.shape[-1]
    return np.linalg.qr(array, mode="complete")[0][..., count:]


COMPLEMENT = Primitive("orthogonal_complement", Kind.OPAQUE, _completed)
"""Orthonormal columns that make those of a matrix a whole basis; any will do."""


def _complete(columns: Any) -> Any:
    return cat([columns, bind(COMPLEMENT, columns.detach())], -1)


def linalg_svd_of(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """Return U, S and Vh such that A = U @ diag(S) @ Vh, U and Vh orthogonal, S descending.

    Shapes: (..., m, n) gives (..., m, k), (..., k) and (..., k, n) with k = min(m, n); with
    `full_matrices` (..., m, m) and (..., n, n).
    Gradient: exists where the singular values differ, for what does not depend on the signs of
    the vectors.

    Raises:
        RuntimeError: not matrices of float32 or float64, or a `driver` (there is one only).
        linalg.LinAlgError (a RuntimeError): elements are not finite.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.svd(torch.tensor([[0.0, 2.0], [3.0, 0.0]])).S
        tensor([3., 2.])
    """
    check_matrices("linalg.svd", A)
    if driver is not None:
        rule = "keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend"
        raise RuntimeError(describe("linalg.svd", f"driver={driver!r}", rule))
    u, s, vh = _svd_parts(bind(SVD, A), A._array.shape[-2])
    if full_matrices:
        if A._array.shape[-2] > len_of(u):
            u = _complete(u)
        if len_of(A) > vh._array.shape[-2]:
            vh = _complete(vh.mT).mT
    return linalg_svd(u, s, vh)


def _values_back(g: Tensor, _out: None, a: Tensor) -> Tensor:
    u, _, vh = _svd_parts(bind(SVD, a), a._array.shape[-2])
    return matmul(u * g.unsqueeze(-2), vh)


SVDVALS = Primitive(
    "linalg_svdvals",
    Kind.OPAQUE,
    lambda array: _svd(array, compute_uv=False),
    (_values_back,),
    raises_on_data=True,
)


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the singular values of a matrix, or of each in a batch, the largest first.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.svdvals(torch.tensor([[0.0, 2.0], [3.0, 0.0]]))
        tensor([3., 2.])
    """
    if driver is not None:
        return linalg_svd_of(A, driver=driver).S
    check_matrices("linalg.svdvals", A)
    return bind(SVDVALS, A)


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, S and V (not transposed): `linalg.svd` in its older form.

    Args:
        some: leave out the columns that only complete the bases.
        compute_uv: without, U and V are zeros.
    """
    check_matrices("linalg.svd", input)
    rows, columns = input._array.shape[-2:]
    if not compute_uv:
        batch = input._array.shape[:-2]
        left, right = (input.new_zeros((*batch, size, size)) for size in (rows, columns))
        return svd_result(left, bind(SVDVALS, input), right)
    u, s, vh = linalg_svd_of(input, not some)
    return svd_result(u, s, vh.mT)


# -- eigenvalues ------------------------------------------------------------------------------


def _eigh(compute: Callable, array: np.ndarray, UPLO: str) -> Any:
    try:
        return compute(array, UPLO)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is "
            "ill-conditioned or has too many repeated eigenvalues."
        ) from None


def _eigh_packed(array: np.ndarray, *, UPLO: str) -> np.ndarray:
    values, vectors = _eigh(np.linalg.eigh, array, UPLO)
    return np.concatenate([values[..., None, :], vectors], -2)


def _eigh_back(g: Tensor, out: Tensor, _a: Any, *, UPLO: str) -> Tensor:
    # M. Giles, "An extended collection of matrix derivative results" (2008), 3.1
    values, vectors = out[..., 0, :], out[..., 1:, :]
    apart = values.unsqueeze(-2) - values.unsqueeze(-1)
    turned = matmul(vectors.mT, g[..., 1:, :])
    off = turned - turned.diagonal(0, -2, -1).diag_embed()
    inner = _divided(off, apart) + g[..., 0, :].diag_embed()
    return matmul(matmul(vectors, inner), vectors.mT)


EIGH = Primitive("linalg_eigh", Kind.OPAQUE, _eigh_packed, (_eigh_back,), raises_on_data=True)


def _check_symmetric(operation: str, A: Tensor, UPLO: str) -> str:
    check_square(operation, A)
    if UPLO.upper() not in ("L", "U"):
        rule = "Expected UPLO argument to be 'L' or 'U'"
        raise RuntimeError(describe(operation, f"UPLO={UPLO!r}", rule))
    return UPLO.upper()


def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Return the eigenvalues, ascending, and the eigenvectors, as columns, of a symmetric matrix.

    Args:
        UPLO: which triangle is read: the lower or the upper one.

    Gradient: exists where the eigenvalues differ, for what does not depend on the signs of the
    vectors.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.eigh(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
        tensor([1., 3.])
    """
    half = _check_symmetric("linalg.eigh", A, UPLO)
    packed = bind(EIGH, A, UPLO=half)
    return linalg_eigh(packed[..., 0, :], packed[..., 1:, :])


def _eigenvalues_back(g: Tensor, _out: None, a: Tensor, *, UPLO: str) -> Tensor:
    vectors = bind(EIGH, a, UPLO=UPLO)[..., 1:, :]
    return matmul(vectors * g.unsqueeze(-2), vectors.mT)


EIGVALSH = Primitive(
    "linalg_eigvalsh",
    Kind.OPAQUE,
    lambda array, *, UPLO: _eigh(np.linalg.eigvalsh, array, UPLO),
    (_eigenvalues_back,),
    raises_on_data=True,
)


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of a symmetric matrix, ascending.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
        tensor([1., 3.])
    """
    half = _check_symmetric("linalg.eigvalsh", A, UPLO)
    return bind(EIGVALSH, A, UPLO=half)


# -- QR ---------------------------------------------------------------------------------------


def _qr_packed(array: np.ndarray) -> np.ndarray:
    return np.concatenate(np.linalg.qr(array), -2)


def _qr_back(g: Tensor, out: Tensor, a_spec: Any) -> Tensor:
    # M. Seeger et al., "Auto-differentiating linear algebra" (2017), for at least as many rows as
    # columns
    rows = a_spec.shape[-2]
    q, r = out[..., :rows, :], out[..., rows:, :]
    gq, gr = g[..., :rows, :], g[..., rows:, :]
    inner = (matmul(gr, r.mT) - matmul(q.mT, gq)).triu()
    both = inner + inner.mT - inner.diagonal(0, -2, -1).diag_embed()
    made = gq + matmul(q, both)
    # made @ R^-T
    return substituted(r, made.mT, upper=True).mT


QR = Primitive("linalg_qr", Kind.OPAQUE, _qr_packed, (_qr_back,))


def _refused(_g: Tensor, _out: Any, _a: Any) -> Tensor:
    raise RuntimeError(
        "linalg.qr: The QR decomposition is not differentiable when mode='complete' and nrows > "
        "ncols; use mode='reduced'"
    )


QR_COMPLETE = Primitive(
    "linalg_qr_complete",
    Kind.OPAQUE,
    lambda array: np.concatenate(np.linalg.qr(array, mode="complete"), -1),
    (_refused,),
)


def linalg_qr_of(A: Tensor, mode: str = "reduced") -> Any:
    """Return Q, whose columns are orthonormal, and R, upper triangular, such that A = Q @ R.

    Shapes: (..., m, n) gives (..., m, k) and (..., k, n) with k = min(m, n).

    Args:
        mode: "reduced"; "complete", with k = m; "r" for R alone (then Q is empty).

    Gradient: of "reduced", and of "complete" for no more rows than columns.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.qr(torch.tensor([[0.0, 1.0], [-2.0, 0.0]])).R.abs()
        tensor([[2., 0.],
                [0., 1.]])
    """
    check_matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        rule = "qr received unrecognized mode; expected 'reduced' (default), 'r', or 'complete'"
        raise RuntimeError(describe("linalg.qr", f"mode={mode!r}", rule))
    rows, columns = A._array.shape[-2:]
    if mode == "complete" and rows > columns:
        packed = bind(QR_COMPLETE, A)
        return linalg_qr(packed[..., :rows], packed[..., rows:])
    # of a wide matrix, the first columns decide
    packed = bind(QR, A[..., :rows] if columns > rows else A)
    q, r = packed[..., :rows, :], packed[..., rows:, :]
    if columns > rows:
        r = cat([r, matmul(q.mT, A[..., rows:])], -1)
    if mode == "r":
        return linalg_qr(A.new_empty(0), r.detach())
    return linalg_qr(q, r)


def qr(input: Tensor, some: bool = True) -> Any:
    """Return Q and R: `linalg.qr`, reduced unless `some` is False."""
    return linalg_qr_of(input, "reduced" if some else "complete")


# -- the inverse of what has none -------------------------------------------------------------


def _pinv(array: np.ndarray, *, atol: float, rtol: float, hermitian: bool) -> np.ndarray:
    u, s, vh = _svd(array, full_matrices=False, hermitian=hermitian)
    if not s.size:
        return np.swapaxes(array, -1, -2).copy()
    bound = np.maximum(atol, rtol * s.max(-1, keepdims=True))
    inverted = np.divide(1, s, out=np.zeros_like(s), where=s > bound)
    return np.swapaxes((u * inverted[..., None, :]) @ vh, -1, -2)


def _pinv_back(g: Tensor, out: Tensor, a: Tensor, **_options: Any) -> Tensor:
    # G. Golub and V. Pereyra, "The differentiation of pseudo-inverses" (1973), 4.12
    pt = out.mT
    first = matmul(g.mT, matmul(out, pt))
    last = matmul(matmul(pt, out), g.mT)
    made = -matmul(matmul(pt, g), pt)
    made = made + first - matmul(a, matmul(out, first))
    return made + last - matmul(matmul(last, out), a)


PINV = Primitive("linalg_pinv", Kind.OPAQUE, _pinv, (_pinv_back,), raises_on_data=True)


def tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Return from where on singular values count: absolute, and relative to the largest."""
    if rtol is None:
        positive = atol is not None and not hasattr(atol, "_array") and atol > 0
        rtol = 0.0 if positive else np.finfo(A._array.dtype).eps * max(A._array.shape[-2:])
    return 0.0 if atol is None else atol, rtol


def pinv(
    A: Tensor,
    rcond: float | None = None,
    hermitian: bool = False,
    *,
    atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:
    """Return the pseudo-inverse (of Moore and Penrose) of a matrix, or of each in a batch.

    Shapes: (..., m, n) gives (..., n, m).

    Args:
        atol, rtol: singular values up to the larger of `atol` and `rtol` times the largest of
            them count as 0; `rtol` is eps * max(m, n) unless given.
        rcond: an older name of `rtol`.
        hermitian: the matrices are symmetric, and only their lower triangles are read.

    Gradient: where the rank does not change.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.pinv(torch.tensor([[2.0], [0.0]]))
        tensor([[0.5000, 0.0000]])
    """
    check_matrices("linalg.pinv", A)
    least, relative = tolerances(A, atol, rcond if rtol is None else rtol)
    return bind(PINV, A, atol=float(least), rtol=float(relative), hermitian=hermitian)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return `linalg.pinv`, with singular values up to `rcond` times the largest counted as 0."""
    return pinv(input, rcond)


class DecompositionMethods:
    """The operations of this file as methods of `Tensor`."""

    svd = svd
    qr = qr
    pinverse = pinverse
