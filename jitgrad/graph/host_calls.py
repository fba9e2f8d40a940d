"""Host calls: what Python performs where a path ends, and from where the call goes on.

An evaluator performs the instruction, in frames that are made for it, and all behind it that is not
worth recording. That takes longer than most of what is called. So where nothing else is done than
to move values about, which a run on symbols instead of values shows, it is a call, and a row of
values that the call goes on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from types import GeneratorType
from typing import Any, NamedTuple

from jitgrad.graph.entrance import Going, Layout, has_finalizer
from jitgrad.graph.passing import CALLS, DEPTH, Passing
from jitgrad.graph.turning import OWN, RANGE_ITERATOR, empty_of, width_of
from jitgrad.python.code import Op
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import UNBOUND, Frame
from jitgrad.python.operations import LOOKS_AT_LOCALS, Leave, Operations
from jitgrad.python.steps import STEPS, Step

WARM = 8
"""How often a call goes on from one place behind a host call before it is known to do so."""

MOVING = (
    Op.CONST, Op.MOVE, Op.CHECK, Op.UNBIND, Op.FORGET, Op.JUMP, Op.RETURN, Op.CALL, Op.ADVANCE,
    Op.UNPACK, Op.BUILD, Op.APPEND, Op.EXTEND_LIST, Op.LIST_TO_TUPLE,
)  # fmt: skip
"""Instructions that are followed on symbols: a call, the step of a loop, what moves values, takes
apart what is returned, and makes a tuple of them."""

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
        sources: list[int | _Display],
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
        self.display = sources[0] if isinstance(sources[0], _Display) else None
        plain = [0] if self.display is not None else sources
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


class _Symbol:
    """Stands for a value."""


class _Spread(NamedTuple):
    """Stands for the items of what is returned."""

    symbol: Any


class _Display(NamedTuple):
    """A tuple or a list that is made of values.

    Attributes:
        kind: its type.
        parts: where they are found; a tuple of one number stands for the items of what is there.
    """

    kind: type
    parts: list[int | tuple[int]]

    def numbers(self) -> list[int]:
        """Return where all values are found."""
        return [each if isinstance(each, int) else each[0] for each in self.parts]

    def suits(self, held: tuple) -> bool:
        """Can what is spread be spread without running user code?"""
        return all(
            isinstance(each, int) or type(held[each[0]]) in (tuple, list) for each in self.parts
        )

    def make(self, held: tuple) -> Any:
        """Return it."""
        made: list[Any] = []
        for each in self.parts:
            if isinstance(each, int):
                made.append(held[each])
            else:
                made.extend(held[each[0]])
        return made if self.kind is list else tuple(made)


class _Following(Operations):
    """The operations of an evaluator of symbols; it leaves where a value would be needed."""

    def __init__(self, evaluator: Evaluator, result: _Symbol, after: Layout | None) -> None:
        self.evaluator = evaluator
        self.after = after
        self.result = result
        self.called: tuple | None = None
        self.items: list[_Symbol] | None = None
        self.built: dict[int, Any] = {}
        self.begun: dict[int, list[Any]] = {}
        self.advanced: dict[int, tuple[Any, _Symbol]] = {}

    def call(
        self,
        frame: Frame,
        callee: Any,
        co: Any,
        args: list[Any],
        arg_origins: list[Any],
        kwargs: dict[str, Any],
        kwarg_origins: dict[str, Any],
    ) -> Any:
        if self.called is not None:
            raise Leave
        self.called = frame, callee, args, kwargs
        return self.result, None

    def advance(self, it: Any, io: Any) -> Any:
        if type(it) is not RANGE_ITERATOR or id(it) in self.advanced:
            raise Leave
        item = _Symbol()
        self.advanced[id(it)] = it, item
        return item, None

    def unpack(
        self, x: Any, xo: Any, before: int, has_star: bool, after: int
    ) -> list[tuple[Any, Any]]:
        frame = self.evaluator.frames[-1]
        goes_on_here = self.after is not None and self.after.place[-1] == (frame.code, frame.pc)
        if goes_on_here or x is not self.result or has_star or self.items is not None:
            raise Leave
        self.items = [_Symbol() for _ in range(before)]
        return [(each, None) for each in self.items]

    def build(self, kind: str, values: Sequence[Any], origins: Sequence[Any]) -> Any:
        if kind not in ("tuple", "list"):
            raise Leave
        return self._own(super().build(kind, values, origins))

    def append(self, target: Any, lo: Any, value: Any, vo: Any) -> None:
        self._items(target).append(value)

    def extend_list(self, target: Any, lo: Any, more: Any, mo: Any) -> None:
        if more is not self.result:
            raise Leave
        self._items(target).append(_Spread(more))

    def list_to_tuple(self, items: Any, lo: Any) -> Any:
        return self._own(super().list_to_tuple(self._items(items), lo))

    def _own(self, answer: Any) -> Any:
        self.built[id(answer[0])] = answer[0]
        return answer

    def _items(self, target: Any) -> list[Any]:
        """Return the items of a list; one that was begun before the call is seen by nobody else."""
        if id(target) in self.built:
            return target
        if type(target) is not _Symbol or target is self.result:
            raise Leave
        return self.begun.setdefault(id(target), [_Spread(target)])


def _leaving(operations: Any, frame: Frame, instruction: Any) -> Any:
    raise Leave


def _returning(operations: Any, frame: Frame, instruction: Any) -> Any:
    """Return to a call, which only takes the value; others that wait look at it."""
    for caller in operations.evaluator.frames[-2:-1]:
        if caller.code.instructions[caller.pc][0] not in CALLS:
            raise Leave
    return STEPS[Op.RETURN](operations, frame, instruction)


FOLLOWING: list[Step] = [step if op in MOVING else _leaving for op, step in enumerate(STEPS)]
FOLLOWING[Op.RETURN] = _returning


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
    frames, symbols = _symbolic(before, numbers)
    counters = [each for each in symbols if type(each) in OWN]
    result = _Symbol()
    evaluator = Evaluator(Operations())
    evaluator.operations = operations = _Following(evaluator, result, after)
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
    count = before.count
    numbers[id(result)] = count
    moved = {}
    for it, item in operations.advanced.values():
        # what comes next is where the iterator is
        numbers[id(item)] = numbers[id(it)]
        moved[numbers[id(it)]] = count + 1 + len(moved)
    items = operations.items or []
    first = count + 1 + len(moved)
    numbers.update((id(each), number) for number, each in enumerate(items, first))
    constants: list[Any] = []

    def source(held: Any) -> int:
        if id(held) in operations.built or id(held) in operations.begun:
            raise Leave
        if id(held) not in numbers:
            constants.append(held)
            numbers[id(held)] = first + len(items) + len(constants) - 1
        return numbers[id(held)]

    def shown(held: Any) -> Any:
        if id(held) not in operations.built:
            return source(held)
        parts = [
            (numbers[id(each.symbol)],) if type(each) is _Spread else source(each) for each in held
        ]
        return _Display(type(held), parts)

    try:
        sources: list[Any] = [shown(each) for each in ended]
        for frame, (*_, registers, forms) in zip(frames_then, after.frames if after else ()):
            sources.append(source(frame.function))
            for register, form in zip(registers, forms):
                at = source(frame.values[register])
                sources.append(at if form is None else moved.get(at, at))
                sources += range(at + 1, at + width_of(form))
    except Leave:
        # what is made of values would have to be made again each time
        return UNSUITABLE
    kept = {
        at for each in sources for at in (each.numbers() if isinstance(each, _Display) else (each,))
    }
    return HostCall(
        after,
        code.callers[position],
        numbers[id(called.function)],
        source(callee),
        [source(each) for each in arguments],
        {name: source(each) for name, each in names.items()},
        list(moved),
        constants,
        count,
        None
        if operations.items is None
        else [at for at in range(len(items)) if first + at not in kept],
        len(items),
        sources,
    )


def _only_loads(there: Layout | None, after: Layout | None) -> bool:
    """Is nothing done between two places but to load what the instruction behind them needs?

    Then the call may go on from the first one: what is loaded is guarded there.
    """
    if there is None or after is None or there.place[:-1] != after.place[:-1]:
        return False
    (code, begin), (other, end) = there.place[-1], after.place[-1]
    between = code.instructions[begin:end]
    return code is other and begin < end and all(each[0] in LOADING for each in between)


def _symbolic(layout: Layout, numbers: dict[int, int]) -> tuple[list[Frame], list[Any]]:
    """Return frames that hold symbols, and these; note by identity which values they are."""
    frames, symbols = [], []
    number = 0

    def new(symbol: Any, values: int) -> Any:
        nonlocal number
        symbols.append(symbol)
        numbers[id(symbol)] = number
        number += values
        return symbol

    for code, position, registers, forms in layout.frames:
        function: Any = new(lambda: None, 1)
        held: list[Any] = [UNBOUND] * code.register_count
        for register, form in zip(registers, forms):
            symbol = _Symbol() if form is None else empty_of(form)
            held[register] = new(symbol, width_of(form))
        frames.append(Frame(code, function, position, held, [None] * len(held), None))
    return frames, symbols
