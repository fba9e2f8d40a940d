"""The same memory seen in another shape: the primitives behind view, expand, permute, squeeze."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind, node_of
from jitgrad.dtypes import dtype as Dtype
from jitgrad.errors import describe
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = ["permute", "reshape", "squeeze", "unsqueeze"]


def whole_numbers(
    operation: str, values: tuple, what: str = "size", named: Any = None
) -> tuple[int, ...]:
    """Return the integers that `operation` was given one by one, as one tuple or list, or named.

    Raises:
        TypeError: one is no integer.
    """
    if named is not None and not values:
        values = (named,)
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    for each in values:
        if type(each) is not int:
            break
    else:
        return values
    found = []
    for position, each in enumerate(values):
        try:
            if isinstance(each, bool):
                raise TypeError
            found.append(operator.index(each))
        except TypeError:
            raise TypeError(
                f"{operation}(): argument '{what}' must be tuple of ints, but found element of "
                f"type {type(each).__name__} at pos {position}; pass integers"
            ) from None
    return tuple(found)


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides, in elements, of a contiguous tensor of `shape`."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def strides_of(array: np.ndarray) -> tuple[int, ...]:
    """Return the strides of `array` in elements."""
    if not array.size:
        # NumPy forgets them
        return contiguous_strides(array.shape)
    itemsize = array.itemsize
    return tuple(step // itemsize for step in array.strides)


class _Window:
    """What `numpy.asarray` makes an array of, on the memory of another one."""

    def __init__(self, interface: dict, owner: np.ndarray) -> None:
        self.__array_interface__ = interface
        self.owner = owner


def restrided(
    array: np.ndarray, shape: Sequence[int], strides: Sequence[int], offset: int = 0
) -> np.ndarray:
    """Return a view that begins `offset` bytes after the beginning of `array`, strides in bytes."""
    if array.flags.forc:
        # 0.3 us, where the general way takes 3
        return np.ndarray(shape, array.dtype, array, offset, strides)
    interface = dict(array.__array_interface__)
    start, read_only = interface["data"]
    interface |= {
        "shape": tuple(shape),
        "strides": tuple(strides),
        "data": (start + offset, read_only),
    }
    return np.asarray(_Window(interface, array))


def _view_strides(
    shape: Sequence[int], strides: Sequence[int], size: Sequence[int], unit: int
) -> list[int] | None:
    """Return strides that show memory of `shape` and `strides` in `size`; None if there are none.

    Only dimensions that lie evenly one in the other can be joined: each run of such dimensions
    is a chunk, and must hold a run of the new dimensions exactly. `unit` is the stride of
    neighbours, for tensors without elements.
    """
    if 0 in shape:
        same = tuple(shape) == tuple(size)
        return list(strides) if same else [unit * each for each in contiguous_strides(size)]
    if not shape:
        return [unit] * len(size)
    made = [0] * len(size)
    new = len(size) - 1
    step = strides[-1]
    held = found = 1
    for old in range(len(shape) - 1, -1, -1):
        held *= shape[old]
        if old and (shape[old - 1] == 1 or strides[old - 1] == held * step):
            continue
        while new >= 0 and (found < held or size[new] == 1):
            made[new] = found * step
            found *= size[new]
            new -= 1
        if found != held:
            return None
        if old:
            step = strides[old - 1]
            held = found = 1
    return made if new == -1 else None


def _view(array: np.ndarray, *, size: tuple[int, ...]) -> np.ndarray:
    if array.flags.c_contiguous:
        return array.reshape(size)
    strides = _view_strides(array.shape, array.strides, size, array.itemsize)
    if strides is None:
        raise RuntimeError(
            describe(
                "view",
                f"size {size} for a tensor of shape {array.shape} and stride "
                f"{tuple(step // array.itemsize for step in array.strides)}",
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead",
            )
        )
    return restrided(array, size, strides)


VIEW = Primitive(
    "view", Kind.VIEW, _view, (lambda g, _out, x_spec, *, size: g.reshape(x_spec.shape),)
)


def inferred(operation: str, size: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return `size` with -1 replaced by what makes it hold `count` elements."""
    if -1 not in size:
        if math.prod(size) == count and (count or min(size, default=0) >= 0):
            return size
    elif min(size) >= -1 and size.count(-1) == 1:
        known = -math.prod(size)
        if known and count % known == 0:
            return tuple(count // known if each == -1 else each for each in size)
        if not known and not count:
            raise RuntimeError(
                describe(
                    operation,
                    f"shape {list(size)}",
                    "cannot reshape tensor of 0 elements into it because the unspecified "
                    "dimension size -1 can be any value and is ambiguous",
                )
            )
    for each in size:
        if each < -1:
            raise RuntimeError(
                describe(operation, f"shape {list(size)}", f"invalid shape dimension {each}")
            )
    if size.count(-1) > 1:
        raise RuntimeError(
            describe(operation, f"shape {list(size)}", "only one dimension can be inferred")
        )
    raise RuntimeError(
        describe(
            operation,
            f"shape {list(size)} for a tensor of {count} elements",
            f"shape '{list(size)}' is invalid for input of size {count}",
        )
    )


def view(input: Tensor, *sizes: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """Return the same memory in the shape `size`, of as many elements; -1 is found out.

    Also `view(dtype)`, for a dtype of the same itemsize: the bits seen as another type.

    Gradient: 1.

    Raises:
        RuntimeError: another number of elements; strides that do not allow it (see `reshape`).

    Example:
        >>> import jitgrad as torch
        >>> torch.arange(6).view(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if len(sizes) == 1 and isinstance(sizes[0], Dtype):
        dtype = sizes[0]
    if dtype is not None:
        return _as_type(input, dtype)
    found = inferred("view", whole_numbers("view", sizes, named=size), input._array.size)
    return bind(VIEW, input, size=found)


VIEW_DTYPE = Primitive("view_dtype", Kind.VIEW, lambda array, *, dtype: array.view(dtype))


def _as_type(input: Tensor, dtype: Dtype) -> Tensor:
    if dtype.itemsize != input._array.itemsize:
        raise RuntimeError(
            describe(
                "view",
                f"{dtype} for a tensor of {input.dtype}",
                "the elements must have the same size in bytes",
                "convert with to(dtype)",
            )
        )
    if node_of(input) is not None:
        raise RuntimeError(
            "view: the bits of a tensor that requires grad cannot be seen as another dtype; "
            "detach() it first"
        )
    return bind(VIEW_DTYPE, input, dtype=dtype.numpy)


def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """Return the elements in another shape: a view where strides allow it, otherwise a copy.

    Gradient: 1.

    Raises:
        RuntimeError: another number of elements.

    Example:
        >>> import jitgrad as torch
        >>> torch.reshape(torch.tensor([[1, 2], [3, 4]]).t(), (4,))
        tensor([1, 3, 2, 4])
    """
    array = input._array
    size = inferred("reshape", whole_numbers("reshape", sizes, "shape", shape), array.size)
    if not array.flags.c_contiguous:
        strides = _view_strides(array.shape, array.strides, size, array.itemsize)
        if strides is None:
            input = input.contiguous()
    return bind(VIEW, input, size=size)


def _expand(array: np.ndarray, *, size: tuple[int, ...]) -> np.ndarray:
    shape, strides, extra = array.shape, array.strides, len(size) - array.ndim
    made = [
        strides[i] if i >= 0 and shape[i] == wanted else 0
        for i, wanted in enumerate(size, start=-extra)
    ]
    for i in range(extra - 1, -1, -1):
        if size[i] == 1:
            made[i] = size[i + 1] * made[i + 1] if i + 1 < len(size) else array.itemsize
    return restrided(array, size, made)


EXPAND = Primitive(
    "expand", Kind.VIEW, _expand, (lambda g, _out, x_spec, *, size: g.sum_to_size(x_spec.shape),)
)


def expanded(operation: str, input: Tensor, size: tuple[int, ...]) -> Tensor:
    shape = input._array.shape
    extra = len(size) - len(shape)
    if extra < 0:
        raise RuntimeError(
            describe(
                operation,
                f"size {list(size)} for a tensor of shape {tuple(shape)}",
                f"the number of sizes provided ({len(size)}) must be greater or equal to the "
                f"number of dimensions in the tensor ({len(shape)})",
            )
        )
    found = list(size)
    for i, wanted in enumerate(size):
        held = shape[i - extra] if i >= extra else 1
        if wanted == -1 and i >= extra:
            found[i] = held
        elif wanted < 0:
            raise RuntimeError(
                describe(
                    operation,
                    f"size {list(size)} for a tensor of shape {tuple(shape)}",
                    f"the expanded size of the tensor ({wanted}) isn't allowed in a leading, "
                    f"non-existing dimension {i}",
                )
            )
        elif wanted != held and held != 1:
            raise RuntimeError(
                describe(
                    operation,
                    f"size {list(size)}",
                    f"The expanded size of the tensor ({wanted}) must match the existing size "
                    f"({held}) at non-singleton dimension {i}.  Target sizes: {list(size)}.  "
                    f"Tensor sizes: {list(shape)}",
                )
            )
    return bind(EXPAND, input, size=tuple(found))


def expand(input: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Return a view in which dimensions of size 1 are repeated, without using memory.

    `size` may have further dimensions at its front; -1 leaves a dimension as it is.

    Gradient: summed over what was repeated.

    Raises:
        RuntimeError: a dimension has another size than 1 or the wanted one.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    return expanded("expand", input, whole_numbers("expand", sizes, named=size))


def _permute_back(g: Tensor, _out: None, _x: Any, *, dims: tuple[int, ...]) -> Tensor:
    inverse = [0] * len(dims)
    for position, dim in enumerate(dims):
        inverse[dim] = position
    return bind(PERMUTE, g, dims=tuple(inverse))


PERMUTE = Primitive(
    "permute", Kind.VIEW, lambda array, *, dims: array.transpose(dims), (_permute_back,)
)


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """Return a view whose dimension i is dimension dims[i] of `input`.

    Gradient: permuted back.

    Raises:
        RuntimeError: `dims` does not name every dimension once.
        IndexError: there is no such dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.permute(torch.zeros(2, 3, 4), (2, 0, 1)).shape
        torch.Size([4, 2, 3])
    """
    ndim = input._array.ndim
    given = whole_numbers("permute", order, "dims", dims)
    if len(given) != ndim:
        raise RuntimeError(
            describe(
                "permute",
                f"dims {given}",
                "number of dimensions in the tensor input does not match the length of the "
                f"desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to "
                f"len(dims) = {len(given)}",
            )
        )
    wrapped = tuple(wrap_dim("permute", each, ndim) for each in given)
    if len(set(wrapped)) != ndim:
        raise RuntimeError(describe("permute", f"dims {given}", "duplicate dims are not allowed"))
    return bind(PERMUTE, input, dims=wrapped)


def _unsqueeze(array: np.ndarray, *, dim: int) -> np.ndarray:
    shape, strides = array.shape, array.strides
    size = (*shape[:dim], 1, *shape[dim:])
    if array.flags.c_contiguous:
        return array.reshape(size)
    step = shape[dim] * strides[dim] if dim < array.ndim else array.itemsize
    return restrided(array, size, (*strides[:dim], step, *strides[dim:]))


UNSQUEEZE = Primitive(
    "unsqueeze",
    Kind.VIEW,
    _unsqueeze,
    (lambda g, _out, _x, *, dim: bind(SQUEEZE, g, dims=(dim,)),),
)


SQUEEZE = Primitive(
    "squeeze",
    Kind.VIEW,
    lambda array, *, dims: array.squeeze(dims),
    (lambda g, _out, x_spec, *, dims: bind(VIEW, g, size=x_spec.shape),),
)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return a view with a new dimension of size 1 at `dim`.

    Raises:
        IndexError: `dim` is out of range.

    Example:
        >>> import jitgrad as torch
        >>> torch.unsqueeze(torch.tensor([1, 2]), 1)
        tensor([[1],
                [2]])
    """
    return bind(UNSQUEEZE, input, dim=wrap_dim("unsqueeze", dim, input._array.ndim + 1))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Return a view without the dimensions of size 1: all of them, or of those in `dim` only.

    Raises:
        IndexError: `dim` is out of range.

    Example:
        >>> import jitgrad as torch
        >>> torch.squeeze(torch.zeros(1, 2, 1)).shape, torch.zeros(1, 2, 1).squeeze(0).shape
        (torch.Size([2]), torch.Size([2, 1]))
    """
    shape = input._array.shape
    if dim is None:
        chosen: Any = range(len(shape))
    else:
        given = (dim,) if isinstance(dim, int) else tuple(dim)
        chosen = [wrap_dim("squeeze", each, len(shape)) for each in given]
        if len(set(chosen)) != len(chosen):
            raise RuntimeError(
                describe("squeeze", f"dim {given}", "a dim appears multiple times in the list")
            )
    dims = tuple(sorted(each for each in chosen if shape and shape[each] == 1))
    return bind(SQUEEZE, input, dims=dims)


class ViewMethods:
    """The operations of this file as methods of `Tensor`."""

    view = view
    reshape = reshape
    expand = expand
    permute = permute
    unsqueeze = unsqueeze
    squeeze = squeeze
