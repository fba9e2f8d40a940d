"""Loops over windows in kernels, against the NumPy implementations of the primitives."""

from __future__ import annotations

import numpy as np
import pytest

from jitgrad.ops.pooling import (
    ADAPTIVE_MAX_PLACES,
    MAX_PLACES,
    MAX_POOL,
    PUT_PLACES,
    TAKE_PLACES,
)
from jitgrad.ops.sliding import count_of
from tests.kernels.tracing import Trace

# (sizes, kernel, stride, padding, dilation, windows beyond what fits)
WINDOWS = {
    "plain": ((6, 8), (2, 2), (2, 2), (0, 0), (1, 1), 0),
    "overlapping": ((7, 9), (3, 2), (1, 2), (0, 0), (1, 1), 0),
    "padded": ((7, 8), (3, 3), (2, 2), (1, 1), (1, 1), 0),
    "dilated": ((9, 9), (2, 3), (1, 2), (1, 2), (3, 2), 0),
    "ceil": ((7, 7), (2, 2), (2, 2), (0, 0), (1, 1), 1),
    "long": ((40,), (11,), (3,), (4,), (1,), 0),
    "volume": ((4, 5, 6), (2, 2, 3), (2, 1, 2), (1, 0, 1), (1, 1, 1), 0),
    "one": ((3, 3), (1, 1), (1, 1), (0, 0), (1, 1), 0),
    "nothing but padding": ((1, 4), (2, 2), (1, 1), (2, 0), (4, 1), 0),
}


def windows(name):
    sizes, kernel, stride, padding, dilation, more = WINDOWS[name]
    pairs = [(each, each) for each in padding]
    counts = tuple(each + more for each in map(count_of, sizes, kernel, stride, pairs, dilation))
    return sizes, {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "counts": counts,
    }


def array(shape, dtype, kind):
    """Return numbers of which many are equal, or NaN, or infinite."""
    made = np.random.default_rng(len(kind)).integers(-2, 3, shape).astype(dtype)
    if kind == "nan":
        made[np.random.default_rng(1).random(shape) < 0.3] = np.nan
    elif kind == "infinite":
        made[made < 2] = -np.inf
    return made


def check(primitive, *arrays, **params):
    trace = Trace()
    return trace.check(trace.compute(primitive, *map(trace.input, arrays), **params))


@pytest.mark.parametrize("kind", ["equal", "nan", "infinite"])
@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("primitive", [MAX_POOL, MAX_PLACES], ids=lambda each: each.name)
def test_largest_elements(primitive, name, kind):
    sizes, params = windows(name)
    program = check(primitive, array((2, 3, *sizes), np.float32, kind), **params)
    assert bool(program.kernels) == (name != "nothing but padding")


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8])
@pytest.mark.parametrize("primitive", [MAX_POOL, MAX_PLACES], ids=lambda each: each.name)
def test_dtypes_and_strides(primitive, dtype):
    _, params = windows("padded")
    check(primitive, array((2, 3, 7, 8), dtype, "equal"), **params)
    check(primitive, array((8, 7, 3, 2), dtype, "equal").T, **params)
    check(primitive, array((0, 3, 7, 8), dtype, "equal"), **params)


@pytest.mark.parametrize("kind", ["equal", "nan", "infinite"])
@pytest.mark.parametrize("counts", [(3, 4), (1, 1), (7, 8)])
def test_windows_that_adapt(counts, kind):
    program = check(ADAPTIVE_MAX_PLACES, array((2, 3, 7, 8), np.float64, kind), counts=counts)
    assert program.kernels


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, np.bool_])
def test_elements_at_places(dtype):
    random = np.random.default_rng(0)
    places = random.integers(0, 20, (2, 3, 2, 3))
    taken = check(TAKE_PLACES, array((2, 3, 4, 5), dtype, "equal"), places)
    put = check(PUT_PLACES, array((2, 3, 2, 3), dtype, "equal"), places, sizes=(4, 5))
    assert taken.kernels and bool(put.kernels) == (dtype is not np.bool_)
    check(PUT_PLACES, array((3, 2, 2, 3), dtype, "equal").swapaxes(0, 1), places, sizes=(4, 5))
