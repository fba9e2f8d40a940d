"""Random programs do the same compiled as eagerly, bit for bit, and check themselves meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

import jitgrad as torch
from jitgrad.graph import replay
from tests.fuzz import running, writing
from tests.graph.agreement import agree

USUAL = 300
"""How many programs a usual run compares: half a minute."""


def compare(source: str, calls: list) -> None:
    """Compare one program, and show it if it differs."""
    try:
        agree(running.scene(source, calls), exact=True)
    except (AssertionError, torch.VerificationError) as error:
        program = source[source.index("def f(") :]
        shown = "\n".join(str(each) for each in calls)
        raise AssertionError(f"{error}\n\n{program}\n{shown}") from None


def test_random_programs(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    # what the kernels compute and what the guards check is compared from the first replay on
    monkeypatch.setattr(replay, "FAMILIAR", 1)
    monkeypatch.setattr(torch.config, "verify", True)
    count = pytestconfig.getoption("--fuzz")

    @settings(
        max_examples=count or USUAL,
        derandomize=count is None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(writing.programs(), writing.calls())
    def run(source: str, calls: list) -> None:
        compare(source, calls)

    run()
