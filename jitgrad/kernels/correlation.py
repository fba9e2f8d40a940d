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
from jitgrad.kernels.threads import THREADS, WORTH_SPLITTING
from jitgrad.kernels.tiles import COLUMNS, DOT_COLUMNS, DOT_ROWS, ROWS, lanes
from jitgrad.kernels.windows import (
    Axis,
    Phase,
    Window,
    forward_axis,
    phases,
    plane_table,
    transposed_axis,
)

CACHED = 1 << 19
"""Bytes that packed samples of one thread may take, if it is more than one sample."""

_PRODUCT = 0.02
"""Roughly the ns of a product."""

_PACK = """
for k in range({planes}, {planes} + far):
    scratch[k] = {kind}(0)
for channel in range(channels):
    for part in range(parts):
        plane = {planes} + (channel * parts + part) * extent0 * extent1 * extent2
        p = part * 9
        for z in range(planes[p + 1], planes[p + 2]):
            for y in range(planes[p + 4], planes[p + 5]):
                to = plane + (z * extent1 + y) * extent2
                at = ({sample} * channels + channel) * size0 + planes[p] + z * step0
                at = (at * size1 + planes[p + 3] + y * step1) * size2 + planes[p + 6]
                for x in range(planes[p + 7], planes[p + 8]):
                    scratch[to + x] = source[at + x * step2]
"""
"""Copies the channels of a sample (of a group) into planes."""

_PREPARE = """
for group in range(first, last):
    for phase in range(phases):
        p = phase * 11
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
                p = phase * 11
                depth = table[p]
                w = groups * rows * table[p + 1] + (group * rows + row) * depth
                b = group * rows + row
                total = ((table[p + 2] - 1) * extent1 + table[p + 3] - 1) * extent2 + table[p + 4]
                for place in range(0, total, {width}):
{tiles}
                for i in range(high):
                    to = (((sample * rows + row + i) * out0 + table[p + 5]) * out1 + table[p + 6])
                    to = to * out2 + table[p + 7]
                    at = wide + i * pitch
                    for z in range(table[p + 2]):
                        for y in range(table[p + 3]):
                            line = at + (z * extent1 + y) * extent2
                            place = to + (z * table[p + 8] * out1 + y * table[p + 9]) * out2
                            for x in range(table[p + 4]):
                                out[place + x * table[p + 10]] = scratch[line + x]
            row += high
"""
"""Computes a few rows of the result, that is channels, of a sample at a time."""

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
                for k in range(left, left + rows * pitch):
                    scratch[k] = {kind}(0)
                for i in range(rows):
                    for z in range(count0):
                        for y in range(count1):
                            to = left + i * pitch + (z * extent1 + y) * extent2
                            at = (((sample * rows + i) * count0 + z) * count1 + y) * count2
                            for x in range(count2):
                                scratch[to + x] = cotangent[at + x]
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


def _sizes(name: str, value: Value) -> dict[str, int]:
    """Return the sizes that windows slide over, named."""
    return {f"{name}{dim}": size for dim, size in enumerate(_three(value.shape[2:], 1))}


def _source(axes: Sequence[Axis], source: Value, channels: int) -> dict[str, int]:
    """Return the sizes that `_PACK` names."""
    parts = count([len(axis.planes) for axis in axes])
    named = {"channels": channels, "parts": parts, **_sizes("size", source)}
    for dim, axis in enumerate(axes):
        named |= {f"extent{dim}": axis.extent, f"step{dim}": axis.step}
    return named


def _reach(axes: Sequence[Axis], counts: Sequence[int]) -> int:
    """Return how many places there are from the first to the last one, row ends included."""
    total = 0
    for axis, size in zip(axes, counts):
        total = total * axis.extent + size - 1
    return total + 1


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _lists(made: Sequence[Phase], contracted: int, apart: int, far: int) -> list[np.ndarray]:
    """Return the phases' numbers, and places of the weights and elements that they multiply.

    Args:
        made: the phases.
        contracted: the channels that are summed over.
        apart: how far they are apart in the weight.
        far: how far they are apart in the packed source.
    """
    rows, elements, distances = [], [], []
    start = 0
    for phase in made:
        channel = np.arange(contracted)[:, None]
        elements.append((channel * apart + phase.kernel).reshape(-1))
        distances.append((channel * far + phase.distances).reshape(-1))
        rows.append([elements[-1].size, start, *phase.counts, *phase.begins, *phase.steps])
        start += elements[-1].size
    return [np.array(rows, np.int64).reshape(-1), *map(np.concatenate, (elements, distances))]


