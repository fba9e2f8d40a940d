"""Compiled functions do what eager ones do, on every call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jitgrad import config
from tests.graph.agreement import agree, scenes

SCENES = scenes(
    "programs",
    "programs_autograd",
    "programs_contexts",
    "programs_cycles",
    "programs_exceptions",
    "programs_exchanging",
    "programs_exchanging_not",
    "programs_exchanging_ways",
    "programs_failing_back",
    "programs_found",
    "programs_generators",
    "programs_hosts",
    "programs_loops",
    "programs_managers",
    "programs_mixed",
    "programs_modules",
    "programs_numbers",
    "programs_objects",
    "programs_places",
    "programs_rewriting",
    "programs_rewriting_loops",
    "programs_rows",
    "programs_rows_loops",
    "programs_selecting",
    "programs_selecting_loops",
    "programs_storages",
    "programs_tensors",
    "programs_writing",
    "programs_writing_loops",
)


@pytest.mark.parametrize("lowering", config.PROGRAMS, indirect=True)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_scene(scene: Callable, lowering: str) -> None:
    agree(scene)
