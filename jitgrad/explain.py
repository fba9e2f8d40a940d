"""What ran where, and why."""

from __future__ import annotations

import itertools
import linecache
from statistics import median
from typing import TYPE_CHECKING, Any

from jitgrad.graph import report
from jitgrad.graph.naming import short
from jitgrad.graph.programs import programs, text_of
from jitgrad.graph.segment import Evaluate, Exit
from jitgrad.graph.show import show
from jitgrad.kernels.later import WAITS

if TYPE_CHECKING:
    from jitgrad.graph.graph import Graph

SHOWN = 4
"""How many guards of a segment, and values at an entry, the text shows; `data` has all."""

NUMBERS = (
    "name",
    "calls",
    "traces",
    "segments",
    "kernels",
    "kernels_from_disk",
    "native_calls",
    "kept_bytes",
    "call_seconds",
    "record_seconds",
    "compile_seconds",
    "why_not_native",
    "exits",
    "eager",
    "resting",
    "checked_runs",
    "close_calls",
)
"""What `data` has under the name of an attribute, besides the lists."""


class Explanation:
    """A report on one compiled function; print it, or read its attributes.

    Attributes:
        calls: calls that did not run eagerly.
        traces: recordings made.
        segments: straight lines recorded.
        kernels: different native kernels in use.
        kernels_from_disk: those of them that an earlier process has compiled.
        native_calls: kernel and BLAS calls of the latest replay, its derivative not counted.
        kept_bytes: what the latest call has left for the backward pass, if replays made it.
        call_seconds: the median of the latest calls that were timed, every eighth in which nothing
            was recorded, of familiar ones every 64th; None if there were none.
        record_seconds: what was spent in recording.
        compile_seconds: what was spent on compiling kernels, and on loading the compiler.
        why_not_native: why what runs, or some of it, is no native code; empty if all is.
        exits: where replays hand over to Python, as (reason, file, line, hits).
        eager: why the function runs eagerly altogether, or for a while; empty if it does not.
        resting: for how many more calls it does so.
        checked_runs: how often a native program was checked; only `jitgrad.verify` does.
        close_calls: how often a check let a decision, an integer or a boolean pass that differs,
            because it hangs on a threshold closer than rounding.
        entries: what begins at the beginning of a call, or where one goes on: see `graph.report`.
        loops: the turns of long loops.
        host_calls: what Python does at exits, and what that costs.
        misses: why the latest recordings were made, as (call, line, why).
        programs: what has been lowered, if that was asked for, else empty: see `graph.programs`.
    """

    def __init__(self, graph: Graph, program: bool = False) -> None:
        self._graph = graph
        self._shows_programs = program
        self.programs = programs(graph) if program else []
        self.name = graph.function.__qualname__
        self.calls = graph.calls
        self.traces = graph.traces
        self.segments = len(graph.segments)
        lowered = [each.program for each in graph.segments if each.program is not None]
        for segment in graph.segments:
            lowered.extend(
                each.program
                for each in list(segment.derivatives.values())
                if each.program is not None
            )
        kernels = {id(kernel): kernel for each in lowered for kernel in each.kernels}
        self.kernel_list = tuple(kernels.values())
        self.kernels = len(kernels)
        self.kernels_from_disk = sum(each.from_disk for each in self.kernel_list)
        self.compile_seconds = sum(each.compile_seconds for each in lowered)
        self.why_not_native = next(iter({each.why_not for each in lowered} - {"", WAITS}), "")
        self.record_seconds = graph.record_seconds
        notes = graph.notes
        self.call_seconds = median(notes.samples) if notes.samples else None
        self.kept_bytes = report.kept_bytes(graph)
        path = graph.last.path() if graph.last is not None else []
        self.native_calls = sum(
            each.program.native_calls for each in path if each.program is not None
        )
        self.exits = [
            (each.end.reason, *each.end.line, each.hits)
            for each in graph.segments
            if isinstance(each.end, (Exit, Evaluate))
        ]
        self.eager = graph.reason or (graph.resting.why if graph.resting.left > 0 else "")
        self.resting = max(graph.resting.left, 0)
        checks = graph.checks
        self.checked_runs = 0 if checks is None else checks.runs
        self.close_calls = 0 if checks is None else checks.close_calls
        self.entries = report.entries(graph)
        self.loops = report.loops(graph)
        self.host_calls = report.host_calls(graph)
        self.misses = list(graph.notes.misses)

    @property
    def data(self) -> dict[str, Any]:
        """The report as a dictionary of plain values."""
        found = {name: getattr(self, name) for name in NUMBERS}
        found.update(entries=self.entries, loops=self.loops, host_calls=self.host_calls)
        found["misses"] = [each._asdict() for each in self.misses]
        if self._shows_programs:
            found["programs"] = self.programs
        return found

    def trace(self) -> str:
        """Return what was recorded, as Python that runs."""
        graph = self._graph
        return show(graph.function, [graph.entrance, *graph.entrances.values()])

    def __str__(self) -> str:
        seconds = self.call_seconds
        replays = "" if seconds is None else f"; replays take {_time(seconds)}"
        stored = f" ({self.kernels_from_disk} from disk)" if self.kernels_from_disk else ""
        lines = [
            f"{self.name}: {_count(self.traces, 'recording')}, {_count(self.segments, 'segment')}, "
            f"{_count(self.kernels, 'kernel')}{stored}, {self.compile_seconds:.2f} s compiling",
            f"  {_count(self.calls, 'call')}; {_time(self.record_seconds)} recording; "
            f"{self.kept_bytes:,} bytes kept for a backward pass by the latest one{replays}",
        ]
        if self.why_not_native:
            lines.append(f"  without native code: {self.why_not_native}")
        if self.eager:
            more = f"; it rests for {self.resting} more calls" if self.resting else ""
            lines.append(f"  runs eagerly: {self.eager}{more}")
        ran = [each for each in self.entries if any(one["hits"] for one in each["segments"])]
        for entry in ran or self.entries:
            where = "entry" if entry["line"] is None else f"on from {short(entry['line'])}"
            given = _some(entry["given"], ", ") or "no arguments"
            lines.append(f"  {entry['trace']}, {where} with {given}")
            for node in folded(entry["segments"]):
                node.tell("    ", lines)
        waiting = [each["trace"] for each in self.entries if ran and each not in ran]
        if waiting:
            lines.append(f"  recorded, but not replayed since: {', '.join(waiting)}")
        lines += self._about_loops() + self._about_python() + self._about_misses()
        if self.checked_runs:
            lines.append(f"  checked {self.checked_runs} times, {self.close_calls} close calls")
        if self._shows_programs:
            lines += ["programs:", *text_of(self.programs)]
        return "\n".join(lines)

    def _about_loops(self) -> list[str]:
        lines = []
        for each in self.loops:
            how = "many turns in a native call" if each["native"] else "turn by turn"
            why = f": {each['why_not']}" if each["why_not"] else ""
            if each["in_a_row"]:
                why = f"; first some in a row, since {each['in_a_row']}"
            line = each["line"]
            if not each["turns"]:
                continue
            lines.append(
                f"  loop at {short(line)}{_source(line)}, in {each['trace']}: "
                f"followed {_count(each['turns'], 'time')}, {how}{why}"
            )
        return lines

    def _about_python(self) -> list[str]:
        lines = []
        for each in self.host_calls:
            if not each["count"]:
                continue
            cost = "where Python finishes the call"
            if each["seconds"] is not None:
                cost = f"{_time(each['seconds'] / each['count'])} each"
            line = short(each["line"])
            times = _count(each["count"], "time")
            lines.append(f"  Python does at {line}: {each['reason']}, {times}, {cost}")
        return lines

    def _about_misses(self) -> list[str]:
        lines = ["  the latest recordings:"] if self.misses else []
        for call, group in itertools.groupby(self.misses, lambda each: each.call):
            told = [f"    call {call} at {short(each.line)}: {each.why}" for each in group]
            lines += told[:SHOWN]
            if len(told) > SHOWN:
                lines.append(f"    call {call}: and {len(told) - SHOWN} more")
        return lines

    __repr__ = __str__


