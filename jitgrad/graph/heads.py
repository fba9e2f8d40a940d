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
from jitgrad.graph.lookups import ABSENT, type_lookup
from jitgrad.graph.segment import Continue, Segment
from jitgrad.python.loops import loops_of
from jitgrad.python.operations import Leave

SHORT_RUNS = 8
"""How often in a row a loop is left behind few turns before these are recorded in a row."""

DIFFERING = 4
"""How many more turns are recorded, since facts do not hold, than replayed before many turns are
recorded in a row."""

LONG = 16
"""How often native code turns at the head of a loop before calls go there behind one turn."""

MOST_AHEAD = 4
"""How many turns that are followed one by one in front of native code are recorded in a row."""

Place = tuple[Any, ...]
"""The code and the position of each frame."""


class Head:
    """A place where calls begin anew: in a loop, or where many ways meet.

    Attributes:
        first: how many turns are recorded before in a row; 0 where ways meet.
        before: traces that have begun elsewhere record many turns in a row.
        within: so do those that begin here.
        differing: twice the number of turns that had to be recorded because facts did not hold,
            less the number of all.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.before = False
        self.within = False
        self.differing = 0
        self._trails: list[tuple] = []
        self._native_runs = 0
        self._ahead = (0, 0)

    def turns_differ(self) -> bool:
        """Count a turn; is one not as the other, so that no trace of one turn fits to the next?"""
        self.differing = max(self.differing - 1, 0)
        return self.differing > DIFFERING and not self.within

    def is_found_long(self) -> bool:
        """Count that native code has turned here; are calls to come here sooner from now on?

        Turns were recorded in a row in front, when nobody knew how long the loop would be.
        """
        runs = self._native_runs = self._native_runs + 1
        if runs != LONG:
            return False
        was_far = self.before or self.first > 1
        # behind a turn, so that all is of the types that it has in further ones
        self.before, self.first = False, min(self.first, 1)
        return was_far

    def turns_ahead(self, turns: int) -> bool:
        """Count that native code has turned here behind so many turns that calls came here for.

        Is it always so? First turns begin without a history, or with a constant, and are no ways of
        the loop. From now on they are recorded in a row with what is in front of the loop.
        """
        known, times = self._ahead
        times = times + 1 if turns == known else 1
        self._ahead = turns, times
        if times != 2 * LONG or not 0 < turns <= MOST_AHEAD or self.before or not self.first:
            return False
        self.first = min(self.first + turns, MOST_AHEAD + 1)
        return True

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
        is_known = self.before or self._native_runs >= LONG
        if is_known or not self.first or going.turns > config.unroll:
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
        why: is told where that happens.
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
    removed: list[Segment] = []
    for segment in segments:
        end, first = segment.end, segment.path()[0]
        if (
            type(end) is not Continue
            or end.layout.place != place
            or any(first is each for each in own)
            or first.arrivals.get(place, 0) > config.max_arrivals
        ):
            kept.append(segment)
            continue
        removed.append(segment)
        if segment.parent is not None:
            branch: Any = segment.parent.end
            _remove(segment, branch.outcomes, branch.reopened, why)
        else:
            for entrance in known:
                _remove(segment, entrance.entries, entrance.reopened, why)
    segments[:] = kept
    for entrance in known:
        entrance.drop_shortcuts(removed)


def _remove(segment: Segment, groups: dict[Any, list[Segment]], reopened: dict, why: str) -> None:
    for key, group in list(groups.items()):
        if any(each is segment for each in group):
            groups[key] = [each for each in group if each is not segment]
            reopened[key] = why


def turns_before(end: Continue, place: Place) -> int:
    """Return how often a path that ends at the head of a loop has come there."""
    if end.layout.place != place:
        return 0
    visits = end.snapshot.state.visits
    return max(visits.get(place, 0), visits.get(("known", place), 0)) - 1


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

    @property
    def counters(self) -> list[Any]:
        """The iterators that nobody but their loops can reach, and that are taken apart."""
        raise NotImplementedError

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
            if _may_end_loop(here) and not self._holds_iterator():
                return self.first_turns
            return usual
        if here == self.began_at:
            return config.unroll if head.within else 0
        return config.unroll if head.before else head.first

    def _holds_iterator(self) -> bool:
        """Would a call that begins anew here have an iterator that cannot be followed there?"""
        counters = self.counters
        return any(
            type_lookup(type(held), "__next__") is not ABSENT
            and not any(held is each for each in counters)
            for frame in self.evaluator.frames
            for held in map(frame.values.__getitem__, frame.code.live_at(frame.pc))
        ) or any(frame.generator is not None for frame in self.evaluator.frames)

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
            self.heads.setdefault(here, Head(self.first_turns if _may_end_loop(here) else 0))
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
                if count >= most and visits.get(("known", place), 0) >= max(count - 1, 1):
                    # numbers decide there that are known for some turns only
                    self.heads.setdefault(place, Head(self.first_turns))
                    return True
        return False


def _may_end_loop(here: Place) -> bool:
    """Does what is decided here, or what is called here decides, end a loop or let it turn?"""
    *outer, (code, position) = here
    return loops_of(code).may_end(position) or any(
        loops_of(code).may_end_by_call(position) for code, position in outer
    )
