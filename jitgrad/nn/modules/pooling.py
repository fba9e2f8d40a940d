"""Modules that pool: the largest elements, averages and power means of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module
from jitgrad.nn.modules.sizes import repeated

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]
    Ratios = float | Sequence[float]

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Pool(Module):
    """A module whose settings are the arguments of a function.

    Attributes:
        _pool: the function.
        _shown: the settings that the module's text names.
    """

    _pool: Callable[..., Any]
    _shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class _MaxPoolNd(_Pool):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Return the largest elements, and their places if `return_indices`."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool1d(_MaxPoolNd):
    """The largest elements of windows along one dimension, see `nn.functional.max_pool1d`."""

    _pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The largest elements of windows of images, see `nn.functional.max_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.MaxPool2d(3, stride=2)(torch.randn(2, 4, 7, 9)).shape
        torch.Size([2, 4, 3, 4])
    """

    _pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The largest elements of windows of volumes, see `nn.functional.max_pool3d`."""

    _pool = staticmethod(F.max_pool3d)


class _MaxUnpoolNd(_Pool):
    _shown = ("kernel_size", "stride", "padding")
    _ndim: int

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        self.kernel_size = repeated(kernel_size, self._ndim)
        self.stride = repeated(kernel_size if stride is None else stride, self._ndim)
        self.padding = repeated(padding, self._ndim)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Return zeros with the elements of `input` at the places `indices`."""
        return self._pool(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpoolNd):
    """Undoes `MaxPool1d`, see `nn.functional.max_unpool1d`."""

    _ndim = 1
    _pool = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Undoes `MaxPool2d`, see `nn.functional.max_unpool2d`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
        >>> largest, places = torch.nn.MaxPool2d(2, return_indices=True)(x)
        >>> torch.nn.MaxUnpool2d(2)(largest, places)
        tensor([[[0., 0.],
                 [0., 6.]]])
    """

    _ndim = 2
    _pool = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Undoes `MaxPool3d`, see `nn.functional.max_unpool3d`."""

    _ndim = 3
    _pool = staticmethod(F.max_unpool3d)


class AvgPool1d(_Pool):
    """The averages of windows along one dimension, see `nn.functional.avg_pool1d`."""

    _shown = ("kernel_size", "stride", "padding")
    _pool = staticmethod(F.avg_pool1d)

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = repeated(kernel_size, 1)
        self.stride = repeated(kernel_size if stride is None else stride, 1)
        self.padding = repeated(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Return the averages."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class _AvgPoolNd(_Pool):
    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Return the averages."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_AvgPoolNd):
    """The averages of windows of images, see `nn.functional.avg_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.AvgPool2d(2)(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]))
        tensor([[[3.]]])
    """

    _pool = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """The averages of windows of volumes, see `nn.functional.avg_pool3d`."""

    _pool = staticmethod(F.avg_pool3d)


class _FractionalMaxPoolNd(_Pool):
    _ndim: int
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Ints,
        output_size: Ints | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                describe(
                    name,
                    f"output_size={output_size} and output_ratio={output_ratio}",
                    f"{name} requires either an output size or a ratio, and only one of them",
                )
            )
        self.kernel_size = repeated(kernel_size, self._ndim)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else repeated(output_size, self._ndim)
        self.output_ratio = None if output_ratio is None else repeated(output_ratio, self._ndim)
        if self.output_ratio is not None and not all(0 < each < 1 for each in self.output_ratio):
            raise ValueError(
                describe(
                    name,
                    f"output_ratio={output_ratio}",
                    "output_ratio must be between 0 and 1",
                )
            )

    def forward(self, input: Tensor) -> Any:
        """Return the largest elements, and their places if `return_indices`."""
        return self._pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest elements of windows of images at pseudorandom places.

    See `nn.functional.fractional_max_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.FractionalMaxPool2d(3, output_ratio=0.5)(torch.randn(1, 2, 9, 8)).shape
        torch.Size([1, 2, 4, 4])
    """

    _ndim = 2
    _pool = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest elements of windows of volumes at pseudorandom places.

    See `nn.functional.fractional_max_pool3d`.
    """

    _ndim = 3
    _pool = staticmethod(F.fractional_max_pool3d)


class _LPPoolNd(_Pool):
    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self,
        norm_type: float,
        kernel_size: Ints,
        stride: Ints | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """Return the power means."""
        return self._pool(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPoolNd):
    """Power means of windows along one dimension, see `nn.functional.lp_pool1d`."""

    _pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """Power means of windows of images, see `nn.functional.lp_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.LPPool2d(2, 2)(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]))
        tensor([[[5.]]])
    """

    _pool = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """Power means of windows of volumes, see `nn.functional.lp_pool3d`."""

    _pool = staticmethod(F.lp_pool3d)


class _AdaptiveMaxPoolNd(_Pool):
    _shown = ("output_size",)

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        """Return the largest elements, and their places if `return_indices`."""
        return self._pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest elements of windows that cover a dimension evenly."""

    _pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest elements of windows that cover images evenly.

    See `nn.functional.adaptive_max_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.AdaptiveMaxPool2d((5, None))(torch.randn(1, 2, 8, 9)).shape
        torch.Size([1, 2, 5, 9])
    """

    _pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest elements of windows that cover volumes evenly."""

    _pool = staticmethod(F.adaptive_max_pool3d)


class _AdaptiveAvgPoolNd(_Pool):
    _shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Return the averages."""
        return self._pool(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The averages of windows that cover a dimension evenly."""

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The averages of windows that cover images evenly, see `nn.functional.adaptive_avg_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.AdaptiveAvgPool2d(1)(torch.randn(2, 3, 8, 9)).shape
        torch.Size([2, 3, 1, 1])
    """

    _pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The averages of windows that cover volumes evenly."""

    _pool = staticmethod(F.adaptive_avg_pool3d)
