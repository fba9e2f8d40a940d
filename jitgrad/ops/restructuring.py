"""Views in place: a tensor that from now on shows its memory in another shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import node_of, wrap
from jitgrad.inplace import check_writable
from jitgrad.modes import state
from jitgrad.ops.shape import t, transpose
from jitgrad.ops.views import squeeze, unsqueeze
from jitgrad.ops.windows import as_strided

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def _shown_as(name: str, input: Tensor, view: Callable[..., Any], *args: Any) -> Tensor:
    if state.recorder is not None:
        # traces know the shape of a tensor from when it was made
        state.recorder.unknown(name)
    if state.grad_enabled:
        check_writable(name, input)
    before = wrap(input._array, input._storage)
    before._node, before._index = node_of(input), input._index
    before._base, before._base_node = input._base, input._base_node
    before._unfollowed = input._unfollowed
    made = view(before, *args)
    input._array, input._node, input._index = made._array, made._node, made._index
    # who saved this tensor would find it changed
    input._storage.version += 1
    return input


def unsqueeze_(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 at `dim` of this tensor itself.

    Example:
        >>> import jitgrad as torch
        >>> torch.ones(2).unsqueeze_(0).shape
        torch.Size([1, 2])
    """
    return _shown_as("unsqueeze_", input, unsqueeze, dim)


def squeeze_(input: Tensor, dim: Any = None) -> Tensor:
    """Remove dimensions of size 1 of this tensor itself: see `squeeze`."""
    return _shown_as("squeeze_", input, squeeze, *(() if dim is None else (dim,)))


def transpose_(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Exchange two dimensions of this tensor itself."""
    return _shown_as("transpose_", input, transpose, dim0, dim1)


def t_(input: Tensor) -> Tensor:
    """Transpose this matrix itself."""
    return _shown_as("t_", input, t)


def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Show this tensor's memory with other sizes and strides from now on: see `as_strided`."""
    return _shown_as("as_strided_", input, as_strided, size, stride, storage_offset)


class RestructuringMethods:
    """The operations of this file as methods of `Tensor`."""

    as_strided_ = as_strided_
    squeeze_ = squeeze_
    swapaxes_ = swapdims_ = transpose_
    t_ = t_
    transpose_ = transpose_
    unsqueeze_ = unsqueeze_
