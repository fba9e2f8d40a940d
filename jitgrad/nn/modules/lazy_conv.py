"""Convolutions that learn their number of channels from the first input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn.modules.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _ConvNd,
    _ConvTransposeNd,
)
from jitgrad.nn.modules.lazy import LazyModuleMixin
from jitgrad.nn.parameter import UninitializedParameter

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = [
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class _Lazy(LazyModuleMixin, _ConvNd):
    """What lazy convolutions have in common."""

    weight: Any
    bias: Any

    def _make_parameters(
        self, bias: bool, device: Device | str | None, dtype: DType | None
    ) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once they are there."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *_: Any, **__: Any) -> None:
        """Take `in_channels` from `input`."""
        if not self.has_uninitialized_params():
            return
        ndim = self._ndim
        if input.ndim not in (ndim + 1, ndim + 2):
            raise RuntimeError(
                describe(
                    type(self).__name__,
                    f"input of size {list(input.shape)}",
                    f"Expected {ndim + 1}D (unbatched) or {ndim + 2}D (batched) input to "
                    f"{type(self).__name__}",
                )
            )
        self.in_channels = input.shape[-ndim - 1]
        self._check_settings()
        self.weight.materialize(self._weight_size())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyConvNd(_Lazy):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: str | Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            0, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip


class LazyConv1d(_LazyConvNd, Conv1d):
    """A `Conv1d` whose `in_channels` is that of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """A `Conv2d` whose `in_channels` is that of its first input.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.LazyConv2d(8, 3)
        >>> _ = layer(torch.ones(1, 2, 4, 4))
        >>> layer
        Conv2d(2, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """A `Conv3d` whose `in_channels` is that of its first input."""

    cls_to_become = Conv3d


class _LazyConvTransposeNd(_Lazy, _ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            0, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation,
            padding_mode, device, dtype,
        )  # fmt: skip


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """A `ConvTranspose1d` whose `in_channels` is that of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """A `ConvTranspose2d` whose `in_channels` is that of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """A `ConvTranspose3d` whose `in_channels` is that of its first input."""

    cls_to_become = ConvTranspose3d
