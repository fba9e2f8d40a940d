"""What tests of the graph share: how segments run, natively or without native code, and more."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import jitgrad
from jitgrad.graph import cycles, heads, replay, routes, tape, watching
from jitgrad.kernels import later


@pytest.fixture
def lowering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How segments run: as kernels with compiled guards, or by plain interpreters of both.

    Tests name the modes themselves, above their scenes: those of one scene follow one another then.
    """
    monkeypatch.setattr(jitgrad.config, "program", request.param)
    # what the kernels compute and what the guards check is compared from the first replay on
    monkeypatch.setattr(watching, "FAMILIAR", 1 if request.param == "native" else 10**9)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(heads, "LONG", 3)
    monkeypatch.setattr(later, "FIRST_RUNS", 1)
    if request.param == "native":
        monkeypatch.setattr(jitgrad.config, "unroll", 4)
        # and paths become one program, with a shortcut to it, when they are seen again
        monkeypatch.setattr(replay, "WARM", 2)
        monkeypatch.setattr(tape, "WARM", 2)
        monkeypatch.setattr(routes, "WARM", 1)
    if request.param == "python":
        # and loops begin anew behind their second turn, or several are soon recorded in a row
        monkeypatch.setattr(jitgrad.config, "first_turns", 2)
        monkeypatch.setattr(heads, "SHORT_RUNS", 2)
        monkeypatch.setattr(jitgrad.config, "unroll", 3)
        monkeypatch.setattr(jitgrad.config, "max_range", 3)
        monkeypatch.setattr(jitgrad.config, "max_arrivals", 5)
    return request.param


@pytest.fixture(autouse=True)
def _modes() -> Iterator[None]:
    yield
    jitgrad.set_default_dtype(jitgrad.float32)
    jitgrad.set_grad_enabled(True)


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def _interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run step by step, so that a new function costs no compilation."""
    monkeypatch.setattr(jitgrad.config, "program", "python")
