"""Elements chosen by a tensor of truth: masked_fill, masked_select, masked_scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.positions import INDEX, NONZERO
from jitgrad.ops.shape import broadcast_tensors
from jitgrad.ops.slicing import SLICE
from jitgrad.ops.write import as_written
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["masked_fill", "masked_scatter", "masked_select"]


def _filled(array: np.ndarray, mask: np.ndarray, value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        value = value.astype(array.dtype, copy=False)
    else:
        value = array.dtype.type(as_written(array, value))
    return np.where(mask, value, array)


MASKED_FILL = Primitive(
    "masked_fill",
    Kind.ELEMENTWISE,
    _filled,
    (
        lambda g, _out, _x, mask, _value: bind(MASKED_FILL, g, mask, 0),
        None,
        lambda g, _out, _x, mask, _value: bind(MASKED_FILL, g, mask.logical_not(), 0),
    ),
    scalar="where({1}, {2}, {0})",
)


def _check_mask(operation: str, mask: Tensor) -> None:
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            describe(
                operation,
                f"a mask of {mask.dtype}",
                f"{operation}_ only supports boolean masks",
                "compare it with something, or convert it with .bool()",
            )
        )


def _check_value(input: Tensor, value: Any) -> None:
    if not isinstance(value, TensorCore):
        return
    if value._array.ndim:
        raise RuntimeError(
            describe(
                "masked_fill",
                f"a value tensor of {value._array.ndim} dimensions",
                "masked_fill_ only supports a 0-dimensional value tensor",
                "use where()",
            )
        )


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return `input` with `value` where `mask` is True; the two broadcast.

    Gradient: to `input` where `mask` is False, and summed over the rest to a tensor `value`.

    Raises:
        RuntimeError: `mask` is not of dtype bool, shapes do not broadcast.

    Example:
        >>> import jitgrad as torch
        >>> torch.masked_fill(torch.tensor([1, 2]), torch.tensor([True, False]), 0)
        tensor([0, 2])
    """
    _check_mask("masked_fill", mask)
    _check_value(input, value)
    return bind(MASKED_FILL, input, mask, value)


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Compute `masked_fill` in place."""
    _check_mask("masked_fill", mask)
    _check_value(input, value)
    return bind_inplace(MASKED_FILL, input, mask, value)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements of `input` where `mask` is True, in one dimension; the two broadcast.

    Gradient: to the selected elements.

    Raises:
        RuntimeError: `mask` is not of dtype bool, shapes do not broadcast.

    Example:
        >>> import jitgrad as torch
        >>> torch.masked_select(torch.tensor([1, 2, 3]), torch.tensor([True, False, True]))
        tensor([1, 3])
    """
    _check_mask("masked_select", mask)
    input, mask = broadcast_tensors(input, mask)
    if not mask._array.ndim:
        input, mask = input.reshape(1), mask.reshape(1)
    found = bind(NONZERO, mask)
    rows = (0, found._array.shape[0], 1)
    dims = tuple(range(mask._array.ndim))
    places = [bind(SLICE, found, index=(rows, dim)) for dim in dims]
    return bind(INDEX, input, *places, dims=dims, signed=True)


def _scattered(array: np.ndarray, mask: np.ndarray, source: np.ndarray) -> np.ndarray:
    result = np.array(np.broadcast_to(array, np.broadcast_shapes(array.shape, mask.shape)))
    chosen = np.broadcast_to(mask, result.shape)
    count = np.count_nonzero(chosen)
    if source.size < count:
        raise RuntimeError(
            describe(
                "masked_scatter",
                f"a source of {source.size} elements for {count} places",
                "Number of elements of source < number of ones in mask",
            )
        )
    result[chosen] = source.reshape(-1)[:count]
    return result


def _gathered(cotangent: np.ndarray, mask: np.ndarray, *, shape: tuple) -> np.ndarray:
    result = np.zeros(shape, cotangent.dtype)
    found = cotangent[np.broadcast_to(mask, cotangent.shape)]
    result.reshape(-1)[: found.size] = found
    return result


def _scatter_back(g: Tensor, _out: None, x_spec: Any, mask: Tensor, _source: Any) -> Tensor:
    return bind(MASKED_FILL, g, mask, 0).sum_to_size(x_spec.shape)


MASKED_SCATTER = Primitive(
    "masked_scatter",
    Kind.INDEX,
    _scattered,
    (
        _scatter_back,
        None,
        lambda g, _out, _x, mask, source_spec: bind(
            MASKED_GATHER, g, mask, shape=source_spec.shape
        ),
    ),
    raises_on_data=True,
)

MASKED_GATHER = Primitive(
    "masked_scatter_backward",
    Kind.INDEX,
    _gathered,
    (
        lambda g, _out, x_spec, mask, *, shape: bind(
            MASKED_SCATTER, g.new_zeros(x_spec.shape), mask, g
        ),
        None,
    ),
)


def _check_source(input: Tensor, source: Tensor) -> None:
    if input._array.dtype != source._array.dtype:
        raise RuntimeError(
            describe(
                "masked_scatter",
                f"a tensor of {input.dtype} and a source of {source.dtype}",
                "masked_scatter: expected self and source to have same dtypes",
            )
        )


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return `input` with the elements of `source`, in their order, where `mask` is True.

    Gradient: to `input` where `mask` is False, and to what was taken of `source`.

    Raises:
        RuntimeError: `mask` is not of dtype bool, dtypes differ, `source` has too few elements.

    Example:
        >>> import jitgrad as torch
        >>> mask = torch.tensor([True, False, True])
        >>> torch.masked_scatter(torch.tensor([1, 2, 3]), mask, torch.tensor([10, 20]))
        tensor([10,  2, 20])
    """
    _check_mask("masked_scatter", mask)
    _check_source(input, source)
    return bind(MASKED_SCATTER, input, mask, source)


def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Compute `masked_scatter` in place."""
    _check_mask("masked_scatter", mask)
    _check_source(input, source)
    return bind_inplace(MASKED_SCATTER, input, mask, source)


class MaskMethods:
    """The operations of this file as methods of `Tensor`."""

    masked_fill = masked_fill
    masked_fill_ = masked_fill_
    masked_select = masked_select
    masked_scatter = masked_scatter
    masked_scatter_ = masked_scatter_
