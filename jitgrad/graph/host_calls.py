"""Host calls: what Python performs where a path ends, and from where the call goes on.

An evaluator performs the instruction, in frames that are made for it, and all behind it that is not
worth recording. That takes longer than most of what is called. So where nothing else is done than
to move values about, which a run on symbols instead of values shows, it is a call, and a row of
values that the call goes on with.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from types import GeneratorType
from typing import Any

from jitgrad.graph.entrance import Going, Layout, has_finalizer
from jitgrad.graph.host_symbols import FOLLOWING, Display, Following, Sources, Symbol, symbolic
from jitgrad.graph.passing import DEPTH, Passing
from jitgrad.graph.turning import OWN
from jitgrad.python.code import Op
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import Frame
from jitgrad.python.operations import LOOKS_AT_LOCALS, Leave, Operations

WARM = 8
"""How often a call goes on from one place behind a host call before it is known to do so."""

LOADING = (
    Op.CONST, Op.MOVE, Op.CHECK, Op.UNBIND, Op.FORGET, Op.LOAD_GLOBAL, Op.LOAD_CELL,
    Op.CLOSURE_CELL, Op.GET_ATTRIBUTE,
)  # fmt: skip
"""Instructions that load what another one needs."""


def perform(going: Going, hopeless: set) -> Any:
    """Let Python perform what was left to it; return the result of the call or a new Going."""
    known = going.layout.host_call
    if isinstance(known, HostCall):
        return known.perform(going, hopeless)
    before = going.layout
    result = evaluate(going, hopeless)
    if known is not UNSUITABLE:
        after = result.layout if type(result) is Going else None
        # not what it is by now: another thread may have learned it meanwhile
        times, usual = known or (0, after)
        if after is not None or usual is None:
            # where a loop may end, how its turns go on is what counts
            times = times + 1 if usual is after else 0
            before.host_call = (times, after) if times < WARM else _learned(before, after)
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


class HostCall:
    """A call that Python performs, and the place from where the compiled call goes on.

    Args:
        after: that place, None where the call ends.
        caller: calls from a frame as the user's.
        function: which value is the function whose frame that is.
        callee, arguments, names: which values are called, and given by position and by name.
        steps: which values are iterators over ranges, the first of three, that go on one step.
        constants: the values besides.
        result: the number of what is returned, behind the values.
        parts: which of the items of a tuple or list that is returned are lost, None if it is not
            taken apart; `count`: how many items it has.
        sources: where the values are found with which it goes on, or its result: among those
            before, what is returned, the numbers at which the iterators are then, the items, the
            constants. The result may be a tuple of such.
    """

    def __init__(
        self,
        after: Layout | None,
        caller: Callable,
        function: int,
        callee: int,
        arguments: list[int],
        names: dict[str, int],
        steps: list[int],
        constants: list[Any],
        result: int,
        parts: list[int] | None,
        count: int,
        sources: list[int | Display],
    ) -> None:
        self.after = after
        self.caller = caller
        self.function = function
        self.callee = callee
        self.arguments = arguments
        self.names = names
        self.steps = steps
        self.constants = constants
        self.parts = parts
        self.count = count
        self.display = sources[0] if isinstance(sources[0], Display) else None
        plain = [0] if self.display is not None else sources
        self.sources = plain
        # of one place a tuple is made, too
        self.take = itemgetter(*plain, plain[0])
        self.place = None if after is None else after.place[-1]
        kept = sources if self.display is None else self.display.numbers()
        self.drops = result not in kept and not parts

    def perform(self, going: Going, hopeless: set) -> Any:
        """Perform it; return a new Going, or what an evaluator has come to behind the call."""
        values = going.values
        callee, function = values[self.callee], values[self.function]
        if (
            self.place in hopeless
            or id(callee) in LOOKS_AT_LOCALS
            or self.caller.__globals__ is not function.__globals__
        ):
            return evaluate(going, hopeless)
        made: Any = None
        failed = None
        try:
            made = self.caller(
                callee,
                [values[at] for at in self.arguments],
                {name: values[at] for name, at in self.names.items()},
            )
        except BaseException as error:
            failed = error
        if failed is not None:
            # outside of the handler, which would be the context of what is raised then
            try:
                return evaluate(going, hopeless, exception=failed)
            finally:
                failed = None
        moved = []
        for at in self.steps:
            position, stop, step = values[at : at + 3]
            if position >= stop if step > 0 else position <= stop:
                return evaluate(going, hopeless, answer=(made, None))
            moved.append(position + step)
        items: Any = ()
        if self.parts is not None:
            items = made
            if type(made) not in (tuple, list) or len(made) != self.count:
                return evaluate(going, hopeless, answer=(made, None))
        if (self.drops and has_finalizer(made)) or (
            self.parts and any(has_finalizer(items[at]) for at in self.parts)
        ):
            return evaluate(going, hopeless, answer=(made, None))
        held = (*values, made, *moved, *items, *self.constants)
        if self.display is not None:
            if not self.display.suits(held):
                return evaluate(going, hopeless, answer=(made, None))
            going.left, going.values = [], []
            return self.display.make(held)
        *found, _ = self.take(held)
        if self.after is None:
            going.left, going.values = [], []
            return found[0]
        if GeneratorType in map(type, found):
            return evaluate(going, hopeless, answer=(made, None))
        going.following = Going(self.after, found)
        going.values = []
        return going.following


UNSUITABLE = object()
"""Stands for a host call that cannot be told by symbols."""


def _learned(before: Layout, after: Layout | None) -> Any:
    """Follow what is done between two places on symbols; UNSUITABLE if it needs their values.

    Args:
        after: the second place, None for the end of the call. The call may go on a little before.
    """
    if len(before.frames) > DEPTH or any(code.handled[at] >= 0 for code, at, *_ in before.frames):
        return UNSUITABLE
    code, position, *_ = before.frames[-1]
    if code.instructions[position][0] != Op.CALL or position not in code.callers:
        return UNSUITABLE
    numbers: dict[int, int] = {}
    frames, symbols = symbolic(before, numbers)
    counters = [each for each in symbols if type(each) in OWN]
    result = Symbol()
    evaluator = Evaluator(Operations())
    evaluator.operations = operations = Following(evaluator, result, after)
    evaluator.steps = FOLLOWING
    ended: list[Any] = []
    frames_then: list[Frame] = []
    try:
        ended.append(evaluator.resume(frames))
    except Leave:
        frames_then = evaluator.frames
    there = Layout.of_frames(frames_then, counters) if frames_then else None
    if operations.called is None or (there is not after and not _only_loads(there, after)):
        return UNSUITABLE
    after = there
    called, callee, arguments, names = operations.called
    if any(type(each) in OWN for each in (callee, *arguments, *names.values(), *ended)):
        return UNSUITABLE
    sources = Sources(operations, before.count, numbers)
    try:
        found: list[Any] = [sources.of_result(each) for each in ended]
        if after is not None:
            found += sources.of_frames(frames_then, after)
        return HostCall(
            after,
            code.callers[position],
            numbers[id(called.function)],
            sources.of(callee),
            [sources.of(each) for each in arguments],
            {name: sources.of(each) for name, each in names.items()},
            list(sources.moved),
            sources.constants,
            before.count,
            sources.lost(found),
            sources.count,
            found,
        )
    except Leave:
        return UNSUITABLE


def _only_loads(there: Layout | None, after: Layout | None) -> bool:
    """Is nothing done between two places but to load what the instruction behind them needs?

    Then the call may go on from the first one: what is loaded is guarded there.
    """
    if there is None or after is None or there.place[:-1] != after.place[:-1]:
        return False
    (code, begin), (other, end) = there.place[-1], after.place[-1]
    between = code.instructions[begin:end]
    return code is other and begin < end and all(each[0] in LOADING for each in between)
