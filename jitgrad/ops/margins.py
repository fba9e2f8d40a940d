"""Losses that want scores and distances apart by a margin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.ops.activation import logsigmoid
from jitgrad.ops.distances import pairwise_distance
from jitgrad.ops.losses import LEAST
from jitgrad.ops.reduction import chosen_reduction, reduced
from jitgrad.ops.selection import where

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# The arguments size_average and reduce, from PyTorch's past, choose the reduction with a warning.


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return `input`, distances, where `target` is 1, and max(0, margin - input) where it is -1.

    Example:
        >>> import jitgrad as torch
        >>> distances, target = torch.tensor([0.5, 0.25]), torch.tensor([1, -1])
        >>> torch.nn.functional.hinge_embedding_loss(distances, target, reduction="none")
        tensor([0.5000, 0.7500])
    """
    reduction = chosen_reduction("hinge_embedding_loss", reduction, size_average, reduce)
    near = where(target != 1, (margin - input).clamp_min(0), 0)
    return reduced(near + where(target != -1, input, 0), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, margin - target * (input1 - input2)): 1 wants the first larger, -1 smaller.

    Raises:
        RuntimeError: the numbers of dimensions differ.

    Example:
        >>> import jitgrad as torch
        >>> first, second, target = torch.tensor([2.0]), torch.tensor([3.0]), torch.tensor([1])
        >>> torch.nn.functional.margin_ranking_loss(first, second, target)
        tensor(1.)
    """
    reduction = chosen_reduction("margin_ranking_loss", reduction, size_average, reduce)
    shapes = [tuple(each._array.shape) for each in (input1, input2, target)]
    if len({len(shape) for shape in shapes}) != 1:
        rule = "all input tensors should have same dimension"
        raise RuntimeError(describe("margin_ranking_loss", f"sizes {shapes}", rule))
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return log(1 + exp(-target * input)), targets being 1 and -1.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.soft_margin_loss(torch.tensor([-200.0]), torch.tensor([1.0]))
        tensor(200.)
    """
    reduction = chosen_reduction("soft_margin_loss", reduction, size_average, reduce)
    return reduced(-logsigmoid(target * input), reduction)


def _check_scores(operation: str, input: Tensor, target: Tensor, wanted: tuple) -> None:
    a, b = input._array.shape, target._array.shape
    if len(a) > 2 or 0 in a[1:]:
        rule = "Expected non-empty vector or matrix with optional 0-dim batch size"
        raise RuntimeError(describe(operation, f"an input of shape {a}", rule))
    if b != wanted:
        rule = f"inconsistent target size: expected {wanted} for an input of shape {a}"
        raise RuntimeError(describe(operation, f"a target of shape {b}", rule))
    if target._array.dtype != np.int64:
        name = dtypes.FROM_NUMPY[target._array.dtype].name
        rule = "expected scalar type Long for the target"
        raise RuntimeError(describe(operation, f"labels of {name}", rule, "use .long()"))


