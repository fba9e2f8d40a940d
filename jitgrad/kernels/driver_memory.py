"""The memory of a driver: arrays that come in and go out, blocks of bytes, and scratch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.geometry import row_major
from jitgrad.kernels.layout import allocate, extent, fresh, view_of
from jitgrad.kernels.scratch import Scratch, aligned
from jitgrad.modes import run_quietly

BLOCK = "scratch"
"""The name of the block of memory that does not leave a run."""

KEPT, WITHIN = "kept", "within"
"""The names of the blocks that come out of a run, and that go in."""


class DriverMemory:
    """Gives names to what a driver uses, and writes the lines that make it.

    Attributes:
        offsets: the bytes where outputs begin that lie in a block.
    """

    def __init__(self, inputs: Sequence[Value | Scalar], outputs: Sequence[Value | Scalar]) -> None:
        self.offsets: dict[Value, int] = {}
        self._inputs = inputs
        self._outputs = outputs
        self._lines: list[str] = []
        self._names: dict[Any, str] = {}
        self._counters: dict[str, int] = {}
        self._namespace: dict[str, Any] = {
            "empty": np.empty,
            "ndarray": np.ndarray,
            "as_strided": np.lib.stride_tricks.as_strided,
            "copyto": np.copyto,
            "run_quietly": run_quietly,
            "fresh": fresh,
        }
        # what single lines make: arrays in row-major order
        self._arrays: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        self._base: dict[Memory, tuple[str, Value]] = {}
        self._views: dict[tuple, str] = {}
        self._outside = {each.memory for each in inputs if isinstance(each, Value)}
        self._escaping = {each.memory for each in outputs if isinstance(each, Value)}
        self._introduced: dict[Memory, Value] = {}
        self._by_numpy_made: set[Memory] = set()
        self._scratch = Scratch(self._introduced)
        self._lent: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = []
        # the memories whose arrays are parts of a block
        self._in_blocks: set[Memory] = set()

    # names

    def _new(self, prefix: str) -> str:
        number = self._counters.get(prefix, 0)
        self._counters[prefix] = number + 1
        return f"{prefix}{number}"

    def _constant(self, prefix: str, value: Any) -> str:
        """Return the name of an object that the driver uses."""
        key = (prefix, id(value))
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._new(prefix)
            self._namespace[name] = value
        return name

    def _dtype(self, dtype: np.dtype) -> str:
        self._namespace[dtype.name] = dtype
        return dtype.name

    def _line(self, text: str) -> None:
        self._lines.append(text)

    # memory

    def _prepare(self, value: Value) -> None:
        """Make sure that there is memory for the elements that an operation of ours writes."""
        memory = value.memory
        if memory in self._base or memory in self._scratch:
            return
        first = self._introduced.get(memory, value)
        name = self._new("out")
        made = self._allocation(first)
        if made == f"empty({first.shape}, {first.dtype.name})":
            self._arrays[name] = first.shape, first.dtype
        self._line(f"{name} = {made}")
        self._base[memory] = (name, first)
        self._views[geometry_of(first)] = name

    def _allocation(self, value: Value) -> str:
        shape, dtype = value.shape, self._dtype(value.dtype)
        order = sorted(range(len(shape)), key=lambda dim: -value.strides[dim])
        for axes in (tuple(range(len(shape))), tuple(order)):
            sizes = tuple(shape[axis] for axis in axes)
            back = tuple(axes.index(dim) for dim in range(len(shape)))
            trial = np.empty(sizes, np.bool_).transpose(back)
            if trial.strides == value.strides:
                text = f"empty({sizes}, {dtype})"
                return text if back == tuple(range(len(shape))) else f"{text}.transpose({back})"
        self._namespace["allocate"] = allocate
        return f"allocate({self._constant('layout', value)})"

    def _array(self, value: Value) -> str:
        """Return the name of the array for `value`."""
        if value.shift is not None:
            return self._shifted(value, *value.shift)
        key = geometry_of(value)
        self._prepare(value)
        name = self._views.get(key)
        if name is None:
            name = self._new("view")
            if value.memory in self._scratch:
                strides = tuple(stride * value.dtype.itemsize for stride in value.strides)
                layout = (value.shape, value.dtype, strides, self._scratch.offset(value))
                self._lent.append((name, partial(view_of, layout=layout)))
            else:
                base, first = self._base[value.memory]
                self._line(f"{name} = {self._view(base, first, value)}")
            self._views[key] = name
        return name

    def _shifted(self, value: Value, number: Scalar, distance: int) -> str:
        """Return the name of an array that is made for one use."""
        base, offset = self._address(value)
        size, dtype = value.dtype.itemsize, self._dtype(value.dtype)
        strides = tuple(stride * size for stride in value.strides)
        self._namespace["view_of"] = view_of
        name = self._new("view")
        place = f"{offset} + {self._names[number]} * {distance * size}"
        self._line(f"{name} = view_of({base}, ({value.shape}, {dtype}, {strides}, {place}))")
        return name

    def _view(self, base: str, first: Value, value: Value) -> str:
        if value.memory in self._in_blocks:
            return self._part(base, first, value)
        is_same = first.offset == value.offset and first.dtype == value.dtype
        pairs = list(zip(first.shape, first.strides))
        if is_same and sorted(pairs) == sorted(zip(value.shape, value.strides)):
            axes = []
            for pair in zip(value.shape, value.strides):
                axis = next(k for k, held in enumerate(pairs) if held == pair and k not in axes)
                axes.append(axis)
            return f"{base}.transpose({tuple(axes)})"
        itemsize = value.dtype.itemsize
        offset = (value.offset - first.offset) * itemsize
        strides = tuple(stride * itemsize for stride in value.strides)
        is_block = first.strides == row_major(first.shape) and value.memory not in self._outside
        if is_block and min(value.strides, default=0) >= 0:
            dtype = self._dtype(value.dtype)
            return f"ndarray({value.shape}, {dtype}, {base}, {offset}, {strides})"
        return self._part(base, first, value)

    def _part(self, base: str, first: Value, value: Value) -> str:
        itemsize = value.dtype.itemsize
        strides = tuple(stride * itemsize for stride in value.strides)
        layout = (value.shape, value.dtype, strides, (value.offset - first.offset) * itemsize)
        self._namespace["view_of"] = view_of
        return f"view_of({base}, {self._constant('layout', layout)})"

    def _address(self, value: Value) -> tuple[str, int]:
        """Return an array, and how many bytes behind its beginning `value` begins."""
        self._prepare(value)
        if value.memory in self._scratch:
            return BLOCK, self._scratch.offset(value)
        name, first = self._base[value.memory]
        return name, (value.offset - first.offset) * value.dtype.itemsize

    def _join(self, together: Collection[Value]) -> None:
        """Have memory for outputs in one block, as far as these are what kernels write."""
        size = 0
        outputs = [each for each in self._outputs if isinstance(each, Value)]
        alone = {each.memory for each in together}
        alone -= {each.memory for each in outputs if each not in together}
        for value in together:
            first = self._introduced.get(value.memory)
            elsewhere = (self._outside, self._base, self._by_numpy_made)
            if value.memory not in alone or any(value.memory in each for each in elsewhere):
                continue
            if first is None or geometry_of(first) != geometry_of(value) or value.shift:
                continue
            low, length = extent(value)
            itemsize = value.dtype.itemsize
            self.offsets[value] = size - low * itemsize
            self._in_blocks.add(value.memory)
            self._put(value, KEPT, self.offsets[value])
            size += aligned(length * itemsize)
        if self.offsets:
            self._namespace["uint8"] = np.dtype(np.uint8)
            self._arrays[KEPT] = (size,), self._namespace["uint8"]
            self._line(f"{KEPT} = empty({size}, uint8)")

    def _put(self, value: Value, block: str, offset: int) -> None:
        """Let a memory lie in a block, so that `value` begins at an offset in bytes."""
        begin = value.offset - offset // value.dtype.itemsize
        first = Value(value.shape, value.strides, value.dtype, value.memory, begin)
        self._base[value.memory] = (block, first)


def geometry_of(value: Value) -> tuple:
    return (value.memory, value.offset, value.shape, value.strides, value.dtype)
