"""Scenes of containers and built-in functions: equal to eager, and recorded as a whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jitgrad import config
from tests.graph.agreement import agree, scenes

SCENES = scenes(
    "programs_builtins",
    "programs_collections",
    "programs_containers",
    "programs_copies",
    "programs_groups",
    "programs_iterators",
    "programs_ordering",
    "programs_stacks",
    "programs_texts",
)


@pytest.mark.parametrize("lowering", config.PROGRAMS, indirect=True)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_scene(scene: Callable, lowering: str) -> None:
    session = agree(scene)
    # with the settings of the other mode calls begin anew all the time, and know no lists any more
    if lowering == "native" and not scene.__name__.endswith(("_raises", "_leaves")):
        exits = [each for function in session.functions for each in function.explain().exits]
        assert exits == []
        assert not any(function.graph.reason for function in session.functions)
