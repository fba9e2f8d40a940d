"""Tiles: the inner loops of products and correlations, which many kernels call.

They are written in LLVM's terms, since a loop costs Numba 30 ms, and compiled once for all kernels,
which call them by their names: `panel` takes three times as long as a kernel that calls it.
`product` calls others by their addresses, since few products need all of them.
"""

from __future__ import annotations

from typing import Any

from jitgrad.kernels.compiler import tiles_of_correlations as correlations
from jitgrad.kernels.compiler import tiles_of_products as products
from jitgrad.kernels.compiler.tile_code import Code, declared
from jitgrad.kernels.linking import TILE

_WRITERS = {
    "clear": correlations.clear,
    "move": correlations.move,
    "multiply": correlations.multiply,
    "dot": correlations.dot,
    "panel": products.panel,
    "transpose": products.transpose,
    "dots": products.dots,
    "product": products.product,
}


def write(module: Any, symbol: str) -> None:
    """Write the tile that is called `symbol`, which says how large it is and of what dtype."""
    name, size, dtype = symbol.removeprefix(TILE).split("_")
    _WRITERS[name](Code(declared(module, name, int(size), dtype), dtype), int(size))
