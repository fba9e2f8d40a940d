"""Products of matrices, and what is built from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import broadcast_shapes

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "bmm",
    "dot",
    "matmul",
    "mm",
    "mv",
]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.itemsize == 2 and a.dtype.kind == "f":
        # NumPy has no BLAS for float16; PyTorch accumulates in float32 as well
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(np.float16)
    return np.matmul(a, b)


def _matrix_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # the same BLAS behind a door that takes 0.3 us less; it has none of float16 and integers
    return np.dot(a, b) if a.dtype.kind == "f" and a.itemsize > 2 else _product(a, b)


MM = Primitive(
    "mm",
    Kind.CONTRACTION,
    _matrix_product,
    (
        lambda g, _out, _a, b: mm(g, b.t()),
        lambda g, _out, a, _b: mm(a.t(), g),
    ),
)

BMM = Primitive(
    "bmm",
    Kind.CONTRACTION,
    _product,
    (
        lambda g, _out, _a, b: bmm(g, b.transpose(1, 2)),
        lambda g, _out, a, _b: bmm(a.transpose(1, 2), g),
    ),
)


DOT = Primitive(
    "dot",
    Kind.CONTRACTION,
    np.dot,
    (lambda g, _out, _a, b: g * b, lambda g, _out, a, _b: g * a),
)


def check_same_dtype(operation: str, *tensors: Tensor) -> None:
    """Raise RuntimeError unless `tensors` have one dtype."""
    first = tensors[0]._array.dtype
    for each in tensors[1:]:
        if each._array.dtype != first:
            names = " and ".join(dtypes.FROM_NUMPY[t._array.dtype].name for t in tensors)
            raise RuntimeError(
                describe(
                    operation,
                    f"tensors of {names}",
                    "expected them to have the same dtype",
                    "convert one with .to(other.dtype)",
                )
            )
    if first.kind == "b":
        raise NotImplementedError(
            describe(
                operation,
                "tensors of bool",
                "the product of matrices is not implemented for 'Bool'",
                "convert them with .float() or .long()",
            )
        )


def check_tensor(operation: str, value: Any) -> None:
    if not isinstance(value, TensorCore):
        raise TypeError(
            f"{operation}(): argument must be Tensor, not {type(value).__name__}; make one with "
            "torch.as_tensor"
        )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices.

    Shapes: (n, k) and (k, m) give (n, m). Dtypes: both the same, not bool.
    Gradient: g @ mat2.T and input.T @ g.

    Raises:
        RuntimeError: not matrices, inner sizes or dtypes differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.mm(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
        tensor([[11.]])
    """
    return _product_of("mm", input, mat2)


