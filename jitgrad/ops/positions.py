"""Elements at the positions that tensors hold, in any dimensions: what square brackets come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.place_loops import Places, put_loops, take_loops
from jitgrad.ops.slicing import SLICE
from jitgrad.ops.views import VIEW
from jitgrad.ops.write import as_written
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = ["argwhere", "nonzero"]


def check_positions(
    shape: tuple, places: Sequence[np.ndarray], dims: tuple[int, ...], signed: bool = True
) -> None:
    """Check that `places` are positions of `dims`, negative ones only if `signed`; IndexError."""
    for found, dim in zip(places, dims):
        if not found.size:
            continue
        size = shape[dim]
        least, most = found.min(), found.max()
        lowest = -size if signed else 0
        if least < lowest or most >= size:
            raise IndexError(
                describe(
                    "index",
                    f"a tensor of shape {tuple(shape)}",
                    f"index {most if most >= size else least} is out of bounds for dimension "
                    f"{dim} with size {size}",
                )
            )


def key_of(ndim: int, places: Sequence[np.ndarray], dims: tuple[int, ...]) -> tuple:
    key: list[Any] = [slice(None)] * ndim
    for found, dim in zip(places, dims):
        key[dim] = found
    return tuple(key)


def _indexed(array: np.ndarray, *places: np.ndarray, dims: tuple[int, ...], signed: bool) -> Any:
    if not signed:
        check_positions(array.shape, places, dims, signed)
    try:
        if len(places) == 1 and array.flags.c_contiguous:
            return array.take(places[0], axis=dims[0])
        return np.asarray(array[key_of(array.ndim, places, dims)], order="C")
    except IndexError:
        check_positions(array.shape, places, dims)
        raise


def add_at(result: np.ndarray, numbers: np.ndarray, values: Any) -> None:
    """Add `values` to the elements of the contiguous `result` with these `numbers`, in order."""
    flat = np.broadcast_to(values, numbers.shape).astype(result.dtype, copy=False)
    np.add.at(result.reshape(-1), numbers.reshape(-1), flat.reshape(-1))


def _numbers(shape: tuple, places: Sequence[np.ndarray], dims: tuple[int, ...]) -> np.ndarray:
    """Return the numbers, in row-major order, of the elements that an index names."""
    if len(places) == 1 and dims[0] == 0:
        width = 1
        for size in shape[1:]:
            width *= size
        rows = np.where(places[0] < 0, places[0] + shape[0], places[0])
        rows = rows[(..., *[None] * (len(shape) - 1))]
        return rows * width + np.arange(width).reshape(shape[1:])
    count = 1
    for size in shape:
        count *= size
    return np.arange(count).reshape(shape)[key_of(len(shape), places, dims)]


def _put(
    array: np.ndarray,
    values: Any,
    *places: np.ndarray,
    dims: tuple[int, ...],
    accumulate: bool,
    signed: bool,
) -> np.ndarray:
    check_positions(array.shape, places, dims, signed)
    result = np.array(array, order="C")
    if accumulate:
        add_at(result, np.asarray(_numbers(array.shape, places, dims)), values)
    else:
        if not isinstance(values, np.ndarray):
            values = as_written(array, values)
        result[key_of(array.ndim, places, dims)] = values
    return result


def _unindexed(
    cotangent: np.ndarray, *places: np.ndarray, shape: tuple, dims: tuple[int, ...], signed: bool
) -> np.ndarray:
    result = np.zeros(shape, cotangent.dtype)
    add_at(result, np.asarray(_numbers(shape, places, dims)), cotangent)
    return result


def _index_back(g: Tensor, _out: None, x_spec: Spec, *places: Tensor, **params: Any) -> tuple:
    back = bind(INDEX_BACK, g, *places, shape=x_spec.shape, **params)
    return (back, *[None] * len(places))


def _index_back_back(
    g: Tensor, _out: None, _x: Any, *places: Tensor, shape: tuple, **params: Any
) -> tuple:
    return (bind(INDEX, g, *places, **params), *[None] * len(places))


def _put_back(
    g: Tensor,
    _out: None,
    _x: Any,
    values_spec: Any,
    *places: Tensor,
    accumulate: bool,
    **params: Any,
) -> tuple:
    nothing = [None] * len(places)
    kept = g if accumulate else bind(INDEX_PUT, g, 0, *places, accumulate=False, **params)
    if not isinstance(values_spec, Spec):
        return (kept, None, *nothing)
    return (kept, bind(INDEX, g, *places, **params).sum_to_size(values_spec.shape), *nothing)


INDEX = Primitive(
    "index",
    Kind.INDEX,
    _indexed,
    _index_back,
    loops=lambda _out, array, *places, dims, signed: take_loops(
        Places(array, dims, places, 1, wraps=signed)
    ),
    raises_on_data=True,
)
# the places were checked on the way forward
INDEX_BACK = Primitive(
    "index_backward",
    Kind.INDEX,
    _unindexed,
    _index_back_back,
    loops=lambda out, cotangent, *places, shape, dims, signed: put_loops(
        Places(out, dims, places, 1, wraps=True), cotangent, 0, adds=True
    ),
)
INDEX_PUT = Primitive(
    "index_put",
    Kind.INDEX,
    _put,
    _put_back,
    loops=lambda out, _array, values, *places, dims, accumulate, signed: put_loops(
        Places(out, dims, places, 2, wraps=signed), values, 1, adds=accumulate, held=True
    ),
    raises_on_data=True,
)


NONZERO = Primitive(
    "nonzero",
    Kind.INDEX,
    lambda array: np.argwhere(array) if array.ndim else np.zeros((int(bool(array)), 0), np.int64),
    shape_depends_on_data=True,
)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the positions of the elements that are not zero, (n, ndim), in row-major order.

    With `as_tuple` one tensor of n positions for each dimension, as an index. Not differentiable.

    Example:
        >>> import jitgrad as torch
        >>> torch.nonzero(torch.tensor([[1, 0], [0, 2]]))
        tensor([[0, 0],
                [1, 1]])
    """
    if as_tuple and not input._array.ndim:
        input = bind(VIEW, input, size=(1,))
    found = bind(NONZERO, input)
    if not as_tuple:
        return found
    count = found._array.shape[0]
    return tuple(bind(SLICE, found, index=((0, count, 1), dim)) for dim in range(input._array.ndim))


def argwhere(input: Tensor) -> Tensor:
    """Return the positions of the elements that are not zero, (n, ndim), as `nonzero`."""
    return bind(NONZERO, input)


class PositionMethods:
    """The operations of this file as methods of `Tensor`."""

    nonzero = nonzero
    argwhere = argwhere
