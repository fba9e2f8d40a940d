"""What a graph knows, as plain values: entries, segments, loops, what Python does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jitgrad.graph.cycles import WARM
from jitgrad.graph.entrance import Entrance
from jitgrad.graph.graph import Graph
from jitgrad.graph.naming import Outside, entry_names
from jitgrad.graph.notes import outcome_text, part_text
from jitgrad.graph.segment import Branch, Continue, Evaluate, Exit, Return, Segment

Line = tuple[str, int]


def entries(graph: Graph) -> list[dict[str, Any]]:
    """Return all that begins at the beginning of a call, or where calls go on.

    Each is a dictionary of `trace`, the name of the printed function; `line`, None for the
    beginning of the function; `given`, what is known of the values there; and `segments`.
    """
    found = []
    for entrance, key, first in firsts(graph):
        layout = entrance.layout
        names = entry_names(graph.function, layout, key)
        shown = zip(names, key[3:]) if layout is None else _named(names, key[3:])
        found.append(
            {
                "trace": f"trace_{len(found) + 1}",
                "line": None if layout is None else layout.line,
                "given": [f"{name}: {part_text(part)}" for name, part in shown],
                "segments": _segments(first, names),
            }
        )
    return found


def firsts(graph: Graph) -> Iterator[tuple[Entrance, Any, Segment]]:
    """Yield the first segments of all traces, as they are numbered in print."""
    for entrance in (graph.entrance, *graph.entrances.values()):
        for key, candidates in entrance.reachable().items():
            for first in candidates:
                yield entrance, key, first


def _named(names: list[str], parts: Any) -> Iterator[tuple[str, Any]]:
    """Leave out what has no name in the source."""
    return ((name, part) for name, part in zip(names, parts) if " " not in name)


def _segments(first: Segment, names: list[str]) -> list[dict[str, Any]]:
    """Return the segments of a trace, each behind the one that it follows."""
    found: list[dict[str, Any]] = []
    stack: list[tuple[Segment, int | None, str, Outside | None]] = [(first, None, "", None)]
    while stack:
        segment, after, outcome, before = stack.pop()
        outside = Outside(segment, names, before)
        program, end = segment.program, segment.end
        number = len(found)
        found.append(
            {
                "after": after,
                "outcome": outcome,
                "lines": list(dict.fromkeys(each.line for each in segment.steps if each.line)),
                "steps": len(segment.steps),
                "guards": outside.guards(segment.facts),
                "effects": list(segment.effect_texts),
                "native_calls": None if program is None else program.native_calls,
                "hits": segment.hits,
                "ends": ending(end),
                "line": end.line,
                "reason": getattr(end, "reason", ""),
            }
        )
        if isinstance(end, Branch):
            for key, group in reversed(list(end.outcomes.items())):
                text = "then" if key is None else outcome_text(key)
                stack.extend((each, number, text, outside) for each in reversed(group))
    return found


def ending(end: Any) -> str:
    """Return how a segment ends, in words."""
    if isinstance(end, Branch):
        return "decides" if end.slot is not None else "goes on"
    if isinstance(end, (Exit, Evaluate)):
        return "hands over to Python"
    return "begins anew" if isinstance(end, Continue) else "returns"


def loops(graph: Graph) -> list[dict[str, Any]]:
    """Return the paths that lead back to where they began: the turns of long loops.

    Each is a dictionary of the `trace` that it is in; `line`, the head of the loop; `turns`, how
    often replays have gone this way; `native`, whether one native call makes many turns; `why_not`;
    and `in_a_row`, why turns are recorded in a row before, empty if they are not.
    """
    found = []
    for number, (entrance, _, first) in enumerate(firsts(graph), 1):
        for last in _leaves(first):
            end = last.end
            layout = entrance.layout
            if type(end) is not Continue or layout is None or end.layout.key != layout.key:
                continue
            native = any(way.last is last for each in first.cycles for way in each.ways)
            why_not = graph.unmerged.get(end.line, "")
            in_a_row = graph.in_a_row.get(end.line, "")
            if not native and not why_not and not in_a_row:
                why_not = f"it has led back {end.returns} times, of {WARM} at which that pays"
            found.append(
                {
                    "trace": f"trace_{number}",
                    "line": end.line,
                    "turns": last.hits,
                    "native": native,
                    "why_not": why_not,
                    "in_a_row": in_a_row,
                }
            )
    return found


def _leaves(first: Segment) -> Iterator[Segment]:
    stack = [first]
    while stack:
        each = stack.pop()
        if not isinstance(each.end, Branch):
            yield each
        else:
            stack.extend(
                one for group in reversed(list(each.end.outcomes.values())) for one in group
            )


def kept_bytes(graph: Graph) -> int:
    """Return what the latest call has kept for a backward pass, of memory of its own."""
    call, kept = graph.notes.kept_before
    count = kept if call == graph.calls else 0
    end = None if graph.last is None else graph.last.end
    if isinstance(end, Return):
        count += end.kept_bytes
    return count


def host_calls(graph: Graph) -> list[dict[str, Any]]:
    """Return what is left to Python, as dictionaries of reason, line, count and seconds.

    What happens behind an exit is counted where Python performs one instruction, and recording
    goes on; `seconds` is None where Python finishes the call.
    """
    reasons: dict[Line, dict[str, int]] = {}
    for segment in graph.segments:
        if isinstance(segment.end, (Exit, Evaluate)):
            at = reasons.setdefault(segment.end.line, {})
            at[segment.end.reason] = at.get(segment.end.reason, 0) + segment.hits
    found = []
    for line, by_reason in reasons.items():
        cost = graph.notes.performed.get(line)
        found.append(
            {
                "reason": "; ".join(by_reason),
                "line": line,
                "count": sum(by_reason.values()) if cost is None else cost.count,
                "seconds": None if cost is None else cost.seconds,
            }
        )
    return found
