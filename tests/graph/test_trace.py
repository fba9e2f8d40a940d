"""Printed traces are Python that runs, and compute what eager computes."""

from __future__ import annotations

import re
from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph.show import HandsOver, namespace
from tests.graph import programs_small as programs
from tests.graph.agreement import difference
from tests.native import needs_native

T = torch.tensor


def run_trace(text: str, *args: Any, number: int = 1) -> Any:
    names = namespace()
    exec(text, names)
    return names[f"trace_{number}"](*args)


def flat(value: Any) -> Any:
    """Return tensors as arrays, containers as they are."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {key: flat(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [flat(each) for each in value]
    return value


def assert_same(found: Any, expected: Any) -> None:
    """Check that what a trace returned is what the function returns."""
    assert not difference(flat(expected), flat(found))


def copies(args: tuple) -> list:
    """Return arguments whose tensors can be written to."""
    return [each.clone() if isinstance(each, torch.Tensor) else each for each in args]


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (programs.double, [(T([1.0]),), (T([2.5]),)]),
        (programs.sign, [(T([1.0]),), (T([-1.0]),), (T([3.0]),)]),
        (programs.grow, [(T([1.0]),), (T([60.0]),), (T([5.0]),)]),
        (programs.scaled, [(T([1.0]), 0.5), (T([2.0]), 3.0)]),
        (programs.collects, [(T([1.0]),), (T([-1.0]),), (T([2.0]),)]),
        (programs.writes, [(T([1.0, 2.0]),), (T([3.0, 2.0]),)]),
        (programs.by_global, [(T([1.0, 2.0]),)]),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_traces_run(function: Any, calls: list[tuple]) -> None:
    f = torch.compile(function)
    for args in calls:
        f(*copies(args))
    for args in calls:
        assert_same(run_trace(f.trace, *copies(args)), function(*copies(args)))


def test_results_of_many_kinds() -> None:
    f = torch.compile(programs.mixes)
    x, w = T([[0.1, 0.2], [0.3, 0.4]]), T([1.0, 2.0])
    f(x, w, 2.0)
    f(x, w, 90.0)
    for rate in (2.0, 90.0, 1.0, 200.0):
        assert_same(run_trace(f.trace, x, w, rate), programs.mixes(x, w, rate))


def test_a_branch_not_seen_and_an_exit_hand_over() -> None:
    f = torch.compile(programs.sign)
    f(T([1.0]))
    with pytest.raises(HandsOver, match="not recorded"):
        run_trace(f.trace, T([-1.0]))
    g = torch.compile(programs.prints)
    g(T([1.0]))
    with pytest.raises(HandsOver, match=r"call of print at programs_small.py:\d+"):
        run_trace(g.trace, T([1.0]))
    names = namespace()
    names["hands_over"] = lambda reason, **live: live
    exec(g.trace, names)
    live = names["trace_1"](T([1.0]))
    assert {name: each.item() for name, each in live.items()} == {"y": 2.0}


def test_a_whole_step() -> None:
    f = torch.compile(programs.step)
    w = T([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        f(T([0.5, 0.25]), w, 0.1)
    text = f.trace
    assert "# effect: " in text
    assert "# guard: " in text
    names = namespace()
    exec(text, names)
    eager = T([1.0, 2.0], requires_grad=True)
    programs.step(T([0.5, 0.25]), eager, 0.1)
    with torch.no_grad():
        mine = T([1.0, 2.0])
        # the second trace takes .grad from outside
        names["trace_2"](T([0.5, 0.25]), mine, T([0.0, 0.0]), 0.1)
    assert_same(mine, eager)


def test_lines_are_named() -> None:
    f = torch.compile(programs.scaled)
    f(T([1.0]), 0.5)
    line = programs.scaled.__code__.co_firstlineno + 1
    assert f"# programs_small.py:{line}" in f.trace


# -- where the rest of a call begins anew ----------------------------------------------------------

W = T([0.5, 0.25])


class Model:
    def __init__(self) -> None:
        self.w = T(0.9)
        self.turns = 0


def settles(x, rate):
    steps = 0
    while x.norm() > 1e-3:
        x = x - rate * x
        steps += 1
    return x, steps


def counts(x, n):
    for i in range(n):
        x = x * 0.5 + i
    return x


def decides_in_a_loop(x, n):
    i = torch.zeros(())
    while i < n:
        if x.sum() > 1:
            x = x * W
        else:
            x = x * 3
        i = i + 1
    return x + W


def nests(x, n):
    i = torch.zeros(())
    while i < n:
        j = torch.zeros(())
        while j < n:
            x = x * 0.9
            j = j + 1
        x = x + 1
        i = i + 1
    return x


def two_loops(x, n):
    i = torch.zeros(())
    while i < n:
        x = x * 0.9
        i = i + 1
    while i > 0:
        x = x + W
        i = i - 1
    return x


def stores_in_a_loop(model, x):
    while x.norm() > 1e-3:
        x = x * model.w
        model.turns += 1
    return x


def replaces_in_a_loop(model, x):
    while model.w.sum() < 100:
        x = x * model.w
        model.w = model.w * 1.5
    return x


def loops_within_a_loop(x, n):
    i = torch.zeros(())
    while i < n:
        x = x + 1
        while x.sum() > 1:
            x = x * W
            if x.sum() > 3:
                break
        else:
            x = x + 0.5
        i = i + 1
    return x


def alternates(x, n):
    i = torch.zeros(())
    while i < n:
        x = x.double() * 0.5 if x.dtype == torch.float32 else x.float() * 0.25
        i = i + 1
    return x


def run_named(text: str, outside: dict[str, Any]) -> Any:
    """Run the first trace with what its parameters are said to be."""
    head = text.split("\n\n\n")[0]
    wanted = re.findall(r"^    # x\d+ is (.+)$", head, re.MULTILINE)
    return run_trace(text, *(outside[each] for each in wanted))


LONG = [float(n) for n in (2, 5, 9, 40, 3000, 1)]


@pytest.mark.parametrize("unroll", [1, 2, 5])
@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (settles, [(T([1.0, 1.0]), rate) for rate in (0.5, 0.1, 0.01, 0.001)]),
        (counts, [(T([1.0, 1.0]), n) for n in (2, 5, 9, 40, 2000)]),
        (decides_in_a_loop, [(T([1.0, 1.0]), T(n)) for n in LONG]),
        (nests, [(T([1.0, 1.0]), T(n)) for n in (2.0, 5.0, 9.0, 40.0)]),
        (two_loops, [(T([1.0, 1.0]), T(n)) for n in LONG]),
        (loops_within_a_loop, [(T([1.0, 1.0]), T(n)) for n in LONG]),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_loops_of_any_length_run(function: Any, calls: list, unroll: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.config, "unroll", unroll)
    monkeypatch.setattr(torch.config, "max_range", unroll)
    f = torch.compile(function, fullgraph=True)
    for _ in range(2):
        for args in calls:
            f(*args)
    text = f.trace
    assert "# begins anew at " in text
    names = function.__code__.co_varnames
    for args in calls:
        found = run_named(text, {**dict(zip(names, args)), "global W": W})
        assert_same(found, function(*args))


@needs_native
def test_a_loop_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "unroll", 2)
    f = torch.compile(settles)
    for rate in (0.5, 0.1, 0.01):
        f(T([1.0, 1.0]), rate)
    assert "    while True:\n" in f.trace
    assert "            continue\n" in f.trace


def test_functions_that_lead_to_one_another_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "unroll", 1)
    f = torch.compile(alternates)
    for n in (1.0, 2.0, 3.0, 6.0, 7.0):
        f(T([1.0, 1.0]), T(n))
    found = run_named(f.trace, {"x": T([1.0, 1.0]), "n": T(1001.0)})
    assert found.dtype == torch.float64
    assert "@in_turns\ndef trace_" in f.trace
    assert "return goes_on(trace_" in f.trace


def gathers(x, n):
    found, i = [x, x], torch.zeros(())
    while i < n:
        x = x * 2
        found = [found[1], x]
        i = i + 1
    return found[0] + found[-1], float, T


def appends(x, n):
    found, i = [], torch.zeros(())
    while i < n:
        x = x * 2
        found.append(x)
        if len(found) > 3:
            found = found[-2:]
        i = i + 1
    return found[0] + found[-1]


def compiled_after_turns(function: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a compiled function that has begun anew at every turn of its loop."""
    monkeypatch.setattr(torch.config, "unroll", 1)
    f = torch.compile(function)
    for _ in range(2):
        for n in (1.0, 2.0, 3.0, 4.0, 5.0, 9.0):
            f(T([1.0]), T(n))
    return f


