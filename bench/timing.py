"""Timing a function: blocks of calls long enough for the clock, and their medians."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

BLOCK = 1e-3
"""Seconds a block of calls lasts at least, so that the clock's own cost does not matter."""


START = 5
"""After so many calls everything has been compiled; some compile at a later call than the first."""


def time_once(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of one call and its result."""
    begin = perf_counter()
    result = run()
    return perf_counter() - begin, result


def calls_per_block(run: Callable[[], Any]) -> int:
    """Return how many calls last about `BLOCK`; this also warms up."""
    calls = 1
    while True:
        seconds = time_block(run, calls)
        if seconds >= BLOCK:
            return calls
        calls = max(calls * 2, int(calls * BLOCK / max(seconds, 1e-9)))


def time_block(run: Callable[[], Any], calls: int) -> float:
    """Return the seconds of that many calls in a row."""
    turns = range(calls)
    begin = perf_counter()
    for _ in turns:
        run()
    return perf_counter() - begin


def time_round(run: Callable[[], Any], calls: int, seconds: float) -> float:
    """Return the median seconds of a call, over blocks that take `seconds` in all."""
    blocks = []
    end = perf_counter() + seconds
    while not blocks or perf_counter() < end:
        blocks.append(time_block(run, calls) / calls)
    return median(blocks)
