"""What the processor of this machine has: vector registers, conversions."""

from __future__ import annotations

import llvmlite.binding
import numpy as np

ARCHITECTURE = llvmlite.binding.get_process_triple().split("-")[0]
FEATURES = llvmlite.binding.get_host_cpu_features()

CONVERTS_HALF = ARCHITECTURE in ("aarch64", "arm64") or bool(FEATURES.get("f16c"))
"""Does it convert float16? Elsewhere LLVM calls functions that are not there."""


def _registers() -> tuple[int, int]:
    """Return how many bytes a vector register has, and how many registers there are."""
    if FEATURES.get("avx512f"):
        return 64, 32
    if FEATURES.get("avx"):
        return 32, 16
    return 16, 32 if ARCHITECTURE in ("aarch64", "arm64") else 16


VECTOR, _COUNT = _registers()
"""Bytes of a vector."""

ROWS, COLUMNS = (8, 3) if _COUNT == 32 else (4, 2)
"""The largest tile of `multiply` (see compiler/tiles.py): rows, and vectors in a row."""

DOT_ROWS, DOT_COLUMNS = (4, 4) if _COUNT == 32 else (4, 2)
"""The largest tile of `dot`."""

DOTS_ROWS, FEW = 2, 4
"""Rows of a tile of `dots`; up to how many rows have a product done by these."""

TILE_ROWS, TILE_COLUMNS = 6, 4 if _COUNT == 32 else 2
"""The largest tile of `panel`: rows, and vectors in a row."""

DEEP = min(256, (1 << 15) // (TILE_COLUMNS * VECTOR))
"""How many products of a `product` are summed at a time: a part of its right operand that is read
again and again should stay in the first cache."""


def lanes(dtype: str) -> int:
    """Return how many elements a vector has."""
    return VECTOR // np.dtype(dtype).itemsize


def few_columns(dtype: str) -> int:
    """Return how many columns of a product are so few that panels mostly compute what is not there.

    They are made by `dots`, or as rows of the product turned over.
    """
    return lanes(dtype) // 2
