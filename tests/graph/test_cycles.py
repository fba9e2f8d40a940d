"""Loops that lead back to where they began turn natively, and go back natively."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, verify_loops
from tests.graph import programs_autograd
from tests.graph.agreement import agree, scenes
from tests.graph.cycling import have_loops_at_once, loops_of, turns_of
from tests.native import IS_NATIVE, needs_native

SCENES = scenes(
    "programs_cycles",
    "programs_appending",
    "programs_appending_back",
    "programs_rows_loops",
    "programs_selecting_loops",
    "programs_parts",
    "programs_rewriting_loops",
    "programs_exchanging",
)
WAYS = [
    *scenes("programs_ways", "programs_ways_back", "programs_exchanging_ways"),
    programs_autograd.scene_cotangents_of_other_kinds,
]
OTHERS = scenes("programs_exchanging_not")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_loops_at_once(monkeypatch)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_native_loops_do_what_eager_does(scene: Callable) -> None:
    session = agree(scene)
    reasons = [why for each in session.functions for why in each.graph.unmerged.values()]
    native = any(turns_of(each) > 30 for f in session.functions for each in loops_of(f))
    assert native == IS_NATIVE, reasons


@pytest.mark.parametrize("scene", OTHERS, ids=lambda scene: scene.__name__[6:])
def test_what_does_not_turn_natively_does_what_eager_does(scene: Callable) -> None:
    """Or does so only up to a point: no turn goes on by what was true of the first."""
    agree(scene)


@pytest.mark.parametrize("scene", WAYS, ids=lambda scene: scene.__name__[6:])
def test_native_loops_decide_between_ways(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    def make_loop(*given: Any, **more: Any) -> Any:
        loop = verify_loops.make_loop(*given, **more)

        def run(*given: Any, **more: Any) -> Any:
            turns = loop.run(*given, **more)
            counts.append(turns.counts)
            return turns

        return SimpleNamespace(run=run)

    monkeypatch.setattr(cycles, "make_loop", make_loop)
    session = agree(scene)
    reasons = [why for each in session.functions for why in each.graph.unmerged.values()]
    # in one run
    assert any(sum(map(bool, turns)) > 1 for turns in counts) == IS_NATIVE, (counts, reasons)


@pytest.mark.parametrize("scene", [*SCENES, *WAYS], ids=lambda scene: scene.__name__[6:])
def test_native_loops_check_themselves(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "verify", True)
    session = agree(scene)
    loops = [each for f in session.functions for each in loops_of(f)]
    assert any(type(each.loop).__name__ == "CheckedLoop" for each in loops) == IS_NATIVE


@needs_native
def test_a_wrong_loop_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.verify
    def f(x, n):
        for _ in range(n):
            x = x * 0.5 + 1
        return x

    for n in (20, 21, 22):
        f(torch.ones(2), n)
    cycle = max(loops_of(f), key=turns_of)
    honest = cycle.loop.loop.run

    def lying(*given: Any) -> Any:
        turns = honest(*given)
        if turns.tape[0]:
            turns.tape[0][0][turns.finished // 2] += 1e-3
        return turns

    monkeypatch.setattr(cycle.loop, "loop", SimpleNamespace(run=lying))
    with pytest.raises(torch.VerificationError, match="a native loop of the segment at"):
        f(torch.ones(2), 23)
