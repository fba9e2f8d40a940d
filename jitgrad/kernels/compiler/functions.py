"""How functions of kernels are made: from code that builds LLVM values.

Kernels call them like Python functions; each is written once for all types of numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.compiler.vectors import F32, F64, Number

FUNCTIONS: dict[str, Any] = {}
"""What kernels find by name."""


def function(
    write: Callable[..., Number], name: str, result: Any = None, uses_types: bool = False
) -> Any:
    """Make `write`, which builds code for one element, a function of kernels.

    Args:
        write: takes Numbers (and, with `uses_types`, first the Numba type of the operands).
        name: how kernels call it.
        result: the Numba type of the result; that of the operands unless given.
        uses_types: see `write`.

    Operands of different types are converted to the type that holds both.
    """
    operands = len(inspect.signature(write).parameters) - uses_types

    def typed(typing_context: Any, given: tuple) -> tuple:
        common = given[0]
        for each in given[1:]:
            common = typing_context.unify_types(common, each)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            numbers = [
                convert(kind, common, Number(builder, each)) for kind, each in zip(given, args)
            ]
            if uses_types:
                return write(common, *numbers).value
            return _inlined(builder, name, write, numbers)

        return (result or common)(*given), generate

    shapes: dict[int, Callable] = {
        1: lambda typing_context, a: typed(typing_context, (a,)),
        2: lambda typing_context, a, b: typed(typing_context, (a, b)),
    }
    made = intrinsic(shapes[operands])
    FUNCTIONS[name] = made
    return made


def _inlined(builder: Any, name: str, write: Callable, numbers: list[Number]) -> Any:
    """Call a function of the module that is always inlined, written at its first use."""
    module = builder.module
    kinds = [each.type for each in numbers]
    full = ".".join(["jitgrad", name, *(str(each) for each in kinds)])
    function = module.globals.get(full)
    if function is None:
        # the result's type is known once the body is written
        scratch = ir.Function(
            ir.Module(context=ir.Context()), ir.FunctionType(ir.VoidType(), kinds), "scratch"
        )
        inner = ir.IRBuilder(scratch.append_basic_block())
        returned = write(*(Number(inner, each) for each in scratch.args)).type
        function = ir.Function(module, ir.FunctionType(returned, kinds), full)
        function.linkage = "internal"
        function.attributes.add("alwaysinline")
        function.attributes.add("nounwind")
        inner = ir.IRBuilder(function.append_basic_block())
        inner.ret(write(*(Number(inner, each) for each in function.args)).value)
    return builder.call(function, [each.value for each in numbers])


def is_signed(kind: Any) -> bool:
    return isinstance(kind, types.Integer) and bool(kind.signed)  # type: ignore[attr-defined]


def convert(source: Any, target: Any, x: Number) -> Number:
    """Convert as C does, and so NumPy."""
    builder, type = x.builder, _LLVM[target]
    if source is target:
        return x
    if target is types.boolean:
        if x.is_float:
            return Number(builder, builder.fcmp_unordered("!=", x.value, x.like(0.0)))
        return Number(builder, builder.icmp_unsigned("!=", x.value, x.type(0)))
    if x.is_float:
        if target in (types.float32, types.float64):
            if x.type == type:
                return x
            return Number(
                builder,
                builder.fptrunc(x.value, F32) if type is F32 else builder.fpext(x.value, F64),
            )
        wide = type if type.width == 64 else ir.IntType(32)
        whole = builder.fptosi(x.value, wide)
        return Number(builder, whole if wide is type else builder.trunc(whole, type))
    signed = is_signed(source)
    if target in (types.float32, types.float64):
        make = builder.sitofp if signed else builder.uitofp
        return Number(builder, make(x.value, type))
    if x.type.width == type.width:
        return x
    if x.type.width > type.width:
        return Number(builder, builder.trunc(x.value, type))
    return Number(builder, (builder.sext if signed else builder.zext)(x.value, type))


_LLVM = {
    types.boolean: ir.IntType(1),
    types.uint8: ir.IntType(8),
    types.uint16: ir.IntType(16),
    types.uint32: ir.IntType(32),
    types.uint64: ir.IntType(64),
    types.int8: ir.IntType(8),
    types.int16: ir.IntType(16),
    types.int32: ir.IntType(32),
    types.int64: ir.IntType(64),
    types.float32: F32,
    types.float64: F64,
}
