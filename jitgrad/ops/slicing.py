"""Parts of a tensor by positions that are known: select, narrow, slices; all are views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim
from jitgrad.strides import strided

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["narrow", "select"]

Part = int | tuple[int, int, int]
"""What is taken of a dimension: one position, or (start, stop, step) with start <= stop."""


def _key(index: tuple[Part, ...]) -> tuple:
    # with the ellipsis NumPy returns a view where it would return a number
    return (*[slice(*each) if type(each) is tuple else each for each in index], ...)


def _sliced(array: np.ndarray, *, index: tuple[Part, ...]) -> np.ndarray:
    return array[_key(index)]


def _unsliced(cotangent: np.ndarray, *, index: tuple[Part, ...], shape: tuple) -> np.ndarray:
    result = np.zeros(shape, cotangent.dtype)
    result[_key(index)] = cotangent
    return result


SLICE = Primitive(
    "slice",
    Kind.VIEW,
    _sliced,
    (lambda g, _out, x_spec, *, index: bind(UNSLICE, g, index=index, shape=x_spec.shape),),
    selects=True,
)

UNSLICE = Primitive(
    "slice_backward",
    Kind.INDEX,
    _unsliced,
    (lambda g, _out, _x, *, index, shape: bind(SLICE, g, index=index),),
    places=lambda out, g, *, index, shape: (0, [index]),
)


def _whole(shape: tuple[int, ...], dim: int, index: Any) -> tuple:
    """Return what names the position `index` of dimension `dim`."""
    return (*[(0, size, 1) for size in shape[:dim]], index)


def _at(array: np.ndarray, index: float, *, dim: int) -> np.ndarray:
    return array[_key(_whole(array.shape, dim, int(index)))]


def _put_at(cotangent: np.ndarray, index: float, *, dim: int, shape: tuple) -> np.ndarray:
    return _unsliced(cotangent, index=_whole(shape, dim, int(index)), shape=shape)


SELECT = Primitive(
    "select",
    Kind.INDEX,
    _at,
    (
        lambda g, _out, x_spec, index, *, dim: bind(
            UNSELECT, g, index, dim=dim, shape=x_spec.shape
        ),
        None,
    ),
    takes=lambda x, index, *, dim: _whole(x.shape, dim, index),
)
"""What is at a position, counted from the front, that is a number of run time."""

UNSELECT = Primitive(
    "select_backward",
    Kind.INDEX,
    _put_at,
    (lambda g, _out, _x, index, *, dim, shape: bind(SELECT, g, index, dim=dim), None),
    places=lambda out, _g, index, *, dim, shape: (0, [_whole(shape, dim, index)]),
)


PLACED = Primitive(
    "placed",
    Kind.VIEW,
    lambda array, number, *, distance, size, stride, offset: strided(
        array, size, stride, offset + int(number) * distance
    ),
)
"""A view that begins some elements, and a number of run time times a distance, behind the first:
what traces write to."""


def position(dim: int, size: int, index: int) -> int:
    """Return `index` counted from the front; IndexError if a dimension of `size` has none such."""
    if not -size <= index < size:
        raise IndexError(
            f"index {index} is out of bounds for dimension {dim} with size {size}; "
            f"use one in [{-size}, {size - 1}]"
            if size
            else f"index {index} is out of bounds for dimension {dim} with size 0"
        )
    return index + size if index < 0 else index


def sliced(input: Tensor, dim: int, part: Part) -> Tensor:
    """Return `part` of dimension `dim`, which is counted from the front."""
    whole = [(0, size, 1) for size in input._array.shape[:dim]]
    return bind(SLICE, input, index=(*whole, part))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return a view of what is at `index` of dimension `dim`, without that dimension.

    Gradient: to the selected elements.

    Raises:
        IndexError: `dim` or `index` is out of range.

    Example:
        >>> import jitgrad as torch
        >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, 0)
        tensor([1, 3])
    """
    shape = input._array.shape
    if not shape:
        raise IndexError(
            describe("select", "a tensor of 0 dimensions", "select() cannot be applied to it")
        )
    at = wrap_dim("select", dim, len(shape))
    if not -shape[at] <= index < shape[at]:
        raise IndexError(
            describe(
                "select",
                f"index {index} for a tensor of size {list(shape)}",
                f"index {index} out of range for dimension {at}",
            )
        )
    return sliced(input, at, position(at, shape[at], int(index)))


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """Return a view of `length` positions of dimension `dim`, from `start` on.

    Gradient: to the elements in the view.

    Raises:
        IndexError: `dim` or `start` is out of range.
        RuntimeError: there are not so many positions, or `length` is negative.

    Example:
        >>> import jitgrad as torch
        >>> torch.narrow(torch.tensor([1, 2, 3, 4]), 0, 1, 2)
        tensor([2, 3])
    """
    shape = input._array.shape
    if not shape:
        raise RuntimeError(
            describe("narrow", "a tensor of 0 dimensions", "narrow() cannot be applied to it")
        )
    if length < 0:
        raise RuntimeError(
            describe("narrow", f"length {length}", "narrow(): length must be non-negative")
        )
    at = wrap_dim("narrow", dim, len(shape))
    first = int(start) if isinstance(start, TensorCore) else start
    size = shape[at]
    if not -size <= first <= size:
        raise IndexError(
            describe(
                "narrow",
                f"start {first} for dimension {at} of size {size}",
                f"start out of range (expected to be in range of [{-size}, {size}])",
            )
        )
    if first < 0:
        first += size
    if first + length > size:
        raise RuntimeError(
            describe(
                "narrow",
                f"start ({first}) and length ({length})",
                f"start ({first}) + length ({length}) exceeds dimension size ({size})",
            )
        )
    return sliced(input, at, (first, first + length, 1))


class SliceMethods:
    """The operations of this file as methods of `Tensor`."""

    select = select
    narrow = narrow
