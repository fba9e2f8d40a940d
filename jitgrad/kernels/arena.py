"""The arena of a run: where instructions, argument tables and memory lie in one block of bytes."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.numbers import Numbers
from jitgrad.kernels.scratch import aligned


class Address:
    """A word that is known only when there is an arena: the address of a byte in its memory."""

    def __init__(self, value: Value) -> None:
        self.value = value


class Slot:
    """A word that is known only when there is an arena: the address of one of its words."""

    def __init__(self, table: list, entry: int) -> None:
        self.table = table
        self.entry = entry


class Layout:
    """Where in an arena everything lies.

    Args:
        reach: for each memory the first and last element, and their size.

    Attributes:
        template: the words, addresses counted from the beginning of the arena.
        moving: the words that are addresses.
        size: of the arena, in bytes.
    """

    def __init__(self, reach: dict[Memory, tuple[int, int, int]], numbers: Numbers) -> None:
        self.reach = reach
        self.numbers = numbers
        self.blocks: dict[Memory, tuple[int, int]] = {}
        self.starts: dict[int, int] = {}

    def words(self, parts: list[list[Any]]) -> None:
        position = 0
        for part in parts:
            self.starts[id(part)] = position
            position += len(part)
        self.size = aligned(8 * position)
        for memory, (low, high, size) in self.reach.items():
            length = (high - low + 1) * size
            self.blocks[memory] = (self.size, length)
            self.size += aligned(length)
        flat = list(chain(*parts))
        self.template = np.array([self._word(each) for each in flat], np.int64)
        moving = [at for at, each in enumerate(flat) if isinstance(each, (Address, Slot))]
        self.moving = np.array(moving, np.intp)

    def position(self, part: list[Any]) -> int:
        """Return the number of the first word of a part."""
        return self.starts[id(part)]

    def offset(self, what: Value | Scalar) -> int:
        """Return where a number or the first element of a value lies, in bytes."""
        value = self.numbers[what] if isinstance(what, Scalar) else what
        low, _, size = self.reach[value.memory]
        return self.blocks[value.memory][0] + (value.offset - low) * size

    def _word(self, word: Any) -> int:
        if isinstance(word, Slot):
            return 8 * (self.position(word.table) + word.entry)
        return self.offset(word.value) if isinstance(word, Address) else word
