"""Generators that a call makes are recorded."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

import jitgrad as torch
from tests.graph import programs_generators, programs_managers
from tests.graph.agreement import agree


@pytest.mark.parametrize("scene", programs_generators.NATIVE, ids=lambda scene: scene.__name__[6:])
def test_nothing_is_left_to_python(scene: Callable) -> None:
    for function in agree(scene).functions:
        assert function.explain().exits == []


def test_a_generator_that_is_given_away_ends_when_it_is_dropped() -> None:
    ends: list[str] = []

    def careful(x):
        yield x
        try:
            yield x * 2
        finally:
            ends.append("closed")

    @torch.compile
    def f(x):
        g = careful(x)
        return next(g), g

    for _ in range(3):
        _, g = f(torch.tensor([1.0]))
        next(g)
        gc.disable()
        try:
            del g, _
            assert ends.pop() == "closed"
        finally:
            gc.enable()
    assert f.explain().exits == []


@pytest.mark.parametrize("scene", programs_managers.NATIVE, ids=lambda scene: scene.__name__[6:])
def test_no_block_of_a_generator_is_left_to_python(scene: Callable) -> None:
    for function in agree(scene).functions:
        assert function.explain().exits == []
