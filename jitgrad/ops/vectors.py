"""Products and distances of vectors, tables of their powers and pairs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.ops.joining import cat, stack
from jitgrad.ops.linalg import matmul
from jitgrad.ops.moving import meshgrid
from jitgrad.ops.norms import vector_norm
from jitgrad.ops.places import index_select
from jitgrad.ops.shape import broadcast_tensors
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "cartesian_prod",
    "combinations",
    "corrcoef",
    "cov",
    "cross",
    "dist",
    "kron",
    "renorm",
    "vander",
]


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the cross product of vectors of three elements along `dim`, broadcast.

    Raises:
        RuntimeError: other numbers of dimensions, or of elements.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 0.0, 0.0])
        >>> torch.linalg.cross(x, torch.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    shapes = a, b = input._array.shape, other._array.shape
    if len(a) != len(b):
        rule = "linalg.cross: inputs must have the same number of dimensions"
        raise RuntimeError(describe("linalg.cross", f"shapes {a} and {b}", rule))
    at = wrap_dim("linalg.cross", dim, len(a))
    if any(not each or each[at] != 3 for each in shapes):
        rule = f"linalg.cross: inputs dimension {dim} must have length 3"
        raise RuntimeError(describe("linalg.cross", f"shapes {a} and {b}", rule))
    left, right = (each.unbind(at) for each in broadcast_tensors(input, other))
    turns = ((1, 2), (2, 0), (0, 1))
    return stack([left[i] * right[j] - left[j] * right[i] for i, j in turns], at)


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return `linalg.cross` along `dim`, the first dimension of size 3 unless given.

    Example:
        >>> import jitgrad as torch
        >>> torch.cross(torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1]), dim=0)
        tensor([1, 0, 0])
    """
    if dim is None:
        shape = input._array.shape
        if 3 not in shape:
            rule = "no dimension of size 3 in input"
            raise RuntimeError(describe("linalg.cross", f"shape {shape}", rule))
        dim = shape.index(3)
    return linalg_cross(input, other, dim=dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the dot products of vectors along `dim`, broadcast.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.vecdot(torch.ones(2, 3), torch.tensor([1.0, 2.0, 3.0]))
        tensor([6., 6.])
    """
    return (x * y).sum(dim)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: every element of `input` times the whole of `other`.

    Shapes: sizes multiply, of dimensions counted from the last.

    Example:
        >>> import jitgrad as torch
        >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
        tensor([ 1,  2, 10, 20])
    """
    a, b = input._array.shape, other._array.shape
    ndim = max(len(a), len(b))
    a, b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    left = input.reshape(tuple(itertools.chain.from_iterable((size, 1) for size in a)))
    right = other.reshape(tuple(itertools.chain.from_iterable((1, size) for size in b)))
    return (left * right).reshape(tuple(m * n for m, n in zip(a, b)))


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the p-norm of input - other, of all elements.

    Example:
        >>> import jitgrad as torch
        >>> torch.dist(torch.tensor([3.0, 4.0]), torch.zeros(2))
        tensor(5.)
    """
    return vector_norm(input - other, p)


def powers(x: Tensor, *, N: int | None = None) -> Tensor:
    """Return the powers 0 to N - 1 of each element, in a last dimension: `linalg.vander`.

    Example:
        >>> import jitgrad as torch
        >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)
        tensor([[1, 2, 4],
                [1, 3, 9]])
    """
    if not x._array.ndim:
        rule = "linalg.vander: Expected dim of x to be at least 1"
        raise RuntimeError(describe("linalg.vander", "a tensor of 0 dimensions", rule))
    count = x._array.shape[-1] if N is None else N
    if x._array.dtype.kind == "b":
        x = x.long()
    factors = x.unsqueeze(-1).expand(*x._array.shape, max(count - 1, 0)).cumprod(-1)
    return cat([x.new_ones((*x._array.shape, min(count, 1))), factors], -1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Return the powers of the elements of a vector, the highest first unless `increasing`.

    Example:
        >>> import jitgrad as torch
        >>> torch.vander(torch.tensor([2, 3]))
        tensor([[2, 1],
                [3, 1]])
    """
    if x._array.ndim != 1:
        rule = "vander(): Input must be 1-D tensor"
        raise RuntimeError(describe("vander", f"{x._array.ndim} dimensions", rule))
    made = powers(x, N=N)
    return made if increasing else made.flip(-1)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Return `input` with its parts along `dim` scaled down to the p-norm `maxnorm`.

    Raises:
        RuntimeError: fewer than two dimensions, `p` not positive, `maxnorm` negative.

    Example:
        >>> import jitgrad as torch
        >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    ndim = input._array.ndim
    for came, bad, rule in (
        (f"p={p}", p <= 0, "renorm: non-positive-norm not supported"),
        (f"{ndim} dimensions", ndim < 2, "renorm: input needs at least 2 dimensions"),
        (f"maxnorm={maxnorm}", maxnorm < 0, "renorm: expected maxnorm to be >= 0"),
    ):
        if bad:
            raise RuntimeError(describe("renorm", came, rule))
    at = wrap_dim("renorm", dim, ndim)
    norms = vector_norm(input, p, tuple(i for i in range(ndim) if i != at), True)
    # PyTorch's term against a division by 0
    return input * (maxnorm / (norms + 1e-7)).where(norms > maxnorm, 1)


