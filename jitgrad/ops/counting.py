"""How often values come: histograms, the most frequent ones; positions from running numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes, return_types
from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.along import take_along
from jitgrad.ops.checks import refuse_integers
from jitgrad.ops.ranges import linspace
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["histc", "histogram", "mode", "unravel_index"]


def _ends(
    operation: str, array: np.ndarray, low: float, high: float, margin: float
) -> tuple[Any, Any]:
    """Return where a histogram begins and ends: around all elements where both are the same."""
    if low == high:
        if array.size:
            low, high = array.min(), array.max()
        if low == high:
            low, high = low - margin, high + margin
    if not (np.isfinite(low) and np.isfinite(high)):
        rule = f"torch.{operation}: range of [{low}, {high}] is not finite"
        raise RuntimeError(describe(operation, f"min={low} and max={high}", rule))
    return low, high


def _histogram(array: np.ndarray, *, bins: int, low: float, high: float) -> np.ndarray:
    low, high = _ends("histc", array, low, high, 1)
    flat = array.reshape(-1)
    inside = flat[(flat >= low) & (flat <= high)]
    places = ((inside - low) / (high - low) * bins).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), minlength=bins).astype(array.dtype)


HISTC = Primitive("histc", Kind.OPAQUE, _histogram, raises_on_data=True)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Return how many elements lie in each of `bins` parts of equal width from `min` to `max`.

    Where both are 0, from the smallest to the largest element. What lies outside is left out.

    Raises:
        NotImplementedError: the tensor holds integers.
        RuntimeError: no bins, `max` is smaller than `min`, or the ends are not finite.

    Example:
        >>> import jitgrad as torch
        >>> torch.histc(torch.tensor([0.0, 1.0, 2.0, 2.5]), bins=3, min=0, max=3)
        tensor([1., 1., 2.])
    """
    refuse_integers("histc", (input,), input._array.dtype)
    for came, bad, rule in (
        (f"bins={bins}", bins <= 0, "torch.histc(): bins must be > 0"),
        (f"min={min} and max={max}", max < min, "torch.histc: max must be larger than min"),
    ):
        if bad:
            raise RuntimeError(describe("histc", came, rule))
    # plain ones, which NumPy compares in the dtype of the elements
    return bind(HISTC, input, bins=bins, low=float(min), high=float(max))


def _between(array: np.ndarray, edges: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    count = edges.size - 1
    flat = array.reshape(-1)
    # the last part holds its end too
    places = np.where(flat == edges[-1], count - 1, np.searchsorted(edges, flat, "right") - 1)
    inside = (places >= 0) & (places < count)
    heavy = weights[0].reshape(-1)[inside] if weights else None
    return np.bincount(places[inside], heavy, count).astype(array.dtype)


HISTOGRAM = Primitive("histogram", Kind.OPAQUE, _between)

EDGES = Primitive(
    "histogram_edges",
    Kind.OPAQUE,
    lambda array, *, bins: np.linspace(
        *_ends("histogram", array, 0, 0, 0.5), bins + 1, dtype=array.dtype
    ),
    raises_on_data=True,
)


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """Return how many elements lie between neighbours of `bin_edges`, and these.

    Args:
        bins: the edges, or a number of parts of equal width.
        range: where they begin and end; at the smallest and the largest element unless given.
        weight: what each element counts.
        density: divide by the sum and by the widths.

    Returns:
        A named tuple (hist, bin_edges).

    Example:
        >>> import jitgrad as torch
        >>> torch.histogram(torch.tensor([1.0, 2.0, 3.0]), 2).hist
        tensor([1., 2.])
    """
    refuse_integers("histogram", (input,), input._array.dtype)
    edges: Any = bins
    if isinstance(bins, TensorCore):
        edges = edges.detach().clone()
    elif bins <= 0:
        raise RuntimeError(describe("histogram", f"bins={bins}", "bins must be > 0"))
    elif range is not None:
        low, high = range
        edges = linspace(low, high, bins + 1, dtype=dtypes.FROM_NUMPY[input._array.dtype])
    else:
        edges = bind(EDGES, input.detach(), bins=bins)
    given = () if weight is None else (weight.detach(),)
    counts = bind(HISTOGRAM, input.detach(), edges, *given)
    if density:
        counts = counts / (counts.sum() * edges.diff())
    return return_types.histogram(counts, edges)


def _most_frequent(array: np.ndarray, *, dim: int) -> np.ndarray:
    """Return where the last of the most frequent element is; of several, the smallest counts."""
    if not array.ndim:
        return np.zeros((), np.int64)
    lines = np.moveaxis(array, dim, -1)
    result = np.empty((*lines.shape[:-1], 1), np.int64)
    for place in np.ndindex(lines.shape[:-1]):
        line = lines[place]
        values, counts = np.unique(line, return_counts=True)
        wanted = values[counts.argmax()]
        result[place] = np.flatnonzero((line == wanted) | ((line != line) & (wanted != wanted)))[-1]
    return np.moveaxis(result, -1, dim)


MODE_PLACE = Primitive("mode_place", Kind.OPAQUE, _most_frequent)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent elements along `dim`, the smallest of several, and where one is.

    Gradient: to the one chosen.

    Returns:
        A named tuple (values, indices).

    Example:
        >>> import jitgrad as torch
        >>> torch.mode(torch.tensor([3, 1, 3, 2])).values
        tensor(3)
    """
    at = wrap_dim("mode", dim, input._array.ndim)
    if input._array.ndim and not input._array.shape[at]:
        rule = f"Expected reduction dim {at} to have non-zero size"
        raise IndexError(describe("mode", f"shape {input._array.shape}", rule))
    places = bind(MODE_PLACE, input, dim=at)
    values = take_along(input, places, at)
    if not keepdim and input._array.ndim:
        values, places = values.squeeze(at), places.squeeze(at)
    return return_types.mode(values, places)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Return the coordinates in a tensor of `shape` of elements with running numbers `indices`.

    Example:
        >>> import jitgrad as torch
        >>> torch.unravel_index(torch.tensor([1, 5]), (2, 3))
        (tensor([0, 1]), tensor([1, 2]))
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return tuple(
        indices.div(Size(sizes[i + 1 :]).numel(), rounding_mode="floor").remainder(size)
        for i, size in enumerate(sizes)
    )


class CountingMethods:
    """The operations of this file as methods of `Tensor`."""

    histc = histc
    histogram = histogram
    mode = mode
