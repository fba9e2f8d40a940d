"""Reductions, scans and statistics against PyTorch."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error

NAN, INF = float("nan"), float("inf")
DIMS: list[dict] = [{}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 2)}, {"dim": []}]
ONE_DIM: list[dict] = [{"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": 1}]


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "nansum", "nanmean"])
@pytest.mark.parametrize("where", DIMS)
def test_reductions(name: str, where: dict) -> None:
    compare(lambda t, x: getattr(t, name)(x, **where), array(2, 3, 4))
    if where.get("dim") not in ((0, 2),):
        compare(lambda t, x: getattr(t, name)(x, **where), array(4, dtype="float32"))


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean", "norm"])
@pytest.mark.parametrize("where", [*DIMS[:4], {"dim": 1}])
def test_moments(name: str, where: dict) -> None:
    compare(lambda t, x: getattr(t, name)(x, **where), array(2, 3, 4))


@pytest.mark.parametrize("name", ["prod", "max", "min", "argmax", "argmin", "median", "nanmedian"])
@pytest.mark.parametrize("where", [{}, *ONE_DIM])
def test_along_one_dimension(name: str, where: dict) -> None:
    compare(lambda t, x: getattr(t, name)(x, **where), array(2, 3, 4))


@pytest.mark.parametrize("name", ["all", "any", "count_nonzero"])
@pytest.mark.parametrize("where", [{}, {"dim": 0}, {"dim": (0, 1)}])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "uint8"])
def test_truth(name: str, where: dict, dtype: str) -> None:
    x = np.array([[0, 1, 2], [0, 0, 3]]).astype(dtype)
    compare(lambda t, x: getattr(t, name)(x, **where), x)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float16"])
@pytest.mark.parametrize("name", ["sum", "prod", "amax", "cumsum", "cumprod", "sort", "max"])
def test_dtypes(dtype: str, name: str) -> None:
    x = np.array([[1, 2, 0], [3, 0, 1]]).astype(dtype)
    compare(lambda t, x: getattr(t, name)(x, 0), x)
    if name == "sum":
        compare(lambda t, x: x.sum(), x)
        compare(lambda t, x: x.sum(0, dtype=t.float32), x)
        compare(lambda t, x: x.sum(dtype=t.int32), x, grad=False)


@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, INF, -INF, -1])
def test_norms(p: float) -> None:
    grad = p != 0
    compare(lambda t, x: x.norm(p), array(3, 4), grad=grad)
    compare(lambda t, x: t.norm(x, p, dim=1, keepdim=True), array(3, 4), grad=grad)
    compare(lambda t, x: t.linalg.vector_norm(x, p, dim=(0, 2)), array(2, 3, 4), grad=grad)


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_norm_of_zero_has_gradient_zero(p: float) -> None:
    compare(lambda t, x: x.norm(p), np.zeros(3))


def test_linalg_norm() -> None:
    compare(lambda t, x: t.linalg.norm(x), array(2, 3))
    compare(lambda t, x: t.linalg.norm(x, 1), array(2, 3))
    compare(lambda t, x: t.linalg.norm(x, -INF, dim=(0, 1), keepdim=True), array(2, 3, 2))
    compare(lambda t, x: t.linalg.norm(x, "fro"), array(2, 3))
    compare(lambda t, x: t.linalg.norm(x, 3, dim=1), array(2, 3))
    compare(lambda t, x: t.linalg.matrix_norm(x, INF), array(4, 2, 3))


def test_moments_arguments() -> None:
    x = array(3, 4)
    compare(lambda t, x: x.var(False), x)
    compare(lambda t, x: x.std(1, False), x)
    compare(lambda t, x: x.var(dim=0, correction=2), x)
    compare(lambda t, x: x.std(unbiased=False), x)
    compare(lambda t, x: x.std(dim=1), np.ones((2, 3)))
    compare(lambda t, x: x.var(), array(5, dtype="float16"), grad=False)


def test_ties_share_or_choose() -> None:
    x = np.array([[1.0, 3.0, 3.0], [3.0, 0.0, 1.0]])
    for name in ("max", "amax", "median"):
        compare(lambda t, x, n=name: getattr(x, n)(), x)
    compare(lambda t, x: x.amax(1), x)
    compare(lambda t, x: x.max(1).values, x)
    compare(lambda t, x: x.aminmax(), x)


def test_nan_and_infinity() -> None:
    x = np.array([[1.0, NAN, INF], [-INF, 2.0, 3.0]])
    for name in ("sum", "mean", "amax", "amin", "argmax", "argmin", "prod", "median", "max", "min"):
        compare(lambda t, x, n=name: getattr(x, n)(), x, grad=False)
        if name not in ("sum", "mean", "amax", "amin"):
            compare(lambda t, x, n=name: getattr(x, n)(1), x, grad=False)
    compare(lambda t, x: x.nanmedian(1).values, x, grad=False)
    compare(lambda t, x: x.nanmean(1), np.array([[NAN, NAN], [1.0, NAN]]))
    for name in ("max", "min", "median"):
        compare(lambda t, x, n=name: getattr(x, n)(), x)
    compare(lambda t, x: x.nansum(1), x)


def test_prod_with_zeros() -> None:
    for x in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]):
        compare(lambda t, x: x.prod(), np.array(x))
        compare(lambda t, x: x.cumprod(0), np.array(x))
    compare(lambda t, x: x.prod(1, True), np.array([[1.0, 0.0], [0.0, 0.0]]))
    compare(lambda t, x: x.cumprod(1), array(3, 4))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp"])
def test_scans(name: str) -> None:
    for dim in (0, 1, -1):
        compare(lambda t, x, d=dim: getattr(t, name)(x, d), array(3, 4))
    compare(lambda t, x: getattr(t, name)(x, 0), np.array(2.0))


@pytest.mark.parametrize("name", ["cumprod", "cumsum"])
def test_scans_differentiate_twice(name: str) -> None:
    def second(t: Any, x: Any) -> Any:
        scanned = getattr(x, name)(1)
        (first,) = t.autograd.grad(scanned.pow(3).sum(), x, create_graph=True)
        return first.pow(2).sum()

    compare(second, array(2, 4))
    # where an element is zero PyTorch's own second derivative is not right
    x = jitgrad.tensor([[2.0, 0.0, 3.0]], dtype=jitgrad.float64, requires_grad=True)
    assert jitgrad.autograd.gradgradcheck(lambda x: getattr(x, name)(1), (x,))
    assert jitgrad.autograd.gradgradcheck(lambda x: x.prod(1), (x,))


def test_logsumexp() -> None:
    compare(lambda t, x: t.logsumexp(x, 1), array(3, 4) * 1000)
    compare(lambda t, x: t.logsumexp(x, (0, 1), keepdim=True), array(3, 4))
    compare(lambda t, x: t.logsumexp(x, 1), np.array([[-INF, -INF], [INF, 1.0], [-INF, 1.0]]))
    compare(lambda t, x: t.logsumexp(x, 0), np.array([1, 2]))


@pytest.mark.filterwarnings("ignore:var")
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_empty(shape: tuple) -> None:
    x = np.zeros(shape)
    for name in ("sum", "mean", "prod", "all", "any", "norm", "var", "nansum", "count_nonzero"):
        compare(lambda t, x, n=name: getattr(t, n)(x), x, grad=name not in ("var",))
    for dim in range(len(shape)):
        compare(lambda t, x, d=dim: x.sum(d), x)
        compare(lambda t, x, d=dim: x.cumsum(d), x)
        compare(lambda t, x, d=dim: t.logsumexp(x, d), x)
        if shape[dim]:
            compare(lambda t, x, d=dim: x.amax(d), x)
            compare(lambda t, x, d=dim: x.max(d), x)


def test_zero_dimensions() -> None:
    x = np.array(2.0)
    for name in ("sum", "mean", "prod", "amax", "max", "min", "argmax", "median", "norm"):
        compare(lambda t, x, n=name: getattr(x, n)(), x)
        if name != "norm":
            compare(lambda t, x, n=name: getattr(x, n)(dim=0), x)
            compare(lambda t, x, n=name: getattr(x, n)(dim=-1), x)


def test_other_names_of_arguments() -> None:
    compare(lambda t, x: x.sum(axis=0), array(2, 3))
    compare(lambda t, x: x.mean(axis=1), array(2, 3))
    compare(lambda t, x: t.max(x, axis=1), array(2, 3))
    compare(lambda t, x, y: t.max(x, y), array(2, 3), array(2, 3, seed=1))


def test_sum_to_size() -> None:
    compare(lambda t, x: x.sum_to_size(1, 3), array(2, 3))
    compare(lambda t, x: x.sum_to_size(3), array(2, 3))
    compare(lambda t, x: x.sum_to_size((3, 1)), array(2, 3, 4))


def test_quantile() -> None:
    x = array(3, 5)
    compare(lambda t, x: t.quantile(x, 0.3), x)
    compare(lambda t, x: t.quantile(x, 0.3, dim=1, keepdim=True), x)
    compare(lambda t, x: t.quantile(x, t.tensor([0.1, 0.9], dtype=t.float64), dim=0), x)
    compare(
        lambda t, x: t.quantile(x, t.tensor([0.1, 0.9], dtype=t.float64), dim=0, keepdim=True), x
    )
    for interpolation in ("lower", "higher", "midpoint", "nearest"):
        compare(lambda t, x, i=interpolation: t.quantile(x, 0.4, 1, interpolation=i), x)
    x[0, 0] = NAN
    compare(lambda t, x: t.quantile(x, 0.5, dim=1), x, grad=False)


def test_float16_does_not_overflow_on_the_way() -> None:
    x = np.full(10000, 100, np.float16)
    compare(lambda t, x: x.mean(), x, grad=False)
    compare(lambda t, x: x.norm(), x, grad=False)


def test_errors() -> None:
    for name in ("max", "min", "amax", "amin", "argmax", "argmin"):
        compare_error(lambda t, n=name: getattr(t, n)(t.zeros(0)))
        compare_error(lambda t, n=name: getattr(t, n)(t.zeros(2, 0), dim=1))
        compare_error(lambda t, n=name: getattr(t, n)(t.zeros(2), dim=1))
    for name in ("max", "argmax", "prod"):
        compare_error(lambda t, n=name: getattr(t, n)(t.zeros(2, 2), dim=(0, 1)))
    for name in ("mean", "std", "var", "norm"):
        compare_error(lambda t, n=name: getattr(t, n)(t.tensor([1, 2])))
    compare_error(lambda t: t.zeros(2, 2).sum(dim=(0, 0)))
    compare_error(lambda t: t.zeros(2, 2).sum(dim=2))
    compare_error(lambda t: t.zeros(2, 2).cumsum(2))
    compare_error(lambda t: t.zeros(2, 2).sum_to_size(3, 2))
    compare_error(lambda t: t.tensor([True, False]).argmax())


def test_named_tuples() -> None:
    result = jitgrad.tensor([1.0, 2.0]).max(0)
    assert repr(result) == "torch.return_types.max(\nvalues=tensor(2.),\nindices=tensor(1))"
    assert result.values is result[0]
