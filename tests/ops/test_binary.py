"""Operations on two tensors against PyTorch: operators, promotion, edges, errors."""

from __future__ import annotations

import enum
import itertools
import operator
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import modes
from tests.ops.against_torch import array, assert_same, compare, compare_error, torch

NAN, INF = float("nan"), float("inf")
DTYPES = ["bool", "uint8", "int8", "int64", "float16", "float32", "float64"]
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


def test_alpha() -> None:
    compare(lambda t, x, y: t.add(x, y, alpha=2), array(3), array(3, seed=1))
    compare(lambda t, x, y: t.sub(x, y, alpha=0.5), array(3), array(3, seed=1))
    compare(lambda t, x, y: t.rsub(x, y, alpha=3), array(3), array(3, seed=1))
    compare(lambda t, x, y: x.clone().add_(y, alpha=-2), array(3), array(3, seed=1))
    compare(lambda t, x: t.add(x, True, alpha=2), np.array([True, False]))
    compare_error(lambda t: t.add(t.tensor([1]), 1, alpha=0.5))
    compare_error(lambda t: t.add(t.ones(1), 1, alpha=True))


def test_powers_of_integers() -> None:
    compare(lambda t, x, y: x**y, np.array([-1, 1, 2, 0, -1]), np.array([-1, -2, -3, -1, -2]))
    compare(lambda t, x: 2**x, np.array([3, -1]))
    compare(lambda t, x: x**2, np.array([3, -1]))
    compare(lambda t, x: t.float_power(x, 2), np.array([3, -1]))
    compare_error(lambda t: t.tensor([1, 2]) ** -1)
    compare_error(lambda t: t.tensor([2], dtype=t.uint8) ** -1)
    compare_error(lambda t: t.pow(2, 3))


def test_quotients() -> None:
    a, b = np.array([7, -7, 7, -7, 6]), np.array([2, 2, -2, -2, 3])
    for dtype in ("int64", "int8", "float32", "float64"):
        for mode in (None, "trunc", "floor"):
            compare(
                lambda t, x, y: t.div(x, y, rounding_mode=mode),  # noqa: B023
                a.astype(dtype),
                b.astype(dtype),
            )
            compare(
                lambda t, x: t.div(x, 2, rounding_mode=mode),  # noqa: B023
                a.astype(dtype),
            )
        compare(lambda t, x, y: t.fmod(x, y), a.astype(dtype), b.astype(dtype))
    for name in ("floor_divide", "remainder", "fmod"):
        compare_error(lambda t: getattr(t, name)(t.tensor([1, 2]), 0))  # noqa: B023
        compare_error(lambda t: getattr(t, name)(t.tensor([1]), t.tensor([0])))  # noqa: B023
        compare(lambda t, x: getattr(t, name)(x, 0), a.astype(float), grad=False)  # noqa: B023
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        jitgrad.tensor([1]) // 0
    compare_error(lambda t: t.div(t.ones(1), 2, rounding_mode="up"))


# -- choices ------------------------------------------------------------------------------------


def test_where() -> None:
    c = np.array([[True], [False]])
    compare(lambda t, c, x, y: t.where(c, x, y), c, array(2, 3), array(3, seed=1))
    compare(lambda t, c, x, y: t.where(c, x, y), c, array(2, 3), array(3, dtype="float32"))
    compare(lambda t, c, x: x.where(c, 0), c, array(2, 3))
    compare(lambda t, c, x: t.where(c, 1.5, x), c, array(2, 3, dtype="float32"))
    compare(lambda t, c, x: t.where(c, x, 0.5), c, np.array([1, 2]))
    for first, second in ((1.0, 0.0), (1, 0), (True, 0.5), (True, False)):
        compare(lambda t, c: t.where(c, first, second), c)  # noqa: B023
    for first, second in itertools.product(DTYPES, DTYPES):
        x, y = np.array([1, 2]).astype(first), np.array([3]).astype(second)
        compare(lambda t, c, x, y: t.where(c, x, y), c[:, 0], x, y, grad=False)
        compare(lambda t, c, x, y: t.where(c, x, y[0]), c[:, 0], x, y, grad=False)
    compare_error(lambda t: t.where(t.ones(2), t.ones(2), 0))
    compare_error(lambda t: t.where(True, t.ones(2), 0))
    compare_error(lambda t: t.where(t.ones(2) > 0, t.ones(2), "a"))
    x = jitgrad.tensor([0.0, 4.0], requires_grad=True)
    jitgrad.where(x > 0, x.sqrt(), 0).sum().backward()  # the usual trap: 0 * inf
    assert str(x.grad) == "tensor([   nan, 0.2500])"


