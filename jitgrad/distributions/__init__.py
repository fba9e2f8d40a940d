"""Probability distributions under the names of `torch.distributions`."""

from jitgrad.distributions.continuous import Exponential as Exponential
from jitgrad.distributions.continuous import Laplace as Laplace
from jitgrad.distributions.continuous import Normal as Normal
from jitgrad.distributions.continuous import Uniform as Uniform
from jitgrad.distributions.discrete import Bernoulli as Bernoulli
from jitgrad.distributions.discrete import Categorical as Categorical
from jitgrad.distributions.distribution import Distribution as Distribution
from jitgrad.distributions.distribution import Independent as Independent
from jitgrad.distributions.kl import kl_divergence as kl_divergence
from jitgrad.distributions.kl import register_kl as register_kl

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Independent",
    "Laplace",
    "Normal",
    "Uniform",
    "kl_divergence",
    "register_kl",
]
