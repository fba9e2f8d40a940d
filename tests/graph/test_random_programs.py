"""Random programs do the same compiled and eagerly."""

from __future__ import annotations

import pytest

from tests.graph import random_programs
from tests.graph.agreement import agree


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        count = metafunc.config.getoption("--fuzz", 60)
        metafunc.parametrize("seed", range(count))


def test_random_program(seed: int, lowering: str) -> None:
    try:
        agree(random_programs.scene(seed))
    except AssertionError as error:
        _, source = random_programs.build(seed)
        raise AssertionError(f"{error}\n{source}") from None
