"""Operations on one tensor against PyTorch: conversions, rounding, special functions, edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error

NAN, INF = float("nan"), float("inf")
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1e-30, 1e30, 100.0, -100.0, INF, -INF, NAN]
FLOATING = ["float16", "float32", "float64"]
SMOOTH = [
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sigmoid",
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "digamma",
    "logit",
]
STEPS = ["abs", "sign", "sgn", "neg", "floor", "ceil", "trunc", "frac", "round", "relu"]


def compare_refusal(function: Any, *arrays: Any) -> None:
    """Check that both libraries refuse `function(torch, *tensors)`."""
    compare_error(lambda t: function(t, *map(t.tensor, arrays)))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("dtype", [*FLOATING, "int64", "uint8", "bool"])
def test_dtypes(name: str, dtype: str) -> None:
    values = np.array([0.2, 0.5, 0.9]) if dtype in FLOATING else np.array([0, 1, 1])
    # PyTorch's trigamma is good for ten digits only
    grad = (name, dtype) != ("digamma", "float64")
    compare(lambda t, x: getattr(t, name)(x), values.astype(dtype), grad=grad)


@pytest.mark.parametrize("name", [*SMOOTH, *STEPS])
def test_special_values(name: str) -> None:
    for dtype in ("float32", "float64"):
        # where gradients differ: PyTorch's trigamma at poles; its sgn gives zeros without memory
        grad = name not in ("digamma", "sgn")
        compare(lambda t, x: getattr(x, name)(), np.array(SPECIAL, dtype), grad=grad)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dtype", [*FLOATING, "int32", "uint8"])
def test_steps(name: str, dtype: str) -> None:
    x = np.array([0, 1, 2.5, 3.5, 7]).astype(dtype)
    if name == "frac" and dtype not in FLOATING:
        compare_refusal(lambda t, x: x.frac(), x)
        return
    for each in (x, np.zeros((0, 3), dtype), np.array(1, dtype)):
        compare(lambda t, x: getattr(t, name)(x), each, grad=name != "sgn")


@pytest.mark.parametrize("name", ["abs", "floor", "ceil", "trunc", "round", "frac", "relu", "neg"])
def test_booleans_are_refused(name: str) -> None:
    compare_refusal(lambda t, x: getattr(t, name)(x), np.array([True, False]))


def test_signs_of_booleans() -> None:
    for name in ("sign", "sgn", "square", "signbit", "isnan", "isfinite", "logical_not"):
        compare(lambda t, x, name=name: getattr(t, name)(x), np.array([True, False]))
    compare_refusal(lambda t, x: +x, np.array([True]))


@pytest.mark.parametrize("decimals", [-2, -1, 1, 3])
def test_rounding_to_decimals(decimals: int) -> None:
    for dtype in ("float32", "float64"):
        x = np.array([0.5, 1.25, -1.75, 155.0, 1251.4567, -0.0]).astype(dtype)
        compare(lambda t, x: t.round(x, decimals=decimals), x)
    compare_refusal(lambda t, x: t.round(x, decimals=decimals), np.array([1, 2]))


def test_halves_are_rounded_to_even() -> None:
    compare(lambda t, x: x.round(), np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))


@pytest.mark.parametrize("name", [n for n in SMOOTH if n not in ("lgamma", "digamma", "erfinv")])
def test_in_place(name: str) -> None:
    x = np.array([0.2, 0.5, 0.9])
    grad = name not in ("asinh", "acosh", "atanh")  # PyTorch has no in-place derivative of these
    compare(lambda t, x: getattr(x.clone(), name + "_")(), x, grad=grad)
    compare(lambda t, x: getattr((x * 2)[1:], name + "_")(), x, grad=grad)


def test_angles() -> None:
    for name in ("deg2rad", "rad2deg"):
        compare(lambda t, x, name=name: getattr(t, name)(x), array(3))
        compare(lambda t, x, name=name: getattr(t, name)(x), np.array([180, 1]))


def test_in_place_needs_the_dtype() -> None:
    for name in ("sqrt_", "exp_", "sigmoid_", "reciprocal_"):
        compare_refusal(lambda t, x, name=name: getattr(x, name)(), np.array([1, 2]))
    compare_refusal(lambda t, x: x.square_(), np.array([True]))
    compare_error(lambda t: t.exp(1.0))
    compare_error(lambda t: t.exp([1.0]))


def test_an_output_that_is_saved_may_not_change() -> None:
    x = jitgrad.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = x.sin()  # its derivative reads the input only
    y.add_(1)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos([1.0, 2.0]), rtol=1e-6)


@pytest.mark.parametrize("name", ["erf", "erfc", "lgamma", "digamma", "erfinv"])
def test_special_functions_are_precise(name: str) -> None:
    scipy = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=2000) * 3, 10.0 ** rng.uniform(-8, 1.3, 500)])
    if name == "erfinv":
        x = np.tanh(x)
    reference = getattr(scipy, {"lgamma": "gammaln"}.get(name, name))(x)
    found = getattr(jitgrad, name)(jitgrad.tensor(x)).numpy()
    limit = {"erf": 1e-15, "erfc": 1e-13}.get(name, 2e-13)
    relative = name in ("erf", "erfc")
    scale = np.abs(reference) if relative else np.maximum(1, np.abs(reference))
    near_a_pole = (x < 0) & (np.abs(x - np.rint(x)) < 1e-2) if name in ("lgamma", "digamma") else 0
    worst = np.where(near_a_pole, 0, np.abs(found - reference) / scale)
    assert np.nanmax(worst[np.isfinite(reference)]) < limit
    single = getattr(jitgrad, name)(jitgrad.tensor(x.astype(np.float32))).numpy()
    exact = getattr(scipy, {"lgamma": "gammaln"}.get(name, name))(
        x.astype(np.float32).astype(float)
    )
    good = np.isfinite(exact) & ~np.asarray(near_a_pole, bool) & (np.abs(exact) > 1e-37)
    np.testing.assert_allclose(single[good], exact[good], rtol=1e-6, atol=1e-6)


def test_tails() -> None:
    found = jitgrad.erfc(jitgrad.tensor([10.0, 20.0, 26.5, 40.0], dtype=jitgrad.float64)).tolist()
    expected = [2.088487583762545e-45, 5.395865611607901e-176, 2.2109076642637343e-307, 0.0]
    assert found == pytest.approx(expected, rel=1e-14)
    assert jitgrad.erf(jitgrad.tensor([INF, -INF])).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_polygamma(n: int) -> None:
    # PyTorch's trigamma is good for ten digits only
    compare(lambda t, x: t.polygamma(n, x), np.array([0.3, 1.0, 2.5, 30.0], "float32"))
    compare_refusal(lambda t, x: t.polygamma(-1, x), array(2))


@pytest.mark.parametrize("eps", [None, 0.1])
def test_logit(eps: float | None) -> None:
    compare(lambda t, x: t.logit(x, eps), np.array([0.01, 0.3, 0.95]))
    compare(lambda t, x: t.logit(x, eps), np.array([0.0, 1.0, 2.0]), grad=False)


# -- conversions --------------------------------------------------------------------------------

NAMES = ["float", "double", "half", "int", "long", "short", "char", "byte", "bool"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [*FLOATING, "int64", "uint8", "bool"])
def test_conversions(name: str, dtype: str) -> None:
    compare(lambda t, x: getattr(x, name)(), np.array([0, 1, 2.7, 100]).astype(dtype))


def test_what_has_the_dtype_is_returned_itself() -> None:
    x = jitgrad.ones(2)
    assert x.float() is x and x.to(jitgrad.float32) is x and x.to("cpu") is x and x.type_as(x) is x
    assert x.cpu() is x and x.contiguous() is x
    copy = x.to(jitgrad.float32, copy=True)
    assert copy is not x and copy.data_ptr() != x.data_ptr()


def test_to() -> None:
    compare(lambda t, x: x.to(t.float64), array(3, dtype="float32"))
    compare(lambda t, x: x.to("cpu", t.float64), array(3, dtype="float32"))
    compare(lambda t, x: x.to(dtype=t.float16), array(3, dtype="float32"))
    compare(lambda t, x, y: x.to(y), array(3), array(2, dtype="int32"))
    compare(lambda t, x: x.type(t.int32), array(3))
    compare(lambda t, x: x.type("torch.DoubleTensor"), array(3, dtype="float32"))
    assert jitgrad.ones(1).type() == "torch.FloatTensor"
    compare_refusal(lambda t, x: x.to("nowhere"), array(2))
    compare_refusal(lambda t, x: x.type("nothing"), array(2))
    with pytest.raises(TypeError, match=r"torch\.dtype"):
        jitgrad.ones(1).to(1.5)


def test_copies() -> None:
    compare(lambda t, x: t.clone(x), array(2, 3))
    compare(lambda t, x: x.t().contiguous(), array(2, 3))
    x = jitgrad.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.t().clone().stride() == (1, 2)
    assert x.t().contiguous().stride() == (2, 1)


# -- activations --------------------------------------------------------------------------------

ACTIVATIONS = [
    "relu",
    "sigmoid",
    "silu",
    "gelu",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "hardtanh",
    "relu6",
    "hardsigmoid",
    "hardswish",
    "mish",
    "softplus",
    "softsign",
    "tanhshrink",
    "logsigmoid",
]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATING)
def test_activations(name: str, dtype: str) -> None:
    if (name, dtype) == ("hardsigmoid", "float64"):
        pytest.skip("PyTorch's derivative is 1/6 in float32")
    x = np.array([-100, -7, -2.9, -1, -0.5, -0.01, 0.01, 0.5, 2.9, 7, 100]).astype(dtype)
    compare(lambda t, x: getattr(t.nn.functional, name)(x), x)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_at_kinks(name: str) -> None:
    x = np.array([-3.0, -1, 0, 1, 3, 6], "float32")
    compare(lambda t, x: getattr(t.nn.functional, name)(x), x)


def test_activations_with_options() -> None:
    x = array(7)
    compare(lambda t, x: t.nn.functional.gelu(x, approximate="tanh"), x)
    compare(lambda t, x: t.nn.functional.elu(x, 0.5), x)
    compare(lambda t, x: t.nn.functional.celu(x, 0.5), x)
    compare(lambda t, x: t.nn.functional.leaky_relu(x, 0.2), x)
    compare(lambda t, x: t.nn.functional.hardtanh(x, -0.5, 2), x)
    compare(lambda t, x: t.nn.functional.softplus(x, 2.0, 1.0), x)
    compare(lambda t, x: t.nn.functional.threshold(x, 0.1, 20), x)
    compare_refusal(lambda t, x: t.nn.functional.gelu(x, approximate="no"), x)
    for name in ("silu", "gelu", "elu", "leaky_relu", "softplus"):
        compare_refusal(lambda t, x, name=name: getattr(t.nn.functional, name)(x), np.array([1, 2]))


def test_derivatives_of_derivatives() -> None:
    functions: list[Any] = [
        *(getattr(jitgrad, n) for n in SMOOTH if n not in ("acosh",)),
        *(getattr(jitgrad.nn.functional, n) for n in ("silu", "gelu", "mish", "softplus")),
    ]
    x = jitgrad.tensor([0.3, 0.6], dtype=jitgrad.float64, requires_grad=True)
    for function in functions:
        assert jitgrad.autograd.gradcheck(function, (x,)), function
        assert jitgrad.autograd.gradgradcheck(function, (x,)), function
    assert math.isclose(jitgrad.acosh(jitgrad.tensor(2.0)).item(), math.acosh(2), rel_tol=1e-6)
