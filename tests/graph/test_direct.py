"""What whole calls try before all else: taken where a call is as usual, and never elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph.hot import PATIENCE, WARM
from jitgrad.graph.shortcuts import MISSED
from tests.graph.shortcutting import described
from tests.leaves import leaf

USUAL = 3 * WARM


def known(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Return the function compiled, once it tries a call like this one before all else."""
    compiled = torch.compile(function)
    for _ in range(USUAL):
        compiled(*args, **kwargs)
    assert applies(compiled, *args, **kwargs)
    return compiled


def applies(compiled: Any, *args: Any, **kwargs: Any) -> bool:
    """Is this call done at once, where it is not the turn of a call that is timed?"""
    graph = compiled.graph
    shortcuts, direct = graph.direct
    if shortcuts is not graph.entrance.shortcuts:
        return False
    before, graph.calls = graph.calls, 0
    try:
        return direct(graph, args, kwargs) is not MISSED
    finally:
        graph.calls = before


def hits(compiled: Any) -> int:
    """Return how often the only path was taken."""
    (segment,) = compiled.graph.segments
    return segment.hits


def same(function: Callable, compiled: Any, *args: Any, **kwargs: Any) -> None:
    for _ in range(20):
        assert described(compiled(*args, **kwargs)) == described(function(*args, **kwargs))


def grown(x: Any, by: float = 2.0) -> Any:
    return (x * by).sum()


def test_all_calls_are_counted_and_some_are_timed() -> None:
    compiled = known(grown, leaf(1.0, 2.0))
    before, hit = compiled.explain(), hits(compiled)
    for _ in range(64):
        compiled(leaf(1.0, 2.0))
    after = compiled.explain()
    assert after.calls == before.calls + 64
    assert hits(compiled) == hit + 64
    assert compiled.graph.notes.samples


def test_names() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x, by=3.0)
    assert applies(compiled, x, by=3.0)
    for args, kwargs in [((x,), {}), ((x, 3.0), {}), ((), {"by": 3.0, "x": x}), ((), {"x": x})]:
        assert not applies(compiled, *args, **kwargs)
        same(grown, compiled, *args, **kwargs)
    for _ in range(USUAL):
        compiled(x, by=3.0)
    assert applies(compiled, x, by=3.0)
    plain = known(grown, x)
    assert not applies(plain, x, by=3.0)
    same(grown, plain, x, by=3.0)
    with pytest.raises(TypeError):
        compiled(x, bx=3.0)
    with pytest.raises(TypeError):
        compiled(x, 3.0, by=3.0)


def test_arguments_of_other_kinds() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x)
    others = [leaf(1.0, 2.0, 3.0), leaf(1.0, 2.0) * 2, torch.ones(2), torch.ones(2, 2).t()]
    for other in others:
        assert not applies(compiled, other)
        same(grown, compiled, other)
        same(grown, compiled, x)
    assert applies(compiled, x)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.eager, torch.autograd.detect_anomaly])
def test_modes(mode: Callable) -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x)
    before = hits(compiled)
    with mode():
        assert not applies(compiled, x)
        same(grown, compiled, x)
    if mode is not torch.no_grad:
        assert hits(compiled) == before
    same(grown, compiled, x)
    assert applies(compiled, x)


def test_the_setting_that_runs_all_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x)
    monkeypatch.setattr(config, "eager", True)
    assert not applies(compiled, x)
    calls = compiled.explain().calls
    same(grown, compiled, x)
    assert compiled.explain().calls == calls


def test_another_default_dtype() -> None:
    def filled(x: Any) -> Any:
        return x + torch.ones(2)

    x = torch.tensor([1, 2])
    compiled = known(filled, x)
    torch.set_default_dtype(torch.float64)
    try:
        assert not applies(compiled, x)
        same(filled, compiled, x)
    finally:
        torch.set_default_dtype(torch.float32)
    same(filled, compiled, x)


def test_a_call_that_another_one_records() -> None:
    inner = known(grown, leaf(1.0, 2.0))

    @torch.compile
    def outer(x: Any) -> Any:
        return inner(x) * 3

    x = leaf(1.0, 2.0)
    for _ in range(4):
        made = outer(x)
        made.backward()
        assert made.item() == 18.0
        assert x.grad.tolist() == [6.0, 6.0]
        x.grad = None
    assert outer.explain().exits == []


