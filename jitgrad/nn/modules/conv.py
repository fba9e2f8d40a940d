"""Convolutions and transposed convolutions over one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.modules.sizes import repeated
from jitgrad.nn.parameter import Parameter
from jitgrad.ops.create import empty

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _borders(padding: str | tuple, dilation: tuple, kernel: tuple) -> tuple[int, ...]:
    """Return the amounts that `pad` takes for the padding of a convolution."""
    if padding == "valid":
        return (0,) * (2 * len(kernel))
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
        pairs = [(each // 2, each - each // 2) for each in reach]
    else:
        pairs = [(each, each) for each in padding]
    return tuple(amount for pair in reversed(pairs) for amount in pair)


class _ConvNd(Module):
    """What all convolutions have: their settings, a weight and a bias."""

    transposed = False
    _ndim: int
    _convolve: Callable[..., Tensor]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
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
        super().__init__()
        ndim = self._ndim
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = repeated(kernel_size, ndim)
        self.stride = repeated(stride, ndim)
        self.padding = padding if isinstance(padding, str) else repeated(padding, ndim)
        self.dilation = repeated(dilation, ndim)
        self.output_padding = (0,) * ndim
        self.padding_mode = padding_mode
        self._check_settings()
        self._borders = _borders(self.padding, self.dilation, self.kernel_size)
        self._make_parameters(bias, device, dtype)
        self.reset_parameters()

    def _check_settings(self) -> None:
        operation = type(self).__name__
        channels = f"{self.in_channels} channels in and {self.out_channels} out"
        if self.groups <= 0 or self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                describe(
                    operation,
                    f"groups={self.groups} for {channels}",
                    "groups must be a positive integer, and in_channels and out_channels must be "
                    "divisible by groups",
                )
            )
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ValueError(
                describe(
                    operation,
                    f"padding={self.padding!r}",
                    "Invalid padding string",
                    "pass 'same', 'valid' or integers",
                )
            )
        if self.padding == "same" and any(each != 1 for each in self.stride):
            raise ValueError(
                describe(
                    operation,
                    f"padding='same' and stride={self.stride}",
                    "padding='same' is not supported for strided convolutions",
                    "pass integers",
                )
            )
        if self.padding_mode not in _PADDING_MODES:
            raise ValueError(
                describe(
                    operation,
                    f"padding_mode={self.padding_mode!r}",
                    f"padding_mode must be one of {_PADDING_MODES}",
                )
            )

    def _weight_size(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def _make_parameters(
        self, bias: bool, device: Device | str | None, dtype: DType | None
    ) -> None:
        self.weight = Parameter(empty(self._weight_size(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(self.out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init._within_fan_in_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of `input` with the weight, and the bias added."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._borders, mode=self.padding_mode)
            padding = 0
        return self._convolve(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """Return the channels, the kernel's size, the stride, and what is not the default."""
        ndim = self._ndim
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
        text += f"stride={self.stride}"
        for name, usual in (
            ("padding", (0,) * ndim),
            ("dilation", (1,) * ndim),
            ("output_padding", (0,) * ndim),
            ("groups", 1),
        ):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_ConvNd):
    """Convolution along one dimension, see `nn.functional.conv1d` and `Conv2d`.

    Shapes: (n, in_channels, length) or (in_channels, length).

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.Conv1d(2, 4, 3, padding="same")(torch.randn(1, 2, 5)).shape
        torch.Size([1, 4, 5])
    """

    _ndim = 1
    _convolve = staticmethod(F.conv1d)


class Conv2d(_ConvNd):
    """Convolution of images, see `nn.functional.conv2d`.

    Shapes: (n, in_channels, h, w) or (in_channels, h, w) keep n and have out_channels; weight
    (out_channels, in_channels / groups, *kernel_size), bias (out_channels,). Both start evenly
    within +-1 / sqrt(in_channels / groups * elements of the kernel).

    Args:
        in_channels: how many channels an image has.
        out_channels: how many come out.
        kernel_size: of the window.
        stride: the distance of windows.
        padding: around the images; "same" keeps their size, "valid" adds nothing.
        dilation: the distance of a window's elements.
        groups: into how many groups the channels are divided; each sees its own only.
        bias: whether there is one.
        padding_mode: what the padding holds: "zeros", or as in `nn.functional.pad` "reflect",
            "replicate" or "circular".
        device: of the parameters.
        dtype: of the parameters; by default the default floating-point dtype.

    Raises:
        ValueError: channels that `groups` does not divide, an unknown padding.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        >>> layer(torch.randn(1, 3, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    _ndim = 2
    _convolve = staticmethod(F.conv2d)


class Conv3d(_ConvNd):
    """Convolution of volumes, see `nn.functional.conv3d` and `Conv2d`.

    Shapes: (n, in_channels, d, h, w) or (in_channels, d, h, w).
    """

    _ndim = 3
    _convolve = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """What transposed convolutions have in common."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
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
        if padding_mode != "zeros":
            raise ValueError(
                describe(
                    type(self).__name__,
                    f"padding_mode={padding_mode!r}",
                    f'Only "zeros" padding mode is supported for {type(self).__name__}',
                )
            )
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.output_padding = repeated(output_padding, self._ndim)

    def _padding_for(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """Return the output padding with which `output_size` comes out."""
        if output_size is None:
            return self.output_padding
        ndim, lead = self._ndim, input.ndim - self._ndim
        sizes = tuple(output_size)
        sizes = sizes[lead:] if len(sizes) == ndim + lead else sizes
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size
            )
        ]
        extra = tuple(size - usual for size, usual in zip(sizes, least))
        if len(sizes) != ndim or not all(0 <= e < s for e, s in zip(extra, self.stride)):
            raise ValueError(
                describe(
                    type(self).__name__,
                    f"output_size={sizes}",
                    f"requested an output size of {sizes}, but valid sizes range from {least} up "
                    f"to {[size + s - 1 for size, s in zip(least, self.stride)]}",
                    f"pass {ndim} sizes, or {ndim + lead}",
                )
            )
        return extra

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the transposed convolution of `input`, of `output_size` if that is given."""
        return self._convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._padding_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution along one dimension, see `nn.functional.conv_transpose1d`.

    Arguments and parameters: as for `ConvTranspose2d`.
    """

    _ndim = 1
    _convolve = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of images, see `nn.functional.conv_transpose2d`.

    Shapes: (n, in_channels, h, w) or (in_channels, h, w) keep n and have out_channels; weight
    (in_channels, out_channels / groups, *kernel_size), bias (out_channels,).

    Args:
        padding: how much is left out of the result at each side.
        output_padding: how much is added to the result behind each dimension.

    The others are those of `Conv2d`. A call may name the `output_size` instead of the output
    padding.

    Raises:
        ValueError: channels that `groups` does not divide, a padding mode other than "zeros".

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1)
        >>> layer(torch.randn(1, 8, 4, 4), output_size=(8, 8)).shape
        torch.Size([1, 3, 8, 8])
    """

    _ndim = 2
    _convolve = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes, see `nn.functional.conv_transpose3d`.

    Arguments and parameters: as for `ConvTranspose2d`.
    """

    _ndim = 3
    _convolve = staticmethod(F.conv_transpose3d)
