"""A function whose loop and branch depend on the values of a tensor, and its derivative."""

# After backward() no gradient is None, which a type checker cannot know:
# pyright: reportOptionalMemberAccess=false

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import jitgrad
from jitgrad import Tensor
from jitgrad.demo.report import (
    Progress,
    Statistics,
    duration,
    emit_table,
    faster,
    statistics_rows,
    warm,
)

INPUTS = (3.0, -0.7, 120.0, 0.02)
"""Between 2 and 15 turns of the loop, and both sides of the branch."""
ROUNDS = 60


def f(a: Tensor) -> Tensor:
    """Double a until it is large, then scale it by its sign. Shapes: any, the same."""
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    c = b if b.sum() > 0 else 100 * b
    return c


@dataclass(frozen=True)
class Run:
    """Results and slopes at each of `INPUTS`, and the times of the calls there."""

    values: list[float]
    slopes: list[float]
    seconds: list[float]
    first: float
    statistics: Statistics | None


def run(mode: str, progress: Progress) -> Run:
    """Call and differentiate `f` at each input, many times over."""
    do = jitgrad.compile(f) if mode == "compiled" else f
    seconds, answers = [], {}
    progress.say(f"control flow, {mode}: the first calls", now=True)
    for number in range(ROUNDS):
        for value in INPUTS:
            a = jitgrad.tensor(value, requires_grad=True)
            begin = perf_counter()
            d = do(a)
            d.backward()
            seconds.append(perf_counter() - begin)
            answers[value] = d.item(), a.grad.item()
        progress.say(f"control flow, {mode}: round {number + 1} of {ROUNDS}")
    values, slopes = zip(*(answers[value] for value in INPUTS), strict=True)
    statistics = Statistics.of(do) if mode == "compiled" else None
    recording, later = seconds[: len(INPUTS)], seconds[len(INPUTS) :]
    return Run(list(values), list(slopes), later, sum(recording), statistics)


def table(runs: Mapping[str, Run]) -> str:
    """Return what the runs came to, as text."""
    compiled = runs.get("compiled")
    times = {mode: warm(run.seconds) for mode, run in runs.items()}
    remark = faster(times["eager"], times["compiled"]) if compiled else ""
    rows = []
    for at, value in enumerate(INPUTS):
        cells = {m: f"{run.values[at]:g}, {run.slopes[at]:g}" for m, run in runs.items()}
        rows.append((f"f({value:g}), f'({value:g})", cells, ""))
    rows += [
        ("time a call and its derivative", {m: duration(t) for m, t in times.items()}, remark),
        ("first call at each", {m: duration(run.first) for m, run in runs.items()}, "together"),
        *statistics_rows(compiled.statistics if compiled else None, "a call", "forward"),
    ]
    return emit_table("A while and an if that depend on data, differentiated", rows, tuple(runs))


def agreement(runs: Mapping[str, Run]) -> str | None:
    """Return where eager and compiled differ, None where they agree.

    Doubling is exact, so that nothing less than equality will do.
    """
    if "compiled" not in runs:
        return None
    eager, compiled = runs["eager"], runs["compiled"]
    for at, value in enumerate(INPUTS):
        pair = eager.values[at], eager.slopes[at]
        other = compiled.values[at], compiled.slopes[at]
        if pair != other:
            return f"f({value:g}) and its slope: {pair} against {other}"
    return None
