"""Settings, each with the environment variable that sets it before the first import.

| setting | variable | meaning |
|---|---|---|
| `eager` | `JITGRAD_EAGER` | run compiled functions as plain Python |
| `verify` | `JITGRAD_VERIFY` | make every compiled function check itself, see `jitgrad.verify` |
| `max_segments` | `JITGRAD_MAX_SEGMENTS` | segments of a function's graph before it is forgotten |
| `max_depth` | `JITGRAD_MAX_DEPTH` | calls within one another that are recorded |
| `max_arrivals` | `JITGRAD_MAX_ARRIVALS` | ways to a decision before they are joined |
| `max_outcomes` | `JITGRAD_MAX_OUTCOMES` | outcomes of one decision before Python decides |
| `unroll` | `JITGRAD_UNROLL` | turns of a loop that are recorded one after the other |
| `max_range` | `JITGRAD_MAX_RANGE` | turns of a loop over a range that is recorded as a whole |
| `max_tape` | `JITGRAD_MAX_TAPE` | bytes that the tape of a native loop may take; 0: no limit |
| `max_misses` | `JITGRAD_MAX_MISSES` | recorded calls in a row before it runs eagerly for a while |
"""

import os


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


eager: bool = _switch("JITGRAD_EAGER")
verify: bool = _switch("JITGRAD_VERIFY")
max_segments: int = _integer("JITGRAD_MAX_SEGMENTS", 2000)
unroll: int = _integer("JITGRAD_UNROLL", 32)
max_range: int = _integer("JITGRAD_MAX_RANGE", 128)
max_depth: int = _integer("JITGRAD_MAX_DEPTH", 64)
max_arrivals: int = _integer("JITGRAD_MAX_ARRIVALS", 64)
max_outcomes: int = _integer("JITGRAD_MAX_OUTCOMES", 32)
max_tape: int = _integer("JITGRAD_MAX_TAPE", 0)
max_misses: int = _integer("JITGRAD_MAX_MISSES", 64)
num_threads: int = _integer("JITGRAD_NUM_THREADS", 0)
