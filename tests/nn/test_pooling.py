"""Pools: functions and modules, against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.nn import functional as F
from tests.nn.both import torch as torch
from tests.nn.spatial import LAYOUTS, compare_functions, compare_modules
from tests.ops.against_torch import assert_same

SIZES = {1: (7,), 2: (6, 7), 3: (5, 6, 7)}
NDIMS = pytest.mark.parametrize("ndim", [1, 2, 3])
GRID = pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ceil_mode"),
    list(itertools.product((2, 3), (None, 1, 2, 3), (0, 1), (False, True))),
)


def image(ndim: int, *lead: int, dtype: str = "float64") -> np.ndarray:
    """Return numbers that are all different, so that no two are largest."""
    shape = (*(lead or (2, 3)), *SIZES[ndim])
    numbers = np.random.default_rng(1).permutation(int(np.prod(shape)))
    return (numbers.reshape(shape) / 8 - 10).astype(dtype)


@NDIMS
@GRID
def test_max_pool(ndim: int, kernel: int, stride: Any, padding: int, ceil_mode: bool) -> None:
    for dilation in (1, 2):
        if dilation * (kernel - 1) + 1 <= min(SIZES[ndim]):
            args = (kernel, stride, padding, dilation)
            compare_modules(f"MaxPool{ndim}d", image(ndim), args=args, ceil_mode=ceil_mode)
            compare_functions(
                f"max_pool{ndim}d",
                image(ndim, 3),
                args=args,
                ceil_mode=ceil_mode,
                return_indices=True,
            )


@NDIMS
@GRID
def test_avg_pool(ndim: int, kernel: int, stride: Any, padding: int, ceil_mode: bool) -> None:
    for counted in (True, False):
        settings: dict = {"ceil_mode": ceil_mode, "count_include_pad": counted}
        args = (kernel, stride, padding)
        compare_modules(f"AvgPool{ndim}d", image(ndim), args=args, **settings)
        if ndim > 1:
            settings["divisor_override"] = 3
        compare_functions(f"avg_pool{ndim}d", image(ndim, 3), args=args, **settings)


@NDIMS
@pytest.mark.parametrize("sizes", [1, 2, 3, 5, 9, (1, 2, 3), (7, 1, 4), (None, 4, None)])
def test_adaptive(ndim: int, sizes: Any) -> None:
    wanted = sizes[:ndim] if isinstance(sizes, tuple) else sizes
    if wanted == (None,):
        wanted = (7,)
    compare_modules(f"AdaptiveAvgPool{ndim}d", image(ndim), args=(wanted,))
    compare_modules(f"AdaptiveMaxPool{ndim}d", image(ndim), args=(wanted,))
    compare_modules(f"AdaptiveMaxPool{ndim}d", image(ndim, 3), args=(wanted, True))
    compare_functions(f"adaptive_avg_pool{ndim}d", image(ndim, 3), args=(wanted,))


@NDIMS
@pytest.mark.parametrize("norm", [1, 2, 3.0])
def test_lp_pool(ndim: int, norm: float) -> None:
    x = np.abs(image(ndim)) + 0.5
    compare_modules(f"LPPool{ndim}d", x, args=(norm, 2))
    compare_modules(f"LPPool{ndim}d", x, args=(norm, 3, 2, True))


@NDIMS
def test_max_unpool(ndim: int) -> None:
    torch = pytest.importorskip("torch")
    pool = getattr(torch.nn.functional, f"max_pool{ndim}d")
    for lead in ((2, 3), (3,)):
        x = image(ndim, *lead)
        even = x[(..., *[slice(size // 2 * 2) for size in SIZES[ndim]])]
        values, places = (each.numpy() for each in pool(torch.tensor(even), 2, return_indices=True))
        compare_modules(f"MaxUnpool{ndim}d", values, places, args=(2,))
        values, places = (each.numpy() for each in pool(torch.tensor(x), 2, return_indices=True))
        compare_functions(f"max_unpool{ndim}d", values, places, args=(2,), output_size=SIZES[ndim])


@pytest.mark.parametrize("ndim", [2, 3])
def test_fractional_max_pool(ndim: int) -> None:
    torch = pytest.importorskip("torch")
    x = image(ndim)
    for kernel, size in ((2, 3), (1, 4), (3, 1)):
        samples = np.random.default_rng(3).random((2, 3, ndim))
        made = [
            getattr(library.nn, f"FractionalMaxPool{ndim}d")(
                kernel, size, return_indices=True, _random_samples=library.tensor(samples)
            )(library.tensor(x))
            for library in (jitgrad, torch)
        ]
        assert_same(*made)
    leaf = jitgrad.tensor(x, requires_grad=True)
    layer = getattr(jitgrad.nn, f"FractionalMaxPool{ndim}d")(2, output_ratio=0.5)
    out = layer(leaf)
    assert tuple(out.shape[2:]) == tuple(size // 2 for size in SIZES[ndim])
    (slope,) = jitgrad.autograd.grad(out.sum(), leaf)
    assert slope.sum().item() == out.numel()
    assert np.isin(out.detach().numpy(), x).all()


def test_fractional_needs_one_size(torch: Any) -> None:
    for settings in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 1.5}):
        with pytest.raises(ValueError):
            torch.nn.FractionalMaxPool2d(2, **settings)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_and_dtypes(layout: str, dtype: str) -> None:
    x = image(2, dtype=dtype)
    for name, args in (
        ("max_pool2d", (3, 2, 1)),
        ("avg_pool2d", (3, 2, 1)),
        ("adaptive_avg_pool2d", (4,)),
        ("adaptive_max_pool2d", (4,)),
    ):
        compare_functions(name, x, args=args, layout=layout)


def test_nan_and_infinity(torch: Any) -> None:
    nan, inf = float("nan"), float("inf")
    x = torch.tensor([[[-inf, -inf, 1.0, nan], [-inf, -inf, nan, 2.0], [3.0, inf, -inf, 0.0]]])
    values, places = torch.nn.functional.max_pool2d(x, 2, 1, return_indices=True)
    assert values.isnan().tolist() == [[[False, True, True], [False, True, True]]]
    # of equal elements the first, of several NaN the last
    assert places.tolist() == [[[0, 6, 6], [9, 6, 6]]]
    values, places = torch.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert places[0, 0, 0].item() == 0 and values[0, 0, 0].item() == -inf
    averages = torch.nn.functional.adaptive_avg_pool2d(x[:, 2:], (1, 3))
    assert averages.tolist()[0][0][0] == inf and averages[0, 0, 1].isnan().item()
    assert averages[0, 0, 2].item() == -inf


def test_the_first_of_equal_elements_gets_the_gradient(torch: Any) -> None:
    x = torch.zeros(1, 4, 4, requires_grad=True)
    torch.nn.functional.max_pool2d(x, 2).sum().backward()
    assert x.grad.nonzero().tolist() == [[0, 0, 0], [0, 0, 2], [0, 2, 0], [0, 2, 2]]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("max_pool2d", (2, 1)),
        ("max_pool3d", (2,)),
        ("avg_pool2d", (3, 2, 1)),
        ("adaptive_avg_pool2d", (4,)),
        ("adaptive_max_pool2d", (4,)),
        ("lp_pool2d", (2, 2)),
    ],
)
def test_second_derivatives(name: str, args: tuple) -> None:
    leaf = jitgrad.tensor(np.abs(image(3 if "3d" in name else 2, 1)) + 0.5, requires_grad=True)

    def run(x: Any) -> Any:
        return getattr(F, name)(x[..., :5, :5], *args).square()

    assert jitgrad.autograd.gradcheck(run, (leaf,))
    assert jitgrad.autograd.gradgradcheck(run, (leaf,))


def test_what_is_pooled_may_be_written_over(torch: Any) -> None:
    x = torch.tensor([[[-1.0, -2.0], [3.0, 2.0]]], requires_grad=True)
    (out,) = torch.nn.functional.max_pool2d(x, (1, 2)).relu_()
    out.sum().backward()
    assert x.grad.tolist() == [[[0.0, 0.0], [1.0, 0.0]]]


def test_names_with_indices(torch: Any) -> None:
    """The top level always tells the places, nn.functional where it is asked to."""
    x = torch.arange(6.0).reshape(1, 1, 6)
    values, places = torch.adaptive_max_pool1d(x, 2)
    assert values.tolist() == [[[2, 5]]] and places.tolist() == [[[2, 5]]]
    assert torch.nn.functional.adaptive_max_pool1d(x, 2).tolist() == [[[2, 5]]]
    assert torch.max_pool1d_with_indices(x, 3)[1].tolist() == [[[2, 5]]]
    assert torch.max_pool2d(x, (1, 3)).tolist() == [[[2, 5]]]


def test_integers(torch: Any) -> None:
    x = torch.tensor([[[1, -2, 4], [-3, -1, 7]]])
    assert torch.nn.functional.max_pool2d(x, 2, 1).tolist() == [[[1, 7]]]
    assert torch.nn.functional.avg_pool2d(x, 2, 1).tolist() == [[[-1, 2]]]
