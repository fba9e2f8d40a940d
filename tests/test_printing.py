"""Printed tensors against PyTorch's."""

from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

import jitgrad

torch: Any = pytest.importorskip("torch")

NAN, INF = float("nan"), float("inf")

DATA: list[Any] = [
    1,
    2.5,
    True,
    -3.0,
    1e-5,
    1e9,
    NAN,
    [],
    [[]],
    [1.0, 2.0],
    [[1, 2], [3, 4]],
    [1.5, NAN, INF, -INF],
    [NAN, INF],
    [1.0, INF],
    [0.0, -0.0],
    [1e-5, 1.0],
    [1e4, 1.5],
    [1e4, 2.0],
    [100000.0, 1.0],
    [1e9, 1.0],
    [123456.0, 0.001],
    [True, False],
    [[[1.0, 2.0]], [[3.0, 4.0]]],
    [1 + 2j, 3 - 1j],
    [-1, 10, 100],
]
DTYPES = ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("data", DATA, ids=repr)
def test_data(data: Any) -> None:
    assert repr(jitgrad.tensor(data)) == repr(torch.tensor(data))
    assert str(jitgrad.tensor(data)) == str(torch.tensor(data))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (3, 4), (2, 3, 2), (40,), (2, 1, 2, 2)])
def test_shapes(dtype: str, shape: tuple) -> None:
    x = np.asarray(np.random.default_rng(0).normal(size=shape) * 30).astype(dtype)
    assert repr(jitgrad.tensor(x)) == repr(torch.tensor(x))


@pytest.mark.parametrize("shape", [(1001,), (50, 50), (3, 400), (400, 3), (11, 11, 11), (2000, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_summaries(shape: tuple, dtype: str) -> None:
    x = (np.random.default_rng(0).normal(size=shape) * 100).astype(dtype)
    assert repr(jitgrad.tensor(x)) == repr(torch.tensor(x))


@hypothesis.given(
    arrays.arrays(
        strategies.sampled_from(["float32", "float64", "float16", "int64", "int8", "bool"]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7),
    )
)
def test_any_array(x: np.ndarray) -> None:
    assert repr(jitgrad.tensor(x)) == repr(torch.tensor(x))


def test_what_autograd_adds() -> None:
    x = jitgrad.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1., 2.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 4.], grad_fn=<MulBackward>)"
    wide = jitgrad.ones(2, 12, dtype=jitgrad.float64, requires_grad=True)
    assert repr(wide) == repr(torch.ones(2, 12, dtype=torch.float64, requires_grad=True))


def test_other_default_dtype() -> None:
    for library in (jitgrad, torch):
        library.set_default_dtype(library.float64)
    try:
        for data in (1.5, [1.0], [], 1j):
            assert repr(jitgrad.tensor(data)) == repr(torch.tensor(data))
        mine = jitgrad.tensor([1.0], dtype=jitgrad.float32)
        assert repr(mine) == "tensor([1.], dtype=torch.float32)"
    finally:
        for library in (jitgrad, torch):
            library.set_default_dtype(library.float32)


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2},
        {"threshold": 5, "edgeitems": 1},
        {"edgeitems": 0, "threshold": 5},
        {"linewidth": 40},
        {"sci_mode": True},
        {"sci_mode": False},
        {"profile": "short"},
        {"profile": "full"},
    ],
    ids=repr,
)
def test_options(options: dict) -> None:
    x = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    x[0, 0] = 1e6
    try:
        for library in (jitgrad, torch):
            library.set_printoptions(**options)
        assert repr(jitgrad.tensor(x)) == repr(torch.tensor(x))
        assert repr(jitgrad.ones(7)) == repr(torch.ones(7))
    finally:
        for library in (jitgrad, torch):
            library.set_printoptions(profile="default")


def test_options_for_a_block() -> None:
    with jitgrad.printoptions(precision=1):
        assert repr(jitgrad.tensor([0.25])) == "tensor([0.2])"
    assert repr(jitgrad.tensor([0.25])) == "tensor([0.2500])"
    assert jitgrad.get_printoptions()["precision"] == 4
    with pytest.raises(ValueError, match="profile"):
        jitgrad.set_printoptions(profile="long")


def test_format() -> None:
    assert f"{jitgrad.tensor(2.5):.3f}" == "2.500"
    assert f"{jitgrad.tensor(3):4d}" == "   3"
    assert f"{jitgrad.tensor([1.0])}" == "tensor([1.])"
    for library in (jitgrad, torch):
        with pytest.raises(TypeError):
            f"{library.tensor([1.0]):.2f}"
        assert f"{library.tensor(2.0, requires_grad=True):.1f}" == "2.0"
