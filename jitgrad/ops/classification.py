"""How far scores and probabilities of classes are from the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.composite import linear, log_softmax
from jitgrad.ops.place_loops import Places, put_loops, take_loops
from jitgrad.ops.reduction import chosen_reduction, reduced
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["cross_entropy", "linear_cross_entropy", "nll_loss"]


def _labels(target: np.ndarray, classes: int, ignore: int) -> tuple[np.ndarray, Any]:
    """Return the labels with 0 for those to ignore, and which count (None: all)."""
    within = not target.size or (target.min() >= 0 and target.max() < classes)
    if within and not 0 <= ignore < classes:
        return target, None
    counts = target != ignore
    safe = np.where(counts, target, 0)
    wrong = (safe < 0) | (safe >= classes)
    if wrong.any():
        raise IndexError(f"nll_loss (or cross_entropy): Target {safe[wrong][0]} is out of bounds.")
    return safe, counts


def _places(safe: np.ndarray, dim: int) -> tuple:
    """Return the index of the labels' elements."""
    if safe.ndim == 1:
        return np.arange(len(safe)), safe
    rest = list(np.indices(safe.shape, sparse=True))
    return (*rest[:dim], safe, *rest[dim:])


def _pick(array: np.ndarray, target: np.ndarray, *, dim: int, ignore: int) -> np.ndarray:
    safe, counts = _labels(target, array.shape[dim], ignore)
    found = array[_places(safe, dim)]
    return found if counts is None else np.where(counts, found, array.dtype.type(0))


def _unpick(
    array: np.ndarray, target: np.ndarray, *, dim: int, ignore: int, classes: int
) -> np.ndarray:
    safe, counts = _labels(target, classes, ignore)
    result = np.zeros((*array.shape[:dim], classes, *array.shape[dim:]), array.dtype)
    values = array if counts is None else np.where(counts, array, array.dtype.type(0))
    result[_places(safe, dim)] = values
    return result


PICK = Primitive(
    "pick",
    Kind.INDEX,
    _pick,
    (
        lambda g, _out, x_spec, target, *, dim, ignore: bind(
            UNPICK, g, target, dim=dim, ignore=ignore, classes=x_spec.shape[dim]
        ),
        None,
    ),
    loops=lambda _out, array, target, *, dim, ignore: take_loops(
        Places(array, (dim,), (target,), 1, each=True, ignore=ignore)
    ),
    raises_on_data=True,
)
"""For each label the element of its class along `dim`; 0 where the label is `ignore`."""

