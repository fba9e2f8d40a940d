"""Arrays of NumPy, of many layouts and dtypes."""

from __future__ import annotations

import numpy as np


def many_arrays() -> list[np.ndarray]:
    """Return arrays such as pickles and files must keep, made anew."""
    return [
        np.arange(6).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(24).reshape(2, 3, 4)[:, ::2],
        np.array(["a", "bcd"]),
        np.array(["2020-01-01"], "M8[D]"),
        np.zeros(3, ">i2"),
        np.array(3.0),
        np.zeros((0, 2)),
    ]
