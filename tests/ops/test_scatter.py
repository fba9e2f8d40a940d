"""Gather, scatter, index functions and masks by name, against PyTorch."""

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, flat, places, torch

INDEX = places([0, 1, 0], [2, 0, 0])
LINES = places(2, 0, 2)

CALLS = {
    "gather": lambda t, x, i, s: t.gather(x, 0, i),
    "gather_last": lambda t, x, i, s: x.gather(-1, i),
    "gather_int32": lambda t, x, i, s: x.gather(1, i.to(t.int32)),
    "scatter": lambda t, x, i, s: t.scatter(x, 1, i[:, :2], s[:, :2]),
    "scatter_number": lambda t, x, i, s: x.scatter(0, i, 2.5),
    "scatter_value": lambda t, x, i, s: x.scatter(0, i, value=3),
    "scatter_add": lambda t, x, i, s: t.scatter_add(x, 0, i, s),
    "scatter_add_part": lambda t, x, i, s: x.scatter_add(1, i[:1], s[:1]),
    "scatter_add_": lambda t, x, i, s: (x * 1).scatter_add_(0, i, s),
    "scatter_": lambda t, x, i, s: (x * 1).scatter_(0, i[:, :1], s[:, :1]),
    "scatter_view": lambda t, x, i, s: (x * 1)[:, 1:].scatter_(0, i[:, :1], s[:, :1]),
    "sum": lambda t, x, i, s: x.scatter_reduce(0, i, s, "sum"),
    "mean": lambda t, x, i, s: x.scatter_reduce(0, i, s, "mean"),
    "mean_without": lambda t, x, i, s: x.scatter_reduce(0, i, s, "mean", include_self=False),
    "amax": lambda t, x, i, s: t.scatter_reduce(x, 1, i, s, "amax"),
    "amin_without": lambda t, x, i, s: x.scatter_reduce(1, i, s, "amin", include_self=False),
    "take_along_dim": lambda t, x, i, s: t.take_along_dim(x, i[:1], 0),
    "take_along_all": lambda t, x, i, s: t.take_along_dim(x, i),
    "take": lambda t, x, i, s: t.take(x, i * 2 - 1),
    "put": lambda t, x, i, s: x.index_put((i[0], i[1]), s[0]),
    "put_add": lambda t, x, i, s: x.index_put((i[0],), s[0], accumulate=True),
    "put_add_all": lambda t, x, i, s: x.index_put((i[0], i[0]), s[0, 0], accumulate=True),
    "put_": lambda t, x, i, s: (x + 0).index_put_((i[:, :1],), s[:1]),
}


@pytest.mark.parametrize("name", CALLS)
def test_positions(name: str) -> None:
    compare(CALLS[name], array(3, 3), INDEX, array(2, 3, seed=1))
    if name not in ("mean", "mean_without"):
        whole = array(3, 3, dtype="int64")
        compare(CALLS[name], whole, INDEX, array(2, 3, dtype="int64", seed=1))


LINE_CALLS = {
    "index_select": lambda t, x, i, s: t.index_select(x, 1, i),
    "index_select_0": lambda t, x, i, s: x.index_select(0, i),
    "index_add": lambda t, x, i, s: t.index_add(x, 1, i, s),
    "index_add_alpha": lambda t, x, i, s: x.index_add(-1, i, s, alpha=2),
    "index_add_": lambda t, x, i, s: (x * 1).index_add_(1, i, s),
    "index_copy": lambda t, x, i, s: x.index_copy(1, i[:2], s[:, :2]),
    "index_copy_": lambda t, x, i, s: (x * 1).index_copy_(1, i[:2], s[:, :2]),
    "index_fill": lambda t, x, i, s: t.index_fill(x, 0, i, 2.0),
    "index_fill_negative": lambda t, x, i, s: x.index_fill(0, -i, 2),
    "index_fill_tensor": lambda t, x, i, s: x.index_fill(0, i, s[0, 0]),
    "index_fill_": lambda t, x, i, s: (x * 1).index_fill_(1, i, 0),
    "index_fill_scalar": lambda t, x, i, s: x.index_fill(0, i[0], 1.0),
    "of_no_dimension": lambda t, x, i, s: x[0, 0].index_select(0, i[1]),
}


