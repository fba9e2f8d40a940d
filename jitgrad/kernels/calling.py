"""Calling kernels from Python.

A launch is a built-in function made of native code: it takes arrays and numbers, reads the arrays'
addresses itself, fills the argument tables of a row of kernels and calls them. It costs 30 ns,
where a call through ctypes or Numba's dispatcher costs 300 and more.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.kernels import threads
from jitgrad.kernels.conventions import TABLE
from jitgrad.kernels.cpu import Kernel, native
from jitgrad.kernels.linking import keep_forever


class KernelCall(NamedTuple):
    """A call of a kernel.

    Attributes:
        kernel: what is called.
        length: the rounds of its outermost loop.
        pieces: into how many it is split over threads; 0: the interpreter lock is kept.
        table: what (ARRAY, CONSTANT, FLOAT or INTEGER), the position of the argument that it is
            taken from, and the constant, or the offset in bytes from the array's first element.
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


def method(name: bytes, address: Any, flags: int) -> _Method:
    """Return the definition of a built-in function made of the native code at `address`."""
    return keep_forever(_Method(name, address, flags, None))


def builtin(definition: _Method, first: Any) -> Callable[..., Any]:
    """Return a built-in function whose native code is passed `first` and then the arguments."""
    return _new_builtin(ctypes.addressof(definition), first, None)


_LAUNCH = method(b"launch", native("launch"), METH_FASTCALL)
_HELP = method(b"help", native("help"), METH_O)
WRONG_TYPE = keep_forever(
    ctypes.create_string_buffer(b"run: expected a numpy.ndarray for a tensor")
)
wake = keep_forever(threads.Helpers(builtin(_HELP, None)).wake)


def launch(calls: Sequence[KernelCall]) -> Callable[..., Any]:
    """Return a built-in function that performs `calls` in order, given arrays and numbers."""
    known = (np.ndarray, float, TypeError)
    words = [len(calls), *map(id, known), ctypes.addressof(WRONG_TYPE), id(wake)]
    for kernel, length, pieces, table in calls:
        if len(table) > TABLE:
            raise ValueError(f"{kernel.name}: {len(table)} arguments, at most {TABLE} fit")
        words.extend((kernel.address, length, pieces, len(table)))
        for entry in table:
            words.extend(entry)
    return builtin(_LAUNCH, np.array(words, np.int64))
