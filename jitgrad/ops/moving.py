"""Elements in another order or repeated: flip, roll, rot90, repeat, meshgrid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.positions import INDEX
from jitgrad.ops.shape import flatten, tensors_of, transpose
from jitgrad.ops.views import (
    EXPAND,
    VIEW,
    unsqueeze,
    whole_numbers,
)
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = [
    "flip",
    "fliplr",
    "flipud",
    "meshgrid",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
]


FLIP = Primitive(
    "flip",
    Kind.INDEX,
    lambda array, *, dims: np.array(np.flip(array, dims)),
    (lambda g, _out, _x, *, dims: bind(FLIP, g, dims=dims),),
)


def flip(input: Tensor, *along: Any, dims: Any = None) -> Tensor:
    """Return a copy with the order of the elements along `dims` reversed.

    Gradient: flipped back.

    Raises:
        RuntimeError: a dimension comes twice.
        IndexError: there is no such dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.flip(torch.tensor([[1, 2], [3, 4]]), (0,))
        tensor([[3, 4],
                [1, 2]])
    """
    given = whole_numbers("flip", along, "dims", dims)
    ndim = input._array.ndim
    wrapped = tuple(wrap_dim("flip", each, ndim) for each in given)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(
            describe("flip", f"dims {given}", "a dim appears multiple times in the list of dims")
        )
    return bind(FLIP, input, dims=wrapped if ndim else ())


def fliplr(input: Tensor) -> Tensor:
    """Return a copy with dimension 1 reversed.

    Raises:
        RuntimeError: fewer than two dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 1],
                [4, 3]])
    """
    if input._array.ndim < 2:
        raise RuntimeError(
            describe("fliplr", f"{input._array.ndim} dimensions", "Input must be >= 2-d")
        )
    return bind(FLIP, input, dims=(1,))


def flipud(input: Tensor) -> Tensor:
    """Return a copy with dimension 0 reversed.

    Raises:
        RuntimeError: a tensor of no dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.flipud(torch.tensor([1, 2]))
        tensor([2, 1])
    """
    if not input._array.ndim:
        raise RuntimeError(describe("flipud", "0 dimensions", "Input must be >= 1-d"))
    return bind(FLIP, input, dims=(0,))


ROLL = Primitive(
    "roll",
    Kind.INDEX,
    lambda array, *, shifts, dims: np.asarray(np.roll(array, shifts, dims), order="C"),
    (
        lambda g, _out, _x, *, shifts, dims: bind(
            ROLL, g, shifts=tuple(-each for each in shifts), dims=dims
        ),
    ),
)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Return a copy with the elements moved by `shifts` along `dims`, those at the end in front.

    Without `dims` the elements move in the flattened order.

    Gradient: rolled back.

    Raises:
        RuntimeError: `shifts` and `dims` are not equally many.

    Example:
        >>> import jitgrad as torch
        >>> torch.roll(torch.tensor([1, 2, 3, 4]), 1)
        tensor([4, 1, 2, 3])
    """
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    along = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    shape = input._array.shape
    if not moves:
        raise RuntimeError(describe("roll", "no shifts", "`shifts` required"))
    if not along and len(moves) == 1:
        flat = bind(ROLL, input.reshape(-1), shifts=moves, dims=(0,))
        return bind(VIEW, flat, size=shape)
    if len(along) != len(moves):
        raise RuntimeError(
            describe(
                "roll",
                f"shifts {moves} and dims {along}",
                f"shifts and dimensions must align. shifts: {len(moves)}, dims:{len(along)}",
            )
        )
    if not shape:
        raise IndexError(
            describe("roll", "a tensor of 0 dimensions", "Dimension specified but tensor has none")
        )
    wrapped = tuple(wrap_dim("roll", each, len(shape)) for each in along)
    return bind(ROLL, input, shifts=moves, dims=wrapped)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return the plane of two dimensions turned by k * 90 degrees, from the first to the second.

    Raises:
        RuntimeError: not two different dimensions.

    Example:
        >>> import jitgrad as torch
        >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    ndim = input._array.ndim
    if len(dims) != 2 or ndim < 2:
        raise RuntimeError(
            describe(
                "rot90",
                f"dims {tuple(dims)} for a tensor of {ndim} dimensions",
                "expected total rotation dims == 2 and total dims >= 2",
            )
        )
    first, second = wrap_dim("rot90", dims[0], ndim), wrap_dim("rot90", dims[1], ndim)
    if first == second:
        raise RuntimeError(
            describe("rot90", f"dims {tuple(dims)}", "expected rotation dims to be different")
        )
    turns = k % 4
    if turns == 1:
        return transpose(bind(FLIP, input, dims=(second,)), first, second)
    if turns == 2:
        return bind(FLIP, input, dims=(first, second))
    if turns == 3:
        return transpose(bind(FLIP, input, dims=(first,)), first, second)
    return input.clone()


def _repeated(input: Tensor, shape: tuple, repeats: tuple) -> Tensor:
    # each size gets a dimension for its repetitions in front of it: no index is computed
    spread = [each for size in shape for each in (1, size)]
    wide = [each for pair in zip(repeats, shape) for each in pair]
    seen = bind(EXPAND, input.reshape(spread), size=tuple(wide))
    made = seen.clone() if seen._array.flags.c_contiguous else seen.contiguous()
    return bind(VIEW, made, size=tuple(n * size for n, size in zip(repeats, shape)))