def _scores(operation: str, input: Tensor, labels: Tensor) -> Tensor:
    """Return the elements that `labels` names along the last dimension."""
    try:
        return input.gather(-1, labels)
    except (IndexError, RuntimeError) as error:
        raise RuntimeError(f"{operation}: target is out of range ({error})") from None


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean over classes of max(0, margin - score of the right class + score) ** p.

    Shapes: (n, classes) with target (n,), or (classes,) with (). The right class itself adds 0.

    Args:
        p: 1 or 2.
        weight: what each class counts for.

    Raises:
        ValueError: another `p`.
        RuntimeError: a shape that does not fit, or a label that is no class.

    Example:
        >>> import jitgrad as torch
        >>> scores = torch.tensor([[0.5, 1.0, 0.0, 0.0]])
        >>> torch.nn.functional.multi_margin_loss(scores, torch.tensor([1]))
        tensor(0.1250)
    """
    reduction = chosen_reduction("multi_margin_loss", reduction, size_average, reduce)
    if p not in (1, 2):
        rule = "only p == 1 and p == 2 supported"
        raise ValueError(describe("multi_margin_loss", f"p={p}", rule))
    if input._array.ndim < 2:
        input = input.reshape(-1) if not target._array.ndim else input.reshape(1, -1)
    shape = input._array.shape
    _check_scores("multi_margin_loss", input, target, shape[:-1])
    if weight is not None and weight._array.shape != shape[-1:]:
        rule = f"inconsistent weight size, expected {shape[-1]}"
        raise RuntimeError(describe("multi_margin_loss", f"shape {weight._array.shape}", rule))
    places = target.unsqueeze(-1)
    apart = (margin - _scores("multi_margin_loss", input, places) + input).clamp_min(0)
    apart = apart if p == 1 else apart * apart
    if weight is not None:
        apart = apart * weight.index_select(0, target.reshape(-1)).reshape(places._array.shape)
    loss = apart.scatter(-1, places, 0.0).sum(-1) / shape[-1]
    return reduced(loss, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return how far right classes are from standing 1 above all others, for several right ones.

    Shapes: (n, classes) or (classes,), and `target` the same: labels, of which the first -1 and
    all behind it do not count. Memory: n * classes ** 2 numbers.

    Raises:
        RuntimeError: a shape that does not fit, or a label that is no class.

    Example:
        >>> import jitgrad as torch
        >>> scores, labels = torch.tensor([0.1, 0.2, 0.4, 0.8]), torch.tensor([3, 0, -1, 1])
        >>> torch.nn.functional.multilabel_margin_loss(scores, labels)
        tensor(0.8500)
    """
    reduction = chosen_reduction("multilabel_margin_loss", reduction, size_average, reduce)
    shape = tuple(input._array.shape)
    _check_scores("multilabel_margin_loss", input, target, shape)
    if not shape:
        input, target, shape = input.reshape(1), target.reshape(1), (1,)
    counts = (target >= 0).long().cumprod(-1)
    labels = target * counts
    scores = _scores("multilabel_margin_loss", input, labels)
    apart = (1 - scores.unsqueeze(-1) + input.unsqueeze(-2)).clamp_min(0)
    right = counts.new_zeros(shape).scatter_add(-1, labels, counts) > 0
    pairs = (counts > 0).unsqueeze(-1) & right.logical_not().unsqueeze(-2)
    return reduced(where(pairs, apart, 0).sum((-2, -1)) / max(shape[-1], 1), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean over classes of the binary cross-entropy of sigmoid(input).

    Shapes: (..., classes), both. With "none" the result has the shape (...).

    Args:
        weight: what each class counts for.

    Example:
        >>> import jitgrad as torch
        >>> f = torch.nn.functional.multilabel_soft_margin_loss
        >>> f(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 1.0]]))
        tensor(0.6931)
    """
    reduction = chosen_reduction("multilabel_soft_margin_loss", reduction, size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input._array.shape[-1], reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return 1 - cos where `target` is 1, and max(0, cos - margin) where it is -1.

    Shapes: (n, k) and target (n,), or (k,) and ().

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> import jitgrad as torch
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> torch.nn.functional.cosine_embedding_loss(x, y, torch.tensor([1]))
        tensor(1.)
    """
    reduction = chosen_reduction("cosine_embedding_loss", reduction, size_average, reduce)
    ndim, first, second = target._array.ndim, input1._array.ndim, input2._array.ndim
    if ndim > 1 or (first, second) != (ndim + 1, ndim + 1):
        rule = f"{ndim}D target tensor expects {ndim + 1}D input tensors"
        if ndim > 1:
            rule = "0D or 1D target tensor expected, multi-target not supported"
        came = f"inputs of {first} and {second} dimensions, a target of {ndim}"
        raise RuntimeError(describe("cosine_embedding_loss", came, rule))
    least = LEAST
    product = (input1 * input2).sum(ndim)
    squares = ((input1 * input1).sum(ndim) + least) * ((input2 * input2).sum(ndim) + least)
    cosine = product / squares.sqrt()
    apart = where(target == -1, (cosine - margin).clamp_min(0), 0)
    return reduced(where(target == 1, 1 - cosine, 0) + apart, reduction)


def _checked_margin(operation: str, margin: float) -> None:
    if margin <= 0:
        rule = "margin must be greater than 0"
        raise ValueError(describe(operation, f"margin={margin}", rule))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, distance to `positive` - distance to `negative` + margin), p-norms.

    Shapes: (..., k), all three; they broadcast.

    Args:
        swap: take the distance from `positive` to `negative` where that is smaller (Balntas et
            al., 2016).

    Raises:
        ValueError: `margin` is not positive.
        RuntimeError: the numbers of dimensions differ.

    Example:
        >>> import jitgrad as torch
        >>> anchor, positive = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
        >>> torch.nn.functional.triplet_margin_loss(anchor, positive, positive)
        tensor(1.)
    """
    reduction = chosen_reduction("triplet_margin_loss", reduction, size_average, reduce)
    _checked_margin("triplet_margin_loss", margin)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet(
        "triplet_margin_loss", (anchor, positive, negative), distance, margin, swap, reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return `triplet_margin_loss` for a distance of your own (`pairwise_distance` unless given).

    Raises:
        ValueError: `margin` is not positive, or there is no such reduction.
        RuntimeError: the numbers of dimensions differ.
    """
    name = "triplet_margin_with_distance_loss"
    reduction = chosen_reduction(name, reduction)
    _checked_margin(name, margin)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(name, (anchor, positive, negative), distance, margin, swap, reduction)


def _triplet(
    operation: str,
    points: tuple[Tensor, Tensor, Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    dims = [each._array.ndim for each in points]
    if len(set(dims)) != 1:
        rule = "the anchor, positive, and negative tensors are expected to have the same number of "
        raise RuntimeError(describe(operation, f"{dims} dimensions", rule + "dimensions"))
    anchor, positive, negative = points
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction)
