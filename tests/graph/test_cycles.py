"""Loops that lead back to where they began turn natively, and go back natively."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, verify_loops, watching
from jitgrad.kernels import later
from tests.graph import programs_autograd
from tests.graph.agreement import agree, scenes

SCENES = scenes(
    "programs_cycles",
    "programs_appending",
    "programs_appending_back",
    "programs_rows_loops",
    "programs_selecting_loops",
    "programs_parts",
    "programs_rewriting_loops",
    "programs_exchanging",
)
WAYS = [
    *scenes("programs_ways", "programs_ways_back", "programs_exchanging_ways"),
    programs_autograd.scene_cotangents_of_other_kinds,
]
OTHERS = scenes("programs_exchanging_not")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(later, "FIRST_RUNS", 1)
    monkeypatch.setattr(watching, "FAMILIAR", 1)


def loops_of(function: Any) -> list[cycles.Cycle]:
    return [cycle for each in function.graph.segments for cycle in each.cycles]


def turns_of(cycle: cycles.Cycle) -> int:
    return sum(way.last.hits for way in cycle.ways)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_native_loops_do_what_eager_does(scene: Callable) -> None:
    session = agree(scene)
    reasons = [why for each in session.functions for why in each.graph.unmerged.values()]
    assert any(turns_of(each) > 30 for f in session.functions for each in loops_of(f)), reasons


@pytest.mark.parametrize("scene", OTHERS, ids=lambda scene: scene.__name__[6:])
def test_what_does_not_turn_natively_does_what_eager_does(scene: Callable) -> None:
    """Or does so only up to a point: no turn goes on by what was true of the first."""
    agree(scene)


@pytest.mark.parametrize("scene", WAYS, ids=lambda scene: scene.__name__[6:])
def test_native_loops_decide_between_ways(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    def make_loop(*given: Any, **more: Any) -> Any:
        loop = verify_loops.make_loop(*given, **more)

        def run(*given: Any, **more: Any) -> Any:
            turns = loop.run(*given, **more)
            counts.append(turns.counts)
            return turns

        return SimpleNamespace(run=run)

    monkeypatch.setattr(cycles, "make_loop", make_loop)
    session = agree(scene)
    reasons = [why for each in session.functions for why in each.graph.unmerged.values()]
    # in one run
    assert any(sum(map(bool, turns)) > 1 for turns in counts), (counts, reasons)


@pytest.mark.parametrize("scene", [*SCENES, *WAYS], ids=lambda scene: scene.__name__[6:])
def test_native_loops_check_themselves(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "verify", True)
    session = agree(scene)
    loops = [each for f in session.functions for each in loops_of(f)]
    assert any(type(each.loop).__name__ == "CheckedLoop" for each in loops)


def test_a_wrong_loop_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.verify
    def f(x, n):
        for _ in range(n):
            x = x * 0.5 + 1
        return x

    for n in (20, 21, 22):
        f(torch.ones(2), n)
    cycle = max(loops_of(f), key=turns_of)
    honest = cycle.loop.loop.run

    def lying(*given: Any) -> Any:
        turns = honest(*given)
        if turns.tape[0]:
            turns.tape[0][0][turns.finished // 2] += 1e-3
        return turns

    monkeypatch.setattr(cycle.loop, "loop", SimpleNamespace(run=lying))
    with pytest.raises(torch.VerificationError, match="a native loop of the segment at"):
        f(torch.ones(2), 23)


def test_a_long_loop_goes_forth_and_back() -> None:
    @torch.compile
    def f(x, w, n):
        for _ in range(n):
            x = x * w + 0.125
        return x

    def run(n: int) -> None:
        x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        y = f(x, w, n)
        (y * 1).backward()
        value, by_w, by_x = 1.0, 0.0, 1.0
        for _ in range(n):
            value, by_w, by_x = value * 0.5 + 0.125, value + by_w * 0.5, by_x * 0.5
        found = 0.0 if w.grad is None else w.grad.item()
        assert (y.item(), found, x.grad.item()) == (value, by_w, by_x)

    for n in (20, 21, 22, 23, 0, 1, 2, 3, 4):
        run(n)
    known = f.graph.traces
    for n in (3, 1000, 100_000, 0, 1, 7):
        run(n)
    assert f.graph.traces == known
    loop = max(loops_of(f), key=turns_of)
    assert turns_of(loop) > 100_000
    assert any(each.plans for each in loop.layout.reverses.values())


def test_a_loop_over_rows_is_recorded_for_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 32)

    @torch.compile
    def f(xs, ys, w):
        h = w
        for x in xs:
            h = torch.tanh(x + h * w)
        for i, (x, y) in enumerate(zip(xs, ys)):
            h = torch.sin(x * h + y) + i % 2
        return h

    for n in (50, 1000, 50, 1000, 50):
        xs, w = torch.ones(n, 2, requires_grad=True), torch.ones(2, requires_grad=True)
        f(xs, torch.ones(n + 1, 2), w).sum().backward()
    assert not f.explain().exits
    # for each length: up to the first loop, a turn of it, what comes behind, and so on
    assert f.graph.traces <= 16
    steps = [len(segment.steps) for segment in f.graph.segments]
    assert max(steps) < 20, steps
    assert {turns_of(each) > 30 for each in loops_of(f)} == {True}


def test_a_loop_without_history_needs_no_memory() -> None:
    @torch.compile
    def f(n):
        x = torch.zeros(())
        while x < n:
            x = x + 1
        return x

    for n in (20, 21, 3_000_000):
        assert f(torch.tensor(float(n))).item() == n
    (loop,) = loops_of(f)
    assert loop.layout is None


def test_facts_of_the_turns_are_looked_at_when_a_loop_begins() -> None:
    table = {"scale": 2.0, "name": "a"}

    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x + (table["scale"] if table["name"] == "a" else 100.0)
        return x

    for n in (10, 20, 30):
        assert f(torch.zeros(()), n).item() == 2 * n
    table["scale"] = 3.0
    assert f(torch.zeros(()), 20).item() == 60
    table["name"] = "b"
    assert f(torch.zeros(()), 20).item() == 2000
    table["name"] = "a"
    assert f(torch.zeros(()), 20).item() == 60


def test_what_changes_others_is_no_native_loop() -> None:
    box = {"n": 0}

    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x * 0.5
            box["n"] += 1
        return x

    for n in (20, 21, 22):
        f(torch.ones(()), n)
    assert box["n"] == 63
    assert not loops_of(f)
    assert "it changes what others can see" in f.graph.unmerged.values()


def _sees_the_length(held, x):
    return x * len(held)


def _sees_an_element(held, x):
    return x + held[-1]


def _sees_all_elements(held, x):
    return x + sum(held[:2])


def _takes_one_away(held, x):
    return x + held.pop()


def _inserts(held, x):
    held.insert(0, x)
    return x


@pytest.mark.parametrize(
    "read", [_sees_the_length, _sees_an_element, _sees_all_elements, _takes_one_away, _inserts]
)
def test_what_looks_at_the_list_is_no_native_loop(read: Callable) -> None:
    def f(x, n):
        held = [x * 2, x]
        for _ in range(n):
            x = read(held, x) * 0.25
            held.append(x)
        return x, held

    compiled = torch.compile(f)
    for n in (20, 21, 22, 0, 1, 23):
        x, held = compiled(torch.ones(2), n)
        y, expected = f(torch.ones(2), n)
        assert x.tolist() == y.tolist()
        assert [each.tolist() for each in held] == [each.tolist() for each in expected]
    assert not loops_of(compiled)
    assert compiled.graph.unmerged or read is not _inserts


def test_a_view_of_what_came_in_is_no_element_of_a_native_loop() -> None:
    """It is to show what becomes of the tensor from outside."""

    @torch.compile
    def f(x, w, n):
        held = []
        for _ in range(n):
            held.append(w.view(-1))
            held.append(x[:1])
            x = x * 0.5
        return held

    for n in (20, 21, 22):
        x, w = torch.ones(2), torch.ones(2)
        held = f(x, w, n)
        w.add_(1)
        x.add_(2)
        assert held[-2].tolist() == [2, 2]
        assert [held[at].tolist() for at in (1, 3)] == [[3], [0.5]]
    assert "a tensor is appended that shares its memory with what came in" in (
        f.graph.unmerged.values()
    )


def _one_in_two_places(state, x, w):
    a, b = state
    new = a * 0.5 + b * w
    return new, (new, new)


def _shared_memory(state, x, w):
    a, b = state
    new = a * 0.5 + b * w
    return x * w, (new, new.detach())


def _another_shape(state, x, w):
    a, b = state
    return x * w, (torch.cat([a, b])[: 3 + (len(a) == 3)], b)


def _another_type(state, x, w):
    a, b = state
    return x * w, (b, a)


def _another_length(state, x, w):
    return x * w, (*state, x)[-3:]


@pytest.mark.parametrize(
    "step",
    [_one_in_two_places, _shared_memory, _another_shape, _another_type, _another_length],
)
def test_parts_of_other_kinds(step: Callable) -> None:
    """They are no parts of a native loop, or it stays right."""

    def f(x, w, n):
        state: Any = (x * 2, x * 3)
        if step is _another_type:
            state = (0.5, 2)
        seen = 0
        for i in range(n):
            if i % 100 != 99:
                state_before = state
                x, state = step(state_before, x, w)
                if step is not _another_type:
                    seen = seen * 3 % 1000 + (state_before[0] is state_before[1])
        return x, state, seen

    compiled = torch.compile(f)
    for n in (20, 21, 22, 1, 0, 23, 24):
        x, state, seen = compiled(torch.ones(3), torch.full((3,), 0.5), n)
        y, expected, known = f(torch.ones(3), torch.full((3,), 0.5), n)
        assert (x.tolist(), seen, len(state)) == (y.tolist(), known, len(expected))
        for each, other in zip(state, expected):
            assert type(each) is type(other)
            assert str(each) == str(other)
        assert (state[0] is state[1]) == (expected[0] is expected[1])
        if torch.is_tensor(state[0]) and n > 2:
            assert (state[0] is x) == (expected[0] is y)
            x.add_(1)
            y.add_(1)
            assert str(state[0]) == str(expected[0])


def test_a_tuple_as_an_element_is_the_one_of_its_turn() -> None:
    @torch.compile
    def f(x, n):
        state, held = (x, 1.0), []
        for _ in range(n):
            a, b = state
            held.append(state)
            state = (a * 0.5, b * 0.5)
        return held

    for n in (20, 21, 22, 23):
        held = f(torch.ones(1), n)
        assert [each[1] for each in held] == [0.5**at for at in range(n)]
        assert [each[0].item() for each in held] == [0.5**at for at in range(n)]


def test_a_list_with_two_names_is_one() -> None:
    @torch.compile
    def f(x, n):
        one = other = [x]
        for i in range(n):
            if i % 50 != 49:
                y, z = one[0], other[0]
                one = other = [y * 0.5 + z * 0.25]
        return one, other

    for n in (20, 21, 22, 23, 0):
        one, other = f(torch.ones(1), n)
        assert one is other


def test_elements_of_a_million_turns() -> None:
    @torch.compile
    def f(x, n):
        log, kept = [], []
        for i in range(n):
            x = x * 0.5 + 1
            log.append(i)
            if i % 1000 == 0:
                kept.append(x)
        return log, kept, x

    for n in (20, 21, 22, 3000):
        f(torch.zeros(()), n)
    traces = f.graph.traces
    log, kept, x = f(torch.zeros(()), 10**6)
    assert log == list(range(10**6))
    assert [each.item() for each in kept] == [1.0, *[2.0] * 999]
    assert x.item() == 2
    assert f.graph.traces == traces
    assert sum(map(turns_of, loops_of(f))) > 10**6


def test_elements_are_part_of_the_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.compile
    def f(x, n):
        held = []
        for _ in range(n):
            x = x * 0.5
            held.append(x)
        return held

    for n in (20, 21, 22):
        f(torch.ones(10), n)
    monkeypatch.setattr(config, "max_tape", 4000)
    assert len(f(torch.ones(10), 50)) == 50
    with pytest.raises(MemoryError, match="append to lists takes more than 4000 bytes"):
        f(torch.ones(10), 10_000)


def test_long_lists_of_any_length_are_for_python_behind_a_loop() -> None:
    def f(x, n):
        held = []
        for _ in range(n):
            x = x * 0.5
            held.append(x)
        return torch.stack(held)

    compiled = torch.compile(f)
    for n in (20, 21, 22, 100, 101, 102):
        compiled(torch.ones(2), n)
    traces = compiled.graph.traces
    for n in (103, 99, 150, 300):
        assert compiled(torch.ones(2), n).tolist() == f(torch.ones(2), n).tolist()
    assert compiled.graph.traces == traces
    assert any("stack" in each["reason"] for each in compiled.explain().host_calls)
    whole = torch.compile(f, fullgraph=True)
    for n in (20, 21, 22, 100, 101, 102):
        assert whole(torch.ones(2), n).tolist() == f(torch.ones(2), n).tolist()


def test_a_loop_sees_what_another_thread_changes() -> None:
    box = SimpleNamespace(stop=False)

    @torch.compile
    def f(x, most):
        turns = 0
        while not box.stop and turns < most:
            x = x * 0.5 + 1
            turns += 1
        return x, turns

    for most in (300, 301, 302, 303):
        assert f(torch.ones(()), most)[1] == most
    before = sum(map(turns_of, loops_of(f)))
    assert before > 500
    threading.Timer(0.2, setattr, (box, "stop", True)).start()
    _, turns = f(torch.ones(()), 10**9)
    assert turns < 10**9
    assert sum(map(turns_of, loops_of(f))) > before


def test_a_tape_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x.sin()
        return x

    for n in (20, 21, 22):
        f(torch.ones(10, requires_grad=True), n)
    monkeypatch.setattr(config, "max_tape", 4000)
    f(torch.ones(10, requires_grad=True), 50)
    f(torch.ones(10), 10_000)
    with pytest.raises(MemoryError, match=r"test_cycles.py:\d+: what its turns leave .* 4000 byte"):
        f(torch.ones(10, requires_grad=True), 10_000)
    monkeypatch.setattr(config, "max_tape", 0)
    x = torch.ones(10, requires_grad=True)
    f(x, 10_000).sum().backward()
    assert x.grad is not None


def test_memory_from_outside_does_not_go_from_turn_to_turn() -> None:
    box = SimpleNamespace(w=torch.tensor([5.0, 6.0]))

    @torch.compile
    def f(x, n):
        y = x * 0
        for _ in range(n):
            y = y + x
            x = box.w.detach()
        box.w.add_(1)
        return y, x

    for n in (20, 21, 22, 23, 1, 2, 24):
        box.w = torch.tensor([5.0, 6.0])
        y, x = f(torch.tensor([1.0, 2.0]), n)
        assert y.tolist() == [5.0 * n - 4, 6.0 * n - 4]
        assert x.tolist() == [6.0, 7.0]
        box.w.add_(1)
        assert x.tolist() == [7.0, 8.0]


def test_a_tensor_that_changes_is_not_read_as_one_outside() -> None:
    """What `box.w` shares its memory with changes, and so does what `x` has as an attribute."""
    box = SimpleNamespace(w=None)

    @torch.compile
    def f(x, n):
        same = 0
        for _ in range(n):
            same = same * 2 + (x is box.w)
            x = x * 0.5 + 1
        return x, same

    for n in (10, 11, 12, 9, 3):
        for own in (True, False):
            x = torch.tensor([1.0, 2.0])
            box.w = x if own else torch.tensor([1.0, 2.0])
            assert f(x, n)[1] == (2 ** (n - 1) if own else 0)
