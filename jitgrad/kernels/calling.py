"""Calling kernels from Python.

A launch is a built-in function made of native code: it takes arrays and numbers, reads the arrays'
addresses itself, fills the argument tables of a row of kernels and calls them. It costs 30 ns,
where a call through ctypes or Numba's dispatcher costs 300 and more.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.cpu import Kernel

ARRAY, CONSTANT, FLOAT, INTEGER = range(4)
"""What an entry of an argument table is made of: the address of an array's element, a constant,
a Python number as float64 or as int64."""

TABLE = 256
"""Entries of the largest argument table."""

_HEADER = object.__basicsize__
_I64 = ir.IntType(64)
_I8P = ir.IntType(8).as_pointer()


def _as_pointer(builder: Any, address: Any, type: Any = _I64) -> Any:
    return builder.inttoptr(address, type.as_pointer())


@intrinsic
def _word(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_as_pointer(builder, args[0]))

    return types.int64(types.int64), generate


@intrinsic
def _set_word(typing_context: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], _as_pointer(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _table(typing_context: Any) -> Any:
    """Return the address of a table on the stack."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        with builder.goto_entry_block():
            place = builder.alloca(ir.ArrayType(_I64, TABLE))
        return builder.ptrtoint(place, _I64)

    return types.int64(), generate


@intrinsic
def _call_kernel(typing_context: Any, address: Any, table: Any, first: Any, last: Any) -> Any:
    """Call a kernel, whose status and result do not matter: kernels cannot raise."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        results = _I8P.as_pointer()
        type = ir.FunctionType(ir.IntType(32), [results, results, _I64, _I64, _I64])
        # a place for the result and for an exception, as Numba's calling convention wants them
        with builder.goto_entry_block():
            place = builder.alloca(_I8P, 2)
        function = builder.inttoptr(args[0], type.as_pointer())
        builder.call(function, [place, place, *args[1:]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


def _python_api(name: str, result: Any, *parameters: Any) -> Any:
    """Return an intrinsic that calls a function of Python's C interface."""
    llvm = {types.int64: _I64, types.float64: ir.DoubleType(), types.void: ir.VoidType()}

    def declare(module: Any) -> Any:
        found = module.globals.get(name)
        if found is None:
            signature = ir.FunctionType(llvm[result], [llvm[each] for each in parameters])
            found = ir.Function(module, signature, name)
        return found

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = builder.call(declare(builder.module), args)
        return context.get_dummy_value() if result is types.void else made

    shapes: tuple[Any, ...] = (
        lambda typing_context: (result(), generate),
        lambda typing_context, a: (result(*parameters), generate),
        lambda typing_context, a, b: (result(*parameters), generate),
    )
    return intrinsic(shapes[len(parameters)])


_float_of = _python_api("PyFloat_AsDouble", types.float64, types.int64)
_integer_of = _python_api("PyLong_AsUnsignedLongLongMask", types.int64, types.int64)
_error = _python_api("PyErr_Occurred", types.int64)
_raise = _python_api("PyErr_SetString", types.void, types.int64, types.int64)
_result = _python_api("PyLong_FromLongLong", types.int64, types.int64)


@intrinsic
def _bits(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _I64)

    return types.int64(types.float64), generate


_DATA = _HEADER
"""Where an ndarray's data pointer lies: the first field after the header, in every NumPy so far."""


def _launch(description: int, arguments: int, count: int) -> int:
    """Fill the table of each kernel and call it; the entry point of every `Launch`."""
    table = _table()
    place = _word(description + _DATA)
    kernels = _word(place)
    array_type = _word(place + 8)
    float_type = _word(place + 16)
    place += 40
    for _ in range(kernels):
        address = _word(place)
        length = _word(place + 8)
        entries = _word(place + 16)
        place += 24
        for k in range(entries):
            kind = _word(place)
            value = _word(place + 16)
            if kind != 1:
                given = _word(arguments + 8 * _word(place + 8))
                if kind == 0:
                    if _word(given + _HEADER - 8) != array_type:
                        start = _word(description + _DATA)
                        _raise(_word(start + 24), _word(start + 32))
                        return 0
                    value += _word(given + _DATA)
                elif kind == 2:
                    if _word(given + _HEADER - 8) == float_type:
                        value = _word(given + _HEADER)
                    else:
                        number = _float_of(given)
                        if number == -1.0 and _error() != 0:
                            return 0
                        value = _bits(number)
                else:
                    value = _integer_of(given)
                    if value == -1 and _error() != 0:
                        return 0
            _set_word(table + 8 * k, value)
            place += 24
        _call_kernel(address, table, 0, length)
    return _result(0)


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


_METH_FASTCALL = 0x80
_WRONG_TYPE = ctypes.create_string_buffer(b"run: expected a numpy.ndarray for a tensor")
_entry: Any = None
_lock = threading.Lock()


def _entry_method() -> Any:
    """Return the definition of the built-in function behind every `Launch`, compiled once."""
    global _entry
    if _entry is None:
        with _lock:
            if _entry is None:
                made = cfunc(
                    types.int64(types.int64, types.int64, types.int64), error_model="numpy"
                )(_launch)
                _entry = (_Method(b"launch", made.address, _METH_FASTCALL, None), made)
    return _entry[0]


_new_builtin = ctypes.pythonapi.PyCFunction_NewEx
_new_builtin.restype = ctypes.py_object
_new_builtin.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]


def launch(
    calls: Sequence[tuple[Kernel, int, Sequence[tuple[int, int, int]]]],
) -> Callable[..., Any]:
    """Return a built-in function that calls kernels in order.

    Args:
        calls: for each the kernel, the rounds of its outermost loop, and the entries of its
            table: what (ARRAY, CONSTANT, FLOAT or INTEGER), the position of the argument that it
            is taken from, and the constant, or the offset in bytes from the array's first element.
    """
    words = [len(calls), id(np.ndarray), id(float), id(TypeError), ctypes.addressof(_WRONG_TYPE)]
    for kernel, length, entries in calls:
        if len(entries) > TABLE:
            raise ValueError(f"{kernel.name}: {len(entries)} arguments, at most {TABLE} fit")
        words.extend((kernel.address, length, len(entries)))
        for entry in entries:
            words.extend(entry)
    description = np.array(words, np.int64)
    return _new_builtin(ctypes.addressof(_entry_method()), description, None)
