"""Memory that native loops write: seen through views, in its place, and changing places."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from jitgrad.graph.ir import Compute, Memory, Scalar, Value, Write
from jitgrad.kernels.loops import NotNative, Stop, lower_loop
from jitgrad.kernels.loops import Test as Condition  # pytest would collect it as a test
from jitgrad.primitive import Kind, Primitive
from tests.kernels import records as r
from tests.kernels.looping import (
    FLOAT32,
    SHAPES,
    TRANSPOSE,
    check,
    compute,
    one_path,
    plain,
    reduced,
    scalar_step,
)


def test_views_of_carried_memory_see_writes():
    base = Memory()
    x = Value((4, 6), (6, 1), FLOAT32, base)
    turned = Value((6, 4), (1, 6), FLOAT32, base)
    row = Value((6,), (1,), FLOAT32, base, 6)
    twice = compute(r.MUL, row, 2.0)
    total = reduced(r.SUM, turned, (0,))
    small = compute(r.LESS, total.output, 5000.0, dtype="bool")
    every = reduced(r.ALL, small.output)
    steps = [
        Compute(TRANSPOSE, (x,), {}, turned),
        twice,
        Write(row, twice.output),
        total,
        small,
        every,
    ]
    given = np.arange(24, dtype="float32").reshape(4, 6)
    tests = [Condition(6, every.output, True)]
    _, turns = check(steps, [x, row], tests, [(x, x), (row, row)], [turned], {}, [given, given[1]])
    assert np.shares_memory(turns.carried[0], turns.carried[1])
    assert turns.finished == 6


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_stays_is_written_in_its_place(shape, behind):
    """The test decides by what was written before, in this turn or in the one before."""
    x = plain(shape)
    more = compute(r.ADD, x, 1.0)
    write = Write(x, more.output)
    least = compute(r.MUL, x, 0.5)
    small = compute(r.LESS, least.output, 3.0, dtype="bool")
    everywhere = reduced(r.ALL, small.output)
    steps = [least, small, everywhere]
    steps = [more, write, *steps] if behind else [*steps, more, write]
    test = Condition(steps.index(everywhere) + 1, everywhere.output, True)
    _, turns = check(steps, [x], [test], [], [x, more.output], {}, [np.zeros(shape, "float32")])
    assert turns.finished == (5 if behind else 6) and turns.stop is Stop.TEST


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 8, 300])
@pytest.mark.parametrize("shape", SHAPES)
def test_buffers_change_places(shape, limit):
    a, b, c, d = (plain(shape, "int64") for _ in range(4))
    given = [np.full(shape, each) for each in (1, 2, 3, 4)]
    added = compute(r.ADD, b, a)
    more = compute(r.ADD, c, 1)
    steps = [added, Write(b, added.output), more, Write(c, more.output)]
    for places in ([(a, b), (b, a)], [(a, b), (b, c), (c, a)], [(a, d), (d, b), (b, a), (c, c)]):
        how = {"limit": limit, "exchanged": places}
        _, turns = check(steps, [a, b, c, d], [], [], [a, b], {}, given, **how)
        assert turns.finished == limit


@pytest.mark.parametrize("behind", [False, True])
def test_parts_of_buffers_change_places(behind):
    """A test that fails has let nothing change its place, whatever was written before."""
    a, b, bound = plain((6, 3)), plain((6, 3)), plain()
    down = Value((5, 3), (3, 1), FLOAT32, a.memory, 3)
    up = Value((5, 3), (3, 1), FLOAT32, b.memory, 0)
    shown = [
        Compute(Primitive("part", Kind.VIEW, lambda array: array[1:]), (a,), {}, down),
        Compute(Primitive("part", Kind.VIEW, lambda array: array[:-1]), (b,), {}, up),
    ]
    more = compute(r.ADD, down, up)
    write = Write(up, more.output)
    total = reduced(r.SUM, b if behind else a)
    small = compute(r.LESS, total.output, bound, dtype="bool")
    steps = [*shown, more, write, total, small]
    steps = steps if behind else [total, small, *shown, more, write]
    test = Condition(steps.index(small) + 1, small.output, True)
    given = [np.ones((6, 3), "float32"), np.zeros((6, 3), "float32"), np.array(90, "float32")]
    places = [(a, b), (b, a)]
    how = {"limit": 50, "exchanged": places}
    _, turns = check(steps, [a, b, bound], [test], [], [b], {}, given, **how)
    assert turns.stop is Stop.TEST and 2 < turns.finished < 20


def test_what_cannot_change_places_is_declined():
    a, b, c = plain((3,)), plain((3,)), plain((3,))
    more = compute(r.ADD, a, 1.0)
    cases = [
        ([a, b, c], [], [(a, b), (b, c)], "in a circle"),
        ([a, b], [], [(a, c), (c, a)], "is carried"),
        ([a, b], [(b, b)], [(a, b), (b, a)], "is carried"),
        ([a, b, Value((2,), (1,), FLOAT32, b.memory, 1)], [], [(a, b), (b, a)], "shares its"),
    ]
    cases += [
        ([a, other], [], [(a, other), (other, a)], "lie alike")
        for other in (plain((4,)), plain((3,), "int32"), Value((3,), (2,), FLOAT32, Memory()))
    ]
    whole = Value((6,), (1,), FLOAT32, a.memory, 0)
    view = Compute(TRANSPOSE, (a,), {}, whole)
    for inputs, carried, exchanged, reason in cases:
        with pytest.raises(NotNative, match=reason):
            lower_loop(*one_path([more], inputs, [], carried, exchanged=exchanged))
    with pytest.raises(NotNative, match="beyond"):
        lower_loop(*one_path([view], [a, b], [], [], exchanged=[(a, b), (b, a)]))


def test_large_tensors_are_not_copied_for_a_test():
    x = plain((5000,))
    more = compute(r.ADD, x, 1.0)
    total = reduced(r.SUM, x)
    small = compute(r.LESS, total.output, 3.0, dtype="bool")
    steps = [more, Write(x, more.output), total, small]
    with pytest.raises(NotNative, match="large"):
        lower_loop(*one_path(steps, [x], [Condition(4, small.output, True)], []))


def test_a_turn_that_fails_has_written_nothing():
    x, count = plain((3,)), Scalar(int)
    more = compute(r.ADD, x, 1.0)
    grown = scalar_step(operator.mul, "{0} * {1}", count, 2**20, kind=int)
    again = compute(r.MUL, x, 2.0)
    steps = [more, Write(x, more.output), grown, again, Write(x, again.output)]
    carried = [(count, grown.output)]
    _, turns = check(steps, [x, count], [], carried, [x], {}, [np.ones(3, "float32"), 1])
    assert turns.finished == 3 and turns.stop is Stop.PYTHON


def test_what_aliases_otherwise_in_the_next_turn_is_declined():
    x, y, w = (plain((3,)) for _ in range(3))
    more = compute(r.ADD, x, 1.0)
    write = Write(x, more.output)
    whole = Value((6,), (1,), FLOAT32, x.memory, 0)
    cases = [
        ([more, write], [x, y], [(y, x)], [], "one that stays"),
        ([more, write], [x, y], [(x, y), (y, y)], [], "come to share memory"),
        ([more, write], [x, w], [(x, w)], [], "one that stays"),
        ([more], [x, Value((2,), (1,), FLOAT32, x.memory, 1)], [(x, x)], [], "shares memory"),
        ([more], [x], [(x, plain((4,)))], [], "shape"),
        ([Compute(TRANSPOSE, (x,), {}, whole)], [x], [(x, x)], [whole], "beyond"),
        ([more], [x], [(x, Scalar(float))], [], "becomes a tensor"),
    ]
    for steps, inputs, carried, kept, reason in cases:
        with pytest.raises(NotNative, match=reason):
            lower_loop(*one_path(steps, inputs, [], carried, kept))
