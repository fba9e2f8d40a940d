"""Positions of run time are recorded, and make no new traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles
from jitgrad.graph.ir import Compute, Memory, Scalar, Value, Write
from jitgrad.graph.loop_sums import Sums
from jitgrad.graph.show import namespace
from jitgrad.kernels.geometry import row_major
from jitgrad.ops.binary import ADD
from jitgrad.ops.slicing import UNSELECT
from tests.graph import programs_selecting, programs_selecting_loops
from tests.graph.agreement import agree
from tests.graph.programs_selecting import table

RECORDED = (
    programs_selecting.scene_a_row,
    programs_selecting.scene_the_row_is_saved,
    programs_selecting.scene_an_element,
    programs_selecting.scene_several_items,
    programs_selecting.scene_rows_are_views,
    programs_selecting.scene_a_row_of_a_row,
    programs_selecting.scene_of_what_the_call_made,
    programs_selecting.scene_tensors_with_gaps,
    programs_selecting.scene_an_outer_tensor,
    programs_selecting.scene_stored_outside,
    programs_selecting.scene_backward_inside,
    programs_selecting_loops.scene_a_recurrent_net,
    programs_selecting_loops.scene_random_access,
)


@pytest.mark.parametrize("scene", RECORDED, ids=lambda scene: scene.__name__[6:])
def test_nothing_is_left_to_python(scene: Any) -> None:
    session = agree(scene)
    assert [each.explain().exits for each in session.functions] == [[]] * len(session.functions)


def test_a_position_makes_no_trace() -> None:
    f = torch.compile(lambda x, i: x[i] * 2)
    for i in range(40):
        assert f(table(50, 2), i).tolist() == (table(50, 2)[i] * 2).tolist()
        if i == 2:
            traces = f.explain().traces
    assert f.explain().traces == traces == 2


@pytest.mark.parametrize(
    "scene",
    [
        programs_selecting.scene_several_items,
        programs_selecting.scene_the_row_is_saved,
        programs_selecting.scene_of_what_the_call_made,
        programs_selecting.scene_tensors_with_gaps,
        programs_selecting_loops.scene_losses_of_all_steps,
        programs_selecting_loops.scene_random_access,
    ],
    ids=lambda scene: scene.__name__[6:],
)
def test_it_checks_itself(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "verify", True)
    session = agree(scene)
    assert any(each.explain().checked_runs for each in session.functions)


@pytest.mark.parametrize(
    "scene",
    [programs_selecting.scene_rows_are_appended, programs_selecting.scene_a_row_that_goes_on],
    ids=lambda scene: scene.__name__[6:],
)
def test_rows_that_outlive_a_turn(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    agree(scene)


def test_a_row_of_cotangents_is_added_in_its_place() -> None:
    def value(*shape: int) -> Value:
        return Value(shape, row_major(shape), np.dtype("float64"), Memory())

    total, made, row, other = value(5, 3), value(5, 3), value(3), value(5, 3)
    number = Scalar(int)
    steps = [
        Compute(UNSELECT, (row, number), {"dim": 0, "shape": (5, 3)}, made),
        Compute(ADD, (made, other), {}, value(5, 3)),
    ]
    sums = Sums(steps, [steps[1].output])
    assert sums.into(total, steps[1].output) is total
    writes = [each for each in sums.steps if isinstance(each, Write)]
    assert [(each.target.shape, each.target.shift) for each in writes] == [
        ((3,), (number, 3)),
        ((5, 3), None),
    ]
    assert not any(getattr(each, "primitive", None) is UNSELECT for each in sums.steps)
    # what somebody else needs is made as it was
    sums = Sums(steps[:1], [made, made])
    sums.into(total, made)
    assert sums.steps[0] is steps[0]


def test_the_trace_can_be_run() -> None:
    f = torch.compile(lambda x, i: x[i] * 2)
    for i in (0, 1, 2, -1):
        f(table(4, 3), i)
    names = namespace()
    exec(f.trace, names)
    for i in (2, -1):
        assert names["trace_1"](i, table(4, 3)).tolist() == (table(4, 3)[i] * 2).tolist()
    with pytest.raises(IndexError):
        names["trace_1"](4, table(4, 3))
