"""Writes random programs, drawn by Hypothesis so that a failing one shrinks to a small one.

A program is one function `f(x, y, k, n, box, net)` of two tensors, a number, an integer, an object
and a module. Its arithmetic is exact: elements are small integers, or halves of them. In every
choice the simplest comes first, since choices shrink towards their beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st

PRELUDE = """\
RATE = 2.0
log = []


def helper(a, b):
    if a.sum() > b.sum():
        return a - b
    return b - 1


def counted(a, box, step=1):
    box.n += step
    return a + box.n


def both(a):
    yield a
    yield a + 1


def total_of(first, *rest, scale=1):
    for each in rest:
        first = first + each * scale
    return first


def remember(a):
    global RATE
    RATE = 3 - RATE
    return a + RATE


class Meter:
    limit = 3

    def __init__(self):
        self.count = 0
        self.kept = None

    def __call__(self, a):
        self.count = (self.count + 1) % self.limit
        return a + self.count

    @property
    def is_full(self):
        return self.count == self.limit - 1

    def keep(self, a):
        before, self.kept = self.kept, a.detach()
        return a if before is None else a + before.sum()

    def __len__(self):
        return self.count


meter = Meter()


class Refused(ValueError):
    pass


def checked(a, most):
    if a.sum() > most:
        raise Refused(f"more than {most}")
    return a + 1


