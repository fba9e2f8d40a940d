"""Sine and cosine of every float32, vectorized, as exact for large arguments as for small ones."""

from __future__ import annotations

from llvmlite import ir

from jitgrad.kernels.compiler.functions import function
from jitgrad.kernels.compiler.vectors import (
    F32,
    F64,
    I32,
    Number,
    external_call,
    fused,
    intrinsic_call,
    magnitude,
    polynomial,
    select,
)

_TWO_OVER_PI = int("A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A", 16)
_BITS = 288
"""2 / pi is _TWO_OVER_PI / 2^_BITS."""

_STEP = 24
"""Arguments are scaled by powers of 2^_STEP into [2^24, 2^48), where they are integers."""


def _quarter_turns(power: int) -> list[float]:
    """Return 2^power * 2 / pi modulo 4, by which integers are multiplied, in three parts."""
    whole = (_TWO_OVER_PI << power) % (4 << _BITS)
    parts = []
    for _ in range(3):
        drop = max(whole.bit_length() - 53, 0)
        parts.append(float(whole >> drop) * 2.0 ** (drop - _BITS))
        whole -= whole >> drop << drop
    return parts


def _reduced(x: Number) -> tuple[Number, Number]:
    """Return r and n with |x| = r + n pi / 2 and |r| <= pi / 4; of n the last bits are right."""
    size = magnitude(x).widened()
    scale, *parts = (
        Number(x.builder, ir.Constant(F64, each)) for each in (1.0, *_quarter_turns(0))
    )
    for power in range(_STEP, 104, _STEP):
        is_larger = size >= 2.0 ** (power + _STEP)
        scale = select(is_larger, 2.0**-power, scale)
        parts = [select(is_larger, new, old) for new, old in zip(_quarter_turns(power), parts)]
    size = size * scale
    first, second, third = parts
    high, low = size * first, size * second
    high_rest = intrinsic_call("llvm.fma", size, first, -high)
    low_rest = intrinsic_call("llvm.fma", size, second, -low)
    shift = 6755399441055744.0
    shifted = high + shift
    turn = (high - (shifted - shift)) + high_rest
    # the parts left over may move the angle to the next quarter
    again = (turn + low) + shift
    turn = (turn - (again - shift)) + low + (low_rest + size * third)
    quarters = shifted.bits() + again.bits()
    n = Number(x.builder, x.builder.trunc(quarters.value, I32))
    return (turn * 1.5707963267948966).narrowed(), n


def _wave(x: Number, ahead: int) -> Number:
    """Return the sine of |x| plus `ahead` quarter turns; the polynomials are Cephes's."""
    r, n = _reduced(x)
    quarter = n + ahead
    square = r * r
    odd = polynomial(square, 2.86567956e-6, -1.98559923e-4, 8.33338592e-3, -1.66666672e-1)
    sine = fused(odd * square, r, r)
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
