"""Heads of loops: where calls begin anew, behind how many turns, and where that does not pay.

A call begins anew at the head of a loop behind few turns, so that soon a trace is known which is
one turn, and which all calls use, however often they turn. To begin anew takes longer than a short
turn. So where calls leave a loop behind few turns again and again, its turns are recorded in a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jitgrad import config
from jitgrad.graph.cutting import Cutting
from jitgrad.graph.entrance import Entrance, Going
from jitgrad.graph.segment import Continue, Segment
from jitgrad.python.loops import loops_of
from jitgrad.python.operations import Leave

SHORT_RUNS = 8
"""How often in a row a loop is left behind few turns before these are recorded in a row."""

Place = tuple[Any, ...]
"""The code and the position of each frame."""


class Head:
    """A place in a loop where calls begin anew.

    Attributes:
        before: how many turns are recorded in a row by a trace that has begun elsewhere.
        within: how many by a trace that begins here.
    """

    def __init__(self) -> None:
        self.before = 0
        self.within = 0
        self._trails: list[tuple] = []

    def is_left_soon(self, going: Going, result: Any) -> bool:
        """Look at what became of a call that went on here; is the loop left behind few turns?

        So it is if the latest calls have left it behind few turns, on few different ways: where a
        loop decides anew in each turn, recording the turns in a row would be recording all the ways
        that decisions in a row can go.
        """
        if type(result) is Going and result.layout.place == going.layout.place:
            result.turns = going.turns + max(result.turns, 1)
            if result.turns <= config.unroll:
                came = id(None if result.came is None else result.came[1])
                result.trail = *going.trail, *(result.trail or (came,))
            return False
        if self.before or going.turns > config.unroll:
            self._trails.clear()
            return False
        # of turns that are all alike any number may be recorded
        alike = len(set(going.trail)) < 2
        self._trails.append(going.trail[:1] if alike else going.trail)
        if len(self._trails) < SHORT_RUNS:
            return False
        few = 2 * len(set(self._trails)) <= SHORT_RUNS
        self._trails.clear()
        return few


def take_out(
    place: Place, segments: list[Segment], entrances: Iterable[Entrance], why: str
) -> None:
    """Take out of the graph what begins anew at `place` on a path from elsewhere.

    Where a replay comes there it is recorded on, now in a row. Others may replay meanwhile what
    they have found before.

    Args:
        segments: all segments.
        entrances: all places where paths begin.
        why: is told in reports.
    """
    known = list(entrances)
    own = [
        first
        for entrance in known
        if entrance.layout is not None and entrance.layout.place == place
        for group in list(entrance.entries.values())
        for first in group
    ]
    kept = []
    for segment in segments:
        end, first = segment.end, segment.path()[0]
        if (
            type(end) is not Continue
            or end.layout.place != place
            or any(first is each for each in own)
        ):
            kept.append(segment)
        elif segment.parent is not None:
            branch: Any = segment.parent.end
            _remove(segment, branch.outcomes, branch.reopened, why)
        else:
            for entrance in known:
                _remove(segment, entrance.entries, entrance.reopened, why)
    segments[:] = kept


def _remove(segment: Segment, groups: dict[Any, list[Segment]], reopened: dict, why: str) -> None:
    for key, group in list(groups.items()):
        if any(each is segment for each in group):
            groups[key] = [each for each in group if each is not segment]
            reopened[key] = why


class HeadRules(Cutting):
    """Where a recording begins anew, since it has come there before.

    Attributes:
        heads: what is known of the heads of loops, by their places.
        first_turns: how many turns of a loop are recorded in a row before the first time.
        began_at: where the path has begun; None for the beginning of the function.
        earlier: behind a turn, the integers that have changed in it, as they were before: by the
            number of the frame and the register.
    """

    heads: dict[Place, Head]
    first_turns: int
    began_at: Place | None = None
    earlier: dict[tuple[int, int], int] | None = None

    def _turn(self) -> None:
        """Count the visits of this site; where there are many let the call begin anew.

        So it is behind some turns of a loop, and where many ways meet: each of two ways on from
        there would be recorded for each way that leads there.

        Raises:
            Leave: the recording has ended before the instruction at hand.
        """
        here = self._place()
        visits = self.path.visits
        count = visits[here] = visits.get(here, 0) + 1
        if not count:
            visits["known", here] = 0
        arrivals = self.arrivals[here] = self.arrivals.get(here, 0) + 1
        head = self.heads.get(here)
        most = self._in_a_row(here, head, config.unroll)
        if arrivals > config.max_arrivals and not (head and head.within):
            most = 0
        if head is None and self._has_better_head(here, count, most):
            return
        self._begin_anew_behind(most, here, count)

    def count_known(self) -> None:
        """Count the visits of a decision that is known; behind many turns begin anew.

        Only in loops that such a condition ends: a loop over the parameters of a model is recorded
        as a whole.

        Raises:
            Leave: the recording has ended before the instruction at hand.
        """
        top = self.evaluator.frames[-1]
        if not self.active or not loops_of(top.code).turns_by_condition(top.pc):
            return
        here = self._place()
        visits = self.path.visits
        count = visits["known", here] = visits.get(("known", here), 0) + 1
        if not count:
            # the recording has begun here: the next turn may have a condition of run time
            visits[here] = 0
        head = self.heads.get(here)
        most = config.max_range if head is None else self._in_a_row(here, head, 0)
        self._begin_anew_behind(most, here, count)

    def _place(self) -> Place:
        return tuple((each.code, each.pc) for each in self.evaluator.frames)

    def _in_a_row(self, here: Place, head: Head | None, usual: int) -> int:
        """Return how many turns are recorded in a row; `usual`, if this is no head of a loop."""
        if head is None:
            return self.first_turns if _decides_turns(here) else usual
        if here == self.began_at:
            return head.within
        # what begins in a loop within this one may lead through this one's turn and back to it
        return max(head.before, int(self.began_at is not None and _is_in_loop(self.began_at, here)))

    def _begin_anew_behind(self, most: int, here: Place, count: int) -> None:
        """Let the call begin anew if this is more than the `most` turns to be recorded in a row."""
        integers = {
            (depth, register): value
            for depth, frame in enumerate(self.evaluator.frames)
            for register, value in enumerate(frame.values)
            if type(value) is int
        }
        before = self.path.integers.get(here, {})
        self.path.integers[here] = integers
        if count > most and self.go_on_anew():
            # turn by turn from now on, which may become a native loop
            self.heads.setdefault(here, Head())
            self.earlier = {
                at: before[at] for at, value in integers.items() if before.get(at, value) != value
            }
            raise Leave

    def _has_better_head(self, here: Place, count: int, most: int) -> bool:
        """Is this site in a loop whose head is a site, too? Less is live there."""
        visits = self.path.visits
        for depth, (code, position) in enumerate(here):
            loops = loops_of(code)
            for loop in loops.around(position):
                head = loops.head_of(loop)
                place = (*here[:depth], (code, head))
                if head is None or place == here:
                    continue
                if visits.get(place, 0) >= max(count - 1, 1):
                    return True
                if count > most and visits.get(("known", place), 0) >= max(count - 1, 1):
                    # numbers decide there that are known for some turns only
                    self.heads.setdefault(place, Head())
                    return True
        return False


def _decides_turns(here: Place) -> bool:
    """Does what is decided here, or what is called here decides, end a loop or let it turn?"""
    *outer, (code, position) = here
    return loops_of(code).may_end(position) or any(
        loops_of(code).may_end_by_call(position) for code, position in outer
    )


def _is_in_loop(inner: Place, here: Place) -> bool:
    """Is a place in the loop whose head is `here`, and not that head?"""
    depth = len(here) - 1
    code, head = here[depth]
    if len(inner) <= depth or inner[:depth] != here[:depth] or inner[depth][0] is not code:
        return False
    loops = loops_of(code)
    around = loops.around(inner[depth][1])
    return inner != here and any(loops.head_of(loop) == head for loop in around)
