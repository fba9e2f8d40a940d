"""Numbers brought to mean 0 and variance 1: over layers, batches, groups, instances, channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, TensorCore, bind
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.ops.joining import cat
from jitgrad.ops.reduce import SUM, counted
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import Size

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


def _moments(x: Tensor, dims: tuple[int, ...], centred: bool) -> tuple[Any, Tensor, Tensor]:
    """Return mean over `dims` (None if not `centred`), `x` less it, and the mean of its squares."""
    count = counted(x, dims)
    middle = bind(SUM, x, dim=dims, keepdim=True) / count if centred else None
    apart = x if middle is None else x - middle
    return middle, apart, bind(SUM, apart * apart, dim=dims, keepdim=True) / count


def _standardize_back(
    g: Tensor,
    out: Tensor,
    x: Tensor,
    _apart: Any,
    scale: Tensor,
    eps: float,
    *,
    dims: tuple[int, ...],
    centred: bool,
) -> Tensor:
    if state.grad_enabled:
        # a derivative of this derivative needs to know where the scale comes from
        scale = (_moments(x, dims, centred)[2] + eps).rsqrt()
    count = counted(x, dims)
    inner = g - out * (bind(SUM, g * out, dim=dims, keepdim=True) / count)
    if centred:
        inner = inner - bind(SUM, g, dim=dims, keepdim=True) / count
    return inner * scale


# One rule for the whole of it, mean and variance included: the numbers that are multiplied come
# without history, and the input for the sake of its own.
STANDARDIZE = Primitive(
    "standardize",
    Kind.ELEMENTWISE,
    lambda _x, apart, scale, _eps, **_: apart * scale,
    (_standardize_back, None, None, None),
    scalar="{1} * {2}",
    result=Result.PROMOTE,
)


def standardized(
    x: Tensor, dims: tuple[int, ...], eps: float, centred: bool = True
) -> tuple[Tensor, Any, Tensor]:
    """Return `x` less its mean over `dims`, divided by the root of variance + eps.

    Also the mean and the variance (divided by the count), without history. Not `centred`, the
    mean of the squares is taken for the variance, and there is no mean.
    """
    middle, apart, variance = _moments(x.detach(), dims, centred)
    scale = (variance + eps).rsqrt()
    made = bind(STANDARDIZE, x, apart, scale, eps, dims=dims, centred=centred)
    return made, middle, variance


def _wide(x: Tensor) -> Tensor:
    """Return `x` in the dtype of the computation."""
    if x._array.dtype == np.float16:
        return bind(CAST, x, dtype=dtypes.float32.numpy)
    return x


def _as(made: Tensor, like: Tensor) -> Tensor:
    target = like._array.dtype
    return made if made._array.dtype == target else bind(CAST, made, dtype=target)


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def _check_float(operation: str, input: Tensor) -> None:
    if input._array.dtype.kind != "f":
        name = dtypes.FROM_NUMPY[input._array.dtype].name
        rule = "it is not implemented for integers and booleans"
        raise NotImplementedError(describe(operation, f"dtype {name}", rule, "use .float()"))


def _last_dims(
    operation: str, input: Tensor, sizes: Any, *affine: Tensor | None
) -> tuple[int, ...]:
    """Return the dimensions that `normalized_shape` names."""
    wanted = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    shape = input._array.shape
    if not wanted or shape[-len(wanted) :] != wanted:
        raise RuntimeError(
            describe(
                operation,
                f"input of shape {shape} with normalized_shape={list(wanted)}",
                f"expected input with shape [*, {', '.join(map(str, wanted))}]",
            )
        )
    for each in affine:
        if each is not None and each._array.shape != wanted:
            rule = f"Expected weight and bias to be of same shape as normalized_shape {wanted}"
            raise RuntimeError(describe(operation, f"shape {each._array.shape}", rule))
    _check_float(operation, input)
    return tuple(range(len(shape) - len(wanted), len(shape)))


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 over its last dimensions, then scaled and moved.

    Args:
        normalized_shape: the sizes of these dimensions; `weight` and `bias` have them too.

    Raises:
        RuntimeError: the last sizes are others.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.layer_norm(torch.tensor([1.0, 3.0]), (2,))
        tensor([-1.0000,  1.0000])
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight, bias)
    made, _, _ = standardized(_wide(input), dims, eps)
    return _as(_affine(made, weight, bias), input)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Return `input` divided by its root mean square over its last dimensions, then scaled.

    Args:
        normalized_shape: the sizes of these dimensions; `weight` has them too.
        eps: added to the mean square; the dtype's unless given.

    Raises:
        RuntimeError: the last sizes are others.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.rms_norm(torch.tensor([3.0, -3.0]), (2,))
        tensor([ 1., -1.])
    """
    dims = _last_dims("rms_norm", input, normalized_shape, weight)
    if eps is None:
        eps = float(np.finfo(input._array.dtype).eps)
    made, _, _ = standardized(_wide(input), dims, eps, centred=False)
    return _as(_affine(made, weight, None), input)


