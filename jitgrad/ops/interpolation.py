"""Images in another size: interpolate and its older names."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.modes import fixed_number
from jitgrad.ops.averages import adaptive_average
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.resampling import Rule, resampled

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__: list[str] = []

_DIMENSIONS = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
"""The modes, and over how many spatial dimensions each goes."""

_LINEAR = ("linear", "bilinear", "bicubic", "trilinear")


def _check_mode(shape: tuple, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _DIMENSIONS or len(shape) - 2 not in (1, 2, 3):
        raise NotImplementedError(
            describe(
                "interpolate",
                f"mode={mode!r} and an input of {len(shape)} dimensions",
                "it takes 3D, 4D and 5D tensors (n, c, *sizes) and the modes "
                + " | ".join(_DIMENSIONS),
            )
        )
    if len(shape) - 2 not in _DIMENSIONS[mode]:
        needed = _DIMENSIONS[mode][0] + 2
        raise NotImplementedError(
            describe(
                "interpolate",
                f"a {len(shape)}D input",
                f"{mode} mode needs {needed}D input",
                "take linear for 3D, bilinear or bicubic for 4D, trilinear for 5D",
            )
        )
    if align_corners is not None and mode not in _LINEAR:
        raise ValueError(
            describe(
                "interpolate",
                f"align_corners={align_corners} and mode={mode!r}",
                "align_corners option can only be set with the interpolating modes "
                + " | ".join(_LINEAR),
            )
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            describe(
                "interpolate",
                f"antialias=True and mode={mode!r}",
                "Anti-alias option is restricted to bilinear and bicubic modes",
            )
        )


def _several(name: str, value: Any, sizes: tuple) -> tuple:
    """Return one entry of an argument for each spatial dimension."""
    if not isinstance(value, (tuple, list)):
        return (value,) * len(sizes)
    if len(value) != len(sizes):
        raise ValueError(
            describe(
                "interpolate",
                f"input with spatial dimensions of {list(sizes)} and {name} of {tuple(value)}",
                f"Input and {name} must have the same number of spatial dimensions",
            )
        )
    return tuple(value)


def _targets(
    sizes: tuple, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return the new sizes, and the factors where these, not the sizes, say how far to step."""
    if (size is None) == (scale_factor is None):
        what = "either size or" if size is None else "only one of size or"
        raise ValueError(
            describe(
                "interpolate",
                f"size={size} and scale_factor={scale_factor}",
                f"{what} scale_factor should be defined",
            )
        )
    if size is not None:
        if recompute:
            raise ValueError(
                describe(
                    "interpolate",
                    "recompute_scale_factor=True and a size",
                    "recompute_scale_factor is not meaningful with an explicit size",
                )
            )
        return tuple(map(int, _several("size", size, sizes))), (None,) * len(sizes)
    given = map(fixed_number, _several("scale_factor", scale_factor, sizes))
    factors = tuple(map(float, given))
    new = tuple(math.floor(old * factor) for old, factor in zip(sizes, factors))
    return new, (None,) * len(sizes) if recompute else factors


def _rule(
    mode: str, old: int, new: int, factor: float | None, align_corners: bool, antialias: bool
) -> Rule:
    scale = old / new if not factor else 1 / factor
    if mode == "nearest":
        return ("nearest", scale, 0.0)
    if mode == "nearest-exact":
        return ("nearest", scale, 0.5)
    if align_corners:
        scale = (old - 1) / (new - 1) if new > 1 else 0.0
    if antialias:
        return ("smoothed", scale, mode == "bicubic")
    return ("cubic" if mode == "bicubic" else "linear", align_corners, scale)


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return `input` (n, c, *sizes) with other sizes.

    Args:
        size: the new sizes; or else
        scale_factor: what the sizes are multiplied with.
        mode: "nearest", "nearest-exact", "area" (averages) for one to three spatial dimensions;
            "linear", "bilinear", "bicubic", "trilinear".
        align_corners: whether the centres of the outermost elements stay where they are, or the
            outer edges.
        recompute_scale_factor: step by old size / new size, not by 1 / scale_factor.
        antialias: stretch the kernel where the size shrinks (bilinear and bicubic).

    Gradient: to the elements that a new one is made of, by their weights.

    Raises:
        ValueError: neither `size` nor `scale_factor`, or both, or options that do not go together.
        NotImplementedError: a mode that is unknown or for another number of dimensions; integers.
        RuntimeError: a size of 0.

    Source of the cubic kernel: Keys, Cubic convolution interpolation (1981), with a = -0.75, and
    -0.5 with `antialias`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[[0.0, 2.0]]])
        >>> torch.nn.functional.interpolate(x, size=4, mode="linear", align_corners=False)
        tensor([[[0.0000, 0.5000, 1.5000, 2.0000]]])
    """
    check_tensor("interpolate", "input", input)
    shape = input._array.shape
    _check_mode(shape, mode, align_corners, antialias)
    old = shape[2:]
    new, factors = _targets(old, size, scale_factor, recompute_scale_factor)
    refuse_integers("interpolate", (input,), input._array.dtype)
    if min((*old, *new)) < 1:
        raise RuntimeError(
            describe(
                "interpolate",
                f"input of size {list(old)} and output of size {list(new)}",
                "Input and output sizes should be greater than 0",
            )
        )
    if mode == "area":
        return adaptive_average(input, new)
    return resampled(
        input,
        [
            (_rule(mode, *each, bool(align_corners), antialias), each[1])
            for each in zip(old, new, factors)
        ],
    )


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Return `input` with other sizes: the older name of `interpolate`."""
    _warn_of("upsample", "nn.functional.interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Return `input` with other sizes, by the nearest elements: an older name of `interpolate`."""
    _warn_of("upsample_nearest", "nn.functional.interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Return images with other sizes, corners aligned: an older name of `interpolate`."""
    _warn_of("upsample_bilinear", "nn.functional.interpolate")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_of(old: str, new: str) -> None:
    warnings.warn(f"`nn.functional.{old}` is deprecated. Use `{new}` instead.", stacklevel=3)
