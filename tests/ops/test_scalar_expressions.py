"""Expressions of elementwise primitives, from which kernels are made, against their NumPy form."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from typing import Any

import numpy as np
import pytest

from jitgrad import ops
from jitgrad.ops import noise, selection, special_values, unary
from jitgrad.primitive import Kind, Primitive

MODULES = [
    importlib.import_module(f"{ops.__name__}.{each.name}")
    for each in pkgutil.iter_modules(ops.__path__)
]
APART = {
    "to": "takes a dtype",
    "clone": "takes an order of memory",
    "gradient_scale": "takes a scale, for the gradient alone",
    "standardize": "takes what its gradient alone needs",
    "binary_cross_entropy": "refuses all but probabilities",
}
"""What is not compared, since its NumPy form takes something else than the expression reads."""
RECORDS = [
    each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, Primitive)
    and each.kind is Kind.ELEMENTWISE
    and each.scalar is not None
    and each.name not in APART
]
TRUTHS = {selection.WHERE: 0, noise.DROPOUT: 1}
"""Which operand is a truth."""
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.0, 1e300, np.inf, -np.inf, np.nan]
INTEGERS = [0, 1, -1, 2, -7, 5, 63, 100]
ONLY_INTEGERS = {"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"} | {
    "bitwise_left_shift",
    "bitwise_right_shift",
}
BOTH = {"add", "sub", "mul", "neg", "eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum"} | {
    "clamp",
    "clamp_min",
    "clamp_max",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "sign",
    "abs",
    "square",
}


def _elementwise(function: Any) -> Any:
    return lambda *x: function(*(np.asarray(each) for each in x))[()]


NAMES: dict[str, Any] = {
    name: getattr(np, name)
    for name in """exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan sinh cosh tanh floor ceil
    trunc fmod remainder floor_divide minimum maximum isnan isinf isfinite where""".split()  # noqa: SIM905
} | {
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "abs_": np.abs,
    "pow_": np.power,
    "round_even": np.rint,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sign": _elementwise(unary.SIGN.numpy),
    "erf": _elementwise(special_values.erf),
    "erfc": _elementwise(special_values.erfc),
    "lgamma": _elementwise(special_values.lgamma),
}


def operands(record: Primitive) -> int:
    """Return how many operands the expression has."""
    assert record.scalar is not None
    return max(k + 1 for k in range(4) if f"{{{k}}}" in record.scalar)


def check(record: Primitive, values: list, dtype: Any) -> None:
    number = operands(record)
    grid = list(itertools.product(values, repeat=number))
    columns = [np.array(each, dtype) for each in zip(*grid)]
    if record in TRUTHS:
        columns[TRUTHS[record]] = columns[TRUTHS[record]] != 0
    assert record.scalar is not None
    code = compile(record.scalar.format("a", "b", "c", "d"), record.name, "eval")
    with np.errstate(all="ignore"):
        expected = record.numpy(*columns)
        for place, row in enumerate(zip(*columns)):
            found = eval(code, dict(NAMES), dict(zip("abcd", row)))
            np.testing.assert_allclose(
                np.asarray(found, expected.dtype),
                expected[place],
                rtol=1e-13,
                err_msg=f"{record.name}{row}",
            )


@pytest.mark.parametrize("record", dict.fromkeys(RECORDS), ids=lambda r: r.name)
def test_expressions(record: Primitive) -> None:
    integral = record.name in ONLY_INTEGERS or record.raises_on_data
    if not integral:
        check(record, FLOATS, np.float64)
    if integral or record.name in BOTH:
        values = [each for each in INTEGERS if each] if record.raises_on_data else INTEGERS
        check(record, values, np.int64)
