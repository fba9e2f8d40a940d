"""Arithmetic on Python numbers in native loops: bit for bit Python's, or left to Python."""

from __future__ import annotations

import itertools
import math
import operator
import random
import struct

import pytest

from jitgrad.graph.ir import Scalar, ScalarCompute
from jitgrad.kernels import scalars
from jitgrad.kernels.loops import NotNative, Stop, lower_loop
from jitgrad.python.symbols import BINARY, COMPARE
from tests.kernels.looping import one_path

FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.1, -2.5, 3.0, 1e-320, 1e300, -1e300, math.inf, -math.inf, math.nan,
    2.0**53, 2.0**53 + 2, -(2.0**63), 2.0**63, 709.9, 0.5, 1024.0,
)  # fmt: skip
INTEGERS = (
    0, 1, -1, 2, 3, -7, 10, 62, 63, 64, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1,
    -(2**63), -(2**63) + 1, 3037000500,
)  # fmt: skip
SAMPLES: dict[type, tuple] = {float: FLOATS, int: INTEGERS, bool: (True, False)}


PAIRS = ((float, float), (int, int), (float, int), (int, float), (bool, int), (bool, bool))


def cases():
    """Yield a function, its expression and the types of its operands."""
    kinds = (float, int, bool)
    arithmetic = ("+", "-", "*", "/", "//", "%")
    for symbol, pair in itertools.product((*arithmetic, "&", "|", "^", "<<", ">>"), PAIRS):
        if float not in pair or symbol in arithmetic:
            yield BINARY[symbol], f"{{0}} {symbol} {{1}}", pair
    for symbol, pair in itertools.product(["<", "<=", ">", ">=", "==", "!="], PAIRS[1:5]):
        yield COMPARE[symbol], f"{{0}} {symbol} {{1}}", pair
    for function, text in (
        (operator.neg, "-{0}"), (operator.pos, "+{0}"), (operator.not_, "not {0}"),
        (float, "float({0})"), (int, "int({0})"), (bool, "bool({0})"), (abs, "abs({0})"),
    ):  # fmt: skip
        for kind in kinds:
            yield function, text, (kind,)
    yield operator.invert, "~{0}", (int,)
    for function, kind in itertools.product((min, max), (float, int)):
        yield function, f"{function.__name__}({{0}}, {{1}}, {{2}})", (kind,) * 3
    for function, rule in scalars.FUNCTIONS.items():
        operands = 1 + ("{1}" in rule.value)
        places = ", ".join(f"{{{k}}}" for k in range(operands))
        yield function, f"math.{function.__name__}({places})", (float,) * operands
    yield math.floor, "math.floor({0})", (int,)
    yield math.atan2, "math.atan2({0}, {1})", (int, float)
    yield math.log, "math.log({0}, {1})", (float, int)


CASES = [
    pytest.param(*case, id=f"{case[1]}-{'-'.join(kind.__name__ for kind in case[2])}")
    for case in cases()
]


def combinations(function, kinds):
    """Return operands: all pairs of samples, and random ones."""
    drawn = random.Random(0)
    made = list(itertools.product(*(SAMPLES[kind] for kind in kinds)))
    if function is operator.lshift:  # which has no limit in Python
        made = [each for each in made if each[1] < 100]
    made = drawn.sample(made, min(len(made), 400))
    for _ in range(50):
        draw = {
            float: lambda: drawn.choice((drawn.gauss(0, 1), drawn.uniform(-1e3, 1e3))),
            int: lambda: drawn.randint(-100, 100),
            bool: lambda: drawn.random() < 0.5,
        }
        made.append(tuple(draw[kind]() for kind in kinds))
    return made


def bits(value):
    """Return what two equal results have in common; all NaNs are one."""
    if type(value) is float:
        return (float, "nan" if value != value else struct.pack("d", value))
    return (type(value), value)


@pytest.mark.parametrize(("function", "expression", "kinds"), CASES)
def test_results_are_pythons(function, expression, kinds):
    operands = [Scalar(kind) for kind in kinds]
    one = {float: 1.0 if function is math.acosh else 0.5, int: 2, bool: True}
    result = type(function(*(one[kind] for kind in kinds)))
    step = ScalarCompute(function, expression, tuple(operands), Scalar(result))
    state = Scalar(result)
    loop = lower_loop(*one_path([step], [*operands, state], [], [(state, step.output)]))
    for given in combinations(function, kinds):
        try:
            expected = function(*given)
        except (ArithmeticError, ValueError):
            expected = None
        turns = loop.run([*given, result(0)], limit=1)
        if turns.stop is Stop.LIMIT:
            assert expected is not None, (given, turns.carried)
            assert bits(turns.carried[0]) == bits(expected), given
        else:
            assert is_for_python(expected, given, function), (given, expected)


def is_for_python(expected, given, function):
    """May a result be left to Python?"""
    if expected is None or (type(expected) is int and not -(2**63) <= expected < 2**63):
        return True
    if function in (math.pow, math.fmod, math.atan2):
        return not all(math.isfinite(each) for each in given) or not math.isfinite(expected)
    if function is operator.lshift:
        return given[1] > 62
    return function is operator.truediv and any(
        type(each) is int and abs(each) > 2**53 for each in given
    )


@pytest.mark.parametrize(
    ("function", "expression", "kinds"),
    [
        (math.gamma, "math.gamma({0})", (float,)),
        (lambda x: x, "math.sqrt({0})", (float,)),
        (operator.pow, "{0} ** {1}", (int, int)),
        (max, "max({0}, {1})", (float, int)),
        (lambda x: x + 2**63, "{0} + 9223372036854775808", (int,)),
        (round, "round({0})", (float,)),
    ],
)
def test_what_is_not_known_is_declined(function, expression, kinds):
    operands = tuple(Scalar(kind) for kind in kinds)
    step = ScalarCompute(function, expression, operands, Scalar(kinds[0]))
    with pytest.raises(NotNative):
        lower_loop(*one_path([step], list(operands), [], [], [step.output]))
