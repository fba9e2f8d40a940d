"""Linear, Bilinear, Identity, Flatten, Unflatten and the lazy ones."""

import copy
import math
import pickle

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


def numbers(torch, *shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def test_linear(torch):
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    x = numbers(torch, 4, 5, 3)
    found = layer(x).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    np.testing.assert_allclose(found, x.numpy() @ weight.T + bias)
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=True)"
    assert [tuple(each.shape) for each in layer.parameters()] == [(2, 3), (2,)]
    bare = torch.nn.Linear(3, 2, bias=False, device="cpu")
    assert bare.bias is None
    assert list(bare.state_dict()) == ["weight"]
    assert repr(bare) == "Linear(in_features=3, out_features=2, bias=False)"
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        bare(torch.ones(1, 2))


def test_linear_starts_as_in_the_formula(torch):
    torch.manual_seed(0)
    layer = torch.nn.Linear(100, 200)
    bound = 1 / math.sqrt(100)
    for parameter in layer.weight, layer.bias:
        values = parameter.detach().numpy()
        assert 0.95 * bound < np.abs(values).max() <= bound
        assert abs(values.std() - bound / math.sqrt(3)) < 0.1 * bound
    before = layer.weight.detach().clone()
    layer.reset_parameters()
    assert not torch.equal(layer.weight, before)


def test_linear_without_inputs(torch):
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        layer = torch.nn.Linear(0, 2)
    assert layer(torch.ones(3, 0)).shape == (3, 2)
    assert layer.bias.tolist() == [0.0, 0.0]


def test_linear_trains(torch):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Linear(8, 1)).double()
    x = numbers(torch, 16, 2)
    y = x.sum(1, keepdim=True)
    losses = []
    for _ in range(50):
        network.zero_grad()
        loss = ((network(x) - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.1 * parameter.grad
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


def test_bilinear(torch):
    layer = torch.nn.Bilinear(3, 4, 2, dtype=torch.float64)
    x, y = numbers(torch, 5, 6, 3), numbers(torch, 5, 6, 4, seed=1)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = np.einsum("bci,oij,bcj->bco", x.numpy(), weight, y.numpy()) + bias
    np.testing.assert_allclose(layer(x, y).detach().numpy(), expected)
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=4, out_features=2, bias=True)"
    assert torch.nn.Bilinear(3, 4, 2, bias=False).bias is None
    assert layer.weight.abs().max().item() <= 1 / math.sqrt(3)
    with pytest.raises(ValueError, match="in1_features must be > 0"):
        torch.nn.Bilinear(0, 1, 1)
    with pytest.raises(RuntimeError):
        layer(x, x)
    with pytest.raises(RuntimeError):
        layer(x, y[0])


def test_bilinear_differentiates():
    shapes = (4, 3), (4, 2), (5, 3, 2), (5,)
    inputs = tuple(
        numbers(jitgrad, *shape, seed=seed).requires_grad_() for seed, shape in enumerate(shapes)
    )
    assert jitgrad.autograd.gradcheck(jitgrad.nn.functional.bilinear, inputs)
    assert jitgrad.autograd.gradgradcheck(jitgrad.nn.functional.bilinear, inputs)


def test_identity(torch):
    layer = torch.nn.Identity(54, unused=0.1)
    x = torch.ones(2)
    assert layer(x) is x
    assert repr(layer) == "Identity()"
    assert len(layer.state_dict()) == 0


def test_flatten(torch):
    x = torch.ones(2, 3, 4, 5)
    assert torch.nn.Flatten()(x).shape == (2, 60)
    assert torch.nn.Flatten(0, 1)(x).shape == (6, 4, 5)
    assert repr(torch.nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"
    assert torch.nn.Unflatten(1, (3, 20))(torch.ones(2, 60)).shape == (2, 3, 20)
    assert torch.nn.Unflatten(-1, torch.Size([2, -1]))(torch.ones(2, 60)).shape == (2, 2, 30)
    assert repr(torch.nn.Unflatten(1, (3, 20))) == "Unflatten(dim=1, unflattened_size=(3, 20))"
    with pytest.raises(TypeError):
        torch.nn.Unflatten(1, ("a", 2))
    with pytest.raises(TypeError):
        torch.nn.Unflatten(1, 3)


# -- lazy -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_linear(torch):
    layer = torch.nn.LazyLinear(4)
    assert repr(layer) == "LazyLinear(in_features=0, out_features=4, bias=True)"
    assert layer.has_uninitialized_params()
    weight = layer.weight
    assert layer(torch.ones(2, 3)).shape == (2, 4)
    assert type(layer) is torch.nn.Linear
    assert repr(layer) == "Linear(in_features=3, out_features=4, bias=True)"
    assert layer.weight is weight
    assert weight.abs().max().item() > 0
    assert not hasattr(layer, "_initialize_hook")
    assert len(layer._forward_pre_hooks) == 0
    layer(torch.ones(2, 3)).sum().backward()
    assert weight.grad.shape == (4, 3)
    assert torch.nn.LazyLinear(1, bias=False).bias is None


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_state_dicts(torch):
    lazy, other = torch.nn.LazyLinear(4), torch.nn.Linear(3, 4)
    assert torch.nn.parameter.is_lazy(lazy.state_dict()["weight"])
    fresh = torch.nn.LazyLinear(4)
    fresh.load_state_dict(lazy.state_dict())
    assert fresh.has_uninitialized_params()
    lazy.load_state_dict(other.state_dict())
    assert not lazy.has_uninitialized_params()
    x = torch.ones(1, 3)
    assert torch.equal(lazy(x), other(x))
    assert repr(lazy) == "Linear(in_features=3, out_features=4, bias=True)"
    with pytest.raises(RuntimeError, match=r"Error\(s\) in loading|Can't access"):
        other.load_state_dict(torch.nn.LazyLinear(4).state_dict())


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_copies(torch):
    lazy = torch.nn.LazyLinear(2)
    for made in copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy)):
        assert made.has_uninitialized_params()
        made(torch.ones(1, 5))
        assert made.in_features == 5
        assert type(made) is torch.nn.Linear
    assert lazy.has_uninitialized_params()
    lazy.double()
    lazy(torch.ones(1, 6, dtype=torch.float64))
    assert lazy.weight.dtype == torch.float64


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_module_of_the_user(torch):
    class Scaling(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(0))

        def forward(self, x):
            return x * self.factor

    class LazyScaling(torch.nn.modules.lazy.LazyModuleMixin, Scaling):
        cls_to_become = Scaling

        def __init__(self, complete=True):
            super().__init__()
            self.factor = torch.nn.UninitializedParameter()
            self.complete = complete

        def initialize_parameters(self, x):
            if self.complete:
                with torch.no_grad():
                    self.factor.materialize(x.shape[-1:])
                    self.factor.fill_(2)

    module = LazyScaling()
    assert module(torch.ones(1, 2)).tolist() == [[2.0, 2.0]]
    assert type(module) is Scaling
    with pytest.raises(RuntimeError, match="has not been fully initialized"):
        LazyScaling(complete=False)(torch.ones(1))
