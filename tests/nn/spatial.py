"""Comparing a module or function over images with PyTorch's, under the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import assert_same, flat

LAYOUTS = ("contiguous", "transposed", "stepped")


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """Return `array` with other strides."""
    if layout == "transposed":
        return np.array(array, order="F")
    if layout == "stepped":
        wide = np.zeros([2 * size for size in array.shape], array.dtype)
        part = wide[tuple(slice(None, None, 2) for _ in array.shape)]
        part[...] = array
        return part
    return array


def results(library: Any, function: Any, arrays: list[np.ndarray]) -> list:
    """Return what `function` makes of the arrays and its gradients, those of parameters too."""
    leaves = [library.from_numpy(each) for each in arrays]
    for each in leaves:
        if each.dtype.is_floating_point:
            each.requires_grad_()
    made = flat(function(*leaves))
    wanted = [each for each in leaves if each.requires_grad]
    if isinstance(function, library.nn.Module):
        wanted += list(function.parameters())
    total = None
    for number, each in enumerate(made):
        if each.requires_grad:
            weights = np.cos(np.arange(each.numel()) + number).reshape(tuple(each.shape))
            part = (each * library.tensor(weights).to(each.dtype)).sum()
            total = part if total is None else total + part
    return made + list(library.autograd.grad(total, wanted))


def compare_modules(
    name: str, *arrays: np.ndarray, args: tuple = (), layout: str = "contiguous", **settings: Any
) -> None:
    """Check text, state, outputs and gradients of `nn.name(*args, **settings)` on `arrays`."""
    torch = pytest.importorskip("torch")
    dtype = next(str(each.dtype) for each in arrays if each.dtype.kind == "f")
    ours, theirs = (
        getattr(library.nn, name)(*args, **settings).to(getattr(library, dtype))
        for library in (jitgrad, torch)
    )
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({key: jitgrad.tensor(each.numpy()) for key, each in state.items()})
    given = [laid_out(each, layout) for each in arrays]
    assert_same(results(jitgrad, ours, given), results(torch, theirs, given))


def compare_functions(
    name: str, *arrays: np.ndarray, args: tuple = (), layout: str = "contiguous", **settings: Any
) -> None:
    """Check outputs and gradients of `nn.functional.name(*arrays, *args, **settings)`."""
    torch = pytest.importorskip("torch")
    given = [laid_out(each, layout) for each in arrays]
    found, expected = (
        results(
            library,
            lambda *x, library=library: getattr(library.nn.functional, name)(*x, *args, **settings),
            given,
        )
        for library in (jitgrad, torch)
    )
    assert_same(found, expected)
