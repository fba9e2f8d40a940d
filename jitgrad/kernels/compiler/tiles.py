"""Copies, and tiles of products summed in vector registers: the inner loops of correlations.

They are written in LLVM's terms, since a loop costs Numba 30 ms.
"""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.compiler.memory import IN_MEMORY, Region
from jitgrad.kernels.processor import COLUMNS, DOT_COLUMNS, TILE_COLUMNS, TILE_ROWS, VECTOR

I1, I64 = ir.IntType(1), ir.IntType(64)


class _Code:
    """A function that is being written.

    Args:
        module: where it goes.
        name: unique to what it does.
        arguments: their LLVM types.
    """

    def __init__(self, module: Any, name: str, arguments: list) -> None:
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
        self.function.linkage = "internal"
        for attribute in ("nounwind", "noinline"):
            self.function.attributes.add(attribute)
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


def _width(type: Any) -> int:
    return 32 if isinstance(type, ir.FloatType) else 64


def _write_clear(module: Any, name: str, arguments: list, rows: int, element: Any) -> Any:
    code = _Code(module, name, arguments)
    target, many = code.function.args

    def step(k: Any, _carried: list) -> list:
        code.builder.store(element(0), code.builder.gep(target, [k], inbounds=True), align=1)
        return []

    code.loop(many, 1, [], step)
    code.builder.ret_void()
    return code.function


def _write_move(module: Any, name: str, arguments: list, rows: int, element: Any) -> Any:
    code = _Code(module, name, arguments)
    builder = code.builder
    target, step, source, far, many = code.function.args
    for each in (target, source):
        each.add_attribute("noalias")

    def copied(apart: Any, back: Any) -> None:
        def turn(k: Any, _carried: list) -> list:
            place = builder.gep(target, [builder.mul(k, apart)], inbounds=True)
            builder.store(code.load(source, builder.mul(k, back), element), place, align=1)
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
    return code.function


