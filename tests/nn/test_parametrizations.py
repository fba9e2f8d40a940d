"""Parametrizations: registered, cached, copied, removed; orthogonal matrices."""

import copy
import pickle

import numpy as np
import pytest

import jitgrad
from tests.nn.both import numbers, torch  # noqa: F401 the fixture

# ruff: noqa: F811


def symmetric(torch):
    class Symmetric(torch.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).t()

        def right_inverse(self, x):
            return x.triu()

    return Symmetric()


def scaled(torch, factor, inverse=True):
    class Scaled(torch.nn.Module):
        def forward(self, x):
            return x * factor

    if inverse:
        Scaled.right_inverse = lambda self, x: x / factor
    return Scaled()


def test_parametrization(torch):
    parametrize = torch.nn.utils.parametrize
    layer = torch.nn.Linear(3, 3)
    weight = layer.weight
    assert not parametrize.is_parametrized(layer)
    assert parametrize.register_parametrization(layer, "weight", symmetric(torch)) is layer
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is torch.nn.Linear
    assert isinstance(layer, torch.nn.Linear)
    assert torch.equal(layer.weight, layer.weight.t())
    assert layer.parametrizations.weight.original is weight
    names = ["bias", "parametrizations.weight.original"]
    assert sorted(dict(layer.named_parameters())) == names
    layer(torch.ones(1, 3)).sum().backward()
    assert weight.grad.shape == (3, 3)
    layer.weight = torch.ones(3, 3)
    assert layer.weight.tolist() == [[1.0] * 3] * 3
    assert weight.tolist() == [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    assert "weight" not in layer._parameters
    assert parametrize.remove_parametrizations(layer, "weight") is layer
    assert type(layer) is torch.nn.Linear
    assert layer.weight is weight
    assert weight.tolist() == [[1.0] * 3] * 3
    assert not hasattr(layer, "parametrizations")


def test_several_parametrizations(torch):
    parametrize = torch.nn.utils.parametrize
    layer = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    parametrize.register_parametrization(layer, "weight", scaled(torch, 2.0))
    # what the parameter was is kept, where the parametrization can be turned round
    assert layer.weight.tolist() == [[1.0, 1.0]] * 2
    assert layer.parametrizations.weight.original.tolist() == [[0.5, 0.5]] * 2
    parametrize.register_parametrization(layer, "weight", scaled(torch, 3.0, inverse=False))
    assert layer.weight.tolist() == [[3.0, 3.0]] * 2
    with pytest.raises(RuntimeError, match="right_inverse"):
        layer.weight = torch.ones(2, 2)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.tolist() == [[0.5, 0.5]] * 2


def test_parametrized_buffers(torch):
    parametrize = torch.nn.utils.parametrize
    module = torch.nn.Module()
    module.register_buffer("mean", torch.ones(2))
    parametrize.register_parametrization(module, "mean", scaled(torch, 2.0, inverse=False))
    assert module.mean.tolist() == [2.0, 2.0]
    assert list(module.state_dict()) == ["parametrizations.mean.original"]
    parametrize.remove_parametrizations(module, "mean")
    assert module.mean.tolist() == [2.0, 2.0]
    assert [name for name, _ in module.named_buffers()] == ["mean"]


def test_unsafe_parametrizations(torch):
    parametrize = torch.nn.utils.parametrize

    class Wider(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x, x])

    layer = torch.nn.Linear(2, 2, bias=False)
    weight = layer.weight.tolist()
    with pytest.raises(ValueError):
        parametrize.register_parametrization(layer, "weight", Wider())
    assert layer.weight.tolist() == weight
    assert type(layer) is torch.nn.Linear
    parametrize.register_parametrization(layer, "weight", Wider(), unsafe=True)
    assert layer.weight.shape == (4, 2)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer"):
        parametrize.register_parametrization(layer, "nothing", Wider())
    with pytest.raises(ValueError, match="does not have a parametrization on"):
        parametrize.remove_parametrizations(layer, "nothing")


