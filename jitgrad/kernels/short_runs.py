"""Short runs of loops, as straight Python code.

A run prepares its arena, takes memory for its tape, does turns in portions, and looks at what they
have done. For a few dozen turns of scalars that takes ten times as long as the turns themselves. So
for each loop a function is written that does one portion, and only what this loop needs; where more
is to be done, the run goes on in the general way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.graph.ir import Scalar, Value
from jitgrad.kernels.conventions import CURRENT, FINISHED, FIRST_TEST, NUMBERS
from jitgrad.kernels.loops import Stop, Turns
from jitgrad.kernels.records import Form, strides_in_bytes

if TYPE_CHECKING:
    from jitgrad.kernels.running import Arena, Loop

ShortRun = Callable[[Sequence[Any], Sequence[Sequence[np.ndarray]], int, Any, bool], Any]
"""Given values, streams, the most turns and their order, and whether the streams are known to lie
as they must, returns the turns. It returns None where
nothing has been done, and what the general way goes on with where there is more to do: the turns
done, the number with which the portion ended, and the records."""


def writer_for(loop: Loop, least_bytes: int, endless: int) -> Callable[[Arena], ShortRun] | None:
    """Return what makes the function of an arena; None where the general way is to be taken.

    Args:
        least_bytes: what the tape of a run takes at least.
        endless: the room of a path that records nothing.
    """
    if loop.writes:
        # which may have to be told from afterwards
        return None
    return _Writer(loop, least_bytes, endless).maker()


class _Writer:
    """Writes the function of a loop.

    Attributes:
        lines: what it does.
        made: the lines that make, of an arena, what it needs.
    """

    def __init__(self, loop: Loop, least_bytes: int, endless: int) -> None:
        self.loop = loop
        self.space: dict[str, Any] = {
            "FINISHED": Stop.LIMIT, "TEST": Stop.TEST, "Turns": Turns, "copyto": np.copyto,
            "empty": np.empty, "expected": loop.expected, "new": tuple.__new__,
            "tests": loop.tests, "uint8": np.uint8,
        }  # fmt: skip
        self.lines: list[str] = []
        self.made: list[str] = []
        self.least_bytes = least_bytes
        self.endless = endless

    def maker(self) -> Callable[[Arena], ShortRun]:
        self._fill()
        self._incoming()
        self._tape()
        self._turn()
        self._result()
        made = "".join(f"    {line}\n" for line in self.made)
        body = "".join(f"        {line}\n" for line in self.lines)
        text = (
            "def make(arena):\n"
            "    integers, floats = arena.integers, arena.floats\n"
            "    run, place = arena.run, arena.place\n"
            f"{made}"
            "    def turns(values, streams, limit, order, known):\n"
            f"{body}"
            "    return turns\n"
        )
        exec(compile(text, "<jitgrad short run>", "exec"), self.space)
        return self.space.pop("make")

    def _number(self, kind: type, offset: int) -> str:
        return f"{'floats' if kind is float else 'integers'}[{offset // 8}]"

    def _fill(self) -> None:
        """Put the inputs where they belong."""
        loop = self.loop
        names = [f"v{at}" for at in range(len(loop.given))]
        self.lines.append("try:")
        if names:
            self.lines.append(f"    {', '.join(names)}, = values")
        self.fixed = []
        for name, each in zip(names, loop.given):
            if each is None:
                self.fixed.append(name)
            elif isinstance(each, Scalar):
                place = self._number(each.type, loop.layout.offset(each))
                self.lines.append(f"    {place} = {name}")
            else:
                self.made.append(f"to_{name} = arena.array({self._constant(each)})")
                # a number is copied in a tenth of the time without `copyto`
                copied = f"copyto(to_{name}, {name})" if each.shape else f"to_{name}[()] = {name}"
                self.lines.append(f"    {copied}")

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.space)}"
        self.space[name] = value
        return name

    def _incoming(self) -> None:
        """Look at what turns read one by one."""
        loop = self.loop
        records = []
        for path, forms in enumerate(loop.incoming):
            names = [f"s{path}_{at}" for at in range(len(forms))]
            if names:
                self.lines.append(f"    {', '.join(names)}, = streams[{path}]")
            differ = " or ".join(map(self._differs, names, forms))
            if differ:
                self.lines.append(f"    if not known and ({differ}): return None")
            records += names
        if loop.follows:
            self.lines.append("    limit = min(limit, len(order))")
            records.append("order")
        elif loop.incoming[0]:
            shortest = "".join(f", len(s0_{at})" for at in range(len(loop.incoming[0])))
            self.lines.append(f"    limit = min(limit{shortest})")
        for at, name in enumerate(records, loop.increments):
            self.lines.append(f"    integers[{at}] = {name}.strides[0]")
        self.placed = [*self.fixed, *records]
        # as the general way does, which then says what is wrong
        self.lines += ["except Exception:", "    return None", "if limit < 1: return None"]

    def _differs(self, name: str, form: Form) -> str:
        return (
            f"{name}.shape[1:] != {form.shape} or {name}.dtype != {self._constant(form.dtype)} "
            f"or {name}.strides[1:] != {form.strides}"
        )

    def _tape(self) -> None:
        """Take memory for what is recorded."""
        loop, lines = self.loop, self.lines
        self.records: list[list[str]] = []
        for path, (at, forms) in enumerate(zip(loop.counts, loop.forms)):
            names = [f"r{path}_{number}" for number in range(len(forms))]
            self.records.append(names)
            lines.append(f"integers[{at}] = 0")
            if not forms:
                lines.append(f"integers[{at + 1}] = {self.endless}")
                continue
            lines.append(f"room{path} = integers[{at + 1}] = min(expected[{path}], limit)")
            for name, form in zip(names, forms):
                record = f"empty(room{path}, {self._constant(form.dtype)})"
                if form.shape:
                    record = f"{self._constant(form.record)}(room{path})"
                lines.append(f"{name} = {record}")
            self.placed += names
        self.most = f"{loop.portion}"
        if loop.marks:
            lines.append(f"marks = empty(min({self.least_bytes}, limit), uint8)")
            self.placed.append("marks")
            # there is room for a turn at least
            self.most = f"{min(loop.portion, self.least_bytes)}"
        if self.placed:
            # the lists of places follow one another
            place = f"    place(0, {', '.join(self.placed)})"
            lines += ["try:", place, "except Exception:", "    return None"]

    def _turn(self) -> None:
        """Do turns; leave the rest to the general way, if they have not come to an end."""
        loop, lines = self.loop, self.lines
        if not loop.follows:
            self.made.append("first = arena.entries[0]")
            lines.append(f"integers[{CURRENT}] = first")
        lines += [
            f"done, number = divmod(run(min({self.most}, limit), {loop.portion == 1}), {NUMBERS})",
            f"if number < {FIRST_TEST} and (number != {FINISHED} or done < limit):",
        ]
        records = ", ".join(f"[{', '.join(names)}]" for names in self.records)
        rooms = ", ".join(
            f"room{path}" if names else "0" for path, names in enumerate(self.records)
        )
        marks = "marks" if loop.marks else "None"
        lines.append(f"    return limit, done, number, [{records}], [{rooms}], {marks}")

    def _result(self) -> None:
        """Look at what was done."""
        loop, lines = self.loop, self.lines
        tape = []
        for path, (at, forms) in enumerate(zip(loop.counts, loop.forms)):
            lines.append(f"n{path} = integers[{at}]")
            names = self.records[path]
            tape.append(f"[{', '.join(f'{name}[:n{path}]' for name in names)}]")
            if not forms:
                continue
            size = loop.turn_bytes[path]
            least = max(16, self.least_bytes // size)
            lines.append(
                f"if n{path} < room{path} // 2 and room{path} * {size} > {self.least_bytes}:"
            )
            for name, form in zip(names, forms):
                lines.append(f"    {name} = {self._constant(form.shortened)}({name}, n{path})")
            lines.append(f"expected[{path}] = n{path} + 1 if n{path} >= {least} else {least}")
        carried = [self._carried(f"like{at}", each) for at, each in enumerate(loop.carried)]
        order = "None"
        if loop.marks:
            order = "marks[:done]"
        if any(each is None for each in carried):
            self.made.append("all_carried = arena.carried")
            held = "all_carried()"
        else:
            held = f"[{', '.join(carried)}]"  # type: ignore[arg-type]
        counts = ", ".join(f"n{path}" for path in range(loop.paths))
        lines += [
            f"if number == {FINISHED}: stop, test = FINISHED, None",
            f"else: stop, test = TEST, tests[number - {FIRST_TEST}]",
            # which takes half the time of `Turns` as such
            f"return new(Turns, (done, stop, test, {held}, [{counts}], [{', '.join(tape)}], "
            f"{order}, None))",
        ]

    def _carried(self, name: str, each: Value | Scalar) -> str | None:
        """Return the expression of what is carried, None if it shares memory."""
        loop = self.loop
        if isinstance(each, Scalar):
            number = self._number(each.type, loop.layout.offset(each))
            return f"bool({number})" if each.type is bool else number
        values = [other for other in loop.carried if isinstance(other, Value)]
        alone = sum(other.memory is each.memory for other in values) == 1
        like = np.empty(each.shape, each.dtype)
        if not alone or like.strides != strides_in_bytes(each):
            return None
        self.made.append(f"{name} = arena.array({self._constant(each)})")
        return f"{name}.copy()"