"""


class Writer:
    """Writes one function.

    Attributes:
        tensors: names bound to tensors.
        own: those among them that the function made, which it may write to.
        numbers: names bound to Python numbers.
        counters: those among them that are assigned to.
        is_wild: it may do what is likely to raise, or to end a recording.
    """

    def __init__(self, draw: Callable) -> None:
        self.draw = draw
        self.is_wild = self.number_up_to(0, 3) == 2
        self.lines: list[str] = []
        self.tensors = ["x", "y"]
        self.own: list[str] = []
        self.numbers = ["k", "n", "box.rate"]
        self.counters: list[str] = []
        self.count = 0
        self.budget = 12
        self.depth = 0
        self.loops = 0

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
        a = self.tensor()
        usual = (
            f"{a}[:]", f"{a}.detach()", f"{a}[:1]", f"{a}[..., :1]", f"{a}.view({a}.shape)",
            f"{a}.expand_as({a})", f"{a}.unsqueeze(0)", f"{a}[..., -1:]", f"{a}.contiguous()",
            f"{a}.data", f"{a}.view(-1)[:1]",
        )  # fmt: skip
        return self.usually(usual, (f"{a}.view(-1)", f"{a}[0]", f"{a}[1:]", f"{a}.t()"))

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

    # -- statements -------------------------------------------------------------------------

    def block(self, loop: bool = False) -> None:
        """Write some statements; what they bind is not used after the block."""
        names = list(self.tensors), list(self.own), list(self.numbers), list(self.counters)
        self.depth += 1
        self.loops += loop
        for _ in range(self.number_up_to(1, 3)):
            self.statement()
        self.depth -= 1
        self.loops -= loop
        self.tensors, self.own, self.numbers, self.counters = names

    def statement(self) -> None:
        """Write one statement."""
        self.budget -= 1
        kinds = [
            self.assign, self.assign, self.rebind, self.in_place, self.in_place, self.count_up,
            self.count_up, self.store, self.store, self.take_view, self.containers,
            self.differentiate, self.differentiate,
        ]  # fmt: skip
        if self.budget > 0 and self.depth < 3:
            kinds += [
                self.branch, self.branch, self.while_loop, self.for_loop, self.closure,
                self.grad_mode,
            ]  # fmt: skip
        if self.depth:
            kinds.append(self.leave)
        self.usually(tuple(kinds), (self.effect, self.attempt))()

    def bind(self, text: str, own: bool = True) -> str:
        name = self.new()
        self.emit(f"{name} = {text}")
        self.tensors.append(name)
        if own:
            self.own.append(name)
        return name

    def assign(self) -> None:
        self.bind(self.expression())

    def rebind(self) -> None:
        if not self.own:
            return self.assign()
        name = self.pick(*self.own)
        if len(self.own) > 1 and self.maybe():
            other = self.pick(*self.own)
            return self.emit(f"{name}, {other} = {other}, {name}")
        return self.emit(f"{name} = {self.expression()}")

    def take_view(self) -> None:
        self.bind(self.view())

    def in_place(self) -> None:
        if not self.own:
            return self.assign()
        a, b, c = self.pick(*self.own), self.tensor(), self.number()
        usual = (
            f"{a} += {b}",
            f"{a}.sub_({c})",
            f"{a}[:1] = {c}",
            f"{a}.add_({b}).clamp_(-16, 16)",
            f"{a}[..., 1:] -= {c}",
            f"{a}.detach().add_(1)",
            f"{a}.view(-1)[:1] += 1",
            f"{a}.copy_({b})",
            f"{a}.zero_()",
            f"{a}.data.mul_(2).clamp_(-16, 16)",
            f"{a}.masked_fill_({b} > 1, {self.number_up_to(0, 2)})",
            f"{a} *= 1",
        )
        return self.emit(
            self.usually(usual, (f"{a}[{a} > {c}] = 0", f"{a}.requires_grad_()", f"{a}[1:] = {b}"))
        )

    def count_up(self) -> None:
        """Let a number change: a local one, or one of an object."""
        if not self.counters or self.maybe():
            name = self.new("c")
            self.emit(f"{name} = {self.pick('0', '1', '0.0', 'k', 'n', 'box.n', 'box.total')}")
            self.numbers.append(name)
            self.counters.append(name)
            return
        c = self.pick(*self.counters)
        self.emit(
            self.pick(
                f"{c} += 1",
                f"{c} += {self.number()}",
                f"{c} = ({c} * 2) % 7",
                f"{c} = {c} + {self.tensor()}.sum().item()",
                f"{c} = max({c}, {self.number()})",
                f"{c} = -{c}",
                f"{c} = {c} * {c} if {c} < 4 else 0",
                f"{c} = int({self.tensor()}.sum())",
                f"{c} = float({c})",
                f"{c} = {c} if {self.condition()} else 1",
                f"{c} = abs({c}) // 2",
            )
        )

    def store(self) -> None:
        a, c = self.tensor(), self.number()
        usual = (
            "box.n += 1",
            f"box.total += {c}",
            f"box.last = {a}.detach()",
            f"box.last = {a}",
            f"box.total = {a}.sum().item()",
            "box.n = box.n + 1 if box.n < 2 else 0",
            f"box.table['t'] = {a}.detach() * 1",
            f"box.table[{self.pick('0', '1')}] = {c}",
            f"box.table['u'] = {a}.sum().item()",
            f"box.items[0] = {c}",
            f"box.items[{self.integer()} % 2] = {c}",
            f"box.n = {self.integer()}",
            f"meter.count = {self.integer()}",
            f"Meter.limit = {self.number_up_to(2, 4)}",
            "meter.kept = None",
            "box.meter = meter",
            f"box.pair = ({c}, {self.integer()})",
            "box.rate = 2.0 if box.rate == 1.0 else 1.0",
            f"box.new = {a}.detach()",
            "y.grad = None",
            "net.seen += 1",
            f"net.shift = {c}",
            "box.other = box",
            "box.last = None",
        )
        rare = (
            f"box.items.append({c})",
            "box.items = [box.n, box.total]",
            "box.table.pop('t', None)",
            f"box.table[n] = {c}",
        )
        self.emit(self.usually(usual, rare))
        if self.maybe():
            self.bind(
                self.pick(
                    f"{a} + box.n",
                    f"{a} * 1 + box.total",
                    f"box.table.get('t', {a}) + {a}",
                    f"{a} if box.last is None else box.last + 1",
                    f"{a} + box.items[-1]",
                    f"{a} + len(box.items)",
                )
            )

    def effect(self) -> None:
        a, c = self.tensor(), self.number()
        self.emit(
            self.pick(
                f"box.seen.append({a}.sum().item())",
                f"print({a}.sum().item())",
                f"print({c})",
                f"log.append({c})",
                f"box.seen.append({a}.detach())",
                f"print(f'{{{c}}} {{{a}.shape}}')",
                f"assert {a}.sum() < 40, 'too large'",
            )
        )

    def containers(self) -> None:
        a, b = self.tensor(), self.tensor()
        name = self.new("l")
        usual = (
            f"{name} = [{a}, {b}]",
            f"{name} = [{a} + i for i in range({self.number_up_to(1, 3)})]",
            f"{name} = list({{'a': {a}, 'b': {b}}}.values())",
            f"{name} = list(({a}, {b} * 2))",
        )
        rare = (
            f"{name} = [row for row in {a}]",
            f"{name} = sorted([{a}, {b}], key=lambda each: each.sum().item())",
            f"{name} = [each for each in ({a}, {b}) if each.sum() > 0] or [{a}]",
        )
        self.emit(self.usually(usual, rare))
        for _ in range(self.number_up_to(0, 2)):
            usual = (
                f"{name}.append({self.tensor()})",
                f"{name}[0] = {name}[-1] + 1",
                f"{name} = {name}[1:] or {name}",
            )
            rare = (
                f"{name}.insert(0, {self.tensor()})",
                f"{name} = {name} + [{self.tensor()}]",
                f"{name} *= 2",
            )
            self.emit(self.usually(usual, rare))
        text = self.usually(
            (
                f"{name}[-1]",
                f"{name}[0] + {name}[-1]",
                f"torch.stack([each.sum() for each in {name}]).sum()",
            ),
            (f"{name}[int({a}.sum()) % len({name})]", f"sum({name})"),
        )
        if self.maybe():
            total = self.bind(f"{name}[0] * 0")
            self.emit(f"for i, each in enumerate({name}):")
            self.emit(f"    {total} = {total} + each * i")
        self.bind(text, own=False)

    def differentiate(self) -> None:
        a = self.tensor()
        name = self.new("g")
        usual = (
            f"if {a}.requires_grad: {a}.sum().backward(retain_graph=True)",
            f"if {a}.requires_grad: {a}.sum().backward(retain_graph=True); y.grad = None",
            f"if {a}.requires_grad: box.g = torch.autograd.grad({a}.sum(), {a})[0]",
            "if x.grad is not None: x.grad.zero_()",
            "with torch.no_grad(): y.sub_(1)",
            "with torch.no_grad(): net.weight.sub_(1).clamp_(-3, 3)",
            "net.zero_grad()",
            "if x.grad is not None: x.data -= x.grad.clamp(-4, 4)",
            f"x.grad = {a}.detach() * 1 if {a}.shape == x.shape else None",
            f"if {a}.requires_grad: {a}.sum().backward(); box.g = x.grad",
        )
        rare = (
            f"{a}.sum().backward()",
            f"if {a}.requires_grad and x.requires_grad: box.g = torch.autograd.grad("
            f"{a}.sum(), x, allow_unused=True, retain_graph=True)[0]",
            f"if {a}.requires_grad: {name} = torch.autograd.grad({a}.pow(2).sum(), {a}, "
            f"create_graph=True)[0]; box.seen.append({name}.requires_grad)",
        )
        self.emit(self.usually(usual, rare))

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
        self.emit(f"while ({self.condition()}) and {counter} < min({most}, 4):")
        self.depth += 1
        self.emit(f"{counter} += 1")
        if self.own:
            name = self.pick(*self.own)
            self.emit(f"{name} = {name} + {self.pick('1', '-1', counter)}")
        self.depth -= 1
        self.numbers.append(counter)
        self.block(loop=True)
        if self.maybe():
            self.emit("else:")
            self.block()

    def for_loop(self) -> None:
        a, name = self.tensor(), self.new("i")
        what = self.pick("number", "number", "tensor")
        if what == "number":
            over = self.pick(
                f"range(abs({self.integer()}) % 4)",
                "range(2)",
                "range(3)",
                "range(n)",
                "(1, 2.0)",
                "[k, 1]",
                "range(n, 0, -1)",
            )
            self.emit(f"for {name} in {over}:")
            self.numbers.append(name)
            self.block(loop=True)
            self.numbers.remove(name)
        else:
            over = self.usually(
                (f"({a}, {self.tensor()})", f"[{a}, x]", f"({a},)"), (f"{a}", f"list({a})")
            )
            self.emit(f"for {name} in {over}:")
            self.tensors.append(name)
            self.block(loop=True)
            self.tensors.remove(name)

    def closure(self) -> None:
        name, outer = self.new("f"), self.tensor()
        default = self.pick("", f", b={outer}", f", b={self.number()}")
        self.emit(f"def {name}(a{default}):")
        names = list(self.tensors), list(self.own), list(self.numbers), list(self.counters)
        self.depth += 1
        count = self.pick(None, *self.counters)
        if count is not None:
            self.emit(f"nonlocal {count}")
            self.emit(f"{count} += 1")
        # what the function around it binds is not the inner one's own
        self.tensors.append("a")
        loops, self.loops, self.own, self.counters = self.loops, 0, [], []
        self.depth -= 1
        self.block()
        self.depth += 1
        self.emit(f"return {self.pick('a', f'a + {outer}', 'a * 2', 'a + b' if default else 'a')}")
        self.depth -= 1
        self.loops = loops
        self.tensors, self.own, self.numbers, self.counters = names
        for _ in range(self.number_up_to(1, 2)):
            self.bind(f"{name}({self.tensor()})", own=False)

    def attempt(self) -> None:
        """Write a `try` around what raises on data."""
        self.emit("try:")
        self.depth += 1
        a = self.tensor()
        self.emit(
            self.pick(
                f"checked({a}, {self.number_up_to(-3, 6)})",
                f"if {self.condition()}: raise Refused('here')",
                f"{self.new('u')} = 1 / {self.number()}",
                f"{a}[n]",
                "box.table['t']",
                f"{a}.sum().backward(retain_graph=True)",
            )
        )
        self.depth -= 1
        self.block()
        if self.maybe():
            self.emit(
                self.pick("except Refused:", "except Exception as error:", "except KeyError:")
            )
            self.block()
            if self.maybe():
                self.emit("finally:")
                self.block()
        else:
            self.emit("finally:")
            self.block()

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
        for _ in range(self.number_up_to(1, 7)):
            self.statement()
        a, b = self.tensor(), self.tensor()
        numbers = ", ".join(self.counters)
        self.emit(
            self.pick(
                f"return {a}",
                f"return {a}, {b}, [{numbers}]",
                f"return [{a}, {{'b': {b}, 'n': [{numbers}]}}]",
                f"return {a}.sum(), box.last, lambda: {b}",
            )
        )
        return "\n".join([f"{PRELUDE}def f(x, y, k, n, box, net):", *self.lines, ""])


@st.composite
def programs(draw: Callable) -> str:
    """Draw the text of a program."""
    return Writer(draw).source()


@st.composite
def calls(draw: Callable) -> list[dict[str, Any]]:
    """Draw how the program is called: what changes from call to call, and what does not."""
    usual = draw(kinds_of_call())
    # a second kind of call, which differs in one respect, so that both are replayed
    other = dict(usual)
    name = draw(st.sampled_from(sorted(usual)))
    other[name] = draw(kinds_of_call())[name]
    made = []
    for _ in range(draw(st.integers(2, 9))):
        made.append({**draw(st.sampled_from([usual, other])), **draw(values_of_call())})
    return made


def kinds_of_call() -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "shape": st.sampled_from([(3,), (3,), (3,), (2, 3), (1,), (3, 3)]),
            "dtype": st.sampled_from(["float64"] * 6 + ["float32", "int64"]),
            "layout": st.sampled_from(["plain", "plain", "strided", "transposed", "shared"]),
            "alias": st.sampled_from(["none", "same", "view", "part", "detached", "number"]),
            "history": st.sampled_from(["both", "both", "none", "x", "y", "computed", "view"]),
            "grad_enabled": st.sampled_from([True, True, True, False]),
            "k": st.sampled_from([1.0, 1.0, 1.0, 1, True]),
            "by_name": st.booleans(),
        }
    )


def values_of_call() -> st.SearchStrategy:
    small = st.integers(-3, 3)
    return st.fixed_dictionaries(
        {
            "values": st.lists(small, min_size=18, max_size=18),
            "number": small,
            "n": st.sampled_from([1, 1, 2, 0, 3]),
            "again": st.sampled_from(["", "", "", "x", "last", "result", "kept"]),
            "write": st.sampled_from(["", "", "x", "y", "result", "last"]),
            "backward": st.booleans(),
        }
    )
