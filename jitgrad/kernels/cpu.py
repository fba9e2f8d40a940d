"""Native code for this machine: kernels, and the functions that call them.

It is compiled at most once on a machine: see cache.py. Numba is loaded for what has to be.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.kernels import cache
from jitgrad.kernels.availability import INSTALL, Unavailable, described
from jitgrad.kernels.clock import compiling
from jitgrad.kernels.conventions import DTYPES
from jitgrad.kernels.linking import TILE, Code, LinkError, link, publish
from jitgrad.kernels.processor import CONVERTS_HALF
from jitgrad.locks import LOWERING

if not CONVERTS_HALF:
    DTYPES.discard(np.dtype(np.float16))


class Kernel:
    """A compiled kernel.

    Attributes:
        name: unique to its source.
        source: readable Python.
        address: of the native code.
        from_disk: was it compiled by another process?
        compile_seconds: what compiling it took.
    """

    __slots__ = ("address", "compile_seconds", "from_disk", "name", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        before = compiling.seconds
        self.address, self.from_disk = _code(
            f"kernel {source}", lambda making: making.kernel(name, source)
        )
        self.compile_seconds = compiling.seconds - before

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


_kernels: dict[str, Kernel] = {}


def kernel_for(source: str) -> Kernel:
    """Return the kernel with this source (its function is called `kernel`)."""
    found = _kernels.get(source)
    if found is not None:
        return found
    with LOWERING:
        found = _kernels.get(source)
        if found is None:
            # so long that no two are alike: this is what the linker knows it by
            name = "kernel_" + hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
            named = source.replace("def kernel(", f"def {name}(", 1)
            found = _kernels[source] = Kernel(name, named)
        return found


def native(name: str) -> int:
    """Return the address of one of the functions that are compiled once for all programs."""
    with LOWERING:
        try:
            return _code(f"function {name}", lambda making: making.function(name))[0]
        except Unavailable as error:
            raise Unavailable(str(error), error.remedy, lasts=True) from error


def _code(text: str, make: Callable[[Any], Code]) -> tuple[int, bool]:
    """Return the address of native code, and whether it was found on disk."""
    key = cache.key_for(text)
    found = cache.find(key)
    if found is not None:
        try:
            return _linked(found), True
        except LinkError as error:
            cache.note("cannot be used", error)
    started = time.perf_counter()
    try:
        made, making = _made(make)
    finally:
        compiling.seconds += time.perf_counter() - started
    try:
        address = _linked(made)
    except LinkError as error:
        raise Unavailable(f"machine code cannot be linked ({error})", INSTALL) from error
    if making.has_usual_settings():
        cache.keep(key, made)
    else:
        cache.note("off", "settings of Numba have been changed by assignment")
    return address, False


_tiles: dict[str, int] = {}


def tile(name: str) -> int:
    """Return the address of a tile, see compiler/tiles.py; machine code can call it by name."""
    with LOWERING:
        symbol = TILE + name
        address = _tiles.get(symbol)
        if address is None:
            address, _ = _code(symbol, lambda making: making.tile(symbol))
            publish(symbol, address)
            _tiles[symbol] = address
        return address


def _linked(code: Code) -> int:
    """Return the address of machine code, whose tiles are there then."""
    for symbol in code.calls:
        if symbol.startswith(TILE):
            tile(symbol.removeprefix(TILE))
    return link(code)


def _made(make: Callable[[Any], Code]) -> tuple[Code, Any]:
    """Return compiled code, and the module that has compiled it."""
    try:
        from jitgrad.kernels.compiler import making  # the first time, loads Numba
    except Exception as error:
        why = f"Numba cannot be imported ({described(error)})"
        raise Unavailable(why, INSTALL, lasts=True) from error
    try:
        return make(making), making
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        raise Unavailable(f"a kernel cannot be compiled ({described(error)})", INSTALL) from error
