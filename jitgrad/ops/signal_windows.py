"""Windows that let a piece of a signal begin and end softly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.ops.bessel import i0
from jitgrad.ops.create import ones
from jitgrad.ops.ranges import arange

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(
    name: str, window_length: int, periodic: bool, shape: Callable[[Tensor], Tensor], named: dict
) -> Tensor:
    """Return a window; `shape` maps places from 0 to 1 to heights.

    Args:
        periodic: without the last point, which the next window begins with.
        named: as tensors are made with: dtype, device, requires_grad.
    """
    target = named.pop("dtype", None) or dtypes.get_default_dtype()
    named.pop("layout", None)
    if window_length < 0:
        rule = f"{name} requires non-negative window_length"
        raise RuntimeError(describe(name, f"window_length={window_length}", rule))
    if target.numpy.kind != "f":
        rule = f"{name} expects floating point dtypes"
        raise RuntimeError(describe(name, f"dtype {target.name}", rule))
    requires_grad = named.pop("requires_grad", False)
    if window_length < 2:
        made = ones(window_length, dtype=target, **named)
    else:
        last = window_length if periodic else window_length - 1
        places = arange(window_length, dtype=dtypes.float64, **named) / last
        made = shape(places).to(target)
    return made.requires_grad_() if requires_grad else made


def hann_window(window_length: int, periodic: bool = True, **named: Any) -> Tensor:
    """Return the window of Hann, sin^2(pi n / N), with `window_length` points.

    Args:
        periodic: N is `window_length`, for spectra; otherwise one less, which is symmetric.
        named: dtype, device, requires_grad.

    Raises:
        RuntimeError: a negative length, or a dtype that is not floating-point.

    Example:
        >>> import jitgrad as torch
        >>> torch.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window(
        "hann_window",
        window_length,
        periodic,
        lambda x: 0.5 - (x * (2 * math.pi)).cos() * 0.5,
        named,
    )


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **named: Any,
) -> Tensor:
    """Return the window of Hamming, alpha - beta cos(2 pi n / N): see `hann_window`."""
    return _window(
        "hamming_window",
        window_length,
        periodic,
        lambda x: alpha - (x * (2 * math.pi)).cos() * beta,
        named,
    )


def blackman_window(window_length: int, periodic: bool = True, **named: Any) -> Tensor:
    """Return Blackman's window, 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    return _window(
        "blackman_window",
        window_length,
        periodic,
        lambda x: 0.42 - (x * (2 * math.pi)).cos() * 0.5 + (x * (4 * math.pi)).cos() * 0.08,
        named,
    )


def bartlett_window(window_length: int, periodic: bool = True, **named: Any) -> Tensor:
    """Return Bartlett's window, a triangle: see `hann_window`."""
    return _window(
        "bartlett_window", window_length, periodic, lambda x: 1 - (x * 2 - 1).abs(), named
    )


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **named: Any
) -> Tensor:
    """Return Kaiser's window, I_0(beta sqrt(1 - (2 n / N - 1)^2)) / I_0(beta)."""

    def shape(x: Tensor) -> Tensor:
        widths = (1 - (x * 2 - 1).square()).clamp(min=0).sqrt()
        return i0(widths * beta) / i0(x.new_tensor(beta))

    return _window("kaiser_window", window_length, periodic, shape, named)
