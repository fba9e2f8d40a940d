"""Loops in native code, against the same turns in plain Python."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, Value, Write
from jitgrad.kernels.loops import NotNative, Stop, lower_loop
from jitgrad.kernels.loops import Test as Condition  # pytest would collect it as a test
from jitgrad.primitive import Kind, Loops, Primitive
from tests.kernels import records as r
from tests.kernels.looping import (
    FLOAT32,
    SHAPES,
    TRANSPOSE,
    check,
    compute,
    doubling,
    one_path,
    plain,
    reduced,
    scalar_step,
)
from tests.kernels.random_loops import RandomLoop
from tests.kernels.test_random_traces import Maker


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
        total = reduced(r.SUM, more.output)
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
    forward = lower_loop(*one_path(steps, [b], [test], [(b, doubled)], [b]))
    turns = forward.run([np.array([1.0, 2.0, 3.0], "float32")])
    gradient, seen = plain((3,)), plain((3,))
    back = compute(r.MUL, gradient, 2.0)
    steps = [compute(r.MUL, seen, 0.0), back]
    used = compute(r.ADD, back.output, steps[0].output)
    parts = one_path([*steps, used], [gradient, seen], [], [(gradient, used.output)], [], [seen])
    backward = lower_loop(*parts)
    made = backward.run([np.ones(3, "float32")], [[turns.tape[0][0][::-1]]])
    assert made.finished == turns.finished
    np.testing.assert_array_equal(made.carried[0], 2.0**turns.finished)


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
    total = reduced(r.SUM, less.output)
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
    loop = lower_loop(*one_path([squared], [n], [], [(n, squared.output)], [n]))
    made = loop.run([2**70])
    assert made.stop is Stop.PYTHON and made.finished == 0 and made.carried == [2**70]
    assert made.tape[0][0].shape == (0,)
    assert loop.run([3]).finished == 5


def test_a_turn_that_raises_is_for_python():
    x, y = Scalar(float), plain((3,))
    less = scalar_step(operator.sub, "{0} - {1}", x, 1.0, kind=float)
    inverse = scalar_step(operator.truediv, "{0} / {1}", 1, less.output, kind=float)
    grown = compute(r.MUL, y, inverse.output)
    more = compute(r.ADD, y, 1.0)
    steps = [less, more, Write(y, more.output), inverse, grown]
    carried = [(x, less.output), (y, grown.output)]
    _, turns = check(steps, [x, y], [], carried, [y], {}, [5.0, np.ones(3, "float32")], close=1e-6)
    assert turns.stop is Stop.PYTHON and turns.finished == 4


@pytest.mark.parametrize("seed", range(150))
def test_random_turns(seed):
    RandomLoop(Maker(seed)).check()


def test_numbers_that_are_not_there_are_declined():
    x, other = Scalar(int), Scalar(int)
    more = scalar_step(operator.add, "{0} + {1}", x, 1, kind=int)
    known = scalar_step(operator.eq, "{0} == {1}", more.output, 1, kind=bool)
    unknown = scalar_step(operator.eq, "{0} == {1}", other, 1, kind=bool)
    again = [(x, more.output)]
    lower_loop(*one_path([more, known], [x], [Condition(2, known.output, True)], again))
    for steps, tests, kept in (
        ([known, more], [], ()),
        ([more, unknown], [], ()),
        ([more, known], [Condition(1, known.output, True)], ()),
        ([more], [Condition(1, other, True)], ()),
        ([more], [], (other,)),
    ):
        with pytest.raises(NotNative, match="not there"):
            lower_loop(*one_path(steps, [x], tests, again, kept))


def test_what_numpy_does_is_declined():
    x = plain((3,))
    sort = compute(r.SORT, x)
    with pytest.raises(NotNative, match="sort is done by NumPy"):
        lower_loop(*one_path([sort], [x], [], [(x, sort.output)], []))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(2, 3), (1, 1), (7, 1), (1, 30), (12, 17), (64, 40)])
def test_products_of_matrices(sizes, dtype):
    """x = (w @ x @ v.T) / n, with operands of every layout."""
    m, n = sizes
    x, w, v = plain((m, n), dtype), plain((m, m), dtype), plain((n, n), dtype)
    turned = Value((n, n), (1, n), v.dtype, v.memory)
    left = Compute(r.MM, (w, x), {}, plain((m, n), dtype))
    view = Compute(TRANSPOSE, (v,), {}, turned)
    right = Compute(r.MM, (left.output, turned), {}, plain((m, n), dtype))
    less = compute(r.MUL, right.output, 1 / (m * n))
    random = np.random.default_rng(0)
    values = [random.normal(size=each.shape).astype(dtype) for each in (x, w, v)]
    check(
        [left, view, right, less], [x, w, v], [], [(x, less.output)], [left.output], {}, values,
        limit=3, close=1e-4,
    )  # fmt: skip


def test_products_of_batches_and_of_strided_matrices():
    x = Value((4, 20, 30), (0, 1, 20), FLOAT32, Memory())
    y = Value((4, 30, 10), (1200, 20, 2), FLOAT32, Memory())
    target = Value((4, 20, 10), (200, 1, 20), FLOAT32, Memory())
    small = Value((4, 2, 3), (1200, 20, 2), FLOAT32, y.memory, 20)
    turned = Value((4, 3, 2), (1200, 2, 20), FLOAT32, y.memory, 20)
    tiny = Compute(r.MM, (small, turned), {}, plain((4, 2, 2)))
    steps = [
        Compute(r.MM, (x, y), {}, target),
        Compute(Primitive("part", Kind.VIEW, lambda a: a[:, 1:3, :3]), (y,), {}, small),
        Compute(Primitive("mT", Kind.VIEW, lambda a: a.swapaxes(1, 2)), (small,), {}, turned),
        tiny,
    ]
    random = np.random.default_rng(0)
    given = [random.normal(size=(4, 20, 30)), random.normal(size=(4, 30, 10))]
    given[0][:] = given[0][0]
    values = [each.astype("float32") for each in given]
    kept = [target, tiny.output]
    check(steps, [x, y], [], [], kept, {}, values, limit=2, close=1e-4)


def test_a_tape_that_grows_up_to_its_limit():
    x = plain((3,), "int64")
    more = compute(r.ADD, x, 1)
    loop = lower_loop(*one_path([more], [x], [], [(x, more.output)], [x, more.output]))
    value = np.arange(3)
    turns = loop.run([value], limit=10_000)
    expected = np.arange(10_000)[:, None] + value
    np.testing.assert_array_equal(turns.tape[0][0], expected)
    np.testing.assert_array_equal(turns.tape[0][1], expected + 1)
    turns = loop.run([value], limit=10_000, most_bytes=48 * 70 + 5)
    assert turns.stop is Stop.MEMORY and turns.finished == 70
    np.testing.assert_array_equal(turns.tape[0][0], expected[:70])
    np.testing.assert_array_equal(turns.carried[0], value + 70)
    assert loop.run([value], limit=10, most_bytes=0).finished == 0


def test_a_kernel_that_declines_leaves_the_turn_to_python():
    body = """
