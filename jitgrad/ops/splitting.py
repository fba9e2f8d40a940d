"""One tensor made several, each a view: split, chunk, unbind.

As in PyTorch, autograd does not follow changes in place of such views, but of those of
`tensor_split` and its kin.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import ONE_OF_SEVERAL, TensorCore
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.ops.slicing import sliced
from jitgrad.ops.views import whole_numbers
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = [
    "chunk",
    "dsplit",
    "hsplit",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unbind",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "vsplit",
]


def _at_cuts(input: Tensor, dim: int, cuts: Sequence[int]) -> tuple[Tensor, ...]:
    """Return the parts of dimension `dim` between positions that follow one another."""
    return tuple(sliced(input, dim, (a, b, 1)) for a, b in itertools.pairwise(cuts))


def _marked(views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if state.grad_enabled:
        for each in views:
            each._unfollowed = ONE_OF_SEVERAL
    return views


def _check_dimensions(operation: str, input: Tensor, least: int = 1) -> None:
    if input._array.ndim < least:
        raise RuntimeError(
            describe(
                operation,
                f"a tensor of {input._array.ndim} dimensions",
                f"{operation} expects at least a {least}-dimensional tensor",
            )
        )


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Return views of `tensor`: of equal size along `dim` (the last may be smaller), or of given.

    Raises:
        RuntimeError: a negative size, or sizes that do not sum to that of the dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.split(torch.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return _marked(unsafe_split(tensor, split_size_or_sections, dim))


def unsafe_split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Return `split`, with parts that may be changed in place."""
    _check_dimensions("split", tensor)
    at = wrap_dim("split", dim, tensor._array.ndim)
    size = tensor._array.shape[at]
    given = split_size_or_sections
    if isinstance(given, int):
        if given < 0 or (not given and size):
            raise RuntimeError(
                describe(
                    "split",
                    f"split_size {given} for dimension {dim} of size {size}",
                    "split expects split_size be non-negative, and 0 only for a dimension of "
                    "size 0",
                )
            )
        return _at_cuts(tensor, at, [*range(0, size, given or 1), size] if size else [0, 0])
    sizes = whole_numbers("split", (tuple(given),), "split_size")
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise RuntimeError(
            describe(
                "split",
                f"split_sizes {list(sizes)}",
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's "
                f"size at dimension {dim}) and to be non-negative",
            )
        )
    cuts = [0]
    for each in sizes:
        cuts.append(cuts[-1] + each)
    return _at_cuts(tensor, at, cuts)


split_with_sizes, unsafe_split_with_sizes = split, unsafe_split


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most `chunks` views of equal size along `dim`; the last may be smaller.

    Raises:
        RuntimeError: `chunks` is not positive.

    Example:
        >>> import jitgrad as torch
        >>> torch.chunk(torch.arange(5), 3)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return _marked(unsafe_chunk(input, chunks, dim))


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return `chunk`, with parts that may be changed in place."""
    _check_dimensions("chunk", input)
    if chunks < 1:
        raise RuntimeError(
            describe("chunk", f"chunks {chunks}", "chunk expects `chunks` to be greater than 0")
        )
    at = wrap_dim("chunk", dim, input._array.ndim)
    size = input._array.shape[at]
    if not size:
        return _at_cuts(input, at, [0] * (chunks + 1))
    return unsafe_split(input, -(-size // chunks), at)


def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Return views of `input` along `dim`: so many of nearly equal size, or cut at the indices.

    Raises:
        RuntimeError: the number of sections is not positive.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor_split(torch.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
        >>> torch.tensor_split(torch.arange(5), (1, 3))
        (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    _check_dimensions("tensor_split", input)
    at = wrap_dim("tensor_split", dim, input._array.ndim)
    size = input._array.shape[at]
    given: Any = indices_or_sections
    if isinstance(given, TensorCore):
        given = given.tolist()  # type: ignore[attr-defined]
    if isinstance(given, int):
        if given < 1:
            raise RuntimeError(
                describe(
                    "tensor_split", f"sections {given}", "number of sections must be larger than 0"
                )
            )
        least, more = divmod(size, given)
        cuts = [0]
        for place in range(given):
            cuts.append(cuts[-1] + least + (place < more))
        return _at_cuts(input, at, cuts)
    places = [slice(each, None).indices(size)[0] for each in given]
    ends = zip([0, *places], [*places, size])
    return tuple(sliced(input, at, (a, max(a, b), 1)) for a, b in ends)


def _split_along(operation: str, input: Tensor, given: Any, dim: int) -> tuple[Tensor, ...]:
    size = input._array.shape[dim]
    if isinstance(given, int) and (given < 1 or size % given):
        raise RuntimeError(
            describe(
                operation,
                f"{given} sections for dimension {dim} of size {size}",
                f"torch.{operation} attempted to split along dimension {dim}, but the size of "
                f"the dimension {size} is not divisible by the split_size {given}",
            )
        )
    return tensor_split(input, given, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return `tensor_split` along dimension 1 (0 for vectors), into equal parts only."""
    _check_dimensions("hsplit", input)
    return _split_along("hsplit", input, indices_or_sections, 0 if input._array.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return `tensor_split` along dimension 0, into equal parts only."""
    _check_dimensions("vsplit", input, 2)
    return _split_along("vsplit", input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Return `tensor_split` along dimension 2, into equal parts only."""
    _check_dimensions("dsplit", input, 3)
    return _split_along("dsplit", input, indices_or_sections, 2)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return a view for each position of dimension `dim`, without that dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.unbind(torch.tensor([[1, 2], [3, 4]]), 1)
        (tensor([1, 3]), tensor([2, 4]))
    """
    if not input._array.ndim:
        raise IndexError(
            describe(
                "unbind",
                "a tensor of 0 dimensions",
                "Dimension specified as 0 but tensor has no dimensions",
            )
        )
    at = wrap_dim("unbind", dim, input._array.ndim)
    return _marked(tuple(sliced(input, at, i) for i in range(input._array.shape[at])))


class SplitMethods:
    """The operations of this file as methods of `Tensor`."""

    split = split_with_sizes = split
    unsafe_split = unsafe_split_with_sizes = unsafe_split
    chunk = chunk
    unsafe_chunk = unsafe_chunk
    tensor_split = tensor_split
    hsplit = hsplit
    vsplit = vsplit
    dsplit = dsplit
    unbind = unbind
