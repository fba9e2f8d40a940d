"""Products of matrices, summed in vector registers; see `product` in tile_calls.py."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitgrad.kernels.compiler.tile_code import I1, I64, Code
from jitgrad.kernels.conventions import DOTS, MOVES, PANELS, TRANSPOSES
from jitgrad.kernels.processor import (
    DEEP,
    DOT_COLUMNS,
    DOTS_ROWS,
    FEW,
    TILE_COLUMNS,
    TILE_ROWS,
    few_columns,
)


def panel(code: Code, width: int) -> None:
    """Compute columns of a product that take `width` vectors, the last one perhaps in part.

    c[i, j] = the sum over k below `depth` of a[i, k] * b[k, j], added to what was there if `adds`
    is not 0. Elements of `a` lie `a_down` and `a_across` apart, lines of `b` and `c` without gaps.
    """
    builder = code.builder
    many = code.function.args[-3]
    made = _Panel(code, width)
    rest = builder.srem(many, I64(TILE_ROWS))
    # few rows that are left over are computed one by one, others as if there were more
    few = builder.icmp_signed("<=", rest, I64(TILE_ROWS // 3))
    most = builder.select(few, builder.sub(many, rest), many)
    code.loop(most, TILE_ROWS, [], lambda row, _: made.tile(row, TILE_ROWS))
    alone = builder.sub(many, most)
    code.loop(alone, 1, [], lambda k, _: made.tile(builder.add(most, k), 1))
    builder.ret_void()


class _Panel:
    """Columns of a product that take `width` vectors, the last one as far as there are any."""

    def __init__(self, code: Code, width: int) -> None:
        self.code = code
        self.vector = code.vector
        self.width = width
        builder = code.builder
        *_, left, adds = code.function.args
        flags = ir.VectorType(I1, code.vector.count)
        adding = code.splat(builder.icmp_signed("!=", adds, I64(0)), flags)
        self.masks = [code.below(left, j * code.vector.count) for j in range(width)]
        self.added = [builder.and_(each, adding) for each in self.masks]

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
        held = [self.code.masked_load(self._at(c, line, j), self.added[j]) for line, j in places]
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
        return self.code.masked_load(place, self.masks[j])

    def _store(self, value: Any, region: Any, line: Any, j: int) -> None:
        place = self._at(region, line, j)
        if j + 1 < self.width:
            self.code.builder.store(value, place, align=1)
            return
        operands = [value, place, ir.IntType(32)(1), self.masks[j]]
        self.code.call(f"llvm.masked.store.{self.code.kind}.p0", ir.VoidType(), operands)


def transpose(code: Code, rows: int) -> None:
    """Lay out lines as columns: target[p, j] = source[j, p], for p below `many`, j below `width`.

    Lines lie `step` and `apart` from one another. `many` is a multiple of a vector, and `target`
    has room for one as far as `width` is not.
    """
    builder, vector = code.builder, code.vector
    target, step, source, apart, many, width = code.function.args
    last = builder.sub(width, I64(1))

    def exchanged(one: Any, other: Any, distance: int) -> list[Any]:
        """Exchange the blocks of two lines that are on the wrong side of the diagonal."""
        mixed = []
        for begin in (0, distance):
            places = [
                k - k % (2 * distance) + begin + k % distance
                + (vector.count if k % (2 * distance) >= distance else 0)
                for k in range(vector.count)
            ]  # fmt: skip
            mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), places)
            mixed.append(builder.shuffle_vector(one, other, mask))
        return mixed

    def square(p: Any, j: Any) -> None:
        lines = []
        for k in range(vector.count):
            # what is left over is filled with the last one
            line = code.least(builder.add(j, I64(k)), last)
            lines.append(code.load(code.at(source, line, apart), p, vector))
        distance = vector.count // 2
        while distance:
            for k in range(vector.count):
                if not k & distance:
                    pair = exchanged(lines[k], lines[k + distance], distance)
                    lines[k], lines[k + distance] = pair
            distance //= 2
        for k, each in enumerate(lines):
            code.store(each, code.at(target, builder.add(p, I64(k)), step), j)

    def down(p: Any, _carried: list) -> list:
        def across(j: Any, _carried: list) -> list:
            square(p, j)
            return []

        code.loop(width, vector.count, [], across)
        return []

    code.loop(many, vector.count, [], down)
    builder.ret_void()


def dots(code: Code, rows: int) -> None:
    """Compute target[i, j] = the sum over k below `depth` of left[i, k] * right[j, k].

    Lines lie `down`, `apart` and `pitch` from one another, their elements without gaps.
    """
    builder, vector = code.builder, code.vector
    left, down, right, apart, target, pitch, depth, many, columns = code.function.args
    over = builder.srem(depth, I64(vector.count))
    whole, mask = builder.sub(depth, over), code.below(over)

    def tile(row: Any, column: Any, rows: int) -> list:
        # what is left over is computed again
        lines = [builder.add(row, I64(i)) for i in range(rows)]
        others = [
            code.least(builder.add(column, I64(j)), builder.sub(columns, I64(1)))
            for j in range(DOT_COLUMNS)
        ]
        ones = [code.at(left, each, down) for each in lines]
        seen = [code.at(right, each, apart) for each in others]

        def products(load: Any, totals: list) -> list:
            own, across = [load(each) for each in ones], [load(each) for each in seen]
            pairs = [(one, other) for one in own for other in across]
            return [code.add_product(*pair, total) for pair, total in zip(pairs, totals)]

        starts = [ir.Constant(vector, None)] * (rows * DOT_COLUMNS)
        totals = code.loop(
            whole,
            vector.count,
            starts,
            lambda p, totals: products(lambda each: code.load(each, p, vector), totals),
        )
        totals = products(lambda each: code.masked_load(code.at(each, whole, I64(1)), mask), totals)
        for at, total in enumerate(totals):
            line, other = lines[at // DOT_COLUMNS], others[at % DOT_COLUMNS]
            place = builder.gep(code.at(target, line, pitch), [other])
            builder.store(code.sum(code.element(0), total), place, align=1)
        return []

    def line(row: Any, rows: int) -> list:
        code.loop(columns, DOT_COLUMNS, [], lambda column, _: tile(row, column, rows))
        return []

    odd = builder.srem(many, I64(DOTS_ROWS))
    pairs = builder.sub(many, odd)
    code.loop(pairs, DOTS_ROWS, [], lambda row, _: line(row, DOTS_ROWS))
    code.loop(odd, 1, [], lambda row, _: line(builder.add(pairs, row), 1))
    builder.ret_void()


def product(code: Code, _size: int) -> None:
    """Compute parts of a batch of products, each as is best for how its operands lie.

    What is called here is what `products.needed` says.
    """
    builder = code.builder
    (
        first, last, high, blocks, a, a_step, a_down, a_across, b, b_step, b_down, b_across,
        c, c_step, c_down, lines, columns, depth, packed, slots, slot, tiles,
    ) = code.function.args  # fmt: skip
    apart = builder.icmp_signed("!=", b_across, I64(1))
    turned = builder.and_(apart, builder.icmp_signed("==", b_down, I64(1)))
    dotted = builder.and_(turned, builder.icmp_signed("==", a_across, I64(1)))
    lanes = code.vector.count
    slender = builder.icmp_signed("<=", columns, I64(few_columns(code.dtype)))
    deep = builder.icmp_signed("<=", builder.mul(columns, I64(lanes)), depth)
    slender = builder.and_(slender, deep)
    wide = TILE_COLUMNS * lanes
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
        few = builder.or_(slender, builder.icmp_signed("<=", many, I64(FEW)))
        few = builder.and_(dotted, few)

        def strip(j: Any, _carried: list) -> list:
            width = code.least(I64(wide), builder.sub(columns, j))
            vectors = builder.sdiv(builder.add(width, I64(lanes - 1)), I64(lanes))
            widest = builder.add(vectors, I64(PANELS - 1))

            def stretch(k: Any, _carried: list) -> list:
                far = code.least(I64(DEEP), builder.sub(depth, k))
                seen = code.at(code.at(right, k, b_down), j, b_across)
                lie = (copy, I64(wide), seen, b_down, b_across)
                code.only_if(apart, lambda: _copy_lines(code, tiles, *lie, far, turned, width))
                seen = builder.select(apart, copy, seen)
                pitch = builder.select(apart, I64(wide), b_down)
                own, target = code.at(left, k, a_across), code.at(result, j, I64(1))
                operands = [own, a_down, a_across, seen, pitch, target, c_down, far, many, width, k]
                code.call_tile("panel", tiles, widest, operands)
                return []

            code.loop(some, DEEP, [], stretch)
            return []

        def by_dots() -> None:
            operands = [left, a_down, right, b_across, result, c_down, depth, many, columns]
            code.call_tile("dots", tiles, I64(DOTS), operands)

        # for few rows or columns it does not pay to copy lines
        code.only_if(few, by_dots)
        code.loop(builder.select(few, I64(0), columns), wide, [], strip)
        return []

    code.loop(builder.sub(last, first), 1, [], part)
    builder.ret_void()


def _copy_lines(
    code: Code,
    tiles: Any,
    copy: Any,
    wide: Any,
    seen: Any,
    down: Any,
    across: Any,
    many: Any,
    turned: Any,
    width: Any,
) -> None:
    """Copy `many` lines, `wide` apart, whose elements lie `across`; squares if that is `turned`."""
    builder = code.builder
    over = builder.srem(many, I64(code.vector.count))
    squares = builder.select(turned, builder.sub(many, over), I64(0))
    operands = [copy, wide, seen, across, squares, width]
    code.only_if(turned, lambda: code.call_tile("transpose", tiles, I64(TRANSPOSES), operands))

    def line(p: Any, _carried: list) -> list:
        p = builder.add(squares, p)
        operands = [code.at(copy, p, wide), I64(1), code.at(seen, p, down), across, width]
        code.call_tile("move", tiles, I64(MOVES), operands)
        return []

    code.loop(builder.sub(many, squares), 1, [], line)
