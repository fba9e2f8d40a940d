"""Averages and power means of windows: avg_pool, lp_pool, adaptive_avg_pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.modes import fixed_number
from jitgrad.ops.checks import check_tensor, refuse_bool, refuse_integers
from jitgrad.ops.resampling import Rule, resampled
from jitgrad.ops.sliding import Sizes, batched, pool_sizes, sizes_for

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__ = ["adaptive_avg_pool1d", "avg_pool1d"]


def _average(
    ndim: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    operation = f"avg_pool{ndim}d"
    check_tensor(operation, "input", input)
    refuse_bool(operation, (input,), input._array.dtype)
    if input._array.dtype.kind != "f":
        # exact below 2^53; PyTorch's integers are divided towards zero
        made = _average(
            ndim, input.double(), kernel_size, stride, padding, ceil_mode, count_include_pad,
            divisor_override,
        )  # fmt: skip
        return made.trunc().type_as(input)
    if divisor_override == 0:
        raise RuntimeError(
            describe(operation, "divisor_override=0", "divisor must be not zero", "pass None")
        )
    x, single = batched(operation, input, ndim)
    sizes = pool_sizes(operation, x, kernel_size, stride, padding, 1, ceil_mode)
    rules: list[tuple[Rule | None, int]] = []
    for kernel, step, low, _, count in zip(*sizes):
        if divisor_override is None:
            rules.append((("average", kernel, step, low, count_include_pad), count))
        else:
            rules.append((("sum", kernel, step, low), count))
    made = resampled(x, rules)
    if divisor_override is not None:
        made = made / divisor_override
    return made.squeeze(0) if single else made


def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the averages of windows along one dimension.

    Arguments, errors: as for `avg_pool2d`, with one spatial dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.avg_pool1d(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), 2)
        tensor([[2., 7.]])
    """
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the averages of windows of images.

    Shapes: (n, c, h, w) or (c, h, w) keep n and c; h becomes (h + 2 padding - kernel) // stride
    + 1.

    Args:
        stride: the distance of windows, the kernel's size unless given.
        padding: zeros around the images, at most half of a window.
        ceil_mode: also have windows that reach beyond the padding, but begin before it.
        count_include_pad: whether the padding counts in the averages.
        divisor_override: what sums are divided by, instead of the number of elements.

    Gradient: to each element of a window the cotangent by the divisor.

    Raises:
        RuntimeError: other numbers of dimensions, windows that do not fit, too much padding.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.avg_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), 2)
        tensor([[[3.]]])
    """
    return _average(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the averages of windows of volumes.

    Arguments, errors: as for `avg_pool2d`, with three spatial dimensions.
    """
    return _average(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _power_mean(
    ndim: int,
    input: Tensor,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None,
    ceil_mode: bool,
) -> Tensor:
    check_tensor(f"lp_pool{ndim}d", "input", input)
    count = 1
    for each in sizes_for(f"lp_pool{ndim}d", "kernel_size", kernel_size, ndim):
        count *= each
    power = fixed_number(norm_type)
    mean = _average(ndim, input.pow(power), kernel_size, stride, 0, ceil_mode)
    # as PyTorch has it: no gradient where the sum is 0
    return (mean.sign() * mean.abs().relu() * count).pow(1.0 / power)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return (sum of x^norm_type)^(1 / norm_type) of windows along one dimension.

    Raises:
        RuntimeError: as `avg_pool1d`.
    """
    return _power_mean(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return (sum of x^norm_type)^(1 / norm_type) of windows of images.

    Raises:
        RuntimeError: as `avg_pool2d`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.lp_pool2d(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]), 2, 2)
        tensor([[[5.]]])
    """
    return _power_mean(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return (sum of x^norm_type)^(1 / norm_type) of windows of volumes.

    Raises:
        RuntimeError: as `avg_pool3d`.
    """
    return _power_mean(3, input, norm_type, kernel_size, stride, ceil_mode)


# -- windows that cover the whole -----------------------------------------------------------------


def adaptive_sizes(operation: str, input: Tensor, output_size: Any, ndim: int) -> Sizes:
    """Return the sizes that come out; None in `output_size` stands for the size of `input`.

    Raises:
        RuntimeError: more or fewer sizes than dimensions, a negative one, an empty dimension.
    """
    old = input._array.shape[-ndim:]
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != ndim:
            raise RuntimeError(
                describe(
                    operation,
                    f"output_size={tuple(output_size)}",
                    f"output_size must be {ndim} sizes, one for each spatial dimension",
                )
            )
        output_size = tuple(size if each is None else each for each, size in zip(output_size, old))
    elif output_size is None:
        output_size = old
    sizes = sizes_for(operation, "output_size", output_size, ndim)
    if min(sizes) < 0:
        raise RuntimeError(
            describe(
                operation,
                f"output_size={sizes}",
                "elements of output_size must be greater than or equal to 0",
            )
        )
    if 0 in old:
        raise RuntimeError(
            describe(
                operation,
                f"input of size {list(input._array.shape)}",
                "Expected input to have non-zero size for non-batch dimensions",
            )
        )
    return sizes


def adaptive_average(input: Tensor, sizes: Sizes) -> Tensor:
    """Return averages of `input` over `sizes` windows that cover its last dimensions evenly."""
    first = input._array.ndim - len(sizes)
    old = input._array.shape[first:]
    whole = tuple(first + place for place, each in enumerate(sizes) if each == 1)
    if whole:
        input = input.mean(whole, keepdim=True)
    rules: list[tuple[Rule | None, int]] = []
    for size, count in zip(old, sizes):
        if count in (1, size):
            rules.append((None, count))
        elif count and size % count == 0:
            width = size // count
            rules.append((("average", width, width, 0, True), count))
        else:
            rules.append((("adaptive",), count))
    return resampled(input, rules)


def _adaptive_average(ndim: int, input: Tensor, output_size: Any) -> Tensor:
    operation = f"adaptive_avg_pool{ndim}d"
    check_tensor(operation, "input", input)
    refuse_integers(operation, (input,), input._array.dtype)
    x, single = batched(operation, input, ndim)
    made = adaptive_average(x, adaptive_sizes(operation, x, output_size, ndim))
    return made.squeeze(0) if single else made


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the averages of `output_size` windows that cover a dimension evenly.

    Arguments, errors: as for `adaptive_avg_pool2d`, with one spatial dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
        tensor([[2., 4.]])
    """
    return _adaptive_average(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the averages of windows that cover images evenly, so many that the sizes come out.

    Window i of `size` over h elements goes from i h // size up to ceil((i + 1) h / size).

    Shapes: (n, c, h, w) or (c, h, w) keep n and c.

    Args:
        output_size: one size, or two, of which None keeps the size of the images.

    Gradient: to each element of a window the cotangent by the window's size.

    Raises:
        RuntimeError: other numbers of dimensions, an empty dimension, a negative size.
        NotImplementedError: integers.
    """
    return _adaptive_average(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Return the averages of windows that cover volumes evenly, so many that the sizes come out.

    Arguments, errors: as for `adaptive_avg_pool2d`, with three spatial dimensions.
    """
    return _adaptive_average(3, input, output_size)
