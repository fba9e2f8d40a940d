"""Exceptions that are handled inside of a call are recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import jitgrad as torch
from tests.graph import programs_exceptions
from tests.graph.agreement import agree


@pytest.mark.parametrize("scene", programs_exceptions.NATIVE, ids=lambda scene: scene.__name__[6:])
def test_nothing_is_left_to_python(scene: Callable) -> None:
    for function in agree(scene).functions:
        assert function.explain().exits == []


def gathers(x, at):
    y = x * 2
    try:
        return y[at] + 1
    except IndexError:
        return -y


def test_what_raised_is_recorded_once_it_does_not() -> None:
    f = torch.compile(gathers)
    x = torch.tensor([1.0, 2.0])
    for at in (9, 0):
        f(x, torch.tensor([at]))
    traces = f.graph.traces
    for at in (0, 1, 0, 1):
        assert f(x, torch.tensor([at])).tolist() == [x[at].item() * 2 + 1]
    assert f.graph.traces == traces
    assert f.explain().exits == []
    assert f.graph.segments[-1].hits >= 3


def test_raising_at_every_call_is_no_reason_to_give_up() -> None:
    f = torch.compile(gathers)
    x = torch.tensor([1.0, 2.0])
    for _ in range(2 * torch.config.max_misses + 10):
        assert f(x, torch.tensor([9])).tolist() == [-2.0, -4.0]
    assert f.graph.resting.why == ""