def test_gradients_of_choices_stay_finite() -> None:
    x = jitgrad.tensor([-1.0, 2.0], requires_grad=True)
    y = x.clamp(min=0)
    y.backward(jitgrad.tensor([INF, 1.0]))
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_larger_and_smaller(name: str) -> None:
    x = np.array([1.0, 2.0, 3.0, NAN, 1.0])
    y = np.array([2.0, 2.0, 1.0, 1.0, NAN])
    compare(lambda t, x, y: getattr(t, name)(x, y), x, y)
    compare(lambda t, x, y: getattr(t, name)(x, y), x.astype("float32"), np.array([1, 2, 3, 4, 5]))
    compare(lambda t, x, y: getattr(t, name)(x, y), np.array([True, False]), np.array([3, -1]))
    compare_error(lambda t: getattr(t, name)(t.ones(1), 1.0))


BOUNDS: list[Any] = [(0, 1), (-0.5, None), (None, 0.5), (1, 0), (NAN, 1.0), (0.3, 0.3)]


@pytest.mark.parametrize("bounds", BOUNDS)
def test_clamp(bounds: tuple) -> None:
    x = np.array([-2.0, -0.5, 0.0, 0.3, 0.5, 1.0, 7.0, NAN, INF])
    for dtype in ("float16", "float32", "float64"):
        compare(lambda t, x: t.clamp(x, *bounds), x.astype(dtype))
        compare(lambda t, x: x.clone().clamp_(*bounds), x.astype(dtype))
    compare(lambda t, x: x.clip(*bounds), np.array([-1, 0, 1, 2]), grad=False)


def test_clamp_by_tensors() -> None:
    x, low, high = array(3, 4), array(4, seed=1), array(3, 1, seed=2)
    compare(lambda t, x, low, high: t.clamp(x, low, high), x, low, high)
    compare(lambda t, x, low: t.clamp(x, min=low), x, low)
    compare(lambda t, x, high: t.clamp_max(x, high), x, high)
    compare(lambda t, x, low: x.clone().clamp_min_(low), x, low)
    compare(lambda t, x, low: t.clamp(x, min=low), x, np.array([0, 1, 2, -1]))
    compare(lambda t, x, low: t.clamp(x, min=low), np.array([0, 1]), np.array(0.5, "float32"))
    compare_error(lambda t: t.clamp(t.ones(2)))
    compare_error(lambda t: t.clamp(t.ones(2), "a"))
    compare_error(lambda t: t.tensor([1], dtype=t.uint8).clamp(max=300))
    compare_error(lambda t: t.tensor([1, 2]).clamp_(0.5))
    compare(lambda t, x: t.clamp(x, max=x), np.array([True, False]))
    compare_error(lambda t: t.clamp(t.tensor([True]), max=False))


def test_replacing() -> None:
    x = np.array([NAN, INF, -INF, 1.0])
    compare(lambda t, x: t.nan_to_num(x), x)
    compare(lambda t, x: t.nan_to_num(x, 1.0, 2.0, 3.0), x.astype("float16"))
    compare(lambda t, x: x.clone().nan_to_num_(posinf=9), x)
    compare(lambda t, x: t.nan_to_num(x), np.array([1, 2]))
    compare(lambda t, x, y: t.heaviside(x, y), x, np.array([0.5]), grad=False)
    compare_error(lambda t: t.heaviside(t.ones(1), t.tensor([1])))


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


