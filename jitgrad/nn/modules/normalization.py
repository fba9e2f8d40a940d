"""Layer, group and root-mean-square normalisation, and that of local responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter
from jitgrad.ops.create import empty

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _Scaled(Module):
    """A weight that starts as ones, and a bias of zeros; or one of them, or none."""

    weight: Any
    bias: Any

    def _register(self, size: Any, weight: bool, bias: bool | None, **made: Any) -> None:
        """Make the parameters; `bias` None: there is none, not even in name."""
        self.register_parameter("weight", Parameter(empty(size, **made)) if weight else None)
        if bias is not None:
            self.register_parameter("bias", Parameter(empty(size, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to ones, and the bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        return (normalized_shape,)
    return tuple(normalized_shape)


class LayerNorm(_Scaled):
    """Mean 0 and variance 1 over the last dimensions, then weight and bias (Ba et al., 2016).

    Args:
        normalized_shape: the sizes of these dimensions, or the last one.
        eps: added to variances.
        elementwise_affine: whether there are weight and bias, of these sizes.
        bias: whether there is a bias then.
        device: of the parameters.
        dtype: of the parameters.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.LayerNorm(2, eps=0.0)(torch.tensor([1.0, 3.0])).tolist()
        [-1.0, 1.0]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._register(
            self.normalized_shape,
            elementwise_affine,
            elementwise_affine and bias,
            device=device,
            dtype=dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(_Scaled):
    """Mean 0 and variance 1 in groups of channels, then weight and bias (Wu and He, 2018).

    Shapes: (n, num_channels, ...).

    Args:
        num_groups: how many groups.
        num_channels: how many channels; a multiple of `num_groups`.
        eps: added to variances.
        affine: whether there are weight and bias, of one number for each channel.
        device: of the parameters.
        dtype: of the parameters.
        bias: whether `affine` includes a bias.

    Raises:
        ValueError: the channels do not divide into groups.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            came = f"num_channels={num_channels} and num_groups={num_groups}"
            rule = "num_channels must be divisible by num_groups"
            raise ValueError(describe("GroupNorm", came, rule))
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._register(num_channels, affine, affine and bias, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_Scaled):
    """The input divided by its root mean square over the last dimensions, times a weight.

    Source: Zhang and Sennrich, 2019.

    Args:
        normalized_shape: the sizes of these dimensions, or the last one.
        eps: added to mean squares; None: the smallest step of the dtype at 1.
        elementwise_affine: whether there is a weight, of these sizes.
        device: of the weight.
        dtype: of the weight.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._register(self.normalized_shape, elementwise_affine, None, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LocalResponseNorm(Module):
    """Each channel divided by what its neighbours hold: see `nn.functional.local_response_norm`.

    Args:
        size: how many channels count as neighbours.
        alpha: the factor of the mean of their squares.
        beta: the exponent.
        k: what is added.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
