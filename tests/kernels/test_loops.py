"""Loops in native code, against the same turns in plain Python."""

from __future__ import annotations

import contextlib
import math
import operator
import threading

import numpy as np
import pytest

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Value, Write
from jitgrad.kernels.loops import NotNative, Stop, lower_loop
from jitgrad.kernels.loops import Test as Condition  # pytest would collect it as a test
from jitgrad.primitive import Kind, Primitive
from tests.kernels import records as r
from tests.kernels.looping import check, plain
from tests.kernels.test_random_traces import Maker

FLOAT32 = np.dtype("float32")
SHAPES = [(), (3, 5), (1000,)]


def compute(primitive, *inputs, like=None, dtype=None, **params):
    like = like or next(each for each in inputs if isinstance(each, Value))
    return Compute(primitive, inputs, params, plain(like.shape, dtype or like.dtype))


def doubling(shape, dtype="float32", bound=1000.0):
    """Return `while all(abs(b) < bound): b = b * 2`, whose test is at the head."""
    b = plain(shape, dtype)
    size = compute(r.ABS, b)
    small = compute(r.LESS, size.output, bound, dtype="bool")
    everywhere = Compute(
        r.ALL,
        (small.output,),
        {"dim": tuple(range(len(shape))), "keepdim": False},
        plain((), "bool"),
    )
    twice = compute(r.MUL, b, 2)
    test = Condition(3, everywhere.output, True)
    return [size, small, everywhere, twice], b, twice.output, test


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_turns_go_on_until_a_test_fails(shape, dtype):
    steps, b, doubled, test = doubling(shape, dtype)
    value = np.full(shape, 3, dtype)
    _, turns = check(steps, [b], [test], [(b, doubled)], [b, doubled], {}, [value])
    assert turns.finished == 9 and turns.stop is Stop.TEST and turns.test == 0
    np.testing.assert_array_equal(turns.carried[0], np.full(shape, 3 * 2**9, dtype))
    np.testing.assert_array_equal(turns.tape[0].reshape(9, -1)[:, 0], 3 * 2 ** np.arange(9))


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_no_more_turns_than_asked_for(limit):
    steps, b, doubled, test = doubling((4,))
    value = np.ones(4, "float32")
    _, turns = check(steps, [b], [test], [(b, doubled)], [b], {}, [value], limit=limit)
    assert turns.finished == limit and turns.stop is Stop.LIMIT


def test_no_turn_where_the_first_test_fails():
    steps, b, doubled, test = doubling((4,))
    _, turns = check(steps, [b], [test], [(b, doubled)], [b], {}, [np.full(4, 1e6, "float32")])
    assert turns.finished == 0 and turns.test == 0
    assert turns.tape[0].shape == (0, 4)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_nothing_is_seen_of_a_turn_that_is_left(failing):
    """Tests at the head, in the middle and at the end, with writes to carried memory between."""
    x, bounds = plain((5,)), [plain() for _ in range(3)]
    steps, tests = [], []
    for bound in bounds:
        more = compute(r.ADD, x, 1.0)
        total = Compute(r.SUM, (more.output,), {"dim": (0,), "keepdim": False}, plain())
        small = compute(r.LESS, total.output, bound, dtype="bool")
        steps += [more, total, small]
        tests.append(Condition(len(steps), small.output, True))
        steps.append(Write(x, more.output))
    given = [np.arange(5, dtype="float32")]
    given += [np.array(100.0 if k == failing else 1e6, "float32") for k in range(3)]
    _, turns = check(steps, [x, *bounds], tests, [(x, x)], [x], {}, given)
    assert turns.test == failing and turns.finished == (6, 6, 5)[failing]


@pytest.mark.parametrize("shape", SHAPES)
def test_values_change_places(shape):
    a, b, c = plain(shape, "int64"), plain(shape, "int64"), plain(shape, "int64")
    added = compute(r.ADD, a, b)
    carried = [(a, b), (b, added.output)]
    one = np.ones(shape, "int64")
    _, turns = check([added], [a, b], [], carried, [a], {}, [one, one], limit=20)
    assert turns.carried[0].reshape(-1)[0] == 10946
    around = [(a, b), (b, c), (c, a)]
    check([], [a, b, c], [], around, [a, b], {}, [one, 2 * one, 3 * one], limit=7)
    swapped = [(a, b), (b, a), (c, b)]
    check([added], [a, b, c], [], swapped, [added.output], {}, [one, 2 * one, one], limit=4)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("shape", [(), (3, 5), (700,)])
