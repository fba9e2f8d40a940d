"""Weight and spectral norm, as hooks and as parametrizations; compiled, too."""

import copy
import pickle

import numpy as np
import pytest

import jitgrad
from tests.native import IS_NATIVE
from tests.nn.both import numbers, torch  # noqa: F401 the fixture

# ruff: noqa: F811


# -- weight and spectral norm ---------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("dim", [0, 1, -2, None])
def test_weight_norm(torch, dim):
    layer = torch.nn.Linear(3, 2)
    x = torch.ones(1, 3)
    before, weight = layer(x), layer.weight.detach().clone()
    assert torch.nn.utils.weight_norm(layer, dim=dim) is layer
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight_g", "weight_v"]
    shape = {0: (2, 1), 1: (1, 3), -2: (2, 1), None: ()}[dim]
    assert layer.weight_g.shape == shape
    assert torch.allclose(layer(x), before)
    with torch.no_grad():
        layer.weight_g.mul_(2)
    layer(x).sum().backward()
    assert torch.allclose(layer.weight, 2 * weight)
    assert layer.weight_g.grad.shape == shape
    assert layer.weight_v.grad.shape == (2, 3)
    with pytest.raises(RuntimeError, match="Cannot register two weight_norm hooks"):
        torch.nn.utils.weight_norm(layer)
    assert torch.nn.utils.remove_weight_norm(layer) is layer
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight"]
    assert torch.allclose(layer.weight, 2 * weight)
    assert len(layer._forward_pre_hooks) == 0
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found in"):
        torch.nn.utils.remove_weight_norm(layer)


def test_weight_norm_copies():
    layer = jitgrad.nn.utils.weight_norm(jitgrad.nn.Linear(3, 2))
    other = jitgrad.nn.Sequential(layer)
    x = jitgrad.ones(1, 3)
    with jitgrad.no_grad():
        other(x)
        for made in copy.deepcopy(other), pickle.loads(pickle.dumps(other)):
            made[0].weight_g.mul_(2)
            made[0].bias.mul_(2)
            assert jitgrad.allclose(made(x), 2 * other(x))


def power_iterations(torch, matrix, u, steps):
    for _ in range(steps):
        v = matrix.T @ u
        v = v / np.linalg.norm(v)
        u = matrix @ v
        u = u / np.linalg.norm(u)
    return u @ matrix @ v


@pytest.mark.parametrize("steps", [1, 3])
def test_spectral_norm(torch, steps):
    matrix = np.array([[2.0, 0.1, -0.2], [0.1, 1.0, 0.3]])
    layer = torch.nn.Linear(3, 2).double()
    layer.weight = torch.nn.Parameter(torch.tensor(matrix))
    assert torch.nn.utils.spectral_norm(layer, n_power_iterations=steps) is layer
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight_orig"]
    assert sorted(dict(layer.named_buffers())) == ["weight_u", "weight_v"]
    u = layer.weight_u.numpy().copy()
    assert np.linalg.norm(u) == pytest.approx(1)
    x = torch.ones(1, 3, dtype=torch.float64)
    out = layer(x)
    sigma = power_iterations(torch, matrix, u, steps)
    np.testing.assert_allclose(layer.weight.detach().numpy(), matrix / sigma)
    # the derivatives of both calls, although the second one changes the vectors
    (out + layer(x)).sum().backward()
    assert layer.weight_orig.grad.shape == (2, 3)
    for _ in range(100):
        layer(x)
    np.testing.assert_allclose(np.linalg.norm(layer.weight.detach().numpy(), 2), 1)
    layer.eval()
    u = layer.weight_u.tolist()
    layer(x)
    assert layer.weight_u.tolist() == u
    weight = layer.weight.detach().clone()
    with pytest.raises(RuntimeError, match="Cannot register two spectral_norm hooks"):
        torch.nn.utils.spectral_norm(layer)
    assert torch.nn.utils.remove_spectral_norm(layer) is layer
    assert torch.allclose(layer.weight, weight)
    assert list(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="spectral_norm of 'weight' not found in"):
        torch.nn.utils.remove_spectral_norm(layer)
    with pytest.raises(ValueError, match="n_power_iterations to be positive"):
        torch.nn.utils.spectral_norm(layer, n_power_iterations=0)
    assert layer.weight.requires_grad


