"""Order against PyTorch."""

import numpy as np
import pytest

from tests.ops.against_torch import array, compare, compare_error

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_sort(dim: int, descending: bool) -> None:
    compare(lambda t, x: x.sort(dim, descending), array(3, 4, 2))
    compare(lambda t, x: t.argsort(x, dim, descending), array(3, 4, 2))
    ties = np.array([[1.0, NAN, 1.0, INF], [2.0, -INF, NAN, 2.0]])
    if dim:
        compare(lambda t, x: t.sort(x, dim=dim, descending=descending, stable=True), ties)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_topk(k: int, largest: bool) -> None:
    compare(lambda t, x: x.topk(k, largest=largest), array(4, 5))
    compare(lambda t, x: t.topk(x, k, dim=0, largest=largest), array(4, 5))


def test_kthvalue() -> None:
    compare(lambda t, x: x.kthvalue(2), array(4, 5))
    compare(lambda t, x: t.kthvalue(x, 3, dim=0, keepdim=True), array(4, 5))


def test_zero_dimensions_and_empty() -> None:
    compare(lambda t, x: x.sort(), np.array(2.0))
    compare(lambda t, x: x.topk(1), np.array(2.0))
    compare(lambda t, x: x.sort(0), np.zeros((0, 3)))
    compare(lambda t, x: x.topk(0, 0), np.zeros((0, 3)))


def test_searchsorted() -> None:
    edges, x = np.array([1.0, 3.0, 5.0, 5.0]), np.array([[0.0, 3.0], [5.0, 9.0]])
    for right in (False, True):
        compare(lambda t, e, x, r=right: t.searchsorted(e, x, right=r), edges, x)
        compare(lambda t, e, x, r=right: t.bucketize(x, e, right=r), edges, x)
    compare(lambda t, e, x: t.searchsorted(e, x, side="right", out_int32=True), edges, x)
    compare(lambda t, e, x: t.searchsorted(t.stack([e, e * 2]), x), edges, x)
    compare(lambda t, e: t.searchsorted(e, 3.0), edges)


def test_distinct() -> None:
    x = np.array([[3, 1, 3], [1, 1, 2]])
    compare(lambda t, x: x.unique(), x)
    compare(lambda t, x: t.unique(x, return_inverse=True, return_counts=True), x)
    compare(lambda t, x: t.unique(x, dim=1, return_inverse=True, return_counts=True), x)
    compare(lambda t, x: t.unique_consecutive(x, return_inverse=True, return_counts=True), x)
    compare(lambda t, x: t.unique_consecutive(x, dim=0), np.array([[1, 2], [1, 2], [0, 1]]))
    compare(lambda t, x: t.isin(x, t.tensor([1, 2])), x)
    compare(lambda t, x: t.isin(x, 3, invert=True), x)
    compare(lambda t, x: t.bincount(x.reshape(-1)), x)
    compare(lambda t, x: t.bincount(x[0], t.tensor([0.5, 1.0, 2.0]), minlength=6), x)


def test_errors() -> None:
    for wrong in (
        lambda t: t.ones(3).topk(4),
        lambda t: t.ones(3).topk(-1),
        lambda t: t.ones(3).kthvalue(4),
        lambda t: t.ones(3).kthvalue(0),
        lambda t: t.ones(3).sort(1),
        lambda t: t.bincount(t.tensor([-1])),
        lambda t: t.bincount(t.tensor([1.0])),
        lambda t: t.searchsorted(t.ones(2, 3), t.ones(3, 3)),
        lambda t: t.searchsorted(t.ones(3), t.ones(3), side="middle"),
    ):
        compare_error(wrong)