def _correlate(
    correlation: Correlation, axes: Sequence[Axis], target: Value, operands: Sequence[Any]
) -> Routine:
    """Return the kernels for "output" and "input", which differ in who reads whom."""
    dtype, groups = correlation.dtype, correlation.groups
    outer, inner, volume = correlation.channels
    forward = correlation.made == "output"
    rows, contracted = (outer, inner) if forward else (inner, outer)
    own, summed = (inner * volume, volume) if forward else (volume, inner * volume)
    source, weights, *rest = operands
    sizes = _source(axes, source, contracted)
    channel = sizes["parts"] * count([axis.extent for axis in axes])
    made = phases(axes, correlation.kernel)
    lists = _lists(made, contracted, summed, channel)
    tables = [table_of(each) for each in (*lists, plane_table(axes))]
    table, elements, distances, planes = (value for value, _ in tables)
    if not rest:
        tables.append(table_of(np.zeros(groups * rows, dtype)))
    bias = rest[0] if rest else tables[-1][0]
    packed = _memory("weights", groups * rows * elements.size, dtype)
    declined = _memory("declined", 1, np.dtype(np.int64))

    header = Header()
    header.regions(
        table=table, elements=elements, weights=weights, packed=packed, declined=declined
    )
    header.integers(phases=len(made), groups=groups, rows=rows, apart=own)
    header.integers(many=outer * inner * volume)
    text = _PREPARE.format(kind=dtype.name, height=_height(ROWS))
    prepare = header.emitted(text, groups, 1.0 * packed.size)

    width = COLUMNS * lanes(dtype.name)
    pitch = _up(max(_reach(axes, each.counts) for each in made), width)
    far = contracted * channel + width
    blocks = -(-rows // ROWS)
    samples = correlation.samples * groups
    chunks = _chunks(correlation.nanoseconds, samples * blocks)
    shares = min(blocks, -(-chunks // samples))
    slot = far + ROWS * pitch
    scratch = _memory("planes", chunks * slot, dtype)
    header = Header()
    header.regions(out=target, source=source, packed=packed, bias=bias, scratch=scratch)
    header.regions(table=table, distances=distances, planes=planes)
    header.integers(**sizes, phases=len(made), groups=groups, rows=rows, far=far, slot=slot)
    header.integers(chunks=chunks, jobs=samples * shares, shares=shares, blocks=blocks)
    header.integers(pitch=pitch, **_sizes("out", target))
    call = (
        "multiply({}, packed, w, scratch, base + place, distances, table[p + 1], depth, bias, b, "
        "scratch, wide + place, pitch)"
    )
    text = _CORRELATE.format(
        pack=_indented(_PACK.format(planes="base", sample="sample", kind=dtype.name), 3),
        tiles=_choice(ROWS, call, 5),
        height=_height(ROWS),
        most=ROWS,
        width=width,
    )
    return Routine(
        [prepare, header.emitted(text, chunks, correlation.nanoseconds)], tables, declined
    )


def _weight(
    correlation: Correlation, axes: Sequence[Axis], target: Value, operands: Sequence[Any]
) -> Routine:
    """Return the kernels for "weight"."""
    dtype, groups = correlation.dtype, correlation.groups
    rows, inner, volume = correlation.channels
    cotangent, source = operands
    sizes = _source(axes, source, inner)
    channel = sizes["parts"] * count([axis.extent for axis in axes])
    made = phases(axes, correlation.kernel)
    _, _, distances = _lists(made, inner, volume, channel)
    used = inner * volume
    depth = _up(used, DOT_COLUMNS)
    distances = np.concatenate([distances, np.zeros(depth - used, np.int64)])
    tables = [table_of(distances), table_of(plane_table(axes))]
    step = lanes(dtype.name)
    pitch = _up(_reach(axes, made[0].counts), step)
    far = inner * channel + step
    chunks = _chunks(correlation.nanoseconds, correlation.samples)
    sample = far + rows * pitch
    block = max(CACHED // (sample * dtype.itemsize), 1)
    block = min(block, -(-correlation.samples // chunks))
    scratch = _memory("planes", chunks * block * sample, dtype)
    partials = _memory("partials", chunks * groups * rows * depth, dtype)
    header = Header()
    header.regions(cotangent=cotangent, source=source, scratch=scratch, partials=partials)
    header.regions(distances=tables[0][0], planes=tables[1][0])
    header.integers(**sizes, groups=groups, rows=rows, far=far, pitch=pitch, depth=depth)
    header.integers(chunks=chunks, samples=correlation.samples, block=block, slot=block * sample)
    header.integers(**_sizes("count", cotangent))
    call = (
        "dot({}, scratch, base + row * pitch, pitch, scratch, right, distances, k, pitch, many, "
        "rows * pitch, far, partials, to, depth)"
    )
    pack = _PACK.format(planes="(right + number * far)", sample="sample", kind=dtype.name)
    text = _WEIGHT.format(
        pack=_indented(pack, 4),
        tiles=_choice(DOT_ROWS, call, 5),
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
