"""The largest and smallest elements along dimensions, and their places."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import return_types
from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.along import take_along
from jitgrad.ops.reduce import SUM, axis_of, check_not_empty, one_dim, spread
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import wrap_dims

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

    Dims = int | Sequence[int] | None

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]


def share(g: Tensor, out: Tensor, x: Tensor, *, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """Return the cotangent of `x`, from which `out` was selected, in equal parts among ties."""
    selected = spread(out, x, dim, keepdim)
    winners = x == selected
    if not keepdim and len(dim) == x.ndim:
        # PyTorch's max() shares among NaNs, its amax(dim) does not
        winners = winners.logical_or((x != x).logical_and(selected != selected))
    count = bind(SUM, winners, dim=dim, keepdim=True)
    return spread(g, x, dim, keepdim) * winners / count


def share_with_nan(
    g: Tensor, out: Tensor, x: Tensor, *, dim: tuple[int, ...], keepdim: bool
) -> Tensor:
    """Return what `share` returns; a NaN is selected from NaN."""
    selected = spread(out, x, dim, keepdim)
    winners = (x == selected) | (x.isnan() & selected.isnan())
    count = bind(SUM, winners, dim=dim, keepdim=True)
    return spread(g, x, dim, keepdim) * winners / count


def _maximum(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    return np.maximum.reduce(array, axis=axis_of(array, dim), keepdims=keepdim)


def _minimum(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    return np.minimum.reduce(array, axis=axis_of(array, dim), keepdims=keepdim)


AMAX = Primitive(
    "amax",
    Kind.REDUCTION,
    _maximum,
    (share,),
    combine=("lowest", "maximum({acc}, {0})"),
    compares=True,
)

AMIN = Primitive(
    "amin",
    Kind.REDUCTION,
    _minimum,
    (share,),
    combine=("highest", "minimum({acc}, {0})"),
    compares=True,
)


MAX = Primitive(
    "max",
    Kind.REDUCTION,
    _maximum,
    (share_with_nan,),
    combine=("lowest", "maximum({acc}, {0})"),
    compares=True,
)

MIN = Primitive(
    "min",
    Kind.REDUCTION,
    _minimum,
    (share_with_nan,),
    combine=("highest", "minimum({acc}, {0})"),
    compares=True,
)


def _extreme(name: str, primitive: Primitive, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    array = input._array
    dims = wrap_dims(name, dim, array.ndim)
    check_not_empty(name, array, dims, dim is not None and dim != ())
    return bind(primitive, input, dim=dims, keepdim=keepdim)


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the largest element, of all or over `dim` (one or several); NaN if there is one.

    Gradient: in equal parts to all elements that are largest.

    Raises:
        RuntimeError, IndexError: there is nothing to reduce.

    Example:
        >>> import jitgrad as torch
        >>> torch.amax(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1)
        tensor([3., 2.])
    """
    return _extreme("amax", AMAX, input, dim, keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element, of all or over `dim` (one or several); NaN if there is one.

    Gradient: in equal parts to all elements that are smallest.

    Raises:
        RuntimeError, IndexError: there is nothing to reduce.
    """
    return _extreme("amin", AMIN, input, dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return `amin` and `amax` as a named tuple (min, max)."""
    dims = () if dim is None else dim
    return return_types.aminmax(
        _extreme("aminmax", AMIN, input, dims, keepdim),
        _extreme("aminmax", AMAX, input, dims, keepdim),
    )


def _arg(find: Any) -> Any:
    def place(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
        if len(dim) == 1:
            return find(array, axis=dim[0], keepdims=keepdim)
        found = find(array)  # of all elements, counted row by row
        return np.reshape(found, (1,) * array.ndim) if keepdim else found

    return place


ARGMAX = Primitive("argmax", Kind.REDUCTION, _arg(np.argmax))
ARGMIN = Primitive("argmin", Kind.REDUCTION, _arg(np.argmin))


def _place(
    name: str, primitive: Primitive, input: Tensor, dim: int | None, keepdim: bool
) -> Tensor:
    array = input._array
    dims = one_dim(name, dim, array.ndim)
    check_not_empty(name, array, dims, dim is not None)
    if array.dtype.kind == "b":
        raise RuntimeError(
            describe(name, "a tensor of bool", "it does not support bool input", "use .int()")
        )
    return bind(primitive, input, dim=dims, keepdim=keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the place (int64) of the largest element along `dim`, or in all, counted row by row.

    Of several the first; a NaN counts as largest.

    Raises:
        IndexError: there is nothing to choose from.

    Example:
        >>> import jitgrad as torch
        >>> torch.argmax(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), dim=1)
        tensor([1, 0])
    """
    return _place("argmax", ARGMAX, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the place (int64) of the smallest element along `dim`, or in all.

    Of several the first; a NaN counts as smallest.

    Raises:
        IndexError: there is nothing to choose from.
    """
    return _place("argmin", ARGMIN, input, dim, keepdim)


def _largest(
    name: str, input: Tensor, dim: Any, keepdim: bool, all_of: Primitive, place_of: Primitive
) -> Any:
    array = input._array
    if dim is None:
        dims = tuple(builtins.range(array.ndim))
        check_not_empty(name, array, dims, given=False)
        return bind(all_of, input, dim=dims, keepdim=False)
    dims = one_dim(name, dim, array.ndim)
    check_not_empty(name, array, dims, given=True)
    if not dims:
        places = bind(place_of, input, dim=(), keepdim=False)
        return bind(all_of, input, dim=(), keepdim=False), places
    places = bind(place_of, input, dim=dims, keepdim=True)
    values = take_along(input, places, dims[0])
    return (values, places) if keepdim else (values.squeeze(dims[0]), places.squeeze(dims[0]))


def max(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Any = None,
    axis: int | None = None,
) -> Any:
    """Return the largest element; or with `dim` those along it and their places; or `maximum`.

    `max(input)` gives a 0-d tensor, `max(input, dim)` a named tuple (values, indices),
    `max(input, other)` the larger elements of two tensors.
    Gradient: without `dim` in equal parts to all that are largest, with `dim` to the one chosen.

    Raises:
        RuntimeError, IndexError: there is nothing to choose from.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
        >>> x.max()
        tensor(3.)
        >>> x.max(dim=1)
        torch.return_types.max(
        values=tensor([3., 2.]),
        indices=tensor([1, 0]))
    """
    dim = axis if dim is None else dim
    other = dim if isinstance(dim, TensorCore) else other
    if other is not None:
        return input.maximum(other)
    made = _largest("max", input, dim, keepdim, MAX, ARGMAX)
    return return_types.max(*made) if type(made) is tuple else made


def min(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Any = None,
    axis: int | None = None,
) -> Any:
    """Return the smallest element; or with `dim` those along it and their places; or `minimum`.

    Forms and gradient: as for `max`.

    Raises:
        RuntimeError, IndexError: there is nothing to choose from.
    """
    dim = axis if dim is None else dim
    other = dim if isinstance(dim, TensorCore) else other
    if other is not None:
        return input.minimum(other)
    made = _largest("min", input, dim, keepdim, MIN, ARGMIN)
    return return_types.min(*made) if type(made) is tuple else made


class ExtremeMethods:
    """The operations of this file as methods of `Tensor`."""

    amax = amax
    amin = amin
    aminmax = aminmax
    argmax = argmax
    argmin = argmin
    max = max
    min = min