def test_records_are_read_in_both_directions(shape, direction):
    total, entry, factor = plain(shape), plain(shape), Scalar(float)
    product = compute(r.MUL, entry, factor)
    added = compute(r.ADD, total, product.output)
    streams = [
        np.arange(6 * math.prod(shape), dtype="float32").reshape(6, *shape),
        np.linspace(1, 2, 6),
    ]
    _, turns = check(
        [product, added],
        [total, entry, factor],
        [],
        [(total, added.output)],
        [entry, factor],
        {entry: direction, factor: direction},
        [np.zeros(shape, "float32")],
        streams,
        close=1e-6,
    )
    assert turns.finished == 6 and turns.stop is Stop.LIMIT
    np.testing.assert_array_equal(turns.tape[1], streams[1][::direction])


def test_a_loop_backward_reads_the_tape_of_the_loop_forward():
    steps, b, doubled, test = doubling((3,))
    forward = lower_loop(steps, [b], [test], [(b, doubled)], [b], {})
    turns = forward.run([np.array([1.0, 2.0, 3.0], "float32")])
    gradient, seen = plain((3,)), plain((3,))
    back = compute(r.MUL, gradient, 2.0)
    used = compute(r.ADD, back.output, compute(r.MUL, seen, 0.0).output)
    steps = [compute(r.MUL, seen, 0.0), back]
    used = compute(r.ADD, back.output, steps[0].output)
    backward = lower_loop(
        [*steps, used], [gradient, seen], [], [(gradient, used.output)], [], {seen: -1}
    )
    made = backward.run([np.ones(3, "float32")], turns.tape)
    assert made.finished == turns.finished
    np.testing.assert_array_equal(made.carried[0], 2.0**turns.finished)


