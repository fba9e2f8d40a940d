"""Normalising modules: values, gradients, running statistics, states, reprs, errors."""

import copy

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811

CASES = [
    ("BatchNorm1d", (3,), {}, (4, 3)),
    ("BatchNorm1d", (3, 0.1, None), {}, (4, 3, 2)),
    ("BatchNorm1d", (3,), {"bias": False}, (4, 3)),
    ("BatchNorm2d", (3,), {"affine": False}, (2, 3, 2, 2)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 2, 2)),
    ("BatchNorm3d", (3, 1e-3, 0.5), {}, (2, 3, 2, 2, 2)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 4)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 4)),
    ("InstanceNorm2d", (3,), {"track_running_stats": True}, (3, 4, 5)),
    ("InstanceNorm2d", (3,), {"affine": True, "bias": False}, (2, 3, 2, 2)),
    ("InstanceNorm3d", (3,), {}, (2, 3, 2, 2, 2)),
    ("LayerNorm", (4,), {}, (2, 3, 4)),
    ("LayerNorm", ((3, 4),), {"bias": False}, (2, 3, 4)),
    ("LayerNorm", ((4,),), {"elementwise_affine": False, "eps": 0.1}, (2, 3, 4)),
    ("GroupNorm", (2, 4), {}, (2, 4, 3)),
    ("GroupNorm", (1, 4), {"affine": False}, (2, 4)),
    ("GroupNorm", (4, 4), {"bias": False}, (2, 4, 2, 2)),
    ("RMSNorm", (4,), {}, (2, 3, 4)),
    ("RMSNorm", ((3, 4), 0.1, False), {}, (2, 3, 4)),
    ("LocalResponseNorm", (3,), {"alpha": 0.5}, (2, 5, 3)),
]
NAMED = [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(CASES)]


def steps(torch, name, args, settings, shape, dtype):
    """Return what three steps of training and one of use give."""
    module = getattr(torch.nn, name)(*args, **settings).to(getattr(torch, dtype))
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.tensor(draw.normal(size=tuple(each.shape))))
    seen = [repr(module), list(module.state_dict())]
    for turn in range(4):
        if turn == 3:
            module.eval()
        x = torch.tensor(draw.normal(size=shape) * 3 + 1, dtype=getattr(torch, dtype))
        x.requires_grad_()
        out = module(x)
        weights = torch.tensor(np.cos(np.arange(out.numel())), dtype=out.dtype)
        gradients = torch.autograd.grad(
            (out * weights.reshape(out.shape)).sum(), [x, *module.parameters()]
        )
        seen += [each.detach().numpy() for each in (out, *gradients)]
        seen += [each.numpy().copy() for each in module.buffers()]
    return seen


@pytest.mark.parametrize(("name", "args", "settings", "shape"), NAMED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_torch(name, args, settings, shape, dtype):
    theirs = pytest.importorskip("torch")
    found, expected = (
        steps(each, name, args, settings, shape, dtype) for each in (jitgrad, theirs)
    )
    assert found[:2] == expected[:2]
    bound = {"float32": 2e-4, "float64": 1e-10}[dtype]
    for one, other in zip(found[2:], expected[2:], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, bound, bound)


@pytest.mark.parametrize(("name", "args", "settings", "shape"), NAMED)
def test_derivatives(name, args, settings, shape):
    if settings.get("track_running_stats") or name.startswith("BatchNorm"):
        settings = {**settings, "track_running_stats": False}
    module = getattr(jitgrad.nn, name)(*args, **settings).double()
    values = np.random.default_rng(0).normal(size=shape)
    leaves = (jitgrad.tensor(values, requires_grad=True), *module.parameters())
    assert jitgrad.autograd.gradcheck(lambda x, *_: module(x), leaves)
    assert jitgrad.autograd.gradgradcheck(lambda x, *_: module(x), leaves)


def test_running_statistics_of_a_batch(torch):
    layer = torch.nn.BatchNorm1d(1, momentum=0.5)
    layer(torch.tensor([[1.0], [3.0]]))
    assert layer.running_mean.tolist() == [1.0]
    # the unbiased variance is 2: half of the way from 1
    assert layer.running_var.tolist() == [1.5]
    assert layer.num_batches_tracked.item() == 1
    before = layer.num_batches_tracked
    layer(torch.tensor([[1.0], [3.0]]))
    assert layer.num_batches_tracked is before
    layer.eval()(torch.tensor([[7.0]]))
    assert layer.running_mean.tolist() == [1.5]
    assert before.item() == 2
    layer.reset_running_stats()
    assert (layer.running_mean.item(), layer.running_var.item(), before.item()) == (0, 1, 0)


def test_cumulative_means(torch):
    layer = torch.nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 2.0, 6.0):
        layer(torch.tensor([[value - 1], [value + 1]]))
    assert abs(layer.running_mean.item() - 3) < 1e-6


