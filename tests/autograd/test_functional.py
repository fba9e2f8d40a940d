"""Jacobians, Hessians and products with them, as PyTorch computes them."""

import importlib.util

import pytest

import jitgrad
from jitgrad.autograd import functional, gradcheck

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


def vector(torch):
    return torch.tensor([0.5, 1.5, -1.0], dtype=torch.float64)


def matrix(torch):
    return torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]], dtype=torch.float64)


def product(x, w):
    return w.mv(x.exp())


def energy(x, w):
    return (w.mv(x * x) ** 2).sum() + (x**3).sum()


CASES = {
    "jacobian": lambda f, t: f.jacobian(lambda x: x.exp(), vector(t)),
    "jacobian of two": lambda f, t: f.jacobian(product, (vector(t), matrix(t))),
    "jacobian of two outputs": lambda f, t: f.jacobian(lambda x: (x * x, x.sum()), vector(t)),
    "jacobian of a constant": lambda f, t: f.jacobian(lambda x: vector(t), vector(t)),
    "hessian": lambda f, t: f.hessian(lambda x: (x**3).sum(), vector(t)),
    "hessian of two": lambda f, t: f.hessian(energy, (vector(t), matrix(t))),
    "vjp": lambda f, t: f.vjp(product, (vector(t), matrix(t)), t.ones(2, dtype=t.float64)),
    "vjp of a scalar": lambda f, t: f.vjp(energy, (vector(t), matrix(t))),
    "jvp": lambda f, t: f.jvp(product, (vector(t), matrix(t)), (vector(t) * 2, matrix(t))),
    "vhp": lambda f, t: f.vhp(energy, (vector(t), matrix(t)), (vector(t), matrix(t))),
    "hvp": lambda f, t: f.hvp(energy, (vector(t), matrix(t)), (vector(t), matrix(t))),
}


def numbers(value):
    if isinstance(value, tuple):
        return [numbers(each) for each in value]
    assert not value.requires_grad
    return pytest.approx(value.flatten().tolist()), tuple(value.shape)


def plain(value):
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value.flatten().tolist(), tuple(value.shape)


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_torch_agrees(name):
    import torch

    expected = CASES[name](torch.autograd.functional, torch)
    assert plain(CASES[name](functional, jitgrad)) == numbers(expected)


def test_jacobian_without_torch():
    found = functional.jacobian(lambda x: x * x, jitgrad.tensor([1.0, 2.0]))
    assert found.tolist() == [[2, 0], [0, 4]]


def test_graph_goes_on():
    x = vector(jitgrad).requires_grad_()
    assert functional.jacobian(lambda x: x * x, x, create_graph=True).requires_grad
    assert gradcheck(lambda x: functional.jacobian(lambda y: y**3, x, create_graph=True), x)
    assert gradcheck(lambda x: functional.hessian(lambda y: (y**4).sum(), x, create_graph=True), x)
    assert gradcheck(lambda x, v: functional.vjp(jitgrad.exp, x, v, create_graph=True)[1], (x, x))
    assert gradcheck(lambda x, v: functional.jvp(jitgrad.exp, x, v, create_graph=True)[1], (x, x))


def test_strict():
    with pytest.raises(RuntimeError, match="independent of input 0"):
        functional.jacobian(lambda x: vector(jitgrad), vector(jitgrad), strict=True)


def test_errors():
    with pytest.raises(RuntimeError, match="v has invalid size"):
        functional.vjp(jitgrad.exp, vector(jitgrad), jitgrad.ones(2))
    with pytest.raises(RuntimeError, match="vector v can only be None"):
        functional.vjp(jitgrad.exp, vector(jitgrad))
    with pytest.raises(RuntimeError, match="single element"):
        functional.hessian(jitgrad.exp, vector(jitgrad))
    with pytest.raises(TypeError, match="must be either a Tensor or a tuple of Tensors"):
        functional.jacobian(jitgrad.exp, 1.0)
    with pytest.raises(TypeError, match="outputs of the user-provided function"):
        functional.jacobian(lambda x: 1.0, vector(jitgrad))


def test_inputs_are_left_alone():
    x = vector(jitgrad)
    functional.hessian(lambda x: (x * x).sum(), x)
    assert not x.requires_grad
    with jitgrad.no_grad():
        assert functional.jacobian(lambda x: x * x, x).tolist()[0][0] == 1
