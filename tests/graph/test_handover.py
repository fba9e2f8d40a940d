"""Where a replay does not know the way, or Python must act: evaluation goes on in its place."""

from __future__ import annotations

import pytest

import jitgrad as torch
from jitgrad.graph.segment import Exit, Return
from tests.graph import programs_small as programs
from tests.threads import in_threads

T = torch.tensor


def test_an_unseen_outcome_goes_on_from_the_site() -> None:
    f = torch.compile(programs.sign)
    assert f(T([1.0])).item() == 2
    first = f.graph.segments[0]
    assert f(T([-1.0])).item() == -3
    assert f.graph.segments[0] is first
    assert len(f.graph.segments) == 3
    assert f.graph.segments[2].parent is first
    assert f(T([-2.0])).item() == -6
    assert f.graph.traces == 2


def test_nothing_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    original = torch.rand

    def f(x):
        y = x + torch.rand(1)
        if x.sum() > 0:
            return y
        return -y

    f = torch.compile(f)
    torch.manual_seed(0)
    for value in (1.0, 1.0, -1.0, -1.0):
        drawn.append(abs(f(T([value])).item() - value * (1 if value > 0 else -1)))
    torch.manual_seed(0)
    expected = [original(1).item() for _ in range(4)]
    assert [round(each, 4) for each in drawn[:2]] == [round(each, 4) for each in expected[:2]]


def test_an_exit_site_performs_its_effect_once(capsys: pytest.CaptureFixture[str]) -> None:
    f = torch.compile(programs.prints)
    for _ in range(3):
        f(T([1.0]))
        assert capsys.readouterr().out == "here\n"
    before, behind = f.graph.segments
    assert isinstance(before.end, Exit)
    assert before.end.reason == "call of print"
    assert isinstance(behind.end, Return)
    assert f.graph.traces == 2


def test_an_exception_shows_the_users_line() -> None:
    f = torch.compile(programs.raises)
    line = programs.raises.__code__.co_firstlineno + 2
    for _ in range(3):
        with pytest.raises(ValueError, match="positive") as caught:
            f(T([1.0]))
        entry = caught.traceback[-1]
        assert str(entry.path) == programs.__file__
        assert entry.lineno + 1 == line
    assert caught.value.__context__ is None


def test_a_handover_publishes_versions_and_history() -> None:
    seen = []

    def f(x, y):
        h = x * 2
        y.add_(1)
        h.mul_(x)
        print(end="")
        seen.append((h._version, y._version, h.requires_grad, h.grad_fn is not None))
        return h

    f = torch.compile(f)
    for at in range(3):
        x, y = T([3.0], requires_grad=True), T([1.0])
        h = f(x, y)
        h.backward()
        assert x.grad.item() == 12
        assert seen[at] == (1, 1, True, True)


def test_two_threads_share_one_graph() -> None:
    f = torch.compile(programs.grow)
    failures = []

    def work(start: float) -> None:
        for i in range(40):
            value = start + i % 7
            expected = value
            while expected < 100:
                expected *= 2
            if f(T([value])).item() != expected:
                failures.append(value)

    in_threads(work, (1.0, 2.5, 50.0))
    assert not failures


def test_the_grad_mode_at_an_exit_is_restored() -> None:
    def f(x):
        with torch.no_grad():
            print(end="")
            inside = torch.is_grad_enabled()
        return x * 2, inside, torch.is_grad_enabled()

    f = torch.compile(f)
    for _ in range(3):
        y, inside, after = f(T([1.0], requires_grad=True))
        assert y.requires_grad
        assert (inside, after) == (False, True)
        assert torch.is_grad_enabled()
