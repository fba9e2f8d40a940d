"""Kernels for correlations (convolutions as networks know them), their transposes and gradients.

A sample is copied into planes (see windows.py), which stay in the cache. There the products of a
window are products of matrices without the matrix of windows ever being made: each row of it is a
part of a plane, at a distance. Places are counted along the planes, so that vector registers are
full whatever the width of an image; what is computed at the ends of its rows is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Memory, Value
from jitgrad.kernels.entries import Header, Routine, table_of
from jitgrad.kernels.geometry import count
from jitgrad.kernels.processor import COLUMNS, DOT_COLUMNS, DOT_ROWS, ROWS, lanes
from jitgrad.kernels.threads import THREADS, WORTH_SPLITTING
from jitgrad.kernels.windows import (
    Axis,
    Phase,
    Window,
    forward_axis,
    packed_lines,
    phases,
    result_lines,
    transposed_axis,
)

CACHED = 1 << 19
"""Bytes that packed samples of one thread may take, if it is more than one sample."""

_PRODUCT = 0.02
"""Roughly the ns of a product."""

_PACK = """
clear(scratch, {planes}, far)
for channel in range(channels):
    at = (sample * channels + channel) * volume
    for k in range(0, lines, 3):
        place = {planes} + channel * space + packed_lines[k]
        move(scratch, place, 1, source, at + packed_lines[k + 1], step, packed_lines[k + 2])
"""
"""Copies the channels of a sample (of a group) into planes."""

_PREPARE = """
for group in range(first, last):
    for phase in range(phases):
        p = phase * 6
        depth = table[p]
        row = 0
        while row < rows:
            high = {height}
            to = groups * rows * table[p + 1] + (group * rows + row) * depth
            for k in range(depth):
                at = group * many + row * apart + elements[table[p + 1] + k]
                for i in range(high):
                    value = weights[at + i * apart]
                    if value - value != {kind}(0):
                        declined[0] = 1
                    packed[to + k * high + i] = value
            row += high
"""
"""Copies the weights into the order in which they are needed.

