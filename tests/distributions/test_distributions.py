"""Samples, shapes, forms and training with distributions; densities are in the table."""

import numpy as np
import pytest

import jitgrad
from jitgrad import distributions
from jitgrad.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    Normal,
    Uniform,
    kl_divergence,
    register_kl,
)

COUNT = 40000

MAKE = {
    "Normal": lambda t: t.distributions.Normal(t.tensor([1.0, -2.0]), t.tensor([0.5, 2.0])),
    "Uniform": lambda t: t.distributions.Uniform(t.tensor([1.0, -2.0]), t.tensor([2.0, 2.0])),
    "Exponential": lambda t: t.distributions.Exponential(t.tensor([0.5, 2.0])),
    "Laplace": lambda t: t.distributions.Laplace(t.tensor([1.0, -2.0]), t.tensor([0.5, 2.0])),
    "Bernoulli": lambda t: t.distributions.Bernoulli(t.tensor([0.25, 0.5])),
    "Categorical": lambda t: t.distributions.Categorical(t.tensor([[1.0, 3.0], [1.0, 1.0]])),
}


@pytest.mark.parametrize("name", MAKE)
def test_samples_follow_the_distribution(name):
    jitgrad.manual_seed(0)
    made = MAKE[name](jitgrad)
    drawn = made.sample((COUNT,))
    assert drawn.shape == (COUNT, 2)
    assert not drawn.requires_grad
    if name == "Categorical":
        np.testing.assert_allclose(drawn.double().mean(0).numpy(), [0.75, 0.5], atol=0.01)
        return
    spread = made.stddev.numpy()
    error = (drawn.mean(0) - made.mean).numpy()
    assert (np.abs(error) < 5 * spread / np.sqrt(COUNT)).all()
    np.testing.assert_allclose(drawn.std(0).numpy(), spread, rtol=0.05)
    # every sample is one that the distribution admits
    assert made.log_prob(drawn).isfinite().all()


@pytest.mark.parametrize("name", ["Normal", "Uniform", "Laplace"])
def test_samples_with_history_move_with_the_parameters(name):
    jitgrad.manual_seed(0)
    one = jitgrad.zeros(3, requires_grad=True)
    two = jitgrad.ones(3, requires_grad=True)
    made = getattr(distributions, name)(one, two)
    assert made.has_rsample
    drawn = made.rsample((5,))
    slopes = jitgrad.autograd.grad(drawn.sum(), (one, two))
    if name == "Uniform":
        np.testing.assert_allclose((slopes[0] + slopes[1]).numpy(), np.full(3, 5.0), rtol=1e-5)
    else:
        assert slopes[0].tolist() == [5, 5, 5]
        np.testing.assert_allclose(slopes[1].numpy(), drawn.detach().sum(0).numpy(), rtol=1e-5)
    assert not made.sample().requires_grad


def test_shapes():
    made = Independent(Normal(jitgrad.zeros(4, 3), 1.0), 1)
    assert made.batch_shape == (4,)
    assert made.event_shape == (3,)
    assert made.rsample((2,)).shape == (2, 4, 3)
    assert made.log_prob(jitgrad.zeros(4, 3)).shape == (4,)
    assert made.entropy().shape == (4,)
    assert kl_divergence(made, made).tolist() == [0, 0, 0, 0]
    assert Normal(0.0, 1.0).sample().shape == ()
    assert Categorical(jitgrad.ones(5, 3)).sample((2, 4)).shape == (2, 4, 5)
    assert Categorical(jitgrad.ones(5, 3)).enumerate_support().shape == (3, 5)
    assert Bernoulli(jitgrad.ones(5) / 2).enumerate_support().shape == (2, 5)
    with pytest.raises(ValueError, match="reinterpreted_batch_ndims"):
        Independent(Normal(0.0, 1.0), 1)


