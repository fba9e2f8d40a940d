"""What compiled code cannot keep: calls that are never as before, and what Python has to do."""

import io
import random as chance
from collections.abc import Callable, Sequence
from typing import Any

from bench.subjects import Tools
from bench.workload import Run, Workload, random

TURNS = 8
"""Operations of a unit with host calls, each with one of these behind it."""


class Nowhere(io.TextIOBase):
    """A stream that drops what is written."""

    def write(self, text: str) -> int:
        """Say that it was written."""
        return len(text)


def always_new(tools: Tools) -> Run:
    """Build a function that decides by a string, which is another one at each call.

    Each call has to be recorded, until the function rests.
    """
    torch = tools.library
    numbers = chance.Random(0)
    x, w = (torch.tensor(random(64, 64, seed=seed)) for seed in (0, 1))

    def tagged(x: Any, w: Any, tag: str) -> Any:
        y = (x @ w).tanh()
        if tag.startswith("even"):
            y = y * 2
        return (y + len(tag)).sum()

    step = tools.whole(tools.part(tagged))

    def run() -> Sequence[Any]:
        # all are of one length, so that all results are the same
        return (step(x, w, f"even{numbers.getrandbits(64):020d}"),)

    return run


def host_calls(act: Callable[[list], Callable[[int], Any]]) -> Callable[[Tools], Run]:
    """Return the builder of a function with `TURNS` operations and a call behind each.

    Args:
        act: returns what is called, and may use a list, which is emptied after each unit.
    """

    def build(tools: Tools) -> Run:
        torch = tools.library
        x = torch.tensor(random(8))
        kept: list[int] = []
        call = act(kept)

        def steps(x: Any) -> Any:
            for number in range(TURNS):
                x = x * 0.5
                call(number)
            return x

        unit = tools.whole(tools.part(steps))

        def run() -> Sequence[Any]:
            result = unit(x)
            kept.clear()
            return (result,)

        return run

    return build


def nothing(kept: list) -> Callable[[int], Any]:
    """Return what costs nothing in compiled code."""
    return lambda number: None


def printing(kept: list) -> Callable[[int], Any]:
    """Return what prints to nowhere."""
    nowhere = Nowhere()
    return lambda number: print(number, file=nowhere)


def appending(kept: list) -> Callable[[int], Any]:
    """Return what appends to a list from outside."""
    return lambda number: kept.append(number)


WORKLOADS: Sequence[Workload] = (
    Workload(
        "always-new",
        "a function that decides by a string, another one at each call: once it rests",
        always_new,
    ),
    Workload(
        "host-none",
        f"{TURNS} operations on 8 numbers, forward",
        host_calls(nothing),
    ),
    Workload(
        "host-print",
        f"{TURNS} operations on 8 numbers, each followed by a print to nowhere",
        host_calls(printing),
    ),
    Workload(
        "host-append",
        f"{TURNS} operations on 8 numbers, each followed by an append to a list from outside",
        host_calls(appending),
    ),
)
