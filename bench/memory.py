"""What memory a process has, and had at most."""

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = 2000
"""How many calls show what each leaves behind."""

MOST_SECONDS = 5.0
"""No more calls are made than take so long."""

_STATUS = Path("/proc/self/status")


def resident() -> int | None:
    """Return the bytes that are in memory now, None where the system does not tell."""
    return _told("VmRSS")


def peak() -> int | None:
    """Return the bytes that were in memory at most, None where the system does not tell."""
    return _told("VmHWM")


def _told(name: str) -> int | None:
    if not _STATUS.exists():
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return None if found is None else int(found[1]) << 10


def growth(run: Callable[[], Any], seconds: float) -> float | None:
    """Return the bytes by which the process grows with each call.

    Args:
        run: has been called often.
        seconds: what a call takes.
    """
    calls = max(10, min(CALLS, int(MOST_SECONDS / max(seconds, 1e-9))))
    found = []
    # what grows once, such as the heap for a larger part of it, does not count
    for _ in range(3):
        gc.collect()
        before = resident()
        for _ in range(calls):
            run()
        gc.collect()
        after = resident()
        if before is None or after is None:
            return None
        found.append((after - before) / calls)
    return max(0.0, min(found))


def megabytes(count: float | None) -> str:
    """Return a number of bytes as text."""
    return "–" if count is None else f"{count / 1e6:.0f} MB"
