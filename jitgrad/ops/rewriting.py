"""Parts of a tensor that are written in place, as the histories of traces hold them.

A write to a part of a tensor makes a new history of the whole: that of a copy in which the part is
another. Where the part lies may hang on a number of run time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.dispatch import bind, bind_zeros
from jitgrad.primitive import Kind, Primitive
from jitgrad.strides import Window, strided


def window_of(
    number: Any, *, distance: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> Window:
    """Return the part that begins `number` times `distance` elements behind `offset`."""
    return Window(size, stride, offset, number, distance)


def _shown(array: np.ndarray, number: float, where: dict[str, Any]) -> np.ndarray:
    """Return a view of a part of an array that lies in row-major order."""
    size, stride, offset, number, distance = window_of(number, **where)
    return strided(array, size, stride, offset + int(number) * distance)


def _overlaid(array: np.ndarray, part: np.ndarray, number: float, **where: Any) -> np.ndarray:
    result = array.copy()
    _shown(result, number, where)[...] = part
    return result


def _alone(part: np.ndarray, number: float, *, shape: tuple[int, ...], **where: Any) -> np.ndarray:
    result = np.zeros(shape, part.dtype)
    _shown(result, number, where)[...] = part
    return result


PART = Primitive(
    "part",
    Kind.INDEX,
    lambda array, number, **where: _shown(np.ascontiguousarray(array), number, where).copy(),
    (
        lambda g, _out, x_spec, number, **where: bind(
            PART_BACKWARD, g, number, shape=x_spec.shape, **where
        ),
        None,
    ),
    takes=lambda _x, number, **where: window_of(number, **where),
    shows=False,
)
"""A copy of a part, none of whose elements comes twice; see `window_of`."""

PART_BACKWARD = Primitive(
    "part_backward",
    Kind.INDEX,
    _alone,
    (lambda g, _out, _x, number, *, shape, **where: bind(PART, g, number, **where), None),
    places=lambda _out, _g, number, *, shape, **where: (0, [window_of(number, **where)]),
)

PART_SCATTER = Primitive(
    "part_scatter",
    Kind.INDEX,
    _overlaid,
    (
        lambda g, _out, _x, part_spec, number, **where: bind(
            PART_SCATTER, g, bind_zeros(part_spec), number, **where
        ),
        lambda g, _out, _x, _part, number, **where: bind(PART, g, number, **where),
        None,
    ),
    places=lambda _out, _x, _part, number, **where: (None, [(), window_of(number, **where)]),
)
"""A copy in which a part is another one; see `window_of`."""
