"""Transposed convolutions: what the gradient of a convolution does to its cotangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.convolution import (
    CONVOLUTION_INPUT,
    check_bias,
    check_operands,
    output_channels,
)
from jitgrad.ops.sliding import batched, check_least, sizes_for

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def _transposed(
    ndim: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Tensor:
    operation = f"conv_transpose{ndim}d"
    check_operands(operation, input, weight, bias)
    x, single = batched(operation, input, ndim)
    steps = sizes_for(operation, "stride", stride, ndim)
    apart = sizes_for(operation, "dilation", dilation, ndim)
    lows = sizes_for(operation, "padding", padding, ndim)
    extra = sizes_for(operation, "output_padding", output_padding, ndim)
    for name, values, least in (
        ("stride", steps, 1),
        ("dilation", apart, 1),
        ("groups", (groups,), 1),
        ("padding", lows, 0),
        ("output_padding", extra, 0),
    ):
        check_least(operation, name, values, least)
    if any(more >= max(s, d) for more, s, d in zip(extra, steps, apart)):
        raise RuntimeError(
            describe(
                operation,
                f"output_padding={list(extra)}, stride={list(steps)}, dilation={list(apart)}",
                "output padding must be smaller than either stride or dilation",
                "pad the result with pad()",
            )
        )
    channels = output_channels(operation, x, weight, groups, transposed=True)
    check_bias(operation, bias, channels)
    # of the windows' extent nothing is kept before `low` and behind `high`
    highs = tuple(low - more for low, more in zip(lows, extra))
    sizes = tuple(
        (size - 1) * s + d * (k - 1) + 1 - low - high
        for size, s, d, k, low, high in zip(
            x._array.shape[2:], steps, apart, weight._array.shape[2:], lows, highs
        )
    )
    if min(sizes) < 1:
        raise RuntimeError(
            describe(
                operation,
                f"input of size {list(x._array.shape[2:])} and padding={list(lows)}",
                f"Calculated output size per channel: {list(sizes)}. Output size is too small",
                "take less padding",
            )
        )
    made = bind(
        CONVOLUTION_INPUT,
        x,
        weight,
        stride=steps,
        padding=tuple(zip(lows, highs)),
        dilation=apart,
        groups=groups,
    )
    if bias is not None:
        made = made + bias.reshape(-1, *[1] * ndim)
    return made.squeeze(0) if single else made


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Return the transposed convolution of `input` with `weight` along one dimension.

    Arguments, errors: as for `conv_transpose2d`, with one spatial dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.conv_transpose1d(torch.tensor([[1.0, 2.0]]), torch.tensor([[[1.0, 10.0]]]))
        tensor([[ 1., 12., 20.]])
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Return the transposed convolution of images: the gradient of `conv2d` for its input.

    Shapes: `input` (n, c, h, w) or (c, h, w), `weight` (c, o / groups, kh, kw) and `bias` (o,)
    give (n, o, h', w'), where
    h' = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
    Dtypes: all the same, not bool.

    Args:
        padding: how much is left out of the result at each side.
        output_padding: how much is added to the result behind each dimension, for strided
            convolutions bring several sizes to one.

    Gradient: convolutions.

    Raises:
        RuntimeError: other numbers of dimensions, channels that do not match, an output padding
            that is not below stride or dilation, nothing left of the result, dtypes that differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.conv_transpose2d(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 2, 2), stride=2)
        tensor([[[[1., 1., 1., 1.],
                  [1., 1., 1., 1.]]]])
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Return the transposed convolution of volumes.

    Arguments, errors: as for `conv_transpose2d`, with three spatial dimensions.
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
