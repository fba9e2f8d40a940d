"""Factors of matrices and what is made of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.opinfo import A, Op, S, op, ours, wrong
from tests.optables.matrices import of_a_product, square


def without_signs(*signed: int) -> Callable:
    """Return a `through` that takes the magnitudes of the outputs at positions `signed`.

    Vectors and their negatives are as good.
    """

    def through(function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            found = tuple(function(*args, **kwargs))
            return tuple(abs(each) if i in signed else each for i, each in enumerate(found))

        return call

    return through


def symmetric(*signed: int) -> Callable:
    """Return a `through` that gives the function a symmetric matrix, and hides signs as above."""

    def through(function: Callable) -> Callable:
        def call(root: Any, **kwargs: Any) -> Any:
            found = function(root + root.swapaxes(-1, -2), **kwargs)
            if not isinstance(found, tuple):
                return found
            return tuple(abs(each) if i in signed else each for i, each in enumerate(found))

        return call

    return through


def detached(function: Callable) -> Callable:
    """Return a function whose outputs have no history."""
    return lambda *args, **kwargs: tuple(each.detach() for each in function(*args, **kwargs))


def line(path: str, *samples: Any, **settings: Any) -> Op:
    settings = {"kinds": "w", "rounding": 64, "expandable": False, **settings}
    return op(path, *samples, **settings)


MATRICES = (S(A(3, 3)), S(A(4, 2)), S(A(2, 4)), S(A(2, 3, 2)), S(A(1, 1)))
NO_MATRIX = (wrong(RuntimeError, A(3)), wrong(RuntimeError, np.ones((2, 2), int)))


def lower(*shape: int) -> np.ndarray:
    return np.tril(A(*shape, shape[-1])) + 3 * np.eye(shape[-1])


def _lu(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return L and U in one matrix of a matrix whose rows keep their places, and the pivots."""
    made = matrix.copy()
    for i in range(len(made)):
        made[i + 1 :, i] /= made[i, i]
        made[i + 1 :, i + 1 :] -= np.outer(made[i + 1 :, i], made[i, i + 1 :])
    return made, np.arange(1, len(made) + 1, dtype=np.int32)


def put_together(function: Callable) -> Callable:
    return lambda *args, **kwargs: tuple(function(*args, **kwargs))


def _magnitudes_of_svd(a: np.ndarray, full_matrices: bool) -> tuple:
    u, s, vh = np.linalg.svd(a, full_matrices)
    return np.abs(u), s, np.abs(vh)


