"""Whole training steps, compiled, against the same steps taken eagerly."""

import numpy as np
import pytest

import jitgrad

MAKERS = {
    "sgd": lambda params: jitgrad.optim.SGD(params, lr=0.05, momentum=0.9),
    "sgd with all": lambda params: jitgrad.optim.SGD(
        params, lr=0.02, momentum=0.9, weight_decay=0.01, nesterov=True
    ),
    "adam": lambda params: jitgrad.optim.Adam(params, lr=0.05),
    "adamw": lambda params: jitgrad.optim.AdamW(params, lr=0.05, amsgrad=True),
    "radam": lambda params: jitgrad.optim.RAdam(params, lr=0.05, betas=(0.8, 0.9)),
    "nadam": lambda params: jitgrad.optim.NAdam(params, lr=0.05),
    "adamax": lambda params: jitgrad.optim.Adamax(params, lr=0.05),
    "adagrad": lambda params: jitgrad.optim.Adagrad(params, lr=0.05),
    "adadelta": lambda params: jitgrad.optim.Adadelta(params),
    "rmsprop": lambda params: jitgrad.optim.RMSprop(
        params, lr=0.01, centered=True, momentum=0.5, eps=0.01
    ),
    "rprop": lambda params: jitgrad.optim.Rprop(params, lr=0.01),
    "asgd": lambda params: jitgrad.optim.ASGD(params, lr=0.02, t0=5),
    "adafactor": lambda params: jitgrad.optim.Adafactor(params, lr=0.05),
}
SMALL = ("sgd", "adam")


def training(make, compiled, set_to_none=True, count=30):
    """Train two layers, and return the losses, the parameters and the optimizer's state."""
    nn = jitgrad.nn
    jitgrad.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    optimizer = make(list(model.parameters()))
    scheduler = jitgrad.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)

    def step(x, y):
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none)
        return loss

    if compiled:
        step = jitgrad.compile(step)
    generator = np.random.default_rng(1)
    losses = []
    for _ in range(count):
        x, y = (jitgrad.tensor(generator.normal(size=(4, width))) for width in (6, 2))
        losses.append(step(x, y).item())
        scheduler.step()
    state = [each for param in model.parameters() for each in optimizer.state[param].values()]
    return losses, [*model.parameters(), *state]


def assert_equal(ours, eager):
    np.testing.assert_allclose(ours[0], eager[0], rtol=1e-8)
    assert len(ours[1]) == len(eager[1])
    for mine, other in zip(ours[1], eager[1]):
        assert mine.dtype == other.dtype
        close = 1e-8 if mine.dtype == jitgrad.float64 else 1e-6
        np.testing.assert_allclose(
            mine.detach().numpy(), other.detach().numpy(), rtol=close, atol=close
        )


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("set_to_none", [True, False])
def test_equals_eager(name, set_to_none):
    eager = training(MAKERS[name], False, set_to_none)
    assert eager[0][-1] != eager[0][0]
    assert_equal(training(MAKERS[name], True, set_to_none), eager)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MAKERS if name not in SMALL])
def test_others_equal_eager(name):
    assert_equal(training(MAKERS[name], True, count=12), training(MAKERS[name], False, count=12))