for i in range(first, last):
    if a0[i] > 100.0:
        declined[0] = 1
    out[i] = a0[i] + a0[i]
"""
    picky = Primitive(
        "picky",
        Kind.OPAQUE,
        lambda array: array + array,
        loops=lambda out, array: Loops(body, 4, 4.0, declines=True),
    )
    x = plain((4,))
    steps = [compute(picky, x)]
    loop = lower_loop(*one_path(steps, [x], [], [(x, steps[0].output)], [x]))
    turns = loop.run([np.array([1, 2, 3, 4], "float32")], limit=50)
    assert turns.stop is Stop.PYTHON and turns.finished == 5
    np.testing.assert_array_equal(turns.carried[0], [32, 64, 96, 128])
    assert loop.run([np.zeros(4, "float32")], limit=50).finished == 50


@pytest.mark.parametrize(
    ("shape", "strides"), [((3, 4), (1, 3)), ((3, 4), (4, 0)), ((4,), (-1,)), ((3,), (5,))]
)
def test_records_of_every_layout(shape, strides):
    x = Value(shape, strides, FLOAT32, Memory())
    made = Compute(r.ADD, (x, 1.0), {}, plain(shape))
    record = np.arange(5 * math.prod(shape), dtype="float32").reshape(5, *shape)
    if 0 in strides:
        record[:] = record[..., :1]
    kept = [x, made.output]
    _, turns = check([made], [x], [], [], kept, {x: -1}, [], [record])
    check([made], [x], [], [], [made.output], {x: 1}, [], [turns.tape[0]])
