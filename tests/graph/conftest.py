"""Every test of the graph runs twice: with native kernels, and with a plain interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import jitgrad
from jitgrad.graph import cycles, heads, interpreter, replay, segment
from tests.graph import reference


@pytest.fixture(params=["native", "reference"])
def lowering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How segments run: as kernels with compiled guards, or by plain interpreters of both."""
    # what the kernels compute and what the guards check is compared from the first replay on
    monkeypatch.setattr(replay, "FAMILIAR", 1 if request.param == "native" else 10**9)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(interpreter, "FIRST_RUNS", 1)
    if request.param == "native":
        monkeypatch.setattr(jitgrad.config, "unroll", 4)
    if request.param == "reference":
        # and loops begin anew behind their second turn, or several are soon recorded in a row
        monkeypatch.setattr(jitgrad.config, "first_turns", 2)
        monkeypatch.setattr(heads, "SHORT_RUNS", 2)
        monkeypatch.setattr(jitgrad.config, "unroll", 3)
        monkeypatch.setattr(jitgrad.config, "max_range", 3)
        monkeypatch.setattr(jitgrad.config, "max_arrivals", 5)
        monkeypatch.setattr(segment, "lower", reference.lower)
    return request.param


@pytest.fixture(autouse=True)
def _modes() -> Iterator[None]:
    yield
    jitgrad.set_default_dtype(jitgrad.float32)
    jitgrad.set_grad_enabled(True)
