"""Channels and pixels exchanged: pixel_shuffle, pixel_unshuffle, channel_shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jitgrad.errors import describe
from jitgrad.ops.checks import check_tensor

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _image_shape(operation: str, argument: str, input: Tensor, factor: int) -> tuple[int, ...]:
    check_tensor(operation, "input", input)
    shape = input._array.shape
    if len(shape) < 3 or factor < 1:
        raise RuntimeError(
            describe(
                operation,
                f"input of size {list(shape)} and {argument}={factor}",
                f"{operation} expects input to have at least 3 dimensions, and a positive "
                f"{argument}",
            )
        )
    return shape


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Return images in which `upscale_factor`^2 channels have become one with finer pixels.

    Shapes: (*, c r^2, h, w) gives (*, c, h r, w r).

    Gradient: rearranged back.

    Raises:
        RuntimeError: less than 3 dimensions, or channels that r^2 does not divide.

    Example:
        >>> import jitgrad as torch
        >>> torch.pixel_shuffle(torch.tensor([[[1]], [[2]], [[3]], [[4]]]), 2)
        tensor([[[1, 2],
                 [3, 4]]])
    """
    r = upscale_factor
    *lead, channels, height, width = _image_shape("pixel_shuffle", "upscale_factor", input, r)
    if channels % (r * r):
        raise RuntimeError(
            describe(
                "pixel_shuffle",
                f"{channels} channels and upscale_factor={r}",
                "pixel_shuffle expects its input's 'channel' dimension to be divisible by the "
                f"square of upscale_factor, {r * r}",
            )
        )
    n = len(lead)
    split = input.reshape(*lead, channels // (r * r), r, r, height, width)
    moved = split.permute(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return moved.reshape(*lead, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Return images in which blocks of pixels have become channels: undoes `pixel_shuffle`.

    Shapes: (*, c, h r, w r) gives (*, c r^2, h, w).

    Gradient: rearranged back.

    Raises:
        RuntimeError: less than 3 dimensions, or a height or width that r does not divide.

    Example:
        >>> import jitgrad as torch
        >>> torch.pixel_unshuffle(torch.tensor([[[1, 2], [3, 4]]]), 2).flatten()
        tensor([1, 2, 3, 4])
    """
    r = downscale_factor
    *lead, channels, height, width = _image_shape("pixel_unshuffle", "downscale_factor", input, r)
    if height % r or width % r:
        raise RuntimeError(
            describe(
                "pixel_unshuffle",
                f"images of {height} x {width} and downscale_factor={r}",
                "pixel_unshuffle expects height and width to be divisible by downscale_factor",
            )
        )
    n = len(lead)
    split = input.reshape(*lead, channels, height // r, r, width // r, r)
    moved = split.permute(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return moved.reshape(*lead, channels * r * r, height // r, width // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return `input` (n, c, *) with its channels dealt out: first those that begin each group.

    Gradient: dealt back.

    Raises:
        RuntimeError: less than 3 dimensions, or channels that `groups` does not divide.

    Example:
        >>> import jitgrad as torch
        >>> torch.channel_shuffle(torch.arange(4).reshape(1, 4, 1), 2).flatten()
        tensor([0, 2, 1, 3])
    """
    n, channels, *rest = _image_shape("channel_shuffle", "groups", input, groups)
    if channels % groups:
        raise RuntimeError(
            describe(
                "channel_shuffle",
                f"{channels} channels and groups={groups}",
                "Number of channels must be divisible by groups",
            )
        )
    split = input.reshape(n, groups, channels // groups, *rest)
    return split.transpose(1, 2).reshape(n, channels, *rest)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Return `input` with its channels dealt out, as `channel_shuffle`."""
    return channel_shuffle(input, groups)
