"""Random small programs in exactly representable arithmetic, to compare eager and compiled."""

from __future__ import annotations

import linecache
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import jitgrad as torch
from tests.graph.agreement import Session


class Writer:
    """Writes one function of tensors `x`, `y`, a float `k` and an object `box`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names = ["x", "y"]
        self.fresh: list[str] = []
        self.count = 0
        self.budget = 14

    def name(self) -> str:
        """Return a variable that is bound."""
        return self.random.choice(self.names)

    def new(self) -> str:
        """Return a name for a new variable."""
        self.count += 1
        return f"v{self.count}"

    def number(self) -> str:
        """Return a small number, a constant or the argument."""
        return self.random.choice(["1", "2", "-1", "3", "k", "0.5", "k + 1", "box.rate"])

    def expression(self) -> str:
        """Return an expression whose elements stay small."""
        a, b = self.name(), self.name()
        return self.random.choice(
            [
                f"{a} + {b}",
                f"{a} - {b}",
                f"({a} * {b}).clamp(-8, 8)",
                f"({a} * {self.number()}).clamp(-16, 16)",
                f"{a} + {self.number()}",
                f"{a}.detach() + {b}",
                f"{a}.view(3)",
                f"{a}.flip(0) - {b}",
                f"torch.where({a} > {b}, {a}, {b})",
                f"{a}.sum() + {b}",
                f"helper({a}, {b})",
            ]
        )

    def condition(self) -> str:
        """Return a condition on values."""
        return self.random.choice(
            [
                f"{self.name()}.sum() > {self.random.randint(-6, 6)}",
                f"({self.name()} > {self.name()}).all()",
                f"{self.name()}[0] < {self.random.randint(-2, 2)}",
                f"k > {self.random.choice(['0', '1', 'box.rate'])}",
                f"{self.name()}.sum().item() <= k * 2",
                f"not {self.name()}.max() > 4",
            ]
        )

    def block(self, indent: str, loop: bool = False) -> None:
        """Write some statements; what they bind is not used after the block."""
        names, fresh = list(self.names), list(self.fresh)
        for _ in range(self.random.randint(1, 3)):
            self.statement(indent, loop)
        self.names, self.fresh = names, fresh

    def emit(self, indent: str, text: str) -> None:
        self.lines.append(indent + text)

    def statement(self, indent: str, loop: bool = False) -> None:
        """Write one statement."""
        self.budget -= 1
        kinds = [self.assign] * 4 + [self.in_place] * 2 + [self.store, self.items, self.other]
        if self.budget > 0 and len(indent) < 12:
            kinds += [self.branch, self.branch, self.loop, self.while_]
        if loop:
            kinds.append(self.leave)
        self.random.choice(kinds)(indent)

    def assign(self, indent: str) -> None:
        text = self.expression()
        if self.random.random() < 0.3 and self.fresh:
            self.emit(indent, f"{self.random.choice(self.fresh)} = {text}")
            return
        name = self.new()
        self.emit(indent, f"{name} = {text}")
        self.names.append(name)
        self.fresh.append(name)

    def in_place(self, indent: str) -> None:
        if not self.fresh:
            return self.assign(indent)
        name = self.random.choice(self.fresh)
        self.emit(
            indent,
            self.random.choice(
                [
                    f"{name} += {self.name()}",
                    f"{name}.sub_({self.number()})",
                    f"{name}.add_({self.name()}).clamp_(-16, 16)",
                    f"{name}[1] = {self.number()}",
                    f"{name}.detach().add_(1)",
                ]
            ),
        )
        return None

    def store(self, indent: str) -> None:
        self.emit(
            indent,
            self.random.choice(
                [
                    f"box.last = {self.name()}.detach()",
                    f"box.last = {self.name()}",
                    "box.total = box.total + k",
                    f"box.table['t'] = {self.name()}.detach() * 1",
                    f"box.table['n'] = {self.name()}.sum().item()",
                    f"box.items[0] = {self.name()} if box.items[0] is not None else k",
                    "box.n = box.n + 1 if box.n < 2 else 0",
                    f"box.seen.append({self.name()}.sum().item())",
                    "box.rate = 2.0 if box.rate == 1.0 else 1.0",
                ]
            ),
        )
        if self.random.random() < 0.5:
            name = self.new()
            self.emit(indent, f"{name} = box.last * 1 + box.total")
            self.names.append(name)
            self.fresh.append(name)

    def items(self, indent: str) -> None:
        parts = ", ".join(self.name() for _ in range(self.random.randint(1, 3)))
        self.emit(indent, f"parts = [{parts}]")
        self.emit(indent, f"parts.append({self.name()} * 2)")
        name = self.new()
        self.emit(indent, f"{name} = parts[-1]")
        self.emit(indent, f"for i, part in enumerate(parts[{self.random.randint(0, 1)}:]):")
        self.emit(indent + "    ", f"{name} = {name} + part * i")
        if self.random.random() < 0.3:
            self.emit(indent + "    ", f"if {name}.sum() > 9:")
            self.emit(indent + "        ", "break")
        self.names.append(name)
        self.fresh.append(name)

    def other(self, indent: str) -> None:
        name = self.name()
        self.emit(
            indent,
            self.random.choice(
                [
                    f"{name}.sum().backward(retain_graph=True)",
                    f"if {name}.requires_grad: {name}.sum().backward(retain_graph=True)",
                    f"print({name}.sum().item())",
                    "y.grad = None",
                    f"if {name}.requires_grad: torch.autograd.grad({name}.sum(), {name})",
                    "with torch.no_grad(): y.sub_(1)",
                    f"assert {name}.sum() < 40, 'too large'",
                    "if x.grad is not None: x.grad.zero_()",
                ]
            ),
        )

    def branch(self, indent: str) -> None:
        self.emit(indent, f"if {self.condition()}:")
        self.block(indent + "    ")
        if self.random.random() < 0.6:
            self.emit(indent, "else:")
            self.block(indent + "    ")
        if self.random.random() < 0.15:
            self.emit(indent, f"if {self.condition()}:")
            self.emit(indent + "    ", f"return {self.name()}, {self.name()}")

    def loop(self, indent: str) -> None:
        self.emit(indent, f"for i{len(indent)} in range({self.random.randint(1, 3)}):")
        self.block(indent + "    ", loop=True)

    def while_(self, indent: str) -> None:
        counter = f"n{self.new()}"
        self.emit(indent, f"{counter} = 0")
        self.emit(indent, f"while {self.condition()} and {counter} < 3:")
        self.emit(indent + "    ", f"{counter} += 1")
        self.block(indent + "    ", loop=True)

    def leave(self, indent: str) -> None:
        self.emit(indent, f"if {self.condition()}:")
        self.emit(indent + "    ", self.random.choice(["break", "continue"]))

    def source(self) -> str:
        """Return the function."""
        self.emit("    ", "v0 = x * 1")
        self.names.append("v0")
        self.fresh.append("v0")
        for _ in range(self.random.randint(3, 7)):
            self.statement("    ")
        found = ", ".join(dict.fromkeys([self.names[-1], self.name(), self.name()]))
        self.emit("    ", f"return {found}, box.total")
        return "\n".join(["def f(x, y, k, box):", *self.lines, ""])


HELPER = (
    "def helper(a, b):\n    if a.sum() > b.sum():\n        return a - b\n    return b - 1\n\n\n"
)


def build(seed: int) -> tuple[Callable, str]:
    """Return a random function and its source."""
    source = HELPER + Writer(seed).source()
    name = f"<random/programs {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace: dict[str, Any] = {"torch": torch, "__name__": "random_program"}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"], source


def scene(seed: int) -> Callable[[Session], None]:
    """Return a scene that calls a random function several times."""

    def run(s: Session) -> None:
        function, _ = build(seed)
        f = s.compile(function)
        numbers = np.random.default_rng(seed)
        box = SimpleNamespace(
            rate=1.0, total=0.0, n=0, last=None, items=[None, 1], table={}, seen=[]
        )
        box.last = torch.ones(3, dtype=torch.float64)
        plain = torch.ones(3, dtype=torch.float64)
        draw = [numbers.integers(-3, 4, (2, 3)).astype(float) for _ in range(3)]
        for call in range(8):
            values = draw[call % 3] if call < 6 else numbers.integers(-3, 4, (2, 3)).astype(float)
            x = torch.tensor(values[0], dtype=torch.float64, requires_grad=call != 5)
            y = plain if call % 4 == 3 else torch.tensor(values[1], requires_grad=True)
            result = s.call(f, x, y, float(numbers.integers(-1, 3)), box, backward=call % 2 == 0)
            s.see(x, y, box, result)

    run.__name__ = f"random program {seed}"
    return run
