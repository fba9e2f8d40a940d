"""Writes to what has a history are recorded, and cost what is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, loop_reverse
from jitgrad.graph.ir import Compute, Memory, Scalar, Value, Write, operands
from jitgrad.graph.loop_sums import Sums
from jitgrad.kernels.geometry import row_major
from jitgrad.ops.binary import ADD, MUL
from jitgrad.ops.rewriting import PART, PART_BACKWARD, PART_SCATTER
from tests.graph import programs_rewriting, programs_rewriting_loops
from tests.graph.agreement import agree, scenes
from tests.native import needs_native

LEFT_TO_PYTHON = (
    programs_rewriting.scene_a_view_outside_that_is_read_behind,
    programs_rewriting.scene_a_view_that_was_there_before_the_loop,
    programs_rewriting.scene_arguments_that_share_memory,
    programs_rewriting.scene_dtypes_and_shapes,
    programs_rewriting.scene_elements_that_come_twice,
    programs_rewriting.scene_it_raises_behind,
    programs_rewriting.scene_masks_and_lists_of_places,
    programs_rewriting.scene_of_what_the_call_made,
    programs_rewriting.scene_other_orders_of_elements,
    programs_rewriting.scene_others_see_it,
    programs_rewriting.scene_parts_that_are_not_followed,
    programs_rewriting.scene_stored_outside,
    programs_rewriting.scene_views_that_came_in,
)
"""Scenes with something that is not recorded; see `agree` for what comes out."""

RECORDED = [
    each
    for each in scenes("programs_rewriting", "programs_rewriting_loops")
    if each not in LEFT_TO_PYTHON
]


@pytest.mark.parametrize("scene", RECORDED, ids=lambda scene: scene.__name__[6:])
def test_nothing_is_left_to_python(scene: Any) -> None:
    session = agree(scene)
    assert [each.explain().exits for each in session.functions] == [[]] * len(session.functions)


@pytest.mark.parametrize(
    "scene", scenes("programs_rewriting"), ids=lambda scene: scene.__name__[6:]
)
def test_it_checks_itself(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "verify", True)
    session = agree(scene)
    assert any(each.explain().checked_runs for each in session.functions)


IN_PLACE = (
    programs_rewriting_loops.scene_filling,
    programs_rewriting_loops.scene_rows_are_read_behind,
    programs_rewriting_loops.scene_columns,
    programs_rewriting_loops.scene_some_turns_write,
    programs_rewriting_loops.scene_two_tensors,
    programs_rewriting_loops.scene_a_clone_is_rewritten,
)


@pytest.mark.parametrize("scene", IN_PLACE, ids=lambda scene: scene.__name__[6:])
@needs_native
def test_only_parts_of_cotangents_are_written(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    honest = loop_reverse.make_loop

    def make_loop(inputs: Any, carried: Any, paths: Any, *more: Any, **named: Any) -> Any:
        for path in paths:
            for given, output in zip(carried, path.outputs, strict=True):
                if given.size > 90:
                    assert output is given
                    found.append(given.size)
            made = [getattr(each, "output", None) for each in path.steps]
            written = [each.target for each in path.steps if isinstance(each, Write)]
            assert all(each.size < 90 for each in written)
            literals = [each.output for each in path.steps if not getattr(each, "inputs", (1,))]
            assert all(
                each.size < 90 for each in made if isinstance(each, Value) and each not in literals
            )
        return honest(inputs, carried, paths, *more, **named)

    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(loop_reverse, "make_loop", make_loop)
    agree(scene)
    assert found


def value(*shape: int) -> Value:
    return Value(shape, row_major(shape), np.dtype("float64"), Memory())


WHERE = {"distance": 3, "size": (3,), "stride": (1,), "offset": 0}


def scattered(given: Value, row: Value, number: Any) -> Compute:
    return Compute(PART_SCATTER, (given, row, number), WHERE, value(5, 3))


def taken(given: Value, number: Any) -> Compute:
    return Compute(PART, (given, number), WHERE, value(3))


def test_a_part_is_written_behind_what_reads_it() -> None:
    given, zeros, number, other = value(5, 3), value(3), Scalar(int), Scalar(int)
    first = scattered(given, zeros, number)
    before, between = taken(given, number), taken(first.output, other)
    second = scattered(first.output, zeros, other)
    steps = [first, second, between, before]
    sums = Sums(steps, [second.output, before.output, between.output])
    assert sums.become(given, second.output) is given
    shown = [
        ("write", each.target.shift) if isinstance(each, Write) else ("read", operands(each)[1])
        for each in sums.steps
    ]
    assert shown == [
        ("read", number),
        ("write", (number, 3)),
        ("read", other),
        ("write", (other, 3)),
    ]
    assert all(each.inputs[0] is given for each in sums.steps if isinstance(each, Compute))


def test_what_is_added_to_a_part() -> None:
    given, row, number = value(5, 3), value(3), Scalar(int)
    more = Compute(PART_BACKWARD, (row, number), {**WHERE, "shape": (5, 3)}, value(5, 3))
    first = Compute(ADD, (more.output, given), {}, value(5, 3))
    second = scattered(first.output, value(3), 2)
    sums = Sums([more, first, second], [second.output])
    assert sums.become(given, second.output) is given
    add, write, last = sums.steps
    assert isinstance(add, Compute)
    assert isinstance(write, Write)
    assert isinstance(last, Write)
    assert (add.primitive, write.source, write.target.shift) == (ADD, add.output, (number, 3))
    assert (last.target.offset, last.target.shift) == (6, None)


def test_what_cannot_be_written_in_its_place() -> None:
    given, zeros = value(5, 3), value(3)
    first = scattered(given, zeros, 1)
    made = first.output
    both = Compute(MUL, (given, made), {}, value(5, 3))
    shown = Value((3,), (1,), given.dtype, made.memory)
    expanded = Value((5, 3), (0, 0), given.dtype, Memory())
    from_it = scattered(expanded, zeros, 1)
    product = Compute(MUL, (given, 2.0), {}, value(5, 3))
    for steps, outputs, begun in (
        # it is read as it was before and as it is behind, by one step
        ([first, both], [made, both.output], given),
        # somebody else sees it
        ([first], [made, made], given),
        ([first, second := scattered(made, zeros, 2)], [second.output, made], given),
        ([first], [made, shown], given),
        # its elements lie on each other
        ([from_it], [from_it.output], expanded),
        # all of it is another
        ([product], [product.output], given),
    ):
        sums = Sums(steps, outputs)
        assert sums.become(begun, outputs[0]) is outputs[0]
        assert sums.steps == steps


def test_what_does_not_change() -> None:
    given = value(5, 3)
    sums = Sums([], [given])
    assert sums.become(given, given) is given
    assert not sums.steps


@needs_native
def test_a_tape_that_grows_too_large_has_its_history(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.compile
    def f(h, x, n):
        for t in range(n):
            x = x.sin()
            h[t] = x
        return x

    def begun() -> tuple[Any, Any]:
        return torch.zeros(10_000, 2) * 1, torch.ones(2, requires_grad=True)

    for n in (200, 210, 220):
        f(*begun(), n)
    monkeypatch.setattr(config, "max_tape", 4000)
    h, x = begun()
    with pytest.raises(MemoryError):
        f(h, x, 10_000)
    done = int(h[:, 0].count_nonzero())
    assert 100 < done < 10_000
    h.sum().backward()
    wanted, y = torch.ones(2, requires_grad=True), torch.tensor(0.0)
    x_ = wanted
    for _ in range(done):
        x_ = x_.sin()
        y = y + x_.sum()
    y.backward()
    assert x.grad is not None
    assert wanted.grad is not None
    assert x.grad.tolist() == pytest.approx(wanted.grad.tolist(), rel=1e-4)


def test_what_came_in_as_a_view_later_is_no_whole() -> None:
    box = SimpleNamespace(seen=None)

    @torch.compile
    def f(x, w):
        x[1] = w

    for made in (lambda x: x, lambda x: x, lambda x: x.view(3, 2), lambda x: x):
        base, w = torch.ones(3, 2) * 1, torch.ones(2, requires_grad=True)
        box.seen = made(base)
        f(box.seen, w)
        (base * 3).sum().backward()
        assert w.grad is not None
        assert w.grad.tolist() == [3, 3]
