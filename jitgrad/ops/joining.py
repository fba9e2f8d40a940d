"""Several tensors made one: cat, stack, hstack, block_diag."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.convert import cast
from jitgrad.ops.create import zeros
from jitgrad.ops.shape import atleast_1d, atleast_2d, atleast_3d, tensors_of
from jitgrad.ops.slicing import sliced
from jitgrad.ops.views import reshape
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "block_diag",
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "row_stack",
    "stack",
    "vstack",
]


def _cat_back(g: Tensor, _out: None, *inputs_spec: Any, dim: int) -> tuple:
    parts, start = [], 0
    for spec in inputs_spec:
        stop = start + spec.shape[dim]
        parts.append(cast(sliced(g, dim, (start, stop, 1)), spec.dtype))
        start = stop
    return tuple(parts)


def _cat_places(out: Any, *inputs: Any, dim: int) -> tuple[None, list[tuple]]:
    before = [(0, size, 1) for size in out.shape[:dim]]
    stops = list(accumulate(each.shape[dim] for each in inputs))
    return None, [(*before, (start, stop, 1)) for start, stop in pairwise([0, *stops])]


def _stack_places(out: Any, *inputs: Any, dim: int) -> tuple[None, list[tuple]]:
    before = [(0, size, 1) for size in out.shape[:dim]]
    return None, [(*before, at) for at in range(len(inputs))]


def _stack_back(g: Tensor, _out: None, *inputs_spec: Any, dim: int) -> tuple:
    return tuple(cast(sliced(g, dim, i), spec.dtype) for i, spec in enumerate(inputs_spec))


CAT = Primitive(
    "cat",
    Kind.INDEX,
    lambda *arrays, dim: np.asarray(np.concatenate(arrays, dim), order="C"),
    _cat_back,
    places=_cat_places,
    result=Result.PROMOTE,
)


STACK = Primitive(
    "stack",
    Kind.INDEX,
    lambda *arrays, dim: np.asarray(np.stack(arrays, dim), order="C"),
    _stack_back,
    places=_stack_places,
    result=Result.PROMOTE,
)


def _several(operation: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, TensorCore) or not isinstance(tensors, Sequence):
        raise TypeError(
            f"{operation}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    for place, each in enumerate(tensors):
        if not isinstance(each, TensorCore):
            raise TypeError(
                f"expected Tensor as element {place} in argument 0, but got {type(each).__name__} "
                f"({operation})"
            )
    if not tensors:
        raise (ValueError if operation == "cat" else RuntimeError)(
            describe(
                operation, "no tensors", f"{operation}(): expected a non-empty list of Tensors"
            )
        )
    return list(tensors)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors joined along dimension `dim`. Also `concat` and `concatenate`.

    Shapes agree in all other dimensions; tensors of shape (0,) are left out. Dtypes are promoted.

    Gradient: to each tensor its part.

    Raises:
        RuntimeError: no tensors, one of no dimension, shapes that do not agree.
        IndexError: `dim` is out of range.

    Example:
        >>> import jitgrad as torch
        >>> torch.cat([torch.tensor([[1, 2]]), torch.tensor([[3, 4]])], dim=1)
        tensor([[1, 2, 3, 4]])
    """
    given = _several("cat", tensors)
    for place, each in enumerate(given):
        if not each._array.ndim:
            raise RuntimeError(
                describe(
                    "cat",
                    f"a tensor of no dimension (number {place})",
                    f"zero-dimensional tensor (at position {place}) cannot be concatenated",
                    "use stack()",
                )
            )
    kept = given
    if any(each._array.ndim != 1 for each in given):
        kept = [each for each in given if each._array.shape != (0,)]
    first = kept[0]._array.shape
    at = wrap_dim("cat", dim, len(first))
    for place, each in enumerate(kept):
        shape = each._array.shape
        if len(shape) != len(first):
            raise RuntimeError(
                describe(
                    "cat",
                    f"shapes {first} and {shape}",
                    f"Tensors must have same number of dimensions: got {len(first)} and "
                    f"{len(shape)}",
                )
            )
        for i, size in enumerate(shape):
            if i != at and size != first[i]:
                raise RuntimeError(
                    describe(
                        "cat",
                        f"shapes {first} and {shape}",
                        f"Sizes of tensors must match except in dimension {at}. Expected size "
                        f"{first[i]} but got size {size} for tensor number {place} in the list",
                    )
                )
    return bind(CAT, *kept, dim=at)


def concat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors joined along dimension `dim`, as `cat`."""
    return cat(tensors, dim)


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors joined along dimension `dim`, as `cat`."""
    return cat(tensors, dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dimension `dim`.

    Gradient: to each tensor its part.

    Raises:
        RuntimeError: no tensors, or shapes that differ.
        IndexError: `dim` is out of range.

    Example:
        >>> import jitgrad as torch
        >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], dim=1)
        tensor([[1, 3],
                [2, 4]])
    """
    given = _several("stack", tensors)
    first = given[0]._array.shape
    at = wrap_dim("stack", dim, len(first) + 1)
    for place, each in enumerate(given):
        if each._array.shape != first:
            raise RuntimeError(
                describe(
                    "stack",
                    f"shapes {list(first)} and {list(each._array.shape)}",
                    f"stack expects each tensor to be equal size, but got {list(first)} at entry "
                    f"0 and {list(each._array.shape)} at entry {place}",
                )
            )
    return bind(STACK, *given, dim=at)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dimension 1, vectors along dimension 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.hstack([torch.tensor([1, 2]), torch.tensor(3)])
        tensor([1, 2, 3])
    """
    grown = atleast_1d(_several("hstack", tensors))
    return cat(grown, 0 if grown[0]._array.ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dimension 0, vectors as rows. Also `row_stack`.

    Example:
        >>> import jitgrad as torch
        >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    return cat(atleast_2d(_several("vstack", tensors)))


def row_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dimension 0, as `vstack`."""
    return vstack(tensors)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dimension 2, (n,) seen as (1, n, 1).

    Example:
        >>> import jitgrad as torch
        >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
        tensor([[[1, 3],
                 [2, 4]]])
    """
    return cat(atleast_3d(_several("dstack", tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along dimension 1, vectors as columns.

    Example:
        >>> import jitgrad as torch
        >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
        tensor([[1, 3],
                [2, 4]])
    """
    given = _several("column_stack", tensors)
    return cat([each if each._array.ndim > 1 else reshape(each, (-1, 1)) for each in given], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """Return a matrix with the given matrices along its diagonal and zeros elsewhere.

    Example:
        >>> import jitgrad as torch
        >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor(3))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    blocks = atleast_2d(_several("block_diag", tensors_of(tensors)))
    for place, each in enumerate(blocks):
        if each._array.ndim > 2:
            raise RuntimeError(
                describe(
                    "block_diag",
                    f"a tensor of {each._array.ndim} dimensions (number {place})",
                    "Input tensors must have 2 or fewer dimensions",
                )
            )
    width = sum(each._array.shape[1] for each in blocks)
    rows, before = [], 0
    for each in blocks:
        height, own = each._array.shape
        left = zeros(height, before, dtype=each.dtype)
        right = zeros(height, width - before - own, dtype=each.dtype)
        rows.append(cat([left, each, right], 1))
        before += own
    return cat(rows)