def repeat(input: Tensor, *times: Any, repeats: Any = None) -> Tensor:
    """Return a copy repeated so many times along each dimension; further ones come in front.

    Gradient: summed over the repetitions.

    Raises:
        RuntimeError: fewer numbers than dimensions, or a negative one.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    given = whole_numbers("repeat", times, "repeats", repeats)
    shape = input._array.shape
    if len(given) < len(shape):
        raise RuntimeError(
            describe(
                "repeat",
                f"repeats {given} for a tensor of {len(shape)} dimensions",
                "Number of dimensions of repeat dims can not be smaller than number of "
                "dimensions of tensor",
            )
        )
    if min(given, default=0) < 0:
        raise RuntimeError(
            describe(
                "repeat", f"repeats {given}", "Trying to create tensor with negative dimension"
            )
        )
    return _repeated(input, (*[1] * (len(given) - len(shape)), *shape), given)


def tile(input: Tensor, *times: Any, dims: Any = None) -> Tensor:
    """Return a copy repeated along each dimension, as `repeat`; missing numbers in front are 1.

    Example:
        >>> import jitgrad as torch
        >>> torch.tile(torch.tensor([[1, 2], [3, 4]]), (2,))
        tensor([[1, 2, 1, 2],
                [3, 4, 3, 4]])
    """
    given = whole_numbers("tile", times, "dims", dims)
    return repeat(input, (*[1] * (input._array.ndim - len(given)), *given))


REPEATED_PLACES = Primitive(
    "repeat_interleave",
    Kind.INDEX,
    lambda repeats: np.repeat(np.arange(repeats.size), repeats),
    shape_depends_on_data=True,
    raises_on_data=True,
)


def repeat_interleave(
    input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return a copy in which each position of `dim` comes `repeats` times in a row.

    Without `dim` the flattened elements are repeated. A tensor `repeats` says how often each.

    Gradient: summed over the repetitions.

    Raises:
        RuntimeError: a negative number, or a tensor that does not fit the dimension.

    Example:
        >>> import jitgrad as torch
        >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
        tensor([1, 1, 2, 2])
    """
    if dim is None:
        input, dim = flatten(input), 0
    shape = input._array.shape
    at = wrap_dim("repeat_interleave", dim, len(shape))
    if isinstance(repeats, TensorCore):
        if repeats._array.size != 1:
            return _repeated_unevenly(input, repeats, at)
        repeats = int(repeats)  # type: ignore[call-overload]
    if repeats < 0:
        raise RuntimeError(
            describe("repeat_interleave", f"repeats {repeats}", "Repeats must be non-negative")
        )
    size = (*shape[: at + 1], repeats, *shape[at + 1 :])
    seen = bind(EXPAND, unsqueeze(input, at + 1), size=size)
    made = seen.clone() if seen._array.flags.c_contiguous else seen.contiguous()
    return bind(VIEW, made, size=(*shape[:at], shape[at] * repeats, *shape[at + 1 :]))


def _repeated_unevenly(input: Tensor, repeats: Any, dim: int) -> Tensor:
    size = input._array.shape[dim]
    if repeats._array.shape != (size,) or repeats._array.dtype.kind != "i":
        raise RuntimeError(
            describe(
                "repeat_interleave",
                f"repeats of shape {tuple(repeats._array.shape)} and {repeats.dtype}",
                f"repeats must have the same size as input along dim ({size}), and be int64 or "
                "int32",
            )
        )
    places = bind(REPEATED_PLACES, repeats)
    return bind(INDEX, input, places, dims=(dim,), signed=True)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return for vectors (and numbers) of n, m, ... elements views of shape (n, m, ...).

    Args:
        indexing: "ij" as described, "xy" with the first two dimensions of the results swapped.

    Gradient: summed to the vectors.

    Raises:
        RuntimeError: a tensor of several dimensions, another `indexing`.

    Example:
        >>> import jitgrad as torch
        >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")
        (tensor([[1, 1],
                [2, 2]]), tensor([[3, 4],
                [3, 4]]))
    """
    given = tensors_of(tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            describe(
                "meshgrid",
                f"indexing {indexing!r}",
                'indexing must be one of "xy" or "ij"',
            )
        )
    for each in given:
        if each._array.ndim > 1:
            raise RuntimeError(
                describe(
                    "meshgrid",
                    f"a tensor of {each._array.ndim} dimensions",
                    "Expected 0D or 1D tensor in the tensor list",
                )
            )
    swapped = indexing == "xy" and len(given) > 1
    ordered = list(given)
    if swapped:
        ordered[:2] = reversed(ordered[:2])
    size = tuple(each._array.size for each in ordered)
    grids = [
        bind(EXPAND, each.reshape([-1 if j == i else 1 for j in range(len(size))]), size=size)
        for i, each in enumerate(ordered)
    ]
    if swapped:
        grids[:2] = reversed(grids[:2])
    return tuple(grids)


class MovingMethods:
    """The operations of this file as methods of `Tensor`."""

    flip = flip
    fliplr = fliplr
    flipud = flipud
    roll = roll
    rot90 = rot90
    repeat = repeat
    tile = tile
    repeat_interleave = repeat_interleave
