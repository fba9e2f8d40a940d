"""All tests run in poisoned memory; here it is seen to be, and turns begin anew early in it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import config
from jitgrad.graph import cycles, watching
from jitgrad.kernels import running
from jitgrad.modes import run_quietly
from tests.graph import programs_autograd, programs_cycles, programs_mixed, programs_tensors
from tests.graph.agreement import agree
from tests.native import needs_native
from tests.poison import POISON, Poisoned

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the C library is not where NumPy has it from"
)

SCENES = [
    scene
    for module in (programs_autograd, programs_cycles, programs_mixed, programs_tensors)
    for name, scene in vars(module).items()
    if name.startswith("scene_")
][::3]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_nothing_unwritten_is_read(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(watching, "FAMILIAR", 1)
    agree(scene)


def test_unwritten_memory_shows() -> None:
    made: list[np.ndarray] = []

    def make() -> None:
        for size in (3, 2000):
            made.append(np.empty((2, size)))
            made.append(run_quietly(np.empty, (size,)))

    make()
    # each thread may have its own handler, and so may each context
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert len(made) == 8 and all(np.isnan(each).all() for each in made)
    assert (np.empty(3, np.int32) == -1).all()
    assert not np.zeros(3).any()


def test_a_result_that_is_freed_shows() -> None:
    @jitgrad.compile
    def double(x: Any) -> Any:
        return x * 2

    for _ in range(2):
        double(jitgrad.ones(100))
    result = double(jitgrad.ones(100))
    address = result.data_ptr()
    assert ctypes.string_at(address, 400) == np.full(100, 2, np.float32).tobytes()
    del result
    # the C library itself writes to the beginning
    assert ctypes.string_at(address + 64, 256) == bytes([POISON]) * 256


@needs_native
def test_what_runs_have_done_with_is_poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "WARM", 2)
    Poisoned.seen.clear()

    @jitgrad.compile
    def turn(x: Any) -> Any:
        while x.norm() < 1000:
            x = (x @ x).tanh() + x * 1.5
        return x

    @jitgrad.compile
    def by_numpy(x: Any) -> Any:
        return ((x @ x).tanh() + x).cumprod(0)

    found = [function(jitgrad.eye(3)) for function in (turn, by_numpy) for _ in range(20)]
    assert Poisoned.seen == {tuple, running.Arena}
    assert all(each.isfinite().all() for each in found)
