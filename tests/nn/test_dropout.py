"""Dropout: shares, scales, means, seeds, modes, channels, errors."""

import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_shares_and_scale(torch, p):
    torch.manual_seed(0)
    x = torch.ones(20000, requires_grad=True)
    out = torch.nn.Dropout(p)(x)
    dropped = (out == 0).float().mean().item()
    assert abs(dropped - p) < 0.02
    assert abs(out.mean().item() - 1) < 0.05
    scale = out.detach().max().item()
    assert abs(scale - 1 / (1 - p)) < 1e-5
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, out.detach())


def test_ends(torch):
    F = torch.nn.functional
    x = torch.tensor([1.0, -2.0])
    assert F.dropout(x, 0.0).tolist() == [1.0, -2.0]
    assert F.dropout(x, 1.0).abs().tolist() == [0.0, 0.0]
    assert F.alpha_dropout(x, 1.0, True).abs().tolist() == [0.0, 0.0]
    assert F.dropout(x, 0.5, training=False) is x
    module = torch.nn.Dropout(0.5).eval()
    assert module(x).tolist() == [1.0, -2.0]
    missing = F.dropout(torch.full((100,), float("nan")), 0.5)
    assert missing.isnan().all()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dropout", (50,)),
        ("dropout1d", (2, 8, 3)),
        ("dropout2d", (2, 8, 3, 3)),
        ("dropout3d", (2, 8, 2, 3, 3)),
        ("alpha_dropout", (50,)),
        ("feature_alpha_dropout", (2, 8, 3)),
    ],
)
def test_seeds(torch, name, shape):
    function = getattr(torch.nn.functional, name)
    x = torch.ones(shape)
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append((function(x, 0.5, True), function(x, 0.5, True)))
    assert torch.equal(made[0][0], made[1][0])
    assert torch.equal(made[0][1], made[1][1])
    assert not torch.equal(made[0][0], made[0][1])
    assert not torch.equal(made[0][0], made[2][0])


@pytest.mark.parametrize(("dims", "name"), [(1, "Dropout1d"), (2, "Dropout2d"), (3, "Dropout3d")])
def test_channels(torch, dims, name):
    torch.manual_seed(0)
    out = getattr(torch.nn, name)(0.5)(torch.ones(20, 50, *[3] * dims))
    flat = out.reshape(20, 50, -1)
    assert (flat == flat[:, :, :1]).all()
    assert abs((flat[:, :, 0] == 0).float().mean().item() - 0.5) < 0.06
    if dims != 2:
        single = getattr(torch.nn, name)(0.5)(torch.ones(50, *[3] * dims))
        assert single.shape == (50, *[3] * dims)
        flat = single.reshape(50, -1)
        assert (flat == flat[:, :1]).all()


def test_alpha_keeps_mean_and_variance(torch):
    torch.manual_seed(0)
    x = torch.nn.functional.selu(torch.randn(40000) * 0.9)
    x = (x - x.mean()) / x.std()
    out = torch.nn.AlphaDropout(0.3)(x)
    assert abs(out.mean().item()) < 0.03
    assert abs(out.std().item() - 1) < 0.03
    channels = torch.nn.FeatureAlphaDropout(0.3)(torch.zeros(20, 30, 4))
    assert (channels == channels[:, :, :1]).all()
    assert len(channels.unique()) == 2


@pytest.mark.parametrize("name", ["Dropout", "Dropout1d"])
def test_in_place(torch, name):
    torch.manual_seed(0)
    x = torch.ones(10, 10, 2)
    out = getattr(torch.nn, name)(0.5, inplace=True)(x)
    assert out is x
    assert len(x.unique()) == 2
    leaf = torch.ones(3, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        torch.nn.functional.dropout(leaf, 0.5, True, True)
    twice = leaf * 2
    out = torch.nn.functional.dropout(twice, 0.5, True, True)
    (gradient,) = torch.autograd.grad(out.sum(), leaf)
    assert torch.equal(gradient, out.detach())


def test_texts_and_errors(torch):
    nn, F = torch.nn, torch.nn.functional
    assert repr(nn.Dropout(0.3)) == "Dropout(p=0.3, inplace=False)"
    assert repr(nn.AlphaDropout(0.2, True)) == "AlphaDropout(p=0.2, inplace=True)"
    assert not nn.Dropout().state_dict()
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            nn.Dropout2d(p)
        with pytest.raises(ValueError, match="between 0 and 1"):
            F.dropout(torch.ones(2), p)
    with pytest.raises(RuntimeError, match="result type"):
        F.dropout(torch.ones(2, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="dropout1d"):
        F.dropout1d(torch.ones(2, 3, 4, 5))
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.feature_alpha_dropout(torch.ones(3), 0.5, True)
    with pytest.warns(UserWarning, match="dropout2d"):
        F.dropout2d(torch.ones(2, 3, 4))
    with pytest.warns(UserWarning, match="dropout3d"):
        F.dropout3d(torch.ones(2, 3, 4))


def test_the_mask_is_the_generators_stream():
    jitgrad.manual_seed(7)
    kept = jitgrad.rand(100) >= 0.25
    jitgrad.manual_seed(7)
    out = jitgrad.nn.functional.dropout(jitgrad.ones(100), 0.25)
    assert jitgrad.equal(out != 0, kept)
