"""Batch normalisation, and what it has in common with instance normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.lazy import LazyModuleMixin
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from jitgrad.ops.create import empty, ones, tensor, zeros

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
]


class ChannelNorm(Module):
    """Parameters and running statistics, one number for each channel.

    Attributes:
        num_batches_tracked: how many batches the running statistics have seen, a tensor.
        dims_allowed: the fewest and the most dimensions that an input may have.
    """

    _version = 2
    dims_allowed: tuple[int, int] = (0, 0)
    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            held = Parameter(empty(num_features, **made)) if wanted else None
            self.register_parameter(name, held)
        counts = tensor(0, dtype=dtypes.int64) if track_running_stats else None
        means = zeros(num_features, **made) if track_running_stats else None
        variances = ones(num_features, **made) if track_running_stats else None
        self.register_buffer("running_mean", means)
        self.register_buffer("running_var", variances)
        self.register_buffer("num_batches_tracked", counts)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches that were seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set weights to 1 and biases to 0, and forget the batches that were seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        fewest, most = self.dims_allowed
        if not fewest <= input.ndim <= most:
            wanted = f"{fewest}D" if fewest == most else f"{fewest}D or {most}D"
            rule = f"expected {wanted} input (got {input.ndim}D input)"
            raise ValueError(describe(self._get_name(), f"shape {tuple(input.shape)}", rule))

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

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
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats:
            # dictionaries of PyTorch before 0.4.1 have no counts
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        lists = missing_keys, unexpected_keys, error_msgs
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *lists)


class LazyChannelNorm(LazyModuleMixin, ChannelNorm):
    """A `ChannelNorm` whose `num_features` is the number of channels of its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine, self.track_running_stats = affine, track_running_stats
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**made)
            if bias:
                self.bias = UninitializedParameter(**made)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**made)
            self.running_var = UninitializedBuffer(**made)
            self.num_batches_tracked = tensor(0, dtype=dtypes.int64)

    def reset_parameters(self) -> None:
        """Set parameters and statistics to where they start, once they are there."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Give all tensors the number of channels of `input`."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for each in (self.weight, self.bias, self.running_mean, self.running_var):
                if each is not None:
                    each.materialize((self.num_features,))
            self.reset_parameters()


class BatchNorm(ChannelNorm):
    """Mean 0 and variance 1 in each channel of a batch, then weight and bias.

    Shapes: (n, c, ...). In training the statistics are those of the batch, and the running ones
    follow them; in use they are the running ones (Ioffe and Szegedy, 2015).

    Args:
        num_features: how many channels.
        eps: added to variances.
        momentum: how far the running statistics move towards those of a batch; None: they are the
            means over all batches.
        affine: whether there are weight and bias.
        track_running_stats: whether there are running statistics.
        device: of parameters and buffers.
        dtype: of parameters and buffers.
        bias: whether `affine` includes a bias.

    Raises:
        ValueError: an input of another number of dimensions, or a single value per channel.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return `input` normalised."""
        self._check_input_dim(input)
        follows = self.training and self.track_running_stats
        factor: Any = 0.0 if self.momentum is None else self.momentum
        if follows and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                # a tensor: a number would have to be read, and ends a trace
                factor = 1.0 / self.num_batches_tracked.double()
        used = follows or not self.training
        mean, variance = (self.running_mean, self.running_var) if used else (None, None)
        of_batch = self.training or (self.running_mean is None and self.running_var is None)
        return F.batch_norm(
            input, mean, variance, self.weight, self.bias, of_batch, factor, self.eps
        )


class BatchNorm1d(BatchNorm):
    """`BatchNorm` of shapes (n, c) or (n, c, length).

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.BatchNorm1d(1)
        >>> layer(torch.tensor([[1.0], [3.0]])).tolist(), layer.running_mean
        ([[-0.9999949932098389], [0.9999949932098389]], tensor([0.2000]))
    """

    dims_allowed = (2, 3)


class BatchNorm2d(BatchNorm):
    """`BatchNorm` of shapes (n, c, height, width)."""

    dims_allowed = (4, 4)


class BatchNorm3d(BatchNorm):
    """`BatchNorm` of shapes (n, c, depth, height, width)."""

    dims_allowed = (5, 5)


class LazyBatchNorm1d(LazyChannelNorm, BatchNorm):
    """A `BatchNorm1d` whose `num_features` is the number of channels of its first input."""

    cls_to_become = BatchNorm1d
    dims_allowed = BatchNorm1d.dims_allowed


class LazyBatchNorm2d(LazyChannelNorm, BatchNorm):
    """A `BatchNorm2d` whose `num_features` is the number of channels of its first input."""

    cls_to_become = BatchNorm2d
    dims_allowed = BatchNorm2d.dims_allowed


class LazyBatchNorm3d(LazyChannelNorm, BatchNorm):
    """A `BatchNorm3d` whose `num_features` is the number of channels of its first input."""

    cls_to_become = BatchNorm3d
    dims_allowed = BatchNorm3d.dims_allowed
