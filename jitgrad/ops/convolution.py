"""Convolutions over any number of dimensions, and their transposes.

Convolution is linear in its input and in its weight. With a third tensor g of the result's shape,

    sum(convolution(x, w) * g) = sum(x * convolution_input(g, w))
                               = sum(w * convolution_weight(g, x))

and the derivatives of the three are the three themselves. They share their parameters, in which
the padding after a dimension is such that the last window ends where the padded dimension ends
(it may be negative): so the shape of each of x, w and g follows from the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.checks import check_tensor
from jitgrad.ops.correlation import convolved, convolved_input, convolved_weight
from jitgrad.ops.linalg import check_same_dtype
from jitgrad.ops.sliding import (
    Pairs,
    Sizes,
    batched,
    check_least,
    count_of,
    fitted,
    sizes_for,
)
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc"]

CONVOLUTION = Primitive(
    "convolution",
    Kind.CONTRACTION,
    convolved,
    (
        lambda g, _out, _x, weight, _bias=None, **params: bind(
            CONVOLUTION_INPUT, g, weight, **params
        ),
        lambda g, _out, x, _weight, _bias=None, **params: bind(CONVOLUTION_WEIGHT, g, x, **params),
        lambda g, _out, _x, _weight, _bias=None, **params: g.sum((0, *range(2, g.ndim))),
    ),
    correlation="output",
)

CONVOLUTION_INPUT = Primitive(
    "convolution_input",
    Kind.CONTRACTION,
    convolved_input,
    (
        lambda h, _out, _g, weight, **params: bind(CONVOLUTION, h, weight, **params),
        lambda h, _out, g, _weight, **params: bind(CONVOLUTION_WEIGHT, g, h, **params),
    ),
    correlation="input",
)

CONVOLUTION_WEIGHT = Primitive(
    "convolution_weight",
    Kind.CONTRACTION,
    convolved_weight,
    (
        lambda h, _out, _g, x, **params: bind(CONVOLUTION, x, h, **params),
        lambda h, _out, g, _x, **params: bind(CONVOLUTION_INPUT, g, h, **params),
    ),
    correlation="weight",
)


def output_channels(
    operation: str, input: Tensor, weight: Tensor, groups: int, transposed: bool
) -> int:
    """Check that `input` (batched) and `weight` go together; return the channels that come out."""
    shape, given = input._array.shape, weight._array.shape
    came = f"groups={groups}, weight of size {list(given)} and input of size {list(shape)}"
    if len(given) != len(shape):
        raise RuntimeError(
            describe(
                operation,
                came,
                f"expected a {len(shape)}-dimensional weight: two dimensions of channels and one "
                "for each that the windows slide over",
            )
        )
    if given[0] < groups or given[0] % groups:
        raise RuntimeError(
            describe(
                operation,
                came,
                f"expected weight to be divisible by {groups} at dimension 0, and at least "
                f"{groups} there",
                "choose channels that are multiples of groups",
            )
        )
    expected = given[0] if transposed else given[1] * groups
    if shape[1] != expected:
        raise RuntimeError(
            describe(
                operation,
                came,
                f"expected input to have {expected} channels, but got {shape[1]} channels instead",
                "pass a weight of size (in_channels, out_channels / groups, *kernel)"
                if transposed
                else "pass a weight of size (out_channels, in_channels / groups, *kernel)",
            )
        )
    return given[1] * groups if transposed else given[0]


def check_operands(operation: str, input: Any, weight: Any, bias: Any) -> None:
    check_tensor(operation, "input", input)
    check_tensor(operation, "weight", weight)
    tensors = [input, weight]
    if bias is not None:
        check_tensor(operation, "bias", bias)
        tensors.append(bias)
    check_same_dtype(operation, *tensors)


def check_bias(operation: str, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias._array.shape != (channels,):
        raise RuntimeError(
            describe(
                operation,
                f"bias of size {list(bias._array.shape)}",
                f"expected bias to be 1-dimensional with {channels} elements, one for each "
                "channel that comes out",
            )
        )


def _padding_of(
    operation: str, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> Pairs:
    """Return what is added before and after each dimension."""
    if not isinstance(padding, str):
        amounts = sizes_for(operation, "padding", padding, len(kernel))
        check_least(operation, "padding", amounts, 0)
        return tuple((each, each) for each in amounts)
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        raise RuntimeError(
            describe(
                operation,
                f"padding={padding!r}",
                "Invalid padding string",
                "pass 'same', 'valid' or integers",
            )
        )
    if max(stride) > 1:
        raise RuntimeError(
            describe(
                operation,
                f"padding='same' and stride={list(stride)}",
                "padding='same' is not supported for strided convolutions",
                "pass integers",
            )
        )
    reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return tuple((each // 2, each - each // 2) for each in reach)


def _convolution(
    ndim: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: str | Ints,
    dilation: Ints,
    groups: int,
) -> Tensor:
    operation = f"conv{ndim}d"
    check_operands(operation, input, weight, bias)
    x, single = batched(operation, input, ndim)
    steps = sizes_for(operation, "stride", stride, ndim)
    apart = sizes_for(operation, "dilation", dilation, ndim)
    for name, values in (("stride", steps), ("dilation", apart), ("groups", (groups,))):
        check_least(operation, name, values, 1)
    channels = output_channels(operation, x, weight, groups, transposed=False)
    check_bias(operation, bias, channels)
    sizes, kernel = x._array.shape[2:], weight._array.shape[2:]
    pairs = _padding_of(operation, padding, kernel, steps, apart)
    counts = tuple(map(count_of, sizes, kernel, steps, pairs, apart))
    if min(counts) < 1 or min(kernel) < 1:
        extent = [size + low + high for size, (low, high) in zip(sizes, pairs)]
        reach = [d * (k - 1) + 1 for d, k in zip(apart, kernel)]
        raise RuntimeError(
            describe(
                operation,
                f"padded input of size {extent} and kernel of size {reach} (dilation included)",
                "Kernel size can't be greater than actual input size, nor 0",
                "pad the input, or take a smaller kernel",
            )
        )
    lows = tuple(low for low, _ in pairs)
    highs = map(fitted, sizes, kernel, steps, lows, apart, counts)
    made = bind(
        CONVOLUTION,
        *((x, weight) if bias is None else (x, weight, bias)),
        stride=steps,
        padding=tuple(zip(lows, highs)),
        dilation=apart,
        groups=groups,
    )
    return made.squeeze(0) if single else made


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: str | Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of `input` with `weight` along one dimension.

    Arguments, errors: as for `conv2d`, with one spatial dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.conv1d(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[[-1.0, 1.0]]]))
        tensor([[1., 2.]])
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: str | Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of images with `weight`.

    Shapes: `input` (n, c, h, w) or (c, h, w), `weight` (o, c / groups, kh, kw) and `bias` (o,)
    give (n, o, h', w'), where h' = (h + 2 padding - dilation (kh - 1) - 1) // stride + 1.
    Dtypes: all the same, not bool.

    Args:
        padding: zeros around the images; "same" keeps their size, "valid" adds none.
        dilation: the distance of the kernel's elements.
        groups: into how many groups the channels are divided; each sees its own only.

    Gradient: the transposed convolution with `weight`; the correlation of `input` with the
    cotangent; its sum.

    Raises:
        RuntimeError: other numbers of dimensions, channels that do not match, a kernel larger
            than the padded input, dtypes that differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: str | Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of volumes with `weight`.

    Arguments, errors: as for `conv2d`, with three spatial dimensions.
    """
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Return the convolution of sequences whose dimensions are (time, batch, channels).

    Shapes: `input` (t, n, c), `weight` (k, c, o) and `bias` (o,) give (t + 2 pad - k + 1, n, o).

    Raises:
        RuntimeError: as `conv1d`.
    """
    made = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return made.permute(2, 0, 1)
