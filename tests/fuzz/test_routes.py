"""Random functions without effects, with loops: done by one function each, and right each time.

The other random programs do so much else that few of their calls have routes. These have little
else than that: some arithmetic, one loop or two with ways and numbers, and a gradient within.
"""

from __future__ import annotations

import linecache
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph import cycles, heads, host_calls, replay, routes, tape
from jitgrad.graph.routes import Route
from tests.graph.test_routes import described
from tests.native import needs_native

pytestmark = needs_native

USUAL = 24
"""How many functions a usual run compares."""

# all is exact: small numbers of few bits
OPERATIONS = (
    "{a} + {b}", "{a} - {b}", "{a} * 0.5", "({a} * 2).clamp(-16, 16)", "-{a}", "{a}.abs()",
    "{a} + {k}", "torch.maximum({a}, {b})", "({a} * w).clamp(-16, 16)", "{a}.flip(0)",
    "{a}.detach() + {b}", "({a} + {b}).clamp(-8, 8)", "{a} * 0.5 + w", "{a}.sum() + {b}",
    "{a} * {b}.sign()", "({a} * {b}.sign()).clamp(-16, 16)", "{a}.clamp(-4, 4).square() * 0.25",
)  # fmt: skip

TESTS = (
    "{a}.sum() < {c}", "{a}.abs().sum() > {c}", "{k} > {c}", "({a} > {b}).any()", "{a}[0] < {c}",
)  # fmt: skip


