"""Operations that show, move, join and split elements, and those that make them from nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.opinfo import A, Dtype, I, M, Op, S, kink, op, unseen, wrong

BAD_DIM = wrong(IndexError, A(2, 3), 2, match="out of range")


def same(reference: Callable, *samples: Any, path: str, **settings: Any) -> Op:
    """Return the line of an operation that takes every dtype."""
    return op(path, *samples, reference=reference, kinds="fib", **settings)


def _diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> np.ndarray:
    return np.diagonal(x, offset, dim1, dim2)


def _expand(x: Any, *size: Any) -> np.ndarray:
    sizes = size[0] if isinstance(size[0], (tuple, list)) else size
    lead = len(sizes) - np.ndim(x)
    shape = [np.shape(x)[i - lead] if each == -1 else each for i, each in enumerate(sizes)]
    return np.broadcast_to(x, shape)


def _reshape(x: Any, *size: Any) -> np.ndarray:
    return np.reshape(x, size[0] if isinstance(size[0], (tuple, list)) else size)


def _permute(x: Any, *dims: Any) -> np.ndarray:
    return np.transpose(x, dims[0] if isinstance(dims[0], (tuple, list)) else dims)


def _squeeze(x: Any, dim: Any = None) -> np.ndarray:
    dims = range(np.ndim(x)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return np.squeeze(x, tuple(each for each in dims if np.ndim(x) and np.shape(x)[each] == 1))


VIEWS = (
    op(
        "Tensor.view",
        S(A(2, 3), 6),
        S(A(2, 3), (3, 2)),
        S(A(2, 3), -1),
        S(A(2, 3), 3, -1),
        S(A(), 1),
        S(A(1), ()),
        S(A(0, 3), 0),
        S(A(2, 0), (0, 5)),
        reference=_reshape,
        kinds="fib",
        layouts=False,
        errors=(
            wrong(RuntimeError, A(2, 3), 4, match="invalid for input of size"),
            wrong(RuntimeError, A(2, 3), (-1, -1)),
        ),
    ),
    op(
        "Tensor.view",
        S(I(2, 3), Dtype("float64")),
        kinds="d",
        order=0,
        layouts=False,
        variant="dtype",
    ),
    op(
        "reshape",
        S(A(2, 3), (6,)),
        S(A(2, 3), (3, -1)),
        S(A(), (1, 1)),
        S(A(1), ()),
        S(A(0), (0, 2)),
        reference=_reshape,
        kinds="fib",
        errors=(wrong(RuntimeError, A(2, 3), (4,)),),
    ),
    op(
        "Tensor.expand",
        S(A(3), 2, 3),
        S(A(2, 1), (2, 4)),
        S(A(2, 1), -1, 3),
        S(A(), 2),
        S(A(), ()),
        S(A(1), 0),
        reference=_expand,
        kinds="fib",
        errors=(
            wrong(RuntimeError, A(2, 3), 3, 3, match="expanded size"),
            wrong(RuntimeError, A(2, 3), 3),
        ),
    ),
    op(
        "broadcast_to",
        S(A(3), (2, 3)),
        S(A(2, 1), (2, 4)),
        reference=_expand,
        kinds="fib",
        named="expand",
        errors=(wrong(RuntimeError, A(2, 3), (3, 3)),),
    ),
    op("broadcast_tensors", S(A(3), A(2, 1)), S(A(), A(2)), reference=np.broadcast_arrays),
    op(
        "Tensor.expand_as",
        S(A(3), A(2, 3)),
        S(A(), A(2)),
        reference=lambda x, y: np.broadcast_to(x, np.shape(y)),
    ),
    op(
        "Tensor.view_as",
        S(A(6), A(2, 3)),
        reference=lambda x, y: np.reshape(x, np.shape(y)),
        layouts=False,
    ),
    op("Tensor.reshape_as", S(A(6), A(2, 3)), reference=lambda x, y: np.reshape(x, np.shape(y))),
    op(
        "permute",
        S(A(2, 3, 4), (2, 0, 1)),
        S(A(2, 3), (-1, 0)),
        S(A(), ()),
        S(A(0, 2), (1, 0)),
        reference=_permute,
        kinds="fib",
        errors=(
            wrong(RuntimeError, A(2, 3), (0,)),
            wrong(RuntimeError, A(2, 3), (0, 0)),
            wrong(IndexError, A(2, 3), (0, 2)),
        ),
    ),
    op(
        "transpose",
        S(A(2, 3), 0, 1),
        S(A(2, 3, 4), -1, 0),
        S(A(), 0, -1),
        S(A(0, 2), 0, 1),
        reference=lambda x, a, b: np.swapaxes(x, a, b) if np.ndim(x) else x,
        kinds="fib",
        errors=(wrong(IndexError, A(2, 3), 0, 2),),
    ),
    op("swapaxes", S(A(2, 3), 0, 1), reference=np.swapaxes, named="transpose"),
    op("swapdims", S(A(2, 3), 0, 1), reference=np.swapaxes, named="transpose"),
    op(
        "t",
        S(A(2, 3)),
        S(A(3)),
        S(A()),
        reference=np.transpose,
        kinds="fib",
        errors=(wrong(RuntimeError, A(2, 3, 4)),),
    ),
    op("adjoint", S(A(2, 3)), S(A(2, 3, 4)), reference=lambda x: np.swapaxes(x, -1, -2)),
    op(
        "movedim",
        S(A(2, 3, 4), 0, 2),
        S(A(2, 3, 4), (0, 1), (-1, 0)),
        reference=np.moveaxis,
        kinds="fib",
        errors=(wrong(IndexError, A(2, 3), 0, 2),),
    ),
    op("moveaxis", S(A(2, 3, 4), 0, 2), reference=np.moveaxis, named="movedim"),
    op(
        "unsqueeze",
        S(A(2, 3), 0),
        S(A(2, 3), -1),
        S(A(), 0),
        S(A(0), 1),
        reference=np.expand_dims,
        kinds="fib",
        errors=(wrong(IndexError, A(2, 3), 3, match="out of range"),),
    ),
    op(
        "squeeze",
        S(A(2, 1, 3)),
        S(A(2, 1, 3), 1),
        S(A(2, 1, 3), 0),
        S(A(1, 1), (0, 1)),
        S(A()),
        S(A(1, 2), (0, 1)),
        S(A(0, 1)),
        reference=_squeeze,
        kinds="fib",
        errors=(BAD_DIM,),
    ),
    op(
        "flatten",
        S(A(2, 3, 4)),
        S(A(2, 3, 4), 1),
        S(A(2, 3, 4), 0, 1),
        S(A()),
        S(A(0, 3)),
        reference=None,
        kinds="fib",
        errors=(wrong(RuntimeError, A(2, 3), 1, 0),),
    ),
    op(
        "unflatten",
        S(A(6), 0, (2, 3)),
        S(A(2, 6), -1, (-1, 2)),
        errors=(wrong(RuntimeError, A(6), 0, (4, 2)),),
    ),
    op("ravel", S(A(2, 3)), S(A()), reference=np.ravel),
    *(
        op(name, S(A()), S(A(3)), S(A(2, 3)), S(A(2, 3, 4)), reference=None, kinds="fib")
        for name in ("atleast_1d", "atleast_2d", "atleast_3d")
    ),
    op(
        "diagonal",
        S(A(3, 3)),
        S(A(2, 3), 1),
        S(A(2, 3), -1),
        S(A(2, 3, 4), 0, 1, 2),
        S(A(2, 3), 5),
        reference=_diagonal,
        kinds="fib",
        errors=(wrong(RuntimeError, A(3, 3), 0, 1, 1),),
    ),
    op(
        "as_strided",
        S(A(2, 3), (2, 2), (3, 1)),
        S(A(6), (2, 3), (1, 1), 1),
        S(A(4), (3,), (0,)),
        layouts=False,
        errors=(wrong(RuntimeError, A(3), (5,), (1,)),),
    ),
    op(
        "Tensor.unfold",
        S(A(7), 0, 3, 2),
        S(A(2, 5), 1, 2, 1),
        S(A(5), 0, 2, 3),
        errors=(wrong(RuntimeError, A(3), 0, 4, 1),),
    ),
    op(
        "select",
        S(A(2, 3), 0, 1),
        S(A(2, 3), -1, -1),
        S(A(3), 0, 0),
        reference=lambda x, dim, i: np.take(x, i, dim),
        kinds="fib",
        errors=(
            wrong(IndexError, A(2, 3), 1, 3, match="out of range"),
            wrong(IndexError, A(), 0, 0),
        ),
    ),
    op(
        "narrow",
        S(A(4, 3), 0, 1, 2),
        S(A(2, 3), 1, -2, 1),
        S(A(3), 0, 3, 0),
        kinds="fib",
        errors=(wrong(RuntimeError, A(3), 0, 2, 2),),
    ),
)

MOVED = (
    op(
        "flip",
        S(A(2, 3), (0,)),
        S(A(2, 3), (0, -1)),
        S(A(2, 3), ()),
        S(A(0, 2), (0,)),
        reference=lambda x, dims: np.flip(x, dims) if dims else x,
        kinds="fib",
        errors=(wrong(IndexError, A(2), (1,)), wrong(RuntimeError, A(2), (0, 0))),
    ),
    op("fliplr", S(A(2, 3)), reference=np.fliplr, errors=(wrong(RuntimeError, A(3)),)),
    op("flipud", S(A(2, 3)), S(A(3)), reference=np.flipud),
    op(
        "roll",
        S(A(5), 2),
        S(A(2, 3), 1),
        S(A(2, 3), -1, 1),
        S(A(2, 3), (1, 2), (0, 1)),
        S(A(0), 1),
        reference=np.roll,
        kinds="fib",
        errors=(wrong(RuntimeError, A(2, 3), (1, 2)),),
    ),
    op(
        "rot90",
        S(A(2, 3)),
        S(A(2, 3), 2),
        S(A(2, 3), -1, (0, 1)),
        S(A(2, 3, 2), 1, (1, 2)),
        reference=lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims),
    ),
    op(
        "Tensor.repeat",
        S(A(2, 3), 2, 1),
        S(A(3), 2, 2),
        S(A(2), (3,)),
        S(A(), 2),
        S(A(2), 0),
        kinds="fib",
        errors=(wrong(RuntimeError, A(2, 3), 2),),
    ),
    op("tile", S(A(2, 3), (2,)), S(A(2, 3), (2, 1)), S(A(3), (2, 2)), reference=np.tile),
    op(
        "repeat_interleave",
        S(A(3), 2),
        S(A(2, 3), 2, dim=1),
        S(A(2, 3), np.array([1, 2]), dim=0),
        S(A(2, 3), 2),
        kinds="fib",
        layouts=False,
    ),
    op(
        "meshgrid",
        S(A(2), A(3), indexing="ij"),
        S(A(2), A(3), indexing="xy"),
        S([A(2), A(3)], indexing="ij"),
        reference=None,
    ),
    op(
        "tril",
        S(A(3, 3)),
        S(A(2, 3), 1),
        S(A(3, 2), -1),
        S(A(2, 2, 3)),
        S(A(0, 2)),
        reference=np.tril,
        kinds="fib",
        inplace="tril_",
        errors=(wrong(RuntimeError, A(3)),),
    ),
    op(
        "triu",
        S(A(3, 3)),
        S(A(2, 3), 1),
        S(A(3, 2), -1),
        S(A(2, 2, 3)),
        S(A(0, 2)),
        reference=np.triu,
        kinds="fib",
        inplace="triu_",
        errors=(wrong(RuntimeError, A(3)),),
    ),
    op("diag", S(A(3)), S(A(3, 3)), S(A(2, 3), 1), S(A(2), -1), reference=np.diag, kinds="fib"),
    op("diagflat", S(A(2, 2)), S(A(2), 1), reference=np.diagflat),
    op("diag_embed", S(A(2)), S(A(2, 3)), S(A(2, 2), 1), S(A(2, 3), 0, 0, 2)),
)

JOINED = (
    op(
        "cat",
        S([A(2, 3), A(1, 3)]),
        S([A(2, 3), A(2, 1)], 1),
        S([A(2), A(0), A(1)], -1),
        S((A(2, 2),)),
        S([A(0, 3), A(2, 3)]),
        S([A(2, 3), A(2, 3)], dim=-1),
        reference=lambda xs, dim=0: np.concatenate(xs, dim),
        kinds="fib",
        errors=(
            wrong(RuntimeError, [A(2, 3), A(2, 2)]),
            wrong(IndexError, [A(2), A(2)], 1),
            wrong(RuntimeError, [A(2), A()]),
        ),
    ),
    *(
        op(name, S([A(2, 3), A(1, 3)]), reference=np.concatenate, named="cat")
        for name in ("concat", "concatenate")
    ),
    op(
        "stack",
        S([A(2, 3), A(2, 3)]),
        S([A(2, 3), A(2, 3)], 1),
        S([A(), A()], -1),
        S([A(0)]),
        reference=lambda xs, dim=0: np.stack(xs, dim),
        kinds="fib",
        errors=(
            wrong(RuntimeError, [A(2), A(3)], match="equal size"),
            wrong(IndexError, [A(2), A(2)], 2),
        ),
    ),
    op("hstack", S([A(2), A(3)]), S([A(2, 1), A(2, 2)]), S([A(), A(2)]), reference=np.hstack),
    op("vstack", S([A(2), A(2)]), S([A(1, 2), A(2, 2)]), S([A(), A()]), reference=np.vstack),
    op("row_stack", S([A(2), A(2)]), reference=np.vstack),
    op("dstack", S([A(2), A(2)]), S([A(1, 2), A(1, 2)]), reference=np.dstack),
    op("column_stack", S([A(2), A(2)]), S([A(2, 1), A(2)]), reference=np.column_stack),
    op("block_diag", S(A(2, 2), A(1, 3)), S(A(2), A())),
    op(
        "split",
        S(A(5, 2), 2),
        S(A(2, 5), 2, 1),
        S(A(5), [2, 3]),
        S(A(4), 4),
        kinds="fib",
        errors=(wrong(RuntimeError, A(5), [2, 2]),),
    ),
    op(
        "chunk",
        S(A(5, 2), 2),
        S(A(2, 5), 3, 1),
        S(A(2), 4),
        kinds="fib",
        errors=(wrong(RuntimeError, A(5), 0),),
    ),
    op(
        "tensor_split",
        S(A(5, 2), 3),
        S(A(2, 5), (1, 3), 1),
        S(A(2), 4),
        reference=lambda x, n, dim=0: np.array_split(x, n, dim),
    ),
    op("hsplit", S(A(2, 4), 2), S(A(4), (1, 3)), reference=np.hsplit),
    op("vsplit", S(A(4, 2), 2), reference=np.vsplit),
    op("dsplit", S(A(2, 2, 4), 2), reference=np.dsplit),
    op("unbind", S(A(2, 3)), S(A(2, 3), 1), S(A(3)), kinds="fib", errors=(BAD_DIM,)),
)


CREATED = (
    *(
        op(
            name,
            S(2, 3),
            S((2, 3)),
            S(0),
            S(()),
            S(2, dtype="int32"),
            S(2, dtype="bool"),
            order=0,
            layouts=False,
        )
        for name in ("zeros", "ones")
    ),
    op("empty", unseen(2, 3), unseen((0,)), order=0, layouts=False),
    op(
        "full",
        S((2, 3), 1.5),
        S((2,), 3),
        S((), True),
        S((2,), 3, dtype="float64"),
        order=0,
        layouts=False,
    ),
    *(
        op(name, S(A(2, 3)), S(A()), S(A(2), dtype="int64"), kinds="fib", order=0)
        for name in ("zeros_like", "ones_like")
    ),
    op("full_like", S(A(2, 3), 1), S(A(2), 2, dtype="int64"), kinds="fib", order=0),
    op("empty_like", unseen(A(2, 3)), kinds="fib", order=0),
    op("Tensor.new_zeros", S(A(2), (2, 3)), S(A(2), 2), kinds="fib", order=0),
    op("Tensor.new_ones", S(A(2), (2, 3)), S(A(2), 2), kinds="fib", order=0),
    op("Tensor.new_full", S(A(2), (2, 3), 1), kinds="fib", order=0),
    op(
        "arange",
        S(4),
        S(4.0),
        S(1, 4),
        S(1, 2, 0.3),
        S(5, 1, -1),
        S(0),
        S(3, dtype="float64"),
        order=0,
        layouts=False,
        errors=(wrong(RuntimeError, 1, 5, -1), wrong(RuntimeError, 1, 2, 0)),
    ),
    op(
        "linspace",
        S(0, 1, 5),
        S(-2, 2, 4),
        S(1, 2, 1),
        S(1, 2, 0),
        S(0, 3, 4, dtype="int64"),
        order=0,
        layouts=False,
        rounding=2,
        errors=(wrong(RuntimeError, 0, 1, -1),),
    ),
    op("logspace", S(0, 1, 5), S(-2, 2, 4, 2), order=0, layouts=False, rounding=4),
    op(
        "eye",
        S(3),
        S(2, 3),
        S(0),
        S(2, dtype="int64"),
        order=0,
        layouts=False,
        errors=(wrong(RuntimeError, -1),),
    ),
    op("tril_indices", S(3, 3), S(2, 3, 1), order=0, layouts=False),
    op("triu_indices", S(3, 3), S(2, 3, 1), order=0, layouts=False),
    op(
        "tensor",
        S([[1.0, 2.0], [3.0, 4.0]]),
        S(1),
        S([True]),
        S([]),
        S([1, 2.5]),
        S([1, 2], dtype="float64"),
        order=0,
        layouts=False,
        errors=(wrong(ValueError, [[1], [1, 2]]),),
    ),
    op("scalar_tensor", S(2), S(2.5, dtype="float64"), order=0, layouts=False),
    op("rand", unseen(2, 3), unseen((2,), dtype="float64"), order=0, layouts=False),
    op("randn", unseen(2, 3), unseen((2,), dtype="float64"), order=0, layouts=False),
    op(
        "randint",
        unseen(5, (2, 3)),
        unseen(2, 5, (3,)),
        order=0,
        layouts=False,
        errors=(wrong(RuntimeError, 5, 5, (2,)),),
    ),
    op("randperm", unseen(5), unseen(0), order=0, layouts=False),
    op("rand_like", unseen(A(2, 3)), order=0),
    op("randn_like", unseen(A(2, 3)), order=0),
    op("randint_like", unseen(A(2, 3), 5), order=0),
    op("normal", unseen(0.0, 1.0, (2, 3)), unseen(A(3), 1.0), order=0),
    op("bernoulli", unseen(A(3, low=0.1, high=0.9)), S(np.array([0.0, 1.0])), order=0),
    op("poisson", unseen(A(3, low=0.1, high=3)), order=0),
    op(
        "multinomial",
        unseen(A(4, low=0.1, high=1), 3),
        unseen(A(2, 4, low=0.1, high=1), 6, True),
        order=0,
        errors=(wrong(RuntimeError, A(3, low=0.1, high=1), 4),),
    ),
    op("Tensor.exponential_", unseen(A(3)), order=0, layouts=False),
    op("Tensor.uniform_", unseen(A(3), 1, 2), order=0, layouts=False),
    op("Tensor.normal_", unseen(A(3), 1, 2), order=0, layouts=False),
    op("Tensor.bernoulli_", unseen(A(3), 0.3), order=0, layouts=False),
    op("Tensor.random_", unseen(A(3), 5), order=0, layouts=False),
)

CONVERTED = (
    *(
        op(
            f"Tensor.{name}",
            *(kink(A(*shape)) for shape in ((2, 3), (), (0,))),
            kinds="fib",
            order=1 if name in ("float", "half") else 0,
        )
        for name in ("float", "half", "long", "int", "short", "char", "bool")
    ),
    op("Tensor.double", S(A(2, 3)), S(A()), S(A(0)), kinds="fib"),
    op("Tensor.to", kink(A(3), Dtype("float32")), S(A(3), Dtype("float64")), kinds="fib", order=1),
    op("Tensor.to", S(A(3), Dtype("int64")), kinds="fib", order=0, variant="an integer dtype"),
    op("Tensor.type_as", S(A(3), I(2)), S(A(3), M(2)), kinds="fib", order=0),
)

OPS = VIEWS + MOVED + JOINED + CREATED + CONVERTED
