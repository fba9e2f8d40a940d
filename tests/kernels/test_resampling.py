"""Weighted sums along a dimension, and borders, in kernels against the NumPy implementations."""

from __future__ import annotations

import numpy as np
import pytest

from jitgrad.ops.padding import PAD
from jitgrad.ops.resampling import RESAMPLE, RESAMPLE_BACK
from tests.kernels.tracing import Trace

# (rule, old size, new size)
RULES = {
    "average": (("average", 2, 2, 0, True), 8, 4),
    "padded average": (("average", 3, 2, 1, False), 7, 4),
    "sum": (("sum", 3, 1, 0), 6, 4),
    "adaptive": (("adaptive",), 7, 3),
    "nearest": (("nearest", 0.5, 0.0), 4, 8),
    "linear": (("linear", False, 0.5), 5, 10),
    "cubic": (("cubic", True, 0.4), 5, 11),
    "smoothed": (("smoothed", 2.5, False), 10, 4),
    "reflect": (("reflect", 2), 5, 9),
    "circular": (("circular", 2, 1), 5, 8),
}


def array(shape, dtype):
    made = np.random.default_rng(0).standard_normal(shape) * 8
    return made.astype(dtype)


def check(primitive, *operands, close=0.0, **params):
    trace = Trace()
    given = [trace.input(each) if isinstance(each, np.ndarray) else each for each in operands]
    return trace.check(trace.compute(primitive, *given, **params), close=close)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("name", RULES)
def test_sums_along_a_dimension(name, dim, dtype):
    rule, old, new = RULES[name]
    close = 1e-6 if dtype == "float32" else 1e-14
    for primitive, held, size in ((RESAMPLE, old, new), (RESAMPLE_BACK, new, old)):
        shape = [3, 2, 4]
        shape[dim] = held
        params = {"dim": dim, "rule": rule, "size": size}
        program = check(primitive, array(shape, dtype), close=close, **params)
        if name in ("padded average", "linear", "cubic", "smoothed"):
            assert bool(program.kernels) == (dtype != "float16")
        turned = array(shape[::-1], dtype).T
        check(primitive, turned, close=close, **params)


PADDINGS = [((1, 2),), ((0, 0), (3, 0)), ((-1, 2), (1, -2)), ((1, 1), (2, 0), (0, -1))]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_borders(padding, dtype):
    x = array((2, 3, 4, 5), dtype)
    assert check(PAD, x, 0, padding=padding).kernels
    check(PAD, x.T, 1, padding=padding)
    made = check(PAD, x, 2.5, padding=padding)
    assert bool(made.kernels) == (dtype.startswith("float"))
    check(PAD, x[:0], 0, padding=padding)


def test_borders_of_numbers_of_run_time():
    trace = Trace()
    x, value = trace.input(array((3, 4), "float32")), trace.number(1.5)
    assert trace.check(trace.compute(PAD, x, value, padding=((1, 1),))).kernels


def test_nothing_is_kept():
    check(PAD, array((3, 4), "float32"), 1.0, padding=((-4, 2),))
