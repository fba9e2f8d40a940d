"""Convolutions and transposed convolutions: functions and modules, against PyTorch and NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.nn import functional as F
from jitgrad.ops import correlation
from tests.nn.both import torch as torch
from tests.nn.spatial import LAYOUTS, compare_functions, compare_modules
from tests.ops.against_torch import array

SIZES = {1: (7,), 2: (6, 7), 3: (4, 5, 6)}

GRID = [
    (stride, padding, dilation, groups)
    for stride, padding, dilation, groups in itertools.product((1, 2), (0, 1), (1, 2), (1, 2))
]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), GRID)
def test_modules(ndim: int, stride: int, padding: int, dilation: int, groups: int) -> None:
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x = array(3, 4, *SIZES[ndim])
    compare_modules(f"Conv{ndim}d", x, args=(4, 6, 2), **settings)
    compare_modules(f"Conv{ndim}d", x[0], args=(4, 6, 2), bias=False, **settings)
    extra = max(stride, dilation) - 1
    small = array(2, 4, *[size - 2 for size in SIZES[ndim]])
    compare_modules(
        f"ConvTranspose{ndim}d", small, args=(4, 6, 3), output_padding=extra, **settings
    )
    compare_modules(f"ConvTranspose{ndim}d", small[0], args=(4, 6, 3), bias=False, **settings)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_and_dtypes(layout: str, dtype: str) -> None:
    x, weight, bias = (array(*shape, dtype=dtype) for shape in ((2, 4, 5, 6), (4, 2, 3, 2), (4,)))
    compare_functions("conv2d", x, weight, bias, args=((2, 1), 1, 1, 2), layout=layout)
    compare_functions("conv_transpose2d", x, weight, bias, args=(2, 1, 1, 2), layout=layout)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_paddings(padding: str, mode: str) -> None:
    x = array(2, 2, 6, 7)
    compare_modules(
        "Conv2d", x, args=(2, 3, (2, 3)), padding=padding, padding_mode=mode, dilation=(1, 2)
    )
    compare_modules("Conv2d", x, args=(2, 3, 3), padding=(1, 2), padding_mode=mode)


@pytest.mark.parametrize("block", [1, 40, 500])
@pytest.mark.parametrize("channels", [(2, 2), (2, 16)])
def test_blocks(block: int, channels: tuple[int, int], monkeypatch: Any) -> None:
    """However the work is divided, the result is the same."""
    monkeypatch.setattr(correlation, "_BLOCK", block)
    into, out = channels
    for stride in (1, 2, (1, 3)):
        compare_functions(
            "conv2d", array(3, into, 6, 7), array(out, into, 2, 3), array(out), args=(stride, 1)
        )
        compare_functions(
            "conv_transpose2d", array(3, out, 3, 4), array(out, into, 2, 3), args=(None, stride)
        )


def test_large_enough_for_several_blocks() -> None:
    """Rows of one sample (float32), and several samples at a time."""
    for n, channels, size in ((2, 24, 64), (40, 8, 14)):
        x, weight = array(n, channels, size, size, dtype="float32"), array(4, channels, 3, 3)
        found = F.conv2d(jitgrad.tensor(x), jitgrad.tensor(weight.astype("float32")), padding=1)
        wide = np.pad(x.astype("float64"), [(0, 0), (0, 0), (1, 1), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (2, 3))
        expected = np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(found.numpy(), expected, 1e-3, 1e-3)


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv3d"])
@pytest.mark.parametrize("transposed", [False, True])
def test_second_derivatives(name: str, transposed: bool) -> None:
    ndim = int(name[4])
    name = name.replace("conv", "conv_transpose") if transposed else name
    x, weight, bias = array(2, 2, *(3, 4, 3)[:ndim]), array(2, 1, *(2, 3, 2)[:ndim]), array(2)
    if transposed:
        bias = array(2)
    leaves = [jitgrad.tensor(each, requires_grad=True) for each in (x, weight, bias)]
    function = getattr(F, name)
    for settings in ({"padding": 1, "groups": 2}, {"padding": 1, "stride": 2, "groups": 2}):

        def run(*given: Any, settings: Any = settings) -> Any:
            return function(*given, **settings)

        assert jitgrad.autograd.gradcheck(run, leaves)
        assert jitgrad.autograd.gradgradcheck(run, leaves)


def test_half_precision_is_computed_in_single() -> None:
    x, weight = array(1, 8, 9, 9, dtype="float16"), array(4, 8, 3, 3, dtype="float16")
    found = F.conv2d(jitgrad.tensor(x), jitgrad.tensor(weight))
    exact = F.conv2d(jitgrad.tensor(x).double(), jitgrad.tensor(weight).double())
    assert found.dtype is jitgrad.float16
    np.testing.assert_array_equal(found.numpy(), exact.to(jitgrad.float16).numpy())


def test_output_size() -> None:
    compare_modules("ConvTranspose2d", array(1, 2, 3, 4), args=(2, 3, 3, 2, 1))
    layer = jitgrad.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    x = jitgrad.ones(1, 2, 3, 4)
    assert layer(x).shape == (1, 3, 5, 7)
    assert layer(x, output_size=(6, 7)).shape == (1, 3, 6, 7)
    assert layer(x, output_size=(1, 3, 6, 8)).shape == (1, 3, 6, 8)
    assert layer(x[0], output_size=(3, 6, 8)).shape == (3, 6, 8)
    with pytest.raises(ValueError, match="valid sizes"):
        layer(x, output_size=(7, 7))
    with pytest.raises(ValueError, match="2 sizes"):
        layer(x, output_size=(6,))


@pytest.mark.parametrize(
    ("args", "settings"),
    [
        ((3, 4, 3), {"groups": 2}),
        ((4, 3, 3), {"groups": 2}),
        ((4, 4, 3), {"groups": 0}),
        ((4, 4, 3), {"padding": "some"}),
        ((4, 4, 3), {"padding": "same", "stride": 2}),
        ((4, 4, 3), {"padding_mode": "some"}),
    ],
)
def test_settings_that_are_refused(torch: Any, args: tuple, settings: dict) -> None:
    with pytest.raises(ValueError):
        torch.nn.Conv2d(*args, **settings)


def test_transposed_pads_by_zeros_only(torch: Any) -> None:
    with pytest.raises(ValueError):
        torch.nn.ConvTranspose1d(2, 2, 2, padding_mode="circular")


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_lazy(torch: Any, ndim: int, transposed: bool) -> None:
    name = f"Conv{'Transpose' if transposed else ''}{ndim}d"
    layer = getattr(torch.nn, f"Lazy{name}")(4, 2, groups=2)
    assert layer.has_uninitialized_params()
    out = layer(torch.ones(2, 6, *[5] * ndim))
    assert type(layer) is getattr(torch.nn, name)
    assert out.shape == (2, 4, *[6 if transposed else 4] * ndim)
    assert layer.in_channels == 6
    assert tuple(layer.weight.shape[:2]) == ((6, 2) if transposed else (4, 3))
    bound = 1 / (layer.weight[0].numel()) ** 0.5
    assert 0 < layer.weight.abs().max().item() <= bound


def test_lazy_refuses_other_inputs(torch: Any) -> None:
    with pytest.raises(RuntimeError):
        torch.nn.LazyConv2d(4, 2)(torch.ones(5, 5))


def test_lazy_takes_a_state(torch: Any) -> None:
    ready = torch.nn.Conv2d(2, 4, 3)
    layer = torch.nn.LazyConv2d(4, 3)
    layer.load_state_dict(ready.state_dict())
    x = torch.ones(1, 2, 4, 4)
    assert (layer(x) == ready(x)).all()


def test_initialisation(torch: Any) -> None:
    """Weights and bias start evenly within 1 / sqrt(fan in)."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(16, 64, 5, groups=2)
    bound = 1 / (8 * 25) ** 0.5
    for each in (layer.weight, layer.bias):
        assert 0.8 * bound < each.abs().max().item() <= bound
    assert abs(layer.weight.std().item() - bound / 3**0.5) < 0.02 * bound
