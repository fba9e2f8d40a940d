"""Running a test with jitgrad and, where it is installed, with PyTorch.

What such a test asserts holds for both: PyTorch vouches for the test, the test for jitgrad.
"""

import numpy as np
import pytest

import jitgrad


@pytest.fixture(params=["jitgrad", "torch"])
def torch(request):
    """The library that a test runs with, under the name that its user gives it."""
    return jitgrad if request.param == "jitgrad" else pytest.importorskip("torch")


def numbers(torch, *shape):
    """Return the same normal numbers in either library."""
    return torch.tensor(np.random.default_rng(0).normal(size=shape))


def flat(value):
    """Return the tensors in nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        return [each for part in value for each in flat(part)]
    return [] if value is None else [value]
