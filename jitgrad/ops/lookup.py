"""Rows of a table looked up by their numbers: embeddings, one-hot vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.norms import vector_norm
from jitgrad.ops.ranges import arange
from jitgrad.ops.selection import where
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


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


GRADIENT_SCALE = Primitive(
    "gradient_scale",
    Kind.ELEMENTWISE,
    lambda x, scale: np.array(x),
    (lambda g, _out, _x, scale: g * scale, None),
    scalar="{0}",
)
"""The input itself, whose gradient is multiplied by the second one, broadcast."""


def _checked(
    operation: str, input: Tensor, weight: Tensor, padding_idx: int | None, sparse: bool
) -> int | None:
    """Return the row that gets no gradient, counted from the front."""
    if sparse:
        rule = "sparse gradients are not implemented"
        remedy = "leave sparse=False: gradients are dense"
        raise NotImplementedError(describe(operation, "sparse=True", rule, remedy))
    if weight._array.ndim != 2:
        rule = "'weight' must be 2-D"
        raise RuntimeError(describe(operation, f"shape {weight._array.shape}", rule))
    if input._array.dtype not in (np.int64, np.int32):
        came = f"positions of dtype {dtypes.FROM_NUMPY[input._array.dtype].name}"
        rule = "expected scalar types Long or Int"
        raise RuntimeError(describe(operation, came, rule, "convert them with .long()"))
    if padding_idx is None:
        return None
    rows = weight._array.shape[0]
    if not -rows <= padding_idx < rows:
        rule = "padding_idx must be within num_embeddings"
        kind = AssertionError if operation == "embedding" else RuntimeError
        raise kind(describe(operation, f"padding_idx={padding_idx} for {rows} rows", rule))
    return wrap_dim(operation, padding_idx, rows)


def _shorten(weight: Tensor, places: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are looked up, where they are longer than `max_norm`, to that length."""
    held = weight.detach()
    used = held.new_zeros((held._array.shape[0],)).index_fill(0, places, 1.0) > 0
    lengths = vector_norm(held, norm_type, 1)
    factors = where(used & (lengths > max_norm), max_norm / (lengths + 1e-7), 1.0)
    held.mul_(factors.unsqueeze(1))


def _rows(operation: str, weight: Tensor, places: Tensor) -> Tensor:
    try:
        return weight.index_select(0, places)
    except IndexError as error:
        kind = IndexError if operation == "embedding" else RuntimeError
        raise kind(f"{operation}: index out of range in self ({error})") from None


