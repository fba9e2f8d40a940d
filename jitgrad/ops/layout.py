"""What a tensor is like without looking at its elements: sizes, strides, places in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.modes import state
from jitgrad.ops.views import strides_of
from jitgrad.spec import wrap_dim
from jitgrad.strides import address

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["numel"]


def numel(input: Tensor) -> int:
    """Return the number of elements.

    Example:
        >>> import jitgrad as torch
        >>> torch.numel(torch.zeros(2, 3))
        6
    """
    return input._array.size


class LayoutMethods:
    """The operations of this file as methods of `Tensor`."""

    numel = nelement = numel

    def dim(self: Any) -> int:
        """Return the number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def stride(self: Any, dim: int | None = None) -> Any:
        """Return the steps between neighbours, in elements: of all dimensions, or of `dim`."""
        array = self._array
        strides = strides_of(array)
        return strides if dim is None else strides[wrap_dim("stride", dim, array.ndim)]

    def storage_offset(self: Any) -> int:
        """Return how many elements of the memory lie before the first one."""
        if state.recorder is not None:
            state.recorder.unknown("storage_offset()")
        array = self._array
        return (address(array) - address(self._storage.array)) // array.itemsize

    def data_ptr(self: Any) -> int:
        """Return the address of the first element; 0 if there are none."""
        if not self._array.size:
            return 0
        if state.recorder is not None:
            state.recorder.unknown("data_ptr()")
        return address(self._array)

    def is_contiguous(self: Any, memory_format: Any = None) -> bool:
        """Do the elements lie one after the other in row-major order?"""
        return self._array.flags.c_contiguous

    def element_size(self: Any) -> int:
        """Return the bytes of one element."""
        return self._array.itemsize

    @property
    def itemsize(self: Any) -> int:
        """The bytes of one element."""
        return self._array.itemsize

    @property
    def nbytes(self: Any) -> int:
        """The bytes of all elements."""
        return self._array.nbytes
