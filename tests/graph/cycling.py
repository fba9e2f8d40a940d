"""Native loops that come of few turns, and what they have done."""

from __future__ import annotations

from typing import Any

import pytest

from jitgrad import config
from jitgrad.graph import cycles, watching
from jitgrad.kernels import later


def have_loops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loops come of few turns, compiled at their first run, and watch at once."""
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(later, "FIRST_RUNS", 1)
    monkeypatch.setattr(watching, "FAMILIAR", 1)


def loops_of(function: Any) -> list[cycles.Cycle]:
    """Return the native loops of a compiled function."""
    return [cycle for each in function.graph.segments for cycle in each.cycles]


def turns_of(cycle: cycles.Cycle) -> int:
    """Return how many turns a native loop has done."""
    return sum(way.last.hits for way in cycle.ways)
