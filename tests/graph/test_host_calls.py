"""Host calls do what they did where an evaluator performed them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph import host_calls, notes
from jitgrad.graph.entrance import Layout
from jitgrad.graph.host_calls import HostCall, Tried
from jitgrad.python.code import Op
from jitgrad.python.lower import code_for
from tests.graph.agreement import agree, scenes
from tests.graph.programs_host_calls import unseen

SCENES = scenes(
    "programs_host_calls", "programs_hosts", "programs_generators", "programs_ends_of_loops"
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_scene(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_calls, "WARM", 1)
    agree(scene)


@pytest.fixture
def performed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """By whom host calls are performed, one entry for each."""
    found: list[str] = []
    plainly, evaluated = host_calls.perform, host_calls.evaluate

    def perform(going: Any, *given: Any) -> Any:
        if isinstance(going.layout.host_call, HostCall):
            found.append("plainly")
        return plainly(going, *given)

    def evaluate(*given: Any, **done: Any) -> Any:
        found.append("by an evaluator")
        return evaluated(*given, **done)

    monkeypatch.setattr(notes, "perform", perform)
    monkeypatch.setattr(host_calls, "evaluate", evaluate)
    return found


def test_no_evaluator_performs_what_is_known(performed: list[str]) -> None:
    written = io.StringIO()

    def inner(x: Any, k: int) -> Any:
        print(k, end=" inner ", file=written)
        return x + 1

    @torch.compile
    def f(x: Any) -> Any:
        for k in range(4):
            x = torch.sin(inner(x * 0.5, k)) + x
            print(k, end=" outer ", file=written)
        return x

    for _ in range(50):
        f(torch.ones(2))
    performed.clear()
    written.seek(0)
    written.truncate()
    f(torch.zeros(2))
    # behind the last one the loop ends, and the call
    assert performed == ["plainly"] * 8
    assert written.getvalue() == "".join(f"{k} inner {k} outer " for k in range(4))


def test_an_end_of_a_loop_is_known(performed: list[str]) -> None:
    """Both the next turn and the end are, whichever has been learned first."""

    @torch.compile
    def f(x: Any, n: int) -> Any:
        for _ in range(n):
            x = x * 0.5
            print(end="")
        return x.sin()

    for n in (1, 4, 3, 7) * 12:
        f(torch.ones(2), n)
    performed.clear()
    for n in (1, 3, 7):
        f(torch.ones(2), n)
    assert performed == ["plainly"] * 11


def test_the_end_of_a_call_is_known(performed: list[str]) -> None:
    @torch.compile
    def f(x: Any) -> Any:
        y = x * 2
        print(end="")
        return y

    for _ in range(20):
        f(torch.ones(2))
    performed.clear()
    assert f(torch.ones(2)).tolist() == [2.0, 2.0]
    assert performed == ["plainly"]


def test_what_is_handled_while_it_is_called(performed: list[str]) -> None:
    """In a handler the evaluator is needed: the callee may ask what is being handled."""

    @torch.compile
    def f(x: Any) -> Any:
        try:
            raise KeyError(3)
        except KeyError:
            y = x * 2
            print(end="")
            return y + 1

    for _ in range(20):
        assert f(torch.ones(2)).tolist() == [3.0, 3.0]
    assert set(performed) == {"by an evaluator"}


def waits_for_a_truth(x: Any) -> int:
    return 1 if x else 2


def waits_for_a_value(x: Any, take: Any) -> Any:
    y = take(x)
    return y


def tells(y: Any) -> Any:
    print(y)
    return y


@pytest.mark.parametrize(
    ("waiting", "op", "suits"),
    [(waits_for_a_truth, Op.JUMP_IF_FALSE, False), (waits_for_a_value, Op.CALL, True)],
)
def test_who_waits_only_takes_the_value(waiting: Callable, op: Op, suits: bool) -> None:
    """What looks at a value that is returned to it cannot be followed on symbols."""
    outer, inner = code_for(waiting), code_for(tells)
    waits = next(at for at, each in enumerate(outer.instructions) if each[0] == op)
    call = next(at for at, each in enumerate(inner.instructions) if each[0] == Op.CALL)
    inner.callers.setdefault(call, lambda callee, args, kwargs: callee(*args, **kwargs))
    before = Layout(
        [(outer, waits, outer.live_at(waits), ()), (inner, call, inner.live_at(call), ())]
    )
    ends = host_calls._learned(before, None, Tried())
    assert isinstance(ends, HostCall) is suits
    for after in range(waits + 1, len(outer.instructions)):
        there = Layout([(outer, after, outer.live_at(after), ())])
        outer.layouts[tuple(there.frames)] = there
        assert host_calls._learned(before, there, Tried()) is None


def test_threads_learn_one_host_call_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another thread has learned while one performs is not taken for what was known before."""
    evaluated = host_calls.evaluate
    others = [None, Tried()]

    def evaluate(going: Any, *given: Any, **done: Any) -> Any:
        layout = going.layout
        result = evaluated(going, *given, **done)
        if others:
            layout.host_call = others.pop()
        return result

    monkeypatch.setattr(host_calls, "evaluate", evaluate)

    @torch.compile
    def f(x: Any) -> Any:
        y = x * 2
        print(end="")
        return y + 1

    for _ in range(30):
        assert f(torch.ones(2)).tolist() == [3.0, 3.0]
    assert not others


def test_no_evaluator_takes_apart_what_is_returned(performed: list[str]) -> None:
    answers: dict[str, Any] = {"many": 2}
    pair = unseen("def f(x): return (x, x * 3)[: answers['many']]", answers=answers)

    @torch.compile
    def taken(x: Any) -> Any:
        a, b = pair(x * 2)
        return a * b

    @torch.compile
    def spread(x: Any) -> Any:
        return (x, *pair(x * 2), 1)

    x = torch.tensor(2.0)
    for _ in range(3 * host_calls.WARM):
        assert taken(x).item() == 48.0
        assert [float(each) for each in spread(x)] == [2.0, 4.0, 12.0, 1.0]
    performed.clear()
    taken(x)
    spread(x)
    assert performed == ["plainly", "plainly"]
    answers["many"] = 1
    with pytest.raises(ValueError, match="not enough values"):
        taken(x)
    assert len(spread(x)) == 3
    assert performed == ["plainly", "plainly", "plainly", "by an evaluator", "plainly"]
