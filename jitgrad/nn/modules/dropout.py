"""Dropout as modules: at work in training only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _Dropping(Module):
    """A probability, and whether the input is written.

    Raises:
        ValueError: `p` does not lie between 0 and 1.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            rule = "dropout probability has to be between 0 and 1"
            raise ValueError(describe(self._get_name(), f"p={p}", rule))
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropping):
    """Elements set to zero with probability `p`, the others scaled up (Hinton et al., 2012).

    Args:
        p: the probability.
        inplace: write the result to the input.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.Dropout(0.5)
        >>> torch.unique(layer(torch.ones(100)))
        tensor([0., 2.])
        >>> layer.eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left of `input`."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropping):
    """Whole channels of (n, c, length) set to zero: see `nn.functional.dropout1d`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left of `input`."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropping):
    """Whole channels of (n, c, height, width) set to zero: see `nn.functional.dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left of `input`."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropping):
    """Whole channels of (n, c, depth, height, width) set to zero: see `nn.functional.dropout3d`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left of `input`."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropping):
    """Elements set to the saturation of selu: see `nn.functional.alpha_dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left of `input`."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropping):
    """Whole channels set to the saturation of selu: see `nn.functional.feature_alpha_dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left of `input`."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
