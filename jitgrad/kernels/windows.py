"""The geometry of correlations: how windows become shifts of planes that lie flat in memory.

A dimension that windows slide over is cut into *planes*, one for each remainder of a position by
the stride, so that windows at neighbouring places read neighbouring elements. In planes, an element
of the window is nothing but a distance: the same from every place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Window(NamedTuple):
    """What slides over one dimension: see `jitgrad.ops.sliding`.

    Attributes:
        size: of the dimension.
        kernel, stride, low, dilation: `low` is the padding before the dimension.
        number: how many windows there are.
    """

    size: int
    kernel: int
    stride: int
    low: int
    dilation: int
    number: int


class Plane(NamedTuple):
    """A part of the elements of a dimension: one in `step`.

    Attributes:
        begin: where the first one is, perhaps outside.
        first, last: those inside are from `first` up to `last`.
    """

    begin: int
    first: int
    last: int


class Lattice(NamedTuple):
    """Places of a result along one dimension, and what they read.

    Attributes:
        begin, step, number: the places.
        reads: pairs of the element of the window, and (plane, distance).
    """

    begin: int
    step: int
    number: int
    reads: list[tuple[int, tuple[int, int]]]


class Axis(NamedTuple):
    """How one dimension is packed and read.

    Attributes:
        extent: the size of a plane.
        step: how far elements of a plane are apart in the source.
        planes: at least one.
        lattices: at least one.
    """

    extent: int
    step: int
    planes: list[Plane]
    lattices: list[Lattice]


def _plane(begin: int, step: int, size: int, extent: int) -> Plane:
    first = min(max(-(begin // step), 0), extent)
    last = min(max(-((begin - size) // step), first), extent)
    return Plane(begin, first, last)


def forward_axis(window: Window) -> Axis:
    """Return how a dimension is read by windows that slide over it."""
    size, kernel, stride, low, dilation, count = window
    starts = [divmod(k * dilation, stride) for k in range(kernel)]
    remainders = sorted({remainder for _, remainder in starts})
    extent = count + max(shift for shift, _ in starts)
    planes = [_plane(remainder - low, stride, size, extent) for remainder in remainders]
    reads = [(k, (remainders.index(r), shift)) for k, (shift, r) in enumerate(starts)]
    return Axis(extent, stride, planes, [Lattice(0, 1, count, reads)])


def transposed_axis(window: Window) -> Axis | None:
    """Return how the windows' results are read by what they saw; None where nobody reads."""
    size, kernel, stride, low, dilation, count = window
    found = []
    for begin in range(min(stride, size)):
        reads = []
        for k in range(kernel):
            shift, rest = divmod(begin + low - k * dilation, stride)
            if not rest:
                reads.append((k, shift))
        found.append((begin, -((begin - size) // stride), reads))
    shifts = [shift for _, _, reads in found for _, shift in reads]
    if not shifts:
        return None
    least = min(shifts)
    extent = max(many + shift - least for _, many, reads in found for _, shift in reads)
    extent = max(extent, *(many for _, many, _ in found))
    lattices = [
        Lattice(begin, stride, many, [(k, (0, shift - least)) for k, shift in reads])
        for begin, many, reads in found
    ]
    return Axis(extent, 1, [_plane(least, 1, count, extent)], lattices)


class Phase(NamedTuple):
    """A lattice in all three dimensions.

    Attributes:
        begins, steps, counts: the places.
        kernel: the elements of the window, counted in row-major order.
        distances: where each is, counted in the planes of a channel.
    """

    begins: tuple[int, ...]
    steps: tuple[int, ...]
    counts: tuple[int, ...]
    kernel: np.ndarray
    distances: np.ndarray


def phases(axes: Sequence[Axis], kernel: Sequence[int]) -> list[Phase]:
    """Return the combinations of the axes' lattices."""
    extents = [axis.extent for axis in axes]
    planes = [len(axis.planes) for axis in axes]
    plane = int(np.prod(extents))
    made = []
    for lattices in itertools.product(*(axis.lattices for axis in axes)):
        reads = list(itertools.product(*(each.reads for each in lattices)))
        elements, distances = [], []
        for read in reads:
            element = number = shift = 0
            for dim, (k, (part, moved)) in enumerate(read):
                element = element * kernel[dim] + k
                number = number * planes[dim] + part
                shift = shift * extents[dim] + moved
            elements.append(element)
            distances.append(number * plane + shift)
        begins, steps, counts = (
            tuple(getattr(each, name) for each in lattices) for name in ("begin", "step", "number")
        )
        kinds = np.array(elements, np.int64), np.array(distances, np.int64)
        made.append(Phase(begins, steps, counts, *kinds))
    return made


def plane_table(axes: Sequence[Axis]) -> np.ndarray:
    """Return begin, first and last of each dimension, for each plane of a channel."""
    rows = [
        [number for plane in planes for number in plane]
        for planes in itertools.product(*(axis.planes for axis in axes))
    ]
    return np.array(rows, np.int64).reshape(-1)
