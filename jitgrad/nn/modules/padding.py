"""Borders around sequences, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module
from jitgrad.nn.modules.sizes import repeated

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Pads by `nn.functional.pad`.

    Args:
        padding: one amount for all sides, or two for each dimension, those of the last one first.
    """

    _ndim: int
    _mode: str

    def __init__(self, padding: Ints) -> None:
        super().__init__()
        self.padding = repeated(padding, 2 * self._ndim)

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` with its borders."""
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """Return the amounts."""
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    _mode = "constant"

    def __init__(self, padding: Ints, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` with `value` around it."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Return the amounts and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Puts `value` before and behind the last dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.ConstantPad1d((2, 1), 7.0)(torch.ones(1, 2))
        tensor([[7., 7., 1., 1., 7.]])
    """

    _ndim = 1


class ConstantPad2d(_ConstantPadNd):
    """Puts `value` around images."""

    _ndim = 2


class ConstantPad3d(_ConstantPadNd):
    """Puts `value` around volumes."""

    _ndim = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the amounts."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """Puts zeros before and behind the last dimension."""


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """Puts zeros around images.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.ZeroPad2d((1, 0, 0, 1))(torch.ones(1, 1, 2))
        tensor([[[0., 1., 1.],
                 [0., 0., 0.]]])
    """


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """Puts zeros around volumes."""


class _ReflectionPadNd(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors the last dimension at its outermost elements.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.ReflectionPad1d(2)(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _ndim = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors images at their outermost elements."""

    _ndim = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors volumes at their outermost elements."""

    _ndim = 3


class _ReplicationPadNd(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the outermost elements of the last dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.ReplicationPad1d((2, 1))(torch.tensor([[1.0, 2.0]]))
        tensor([[1., 1., 1., 2., 2.]])
    """

    _ndim = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the outermost elements of images."""

    _ndim = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the outermost elements of volumes."""

    _ndim = 3


class _CircularPadNd(_Pad):
    _mode = "circular"


class CircularPad1d(_CircularPadNd):
    """Continues the last dimension at its other end.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.CircularPad1d((2, 1))(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[2., 3., 1., 2., 3., 1.]])
    """

    _ndim = 1


class CircularPad2d(_CircularPadNd):
    """Continues images at their other ends."""

    _ndim = 2


class CircularPad3d(_CircularPadNd):
    """Continues volumes at their other ends."""

    _ndim = 3
