"""Copies, and tiles of correlations, summed in vector registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitgrad.kernels.compiler.tile_code import I64, Code
from jitgrad.kernels.processor import COLUMNS, DOT_COLUMNS


def clear(code: Code, rows: int) -> None:
    target, many = code.function.args

    def step(k: Any, _carried: list) -> list:
        code.builder.store(code.element(0), code.builder.gep(target, [k], inbounds=True), align=1)
        return []

    code.loop(many, 1, [], step)
    code.builder.ret_void()


def move(code: Code, rows: int) -> None:
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


def multiply(code: Code, rows: int) -> None:
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


def dot(code: Code, rows: int) -> None:
    builder = code.builder
    left, pitch, right, offsets, length, samples, far, wide, target, across = code.function.args
    vector = code.vector
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
    for i in range(rows):
        for j in range(DOT_COLUMNS):
            place = builder.add(builder.mul(across, I64(i)), I64(j))
            place = builder.gep(target, [place], inbounds=True)
            held = builder.load(place, align=1)
            total = totals[i * DOT_COLUMNS + j]
            builder.store(code.sum(held, total), place)
    builder.ret_void()
