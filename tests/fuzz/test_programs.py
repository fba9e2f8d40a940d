"""Random programs do the same compiled as eagerly, bit for bit, and check themselves meanwhile."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph import cycles, heads, host_calls, replay, routes, tape, watching
from tests.fuzz import running
from tests.fuzz.drawing import each_program
from tests.fuzz.rules import MUTANTS, Mutant
from tests.graph.agreement import Session, agree

USUAL = 200
"""How many programs a usual run compares: two minutes."""


def compare(source: str, calls: list, settings: dict) -> Session:
    """Compare one program, and show it if it differs; return the compiled session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.config, "verify", True)
        for name in (
            "program",
            "unroll",
            "first_turns",
            "max_range",
            "max_outcomes",
            "max_arrivals",
        ):
            patch.setattr(torch.config, name, settings[name])
        # by which what the kernels compute and what the guards check is compared from the first
        # replay on, and whole paths after a few
        patch.setattr(watching, "FAMILIAR", settings["familiar"])
        for module in (replay, tape, cycles, host_calls, routes):
            patch.setattr(module, "WARM", settings["warm"])
        # and calls go to the heads of loops behind one turn
        patch.setattr(heads, "LONG", settings["warm"])
        patch.setattr(cycles, "SLICE", settings["slice"])
        patch.setattr(heads, "SHORT_RUNS", settings["short_runs"])
        try:
            return agree(running.scene(source, calls), exact=True)
        except (AssertionError, torch.VerificationError) as error:
            program = source[source.index("def f(") :]
            shown = "\n".join(str(each) for each in (*calls, settings))
            raise AssertionError(f"{error}\n\n{program}\n{shown}") from None
        finally:
            torch.set_default_dtype(torch.float32)


def test_random_programs(pytestconfig: pytest.Config) -> None:
    count, seed = pytestconfig.getoption("--fuzz"), pytestconfig.getoption("--hypothesis-seed")
    if seed is None:
        seed = 0 if count is None else random.SystemRandom().getrandbits(32)
    print(f"again by --hypothesis-seed={seed}")
    reached: list[int] = []
    written: list[int] = []
    exchanged: list[bool] = []

    def check(source: str, calls: list, settings: dict) -> None:
        session = compare(source, calls, settings)
        reached.append(max(map(ways_taken, session.functions), default=0))
        written.append(max(map(what_is_written, session.functions), default=0))
        exchanged.append(any(map(changes_places, session.functions)))

    each_program(check, count or USUAL, int(seed))
    if len(reached) < USUAL:
        # so few need not reach what follows
        return
    # loops that turn natively, and decide in native code
    share = sum(each > 1 for each in reached) / len(reached)
    assert share > 0.04, share
    # and such as write to tensors, with histories, too
    assert 2 in written, written
    # and such in which tensors that are written change places
    assert any(exchanged), exchanged


def ways_taken(function: Any) -> int:
    """Return how many ways the turns of one native loop of a function have taken."""
    loops = [cycle for segment in function.graph.segments for cycle in segment.cycles]
    return max((sum(way.last.hits > 2 for way in each.ways) for each in loops), default=0)


def what_is_written(function: Any) -> int:
    """Has a function a native loop that writes to tensors? 2 if these have histories."""
    loops = [cycle for segment in function.graph.segments for cycle in segment.cycles]
    ways = [way for each in loops for way in each.ways if way.written]
    return max((2 if way.state.rebased else 1 for way in ways), default=0)


def changes_places(function: Any) -> bool:
    """Has a function a native loop in whose turns tensors that they write to change places?"""
    loops = [cycle for segment in function.graph.segments for cycle in segment.cycles]
    return any(each.exchange.announced for each in loops)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutants_are_up_to_date(mutant: Mutant) -> None:
    """The text that a mutant changes is there, once."""
    assert (Path(torch.__file__).parent / mutant.file).read_text().count(mutant.old) == 1
