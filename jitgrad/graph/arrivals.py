"""The cotangents that arrive at what the turns of a native loop have appended to lists."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.graph.derivative import kinds_of
from jitgrad.graph.ir import Memory, Value
from jitgrad.graph.origins import Variable
from jitgrad.kernels.records import Form, entry

Variant = tuple[int, tuple]
"""A way, and the kinds of the cotangents that arrive at what its turn has appended."""

MOST_VARIANTS = 255
"""How many variants of turns a way back tells apart."""


class Arrivals:
    """What arrives at what some turns have appended.

    Args:
        past: what the run has left.
        begin, end: the turns.
        found: pairs of a turn and a variable, with their cotangents.

    Attributes:
        direct: the cotangents, by turn and variable.
        variants: the variants of the turns.
        taken: for each turn the number of its variant.
    """

    def __init__(
        self, past: Any, begin: int, end: int, found: Sequence[tuple[int, Variable, Any]]
    ) -> None:
        self.past = past
        self.begin = begin
        self.direct: dict[int, dict[Variable, Any]] = {}
        for turn, variable, cotangent in found:
            self.direct.setdefault(turn, {})[variable] = cotangent
        self.variants: list[Variant] = [(way, ()) for way in range(len(past.layout.ways))]
        order = past.order
        self.taken = np.zeros(end - begin, np.uint8) if order is None else order[begin:end]
        self._waiting: list[int] = []
        self._turns: dict[int, np.ndarray] = {}
        self._divided: set[int] = set()
        if self.direct:
            self._tell_apart()

    def _tell_apart(self) -> None:
        """Find the variants of the turns at which something arrives."""
        past, begin = self.past, self.begin
        self.taken = self.taken.astype(np.int32)
        numbers = {each: number for number, each in enumerate(self.variants)}
        for turn, direct in self.direct.items():
            kinds = kinds_of({each: tensor._array for each, tensor in direct.items()})
            variant = past.way(turn), kinds
            number = numbers.setdefault(variant, len(numbers))
            if number == len(self.variants):
                self.variants.append(variant)
            self.taken[turn - begin] = number
        self._waiting = sorted(self.direct)
        self._divided = {way for way, kinds in self.variants if kinds}

    def variant(self, turn: int) -> Variant:
        """Return the variant of a turn."""
        return self.variants[self.taken[turn - self.begin]]

    def last(self, first: int, end: int) -> int:
        """Return one more than the last turn before `end` where something arrives, or `first`."""
        at = bisect_left(self._waiting, end)
        return max(self._waiting[at - 1] + 1, first) if at else first

    def turns(self, number: int, begin: int, end: int) -> np.ndarray:
        """Return the turns of a variant, by its number, of those between two turns."""
        found = self._turns.get(number)
        if found is None:
            found = self._turns[number] = np.flatnonzero(self.taken == number) + self.begin
        first, last = np.searchsorted(found, (begin, end))
        return found[first:last]

    def count(self, number: int, begin: int, end: int) -> int:
        """Return how many turns of a variant, by its number, lie between two turns."""
        way, _ = self.variants[number]
        if way in self._divided:
            return len(self.turns(number, begin, end))
        passage = self.past.passages.get(way)
        first, last = (0, 0) if passage is None else passage.own(begin, end)
        return last - first

    def own(self, number: int, begin: int, end: int) -> Any:
        """Return which turns of a way are those of a variant: a slice, or their numbers."""
        way, _ = self.variants[number]
        passage = self.past.passages.get(way)
        if passage is None:
            return slice(0, 0)
        if way not in self._divided:
            return slice(*passage.own(begin, end))
        return np.searchsorted(passage.at, self.turns(number, begin, end))

    def streams(self, number: int, begin: int, end: int) -> list[np.ndarray]:
        """Return what arrives at the turns of a variant between two turns, the last one first."""
        found: list[np.ndarray] = []
        kinds = self.variants[number][1]
        turns = self.turns(number, begin, end).tolist() if kinds else []
        for variable, shape, strides, dtype in kinds:
            like = entry(Value(shape, elements(strides, dtype), dtype, Memory()))
            record = Form(like).record(len(turns))
            for place, turn in enumerate(reversed(turns)):
                record[place, ...] = self.direct[turn][variable]._array
            found.append(record)
        return found


def elements(strides: Sequence[int], dtype: np.dtype) -> tuple[int, ...]:
    """Return strides in elements instead of bytes."""
    return tuple(step // dtype.itemsize for step in strides)
