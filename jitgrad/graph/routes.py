"""Routes: what calls usually go through from their beginning on, path by path and loop by loop.

A call that begins anew at the head of a loop, turns natively, and goes on behind the loop asks at
each of these places what comes next. Where calls go through the same stages again and again, one
function does it all, see `route_functions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jitgrad.graph.entrance import Entrance, Going
from jitgrad.graph.guards import Unknown
from jitgrad.graph.hot import PATIENCE
from jitgrad.graph.path_writer import Unfit
from jitgrad.graph.route_functions import LoopStage, PathStage, RouteWriter, Stage
from jitgrad.graph.segment import Segment
from jitgrad.graph.shortcuts import Shortcut, try_first

WARM = 32
"""How often a route is taken step by step before it is written as one function."""

MOST_STAGES = 12
"""How many stages a route may have."""

MOST_COUNTED = 64
"""How many different routes are counted."""


class Route:
    """Stands for a path where shortcuts have one, see `HotPath`.

    Attributes:
        last: the last segment of the last path.
        credit: right guesses less wrong ones, bounded.
        is_tried: a function has been written.
        kept_bytes: what the latest call has kept for a backward pass before the last path.
    """

    def __init__(self, last: Segment) -> None:
        self.last = last
        self.credit = PATIENCE
        self.is_tried = True
        self.kept_bytes = 0

    def confirm(self) -> None:
        """Note that the route was the right one."""
        if self.credit < PATIENCE:
            self.credit += 1


class Routes:
    """Counts which routes calls take.

    Attributes:
        counts: by route.
    """

    def __init__(self) -> None:
        self.counts: dict[tuple, int] = {}

    def count(self, stages: tuple, entrance: Entrance, entrances: Iterable[Entrance]) -> None:
        """Count that a call has come to the end of a route.

        Args:
            stages: for each path its shortcut; for turns the first segment, the loop, and the ways
                that they have taken.
            entrance: where calls begin.
            entrances: the others.
        """
        counts = self.counts
        times = counts.get(stages, 0) + 1
        if times > WARM or (times == 1 and len(counts) >= MOST_COUNTED):
            return
        counts[stages] = times
        if times < WARM:
            return
        try:
            known = [entrance, *entrances]
            found = [_stage(each, known) for each in stages]
            start, route = stages[0], Route(stages[-1].hot.last)
            run = RouteWriter(found, start.run, route).function()
            made = Shortcut(start.first, route, run, None)
        except (Unknown, Unfit):
            return
        try_first(entrance, made, is_new=True)


def _stage(taken: Any, entrances: list[Entrance]) -> Stage:
    """Return a stage with the key under which calls come to it."""
    first = taken.first if isinstance(taken, Shortcut) else taken[0]
    for entrance in entrances:
        for key, each in list(entrance.entries.items()):
            if any(first is one for one in each):
                if isinstance(taken, Shortcut):
                    return PathStage(key, first, taken.hot)
                return LoopStage(key, *taken)
    raise Unfit


def passed(going: Going, stage: Any, result: Any) -> tuple | None:
    """Return the stages of a call behind one more; note them in the call that goes on.

    None where it has not come to the end of a route, or not by stages all the way.
    """
    stages = going.stages
    if stages is None or len(stages) == MOST_STAGES:
        return None
    stages = (*stages, stage)
    if type(result) is Going and not result.performs:
        result.stages = stages
        return None
    # at least one loop: without, there is little to be gained
    return stages if any(type(each) is tuple for each in stages) else None
