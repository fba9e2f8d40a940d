"""What stays of calls: how many objects more there are behind them, of each class."""

from __future__ import annotations

import collections
import gc
from collections.abc import Callable
from typing import Any

import pytest

from jitgrad import config
from jitgrad.graph import cycles, replay


def have_programs_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loops and programs come of few calls."""
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(replay, "WARM", 4)


def living() -> collections.Counter[str]:
    """Return how many objects of each class the collector knows of."""
    gc.collect()
    return collections.Counter(repr(type(each)) for each in gc.get_objects())


def grown(act: Callable[[], Any], times: int, first: int) -> dict[str, int]:
    """Return which classes have `times` objects more after so many calls of `act`, or more yet.

    Args:
        first: how often it is called before, for all that is made once.
    """
    for _ in range(first):
        act()
    more: dict[str, int] = {}
    for _ in range(3):
        before = living()
        for _ in range(times):
            act()
        more = {kind: count for kind, count in (living() - before).items() if count >= times}
        if not more:
            break
        # something may be made once as late as that; what leaks does so again
    return more
