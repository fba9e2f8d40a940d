"""Pooling that always tells where the largest elements are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.ops import pooling

if TYPE_CHECKING:
    from jitgrad.ops.pooling import Ints
    from jitgrad.tensor import Tensor

__all__ = ["adaptive_max_pool1d", "max_pool1d_with_indices"]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows and where they are, see `max_pool1d`."""
    return pooling.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows and where they are, see `max_pool2d`."""
    return pooling.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows and where they are, see `max_pool3d`."""
    return pooling.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the largest elements and where they are, see `nn.functional.adaptive_max_pool1d`."""
    return pooling.adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the largest elements and where they are, see `nn.functional.adaptive_max_pool2d`."""
    return pooling.adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the largest elements and where they are, see `nn.functional.adaptive_max_pool3d`."""
    return pooling.adaptive_max_pool3d(input, output_size, True)


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows that cover a dimension evenly, and where they are.

    PyTorch's `adaptive_max_pool1d` returns both; that of `nn.functional` returns the second only
    with `return_indices=True`.

    Example:
        >>> import jitgrad as torch
        >>> torch.adaptive_max_pool1d(torch.tensor([[1.0, 4.0, 3.0, 2.0]]), 2)
        (tensor([[4., 3.]]), tensor([[1, 2]]))
    """
    return pooling.adaptive_max_pool1d(input, output_size, True)
