"""Modules and functions of activations: values, gradients, in-place forms, reprs, errors."""

import math

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811

F = jitgrad.nn.functional

MODULES = {
    "CELU": [(), (0.5, True)],
    "ELU": [(), (0.5,), (1.0, True)],
    "GELU": [(), ("tanh",)],
    "GLU": [(), (0,)],
    "Hardshrink": [(), (0.1,)],
    "Hardsigmoid": [(), (True,)],
    "Hardswish": [(), (True,)],
    "Hardtanh": [(), (-0.5, 2.0, True)],
    "LeakyReLU": [(), (0.2, True)],
    "LogSigmoid": [()],
    "LogSoftmax": [(1,), (0,)],
    "Mish": [(), (True,)],
    "PReLU": [(), (4, 0.5)],
    "RReLU": [(0.2, 0.2)],
    "ReLU": [(), (True,)],
    "ReLU6": [(), (True,)],
    "SELU": [(), (True,)],
    "SiLU": [(), (True,)],
    "Sigmoid": [()],
    "Softmax": [(1,), (0,)],
    "Softmin": [(1,)],
    "Softplus": [(), (2.0, 1.0)],
    "Softshrink": [(), (0.1,)],
    "Softsign": [()],
    "Tanh": [()],
    "Tanhshrink": [()],
    "Threshold": [(0.1, 20.0), (0.1, 20.0, True)],
}
CASES = [(name, args) for name, every in MODULES.items() for args in every]
SPECIAL = [-1000.0, -100.0, -3.0, -0.5, -0.0, 0.0, 0.5, 3.0, 100.0, 1000.0]


def outcome(torch, name, args, values, dtype):
    """Return text, output, and gradients of the input and of the parameters."""
    module = getattr(torch.nn, name)(*args).to(getattr(torch, dtype))
    leaf = torch.tensor(values, dtype=getattr(torch, dtype), requires_grad=True)
    out = module(leaf * 1)
    weights = torch.tensor(np.cos(np.arange(out.numel())), dtype=out.dtype).reshape(out.shape)
    leaves = [leaf, *module.parameters()]
    gradients = torch.autograd.grad((out * weights).sum(), leaves)
    return repr(module), [each.detach().numpy() for each in (out, *gradients)]


def same(name, args, values, dtype):
    torch = pytest.importorskip("torch")
    ours, theirs = (outcome(each, name, args, values, dtype) for each in (jitgrad, torch))
    assert ours[0] == theirs[0]
    bound = {"float32": 1e-5, "float64": 1e-7}[dtype]
    for found, expected in zip(ours[1], theirs[1]):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, bound, bound)