def test_views_of_carried_memory_see_writes():
    base = Memory()
    x = Value((4, 6), (6, 1), FLOAT32, base)
    turned = Value((6, 4), (1, 6), FLOAT32, base)
    row = Value((6,), (1,), FLOAT32, base, 6)
    twice = compute(r.MUL, row, 2.0)
    total = Compute(r.SUM, (turned,), {"dim": (0,), "keepdim": False}, plain((4,)))
    small = compute(r.LESS, total.output, 5000.0, dtype="bool")
    every = Compute(r.ALL, (small.output,), {"dim": (0,), "keepdim": False}, plain((), "bool"))
    steps = [
        Compute(Primitive("t", Kind.VIEW, lambda a: a.T), (x,), {}, turned),
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


def scalar_step(function, expression, *operands, kind):
    return ScalarCompute(function, expression, operands, Scalar(kind))


def test_numbers_are_carried_kept_and_tested():
    x, count = Scalar(float), Scalar(int)
    twice = scalar_step(operator.mul, "{0} * {1}", x, 2.0, kind=float)
    more = scalar_step(operator.add, "{0} + {1}", count, 1, kind=int)
    small = scalar_step(operator.lt, "{0} < {1}", x, 1000, kind=bool)
    _, turns = check(
        [small, twice, more],
        [x, count],
        [Condition(1, small.output, True)],
        [(x, twice.output), (count, more.output)],
        [x, more.output, small.output],
        {},
        [1.5, 7],
    )
    assert turns.carried == [1536.0, 17] and turns.test == 0
    assert [each.dtype.name for each in turns.tape] == ["float64", "int64", "bool"]


def test_numbers_and_tensors_feed_each_other():
    x, rate = plain((4,)), Scalar(float)
    step = compute(r.MUL, x, rate)
    less = compute(r.SUB, x, step.output)
    total = Compute(r.SUM, (less.output,), {"dim": (0,), "keepdim": False}, plain())
    number = Scalar(float)
    seen = Item(total.output, number)
    slower = scalar_step(operator.truediv, "{0} / {1}", number, 100.0, kind=float)
    going = scalar_step(operator.gt, "{0} > {1}", number, 1.0, kind=bool)
    steps = [step, less, total, seen, going, slower]
    _, turns = check(
        steps,
        [x, rate],
        [Condition(5, going.output, True)],
        [(x, less.output), (rate, slower.output)],
        [rate, x],
        {},
        [np.arange(4, dtype="float32"), 0.25],
        limit=50,
        close=1e-6,
    )
    assert turns.finished == 50


def test_integers_beyond_int64_are_for_python():
    n = Scalar(int)
    squared = scalar_step(operator.mul, "{0} * {1}", n, n, kind=int)
    _, turns = check([squared], [n], [], [(n, squared.output)], [n], {}, [3])
    assert turns.stop is Stop.PYTHON and turns.finished == 5 and turns.carried == [3**32]
    loop = lower_loop([squared], [n], [], [(n, squared.output)], [n], {})
    made = loop.run([2**70])
    assert made.stop is Stop.PYTHON and made.finished == 0 and made.carried == [2**70]
    assert made.tape[0].shape == (0,)
    assert loop.run([3]).finished == 5


def test_a_turn_that_raises_is_for_python():
    x, y = Scalar(float), plain((3,))
    less = scalar_step(operator.sub, "{0} - {1}", x, 1.0, kind=float)
    inverse = scalar_step(operator.truediv, "{0} / {1}", 1, less.output, kind=float)
    grown = compute(r.MUL, y, inverse.output)
    steps = [less, Write(y, compute(r.ADD, y, 1.0).output), inverse, grown]
    steps.insert(1, compute(r.ADD, y, 1.0))
    steps[2] = Write(y, steps[1].output)
    carried = [(x, less.output), (y, grown.output)]
    _, turns = check(steps, [x, y], [], carried, [y], {}, [5.0, np.ones(3, "float32")], close=1e-6)
    assert turns.stop is Stop.PYTHON and turns.finished == 4


def test_loops_run_in_several_threads():
    steps, b, doubled, test = doubling((1000,), "float64", 1e300)
    loop = lower_loop(steps, [b], [test], [(b, doubled)], [b], {})
    wrong = []

    def run(k):
        for _ in range(20):
            turns = loop.run([np.full(1000, float(k))])
            good = turns.carried[0] == k * 2.0**turns.finished
            if turns.stop is not Stop.TEST or not good.all():
                wrong.append(k)

    workers = [threading.Thread(target=run, args=(k,)) for k in range(1, 5)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not wrong


class RandomLoop:
    """A random trace as the turn of a loop."""

    def __init__(self, seed: int) -> None:
        self.maker = Maker(seed)
        self.random = self.maker.random
        with np.errstate(all="ignore"):
            for _ in range(self.random.integers(3, 12)):
                self.maker.step()
        trace = self.maker.trace
        self.steps = trace.steps
        self.inputs = [each.noted for each in trace.inputs]
        self.carried, self.streamed = [], {}
        self.values, self.streams = [], []
        for each, given in zip(self.inputs, trace.given):
            self.use(each, given)
        self.kept = [each.noted for each in self.maker.tensors if self.random.random() < 0.4]
        self.tests = []
        single = [each for each in self.maker.tensors if each.now.size == 1]
        if single:
            chosen = single[self.random.integers(len(single))]
            truth = bool(chosen.now.item()) if self.random.random() < 0.8 else True
            self.tests.append(Condition(len(self.steps), chosen.noted, truth))

    def use(self, each, given):
        """Decide whether an input is carried, read from a record, or the same in every turn."""
        others = [x for x in self.inputs if x is not each and isinstance(x, Value)]
        written = {step.target.memory for step in self.steps if isinstance(step, Write)}
        choice = self.random.random()
        if isinstance(each, Value):
            if each.memory in written or any(each.memory is x.memory for x in others):
                self.carried.append((each, each))
            elif choice < 0.5:
                self.carried.append((each, self.following(each, others)))
            elif choice < 0.75:
                self.streamed[each] = int(self.random.choice([-1, 1]))
                record = self.random.integers(-3, 4, (4, *each.shape)).astype(each.dtype)
                self.streams.append(record)
                return
        self.values.append(given)

    def following(self, each, others):
        """Return what `each` can be in the next turn."""
        form = (each.shape, each.dtype, each.strides)
        fitting = [
            x.noted
            for x in self.maker.tensors
            if (x.noted.shape, x.noted.dtype, x.noted.strides) == form
            and not any(x.noted.memory is other.memory for other in others)
        ]
        return fitting[self.random.integers(len(fitting))]


@pytest.mark.parametrize("seed", range(150))
def test_random_turns(seed):
    loop = RandomLoop(seed)
    native = {getattr(step, "primitive", None) for step in loop.steps}.isdisjoint({r.SORT, r.MM})
    arguments = (
        loop.steps, loop.inputs, loop.tests, loop.carried, loop.kept, loop.streamed
    )  # fmt: skip
    if not native:
        with contextlib.suppress(NotNative):  # where the step is dead
            lower_loop(*arguments)
        return
    with np.errstate(all="ignore"):
        check(*arguments, loop.values, loop.streams, limit=4)


def test_what_numpy_does_is_declined():
    x = plain((3,))
    sort = compute(r.SORT, x)
    with pytest.raises(NotNative, match="sort is done by NumPy"):
        lower_loop([sort], [x], [], [(x, sort.output)], [], {})
