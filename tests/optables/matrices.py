"""Products of matrices, and what is computed from square ones."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.opinfo import A, S, op, ours, wide, wrong


def square(*shape: int) -> np.ndarray:
    """Return well-conditioned square matrices."""
    return A(*shape, shape[-1]) + 4 * np.eye(shape[-1])


MISMATCH = wrong(RuntimeError, A(2, 3), A(2, 3))

PRODUCTS = (
    op(
        "mm",
        S(A(2, 3), A(3, 4)),
        S(A(1, 1), A(1, 1)),
        S(A(0, 3), A(3, 2)),
        S(A(2, 0), A(0, 3)),
        reference=np.matmul,
        kinds="fi",
        reference_kinds="f",
        rounding=4,
        errors=(
            MISMATCH,
            wrong(RuntimeError, A(3), A(3, 2)),
            wrong(RuntimeError, A(2, 3), np.ones((3, 2), int)),
        ),
    ),
    op(
        "bmm",
        S(A(2, 3, 4), A(2, 4, 5)),
        S(A(0, 2, 3), A(0, 3, 2)),
        reference=np.matmul,
        kinds="fi",
        reference_kinds="f",
        rounding=4,
        errors=(wrong(RuntimeError, A(2, 3, 4), A(3, 4, 5)), wrong(RuntimeError, A(2, 3), A(3, 2))),
    ),
    op(
        "matmul",
        S(A(3), A(3)),
        S(A(2, 3), A(3)),
        S(A(3), A(3, 2)),
        S(A(2, 3), A(3, 4)),
        S(A(2, 3, 4), A(4, 5)),
        S(A(2, 1, 3, 4), A(5, 4, 2)),
        S(A(4), A(2, 4, 3)),
        S(A(2, 3, 4), A(4)),
        S(A(0), A(0)),
        S(A(2, 0), A(0)),
        S(A(0, 2, 3), A(3, 2)),
        reference=np.matmul,
        kinds="fi",
        reference_kinds="f",
        rounding=4,
        errors=(
            MISMATCH,
            wrong(RuntimeError, A(), A(2)),
            wrong(RuntimeError, A(2, 3, 4), A(3, 4, 5)),
        ),
    ),
    op(
        "dot",
        S(A(3), A(3)),
        S(A(0), A(0)),
        reference=np.dot,
        kinds="fi",
        reference_kinds="f",
        rounding=4,
        errors=(
            wrong(RuntimeError, A(3), A(2)),
            wrong(RuntimeError, A(3), A(3, 1)),
            wrong(RuntimeError, A(3), np.arange(3)),
        ),
    ),
    op("vdot", S(A(3), A(3)), reference=np.dot, rounding=4),
    op("inner", S(A(3), A(3)), S(A(2, 3), A(4, 3)), S(A(2), A()), reference=np.inner, rounding=4),
    op(
        "outer",
        S(A(3), A(2)),
        S(A(0), A(2)),
        reference=np.outer,
        kinds="fi",
        reference_kinds="f",
        errors=(wrong(RuntimeError, A(2, 2), A(2)),),
    ),
    op("ger", S(A(3), A(2)), reference=np.outer, named="outer"),
    op(
        "mv",
        S(A(2, 3), A(3)),
        S(A(0, 3), A(3)),
        S(A(2, 0), A(0)),
        reference=np.matmul,
        rounding=4,
        errors=(wrong(RuntimeError, A(2, 3), A(2)),),
    ),
    op(
        "addmm",
        S(A(2, 4), A(2, 3), A(3, 4)),
        S(A(4), A(2, 3), A(3, 4), beta=0.5, alpha=2.0),
        S(A(), A(2, 3), A(3, 4)),
        S(A(2, 2), A(2, 0), A(0, 2)),
        reference=lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
        rounding=8,
        errors=(wrong(RuntimeError, A(3, 3), A(2, 3), A(3, 4)),),
    ),
    op(
        "addmv",
        S(A(2), A(2, 3), A(3)),
        S(A(2), A(2, 3), A(3), beta=0.5, alpha=2.0),
        reference=lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
        rounding=8,
    ),
    op(
        "baddbmm",
        S(A(2, 2, 2), A(2, 2, 3), A(2, 3, 2)),
        S(A(2), A(2, 2, 3), A(2, 3, 2), alpha=2.0),
        reference=lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
        rounding=8,
    ),
    *(
        op(
            name,
            S(A(4, 3), A(4, 2), A(5, 3, 2), A(5)),
            S(A(2, 4, 3), A(2, 4, 2), A(5, 3, 2)),
            S(A(3), A(2), A(1, 3, 2)),
            rounding=16,
            reference=lambda x, y, w, b=0: np.einsum("...m,kmn,...n->...k", x, w, y) + b,
            errors=(
                wrong(RuntimeError, A(4, 3), A(3, 2), A(5, 3, 2)),
                wrong(RuntimeError, A(4, 3), A(4, 3), A(5, 3, 2)),
            ),
        )
        for name in ("bilinear", "nn.functional.bilinear")
    ),
    op(
        "addbmm",
        S(A(2, 2), A(2, 2, 3), A(2, 3, 2)),
        S(A(2, 2), A(2, 2, 3), A(2, 3, 2), beta=0.5),
        reference=lambda x, a, b, beta=1: beta * x + (a @ b).sum(0),
        rounding=8,
    ),
    op(
        "addr",
        S(A(2, 3), A(2), A(3)),
        S(A(2, 3), A(2), A(3), beta=0.5, alpha=2.0),
        reference=lambda x, a, b, beta=1, alpha=1: beta * x + alpha * np.outer(a, b),
        rounding=4,
    ),
    op(
        "tensordot",
        S(A(2, 3), A(3, 4), 1),
        S(A(2, 3, 4), A(3, 4, 2), 2),
        S(A(2, 3, 4), A(4, 2), ([2], [0])),
        S(A(2), A(3), 0),
        rounding=8,
        reference=lambda a, b, dims: np.tensordot(a, b, dims),
    ),
    op(
        "einsum",
        S("ij,jk->ik", A(2, 3), A(3, 4)),
        S("ii->i", A(3, 3)),
        S("ii", A(3, 3)),
        S("ij->ji", A(2, 3)),
        S("bij,bjk->bik", A(2, 2, 3), A(2, 3, 2)),
        S("i,i->", A(3), A(3)),
        S("i,j->ij", A(3), A(2)),
        S("...ij,...jk->...ik", A(2, 2, 3), A(3, 2)),
        S("ij->", A(2, 3)),
        S("ij,kj,lk->il", A(2, 3), A(2, 3), A(4, 2)),
        reference=np.einsum,
        rounding=8,
        named="einsum",
        errors=(
            wrong(RuntimeError, "ij,jk->ik", A(2, 3), A(2, 3)),
            wrong(RuntimeError, "ij->i", A(3)),
        ),
    ),
    op(
        "chain_matmul",
        S(A(2, 3), A(3, 4), A(4, 2)),
        rounding=8,
        reference=lambda a, b, c: a @ b @ c,
    ),
    op(
        "linalg.multi_dot",
        S([A(2, 3), A(3, 4), A(4, 2)]),
        S([A(3), A(3, 2)]),
        rounding=8,
        reference=np.linalg.multi_dot,
    ),
    op(
        "trace",
        S(A(3, 3)),
        S(A(2, 3)),
        reference=np.trace,
        kinds="fi",
        reference_kinds="f",
        errors=(wrong(RuntimeError, A(3)),),
    ),
    op(
        "matrix_power",
        S(A(3, 3), 2),
        S(A(2, 2, 2), 3),
        S(A(2, 2), 0),
        wide(S(square(3), -1)),
        expandable=False,
        rounding=16,
        reference=np.linalg.matrix_power,
        errors=(wrong(RuntimeError, A(2, 3), 2),),
    ),
)


def of_a_product(function: Callable) -> Callable:
    """Return a function of the root of a symmetric matrix, whose halves move together."""

    def call(root: Any, **kwargs: Any) -> Any:
        return function(root @ root.swapaxes(-1, -2), **kwargs)

    return call


SQUARE = (
    op(
        "inverse",
        S(square(3)),
        S(square(2, 2)),
        S(A(0, 0)),
        reference=np.linalg.inv,
        kinds="w",
        rounding=16,
        expandable=False,
        named="inv",
        errors=(wrong(RuntimeError, A(2, 3)),),
    ),
    op(
        "linalg.inv",
        S(square(3)),
        reference=np.linalg.inv,
        kinds="w",
        rounding=16,
        expandable=False,
    ),
    op(
        "linalg.solve",
        S(square(3), A(3)),
        S(square(3), A(3, 2)),
        S(square(2, 2), A(2, 2, 1)),
        kinds="w",
        rounding=16,
        expandable=False,
    ),
    op(
        "det",
        S(square(3)),
        S(square(2, 2)),
        S(A(0, 0)),
        S(A(3, 3)),
        reference=np.linalg.det,
        kinds="w",
        rounding=16,
        errors=(wrong(RuntimeError, A(2, 3)),),
    ),
    op(
        "det",
        ours(S(np.ones((2, 2)))),
        ours(S(np.zeros((3, 3)))),
        reference=np.linalg.det,
        kinds="w",
        order=1,
        rounding=16,
        variant="of singular matrices",
    ),
    op("linalg.det", S(square(3)), reference=np.linalg.det, kinds="w", rounding=16),
    op(
        "slogdet",
        S(square(3)),
        S(square(2, 2)),
        S(-square(3)),
        kinds="w",
        rounding=16,
        expandable=False,
    ),
    *(
        op(
            name,
            S(A(3, 3)),
            S(20 * A(2, 2)),
            S(A(2, 2, 2)),
            S(np.stack([np.zeros((2, 2)), 9 * np.eye(2)])),
            S(A(0, 0)),
            kinds="w",
            rounding=64,
            expandable=False,
            errors=(wrong(RuntimeError, A(2, 3)), wrong(RuntimeError, A(3))),
        )
        for name in ("matrix_exp", "linalg.matrix_exp")
    ),
    op(
        "linalg.householder_product",
        S(A(4, 3), A(3)),
        S(A(3, 3), A(2)),
        S(A(2, 3, 2), A(2, 2)),
        kinds="w",
        rounding=32,
        expandable=False,
        errors=(wrong(RuntimeError, A(2, 3), A(2)), wrong(RuntimeError, A(3, 2), A(3))),
    ),
    op("linalg.slogdet", S(square(3)), kinds="w", rounding=16, expandable=False),
    op("logdet", S(square(3)), S(square(2, 2)), kinds="w", rounding=16, expandable=False),
    *(
        op(
            name,
            S(square(3)),
            S(square(2, 2)),
            reference=of_a_product(np.linalg.cholesky),
            through=of_a_product,
            kinds="w",
            rounding=32,
            expandable=False,
        )
        for name in ("cholesky", "linalg.cholesky")
    ),
)


def _cross(a: Any, b: Any, dim: int = -1) -> Any:
    a, b = np.broadcast_arrays(a, b)
    return np.cross(a, b, axis=dim)


VECTORS = (
    op(
        "linalg.cross",
        S(A(3), A(3)),
        S(A(2, 3), A(2, 3)),
        S(A(3, 2), A(3, 1), dim=0),
        kinds="fi",
        reference_kinds="f",
        reference=_cross,
        rounding=4,
        named="linalg.cross",
        errors=(wrong(RuntimeError, A(2), A(2)), wrong(RuntimeError, A(3), A(2, 3))),
    ),
    op(
        "cross",
        S(A(3), A(3), dim=0),
        S(A(3, 2, 3), A(3, 2, 3)),
        S(A(2, 3), A(2, 3), -1),
        named="linalg.cross",
        rounding=4,
        errors=(wrong(RuntimeError, A(2), A(2)),),
    ),
    op("linalg.vecdot", S(A(2, 3), A(3)), S(A(3, 2), A(3, 2), dim=0), rounding=4),
    op(
        "kron",
        S(A(2, 3), A(3, 2)),
        S(A(2), A(3)),
        S(A(2, 2), A(3)),
        S(A(2), A(2, 1, 2)),
        S(A(), A(2)),
        kinds="fi",
        reference=np.kron,
    ),
    op(
        "dist",
        S(A(3), A(3)),
        S(A(2, 3), A(3), 1),
        S(A(2, 3), A(2, 3), 3.0),
        S(A(3), A(3), float("inf")),
        rounding=4,
        reference=lambda a, b, p=2: np.linalg.norm((a - b).reshape(-1), p),
    ),
    # torch writes into what its own derivative needs
    op(
        "vander",
        ours(S(A(3))),
        ours(S(A(3), 2)),
        ours(S(A(3), 1)),
        ours(S(A(3), 0)),
        ours(S(A(3), 4, True)),
        kinds="wi",
        reference_kinds="w",
        reference=np.vander,
        rounding=4,
        errors=(wrong(RuntimeError, A(2, 2)),),
    ),
    op(
        "linalg.vander",
        ours(S(A(3))),
        ours(S(A(2, 3), N=4)),
        kinds="w",
        rounding=4,
        errors=(wrong(RuntimeError, A()),),
    ),
    op(
        "renorm",
        S(A(3, 2), 2, 0, 1.0),
        S(A(2, 3, 2), 1, 1, 0.5),
        S(A(3, 2), 2, -1, 100.0),
        inplace="renorm_",
        kinds="w",
        rounding=8,
        errors=(
            wrong(RuntimeError, A(3), 2, 0, 1.0),
            wrong(RuntimeError, A(3, 2), 0, 0, 1.0),
            wrong(RuntimeError, A(3, 2), 2, 0, -1.0),
        ),
    ),
    op(
        "cov",
        S(A(2, 4)),
        S(A(4)),
        S(A(2, 4), correction=0),
        S(A(2, 4), fweights=np.array([1, 2, 1, 3])),
        wide(S(A(2, 4), aweights=A(4, low=0.5, high=2))),
        wide(S(A(2, 4), fweights=np.array([1, 2, 1, 3]), aweights=A(4, low=0.5, high=2))),
        wide(S(A(2, 4), aweights=A(4, low=0.5, high=2), correction=0)),
        kinds="wi",
        reference_kinds="w",
        reference=lambda x, correction=1, fweights=None, aweights=None: np.cov(
            x, ddof=correction, fweights=fweights, aweights=aweights
        ),
        rounding=8,
        errors=(
            wrong(RuntimeError, A(2, 2, 2)),
            wrong(RuntimeError, A(2, 4), fweights=A(4)),
            wrong(RuntimeError, A(2, 4), aweights=A(3)),
        ),
    ),
    op(
        "corrcoef",
        S(A(3, 4)),
        S(A(4)),
        kinds="w",
        rounding=16,
        reference=np.corrcoef,
        errors=(wrong(RuntimeError, A(2, 2, 2)),),
    ),
    op(
        "cartesian_prod",
        S(A(2), A(3)),
        S(A(2), A(1), A(2)),
        S(A(3)),
        kinds="fib",
        errors=(wrong(RuntimeError, A(2), A(2, 2)),),
    ),
    op(
        "combinations",
        S(A(4)),
        S(A(3), 3),
        S(A(3), 2, True),
        S(A(1)),
        kinds="fib",
        errors=(wrong(RuntimeError, A(2, 2)), wrong(RuntimeError, A(2), -1)),
    ),
)

OPS = PRODUCTS + SQUARE + VECTORS