def test_dtypes_are_kept():
    for made in (Normal(jitgrad.zeros(2).double(), 1), Uniform(jitgrad.zeros(2).double(), 1.0)):
        assert made.sample().dtype is jitgrad.float64
        assert made.log_prob(jitgrad.tensor(0.5)).dtype is jitgrad.float64


@pytest.mark.parametrize("name", MAKE)
def test_texts_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    assert repr(MAKE[name](jitgrad)) == repr(MAKE[name](torch))
    assert repr(jitgrad.distributions.Normal(0.0, 1.0)) == repr(torch.distributions.Normal(0.0, 1))
    logits = [library.zeros(2, 2) for library in (jitgrad, torch)]
    ours, theirs = jitgrad.distributions, torch.distributions
    assert repr(ours.Categorical(logits=logits[0])) == repr(theirs.Categorical(logits=logits[1]))


def test_certain_outcomes_have_divergences():
    sure, likely = Bernoulli(jitgrad.tensor([0.0, 1.0])), Bernoulli(jitgrad.tensor([0.5, 0.5]))
    np.testing.assert_allclose(kl_divergence(sure, likely).numpy(), np.log([2, 2]), rtol=1e-5)
    assert kl_divergence(likely, sure).tolist() == [float("inf")] * 2
    sure, likely = Categorical(jitgrad.tensor([0.0, 1.0])), Categorical(jitgrad.ones(2))
    np.testing.assert_allclose(kl_divergence(sure, likely).item(), np.log(2), rtol=1e-5)
    assert kl_divergence(likely, sure).item() == float("inf")
    inside, outside = Uniform(0.0, 1.0), Uniform(-1.0, 3.0)
    assert kl_divergence(outside, inside).item() == float("inf")


def test_divergences_can_be_registered():
    class Mine(Normal):
        pass

    assert kl_divergence(Mine(0.0, 1.0), Normal(0.0, 1.0)).item() == 0
    register_kl(Mine, Normal)(lambda p, q: "mine")
    assert kl_divergence(Mine(0.0, 1.0), Normal(0.0, 1.0)) == "mine"
    with pytest.raises(NotImplementedError, match="register_kl"):
        kl_divergence(Normal(0.0, 1.0), Uniform(0.0, 1.0))


def test_checks_can_be_left_out():
    assert Normal(0.0, -1.0, validate_args=False).log_prob(jitgrad.ones(1)).isnan().all()
    for kind in (Bernoulli, Categorical):
        with pytest.raises(ValueError, match="not both"):
            kind()
        with pytest.raises(ValueError, match="not both"):
            kind(jitgrad.ones(2), jitgrad.ones(2))
    with pytest.raises(ValueError, match="Number or Tensor"):
        Normal("0", 1.0)


def test_a_policy_learns():
    jitgrad.manual_seed(0)
    logits = jitgrad.zeros(3, requires_grad=True)
    for _ in range(60):
        policy = Categorical(logits=logits)
        actions = policy.sample((64,))
        rewards = (actions == 2).float()
        loss = -(policy.log_prob(actions) * (rewards - rewards.mean())).mean()
        (slope,) = jitgrad.autograd.grad(loss, logits)
        with jitgrad.no_grad():
            logits -= 2 * slope
    assert Categorical(logits=logits).probs[2] > 0.9


def test_compiled_steps_check_their_parameters():
    @jitgrad.compile
    def density(loc, scale, value):
        return Normal(loc, scale).log_prob(value).sum()

    loc, value = jitgrad.zeros(3), jitgrad.ones(3)
    for scale in (1.0, 2.0, 3.0):
        scales = jitgrad.full((3,), scale)
        expected = Normal(loc, scales).log_prob(value).sum()
        np.testing.assert_allclose(density(loc, scales, value).item(), expected.item(), rtol=1e-6)
    with pytest.raises(ValueError, match="constraint"):
        density(loc, jitgrad.full((3,), -1.0), value)