def _along_channels(x: Tensor | None, ndim: int) -> Tensor | None:
    return None if x is None else x.reshape([1, -1] + [1] * (ndim - 2))


def _check_channels(operation: str, channels: int, **vectors: Tensor | None) -> None:
    for name, each in vectors.items():
        if each is not None and each._array.size != channels:
            rule = f"{name} should contain {channels} elements not {each._array.size}"
            raise RuntimeError(describe(operation, f"{name} of shape {each._array.shape}", rule))


def _follow(running: Tensor | None, now: Tensor, momentum: Any) -> None:
    """Move `running` towards `now`, in place and without history."""
    if running is not None:
        running.mul_(1 - momentum).add_(now.reshape(-1).to(running.dtype) * momentum)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 in each channel, then scaled and moved.

    Shapes: (n, c, ...), all others (c,).

    Args:
        running_mean, running_var: used if not `training`; else moved by `momentum` towards the
            mean and the unbiased variance of this batch, in place.
        momentum: a number, or a tensor of one element.

    Raises:
        RuntimeError: shapes that do not fit, or no running statistics outside training.
        ValueError: a single value per channel in training.

    Example:
        >>> import jitgrad as torch
        >>> x, mean, var = torch.tensor([[1.0], [3.0]]), torch.zeros(1), torch.ones(1)
        >>> torch.nn.functional.batch_norm(x, mean, var, training=True), mean
        (tensor([[-1.0000],
                [ 1.0000]]), tensor([0.2000]))
    """
    shape = input._array.shape
    if len(shape) < 2:
        rule = "expected at least 2 dimensions (n, c, ...)"
        raise RuntimeError(describe("batch_norm", f"shape {shape}", rule))
    if training and Size(shape).numel() // max(shape[1], 1) == 1:
        rule = f"Expected more than 1 value per channel when training, got input size {list(shape)}"
        raise ValueError(describe("batch_norm", f"shape {shape}", rule))
    return _by_channel(
        "batch_norm", input, (running_mean, running_var), (weight, bias), training, momentum, eps
    )


def _by_channel(
    operation: str,
    input: Tensor,
    running: tuple[Tensor | None, Tensor | None],
    affine: tuple[Tensor | None, Tensor | None],
    training: bool,
    momentum: Any,
    eps: float,
) -> Tensor:
    _check_float(operation, input)
    shape = input._array.shape
    mean, variance = running
    weight, bias = affine
    _check_channels(
        operation, shape[1], running_mean=mean, running_var=variance, weight=weight, bias=bias
    )
    ndim = len(shape)
    factor, shift = _along_channels(weight, ndim), _along_channels(bias, ndim)
    if not training:
        if mean is None or variance is None:
            rule = "Expected running_mean and running_var to be defined when training=False"
            raise RuntimeError(describe(operation, "None", rule))
        # one factor and one summand for each channel
        scale = (_along_channels(variance, ndim) + eps).rsqrt()  # type: ignore[operator]
        scale = scale if factor is None else scale * factor
        moved = -_along_channels(mean, ndim) * scale  # type: ignore[operator]
        return _as(input * scale + (moved if shift is None else moved + shift), input)
    dims = (0, *range(2, ndim))
    made, middle, spread = standardized(_wide(input), dims, eps)
    if mean is not None or variance is not None:
        count = counted(input, dims)
        _follow(mean, middle, momentum)
        _follow(variance, spread * (count / max(count - 1, 1)), momentum)
    return _as(_affine(made, factor, shift), input)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 in each channel of each sample, scaled and moved.

    Shapes: (n, c, ...), all others (c,).

    Args:
        running_mean, running_var: used if not `use_input_stats`; else moved by `momentum` towards
            the means over the batch of mean and unbiased variance, in place.

    Raises:
        RuntimeError: shapes that do not fit, or no running statistics where they are needed.
        ValueError: a single value per channel.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.instance_norm(torch.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    shape = input._array.shape
    if len(shape) < 2:
        rule = "expected at least 2 dimensions (n, c, ...)"
        raise RuntimeError(describe("instance_norm", f"shape {shape}", rule))
    if not use_input_stats:
        running, affine = (running_mean, running_var), (weight, bias)
        return _by_channel("instance_norm", input, running, affine, False, momentum, eps)
    if Size(shape[2:]).numel() == 1:
        rule = "Expected more than 1 spatial element when training"
        raise ValueError(describe("instance_norm", f"shape {shape}", rule))
    _check_float("instance_norm", input)
    _check_channels(
        "instance_norm",
        shape[1],
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    dims = tuple(range(2, len(shape)))
    made, middle, spread = standardized(_wide(input), dims, eps)
    if running_mean is not None or running_var is not None:
        count = counted(input, dims)
        _follow(running_mean, middle.mean(0), momentum)
        _follow(running_var, spread.mean(0) * (count / max(count - 1, 1)), momentum)
    factor, shift = _along_channels(weight, len(shape)), _along_channels(bias, len(shape))
    return _as(_affine(made, factor, shift), input)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return `input` with mean 0 and variance 1 in each group of channels, then scaled and moved.

    Shapes: (n, c, ...), weight and bias (c,).

    Raises:
        RuntimeError: the channels do not divide into groups, or shapes do not fit.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.group_norm(torch.tensor([[1.0, 3.0, 5.0, 5.0]]), 2)
        tensor([[-1.0000,  1.0000,  0.0000,  0.0000]])
    """
    shape = input._array.shape
    if len(shape) < 2:
        rule = "Expected at least 2 dimensions for input tensor"
        raise RuntimeError(describe("group_norm", f"shape {shape}", rule))
    if num_groups <= 0 or shape[1] % num_groups:
        rule = "Expected number of channels in input to be divisible by num_groups"
        came = f"{shape[1]} channels and num_groups={num_groups}"
        raise RuntimeError(describe("group_norm", came, rule))
    _check_float("group_norm", input)
    _check_channels("group_norm", shape[1], weight=weight, bias=bias)
    wide = _wide(input)
    inner = Size(shape[1:]).numel() // num_groups
    made, _, _ = standardized(wide.reshape(shape[0], num_groups, inner), (2,), eps)
    factor, shift = _along_channels(weight, len(shape)), _along_channels(bias, len(shape))
    return _as(_affine(made.reshape(shape), factor, shift), input)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return input / (k + alpha * mean of squares of `size` channels around) ** beta.

    Shapes: (n, c, length, ...). Source: Krizhevsky et al., 2012.

    Raises:
        ValueError: fewer than 3 dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.local_response_norm(torch.ones(1, 1, 1), 1, alpha=3.0, beta=0.5)
        tensor([[[0.5000]]])
    """
    shape = input._array.shape
    if len(shape) < 3:
        rule = f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)"
        raise ValueError(describe("local_response_norm", f"shape {shape}", rule))
    if not input._array.size:
        return input
    squares = input * input
    before, after = size // 2, (size - 1) // 2
    ends = [squares.new_zeros((shape[0], each, *shape[2:])) for each in (before, after)]
    near = cat([ends[0], squares, ends[1]], 1).unfold(1, size, 1).sum(-1) / size
    return input / (near * alpha + k) ** beta


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: Any = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """Return `input` divided by its p-norm along `dim`, or by `eps` where that is larger.

    Args:
        out: where to write the result; then there is no gradient.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    made = input / input.norm(p, dim, True).clamp(min=eps)
    if not isinstance(out, TensorCore):
        return made
    return out.copy_(made)  # type: ignore[attr-defined]
