"""What ran where, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jitgrad.graph.segment import Branch, Continue, Evaluate, Exit, Return, Segment
from jitgrad.graph.show import show

if TYPE_CHECKING:
    from jitgrad.graph.graph import Graph


class Explanation:
    """A report on one compiled function; print it, or read its attributes.

    Attributes:
        traces: recordings made.
        segments: straight lines recorded.
        kernels: different native kernels in use.
        native_calls: kernel and BLAS calls of the latest replay, its derivative not counted.
        compile_seconds: time spent on lowering and compiling kernels.
        record_seconds: time spent in calls that recorded.
        exits: where replays hand over to Python, as (reason, file, line, hits).
        eager: why the function runs eagerly altogether, or for a while; empty if it does not.
        checked_runs: how often a native program was checked; only `jitgrad.verify` does.
        close_calls: how often a check let a decision, an integer or a boolean pass that differs,
            because it hangs on a threshold closer than rounding.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.name = graph.function.__qualname__
        self.traces = graph.traces
        self.segments = len(graph.segments)
        programs = [each.program for each in graph.segments if each.program is not None]
        for segment in graph.segments:
            programs.extend(
                each.program for each in segment.derivatives.values() if each.program is not None
            )
        kernels = {id(kernel): kernel for program in programs for kernel in program.kernels}
        self.kernel_list = tuple(kernels.values())
        self.kernels = len(kernels)
        self.compile_seconds = sum(program.compile_seconds for program in programs)
        self.record_seconds = graph.record_seconds
        path = graph.last.path() if graph.last is not None else []
        self.native_calls = sum(
            each.program.native_calls for each in path if each.program is not None
        )
        self.exits = [
            (each.end.reason, *each.end.line, each.hits)
            for each in graph.segments
            if isinstance(each.end, (Exit, Evaluate))
        ]
        self.eager = graph.reason or (graph.rested if graph.resting else "")
        checks = graph.checks
        self.checked_runs = 0 if checks is None else checks.runs
        self.close_calls = 0 if checks is None else checks.close_calls

    @property
    def data(self) -> dict[str, Any]:
        """The report as a dictionary of plain values."""
        names = (
            "name traces segments kernels native_calls compile_seconds record_seconds exits eager "
            "checked_runs close_calls"
        )
        return {name: getattr(self, name) for name in names.split()}

    def trace(self) -> str:
        """Return what was recorded, as Python that runs."""
        graph = self._graph
        return show(graph.function, [graph.entrance, *graph.entrances.values()])

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.traces} recordings, {self.segments} segments, "
            f"{self.kernels} kernels, {self.compile_seconds:.2f} s compiling"
        ]
        if self.eager:
            lines.append(f"  runs eagerly: {self.eager}")
        for entrance in (self._graph.entrance, *self._graph.entrances.values()):
            where = "entry" if entrance.layout is None else f"on from {_line(entrance.layout.line)}"
            for key, candidates in entrance.entries.items():
                for first in candidates:
                    lines.append(f"  {where} with {_entry(key)}")
                    self._tree(first, "    ", lines)
        return "\n".join(lines)

    def _tree(self, segment: Segment, indent: str, lines: list[str]) -> None:
        stack: list[tuple[Segment, str, str]] = [(segment, indent, "")]
        while stack:
            each, indent, label = stack.pop()
            lines.append(indent + label + _describe(each))
            if isinstance(each.end, Branch):
                for outcome, group in each.end.outcomes.items():
                    many = len(each.end.outcomes) > 1
                    inner = indent + "  " * many
                    stack.extend((one, inner, f"{_outcome(outcome)}: ") for one in group)

    __repr__ = __str__


def _entry(key: Any) -> str:
    words = []
    names = key[2]
    for number, part in enumerate(key[3:], 3 + len(names) - len(key)):
        if number >= 0:
            words.append(names[number])
        if isinstance(part, tuple) and len(part) > 2:
            _, shape, _, dtype, *_ = part
            words.append(f"a tensor {shape} {dtype}")
        elif isinstance(part, tuple) and part:
            words.append(repr(part[-1]))
        else:
            words.append(getattr(part, "__name__", str(part)))
    return ", ".join(words) or "no arguments"


def _line(line: tuple[str, int]) -> str:
    return f"{line[0].rsplit('/', 1)[-1]}:{line[1]}"


def _outcome(outcome: Any) -> str:
    if outcome is None:
        return "then"
    return repr(outcome[1]) if isinstance(outcome, tuple) else str(outcome)


def _describe(segment: Segment) -> str:
    end = segment.end
    line = _line(end.line)
    program = segment.program
    native = "not lowered yet" if program is None else f"{program.native_calls} native calls"
    text = (
        f"{len(segment.steps)} steps, {len(segment.facts)} guards, {native}, "
        f"ran {segment.hits} times; "
    )
    if isinstance(end, Branch):
        return text + (f"decides at {line}" if end.slot is not None else f"goes on at {line}")
    if isinstance(end, Return):
        return text + f"returns at {line}"
    if isinstance(end, (Exit, Evaluate)):
        return text + f"hands over to Python at {line}: {end.reason}"
    if isinstance(end, Continue):
        return text + f"begins anew at {line}"
    return text
