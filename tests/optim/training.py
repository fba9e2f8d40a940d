"""Parameters and gradients for optimizers, in jitgrad or in PyTorch."""

import numpy as np

SHAPES = ((4, 3), (3,), (), (2, 3, 4), (5,), (2, 2))
DTYPES = ("float32", "float32", "float32", "float64", "float64", "float64")
SOMETIMES_WITHOUT = 4
"""The parameter that has no gradient in two of three steps."""


def parameters(library, seed=0):
    """Return leaves of several shapes and dtypes."""
    generator = np.random.default_rng(seed)
    return [
        library.tensor(np.asarray(generator.normal(size=shape)).astype(dtype)).requires_grad_()
        for shape, dtype in zip(SHAPES, DTYPES)
    ]


def give_gradients(library, params, step):
    """Set the gradients of a rugged bowl, changed a little at each step."""
    loss = 0
    for place, each in enumerate(params):
        each.grad = None
        if place == SOMETIMES_WITHOUT and step % 3 == 1:
            continue
        wave = (each * (2 + place) + 0.1 * step).sin().sum()
        loss = loss + ((each - 0.5) ** 2).sum().double() * (1 + place) + wave.double()
    loss.backward()
    return loss


def train(library, make, steps=100, seed=0, params=None, optimizer=None, first=0):
    """Return parameters after so many updates, and the optimizer that `make(params)` gives."""
    params = parameters(library, seed) if params is None else params
    optimizer = make(library, params) if optimizer is None else optimizer
    for step in range(first, first + steps):
        give_gradients(library, params, step)
        optimizer.step()
    return params, optimizer
