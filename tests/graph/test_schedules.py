"""Threads in one compiled function, which change where it may hurt: each gets what eager gives."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, heads, host_calls, replay, tape, watching
from jitgrad.graph.hot import hot_path
from tests.graph import programs_threads
from tests.graph.scheduling import Schedule
from tests.graph.test_threads import outcome, same

PROGRAMS = [each for name, each in vars(programs_threads).items() if name[:8] == "program_"]
USUAL = 4
"""How many schedules a usual run tries of each program."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.nn.Linear  # to be imported takes a lock
    monkeypatch.setattr(config, "program", "python")
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    for module in (cycles, host_calls):
        monkeypatch.setattr(module, "WARM", 2)
    for module in (replay, tape):
        monkeypatch.setattr(module, "WARM", 4)
    monkeypatch.setattr(replay, "USUAL", 1)
    monkeypatch.setattr(heads, "SHORT_RUNS", 2)
    monkeypatch.setattr(heads, "LONG", 3)
    for name, value in (("FAMILIAR", 2), ("STEADY", 2), ("LEAST", 4)):
        monkeypatch.setattr(watching, name, value)


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda each: each.__name__[8:])
def test_programs(make: Callable) -> None:
    changes = 0
    for seed in range(USUAL):
        plain = make()
        compiled = torch.compile(plain)

        def work(number: int, plain: Any = plain, compiled: Any = compiled) -> None:
            draw = random.Random(number)
            for _ in range(8):
                given = programs_threads.Given.drawn(draw)
                expected, found = outcome(plain, given), outcome(compiled, given)
                assert same(expected, found), (given, expected, found)

        schedule = Schedule(seed, 0.01)
        schedule.run(*[lambda at=at, seed=seed: work(10 * seed + at) for at in range(3)])
        changes += schedule.changes
    assert changes > 100


class Scaled:
    """What several threads look at, and one changes."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.first, self.second = 0.0, 0.0
        self.part: Any = Part(0.0)

    def value(self) -> float:
        """Return what comes out for ones."""
        return self.scale + self.part.shift


class Part:
    """Is replaced by others."""

    def __init__(self, shift: float) -> None:
        self.shift = shift


def scaled(net: Any, x: Any) -> Any:
    return x * net.scale + net.first + net.second + net.part.shift


WATCHING = [("watching", each) for each in ("__call__", "_learn", "_keep", "watch", "__init__")]


@pytest.mark.skipif(not watching.has_versions(), reason="nothing is watched in this Python")
def test_what_is_watched_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state is watched only if it is the one in which the facts hold."""
    monkeypatch.setattr(config, "program", "native")
    for name in ("RESTLESS", "MOST_PLANS"):
        monkeypatch.setattr(watching, name, 100)
    one = torch.ones(())
    for seed in range(60):
        f, net = torch.compile(scaled), Scaled(0.0)

        def read(f: Any = f, net: Any = net) -> None:
            for _ in range(20):
                before = net.value()
                found = f(net, one).item()
                assert before <= found <= net.value(), (before, found, net.value())

        schedule = Schedule(seed, 0.02, WATCHING)

        def write(net: Any = net, schedule: Any = schedule, seed: int = seed) -> None:
            for turn in range(12):
                for _ in range(turn % 4):
                    schedule.hand_over()
                if seed % 2:
                    net.scale += 1.0
                elif turn % 2:
                    net.part = Part(net.part.shift + 1.0)
                else:
                    net.part.shift += 1.0

        schedule.run(read, read, write)
        assert f(net, one).item() == net.value()


@pytest.mark.skipif(not watching.has_versions(), reason="nothing is watched in this Python")
def test_several_models_are_watched_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found in one model is never taken for what is in another, wherever that lies."""
    monkeypatch.setattr(config, "program", "native")
    one = torch.ones(())
    for seed in range(40):
        f, numbers = torch.compile(scaled), itertools.count(1)

        def work(f: Any = f, numbers: Any = numbers) -> None:
            for _ in range(4):
                net = Scaled(float(next(numbers)))
                for _ in range(4):
                    assert f(net, one).item() == net.scale
                net.scale += 0.5
                assert f(net, one).item() == net.scale
                del net

        Schedule(seed, 0.05, WATCHING).run(work, work, work)


def test_none_of_several_segments_is_lost() -> None:
    """Whichever threads put them first, all that was recorded is found again."""

    class Choice:
        def __init__(self) -> None:
            self.name = "one"

    def f(choice: Any, x: Any) -> Any:
        return x * len(choice.name)

    names = ["o", "tw", "thr", "four"]
    for seed in range(30):
        compiled, x = torch.compile(f), torch.ones(1)
        choices = []
        for each in names:
            choices.append(Choice())
            choices[-1].name = each
            for _ in range(4):
                compiled(choices[-1], x)
        traces = compiled.graph.traces

        def work(choice: Any, compiled: Any = compiled, x: Any = x) -> None:
            for _ in range(6):
                assert compiled(choice, x).item() == len(choice.name)

        Schedule(seed, 0.1, [("replay", "select"), ("replay", "_put_first")]).run(
            *[lambda each=each: work(each) for each in choices * 2]
        )
        assert compiled.graph.traces == traces


def test_a_path_that_is_taken_out_while_its_program_is_made() -> None:
    @torch.compile
    def f(x):
        return x * 2 if x.sum() > 0 else x * 3

    for value in (1.0, -1.0, 1.0, -1.0):
        f(torch.tensor([value]))
    ends = [each for each in f.graph.segments if each.parent is not None]
    for last in ends:
        last.parent.end.outcomes.clear()
        assert hot_path(last) is None
