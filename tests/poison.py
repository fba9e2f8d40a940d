"""Memory that holds what shows in any result, wherever it is unwritten or nobody has it any more.

What NumPy hands out unwritten is NaN and -1 here, and so is what it frees. So is what runs have
done with and others take: the scratch of programs, the arenas of loops. Native code that reads what
it has not written, or by an address that is out of date, computes something else then.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest import mock

import numba
import numpy as np
from numba import types

from jitgrad.kernels import calling, driver, running, scratch

POISON = 0xFF
DEFAULT_HANDLER = 306
"""Where NumPy's interface for C has the handler of memory."""


class Allocator(ctypes.Structure):
    """`PyDataMemAllocator` of NumPy's interface for C: what a handler does, as addresses."""

    _fields_: ClassVar = [
        (name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")
    ]


class Handler(ctypes.Structure):
    """`PyDataMem_Handler`: who gets and frees the memory of arrays."""

    _fields_: ClassVar = [
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", Allocator),
    ]


class Poisoned(scratch.Spare):
    """Memory that nobody may read before writing to it."""

    seen: ClassVar[set[type]] = set()

    def append(self, memory: Any) -> None:
        if isinstance(memory, running.Arena):
            # the words before are instructions, which runs use again
            memory.bytes[memory.words.nbytes :] = POISON
        else:
            memory[0][...] = POISON
        self.seen.add(type(memory))
        super().append(memory)


@contextmanager
def poisoned() -> Iterator[None]:
    """Poison memory, for all threads, until this is left."""
    allocator = _handler().allocator
    before = allocator.malloc, allocator.free
    malloc, free = _functions()
    allocator.malloc, allocator.free = malloc.address, free.address
    try:
        with (
            mock.patch.object(driver, "Spare", Poisoned),
            mock.patch.object(running, "Spare", Poisoned),
            mock.patch.object(calling, "IS_POISONED", True),
        ):
            yield
    finally:
        # what was got in between may be freed afterwards: all of them call `free` in the end
        allocator.malloc, allocator.free = before


def _handler() -> Handler:
    """Return the handler that all threads have, as NumPy itself reads it."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    interface = pointer(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]
    address = ctypes.cast(interface, ctypes.POINTER(ctypes.c_void_p))[DEFAULT_HANDLER]
    capsule = ctypes.cast(address, ctypes.POINTER(ctypes.py_object))[0]
    handler = ctypes.cast(pointer(capsule, b"mem_handler"), ctypes.POINTER(Handler))[0]
    assert (handler.name, handler.version) == (b"default_allocator", 1)
    return handler


def _functions() -> tuple[Any, Any]:
    """Return how memory is got and freed; no Python runs there, so that none is interrupted."""
    library = ctypes.CDLL(None)
    malloc, free, fill = library.malloc, library.free, library.memset
    malloc.restype, malloc.argtypes = ctypes.c_size_t, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_size_t]
    fill.restype, fill.argtypes = None, [ctypes.c_size_t, ctypes.c_int, ctypes.c_size_t]
    word = types.uintp

    def get(context, size):
        address = malloc(size)
        if address:
            fill(address, POISON, size)
        return address

    def give(context, address, size):
        if address:
            fill(address, POISON, size)
            free(address)

    return numba.cfunc(word(word, word))(get), numba.cfunc(types.void(word, word, word))(give)
