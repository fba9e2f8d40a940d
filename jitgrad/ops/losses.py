"""How far results are from what they should be."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.activation import logsigmoid
from jitgrad.ops.composite import log_softmax
from jitgrad.primitive import Kind, Primitive, Result

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__: list[str] = []


def _reduced(operation: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise _bad_reduction(operation, reduction)
    return loss


def _bad_reduction(operation: str, reduction: str) -> ValueError:
    rule = f'{reduction} is not a valid value for reduction: it is "mean", "sum" or "none"'
    return ValueError(describe(operation, f"reduction={reduction!r}", rule))


def _warn_of_sizes(operation: str, input: Tensor, target: Tensor) -> None:
    a, b = input._array.shape, target._array.shape
    if a != b:
        warnings.warn(
            f"{operation}: Using a target size {tuple(b)} that is different to the input size "
            f"{tuple(a)}. This will likely lead to incorrect results due to broadcasting. Please "
            "ensure they have the same size.",
            stacklevel=3,
        )


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return the squares of input - target: their mean, their sum, or ("none") as they are.

    Raises:
        ValueError: another `reduction`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
        tensor(2.)
    """
    _warn_of_sizes("mse_loss", input, target)
    apart = input - target
    return _reduced("mse_loss", apart * apart, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return the absolute values of input - target: their mean, sum, or ("none") as they are.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
        tensor(1.)
    """
    _warn_of_sizes("l1_loss", input, target)
    return _reduced("l1_loss", (input - target).abs(), reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Return the distance, squared (over 2 beta) below `beta`, less half of `beta` above.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
        tensor(1.5000)
    """
    if beta < 0:
        rule = "smooth_l1_loss does not support negative values for beta"
        raise RuntimeError(describe("smooth_l1_loss", f"beta={beta}", rule))
    _warn_of_sizes("smooth_l1_loss", input, target)
    far = (input - target).abs()
    if beta:
        far = (far * far * (0.5 / beta)).where(far < beta, far - 0.5 * beta)
    return _reduced("smooth_l1_loss", far, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """Return half the square of the distance below `delta`, a straight line above."""
    if delta <= 0:
        rule = "huber_loss does not support non-positive values for delta"
        raise RuntimeError(describe("huber_loss", f"delta={delta}", rule))
    _warn_of_sizes("huber_loss", input, target)
    far = (input - target).abs()
    return _reduced(
        "huber_loss", (0.5 * far * far).where(far <= delta, delta * (far - 0.5 * delta)), reduction
    )


LEAST = float(np.float32(1e-12))
"""What PyTorch divides by at least, a float32 number."""


def _bce(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    low = np.asarray(-100, x.dtype)
    return -(t * np.maximum(np.log(x), low) + (1 - t) * np.maximum(np.log1p(-x), low))


BCE = Primitive(
    "binary_cross_entropy",
    Kind.ELEMENTWISE,
    _bce,
    (
        lambda g, _out, x, t: g * (x - t) / ((1 - x) * x).clamp(min=LEAST),
        lambda g, _out, x, _t: g * ((-x).log1p().clamp(min=-100) - x.log().clamp(min=-100)),
    ),
    scalar="-({1} * maximum(log({0}), -100.0) + (1.0 - {1}) * maximum(log1p(-{0}), -100.0))",
    result=Result.FLOAT,
)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Return -(target * log(input) + (1 - target) * log(1 - input)), logarithms at least -100.

    Raises:
        ValueError: the shapes differ.
    """
    if input._array.shape != target._array.shape:
        raise ValueError(
            describe(
                "binary_cross_entropy",
                f"target size {target._array.shape}, input size {input._array.shape}",
                "Using a target size that is different to the input size is deprecated",
                "make them the same size",
            )
        )
    loss = bind(BCE, input, target)
    loss = loss if weight is None else loss * weight
    return _reduced("binary_cross_entropy", loss, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the binary cross-entropy of sigmoid(input), precise for large elements.

    Args:
        pos_weight: what positive targets count for.

    Raises:
        ValueError: the shapes differ.
    """
    if input._array.shape != target._array.shape:
        raise ValueError(
            f"binary_cross_entropy_with_logits: Target size ({tuple(target._array.shape)}) must "
            f"be the same as input size ({tuple(input._array.shape)})"
        )
    logarithm = logsigmoid(input)
    if pos_weight is not None:
        logarithm = logarithm * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - logarithm
    loss = loss if weight is None else loss * weight
    return _reduced("binary_cross_entropy_with_logits", loss, reduction)


def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """Return target * (log(target) - input), the divergence from probabilities exp(input).

    Args:
        reduction: "batchmean" (the sum over the first size, the divergence's definition),
            "mean", "sum" or "none".
        log_target: `target` holds logarithms.
    """
    if log_target:
        loss = target.exp() * (target - input)
    else:
        entropy = (target * target.log()).masked_fill(target == 0, 0)
        loss = entropy - target * input
    if reduction == "batchmean":
        return loss.sum() / input._array.shape[0] if input._array.ndim else loss.sum()
    return _reduced("kl_div", loss, reduction)


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
)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
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
    dim = _check_labels("nll_loss", input, target)
    picked = bind(PICK, input, target, dim=dim, ignore=ignore_index)
    weights = _weights(input, target, weight, dim, ignore_index)
    loss = -picked if weight is None else -picked * weights
    if reduction == "mean":
        return loss.sum() / weights.sum()
    return _reduced("nll_loss", loss, reduction)


def _weights(input: Tensor, target: Tensor, weight: Any, dim: int, ignore: int) -> Any:
    if weight is None:
        return target != ignore
    shape = [1] * input._array.ndim
    shape[dim] = -1
    everywhere = weight.reshape(shape).expand(input._array.shape)
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
    ignore_index: int = -100,
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
    dim = 0 if input._array.ndim == 1 else 1
    if input._array.shape == target._array.shape and target._array.dtype.kind == "f":
        return _soft(input, target, weight, reduction, label_smoothing, dim)
    _check_labels("cross_entropy", input, target)
    logs = log_softmax(input, dim)
    hard = nll_loss(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    classes = input._array.shape[dim]
    spread = -(logs if weight is None else logs * _along(weight, input, dim)).sum(dim)
    counts = target != ignore_index
    spread = spread.masked_fill(counts.logical_not(), 0)
    if reduction == "mean":
        spread = spread.sum() / _weights(input, target, weight, dim, ignore_index).sum()
    else:
        spread = _reduced("cross_entropy", spread, reduction)
    return hard * (1 - label_smoothing) + spread * (label_smoothing / classes)


def _along(weight: Tensor, input: Tensor, dim: int) -> Tensor:
    return weight.reshape([-1 if i == dim else 1 for i in range(input._array.ndim)])


def _soft(
    input: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float, dim: int
) -> Tensor:
    classes = input._array.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    product = log_softmax(input, dim) * target
    if weight is not None:
        product = product * _along(weight, input, dim)
    if reduction == "mean":
        return -product.sum() / (input._array.size // max(classes, 1))
    return _reduced("cross_entropy", -product.sum(dim), reduction)
