"""Loops whose turns take one of several paths, against the same turns in plain Python."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

from jitgrad.graph.ir import Item, Scalar, Value, Write
from jitgrad.kernels.loops import NotNative, Path, Stop, lower_loop
from jitgrad.kernels.loops import Test as Condition  # pytest would collect it as a test
from tests.kernels import records as r
from tests.kernels.looping import check_paths, compute, plain, scalar_step


class Three:
    """A turn that decides twice: where n is even x grows, else it shrinks or changes its sign."""

    def __init__(self, shape: Any = (3,)) -> None:
        self.x, self.n = plain(shape, "float64"), Scalar(int)
        odd = scalar_step(operator.mod, "{0} % {1}", self.n, 2, kind=int)
        third = scalar_step(operator.mod, "{0} % {1}", self.n, 3, kind=int)
        half = scalar_step(operator.floordiv, "{0} // {1}", self.n, 2, kind=int)
        more = scalar_step(operator.mul, "{0} * {1}", self.n, 3, kind=int)
        most = scalar_step(operator.add, "{0} + {1}", more.output, 1, kind=int)
        grown = compute(r.MUL, self.x, 2.0)
        less = compute(r.ADD, self.x, -1.0)
        scaled = compute(r.MUL, less.output, self.n)
        turned = compute(r.MUL, self.x, -1.0)
        is_odd, by_three = odd.output, third.output
        self.paths = [
            Path(
                [odd, half, grown],
                [Condition(1, is_odd, False, 1)],
                [grown.output, half.output],
                [self.x],
            ),
            Path(
                [odd, third, more, most, less, scaled],
                [Condition(1, is_odd, True, 0), Condition(2, by_three, True, 2)],
                [scaled.output, most.output],
                [self.x, self.n, less.output],
            ),
            Path(
                [odd, third, more, most, turned],
                [Condition(1, is_odd, True, 0), Condition(2, by_three, False, 1)],
                [turned.output, most.output],
            ),
        ]

    def check(self, n: int, **how: Any) -> Any:
        value = np.arange(self.x.size, dtype="float64").reshape(self.x.shape)
        carried = [self.x, self.n]
        return check_paths(carried, carried, self.paths, [value, n], **how)[1]


@pytest.mark.parametrize("shape", [(), (3,), (40, 30)])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_each_turn_takes_its_path(shape, first):
    three = Three(shape)
    for n in (27, 7, 8):
        turns = three.check(n, limit=60, first=first)
        assert turns.finished == 60 and all(turns.counts[:1])


@pytest.mark.parametrize("closed", [{0}, {1}, {2}, {1, 2}])
def test_a_closed_path_is_not_taken(closed):
    turns = Three().check(27, limit=60, closed=closed, first=min({0, 1, 2} - closed))
    assert turns.stop is Stop.TEST
    assert not any(turns.counts[each] for each in closed)


@pytest.mark.parametrize("writes", [False, True])
def test_what_a_closed_path_reads_may_be_missing(writes):
    """Several inputs lie in one memory, and only the paths that are taken have theirs."""
    whole = plain((5,), "float64")
    parts = [Value((2,), (1,), whole.dtype, whole.memory, offset) for offset in (3, 1, 2)]
    x, n = plain((2,), "float64"), Scalar(int)
    more = scalar_step(operator.add, "{0} + {1}", n, 1, kind=int)
    odd = scalar_step(operator.mod, "{0} % {1}", n, 2, kind=int)
    paths = []
    for number, part in enumerate(parts):
        add = compute(r.ADD, x, part)
        steps = [odd, more, add]
        condition = Condition(1, odd.output, bool(number % 2), [2, 2, 1][number])
        if writes:
            # the test comes behind what is written, which is a copy then
            negated = compute(r.MUL, part, -1.0)
            steps = [negated, Write(part, negated.output), *steps]
            condition = condition._replace(position=3)
        paths.append(Path(steps, [condition], [add.output, more.output]))
    loop = lower_loop([*parts, x, n], [x, n], paths)
    block = np.arange(5.0)
    given = [None, block[1:3], block[2:4], np.zeros(2), 0]
    turns = loop.run(given, limit=4, closed={0}, first=1)
    assert turns.finished == 4 and turns.counts == [0, 2, 2]
    expected, held = np.zeros(2), np.arange(5.0)
    for turn in range(4):
        part = held[1:3] if turn % 2 else held[2:4]
        if writes:
            part *= -1.0
        expected += part
    np.testing.assert_array_equal(turns.carried[0], expected)
    np.testing.assert_array_equal(block, held)


@pytest.mark.parametrize("orders", [(0, 1), (1, 0), (1, 2)])
def test_each_path_has_its_own_changes_of_places(orders):
    """They count for all paths, which begin with what the one before has left."""
    a, b, c = (plain((7,)) for _ in range(3))
    count = Scalar(int)
    odd = scalar_step(operator.mod, "{0} % {1}", count, 2, kind=int)
    grown = scalar_step(operator.add, "{0} + {1}", count, 1, kind=int)
    places = [[(a, b), (b, a)], [(a, b), (b, c), (c, a)], []]
    paths = []
    for number, truth in enumerate((False, True)):
        made = compute(r.ADD, a, c) if number else compute(r.MUL, b, 0.5)
        steps = [odd, grown, made, Write(b if number else c, made.output)]
        test = Condition(1, odd.output, truth, 1 - number)
        paths.append(Path(steps, [test], [grown.output], [a], (), places[orders[number]]))
    given = [*(np.arange(7, dtype="float32") + each for each in range(3)), 0]
    for limit in (0, 1, 2, 9):
        check_paths([a, b, c, count], [count], paths, given, limit=limit)


def test_a_test_without_another_path_ends_the_loop():
    three = Three()
    first, second, third = three.paths
    alone = second.tests[1]._replace(instead=None)
    three.paths = [first, second._replace(tests=[second.tests[0], alone]), third]
    turns = three.check(36, limit=60)
    assert turns.test == (1, 1) and turns.counts == [2, 0, 0]
    assert three.check(9, limit=60, first=2).counts[2] == 1


def test_paths_that_point_at_each_other_end():
    """No path takes the turn, and each names the other."""
    n = Scalar(int)
    more = scalar_step(operator.add, "{0} + {1}", n, 1, kind=int)
    same = [scalar_step(operator.eq, "{0} == {1}", n, k, kind=bool) for k in (0, 1)]
    paths = [
        Path([same[k], more], [Condition(1, same[k].output, True, 1 - k)], [more.output])
        for k in (0, 1)
    ]
    for first in (0, 1):
        _, turns = check_paths([n], [n], paths, [0], first=first)
        assert turns.finished == 2 and turns.stop is Stop.TEST


def test_a_turn_that_raises_on_its_path_is_for_python():
    n = Scalar(int)
    more = scalar_step(operator.sub, "{0} - {1}", n, 1, kind=int)
    part = scalar_step(operator.floordiv, "{0} // {1}", 12, n, kind=int)
    large = scalar_step(operator.gt, "{0} > {1}", n, 3, kind=bool)
    paths = [
        Path([large, more], [Condition(1, large.output, True, 1)], [more.output], [n]),
        Path(
            [large, part, more], [Condition(1, large.output, False)], [more.output], [part.output]
        ),
    ]
    _, turns = check_paths([n], [n], paths, [9])
    assert turns.stop is Stop.PYTHON and turns.counts == [6, 3]
    _, turns = check_paths([n], [n], paths, [5], first=1)
    assert turns.test == (1, 0) and not turns.finished


def test_the_tape_of_each_path_grows_up_to_its_limit():
    three = Three()
    loop = lower_loop([three.x, three.n], [three.x, three.n], three.paths, marks=True)
    value = np.zeros(3)
    turns = loop.run([value, 27], limit=5000)
    assert turns.finished == 5000 and sum(turns.counts) == 5000
    assert turns.nbytes < 5000 * 80
    held = loop.run([value, 27], limit=5000, most_bytes=20_000)
    assert held.stop is Stop.MEMORY and 0 < held.finished < 5000
    np.testing.assert_array_equal(held.order, turns.order[: held.finished])
    for mine, theirs in zip(held.tape, turns.tape):
        for found, wanted in zip(mine, theirs):
            np.testing.assert_array_equal(found, wanted[: len(found)])


@pytest.mark.parametrize("limit", [0, 1, 7, 60])
def test_a_loop_goes_the_same_paths_back(limit):
    """The way back reads what each path has kept, in the order of the turns from the last one."""
    three = Three()
    forward = lower_loop([three.x, three.n], [three.x, three.n], three.paths, marks=True)
    turns = forward.run([np.arange(3.0), 27], limit=limit)
    total, w = plain((3,), "float64"), plain((3,), "float64")
    seen = [[plain((3,), "float64")], [plain((3,), "float64"), Scalar(int), plain((3,), "float64")]]
    first = [compute(r.MUL, seen[0][0], w)]
    first.append(compute(r.ADD, total, first[0].output))
    x, n, less = seen[1]
    second = [compute(r.MUL, x, n)]
    second.append(compute(r.ADD, second[0].output, less))
    second.append(compute(r.MUL, total, 0.5))
    second.append(compute(r.ADD, second[1].output, second[2].output))
    third = [compute(r.MUL, total, w)]
    paths = [
        Path(first, [], [first[-1].output], [first[0].output], seen[0]),
        Path(second, [], [second[-1].output], [], seen[1]),
        Path(third, [], [third[-1].output]),
    ]
    records = [[each[::-1] for each in tape] for tape in turns.tape]
    check_paths(
        [total, w], [total], paths, [np.ones(3), np.arange(3.0)], records,
        order=turns.order[::-1],
    )  # fmt: skip


def test_a_test_that_reads_a_tensor_decides_between_paths():
    x = plain((50,), "float32")
    large = compute(r.LESS, x, 100.0, dtype="bool")
    part = compute(r.MUL, x, 1.0)
    every = r.ALL
    from_all = Scalar(bool)
    flag = plain((), "bool")
    all_small = type(part)(every, (large.output,), {"dim": (0,), "keepdim": False}, flag)
    item = Item(flag, from_all)
    doubled, halved = compute(r.MUL, x, 2.0), compute(r.MUL, x, 0.125)
    paths = [
        Path([large, all_small, doubled], [Condition(2, flag, True, 1)], [doubled.output], [x]),
        Path(
            [large, all_small, item, halved],
            [Condition(3, from_all, False, 0)],
            [halved.output],
            [halved.output],
        ),
    ]
    _, turns = check_paths([x], [x], paths, [np.arange(50, dtype="float32")], limit=40)
    assert min(turns.counts) > 5


def test_too_many_paths_are_declined():
    n = Scalar(int)
    more = scalar_step(operator.add, "{0} + {1}", n, 1, kind=int)
    with pytest.raises(NotNative, match="255"):
        lower_loop([n], [n], [Path([more], [], [more.output])] * 256)


def test_what_one_path_writes_another_must_not_share():
    """x and y come to share memory on one path, and the other writes to x."""
    x, y = plain((3,)), plain((3,))
    more = compute(r.ADD, x, 1.0)
    sharing = Path([more], [], [more.output, more.output])
    writing = Path([more, Write(x, more.output)], [], [x, y])
    lower_loop([x, y], [x, y], [sharing])
    with pytest.raises(NotNative, match="come to share memory"):
        lower_loop([x, y], [x, y], [sharing, writing])
