"""Iteration over a tensor: its rows, one after the other.

As in PyTorch each row is a view that is made when the iteration begins, one of several: whether it
has a history is decided then, and autograd does not follow changes of it in place. A view is made
when it is asked for, of what the tensor was at the beginning, which comes to the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jitgrad.dispatch import ONE_OF_SEVERAL, bind, wrap
from jitgrad.modes import state
from jitgrad.ops.slicing import SLICE

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["RowIterator", "row"]


def row(tensor: Tensor, at: int, grad_enabled: bool) -> Tensor:
    """Return a view of a row, as one of several that were made in this grad mode."""
    before = state.grad_enabled
    state.grad_enabled = grad_enabled
    try:
        made = bind(SLICE, tensor, index=(at,))
    finally:
        state.grad_enabled = before
    if grad_enabled:
        made._unfollowed = ONE_OF_SEVERAL
    return made


class RowIterator:
    """What `iter` of a tensor returns.

    Attributes:
        tensor: the tensor.
        following: the number of the next row.
        count: the number of all rows.
        grad_enabled: was the grad mode on when this began?
    """

    __slots__ = ("_began", "count", "following", "grad_enabled", "tensor")

    def __init__(
        self, tensor: Tensor, following: int = 0, grad_enabled: bool | None = None
    ) -> None:
        self.tensor = tensor
        self.following = following
        self.count = tensor._array.shape[0]
        self.grad_enabled = state.grad_enabled if grad_enabled is None else grad_enabled
        began = self._began = wrap(tensor._array, tensor._storage)
        began._node, began._index = tensor._node, tensor._index
        began._base, began._base_node = tensor._base, tensor._base_node
        began._unfollowed = tensor._unfollowed

    @property
    def is_as_it_began(self) -> bool:
        """Does the tensor show the same memory in the same shape as when this began?

        Its history may be another one: views have that which their base has now.
        """
        tensor, began = self.tensor, self._began
        return tensor._array is began._array and tensor._base is began._base

    def __iter__(self) -> RowIterator:
        return self

    def __length_hint__(self) -> int:
        return self.count - self.following

    def __next__(self) -> Tensor:
        at = self.following
        if at >= self.count:
            raise StopIteration
        self.following = at + 1
        if self.is_as_it_began:
            return row(self.tensor, at, self.grad_enabled)
        made = row(self._began, at, self.grad_enabled)
        if made._base is self._began:
            made._base = self.tensor
        return made
