"""Bringing machine code into the process, which takes 0.1 to 0.4 ms and nothing of Numba.

Machine code comes as an object file, from the compiler or from disk. It holds no addresses of a
process: what it calls, Python's C interface and the C library, it calls by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import llvmlite.binding

from jitgrad.kernels import scalars


class Code(NamedTuple):
    """Machine code.

    Attributes:
        symbol: the function in it.
        image: the object file.
    """

    symbol: str
    image: bytes


class LinkError(Exception):
    """Machine code that cannot be brought into this process; the message says why."""


_numbers = count()


@cache
def _linker() -> Any:
    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    # of LLVM's two linkers this one keeps the parts of a file together, which not all processors
    # can do without; for Windows it is not finished
    use_jit_link = sys.platform != "win32"
    return llvmlite.binding.create_lljit_compiler(use_jit_link=use_jit_link, suppress_errors=True)


def link(code: Code) -> int:
    """Return the address of the function in `code`, which stays there for good.

    Raises:
        LinkError: it is no object file, or calls what is not there.
    """
    library = llvmlite.binding.JITLibraryBuilder()
    library.add_object_img(code.image).add_current_process().export_symbol(code.symbol)
    for symbol, address in LIBRARY.items():
        if symbol.encode() in code.image:
            library.import_symbol(symbol, address)
    try:
        linked = library.link(_linker(), f"jitgrad {next(_numbers)}")
    except RuntimeError as error:
        raise LinkError(str(error)) from None
    address = linked[code.symbol]
    linked.detach()  # what is never unloaded can be called while Python shuts down
    if not address:
        raise LinkError(f"{code.symbol} is not in the object file")
    return address


def symbol_of(name: str) -> str:
    """Return how machine code calls a function of the C library.

    Under its own name LLVM would know the function, and make x * x of pow(x, 2).
    """
    return f"jitgrad_math_{name}"


@cache
def _libraries() -> tuple[Any, ...]:
    """Return what may hold the C library's functions, the process itself first."""
    found = []
    for name in ("ucrtbase",) if sys.platform == "win32" else (None, "libm.so.6", "libm.dylib"):
        with contextlib.suppress(OSError):
            found.append(ctypes.CDLL(name))
    return tuple(found)


def _address(name: str) -> int | None:
    for library in _libraries():
        with contextlib.suppress(AttributeError):
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    return None


def _library() -> dict[str, int]:
    """Return the addresses of the C library's functions, and let kernels do without the others."""
    found = {}
    for name in (*scalars.LIBRARY, *scalars.LIBRARY_OF_TWO):
        address = _address(name)
        if address is None:
            scalars.without(name)
        else:
            found[symbol_of(name)] = address
    return found


LIBRARY = _library()
"""Functions of the C library: their addresses by symbol."""