class Node:
    """Segments of a trace that are alike: the turns of a loop, ways that differ in guards.

    Attributes:
        segment: the first of them.
        outcome: behind which outcome it comes.
        count, hits: how many there are, and how often they ran in all.
        again: the outcomes behind which a node further up follows again.
    """

    def __init__(self, segment: dict[str, Any], before: Node | None) -> None:
        self.segment = segment
        self.outcome = segment["outcome"]
        self.before = before
        self.count = self.hits = 0
        self.nodes: list[Node] = []
        self.again: dict[str, None] = {}

    def is_like(self, segment: dict[str, Any]) -> bool:
        """Does `segment` do the same at the same lines?"""
        names = ("lines", "ends", "line", "steps", "reason")
        return all(self.segment[each] == segment[each] for each in names)

    def tell(self, indent: str, lines: list[str]) -> None:
        """Add lines on this node, and on what follows it."""
        stack: list[tuple[Node, str]] = [(self, indent)]
        while stack:
            node, indent = stack.pop()
            label = f"{node.outcome}: " if node.outcome else ""
            lines.append(indent + label + node.text())
            guards = node.segment["guards"]
            if guards:
                lines.append(f"{indent}  guards: {_some(guards, '; ')}")
            for outcome in node.again:
                lines.append(f"{indent}  {outcome}: the same again")
            inner = indent + "  " * (len(node.nodes) + len(node.again) > 1)
            stack.extend((each, inner) for each in reversed(node.nodes))

    def text(self) -> str:
        """Return one line on this node."""
        segment = self.segment
        native = segment["native_calls"]
        steps = segment["steps"]
        parts = [
            _ranges(segment["lines"], segment["line"]),
            _count(steps, "step") * (steps > 0),
            "not lowered yet" * (steps > 0) if native is None else _count(native, "native call"),
            f"ran {_count(self.hits, 'time')}" + f" in {self.count} copies" * (self.count > 1),
        ]
        ends, line = segment["ends"], segment["line"]
        end = f"{ends} at {short(line)}" + _source(line) * (ends == "decides")
        reason = f": {segment['reason']}" if segment["reason"] else ""
        return f"{', '.join(filter(None, parts))}; {end}{reason}"