def renorm_(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Compute `renorm` in place."""
    return input.copy_(renorm(input.clone(), p, dim, maxnorm))


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """Return the covariances of variables, which are rows, over observations, which are columns.

    Shapes: (n, k) gives (n, n), (k,) gives ().

    Args:
        correction: is subtracted from the number of observations.
        fweights: how often each observation was made, integers.
        aweights: how much each observation counts.

    Raises:
        RuntimeError: more than two dimensions, or weights that do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.cov(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input._array.ndim > 2:
        rule = "cov(): expected input to have two or fewer dimensions"
        raise RuntimeError(describe("cov", f"{input._array.ndim} dimensions", rule))
    if input._array.dtype.kind == "b":
        rule = "cov(): bool dtype is not supported for input"
        raise RuntimeError(describe("cov", "dtype bool", rule, "convert it with .float()"))
    shape = input._array.shape
    rows = input if len(shape) == 2 else input.reshape(1, -1)
    if rows._array.dtype.kind != "f":
        rows = rows.to(dtypes.get_default_dtype())
    count = rows._array.shape[1]
    weights = _weights(count, fweights, aweights)
    if weights is None:
        apart = rows - rows.mean(1, True)
        made = matmul(apart, apart.mT) / max(count - correction, 0)
        return made.squeeze()
    total = weights.sum()
    apart = rows - (rows * weights).sum(1, True) / total
    left = total - correction
    if aweights is not None and correction:
        left = total - correction * (weights * aweights).sum() / total
    made = matmul(apart, (apart * weights).mT) / left.clamp(min=0)
    return made.squeeze()


def _weights(count: int, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, each, kinds in (("fweights", fweights, "iub"), ("aweights", aweights, "f")):
        if each is None:
            continue
        array = each._array
        if array.shape != (count,) or array.dtype.kind not in kinds:
            what = "integers" if kinds == "iub" else "floating-point numbers"
            rule = f"cov(): expected {name} to be a vector of {count} {what}"
            came = f"{name} of shape {array.shape} and {dtypes.FROM_NUMPY[array.dtype]}"
            raise RuntimeError(describe("cov", came, rule))
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """Return the correlation coefficients of variables, which are rows: `cov`, scaled.

    Example:
        >>> import jitgrad as torch
        >>> torch.corrcoef(torch.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input._array.ndim > 2:
        rule = "corrcoef(): expected input to have two or fewer dimensions"
        raise RuntimeError(describe("corrcoef", f"{input._array.ndim} dimensions", rule))
    made = cov(input)
    if not made._array.ndim:
        return made / made
    deviations = made.diagonal().sqrt()
    return (made / deviations.unsqueeze(1) / deviations).clamp(-1, 1)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return all ways to take an element of each of several vectors, as rows.

    Example:
        >>> import jitgrad as torch
        >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    for each in tensors:
        if each._array.ndim != 1:
            rule = "cartesian_prod: Expect a 1D vector, but got shape"
            raise RuntimeError(describe("cartesian_prod", f"shape {each._array.shape}", rule))
    if len(tensors) == 1:
        return tensors[0]
    return stack(meshgrid(*tensors, indexing="ij"), -1).reshape(-1, len(tensors))


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return all ways to take `r` elements of a vector, as rows, in their order.

    Example:
        >>> import jitgrad as torch
        >>> torch.combinations(torch.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    if input._array.ndim != 1:
        rule = "combinations: Expect a 1D vector"
        raise RuntimeError(describe("combinations", f"shape {input._array.shape}", rule))
    if r < 0:
        rule = "combinations: Expect a non-negative number"
        raise RuntimeError(describe("combinations", f"r={r}", rule))
    if not r:
        return input.new_empty(0)
    ways = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(ways(range(input._array.size), r)), np.int64).reshape(-1)
    chosen = index_select(input, 0, input.new_tensor(places, dtype=dtypes.int64))
    return chosen.reshape(-1, r)


class VectorMethods:
    """The operations of this file as methods of `Tensor`."""

    corrcoef = corrcoef
    cov = cov
    cross = cross
    dist = dist
    kron = kron
    renorm = renorm
    renorm_ = renorm_
