"""Numbers and tensors of one element in loops: straight lines in one kernel, between all else."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

from jitgrad.graph.ir import Item, Scalar, Value, Write
from jitgrad.kernels import numbers
from jitgrad.kernels.loops import Path, Stop, lower_loop
from jitgrad.kernels.loops import Test as Condition  # pytest would collect it as a test
from jitgrad.ops.slicing import SELECT
from jitgrad.primitive import Kind, Primitive
from tests.kernels import records as r
from tests.kernels.looping import check, check_paths, compute, plain, scalar_step
from tests.kernels.random_loops import RandomLoop
from tests.kernels.test_random_traces import Maker

SHAPES = ((), (), (1,), (1, 1), (4,))


@pytest.mark.parametrize("seed", range(150))
def test_random_turns_of_single_elements(seed):
    RandomLoop(Maker(seed, SHAPES), 25).check()


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("seed", range(20))
def test_kernels_end_anywhere(seed, most, monkeypatch):
    monkeypatch.setattr(numbers, "MOST_OPERATIONS", most)
    RandomLoop(Maker(seed, SHAPES), 25).check()


def solver():
    """Return the two paths of a solver that halves its step where it is not exact enough."""
    t, step, y, rate = Scalar(float), Scalar(float), plain((), "float64"), plain((), "float64")
    ahead = scalar_step(operator.add, "{0} + {1}", t, step, kind=float)
    within = scalar_step(operator.lt, "{0} < {1}", ahead.output, 4.0, kind=bool)
    slope = compute(r.MUL, y, rate)
    moved = compute(r.MUL, slope.output, step)
    new = compute(r.ADD, y, moved.output)
    size = compute(r.ABS, moved.output)
    exact = compute(r.LESS, size.output, 0.1, dtype="bool")
    common = [ahead, within, slope, moved, new, size, exact]
    up = scalar_step(operator.mul, "{0} * {1}", step, 1.25, kind=float)
    down = scalar_step(operator.mul, "{0} * {1}", step, 0.5, kind=float)
    inputs = [t, step, y, rate]
    end = Condition(2, within.output, True)
    paths = [
        Path(
            [*common, up],
            [end, Condition(7, exact.output, True, 1)],
            [ahead.output, up.output, new.output],
            [slope.output, step],
        ),
        Path(
            [*common, down],
            [end, Condition(7, exact.output, False, 0)],
            [t, down.output, y],
            [step],
        ),
    ]
    return inputs, inputs[:3], paths


def test_a_turn_of_single_elements_is_one_kernel():
    inputs, carried, paths = solver()
    values = [0.0, 1.0, np.array(1.0), np.array(0.75)]
    loop, turns = check_paths(inputs, carried, paths, values, close=1e-12)
    assert turns.stop is Stop.TEST and turns.test == (0, 0) and min(turns.counts) > 1
    assert loop.native_calls == 1


@pytest.mark.parametrize("before", [True, False])
def test_what_fails_is_left_to_python_unless_a_test_comes_first(before):
    n, x = Scalar(int), plain((), "float64")
    less = scalar_step(operator.sub, "{0} - {1}", n, 1, kind=int)
    part = scalar_step(operator.floordiv, "{0} // {1}", 12, n, kind=int)
    positive = scalar_step(operator.gt, "{0} > {1}", n, 0, kind=bool)
    grown = compute(r.MUL, x, 2.0)
    steps = [part, positive, less, grown] if before else [positive, part, less, grown]
    tests = [Condition(1 if not before else 2, positive.output, True)]
    _, turns = check(
        steps, [n, x], tests, [(n, less.output), (x, grown.output)], [part.output], {},
        [3, np.array(1.0)],
    )  # fmt: skip
    assert turns.finished == 3
    assert turns.stop is (Stop.PYTHON if before else Stop.TEST)


def test_bits_of_a_number_that_is_written():
    """A memory that is written with one dtype is read with another."""
    bits = Primitive("bits", Kind.VIEW, lambda array: array.view(np.int32))
    x = plain((), "float32")
    seen = plain((), "int32", x.memory)
    more = compute(r.ADD, x, 1.5)
    view = compute(bits, x)
    view.output = seen
    read = compute(r.ADD, seen, 1)
    again = compute(r.ADD, x, 0.25)
    last = compute(r.ADD, seen, 0)
    steps = [view, more, Write(x, more.output), read, again, Write(x, again.output), last]
    _, turns = check(
        steps, [x], [], [(x, x)], [read.output, last.output], {}, [np.array(1.0, "float32")],
        limit=5,
    )  # fmt: skip
    assert turns.finished == 5


def test_one_element_of_a_tensor_that_is_read_as_a_whole():
    """An element is written by a kernel of its own, before and behind others that see it."""
    x = plain((4,), "float64")
    first = plain((), "float64", x.memory)
    total = plain((), "float64")
    more = compute(r.ADD, first, 1.0)
    whole = compute(r.SUM, x)
    whole.params = {"dim": (0,), "keepdim": False}
    whole.output = total
    number = Scalar(float)
    scaled = compute(r.MUL, x, number)
    less = scalar_step(math.sqrt, "math.sqrt({0})", number, kind=float)
    going = scalar_step(operator.lt, "{0} < {1}", less.output, 10.0, kind=bool)
    show = compute(Primitive("first", Kind.VIEW, lambda array: array[0, ...]), x)
    show.output = first
    steps = [
        show, more, Write(first, more.output), whole, Item(total, number), less, going, scaled,
        Write(first, total),
    ]  # fmt: skip
    _, turns = check(
        steps, [x], [Condition(7, going.output, True)], [(x, x)], [scaled.output, total], {},
        [np.arange(4.0)], limit=50, close=1e-12,
    )  # fmt: skip
    assert turns.finished > 3 and turns.stop is Stop.TEST


@pytest.mark.parametrize("leaves", ["by a test", "by a failure", "never"])
@pytest.mark.parametrize("looks", [True, False])
def test_what_single_elements_decide_comes_before_what_is_seen(leaves, looks):
    """A tensor doubles itself, behind numbers that may look at it."""
    n, x = Scalar(float), plain((4,), "float64")
    first = plain((), "float64", x.memory)
    show = compute(Primitive("first", Kind.VIEW, lambda array: array[0, ...]), x)
    show.output = first
    less = scalar_step(operator.sub, "{0} - {1}", n, 1.0, kind=float)
    number = Scalar(float)
    twice = compute(r.MUL, x, 2.0)
    last = {
        "by a test": scalar_step(operator.gt, "{0} > {1}", n, 0.0, kind=bool),
        "by a failure": scalar_step(operator.floordiv, "{0} // {1}", 12.0, n, kind=float),
        "never": scalar_step(operator.pos, "+{0}", n, kind=float),
    }[leaves]
    look = [Item(first, number)] if looks else []
    steps = [show, less, last, *look, twice, Write(x, twice.output)]
    tests = [Condition(3, last.output, True)] if leaves == "by a test" else []
    kept = [number, last.output] if looks else [last.output]
    _, turns = check(
        steps, [n, x], tests, [(n, less.output), (x, x)], kept, {}, [3.0, np.ones(4)], limit=10
    )
    assert turns.finished == (10 if leaves == "never" else 3)


@pytest.mark.parametrize("step", [1, -1, 2**40])
def test_an_element_is_read_at_a_position_that_was_found_to_be_one(step):
    x, y, n = plain((5,), "float64"), plain((), "float64"), Scalar(int)
    at = scalar_step(lambda k: range(5)[k], "range(5)[{0}]", n, kind=int)
    seen = compute(SELECT, x, at.output, like=y, dim=0)
    more = compute(r.ADD, y, seen.output)
    following = scalar_step(operator.add, "{0} + {1}", n, step, kind=int)
    steps = [at, seen, more, following]
    loop, turns = check(
        steps, [x, y, n], [], [(y, more.output), (n, following.output)],
        [at.output, seen.output], {}, [np.arange(5.0), np.array(0.0), 0], limit=20,
    )  # fmt: skip
    assert turns.stop is Stop.PYTHON and turns.finished == {1: 5, -1: 6}.get(step, 1)
    # what lies beyond is not read even where LLVM would do it in time
    (kernel,) = loop.kernels
    assert kernel.source.index("return") < kernel.source.index(" * 1]")


def test_elements_at_two_positions_that_may_be_the_same():
    total, t, u = plain((4,), "float64"), Scalar(int), Scalar(int)
    steps = []
    for number, change in ((t, 1.0), (u, 2.0), (t, 3.0)):
        place = Value((), (), total.dtype, total.memory, 0, (number, 1))
        more = compute(r.ADD, place, change)
        twice = compute(r.MUL, more.output, 2.0)
        steps += [more, twice, Write(place, twice.output)]
    path = Path(steps, [], [total], [], [t, u])
    loop = lower_loop([total], [total], [path])
    random = np.random.default_rng(0)
    places = random.integers(0, 4, (2, 30))
    turns = loop.run([np.zeros(4)], [list(places)])
    expected = np.zeros(4)
    for one, other in places.T:
        for place, change in ((one, 1.0), (other, 2.0), (one, 3.0)):
            expected[place] = (expected[place] + change) * 2.0
    np.testing.assert_array_equal(turns.carried[0], expected)
