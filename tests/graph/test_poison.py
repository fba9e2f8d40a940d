"""Memory that is handed out unwritten holds NaN and -1 here: nobody may read it.

So does what runs have done with and others take: the scratch of programs, the arenas of loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from numba.core import registry

import jitgrad
from jitgrad import config
from jitgrad.graph import cycles, watching
from jitgrad.kernels import driver, running, scratch
from tests.graph import programs_autograd, programs_cycles, programs_mixed, programs_tensors
from tests.graph.agreement import agree

SCENES = [
    scene
    for module in (programs_autograd, programs_cycles, programs_mixed, programs_tensors)
    for name, scene in vars(module).items()
    if name.startswith("scene_")
][::3]

empty = np.empty
# Numba knows functions of NumPy by identity, and gets to know them at its first use
target: Any = registry.cpu_target
target.typing_context.refresh()
target.target_context.refresh()


def poisoned(*given: Any, **named: Any) -> np.ndarray:
    """Do what `numpy.empty` does, and write to all of it what shows in any result."""
    made = empty(*given, **named)
    if made.dtype.kind != "O":
        made.reshape(-1).view(np.uint8)[...] = 0xFF
    return made


class Poisoned(scratch.Spare):
    """Memory that nobody may read before writing to it."""

    seen: ClassVar[set[type]] = set()

    def append(self, memory: Any) -> None:
        if isinstance(memory, running.Arena):
            # the words before are instructions, which runs use again
            memory.bytes[memory.words.nbytes :] = 0xFF
        else:
            memory[0][...] = 0xFF
        self.seen.add(type(memory))
        super().append(memory)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_nothing_unwritten_is_read(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "empty", poisoned)
    monkeypatch.setattr(driver, "Spare", Poisoned)
    monkeypatch.setattr(running, "Spare", Poisoned)
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(watching, "FAMILIAR", 1)
    agree(scene)


def test_poison_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "empty", poisoned)
    assert np.isnan(np.empty((2, 3))).all()
    assert (np.empty(3, np.int32) == -1).all()


def test_what_runs_have_done_with_is_poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "Spare", Poisoned)
    monkeypatch.setattr(running, "Spare", Poisoned)
    monkeypatch.setattr(cycles, "WARM", 2)
    Poisoned.seen.clear()

    @jitgrad.compile
    def turn(x: Any) -> Any:
        while x.norm() < 1000:
            x = (x @ x).tanh() + x * 1.5
        return x

    found = [turn(jitgrad.eye(3)) for _ in range(20)]
    assert Poisoned.seen == {tuple, running.Arena}
    assert all(each.isfinite().all() for each in found)
