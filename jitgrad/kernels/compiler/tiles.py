"""Copies, and tiles of products summed in vector registers: the inner loops of correlations.

They are written in LLVM's terms, since a loop costs Numba 30 ms. Each is compiled once for all
kernels, which call it by its name: `panel` takes twice as long as a kernel around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir

from jitgrad.kernels.compiler.memory import IN_MEMORY
from jitgrad.kernels.linking import TILE
from jitgrad.kernels.processor import COLUMNS, DEEP, DOT_COLUMNS, TILE_COLUMNS, TILE_ROWS, lanes

I1, I64 = ir.IntType(1), ir.IntType(64)


class _Code:
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

    def call(self, name: str, result: Any, operands: list, fastmath: tuple = ()) -> Any:
        module = self.builder.module
        found = module.globals.get(name)
        if found is None:
            signature = ir.FunctionType(result, [each.type for each in operands])
            found = ir.Function(module, signature, name)
        return self.builder.call(found, operands, fastmath=fastmath)

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


def _write_clear(code: _Code, rows: int) -> None:
    target, many = code.function.args

    def step(k: Any, _carried: list) -> list:
        code.builder.store(code.element(0), code.builder.gep(target, [k], inbounds=True), align=1)
        return []

    code.loop(many, 1, [], step)
    code.builder.ret_void()


def _write_move(code: _Code, rows: int) -> None:
    builder = code.builder
    target, step, source, far, many = code.function.args
    for each in (target, source):
        each.add_attribute("noalias")

    def copied(apart: Any, back: Any) -> None:
        def turn(k: Any, _carried: list) -> list:
            place = builder.gep(target, [builder.mul(k, apart)], inbounds=True)
            builder.store(code.load(source, builder.mul(k, back), code.element), place, align=1)
            return []

        code.loop(many, 1, [], turn)
        builder.ret_void()

    together = builder.and_(
        builder.icmp_signed("==", step, I64(1)), builder.icmp_signed("==", far, I64(1))
    )
    dense, apart = (code.function.append_basic_block() for _ in range(2))
    builder.cbranch(together, dense, apart)
    builder.position_at_end(dense)
    copied(I64(1), I64(1))
    builder.position_at_end(apart)
    copied(step, far)


def _write_multiply(code: _Code, rows: int) -> None:
    builder = code.builder
    weights, source, offsets, depth, bias, target, pitch = code.function.args
    element, vector = code.element, code.vector
    starts = [code.splat(code.load(bias, I64(i), element), vector) for i in range(rows)]

    def step(k: Any, totals: list) -> list:
        offset = code.load(offsets, k, I64)
        seen = [
            code.load(source, builder.add(offset, I64(j * vector.count)), vector)
            for j in range(COLUMNS)
        ]
        made = []
        first = builder.mul(k, I64(rows))
        for i in range(rows):
            weight = code.load(weights, builder.add(first, I64(i)), element)
            wide = code.splat(weight, vector)
            for j, each in enumerate(seen):
                made.append(code.add_product(wide, each, totals[i * COLUMNS + j]))
        return made

    totals = code.loop(depth, 1, [each for each in starts for _ in range(COLUMNS)], step)
    for i in range(rows):
        row = builder.mul(pitch, I64(i))
        for j in range(COLUMNS):
            place = builder.add(row, I64(j * vector.count))
            code.store(totals[i * COLUMNS + j], target, place)
    builder.ret_void()


def _write_dot(code: _Code, rows: int) -> None:
    builder = code.builder
    left, pitch, right, offsets, length, samples, far, wide, target, across = code.function.args
    element, vector = code.element, code.vector
    places = [code.load(offsets, I64(j), I64) for j in range(DOT_COLUMNS)]
    starts = [ir.Constant(vector, None)] * (rows * DOT_COLUMNS)

    def sample(number: Any, totals: list) -> list:
        first, second = builder.mul(number, far), builder.mul(number, wide)

        def step(p: Any, totals: list) -> list:
            begin = builder.add(second, p)
            seen = [code.load(right, builder.add(begin, each), vector) for each in places]
            made = []
            for i in range(rows):
                row = builder.add(builder.add(first, builder.mul(pitch, I64(i))), p)
                own = code.load(left, row, vector)
                for j, each in enumerate(seen):
                    made.append(code.add_product(own, each, totals[i * DOT_COLUMNS + j]))
            return made

        return code.loop(length, vector.count, totals, step)

    totals = code.loop(samples, 1, starts, sample)
    name = f"llvm.vector.reduce.fadd.v{vector.count}{element.intrinsic_name}"
    for i in range(rows):
        for j in range(DOT_COLUMNS):
            place = builder.add(builder.mul(across, I64(i)), I64(j))
            place = builder.gep(target, [place], inbounds=True)
            held = builder.load(place, align=1)
            total = totals[i * DOT_COLUMNS + j]
            builder.store(code.call(name, element, [held, total], ("reassoc",)), place)
    builder.ret_void()


def _write_panel(code: _Code, rows: int) -> None:
    builder = code.builder
    *_, many, left, _ = code.function.args
    width = 1
    while width <= TILE_COLUMNS:
        inside, otherwise = (code.function.append_basic_block() for _ in range(2))
        fits = builder.icmp_signed("<=", left, I64(width * code.vector.count))
        builder.cbranch(fits, inside, otherwise)
        builder.position_at_end(inside)
        made = _Panel(code, width)
        rest = builder.srem(many, I64(TILE_ROWS))
        # few rows that are left over are computed one by one, others as if there were more
        few = builder.icmp_signed("<=", rest, I64(TILE_ROWS // 3))
        most = builder.select(few, builder.sub(many, rest), many)
        code.loop(most, TILE_ROWS, [], lambda row, _, made=made: made.tile(row, TILE_ROWS))
        alone = builder.sub(many, most)
        code.loop(alone, 1, [], lambda k, _, made=made, m=most: made.tile(builder.add(m, k), 1))
        builder.ret_void()
        builder.position_at_end(otherwise)
        width += 1
    builder.ret_void()


class _Panel:
    """Columns of a product that take `width` vectors, the last one as far as there are any."""

    def __init__(self, code: _Code, width: int) -> None:
        self.code = code
        self.vector = vector = code.vector
        self.width = width
        builder = code.builder
        *_, left, adds = code.function.args
        kind = ir.VectorType(I64, vector.count)
        filled = code.splat(left, kind)
        adding = code.splat(builder.icmp_signed("!=", adds, I64(0)), ir.VectorType(I1, kind.count))
        self.masks, self.added = [], []
        for j in range(width):
            lanes = ir.Constant(kind, [j * vector.count + k for k in range(vector.count)])
            self.masks.append(builder.icmp_signed("<", lanes, filled))
            self.added.append(builder.and_(self.masks[j], adding))

    def tile(self, row: Any, rows: int) -> list:
        """Compute `rows` rows of the result from `row` on; the last one stands for those beyond."""
        code, builder = self.code, self.code.builder
        a, a_down, a_across, b, b_down, c, c_down, depth, many, *_ = code.function.args
        last = builder.sub(many, I64(1))
        numbers = []
        for i in range(rows):
            number = builder.add(row, I64(i))
            beyond = builder.icmp_signed(">", number, last)
            numbers.append(builder.select(beyond, last, number))
        begins = [builder.mul(each, a_down) for each in numbers]

        def step(k: Any, totals: list) -> list:
            line, across = builder.mul(k, b_down), builder.mul(k, a_across)
            seen = [self._load(b, line, j) for j in range(self.width)]
            made = []
            for i, begin in enumerate(begins):
                own = code.load(a, builder.add(begin, across), self.vector.element)
                wide = code.splat(own, self.vector)
                for j, each in enumerate(seen):
                    made.append(code.add_product(wide, each, totals[i * self.width + j]))
            return made

        starts = [ir.Constant(self.vector, None)] * (rows * self.width)
        totals = code.loop(depth, 1, starts, step)
        lines = [builder.mul(each, c_down) for each in numbers]
        places = [(line, j) for line in lines for j in range(self.width)]
        # all are read before one is written, since the last row may stand for several
        held = [self._masked_load(self._at(c, line, j), self.added[j]) for line, j in places]
        for (line, j), total, before in zip(places, totals, held):
            self._store(builder.fadd(before, total), c, line, j)
        return []

    def _at(self, region: Any, line: Any, j: int) -> Any:
        builder = self.code.builder
        place = builder.add(line, I64(j * self.vector.count))
        place = builder.gep(region, [place], inbounds=True)
        return builder.bitcast(place, self.vector.as_pointer())

    def _load(self, region: Any, line: Any, j: int) -> Any:
        place = self._at(region, line, j)
        if j + 1 < self.width:
            return self.code.builder.load(place, align=1)
        return self._masked_load(place, self.masks[j])

    def _store(self, value: Any, region: Any, line: Any, j: int) -> None:
        place = self._at(region, line, j)
        if j + 1 < self.width:
            self.code.builder.store(value, place, align=1)
            return
        operands = [value, place, ir.IntType(32)(1), self.masks[j]]
        self.code.call(self._name("store"), ir.VoidType(), operands)

    def _masked_load(self, place: Any, mask: Any) -> Any:
        nothing = ir.Constant(self.vector, None)
        operands = [place, ir.IntType(32)(1), mask, nothing]
        return self.code.call(self._name("load"), self.vector, operands)

    def _name(self, what: str) -> str:
        kind = f"v{self.vector.count}{self.vector.element.intrinsic_name}"
        return f"llvm.masked.{what}.{kind}.p0{kind}"


def _write_product(code: _Code, rows: int) -> None:
    builder = code.builder
    (
        first, last, high, blocks, a, a_step, a_down, a_across, b, b_step, b_down, b_across,
        c, c_step, c_down, lines, columns, depth, packed, slots, slot,
    ) = code.function.args  # fmt: skip
    panel, move = (declared(builder.module, name, 1, code.dtype) for name in ("panel", "move"))
    wide = I64(TILE_COLUMNS * code.vector.count)
    apart = builder.icmp_signed("!=", b_across, I64(1))
    # the empty sum is 0
    some = code.select("<", depth, I64(1), I64(1), depth)

    def part(number: Any, _carried: list) -> list:
        number = builder.add(first, number)
        batch = builder.sdiv(number, blocks)
        row = builder.mul(builder.srem(number, blocks), high)
        many = code.least(high, builder.sub(lines, row))
        left = code.at(code.at(a, batch, a_step), row, a_down)
        right = code.at(b, batch, b_step)
        result = code.at(code.at(c, batch, c_step), row, c_down)
        copy = code.at(packed, builder.srem(number, slots), slot)

        def strip(j: Any, _carried: list) -> list:
            width = code.least(wide, builder.sub(columns, j))

            def stretch(k: Any, _carried: list) -> list:
                far = code.least(I64(DEEP), builder.sub(depth, k))
                seen = code.at(code.at(right, k, b_down), j, b_across)

                def line(p: Any, _carried: list) -> list:
                    source = code.at(seen, p, b_down)
                    builder.call(move, [code.at(copy, p, wide), I64(1), source, b_across, width])
                    return []

                code.loop(builder.select(apart, far, I64(0)), 1, [], line)
                seen = builder.select(apart, copy, seen)
                pitch = builder.select(apart, wide, b_down)
                own, target = code.at(left, k, a_across), code.at(result, j, I64(1))
                operands = [own, a_down, a_across, seen, pitch, target, c_down, far, many, width, k]
                builder.call(panel, operands)
                return []

            code.loop(some, DEEP, [], stretch)
            return []

        code.loop(columns, TILE_COLUMNS * code.vector.count, [], strip)
        return []

    code.loop(builder.sub(last, first), 1, [], part)
    builder.ret_void()


class _Tile(NamedTuple):
    """What is known of a tile.

    Attributes:
        write: writes its code, given that and how many rows it has.
        operands: a letter for each: "e" for a region of elements, "n" for one of int64, "i" for an
            int64.
    """

    write: Callable[[_Code, int], None]
    operands: str


_TILES = {
    "clear": _Tile(_write_clear, "ei"),
    "move": _Tile(_write_move, "eieii"),
    "multiply": _Tile(_write_multiply, "eenieei"),
    "dot": _Tile(_write_dot, "eieniiiiei"),
    "panel": _Tile(_write_panel, "eiieieiiiii"),
    "product": _Tile(_write_product, "iiiieiiieiiieiiiiieii"),
}


def declared(module: Any, name: str, rows: int, dtype: str) -> Any:
    """Return a tile for modules that call it, or write it."""
    symbol = f"{TILE}{name}_{rows}_{dtype}"
    found = module.globals.get(symbol)
    if found is None:
        element = IN_MEMORY[dtype]
        kinds = {"e": element.as_pointer(), "n": I64.as_pointer(), "i": I64}
        operands = [kinds[each] for each in _TILES[name].operands]
        found = ir.Function(module, ir.FunctionType(ir.VoidType(), operands), symbol)
        found.attributes.add("nounwind")
    return found


def write(module: Any, symbol: str) -> None:
    """Write the tile that is called `symbol`."""
    name, rows, dtype = symbol.removeprefix(TILE).split("_")
    function = declared(module, name, int(rows), dtype)
    _TILES[name].write(_Code(function, dtype), int(rows))