# -- blends -------------------------------------------------------------------------------------


def test_blends() -> None:
    x, y, z = array(3), array(3, seed=1), array(2, 1, seed=2)
    compare(lambda t, x, y, z: t.addcmul(x, y, z, value=2), x, y, z)
    compare(lambda t, x, y, z: t.addcdiv(x, y, z, value=0.5), x, y, z)
    compare(lambda t, x, y: x.clone().addcmul_(y, y), x, y)
    compare(lambda t, x, y: x.clone().addcdiv_(y, y, value=3), x, y)
    compare(lambda t, x: t.addcmul(x, x, x, value=0.5), np.array([1, 2]))
    compare(lambda t, x, y, z: t.lerp(x, y, z), x, y, z)
    for weight in (0.0, 0.3, 0.7, 1.0, -0.6):
        compare(lambda t, x, y: t.lerp(x, y, weight), x, y)  # noqa: B023
    compare(lambda t, x, y: x.clone().lerp_(y, 0.3), x, y)
    compare_error(lambda t: t.addcdiv(*[t.tensor([1])] * 3))
    compare_error(lambda t: t.lerp(t.tensor([1]), t.tensor([1]), 0.5))
    compare_error(lambda t: t.lerp(t.ones(1), t.ones(1).double(), 0.5))
    compare_error(lambda t: t.addcmul(t.ones(1), 1, t.ones(1)))


@pytest.mark.parametrize("name", ["atan2", "hypot", "logaddexp", "logaddexp2", "xlogy", "copysign"])
def test_functions_of_two(name: str) -> None:
    x, y = array(3, 4), np.abs(array(4, seed=1))
    compare(lambda t, x, y: getattr(t, name)(x, y), x, y)
    # PyTorch takes the squares under atan2's derivative in float32 then
    mixed = x.astype("float32"), y
    compare(lambda t, x, y: getattr(t, name)(x, y), *mixed, grad=name != "atan2")
    zeros = np.array([0.0, 0.0, -0.0, 2.0]), np.array([0.0, 1.0, 0.0, 0.0])
    compare(lambda t, x, y: getattr(t, name)(x, y), *zeros)
    if name in ("atan2", "xlogy", "copysign"):
        compare(lambda t, x, y: getattr(t, name)(x, y), np.array([1, 2]), np.array([2, 3]))
    else:
        compare_error(lambda t: getattr(t, name)(t.tensor([1]), t.tensor([2])))


def test_numbers_beside_tensors() -> None:
    compare(lambda t, x: t.xlogy(x, 2), array(3, dtype="float32"))
    compare(lambda t, x: t.xlogy(2, x), np.array([1.0, 2.0], "float32"))
    compare(lambda t, x: t.copysign(x, -1), array(3, dtype="float32"))
    compare(lambda t, x: t.remainder(5, x), np.array([2, 3]))
    compare(lambda t, x, y: t.ldexp(x, y), array(3), np.array([1, 0, 3]))
    for name in ("atan2", "hypot", "logical_and"):
        compare_error(lambda t: getattr(t, name)(t.ones(1), 1))  # noqa: B023


def test_derivatives_of_derivatives() -> None:
    x = jitgrad.tensor([[0.3, 0.6]], dtype=jitgrad.float64, requires_grad=True)
    y = jitgrad.tensor([[0.5], [1.7]], dtype=jitgrad.float64, requires_grad=True)
    for name in ("add", "sub", "mul", "div", "pow", "atan2", "hypot", "logaddexp", "xlogy", "fmod"):
        function = getattr(jitgrad, name)
        assert jitgrad.autograd.gradcheck(function, (x, y)), name
        assert jitgrad.autograd.gradgradcheck(function, (x, y)), name
    assert jitgrad.autograd.gradgradcheck(lambda a: 2.0**a, (x,))
    assert jitgrad.autograd.gradgradcheck(lambda a, b: jitgrad.lerp(a, b, a * b), (x, y))


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
