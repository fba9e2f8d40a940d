"""Operators on two tensors against PyTorch: promotion, comparisons, logic, bits, errors."""

from __future__ import annotations

import enum
import itertools
import operator
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import modes
from tests.ops.against_torch import DTYPES, array, assert_same, compare, compare_error, torch

NAN, INF = float("nan"), float("inf")
OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]
BITS = ["and_", "or_", "xor", "lshift", "rshift"]


def outcome(library: Any, function: Any, *arrays: Any) -> Any:
    """Return what `function` gives, or the class of what it raises."""
    operands = [library.tensor(x) if isinstance(x, np.ndarray) else x for x in arrays]
    try:
        return function(*operands)
    except (RuntimeError, TypeError) as error:
        return type(error)


def same_outcome(function: Any, *arrays: Any) -> None:
    """Check that both libraries give, or raise, the same."""
    ours, theirs = (outcome(library, function, *arrays) for library in (jitgrad, torch))
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, jitgrad.Tensor), (ours, theirs)
        assert_same(ours, theirs)
    else:
        assert ours is theirs or ours == theirs, (ours, theirs)


# -- operators ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*OPERATORS, *COMPARISONS, *BITS])
def test_promotion_of_tensors(name: str) -> None:
    function = getattr(operator, name)
    for first, second in itertools.product(DTYPES, DTYPES):
        a, b = np.array([1, 0, 3]).astype(first), np.array([1, 1, 2]).astype(second)
        same_outcome(function, a, b)
        same_outcome(function, a, np.array(2).astype(second))
        same_outcome(function, np.array(2).astype(first), b)


@pytest.mark.parametrize("name", [*OPERATORS, *COMPARISONS, *BITS])
@pytest.mark.parametrize("number", [2, -1, 2.5, True, 0])
def test_promotion_of_numbers(name: str, number: Any) -> None:
    function = getattr(operator, name)
    for dtype in DTYPES:
        a = np.array([1, 0, 3]).astype(dtype)
        if (name, number, dtype) == ("mod", True, "bool"):
            continue
        if name != "pow" or dtype != "uint8" or number != -1:  # -1 is 255 there, to PyTorch too
            same_outcome(function, a, number)
            same_outcome(lambda x: function(number, x), a)
        same_outcome(function, np.array(1).astype(dtype), number)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "mod"])
def test_gradients(name: str) -> None:
    function = getattr(operator, name)
    x, y = np.abs(array(3, 4)) + 0.1, np.abs(array(4, seed=1)) + 0.1
    compare(lambda t, x, y: function(x, y), x, y)
    compare(lambda t, x, y: function(x, y), x[:, :1], y)
    compare(lambda t, x, y: function(x, y), x.astype("float32"), y)
    compare(lambda t, x, y: function(x, y), np.array(1.5), y.astype("float32"))
    compare(lambda t, x, y: function(x, y), x, np.array([2, 3, 1, 2]))
    compare(lambda t, x: function(x, 2.5), x)
    # PyTorch's remainder of a number has no derivative
    compare(lambda t, x: function(2.5, x), x, grad=name != "mod")
    compare(lambda t, x: function(x, x), x)
    compare(lambda t, x, y: function(x, y), x[:0], y)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "floordiv", "mod"])
def test_in_place(name: str) -> None:
    function = getattr(operator, "i" + name)
    x, y = np.abs(array(3, 4)) + 0.1, np.abs(array(4, seed=1)) + 0.1
    grad = name != "floordiv"  # PyTorch's has no derivative
    compare(lambda t, x, y: function(x.clone(), y), x, y, grad=grad)
    compare(lambda t, x: function((x * 1)[1:, ::2], 1.5), x, grad=grad)
    for first, second in itertools.product(DTYPES, DTYPES):
        a, b = np.array([1, 0, 3]).astype(first), np.array([1, 1, 2]).astype(second)
        if first != "bool" or second != "bool":
            same_outcome(function, a, b)
    same_outcome(function, y, x)


