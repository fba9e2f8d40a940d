"""Reductions over each set of dims, of small and large arrays, alone and fused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import jitgrad
from tests.kernels import records as r
from tests.kernels.tracing import Trace

KINDS = {"sum": r.SUM, "prod": r.PROD, "amax": r.AMAX, "amin": r.AMIN, "any": r.ANY, "all": r.ALL}


def subsets(ndim):
    """Yield the non-empty sets of dims."""
    for length in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), length)


def integers(shape, dtype="float32", seed=0, low=-2, high=3):
    """Return small integers, on which arithmetic is exact."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


@pytest.mark.parametrize("dims", list(subsets(3)))
@pytest.mark.parametrize("kind", KINDS)
def test_each_set_of_dims(kind, dims):
    others = ("bool", "float16", "float64", "int64", "uint8") if dims == (0, 2) else ()
    for dtype in ("float32", "int32", *others):
        low = 0 if dtype in ("uint8", "bool") else -1
        for order in ((0, 1, 2), (2, 0, 1)):
            trace = Trace()
            x = trace.input(integers((3, 4, 5), dtype, low=low, high=2).transpose(order))
            outputs = [
                trace.compute(KINDS[kind], x, dim=dims, keepdim=keepdim)
                for keepdim in (False, True)
            ]
            assert trace.check(*outputs).native_calls == 1


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((100_000,), (0,)),
        ((300, 500), (0, 1)),
        ((300, 500), (0,)),
        ((300, 500), (1,)),
        ((7, 3000), (1,)),
        ((40, 30, 50), (0, 2)),
        ((40, 30, 50), (1,)),
        ((2, 100_000), (0,)),
        ((2, 20, 1000), (0, 1)),
    ],
)
def test_large_arrays(shape, dims):
    for turned in (False, True):
        trace = Trace()
        array = integers(shape)
        x = trace.input(np.asfortranarray(array) if turned else array)
        y = trace.compute(r.MUL, x, 2.0)
        total = trace.compute(r.SUM, y, dim=dims, keepdim=False)
        largest = trace.compute(r.AMAX, y, dim=dims, keepdim=False)
        after = trace.compute(r.SUB, total, largest)
        trace.check(y, total, largest, after)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    ("shape", "dims"), [((3_000_000,), (0,)), ((2000, 700), (0,)), ((3, 400_000), (1,))]
)
def test_sums_err_no_more_than_pairwise_summation(dtype, shape, dims):
    array = (np.random.default_rng(0).random(shape) / 100).astype(dtype)
    trace = Trace()
    x = trace.input(array)
    total = trace.compute(r.SUM, x, dim=dims, keepdim=False)
    (made,) = trace.lower(total).run(array)
    wide = array.astype(np.longdouble)
    exact = wide.sum(axis=dims)
    length = np.prod([shape[dim] for dim in dims])
    bound = np.finfo(dtype).eps * (2 + (0 if dtype == "float16" else np.log2(length) / 2))
    assert (abs(made - exact) <= bound * np.abs(wide).sum(axis=dims)).all()


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (200, 3000), (3, 1)])
def test_softmax_is_one_kernel(shape):
    trace = Trace()
    x = trace.input(np.random.default_rng(0).standard_normal(shape).astype("float32"))
    largest = trace.compute(r.AMAX, x, dim=(1,), keepdim=True)
    shifted = trace.compute(r.SUB, x, largest)
    powers = trace.compute(r.EXP, shifted)
    total = trace.compute(r.SUM, powers, dim=(1,), keepdim=True)
    shares = trace.compute(r.DIV, powers, total)
    program = trace.check(shares, close=2e-6)
    assert program.native_calls == 1


