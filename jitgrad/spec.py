"""Shapes and dtypes without elements: broadcasting, dimensions, type promotion."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe


class Size(tuple):
    """The shape of a tensor: a tuple of integers.

    >>> Size((2, 3)).numel()
    6
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements: the product of the sizes."""
        count = 1
        for size in self:
            count *= size
        return count

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> "Size":
        return Size(tuple.__add__(self, tuple(other)))


class Spec:
    """What is known of a tensor without its elements: shape and NumPy dtype."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def numel(self) -> int:
        return Size(self.shape).numel()

    def __repr__(self) -> str:
        return f"Spec({self.shape}, {self.dtype})"


def wrap_dim(operation: str, dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; IndexError if there is none such in `ndim`."""
    reach = ndim or 1
    if not -reach <= dim < reach:
        raise IndexError(
            describe(
                operation,
                f"dim {dim} for a tensor of {ndim} dimensions",
                f"Dimension out of range (expected to be in range of [{-reach}, {reach - 1}])",
            )
        )
    return dim % reach


# making one takes 0.2 us
ALL_DIMS = tuple(tuple(range(ndim)) for ndim in range(5))


def wrap_dims(operation: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Return the dimensions that `dim` (None or (): all; an int; several) names, sorted.

    Raises:
        IndexError: one is out of range.
        RuntimeError: one comes twice.
    """
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return ALL_DIMS[ndim] if ndim < len(ALL_DIMS) else tuple(range(ndim))
    if isinstance(dim, int):
        return (wrap_dim(operation, dim, ndim),) if ndim else (wrap_dim(operation, dim, 0),)[:0]
    wrapped = [wrap_dim(operation, each, ndim) for each in dim]
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(
            describe(operation, f"dim {tuple(dim)}", "a dim appears multiple times in the list")
        )
    return tuple(sorted(wrapped)) if ndim else ()


def broadcast_shapes(operation: str, *shapes: Sequence[int]) -> Size:
    """Return the shape that `shapes` broadcast to; RuntimeError where they do not."""
    result: list[int] = []
    for back in range(1, max(map(len, shapes), default=0) + 1):
        size = 1
        for shape in shapes:
            if len(shape) < back or shape[-back] == 1 or shape[-back] == size:
                continue
            if size != 1:
                raise RuntimeError(
                    describe(
                        operation,
                        "shapes " + " and ".join(str(tuple(shape)) for shape in shapes),
                        f"they do not broadcast: the size of a tensor ({size}) must match the "
                        f"size of the others ({shape[-back]}) at dimension -{back}, or be 1",
                        "reshape, unsqueeze or expand one of them",
                    )
                )
            size = shape[-back]
        result.append(size)
    return Size(reversed(result))


def join_dtypes(a: np.dtype, b: np.dtype) -> np.dtype:
    """Return the dtype that holds both, by PyTorch's rules: a float absorbs every integer.

    >>> join_dtypes(np.dtype("int64"), np.dtype("float16"))
    dtype('float16')
    """
    if a == b:
        return a
    first, second = dtypes.CATEGORY[a], dtypes.CATEGORY[b]
    if first == second or dtypes.COMPLEX in (first, second):
        low = min(first, second)
        if low < dtypes.FLOATING and dtypes.COMPLEX in (first, second):
            return a if first > second else b
        return np.promote_types(a, b)
    return a if first > second else b


def dtype_of_number(value: Any) -> np.dtype | None:
    """Return the dtype that PyTorch gives a Python (or NumPy) number; None for anything else."""
    if isinstance(value, (bool, np.bool_)):
        return dtypes.bool_.numpy
    if isinstance(value, (int, np.integer)):
        return dtypes.int64.numpy
    if isinstance(value, (float, np.floating)):
        return dtypes.get_default_dtype().numpy
    if isinstance(value, complex):
        wide = dtypes.get_default_dtype() is dtypes.float64
        return (dtypes.complex128 if wide else dtypes.complex64).numpy
    return None


def builtin_number(value: Any) -> Any:
    """Return a number of one of Python's own classes.

    NumPy takes numbers of others, such as members of an `IntEnum`, for an int64 or float64.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (float, int, bool, complex):
        return value
    kind: Any = next(each for each in (int, float, complex) if isinstance(value, each))
    return kind.__pos__(value)


def promote(arrays: Iterable[Any]) -> np.dtype:
    """Return the dtype in which `arrays` (NumPy arrays and Python numbers) are combined.

    PyTorch's rule: tensors with dimensions come first, then 0-d tensors, then numbers; a later
    group matters only if its category (bool, integer, floating, complex) is higher.
    """
    groups: list[np.dtype | None] = [None, None, None]
    for each in arrays:
        if isinstance(each, np.ndarray):
            rank, found = (0 if each.ndim else 1), each.dtype
        else:
            rank, found = 2, dtype_of_number(each)
            if found is None:
                raise TypeError(f"unsupported operand: {type(each).__name__}")
        held = groups[rank]
        groups[rank] = found if held is None else join_dtypes(held, found)
    result: np.dtype | None = None
    for group in groups:
        if group is None:
            continue
        if result is None:
            result = group
        elif dtypes.CATEGORY[group] > dtypes.CATEGORY[result]:
            result = join_dtypes(result, group)
    assert result is not None
    return result
