"""Calling kernels from Python.

A launch is a built-in function made of native code: it takes arrays and numbers, reads the arrays'
addresses itself, fills the argument tables of a row of kernels and calls them. It costs 30 ns,
where a call through ctypes or Numba's dispatcher costs 300 and more.
"""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import cfunc, njit
from numba.core import types

from jitgrad.kernels import threads
from jitgrad.kernels.cpu import Kernel
from jitgrad.kernels.native import (
    TABLE,
    add_atomically,
    bits_of,
    bytes_of,
    call_kernel,
    call_with,
    float_of,
    forget,
    give_way,
    has_error,
    integer_of,
    new_bytes,
    new_integer,
    release_gil,
    retake_gil,
    set_error,
    set_word,
    stack_table,
    word,
)
from jitgrad.kernels.threads import ARGUMENTS, DONE, JOB, KERNEL, LENGTH, NEXT, PIECES, work

ARRAY, CONSTANT, FLOAT, INTEGER = range(4)
"""What an entry of an argument table is made of: the address of an array's element, a constant,
a Python number as float64 or as int64."""

_HEADER = object.__basicsize__

DATA = _HEADER
"""Where an ndarray's data pointer lies: the first field after the header, in every NumPy so far."""

TYPE = _HEADER - 8
"""Where an object's type lies."""


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


@njit(types.int64(*[types.int64] * 5), error_model="numpy")
def split(kernel: int, table: int, length: int, pieces: int, wake: int) -> int:
    """Run a kernel in pieces, with help; return what `wake` returned, 0 for an exception."""
    job = new_bytes(0, JOB)
    if job == 0:
        return 0
    address = bytes_of(job)
    set_word(address + NEXT, 0)
    set_word(address + DONE, 0)
    set_word(address + PIECES, pieces)
    set_word(address + LENGTH, length)
    set_word(address + KERNEL, kernel)
    set_word(address + ARGUMENTS, table)
    # an exception here, as by Ctrl-C, is raised when the kernel is done
    woken = call_with(wake, job)
    state = release_gil()
    work(address)
    while add_atomically(address + DONE, 0) < pieces:
        give_way()
    retake_gil(state)
    forget(job)
    return woken


def _launch(description: int, arguments: int, count: int) -> int:
    """Fill the table of each kernel and call it; the native code of every launch."""
    table = stack_table()
    start = word(description + DATA)
    place = start + 48
    for _ in range(word(start)):
        kernel = word(place)
        length = word(place + 8)
        pieces = word(place + 16)
        entries = word(place + 24)
        place += 32
        for k in range(entries):
            kind = word(place)
            value = word(place + 16)
            if kind != CONSTANT:
                given = word(arguments + 8 * word(place + 8))
                if kind == ARRAY:
                    if word(given + TYPE) != word(start + 8):
                        set_error(word(start + 24), word(start + 32))
                        return 0
                    value += word(given + DATA)
                elif kind == FLOAT:
                    if word(given + TYPE) == word(start + 16):
                        value = word(given + _HEADER)
                    else:
                        number = float_of(given)
                        if number == -1.0 and has_error() != 0:
                            return 0
                        value = bits_of(number)
                else:
                    value = integer_of(given)
                    if value == -1 and has_error() != 0:
                        return 0
            set_word(table + 8 * k, value)
            place += 24
        if pieces == 0:
            call_kernel(kernel, table, 0, length)
        elif pieces == 1:
            state = release_gil()
            call_kernel(kernel, table, 0, length)
            retake_gil(state)
        else:
            woken = split(kernel, table, length, pieces, word(start + 40))
            if woken == 0:
                return 0
            forget(woken)
    return new_integer(0)


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


def keep_forever(obj: Any) -> Any:
    """Return an object that is never freed, because native code holds its address.

    To hold it in a module is not enough: functions made here may be called, and are freed, when
    the interpreter ends and the variables of modules are gone.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(obj))
    return obj


def method(name: bytes, function: Callable, signature: Any, flags: int) -> _Method:
    """Return the definition of a built-in function, made of a function for native code."""
    code = keep_forever(cfunc(signature, error_model="numpy")(function))
    return keep_forever(_Method(name, code.address, flags, None))


def builtin(definition: _Method, first: Any) -> Callable[..., Any]:
    """Return a built-in function whose native code is passed `first` and then the arguments."""
    return _new_builtin(ctypes.addressof(definition), first, None)


FAST = types.int64(types.int64, types.int64, types.int64)
"""The signature of a function that takes an array of objects."""

_LAUNCH = method(b"launch", _launch, FAST, METH_FASTCALL)
_HELP = method(b"help", threads.help, types.int64(types.int64, types.int64), METH_O)
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