UNPICK = Primitive(
    "unpick",
    Kind.INDEX,
    _unpick,
    (
        lambda g, _out, _x, target, *, dim, ignore, classes: bind(
            PICK, g, target, dim=dim, ignore=ignore
        ),
        None,
    ),
    loops=lambda out, array, target, *, dim, ignore, classes: put_loops(
        Places(out, (dim,), (target,), 1, each=True, ignore=ignore), array, 0, adds=False
    ),
)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the elements of `input`, logarithms of probabilities, that `target` names.

    Shapes: (n, classes, ...) with target (n, ...), or (classes,) with ().
    The mean is weighted by `weight`, one for each class; labels `ignore_index` do not count.

    Raises:
        IndexError: a label is no class.
        RuntimeError, ValueError: the shapes or dtypes do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.nll_loss(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
        tensor(2.)
    """
    reduction = chosen_reduction("nll_loss", reduction, size_average, reduce)
    dim = _check_labels("nll_loss", input, target)
    return _of_labels(input, target, weight, ignore_index, reduction, dim)


def _of_labels(
    input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str, dim: int
) -> Tensor:
    picked = bind(PICK, input, target, dim=dim, ignore=ignore_index)
    weights = _weights(input, target, weight, dim, ignore_index)
    loss = -picked if weight is None else -picked * weights
    if reduction == "mean":
        return loss.sum() / weights.sum()
    return reduced(loss, reduction)


def _weights(input: Tensor, target: Tensor, weight: Any, dim: int, ignore: int) -> Any:
    if weight is None:
        return target != ignore
    everywhere = _along(weight, input, dim).expand(input._array.shape)
    return bind(PICK, everywhere, target, dim=dim, ignore=ignore)


def _check_labels(operation: str, input: Tensor, target: Tensor) -> int:
    a, b = input._array.shape, target._array.shape
    dim = 0 if len(a) == 1 else 1
    if not a:
        rule = "Expected input to have at least one dimension"
        raise RuntimeError(describe(operation, "a 0-d input", rule))
    if target._array.dtype not in (np.int64, np.uint8):
        name = dtypes.FROM_NUMPY[target._array.dtype].name
        rule = "expected scalar type Long for the target"
        raise RuntimeError(describe(operation, f"labels of {name}", rule, "use .long()"))
    if a[:dim] != b[:dim]:
        raise ValueError(
            describe(
                operation,
                f"shapes {a} and {b}",
                f"Expected input batch_size ({a[0]}) to match target batch_size "
                f"({b[0] if b else 0})",
            )
        )
    if a[:dim] + a[dim + 1 :] != b:
        expected = a[:dim] + a[dim + 1 :]
        rule = f"Expected target size {list(expected)}, got {list(b)}"
        raise RuntimeError(describe(operation, f"shapes {a} and {b}", rule))
    return dim


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of softmax(input) and the labels or probabilities in `target`.

    Shapes: (n, classes, ...) with labels (n, ...) or probabilities (n, classes, ...); or
    (classes,) with () or (classes,).

    Args:
        weight: what each class counts for.
        ignore_index: the label that does not count.
        label_smoothing: how much of each label is spread evenly over all classes.

    Raises:
        IndexError: a label is no class.
        RuntimeError, ValueError: the shapes or dtypes do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.6931)
    """
    if not 0 <= label_smoothing <= 1:
        rule = "label_smoothing must be between 0.0 and 1.0"
        raise RuntimeError(describe("cross_entropy", f"{label_smoothing}", rule))
    reduction = chosen_reduction("cross_entropy", reduction, size_average, reduce)
    dim = 0 if input._array.ndim == 1 else 1
    if input._array.shape == target._array.shape and target._array.dtype.kind == "f":
        if ignore_index >= 0:
            rule = "ignore_index is not supported for floating point target"
            raise RuntimeError(describe("cross_entropy", f"ignore_index={ignore_index}", rule))
        return _soft(input, target, weight, reduction, label_smoothing, dim)
    _check_labels("cross_entropy", input, target)
    logs = log_softmax(input, dim)
    hard = _of_labels(logs, target, weight, ignore_index, reduction, dim)
    if not label_smoothing:
        return hard
    classes = input._array.shape[dim]
    spread = -(logs if weight is None else logs * _along(weight, input, dim)).sum(dim)
    counts = target != ignore_index
    spread = spread.masked_fill(counts.logical_not(), 0)
    if reduction == "mean":
        spread = spread.sum() / _weights(input, target, weight, dim, ignore_index).sum()
    else:
        spread = reduced(spread, reduction)
    return hard * (1 - label_smoothing) + spread * (label_smoothing * (1 / classes))


def _along(weight: Tensor, input: Tensor, dim: int) -> Tensor:
    classes = input._array.shape[dim]
    if weight._array.shape != (classes,):
        rule = f"weight tensor should be defined either for all {classes} classes or no classes"
        shape = weight._array.shape
        raise RuntimeError(describe("nll_loss (or cross_entropy)", f"a weight of {shape}", rule))
    return weight.reshape([-1 if i == dim else 1 for i in range(input._array.ndim)])


def _soft(
    input: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float, dim: int
) -> Tensor:
    classes = input._array.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing * (1 / classes)
    product = log_softmax(input, dim) * target
    if weight is not None:
        product = product * _along(weight, input, dim)
    if reduction == "mean":
        return -product.sum() / (input._array.size // max(classes, 1))
    return reduced(-product.sum(dim), reduction)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Tensor:
    """Return the `cross_entropy` of linear(input, linear_weight, linear_bias) and `target`.

    Shapes: input (n, features) or (features,), linear_weight (classes, ..., features), linear_bias
    (classes, ...), target as for `cross_entropy` of (n, classes, ...).

    Args:
        ignore_index: the label that does not count, -100 if None; not for probabilities.
        options: how PyTorch would divide the batch to save memory; not supported.

    Raises:
        NotImplementedError: with `options`.
        RuntimeError: shapes that do not fit, `ignore_index` beside probabilities.

    Example:
        >>> import jitgrad as torch
        >>> w = torch.zeros(4, 3)
        >>> torch.nn.functional.linear_cross_entropy(torch.ones(2, 3), w, torch.tensor([0, 1]))
        tensor(1.3863)
    """
    name = "linear_cross_entropy"
    if options is not None:
        raise NotImplementedError(f"{name}: options are not supported; leave them out")
    given, matrix = input._array.shape, linear_weight._array.shape
    came = f"an input of shape {given} and a linear_weight of shape {matrix}"
    if len(given) not in (1, 2) or len(matrix) < 2 or given[-1] != matrix[-1]:
        rule = "input is (n, features) or (features,), linear_weight (classes, ..., features)"
        raise RuntimeError(describe(name, came, rule))
    if len(given) == 1 and len(matrix) > 2:
        rule = "a K-dimensional loss requires batched input"
        raise RuntimeError(describe(name, came, rule, "unsqueeze(0) it"))
    if linear_bias is not None:
        if linear_bias._array.shape != matrix[:-1]:
            rule = f"linear_bias has the shape {matrix[:-1]}"
            raise RuntimeError(describe(name, f"one of shape {linear_bias._array.shape}", rule))
        linear_bias = linear_bias.reshape(-1)
    shape = (*given[:-1], *matrix[:-1])
    if target._array.shape == shape and ignore_index is not None:
        rule = "ignore_index cannot be specified when target contains probabilities"
        raise RuntimeError(describe(name, f"ignore_index={ignore_index}", rule))
    logits = linear(input, linear_weight.reshape(-1, matrix[-1]), linear_bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
