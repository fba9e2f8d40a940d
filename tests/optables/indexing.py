"""Elements chosen and written by position or by mask."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.opinfo import A, I, M, S, kink, op, ours, wrong

E = Ellipsis
ALL = slice(None)


def assigned(function: Callable) -> Callable:
    """Return a function that assigns to a copy and returns it."""

    def put(x: Any, *args: Any, **kwargs: Any) -> Any:
        made = x * 1 if x.dtype.is_floating_point else x.clone()
        function(made, *args, **kwargs)
        return made

    return put


def _put(x: Any, index: Any, value: Any) -> np.ndarray:
    x = np.array(x)
    x[index] = np.reshape(value, ()) if np.size(value) == 1 else value
    return x


def _gather(x: Any, dim: int, index: np.ndarray) -> np.ndarray:
    found = np.zeros(index.shape)
    if not index.ndim:
        return np.asarray(x)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[dim] = int(index[place])
        found[place] = x[tuple(source)]
    return found


INDICES = (
    0,
    -1,
    (1, 2),
    ALL,
    slice(1, None),
    slice(None, None, 2),
    (ALL, 1),
    (E, 0),
    None,
    (None, 1, None),
    (ALL, None, slice(0, 2)),
    E,
    (),
    (0, E, 1),
    np.array([2, 0, 0]),
    (ALL, np.array([2, 0])),
    (np.array([0, 1]), np.array([2, 0])),
    (np.array([[0], [1]]), np.array([2, 0])),
    np.array(1),
    (np.array([1, 0]), ALL, np.array([0, 1])),
    (E, np.array([1, 0])),
    (np.array([1, 0]), slice(1, 2)),
    [0, 2],
    slice(2, 1),
)

READ = (
    op(
        "Tensor.__getitem__",
        *(S(A(3, 4, 2), index) for index in INDICES),
        S(A(3, 4), np.arange(12).reshape(3, 4) % 3 == 0),
        S(A(3, 4), np.array([True, False, True])),
        S(A(3, 4), (ALL, np.array([True, False, True, False]))),
        S(A(), ()),
        S(A(), None),
        S(A(0), ALL),
        S(A(3), np.zeros(3, bool)),
        S(A(), np.array(True)),
        S(A(3), np.zeros(0, int)),
        reference=lambda x, index: x[tuple(index) if isinstance(index, tuple) else index],
        kinds="fib",
        named="",
        errors=(
            wrong(IndexError, A(3), 3, match="out of bounds|out of range"),
            wrong(IndexError, A(3), (0, 0), match="too many indices"),
            wrong(IndexError, A(), 0),
            wrong(IndexError, A(3), np.array([5])),
            wrong(IndexError, A(3), np.array([True, False])),
            wrong(IndexError, A(3), 1.5),
            wrong(TypeError, A(3), "a"),
        ),
    ),
    # NumPy takes the integer for one more array of positions
    op(
        "Tensor.__getitem__",
        S(A(3, 4, 2), (0, ALL, np.array([1, 0]))),
        S(A(3, 4, 2), (np.array([1, 0]), ALL, 1)),
        kinds="fib",
        variant="integer and array",
    ),
    op(
        "gather",
        S(A(3, 4), 0, I(2, 4, below=3)),
        S(A(3, 4), 1, I(3, 2, below=4)),
        S(A(3), -1, I(5)),
        S(A(), 0, np.array(0)),
        S(A(2, 3), 1, I(0, 3)),
        kinds="fib",
        reference=_gather,
        errors=(
            wrong(RuntimeError, A(3), 0, np.array([3]), match="out of bounds"),
            wrong(RuntimeError, A(3, 3), 0, I(2)),
        ),
    ),
    op(
        "take_along_dim",
        S(A(3, 4), I(1, 4, below=3), 0),
        S(A(3, 4), I(3, 2, below=4), 1),
        S(A(3, 4), I(5)),
        reference=lambda x, i, dim=None: np.take_along_axis(
            x if dim is not None else np.ravel(x), i, dim or 0
        ),
    ),
    op(
        "index_select",
        S(A(3, 4), 0, I(2, below=3)),
        S(A(3, 4), -1, I(5, below=4)),
        S(A(3), 0, I(0)),
        S(A(), 0, np.array([0])),
        reference=lambda x, dim, i: np.take(x, i, dim) if np.ndim(x) else x,
        kinds="fib",
        named="index",
        errors=(wrong(IndexError, A(3), 0, np.array([3])), wrong(IndexError, A(3), 0, I(2, 2))),
    ),
    op(
        "take",
        S(A(3, 4), I(2, 2, below=12)),
        S(A(3), np.array([-1])),
        reference=np.take,
        kinds="fib",
        named="index",
        errors=(wrong(IndexError, A(3), np.array([3])),),
    ),
    op(
        "masked_select",
        S(A(3, 4), M(3, 4)),
        S(A(3, 4), M(4)),
        S(A(3, 1), M(3, 2)),
        S(A(0), M(0)),
        reference=lambda x, m: np.broadcast_to(x, np.broadcast_shapes(x.shape, m.shape))[
            np.broadcast_to(m, np.broadcast_shapes(x.shape, m.shape))
        ],
        kinds="fib",
        errors=(wrong(RuntimeError, A(3), I(3)),),
    ),
    op(
        "nonzero",
        S(A(2, 3)),
        S(np.array([[0.0, 1.0], [2.0, 0.0]])),
        S(A(0)),
        S(A()),
        kinds="fib",
        order=0,
        reference=lambda x: np.argwhere(x),
        reference_kinds="f",
    ),
    op(
        "nonzero",
        S(np.array([[0.0, 1.0], [2.0, 0.0]]), as_tuple=True),
        order=0,
        variant="as_tuple",
        reference=lambda x, as_tuple: np.nonzero(x),
    ),
    op("argwhere", S(np.array([[0.0, 1.0], [2.0, 0.0]])), order=0, reference=np.argwhere),
)


WRITTEN = (
    op(
        "Tensor.__setitem__",
        *(S(A(3, 4, 2), index, 1) for index in INDICES if index is not E),
        S(A(3, 4), 1, A(4)),
        S(A(3, 4), (ALL, 2), A(3)),
        S(A(3, 4), slice(0, 2), A(4)),
        S(A(3, 4), E, A(4)),
        S(A(3, 4), np.array([2, 0]), A(2, 4)),
        S(A(3, 4), (np.array([0, 1]), np.array([2, 0])), A(2)),
        S(A(3, 4), np.arange(12).reshape(3, 4) % 3 == 0, 0),
        S(A(3, 4), M(3, 4), A()),
        S(A(3), np.array([True, False, True]), A(2)),
        S(A(3), 1, A()),
        S(A(3), 1, A(1)),
        S(A(3), slice(0, 0), A(0)),
        S(A(), (), 2),
        S(A(), E, A()),
        S(A(3, 4), 1, A(1, 4)),
        reference=_put,
        kinds="fib",
        reference_kinds="f",
        through=assigned,
        named="",
        layouts=True,
        errors=(
            wrong(RuntimeError, A(3), slice(None), A(2)),
            wrong(IndexError, A(3), 3, 1),
            wrong(IndexError, A(3), np.array([5]), 1),
        ),
    ),
    op(
        "index_put",
        S(A(3, 4), (np.array([0, 1]), np.array([2, 0])), A(2)),
        S(A(3, 4), (np.array([0, 0]),), A(4), accumulate=True),
        S(A(3), (np.array([0, 2]),), A(2)),
        inplace="index_put_",
    ),
    op(
        "index_add",
        S(A(3, 4), 0, I(2, below=3), A(2, 4)),
        S(A(3), 0, np.array([0, 0]), A(2), alpha=2),
        S(A(2, 3), 1, I(2, below=3), A(2, 2)),
        kinds="fi",
        inplace="index_add_",
        errors=(wrong(RuntimeError, A(3), 0, I(2), A(3)),),
    ),
    op(
        "index_copy",
        S(A(3, 4), 0, np.array([2, 0]), A(2, 4)),
        S(A(2, 3), 1, np.array([1]), A(2, 1)),
        kinds="fib",
        inplace="index_copy_",
    ),
    op(
        "index_fill",
        S(A(3, 4), 0, np.array([2, 0]), 1),
        S(A(3), 0, np.array([1]), A()),
        kinds="fi",
        inplace="index_fill_",
    ),
    op(
        "masked_fill",
        S(A(3, 4), M(3, 4), 1),
        S(A(3, 4), M(4), 0),
        S(A(3), M(3), A()),
        S(A(), M(), 1),
        S(A(0), M(0), 1),
        S(A(3), M(2, 3), 1),
        reference=lambda x, m, v: np.where(m, v, x),
        kinds="fib",
        reference_kinds="f",
        inplace="masked_fill_",
        errors=(wrong(RuntimeError, A(3), I(3), 1), wrong(RuntimeError, A(3), M(2), 1)),
    ),
    op(
        "masked_scatter",
        S(A(3, 4), M(3, 4), A(12)),
        S(A(3, 4), M(4), A(3, 4)),
        kinds="fib",
        inplace="masked_scatter_",
        errors=(wrong(RuntimeError, A(3), np.ones(3, bool), A(2)),),
    ),
    op(
        "scatter",
        S(A(3, 4), 0, np.array([[0, 1, 2, 0]]), A(1, 4)),
        S(A(3, 4), 1, np.array([[0], [3]]), A(2, 1)),
        S(A(3, 4), 0, np.array([[0, 1, 2, 0]]), 1),
        ours(S(A(3), 0, np.array([2, 0]), A(3))),
        S(A(3), 0, I(0), A(0)),
        kinds="fib",
        inplace="scatter_",
        errors=(wrong(RuntimeError, A(3), 0, np.array([3]), A(1), match="out of bounds"),),
    ),
    op(
        "scatter",
        ours(S(A(3, 4), 0, np.array([[0, 1, 2, 0]]), A(1, 4), reduce="add")),
        variant="reduce",
    ),
    op(
        "scatter_add",
        S(A(3, 4), 0, I(2, 4, below=3), A(2, 4)),
        S(A(3), 0, np.array([0, 0, 2]), A(3)),
        kinds="fi",
        inplace="scatter_add_",
    ),
    op(
        "scatter_reduce",
        *(
            S(A(4), 0, np.array([0, 0, 2, 1]), A(4), how)
            for how in ("sum", "prod", "mean", "amax", "amin")
        ),
        *(
            S(A(4), 0, np.array([0, 0, 2, 1]), A(4), how, include_self=False)
            for how in ("sum", "mean", "amax", "amin")
        ),
        kink(np.ones(3), 0, np.array([0, 0, 1]), np.ones(3), "amax"),
        inplace="scatter_reduce_",
        rounding=4,
    ),
    *(
        op(f"Tensor.{name}", sample, through=assigned, kinds=kinds, layouts=False, order=order)
        for name, sample, kinds, order in (
            ("copy_", S(A(2, 3), A(3)), "fib", 2),
            ("fill_", S(A(2, 3), 1), "fib", 2),
            ("zero_", S(A(2, 3)), "fib", 2),
        )
    ),
    op(
        "Tensor.fill_",
        S(A(2, 3), A()),
        S(A(), A()),
        through=assigned,
        layouts=False,
        variant="a tensor",
    ),
    op(
        "Tensor.copy_",
        S(A(), A()),
        S(A(0), A(0)),
        S(A(2, 2), A()),
        through=assigned,
        errors=(wrong(RuntimeError, A(2), A(3)),),
        variant="shapes",
    ),
)

OPS = READ + WRITTEN
