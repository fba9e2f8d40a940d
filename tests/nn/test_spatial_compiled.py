"""Compiled functions with convolutions, pools, borders and resizing give what eager gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.nn import functional as F

SEED = np.random.default_rng(0)


def leaf(*shape: int) -> Any:
    return jitgrad.tensor(SEED.normal(size=shape) / 2, requires_grad=True)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), 1e-10, 1e-12)


def network(x: Any, weight: Any, bias: Any, deep: Any) -> Any:
    hidden = F.relu(F.conv2d(x, weight, bias, padding=1))
    hidden = F.max_pool2d(hidden, 2)
    return F.avg_pool2d(F.conv2d(hidden, deep, stride=2, groups=2), 2, 1).flatten(1)


def up(x: Any, weight: Any, bias: Any, deep: Any) -> Any:
    wide = F.interpolate(F.pad(x, (1, 2, 2, 1), "reflect"), scale_factor=2, mode="bilinear")
    return F.conv_transpose2d(F.conv2d(wide, weight, bias, 2), deep[:, :3], bias[:3], 2)


def sampled(x: Any, weight: Any, bias: Any, deep: Any) -> Any:
    places = F.affine_grid(deep.flatten()[:6].reshape(1, 2, 3) / 4, (1, 1, 4, 4), False)
    seen = F.grid_sample(x, places.expand(x.shape[0], -1, -1, -1), align_corners=False)
    patches = F.unfold(seen, 2, stride=2)
    back = F.fold(patches, (4, 4), 2, stride=2)
    largest, found = F.adaptive_max_pool2d(back, 3, return_indices=True)
    return (largest * (found + 1)).sum() * weight.sum() + F.adaptive_avg_pool2d(
        back, 3
    ).sum() * bias


@pytest.mark.parametrize("function", [network, up, sampled])
@pytest.mark.parametrize("wants_grad", [True, False])
def test_forward_and_backward(function: Any, wants_grad: bool) -> None:
    compiled = jitgrad.compile(function)
    arguments = [leaf(2, 2, 10, 10), leaf(4, 2, 3, 3), leaf(4), leaf(4, 2, 2, 2)]
    if function is up:
        arguments[3] = leaf(4, 3, 2, 2)
    for turn in range(4):
        given = [(each * (1 + turn / 8)).detach() for each in arguments]
        if wants_grad:
            for each in given:
                each.requires_grad_()
        expected, found = function(*given), compiled(*given)
        close(found, expected)
        if wants_grad:
            weights = jitgrad.linspace(0.5, 1.5, expected.numel(), dtype=jitgrad.float64)
            weights = weights.reshape(expected.shape)
            true = jitgrad.autograd.grad((expected * weights).sum(), given)
            for one, other in zip(jitgrad.autograd.grad((found * weights).sum(), given), true):
                close(one, other)
    assert not compiled.explain().exits, compiled.explain()


def step(x: Any, target: Any, weight: Any, bias: Any, head: Any, rate: float) -> Any:
    hidden = F.max_pool2d(F.conv2d(x, weight, bias).relu(), 2)
    loss = (hidden.flatten(1) @ head - target).square().mean()
    loss.backward()
    with jitgrad.no_grad():
        for each in (weight, bias, head):
            each -= rate * each.grad
            each.grad = None
    return loss


def test_a_training_step() -> None:
    """Losses and parameters stay the same over several steps, backward and update included."""
    compiled = jitgrad.compile(step)
    start = [leaf(4, 2, 3, 3), leaf(4), leaf(4 * 2 * 2, 3)]
    x, target = leaf(5, 2, 6, 6).detach(), leaf(5, 3).detach()
    runs = []
    for function in (step, compiled):
        parameters = [each.detach().clone().requires_grad_() for each in start]
        losses = [function(x, target, *parameters, 0.05).item() for _ in range(6)]
        assert losses[-1] < losses[0]
        runs.append((losses, parameters))
    np.testing.assert_allclose(runs[1][0], runs[0][0], 1e-10)
    for found, expected in zip(runs[1][1], runs[0][1]):
        close(found, expected)
    assert not compiled.explain().exits, compiled.explain()


def test_modules() -> None:
    jitgrad.manual_seed(0)
    model = jitgrad.nn.Sequential(
        jitgrad.nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"),
        jitgrad.nn.MaxPool2d(2),
        jitgrad.nn.ZeroPad2d(1),
        jitgrad.nn.ConvTranspose2d(4, 4, 2, stride=2),
        jitgrad.nn.AvgPool2d(2),
        jitgrad.nn.Upsample(scale_factor=2, mode="bilinear"),
        jitgrad.nn.PixelShuffle(2),
        jitgrad.nn.LPPool2d(2.0, 2),
        jitgrad.nn.AdaptiveAvgPool2d(3),
    ).double()

    @jitgrad.compile
    def run(x: Any) -> Any:
        return model(x).square().sum()

    for turn in range(3):
        x = jitgrad.tensor(SEED.normal(size=(2, 1, 6, 6)) + turn)
        expected = model(x).square().sum()
        found = run(x)
        close(found, expected)
        for one, other in zip(
            jitgrad.autograd.grad(found, list(model.parameters())),
            jitgrad.autograd.grad(expected, list(model.parameters())),
        ):
            close(one, other)
    assert not run.explain().exits, run.explain()


def resized(x: Any, factor: float) -> Any:
    return F.interpolate(x, scale_factor=factor)


def test_a_number_that_decides_the_size() -> None:
    compiled = jitgrad.compile(resized)
    x = jitgrad.arange(4.0).reshape(1, 1, 4)
    for factor in (2.0, 2.0, 2.0, 1.5, 1.5, 2.0, 0.5):
        assert compiled(x, factor).tolist() == resized(x, factor).tolist()
    assert not compiled.explain().exits, compiled.explain()