def _looked_up(
    operation: str,
    weight: Tensor,
    places: Tensor,
    padding: int | None,
    max_norm: float | None,
    norm_type: float,
    by_frequency: bool,
) -> Tensor:
    """Return the rows of `weight` at `places`, a vector."""
    if max_norm is not None:
        _rows(operation, weight.detach(), places)
        _shorten(weight, places, max_norm, norm_type)
    rows = _rows(operation, weight, places)
    if by_frequency:
        counts = weight.detach().new_zeros((weight._array.shape[0],))
        counts = counts.index_add(0, places, counts.new_ones(places._array.shape))
        rows = bind(GRADIENT_SCALE, rows, (1 / counts.index_select(0, places)).unsqueeze(1))
    if padding is None:
        return rows
    return where((places != padding).unsqueeze(1), rows, rows.detach())


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of `weight` that `input` names.

    Shapes: (...) and (n, k) give (..., k).
    Gradient: cotangents are added up in the rows; the row `padding_idx` gets none.

    Args:
        max_norm: rows with a larger `norm_type`-norm are first scaled to it, in place.
        scale_grad_by_freq: divide the gradient of a row by how often it is looked up.
        sparse: must be False; gradients are dense.

    Raises:
        IndexError, AssertionError: there is no such row, or no row `padding_idx`.
        RuntimeError: `weight` is no matrix, or `input` does not hold integers.
        NotImplementedError: `sparse`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.embedding(torch.tensor([1]), torch.eye(2))
        tensor([[0., 1.]])
    """
    padding = _checked("embedding", input, weight, padding_idx, sparse)
    rows = _looked_up(
        "embedding", weight, input.reshape(-1), padding, max_norm, norm_type, scale_grad_by_freq
    )
    return rows.reshape(*input._array.shape, weight._array.shape[1])


def _numbered(offsets: np.ndarray, *, length: int) -> np.ndarray:
    if len(offsets) and (offsets[0] != 0 or offsets[-1] > length):
        rule = f"offsets[0] has to be 0, and offsets[-1] at most input's length {length}"
        raise RuntimeError(describe("embedding_bag", f"offsets {offsets.tolist()}", rule))
    return np.searchsorted(offsets, np.arange(length), side="right") - 1


BAGS = Primitive("bags", Kind.OPAQUE, _numbered, raises_on_data=True)
"""For each of `length` places the number of its bag, from where the bags begin."""


def _bags(input: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[Tensor, int]:
    """Return for each element of `input`, row by row, the number of its bag; how many there are."""
    shape = input._array.shape
    if len(shape) == 2:
        if offsets is not None:
            rule = "if input is 2D, then offsets has to be None: each row is a bag"
            raise ValueError(describe("embedding_bag", "offsets", rule))
        rows, length = shape
        return arange(rows).unsqueeze(1).expand(rows, length).reshape(-1), rows
    if len(shape) != 1:
        rule = f"input has to be 1D or 2D Tensor, but got Tensor of dimension {len(shape)}"
        raise ValueError(describe("embedding_bag", f"shape {shape}", rule))
    if offsets is None:
        raise ValueError("embedding_bag: offsets has to be a 1D Tensor but got None")
    if offsets._array.ndim != 1:
        rule = "offsets has to be a 1D Tensor"
        raise ValueError(describe("embedding_bag", f"shape {offsets._array.shape}", rule))
    count = offsets._array.shape[0] - include_last
    # beyond the end of the last bag there is nothing
    return bind(BAGS, offsets, length=shape[0]).clamp_max(max(count - 1, 0)), count


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the mean, the sum or the largest elements of rows of `weight`, bag by bag.

    Shapes: input (n, length) or (all lengths together,) with offsets (n,), where bags begin; with
    weight (rows, k) they give (n, k). An empty bag gives zeros.

    Args:
        max_norm, norm_type, scale_grad_by_freq, sparse: see `embedding`.
        mode: "mean", "sum" or "max".
        per_sample_weights: factors of the rows, of the shape of `input`, for "sum" only.
        include_last_offset: offsets end with where the last bag ends.
        padding_idx: a row that is left out of the bags.

    Raises:
        ValueError, RuntimeError: arguments that do not fit together, or there is no such row.
        NotImplementedError: `sparse`, or `per_sample_weights` without "sum".

    Example:
        >>> import jitgrad as torch
        >>> places, offsets = torch.tensor([0, 1, 1]), torch.tensor([0, 2])
        >>> torch.nn.functional.embedding_bag(places, torch.eye(2), offsets)
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])
    """
    if mode not in ("mean", "sum", "max"):
        rule = "mode has to be one of sum, mean or max"
        raise ValueError(describe("embedding_bag", f"mode={mode!r}", rule))
    padding = _checked("embedding_bag", input, weight, padding_idx, sparse)
    if mode == "max" and scale_grad_by_freq:
        rule = "max mode does not support scaling the gradient by the frequency"
        raise ValueError(describe("embedding_bag", "scale_grad_by_freq=True", rule))
    bags, count = _bags(input, offsets, include_last_offset)
    places = input.reshape(-1)
    rows = _looked_up(
        "embedding_bag", weight, places, None, max_norm, norm_type, scale_grad_by_freq
    )
    if per_sample_weights is not None:
        rows = rows * _factors(input, per_sample_weights, mode).unsqueeze(1)
    held: Any = None if padding is None else (places != padding).unsqueeze(1)
    empty = weight.detach().new_zeros((count, weight._array.shape[1]))
    if mode == "max":
        low = rows if held is None else where(held, rows, -float("inf"))
        target = bags.unsqueeze(1).expand(*low._array.shape)
        made = (empty - float("inf")).scatter_reduce(0, target, low, "amax")
        return where(made == -float("inf"), 0, made)
    total = empty.index_add(0, bags, rows if held is None else where(held, rows, 0))
    if mode == "sum":
        return total
    ones = rows.detach().new_ones((rows._array.shape[0], 1))
    sizes = empty.new_zeros((count, 1)).index_add(0, bags, ones if held is None else ones * held)
    return total / sizes.clamp_min(1)


def _factors(input: Tensor, per_sample_weights: Tensor, mode: str) -> Tensor:
    if mode != "sum":
        rule = "per_sample_weights was not None: it is only supported for mode='sum'"
        raise NotImplementedError(describe("embedding_bag", f"mode={mode!r}", rule))
    if per_sample_weights._array.shape != input._array.shape:
        rule = "per_sample_weights must have exactly the same shape as input"
        shape = per_sample_weights._array.shape
        raise ValueError(describe("embedding_bag", f"shape {shape}", rule))
    return per_sample_weights.reshape(-1)