def test_foreign_operands() -> None:
    x = jitgrad.ones(3)
    for other in ([1, 2, 3], "a", None, object(), (1,)):
        for name in [*OPERATORS, *COMPARISONS[2:], *BITS]:
            function = getattr(operator, name)
            with pytest.raises(TypeError):
                function(x, other)
            if (name, other) != ("mod", "a"):  # which formats
                with pytest.raises(TypeError):
                    function(other, x)
        assert (x == other) is False and (x != other) is True
        assert x.__add__(other) is NotImplemented

    class Other:
        def __radd__(self, tensor: Any) -> str:
            return "mine"

    assert x + Other() == "mine"
    with pytest.raises(TypeError, match="add"):
        jitgrad.add(x, [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="add"):
        jitgrad.add(x, np.ones(3))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")  # PyTorch's
def test_numpy_operands() -> None:
    same_outcome(lambda x: x + np.ones(3), array(3, dtype="float32"))
    same_outcome(lambda x: np.ones(3) * x, array(3, dtype="float32"))
    for number in (np.float32(2), np.float64(2), np.int64(2), np.int8(2)):
        for dtype in ("float16", "float32", "int32", "uint8"):
            same_outcome(lambda x: x * number, np.array([1, 2]).astype(dtype))  # noqa: B023
            same_outcome(lambda x: number * x, np.array([1, 2]).astype(dtype))  # noqa: B023
    same_outcome(lambda x: np.float64(1) < x, array(3))
    same_outcome(lambda x: x == np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    same_outcome(lambda x: np.array([1.0, 2.0]) == x, np.array([1.0, 3.0]))
    same_outcome(lambda x: np.array([1.0, 2.0]) < x, np.array([1.0, 3.0]))
    same_outcome(lambda x: np.sin(x), np.array([1.0, 3.0]))


def test_integers_wrap() -> None:
    for dtype in ("uint8", "int8", "int32"):
        a = np.array([100, 120]).astype(dtype)
        same_outcome(lambda x: x + 300, a)
        same_outcome(lambda x: x * x, a)
        same_outcome(lambda x: 3 - x, a)
        same_outcome(lambda x: x < 300, a)
        same_outcome(lambda x: -x, a)


def test_special_values() -> None:
    values = np.array([0.0, -0.0, 1, -1, 2.5, -2.5, INF, -INF, NAN])
    x, y = np.meshgrid(values, values)
    for name in ["add", "sub", "mul", "truediv", "floordiv", "mod", *COMPARISONS]:
        same_outcome(getattr(operator, name), x, y)
    for name in ("maximum", "minimum", "fmax", "fmin", "fmod", "copysign", "hypot", "logaddexp"):
        same_outcome(lambda a, b: getattr(a, name)(b), x, y)  # noqa: B023
    for number in (0.0, 1.0, 2.0, 0.5, -0.5, -1.0, 3.0, INF):
        # PyTorch's derivative of x ** -0.5 takes another side of -0.0
        compare(lambda t, a: a**number, values, grad=number != -0.5)  # noqa: B023
    compare(lambda t, a, b: a**b, np.abs(x), y, grad=False)


def test_shapes_that_do_not_broadcast() -> None:
    for name in ("add", "mul", "pow", "maximum", "where", "clamp"):
        with pytest.raises(RuntimeError, match=r"The size of (one|a) tensor"):
            a, b = jitgrad.ones(2), jitgrad.ones(3)
            jitgrad.where(a > 0, a, b) if name == "where" else getattr(a, name)(b)


# -- comparisons --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name: str) -> None:
    x, y = np.array([1.0, 2.0, NAN]), np.array([2.0, 2.0, 2.0])
    compare(lambda t, x, y: getattr(t, name)(x, y), x, y)
    compare(lambda t, x, y: getattr(x, name)(y), x.astype("float32"), np.array([1, 2, 3]))
    compare(lambda t, x: getattr(x, name)(2), x)
    compare(lambda t, x, y: getattr(x, name + "_")(y), x, y, grad=False)
    compare_error(lambda t: getattr(t, name)(t.ones(1), "a"))
    compare_error(lambda t: getattr(t, name)(1, t.ones(1)))
    compare_error(lambda t: getattr(t, name)(t.ones(1), np.ones(1, "float32")))


def test_closeness() -> None:
    x = np.array([1.0, INF, -INF, NAN, 1e-9, 100.0])
    y = np.array([1.0 + 1e-9, INF, INF, NAN, 0.0, 100.1])
    for options in ({}, {"rtol": 0.1}, {"equal_nan": True}, {"rtol": 0, "atol": 0}, {"atol": INF}):
        compare(lambda t, x, y: t.isclose(x, y, **options), x, y)  # noqa: B023
        compare(lambda t, x, y: t.allclose(x, y, **options), x, y)  # noqa: B023
        compare(lambda t, x, y: t.allclose(x, y, **options), x[:1], y[:1])  # noqa: B023
    compare(lambda t, x, y: t.isclose(x, y, rtol=0.5), np.array([1, 2, 3]), np.array([2, 2, 9]))
    compare_error(lambda t: t.isclose(t.ones(1), t.tensor([1])))
    compare_error(lambda t: t.isclose(t.ones(1), t.ones(1), rtol=-1))
    compare_error(lambda t: t.isclose(t.ones(1), 1.0))


def test_equality_of_tensors() -> None:
    compare(lambda t, x: t.equal(x, x), array(2, 3))
    compare(lambda t, x: t.equal(x, x + 1), array(2, 3))
    compare(lambda t, x: t.equal(x, x[:1]), array(2, 3))
    compare(lambda t, x: t.equal(x, x), np.array([NAN]))
    compare(lambda t, x: x.equal(x), np.zeros(0))
    assert type(jitgrad.equal(jitgrad.ones(2), jitgrad.ones(2))) is bool


# -- truth values, bits -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_logic(name: str, dtype: str) -> None:
    x, y = np.array([0, 0, 1, 2]), np.array([0.0, NAN, 0.0, 3.0])
    compare(lambda t, x, y: getattr(t, name)(x, y), x.astype(dtype), y)
    compare(lambda t, x, y: getattr(x, name + "_")(y), x.astype(dtype), y, grad=False)
    compare_error(lambda t: getattr(t, name)(t.ones(1), 1))


def test_shifts() -> None:
    for dtype in ("uint8", "int8", "int32", "int64"):
        x = np.array([1, 5, 100]).astype(dtype)
        for shift in (0, 1, 7):
            same_outcome(operator.lshift, x, shift)
            same_outcome(operator.rshift, x, shift)
            same_outcome(operator.rshift, -x, shift)
    same_outcome(operator.lshift, np.array([1]), 64)
    same_outcome(operator.rshift, np.array([-1, 1]), 100)


def test_floats_have_no_bits() -> None:
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift"):
        compare_error(lambda t: getattr(t, name)(t.ones(1), t.ones(1)))  # noqa: B023
        compare_error(lambda t: getattr(t, name)(t.tensor([1]), 1.5))  # noqa: B023
    compare_error(lambda t: ~t.ones(1))
    compare_error(lambda t: t.bitwise_not(t.ones(1)))
    with pytest.raises(NotImplementedError, match="bitwise_and"):
        jitgrad.ones(1) & jitgrad.ones(1)


# -- what a recorder is told --------------------------------------------------------------------


class Listener:
    """Stands for a recorder: notes primitives, and that a number's value was asked for."""

    def __init__(self) -> None:
        self.heard: list = []
        self.unknowns: list = []

    def primitive(self, primitive: Any, inputs: Any, params: Any, out: Any, node: Any) -> None:
        self.heard.append((primitive.name, inputs))

    def unknown(self, reason: str) -> None:
        self.unknowns.append(reason)

    def scalar(self, symbol: str, function: Any, operands: Any) -> Any:
        return tracked(function(*map(modes.plain_number, operands)))

    def write(self, *args: Any) -> None:
        pass


def tracked(value: float) -> Any:
    made = modes.TrackedFloat(value)
    made.scalar = None
    return made


def test_numbers_may_be_tracked() -> None:
    """Passing a tracked float through an operation never asks for its value."""
    listener = Listener()
    x = jitgrad.tensor([0.5, 2.0])
    with jitgrad.no_grad():
        modes.state.recorder = listener  # type: ignore[assignment]
        try:
            number = tracked(0.25)
            made = [
                x + number,
                number - x,
                x * number,
                x / number,
                number / x,
                x**number,
                number**x,
                x > number,
                x.clamp(min=number),
                x.clamp(number, 1.0),
                jitgrad.where(x > 1, x, number),
                jitgrad.where(x > 1, number, x),
                x.add(x, alpha=number),
                x.lerp(x, number),
                jitgrad.addcmul(x, x, x, value=number),
                x // number,
                x % number,
            ]
            x.clone().add_(x, alpha=-number).mul_(number)
        finally:
            modes.state.recorder = None
    assert listener.unknowns == []
    assert len(listener.heard) >= len(made)


def test_numbers_of_other_classes_do_not_decide_the_dtype() -> None:
    class Size(enum.IntEnum):
        TWO = 2

    class Length(float):
        pass

    for number in Size.TWO, Length(2.0), np.float64(2.0), np.int64(2):
        for made in jitgrad.ones(2) * number, number + jitgrad.ones(2, dtype=jitgrad.float64):
            assert made.tolist() in ([2.0, 2.0], [3.0, 3.0])
        assert (jitgrad.ones(2) * number).dtype is jitgrad.float32
        assert (jitgrad.ones(2) - number).dtype is jitgrad.float32
    assert (jitgrad.ones(2, dtype=jitgrad.int32) * Size.TWO).dtype is jitgrad.int32