def folded(segments: list[dict[str, Any]]) -> list[Node]:
    """Return the segments of a trace as a tree in which the turns of loops are one node."""
    found: list[Node] = []
    top: list[Node] = []
    for segment in segments:
        before = None if segment["after"] is None else found[segment["after"]]
        siblings = top if before is None else before.nodes
        node = next(
            (n for n in siblings if n.is_like(segment) and n.outcome == segment["outcome"]), None
        )
        if node is None and before is not None:
            above: Node | None = before
            while above is not None and not above.is_like(segment):
                above = above.before
            if above is not None:
                before.again[segment["outcome"]] = None
                node = above
        if node is None:
            node = Node(segment, before)
            siblings.append(node)
        node.count += 1
        node.hits += segment["hits"]
        found.append(node)
    return top


def _ranges(lines: list[tuple[str, int]], end: tuple[str, int]) -> str:
    """Return source lines in short; those of another file than `end` with its name."""
    by_file: dict[str, list[int]] = {}
    for file, number in sorted(set(lines)):
        by_file.setdefault(file, []).append(number)
    parts = []
    for file, numbers in by_file.items():
        spans: list[list[int]] = []
        for number in numbers:
            if spans and number == spans[-1][1] + 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        text = ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in spans)
        name = "" if file == end[0] else f" of {short((file, 0))[:-2]}"
        many = len(numbers) > 1
        parts.append(f"line{'s' * many} {text}{name}")
    return ", ".join(parts)


def _some(parts: list[str], between: str) -> str:
    more = [f"and {len(parts) - SHOWN} more"] if len(parts) > SHOWN else []
    return between.join([*parts[:SHOWN], *more])


def _source(line: tuple[str, int]) -> str:
    text = linecache.getline(*line).strip()
    return f" ({text})" if 0 < len(text) <= 60 else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _time(seconds: float) -> str:
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"