class Writer:
    """Writes a function of tensors `x`, `y` and of a number `n`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = ["x", "y"]
        self.lines: list[str] = []
        self.passes_on = self.random.random() < 0.3

    def fill(self, form: str, names: list[str]) -> str:
        pick = self.random.choice
        return form.format(a=pick(names), b=pick(names), k="k", c=pick([0, 1, -2, 4]))

    def assign(self, indent: str, names: list[str], among: list[str]) -> None:
        operation = self.fill(self.random.choice(OPERATIONS), among)
        # the sum of a tensor may stand for it
        self.lines.append(f"{indent}{self.random.choice(names)} = {operation}")

    def pass_on(self, indent: str) -> None:
        """Let what one variable gets come to others some turns later."""
        made = [self.fill(self.random.choice(OPERATIONS[:7]), [each]) for each in "bcd"]
        self.lines.append(f"{indent}a, b, c, d = {', '.join(made)}, d.clamp(-8, 8) + y")

    def loop(self) -> None:
        inner = self.random.sample(["a", "b"], self.random.choice([1, 2, 2]))
        among = ["a", "b"] if self.passes_on else ["a", "b", *self.names]
        self.lines.append("    while k > 0:")
        if self.random.random() < 0.4:
            self.lines.append(f"        if {self.fill(self.random.choice(TESTS), among)}:")
            self.assign("            ", inner, among)
            if self.random.random() < 0.5:
                self.lines.append("        else:")
                self.assign("            ", inner, among)
        if self.passes_on:
            self.pass_on("        ")
        for _ in range(self.random.choice([0, 0, 1] if self.passes_on else [1, 2, 3])):
            self.assign("        ", inner, among)
        if self.random.random() < 0.2:
            self.lines.append(f"        if {self.fill(self.random.choice(TESTS), among)}:")
            self.lines.append("            break")
        self.lines.append("        k = k - 1")

    def source(self) -> str:
        among = ["x"] if self.passes_on else ["x", "y"]
        scales = ["x.sign()", "2.0", "SCALE", "y"][: 3 if self.passes_on else 4]
        self.lines.append(f"    w = {self.random.choice(scales)}")
        self.lines.append("    k = n * 1.0")
        for name in "abcd"[: 4 if self.passes_on else 2]:
            self.lines.append(f"    {name} = {self.fill(self.random.choice(OPERATIONS), among)}")
        self.loop()
        if self.random.random() < 0.3:
            self.assign("    ", ["a", "b"], ["a", "b", "x", "y"])
            self.lines.append("    k = n * 0.5")
            self.loop()
        if self.random.random() < 0.3:
            self.lines.append(f"    if {self.fill(self.random.choice(TESTS), ['a', 'b'])}:")
            self.assign("        ", ["a"], ["a", "b", "x", "y"])
        # what depends on another result has no route
        results = ["a", "a", "b", "k", "b is a", "a * 2 + b"]
        made = ", ".join(self.random.sample(results, self.random.choice([1, 2, 2])))
        if self.passes_on:
            made = self.random.choice(["a", "a.sum()", "a, b", "(a * 2).sum(), k"])
        elif self.random.random() < 0.5:
            made = self.random.choice(["total", "total", "total, k", made])
            self.lines.append("    total = (a * 1.0 + b * 0.5).sum()")
            self.lines.append("    g = None")
            self.lines.append("    if total.requires_grad:")
            self.lines.append(
                "        g = torch.autograd.grad(total, (x, y), allow_unused=True, "
                f"retain_graph={self.random.random() < 0.5})"
            )
            made += ", g"
        self.lines.append(f"    return {made},")
        return "def f(x, y, n):\n" + "\n".join(self.lines) + "\n"


def build(source: str, seed: int) -> Callable:
    """Return the function of a source."""
    file = f"<fuzz/routes {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = {"torch": torch, "SCALE": torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)}
    exec(compile(source, file, "exec", dont_inherit=True), space)
    return space["f"]


def calls(seed: int) -> Iterator[dict[str, Any]]:
    """Yield how it is called: alike at first, and then now so, now otherwise."""
    chosen = random.Random(seed)

    def values() -> list[float]:
        return [chosen.choice([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]) for _ in range(3)]

    # what few turns find out is then asked by many, the other way round, or neither
    few = chosen.random() < 0.5
    usual = {
        "x": values(), "y": values(), "n": 8, "history": "both", "same": False, "form": "vector",
        "then": "one by one" if few else "gradients",
    }  # fmt: skip
    for _ in range(14):
        yield {**usual, "n": chosen.choice([3, 3, 4, 5])} if few else usual
    for _ in range(14):
        other = dict(usual)
        for name in chosen.sample(sorted(usual), chosen.choice([1, 1, 2])):
            if name in ("x", "y"):
                other[name] = values()
            elif name == "n":
                other[name] = chosen.choice([0, 1, 2, 3, 5, 8, 12, 0.5, -1])
            elif name == "same":
                other[name] = True
            elif name == "form":
                other[name] = chosen.choice(FORMS)
            elif name == "then":
                other[name] = chosen.choice(THEN)
            else:
                other[name] = chosen.choice(["none", "x", "made"])
        yield other
        yield usual


FORMS = ("single", "number", "empty", "matrix", "strided", "integers", "one")
"""What may stand for a vector of three numbers."""


THEN = (
    "again", "weighted", "one by one", "backward", "graph", "hook", "hook of a result", "anomaly",
    "write", "write", "write a result", "retain_grad", "between", "lend",
)  # fmt: skip
"""What is done with the results instead of asking for their gradients."""


def formed(values: list[float], form: str) -> Any:
    """Return a tensor of another dtype or shape, or that lies otherwise."""
    if form == "single":
        return torch.tensor(values, dtype=torch.float32)
    if form == "integers":
        return torch.tensor([int(each) for each in values])
    made = torch.tensor(values, dtype=torch.float64)
    if form == "strided":
        return torch.stack([made, made + 1], 1)[:, 0]
    shown = {"number": made[0], "one": made[:1], "empty": made[:0], "matrix": made.expand(2, 3)}
    return shown[form].clone() if form in shown else made


def outcome(function: Callable, call: dict[str, Any]) -> Any:
    """Return what can be seen of a call, and of backward passes from what it returns."""
    history, form = call["history"], call["form"]
    x, y = (formed(call[name], form) for name in "xy")
    if x.dtype.is_floating_point:
        x.requires_grad_(history != "none")
        y.requires_grad_(history in ("both", "made"))
    leaves = [each for each in (x, y) if each.requires_grad]
    given = [each * 1 for each in (x, y)] if history == "made" else [x, y]
    if call["same"]:
        given[1] = given[0]
    try:
        result = function(*given, call["n"])
    except Exception as error:
        return type(error), str(error)
    found = [described(result)]
    for each in result:
        if isinstance(each, torch.Tensor):
            found.append((each._version, each.is_leaf, [each is one for one in given]))
            if each.requires_grad and each.grad_fn is not None:
                try:
                    then(call["then"], each, leaves, given, found)
                except RuntimeError as error:
                    found.append(str(error))
                if call["then"] == "graph":
                    # a pass through a recorded one frees less of compiled calls than of eager ones
                    break
    return found


def then(what: str, result: Any, leaves: list, given: list, found: list) -> None:
    """Do something with a result that has a history; add to `found` what is seen of it."""

    def gradients(**options: Any) -> tuple:
        made = torch.autograd.grad(result.sum(), leaves, allow_unused=True, **options)
        found.append(described(made))
        return made

    if what == "again":
        gradients(retain_graph=True)
        gradients(retain_graph=True)
    elif what == "weighted":
        weights = torch.arange(1, result.numel() + 1, dtype=result.dtype).reshape(result.shape)
        for each in (weights, weights.flip(0) if weights.ndim else weights):
            flows = torch.autograd.grad(
                result, leaves, each, allow_unused=True, retain_graph=True
            )  # fmt: skip
            found.append(described(flows))
    elif what == "one by one":
        for each in leaves[::-1]:
            flow = torch.autograd.grad(result.sum(), each, allow_unused=True, retain_graph=True)
            found.append(described(flow))
    elif what == "backward":
        result.sum().backward(retain_graph=True)
        (result * 0.5).sum().backward()
        found.append(described([each.grad for each in leaves]))
    elif what == "graph":
        flows = [each for each in gradients(create_graph=True) if each is not None]
        if flows and sum(flows).requires_grad:
            again = torch.autograd.grad(sum(flows).sum(), leaves, allow_unused=True)
            found.append(described(again))
    elif what in ("hook", "hook of a result"):
        (leaves[0] if what == "hook" else result).register_hook(lambda flow: flow * 2)
    elif what == "anomaly":
        with torch.autograd.detect_anomaly():
            gradients(retain_graph=True)
    elif what in ("write", "write a result"):
        with torch.no_grad():
            (given[0] if what == "write" else result).add_(1)
    elif what == "retain_grad":
        result.retain_grad()
        result.sum().backward(retain_graph=True)
        found.append(described([result.grad, *(each.grad for each in leaves)]))
    elif what == "between":
        flows = torch.autograd.grad(result.sum(), given, allow_unused=True, retain_graph=True)
        found.append(described(flows))
    elif what == "lend":
        given[0].detach().numpy()[...] += 1
    if what == "graph":
        return
    gradients()
    # which raises where something was saved
    gradients()


def plain(seen: Any) -> str:
    """Return what was seen as a text: NaN is not equal to itself, and zero is, with any sign."""
    return re.sub(r"-0\.0(?!\d)", "0.0", repr(seen))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "unroll", 2)
    monkeypatch.setattr(heads, "LONG", 2)
    for module in (cycles, replay, tape, host_calls, routes):
        monkeypatch.setattr(module, "WARM", 2)


@pytest.mark.parametrize("checks", [False, True])
def test_random_functions(
    checks: bool, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = pytestconfig.getoption("--fuzz") or USUAL
    first = int(pytestconfig.getoption("--hypothesis-seed") or 0)
    monkeypatch.setattr(torch.config, "verify", checks)
    applied = 0
    for seed in range(first, first + count):
        source = Writer(seed).source()
        function = build(source, seed)
        compiled = torch.compile(function)
        for number, call in enumerate(calls(seed)):
            found, expected = plain(outcome(compiled, call)), plain(outcome(function, call))
            assert found == expected, f"{source}\nseed {seed}, call {number}: {call}"
        shortcuts = compiled.graph.entrance.shortcuts
        applied += any(isinstance(each.hot, Route) for each in shortcuts)
    assert applied > count // 8, applied
