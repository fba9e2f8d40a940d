"""The programs of a graph, as values and as text: what runs, of which lines, in what memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jitgrad.graph.graph import Graph
from jitgrad.graph.ir import Compute, Scalar, Step, Value, Write
from jitgrad.graph.naming import Fixed, Outside, entry_names, short, words
from jitgrad.graph.printed_steps import Statements
from jitgrad.graph.report import ending, firsts
from jitgrad.graph.residuals import count_bytes
from jitgrad.graph.segment import Branch, Result, Segment
from jitgrad.kernels.instructions import Instruction, nbytes

Told = dict[str, Any]


def programs(graph: Graph) -> list[Told]:
    """Return what has been lowered, in the order of the traces.

    Each is a dictionary of `trace`; `what` it is; `line`, where its segment or loop ends; `ends`,
    how, and the `reason`; `native` and `why_not`; `takes`, its inputs; `instructions`;
    `result_bytes` and `temporary_bytes` of a run; `kept_bytes`, what the path that ends there keeps
    for a backward pass, in a loop by turn. An instruction is a dictionary of `does`, `kernels`,
    `way` (in a loop), `steps`, each with `text` and `line`, and `text` for what no step says.
    """
    found: list[Told] = []
    for number, (entrance, key, first) in enumerate(firsts(graph), 1):
        trace = f"trace_{number}"
        names = entry_names(graph.function, entrance.layout, key)
        for segment, outside in _segments(first, names):
            found.extend({"trace": trace, **each} for each in _of_segment(segment, outside))
        for hot in first.hot:
            what, last = "whole path in one program", hot.last
            found.append({"trace": trace, **_told(what, hot.program, last, last)})
        for cycle in list(first.cycles):
            found.append({"trace": trace, **_loop("native loop", cycle.loop, cycle.ways[0].last)})
            for each in [] if cycle.layout is None else list(cycle.layout.reverses.values()):
                if each.plans:
                    what = "way back through the native loop"
                    found.append({"trace": trace, **_loop(what, each.loop, cycle.ways[0].last)})
    return found


def _segments(first: Segment, names: list[str]) -> Iterator[tuple[Segment, Outside]]:
    """Yield the segments of a trace, with what they take from outside."""
    stack: list[tuple[Segment, Outside | None]] = [(first, None)]
    while stack:
        segment, before = stack.pop()
        outside = Outside(segment, names, before)
        yield segment, outside
        if isinstance(segment.end, Branch):
            for group in reversed(list(segment.end.outcomes.values())):
                stack.extend((each, outside) for each in reversed(group))


def _of_segment(segment: Segment, outside: Outside) -> Iterator[Told]:
    if segment.program is not None:
        yield _told("forward pass", segment.program, segment, segment, outside)
    for each in list(segment.derivatives.values()):
        if each.program is not None:
            yield _told("backward pass", each.program, segment)
    layout = _layout(segment)
    for plan in [] if layout is None else list(layout.plans.values()):
        if plan.whole is not None:
            yield _told("backward pass of the whole path", plan.whole.program, segment)


def _layout(segment: Segment) -> Any:
    """Return what is kept of the path that ends with a segment; None where nothing is."""
    end = segment.end
    return end.tape_layout if isinstance(end, Result) else None


def _told(
    what: str,
    program: Any,
    segment: Segment,
    ended: Segment | None = None,
    outside: Outside | None = None,
) -> Told:
    """Return a program of `segment`, with the end that it comes to, if it does."""
    layout = None if ended is None else _layout(ended)
    statements = Statements()
    if outside is not None:
        statements.where.update((held, where) for where, held in outside.held.items())
    instructions = _instructions(program.instructions, statements)
    return {
        "what": what,
        "line": segment.end.line,
        "ends": "" if ended is None else ending(ended.end),
        "reason": getattr(ended.end, "reason", "") if isinstance(ended, Segment) else "",
        "native": not program.why_not,
        "why_not": program.why_not,
        "takes": _takes(statements, [] if outside is None else outside.arguments),
        "instructions": instructions,
        "result_bytes": program.footprint.results,
        "temporary_bytes": program.footprint.temporary,
        "kept_bytes": 0
        if layout is None
        else count_bytes(layout.slots, layout.state.memories.values()),
    }


def _loop(what: str, loop: Any, last: Segment) -> Told:
    """Return a loop, a turn of it on each of its ways."""
    instructions: list[Told] = []
    statements = Statements()
    kept = 0
    for number, path in enumerate(loop.instructions, 1):
        instructions += [{**each, "way": number} for each in _instructions(path, statements)]
        on_tape = (_size(one) for each in path if each.does == "tape" for one in each.operands)
        kept = max(kept, sum(on_tape))
    return {
        "what": what,
        "line": last.end.line,
        "ends": "",
        "reason": "",
        "native": True,
        "why_not": "",
        "takes": _takes(statements, []),
        "instructions": instructions,
        "result_bytes": loop.footprint.results,
        "temporary_bytes": loop.footprint.temporary,
        "kept_bytes": kept,
    }


def _takes(statements: Statements, arguments: Sequence[str]) -> list[str]:
    """Return the inputs that steps name, with what they are in the source, if that is known."""
    found = []
    for where, name in statements.parameters.items():
        held = next(each for each, given in statements.names.items() if given == name)
        form = _form(held) if isinstance(held, Value) else f"a number ({held.type.__name__})"
        source = "" if isinstance(where, Fixed) else f"{words(where, arguments)}, "
        found.append(f"{name}: {source}{form}")
    return found


def _size(operand: Value | Scalar) -> int:
    if isinstance(operand, Scalar):
        return 1 if operand.type is bool else 8
    return nbytes(operand)


def _instructions(given: Iterable[Instruction], statements: Statements) -> list[Told]:
    found = []
    for each in given:
        # what has no line and only copies is the loop's own: keeping and carrying say so
        steps = [step for step in each.steps if step.line or not isinstance(step, Write)]
        found.append(
            {
                "does": each.does,
                "kernels": list(each.kernels),
                "steps": [{"text": _step(step, statements), "line": step.line} for step in steps],
                "text": _text(each, statements),
            }
        )
    return found


def _step(step: Step, statements: Statements) -> str:
    text = statements.step(step)
    return f"{text}: {_form(step.output)}" if isinstance(step, Compute) else text


def _form(value: Value) -> str:
    return f"{tuple(value.shape)} {value.dtype}"


def _text(instruction: Instruction, statements: Statements) -> str:
    """Return what an instruction does that has no steps."""
    names = [statements.operand(each) for each in instruction.operands]
    if instruction.does == "test":
        instead = instruction.instead
        other = "the loop ends" if instead is None else f"way {instead + 1} is tried"
        return f"unless {names[0]} is {instruction.expected}, {other}"
    if instruction.does == "tape":
        sizes = [f"{each} ({_size(one)} bytes)" for each, one in zip(names, instruction.operands)]
        return ", ".join(sizes)
    return ", ".join(f"{one} becomes {other}" for one, other in zip(names[::2], names[1::2]))


# -- as text ---------------------------------------------------------------------------------------


def text_of(found: Iterable[Told]) -> list[str]:
    """Return programs as lines of text; those that are alike, as the turns of a loop are, once."""
    counts: dict[tuple[str, ...], int] = {}
    for each in found:
        text = tuple(_text_of(each))
        counts[text] = counts.get(text, 0) + 1
    lines = []
    for (first, *others), count in counts.items():
        lines += [f"  {first}" + f", {count} that are alike" * (count > 1), *others]
    return lines or ["  nothing has been lowered yet"]


def _text_of(told: Told) -> Iterator[str]:
    native = "" if told["native"] else f", without native code ({told['why_not']})"
    yield f"{told['trace']}, {told['what']} at {short(told['line'])}{native}"
    if told["takes"]:
        yield f"    takes {'; '.join(told['takes'])}"
    way = None
    for instruction in told["instructions"]:
        if instruction.get("way") != way:
            way = instruction["way"]
            yield f"    way {way}"
        yield from _lines(instruction)
    if told["ends"]:
        reason = f": {told['reason']}" if told["reason"] else ""
        yield f"    {told['ends']}{reason}"
    yield f"    {_memory(told)}"


def _lines(instruction: Told) -> Iterator[str]:
    does, kernels, steps = (instruction[each] for each in ("does", "kernels", "steps"))
    by = "" if does in ("NumPy", "Python") or not kernels else f" {', '.join(kernels)}"
    by = " by NumPy" if does == "product" and not kernels else by
    yield f"    {does}{by}" + f": {instruction['text']}" * bool(instruction["text"])
    for each in steps:
        line = f"  # {short(each['line'])}" if each["line"] else ""
        yield f"      {each['text']}{line}"


def _memory(told: Told) -> str:
    results, temporary, kept = (told[f"{e}_bytes"] for e in ("result", "temporary", "kept"))
    if "loop" in told["what"]:
        parts = [f"a run {temporary:,}", *[f"a turn on the tape {kept:,}"] * (kept > 0)]
    else:
        parts = [f"results {results:,}", f"others {temporary:,}"]
        parts.append(f"at most {results + temporary:,}")
        parts += [f"kept for the backward pass {kept:,}"] * (kept > 0)
    return f"bytes: {', '.join(parts)}"
