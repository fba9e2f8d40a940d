"""Printed traces are Python that runs, and compute what eager computes."""

from __future__ import annotations

from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph.show import HandsOver, namespace
from tests.graph import programs_small as programs
from tests.graph.agreement import difference

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
        f(*(each.clone() if isinstance(each, torch.Tensor) else each for each in args))
    text = f.trace
    for args in calls:
        copies = [each.clone() if isinstance(each, torch.Tensor) else each for each in args]
        expected = flat(function(*args))
        assert not difference(expected, flat(run_trace(text, *copies)))


def test_results_of_many_kinds() -> None:
    f = torch.compile(programs.mixes)
    x, w = T([[0.1, 0.2], [0.3, 0.4]]), T([1.0, 2.0])
    f(x, w, 2.0)
    f(x, w, 90.0)
    for rate in (2.0, 90.0, 1.0, 200.0):
        expected = flat(programs.mixes(x, w, rate))
        found = flat(run_trace(f.trace, x, w, rate))
        if rate > 50:
            # an argument in the result is named, not made
            assert not difference(expected[0], found[0])
            assert "root 0" in found[1][0]
        else:
            assert not difference(expected, found)


def test_a_branch_not_seen_and_an_exit_hand_over() -> None:
    f = torch.compile(programs.sign)
    f(T([1.0]))
    with pytest.raises(HandsOver, match="not recorded"):
        run_trace(f.trace, T([-1.0]))
    g = torch.compile(programs.prints)
    g(T([1.0]))
    with pytest.raises(HandsOver, match=r"call of print at programs_small.py:\d+"):
        run_trace(g.trace, T([1.0]))


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
    assert not difference(eager.detach().numpy(), mine.numpy())


def test_lines_are_named() -> None:
    f = torch.compile(programs.scaled)
    f(T([1.0]), 0.5)
    line = programs.scaled.__code__.co_firstlineno + 1
    assert f"# programs_small.py:{line}" in f.trace
