"""Routes: what calls usually go through from their beginning on, path by path and loop by loop.

A call that begins anew at the head of a loop, turns natively, and goes on behind the loop asks at
each of these places what comes next. Where calls go through the same stages again and again, one
function does it all, see `route_functions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from jitgrad import engine
from jitgrad.graph.entrance import Entrance, Going
from jitgrad.graph.guards import Unknown
from jitgrad.graph.host_calls import HostCall
from jitgrad.graph.hot import PATIENCE
from jitgrad.graph.path_writer import Unfit
from jitgrad.graph.route_functions import GradientStage, LoopStage, PathStage, RouteWriter, Stage
from jitgrad.graph.route_gradients import Gradients
from jitgrad.graph.route_inlining import gradient_of, is_known
from jitgrad.graph.segment import Segment
from jitgrad.graph.shortcuts import Shortcut, replace, try_first
from jitgrad.locks import SHARED

WARM = 32
"""How often a route is taken step by step before it is written as one function."""

MOST_STAGES = 12
"""How many stages a route may have."""

MOST_COUNTED = 64
"""How many different routes are counted."""


class Route:
    """Stands for a path where shortcuts have one, see `HotPath`.

    Attributes:
        stages: as they are counted.
        last: the last segment of the last path.
        credit: right guesses less wrong ones, bounded.
        is_tried: a function has been written.
        kept_bytes: what the latest call has kept for a backward pass before the last path.
    """

    def __init__(self, stages: tuple, last: Segment) -> None:
        self.stages = stages
        self.last = last
        self.credit = PATIENCE
        self.is_tried = True
        self.kept_bytes = 0

    def confirm(self) -> None:
        """Note that the route was the right one."""
        if self.credit < PATIENCE:
            self.credit += 1


class Pending(NamedTuple):
    """A route with a gradient that is to become part of its function.

    Attributes:
        writer: of the function.
        entrance: where calls try it.
        shortcut: with the function as it is.
    """

    writer: RouteWriter
    gradients: Gradients
    entrance: Entrance
    shortcut: Shortcut


class Routes:
    """Counts which routes calls take.

    Attributes:
        counts: by route.
        pending: those whose functions will be written once more.
    """

    def __init__(self) -> None:
        self.counts: dict[tuple, int] = {}
        self.pending: list[Pending] = []

    def count(self, stages: tuple, entrance: Entrance, entrances: Iterable[Entrance]) -> None:
        """Count that a call has come to the end of a route.

        Args:
            stages: for each path its shortcut; for turns the first segment, the loop, and the ways
                that they have taken; for a gradient the host call.
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
            last = [each.hot.last for each in stages if isinstance(each, Shortcut)][-1]
            start, route = stages[0], Route(stages, last)
            writer = RouteWriter(found, start.run, route)
            made = Shortcut(start.first, route, writer.function(), writer.direct())
        except (Unknown, Unfit):
            return
        try_first(entrance, made, is_new=True)
        gradients = gradient_of(writer.lines)
        if gradients is not None:
            with SHARED:
                self.pending.append(Pending(writer, gradients, entrance, made))

    def inline(self) -> None:
        """Write the functions anew in which the way back of a gradient is known by now."""
        with SHARED:
            pending, self.pending = self.pending, []
        still = []
        for each in pending:
            writer, gradients, entrance, (first, route, run, direct) = each
            if not is_known(gradients):
                still.append(each)
                continue
            writer.inline()
            made = Shortcut(first, route, writer.function(run), writer.direct(direct))
            replace(entrance, each.shortcut, made)
        with SHARED:
            self.pending += still


def _stage(taken: Any, entrances: list[Entrance]) -> Stage:
    """Return a stage with the key under which calls come to it."""
    if isinstance(taken, HostCall):
        return GradientStage(taken)
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
    if type(result) is Going:
        # what Python performs may be a stage, too
        result.stages = stages
        if not result.performs:
            return None
    # at least one loop: without, there is little to be gained
    return stages if any(type(each) is tuple for each in stages) else None


def stage_of(going: Going) -> HostCall | None:
    """Return the host call that comes next, if a route may go through it: of `autograd.grad`."""
    call = going.layout.host_call
    if going.stages is None or not isinstance(call, HostCall):
        return None
    return call if going.values[call.called.callee] is engine.grad else None
