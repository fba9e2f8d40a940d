"""Sample the posterior of a logistic regression by Hamiltonian Monte Carlo.

Weights roll through a landscape, minus the logarithm of their probability, as a ball without
friction would: a leapfrog loop follows the ball, and random numbers decide whether to accept where
it ends. The mean of the samples is compared with the most likely weights, which L-BFGS finds.
Source: Neal, MCMC Using Hamiltonian Dynamics, 2011.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import common

import jitgrad
from jitgrad import Tensor
from jitgrad.nn import functional as F
from jitgrad.optim import LBFGS

GOAL = 0.35
"""Posterior standard deviations, between the mean and the most likely weights, for each weight."""

TRUTH = (0.5, 1.0, -1.5, 0.75)
"""The weights that the data are made with; the first goes with a feature that is always 1."""

PRIOR = 10.0
"""The standard deviation of the weights before anything is seen: hardly a restriction."""


def observations(count: int) -> tuple[Tensor, Tensor]:
    """Return features and outcomes, 0 or 1. Shapes: (count, 4), (count,)."""
    features = jitgrad.randn(count, len(TRUTH), dtype=jitgrad.float64)
    features[:, 0] = 1
    chances = (features @ jitgrad.tensor(TRUTH, dtype=jitgrad.float64)).sigmoid()
    return features, jitgrad.bernoulli(chances)


def surprise(weights: Tensor, features: Tensor, outcomes: Tensor) -> Tensor:
    """Return minus the logarithm of the likelihood. Shapes: (W,), (N, W), (N,) -> ()."""
    return F.binary_cross_entropy_with_logits(features @ weights, outcomes, reduction="sum")


def height(weights: Tensor, features: Tensor, outcomes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the height of the landscape, without its constant, and its slope."""
    weights = weights.detach().requires_grad_()
    found = surprise(weights, features, outcomes) + ((weights / PRIOR) ** 2).sum() / 2
    (slope,) = jitgrad.autograd.grad(found, weights)
    return found.detach(), slope


@jitgrad.compile
def transition(
    weights: Tensor, features: Tensor, outcomes: Tensor, size: float, turns: int
) -> tuple[Tensor, bool]:
    """Return the next sample, and whether it is a new one."""
    momentum = jitgrad.randn_like(weights)
    potential, slope = height(weights, features, outcomes)
    before = potential + (momentum**2).sum() / 2

    proposed = weights
    for _ in range(turns):
        momentum = momentum - size / 2 * slope
        proposed = proposed + size * momentum
        potential, slope = height(proposed, features, outcomes)
        momentum = momentum - size / 2 * slope

    after = potential + (momentum**2).sum() / 2
    if jitgrad.rand((), dtype=after.dtype) < (before - after).exp():
        return proposed, True
    return weights, False


@dataclass
class Run:
    """The samples, how many were new ones, and the most likely weights."""

    samples: Tensor
    accepted: float
    likeliest: Tensor

    @property
    def distance(self) -> float:
        """The largest distance of a mean from a likeliest weight, in standard deviations."""
        return ((self.samples.mean(0) - self.likeliest) / self.samples.std(0)).abs().max().item()


def sample(
    count: int = 2000,
    observed: int = 500,
    turns: int = 15,
    size: float = 0.09,
    say: common.Say = str,
) -> Run:
    """Make observations, sample weights, leaving out a tenth at first, and find the likeliest."""
    features, outcomes = observations(observed)
    weights = jitgrad.zeros(len(TRUTH), dtype=jitgrad.float64)
    samples, accepted = [], 0
    for number in range(count + count // 10):
        # a length that varies, so that no orbit is followed to where it began
        length = size * (0.8 + 0.4 * jitgrad.rand(()).item())
        weights, moved = transition(weights, features, outcomes, length, turns)
        if number >= count // 10:
            samples.append(weights)
            accepted += moved
        say(f"sample {number + 1} of {count + count // 10}")
    return Run(jitgrad.stack(samples), accepted / count, most_likely(features, outcomes))


def most_likely(features: Tensor, outcomes: Tensor) -> Tensor:
    """Return the weights that maximize the likelihood."""
    weights = jitgrad.zeros(len(TRUTH), dtype=jitgrad.float64, requires_grad=True)
    optimizer = LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = surprise(weights, features, outcomes)
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return its exit status."""
    parser = common.options_of(sample)
    options = parser.parse_args(arguments)
    with common.session(options, sample, transition) as session:
        run = sample(**session.numbers, say=session.say)
    print(f"accepted: {run.accepted:.1%}")
    print("weight      true  likeliest  posterior mean and standard deviation")
    rows = zip(TRUTH, run.likeliest.tolist(), run.samples.mean(0).tolist(), run.samples.std(0))
    for number, (true, likeliest, mean, deviation) in enumerate(rows):
        print(f"{number:6}{true:10.3f}{likeliest:11.3f}{mean:16.3f} ± {deviation:.3f}")
    print(f"largest distance of mean and likeliest: {run.distance:.2f} standard deviations")
    if options.plot:
        draw(options, run)
    return common.verdict(run.distance < GOAL, f"a distance below {GOAL}")


def draw(options: argparse.Namespace, run: Run) -> None:
    """Draw the way of the samples, and their distribution."""
    with common.picture(options.plot, columns=2) as (ways, densities):
        for number, (samples, likeliest) in enumerate(zip(run.samples.T, run.likeliest)):
            ways.plot(samples, linewidth=0.5)
            densities.hist(samples, bins=40, histtype="step", color=f"C{number}")
            densities.axvline(likeliest, color=f"C{number}", linewidth=0.8, linestyle="--")
        ways.set(title="Samples", xlabel="number", ylabel="weight")
        densities.set(title="Posterior (dashed: most likely)", xlabel="weight", yticks=[])


if __name__ == "__main__":
    sys.exit(common.exit_status(main))
