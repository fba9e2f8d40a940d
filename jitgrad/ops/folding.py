"""Patches of images as columns, and back: nn.functional.unfold and fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.sliding import (
    Pairs,
    Sizes,
    add_windows,
    batched,
    check_least,
    count_of,
    fitted,
    padded,
    sizes_for,
    unpadded,
    windows,
)
from jitgrad.primitive import Kind, Primitive
from jitgrad.strides import rows_apart

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Ints = int | Sequence[int]

__all__: list[str] = []


def _columns(
    array: np.ndarray,
    *,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    sizes: Sizes,
) -> np.ndarray:
    seen = windows(padded(array, padding), kernel, stride, dilation)
    n, channels = array.shape[:2]
    depth, count = channels * int(np.prod(kernel)), int(np.prod(seen.shape[-len(kernel) :]))
    return rows_apart(seen.reshape(n, depth, count), array)


def _images(
    array: np.ndarray,
    *,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    sizes: Sizes,
) -> np.ndarray:
    full = [size + low + high for size, (low, high) in zip(sizes, padding)]
    counts = map(count_of, full, kernel, stride, [(0, 0)] * len(full), dilation)
    channels = array.shape[1] // int(np.prod(kernel))
    parts = array.reshape(len(array), channels, *kernel, *counts)
    result = np.zeros((len(array), channels, *full), array.dtype)
    add_windows(result, parts, stride, dilation)
    return rows_apart(unpadded(result, padding), array)


IM2COL = Primitive(
    "im2col", Kind.INDEX, _columns, (lambda g, _out, _x, **params: bind(COL2IM, g, **params),)
)

COL2IM = Primitive(
    "col2im", Kind.INDEX, _images, (lambda g, _out, _x, **params: bind(IM2COL, g, **params),)
)


def _params(
    operation: str,
    sizes: Sizes,
    kernel_size: Ints,
    dilation: Ints,
    padding: Ints,
    stride: Ints,
) -> tuple[dict, Sizes]:
    """Return the parameters of the primitives, and how many blocks there are along dimensions."""
    kernel = sizes_for(operation, "kernel_size", kernel_size, 2)
    apart = sizes_for(operation, "dilation", dilation, 2)
    lows = sizes_for(operation, "padding", padding, 2)
    steps = sizes_for(operation, "stride", stride, 2)
    for name, values, least in (
        ("kernel_size", kernel, 1),
        ("dilation", apart, 1),
        ("padding", lows, 0),
        ("stride", steps, 1),
    ):
        check_least(operation, name, values, least)
    counts = tuple(map(count_of, sizes, kernel, steps, zip(lows, lows), apart))
    if min(counts) < 1:
        raise RuntimeError(
            describe(
                operation,
                f"spatial size {sizes}, kernel_size={kernel}, dilation={apart}, padding={lows}",
                f"calculated shape of the array of sliding blocks as {counts}, but its components "
                "must be at least one",
                "take a smaller kernel, or more padding",
            )
        )
    highs = map(fitted, sizes, kernel, steps, lows, apart, counts)
    pairs = tuple(zip(lows, highs))
    params = {
        "kernel": kernel,
        "stride": steps,
        "padding": pairs,
        "dilation": apart,
        "sizes": sizes,
    }
    return params, counts


def unfold(
    input: Tensor,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Tensor:
    """Return the blocks of images that a kernel sees, each as a column.

    Shapes: (n, c, h, w) or (c, h, w) gives (n, c kh kw, blocks) or (c kh kw, blocks).

    Gradient: summed over the blocks that show an element, see `fold`.

    Raises:
        RuntimeError: other numbers of dimensions, a kernel larger than the padded images.
        NotImplementedError: integers.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
        >>> torch.nn.functional.unfold(x, (1, 2))
        tensor([[1., 2.],
                [2., 3.]])
    """
    check_tensor("unfold", "input", input)
    refuse_integers("unfold", (input,), input._array.dtype)
    x, single = batched("unfold", input, 2)
    params, _ = _params("unfold", x._array.shape[2:], kernel_size, dilation, padding, stride)
    made = bind(IM2COL, x, **params)
    return made.squeeze(0) if single else made


def fold(
    input: Tensor,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Tensor:
    """Return images of `output_size` in which blocks, the columns of `input`, are added up.

    Shapes: (n, c kh kw, blocks) or (c kh kw, blocks) gives (n, c, h, w) or (c, h, w).

    Gradient: the blocks of the cotangent, see `unfold`.

    Raises:
        RuntimeError: other numbers of dimensions; rows that the kernel's size does not divide;
            another number of blocks than the sizes have.
        NotImplementedError: integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.fold(torch.tensor([[1.0, 2.0], [2.0, 3.0]]), (1, 3), (1, 2))
        tensor([[[1., 4., 3.]]])
    """
    check_tensor("fold", "input", input)
    refuse_integers("fold", (input,), input._array.dtype)
    x, single = batched("fold", input, 1)
    sizes = sizes_for("fold", "output_size", output_size, 2)
    params, (rows, columns) = _params("fold", sizes, kernel_size, dilation, padding, stride)
    shape, kernel = x._array.shape, params["kernel"]
    if shape[1] % (kernel[0] * kernel[1]) or not shape[1]:
        raise RuntimeError(
            describe(
                "fold",
                f"input of size {list(shape)} and kernel_size={kernel}",
                "Expected size of input's dimension 1 to be divisible by the product of "
                "kernel_size",
            )
        )
    if shape[2] != rows * columns:
        raise RuntimeError(
            describe(
                "fold",
                f"input of size {list(shape)} and output_size={sizes}",
                "expected size of input's dimension 2 to match the calculated number of sliding "
                f"blocks {rows} * {columns} = {rows * columns}",
            )
        )
    made = bind(COL2IM, x, **params)
    return made.squeeze(0) if single else made