def test_other_code() -> None:
    def scaled(x: Any) -> Any:
        return x * 2

    def tripled(x: Any) -> Any:
        return x * 3

    x = leaf(1.0, 2.0)
    compiled = known(scaled, x)
    scaled.__code__ = tripled.__code__
    assert not applies(compiled, x)
    assert compiled(x).tolist() == [3.0, 6.0]


def test_what_is_found_outside() -> None:
    space = {"by": 2.0}
    held = leaf(1.0, 1.0)

    def moved(x: Any) -> Any:
        return x * space["by"] + held

    x = leaf(1.0, 2.0)
    compiled = known(moved, x)
    same(moved, compiled, x)
    space["by"] = 3.0
    same(moved, compiled, x)
    held = leaf(5.0, 5.0)
    same(moved, compiled, x)
    held = None
    with pytest.raises(TypeError):
        compiled(x)


def test_wrong_guesses() -> None:
    def signed(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else x * 3

    right, wrong = leaf(1.0, 2.0), leaf(-1.0, -2.0)
    compiled = known(signed, right)
    assert not applies(compiled, wrong)
    assert described(compiled(wrong)) == described(signed(wrong))
    # and so often that it is guessed no longer
    for turn in range(8 * PATIENCE):
        x = right if turn % 3 == 0 else wrong
        assert described(compiled(x)) == described(signed(x))
    assert not applies(compiled, right)


def test_two_kinds_of_calls_in_turns() -> None:
    two, three = leaf(1.0, 2.0), leaf(1.0, 2.0, 3.0)
    compiled = known(grown, two)
    for _ in range(USUAL):
        assert compiled(two).item() == 6.0
        assert compiled(three).item() == 12.0
    # neither is what is usual
    assert compiled.graph.direct[0] is None


def test_what_was_forgotten() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x)
    traces = compiled.explain().traces
    compiled.graph.forget()
    assert described(compiled(x)) == described(grown(x))
    assert compiled.explain().traces == traces + 1
    same(grown, compiled, x)


def test_calls_that_go_on_elsewhere_or_with_another_mode() -> None:
    def told(x: Any) -> Any:
        y = x * 2
        print(end="")
        return y

    def switched(x: Any) -> Any:
        torch.set_grad_enabled(False)
        return x * 2

    for function in (told, switched):
        compiled = torch.compile(function)
        for _ in range(USUAL):
            with torch.enable_grad():
                compiled(leaf(1.0, 2.0))
        assert compiled.graph.direct[0] is None


def test_an_error_in_the_call_is_the_users() -> None:
    def checked(x: Any, at: Any) -> Any:
        return x[at] * 2

    x, at = leaf(1.0, 2.0), torch.tensor([0, 1])
    compiled = known(checked, x, at)
    with pytest.raises(IndexError):
        compiled(x, torch.tensor([0, 2]))
    same(checked, compiled, x, at)


def test_backward_passes() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x)
    for _ in range(USUAL):
        made = compiled(x)
        made.backward()
        assert x.grad.tolist() == [2.0, 2.0]
        x.grad = None
        assert torch.autograd.grad(compiled(x) * compiled(x), x)[0].tolist() == [24.0, 24.0]


def test_threads_in_other_modes() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(grown, x)
    found: list[bool] = []

    def work(mode: Callable) -> None:
        with mode():
            found.extend(compiled(x).requires_grad for _ in range(99))

    threads = [
        threading.Thread(target=work, args=(mode,))
        for mode in (torch.enable_grad, torch.no_grad, torch.eager, torch.no_grad)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    # run eagerly, too, there is a history
    assert found.count(True) == 2 * 99


@pytest.mark.parametrize("outer", [False, True])
def test_results_that_share_memory(outer: bool) -> None:
    def f(x: Any) -> Any:
        return x.detach() if outer else (y := x * 2, y.detach())

    x = torch.ones(3)
    compiled = known(f, x)
    for _ in range(3):
        one, other = (x, compiled(x)) if outer else compiled(x)
        before = one._version
        other.add_(1)
        assert one._version == other._version == before + 1
        assert one.tolist() == other.tolist()
