"""Leaves of histories."""

from __future__ import annotations

from typing import Any

import jitgrad


def leaf(*values: Any, dtype: Any = jitgrad.float64) -> jitgrad.Tensor:
    """Return a vector of `values` that requires grad."""
    return jitgrad.tensor(values, dtype=dtype, requires_grad=True)


def usual_leaf(*values: Any) -> jitgrad.Tensor:
    """Return a vector of `values`, of the default dtype, that requires grad."""
    return jitgrad.tensor(values, requires_grad=True)
