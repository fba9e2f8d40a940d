"""Calls of the BLAS that NumPy uses, whose address kernels are given with their arguments."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.compiler.memory import IN_MEMORY
from jitgrad.kernels.conventions import ROW_MAJOR


@intrinsic(prefer_literal=True)
def gemm(
    typing_context: Any,
    dtype: Any,
    bits: Any,
    address: Any,
    left: Any,
    right: Any,
    rows: Any,
    columns: Any,
    depth: Any,
    a: Any,
    a_pitch: Any,
    b: Any,
    b_pitch: Any,
    c: Any,
    c_pitch: Any,
) -> Any:
    """Call a `gemm` of CBLAS on row-major matrices; `left` and `right` say which are transposed."""
    element = IN_MEMORY[dtype.literal_value]
    width = ir.IntType(bits.literal_value)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = ir.IntType(32)
        kinds = [
            code, code, code, width, width, width, element, element.as_pointer(), width,
            element.as_pointer(), width, element, element.as_pointer(), width,
        ]  # fmt: skip
        function = builder.inttoptr(args[2], ir.FunctionType(ir.VoidType(), kinds).as_pointer())
        flags = [builder.trunc(each, code) for each in args[3:5]]
        sizes = [builder.trunc(e, width) if width.width < 64 else e for e in args[5:8]]
        places = []
        for at, pitch in zip(args[8::2], args[9::2]):
            places.append(builder.inttoptr(at, element.as_pointer()))
            places.append(builder.trunc(pitch, width) if width.width < 64 else pitch)
        one, zero = element(1.0), element(0.0)
        builder.call(
            function, [code(ROW_MAJOR), *flags, *sizes, one, *places[:4], zero, *places[4:]]
        )
        return context.get_dummy_value()

    integers = [types.int64] * 12
    return types.void(dtype, bits, *integers), generate


@intrinsic
def address(typing_context: Any, region: Any) -> Any:
    """Return the address of a region."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], ir.IntType(64))

    return types.int64(region), generate
