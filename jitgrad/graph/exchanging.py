"""Tensors that change places from turn to turn, as two buffers do that are written by turns.

Nothing is copied for that: native code gives the next turn their addresses in other places. Numbers
that change places with them tell which of them is where in the end, and how often it was written.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from jitgrad.graph.ir import Scalar, ScalarCompute, Value
from jitgrad.graph.joins import Exchanged, Moved, Unsuitable
from jitgrad.graph.loop_layout import LoopLayout
from jitgrad.graph.loop_writes import saved_by
from jitgrad.graph.recipes import Fresh, Root, walk
from jitgrad.graph.run import Run
from jitgrad.graph.ways import WayBack
from jitgrad.kernels.loops import Turns


class Exchange:
    """What becomes of tensors that change places in the turns of a native loop; there may be none.

    Args:
        ways: through a turn. On each of them they may change places in another way.

    Attributes:
        roots: the numbers of the roots that they are.
        values: what a turn knows them as.
        numbers: which of them is where, and how often that one has been written: numbers that are
            carried from turn to turn.
        first: what these begin with.
    """

    def __init__(self, ways: Sequence[WayBack]) -> None:
        given = {each.root: each.given for way in ways for each in _exchanged(way)}
        self.roots = list(given)
        self.values = list(given.values())
        self._which = [Scalar(int) for _ in given]
        is_written = any(each.storage.root in given for way in ways for each in way.rewrites)
        self._written = [Scalar(int) for _ in given if is_written]
        self.numbers = [*self._which, *self._written]
        self.first = [*range(len(self.roots)), *(0 for _ in self._written)]

    @property
    def announced(self) -> Sequence[int]:
        """The roots that turns may write to, wherever these are then."""
        return self.roots if self._written else ()

    def check(self, ways: Sequence[WayBack], layout: LoopLayout | None) -> None:
        """Make sure that nothing but what is in these places hangs on which tensor is there.

        Args:
            layout: what autograd has to know, None where nothing has a history.

        Raises:
            Unsuitable: it may be so.
        """
        memories = {each.memory for each in self.values}
        for way in ways:
            if any(each >= way.first_roots for each in self.roots):
                raise Unsuitable("tensors change places that are not arguments of each turn")
            entries = {way.state.roots[each] for each in self.roots}
            shown = {each for each in way.state.roots if each and each.value.memory in memories}
            if shown != entries or len(entries) > len(memories):
                raise Unsuitable("tensors that share their memory change places")
            if any(isinstance(each, Moved) and each.source in self.roots for each in way.joins):
                raise Unsuitable("a tensor that changes places with others is put in two places")
            for each in walk(one.recipe for one in way.appends):
                if isinstance(each, Root) and way.state.roots[each.index] in entries:
                    raise Unsuitable("tensors that are appended change places in a circle")
                if isinstance(each, Fresh) and each.entry.value.memory in memories:
                    raise Unsuitable("views of tensors that change places are appended")
        if layout is not None and any(not memories.isdisjoint(saved_by(each)) for each in ways):
            raise Unsuitable("a tensor is saved that changes its place from turn to turn")

    def of(self, way: WayBack) -> tuple[list[Any], list[Scalar], list[tuple[Value, Value]]]:
        """Return steps at the end of a turn, what the numbers become, and who has whose place."""
        sources = {each.root: each.source for each in _exchanged(way)}
        order = [self.roots.index(sources.get(each, each)) for each in self.roots]
        times = dict.fromkeys(self.roots, 0)
        for storage, count in way.rewrites:
            if storage.root in times:
                times[storage.root] += count
        steps, outputs = [], [self._which[each] for each in order]
        for each in order if self._written else ():
            known, count = self._written[each], times[self.roots[each]]
            if count:
                steps.append(
                    ScalarCompute(operator.add, "{0} + {1}", (known, count), known := Scalar(int))
                )
            outputs.append(known)
        return steps, outputs, [(a, self.values[b]) for a, b in zip(self.values, order)]

    def tensors(self, turns: Turns, run: Run) -> dict[int, Any]:
        """Return by the root in whose place it is behind the last turn each tensor."""
        pairs = zip(self.roots, self._last(turns))
        return {root: run.roots[self.roots[which]] for root, which in pairs}

    def raise_versions(self, turns: Turns, run: Run) -> None:
        """Count what was written in all turns."""
        found = self._last(turns)
        for which, times in zip(found, found[len(self.roots) :]):
            run.roots[self.roots[which]]._storage.version += times

    def _last(self, turns: Turns) -> list[int]:
        """Return what the numbers are behind the last turn."""
        return turns.carried[len(turns.carried) - len(self.numbers) :]


def _exchanged(way: WayBack) -> list[Exchanged]:
    return [each for each in way.joins if isinstance(each, Exchanged)]
