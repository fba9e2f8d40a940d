"""Functions of neural networks: softmax and its kin, linear maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.modes import state
from jitgrad.ops.extremes import AMAX
from jitgrad.ops.linalg import matmul
from jitgrad.ops.reduce import SUM
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, wrap_dim

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "log_softmax",
    "softmax",
    "softmin",
]


def _prepared(
    operation: str, input: Tensor, dim: int | None, dtype: DType | None
) -> tuple[Tensor, int, np.dtype]:
    """Return `input` in the dtype of the computation, the dimension, the dtype of the result."""
    ndim = input._array.ndim
    if dim is None:
        # PyTorch's choice from the days when there was no such argument
        dim = 0 if ndim in (0, 1, 3) else 1
    where = wrap_dim(operation, dim, ndim)
    target = input._array.dtype if dtype is None else as_dtype(operation, dtype)
    if target.kind not in "fc":
        raise NotImplementedError(
            describe(
                operation,
                f"dtype {dtypes.FROM_NUMPY[target].name}",
                f'"{operation}" is not implemented for integers and booleans',
                "convert it with .float(), or pass dtype=torch.float32",
            )
        )
    work = dtypes.float32.numpy if target == np.float16 else target
    if input._array.dtype != work:
        input = bind(CAST, input, dtype=work)
    return input, where, target


def _below_top(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return `input` minus its largest elements along `dims`, so that exp cannot overflow."""
    if not input._array.size:
        return input
    # softmax does not change with what is subtracted: no gradient goes that way
    return input - bind(AMAX, input.detach(), dim=dims, keepdim=True)


def _as(made: Tensor, target: np.dtype) -> Tensor:
    return made if made._array.dtype == target else bind(CAST, made, dtype=target)


_largest: Any = np.maximum.reduce
_total: Any = np.add.reduce


def _shares(array: np.ndarray, *, dim: tuple[int, ...]) -> np.ndarray:
    if not array.size:
        return array.copy()
    # arguments by position: names cost 0.1 us each
    powers = np.exp(array - _largest(array, dim, None, None, True))
    powers /= _total(powers, dim, None, None, True)
    return powers


def _logarithms(array: np.ndarray, *, dim: tuple[int, ...]) -> np.ndarray:
    if not array.size:
        return array.copy()
    below = np.subtract(array, np.maximum.reduce(array, axis=dim, keepdims=True))
    return below - np.log(np.add.reduce(np.exp(below), axis=dim, keepdims=True))


def _softmax_back(g: Tensor, out: Tensor, _x: Any, *, dim: tuple[int, ...]) -> Tensor:
    weighted = g * out
    return weighted - out * bind(SUM, weighted, dim=dim, keepdim=True)


# Eager mode takes these primitives: one operation of 8 us for a softmax of 8 x 8 where the
# composite has five, of 28 us. A trace gets the composite, whose parts kernels fuse.
SOFTMAX = Primitive("softmax", Kind.OPAQUE, _shares, (_softmax_back,))

LOG_SOFTMAX = Primitive(
    "log_softmax",
    Kind.OPAQUE,
    _logarithms,
    (lambda g, out, _x, *, dim: g - out.exp() * bind(SUM, g, dim=dim, keepdim=True),),
)


def softmax(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """Return exp(input) divided by its sum along `dim`.

    Dtypes: floating point; `dtype` converts first.
    Gradient: out * (g - sum(g * out)).

    Raises:
        NotImplementedError (a RuntimeError): the tensor holds integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.softmax(torch.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    x, where, target = _prepared("softmax", input, dim, dtype)
    dims = (where,) if x._array.ndim else ()
    if state.recorder is None:
        return _as(bind(SOFTMAX, x, dim=dims), target)
    powers = _below_top(x, dims).exp()
    return _as(powers / bind(SUM, powers, dim=dims, keepdim=True), target)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """Return the logarithm of `softmax`, precise also where that is tiny.

    Gradient: g - softmax * sum(g).

    Raises:
        NotImplementedError (a RuntimeError): the tensor holds integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.log_softmax(torch.tensor([0.0, 1000.0]), dim=0)
        tensor([-1000.,     0.])
    """
    x, where, target = _prepared("log_softmax", input, dim, dtype)
    dims = (where,) if x._array.ndim else ()
    if state.recorder is None:
        return _as(bind(LOG_SOFTMAX, x, dim=dims), target)
    below = _below_top(x, dims)
    return _as(below - bind(SUM, below.exp(), dim=dims, keepdim=True).log(), target)


def softmin(input: Tensor, dim: int | None = None, *, dtype: DType | None = None) -> Tensor:
    """Return softmax(-input)."""
    return softmax(-input, dim, dtype=dtype)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return input @ weight.T + bias.

    Shapes: (..., k) with weight (m, k) and bias (m,) give (..., m); weight (k,) gives (...).

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.linear(torch.ones(1, 3), torch.ones(2, 3), torch.zeros(2))
        tensor([[3., 3.]])
    """
    a, b = input._array.shape, weight._array.shape
    if not a or a[-1] != b[-1]:
        rows = Size(a[:-1]).numel()
        raise RuntimeError(
            describe(
                "linear",
                f"input of shape {a} and weight of shape {b}",
                f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a[-1] if a else 1} and "
                f"{b[-1]}x{b[0]}): their last sizes must be equal",
            )
        )
    product = matmul(input, weight.t() if weight._array.ndim == 2 else weight)
    return product if bias is None else product + bias


class CompositeMethods:
    """The operations of this file as methods of `Tensor`."""

    log_softmax = log_softmax
    softmax = softmax
