"""Functions of neural networks: softmax and its kin, normalisation, linear maps, look-ups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.modes import state
from jitgrad.ops.extremes import AMAX
from jitgrad.ops.linalg import matmul
from jitgrad.ops.reduce import SUM, mean
from jitgrad.ops.shape import broadcast_tensors
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, broadcast_shapes, wrap_dim

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "cosine_similarity",
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


def _shares(array: np.ndarray, *, dim: tuple[int, ...]) -> np.ndarray:
    if not array.size:
        return array.copy()
    powers = np.exp(array - np.maximum.reduce(array, dim, None, None, True))
    powers /= np.add.reduce(powers, dim, None, None, True)
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


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Return `input` divided by its p-norm along `dim`, or by `eps` where that is larger.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    return input / input.norm(p, dim, True).clamp(min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along `dim`, broadcast.

    Norms below `eps` count as `eps`.

    Example:
        >>> import jitgrad as torch
        >>> torch.cosine_similarity(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]), dim=0)
        tensor(0.7071)
    """
    shape = broadcast_shapes("cosine_similarity", x1._array.shape, x2._array.shape)
    wrap_dim("cosine_similarity", dim, len(shape))
    x1, x2 = x1.expand(shape), x2.expand(shape)
    x1, x2 = broadcast_tensors(x1, x2)
    first = x1 / x1.norm(2, dim, True).clamp(min=eps)
    second = x2 / x2.norm(2, dim, True).clamp(min=eps)
    return (first * second).sum(dim)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 over its last dimensions, then scaled and moved.

    Args:
        normalized_shape: the sizes of these dimensions; `weight` and `bias` have them too.

    Raises:
        RuntimeError: the last sizes are others.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.layer_norm(torch.tensor([1.0, 3.0]), (2,))
        tensor([-1.0000,  1.0000])
    """
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    shape = input._array.shape
    if not sizes or shape[-len(sizes) :] != sizes:
        raise RuntimeError(
            describe(
                "layer_norm",
                f"input of shape {shape} with normalized_shape={list(sizes)}",
                f"expected input with shape [*, {', '.join(map(str, sizes))}]",
            )
        )
    target = input._array.dtype
    half = target == np.float16
    x = bind(CAST, input, dtype=dtypes.float32.numpy) if half else input
    dims = tuple(range(len(shape) - len(sizes), len(shape)))
    apart = x - mean(x, dims, True)
    variance = bind(SUM, apart * apart, dim=dims, keepdim=True) / Size(sizes).numel()
    made = apart * (variance + eps).rsqrt()
    if weight is not None:
        made = made * weight
    if bias is not None:
        made = made + bias
    return _as(made, target)


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


def _one_hot(places: np.ndarray, *, classes: int) -> np.ndarray:
    if places.size and places.min() < 0:
        raise RuntimeError("one_hot: Class values must be non-negative.")
    if places.size and places.max() >= classes:
        raise RuntimeError(f"one_hot: Class values must be smaller than num_classes ({classes}).")
    return (places[..., None] == np.arange(classes)).astype(np.int64)


ONE_HOT = Primitive("one_hot", Kind.OPAQUE, _one_hot, raises_on_data=True)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return a one at the place that each element names, and zeros beside it.

    Shapes: (...) gives (..., num_classes); -1 takes the largest element for the last class.

    Raises:
        RuntimeError: not int64, or an element is no class.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    if tensor._array.dtype != np.int64:
        came = f"dtype {dtypes.FROM_NUMPY[tensor._array.dtype].name}"
        rule = "one_hot is only applicable to index tensor of type LongTensor"
        raise RuntimeError(describe("one_hot", came, rule, "convert it with .long()"))
    if num_classes == -1:
        if not tensor._array.size:
            rule = "Can not infer total number of classes from empty tensor."
            raise RuntimeError(describe("one_hot", "an empty tensor", rule, "pass num_classes"))
        num_classes = int(tensor.max().item()) + 1
    return bind(ONE_HOT, tensor, classes=num_classes)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of `weight` that `input` names.

    Shapes: (...) and (n, k) give (..., k).
    Gradient: cotangents are added up in the rows; the row `padding_idx` gets none.

    Raises:
        IndexError: there is no such row.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.embedding(torch.tensor([1]), torch.eye(2))
        tensor([[0., 1.]])
    """
    if weight._array.ndim != 2:
        rule = "'weight' must be 2-D"
        raise RuntimeError(describe("embedding", f"shape {weight._array.shape}", rule))
    try:
        rows = weight.index_select(0, input.reshape(-1))
    except IndexError as error:
        raise IndexError(f"embedding: index out of range in self ({error})") from None
    made = rows.reshape(*input._array.shape, weight._array.shape[1])
    if padding_idx is None:
        return made
    padding = wrap_dim("embedding", padding_idx, weight._array.shape[0])
    return made.where((input != padding).unsqueeze(-1), made.detach())


class CompositeMethods:
    """The operations of this file as methods of `Tensor`."""

    log_softmax = log_softmax
    softmax = softmax
