"""Writes random programs, drawn by Hypothesis so that a failing one shrinks to a small one.

A program is one function `f(x, y, k, n, box, net)` of two tensors, a number, an integer, an object
and a module. Its arithmetic is exact: elements are small integers, or halves of them. In every
choice the simplest comes first, since choices shrink towards their beginning.
"""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st

from tests.fuzz.hosting import Hosting
from tests.fuzz.prelude import PRELUDE


class Writer(Hosting):
    """Writes one function."""

    def block(self, loop: bool = False) -> None:
        """Write some statements; what they bind is not used after the block."""
        names = self.names()
        self.depth += 1
        self.loops += loop
        self.inside += loop
        for _ in range(self.number_up_to(1, 3)):
            self.statement()
        self.depth -= 1
        self.loops -= loop
        self.inside -= loop
        self.forget_but(names)

    def statement(self) -> None:
        """Write one statement."""
        self.budget -= 1
        kinds = [
            self.assign, self.assign, self.rebind, self.in_place, self.count_up, self.store,
            self.take_view, self.containers, self.differentiate, self.keep, self.alter,
            self.write_text, self.collect,
        ]  # fmt: skip
        if self.hosts:
            kinds += [self.host, self.host]
        is_open = self.budget > 0 and self.depth < 3
        if is_open:
            kinds += [self.branch, self.while_loop, self.for_loop, self.closure, self.grad_mode]
            if self.is_outermost:
                kinds += [self.many_turns, self.many_turns]
            if self.hosts:
                kinds += [
                    self.make_object, self.generate, self.count_turns, self.attempt, self.manage,
                ]  # fmt: skip
        if self.depth:
            kinds.append(self.leave)
        themes: dict[str, list[Callable]] = {
            "mixed": kinds,
            "memory": [self.in_place, self.overwrite, self.overwrite, self.take_view, self.assign],
            "places": [self.store, self.alter, self.alter, self.keep, self.count_up, self.assign],
            "turns": [self.while_loop, self.for_loop, self.branch] if is_open else kinds,
            "Python": [self.host, self.host, self.keep, self.assign],
            "ways": [self.many_turns] if is_open and self.is_outermost else kinds,
            "library": [self.collect, self.write_text, self.collect, self.assign],
            "gradients": [self.differentiate, self.differentiate, self.overwrite, self.assign],
        }
        if self.maybe():
            kinds = themes[self.theme]
        self.usually(tuple(kinds), (self.effect, self.attempt))()

    def branch(self) -> None:
        self.emit(f"if {self.condition()}:")
        self.block()
        if self.maybe():
            self.emit(f"elif {self.condition()}:" if self.maybe() else "else:")
            self.block()

    def while_loop(self) -> None:
        counter = self.new("w")
        self.emit(f"{counter} = 0")
        most = self.pick("2", "3", "n", "box.n + 1")
        limit = self.pick(4, 4, 20) if self.is_outermost else 4
        self.emit(f"while ({self.condition()}) and {counter} < min({most}, {limit}):")
        self.depth += 1
        self.emit(f"{counter} += 1")
        if self.own:
            name = self.pick(*self.own)
            self.emit(f"{name} = {name} + {self.pick('1', '-1', counter)}")
        self.depth -= 1
        self.numbers.append(counter)
        self.turns()

    def turns(self) -> None:
        """Write the body of a loop, and what follows where it was not left early."""
        kept = self.own[-1:] if self.is_outermost else []
        self.block(loop=True)
        for name in kept:
            # so that the elements stay small in many turns
            self.emit(f"    {name} = {name}.clamp(-16, 16)")
        if self.maybe():
            self.emit("else:")
            self.block()

    def for_loop(self) -> None:
        a, name = self.tensor(), self.new("i")
        what = self.pick("number", "number", "tensor")
        if what == "number":
            n = "n" if self.is_outermost else "min(n, 3)"
            over = self.pick(
                f"range(abs({self.integer()}) % 4)",
                "range(2)",
                "range(3)",
                f"range({n})",
                f"range({n})",
                "(1, 2.0)",
                "[k, 1]",
                f"range({n}, 0, -1)",
                f"range(1, {n}, 2)",
                "range(5)",
            )
            self.emit(f"for {name} in {over}:")
            self.numbers.append(name)
            self.turns()
            self.numbers.remove(name)
        else:
            over = self.usually(
                (f"({a}, {self.tensor()})", f"[{a}, x]", f"({a},)", *self.lists),
                (f"{a}", f"list({a})", *(f"reversed({each})" for each in self.lists)),
            )
            self.emit(f"for {name} in {over}:")
            self.tensors.append(name)
            self.turns()
            self.tensors.remove(name)

    def closure(self) -> None:
        name, outer = self.new("f"), self.tensor()
        default = self.pick("", f", b={outer}", f", b={self.number()}")
        self.emit(f"def {name}(a{default}):")
        names = self.names()
        self.depth += 1
        self.inside += 1
        count = self.pick(None, *self.counters)
        if count is not None:
            self.emit(f"nonlocal {count}")
            self.emit(f"{count} += 1")
        # what the function around it binds is not the inner one's own
        self.tensors.append("a")
        loops, self.loops, self.own, self.counters = self.loops, 0, [], []
        self.lists, self.tables, self.things, self.closures = [], [], [], self.closures + 1
        self.depth -= 1
        self.block()
        self.depth += 1
        self.emit(f"return {self.pick('a', f'a + {outer}', 'a * 2', 'a + b' if default else 'a')}")
        self.depth -= 1
        self.loops = loops
        self.inside -= 1
        self.closures -= 1
        self.forget_but(names)
        self.functions.append(name)
        for _ in range(self.number_up_to(1, 2)):
            self.bind(f"{name}({self.tensor()})", own=False)

    def grad_mode(self) -> None:
        mode = self.pick("no_grad()", "enable_grad()", "set_grad_enabled(n > 1)")
        self.emit(f"with torch.{mode}:")
        self.block()

    def leave(self) -> None:
        self.emit(f"if {self.condition()}:")
        text = ("break", "continue") if self.loops else (f"return {self.tensor()}",)
        self.depth += 1
        self.emit(
            self.usually(text, (f"return {self.tensor()}", f"raise Refused({self.number()})"))
        )
        self.depth -= 1

    def source(self) -> str:
        """Return the program."""
        self.bind("x * 1")
        if self.theme == "places" or self.number_up_to(0, 3) == 3:
            self.bind("look_around(x, y, box, net)")
        if self.theme == "ways":
            self.many_turns()
        for _ in range(self.number_up_to(1, 8)):
            self.statement()
        a, b = self.tensor(), self.tensor()
        numbers = ", ".join(self.counters)
        self.emit(
            self.pick(
                f"return {a}",
                f"return {a}, {b}, [{numbers}]",
                f"return [{a}, {{'b': {b}, 'n': [{numbers}]}}]",
                f"return {a}.sum(), box.last, lambda: {b}",
                f"return {a}, [{', '.join(name for kind, name in self.things)}]",
                f"return {a}, {self.view()}, [{', '.join([*self.lists, *self.tables])}]",
                f"return ({self.pick('x', 'y', a)}, {a}.detach(), {b})",
            )
        )
        return "\n".join([f"{PRELUDE}def f(x, y, k, n, box, net):", *self.lines, ""])


@st.composite
def programs(draw: Callable) -> str:
    """Draw the text of a program."""
    return Writer(draw).source()
