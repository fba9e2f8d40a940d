"""Sine and cosine of every float32, vectorized.

The argument is reduced with a table, so that large ones cost what small ones cost and are as exact.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from jitgrad.kernels.functions import function
from jitgrad.kernels.vectors import (
    F32,
    F64,
    I32,
    I64,
    Number,
    external_call,
    fused,
    magnitude,
    polynomial,
    select,
)

_TWO_OVER_PI = int(
    "A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2E006492EEA09D1921C",
    16,
)
"""The first 384 bits of 2 / pi after the point."""

_BITS = 384


def _quarter_turns(exponent: int) -> tuple[float, float, float]:
    """Return 2^exponent * 2 / pi modulo 4 in three parts, the first two of 26 bits.

    So the product of either with an integer of 24 bits is exact in float64.
    """
    shifted = _TWO_OVER_PI << exponent if exponent >= 0 else _TWO_OVER_PI
    scale = _BITS if exponent >= 0 else _BITS - exponent
    whole = shifted % (4 << scale)
    parts = []
    for _ in range(2):
        drop = max(whole.bit_length() - 26, 0)
        part = whole >> drop << drop
        parts.append(_quotient(part, scale))
        whole -= part
    return parts[0], parts[1], _quotient(whole, scale)


def _quotient(number: int, scale: int) -> float:
    drop = max(number.bit_length() - 53, 0)
    return float(number >> drop) * 2.0 ** (drop - scale)


def _table(module: Any) -> Any:
    """Return the module's table: for each exponent field of a float32 the three parts."""
    name = "jitgrad.quarter_turns"
    found = module.globals.get(name)
    if found is None:
        nan = float("nan")
        rows = [_quarter_turns(field - 150) for field in range(255)] + [(nan, nan, nan)]
        kind = ir.ArrayType(F64, len(rows) * 3)
        found = ir.GlobalVariable(module, kind, name)
        found.linkage = "internal"
        found.global_constant = True
        found.initializer = ir.Constant(kind, [each for row in rows for each in row])
    return found


def _reduced(x: Number) -> tuple[Number, Number]:
    """Return r and n with |x| = (n + r / (pi / 2)) * pi / 2 and |r| <= pi / 4; n as bits of float64."""
    builder = x.builder
    bits = x.bits() & 0x7FFFFFFF
    field = Number(builder, builder.zext((bits >> 23).value, I64))
    mantissa = ((bits & 0x7FFFFF) | 0x800000).to_float(F64)
    table = _table(builder.module)

    def part(k: int) -> Number:
        place = builder.gep(table, [I64(0), (field * 3 + k).value], inbounds=True)
        return mantissa * Number(builder, builder.load(place))

    first, second, third = part(0), part(1), part(2)
    shift = 6755399441055744.0
    near = first + second
    shifted = near + shift
    n = shifted - shift
    turn = ((first - n) + second) + third
    return (turn * 1.5707963267948966).narrowed(), shifted.bits()


def _wave(x: Number, ahead: int) -> Number:
    """Return the sine, or `ahead` = 1 quarter turn on the cosine, of |x|; polynomials from Cephes."""
    r, n = _reduced(x)
    quarter = Number(x.builder, x.builder.trunc(n.value, I32)) + ahead
    square = r * r
    sine = fused(
        polynomial(square, 2.86567956e-6, -1.98559923e-4, 8.33338592e-3, -1.66666672e-1) * square,
        r,
        r,
    )
    cosine = polynomial(square, 2.44677067e-5, -1.38877297e-3, 4.16666567e-2, -5.0e-1, 1.0)
    value = select((quarter & 1).equals(0), sine, cosine)
    return (value.bits() ^ ((quarter & 2) << 30)).as_float()


def _sin(x: Number) -> Number:
    if x.type != F32:
        return external_call("sin", x.type, x)
    sign = x.bits() & -0x80000000
    wave = (_wave(x, 0).bits() ^ sign).as_float()
    return select(magnitude(x) < 2.0**-12, x, wave)


def _cos(x: Number) -> Number:
    return _wave(x, 1) if x.type == F32 else external_call("cos", x.type, x)


function(_sin, "sin")
function(_cos, "cos")
