"""Clipping, vectors of parameters, modules that are not initialised."""

import math

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


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