@pytest.mark.parametrize(("name", "args"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_torch(name, args, dtype):
    same(name, args, np.random.default_rng(0).normal(size=(2, 4)) * 3, dtype)


@pytest.mark.parametrize(("name", "args"), CASES)
def test_extremes_as_torch(name, args):
    width = 1 if name == "PReLU" and args else 2
    values = np.array([each for each in SPECIAL for _ in range(width)])
    if name == "PReLU" and args:
        values = np.tile(values[:, None], 4)
    elif "oftm" in name:
        values = np.array([SPECIAL, [each / 10 for each in SPECIAL]])
    same(name, args, values, "float64")


@pytest.mark.parametrize(("name", "args"), CASES)
def test_nan_stays(torch, name, args):
    out = getattr(torch.nn, name)(*args)(torch.full((4, 4), math.nan))
    assert out.isnan().all()


@pytest.mark.parametrize(("name", "args"), CASES)
def test_empty(torch, name, args):
    shape = (0, 4)
    out = getattr(torch.nn, name)(*args)(torch.zeros(shape))
    assert out.shape[0] == 0


@pytest.mark.parametrize(("name", "args"), CASES)
def test_second_derivatives(name, args):
    module = getattr(jitgrad.nn, name)(*args).double()
    values = np.random.default_rng(1).uniform(0.15, 0.45, (2, 4)) * [[1, -1, 3, -3]]
    leaf = jitgrad.tensor(values, requires_grad=True)
    parameters = tuple(module.parameters())
    assert jitgrad.autograd.gradcheck(lambda x, *_: module(x * 1), (leaf, *parameters))
    assert jitgrad.autograd.gradgradcheck(lambda x, *_: module(x * 1), (leaf, *parameters))


def test_in_place(torch):
    for name in ("celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_"):
        function, apart = (getattr(torch.nn.functional, each) for each in (name, name[:-1]))
        x = torch.tensor([-2.0, -0.5, 0.5, 2.0])
        expected = apart(x)
        version = x._version
        assert function(x) is x
        assert x._version == version + 1
        assert x.tolist() == expected.tolist()
        leaf = torch.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            function(leaf)
    x = torch.tensor([-1.0, 2.0])
    assert torch.nn.functional.threshold_(x, 0.5, 7.0).tolist() == [7.0, 2.0]
    assert x.tolist() == [7.0, 2.0]


def test_integers(torch):
    whole = torch.tensor([7, -2])
    assert torch.nn.functional.relu6(whole).tolist() == [6, 0]
    assert torch.nn.functional.hardtanh(whole).tolist() == [1, -1]
    assert torch.nn.functional.threshold(whole, 1, 0).tolist() == [7, 0]
    for name in ("elu", "selu", "celu", "leaky_relu", "hardsigmoid", "hardswish", "hardshrink"):
        with pytest.raises(NotImplementedError):
            getattr(torch.nn.functional, name)(whole)
    for name in ("softshrink", "silu", "mish", "gelu", "softplus", "logsigmoid", "glu"):
        with pytest.raises(NotImplementedError):
            getattr(torch.nn.functional, name)(whole)
    with pytest.raises(RuntimeError, match="Bool"):
        torch.nn.functional.hardtanh(whole > 0)
    with pytest.raises(RuntimeError, match="unsigned"):
        torch.nn.functional.hardtanh(whole.to(torch.uint8))


def test_errors(torch):
    nn = torch.nn
    x = torch.ones(2, 3)
    for wrong in (
        lambda: nn.functional.celu(x, 0.0),
        lambda: nn.functional.softshrink(x, -1.0),
        lambda: nn.functional.glu(x),
        lambda: nn.functional.rrelu(x, 0.5, 0.2),
        lambda: nn.functional.prelu(x, torch.ones(2)),
        lambda: nn.functional.prelu(x, torch.ones(3, dtype=torch.float64)),
        lambda: nn.functional.gelu(x, approximate="no"),
    ):
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.raises(ValueError, match="min_val"):
        nn.functional.hardtanh(x, 2.0, 1.0)
    with pytest.raises(ValueError, match="3D or 4D"):
        nn.Softmax2d()(x)
    with pytest.raises(IndexError):
        nn.Softmax(2)(x)


def test_names_of_old(torch):
    with pytest.warns(FutureWarning, match="min_val"):
        module = torch.nn.Hardtanh(min_value=-2.0)
    with pytest.warns(FutureWarning, match="max_val"):
        torch.nn.Hardtanh(max_value=3.0)
    assert module.min_val == -2.0


def test_prelu_keeps_its_state(torch):
    module = torch.nn.PReLU(2, init=0.5)
    assert list(module.state_dict()) == ["weight"]
    assert module.weight.tolist() == [0.5, 0.5]
    other = torch.nn.PReLU(2)
    other.load_state_dict(module.state_dict())
    assert other.weight.tolist() == [0.5, 0.5]
    other.reset_parameters()
    assert other.weight.tolist() == [0.25, 0.25]


def test_rrelu_draws_in_training_only(torch):
    torch.manual_seed(0)
    module = torch.nn.RReLU(0.25, 0.75)
    x = torch.full((1000,), -1.0)
    slopes = -module(x)
    assert 0.25 <= slopes.min() < 0.3
    assert 0.7 < slopes.max() <= 0.75
    assert abs(slopes.mean().item() - 0.5) < 0.02
    assert module.eval()(x).unique().tolist() == [-0.5]
    assert repr(module) == "RReLU(lower=0.25, upper=0.75)"


def test_softmax2d(torch):
    shares = torch.nn.Softmax2d()(torch.zeros(2, 4, 3, 3))
    assert shares.unique().tolist() == [0.25]


def test_softmax_chooses_its_dtype(torch):
    half = torch.ones(2, dtype=torch.float16)
    assert torch.nn.functional.softmax(half, 0, dtype=torch.float64).dtype == torch.float64
    assert torch.nn.functional.log_softmax(half, 0, dtype=torch.float32).dtype == torch.float32
    assert torch.nn.functional.softmin(half, 0, dtype=torch.float32).dtype == torch.float32


def test_gumbel_softmax(torch):
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, 2.0]).repeat(4000, 1).requires_grad_()
    soft = torch.nn.functional.gumbel_softmax(logits, tau=0.5)
    assert torch.allclose(soft.sum(1), torch.ones(4000))
    hard = torch.nn.functional.gumbel_softmax(logits, hard=True)
    assert sorted(hard.detach().round().unique().tolist()) == [0.0, 1.0]
    shares = hard.detach().mean(0)
    expected = torch.tensor([0.0, 1.0, 2.0]).softmax(0)
    assert (shares - expected).abs().max() < 0.03
    (gradient,) = torch.autograd.grad((hard * logits.detach()).sum(), logits)
    assert gradient.abs().max() > 0
    assert gradient.sum(1).abs().max() < 1e-5


def test_stored_figures():
    """Figures of PyTorch 2.13, for where it is not installed."""
    x = jitgrad.tensor([-2.0, -0.5, 0.5, 2.0])
    figures = {
        "gelu": [-0.045500, -0.154269, 0.345731, 1.954500],
        "silu": [-0.238406, -0.188770, 0.311230, 1.761594],
        "mish": [-0.252501, -0.220744, 0.375245, 1.943959],
        "elu": [-0.864665, -0.393469, 0.5, 2.0],
        "selu": [-1.520167, -0.691758, 0.525350, 2.101402],
        "hardswish": [-0.333333, -0.208333, 0.291667, 1.666667],
        "logsigmoid": [-2.126928, -0.974077, -0.474077, -0.126928],
        "softsign": [-0.666667, -0.333333, 0.333333, 0.666667],
    }
    for name, expected in figures.items():
        np.testing.assert_allclose(getattr(F, name)(x).numpy(), expected, atol=2e-6, err_msg=name)
