"""Modules that change shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn.modules.module import Module

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Makes one dimension of those from `start_dim` to `end_dim`; by default of all but the first.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.Flatten()(torch.ones(8, 3, 5, 5)).shape
        torch.Size([8, 75])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` with fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several dimensions, of the sizes `unflattened_size`, of the dimension `dim`.

    Raises:
        TypeError: the sizes are no integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.Unflatten(1, (3, 25))(torch.ones(8, 75)).shape
        torch.Size([8, 3, 25])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        sizes: Any = unflattened_size
        if not isinstance(sizes, (tuple, list)) or not all(type(each) is int for each in sizes):
            raise TypeError(
                describe(
                    "Unflatten", repr(sizes), "unflattened_size must be a tuple or list of ints"
                )
            )
        if not isinstance(dim, int):
            raise TypeError(describe("Unflatten", repr(dim), "dim must be an int"))
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` with more dimensions."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """Return the dimension and its sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
