"""Host calls by symbols: what becomes of values between two places, whatever they are.

Behind a call that Python performs, values are often only moved, returned, taken apart. A run of
the evaluator in which each of them is a symbol shows where those come from with which the compiled
call goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jitgrad.graph.entrance import Layout
from jitgrad.graph.passing import CALLS
from jitgrad.graph.turning import RANGE_ITERATOR, empty_of, width_of
from jitgrad.python.code import Op
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import UNBOUND, Frame
from jitgrad.python.operations import EXHAUSTED, Leave, Operations
from jitgrad.python.steps import STEPS, Step

MOVING = (
    Op.CONST, Op.MOVE, Op.CHECK, Op.UNBIND, Op.FORGET, Op.JUMP, Op.RETURN, Op.CALL, Op.ADVANCE,
    Op.UNPACK, Op.BUILD, Op.APPEND, Op.EXTEND_LIST, Op.LIST_TO_TUPLE,
)  # fmt: skip
"""Instructions that are followed on symbols: a call, the step of a loop, what moves values, takes
apart what is returned, and makes a tuple of them."""


class Symbol:
    """Stands for a value."""


class Spread(NamedTuple):
    """Stands for the items of what is returned."""

    symbol: Any


class Display(NamedTuple):
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


def numbers_in(sources: Sequence[int | Display]) -> set[int]:
    """Return at which numbers all is found that is held in one of these places."""
    found: set[int] = set()
    for each in sources:
        found.update(each.numbers() if isinstance(each, Display) else (each,))
    return found


class Following(Operations):
    """The operations of an evaluator of symbols; it leaves where a value would be needed.

    Args:
        result: what the call returns.
        after: where the call goes on.
        ends: the first iterator that is asked for its next item is at its end.

    Attributes:
        ended: that iterator.
    """

    def __init__(
        self, evaluator: Evaluator, result: Symbol, after: Layout | None, ends: bool
    ) -> None:
        self.evaluator = evaluator
        self.after = after
        self.ends = ends
        self.ended: Any = None
        self.result = result
        self.called: tuple | None = None
        self.items: list[Symbol] | None = None
        self.built: dict[int, Any] = {}
        self.begun: dict[int, list[Any]] = {}
        self.advanced: dict[int, tuple[Any, Symbol]] = {}

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
        if type(it) is not RANGE_ITERATOR or id(it) in self.advanced or it is self.ended:
            raise Leave
        if self.ends and self.ended is None:
            self.ended = it
            return EXHAUSTED
        item = Symbol()
        self.advanced[id(it)] = it, item
        return item, None

    def unpack(
        self, x: Any, xo: Any, before: int, has_star: bool, after: int
    ) -> list[tuple[Any, Any]]:
        frame = self.evaluator.frames[-1]
        goes_on_here = self.after is not None and self.after.place[-1] == (frame.code, frame.pc)
        if goes_on_here or x is not self.result or has_star or self.items is not None:
            raise Leave
        self.items = [Symbol() for _ in range(before)]
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
        self._items(target).append(Spread(more))

    def list_to_tuple(self, items: Any, lo: Any) -> Any:
        return self._own(super().list_to_tuple(self._items(items), lo))

    def _own(self, answer: Any) -> Any:
        self.built[id(answer[0])] = answer[0]
        return answer

    def _items(self, target: Any) -> list[Any]:
        """Return the items of a list; one that was begun before the call is seen by nobody else."""
        if id(target) in self.built:
            return target
        if type(target) is not Symbol or target is self.result:
            raise Leave
        return self.begun.setdefault(id(target), [Spread(target)])


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


class Sources:
    """Where values are found, by number: those before a host call, and behind them others.

    These are what is returned, where iterators are that went on, the items of what is returned,
    and constants.

    Args:
        following: has followed the call.
        count: how many values there are before it.
        numbers: of the symbols of these, by identity.

    Attributes:
        moved: the numbers of iterators that went on, with those of where they are then.
        first: the number of the first item.
        constants: the values besides.
    """

    def __init__(self, following: Following, count: int, numbers: dict[int, int]) -> None:
        self._following = following
        self._numbers = numbers
        numbers[id(following.result)] = count
        self.moved: dict[int, int] = {}
        for it, item in following.advanced.values():
            # what comes next is where the iterator is
            numbers[id(item)] = numbers[id(it)]
            self.moved[numbers[id(it)]] = count + 1 + len(self.moved)
        self.first = count + 1 + len(self.moved)
        self._items = following.items or []
        numbers.update((id(each), number) for number, each in enumerate(self._items, self.first))
        self.constants: list[Any] = []

    def of(self, held: Any) -> int:
        """Return where a value is found.

        Raises:
            Leave: it is made of values, and would have to be made again each time.
        """
        if id(held) in self._following.built or id(held) in self._following.begun:
            raise Leave
        if id(held) not in self._numbers:
            self.constants.append(held)
            self._numbers[id(held)] = self.first + len(self._items) + len(self.constants) - 1
        return self._numbers[id(held)]

    def of_result(self, held: Any) -> int | Display:
        """Return where what a call returns is found, or how it is made."""
        if id(held) not in self._following.built:
            return self.of(held)
        parts = [
            (self._numbers[id(each.symbol)],) if type(each) is Spread else self.of(each)
            for each in held
        ]
        return Display(type(held), parts)

    def of_frames(self, frames: list[Frame], layout: Layout) -> list[int]:
        """Return where the values are found that are live in frames."""
        found = []
        for frame, (*_, registers, forms) in zip(frames, layout.frames):
            found.append(self.of(frame.function))
            for register, form in zip(registers, forms):
                at = self.of(frame.values[register])
                found.append(at if form is None else self.moved.get(at, at))
                found += range(at + 1, at + width_of(form))
        return found

    def lost(self, sources: Sequence[int | Display]) -> list[int] | None:
        """Return which items are in none of these places, None if nothing was taken apart."""
        if self._following.items is None:
            return None
        kept = numbers_in(sources)
        return [at for at in range(len(self._items)) if self.first + at not in kept]

    @property
    def count(self) -> int:
        """How many items what is returned has."""
        return len(self._items)


def symbolic(layout: Layout, numbers: dict[int, int]) -> tuple[list[Frame], list[Any]]:
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
            symbol = Symbol() if form is None else empty_of(form)
            held[register] = new(symbol, width_of(form))
        frames.append(Frame(code, function, position, held, [None] * len(held), None))
    return frames, symbols
