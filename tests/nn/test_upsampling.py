"""Resizing, sampling, folding, shuffling: functions and modules, against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.nn import functional as F
from tests.nn.both import torch as torch
from tests.nn.spatial import LAYOUTS, compare_functions, compare_modules
from tests.ops.against_torch import array

SIZES = {1: (5,), 2: (4, 5), 3: (4, 5, 3)}
SMOOTH = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
TARGETS: list[dict] = [
    {"size": 7},
    {"size": 3},
    {"size": 1},
    {"scale_factor": 2},
    {"scale_factor": 1.7},
    {"scale_factor": 0.6},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_steps(ndim: int, mode: str, target: dict) -> None:
    compare_functions("interpolate", array(2, 3, *SIZES[ndim]), mode=mode, **target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", SMOOTH)
@pytest.mark.parametrize("align_corners", [None, True, False])
def test_smooth(mode: str, align_corners: Any, target: dict) -> None:
    x = array(2, 3, *SIZES[SMOOTH[mode]])
    compare_functions("interpolate", x, mode=mode, align_corners=align_corners, **target)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 2), (2, 9), (8, 3), (9, 8)])
@pytest.mark.parametrize("align_corners", [True, False])
def test_antialias(mode: str, size: tuple, align_corners: bool) -> None:
    compare_functions(
        "interpolate",
        array(1, 2, 7, 6),
        size=size,
        mode=mode,
        align_corners=align_corners,
        antialias=True,
    )


def test_many_sizes_take_the_same_neighbours() -> None:
    """Which element is nearest is decided in float32, whatever the dtype."""
    torch = pytest.importorskip("torch")
    for old, new in itertools.product((3, 7, 10, 49), (5, 21, 30, 70, 147)):
        x = np.arange(float(old)).reshape(1, 1, old)
        for mode in ("nearest", "nearest-exact"):
            found, expected = (
                t.nn.functional.interpolate(t.tensor(x), size=new, mode=mode).tolist()
                for t in (jitgrad, torch)
            )
            assert found == expected, (old, new, mode)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_and_dtypes(layout: str, dtype: str) -> None:
    x = array(2, 3, 4, 5, dtype=dtype)
    for mode in ("nearest", "area", "bilinear", "bicubic"):
        compare_functions("interpolate", x, size=(6, 3), mode=mode, layout=layout)


@pytest.mark.parametrize(
    ("name", "args", "settings"),
    [
        ("Upsample", (), {"scale_factor": 2}),
        ("Upsample", ((3, 7),), {"mode": "bilinear", "align_corners": True}),
        ("Upsample", (), {"scale_factor": (2, 1.5), "mode": "bicubic"}),
        ("Upsample", (), {"scale_factor": 1.5, "recompute_scale_factor": True}),
        ("UpsamplingNearest2d", (6,), {}),
        ("UpsamplingBilinear2d", (), {"scale_factor": 2}),
        ("PixelShuffle", (2,), {}),
        ("PixelUnshuffle", (2,), {}),
        ("ChannelShuffle", (4,), {}),
        ("Unfold", (2,), {}),
        ("Unfold", ((2, 3), (1, 2), 1, (2, 1)), {}),
    ],
)
def test_modules(name: str, args: tuple, settings: dict) -> None:
    compare_modules(name, array(2, 8, 4, 6), args=args, **settings)


def test_fold() -> None:
    compare_modules("Fold", array(2, 12, 12), args=((4, 5), 2))
    compare_modules("Fold", array(12, 12), args=((4, 5), 2))
    compare_modules("Fold", array(2, 12, 20), args=((5, 4), (2, 3), (2, 1), 1, (1, 1)))
    compare_modules("Fold", array(2, 12, 9), args=((5, 4), (3, 2), 1, 1, 2))


def test_fold_undoes_unfold_where_blocks_do_not_overlap() -> None:
    x = jitgrad.tensor(array(2, 3, 4, 6))
    back = F.fold(F.unfold(x, (2, 3), stride=(2, 3)), (4, 6), (2, 3), stride=(2, 3))
    np.testing.assert_array_equal(back.numpy(), x.numpy())


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [True, False])
def test_grid_sample(mode: str, padding: str, align_corners: bool) -> None:
    places = np.random.default_rng(0).uniform(-2.5, 2.5, (2, 6, 5, 2))
    settings = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    compare_functions("grid_sample", array(2, 3, 4, 5), places, **settings)
    if mode == "bilinear":
        places = np.random.default_rng(0).uniform(-2.5, 2.5, (2, 3, 2, 4, 3))
        compare_functions("grid_sample", array(2, 2, 3, 4, 5), places, **settings)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_nearest(padding: str) -> None:
    torch = pytest.importorskip("torch")
    x, places = array(2, 3, 4, 5), np.random.default_rng(0).uniform(-2.5, 2.5, (2, 6, 5, 2))
    for align_corners in (True, False):
        made = []
        for library in (jitgrad, torch):
            leaf = library.tensor(x, requires_grad=True)
            out = library.nn.functional.grid_sample(
                leaf, library.tensor(places), "nearest", padding, align_corners
            )
            made.append([out, *library.autograd.grad((out * out).sum(), leaf)])
        for found, expected in zip(*made):
            np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), 1e-12)


def test_outside_is_not_read() -> None:
    """What lies beyond the edge weighs nothing, even beside an infinite element."""
    x = jitgrad.tensor([[[[float("inf"), 1.0]]]])
    places = jitgrad.tensor([[[[-3.0, 0.0], [0.5, 0.0], [float("nan"), 0.0]]]])
    out = F.grid_sample(x, places, align_corners=False)
    np.testing.assert_array_equal(out.numpy()[..., :2], [[[[0.0, 1.0]]]])


def test_affine_grid() -> None:
    for align_corners in (True, False):
        settings = {"args": ((2, 1, 3, 4), align_corners)}
        compare_functions("affine_grid", array(2, 2, 3), **settings)
        settings = {"args": ((2, 1, 3, 2, 4), align_corners)}
        compare_functions("affine_grid", array(2, 3, 4), **settings)


def test_deprecated_names(torch: Any) -> None:
    F = torch.nn.functional
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    with pytest.warns(UserWarning, match="deprecated"):
        assert (F.upsample(x, scale_factor=2) == F.interpolate(x, 4)).all()
    with pytest.warns(UserWarning, match="deprecated"):
        assert (F.upsample_nearest(x, 3) == F.interpolate(x, 3)).all()
    with pytest.warns(UserWarning, match="deprecated"):
        expected = F.interpolate(x, 3, mode="bilinear", align_corners=True)
        assert (F.upsample_bilinear(x, 3) == expected).all()


@pytest.mark.parametrize("mode", ["nearest", "area", "bilinear", "bicubic"])
def test_second_derivatives(mode: str) -> None:
    leaf = jitgrad.tensor(array(1, 1, 3, 4), requires_grad=True)

    def run(x: Any) -> Any:
        return F.interpolate(x, (4, 3), mode=mode).pow(3)

    assert jitgrad.autograd.gradcheck(run, (leaf,))
    assert jitgrad.autograd.gradgradcheck(run, (leaf,))