def _norm(a: np.ndarray, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    return np.linalg.norm(a, ord, dim, keepdim)


SINGULAR = (
    line(
        "linalg.svd",
        *(S(*each.args, full_matrices=False) for each in MATRICES),
        through=without_signs(0, 2),
        reference=_magnitudes_of_svd,
        errors=(*NO_MATRIX, wrong(RuntimeError, A(2, 2), driver="gesvd")),
    ),
    line(
        "linalg.svd",
        S(A(3, 2)),
        S(A(2, 3)),
        S(A(3, 3)),
        S(A(2, 3, 2)),
        S(A(0, 2)),
        # the columns that complete a basis may be any of the rest
        through=lambda function: (
            lambda a: tuple(abs(each).detach()[..., : min(a.shape[-2:])] for each in function(a))
        ),
        order=0,
        variant="full",
    ),
    line(
        "svd",
        S(A(3, 2)),
        S(A(2, 3)),
        through=without_signs(0, 2),
        named="linalg.svd",
        errors=NO_MATRIX,
    ),
    line("svd", S(A(3, 2), compute_uv=False), named="linalg.svd", variant="values"),
    line(
        "linalg.svdvals",
        *MATRICES,
        S(A(0, 2)),
        reference=lambda a: np.linalg.svd(a, compute_uv=False),
        errors=NO_MATRIX,
    ),
    line("linalg.pinv", *MATRICES, reference=np.linalg.pinv, errors=NO_MATRIX),
    line("pinverse", S(A(3, 2)), reference=np.linalg.pinv),
    line(
        "linalg.pinv",
        S(A(3, 3), hermitian=True),
        through=symmetric(),
        variant="hermitian",
    ),
    line(
        "linalg.lstsq",
        S(A(4, 2), A(4, 3)),
        S(A(4, 2), A(4)),
        S(A(2, 4), A(2, 1)),
        S(A(2, 4, 2), A(2, 4, 1)),
        S(A(4, 2), A(4, 3), driver="gels"),
        S(A(4, 2), A(4, 3), driver="gelsd"),
        through=lambda function: lambda *args, **kwargs: tuple(function(*args, **kwargs))[:2],
        errors=(wrong(RuntimeError, A(3, 2), A(2, 2)), wrong(RuntimeError, A(3), A(3))),
    ),
    line(
        "linalg.lstsq",
        S(A(4, 2), A(4, 3)),
        S(np.ones((4, 2)), A(4, 3)),
        S(np.ones((4, 2)), A(4, 3), driver="gelsd"),
        S(A(2, 2), A(2, 3), driver="gels"),
        through=lambda function: lambda *args, **kwargs: tuple(function(*args, **kwargs))[1:],
        variant="what else it finds",
        order=0,
    ),
    line(
        "linalg.matrix_rank",
        S(A(3, 3)),
        S(A(4, 2)),
        S(np.ones((3, 2))),
        S(np.zeros((2, 2))),
        S(A(3, 3), 100.0),
        S(A(3, 3), atol=1.0, rtol=0.5),
        S(A(2, 3, 3)),
        S(A(0, 2)),
        order=0,
        errors=(wrong(RuntimeError, A(3)),),
    ),
    line("linalg.matrix_rank", S(A(3, 3), hermitian=True), order=0, variant="hermitian"),
    line(
        "linalg.cond",
        S(A(3, 2)),
        S(square(3), -2),
        # torch cannot differentiate these
        ours(S(square(3), "fro")),
        ours(S(square(2, 3), 1)),
        ours(S(square(3), "nuc")),
        ours(S(square(3), float("inf"))),
        errors=(
            wrong(RuntimeError, A(2, 3), "fro"),
            wrong(RuntimeError, A(2, 2), 3),
            wrong(RuntimeError, A(2)),
        ),
    ),
    line(
        "linalg.matrix_norm",
        *(S(A(3, 2), ord) for ord in ("nuc", 2, -2)),
        S(A(2, 3, 4), "nuc", (0, 2)),
        S(A(2, 3, 4), 2, (2, 0), True),
        variant="of singular values",
        reference=_norm,
        errors=(wrong(RuntimeError, A(2, 2), 3), wrong(RuntimeError, A(2))),
    ),
)

EIGEN = (
    line(
        "linalg.eigh",
        S(A(3, 3)),
        S(A(2, 2, 2)),
        S(A(1, 1)),
        S(A(3, 3), UPLO="U"),
        through=symmetric(1),
        errors=(wrong(RuntimeError, A(2, 2), UPLO="x"),),
    ),
    line(
        "linalg.eigvalsh",
        S(A(3, 3)),
        S(A(2, 2, 2)),
        S(A(3, 3), UPLO="U"),
        through=symmetric(),
        reference=symmetric()(np.linalg.eigvalsh),
        errors=(wrong(RuntimeError, A(2, 2), UPLO="x"),),
    ),
    line(
        "linalg.qr",
        *MATRICES,
        S(A(2, 3), mode="complete"),
        through=put_together,
        errors=(*NO_MATRIX, wrong(RuntimeError, A(2, 2), mode="x")),
    ),
    line(
        "linalg.qr",
        S(A(4, 2), mode="complete"),
        S(A(4, 2), mode="r"),
        S(A(2, 4), mode="r"),
        through=detached,
        order=0,
        variant="complete",
    ),
    line("qr", S(A(3, 2)), through=put_together),
)

TRIANGULAR = (
    line(
        "linalg.solve_triangular",
        S(lower(3), A(3, 2), upper=False),
        S(lower(3).T.copy(), A(3, 2), upper=True),
        S(square(3), A(3, 2), upper=True, unitriangular=True),
        S(lower(3), A(2, 3), upper=False, left=False),
        S(lower(2, 3), A(3, 1), upper=False),
        S(lower(3), A(2, 3, 1), upper=False),
        S(A(0, 0), A(0, 2), upper=True),
        errors=(
            wrong(RuntimeError, A(2, 3), A(2, 2), upper=True),
            wrong(RuntimeError, A(2, 2), A(3, 2), upper=True),
        ),
    ),
    line(
        "linalg.lu_factor",
        S(square(3)),
        S(A(3, 3)),
        S(A(4, 2)),
        S(A(2, 4)),
        S(A(2, 3, 3)),
        through=put_together,
        errors=(wrong(RuntimeError, A(3)),),
    ),
    line(
        "linalg.lu",
        S(A(3, 3)),
        S(A(4, 2)),
        S(A(2, 4)),
        S(A(2, 3, 2)),
        through=put_together,
    ),
    line(
        "lu_unpack",
        S(A(3, 3), np.array([2, 3, 3], np.int32)),
        S(A(2, 4, 2), np.array([[2, 3], [1, 2]], np.int32)),
        S(A(3, 3), np.array([2, 3, 3], np.int32), True, False),
        through=lambda function: lambda *args: tuple(function(*args))[1:],
    ),
    line(
        "lu_unpack",
        S(A(3, 3), np.array([2, 3, 3], np.int32)),
        S(A(2, 4, 2), np.array([[2, 3], [1, 2]], np.int32), False),
        through=lambda function: lambda *args: function(*args)[0],
        order=0,
        variant="permutation",
    ),
    *(
        line(
            path,
            *(
                S(*((b, *_lu(a)) if path == "lu_solve" else (*_lu(a), b)), **options)
                for a, b, options in samples
            ),
            named="lu_solve",
        )
        for path, samples in (
            ("lu_solve", ((square(3), A(3, 2), {}),)),
            (
                "linalg.lu_solve",
                (
                    (square(3), A(3, 2), {}),
                    (square(3), A(3, 2), {"adjoint": True}),
                    (square(3), A(2, 3), {"left": False}),
                    (square(3), A(2, 3), {"left": False, "adjoint": True}),
                ),
            ),
        )
    ),
    line(
        # torch's derivative goes to the other triangle too
        "cholesky_solve",
        ours(S(A(3, 2), lower(3))),
        ours(S(A(3, 2), lower(3).T.copy(), True)),
        ours(S(A(2, 3, 1), lower(2, 3))),
        errors=(wrong(RuntimeError, A(3, 2), A(2, 3)), wrong(RuntimeError, A(3, 2), A(2, 2))),
    ),
    line(
        "cholesky_inverse",
        ours(S(lower(3))),
        ours(S(lower(2, 2))),
        ours(S(lower(3).T.copy(), True)),
        reference=lambda a, upper=False: np.linalg.inv(
            np.swapaxes(a, -1, -2) @ a if upper else a @ np.swapaxes(a, -1, -2)
        ),
    ),
    line(
        "linalg.cholesky_ex",
        S(square(3)),
        S(square(2, 2), upper=True),
        through=lambda function: of_a_product(put_together(function)),
    ),
    line(
        "linalg.tensorsolve",
        S(square(4).reshape(2, 2, 4), A(2, 2)),
        S(square(4).reshape(2, 2, 2, 2).transpose(1, 0, 2, 3).copy(), A(2, 2), (0,)),
        rounding=256,
        errors=(wrong(RuntimeError, A(2, 3), A(2)),),
        reference=lambda a, b, dims=None: np.linalg.tensorsolve(a, b, dims),
    ),
    line(
        "linalg.tensorinv",
        S(square(4).reshape(4, 2, 2), ind=1),
        S(square(4).reshape(2, 2, 4)),
        reference=np.linalg.tensorinv,
        errors=(wrong(RuntimeError, A(2, 3), ind=1),),
    ),
)

OPS = SINGULAR + EIGEN + TRIANGULAR
