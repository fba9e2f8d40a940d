"""Images sampled at places of one's own: grid_sample and affine_grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.checks import check_tensor
from jitgrad.ops.linalg import check_same_dtype
from jitgrad.ops.pooling import TAKE_PLACES
from jitgrad.ops.ranges import linspace
from jitgrad.ops.selection import where

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Taps = list[tuple[Tensor, Tensor | None]]

__all__: list[str] = []

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    for name, given, known in (("mode", mode, _MODES), ("padding_mode", padding_mode, _PADDINGS)):
        if given not in known:
            raise ValueError(
                describe(
                    "grid_sample", f"{name}={given!r}", f"expected {name} to be one of {known}"
                )
            )
    check_tensor("grid_sample", "input", input)
    check_tensor("grid_sample", "grid", grid)
    check_same_dtype("grid_sample", input, grid)
    shape, places = input._array.shape, grid._array.shape
    came = f"input of size {list(shape)} and grid of size {list(places)}"
    ndim = len(shape) - 2
    if ndim not in (2, 3) or len(places) != len(shape) or places[-1] != ndim:
        rule = (
            "expected a 4D or 5D input, and a grid of as many dimensions whose last one holds "
            f"{max(ndim, 1)} coordinates"
        )
    elif shape[0] != places[0]:
        rule = "expected grid and input to have same batch size"
    elif 0 in shape[2:]:
        rule = "expected input to have non-empty spatial dimensions"
    elif ndim == 3 and mode == "bicubic":
        rule = "bicubic interpolation only supports 4D input"
    else:
        return
    raise RuntimeError(describe("grid_sample", came, rule))


def _unnormalised(coordinate: Tensor, size: int, align_corners: bool) -> Tensor:
    """Return positions in a dimension of `size` for coordinates of which it spans [-1, 1]."""
    if align_corners:
        return (coordinate + 1) * ((size - 1) / 2)
    return ((coordinate + 1) * size - 1) / 2


def _held(position: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """Return positions brought into the image, unless what is outside shall be 0."""
    if padding_mode == "zeros":
        return position
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            return position * 0
        away = (position - low).abs()
        rest = away.remainder(2 * span)
        position = where(rest <= span, rest, 2 * span - rest) + low
    return position.clamp(0, size - 1)


def _cubic_taps(position: Tensor) -> Taps:
    """Return the four neighbours of positions and their weights (Keys, 1981, a = -0.75)."""
    a = -0.75
    first = position.floor()
    t = position - first

    def far(x: Tensor) -> Tensor:
        return ((x - 5) * x + 8) * x * a - 4 * a

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    return [(first - 1, far(t + 1)), (first, near(t)), (first + 1, near(1 - t)),
            (first + 2, far(2 - t))]  # fmt: skip


def _taps(coordinate: Tensor, size: int, mode: str, padding_mode: str, align: bool) -> Taps:
    """Return along one dimension the neighbours of places, and their weights (None: 1)."""
    position = _unnormalised(coordinate, size, align)
    if mode == "bicubic":
        return [
            (_held(place, size, padding_mode, align), weight)
            for place, weight in _cubic_taps(position)
        ]
    position = _held(position, size, padding_mode, align)
    if mode == "nearest":
        return [(position.round(), None)]
    first = position.floor()
    share = position - first
    return [(first, 1 - share), (first + 1, share)]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return `input` at the places that `grid` names.

    Shapes: (n, c, h, w) and (n, h', w', 2) give (n, c, h', w'); (n, c, d, h, w) and
    (n, d', h', w', 3) give (n, c, d', h', w'). The last dimension of `grid` holds (x, y) or
    (x, y, z), x along the width, from -1 to 1 over the image. Dtypes: both the same.

    Args:
        mode: "bilinear" (over volumes: trilinear), "nearest", or for images "bicubic".
        padding_mode: what is outside: "zeros", "border" (the nearest element), "reflection".
        align_corners: whether -1 and 1 are the centres of the outermost elements, or their outer
            edges (unless given).

    Gradient: to the elements sampled, by their weights, and to `grid` by their differences.

    Raises:
        RuntimeError: sizes that do not go together, dtypes that differ.
        ValueError: an unknown mode.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> torch.nn.functional.grid_sample(x, torch.zeros(1, 1, 1, 2), align_corners=False)
        tensor([[[[2.5000]]]])
    """
    _check(input, grid, mode, padding_mode)
    n, channels, *sizes = input._array.shape
    out = grid._array.shape[1:-1]
    # the coordinates come in the order of x, y, z, the dimensions in the other
    taps = [
        _taps(grid.select(-1, place), size, mode, padding_mode, bool(align_corners))
        for place, size in enumerate(reversed(sizes))
    ][::-1]
    result = None
    for corner in itertools.product(*taps):
        flat = inside = weight = None
        for (place, share), size in zip(corner, sizes):
            # compared before the cast, for which places may be too far away
            here = (place >= 0).logical_and(place <= size - 1)
            inside = here if inside is None else inside.logical_and(here)
            number = where(here, place, 0).long()
            flat = number if flat is None else flat * size + number
            if share is not None:
                weight = share if weight is None else weight * share
        assert flat is not None and inside is not None
        places = flat.unsqueeze(1).expand(n, channels, *out)
        value = where(inside.unsqueeze(1), bind(TAKE_PLACES, input, places), 0)
        value = value if weight is None else value * weight.unsqueeze(1)
        result = value if result is None else result + value
    assert result is not None
    return result


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the grid for `grid_sample` that shows images under affine maps.

    Shapes: `theta` (n, 2, 3) and `size` (n, c, h, w) give (n, h, w, 2); (n, 3, 4) and
    (n, c, d, h, w) give (n, d, h, w, 3).

    Args:
        theta: the maps from places (x, y, 1) of the result to places of the image.
        size: the shape of the result of `grid_sample`.
        align_corners: as for `grid_sample`.

    Gradient: linear in `theta`.

    Raises:
        ValueError: a `theta` of integers or of another shape, a size of 0.
        NotImplementedError: sizes that are not 4 or 5.

    Example:
        >>> import jitgrad as torch
        >>> same = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> torch.nn.functional.affine_grid(same, (1, 1, 1, 2), align_corners=False)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])
    """
    check_tensor("affine_grid", "theta", theta)
    shape = theta._array.shape
    if theta._array.dtype.kind != "f":
        raise ValueError(
            describe("affine_grid", f"theta of {theta.dtype}", "Expected theta to have floating "
                     "point type", "convert it with .float()")
        )  # fmt: skip
    if len(size) not in (4, 5):
        raise NotImplementedError(
            describe(
                "affine_grid",
                f"size {tuple(size)}",
                "it only supports 4D and 5D sizes, for 2D and 3D affine transforms",
            )
        )
    sizes, ndim = tuple(size)[2:], len(size) - 2
    if len(shape) != 3 or shape[1:] != (ndim, ndim + 1) or shape[0] != size[0] or min(size) < 1:
        raise ValueError(
            describe(
                "affine_grid",
                f"theta of shape {list(shape)} and size {tuple(size)}",
                f"Expected a batch of affine matrices of shape Nx{ndim}x{ndim + 1} and a "
                "non-zero, positive size",
            )
        )
    grid = theta.select(2, ndim).reshape(shape[0], *[1] * ndim, ndim)
    for place, count in enumerate(reversed(sizes)):
        reach = (1.0 if align_corners else (count - 1) / count) if count > 1 else 0.0
        line = linspace(-reach, reach, count, dtype=theta.dtype)
        line = line.reshape(count, *[1] * (place + 1))
        grid = grid + line * theta.select(2, place).reshape(shape[0], *[1] * ndim, ndim)
    return grid
