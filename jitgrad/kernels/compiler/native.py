"""Raw memory, threads and Python's C interface, for native code compiled with Numba.

All addresses are int64.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.compiler.target import compiled
from jitgrad.kernels.conventions import TABLE

I64 = ir.IntType(64)
_I8P = ir.IntType(8).as_pointer()

called: Any = compiled(
    nopython=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""What makes a function one that native code calls."""


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def word(typing_context: Any, address: Any) -> Any:
    """Return the int64 at `address`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0]))

    return types.int64(types.int64), generate


@intrinsic
def byte(typing_context: Any, address: Any) -> Any:
    """Return the byte at `address`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(place), ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic
def set_byte(typing_context: Any, address: Any, value: Any) -> Any:
    """Store a byte at `address`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        builder.store(builder.trunc(args[1], ir.IntType(8)), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def set_word(typing_context: Any, address: Any, value: Any) -> Any:
    """Store an int64 at `address`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], _pointer(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add_atomically(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to the int64 at `address`; return what it was."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def give_way(typing_context: Any) -> Any:
    """Let another thread have the processor, where the system offers that."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name = "sched_yield"
        if llvmlite.binding.address_of_symbol(name):
            module = builder.module
            found = module.globals.get(name)
            if found is None:
                found = ir.Function(module, ir.FunctionType(ir.IntType(32), []), name)
            builder.call(found, [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def stack_table(typing_context: Any) -> Any:
    """Return the address of an argument table on the stack."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        with builder.goto_entry_block():
            place = builder.alloca(ir.ArrayType(I64, TABLE))
        return builder.ptrtoint(place, I64)

    return types.int64(), generate


@intrinsic
def new_array(
    typing_context: Any, function: Any, kind: Any, dtype: Any, dimensions: Any, sizes: Any
) -> Any:
    """Return a new array in row-major order, 0 for an exception; it takes the dtype over.

    Args:
        function: the address of `PyArray_NewFromDescr` of NumPy's interface for C.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = ir.IntType(32)
        signature = ir.FunctionType(I64, [I64, I64, number, I64, I64, I64, number, I64])
        function, kind, dtype, dimensions, sizes = args
        found = builder.inttoptr(function, signature.as_pointer())
        count, none = builder.trunc(dimensions, number), I64(0)
        return builder.call(found, [kind, dtype, count, sizes, none, none, number(0), none])

    return types.int64(*(types.int64,) * 5), generate


@intrinsic
def call_kernel(typing_context: Any, address: Any, table: Any, first: Any, last: Any) -> Any:
    """Call a kernel, whose status and result do not matter: kernels cannot raise."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        results = _I8P.as_pointer()
        signature = ir.FunctionType(ir.IntType(32), [results, results, I64, I64, I64])
        # a place for the result and for an exception, as Numba's calling convention wants them
        with builder.goto_entry_block():
            place = builder.alloca(_I8P, 2)
        function = builder.inttoptr(args[0], signature.as_pointer())
        builder.call(function, [place, place, *args[1:]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def bits_of(typing_context: Any, value: Any) -> Any:
    """Return the bits of a float64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], I64)

    return types.int64(types.float64), generate


def _python(name: str, result: Any, *parameters: Any) -> Any:
    """Return a function of Python's C interface; objects and pointers are int64."""
    llvm = {types.int64: I64, types.float64: ir.DoubleType(), types.void: ir.VoidType()}

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        module = builder.module
        found = module.globals.get(name)
        if found is None:
            signature = ir.FunctionType(llvm[result], [llvm[each] for each in parameters])
            found = ir.Function(module, signature, name)
        made = builder.call(found, args)
        return context.get_dummy_value() if result is types.void else made

    shapes: tuple[Any, ...] = (
        lambda typing_context: (result(), generate),
        lambda typing_context, a: (result(*parameters), generate),
        lambda typing_context, a, b: (result(*parameters), generate),
        lambda typing_context, a, b, c: (result(*parameters), generate),
        lambda typing_context, a, b, c, d: (result(*parameters), generate),
    )
    return intrinsic(shapes[len(parameters)])


float_of = _python("PyFloat_AsDouble", types.float64, types.int64)
integer_of = _python("PyLong_AsUnsignedLongLongMask", types.int64, types.int64)
new_integer = _python("PyLong_FromLongLong", types.int64, types.int64)
take_memory = _python("PyMem_RawMalloc", types.int64, types.int64)
free_memory = _python("PyMem_RawFree", types.void, types.int64)
no_memory = _python("PyErr_NoMemory", types.int64)
new_truth = _python("PyBool_FromLong", types.int64, types.int64)
new_tuple = _python("PyTuple_New", types.int64, types.int64)
set_item = _python("PyTuple_SetItem", types.void, types.int64, types.int64, types.int64)
new_bytes = _python("PyByteArray_FromStringAndSize", types.int64, types.int64, types.int64)
bytes_of = _python("PyByteArray_AsString", types.int64, types.int64)
call_with = _python("PyObject_CallOneArg", types.int64, types.int64, types.int64)
call_alone = _python("PyObject_CallNoArgs", types.int64, types.int64)
call_with_all = _python("PyObject_Vectorcall", types.int64, *(types.int64,) * 4)
allocate = _python("PyType_GenericAlloc", types.int64, types.int64, types.int64)
hold = _python("Py_IncRef", types.void, types.int64)
forget = _python("Py_DecRef", types.void, types.int64)
has_error = _python("PyErr_Occurred", types.int64)
set_error = _python("PyErr_SetString", types.void, types.int64, types.int64)
release_gil = _python("PyEval_SaveThread", types.int64)
retake_gil = _python("PyEval_RestoreThread", types.void, types.int64)
