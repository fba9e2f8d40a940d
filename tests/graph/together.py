"""Several threads at once, which give way to one another wherever it may hurt."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import jitgrad
from jitgrad import config
from jitgrad.graph import cycles, watching

PACKAGE = str(Path(jitgrad.__file__).parent)
SECONDS = 120
OFTEN = 0.2
"""How likely a thread gives way before a line, where a test looks for a race of a few lines."""


def have_loops_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loops come of few turns, and what is watched of few calls."""
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(watching, "FAMILIAR", 2)


def _giving_way(seed: int, chance: float) -> Callable:
    """Return a trace function that gives way before lines of the package."""
    draw = random.Random(seed).random
    pause = threading.Event()

    def line(frame: Any, event: str, arg: Any) -> Any:
        if event == "line" and draw() < chance:
            # a wait lets another thread run, where `sleep(0)` may not
            pause.wait(1e-5)
        return line

    def trace(frame: Any, event: str, arg: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(PACKAGE) else None

    return trace


def together(*works: Callable[[], Any], chance: float = 0.0, seed: int = 0) -> list[Any]:
    """Run each of `works` in a thread of its own, all at once; return their results.

    Args:
        chance: how likely a thread gives way before a line of jitgrad, besides where it must.
    """
    results: list[Any] = [None] * len(works)
    errors: list[BaseException] = []
    begin = threading.Barrier(len(works))

    def run(at: int, work: Callable[[], Any]) -> None:
        begin.wait(SECONDS)
        if chance:
            sys.settrace(_giving_way(seed + at, chance))
        try:
            results[at] = work()
        except BaseException as error:
            errors.append(error)
        finally:
            sys.settrace(None)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(SECONDS)
            assert not each.is_alive(), "a thread does not come to its end"
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]
    return results