Infinite ones are left to NumPy: what is outside of the source must not be multiplied by them.
"""

_CORRELATE = """
for chunk in range(first, last):
    base = chunk * slot
    wide = base + far
    held = -1
    for job in range(jobs * chunk // chunks, jobs * (chunk + 1) // chunks):
        sample = job // shares
        share = job % shares
        group = sample % groups
        if sample != held:
            held = sample
{pack}
        row = {most} * (blocks * share // shares)
        end = min(rows, {most} * (blocks * (share + 1) // shares))
        while row < end:
            high = {height}
            for phase in range(phases):
                p = phase * 6
                depth = table[p]
                w = groups * rows * table[p + 1] + (group * rows + row) * depth
                b = group * rows + row
                for place in range(0, table[p + 2], {width}):
{tiles}
                for i in range(high):
                    to = (sample * rows + row + i) * size
                    at = wide + i * pitch
                    for k in range(table[p + 3], table[p + 4], 3):
                        place = to + result_lines[k + 1]
                        many = result_lines[k + 2]
                        move(out, place, table[p + 5], scratch, at + result_lines[k], 1, many)
            row += high
"""
"""Computes a few rows of the result, that is channels, of a sample at a time."""

_MULTIPLY = (
    "multiply({}, packed, w, scratch, base + place, distances, table[p + 1], depth, bias, b, "
    "scratch, wide + place, pitch)"
)

_WEIGHT = """
for chunk in range(first, last):
    base = chunk * slot
    right = base + block * rows * pitch
    partial = chunk * groups * rows * depth
    for k in range(partial, partial + groups * rows * depth):
        partials[k] = {kind}(0)
    begin = samples * chunk // chunks
    end = samples * (chunk + 1) // chunks
    while begin < end:
        many = min(block, end - begin)
        for group in range(groups):
            for number in range(many):
                sample = (begin + number) * groups + group
{pack}
                left = base + number * rows * pitch
                clear(scratch, left, rows * pitch)
                for i in range(rows):
                    to = left + i * pitch
                    at = (sample * rows + i) * size
                    for k in range(0, ends, 3):
                        place = to + result_lines[k]
                        length = result_lines[k + 2]
                        move(scratch, place, 1, cotangent, at + result_lines[k + 1], 1, length)
            row = 0
            while row < rows:
                high = {height}
                for k in range(0, depth, {columns}):
                    to = partial + (group * rows + row) * depth + k
                    left = base + row * pitch
{tiles}
                row += high
        begin += many
"""

_DOT = (
    "dot({}, scratch, base + row * pitch, pitch, scratch, right, distances, k, pitch, many, "
    "rows * pitch, far, partials, to, depth)"
)

_COMBINE = """
for row in range(first, last):
    for k in range(used):
        total = {kind}(0)
        for chunk in range(chunks):
            total += partials[(chunk * rows + row) * depth + k]
        if total != total:
            declined[0] = 1
        out[row * used + k] = total
"""
"""Adds up what the threads found.

NaN is left to NumPy: infinite elements were also multiplied by zeros at the ends of rows.
"""


def _indented(text: str, levels: int) -> str:
    return "\n".join("    " * levels + line for line in text.strip("\n").splitlines())


def _heights(most: int) -> list[int]:
    """Return the heights of tiles, the largest first."""
    return [most >> k for k in range(most.bit_length())]


def _height(most: int) -> str:
    """Return source for the height of the tile at `row`."""
    text = "1"
    for each in reversed(_heights(most)[:-1]):
        text = f"({each} if rows - row >= {each} else {text})"
    return text


def _choice(most: int, call: str, levels: int) -> str:
    """Return source that calls for the tile of height `high`."""
    lines = []
    for each in _heights(most):
        lines += [f"{'el' if lines else ''}if high == {each}:", f"    {call.format(each)}"]
    return _indented("\n".join(lines), levels)


class Correlation:
    """What a step correlates.

    Args:
        step: `output` comes out of `input` and `weight`, or one of these of the others.

    Attributes:
        made: "output", "input" or "weight".
        windows: one for each of three dimensions; missing ones have size 1.
        channels: of a group, those of `output` and of `input`, and the elements of a window.
    """

    def __init__(self, step: Compute) -> None:
        self.made = step.primitive.correlation
        params, given, target = step.params, step.inputs, step.output
        self.dtype = target.dtype
        self.groups: int = params["groups"]
        input, weight, output = {
            "output": lambda: (given[0], given[1], target),
            "input": lambda: (target, given[1], given[0]),
            "weight": lambda: (given[1], target, given[0]),
        }[self.made or ""]()
        self.samples: int = input.shape[0]
        outer, inner, *_ = weight.shape
        self.kernel = _three(weight.shape[2:], 1)
        self.channels = (outer // self.groups, inner, count(self.kernel))
        lows = tuple(low for low, _ in params["padding"])
        self.windows = tuple(
            map(
                Window,
                _three(input.shape[2:], 1),
                self.kernel,
                _three(params["stride"], 1),
                _three(lows, 0),
                _three(params["dilation"], 1),
                _three(output.shape[2:], 1),
            )
        )
        products = output.size * count(weight.shape[1:])
        self.nanoseconds = _PRODUCT * products + 0.5 * (input.size + output.size)

    def axes(self) -> list[Axis] | None:
        """Return how the source is packed; None where nothing reads it."""
        make = transposed_axis if self.made == "input" else forward_axis
        axes = [make(each) for each in self.windows]
        return None if None in axes else axes  # type: ignore[return-value]


def _three(sizes: Sequence[int], missing: int) -> tuple[int, ...]:
    return (missing,) * (3 - len(sizes)) + tuple(sizes)


def correlation_for(step: Compute) -> Callable[[Value, Sequence[Any]], Routine] | None:
    """Return what makes the routine for a correlation; None where NumPy does it."""
    if step.output.dtype.name not in ("float32", "float64") or len(step.output.shape) > 5:
        return None
    correlation = Correlation(step)
    axes = correlation.axes()
    if axes is None:
        return None
    make = _weight if correlation.made == "weight" else _correlate
    return lambda target, operands: make(correlation, axes, target, operands)


def _memory(label: str, size: int, dtype: np.dtype) -> Value:
    return Value((size,), (1,), dtype, Memory(label))


def _chunks(nanoseconds: float, jobs: int) -> int:
    """Return into how many parts, with scratch memory of their own, the work is split."""
    if THREADS == 1 or nanoseconds < WORTH_SPLITTING:
        return 1
    return min(jobs, 2 * THREADS)


def _source(
    axes: Sequence[Axis], source: Value, channels: int, lines: np.ndarray
) -> dict[str, int]:
    """Return the sizes that `_PACK` names."""
    return {
        "channels": channels,
        "space": count([axis.extent * len(axis.planes) for axis in axes]),
        "volume": count(source.shape[2:]),
        "step": axes[2].step,
        "lines": lines.size,
    }


def _reach(axes: Sequence[Axis], counts: Sequence[int]) -> int:
    """Return how many places there are from the first to the last one, row ends included."""
    total = 0
    for axis, size in zip(axes, counts):
        total = total * axis.extent + size - 1
    return total + 1


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _numbers(rows: Sequence[Sequence[int]]) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1)


def _places(phase: Phase, contracted: int, apart: int, space: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the weights and of the packed elements that are multiplied.

    Args:
        phase: whose they are.
        contracted: the channels that are summed over.
        apart: how far these are apart in the weight.
        space: how far they are apart in the planes.
    """
    channel = np.arange(contracted)[:, None]
    return (
        (channel * apart + phase.kernel).reshape(-1),
        (channel * space + phase.distances).reshape(-1),
    )


class _Roles:
    """Who is read, and how, by a correlation whose result is not the weight.

    Attributes:
        rows: the channels of the result, in a group.
        contracted: those that are summed over.
        apart: how far the former are apart in the weight.
        sizes: see `_source`.
        reach: the most places of a phase, row ends included.
        phases: how many there are.
        tables: the phases' numbers, the places of weights and of packed elements that they
            multiply, the lines that are packed and those of the result.
    """

    def __init__(
        self, correlation: Correlation, axes: Sequence[Axis], source: Value, target: Value
    ) -> None:
        outer, inner, volume = correlation.channels
        forward = correlation.made == "output"
        self.rows, self.contracted = (outer, inner) if forward else (inner, outer)
        ways = (inner * volume, volume)
        self.apart, summed = ways if forward else ways[::-1]
        packing = _numbers(packed_lines(axes, _three(source.shape[2:], 1)))
        self.sizes = _source(axes, source, self.contracted, packing)
        rows, elements, distances, lines = [], [], [], []
        start = 0
        for phase in phases(axes, correlation.kernel):
            found = _places(phase, self.contracted, summed, self.sizes["space"])
            depth, begin = found[0].size, 3 * len(lines)
            elements.append(found[0])
            distances.append(found[1])
            lines += result_lines(phase, axes, _three(target.shape[2:], 1))
            reach = _reach(axes, phase.counts)
            rows.append([depth, start, reach, begin, 3 * len(lines), phase.steps[2]])
            start += depth
        self.reach = max(row[2] for row in rows)
        self.phases = len(rows)
        joined = map(np.concatenate, (elements, distances))
        arrays = [_numbers(rows), *joined, packing, _numbers(lines)]
        self.tables = [table_of(each) for each in arrays]


def _correlate(
    correlation: Correlation, axes: Sequence[Axis], target: Value, operands: Sequence[Any]
) -> Routine:
    """Return the kernels for "output" and "input", which differ in who reads whom."""
    dtype, groups = correlation.dtype, correlation.groups
    source, weights, *rest = operands
    roles = _Roles(correlation, axes, source, target)
    table, elements, distances, into, back = (value for value, _ in roles.tables)
    rows, tables = roles.rows, roles.tables
    if not rest:
        tables = [*tables, table_of(np.zeros(groups * rows, dtype))]
    bias = rest[0] if rest else tables[-1][0]
    packed = _memory("weights", groups * rows * elements.size, dtype)
    declined = _memory("declined", 1, np.dtype(np.int64))

    header = Header()
    header.regions(table=table, elements=elements, weights=weights, packed=packed)
    header.regions(declined=declined)
    header.integers(phases=roles.phases, groups=groups, rows=rows, apart=roles.apart)
    header.integers(many=count(correlation.channels))
    text = _PREPARE.format(kind=dtype.name, height=_height(ROWS))
    prepare = header.emitted(text, groups, 1.0 * packed.size)

    width = COLUMNS * lanes(dtype.name)
    pitch = _up(roles.reach, width)
    far = roles.contracted * roles.sizes["space"] + width
    blocks = -(-rows // ROWS)
    samples = correlation.samples * groups
    chunks = _chunks(correlation.nanoseconds, samples * blocks)
    shares = min(blocks, -(-chunks // samples))
    slot = far + ROWS * pitch
    scratch = _memory("planes", chunks * slot, dtype)
    header = Header()
    header.regions(out=target, source=source, packed=packed, bias=bias, scratch=scratch)
    header.regions(table=table, distances=distances, packed_lines=into, result_lines=back)
    header.integers(**roles.sizes, phases=roles.phases, groups=groups, rows=rows, far=far)
    header.integers(chunks=chunks, jobs=samples * shares, shares=shares, blocks=blocks)
    header.integers(slot=slot, pitch=pitch, size=count(target.shape[2:]))
    text = _CORRELATE.format(
        pack=_indented(_PACK.format(planes="base"), 3),
        tiles=_choice(ROWS, _MULTIPLY, 5),
        height=_height(ROWS),
        most=ROWS,
        width=width,
    )
    correlate = header.emitted(text, chunks, correlation.nanoseconds)
    return Routine([prepare, correlate], tables, declined)


def _weight(
    correlation: Correlation, axes: Sequence[Axis], target: Value, operands: Sequence[Any]
) -> Routine:
    """Return the kernels for "weight"."""
    dtype, groups = correlation.dtype, correlation.groups
    rows, inner, volume = correlation.channels
    cotangent, source = operands
    packing = _numbers(packed_lines(axes, _three(source.shape[2:], 1)))
    sizes = _source(axes, source, inner, packing)
    (phase,) = phases(axes, correlation.kernel)
    _, distances = _places(phase, inner, volume, sizes["space"])
    used = inner * volume
    depth = _up(used, DOT_COLUMNS)
    distances = np.concatenate([distances, np.zeros(depth - used, np.int64)])
    lines = _numbers(result_lines(phase, axes, _three(cotangent.shape[2:], 1)))
    tables = [table_of(distances), table_of(packing), table_of(lines)]
    step = lanes(dtype.name)
    pitch = _up(_reach(axes, phase.counts), step)
    far = inner * sizes["space"] + step
    chunks = _chunks(correlation.nanoseconds, correlation.samples)
    sample = far + rows * pitch
    block = max(CACHED // (sample * dtype.itemsize), 1)
    block = min(block, -(-correlation.samples // chunks))
    scratch = _memory("planes", chunks * block * sample, dtype)
    partials = _memory("partials", chunks * groups * rows * depth, dtype)
    header = Header()
    header.regions(cotangent=cotangent, source=source, scratch=scratch, partials=partials)
    names = ("distances", "packed_lines", "result_lines")
    header.regions(**{name: value for name, (value, _) in zip(names, tables)})
    header.integers(**sizes, groups=groups, rows=rows, far=far, pitch=pitch, depth=depth)
    header.integers(chunks=chunks, samples=correlation.samples, block=block, slot=block * sample)
    header.integers(size=count(cotangent.shape[2:]), ends=lines.size)
    pack = _PACK.format(planes="(right + number * far)")
    text = _WEIGHT.format(
        pack=_indented(pack, 4),
        tiles=_choice(DOT_ROWS, _DOT, 5),
        height=_height(DOT_ROWS),
        columns=DOT_COLUMNS,
        kind=dtype.name,
    )
    gather = header.emitted(text, chunks, correlation.nanoseconds)

    declined = _memory("declined", 1, np.dtype(np.int64))
    header = Header()
    header.regions(out=target, partials=partials, declined=declined)
    header.integers(rows=groups * rows, used=used, depth=depth, chunks=chunks)
    text = _COMBINE.format(kind=dtype.name)
    combine = header.emitted(text, groups * rows, 1.0 * partials.size)
    return Routine([gather, combine], tables, declined)
