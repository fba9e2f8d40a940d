"""Clipping, vectors of parameters, weight and spectral norm, parametrizations."""

import copy
import math
import pickle

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


def numbers(torch, *shape):
    return torch.tensor(np.random.default_rng(0).normal(size=shape))


def with_gradients(torch, *gradients):
    made = []
    for each in gradients:
        parameter = torch.zeros(len(each), dtype=torch.float64, requires_grad=True)
        parameter.grad = torch.tensor(each, dtype=torch.float64)
        made.append(parameter)
    return made


# -- clipping -------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [2, 2.0, 1, 3, 0.5, float("inf"), -float("inf")])
@pytest.mark.parametrize("foreach", [None, False, True])
def test_clip_grad_norm(torch, norm_type, foreach):
    values = [1.0, -2.0], [3.0], [0.5, 0.25, -4.0]
    parameters = with_gradients(torch, *values)
    flat = np.concatenate(values)
    total = torch.nn.utils.clip_grad_norm_(parameters, 0.1, norm_type, foreach=foreach)
    assert total.item() == pytest.approx(_norm(flat, norm_type, values))
    factor = 0.1 / (total.item() + 1e-6)
    for parameter, before in zip(parameters, values):
        expected = np.array(before) * min(factor, 1)
        np.testing.assert_allclose(parameter.grad.numpy(), expected)


def _norm(flat, norm_type, values):
    if abs(norm_type) == math.inf:
        sizes = [np.abs(each).max() if norm_type > 0 else np.abs(each).min() for each in values]
        return max(sizes) if norm_type > 0 else min(sizes)
    return (np.abs(flat) ** norm_type).sum() ** (1 / norm_type)


def test_clipping_leaves_small_gradients(torch):
    (parameter,) = with_gradients(torch, [3.0, 4.0])
    gradient = parameter.grad
    total = torch.nn.utils.clip_grad_norm_(iter([parameter, torch.ones(1)]), 10.0)
    assert total.item() == 5
    assert parameter.grad is gradient
    assert gradient.tolist() == [3.0, 4.0]


def test_clipping_nothing(torch):
    assert torch.nn.utils.clip_grad_norm_([torch.ones(1)], 1.0).item() == 0
    with pytest.warns(UserWarning, match="empty generator, no gradient clipping"):
        assert torch.nn.utils.clip_grad_norm_((each for each in ()), 1.0).item() == 0
    assert torch.nn.utils.get_total_norm([]).item() == 0


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_clipping_what_is_not_finite(torch, value):
    parameters = with_gradients(torch, [1.0], [value])
    with pytest.raises(RuntimeError, match="non-finite"):
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    assert parameters[0].grad.item() == 1
    assert not math.isfinite(torch.nn.utils.clip_grad_norm_(parameters, 1.0).item())


def test_clip_grad_value(torch):
    parameters = with_gradients(torch, [1.0, -2.0], [3.0])
    torch.nn.utils.clip_grad_value_(parameters, 1.5)
    assert [each.grad.tolist() for each in parameters] == [[1.0, -1.5], [1.5]]
    torch.nn.utils.clip_grad_value_(parameters[0], 0.5)
    assert parameters[0].grad.tolist() == [0.5, -0.5]


def test_clip_grads_with_norm(torch):
    parameters = with_gradients(torch, [3.0], [4.0])
    total = torch.nn.utils.get_total_norm([each.grad for each in parameters])
    torch.nn.utils.clip_grads_with_norm_(parameters, 1.0, total)
    assert [round(each.grad.item(), 5) for each in parameters] == [0.6, 0.8]


def test_clipping_of_several_dtypes(torch):
    parameters = with_gradients(torch, [3.0])
    other = torch.zeros(1, requires_grad=True)
    other.grad = torch.tensor([4.0])
    total = torch.nn.utils.clip_grad_norm_([other, *parameters], 1.0)
    assert total.item() == 5
    assert other.grad.dtype == torch.float32
    assert other.grad.item() == pytest.approx(0.8, abs=1e-5)


def test_clipping_is_compiled():
    @jitgrad.compile
    def step(x, y):
        (x * y).sum().backward()
        return jitgrad.nn.utils.clip_grad_norm_(x, 1.0)

    for _ in range(4):
        x = jitgrad.tensor([1.0, 2.0], requires_grad=True)
        total = step(x, jitgrad.tensor([3.0, 4.0]))
        assert total.item() == 5
        assert [round(each, 5) for each in x.grad.tolist()] == [0.6, 0.8]


# -- vectors --------------------------------------------------------------------------------


def test_parameters_to_vector(torch):
    layer = torch.nn.Linear(2, 3)
    vector = torch.nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,)
    assert vector.requires_grad
    weight = layer.weight
    torch.nn.utils.vector_to_parameters(torch.arange(9.0), layer.parameters())
    assert layer.weight is weight
    assert weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert layer.bias.tolist() == [6.0, 7.0, 8.0]
    assert weight.requires_grad
    layer(torch.ones(1, 2)).sum().backward()
    assert weight.grad.shape == (3, 2)


def test_vector_to_parameters_refuses():
    layer = jitgrad.nn.Linear(2, 3)
    before = layer.weight.tolist()
    with pytest.raises(RuntimeError, match="7 elements for parameters of 9"):
        jitgrad.nn.utils.vector_to_parameters(jitgrad.zeros(7), layer.parameters())
    assert layer.weight.tolist() == before
    with pytest.raises(TypeError, match=r"expected torch\.Tensor, but got: list"):
        jitgrad.nn.utils.vector_to_parameters([1.0], layer.parameters())


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


# -- skip_init ------------------------------------------------------------------------------


def test_skip_init(torch):
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 2, 3, bias=False)
    assert type(layer) is torch.nn.Linear
    assert layer.weight.shape == (3, 2)
    assert layer.weight.requires_grad
    with pytest.raises(RuntimeError, match="Expected a Module"):
        torch.nn.utils.skip_init(dict)
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        torch.nn.utils.skip_init(torch.nn.Flatten)


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
    assert loss.explain().kernels > 0
    if name.startswith("parametrizations"):
        assert not loss.explain().exits


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