# -- parametrizations -----------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, None])
def test_parametrized_weight_norm(torch, dim):
    layer = torch.nn.Linear(3, 2)
    weight = layer.weight.detach().clone()
    assert torch.nn.utils.parametrizations.weight_norm(layer, dim=dim) is layer
    assert torch.allclose(layer.weight, weight)
    inner = layer.parametrizations.weight
    assert inner.original0.shape == {0: (2, 1), 1: (1, 3), None: ()}[dim]
    with torch.no_grad():
        inner.original0.mul_(2)
    assert torch.allclose(layer.weight, 2 * weight)
    layer.weight = weight * 3
    assert torch.allclose(layer.weight, 3 * weight)
    torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert torch.allclose(layer.weight, 3 * weight)
    assert isinstance(layer.weight, torch.nn.Parameter)
    assert layer.weight.requires_grad


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weight_norm_of_older_state_dicts(torch):
    old = torch.nn.utils.weight_norm(torch.nn.Linear(3, 2))
    new = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))
    new.load_state_dict(old.state_dict())
    assert torch.allclose(new.weight, old.weight)


@pytest.mark.parametrize("steps", [1, 2])
def test_parametrized_spectral_norm(torch, steps):
    matrix = np.array([[2.0, 0.1, -0.2], [0.1, 1.0, 0.3]])
    layer = torch.nn.Linear(3, 2).double()
    layer.weight = torch.nn.Parameter(torch.tensor(matrix))
    torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=steps)
    inner = layer.parametrizations.weight[0]
    v = inner._v.numpy().copy()
    found = layer.weight.detach().numpy()
    sigma = power_iterations(torch, matrix.T, v, steps)
    np.testing.assert_allclose(found, matrix / sigma)
    for _ in range(100):
        layer.weight  # noqa: B018 each reading is a step
    np.testing.assert_allclose(np.linalg.norm(layer.weight.detach().numpy(), 2), 1)
    layer.eval()
    before = inner._u.tolist()
    assert torch.equal(layer.weight, layer.weight)
    assert inner._u.tolist() == before
    bias = torch.nn.Linear(2, 4)
    torch.nn.utils.parametrizations.spectral_norm(bias, "bias")
    assert bias.bias.norm().item() == pytest.approx(1)
    with pytest.raises(IndexError, match="Dimension out of range"):
        torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 2), dim=5)
    with pytest.raises(ValueError, match="n_power_iterations to be positive"):
        torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(ValueError, match="has no parameter or buffer with name"):
        torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 2), "nothing")


# -- compiled -------------------------------------------------------------------------------

NORMS = (
    "weight_norm",
    "spectral_norm",
    "parametrizations.weight_norm",
    "parametrizations.spectral_norm",
)


@pytest.mark.parametrize("name", NORMS)
def test_norms_are_compiled(name):
    normalized = jitgrad.nn.utils
    for part in name.split("."):
        normalized = getattr(normalized, part)
    jitgrad.manual_seed(0)
    ours, plain = (normalized(jitgrad.nn.Linear(4, 3).double()) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    x = numbers(jitgrad, 5, 4)

    @jitgrad.compile
    def loss(x):
        return ours(x).pow(2).sum()

    for _ in range(5):
        found, expected = loss(x), plain(x).pow(2).sum()
        found.backward()
        expected.backward()
        assert found.item() == pytest.approx(expected.item())
        for one, other in zip(ours.parameters(), plain.parameters()):
            np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy())
        for one, other in zip(ours.buffers(), plain.buffers()):
            np.testing.assert_allclose(one.numpy(), other.numpy())
    assert loss.explain().kernels > 0 or not IS_NATIVE
    if name.startswith("parametrizations"):
        assert not loss.explain().exits
