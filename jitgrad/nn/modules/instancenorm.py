"""Instance normalisation: each channel of each sample by itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.batchnorm import ChannelNorm, LazyChannelNorm

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class InstanceNorm(ChannelNorm):
    """Mean 0 and variance 1 in each channel of each sample, then weight and bias.

    Shapes: (n, c, ...), or (c, ...) for one sample. With running statistics, which follow in
    training the means of the samples', these are used where the module is not trained.

    Args:
        num_features: how many channels.
        eps: added to variances.
        momentum: how far the running statistics move towards those of a batch.
        affine: whether there are weight and bias.
        track_running_stats: whether there are running statistics.
        device: of parameters and buffers.
        dtype: of parameters and buffers.
        bias: whether `affine` includes a bias.

    Raises:
        ValueError: an input of another number of dimensions, or of channels.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Device | str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised."""
        self._check_input_dim(input)
        single = input.ndim == self.dims_allowed[0]
        at = 0 if single else 1
        if input.shape[at] != self.num_features:
            rule = (
                f"expected input's size at dim={at} to match num_features ({self.num_features}), "
                f"but got: {input.shape[at]}"
            )
            if self.affine:
                raise ValueError(describe(self._get_name(), f"shape {tuple(input.shape)}", rule))
            warnings.warn(
                f"input's size at dim={at} does not match num_features. You can silence this "
                "warning by not passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        made = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return made.squeeze(0) if single else made

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            names = [prefix + name for name in ("running_mean", "running_var")]
            found = [name for name in names if name in state_dict]
            if found:
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {found} for {self._get_name()} with "
                    "track_running_stats=False: remove them from the state_dict, or set "
                    "track_running_stats=True"
                )
            for name in found:
                del state_dict[name]
        lists = missing_keys, unexpected_keys, error_msgs
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *lists)


class InstanceNorm1d(InstanceNorm):
    """`InstanceNorm` of shapes (n, c, length) or (c, length).

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.InstanceNorm1d(1, eps=0.0)(torch.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.,  1.]]])
    """

    dims_allowed = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """`InstanceNorm` of shapes (n, c, height, width) or (c, height, width)."""

    dims_allowed = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """`InstanceNorm` of shapes (n, c, depth, height, width) or (c, depth, height, width)."""

    dims_allowed = (4, 5)


class LazyInstanceNorm(LazyChannelNorm, InstanceNorm):
    """An `InstanceNorm` whose `num_features` is the number of channels of its first input."""

    def initialize_parameters(self, input: Tensor) -> None:
        """Give all tensors the number of channels of `input`."""
        single = input.ndim == self.dims_allowed[0]
        super().initialize_parameters(input.unsqueeze(0) if single else input)


class LazyInstanceNorm1d(LazyInstanceNorm):
    """An `InstanceNorm1d` whose `num_features` is the number of channels of its first input."""

    cls_to_become = InstanceNorm1d
    dims_allowed = InstanceNorm1d.dims_allowed


class LazyInstanceNorm2d(LazyInstanceNorm):
    """An `InstanceNorm2d` whose `num_features` is the number of channels of its first input."""

    cls_to_become = InstanceNorm2d
    dims_allowed = InstanceNorm2d.dims_allowed


class LazyInstanceNorm3d(LazyInstanceNorm):
    """An `InstanceNorm3d` whose `num_features` is the number of channels of its first input."""

    cls_to_become = InstanceNorm3d
    dims_allowed = InstanceNorm3d.dims_allowed
