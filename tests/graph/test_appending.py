"""Lists to which native loops append: which they are, what is in them, and what they take."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import jitgrad as torch
from jitgrad import config
from tests.graph.cycling import have_loops_at_once, loops_of, turns_of
from tests.native import needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_loops_at_once(monkeypatch)


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


@needs_native
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


@needs_native
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


@needs_native
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
