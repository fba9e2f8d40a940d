"""Densities, entropies and divergences of distributions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.opinfo import A, I, Op, S, op, wrong


def asked(*names: str, count: int = 2) -> Callable:
    """Return a `through` that makes a distribution of `count` parameters and asks it.

    Names are methods, given what other arguments there are, or attributes.
    """

    def through(make: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            made = make(*args[:count], **kwargs)
            found = [getattr(made, name) for name in names]
            return tuple(each(*args[count:]) if callable(each) else each for each in found)

        return call

    return through


def line(name: str, *samples: Any, ask: tuple[str, ...], count: int, **settings: Any) -> Op:
    return op(
        f"distributions.{name}",
        *samples,
        kinds="w",
        rounding=64,
        through=asked(*ask, count=count),
        variant=f"{name} {ask[0]}",
        named=name,
        **settings,
    )


LOC, SCALE, VALUE = A(2, 3), A(3, low=0.5), A(2, 3)
UNIT = A(2, 3, low=0.1, high=0.9)
MOMENTS = ("entropy", "mean", "variance", "stddev")

CONTINUOUS = (
    line(
        "Normal",
        S(LOC, SCALE, VALUE),
        S(0.5, SCALE, A(4, 3)),
        ask=("log_prob", "cdf"),
        count=2,
        errors=(
            wrong(ValueError, A(2), -A(2, low=0.1), A(2), match="constraint"),
            wrong(ValueError, A(2), np.array([np.nan, 1.0]), A(2), match="invalid values"),
            wrong(ValueError, A(2), A(2, low=0.1), A(3), match="broadcastable"),
            wrong(ValueError, A(2), A(2, low=0.1), np.array([np.nan, 1.0]), match="support"),
        ),
    ),
    line("Normal", S(LOC, SCALE, UNIT), ask=("icdf",), count=2),
    line("Normal", S(LOC, SCALE), ask=(*MOMENTS, "perplexity"), count=2),
    line("Laplace", S(LOC, SCALE, VALUE), ask=("log_prob", "cdf"), count=2),
    line("Laplace", S(LOC, SCALE, UNIT), ask=("icdf",), count=2),
    line("Laplace", S(LOC, SCALE), ask=MOMENTS, count=2),
    line(
        "Uniform",
        S(-SCALE, SCALE, UNIT * 0.5),
        ask=("log_prob", "cdf", "icdf"),
        count=2,
        errors=(
            wrong(ValueError, A(2), A(2) - 9, A(2)),
            wrong(ValueError, A(2) - 9, A(2) + 9, A(2) + 90, match="support"),
        ),
    ),
    line("Uniform", S(-SCALE, SCALE), ask=MOMENTS, count=2),
    line(
        "Exponential",
        S(SCALE, UNIT),
        ask=("log_prob", "cdf", "icdf"),
        count=1,
        errors=(wrong(ValueError, A(2, low=0.1), -A(2, low=0.1), match="support"),),
    ),
    line("Exponential", S(SCALE), ask=MOMENTS, count=1),
)


def by_logits(make: Callable) -> Callable:
    return lambda logits, value: (
        make(logits=logits).log_prob(value.type_as(logits)),
        make(logits=logits).entropy(),
        make(logits=logits).probs,
    )


DISCRETE = (
    op(
        "distributions.Bernoulli",
        S(UNIT, I(2, 3)),
        kinds="w",
        rounding=64,
        through=lambda make: lambda probs, value: make(probs).log_prob(value.type_as(probs)),
        variant="log_prob",
        errors=(
            wrong(ValueError, UNIT + 1, UNIT),
            wrong(ValueError, UNIT, UNIT, match="support"),
        ),
    ),
    line("Bernoulli", S(UNIT), ask=("entropy", "mean", "variance", "logits"), count=1),
    line(
        "Categorical",
        S(UNIT, I(2, below=3)),
        S(UNIT, I(4, 2, below=3)),
        ask=("log_prob",),
        count=1,
        errors=(
            wrong(ValueError, -UNIT * np.array([1, -1, 1]), I(2)),
            wrong(ValueError, A(), I(2), match="one-dimensional"),
            wrong(ValueError, UNIT, I(2) + 5, match="support"),
        ),
    ),
    line("Categorical", S(UNIT), ask=("entropy", "probs", "logits"), count=1),
    *(
        op(
            f"distributions.{name}",
            S(A(2, 3), value),
            through=by_logits,
            kinds="w",
            rounding=64,
            variant=f"{name} of logits",
        )
        for name, value in (("Bernoulli", I(2, 3)), ("Categorical", I(2, below=3)))
    ),
)


def divergence(name: str, count: int) -> Callable:
    """Return a `through` that makes two distributions, and returns how far they are apart."""

    def through(distributions: Any) -> Callable:
        make = getattr(distributions, name)
        return lambda *args: distributions.kl_divergence(make(*args[:count]), make(*args[count:]))

    return through


DIVERGENCES = tuple(
    op(
        "distributions",
        S(*parameters),
        through=divergence(name, len(parameters) // 2),
        kinds="w",
        rounding=64,
        variant=f"divergence of {name}s",
    )
    for name, parameters in (
        ("Normal", (LOC, SCALE, VALUE, A(3, low=0.5))),
        ("Laplace", (LOC, SCALE, VALUE, A(3, low=0.5))),
        ("Exponential", (SCALE, A(3, low=0.5))),
        ("Uniform", (-SCALE, SCALE, -SCALE - 1, SCALE + 1)),
        ("Bernoulli", (UNIT, A(2, 3, low=0.1, high=0.9))),
        ("Categorical", (UNIT, A(2, 3, low=0.1, high=0.9))),
    )
)

OPS = CONTINUOUS + DISCRETE + DIVERGENCES
