"""The scalar expressions of all primitives, compiled, against their NumPy implementations."""

from __future__ import annotations

import math
import string

import numpy as np
import pytest

import jitgrad  # noqa: F401  (defines the primitives)
from jitgrad.kernels.conventions import DTYPES
from jitgrad.primitive import Kind, Primitive, Result, primitives
from tests.kernels import records as r
from tests.kernels.tracing import Trace

NATIVE = [
    each for each in primitives() if each.kind is Kind.ELEMENTWISE and each.scalar is not None
]
CLOSE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}
EDGES = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 2.0, 1e-8, 100.0)


def samples(dtype: str, seed: int) -> np.ndarray:
    """Return ordinary and special values of a dtype."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random(48) < 0.5
    if dtype.startswith("float"):
        values = random.standard_normal(48) * 3
        values[: len(EDGES)] = EDGES
        random.shuffle(values)
        return values.astype(dtype)
    return random.integers(0 if dtype == "uint8" else -50, 50, 48).astype(dtype)


def operands(primitive: Primitive) -> int:
    """Return how many operands the expression has."""
    assert primitive.scalar is not None
    return len({name for _, name, _, _ in string.Formatter().parse(primitive.scalar) if name})


@pytest.mark.parametrize("primitive", NATIVE, ids=lambda each: each.name)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "bool"])
def test_expressions_agree_with_numpy(primitive, dtype):
    if primitive.raises_on_data or (
        primitive.result is Result.FLOAT and not dtype.startswith("float")
    ):
        pytest.skip("never computed natively")
    kinds = [dtype] * operands(primitive)
    if primitive.name == "where":
        kinds[0] = "bool"
    if primitive.name == "dropout":
        kinds[1] = "bool"
    trace = Trace()
    inputs = [trace.input(samples(each, seed)) for seed, each in enumerate(kinds)]
    params = {"dtype": np.dtype("float32")} if primitive.name == "to" else {}
    try:
        made = trace.compute(primitive, *inputs, **params)
    except (TypeError, RuntimeError):
        pytest.skip("not defined for this dtype")
    if made.noted.dtype not in DTYPES or (
        dtype[0] in "uib"
        and made.noted.dtype not in (np.dtype(dtype), np.dtype("bool"))
        and primitive.name != "to"
    ):
        pytest.skip("never called with this dtype")
    program = trace.lower(made)
    assert program.native_calls == 1
    (found,) = program.run(*trace.arguments())
    assert found.dtype == made.now.dtype
    # 1 + erf(x) keeps the absolute precision of erf only
    cancels = primitive.name.startswith("gelu")
    np.testing.assert_allclose(
        found.astype("float64"),
        made.now.astype("float64"),
        rtol=CLOSE.get(dtype, 0),
        atol=8 * np.finfo(dtype).eps if cancels else 1e-37,
    )


def bits(dtype: str) -> np.ndarray:
    """Return numbers from all over the range of a dtype."""
    random = np.random.default_rng(0)
    width = np.dtype(dtype).itemsize * 8
    anything = random.integers(0, 1 << width, 40_000, dtype=f"uint{width}").view(dtype)
    common = random.standard_normal(40_000).astype(dtype) * 3
    with np.errstate(all="ignore"):
        return np.concatenate([anything, common, np.array(EDGES, dtype)]).astype(dtype)


EXACT = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sin": np.sin,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=["float64"]),
}


ULP = {"expm1": 2.0, "sigmoid": 2.5, "log1p": 2.5}
"""Where the stated bound is not 1.5."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EXACT)
def test_elementary_functions_err_by_few_ulp(name, dtype):
    values = bits(dtype)
    trace = Trace()
    record = r.elementwise(name, np.negative, name + "({0})", Result.FLOAT)
    made = trace.compute(record, trace.input(values))
    (found,) = trace.lower(made).run(values)
    wide = np.longdouble if dtype == "float64" and name != "erf" else np.float64
    with np.errstate(all="ignore"):
        exact = EXACT[name](values.astype(wide))
        near = exact.astype(dtype)
        unit = np.spacing(np.abs(near)).astype(wide)
        error = np.abs(found.astype(wide) - exact) / unit
    special = ~np.isfinite(near) | ~np.isfinite(found)
    np.testing.assert_array_equal(found[special], near[special])
    assert error[~special].max() <= ULP.get(name, 1.5)
    zero = near == 0
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(near[zero]))


def test_conversions_to_half_round_once():
    values = np.concatenate(
        [
            np.arange(0, 3000) / 7.0,
            np.float64(1) + np.float64(2) ** -11 + np.float64(2) ** -np.arange(20, 50.0),
            [1e300, -1e300, np.inf, np.nan, 65519.99, 65520.0, 6e-8, 2.9e-8, -0.0],
        ]
    )
    trace = Trace()
    x = trace.input(values)
    trace.check(trace.compute(r.CAST, x, dtype=np.dtype("float16")))


def test_integers_wrap():
    for dtype in ("int8", "uint8", "int32", "int64"):
        values = np.array([np.iinfo(dtype).max, np.iinfo(dtype).min, 3], dtype)
        trace = Trace()
        x = trace.input(values)
        doubled = trace.compute(r.ADD, x, x)
        squared = trace.compute(r.MUL, x, x)
        trace.check(doubled, squared, trace.compute(r.CAST, squared, dtype=np.dtype("float64")))


def test_division_follows_ieee():
    trace = Trace()
    x = trace.input(np.array([1.0, -1.0, 0.0, np.nan], "float32"))
    zero = trace.number(0.0)
    trace.check(trace.compute(r.DIV, x, zero), trace.compute(r.DIV, 1.0, x))
