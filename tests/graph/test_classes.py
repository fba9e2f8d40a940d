"""Users' classes do in compiled functions what they do in eager ones, and without leaving them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jitgrad import config
from tests.graph.agreement import agree, scenes

SCENES = scenes(
    "programs_attributes",
    "programs_changes",
    "programs_dataclasses",
    "programs_derived",
    "programs_enumerations",
    "programs_instances",
    "programs_metaclasses",
    "programs_methods",
    "programs_operators",
    "programs_records",
    "programs_stores",
)
LEAVING = frozenset(
    {
        "bases_are_changed_between_calls", "class_is_changed_between_calls",
        "classes_changed_between_calls", "classes_that_get_and_lose_attributes",
        "classes_made_in_the_call", "classes_that_make_one_object", "comparisons_of_tensors",
        "contents_from_outside_changed_in_the_call", "contents_from_outside",
        "contents_from_outside_that_are_large",
        "context_managers", "counters_and_what_raises", "dataclass_changes",
        "dataclass_keys_changed_between_calls", "dataclass_methods_changed_between_calls",
        "dataclasses_that_python_compares", "derived_classes_changed_between_calls",
        "derived_with_arguments_of_other_kinds", "exceptions_behind_stores",
        "exceptions_in_methods", "frozen_dataclass_raises", "functions_with_a_cache",
        "histories_seen_by_python",
        "missing_attributes_that_raise", "odd_contents", "odd_named_tuples", "reflected_operators",
        "texts_of_members", "truth_that_is_none", "user_iterators", "values_that_are_missing",
    }
)  # fmt: skip
"""Scenes with exceptions and other things that are left to Python."""


@pytest.mark.parametrize("lowering", config.PROGRAMS, indirect=True)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__[6:])
def test_scene(scene: Callable, lowering: str) -> None:
    session = agree(scene)
    exits = {each[0] for function in session.functions for each in function.explain().exits}
    assert bool(exits) == (scene.__name__[6:] in LEAVING), exits
    assert not any(function.explain().eager for function in session.functions)
