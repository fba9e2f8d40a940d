"""Borders: the function, and the modules of each kind, against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.nn import functional as F
from tests.nn.both import torch as torch
from tests.nn.spatial import LAYOUTS, compare_functions, compare_modules
from tests.ops.against_torch import array, compare_error

SIZES = {1: (5,), 2: (4, 5), 3: (4, 5, 3)}
MODES = ("reflect", "replicate", "circular")


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batched", [True, False])
def test_modes(ndim: int, mode: str, batched: bool) -> None:
    x = array(*((2, 3) if batched else (3,)), *SIZES[ndim])
    for amounts in itertools.product((0, 1, 2, -1), repeat=2):
        compare_functions("pad", x, args=(amounts * ndim, mode))
    compare_functions("pad", x, args=((2, 1, 0, -1, 1, 2)[: 2 * ndim], mode))


@pytest.mark.parametrize("value", [None, 0, 1.5, float("-inf")])
def test_constant(value: Any) -> None:
    x = array(2, 3, 4)
    for amounts in ((1, 2), (-1, 2, 0, -2), (0, 0, 1, 1, -1, 3), (), (-2, -2)):
        compare_functions("pad", x, args=(amounts,), value=value)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Reflection", "Replication", "Circular", "Zero", "Constant"])
def test_modules(ndim: int, kind: str) -> None:
    value = (2.5,) if kind == "Constant" else ()
    for amounts in (1, tuple(range(2 * ndim))[::-1] if kind == "Replication" else (1, 2) * ndim):
        for lead in ((2, 3), (3,)):
            compare_modules(f"{kind}Pad{ndim}d", array(*lead, *SIZES[ndim]), args=(amounts, *value))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layouts_and_dtypes(layout: str, dtype: str) -> None:
    for mode in ("constant", *MODES):
        compare_functions(
            "pad", array(2, 3, 4, 5, dtype=dtype), args=((1, 2, 2, 1), mode), layout=layout
        )


def test_integers_and_booleans(torch: Any) -> None:
    pad = torch.nn.functional.pad
    x = torch.tensor([[1, 2, 3]])
    assert pad(x, (1, 1), value=7).tolist() == [[7, 1, 2, 3, 7]]
    assert pad(x, (2, 1), "reflect").tolist() == [[3, 2, 1, 2, 3, 2]]
    assert pad(x > 1, (1, 0)).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("mode", ("constant", *MODES))
def test_second_derivatives(mode: str) -> None:
    leaf = jitgrad.tensor(array(1, 3, 4), requires_grad=True)

    def run(x: Any) -> Any:
        return F.pad(x, (2, 1, 1, 2), mode).pow(3)

    assert jitgrad.autograd.gradcheck(run, (leaf,))
    assert jitgrad.autograd.gradgradcheck(run, (leaf,))


def test_an_infinite_element_spoils_its_own_gradient_only() -> None:
    leaf = jitgrad.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    out = F.pad(leaf, (2, 1), "reflect")
    (slope,) = jitgrad.autograd.grad(
        out, leaf, jitgrad.tensor([[float("inf"), 1.0, 1.0, 1.0, 1.0, 1.0]])
    )
    np.testing.assert_array_equal(slope.numpy(), [[1.0, 3.0, np.inf]])


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.nn.functional.pad(t.ones(2, 3), (1, 2, 3)),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (0, 0, 0, 0, 1, 1)),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (-2, -2)),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (3, 0), "reflect"),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (4, 0), "circular"),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (-2, -2), "replicate"),
        lambda t: t.nn.functional.pad(t.ones(2, 0), (1, 1), "replicate"),
        lambda t: t.nn.functional.pad(t.ones(3), (1, 1), "replicate"),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (1, 1), "some"),
        lambda t: t.nn.functional.pad(t.ones(2, 3), (1, 1), "reflect", 1.0),
        lambda t: t.nn.functional.pad(t.ones(2, 3), 1),
    ],
)
def test_errors(call: Any) -> None:
    compare_error(call)
