"""Loops whose turns were recorded in a row, and that often turn natively: calls go there soon."""

import pytest

import jitgrad as torch
from jitgrad.graph import cycles, heads
from tests.native import needs_native


@needs_native
def test_long_loops_are_entered_behind_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(heads, "LONG", 3)
    monkeypatch.setattr(heads, "SHORT_RUNS", 2)

    def walk(x, w, n):
        count = 0
        while count < n:
            x = (x * w).sin()
            if x.sum() > 0.5:
                x = x + 0.25
            count += 1
        return x, count

    compiled = torch.compile(walk)

    def compare(n):
        results = []
        for function in (walk, compiled):
            x = torch.tensor([0.5, 0.75], dtype=torch.float64)
            w = torch.tensor([0.9, 1.1], dtype=torch.float64, requires_grad=True)
            made, count = function(x, w, n)
            if n:
                made.sum().backward()
            results.append((made.tolist(), count, None if w.grad is None else w.grad.tolist()))
        assert results[1][0] == pytest.approx(results[0][0], 1e-12)
        assert results[1][1] == results[0][1]
        assert results[0][2] is None or results[1][2] == pytest.approx(results[0][2], 1e-9)

    def longest():
        entries = compiled.graph.entrance.reachable().values()
        own = {id(first) for group in entries for first in group}
        return max(len(s.path()) for s in compiled.graph.segments if id(s.path()[0]) in own)

    for n in (4, 5, 6, 5, 6, 5, 200):
        compare(n)
    before = longest()
    assert "few turns" in str(compiled.explain())
    for n in (203, 205, 300, 70, 80, 90):
        compare(n)
    assert longest() < 8 < before
    assert not compiled.explain().loops[0]["in_a_row"]
    for n in (0, 1, 2, 3, 5, 33, 1000, 0, 200):
        compare(n)
    known = compiled.explain().traces
    for n in (0, 1, 2, 3, 5, 33, 1000, 0, 200, 201):
        compare(n)
    assert compiled.explain().traces == known
