"""Strided windows of arrays: where a view lies in its base; arrays that do without views."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jitgrad.errors import describe


def address(array: np.ndarray) -> int:
    """Return where in memory the first element lies."""
    return array.__array_interface__["data"][0]


class Window(NamedTuple):
    """A part of a tensor whose elements lie in row-major order, strides and offset in elements.

    It begins `number`, an integer or a number of run time, times `distance` behind `offset`.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    number: Any
    distance: int


def geometry(view: Any, base: Any) -> dict[str, Any]:
    """Return size, stride and offset of `view` in `base`, and the stride of `base`, in elements."""
    itemsize = base._array.itemsize
    start = address(view._array) - address(base._array)
    return {
        "size": view._array.shape,
        "stride": tuple(step // itemsize for step in view._array.strides),
        "offset": start // itemsize,
        "base_stride": tuple(step // itemsize for step in base._array.strides),
    }


def kept_order(array: np.ndarray) -> Any:
    """Return the order in which NumPy copies `array` as PyTorch does: that of the strides.

    Where elements lie on each other, strides say nothing, and the copy is in row-major order.
    """
    strides = array.strides
    return (
        "C" if 0 in strides and any(n > 1 and not s for n, s in zip(array.shape, strides)) else "K"
    )


def rows_apart(made: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return `made` in row-major order, as a copy where it may show elements of `given`."""
    apart = not np.may_share_memory(made, given)
    return np.ascontiguousarray(made) if apart else made.copy(order="C")


def strided(array: np.ndarray, size: tuple, stride: tuple, offset: int) -> np.ndarray:
    """Return a view on the memory of `array`, strides and offset in elements."""
    itemsize = array.itemsize
    span = 1 + sum((n - 1) * s // itemsize for n, s in zip(array.shape, array.strides))
    if array.size == 0 or 0 in size:
        return np.empty(size, array.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride))
    if offset < 0 or last >= span:
        raise RuntimeError(
            describe(
                "as_strided",
                f"size {tuple(size)}, stride {tuple(stride)} and storage_offset {offset}",
                f"they reach outside the {span} elements of the tensor",
            )
        )
    flat = np.lib.stride_tricks.as_strided(array, (span,), (itemsize,))
    return np.lib.stride_tricks.as_strided(
        flat[offset:], size, tuple(step * itemsize for step in stride)
    )


def _places(shape: tuple, base_stride: tuple, size: tuple, stride: tuple, offset: int) -> Any:
    """Return for each element of a view the number (in row-major order) of its base's element."""
    span = 1 + sum((n - 1) * s for n, s in zip(shape, base_stride))
    number_at = np.full(max(span, 0), -1)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    strided(number_at, shape, base_stride, 0)[...] = numbers
    return strided(number_at, size, stride, offset)


def _with_spare(array: np.ndarray) -> np.ndarray:
    """Return the elements in row-major order and a zero: place -1, for what the base leaves out."""
    flat = np.zeros(array.size + 1, array.dtype)
    flat[:-1] = array.reshape(-1)
    return flat


def _in_row_major_order(array: np.ndarray, geometry: dict[str, Any]) -> dict[str, Any] | None:
    """Return where the elements are in a copy of `array`, if its base lies in row-major order.

    To find them there takes a tenth of the time.
    """
    step, wanted = 1, []
    for size in reversed(array.shape):
        wanted.append(step)
        step *= size
    where = dict(geometry)
    return where if where.pop("base_stride") == tuple(reversed(wanted)) else None


def scatter_strided(array: np.ndarray, source: np.ndarray, **geometry: Any) -> np.ndarray:
    """Return a copy of `array` whose elements at these places are those of `source`."""
    where = _in_row_major_order(array, geometry)
    if where is not None:
        copy = array.copy()
        strided(copy, **where)[...] = source
        return copy
    result = _with_spare(array)
    result[_places(array.shape, **geometry)] = source
    return result[:-1].reshape(array.shape)


def gather_strided(array: np.ndarray, **geometry: Any) -> np.ndarray:
    """Return a copy of the elements of `array` at these places."""
    where = _in_row_major_order(array, geometry)
    if where is not None:
        return strided(np.ascontiguousarray(array), **where).copy()
    return _with_spare(array)[_places(array.shape, **geometry)]


def gather_strided_back(cotangent: np.ndarray, shape: Any, **geometry: Any) -> np.ndarray:
    """Return the sums of what `gather_strided` sent from each place of an array of `shape`."""
    result = np.zeros(int(np.prod(shape)) + 1, cotangent.dtype)
    places = _places(shape, **geometry)
    np.add.at(result, places.reshape(-1), cotangent.reshape(-1))
    return result[:-1].reshape(shape)
