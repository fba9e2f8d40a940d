"""Small programs made at random, in exact integer arithmetic, run by CPython and the evaluator."""

from __future__ import annotations

import gc
import linecache
import random
import sys
import warnings

import pytest

from tests.python.comparing import MODES, by_cpython, outcome

NAMES = ("a", "b", "c", "d")
BINARY = ("+", "-", "//", "%", "&", "|", "^")
COMPARE = ("<", "<=", "==", "!=", ">", ">=", "in", "is not")


class Program:
    """Writes statements until its budget is spent; all loops are bounded."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.budget = 40
        self.loops = 0
        self.in_class = False
        self.in_generator = False

    def expression(self, depth: int = 0) -> str:
        pick = self.random.randrange
        if depth > 3 or pick(3) == 0:
            return self.random.choice([*NAMES, str(pick(10)), str(-pick(5))])
        inner = [self.expression(depth + 1) for _ in range(3)]
        forms = [
            f"({inner[0]} {self.random.choice(BINARY)} {inner[1]})",
            f"({inner[0]} * {inner[1]} % 1009)",  # or numbers would grow without end
            f"(-{inner[0]})",
            f"(not {inner[0]})",
            f"({inner[0]} and {inner[1]} or {inner[2]})",
            f"({inner[0]} if {self.condition(depth + 1)} else {inner[1]})",
            f"(say({inner[0]}) + say({inner[1]}))",
            f"({self.random.choice(NAMES)} := {inner[0]})",
            f"sum([{inner[0]} for v in range({pick(4)}) if {self.condition(depth + 1)}])",
            f"(lambda b, c={inner[0]}: b + c + a)({inner[1]})",
            f"[{inner[0]}, {inner[1]}, {inner[2]}][{pick(-3, 4)}]",
            f"len((*[{inner[0]}], {inner[1]}))",
            f"sum(x * {inner[0]} for x in range(3))",
        ]
        if self.in_class:
            forms = [form for form in forms if ":=" not in form]
        return self.random.choice(forms)

    def condition(self, depth: int = 0) -> str:
        left, right = self.expression(depth + 1), self.expression(depth + 1)
        op = self.random.choice(COMPARE)
        if op == "in":
            return f"{left} in ({right}, 1, 2)"
        if op == "is not":
            return f"{left} is not None"
        if self.random.randrange(3) == 0:
            return f"{left} {op} {right} <= {self.random.choice(NAMES)}"
        return f"{left} {op} {right}"

    def write(self, indent: int, text: str) -> None:
        self.lines.append("    " * indent + text)

    def block(self, indent: int, in_loop: bool, in_class: bool | None = None) -> None:
        """Write a few statements; what is `in_class` has no function to leave, nor its names."""
        outside = self.in_class
        self.in_class = outside if in_class is None else in_class
        for _ in range(self.random.randrange(1, 4)):
            self.statement(indent, in_loop)
        self.in_class = outside

    def statement(self, indent: int, in_loop: bool) -> None:
        self.budget -= 1
        choice = self.random.randrange(24)
        if self.budget < 0 or indent > 5:
            choice = self.random.randrange(4)
        name = self.random.choice(NAMES)
        if self.in_generator and not self.in_class and choice % 2:
            self.write(indent, f"{name} = yield {self.expression()}")
        elif choice == 0:
            self.write(indent, f"{name} = {self.expression()}")
        elif choice == 1:
            self.write(indent, f"{name} {self.random.choice(BINARY)}= {self.expression()}")
        elif choice == 2:
            self.write(indent, f"say({self.expression()})")
        elif choice == 3:
            other = self.random.choice(NAMES)
            self.write(indent, f"{name}, {other} = {other}, {self.expression()}")
        elif choice in (4, 5):
            self.write(indent, f"if {self.condition()}:")
            self.block(indent + 1, in_loop)
            self.write(indent, "else:")
            self.block(indent + 1, in_loop)
        elif choice in (6, 7):
            self.write(indent, f"for {name} in range({self.random.randrange(4)}):")
            self.block(indent + 1, True)
            self.otherwise(indent, in_loop)
        elif choice == 8:
            self.loops += 1
            counter = f"n{self.loops}"
            self.write(indent, f"{counter} = 0")
            self.write(indent, f"while {self.condition()} and {counter} < 3:")
            self.write(indent + 1, f"{counter} += 1")
            self.block(indent + 1, True)
            self.otherwise(indent, in_loop)
        elif choice in (9, 10):
            self.write(indent, "try:")
            self.block(indent + 1, in_loop)
            if self.random.randrange(3):
                caught = self.random.choice(["ZeroDivisionError", "(NameError, KeyError)", ""])
                self.write(indent, f"except {caught} as e:" if caught else "except:")
                self.write(indent + 1, "say(str(e))" if caught else "say('caught')")
                self.block(indent + 1, in_loop)
                self.otherwise(indent, in_loop)
            self.write(indent, "finally:")
            self.block(indent + 1, in_loop)
        elif choice == 11:
            target = self.random.choice(["", f" as {name}"])
            self.write(indent, f"with manage({self.expression()}){target}:")
            self.block(indent + 1, in_loop)
        elif choice == 12:
            self.write(
                indent, f"del {name}" if self.random.randrange(4) == 0 else "raise KeyError(a)"
            )
        elif choice == 13:
            self.write(indent, f"match {self.expression()}, {self.expression()}:")
            self.write(indent + 1, f"case ({name}, 0) | (0, {name}):")
            self.block(indent + 2, in_loop)
            self.write(indent + 1, f"case (x, *_) if {self.condition()}:")
            self.block(indent + 2, in_loop)
        elif choice == 14 and in_loop:
            self.write(indent, self.random.choice(["break", "continue"]))
        elif choice == 15:
            self.group(indent)
        elif choice in (16, 17):
            self.generator(indent, name)
        elif choice == 18:
            self.class_statement(indent, name)
        elif choice == 19:
            self.write(indent, f"first, *{name}, last = [{self.expression()}, b, *range(2)]")
            self.write(indent, f"{name} = say(len({name}) + last)")
        elif choice == 20:
            self.write(indent, f"items = {{'k': [{self.expression()}], **{{'m': a}}}}")
            self.write(indent, f"items['k'][0] {self.random.choice(BINARY)}= {self.expression()}")
            self.write(indent, "say(*items.values(), f'{items!r:>{30}}')")
            self.write(indent, self.random.choice(["del items", "del items['k'], items['m']"]))
        elif choice == 21:
            self.write(indent, f"assert {self.condition()}, say({self.expression()})")
        elif choice == 22:
            left, right = self.expression(), self.expression()
            self.write(indent, f"with manage({left}) as {name}, manage({right}):")
            self.block(indent + 1, in_loop)
        else:
            self.leave(indent)

    def class_statement(self, indent: int, name: str) -> None:
        outside, self.in_class = self.in_class, True
        self.write(indent, "class A:")
        self.write(indent + 1, f"x = {self.expression()}")
        self.block(indent + 1, False)
        self.write(indent + 1, f"def get(self, y={self.expression()}):")
        self.write(indent + 2, "return say(self.x, y, __class__ is A)")
        self.in_class = outside
        self.write(indent, f"A().get({self.random.choice(['', name])})")

    def leave(self, indent: int) -> None:
        """Leave the function, if it may be left here."""
        what = self.expression()
        self.write(indent, what if self.in_class else f"return {what}")

    def group(self, indent: int) -> None:
        """Write a statement that raises and takes apart a group of exceptions."""
        self.write(indent, "try:")
        self.block(indent + 1, False, in_class=True)
        kinds = self.random.sample(["KeyError(a)", "ValueError(b)", "OSError(c)"], 2)
        self.write(indent + 1, f"raise ExceptionGroup('g', [{', '.join(kinds)}])")
        for kind in self.random.sample(["KeyError", "ValueError", "(OSError, NameError)"], 2):
            self.write(indent, f"except* {kind} as e:")
            self.write(indent + 1, "say(str(e), len(e.exceptions))")
            self.block(indent + 1, False, in_class=True)
        if self.random.randrange(2):
            self.write(indent, "finally:")
            self.block(indent + 1, False, in_class=True)

    def generator(self, indent: int, name: str) -> None:
        """Write a generator function and one of the ways to use it."""
        outside = self.in_generator, self.in_class
        self.write(indent, f"def generate(a, b, c, d={self.expression()}):")
        self.in_generator, self.in_class = True, False
        self.write(indent + 1, f"{name} = yield {self.expression()}")
        self.block(indent + 1, False)
        self.write(indent + 1, f"yield from ({self.expression()} for v in range(2))")
        self.in_generator, self.in_class = outside
        self.write(indent, "g = generate(1, 2, 3)")
        uses = [
            ["say(*g)"],
            ["for v in g:", "    say(v)", f"    if {self.condition()}:", "        break"],
            ["say(next(g))", "say(g.send(2))", "g.close()"],
            ["say(next(g))", "say(g.throw(KeyError(a)))", "say(next(g, 'end'))"],
            ["say(*zip(g, g))"],
        ]
        for line in self.random.choice(uses):
            self.write(indent, line)

    def otherwise(self, indent: int, in_loop: bool) -> None:
        if self.random.randrange(2):
            self.write(indent, "else:")
            self.block(indent + 1, in_loop)

    def source(self) -> str:
        self.write(0, "def program(log):")
        self.write(1, "a, b, c = 1, 2, 3")
        if self.random.randrange(6):
            self.write(1, "d = 4")
        self.write(1, "def say(x, *more):")
        self.write(2, "log.append((x, *more) if more else x)")
        self.write(2, "return x")
        if self.random.randrange(2):
            self.write(1, "def bump():")
            self.write(2, "nonlocal a")
            self.write(2, "a += 1")
            self.write(1, "bump()")
        while self.budget > 0:
            self.statement(1, False)
        self.write(1, "return a, b, c, d")
        return "\n".join(self.lines) + "\n"


class manage:
    def __init__(self, value):
        self.value = value

    def __enter__(self):
        return self.value

    def __exit__(self, kind, value, traceback):
        return kind is KeyError


@pytest.mark.parametrize("block", range(10))
def test_random_program(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Generators that go on after GeneratorExit are among the programs.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    for seed in range(block * 10, block * 10 + 10):
        source = Program(seed).source()
        filename = f"<corpus {seed}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        scope = {"manage": manage, "__name__": "random_program"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            code = compile(source, filename, "exec", dont_inherit=True)
        exec(code, scope)
        wanted = outcome(by_cpython, scope["program"])
        for mode, run in MODES.items():
            assert outcome(run, scope["program"]) == wanted, f"{mode}\n{source}"
    gc.collect()
