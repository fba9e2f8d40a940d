"""The functions of host calls: the call, and what becomes of values behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any, NamedTuple

from jitgrad.graph.entrance import Going, Layout, has_finalizer
from jitgrad.graph.host_symbols import Display, numbers_in
from jitgrad.graph.passing import CALLING
from jitgrad.graph.path_writer import tuple_of
from jitgrad.python.operations import LOOKS_AT_LOCALS


class Called(NamedTuple):
    """What is called.

    Attributes:
        caller: calls from a frame as the user's.
        width: how many values there are.
        variables: which of them variables hold, and the numbers of the frames of these.
        function: which of them is the function whose frame that is.
        callee, arguments, names: which are called, and given by position and by name.
    """

    caller: Any
    width: int
    variables: dict[int, int]
    function: int
    callee: int
    arguments: list[int]
    names: dict[str, int]


class Course(NamedTuple):
    """What becomes of values behind a host call.

    Attributes:
        after: the place from where the call goes on, None where it ends.
        ended: which value is the first of three of an iterator over a range that is at its end
            then; None if none is.
        steps: the same of iterators that go on one step.
        constants: the values besides.
        parts: which of the items of a tuple or list that is returned are lost, None if it is not
            taken apart; `length`: how many items it has.
        sources: where the values are found with which it goes on, or its result: among those
            before, what is returned, the numbers at which the iterators are then, the items, the
            constants. The result may be a tuple of such.
    """

    after: Layout | None
    ended: int | None
    steps: list[int]
    constants: list[Any]
    parts: list[int] | None
    length: int
    sources: list[int | Display]


class HostWriter:
    """Writes such a function.

    Args:
        called: what is called.
        turn: what becomes of values behind it, unless a loop ends there.
        end: the same where one does. Either may be None, if there is none, or it is not known.
    """

    def __init__(self, called: Called, turn: Course | None, end: Course | None) -> None:
        self.called = called
        self.turn = turn
        self.end = end
        self.space: dict[str, Any] = {
            "Going": Going,
            "GeneratorType": GeneratorType,
            "LOOKS_AT_LOCALS": LOOKS_AT_LOCALS,
            "caller": called.caller,
            "globals_of_caller": called.caller.__globals__,
            "has_finalizer": has_finalizer,
        }
        self.lines: list[str] = []
        # who goes on in another way is to hold nothing meanwhile
        self.release = f"found = {''.join(f'v{at} = ' for at in range(called.width))}None"

    def function(self, **calls: Any) -> Callable[[Going, set], Any]:
        """Return the function of a call that goes on there, and of the places without hope.

        Args:
            calls: how it goes on by an evaluator: `behind` the call, where the call has `raised`
                something, and where its `other` course is to be learned.
        """
        self._call()
        turn, end = self.turn, self.end
        # one iterator: the same code asks it
        decides = end.ended if end is not None else turn.steps[0] if turn and turn.steps else None
        if decides is None:
            assert turn is not None
            self._course(turn)
        else:
            self.lines.append(f"if {_is_at_end(decides)}:")
            self._branch(end)
            self.lines.append("else:")
            self._branch(turn)
        body = "".join(f"    {line}\n" for line in self.lines)
        self.space.update(calls)
        exec(compile(f"def perform(going, hopeless):\n{body}", CALLING, "exec"), self.space)
        # which is part of no cycle then
        return self.space.pop("perform")

    def _call(self) -> None:
        called = self.called
        arguments = ", ".join(f"v{at}" for at in called.arguments)
        names = ", ".join(f"{name!r}: v{at}" for name, at in called.names.items())
        self.lines += [
            f"{''.join(f'v{at}, ' for at in range(called.width))}= going.values",
            f"if id(v{called.callee}) in LOOKS_AT_LOCALS or globals_of_caller is not "
            f"v{called.function}.__globals__:",
            f"    {self.release}",
            "    return evaluate(going, hopeless)",
            "failed = None",
            "try:",
            f"    made = caller(v{called.callee}, [{arguments}], {{{names}}})",
            "except BaseException as error:",
            "    failed = error",
            # outside of the handler, which would be the context of what is raised then
            "if failed is not None:",
            f"    {self.release}",
            "    try:",
            "        return raised(going, hopeless, failed)",
            "    finally:",
            "        failed = None",
        ]

    def _branch(self, course: Course | None) -> None:
        outer, self.lines = self.lines, []
        if course is None:
            self.lines += [self.release, "return other(going, hopeless, made)"]
        else:
            self._course(course)
        outer += [f"    {line}" for line in self.lines]
        self.lines = outer

    def _course(self, course: Course) -> None:
        """Write what becomes of the values."""
        count = self.called.width
        if course.after is not None:
            place = self._constant(course.after.place[-1])
            self._by_evaluator_if(f"{place} in hopeless")
            kept, left = numbers_in(course.sources), len(course.after.frames)
            variables = self.called.variables.items()
            lost = [at for at, depth in variables if depth < left and at not in kept]
            if lost:
                # what variables hold ends with their frame, and not before
                names = tuple_of(f"v{at}" for at in lost)
                self._by_evaluator_if(f"True in map(has_finalizer, {names})")
        # the first iterator that goes on has been looked at
        for at in course.steps if course.ended is not None else course.steps[1:]:
            self._by_evaluator_if(_is_at_end(at))
        moved = [f"w{at}" for at in course.steps]
        self.lines += [f"w{at} = v{at} + v{at + 2}" for at in course.steps]
        items = [f"i{number}" for number in range(course.length)]
        if course.parts is not None:
            is_other = "type(made) is not tuple and type(made) is not list"
            self._by_evaluator_if(f"{is_other} or len(made) != {course.length}")
            if items:
                self.lines.append(f"{''.join(f'{each}, ' for each in items)}= made")
        lost = [items[at] for at in course.parts or ()]
        if not lost and count not in numbers_in(course.sources):
            self._by_evaluator_if("made is not None and has_finalizer(made)")
        for each in lost:
            self._by_evaluator_if(f"has_finalizer({each})")
        values = [f"v{at}" for at in range(count)]
        constants = map(self._constant, course.constants)
        self._give_back(course, [*values, "made", *moved, *items, *constants])

    def _give_back(self, course: Course, names: Sequence[str]) -> None:
        """Write what is returned, by the names of what is found at each number."""
        if course.after is None:
            (source,) = course.sources
            result = self._display(source, names) if isinstance(source, Display) else names[source]
            self.lines += ["going.left, going.values = [], []", f"return {result}"]
            return
        found = ", ".join(names[each] for each in course.sources if isinstance(each, int))
        self.lines.append(f"found = [{found}]")
        self._by_evaluator_if("GeneratorType in map(type, found)")
        self.lines += [
            f"following = going.following = Going({self._constant(course.after)}, found)",
            "going.values = []",
            "return following",
        ]

    def _display(self, display: Display, names: Sequence[str]) -> str:
        parts = []
        for each in display.parts:
            if isinstance(each, int):
                parts.append(f"{names[each]}, ")
                continue
            name = names[each[0]]
            # to spread another one may run user code
            self._by_evaluator_if(f"type({name}) is not tuple and type({name}) is not list")
            parts.append(f"*{name}, ")
        row = "".join(parts)
        return f"[{row}]" if display.kind is list else f"({row})"

    def _by_evaluator_if(self, condition: str) -> None:
        self.lines += [
            f"if {condition}:",
            f"    {self.release}",
            "    return behind(going, hopeless, made)",
        ]

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.space)}"
        self.space[name] = value
        return name


def _is_at_end(at: int) -> str:
    """Return the condition that the iterator over a range has ended whose parts begin there."""
    return f"(v{at} >= v{at + 1} if v{at + 2} > 0 else v{at} <= v{at + 1})"