def _write_multiply(module: Any, name: str, arguments: list, rows: int, element: Any) -> Any:
    code = _Code(module, name, arguments)
    builder = code.builder
    weights, source, offsets, depth, bias, target, pitch = code.function.args
    vector = ir.VectorType(element, VECTOR * 8 // _width(element))
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
    return code.function


def _write_dot(module: Any, name: str, arguments: list, rows: int, element: Any) -> Any:
    code = _Code(module, name, arguments)
    builder = code.builder
    left, pitch, right, offsets, length, samples, far, wide, target, across = code.function.args
    vector = ir.VectorType(element, VECTOR * 8 // _width(element))
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
    return code.function


def _write_panel(module: Any, name: str, arguments: list, rows: int, element: Any) -> Any:
    code = _Code(module, name, arguments)
    builder = code.builder
    *_, many, left, _ = code.function.args
    vector = ir.VectorType(element, VECTOR * 8 // _width(element))
    width = 1
    while width <= TILE_COLUMNS:
        inside, otherwise = (code.function.append_basic_block() for _ in range(2))
        fits = builder.icmp_signed("<=", left, I64(width * vector.count))
        builder.cbranch(fits, inside, otherwise)
        builder.position_at_end(inside)
        made = _Panel(code, vector, width)
        rest = builder.srem(many, I64(TILE_ROWS))
        # few rows that are left over are computed one by one, others as if there were more
        few = builder.icmp_signed("<=", rest, I64(TILE_ROWS // 3))
        most = builder.select(few, builder.sub(many, rest), many)
        code.loop(most, TILE_ROWS, [], lambda row, _, made=made: made.tile(row, TILE_ROWS))
        alone = builder.sub(many, most)
        code.loop(alone, 1, [], lambda k, _, made=made, m=most: made.tile(builder.add(m, k), 1))
        builder.ret_void()
        builder.position_at_end(otherwise)
        width *= 2
    builder.ret_void()
    return code.function


class _Panel:
    """Columns of a product that take at most `width` vectors, and more than half as many."""

    def __init__(self, code: _Code, vector: Any, width: int) -> None:
        self.code = code
        self.vector = vector
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
        if 2 * (j + 1) <= self.width:
            return self.code.builder.load(place, align=1)
        return self._masked_load(place, self.masks[j])

    def _store(self, value: Any, region: Any, line: Any, j: int) -> None:
        place = self._at(region, line, j)
        if 2 * (j + 1) <= self.width:
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


def _calling(name: str, write: Any, given: tuple, result: int, rows: Any = None) -> tuple:
    """Return signature and code of a call, in which a region is followed by an index.

    The code is written for the dtype of operand number `result`, and for `rows`, a literal that
    comes before the operands if it is given.
    """
    dtype = given[result].dtype
    height = 1 if rows is None else rows.literal_value
    before = () if rows is None else (rows,)
    element = IN_MEMORY[dtype]

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        passed: list[Any] = []
        values = iter(zip(sig.args[len(before) :], args[len(before) :]))
        for kind, value in values:
            if isinstance(kind, Region):
                value = builder.gep(value, [next(values)[1]], inbounds=True)
            passed.append(value)
        full = f"jitgrad.{name}.{height}.{dtype}"
        function = builder.module.globals.get(full)
        if function is None:
            kinds = [each.type for each in passed]
            function = write(builder.module, full, kinds, height, element)
        builder.call(function, passed)
        return context.get_dummy_value()

    kinds = [each if isinstance(each, Region) else types.int64 for each in given]
    return types.void(*before, *kinds), generate


@intrinsic
def clear(typing_context: Any, target: Any, t: Any, many: Any) -> Any:
    """Make `many` elements of `target`, from t on, 0."""
    return _calling("clear", _write_clear, (target, t, many), 0)


@intrinsic
def move(
    typing_context: Any,
    target: Any,
    t: Any,
    step: Any,
    source: Any,
    s: Any,
    far: Any,
    many: Any,
) -> Any:
    """Copy `many` elements, `far` apart from s on, to places `step` apart from t on."""
    return _calling("move", _write_move, (target, t, step, source, s, far, many), 0)


@intrinsic(prefer_literal=True)
def multiply(
    typing_context: Any,
    rows: Any,
    weights: Any,
    w: Any,
    source: Any,
    s: Any,
    offsets: Any,
    o: Any,
    depth: Any,
    bias: Any,
    b: Any,
    target: Any,
    t: Any,
    pitch: Any,
) -> Any:
    """Fill a tile of `target`, with rows `pitch` apart, from (w, s, o, b, t) on.

    target[i, p] = bias[i] + the sum over k below `depth` of
    weights[k * rows + i] * source[offsets[k] + p], for p below COLUMNS vectors.
    """
    given = (weights, w, source, s, offsets, o, depth, bias, b, target, t, pitch)
    return _calling("multiply", _write_multiply, given, 9, rows)


@intrinsic(prefer_literal=True)
def dot(
    typing_context: Any,
    rows: Any,
    left: Any,
    l: Any,  # noqa: E741
    pitch: Any,
    right: Any,
    r: Any,
    offsets: Any,
    o: Any,
    length: Any,
    samples: Any,
    far: Any,
    wide: Any,
    target: Any,
    t: Any,
    across: Any,
) -> Any:
    """Add to a tile of `target`, with rows `across` apart, from (l, r, o, t) on.

    target[i, j] += the sum over n below `samples` and p below `length`, a multiple of a vector, of
    left[n * far + i * pitch + p] * right[n * wide + offsets[j] + p], for j below DOT_COLUMNS.
    """
    given = (left, l, pitch, right, r, offsets, o, length, samples, far, wide, target, t, across)
    return _calling("dot", _write_dot, given, 11, rows)


@intrinsic
def panel(
    typing_context: Any,
    a: Any,
    x: Any,
    a_down: Any,
    a_across: Any,
    b: Any,
    y: Any,
    b_down: Any,
    c: Any,
    z: Any,
    c_down: Any,
    depth: Any,
    rows: Any,
    columns: Any,
    adds: Any,
) -> Any:
    """Compute at most TILE_COLUMNS vectors of the columns of a product, from (x, y, z) on.

    c[i, j] = the sum over k below `depth` of a[i, k] * b[k, j], added to what was there if `adds`
    is not 0. Elements of `a` lie `a_down` and `a_across` apart, lines of `b` and `c` without gaps.
    """
    given = (a, x, a_down, a_across, b, y, b_down, c, z, c_down, depth, rows, columns, adds)
    return _calling("panel", _write_panel, given, 7)
