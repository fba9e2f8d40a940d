"""Settings, each with the environment variable that sets it before the first import.

| setting | variable | meaning |
|---|---|---|
| `eager` | `JITGRAD_EAGER` | run compiled functions as plain Python |
| `verify` | `JITGRAD_VERIFY` | make every compiled function check itself, see `jitgrad.verify` |
| `max_segments` | `JITGRAD_MAX_SEGMENTS` | segments of a function's graph before it is forgotten |
| `max_depth` | `JITGRAD_MAX_DEPTH` | calls within one another that are recorded |
| `max_arrivals` | `JITGRAD_MAX_ARRIVALS` | ways to a decision before they are joined |
| `max_outcomes` | `JITGRAD_MAX_OUTCOMES` | outcomes of one decision before Python decides |
| `first_turns` | `JITGRAD_FIRST_TURNS` | turns of a loop in a row before one is recorded for all |
| `unroll` | `JITGRAD_UNROLL` | turns of a loop in a row where that pays |
| `max_range` | `JITGRAD_MAX_RANGE` | turns of a loop over a range that is recorded as a whole |
| `max_tape` | `JITGRAD_MAX_TAPE` | bytes that the tape of a native loop may take; 0: no limit |
| `program` | `JITGRAD_PROGRAM` | `"native"`; or `"python"`: do without native code, see below |
| `cache_dir` | `JITGRAD_CACHE_DIR` | where kernels are kept for other processes; empty: nowhere |
| `cache_bytes` | `JITGRAD_CACHE_BYTES` | what they may take there |
| `max_misses` | `JITGRAD_MAX_MISSES` | recorded calls in a row before it runs eagerly for a while |

With `program` set to `"python"`, functions are recorded and replayed as ever, but what is recorded
is performed by NumPy, operation by operation: no native code is made, and neither Numba nor
llvmlite is imported. It holds for what is lowered from then on: set it before the first call of a
function to have all of it so. What has been lowered stays as it is.
"""

import os
import sys
import types
from typing import Any


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}={text!r}: it must be a whole number, such as {default}") from None


def _switch(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


PROGRAMS = ("native", "python")
"""The values of `program`."""


def _program(name: str, given: Any) -> str:
    """Return how programs run, if it is one of the ways in which they can."""
    if type(given) is not str or given not in PROGRAMS:
        raise ValueError(f"{name}={given!r}: it must be {' or '.join(map(repr, PROGRAMS))}")
    return given


def _cache_dir() -> str | None:
    """Return where this system keeps what can be made again."""
    given = os.environ.get("JITGRAD_CACHE_DIR")
    if given is not None:
        return os.path.abspath(given) if given else None
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        parent = os.path.join(home, "Library", "Caches")
    else:
        parent = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(parent):  # to be ignored, says the XDG specification
            parent = os.path.join(home, ".cache")
    return os.path.join(parent, "jitgrad") if os.path.isabs(parent) else None


eager: bool = _switch("JITGRAD_EAGER")
verify: bool = _switch("JITGRAD_VERIFY")
max_segments: int = _integer("JITGRAD_MAX_SEGMENTS", 2000)
first_turns: int = _integer("JITGRAD_FIRST_TURNS", 1)
unroll: int = _integer("JITGRAD_UNROLL", 32)
max_range: int = _integer("JITGRAD_MAX_RANGE", 128)
max_depth: int = _integer("JITGRAD_MAX_DEPTH", 64)
max_arrivals: int = _integer("JITGRAD_MAX_ARRIVALS", 64)
max_outcomes: int = _integer("JITGRAD_MAX_OUTCOMES", 32)
max_tape: int = _integer("JITGRAD_MAX_TAPE", 0)
program: str = _program("JITGRAD_PROGRAM", os.environ.get("JITGRAD_PROGRAM", "native"))
max_misses: int = _integer("JITGRAD_MAX_MISSES", 64)
cache_dir: str | None = _cache_dir()
cache_bytes: int = _integer("JITGRAD_CACHE_BYTES", 256 * 2**20)
num_threads: int = _integer("JITGRAD_NUM_THREADS", 0)


class _Config(types.ModuleType):
    """This module, which refuses what `program` cannot be when it is assigned."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "program":
            _program("jitgrad.config.program", value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Config
