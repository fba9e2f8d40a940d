"""Square brackets: positions, slices, masks and tensors of positions, read and written."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace, write
from jitgrad.modes import plain_number
from jitgrad.ops.create import as_tensor
from jitgrad.ops.masks import MASKED_FILL
from jitgrad.ops.positions import INDEX, INDEX_PUT, NONZERO, check_positions, key_of
from jitgrad.ops.slicing import SLICE, position
from jitgrad.ops.views import UNSQUEEZE, VIEW
from jitgrad.ops.write import (
    as_written,
    copy_,
    fill_,
    unrecorded,
    without_leading_ones,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = ["index_put", "index_put_"]


class _Chosen:
    """What square brackets name: a view, and positions in the view.

    Attributes:
        index: see `SLICE`.
        new: where the view has further dimensions of size 1, counted in the result.
        advanced: dimensions of the view with the tensors of positions, or masks, for them.
    """

    __slots__ = ("advanced", "index", "new")

    def __init__(self, input: Tensor, index: Any) -> None:
        self.index: list[Any] = []
        self.new: list[int] = []
        self.advanced: list[tuple[int, Tensor]] = []
        items = [_plain(each) for each in (index if type(index) is tuple else (index,))]
        shape = input._array.shape
        free = len(shape) - sum(_dims_taken(each) for each in items)
        if free < 0:
            if not shape:
                raise IndexError(
                    "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim "
                    "tensor to a number"
                )
            raise IndexError(
                describe(
                    "index",
                    f"{len(shape) - free} indices",
                    f"too many indices for tensor of dimension {len(shape)}",
                )
            )
        out = 0
        for each in items:
            at = len(self.index)
            if each is Ellipsis:
                self.index.extend((0, size, 1) for size in shape[at : at + free])
                out += free
                free = 0
            elif type(each) is int:
                self.index.append(position(at, shape[at], each))
            elif type(each) is slice:
                self.index.append(_range(each, shape[at]))
                out += 1
            else:
                out = self._other(each, out, shape, at)
        while self.index and self.index[-1] == (0, shape[len(self.index) - 1], 1):
            self.index.pop()

    def _other(self, item: Any, out: int, shape: tuple, at: int) -> int:
        if item is None:
            self.new.append(out)
            return out + 1
        array = item._array
        self.advanced.append((out, item))
        if not array.ndim and array.dtype.kind == "b":
            self.new.append(out)
            return out + 1
        taken = _dims_taken(item)
        if array.dtype.kind == "b" and array.shape != shape[at : at + taken]:
            raise IndexError(
                describe(
                    "index",
                    f"a mask of shape {list(array.shape)}",
                    f"The shape of the mask {list(array.shape)} at index {at} does not match "
                    f"the shape of the indexed tensor {list(shape)} at index {at}",
                )
            )
        self.index.extend((0, size, 1) for size in shape[at : at + taken])
        return out + taken

    def view(self, input: Tensor, alias: bool) -> Tensor:
        """Return the view; if it would show all of `input`, a new tensor only if `alias`."""
        if self.index or (alias and not self.new):
            input = bind(SLICE, input, index=tuple(self.index))
        for dim in self.new:
            input = bind(UNSQUEEZE, input, dim=dim)
        return input

    def places(self) -> tuple[tuple[int, ...], list[Tensor]]:
        """Return the dimensions, and tensors of positions for them, masks made into such."""
        dims: list[int] = []
        places: list[Tensor] = []
        for dim, each in self.advanced:
            if each._array.dtype.kind != "b":
                dims.append(dim)
                places.append(each)
                continue
            found = bind(NONZERO, each if each._array.ndim else bind(VIEW, each, size=(1,)))
            for column in range(found._array.shape[1]):
                dims.append(dim + column)
                places.append(bind(SLICE, found, index=((0, found._array.shape[0], 1), column)))
        if len(places) > 1:
            try:
                np.broadcast_shapes(*(each._array.shape for each in places))
            except ValueError:
                shapes = ", ".join(str(list(each._array.shape)) for each in places)
                raise IndexError(
                    describe(
                        "index",
                        f"shapes {shapes}",
                        "shape mismatch: indexing tensors could not be broadcast together with "
                        f"shapes {shapes}",
                    )
                ) from None
        return tuple(dims), places


def _plain(item: Any) -> Any:
    """Return an item as None, Ellipsis, int, slice, or a tensor of positions or of truth."""
    kind = type(item)
    if kind is int or kind is slice or item is None or item is Ellipsis:
        return item
    if isinstance(item, TensorCore):
        array = item._array
        if array.dtype.kind == "b":
            return item
        if array.dtype == np.uint8:
            # PyTorch's masks of old
            return item.bool()  # type: ignore[attr-defined]
        if array.dtype not in (np.int64, np.int32):
            raise IndexError(
                describe(
                    "index",
                    f"a tensor of {item.dtype}",  # type: ignore[attr-defined]
                    "tensors used as indices must be long, int, byte or bool tensors",
                    "convert it with .long()",
                )
            )
        return item if array.ndim else int(item)  # type: ignore[call-overload]
    if isinstance(item, (bool, np.bool_)):
        return as_tensor(bool(item))
    if isinstance(item, (list, tuple, range, np.ndarray)):
        made = as_tensor(list(item) if isinstance(item, range) else item)
        return _plain(made if made._array.size or made._array.dtype.kind in "ib" else made.long())
    try:
        return operator.index(item)
    except TypeError:
        raise (TypeError if isinstance(item, str) else IndexError)(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {kind.__name__})"
        ) from None


def _dims_taken(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, TensorCore) and item._array.dtype.kind == "b":
        return item._array.ndim
    return 1


def _range(item: slice, size: int) -> tuple[int, int, int]:
    step = item.step
    if step is not None and operator.index(step) < 1:
        raise ValueError(
            "slice step cannot be zero"
            if not step
            else describe("index", f"step {step}", "step must be greater than zero", "use flip()")
        )
    start, stop, step = item.indices(size)
    return start, max(start, stop), step


def getitem(input: Tensor, index: Any) -> Tensor:
    """Return input[index]: a view for integers and slices, a copy for masks and tensors."""
    kind = type(index)
    if kind is int or kind is slice:
        # the usual cases in a third of the time
        shape = input._array.shape
        if shape:
            size = shape[0]
            part = position(0, size, index) if kind is int else _range(index, size)
            return bind(SLICE, input, index=(part,))
    chosen = _Chosen(input, index)
    if not chosen.advanced:
        return chosen.view(input, True)
    view = chosen.view(input, False)
    dims, places = chosen.places()
    return bind(INDEX, view, *places, dims=dims, signed=True)


def _as_value(target: Tensor, value: Any) -> Any:
    if isinstance(value, TensorCore) or type(value) in (float, int, bool):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (float, int)):
        return value
    raise TypeError(
        f"can't assign a {type(value).__name__} to a tensor of {target.dtype}; "
        "make it a tensor first"
    )


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """Write `value`, a number or a tensor, to input[index]; tensors broadcast."""
    value = _as_value(input, value)
    chosen = _Chosen(input, index)
    target = chosen.view(input, False)
    if isinstance(value, TensorCore):
        value = without_leading_ones(value, _ndim_of(chosen, target))
    if not chosen.advanced:
        if isinstance(value, TensorCore):
            copy_(target, value)  # type: ignore[arg-type]
        else:
            fill_(target, value)
        return
    if len(chosen.advanced) == 1:
        dim, mask = chosen.advanced[0]
        single = not isinstance(value, TensorCore) or value._array.size == 1
        if mask._array.dtype.kind == "b" and mask._array.ndim and single:
            rest = target._array.ndim - dim - mask._array.ndim
            if rest:
                mask = bind(VIEW, mask.contiguous(), size=(*mask._array.shape, *[1] * rest))
            if isinstance(value, TensorCore):
                _check_same_dtype(target, value)  # type: ignore[arg-type]
                value = bind(VIEW, value, size=())
            bind_inplace(MASKED_FILL, target, mask, value)
            return
    dims, places = chosen.places()
    _put_into(target, value, dims, places, False)


def _ndim_of(chosen: _Chosen, target: Tensor) -> int:
    """Return the most dimensions that a value for the chosen elements can have."""
    if not chosen.advanced:
        return target._array.ndim
    taken = sum(max(_dims_taken(each), 1) for _, each in chosen.advanced)
    wide = max(
        1 if each._array.dtype.kind == "b" else each._array.ndim for _, each in chosen.advanced
    )
    return target._array.ndim - taken + wide


def _check_same_dtype(target: Tensor, value: Tensor) -> None:
    if value._array.dtype != target._array.dtype:
        raise RuntimeError(
            describe(
                "index_put_",
                f"values of {value.dtype} for a tensor of {target.dtype}",
                "Index put requires the source and destination dtypes match",
                "convert the values with .to(dtype)",
            )
        )


def _check_put(target: Tensor, value: Any, dims: tuple[int, ...], places: list[Tensor]) -> None:
    if not isinstance(value, TensorCore):
        return
    _check_same_dtype(target, value)  # type: ignore[arg-type]
    shown = np.broadcast_to(np.empty((), np.int8), target._array.shape)
    wide = [np.broadcast_to(np.zeros((), np.int64), each._array.shape) for each in places]
    if 0 in target._array.shape:
        return
    wanted = shown[key_of(shown.ndim, wide, dims)].shape
    try:
        np.broadcast_to(value._array, wanted)
    except ValueError:
        raise RuntimeError(
            describe(
                "index_put_",
                f"values of shape {tuple(value._array.shape)}",
                f"shape mismatch: value tensor of shape {list(value._array.shape)} cannot be "
                f"broadcast to indexing result of shape {list(wanted)}",
            )
        ) from None


def _put_into(
    target: Tensor, value: Any, dims: tuple[int, ...], places: list[Tensor], accumulate: bool
) -> None:
    _check_put(target, value, dims, places)
    if not accumulate and unrecorded(target, value):
        array, found = target._array, [each._array for each in places]
        check_positions(array.shape, found, dims)
        plain = isinstance(value, TensorCore)
        made = value._array if plain else as_written(array, plain_number(value))
        write(target, made, key_of(array.ndim, found, dims))
        return
    bind_inplace(INDEX_PUT, target, value, *places, dims=dims, accumulate=accumulate, signed=True)


def index_put_(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Write `values`, or add them if `accumulate`, to input[indices]; return `input`.

    Gradient: to `values`, and to what is not overwritten.

    Raises:
        IndexError: a position is out of bounds, or the indices do not broadcast.
        RuntimeError: `values` has another dtype, or does not broadcast.

    Example:
        >>> import jitgrad as torch
        >>> places = (torch.tensor([0, 0, 2]),)
        >>> torch.zeros(3).index_put_(places, torch.tensor(1.0), accumulate=True)
        tensor([2., 0., 1.])
    """
    chosen = _Chosen(input, tuple(slice(None) if each is None else each for each in indices))
    dims, places = chosen.places()
    _put_into(chosen.view(input, False), values, dims, places, accumulate)
    return input


def index_put(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Return a copy of `input` with `values` written, or added, to [indices]."""
    return index_put_(input.clone(), indices, values, accumulate)


class IndexMethods:
    """The operations of this file as methods of `Tensor`."""

    __getitem__ = getitem
    __setitem__ = setitem
    index_put = index_put
    index_put_ = index_put_
