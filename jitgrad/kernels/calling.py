"""Calling kernels from Python.

A launch is a built-in function made of native code: it takes arrays and numbers, reads the arrays'
addresses itself, fills the argument tables of a row of kernels and calls them. It costs 30 ns,
where a call through ctypes or Numba's dispatcher costs 300 and more.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.kernels import threads
from jitgrad.kernels.conventions import MOST_SCRATCH, TABLE, TO_MAKE
from jitgrad.kernels.cpu import Kernel, native
from jitgrad.kernels.linking import keep_forever
from jitgrad.kernels.scratch import ALIGNMENT


class KernelCall(NamedTuple):
    """A call of a kernel.

    Attributes:
        kernel: what is called.
        length: the rounds of its outermost loop.
        pieces: into how many it is split over threads; 0: the interpreter lock is kept.
        table: what (ARRAY, CONSTANT, FLOAT, INTEGER or SCRATCH), the position of the argument that
            it is taken from, and the constant, or the offset in bytes from the array's first
            element or in scratch memory.
    """

    kernel: Kernel
    length: int
    pieces: int
    table: Sequence[tuple[int, int, int]]


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


METH_O, METH_FASTCALL = 0x08, 0x80
"""How a built-in function takes its arguments: one object, or an array of objects."""

_new_builtin = ctypes.pythonapi.PyCFunction_NewEx
_new_builtin.restype = ctypes.py_object
_new_builtin.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]


def builtin(name: str, first: Any, flags: int = METH_FASTCALL) -> Callable[..., Any]:
    """Return a built-in function whose native code is passed `first` and then the arguments."""
    return _new_builtin(ctypes.addressof(_method(name, flags)), first, None)


@functools.cache
def _method(name: str, flags: int) -> _Method:
    """Return the definition of a built-in function made of native code."""
    return keep_forever(_Method(name.encode(), native(name), flags, None))


NO_ARRAY = keep_forever(ctypes.create_string_buffer(b"run: expected a numpy.ndarray for a tensor"))
_WRONG_COUNT = keep_forever(ctypes.create_string_buffer(b"run: another number of arguments"))
HELPERS = threads.Helpers(functools.partial(builtin, "help", None, METH_O))
wake = keep_forever(HELPERS.wake)

IS_POISONED = False
"""Is memory for a run filled with what shows in any result? Tests say so."""

_NEW_ARRAY = 94
"""Where NumPy's interface for C has `PyArray_NewFromDescr`; that never changes."""


def split(length: int, nanoseconds: float) -> int:
    """Return into how many pieces a kernel is split, see `threads.pieces`, and prepare helpers."""
    found = threads.pieces(length, nanoseconds)
    if found > 1:
        HELPERS.prepare()
    return found


def launch(calls: Sequence[KernelCall]) -> Callable[..., Any]:
    """Return a built-in function that performs `calls` in order, given arrays and numbers."""
    return builtin("launch", np.array(_launching(calls), np.int64))


def _launching(calls: Sequence[KernelCall]) -> list[int]:
    """Return the description of launches."""
    known = (np.ndarray, float, TypeError)
    words = [len(calls), *map(id, known), ctypes.addressof(NO_ARRAY), id(wake)]
    for kernel, length, pieces, table in calls:
        if len(table) > TABLE:
            raise ValueError(f"{kernel.name}: {len(table)} arguments, at most {TABLE} fit")
        words.extend((kernel.address, length, pieces, len(table)))
        for entry in table:
            words.extend(entry)
    return words


class WholeRun(NamedTuple):
    """A run that makes arrays, calls kernels once, and returns.

    Attributes:
        arguments: how many it is given.
        arrays: the shapes and dtypes of what it makes, whose positions are behind the arguments.
        calls: of the kernels.
        results: for each THING and a position, or TRUTH and an offset in bytes in scratch
            memory.
        scratch: how many bytes of that are used.
        held: what native code reads besides.
    """

    arguments: int
    arrays: Sequence[tuple[tuple[int, ...], np.dtype]]
    calls: Sequence[KernelCall]
    results: Sequence[tuple[int, int]]
    scratch: int
    held: Sequence[Any]

    def fits(self) -> bool:
        """Can it be made, and is its memory best taken and given back in each run?"""
        return self.scratch <= MOST_SCRATCH and _new_array() != 0

    def made(self) -> Callable[..., tuple]:
        """Return a built-in function that performs it."""
        made: list[int] = []
        for shape, dtype in self.arrays:
            made += (id(dtype), len(shape), *shape)
        results = [word for result in self.results for word in result]
        things = self.arguments + len(self.arrays)
        begins = 8 * things + ALIGNMENT - 1
        size = begins + self.scratch
        head = [self.arguments, ctypes.addressof(_WRONG_COUNT), _new_array(), things]
        head += [len(self.results), TO_MAKE + 8 * (len(made) + len(results))]
        head += [size, begins, size if IS_POISONED else 0]
        words = [*head, *made, *results, *_launching(self.calls)]
        return builtin("run", table_of(words, [*self.arrays, *self.held]))


@functools.cache
def _new_array() -> int:
    """Return the address of NumPy's function that makes an array; 0 where it is not found."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    try:
        interface = pointer(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        # another NumPy keeps it elsewhere
        return 0
    return ctypes.cast(interface, ctypes.POINTER(ctypes.c_void_p))[_NEW_ARRAY]


class _Table(np.ndarray):
    """Words, and the objects whose addresses are among them."""

    held: tuple[Any, ...]


def table_of(words: Sequence[int], held: Sequence[Any]) -> np.ndarray:
    """Return words as native code reads them, which lets objects live as long as itself."""
    table = np.array(words, np.int64).view(_Table)
    table.held = tuple(held)
    return table
