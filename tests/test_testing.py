"""assert_close, against PyTorch's."""

import importlib
import importlib.util

import numpy as np
import pytest

import jitgrad

LIBRARIES = ["jitgrad", *(["torch"] if importlib.util.find_spec("torch") else [])]


@pytest.fixture(params=LIBRARIES)
def torch(request):
    return importlib.import_module(request.param)


CLOSE = [
    lambda t: (t.ones(2), t.ones(2) + 5e-6, {}),
    lambda t: (t.ones(2).double(), t.ones(2).double() + 1e-8, {}),
    lambda t: (t.ones(2), t.ones(2) + 0.5, {"rtol": 0, "atol": 0.6}),
    lambda t: (t.ones(2), t.ones(2).double(), {"check_dtype": False}),
    lambda t: (t.tensor([float("nan")]), t.tensor([float("nan")]), {"equal_nan": True}),
    lambda t: (t.tensor([float("inf")]), t.tensor([float("inf")]), {}),
    lambda t: ([t.ones(2), 1.0], (t.ones(2), 1.0), {}),
    lambda t: ({"a": t.ones(2)}, {"a": t.ones(2)}, {}),
    lambda t: (t.ones(2, requires_grad=True), t.ones(2), {}),
    lambda t: (np.ones(2), np.ones(2), {}),
    lambda t: (1.0, 1 + 1e-9, {}),
    lambda t: (1, 1.0, {"check_dtype": False}),
    lambda t: (None, None, {}),
    lambda t: (t.ones(0), t.ones(0), {}),
]

APART = [
    lambda t: (t.ones(2), t.ones(2) + 5e-5, {}),
    lambda t: (t.ones(2).double(), t.ones(2).double() + 1e-6, {}),
    lambda t: (t.ones(2), t.ones(2).double(), {}),
    lambda t: (t.ones(2), t.ones(1, 2), {}),
    lambda t: (t.tensor([float("nan")]), t.tensor([float("nan")]), {}),
    lambda t: (t.tensor([1]), t.tensor([2]), {}),
    lambda t: ([t.ones(2)], [t.ones(2), t.ones(2)], {}),
    lambda t: ([t.ones(2), t.zeros(2)], [t.ones(2), t.ones(2)], {}),
    lambda t: ({"a": 1}, {"b": 1}, {}),
    lambda t: (t.ones(2, 3).t(), t.ones(3, 2), {"check_stride": True}),
    lambda t: (1.0, 1.1, {}),
    lambda t: (1, 1.0, {}),
]


@pytest.mark.parametrize("case", CLOSE)
def test_close(torch, case):
    actual, expected, options = case(torch)
    torch.testing.assert_close(actual, expected, **options)


@pytest.mark.parametrize("case", APART)
def test_apart(torch, case):
    actual, expected, options = case(torch)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(actual, expected, **options)


def test_what_is_no_comparison(torch):
    with pytest.raises(ValueError, match=r"[Bb]oth"):
        torch.testing.assert_close(1.0, 1.0, rtol=1e-3)
    with pytest.raises(TypeError):
        torch.testing.assert_close(object(), torch.ones(2))


def test_messages():
    one, other = jitgrad.tensor([1.0, 2.0, 4.0]), jitgrad.tensor([1.0, 2.5, 4.0])
    with pytest.raises(AssertionError, match=r"1 / 3 \(33\.3%\)[\s\S]*difference: 0\.5"):
        jitgrad.testing.assert_close(one, other)
    with pytest.raises(AssertionError, match=r"item \['a'\]\[1\]"):
        jitgrad.testing.assert_close({"a": [one, one]}, {"a": [one, other]})
    with pytest.raises(AssertionError, match=r"^mine$"):
        jitgrad.testing.assert_close(one, other, msg="mine")
    with pytest.raises(AssertionError, match=r"^mine: Tensor-likes"):
        jitgrad.testing.assert_close(one, other, msg=lambda text: f"mine: {text}")
