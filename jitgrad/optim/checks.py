"""What constructors of optimizers refuse, in PyTorch's words."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore


def check_not_negative(optimizer: str, argument: str, value: Any) -> None:
    """Raise ValueError unless `value` is 0 or more."""
    if not value >= 0:
        raise ValueError(f"{optimizer}: Invalid {argument}: {value}; it must be 0 or more")


def check_learning_rate(optimizer: str, lr: Any) -> None:
    """Raise ValueError unless `lr` is a number, or a tensor of one element, that is 0 or more."""
    if isinstance(lr, TensorCore) and lr._array.size != 1:
        raise ValueError(f"{optimizer}: Tensor lr must be 1-element, got {lr._array.size} elements")
    check_not_negative(optimizer, "learning rate", lr)


def check_betas(optimizer: str, betas: tuple) -> None:
    """Raise ValueError unless both decay rates are at least 0 and less than 1."""
    for index, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(
                f"{optimizer}: Invalid beta parameter at index {index}: {beta}; it must be at "
                "least 0 and less than 1"
            )


def check_hints(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Raise RuntimeError for hints that contradict each other."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def scalar_dtype() -> np.dtype:
    """Return the dtype of counters and other single numbers in the state."""
    default = dtypes.get_default_dtype()
    return (dtypes.float64 if default is dtypes.float64 else dtypes.float32).numpy
