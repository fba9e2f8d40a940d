"""Memory that is handed out unwritten holds NaN and -1 here: nobody may read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba.core import registry

from jitgrad import config
from jitgrad.graph import cycles, watching
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


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_nothing_unwritten_is_read(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "empty", poisoned)
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(watching, "FAMILIAR", 1)
    agree(scene)


def test_poison_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "empty", poisoned)
    assert np.isnan(np.empty((2, 3))).all()
    assert (np.empty(3, np.int32) == -1).all()
