"""Loops that often turn in native code: calls go there behind one turn."""

import pytest

import jitgrad as torch
from jitgrad.graph import cycles, graph


def test_long_loops_are_entered_behind_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(graph, "LONG", 3)

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
        entries = compiled.graph.entrance.entries.values()
        own = {id(first) for group in entries for first in group}
        return max(len(s.path()) for s in compiled.graph.segments if id(s.path()[0]) in own)

    for n in (200, 201):
        compare(n)
    before = longest()
    for n in (203, 205, 300, 70, 80, 90):
        compare(n)
    assert longest() < 8 < before
    for n in (0, 1, 2, 3, 5, 33, 1000, 0, 200):
        compare(n)
    known = compiled.explain().traces
    for n in (0, 1, 2, 3, 5, 33, 1000, 0, 200, 201):
        compare(n)
    assert compiled.explain().traces == known