def test_cached_parametrizations(torch):
    parametrize = torch.nn.utils.parametrize
    layer = torch.nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", scaled(torch, 2.0))
    with parametrize.cached():
        weight = layer.weight
        with parametrize.cached():
            assert layer.weight is weight
        assert layer.weight is weight
    assert layer.weight is not weight


def test_parametrized_modules_are_copied():
    # in PyTorch copies share their class, and what is removed from one is removed from both
    layer = jitgrad.nn.utils.parametrizations.weight_norm(jitgrad.nn.Linear(2, 2))
    other = copy.deepcopy(layer)
    jitgrad.nn.utils.parametrize.remove_parametrizations(other, "weight")
    assert jitgrad.nn.utils.parametrize.is_parametrized(layer)
    assert jitgrad.allclose(layer.weight, other.weight)
    assert type(other) is jitgrad.nn.Linear


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrized_modules_are_pickled(name):
    parametrization = getattr(jitgrad.nn.utils.parametrizations, name)
    layer = parametrization(jitgrad.nn.Linear(2, 2)).eval()
    other = pickle.loads(pickle.dumps(layer))
    assert type(other) is type(layer)
    assert jitgrad.equal(layer.weight, other.weight)


# -- orthogonal matrices --------------------------------------------------------------------


@pytest.mark.parametrize("orthogonal_map", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 3)])
@pytest.mark.parametrize("from_anywhere", [True, False])
def test_orthogonal(torch, orthogonal_map, sizes, from_anywhere):
    parametrizations = torch.nn.utils.parametrizations
    layer = torch.nn.Linear(*sizes).double()
    options = {"use_trivialization": from_anywhere}
    assert parametrizations.orthogonal(layer, "weight", orthogonal_map, **options) is layer

    def off():
        weight = layer.weight if sizes[0] <= sizes[1] else layer.weight.t()
        one = torch.eye(min(sizes), dtype=torch.float64)
        return (weight.t() @ weight - one).abs().max().item()

    assert off() < 1e-12
    x = torch.ones(1, sizes[0], dtype=torch.float64)
    losses = []
    for _ in range(10):
        loss = layer(x).sum()
        losses.append(loss.item())
        layer.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter -= 0.05 * parameter.grad
    assert losses[-1] < losses[0]
    assert off() < 1e-12
    if from_anywhere:
        wanted = torch.nn.init.orthogonal_(torch.empty(sizes[1], sizes[0], dtype=torch.float64))
        layer.weight = wanted
        assert torch.allclose(layer.weight, wanted)
    elif orthogonal_map in ("matrix_exp", "cayley"):
        with pytest.raises(NotImplementedError, match="use_trivialization=False"):
            layer.weight = torch.ones(sizes[1], sizes[0], dtype=torch.float64)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_is_as_in_torch(orthogonal_map):
    theirs = pytest.importorskip("torch")
    found = []
    for library in jitgrad, theirs:
        layer = library.nn.Linear(3, 4, bias=False).double()
        parametrizations = library.nn.utils.parametrizations
        parametrizations.orthogonal(layer, orthogonal_map=orthogonal_map)
        inner = layer.parametrizations.weight
        with library.no_grad():
            inner.original.copy_(numbers(library, 4, 3) - 2 * library.eye(4, 3))
            inner[0].base.copy_(library.eye(4, dtype=library.float64))
        (layer.weight * numbers(library, 4, 3)).sum().backward()
        found.append((layer.weight.detach().numpy(), inner.original.grad.numpy()))
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_orthogonal_refuses(torch):
    orthogonal = torch.nn.utils.parametrizations.orthogonal
    layer = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
        orthogonal(layer, orthogonal_map="other")
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices"):
        orthogonal(layer, "bias")
    with pytest.raises(ValueError, match="has no parameter or buffer with name"):
        orthogonal(layer, "nothing")