def _product_of(operation: str, input: Tensor, mat2: Tensor) -> Tensor:
    if not isinstance(mat2, TensorCore):
        check_tensor(operation, mat2)
    a, b = input._array, mat2._array
    if a.ndim != 2 or b.ndim != 2:
        which = ("mat1", a.ndim) if a.ndim != 2 else ("mat2", b.ndim)
        raise RuntimeError(
            describe(
                operation,
                f"shapes {a.shape} and {b.shape}",
                f"{which[0]} must be a matrix, got {which[1]}-D tensor",
                "use matmul for vectors and batches",
            )
        )
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"{operation}: mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} "
            f"and {b.shape[0]}x{b.shape[1]}): the inner sizes {a.shape[1]} and {b.shape[0]} must "
            "be equal; transpose one of them with .t()"
        )
    if a.dtype is not b.dtype or a.dtype.kind == "b":
        check_same_dtype(operation, input, mat2)
    return bind(MM, input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices.

    Shapes: (b, n, k) and (b, k, m) give (b, n, m).
    Gradient: g @ mat2.mT and input.mT @ g.

    Raises:
        RuntimeError: not batches of matrices, sizes or dtypes differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).shape
        torch.Size([2, 1, 1])
    """
    check_tensor("bmm", mat2)
    a, b = input._array.shape, mat2._array.shape
    if len(a) != 3 or len(b) != 3:
        rule = "batch1 and batch2 must be a 3D tensor"
        raise RuntimeError(
            describe("bmm", f"shapes {a} and {b}", rule, "use matmul, which broadcasts")
        )
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError(
            describe(
                "bmm",
                f"shapes {a} and {b}",
                f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] "
                f"but got: [{b[0]}, {b[1]}]",
            )
        )
    check_same_dtype("bmm", input, mat2)
    return bind(BMM, input, mat2)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the scalar product of two vectors of one length.

    Gradient: the other vector.

    Raises:
        RuntimeError: not vectors, of different lengths or dtypes.

    Example:
        >>> import jitgrad as torch
        >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        tensor(11.)
    """
    check_tensor("dot", tensor)
    a, b = input._array, tensor._array
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(
            describe(
                "dot",
                f"shapes {a.shape} and {b.shape}",
                f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors",
                "use matmul, or (a * b).sum()",
            )
        )
    if a.shape != b.shape:
        raise RuntimeError(
            describe(
                "dot",
                f"shapes {a.shape} and {b.shape}",
                f"inconsistent tensor size, expected tensor [{a.shape[0]}] and src [{b.shape[0]}] "
                "to have the same number of elements",
            )
        )
    check_same_dtype("dot", input, tensor)
    if a.dtype == np.float16:
        return mm(input.reshape(1, -1), tensor.reshape(-1, 1)).reshape(())
    if state.recorder is None:
        # 5 us where product and sum take 14; a trace gets those, which kernels fuse
        return bind(DOT, input, tensor)
    product = input * tensor
    return product.sum() if a.dtype.kind == "f" else product.sum(dtype=product.dtype)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix (n, m) and a vector (m,), a vector (n,).

    Raises:
        RuntimeError: other shapes, or different dtypes.
    """
    check_tensor("mv", vec)
    a, b = input._array.shape, vec._array.shape
    if len(a) != 2 or len(b) != 1:
        raise RuntimeError(
            describe(
                "mv",
                f"shapes {a} and {b}",
                f"vector + matrix @ vector expected, got {len(b)}, {len(a)}, {len(b)}: it takes "
                "a matrix and a vector",
                "use matmul",
            )
        )
    if a[1] != b[0]:
        raise RuntimeError(
            describe(
                "mv",
                f"shapes {a} and {b}",
                f"size mismatch, got input ({a[0]}x{a[1]}), vec ({b[0]})",
            )
        )
    return mm(input, vec.unsqueeze(1)).squeeze(1)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return the product of matrices, vectors or broadcast batches of matrices: `input @ other`.

    Shapes: (..., n, k) and (..., k, m) give (..., n, m), leading dimensions broadcast; a vector
    counts as a row on the left and as a column on the right, and its dimension is left out of
    the result.

    Raises:
        RuntimeError: a 0-d tensor, or sizes that do not match.

    Example:
        >>> import jitgrad as torch
        >>> torch.ones(2, 3) @ torch.ones(3)
        tensor([3., 3.])
    """
    check_tensor("matmul", other)
    a, b = input._array.shape, other._array.shape
    left, right = len(a), len(b)
    if left == 2 and right == 2:
        return _product_of("matmul", input, other)
    if not left or not right:
        raise RuntimeError(
            describe(
                "matmul",
                f"shapes {a} and {b}",
                f"both arguments to matmul need to be at least 1D, but they are {left}D and "
                f"{right}D",
                "multiply by a number with *",
            )
        )
    if left == 1 and right == 1:
        return dot(input, other)
    if left == 1:
        return matmul(input.unsqueeze(0), other).squeeze(-2)
    if right == 1:
        if left == 2:
            return mv(input, other)
        return matmul(input, other.unsqueeze(1)).squeeze(-1)
    if a[-1] != b[-2]:
        raise RuntimeError(
            describe(
                "matmul",
                f"shapes {a} and {b}",
                f"the inner sizes {a[-1]} and {b[-2]} must be equal",
                "transpose one of them with .mT",
            )
        )
    if right == 2:
        rows = input.reshape(-1, a[-1]) if a[-1] else input.reshape(count(a[:-1]), 0)
        return mm(rows, other).reshape(*a[:-1], b[-1])
    batch = tuple(broadcast_shapes("matmul", a[:-2], b[:-2]))
    number = count(batch)
    first = input.expand(*batch, *a[-2:]).reshape(number, *a[-2:])
    second = other.expand(*batch, *b[-2:]).reshape(number, *b[-2:])
    return bmm(first, second).reshape(*batch, a[-2], b[-1])


def count(sizes: tuple[int, ...]) -> int:
    count = 1
    for each in sizes:
        count *= each
    return count


class LinalgMethods:
    """The operations of this file as methods of `Tensor`."""

    bmm = bmm
    dot = dot
    matmul = __matmul__ = matmul
    mm = mm
    mv = mv

    def __rmatmul__(self, other: Any) -> Tensor:
        check_tensor("matmul", other)
        return matmul(other, self)  # type: ignore[arg-type]
