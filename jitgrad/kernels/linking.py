"""Bringing machine code into the process, which takes 0.1 ms and nothing of Numba.

Machine code comes as an object file, from the compiler or from disk. It holds no addresses of a
process: what it calls, Python's C interface and the C library, it calls by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding

from jitgrad.kernels import scalars

OLDEST = (0, 45)
"""The llvmlite of Numba 0.62. With those before it, some kernels end the process."""

if tuple(map(int, llvmlite.__version__.split(".")[:2])) < OLDEST:
    raise ImportError(f"{llvmlite.__version__} is older than {OLDEST[0]}.{OLDEST[1]}")


def keep_forever(obj: Any) -> Any:
    """Return an object that is never freed, because native code holds its address, or is its own.

    To hold it in a module is not enough: functions made of native code may be called, and are
    freed, when the interpreter ends and the variables of modules are gone.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(obj))
    return obj


TILE = "jitgrad_tile_"
"""How the names of tiles begin, functions that are compiled once and called by many kernels."""


class Code(NamedTuple):
    """Machine code.

    Attributes:
        symbol: the function in it.
        calls: the functions of others that it calls.
        image: the object file.
    """

    symbol: str
    calls: tuple[str, ...]
    image: bytes


class LinkError(Exception):
    """Machine code that cannot be brought into this process; the message says why."""


@cache
def _engine() -> Any:
    """Return what links, which is what Numba uses: LLVM's newer linker is experimental there."""
    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    for symbol, address in LIBRARY.items():
        llvmlite.binding.add_symbol(symbol, address)
    target = llvmlite.binding.Target.from_triple(llvmlite.binding.get_process_triple())
    empty = llvmlite.binding.parse_assembly("")
    made = llvmlite.binding.create_mcjit_compiler(empty, target.create_target_machine())
    return keep_forever(made)


def link(code: Code) -> int:
    """Return the address of the function in `code`, which stays there for good.

    Raises:
        LinkError: it calls what is not there, or is not in its object file.
    """
    try:
        engine = _engine()
        for name in code.calls:
            if not llvmlite.binding.address_of_symbol(name):  # LLVM would end the process
                raise LinkError(f"{code.symbol} calls {name}, which is not there")
        engine.add_object_file(llvmlite.binding.ObjectFileRef.from_data(code.image))
        engine.finalize_object()
    except RuntimeError as error:  # of LLVM
        raise LinkError(str(error)) from error
    address = engine.get_function_address(code.symbol)
    if not address:
        raise LinkError(f"{code.symbol} is not in its object file")
    return address


def publish(symbol: str, address: int) -> None:
    """Let machine code that is linked later call what is at `address`."""
    llvmlite.binding.add_symbol(symbol, address)


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
