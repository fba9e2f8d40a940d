"""The words of random programs: names, numbers, expressions, conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st


class Words:
    """Writes one function.

    Attributes:
        tensors: names bound to tensors.
        own: those among them that the function made, which it may write to.
        inside: how many closures and loops are open, where others must be short.
        closures: how many closures are open.
        numbers: names bound to Python numbers.
        counters: those among them that are assigned to.
        lists, tables, functions: names bound to lists, dicts and closures made in the call.
        things: names bound to texts, and to what collects, each behind its kind.
        is_wild: it may do what is likely to raise, or to end a recording.
        theme: what it does most.
        hosts: it lets Python act in the middle.
    """

    def __init__(self, draw: Callable) -> None:
        self.draw = draw
        self.is_wild = self.number_up_to(0, 3) == 2
        self.theme = self.pick(
            "mixed", "memory", "places", "turns", "Python", "gradients", "library", *["ways"] * 4
        )
        self.hosts = self.theme == "Python" or self.maybe()
        self.lines: list[str] = []
        self.tensors = ["x", "y"]
        self.own: list[str] = []
        self.numbers = ["k", "n", "box.rate", "box.flag", "box.other.n"]
        self.counters: list[str] = []
        self.lists: list[str] = []
        self.tables: list[str] = []
        self.functions: list[str] = []
        self.things: list[tuple[str, str]] = []
        self.count = 0
        self.budget = 14
        self.depth = 0
        self.loops = 0
        self.inside = 0
        self.closures = 0

    @property
    def is_outermost(self) -> bool:
        """May a loop here have many turns?"""
        return not self.inside

    def names(self) -> tuple[list, ...]:
        """Return the names that are bound here."""
        return tuple(map(list, (
            self.tensors, self.own, self.numbers, self.counters, self.lists, self.tables,
            self.functions, self.things,
        )))  # fmt: skip

    def forget_but(self, names: tuple[list, ...]) -> None:
        """Use these names only from here on."""
        (
            self.tensors, self.own, self.numbers, self.counters, self.lists, self.tables,
            self.functions, self.things,
        ) = names  # fmt: skip

    # -- choices ----------------------------------------------------------------------------

    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def usually(self, usual: tuple, rare: tuple) -> Any:
        """Return a usual choice; in a wild program also a rare one, such as ends a recording."""
        return self.pick(*usual, *rare) if self.is_wild and self.maybe() else self.pick(*usual)

    def number_up_to(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def new(self, prefix: str = "v") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def emit(self, text: str) -> None:
        self.lines.append("    " * (self.depth + 1) + text)

    def tensor(self) -> str:
        return self.pick(*reversed(self.tensors))

    def writable(self) -> str:
        """Return a tensor to write to, an argument or a parameter among them."""
        return self.pick(*reversed(self.own), "x", "y", "net.weight", "x.detach()", "y[:1]")

    def number(self) -> str:
        """Return an expression for a small number."""
        plain = ("1", "2", "-1", "0.5", *self.numbers, "RATE")
        if self.number_up_to(0, 3) != 2:
            return self.pick(*plain)
        m, i = self.pick(*plain), self.integer()
        return self.pick(
            f"({m} + {i})", f"min({m}, {i})", f"max({m}, 0)", f"({m} if {m} > {i} else {i})",
            f"abs({m})", f"int({m})", f"float({i})", f"-{m}", f"({m} > {i})", f"bool({m})",
        )  # fmt: skip

    def integer(self) -> str:
        """Return an expression for a small integer."""
        return self.pick(
            "n", "1", "box.n", "n // 2", "n % 2", "n - 1", "min(n, 2)", "(n & 1)", "len(box.items)",
            "box.n % 3", "int(k)", "divmod(n, 2)[0]", "meter.count", "len(meter)", "n * n",
        )  # fmt: skip

    # -- expressions ------------------------------------------------------------------------

    def expression(self) -> str:
        """Return an expression for a tensor whose elements stay small."""
        a, b, c = self.tensor(), self.tensor(), self.number()
        usual = (
            f"{a} * 1",
            f"{a} + {b}",
            f"{a} - {b}",
            f"({a} * {b}).clamp(-8, 8)",
            f"{a} * {b} - {b}",
            f"{a} + {c}",
            f"({a} * {c}).clamp(-16, 16)",
            f"{c} - {a}",
            f"{a}.detach() + {b}",
            f"{a}.sum() + {b}",
            f"{a}.flip(0) - {b}",
            f"torch.where({a} > {b}, {a}, {b})",
            f"{a}.cumsum(-1).clamp(-16, 16)",
            f"({a} > {c}) * {b}",
            f"{a}.abs().neg()",
            f"torch.stack([{a}, {a}]).sum(0).clamp(-16, 16)",
            f"helper({a}, {b})",
            f"counted({a}, box)",
            f"counted({a}, box, step={self.number_up_to(0, 2)})",
            f"net({a})",
            f"{a} if {self.condition()} else {b} + 1",
            f"torch.randint(-2, 3, (3,)) + {a}",
            f"{a}.to(torch.float32) + {b}",
            f"{a}.new_zeros(()) + {b}",
            f"torch.zeros_like({a}) + {a}.numel()",
            f"torch.maximum({a}, {b}.clamp(min={c}))",
            f"{a}.relu() - {b}",
            f"({a}, {b})[{self.integer()} % 2]",
            f"[{a}, {b}, {c}][{self.integer()} % 2] + {b}",
            f"{a}.sum({self.integer()} % {a}.dim()) if {a}.dim() else {a}",
            f"torch.ones({self.integer()} + 1).sum() + {a}",
            f"{a}.unsqueeze(0).expand(abs({self.integer()}) % 3 + 1, *{a}.shape).sum(0)",
            f"({a}.clamp(-2, 2) ** (abs({self.integer()}) % 3)).clamp(-8, 8)",
            f"torch.full_like({a}, {c}) + {b}",
            f"{a}.add({b}, alpha={c}).clamp(-16, 16)",
            f"meter({a})",
            f"meter.keep({a})",
            f"total_of({a}, {b}, {a}, scale={c}).clamp(-16, 16)",
            f"remember({a})",
            f"(lambda t, s={c}: t + s)({a})",
            f"apply(lambda t: t + {b}, {a})",
            f"{a} + box.items[0]",
            f"{a} * box.rate - {b}",
            f"{a} + net.shift",
            f"{a} - box.total",
            f"{a} if box.last is None else box.last - {b}",
            f"({a}.detach() * {b}).clamp(-8, 8)",
            f"apply({self.pick('identity', *self.functions)}, {a})",
            *(f"{each}[-1] + {a}" for each in self.lists[-2:]),
            *(f"{each}.get({self.pick(repr('t'), 1)}, {a}) - {b}" for each in self.tables[-2:]),
        )
        rare = (
            f"{a}[int({b}.sum()) % {a}.shape[0]] + {b}",
            f"{a} @ {b}",
            f"sum([{a}, {b}, {c}])",
            f"{a}.max() - {b}",
            f"{a}[{a} > {c}].sum() + {b}",
            f"{a}.unique().sum() + {b}",
            f"sum(both({a}))",
            f"{a}[{self.integer()}:] + 1",
            f"[each + 1 for each in both({a})][1]",
        )
        return self.usually(usual, rare)

    def view(self) -> str:
        a, i = self.tensor(), self.integer()
        usual = (
            f"({a}[{i} % {a}.shape[0]] if {a}.dim() else {a})", f"{a}.reshape(-1)[{i} % 3]",
            f"{a}[:]", f"{a}.detach()", f"{a}[:1]", f"{a}[..., :1]", f"{a}.view({a}.shape)",
            f"{a}.expand_as({a})", f"{a}.unsqueeze(0)", f"{a}[..., -1:]", f"{a}.contiguous()",
            f"{a}.data", f"{a}.view(-1)[:1]",
        )  # fmt: skip
        return self.usually(
            usual, (f"{a}.view(-1)", f"{a}[0]", f"{a}[1:]", f"{a}.t()", f"{a}[{i}]")
        )

    def condition(self) -> str:
        a, b, c = self.tensor(), self.tensor(), self.number()
        limit = self.number_up_to(-4, 6)
        usual = (
            f"{a}.sum() > {limit}",
            f"{c} > {limit}",
            f"{a}.sum().item() <= {c}",
            f"({a} > {b}).all()",
            f"not {a}.sum() > {limit}",
            f"{a}.sum() > {limit} and {c} < 3",
            f"{a}.sum() < {c} or {b}.sum() > 1",
            f"{limit} < {a}.sum() < {limit + 6}",
            f"int({a}.sum()) % 2",
            f"{a}.requires_grad",
            f"{a}.dim() > 1",
            f"{a} is {b}",
            "box.last is None",
            "box.items",
            f"'{self.pick('t', 'u')}' in box.table",
            f"{a}.dtype == torch.float64",
            "torch.is_grad_enabled()",
            f"isinstance({c}, int)",
            f"len(box.seen) > {limit}",
            f"{c} == {self.number()}",
            f"bool({a}.sum() > {limit})",
            f"{self.integer()} == {self.number()}",
            f"{self.integer()} in (0, 2)",
            "meter.is_full",
            "not meter",
            f"{self.integer()} in box.table",
            f"{self.number()} != {self.number()}",
            "box.last is x",
            "n is None",
        )
        rare = (
            f"any(each > {limit} for each in {a}.sum().reshape(1).tolist())",
            f"{a}.grad is None",
            f"{a}.is_leaf",
            f"{a}.equal({b})",
        )
        return self.usually(usual, rare)

    def bind(self, text: str, own: bool = True) -> str:
        name = self.new()
        self.emit(f"{name} = {text}")
        self.tensors.append(name)
        if own:
            self.own.append(name)
        return name

    def block(self, loop: bool = False) -> None:
        """Write some statements; what they bind is not used after the block."""
        raise NotImplementedError

    def statement(self) -> None:
        """Write one statement."""
        raise NotImplementedError
