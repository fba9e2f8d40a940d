"""Products built from those of matrices: with something added, of vectors, of many dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.ops.einsum import einsum
from jitgrad.ops.linalg import bmm, check_tensor, count, dot, mm, mv
from jitgrad.spec import broadcast_shapes, wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bilinear",
    "chain_matmul",
    "ger",
    "inner",
    "outer",
    "tensordot",
    "trace",
    "vdot",
]


def _scaled(value: Tensor, factor: Any) -> Tensor:
    return value if type(factor) is int and factor == 1 else value * factor


def _added(operation: str, input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    shape = broadcast_shapes(operation, input._array.shape, product._array.shape)
    if shape != product._array.shape:
        rule = "The expanded size of the tensor must match that of the product"
        came = f"shapes {input._array.shape} and {product._array.shape}"
        raise RuntimeError(describe(operation, came, rule))
    product = _scaled(product, alpha)
    if type(beta) is int and beta == 0:
        # what is not to count may even be NaN
        return product
    return _scaled(input, beta) + product


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return beta * input + alpha * (mat1 @ mat2); `input` broadcasts to the product.

    Example:
        >>> import jitgrad as torch
        >>> torch.addmm(torch.tensor([1.0, 2.0]), torch.ones(2, 3), torch.ones(3, 2))
        tensor([[4., 5.],
                [4., 5.]])
    """
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return beta * input + alpha * (mat @ vec)."""
    return _added("addmv", input, mv(mat, vec), beta, alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return beta * input + alpha * bmm(batch1, batch2)."""
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return beta * input + alpha * (the sum of bmm(batch1, batch2) over the batch)."""
    return _added("addbmm", input, bmm(batch1, batch2).sum(0), beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Return beta * input + alpha * outer(vec1, vec2)."""
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of all elements of one vector with all of another.

    Shapes: (n,) and (m,) give (n, m).

    Raises:
        RuntimeError: not vectors.

    Example:
        >>> import jitgrad as torch
        >>> torch.outer(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    check_tensor("outer", vec2)
    a, b = input._array.shape, vec2._array.shape
    if len(a) != 1 or len(b) != 1:
        rule = f"outer: Expected 1-D argument, but got {len(a)}-D and {len(b)}-D"
        raise RuntimeError(describe("outer", f"shapes {a} and {b}", rule, "flatten() them"))
    return input.unsqueeze(1) * vec2


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sums of products over the last dimensions of both.

    Shapes: (..., k) and (***, k) give (..., ***).
    """
    check_tensor("inner", other)
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        return input * other
    if a[-1] != b[-1]:
        rule = "inner() the last dimension must match on both input tensors"
        raise RuntimeError(describe("inner", f"shapes {a} and {b}", rule))
    return tensordot(input, other, dims=([-1], [-1]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Return the sums of products over several dimensions of both.

    Args:
        dims: how many: the last of `a`, the first of `b`; or which: a pair of lists.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(3, 4, 5), dims=2).shape
        torch.Size([2, 5])
    """
    check_tensor("tensordot", b)
    first, second = a._array.shape, b._array.shape
    if isinstance(dims, int):
        if dims < 0 or dims > min(len(first), len(second)):
            rule = "tensordot expects dims >= 0, and no more than either has dimensions"
            raise RuntimeError(describe("tensordot", f"dims={dims}", rule))
        dims = (range(len(first) - dims, len(first)), range(dims))
    left = [wrap_dim("tensordot", each, len(first)) for each in dims[0]]
    right = [wrap_dim("tensordot", each, len(second)) for each in dims[1]]
    if len(left) != len(right) or any(first[i] != second[j] for i, j in zip(left, right)):
        raise RuntimeError(
            describe(
                "tensordot",
                f"shapes {first} and {second} with dims {left} and {right}",
                "contracted dimensions need to match",
            )
        )
    rows = [i for i in range(len(first)) if i not in left]
    columns = [i for i in range(len(second)) if i not in right]
    size = count(tuple(first[i] for i in left))
    n, m = (count(tuple(s[i] for i in kept)) for s, kept in ((first, rows), (second, columns)))
    product = mm(
        a.permute(*rows, *left).reshape(n, size), b.permute(*right, *columns).reshape(size, m)
    )
    return product.reshape(*(first[i] for i in rows), *(second[i] for i in columns))


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Return the scalar product of two vectors: `dot` for real ones."""
    return dot(input, other)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return input1^T weight_k input2 + bias_k for each k.

    Shapes: (..., m) and (..., n), with weight (k, m, n) and bias (k,), give (..., k).

    Raises:
        RuntimeError: the sizes do not fit.

    Example:
        >>> import jitgrad as torch
        >>> x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
        >>> torch.nn.functional.bilinear(x, y, torch.ones(1, 2, 1))
        tensor([[9.]])
    """
    a, b, c = input1._array.shape, input2._array.shape, weight._array.shape
    if a[:-1] != b[:-1] or len(c) != 3 or not a or (a[-1], b[-1]) != c[1:]:
        came = f"inputs of shape {a} and {b} and weight of shape {c}"
        rule = "input batch dimensions must match, and the last sizes those of the weight (k, m, n)"
        raise RuntimeError(describe("bilinear", came, rule))
    product = einsum("...m,kmn,...n->...k", input1, weight, input2)
    return product if bias is None else product + bias


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Return the product of several matrices."""
    product = matrices[0]
    for each in matrices[1:]:
        product = mm(product, each)
    return product


def trace(input: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix.

    Example:
        >>> import jitgrad as torch
        >>> torch.trace(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(5.)
    """
    if input._array.ndim != 2:
        rule = "trace: expected a matrix"
        raise RuntimeError(describe("trace", f"shape {input._array.shape}", rule))
    return input.diagonal().sum()


ger = outer


class ProductMethods:
    """The operations of this file as methods of `Tensor`."""

    addbmm = addbmm
    addmm = addmm
    addmv = addmv
    addr = addr
    baddbmm = baddbmm
    ger = outer
    inner = inner
    outer = outer
    trace = trace
    vdot = vdot
