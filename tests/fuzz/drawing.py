"""Draws many random programs, each of its own, and the smallest one that fails."""

from __future__ import annotations

import contextlib
import random
import unittest
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.database import InMemoryExampleDatabase

from tests.fuzz import calling, writing

BYTES = 1 << 14
"""From how many random bytes a program and its calls are drawn: more than the longest takes."""


def each_program(
    check: Callable[[str, list, dict], object], count: int, seed: int, shrink: bool = True
) -> None:
    """Call `check` with programs, how they are called, and settings of the compiler.

    They are drawn from random bytes, since Hypothesis by itself varies each program that it draws
    a few times, a little: of 100 programs only some 20 would be new.
    """

    @settings(
        phases=[Phase.reuse, Phase.shrink],
        database=InMemoryExampleDatabase(),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(writing.programs(), calling.calls(), calling.settings())
    def run(source: str, calls: list, chosen: dict) -> None:
        check(source, calls, chosen)

    draws = random.Random(seed)
    try:
        for _ in range(count):
            run.hypothesis.fuzz_one_input(draws.randbytes(BYTES))
    except Exception as first:
        if shrink:
            # what it says is raised, unless there is nothing that it can do again
            with contextlib.suppress(unittest.SkipTest):
                run()
        raise first
