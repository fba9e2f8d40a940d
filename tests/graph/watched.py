"""What is watched: helpers of its tests."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import watching
from tests.native import needs_native

needs_versions = [
    needs_native,
    pytest.mark.skipif(
        sys.implementation.name != "cpython" or sys.version_info >= (3, 13),
        reason="this Python gives dictionaries no versions, or others than those that are known",
    ),
]


def watch_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what facts rest on be watched when they have held once."""
    monkeypatch.setattr(watching, "STEADY", 1)


def same(found: Any, wanted: Any) -> None:
    """Are these results, tensors and lists of such, the same but for rounding?"""
    assert type(found) is type(wanted)
    if isinstance(found, (tuple, list)):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted):
            same(one, other)
    elif isinstance(found, torch.Tensor):
        assert found.requires_grad == wanted.requires_grad
        found, wanted = found.detach().numpy(), wanted.detach().numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    else:
        assert found == wanted


def watched(function: Any) -> list[Any]:
    """Return the guards of a compiled function that are watching something now."""
    guards = [each.guards for each in function.graph.segments]
    return [
        each
        for each in guards
        if isinstance(each, watching.WatchedGuards) and each.watched is not None
    ]
