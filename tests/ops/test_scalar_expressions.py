"""Expressions of elementwise primitives, from which kernels are made, against their NumPy form."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from jitgrad.dispatch import CAST
from jitgrad.ops import (
    activation,
    binary,
    blending,
    comparison,
    division,
    exponential,
    logical,
    rectifiers,
    rounding,
    selection,
    special,
    special_values,
    trigonometric,
    unary,
)
from jitgrad.primitive import Kind, Primitive

MODULES = (
    activation,
    binary,
    blending,
    comparison,
    division,
    exponential,
    logical,
    rectifiers,
    rounding,
    selection,
    special,
    trigonometric,
    unary,
)
RECORDS = [
    each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, Primitive) and each.kind is Kind.ELEMENTWISE and each is not CAST
]
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
    if record is selection.WHERE:
        columns[0] = columns[0] != 0
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