def test_lists_that_change_are_not_taken_for_what_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    f = compiled_after_turns(appends, monkeypatch)
    told = 0
    for n in (1.0, 2.0, 3.0, 4.0, 5.0, 30.0):
        try:
            found = run_named(f.trace, {"x": T([1.0]), "n": T(n)})
        except HandsOver:
            told += 1
            continue
        assert_same(found, appends(T([1.0]), T(n)))
    assert told


def test_lists_of_the_call_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    f = compiled_after_turns(gathers, monkeypatch)
    for n in (1.0, 2.0, 5.0, 30.0):
        found, *names = run_named(f.trace, {"x": T([1.0]), "n": T(n)})
        assert_same(found, gathers(T([1.0]), T(n))[0])
        assert names == ["float", "tensor"]


def test_what_was_stored_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "unroll", 2)
    f = torch.compile(stores_in_a_loop)
    model = Model()
    for x in 3 * [T([1.0, 1.0]), T([3.0, 1.0]), T([0.9, 0.9])]:
        f(model, x)
    x = T([3.0, 1.0])
    outside = {"model.w": model.w, "model.turns": 0, "x": x}
    assert_same(run_named(f.trace, outside), stores_in_a_loop(Model(), x))


def test_what_was_replaced_is_not_taken_for_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "unroll", 2)
    f = torch.compile(replaces_in_a_loop)
    for _ in range(4):
        f(Model(), T([1.0, 1.0]))
    model, x = Model(), T([3.0, 1.0])
    with pytest.raises(HandsOver, match="what the call stored outside"):
        run_named(f.trace, {"model.w": model.w, "x": x})
