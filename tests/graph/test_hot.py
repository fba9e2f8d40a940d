"""Programs of whole paths: guessed, checked, and given up; never believed when they are wrong."""

import math

import numpy as np
import pytest

import jitgrad
from jitgrad.graph.heads import SHORT_RUNS
from jitgrad.graph.hot import PATIENCE, WARM
from tests.leaves import leaf


def grow(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    return b if b.sum() > 0 else 100 * b


def branchy(x, w):
    y = x * w
    total = y.sum()
    if y.sum() > 0:
        y = y * y
    else:
        y = y - 1
    if (y * w).sum() > 4:
        total = total + y.exp().sum()
    return total, y


def compare(function, compiled, make):
    """Compare one call and its backward pass, eager and compiled."""
    results = []
    for each in (function, compiled):
        arguments = make()
        outputs = each(*arguments)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        (outputs[0].sum() * 2 + outputs[-1].sum()).backward()
        results.append(
            [*(o.detach().numpy() for o in outputs), *(a.grad.numpy() for a in arguments)]
        )
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, 1e-12)


def first_segment(compiled):
    (candidates,) = compiled.graph.entrance.entries.values()
    return candidates[0]


def test_loop_becomes_hot_and_stays_right():
    compiled = jitgrad.compile(grow)
    for _ in range(SHORT_RUNS + WARM + 3):
        compare(grow, compiled, lambda: [leaf(0.5, 0.25)])
    (hot,) = first_segment(compiled).hot
    last = hot.last
    hits = last.hits
    compare(grow, compiled, lambda: [leaf(0.5, 0.25)])
    assert last.hits == hits + 1
    assert hot.credit == PATIENCE
    # other lengths, signs, values of the same path, and the hot path in between
    for value in (0.51, 3.0, -0.5, 700.0, 0.5, 1e-3, -1e4, 0.5, 0.26, float("nan"), 0.5):
        compare(grow, compiled, lambda value=value: [leaf(value, value / 2)])
    assert first_segment(compiled).hot == (hot,)
    assert 0 < hot.credit < PATIENCE


def test_wrong_guesses_are_given_up():
    compiled = jitgrad.compile(grow)
    for _ in range(SHORT_RUNS + WARM + 3):
        compare(grow, compiled, lambda: [leaf(0.5)])
    (hot,) = first_segment(compiled).hot
    for _ in range(2 * PATIENCE + 3):
        compare(grow, compiled, lambda: [leaf(40.0)])
    assert not first_segment(compiled).hot
    assert hot.last.given_up == 1


@pytest.mark.parametrize("values", [(1.0, 2.0), (-1.0, 0.5), (0.1, 0.1)])
def test_branches_and_two_results(values):
    compiled = jitgrad.compile(branchy)
    weight = (0.5, 1.5)
    for _ in range(SHORT_RUNS + WARM + 3):
        compare(branchy, compiled, lambda: [leaf(*values), leaf(*weight)])
    for other in ((3.0, 1.0), (-3.0, -1.0), (0.0, 0.0), values):
        compare(branchy, compiled, lambda other=other: [leaf(*other), leaf(*weight)])


def test_effects_are_never_guessed():
    log = jitgrad.zeros(1)

    @jitgrad.compile
    def counting(x, log):
        y = x * 2
        with jitgrad.no_grad():
            log += 1
        if y.sum() > 0:
            y = y * 3
        if y.sum() > 100:
            y = y - 1
        return y

    for _ in range(WARM * 3):
        counting(jitgrad.ones(2), log)
    assert log.item() == WARM * 3
    assert not any(each.hot for group in counting.graph.entrance.entries.values() for each in group)


def test_saved_values_are_checked_in_whole_plans():
    @jitgrad.compile
    def chain(x):
        y = x.exp()
        if y.sum() > 0:
            y = y.exp()
        if y.sum() > 0:
            y = y * y
        return y

    for _ in range(WARM + 5):
        x = leaf(0.1, 0.2)
        chain(x).sum().backward()
        inner = np.exp(np.exp(np.array([0.1, 0.2])))
        np.testing.assert_allclose(x.grad.numpy(), 2 * inner**2 * np.exp([0.1, 0.2]), 1e-12)
    y = chain(leaf(0.1, 0.2))
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_what_may_take_any_time_is_not_guessed():
    def weighed(x, order):
        return x * math.factorial(order) if order < 20 else x

    def shifted(x, bits):
        return x * (1 << bits) if bits < 20 else x

    for function in (weighed, shifted):
        compiled = jitgrad.compile(function)
        for number in (2, 3, 4) * WARM:
            assert compiled(jitgrad.ones(1), number).item() == function(1, number)
        # eager computes neither for a number that is this large, which would take for ever
        entries = compiled.graph.entrance.entries.values()
        assert not any(segment.hot for candidates in entries for segment in candidates)
        assert compiled(jitgrad.ones(1), 10**9).item() == 1
