"""Running a test with jitgrad and, where it is installed, with PyTorch.

What such a test asserts holds for both: PyTorch vouches for the test, the test for jitgrad.
"""

import pytest

import jitgrad


@pytest.fixture(params=["jitgrad", "torch"])
def torch(request):
    """The library that a test runs with, under the name that its user gives it."""
    return jitgrad if request.param == "jitgrad" else pytest.importorskip("torch")
