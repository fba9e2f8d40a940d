"""Running a test with jitgrad and, where it is installed, with PyTorch.

What such a test asserts holds for both: PyTorch vouches for the test, the test for jitgrad.
"""

import importlib.util

import pytest

import jitgrad

LIBRARIES = ["jitgrad", "torch"]


@pytest.fixture(params=LIBRARIES)
def torch(request):
    """The library that a test runs with, under the name that its user gives it."""
    if request.param == "jitgrad":
        return jitgrad
    return pytest.importorskip("torch")


def has_torch() -> bool:
    """Is PyTorch installed?"""
    return importlib.util.find_spec("torch") is not None
