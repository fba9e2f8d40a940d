"""Comparing an operation with PyTorch's: values, dtypes, errors and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad

torch: Any = pytest.importorskip("torch")

CLOSE = {"float16": 2e-3, "float32": 2e-5, "float64": 1e-11}

DTYPES = ["bool", "uint8", "int8", "int64", "float16", "float32", "float64"]
"""Dtypes that are tried with one another."""


def array(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Return numbers of both signs, all different."""
    made = np.random.default_rng(seed).normal(size=shape) * 2
    return (made * 3).astype(dtype) if dtype[0] in "iu" else np.asarray(made).astype(dtype)


def places(*values: Any, dtype: str = "int64") -> np.ndarray:
    """Return positions."""
    return np.array(values, dtype=dtype)


def flat(result: Any) -> list:
    """Return the tensors in a result."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def assert_same(ours: Any, theirs: Any) -> None:
    """Check that two results, or tuples of them, agree in shape, dtype and elements."""
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        if not isinstance(other, torch.Tensor):
            assert mine == other or (mine != mine and other != other)
            continue
        assert str(mine.dtype) == str(other.dtype)
        assert tuple(mine.shape) == tuple(other.shape)
        found = mine.detach().numpy()
        expected = other.detach().numpy()
        close = CLOSE.get(str(found.dtype), 0)
        np.testing.assert_allclose(found, expected, rtol=close, atol=close)


def compare(function: Any, *arrays: Any, grad: bool = True) -> None:
    """Check `function(torch, *tensors)`, and its gradients, for jitgrad and for PyTorch."""
    results = []
    for library in (jitgrad, torch):
        tensors = []
        for each in arrays:
            made = library.tensor(each) if isinstance(each, np.ndarray) else each
            if grad and isinstance(each, np.ndarray) and each.dtype.kind == "f":
                made.requires_grad_()
            tensors.append(made)
        out = function(library, *tensors)
        gradients = []
        if grad:
            total = None
            for number, each in enumerate(flat(out)):
                if getattr(each, "requires_grad", False):
                    weights = np.cos(np.arange(each.numel()) + number).reshape(tuple(each.shape))
                    part = (each * library.tensor(weights).to(each.dtype)).sum()
                    total = part if total is None else total + part
            if total is not None:
                wanted = [each for each in tensors if getattr(each, "requires_grad", False)]
                gradients = [
                    each
                    for each in library.autograd.grad(total, wanted, allow_unused=True)
                    if each is not None
                ]
        results.append((out, gradients))
    (ours, our_gradients), (theirs, their_gradients) = results
    assert_same(ours, theirs)
    assert_same(our_gradients, their_gradients)


def compare_error(function: Any) -> None:
    """Check that both libraries refuse `function(torch)` with the same class of exception."""
    with pytest.raises(Exception) as theirs:
        function(torch)
    expected = theirs.type if theirs.type.__module__ == "builtins" else RuntimeError
    with pytest.raises(expected) as ours:
        function(jitgrad)
    # NumPy's own errors are subclasses of ValueError and IndexError
    assert not type(ours.value).__module__.startswith("numpy")
