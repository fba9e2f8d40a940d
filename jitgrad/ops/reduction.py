"""What a loss makes of its elements: their mean, their sum, or nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from jitgrad.errors import describe

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__: list[str] = []


def chosen_reduction(
    operation: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None
) -> str:
    """Return the reduction that a caller asks for; warn if by the arguments of PyTorch's past.

    Raises:
        ValueError: there is no such reduction.
    """
    if size_average is None and reduce is None:
        if reduction not in ("mean", "sum", "none"):
            rule = f'{reduction} is not a valid value for reduction: it is "mean", "sum" or "none"'
            raise ValueError(describe(operation, f"reduction={reduction!r}", rule))
        return reduction
    kept = reduce is not None and not reduce
    summed = size_average is not None and not size_average
    chosen = "none" if kept else "sum" if summed else "mean"
    warnings.warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{chosen}' instead ({operation}).",
        stacklevel=3,
    )
    return chosen


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of the elements, or ("none") `loss` itself."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


def reduced_with(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Return the mean or the sum of the elements, each counted `weight` times."""
    if weight is None:
        return reduced(loss, reduction)
    weighted = loss * weight
    if reduction == "mean":
        return weighted.sum() / weight.sum()
    return reduced(weighted, reduction)


def warn_of_sizes(operation: str, input: Tensor, target: Tensor) -> None:
    """Warn if the shapes differ, although they may broadcast."""
    a, b = input._array.shape, target._array.shape
    if a != b:
        warnings.warn(
            f"{operation}: Using a target size {tuple(b)} that is different to the input size "
            f"{tuple(a)}. This will likely lead to incorrect results due to broadcasting. Please "
            "ensure they have the same size.",
            stacklevel=3,
        )


def check_weight(operation: str, input: Tensor, weight: Tensor | None) -> None:
    """Raise ValueError unless there is a weight for each element, or none at all."""
    if weight is not None and weight._array.shape != input._array.shape:
        raise ValueError(
            describe(
                operation,
                f"a weight of shape {weight._array.shape} for an input of {input._array.shape}",
                "Weights and input must have the same size",
            )
        )
