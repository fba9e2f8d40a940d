"""Choosing without branches gives what `np.where` gives, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitgrad.ops.choosing import chosen

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8"])
@pytest.mark.parametrize("count", [0, 100, 10000])
def test_chosen(dtype: str, count: int) -> None:
    draw = np.random.default_rng(count)
    a, b = ((draw.normal(size=count) * 9).astype(dtype) for _ in range(2))
    if dtype[0] == "f" and count:
        a[:5], b[5:10] = SPECIAL, SPECIAL
    condition = draw.random(count) < 0.5
    others: list[Any] = [b, 0, 0.0, -0.0, 0.5, True, np.float64(2), b.astype("f8"), b[::-1]]
    for other in others:
        for one, two in ((a, other), (other, a)):
            expected, found = np.where(condition, one, two), chosen(condition, one, two)
            assert found.dtype == expected.dtype, (one, two)
            assert found.tobytes() == expected.tobytes(), (one, two)


def test_shapes() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(2, 100, 100))
    for condition in (a > 0, (a > 0).T, (a > 0)[:, :1], a[0] > 0):
        np.testing.assert_array_equal(chosen(condition, a, b), np.where(condition, a, b))
        np.testing.assert_array_equal(chosen(condition, a, b[0]), np.where(condition, a, b[0]))
        np.testing.assert_array_equal(chosen(condition, 1, 0), np.where(condition, 1, 0))
