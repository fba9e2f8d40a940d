"""What a graph counts of calls that come back to heads of loops, and what it changes for that."""

from __future__ import annotations

from typing import Any

from jitgrad.graph.entrance import Entrance, Going, Layout
from jitgrad.graph.heads import Head, take_out, turns_before
from jitgrad.graph.lowered import Lowered
from jitgrad.graph.segment import Continue, Segment

FEW_TURNS = "calls leave the loop behind few turns"
OTHER_TURNS = "one turn is not as the other"
AHEAD = "they come in front of a native loop"


class Returns(Lowered):
    """A graph, as far as it counts what calls do at heads of loops; see `Graph`."""

    entrance: Entrance
    entrances: dict[Any, Entrance]
    heads: dict[Any, Head]
    in_a_row: dict[tuple[str, int], str]
    segments: list[Segment]

    def count_turn(self, going: Going, result: Any) -> None:
        """Count what became of a call that has gone on."""
        head = self.heads.get(going.layout.place)
        if head is None or going.performs:
            return
        if head.is_left_soon(going, result):
            self.record_in_a_row(going.layout, FEW_TURNS)
        if head.turns_differ():
            entrance = self.entrances.get(going.layout.key)
            self.record_in_a_row(going.layout, OTHER_TURNS, entrance)

    def count_native_run(self, layout: Layout, turns: int) -> None:
        """Count that native code has turned at the head of a loop; where it often does, go there.

        Paths that lead through many turns in front of the head are forgotten, to be recorded anew.

        Args:
            turns: how often the call had come to the head before.
        """
        head, place = self.heads.get(layout.place), layout.place
        if head is None:
            return
        if head.turns_ahead(turns):
            self._take_out(place, AHEAD)
        if not head.is_found_long():
            return
        self.in_a_row.pop(layout.line, None)
        firsts = [
            segment.path()[0]
            for segment in list(self.segments)
            if isinstance(segment.end, Continue) and turns_before(segment.end, place) > 1
        ]
        for entrance in [self.entrance, *list(self.entrances.values())]:
            known = [first for group in list(entrance.entries.values()) for first in group]
            if not any(first.cycles for first in known) and any(
                first is each for first in firsts for each in known
            ):
                entrance.forget()

    def count_differing(self, entrance: Entrance) -> None:
        """Count that a turn of a loop must be recorded, since it rests on other facts."""
        head = None if entrance.layout is None else self.heads.get(entrance.layout.place)
        if head is not None:
            head.differing += 2

    def record_in_a_row(self, layout: Layout, why: str, alone: Entrance | None = None) -> None:
        """Let many turns of a loop be recorded in a row from now on.

        Args:
            layout: the head of the loop.
            why: is told in reports.
            alone: the entrance, if it does not pay to begin anew there for one turn at all.
        """
        lock = self.lock
        if not lock.acquire(blocking=False):
            return
        try:
            head = self.heads.setdefault(layout.place, Head(0))
            if not head.before:
                head.before = True
                self.in_a_row[layout.line] = why
                self._take_out(layout.place, why)
            if alone is not None:
                head.within = True
                alone.forget()
        finally:
            lock.release()

    def _take_out(self, place: Any, why: str) -> None:
        """Forget where paths from elsewhere begin anew at a place, unless somebody records."""
        lock = self.lock
        if not lock.acquire(blocking=False):
            return
        try:
            entrances = [self.entrance, *self.entrances.values()]
            told = f"turns are recorded in a row now, since {why}"
            take_out(place, self.segments, entrances, told)
        finally:
            lock.release()
