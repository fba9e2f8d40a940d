"""Long loops: what is recorded of them does not grow with their turns."""

from __future__ import annotations

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import heads
from jitgrad.graph.segment import Continue
from tests.native import needs_native


def decayed(x: torch.Tensor, w: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    i = torch.zeros(())
    while i < n:
        x = x * w + 0.1
        i = i + 1
    return x


def expected(x: float, w: float, n: int) -> tuple[float, float]:
    """Return the result and its derivative by w."""
    slope = 0.0
    for _ in range(n):
        x, slope = x * w + 0.1, x + slope * w
    return x, slope


@pytest.mark.parametrize("unroll", [1, 7, 32])
@needs_native
def test_a_loop_of_any_length_is_recorded_once(unroll: int, monkeypatch) -> None:
    monkeypatch.setattr(config, "unroll", unroll)
    # of turns in front of native ones test_long_loops.py tells
    monkeypatch.setattr(heads, "LONG", 1 << 30)
    f = torch.compile(decayed, fullgraph=True)

    def run(n: int) -> None:
        x = torch.tensor(1.0, dtype=torch.float64)
        w = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
        y = f(x, w, torch.tensor(float(n)))
        value, slope = expected(1.0, 0.9, n)
        assert y.item() == pytest.approx(value, rel=1e-12)
        if n:
            y.backward()
            assert w.grad.item() == pytest.approx(slope, rel=1e-12)

    for n in range(3 * unroll + 3):
        run(n)
    graph = f.graph
    known = graph.traces, len(graph.segments)
    for n in (3, 1000, 1001, 20_000, 17 * unroll, 0):
        run(n)
    assert (graph.traces, len(graph.segments)) == known
    assert known[1] <= 6 * unroll + 12
    assert any(isinstance(each.end, Continue) for each in graph.segments)
    assert "begins anew at" in str(f.explain())


def test_a_loop_without_history_keeps_nothing(monkeypatch) -> None:
    monkeypatch.setattr(config, "unroll", 4)

    @torch.compile
    def shrink(x, n):
        i = torch.zeros(())
        while i < n:
            x = x * 0.5
            i = i + 1
        return x

    for n in (30, 30, 2000):
        assert shrink(torch.ones(3), torch.tensor(float(n))).sum().item() == 3 * 0.5**n


def test_a_loop_that_fills_a_list_of_the_call_begins_anew(monkeypatch) -> None:
    monkeypatch.setattr(config, "unroll", 2)

    @torch.compile
    def collect(x, limit):
        found = []
        while x.sum() < limit:
            x = x * 2
            found.append(x)
        return found

    for count in (7, 7, 60, 100):
        found = collect(torch.ones(1), 2.0**count - 1)
        assert [each.item() for each in found] == [2.0**i for i in range(1, count + 1)]
    assert len(collect.graph.segments) < 30


def patterns(count: int, turns: int) -> list:
    """Return rows of random truths."""
    draw = np.random.default_rng(0)
    return [torch.tensor(row) for row in draw.integers(0, 2, (count, turns)).astype(np.float32)]


@needs_native
def test_ways_through_a_loop_are_joined() -> None:
    def eager(x, bits):
        for i in range(20):
            x = x * 2 - i if bits[i] > 0.5 else x + 1
        return x

    f = torch.compile(eager)
    for at, bits in enumerate(patterns(200, 20)):
        x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        found, wanted = f(x, bits), eager(y, bits)
        assert found.tolist() == wanted.tolist()
        found.sum().backward()
        wanted.sum().backward()
        assert x.grad.tolist() == y.grad.tolist()
        if at == 159:
            known = f.graph.traces
    assert f.graph.traces == known


def test_decisions_in_a_row_are_joined(monkeypatch) -> None:
    monkeypatch.setattr(config, "max_arrivals", 8)

    def body(x, bits):
        if bits[0] > 0.5:
            x = x * 2
        if bits[1] > 0.5:
            x = x + 3
        if bits[2] > 0.5:
            x = x - 0.5
        if bits[3] > 0.5:
            x = x * x
        if bits[4] > 0.5:
            x = x * 0.5
        if bits[5] > 0.5:
            x = x + 1
        if bits[6] > 0.5:
            x = x - 1
        if bits[7] > 0.5:
            x = x * 3
        return x

    f = torch.compile(body)
    for bits in patterns(200, 8):
        assert f(torch.ones(2), bits).tolist() == body(torch.ones(2), bits).tolist()
    # 2^8 ways, with 511 segments if nothing is joined
    assert len(f.graph.segments) < 200