def test_a_norm_and_a_comparison_are_one_kernel():
    for shape in ((), (1000,), (30, 40)):
        trace = Trace()
        a = trace.input(integers(shape, low=1))
        b = trace.compute(r.MUL, a, 2.0)
        square = trace.compute(r.MUL, b, b)
        total = trace.compute(r.SUM, square, dim=tuple(range(len(shape))), keepdim=False)
        small = trace.compute(r.LESS, trace.compute(r.SQRT, total), 1000.0)
        assert trace.check(b, small).native_calls == 1


def test_sums_of_infinities_and_nan():
    for values in ([np.inf, 1], [np.inf, -np.inf], [np.nan, 1], [-np.inf, -np.inf]):
        for length in (2, 5000, 200_000):
            for dtype in ("float32", "float64"):
                array = np.ones(length, dtype)
                array[[0, -1]] = values
                trace = Trace()
                x = trace.input(array)
                trace.check(trace.compute(r.SUM, x, dim=(0,), keepdim=False))


@pytest.mark.parametrize("kind", [r.AMAX, r.AMIN])
def test_extremes_pass_nan_on(kind):
    for length in (3, 5000, 100_000):
        array = np.ones(length, "float32")
        array[length // 2] = np.nan
        trace = Trace()
        trace.check(trace.compute(kind, trace.input(array), dim=(0,), keepdim=False))


def test_empty_sums_are_the_beginning():
    trace = Trace()
    x = trace.input(np.empty((0, 3), "float32"))
    trace.check(
        trace.compute(r.SUM, x, dim=(0,), keepdim=False),
        trace.compute(r.SUM, x, dim=(1,), keepdim=True),
        trace.compute(r.ALL, x, dim=(0, 1), keepdim=False),
    )


def test_a_number_changed_in_place_beside_a_long_loop_changes_once():
    trace = Trace()
    number = trace.input(np.array(2.0, "float32"))
    x = trace.input(np.ones(300_000, "float32"))
    twice = trace.compute(r.MUL, number, 2.0)
    trace.write(number, twice)
    y = trace.compute(r.EXP, trace.compute(r.SUB, trace.compute(r.MUL, x, number), 4.0))
    total = trace.compute(r.SUM, y, dim=(0,), keepdim=False)
    trace.write(number, trace.compute(r.ADD, number, total))
    trace.check(y, total)


def test_what_is_reduced_is_read_before_it_is_overwritten():
    for dims in ((0,), (1,), (0, 1)):
        trace = Trace()
        x = trace.input(integers((30, 40)))
        total = trace.compute(r.SUM, x, dim=dims, keepdim=False)
        largest = trace.compute(r.AMAX, x, dim=dims, keepdim=False)
        trace.write(x, trace.compute(r.MUL, x, 2.0))
        trace.check(total, largest, trace.compute(r.SUM, x, dim=dims, keepdim=True))


def test_dims_of_size_one_are_dropped_or_kept():
    for shape, dims in (((1, 3), (0,)), ((3, 1), (1,)), ((2, 1, 3), (1, 2)), ((1, 1), (0, 1))):
        for keepdim in (False, True):
            for kind in (r.SUM, r.ANY):
                trace = Trace()
                x = trace.input(integers(shape))
                trace.check(trace.compute(kind, x, dim=dims, keepdim=keepdim))


@pytest.mark.parametrize("name", ["sum", "nansum", "prod", "mean", "amax", "amin", "any", "all"])
def test_one_element_is_not_always_its_own_reduction(name):
    """A sum begins with 0.0, so that it is never -0.0; and NaN may be left out."""

    def reduced(x):
        return getattr(x * 1, name)(0), getattr(x, name)(0)

    compiled = jitgrad.compile(reduced)
    for value in (-0.0, 0.0, np.nan, np.inf, -2.0):
        x = jitgrad.tensor([[value]], dtype=jitgrad.float64)
        for _ in range(3):
            for found, wanted in zip(compiled(x), reduced(x)):
                assert (found + 0).numpy().tobytes() == (wanted + 0).numpy().tobytes()
                assert np.array_equal(np.signbit(found.numpy()), np.signbit(wanted.numpy()))
