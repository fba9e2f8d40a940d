"""Functions of two tensors and more against PyTorch: quotients, choices, bounds, blends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import DTYPES, array, compare, compare_error

NAN, INF = float("nan"), float("inf")


# -- sums, powers, quotients --------------------------------------------------------------------


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
