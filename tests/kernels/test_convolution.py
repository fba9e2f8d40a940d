"""Correlations in kernels, against the NumPy implementations of the primitives."""

from __future__ import annotations

import numpy as np
import pytest

from jitgrad.kernels import correlation
from jitgrad.ops.convolution import CONVOLUTION, CONVOLUTION_INPUT, CONVOLUTION_WEIGHT
from jitgrad.ops.sliding import count_of, fitted
from jitgrad.primitive import Kind
from tests.kernels.tracing import Trace

# (samples, channels in, channels out, sizes, kernel, stride, padding, dilation, groups)
SHAPES = {
    "plain": (2, 3, 5, (6, 7), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "many channels": (2, 9, 19, (5, 5), (3, 3), (1, 1), (0, 0), (1, 1), 1),
    "1x1": (3, 4, 6, (4, 5), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "strided 1x1": (1, 4, 6, (5, 5), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    "strided": (2, 2, 4, (9, 8), (3, 3), (2, 3), (1, 2), (1, 1), 1),
    "dilated": (2, 2, 4, (9, 9), (3, 2), (1, 1), (2, 1), (2, 3), 1),
    "strided and dilated": (1, 2, 3, (11, 9), (3, 3), (2, 2), (1, 1), (3, 2), 1),
    "groups": (2, 6, 9, (5, 6), (3, 3), (1, 1), (1, 1), (1, 1), 3),
    "depthwise": (2, 5, 10, (7, 6), (3, 3), (1, 2), (1, 1), (1, 1), 5),
    "even": (1, 2, 2, (6, 6), (4, 2), (1, 1), (2, 0), (1, 1), 1),
    "stride above kernel": (2, 2, 3, (10, 10), (2, 1), (4, 3), (0, 1), (1, 1), 1),
    "rest is not read": (1, 1, 1, (8, 8), (3, 3), (3, 3), (0, 0), (1, 1), 1),
    "line": (2, 3, 4, (12,), (5,), (2,), (2,), (1,), 1),
    "volume": (2, 2, 3, (5, 4, 6), (2, 3, 2), (1, 2, 1), (1, 0, 1), (2, 1, 1), 1),
    "wide": (1, 1, 2, (3, 200), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "one sample": (1, 2, 40, (5, 5), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "nothing but padding": (1, 1, 1, (1, 1), (2, 2), (1, 1), (2, 2), (4, 4), 1),
}
CLOSE = {"float32": 2e-5, "float64": 1e-12}


def case(name, dtype, seed=0):
    """Return input, weight, bias, cotangent, and the parameters."""
    samples, inside, outside, sizes, kernel, stride, low, dilation, groups = SHAPES[name]
    random = np.random.default_rng(seed)
    pairs = [(each, each) for each in low]
    counts = tuple(map(count_of, sizes, kernel, stride, pairs, dilation))
    highs = map(fitted, sizes, kernel, stride, low, dilation, counts)

    def made(*shape):
        return random.standard_normal(shape).astype(dtype)

    params = {
        "stride": stride,
        "padding": tuple(zip(low, highs)),
        "dilation": dilation,
        "groups": groups,
    }
    x, weight = made(samples, inside, *sizes), made(outside, inside // groups, *kernel)
    return x, weight, made(outside), made(samples, outside, *counts), params


def operands(primitive, x, weight, bias, g):
    return {
        CONVOLUTION: (x, weight, bias),
        CONVOLUTION_INPUT: (g, weight),
        CONVOLUTION_WEIGHT: (g, x),
    }[primitive]


def check(primitive, arrays, params, close):
    """Compare the kernels with NumPy; return the program."""
    trace = Trace()
    made = trace.compute(primitive, *map(trace.input, arrays), **params)
    return trace.check(made, close=close)


PRIMITIVES = pytest.mark.parametrize(
    "primitive", [CONVOLUTION, CONVOLUTION_INPUT, CONVOLUTION_WEIGHT], ids=lambda each: each.name
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHAPES)
@PRIMITIVES
def test_agrees_with_numpy(primitive, name, dtype):
    *arrays, params = case(name, dtype)
    program = check(primitive, operands(primitive, *arrays), params, CLOSE[dtype])
    assert "numpy_convolution" not in program.source.split("if ")[0]
    assert program.kernels


@PRIMITIVES
def test_without_bias_and_strided_operands(primitive):
    *arrays, params = case("plain", "float64")
    x, weight, _, g = (np.moveaxis(np.moveaxis(each, 0, -1).copy(), -1, 0) for each in arrays)
    given = {CONVOLUTION: (x, weight)}.get(primitive) or operands(primitive, x, weight, None, g)
    assert not given[0].flags.c_contiguous
    check(primitive, given, params, 1e-12)
    check(primitive, [each[..., ::-1] for each in given], params, 1e-12)


@PRIMITIVES
def test_infinite_elements_are_as_in_numpy(primitive):
    *arrays, params = case("strided", "float32")
    for k in range(4):
        given = [each.copy() for each in operands(primitive, *arrays)]
        which = given[k % len(given)]
        which.reshape(-1)[0 if k < 2 else -1] = np.inf
        trace = Trace()
        made = trace.compute(primitive, *map(trace.input, given), **params)
        found = trace.lower(made).run(*trace.arguments())[0]
        finite = np.isfinite(made.now)
        np.testing.assert_array_equal(np.isfinite(found), finite)
        np.testing.assert_allclose(found, made.now, 2e-5, 2e-5)


@PRIMITIVES
@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_other_dtypes_are_left_to_numpy(primitive, dtype):
    *arrays, params = case("plain", dtype)
    program = check(primitive, operands(primitive, *arrays), params, 0.0)
    assert not program.kernels


def test_no_samples():
    x, weight, bias, g, params = case("plain", "float32")
    check(CONVOLUTION, (x[:0], weight, bias), params, 0.0)
    check(CONVOLUTION_INPUT, (g[:0], weight), params, 0.0)
    check(CONVOLUTION_WEIGHT, (g[:0], x[:0]), params, 0.0)


@PRIMITIVES
@pytest.mark.parametrize("name", ["plain", "groups", "one sample", "strided"])
def test_split_over_threads(primitive, name, monkeypatch):
    """Several threads have scratch memory of their own, and add up to the same."""
    monkeypatch.setattr(correlation, "THREADS", 3)
    monkeypatch.setattr(correlation, "WORTH_SPLITTING", 0.0)
    *arrays, params = case(name, "float64")
    check(primitive, operands(primitive, *arrays), params, 1e-12)


def test_samples_in_blocks(monkeypatch):
    monkeypatch.setattr(correlation, "CACHED", 1 << 12)
    *arrays, params = case("plain", "float64")
    arrays = [np.concatenate([each] * 5) if each.ndim == 4 else each for each in arrays]
    check(CONVOLUTION_WEIGHT, (arrays[3], arrays[0]), params, 1e-12)


def test_all_dtypes_share_kernels_of_all_shapes():
    first = check(CONVOLUTION, case("plain", "float32")[:3], case("plain", "float32")[4], 2e-5)
    second = check(CONVOLUTION, case("volume", "float32")[:3], case("volume", "float32")[4], 2e-5)
    assert first.kernels == second.kernels
    assert CONVOLUTION.kind is Kind.CONTRACTION
