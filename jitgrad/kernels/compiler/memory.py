"""What kernels see of memory: typed regions, buffers on the stack, entries of the argument table.

Regions do not check bounds. Loads and stores of one region carry a scope of their own, by which
LLVM knows that the regions of a kernel do not overlap where one of them is written (the fusion
sees to that; what is read and written at the same place is one region).
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

I64 = ir.IntType(64)

IN_REGISTERS = {
    "bool": types.boolean,
    "uint8": types.uint8,
    "int8": types.int8,
    "int16": types.int16,
    "int32": types.int32,
    "int64": types.int64,
    "float16": types.float32,
    "float32": types.float32,
    "float64": types.float64,
}
"""The type that an element has once it is loaded."""

IN_MEMORY = {
    "bool": ir.IntType(8),
    "uint8": ir.IntType(8),
    "int8": ir.IntType(8),
    "int16": ir.IntType(16),
    "int32": ir.IntType(32),
    "int64": I64,
    "float16": ir.HalfType(),
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
}
"""How it lies in memory."""


class Region(types.Type):
    """The type of a region: its elements' dtype, and a number that tells it from the others."""

    def __init__(self, dtype: str, number: int) -> None:
        self.dtype = dtype
        self.number = number
        super().__init__(f"Region({dtype}, {number})")


@register_model(Region)
class _RegionModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Region) -> None:
        super().__init__(dmm, fe_type, IN_MEMORY[fe_type.dtype].as_pointer())


@infer_global(operator.getitem)  # type: ignore[misc]
class _GetItem(AbstractTemplate):
    def generic(self, args: tuple, kws: dict) -> Any:
        region, index = args
        if isinstance(region, Region) and isinstance(index, types.Integer):
            return signature(IN_REGISTERS[region.dtype], region, types.int64)
        return None


@infer_global(operator.setitem)  # type: ignore[misc]
class _SetItem(AbstractTemplate):
    def generic(self, args: tuple, kws: dict) -> Any:
        region, index, _ = args
        if isinstance(region, Region) and isinstance(index, types.Integer):
            return signature(types.none, region, types.int64, IN_REGISTERS[region.dtype])
        return None


@lower_builtin(operator.getitem, Region, types.int64)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    region = sig.args[0]
    place = builder.gep(args[0], [args[1]], inbounds=True)
    # arrays made from foreign memory need not be aligned; unaligned loads cost nothing more
    loaded = builder.load(place, align=1)
    _tag(builder, loaded, region.number)
    if region.dtype == "bool":
        return builder.icmp_unsigned("!=", loaded, loaded.type(0))
    if region.dtype == "float16":
        return builder.fpext(loaded, ir.FloatType())
    return loaded


@lower_builtin(operator.setitem, Region, types.int64, types.Any)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    region = sig.args[0]
    place = builder.gep(args[0], [args[1]], inbounds=True)
    value = args[2]
    if region.dtype == "bool":
        value = builder.zext(value, ir.IntType(8))
    elif region.dtype == "float16":
        value = builder.fptrunc(value, ir.HalfType())
    _tag(builder, builder.store(value, place, align=1), region.number)
    return context.get_dummy_value()


_SCOPES = 64
"""How many regions of a kernel are told apart; further ones share their scopes."""


def _tag(builder: Any, instruction: Any, number: int) -> None:
    """Mark a load or store as belonging to scope `number` and to no other.

    Of two scopes it is enough that one says so. So each does of those before it, and there are only
    those that a kernel needs: a list of all others for each of 64 would take a sixth of the time in
    which a kernel is compiled.
    """
    if number < 0:
        return
    module, number = builder.module, number % _SCOPES
    scopes = getattr(module, "_jitgrad_scopes", None)
    if scopes is None:
        scopes = module._jitgrad_scopes = {}
        module._jitgrad_domain = module.add_metadata([ir.MetaDataString(module, "regions")])
    if number not in scopes:
        name = ir.MetaDataString(module, f"region {number}")
        scope = module.add_metadata([name, module._jitgrad_domain])
        before = [each for each, _, _ in scopes.values()]
        others = module.add_metadata(before) if before else None
        scopes[number] = scope, module.add_metadata([scope]), others
    _, own, others = scopes[number]
    instruction.set_metadata("alias.scope", own)
    if others is not None:
        instruction.set_metadata("noalias", others)


@intrinsic(prefer_literal=True)
def region(typing_context: Any, arguments: Any, position: Any, dtype: Any) -> Any:
    """Return the region whose address is entry `position` of the table at `arguments`."""
    made = Region(dtype.literal_value, position.literal_value)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _entry(builder, args[0], position.literal_value)
        return builder.inttoptr(address, IN_MEMORY[made.dtype].as_pointer())

    return made(arguments, position, dtype), generate


@intrinsic(prefer_literal=True)
def integer(typing_context: Any, arguments: Any, position: Any) -> Any:
    """Return entry `position` as int64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _entry(builder, args[0], position.literal_value)

    return types.int64(arguments, position), generate


@intrinsic(prefer_literal=True)
def number(typing_context: Any, arguments: Any, position: Any) -> Any:
    """Return entry `position` as float64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(_entry(builder, args[0], position.literal_value), ir.DoubleType())

    return types.float64(arguments, position), generate


def _entry(builder: Any, arguments: Any, position: int) -> Any:
    table = builder.inttoptr(arguments, I64.as_pointer())
    return builder.load(builder.gep(table, [I64(position)], inbounds=True))


@intrinsic(prefer_literal=True)
def buffer(typing_context: Any, size: Any, dtype: Any) -> Any:
    """Return uninitialised memory on the stack for `size` elements."""
    made = Region(dtype.literal_value, -1)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = IN_MEMORY[made.dtype]
        with builder.goto_entry_block():
            place = builder.alloca(ir.ArrayType(element, size.literal_value))
        return builder.bitcast(place, element.as_pointer())

    return made(size, dtype), generate