@pytest.mark.parametrize("name", LINE_CALLS)
def test_lines(name: str) -> None:
    compare(LINE_CALLS[name], array(3, 3), LINES, array(3, 3, seed=1))
    compare(LINE_CALLS[name], array(3, 3, dtype="float32"), LINES, array(3, 3, dtype="float32"))


MASK = np.array([[True, False, True], [False, False, True]])

MASK_CALLS = {
    "fill": lambda t, x, m, s: t.masked_fill(x, m, 2.0),
    "fill_tensor": lambda t, x, m, s: x.masked_fill(m, s[0, 0]),
    "fill_broadcast": lambda t, x, m, s: x.masked_fill(m[0], 1),
    "fill_grows": lambda t, x, m, s: x[0].masked_fill(m, 1),
    "fill_": lambda t, x, m, s: (x * 1).masked_fill_(m, 2),
    "select": lambda t, x, m, s: t.masked_select(x, m),
    "select_broadcast": lambda t, x, m, s: x.masked_select(m[0]),
    "select_grows": lambda t, x, m, s: x[0].masked_select(m),
    "select_0d": lambda t, x, m, s: x[0, 0].masked_select(m[0, 0]),
    "scatter": lambda t, x, m, s: t.masked_scatter(x, m, s),
    "scatter_broadcast": lambda t, x, m, s: x.masked_scatter(m[1], s),
    "scatter_": lambda t, x, m, s: (x * 1).masked_scatter_(m, s),
}


@pytest.mark.parametrize("name", MASK_CALLS)
def test_masks(name: str) -> None:
    compare(MASK_CALLS[name], array(2, 3), MASK, array(2, 3, seed=1))
    compare(MASK_CALLS[name], array(2, 3), ~MASK & MASK, array(2, 3, seed=1))
    compare(MASK_CALLS[name], array(2, 3, dtype="int64"), MASK, array(2, 3, dtype="int64"))


def test_fill_leaves_the_dtype() -> None:
    x = np.array([1, 2])
    mask = np.array([True, False])
    compare(lambda t, x, m: x.masked_fill(m, 1.9), x, mask)
    compare(lambda t, x, m: x.masked_fill(m, True), x.astype("float16"), mask)
    compare(lambda t, x, m: x.masked_fill(m, float("inf")), x.astype("float32"), mask)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (0, 3)])
def test_nonzero(shape: tuple) -> None:
    for values in (array(*shape), np.zeros(shape)):
        compare(lambda t, x: t.nonzero(x.detach()), values)
        compare(lambda t, x: x.detach().nonzero(as_tuple=True), values)
        compare(lambda t, x: t.argwhere(x.detach()), values)


def test_second_derivatives() -> None:
    for function in (
        lambda t, x: x[t.tensor([0, 0, 2])],
        lambda t, x: x.gather(0, t.tensor([[1, 1, 0]])),
        lambda t, x: x.scatter_add(0, t.tensor([[1, 1, 0]]), x[:1]),
        lambda t, x: x.scatter(0, t.tensor([[1, 1, 0]]), x[:1]),
        lambda t, x: x.masked_fill(t.eye(3, dtype=t.bool), x[0, 0]),
        lambda t, x: x.masked_scatter(t.eye(3, dtype=t.bool), x[1]),
        lambda t, x: x.index_put((t.tensor([0, 1]),), x[2:], accumulate=True),
        lambda t, x: x.index_copy(1, t.tensor([1]), x[:, :1]),
        lambda t, x: x.scatter_reduce(0, t.tensor([[1, 1, 0]]), x[:1], "amax"),
        lambda t, x: t.cat([x, x[:1]]) * 2,
        lambda t, x: x.unfold(0, 2, 1),
        lambda t, x: x.roll(1, 0).tril().flip(0),
        lambda t, x: (x * 1).copy_(x[0]),
    ):
        found = []
        for t in (jitgrad, torch):
            x = t.tensor(array(3, 3), requires_grad=True)
            (first,) = t.autograd.grad((function(t, x) ** 3).sum(), x, create_graph=True)
            (second,) = t.autograd.grad((first**2).sum(), x)
            found.append(second.numpy())
        np.testing.assert_allclose(*found)


def test_flat_helper_sees_tuples() -> None:
    assert len(flat(jitgrad.nonzero(jitgrad.ones(2, 2), as_tuple=True))) == 2
