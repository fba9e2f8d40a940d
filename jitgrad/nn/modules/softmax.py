"""Softmax and its kin as modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.activation import Activation

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class Softmin(Activation):
    """softmax(-input) along `dim`."""

    shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.softmin(input, self.dim)


class Softmax(Activation):
    """exp(input) divided by its sum along `dim`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.Softmax(dim=0)(torch.zeros(2))
        tensor([0.5000, 0.5000])
    """

    shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.softmax(input, self.dim)


class LogSoftmax(Activation):
    """log(softmax(input)) along `dim`."""

    shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Activation):
    """The softmax over the channels of an image, (n, c, height, width) or (c, height, width).

    Raises:
        ValueError: another number of dimensions.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        if input.ndim not in (3, 4):
            rule = f"expected input to be 3D or 4D (got {input.ndim}D input)"
            raise ValueError(describe("Softmax2d", f"shape {tuple(input.shape)}", rule))
        return F.softmax(input, -3)
