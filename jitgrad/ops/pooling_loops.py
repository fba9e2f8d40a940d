"""Loops of kernels for the largest elements of windows, and for elements at known places."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.ops.resampling import adaptive_windows
from jitgrad.ops.sliding import Sizes
from jitgrad.primitive import Loops

_UNROLLED = 8
"""Windows of at most so many elements have their length in the source, which unrolls the loop."""


class _Dim:
    """The windows along one dimension.

    Attributes:
        size: of the dimension.
        length: the most elements of a window.
        step: how far they are apart.
        start: where each window begins, perhaps outside.
        first, last: the elements of each window, counted from its beginning, that lie inside.
    """

    def __init__(
        self, size: int, length: int, step: int, start: np.ndarray, stop: np.ndarray
    ) -> None:
        self.size, self.length, self.step, self.start = size, length, step, start
        self.first = -(np.minimum(start, 0) // step)
        self.last = (np.minimum(stop, size) - 1 - start) // step

    def apart(self) -> int | None:
        """Return how far windows are apart if all are alike and inside."""
        apart = set(np.diff(self.start).tolist()) or {1}
        inside = not self.first.any() and bool((self.last == self.length - 1).all())
        return apart.pop() if inside and len(apart) == 1 and not self.start[0] else None


def _largest(array: Any, dims: list[_Dim], wants_places: bool) -> Loops | None:
    """Return loops over windows and, within, over their elements."""
    if any((dim.first > dim.last).any() for dim in dims):
        return None  # there are windows with nothing inside
    sizes: dict[str, int] = {}
    tables: dict[str, np.ndarray] = {}
    lines = ["for line in range(first, last):"]
    elements, clamped, window = [], [], 1
    corner, offset, begin, index = "line", "0", "0", "line"
    for k, dim in enumerate(dims):
        sizes |= {f"size{k}": dim.size, f"count{k}": len(dim.start), f"length{k}": dim.length}
        window *= dim.length
        apart, start, at, least = dim.apart(), f"start{k}[p{k}]", f"at{k}", f"first{k}[p{k}]"
        if apart is not None:
            start, at, least = f"p{k} * {apart}", f"k{k}", "0"
        else:
            # what lies outside stands for the nearest element inside, which is seen anyhow
            tables |= {f"start{k}": dim.start, f"first{k}": dim.first, f"last{k}": dim.last}
            clamped.append(f"at{k} = min(max(k{k}, {least}), last{k}[p{k}])")
        lines.append("    " * len(lines) + f"for p{k} in range(count{k}):")
        length = dim.length if dim.length <= _UNROLLED else f"length{k}"
        elements.append("    " * k + f"for k{k} in range({length}):")
        corner = f"({corner}) * size{k} + {start}"
        offset = f"({offset}) * size{k} + {at} * {dim.step}"
        begin = f"({begin}) * size{k} + {least} * {dim.step}"
        index = f"({index}) * count{k} + p{k}"
    plane = " * ".join(f"size{k}" for k in range(len(dims)))
    inner = [*clamped, f"offset = {offset}", "value = a0[corner + offset]"]
    # of several the first one; of several NaN the last one
    inner += ["better = (value > best) | (value != value)", "best = where(better, value, best)"]
    if wants_places:
        inner.append("chosen = where(better, offset, chosen)")
    result = f"corner + chosen - line * {plane}" if wants_places else "best"
    body = [
        f"corner = {corner}",
        f"chosen = {begin}",
        "best = a0[corner + chosen]",
        *elements,
        *("    " * len(dims) + each for each in inner),
        f"out[{index}] = {result}",
    ]
    depth = "    " * len(lines)
    planes = array.shape[0] * array.shape[1]
    work = planes * window * 0.3
    for dim in dims:
        work *= len(dim.start)
    return Loops("\n".join([*lines, *(depth + each for each in body)]), planes, work, sizes, tables)


def sliding_loops(
    array: Any,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    counts: Sizes,
    wants_places: bool,
) -> Loops | None:
    """Return the loops that find the largest elements of sliding windows, or their places."""
    dims = []
    sizes = array.shape[2:]
    for size, k, s, low, d, count in zip(sizes, kernel, stride, padding, dilation, counts):
        start = np.arange(count) * s - low
        dims.append(_Dim(size, k, d, start, start + (k - 1) * d + 1))
    return _largest(array, dims, wants_places)


def adaptive_loops(_out: Any, array: Any, *, counts: Sizes) -> Loops | None:
    """Return the loops that find the places of the largest elements of windows that adapt."""
    dims = []
    for size, count in zip(array.shape[2:], counts):
        start, stop = adaptive_windows(size, count)
        dims.append(_Dim(size, int((stop - start).max()), 1, start, stop))
    return _largest(array, dims, True)


def take_loops(_out: Any, array: Any, places: Any) -> Loops:
    """Return the loops that read each line at places counted within it."""
    lines = array.shape[0] * array.shape[1]
    body = """
for line in range(first, last):
    for k in range(line * count, (line + 1) * count):
        out[k] = a0[line * size + a1[k]]
"""
    sizes = {"size": array.size // lines, "count": places.size // lines}
    return Loops(body, lines, 1.0 * places.size, sizes)


def put_loops(out: Any, array: Any, places: Any, **_params: Any) -> Loops | None:
    """Return the loops that add to each line at places counted within it."""
    if out.dtype == np.bool_:
        return None
    lines = array.shape[0] * array.shape[1]
    body = """
for line in range(first, last):
    for k in range(line * size, (line + 1) * size):
        out[k] = {kind}(0)
    for k in range(line * count, (line + 1) * count):
        place = line * size + a1[k]
        out[place] = {kind}(out[place] + a0[k])
"""
    sizes = {"size": out.size // lines, "count": places.size // lines}
    return Loops(body, lines, 1.0 * places.size + 0.1 * out.size, sizes)