def test_half_precision(torch):
    x = torch.linspace(-200, 200, 64, dtype=torch.float16).reshape(2, 32)
    for layer in (torch.nn.LayerNorm(32), torch.nn.RMSNorm(32), torch.nn.GroupNorm(2, 32)):
        out = layer.half()(x)
        assert out.dtype == torch.float16
        assert out.isfinite().all()


def test_states_load(torch):
    one, other = torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    one(torch.randn(2, 2, 3, 3))
    other.load_state_dict(one.state_dict())
    assert other.running_mean.tolist() == one.running_mean.tolist()
    assert other.num_batches_tracked.item() == 1
    old = {key: value for key, value in one.state_dict().items() if "num" not in key}
    torch.nn.BatchNorm2d(2).load_state_dict(dict(old))
    clone = copy.deepcopy(one)
    clone(torch.randn(2, 2, 3, 3))
    assert (clone.num_batches_tracked.item(), one.num_batches_tracked.item()) == (2, 1)
    plain = torch.nn.InstanceNorm1d(2)
    with pytest.raises(RuntimeError, match="track_running_stats"):
        plain.load_state_dict({"running_mean": torch.zeros(2), "running_var": torch.ones(2)})


@pytest.mark.parametrize("kind", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_lazy(torch, kind, dims):
    layer = getattr(torch.nn, f"Lazy{kind}{dims}d")()
    assert "0, eps=1e-05" in repr(layer)
    x = torch.randn(2, 3, *[4] * dims)
    out = layer(x)
    assert type(layer) is getattr(torch.nn, f"{kind}{dims}d")
    assert out.shape == x.shape
    assert layer.weight.shape == layer.running_mean.shape == (3,)
    assert layer.num_features == 3
    assert layer.weight.tolist() == [1.0, 1.0, 1.0]
    fresh = getattr(torch.nn, f"Lazy{kind}{dims}d")()
    fresh.load_state_dict(layer.state_dict())
    assert fresh.running_mean.tolist() == layer.running_mean.tolist()


def test_errors(torch):
    nn = torch.nn
    for wrong in (
        lambda: nn.BatchNorm1d(3)(torch.ones(3)),
        lambda: nn.BatchNorm2d(3)(torch.ones(2, 3)),
        lambda: nn.BatchNorm3d(3)(torch.ones(2, 3, 2, 2)),
        lambda: nn.BatchNorm1d(3)(torch.ones(1, 3)),
        lambda: nn.InstanceNorm1d(3)(torch.ones(2, 3, 1)),
        lambda: nn.InstanceNorm2d(3)(torch.ones(2, 3)),
        lambda: nn.InstanceNorm1d(2, affine=True)(torch.ones(2, 3, 2)),
        lambda: nn.GroupNorm(2, 3),
        lambda: nn.LocalResponseNorm(2)(torch.ones(2, 3)),
    ):
        with pytest.raises(ValueError):
            wrong()
    for wrong in (
        lambda: nn.BatchNorm1d(2)(torch.ones(2, 3)),
        lambda: nn.LayerNorm(2)(torch.ones(2, 3)),
        lambda: nn.RMSNorm(2)(torch.ones(2, 3)),
        lambda: nn.GroupNorm(2, 4)(torch.ones(2, 6)),
    ):
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.warns(UserWarning, match="num_features"):
        nn.InstanceNorm1d(2)(torch.randn(2, 3, 4))


def test_stored_figures():
    """Figures that follow from the definitions, for where PyTorch is not installed."""
    F = jitgrad.nn.functional
    x = jitgrad.tensor([[1.0, 2.0, 3.0, 6.0]], dtype=jitgrad.float64)
    scale = np.sqrt(3.5)
    layer = F.layer_norm(x, (4,), eps=0.0).numpy()
    np.testing.assert_allclose(layer, np.array([[-2, -1, 0, 3]]) / scale)
    np.testing.assert_allclose(F.rms_norm(x, (4,), eps=0.0).numpy(), x.numpy() / np.sqrt(12.5))
    np.testing.assert_allclose(F.group_norm(x, 2, eps=0.0).numpy(), [[-1, 1, -1, 1]])
    away = F.batch_norm(x.t(), None, None, training=True, eps=0.0).numpy()
    np.testing.assert_allclose(away.T, layer)
