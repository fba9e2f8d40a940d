"""What the code of tiles is written with, in LLVM's terms, and how others call them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitgrad.kernels.compiler.memory import IN_MEMORY
from jitgrad.kernels.linking import TILE
from jitgrad.kernels.processor import lanes

I1, I64 = ir.IntType(1), ir.IntType(64)

OPERANDS = {
    "clear": "ei",
    "move": "eieii",
    "multiply": "eenieei",
    "dot": "eieniiiiei",
    "panel": "eiieieiiiii",
    "transpose": "eieiii",
    "dots": "eieieiiii",
    "product": "iiiieiiieiiieiiiiieiii",
}
"""What tiles take: "e" a region of elements, "n" one of int64, "i" an int64."""


def _kind(name: str, dtype: str) -> Any:
    """Return the type of a tile."""
    element = IN_MEMORY[dtype]
    kinds = {"e": element.as_pointer(), "n": I64.as_pointer(), "i": I64}
    return ir.FunctionType(ir.VoidType(), [kinds[each] for each in OPERANDS[name]])


def declared(module: Any, name: str, size: int, dtype: str) -> Any:
    """Return a tile for modules that call it, or write it."""
    symbol = f"{TILE}{name}_{size}_{dtype}"
    found = module.globals.get(symbol)
    if found is None:
        found = ir.Function(module, _kind(name, dtype), symbol)
        found.attributes.add("nounwind")
    return found


class Code:
    """A function that is being written.

    Args:
        function: as it is declared.
        dtype: of its elements.

    Attributes:
        element: one of them in memory.
        vector: as many as there are in a register.
    """

    def __init__(self, function: Any, dtype: str) -> None:
        self.function = function
        self.dtype = dtype
        self.element = IN_MEMORY[dtype]
        self.vector = ir.VectorType(self.element, lanes(dtype))
        self.block = self.function.append_basic_block()
        self.builder = ir.IRBuilder(self.block)

    def load(self, pointer: Any, index: Any, type: Any) -> Any:
        """Return the element, or the vector that begins with it."""
        builder = self.builder
        place = builder.gep(pointer, [index], inbounds=True)
        if isinstance(type, ir.VectorType):
            place = builder.bitcast(place, type.as_pointer())
        return builder.load(place, align=1)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        builder = self.builder
        place = builder.gep(pointer, [index], inbounds=True)
        place = builder.bitcast(place, value.type.as_pointer())
        builder.store(value, place, align=1)

    def splat(self, value: Any, type: Any) -> Any:
        builder = self.builder
        single = builder.insert_element(ir.Constant(type, ir.Undefined), value, I64(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), type.count), None)
        return builder.shuffle_vector(single, ir.Constant(type, ir.Undefined), mask)

    def at(self, pointer: Any, number: Any, apart: Any) -> Any:
        """Return where an element is whose `number` counts what lies `apart`."""
        return self.builder.gep(pointer, [self.builder.mul(number, apart)])

    def select(self, relation: str, left: Any, right: Any, one: Any, other: Any) -> Any:
        """Return `one` where the relation holds, else `other`."""
        return self.builder.select(self.builder.icmp_signed(relation, left, right), one, other)

    def least(self, one: Any, other: Any) -> Any:
        return self.select("<", one, other, one, other)

    @property
    def kind(self) -> str:
        """How the names of LLVM's functions tell of vectors."""
        return f"v{self.vector.count}{self.element.intrinsic_name}"

    def below(self, many: Any, first: int = 0) -> Any:
        """Return a mask of the lanes that are less than `many`, counted from `first` on."""
        kind = ir.VectorType(I64, self.vector.count)
        numbers = ir.Constant(kind, [first + k for k in range(kind.count)])
        return self.builder.icmp_signed("<", numbers, self.splat(many, kind))

    def masked_load(self, place: Any, mask: Any) -> Any:
        """Return the vector at a place, with 0 where the mask has none."""
        place = self.builder.bitcast(place, self.vector.as_pointer())
        operands = [place, ir.IntType(32)(1), mask, ir.Constant(self.vector, None)]
        return self.call(f"llvm.masked.load.{self.kind}.p0", self.vector, operands)

    def sum(self, start: Any, total: Any) -> Any:
        """Return a number and the elements of a vector, added up in any order."""
        name = f"llvm.vector.reduce.fadd.{self.kind}"
        return self.call(name, self.element, [start, total], ("reassoc",))

    def call(self, name: str, result: Any, operands: list, fastmath: tuple = ()) -> Any:
        module = self.builder.module
        found = module.globals.get(name)
        if found is None:
            signature = ir.FunctionType(result, [each.type for each in operands])
            found = ir.Function(module, signature, name)
        return self.builder.call(found, operands, fastmath=fastmath)

    def call_tile(self, name: str, table: Any, number: Any, operands: list) -> None:
        """Call a tile whose address is in a table."""
        builder = self.builder
        place = builder.gep(builder.inttoptr(table, I64.as_pointer()), [number])
        kind = _kind(name, self.dtype).as_pointer()
        builder.call(builder.inttoptr(builder.load(place), kind), operands)

    def only_if(self, flag: Any, body: Any) -> None:
        """Perform `body()` where a flag is true."""
        inside, after = (self.function.append_basic_block() for _ in range(2))
        self.builder.cbranch(flag, inside, after)
        self.builder.position_at_end(inside)
        body()
        self.builder.branch(after)
        self.builder.position_at_end(after)

    def add_product(self, a: Any, b: Any, total: Any) -> Any:
        name = f"llvm.fmuladd.v{a.type.count}{a.type.element.intrinsic_name}"
        return self.call(name, a.type, [a, b, total])

    def loop(self, turns: Any, step: int, carried: list, body: Any) -> list:
        """Carry values through `body(index, values)`, for index from 0 below `turns`."""
        builder, before = self.builder, self.builder.block
        head, inside, after = (self.function.append_basic_block() for _ in range(3))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(I64)
        phis = [builder.phi(each.type) for each in carried]
        index.add_incoming(I64(0), before)
        for phi, each in zip(phis, carried):
            phi.add_incoming(each, before)
        builder.cbranch(builder.icmp_signed("<", index, turns), inside, after)
        builder.position_at_end(inside)
        made = body(index, phis)
        index.add_incoming(builder.add(index, I64(step)), builder.block)
        for phi, each in zip(phis, made):
            phi.add_incoming(each, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return phis
