"""Memory of a run that nobody sees after it: parts of one block, used again when they are free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels.layout import extent

ALIGNMENT = 64


class _Part:
    """A memory in the block.

    Attributes:
        start: the byte of the first element of the value that introduced it.
        length: how many bytes it takes.
        born, dead: the first and the last time at which it is used.
    """

    def __init__(self, first: Value, time: int) -> None:
        self.first = first
        self.low, length = extent(first)
        self.length = aligned(length * first.dtype.itemsize)
        self.born = self.dead = time
        self.start = 0


class Scratch:
    """Where in the block each memory lies.

    Args:
        introduced: the values that lay out memories; of others it is the one that is seen first.

    Attributes:
        size: of the block, in bytes.
    """

    def __init__(self, introduced: Mapping[Memory, Value]) -> None:
        self._introduced = introduced
        self._parts: dict[Memory, _Part] = {}
        self.size = 0

    def __contains__(self, memory: Memory) -> bool:
        return memory in self._parts

    def use(self, value: Value, time: int) -> None:
        """Have memory for `value` at `time`, which never decreases."""
        part = self._parts.get(value.memory)
        if part is None:
            first = self._introduced.get(value.memory, value)
            part = self._parts[value.memory] = _Part(first, time)
        part.dead = time

    def place(self) -> None:
        """Give each memory the first bytes that are free as long as it is used."""
        held: list[_Part] = []  # in the order in which they lie
        for part in self._parts.values():
            held = [each for each in held if each.dead >= part.born]
            before = 0
            for each in held:
                if part.start + part.length <= each.start:
                    break
                part.start = each.start + each.length
                before += 1
            held.insert(before, part)
            self.size = max(self.size, part.start + part.length)

    def offset(self, value: Value) -> int:
        """Return the byte where the first element of `value` lies."""
        part = self._parts[value.memory]
        moved = value.offset - part.first.offset - part.low
        return part.start + moved * value.dtype.itemsize


class Spare(list):
    """Memory that runs have done with and others take; tests write to what is put here."""


def lend(size: int, makers: Iterable[Callable[[np.ndarray], np.ndarray]]) -> tuple:
    """Return a block for a run, and the arrays on it."""
    block = new_block(size)
    return (block, *(make(block) for make in makers))


def new_block(size: int) -> np.ndarray:
    """Return memory that is aligned."""
    whole = np.empty(size + ALIGNMENT, np.uint8)
    start = -whole.__array_interface__["data"][0] % ALIGNMENT
    return whole[start : start + size]


def aligned(size: int) -> int:
    """Return `size` rounded up."""
    return -(-size // ALIGNMENT) * ALIGNMENT
