"""Host calls: what Python performs where a path ends, and from where the call goes on.

An evaluator performs the instruction, in frames that are made for it, and all behind it that is not
worth recording. That takes longer than most of what is called. So where nothing else is done than
to move values about, which a run on symbols instead of values shows, it is a call, and a row of
values that the call goes on with: one function that is written for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jitgrad.graph.entrance import Going, Layout
from jitgrad.graph.host_functions import Called, Course, HostWriter
from jitgrad.graph.host_symbols import FOLLOWING, Following, Sources, Symbol, symbolic
from jitgrad.graph.passing import DEPTH, Passing
from jitgrad.graph.turning import OWN, width_of
from jitgrad.python.code import Op
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import Frame
from jitgrad.python.operations import Leave, Operations

WARM = 8
"""How often a call goes on from one place behind a host call before it is known to do so."""

MOST_PLACES = 8
"""How many places are counted."""

MOST_TRIES = 4
"""How often it is tried to learn how a call gets to one of them."""

LOADING = (
    Op.CONST, Op.MOVE, Op.CHECK, Op.UNBIND, Op.FORGET, Op.LOAD_GLOBAL, Op.LOAD_CELL,
    Op.CLOSURE_CELL, Op.GET_ATTRIBUTE,
)  # fmt: skip
"""Instructions that load what another one needs."""


def perform(going: Going, hopeless: set) -> Any:
    """Let Python perform what was left to it; return the result of the call or a new Going."""
    layout = going.layout
    known = layout.host_call
    if type(known) is HostCall:
        return known.perform(going, hopeless)
    result = evaluate(going, hopeless)
    # what it is by now: the call itself, or another thread, may have learned it meanwhile
    tried = layout.host_call
    if tried is None:
        tried = layout.host_call = Tried()
    if type(tried) is Tried and tried.count(result):
        learned = _learned(layout, tried.place, tried)
        if learned is not None:
            layout.host_call = learned
    return result


def evaluate(going: Going, hopeless: set, **done: Any) -> Any:
    """Do what `perform` does, by an evaluator; `done` tells what has come of the instruction."""
    evaluator = Evaluator(Operations())
    frames, loops = going.frames()
    Passing(evaluator, hopeless, loops, begun=bool(done))
    try:
        return evaluator.resume(frames, **done)
    except Leave:
        pass
    going.following = Going.on_from(evaluator)
    # what it holds is for the call that goes on alone, and may end before that
    going.left = None
    evaluator.let_go()
    return going.following


class Tried:
    """Counts the places from which calls have gone on behind a host call, as far as not known.

    Attributes:
        counts: by place, None for the end of the call.
        place: the latest one.
    """

    def __init__(self) -> None:
        self.counts: dict[Layout | None, int] = {}
        self.place: Layout | None = None

    def count(self, result: Any) -> bool:
        """Count the result of a host call; is it time to learn how the call gets to this place?"""
        place = self.place = result.layout if type(result) is Going else None
        times = self.counts.get(place, 0) + 1
        if times == 1 and len(self.counts) >= MOST_PLACES:
            return False
        self.counts[place] = times
        return times % WARM == 0 and times <= MOST_TRIES * WARM


class HostCall:
    """A call that Python performs, and the places from where the compiled call goes on.

    Args:
        called: what is called.
        course: what becomes of values behind it.
        tried: counts the places.

    Attributes:
        turn: that course, if it does not end a loop.
        end: another one behind the end of the loop, where the first is a turn, or the other way
            round. None if there is none, or it is not known.
        perform: does it; returns a new Going, or what an evaluator has come to behind the call.
    """

    def __init__(self, called: Called, course: Course, tried: Tried) -> None:
        self.called = called
        self.turn: Course | None = None
        self.end: Course | None = None
        self._tried = tried
        self._add(course)

    def _add(self, course: Course) -> None:
        if course.ended is None:
            self.turn = course
        else:
            self.end = course
        one_of = HostWriter(self.called, self.turn, self.end)
        self.perform: Callable[[Going, set], Any] = one_of.function(
            evaluate=evaluate, behind=behind, raised=raised, other=self._try_other
        )

    def _try_other(self, going: Going, hopeless: set, made: Any) -> Any:
        """Go on by an evaluator, where the other course is not known yet."""
        before = going.layout
        result = behind(going, hopeless, made)
        tried = self._tried
        if tried.count(result):
            found = _followed(before, tried.place, ends=self.end is None)
            if found is not None:
                self._add(found.course)
        return result


def behind(going: Going, hopeless: set, made: Any) -> Any:
    """Go on by an evaluator behind the call, which has returned this."""
    return evaluate(going, hopeless, answer=(made, None))


def raised(going: Going, hopeless: set, error: BaseException) -> Any:
    """Go on by an evaluator behind the call, which has raised this."""
    return evaluate(going, hopeless, exception=error)


def _learned(before: Layout, after: Layout | None, tried: Tried) -> HostCall | None:
    """Return the host call between two places; None if it needs what values are.

    Args:
        after: the second place, None for the end of the call.
        tried: counts from where calls go on.
    """
    for ends in (False, True):
        found = _followed(before, after, ends)
        if found is not None:
            return HostCall(*found, tried)
    return None


class _Followed(NamedTuple):
    called: Called
    course: Course


def _followed(before: Layout, after: Layout | None, ends: bool) -> _Followed | None:
    """Follow what is done between two places on symbols; None if it needs what values are.

    Args:
        after: the second place; the call may go on a little before.
        ends: the first iterator that is asked for its next item is at its end.
    """
    if len(before.frames) > DEPTH or any(code.handled[at] >= 0 for code, at, *_ in before.frames):
        return None
    code, position, *_ = before.frames[-1]
    if code.instructions[position][0] != Op.CALL or position not in code.callers:
        return None
    numbers: dict[int, int] = {}
    frames, symbols = symbolic(before, numbers)
    counters = [each for each in symbols if type(each) in OWN]
    result = Symbol()
    evaluator = Evaluator(Operations())
    evaluator.operations = operations = Following(evaluator, result, after, ends)
    evaluator.steps = FOLLOWING
    ended: list[Any] = []
    frames_then: list[Frame] = []
    try:
        ended.append(evaluator.resume(frames))
    except Leave:
        frames_then = evaluator.frames
    there = Layout.of_frames(frames_then, counters) if frames_then else None
    if operations.called is None or (there is not after and not _only_loads(there, after)):
        return None
    if ends is not (operations.ended is not None):
        return None
    after = there
    caller_frame, callee, arguments, names = operations.called
    if any(type(each) in OWN for each in (callee, *arguments, *names.values(), *ended)):
        return None
    sources = Sources(operations, before.count, numbers)
    try:
        found: list[Any] = [sources.of_result(each) for each in ended]
        if after is not None:
            found += sources.of_frames(frames_then, after)
        called = Called(
            code.callers[position],
            before.count,
            _variables(before),
            numbers[id(caller_frame.function)],
            sources.of(callee),
            [sources.of(each) for each in arguments],
            {name: sources.of(each) for name, each in names.items()},
        )
    except Leave:
        return None
    course = Course(
        after,
        numbers[id(operations.ended)] if ends else None,
        list(sources.moved),
        sources.constants,
        sources.lost(found),
        sources.count,
        found,
    )
    return _Followed(called, course)


def _variables(layout: Layout) -> dict[int, int]:
    """Return the numbers of the values that variables hold, each with that of its frame."""
    found, number = {}, 0
    for depth, (code, _, registers, forms) in enumerate(layout.frames):
        number += 1
        for register, form in zip(registers, forms):
            if register < code.named_count:
                found[number] = depth
            number += width_of(form)
    return found


def _only_loads(there: Layout | None, after: Layout | None) -> bool:
    """Is nothing done between two places but to load what the instruction behind them needs?

    Then the call may go on from the first one: what is loaded is guarded there.
    """
    if there is None or after is None or there.place[:-1] != after.place[:-1]:
        return False
    (code, begin), (other, end) = there.place[-1], after.place[-1]
    between = code.instructions[begin:end]
    return code is other and begin < end and all(each[0] in LOADING for each in between)
