"""Views in shapes that follow from a rule: transpose, flatten, movedim and their kin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.views import (
    PERMUTE,
    expanded,
    inferred,
    reshape,
    unsqueeze,
    view,
    whole_numbers,
)
from jitgrad.spec import Size, wrap_dim
from jitgrad.spec import broadcast_shapes as broadcast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = [
    "adjoint",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "flatten",
    "moveaxis",
    "movedim",
    "ravel",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
]


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` viewed in the shape of `other`."""
    return view(input, other._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` reshaped to the shape of `other`."""
    return reshape(input, other._array.shape)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input` expanded to the shape of `other`."""
    return expanded("expand_as", input, other._array.shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """Return `input` expanded to `size`; the same as `input.expand(size)`.

    Example:
        >>> import jitgrad as torch
        >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expanded("broadcast_to", input, whole_numbers("broadcast_to", (size,)))


def tensors_of(given: tuple) -> tuple:
    """Return the tensors that were given one by one, or as one list or tuple."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        return tuple(given[0])
    return given


def broadcast_shapes(*shapes: Any) -> Size:
    """Return the shape that `shapes` (sizes, or numbers for one dimension) broadcast to.

    Raises:
        RuntimeError: they do not.

    Example:
        >>> import jitgrad as torch
        >>> torch.broadcast_shapes((3, 1), (2,))
        torch.Size([3, 2])
    """
    sizes = [(each,) if isinstance(each, int) else tuple(each) for each in shapes]
    return broadcast("broadcast_shapes", *sizes)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return `tensors` expanded to the shape to which they broadcast.

    Example:
        >>> import jitgrad as torch
        >>> a, b = torch.broadcast_tensors(torch.zeros(3, 1), torch.zeros(2))
        >>> a.shape, b.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    given = tensors_of(tensors)
    shape = broadcast("broadcast_tensors", *(each._array.shape for each in given))
    return tuple(expanded("broadcast_tensors", each, tuple(shape)) for each in given)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dimensions swapped. Also `swapaxes` and `swapdims`.

    Example:
        >>> import jitgrad as torch
        >>> torch.transpose(torch.tensor([[1, 2], [3, 4]]), 0, 1)
        tensor([[1, 3],
                [2, 4]])
    """
    ndim = input._array.ndim
    first, second = wrap_dim("transpose", dim0, ndim), wrap_dim("transpose", dim1, ndim)
    dims = list(range(ndim))
    if ndim:
        dims[first], dims[second] = second, first
    return bind(PERMUTE, input, dims=tuple(dims))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return a view with two dimensions swapped, as `transpose`."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dimensions swapped, as `transpose`."""
    return transpose(input, dim0, dim1)


def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix, as a view; a tensor of fewer dimensions as it is.

    Raises:
        RuntimeError: more than two dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.t(torch.zeros(2, 3)).shape
        torch.Size([3, 2])
    """
    ndim = input._array.ndim
    if ndim > 2:
        raise RuntimeError(
            describe(
                "t",
                f"a tensor of {ndim} dimensions",
                f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D",
                "use transpose(dim0, dim1) or mT",
            )
        )
    return bind(PERMUTE, input, dims=tuple(range(ndim - 1, -1, -1)))


def adjoint(input: Tensor) -> Tensor:
    """Return a view with the last two dimensions swapped (elements are real)."""
    return _matrix_transposed("adjoint", input)


def _matrix_transposed(operation: str, input: Tensor) -> Tensor:
    if input._array.ndim < 2:
        raise RuntimeError(
            describe(
                operation,
                f"a tensor of {input._array.ndim} dimensions",
                f"tensor.{operation} is only supported on matrices or batches of matrices",
            )
        )
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return a view with dimensions `source` at the places `destination`. Also `moveaxis`.

    Raises:
        RuntimeError: a dimension is named twice, or the two do not name equally many.

    Example:
        >>> import jitgrad as torch
        >>> torch.movedim(torch.zeros(2, 3, 4), 0, -1).shape
        torch.Size([3, 4, 2])
    """
    ndim = input._array.ndim
    sources = (source,) if isinstance(source, int) else tuple(source)
    places = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(sources) != len(places):
        raise RuntimeError(
            describe(
                "movedim",
                f"source {sources} and destination {places}",
                "Invalid source or destination dims: they should contain the same number of dims",
            )
        )
    from_dims = [wrap_dim("movedim", each, ndim) for each in sources]
    to_dims = [wrap_dim("movedim", each, ndim) for each in places]
    for name, dims in (("source", from_dims), ("destination", to_dims)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(describe("movedim", f"{name} {dims}", f"repeated dim in `{name}`"))
    if not ndim:
        return bind(PERMUTE, input, dims=())
    at = dict(zip(to_dims, from_dims))
    rest = iter([dim for dim in range(ndim) if dim not in from_dims])
    return bind(PERMUTE, input, dims=tuple(at[i] if i in at else next(rest) for i in range(ndim)))


def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Return a view with dimensions `source` at the places `destination`, as `movedim`."""
    return movedim(input, source, destination)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return the elements with dimensions start_dim..end_dim joined to one; a view if possible.

    Raises:
        RuntimeError: `start_dim` comes after `end_dim`.

    Example:
        >>> import jitgrad as torch
        >>> torch.flatten(torch.zeros(2, 3, 4), 1).shape
        torch.Size([2, 12])
    """
    shape = input._array.shape
    start = wrap_dim("flatten", start_dim, len(shape))
    end = wrap_dim("flatten", end_dim, len(shape))
    if start > end:
        raise RuntimeError(
            describe(
                "flatten",
                f"start_dim {start_dim} and end_dim {end_dim}",
                "flatten() has invalid args: start_dim cannot come after end_dim",
            )
        )
    if start == end and shape:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """Return the elements in one dimension: a view of a contiguous tensor, otherwise a copy.

    Example:
        >>> import jitgrad as torch
        >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 2, 3, 4])
    """
    return reshape(input.contiguous(), (input._array.size,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return a view with dimension `dim` split into `sizes`, one of which may be -1.

    Raises:
        RuntimeError: the product of `sizes` is not the size of the dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.unflatten(torch.zeros(2, 12), 1, (3, -1)).shape
        torch.Size([2, 3, 4])
    """
    shape = input._array.shape
    at = wrap_dim("unflatten", dim, len(shape))
    given = whole_numbers("unflatten", (tuple(sizes),), "sizes")
    if not given:
        raise RuntimeError(describe("unflatten", "sizes ()", "sizes must be non-empty"))
    if not shape:
        raise IndexError(
            describe("unflatten", "a tensor of 0 dimensions", "there is no dimension to split")
        )
    known = [each for each in given if each != -1]
    if len(given) - len(known) > 1:
        raise RuntimeError(
            describe("unflatten", f"sizes {given}", "only one dimension can be inferred")
        )
    count = math.prod(known)
    missing = len(known) < len(given)
    if (count and shape[at] % count) if missing else count != shape[at]:
        raise RuntimeError(
            describe(
                "unflatten",
                f"sizes {given} for dimension {dim} of size {shape[at]}",
                f"Provided sizes {list(given)} don't multiply up to the size of dim {dim} "
                f"({shape[at]}) in the input tensor",
            )
        )
    split = inferred("unflatten", given, shape[at])
    return view(input, (*shape[:at], *split, *shape[at + 1 :]))


def _at_least(given: tuple, grow: Any) -> Any:
    if len(given) == 1 and not isinstance(given[0], (tuple, list)):
        return grow(given[0])
    return tuple(grow(each) for each in tensors_of(given))


def _to_1d(input: Tensor) -> Tensor:
    return input if input._array.ndim else unsqueeze(input, 0)


def _to_2d(input: Tensor) -> Tensor:
    return input if input._array.ndim > 1 else unsqueeze(_to_1d(input), 0)


def _to_3d(input: Tensor) -> Tensor:
    return input if input._array.ndim > 2 else unsqueeze(_to_2d(input), -1)


def atleast_1d(*tensors: Any) -> Any:
    """Return each tensor with at least one dimension, as a view.

    Example:
        >>> import jitgrad as torch
        >>> torch.atleast_1d(torch.tensor(5))
        tensor([5])
    """
    return _at_least(tensors, _to_1d)


def atleast_2d(*tensors: Any) -> Any:
    """Return each tensor with at least two dimensions, new ones in front, as a view.

    Example:
        >>> import jitgrad as torch
        >>> torch.atleast_2d(torch.tensor([5, 6])).shape
        torch.Size([1, 2])
    """
    return _at_least(tensors, _to_2d)


def atleast_3d(*tensors: Any) -> Any:
    """Return each tensor with at least three dimensions, as a view; (n,) becomes (1, n, 1).

    Example:
        >>> import jitgrad as torch
        >>> torch.atleast_3d(torch.tensor([5, 6])).shape
        torch.Size([1, 2, 1])
    """
    return _at_least(tensors, _to_3d)


class ShapeMethods:
    """The operations of this file as methods of `Tensor`."""

    view_as = view_as
    reshape_as = reshape_as
    expand_as = expand_as
    broadcast_to = broadcast_to
    transpose = transpose
    swapaxes = swapaxes
    swapdims = swapdims
    t = t
    adjoint = adjoint
    movedim = movedim
    moveaxis = moveaxis
    flatten = flatten
    ravel = ravel
    unflatten = unflatten

    @property
    def T(self: Any) -> Tensor:
        """The dimensions in reverse order, as a view."""
        return bind(PERMUTE, self, dims=tuple(range(self._array.ndim - 1, -1, -1)))

    @property
    def mT(self: Any) -> Tensor:
        """The last two dimensions swapped, as a view."""
        return _matrix_transposed("mT", self)

    @property
    def mH(self: Any) -> Tensor:
        """The last two dimensions swapped, as a view (elements are real)."""
        return _matrix_transposed("mH", self)

    @property
    def H(self: Any) -> Tensor:
        """The transpose of a matrix, as a view (elements are real)."""
        if self._array.ndim not in (0, 2):
            raise RuntimeError(
                describe(
                    "H",
                    f"a tensor of {self._array.ndim} dimensions",
                    "tensor.H is only supported on matrices (2-D tensors)",
                    "use mH",
                )
            )
        return t(self)
