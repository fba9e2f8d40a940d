"""Views of memory under strides of one's own: windows, as_strided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jitgrad.dispatch import AS_STRIDED, bind, node_of, wrap
from jitgrad.errors import describe
from jitgrad.ops.views import restrided, whole_numbers
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = ["as_strided"]


def _windows(array: np.ndarray, *, dim: int, size: int, step: int) -> np.ndarray:
    shape, strides = list(array.shape), list(array.strides)
    if not shape:
        return restrided(array, (size,), (array.itemsize,))
    shape.append(size)
    strides.append(strides[dim])
    shape[dim] = (shape[dim] - size) // step + 1
    strides[dim] *= step
    return restrided(array, shape, strides)


def _from_windows(array: np.ndarray, *, shape: tuple, dim: int, size: int, step: int) -> np.ndarray:
    result = np.zeros(shape, array.dtype)
    if not shape:
        return np.asarray(array.sum(), array.dtype)
    lines = np.moveaxis(result, dim, -1)
    parts = np.moveaxis(array, dim, -2)
    stop = (parts.shape[-2] - 1) * step + 1
    for place in range(size):
        lines[..., place : place + stop : step] += parts[..., place]
    return result


UNFOLD = Primitive(
    "unfold",
    Kind.VIEW,
    _windows,
    (lambda g, _out, x_spec, **params: bind(FOLD, g, shape=x_spec.shape, **params),),
)


FOLD = Primitive(
    "unfold_backward",
    Kind.INDEX,
    _from_windows,
    (lambda g, _out, _x, *, shape, **params: bind(UNFOLD, g, **params),),
)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return a view of all windows of `size` positions of a dimension, `step` apart.

    The windows' own dimension comes last.

    Gradient: summed over the windows that show an element.

    Raises:
        RuntimeError: a window is larger than the dimension, or `step` is not positive.

    Example:
        >>> import jitgrad as torch
        >>> torch.arange(4).unfold(0, 2, 1)
        tensor([[0, 1],
                [1, 2],
                [2, 3]])
    """
    shape = input._array.shape
    at = wrap_dim("unfold", dimension, len(shape))
    most = shape[at] if shape else 1
    if not 0 <= size <= most:
        raise RuntimeError(
            describe(
                "unfold",
                f"size {size} for dimension {at}",
                f"maximum size for tensor at dimension {at} is {most} but size is {size}",
            )
        )
    if step < 1:
        raise RuntimeError(describe("unfold", f"step {step}", f"step is {step} but must be > 0"))
    return bind(UNFOLD, input, dim=at, size=size, step=step)


def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Return a view of the memory with the given size and strides, in elements.

    Gradient: summed over the places that show an element.

    Raises:
        RuntimeError: the view would reach outside the tensor (for a tensor without history:
            outside its memory), or a negative size or stride.

    Example:
        >>> import jitgrad as torch
        >>> torch.arange(4).as_strided((2, 2), (1, 2))
        tensor([[0, 2],
                [1, 3]])
    """
    sizes = whole_numbers("as_strided", (tuple(size),))
    steps = whole_numbers("as_strided", (tuple(stride),), "stride")
    if len(sizes) != len(steps):
        raise RuntimeError(
            describe(
                "as_strided",
                f"size {sizes} and stride {steps}",
                "mismatch in length of strides and shape",
            )
        )
    if min((*sizes, *steps), default=0) < 0:
        raise RuntimeError(
            describe(
                "as_strided",
                f"size {sizes} and stride {steps}",
                "as_strided: Negative sizes and strides are not supported",
            )
        )
    memory = input._storage.array
    start = input.storage_offset()
    offset = start if storage_offset is None else storage_offset
    reach = offset + sum((n - 1) * step for n, step in zip(sizes, steps)) + 1
    if 0 not in sizes and (offset < 0 or reach > memory.size):
        raise RuntimeError(
            describe(
                "as_strided",
                f"size {sizes}, stride {steps} and storage_offset {offset}",
                f"setStorage: they are out of bounds for storage of {memory.size} elements",
            )
        )
    if node_of(input) is None:
        input, start = wrap(memory, input._storage), 0
    offset -= start
    array = input._array
    return bind(
        AS_STRIDED,
        input,
        size=sizes,
        stride=steps,
        offset=offset,
        base_stride=tuple(step // array.itemsize for step in array.strides),
    )


class WindowMethods:
    """The operations of this file as methods of `Tensor`."""

    unfold = unfold
    as_strided = as_strided
