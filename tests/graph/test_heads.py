"""Few turns of a loop are recorded, and used for all; or many in a row, where calls take few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, heads
from jitgrad.kernels import later
from tests.graph.agreement import agree, scenes
from tests.native import needs_native

LONG = 2_000


@pytest.mark.parametrize("first_turns", [1, 2])
@pytest.mark.parametrize("short_runs", [2, 3])
@pytest.mark.parametrize("scene", scenes("programs_heads"), ids=lambda scene: scene.__name__[6:])
def test_heads_of_loops(scene: Callable, first_turns: int, short_runs: int, monkeypatch) -> None:
    monkeypatch.setattr(config, "first_turns", first_turns)
    monkeypatch.setattr(config, "unroll", 5)
    monkeypatch.setattr(heads, "SHORT_RUNS", short_runs)
    monkeypatch.setattr(heads, "LONG", 2)
    monkeypatch.setattr(later, "FIRST_RUNS", 2)
    monkeypatch.setattr(cycles, "WARM", 8)
    agree(scene)


# -- a loop that was met with three turns -----------------------------------------------------


def by_condition(x, w, n):
    while n > 0:
        x = x * w + 0.1
        n = n - 1
    return x


def counted(x, w, n):
    steps = 0
    while n > steps:
        x = x * w + 0.1
        steps += 1
    return x * steps


def by_break(x, w, n):
    while True:
        x = x * w + 0.1
        n = n - 1
        if n <= 0:
            break
    return x


def bounded(x, w, n):
    steps = 0
    while steps < 1_000_000:
        x = x * w + 0.1
        steps += 1
        if n <= steps:
            break
    return x


def of_a_range(x, w, n):
    for i in range(1_000_000):
        if n <= i:
            break
        x = x * w + 0.1
    return x


def far_enough(n, steps):
    return not bool(n > steps)


def by_a_call(x, w, n):
    steps = 0
    while not far_enough(n, steps):
        x = x * w + 0.1
        steps += 1
    return x


def in_a_function(x, w, n):
    return by_condition(x * 2, w, n) * 0.5


def decides(x, w, n):
    while n > 0:
        x = x * w + 0.1 if x.sum() < 0.9 else x * w - 0.1
        n = n - 1
    return x


def nested(x, w, n):
    while n > 0:
        k = 3.0 + 0 * n
        while k > 0:
            x = x * w + 0.1
            k = k - 1
        n = n - 3
    return x


def carries_more(x, w, n):
    total, last = 0.0, None
    while n > 0:
        last = x if last is None else last * 0.5 + x
        x = x * w + 0.1
        total = total + last.sum()
        n = n - 1
    return x + total


def value_and_slope(f: Callable, n: int) -> list[float]:
    x = torch.tensor([0.5], dtype=torch.float64)
    w = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    y = f(x, w, torch.tensor(float(n)))
    if y.requires_grad:
        y.sum().backward()
    slope = 0.0 if w.grad is None else w.grad.item()
    return [y.item(), slope]


def known(f: Any) -> tuple[int, int]:
    report = f.explain()
    return report.traces, report.segments


LOOPS = [
    by_condition, counted, by_break, bounded, of_a_range, by_a_call, in_a_function, decides, nested,
]  # fmt: skip


@pytest.mark.parametrize("function", LOOPS, ids=lambda each: each.__name__)
@needs_native
def test_three_turns_are_enough_for_any_number(function: Callable, monkeypatch) -> None:
    # seven times as many turns as a long run are several slices
    monkeypatch.setattr(cycles, "SLICE", 2 * LONG)
    f = torch.compile(function)
    assert value_and_slope(f, 3) == value_and_slope(function, 3)
    if function in (decides, nested):
        # the other way through a turn, and behind the inner loop
        value_and_slope(f, 60)
    recorded = known(f)
    kernels = []
    for n in (LONG, 3, LONG, 4, 50, 2, 7 * LONG + 3, 17):
        assert value_and_slope(f, n) == pytest.approx(value_and_slope(function, n), 1e-9), n
        assert known(f) == recorded, n
        kernels.append(len(f.kernels))
    # nor is anything new compiled behind the first call that turns often, but for its way in
    assert kernels[3:] == [kernels[3]] * len(kernels[3:])
    assert any(each["native"] for each in f.explain().loops)
    # to be left by the first decision is a way that it has not gone
    for n in (1, 0):
        assert value_and_slope(f, n) == value_and_slope(function, n)
    assert known(f)[0] <= recorded[0] + 2


@needs_native
def test_the_first_turn_may_be_another_one() -> None:
    f = torch.compile(carries_more)
    value_and_slope(f, 4)
    recorded = known(f)
    for n in (LONG, 4, 50):
        assert value_and_slope(f, n) == pytest.approx(value_and_slope(carries_more, n), 1e-9)
    assert known(f) == recorded


def test_integers_that_count_are_known_to_change() -> None:
    f = torch.compile(counted)
    value_and_slope(f, 3)
    assert [each.why for each in f.explain().misses] == [
        "it was the first time",
        "it was the first time",
        "the outcome False was new",
    ]


@needs_native
def test_few_turns_are_not_compiled() -> None:
    f = torch.compile(by_condition)
    for _ in range(2):
        value_and_slope(f, 60)
    assert not f.graph.heads[next(iter(f.graph.heads))].before
    turn = [each for each in f.graph.segments if each.waits and each.hits]
    assert turn
    assert all(each.program is None or not each.program.native_calls for each in turn)
    value_and_slope(f, 500)
    assert any(each["native"] for each in f.explain().loops)


@needs_native
def test_many_elements_are_compiled_at_once() -> None:
    f = torch.compile(by_condition)
    for _ in range(2):
        f(torch.ones(1 << 15), torch.ones(1 << 15), torch.tensor(5.0))
    turn = [each for each in f.graph.segments if each.waits and each.steps]
    assert turn and all(each.program.native_calls for each in turn)


# -- turns in front of native code ------------------------------------------------------------


def begins_late(x, w, n, late):
    state, steps = x.detach(), 0.0
    while n > steps:
        # a history begins where `late` turns have been done
        state = state * (w if steps >= late else 0.5) + 0.1
        steps = steps + 1.0
    return state


def one_by_one(f: Any) -> int:
    return sum(each["turns"] for each in f.explain().loops if not each["native"])


@needs_native
def test_turns_in_front_of_native_code_are_recorded_in_a_row() -> None:
    f = torch.compile(begins_late)
    x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    w = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)

    def agrees(n: float, late: float) -> None:
        made = [each(x, w, torch.tensor(n), torch.tensor(late)) for each in (f, begins_late)]
        assert made[0].item() == pytest.approx(made[1].item(), 1e-12)
        assert made[0].requires_grad is made[1].requires_grad
        if made[0].requires_grad:
            slopes = [torch.autograd.grad(each, w)[0].item() for each in made]
            assert slopes[0] == pytest.approx(slopes[1], 1e-9)

    for _ in range(8 * heads.LONG):
        agrees(500.0, 3.0)
    assert 1 < head(f).first <= 1 + heads.MOST_AHEAD
    before, recorded = one_by_one(f), known(f)
    agrees(600.0, 3.0)
    # straight from the beginning of the call into the native loop
    assert one_by_one(f) == before
    assert known(f) == recorded
    # others are as right as before, wherever their histories begin
    for late in (0.0, 1.0, 2.0, 4.0, 7.0, 300.0, 1000.0):
        for n in (500.0, 3.0, 1.0, 0.0, 2.0, 8.0):
            for _ in range(3):
                agrees(n, late)
    agrees(500.0, 3.0)


# -- loops that calls leave soon ----------------------------------------------------------------


def head(f: Any) -> heads.Head:
    (found,) = f.graph.heads.values()
    return found


def begun_anew(f: Any) -> int:
    return sum(each["turns"] for each in f.explain().loops)


@pytest.mark.parametrize("function", [by_condition, counted, by_break, by_a_call, in_a_function])
@needs_native
def test_few_turns_are_recorded_in_a_row_in_the_end(function: Callable) -> None:
    f = torch.compile(function)
    for _ in range(heads.SHORT_RUNS + 1):
        assert value_and_slope(f, 11) == pytest.approx(value_and_slope(function, 11), 1e-12)
    assert head(f).before
    recorded, turned = known(f), begun_anew(f)
    for _ in range(20):
        assert value_and_slope(f, 11) == pytest.approx(value_and_slope(function, 11), 1e-12)
    assert (known(f), begun_anew(f)) == (recorded, turned)
    report = f.explain()
    why = "calls leave the loop behind few turns"
    assert {each["in_a_row"] for each in report.loops if each["turns"]} == {why}
    assert f"first some in a row, since {why}" in str(report)
    assert report.misses[-1].why == f"turns are recorded in a row now, since {why}"
    # one more turn is one more way, and many are known
    for n, more in ((12, 1), (LONG, None), (11, 0), (LONG, 0)):
        before = report.traces
        assert value_and_slope(f, n) == pytest.approx(value_and_slope(function, n), 1e-9)
        report = f.explain()
        assert more is None or report.traces == before + more
    assert any(each["native"] for each in report.loops)


def test_a_loop_that_decides_anew_in_each_turn_is_not_recorded_in_a_row() -> None:
    def f(x, bits):
        i = torch.zeros(())
        while i < 12:
            x = x * 0.5 if bits[0] > 0.5 else x + 1
            bits = bits.roll(-1)
            i = i + 1
        return x

    compiled = torch.compile(f)
    torch.manual_seed(0)
    recorded = None
    for at in range(60):
        bits = torch.rand(12)
        assert compiled(torch.ones(2), bits).tolist() == f(torch.ones(2), bits).tolist()
        if at == 20:
            recorded = known(compiled)
    assert known(compiled) == recorded
    assert not head(compiled).before


@needs_native
def test_long_runs_in_between_keep_a_loop_as_it_is() -> None:
    f = torch.compile(by_condition)
    for _ in range(4):
        for n in (5,) * (heads.SHORT_RUNS - 1) + (100,):
            value_and_slope(f, n)
    assert not head(f).before


def test_turns_that_differ_are_recorded_in_a_row() -> None:
    def f(x, n):
        found = [x]
        while len(found) <= n:
            found.append(found[-1] * 2)
        return found[-1]

    compiled = torch.compile(f)
    assert compiled(torch.ones(2), torch.tensor(12.0)).tolist() == [4096.0, 4096.0]
    assert compiled.explain().traces <= heads.DIFFERING + 5
    compiled(torch.ones(2), torch.tensor(12.0))
    recorded = compiled.explain().traces
    for _ in range(5):
        assert compiled(torch.ones(2), torch.tensor(12.0)).tolist() == [4096.0, 4096.0]
    assert compiled.explain().traces == recorded


def test_as_a_whole_many_turns_are_recorded_in_a_row() -> None:
    def slope(w, n):
        y = w
        while n > 0:
            y = y * w
            n = n - 1
        return torch.autograd.grad(y, w)

    f = torch.compile(slope, fullgraph=True)
    for _ in range(3):
        (found,) = f(torch.tensor(2.0, requires_grad=True), torch.tensor(3.0))
        assert found.item() == 4 * 2.0**3


def test_recording_in_a_row_lets_nothing_rest(monkeypatch) -> None:
    monkeypatch.setattr(config, "max_misses", 2)
    f = torch.compile(by_condition)
    for _ in range(3 * heads.SHORT_RUNS):
        value_and_slope(f, 11)
        assert not f.explain().resting
    assert head(f).before


def test_nothing_begins_anew_early_where_an_iterator_is_held() -> None:
    def f(xs, n):
        total = torch.zeros(())
        for at, x in enumerate(xs):
            while x.sum() < n:
                x = x * 2
                total = total + at
            total = total + x.sum()
        return total

    compiled = torch.compile(f)
    for n in (8.0, 3.0, 9.0):
        xs = [torch.ones(2), torch.full((2,), 0.5)]
        assert compiled(xs, torch.tensor(n)).item() == f(xs, torch.tensor(n)).item()
    assert not compiled.explain().exits
    assert not compiled.graph.heads
