"""Shortcuts of paths behind which the call goes on: into loops, and behind what Python does."""

from __future__ import annotations

from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph import cycles, heads, replay, routes, tape
from jitgrad.graph import shortcuts as shortcut_rules
from jitgrad.graph.segment import Continue, Exit
from tests.native import needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (replay, tape, cycles):
        monkeypatch.setattr(module, "WARM", 2)
    # no call goes through all of that at once
    monkeypatch.setattr(routes, "WARM", 10**9)


def shortcuts(compiled: Any) -> list[Any]:
    """Return the shortcuts of a function, wherever its calls begin."""
    graph = compiled.graph
    entrances = [graph.entrance, *graph.entrances.values()]
    return [each for entrance in entrances for each in entrance.shortcuts]


def ends(compiled: Any) -> set[type]:
    return {type(each.hot.last.end) for each in shortcuts(compiled)}


def settle(x: Any, w: Any, n: Any) -> Any:
    first = x * w
    while n > 0:
        x = (x * w).sin() + 0.25
        n = n - 1
    return x + first, n


def slopes(function: Any, n: float) -> list[Any]:
    x = torch.tensor([0.5, 0.75], dtype=torch.float64)
    w: Any = torch.tensor([0.9, 1.1], dtype=torch.float64, requires_grad=True)
    made, left = function(x, w, torch.tensor(n))
    made.sum().backward()
    return [made.tolist(), left.item(), w.grad.tolist()]


def agree(compiled: Any, n: float) -> None:
    for found, wanted in zip(slopes(compiled, n), slopes(settle, n)):
        assert found == pytest.approx(wanted, 1e-12)


@needs_native
def test_the_way_into_a_loop_and_out_of_it() -> None:
    compiled = torch.compile(settle)
    for n in (40.0, 41.0, 40.0, 300.0, 50.0, 40.0):
        agree(compiled, n)
    assert Continue in ends(compiled) and len(ends(compiled)) > 1
    known = compiled.explain().traces
    for n in (40.0, 0.0, 1.0, 40.0, 2.0, 300.0):
        agree(compiled, n)
    assert compiled.explain().traces <= known + 2


def test_what_a_shortcut_goes_on_with() -> None:
    """The same as replays do: values, containers, histories, the mode."""

    def mode(x: Any, w: Any, n: Any, quiet: bool) -> Any:
        torch.set_grad_enabled(not quiet)
        y, pair = x * w, (x + 1, [w * 2, 3])
        while n > 0:
            y = y * 0.5
            n = n - 1
        return y, pair

    def call(function: Any, quiet: bool) -> Any:
        x = torch.tensor([0.5, 0.75])
        w = torch.tensor([0.9, 1.1], requires_grad=True)
        (y, (first, (second, number))), now = (
            function(x, w, torch.tensor(40.0), quiet),
            torch.is_grad_enabled(),
        )
        torch.set_grad_enabled(True)
        needs = [each.requires_grad for each in (y, first, second)]
        return y.tolist(), first.tolist(), second.tolist(), number, now, needs

    compiled = torch.compile(mode)
    for _ in range(5):
        for quiet in (False, True):
            assert call(compiled, quiet) == call(mode, quiet)
    assert Continue in ends(compiled)


def test_what_python_does_is_done_once_a_call() -> None:
    seen: list[float] = []
    space: dict[str, Any] = {"seen": seen}
    exec("def tell(y):\n    seen.append(y.sum().item())\n", space)
    tell = space["tell"]

    def f(x: Any, w: Any) -> Any:
        y = x * w
        tell(y)
        z = y + 1
        tell(z)
        return (z * y).sum()

    compiled = torch.compile(f)
    logs = []
    for function in (compiled, f):
        seen.clear()
        found = []
        for at in range(8):
            x = torch.tensor([0.5, 0.75 + at])
            w: Any = torch.tensor([0.9, 1.1], requires_grad=True)
            value = function(x, w)
            value.backward()
            found.append((value.item(), w.grad.tolist()))
        logs.append((found, list(seen)))
    assert logs[0] == logs[1]
    assert Exit in ends(compiled)
    assert len(shortcuts(compiled)) == 3


@needs_native
def test_turns_in_a_row_end_the_shortcut_into_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "SHORT_RUNS", 6)
    compiled = torch.compile(settle)
    gone = []
    for _ in range(14):
        agree(compiled, 3.0)
        gone.append(Continue in ends(compiled))
    assert True in gone and not gone[-1]
    assert "few turns" in str(compiled.explain())


def test_the_path_behind_a_path_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two paths go on from one place in turns: each is tried where it came the last time."""
    monkeypatch.setattr(cycles, "SOON", 2)
    tried: list[Any] = []
    before = shortcut_rules._likely

    def likely(known: Any, going: Any) -> Any:
        usual, found = going.source.followed_by, list(before(known, going))
        tried.append((usual, [each.hot.last for each in found]))
        return found

    monkeypatch.setattr(shortcut_rules, "_likely", likely)

    def descend(x: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
        step = 0.8
        for _ in range(200):
            ahead = x - step * rate * x
            if (ahead - x).abs() < 0.15:
                x = ahead
                step = step * 1.1
            else:
                step = step * 0.5
        return x

    compiled = torch.compile(descend)
    rate = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    for count in range(400):
        if count == 390:
            tried.clear()
        x = torch.tensor(1.0 + count % 3, dtype=torch.float64)
        found, wanted = compiled(x, rate), descend(x, rate)
        assert found.item() == pytest.approx(wanted.item())
        slopes = [torch.autograd.grad(each, rate)[0].item() for each in (found, wanted)]
        assert slopes[0] == pytest.approx(slopes[1])
    assert all(not known or known[0] is usual for usual, known in tried)
    assert len({known[0] for _, known in tried if known}) > 1


def adapt(x: Any, step: Any, n: int) -> Any:
    for _ in range(n):
        if x > 1:
            x = x - step
        else:
            x = x * 3
    return x


def test_each_of_several_paths_from_one_place_has_its_shortcut() -> None:
    """Which one a call takes there is foreseen by where it comes from."""
    compiled = torch.compile(adapt)
    for n in (40, 3, 7, 40, 5, 2, 40, 9) * 4:
        for start in (0.3, 2.0, 5.0):
            x, step = torch.tensor(start), torch.tensor(0.75, requires_grad=True)
            assert compiled(x, step, n).item() == adapt(x, step, n).item()
    firsts = [each.first for each in shortcuts(compiled)]
    assert any(firsts.count(each) > 1 for each in firsts)
    # where calls begin nothing is foreseen, and one path is guessed
    firsts = [each.first for each in compiled.graph.entrance.shortcuts]
    assert all(firsts.count(each) == 1 for each in firsts)


def test_what_was_guessed_in_vain_is_guessed_later_again() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return x * 2
        return x - 1

    compiled = torch.compile(f)
    guesses = 0
    guessed: Any = None
    values: dict[Any, float] = {}
    for _ in range(1000):
        found = compiled.graph.entrance.shortcuts
        last = found[0].hot.last if found else None
        guesses += last is not None and last is not guessed
        guessed = last
        # the other way than is guessed
        value = -values.get(last, -1.0)
        assert compiled(torch.tensor(value)).item() == f(torch.tensor(value)).item()
        values[compiled.graph.last] = value
    # each time twice as many calls pass before the next one
    assert 3 < guesses < 24
