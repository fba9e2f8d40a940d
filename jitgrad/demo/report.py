"""What the main job shows: a progress line, tables, and whether the two ways agree."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from types import TracebackType
from typing import Any, Self

WARM_UP = 3


class Progress:
    """One line on standard error, rewritten in place; silent where that is no terminal."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()
        self.due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def say(self, text: str, *, now: bool = False) -> None:
        """Show text, at most ten times a second unless it must be seen `now`."""
        time = perf_counter()
        if self.shown and (now or time >= self.due):
            self.due = time + 0.1
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()


@dataclass(frozen=True)
class Statistics:
    """What a compiled function reports of itself."""

    traces: int
    kernels: int
    native_calls: int
    compile_seconds: float

    @classmethod
    def of(cls, compiled: Any) -> Self:
        """Read the statistics of a function under ``@jitgrad.compile``."""
        said = compiled.explain()
        return cls(said.traces, said.kernels, said.native_calls, said.compile_seconds)


def warm(seconds: Sequence[float]) -> float:
    """Return the median time of a step, leaving out the first few where there are more.

    >>> warm([9.0, 9.0, 9.0, 1.0, 2.0, 3.0])
    2.0
    """
    return median(seconds[WARM_UP:] or seconds)


def duration(seconds: float) -> str:
    """Return a time with three digits and its unit.

    >>> duration(0.0000123), duration(0.00456), duration(1.5)
    ('12.3 µs', '4.56 ms', '1.5 s')
    >>> duration(0.99996)
    '1 s'
    """
    if seconds >= 0.9995:
        return f"{seconds:.3g} s"
    if seconds >= 0.9995e-3:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} µs"


def emit_table(
    title: str, rows: Sequence[tuple[str, Mapping[str, str], str]], modes: Sequence[str]
) -> str:
    """Return a table with a column for each mode and a remark behind each row."""
    width = max(len(name) for name, _, _ in rows)
    column = max(12, *(len(cell) for _, cells, _ in rows for cell in cells.values())) + 2
    lines = [title, "", " " * width + "".join(f"{mode:>{column}}" for mode in modes)]
    for name, cells, remark in rows:
        values = "".join(f"{cells.get(mode, '–'):>{column}}" for mode in modes)
        lines.append(f"{name:<{width}}{values}{'   ' + remark if remark else ''}")
    return "\n".join(lines)


def faster(eager: float, compiled: float) -> str:
    """Say how many times as fast `compiled` is.

    >>> faster(3.0, 1.0), faster(1.0, 2.0)
    ('3.0 x as fast', '0.50 x as fast')
    """
    ratio = eager / compiled
    return f"{ratio:.{1 if ratio >= 1 else 2}f} x as fast"


def statistics_rows(
    statistics: Statistics | None, per: str, remark: str = ""
) -> list[tuple[str, Mapping[str, str], str]]:
    """Return the rows that only a compiled function has."""
    if statistics is None:
        return []
    said = {
        "time compiling": duration(statistics.compile_seconds),
        "traces": str(statistics.traces),
        "kernels": str(statistics.kernels),
        f"native calls {per}": str(statistics.native_calls),
    }
    rows = [(name, {"compiled": value}, "") for name, value in said.items()]
    return [*rows[:-1], (*rows[-1][:2], remark)]


def verdict(*disagreements: str | None) -> int:
    """Print each disagreement to standard error; return 1 if there is one, else 0."""
    said = [text for text in disagreements if text]
    for text in said:
        print(f"jitgrad: eager and compiled disagree: {text}; please report it", file=sys.stderr)
    return 1 if said else 0
