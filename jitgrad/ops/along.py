"""Elements at places found by an earlier operation: one index for each element of the result.

The places come from the library itself (argmax, argsort), so that, unlike `gather`, nothing is
checked and nothing can raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.ops.place_loops import Places, put_loops, take_loops
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def _take(array: np.ndarray, places: np.ndarray, *, dim: int) -> Any:
    if not array.ndim:
        return array.copy()
    return np.take_along_axis(array, places, dim)


def _put(array: np.ndarray, places: np.ndarray, *, dim: int, shape: tuple) -> np.ndarray:
    if not shape:
        return array.copy()
    result = np.zeros(shape, array.dtype)
    np.put_along_axis(result, places, array, dim)
    return result


TAKE_ALONG = Primitive(
    "take_along",
    Kind.INDEX,
    _take,
    (
        lambda g, _out, x_spec, places, *, dim: bind(
            PUT_ALONG, g, places, dim=dim, shape=x_spec.shape
        ),
        None,
    ),
    loops=lambda _out, array, places, *, dim: take_loops(
        Places(array, (dim,), (places,), 1, each=True)
    ),
)

PUT_ALONG = Primitive(
    "put_along",
    Kind.INDEX,
    _put,
    (
        lambda g, _out, _x, places, *, dim, shape: bind(TAKE_ALONG, g, places, dim=dim),
        None,
    ),
    loops=lambda out, array, places, *, dim, shape: put_loops(
        Places(out, (dim,), (places,), 1, each=True), array, 0, adds=False
    ),
)


def take_along(input: Tensor, places: Tensor, dim: int) -> Tensor:
    """Return the elements of `input` at `places` along `dim`; no place comes twice in a line."""
    return bind(TAKE_ALONG, input, places, dim=dim)
