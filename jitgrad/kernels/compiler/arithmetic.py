"""Arithmetic that Python's operators do not give kernels: rounding down, truth, conversions.

`kind` is the Numba type of the operands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.compiler.functions import FUNCTIONS, convert, function, is_signed
from jitgrad.kernels.compiler.vectors import (
    F32,
    Number,
    external_call,
    intrinsic_call,
    magnitude,
    select,
    with_sign,
)


def _power(kind: Any, x: Number, y: Number) -> Number:
    if x.is_float:
        return intrinsic_call("llvm.pow", x, y)
    return _integer_power(kind, x, y)


def _integer_power(kind: Any, x: Number, y: Number) -> Number:
    """Return x ** y by repeated squaring, wrapping; 0 for negative exponents of |x| > 1."""
    module = x.builder.module
    name = f"jitgrad.power.{x.type}.{kind.signed}"
    function = module.globals.get(name)
    if function is None:
        type = x.type
        function = ir.Function(module, ir.FunctionType(type, [type, type]), name)
        function.linkage = "internal"
        entry, head, body, end = (function.append_basic_block(each) for each in "ehbx")
        builder = ir.IRBuilder(entry)
        base, exponent = function.args
        builder.branch(head)
        builder.position_at_end(head)
        result, square, rest = (builder.phi(type) for _ in range(3))
        for phi, start in ((result, type(1)), (square, base), (rest, exponent)):
            phi.add_incoming(start, entry)
        going = (
            builder.icmp_signed(">", rest, type(0))
            if kind.signed
            else builder.icmp_unsigned(">", rest, type(0))
        )
        builder.cbranch(going, body, end)
        builder.position_at_end(body)
        is_odd = builder.icmp_unsigned("!=", builder.and_(rest, type(1)), type(0))
        result.add_incoming(builder.select(is_odd, builder.mul(result, square), result), body)
        square.add_incoming(builder.mul(square, square), body)
        rest.add_incoming(builder.lshr(rest, type(1)), body)
        builder.branch(head)
        builder.position_at_end(end)
        if kind.signed:
            # 1 and -1 have integer inverses; NumPy and PyTorch differ about 0
            is_negative = builder.icmp_signed("<", exponent, type(0))
            is_odd = builder.icmp_unsigned("!=", builder.and_(exponent, type(1)), type(0))
            is_minus = builder.icmp_signed("==", base, type(-1))
            is_one = builder.icmp_signed("==", base, type(1))
            sign = builder.select(is_odd, type(-1), type(1))
            inverse = builder.select(is_minus, sign, builder.select(is_one, type(1), type(0)))
            builder.ret(builder.select(is_negative, inverse, result))
        else:
            builder.ret(result)
    return Number(x.builder, x.builder.call(function, [x.value, y.value]))


def _remainder(kind: Any, x: Number, y: Number) -> Number:
    """Return the remainder with the sign of `y`, as Python's %."""
    builder = x.builder
    if x.is_float:
        # as NumPy does it: fmod, moved to the sign of the divisor; a zero takes that sign too
        rest = external_call("fmodf" if x.is_single else "fmod", x.type, x, y)
        differs = (rest < 0.0) ^ (y < 0.0)
        moved = select(rest.equals(0.0), with_sign(rest, y), select(differs, rest + y, rest))
        return moved
    divisor = _nonzero(y)
    if not is_signed(kind):
        return Number(builder, builder.urem(x.value, divisor.value))
    divisor = select(divisor.equals(-1), 1, divisor)  # the least integer divided by -1 overflows
    rest = Number(builder, builder.srem(x.value, divisor.value))
    differs = (rest < 0) ^ (divisor < 0)
    return select(~rest.equals(0) & differs, rest + divisor, rest)


def _nonzero(y: Number) -> Number:
    """Guard a divisor that the caller has checked: dividing by 0 would end the process."""
    return select(y.equals(0), 1, y)


def _fmod(kind: Any, x: Number, y: Number) -> Number:
    """Return the remainder with the sign of `x`, as C's fmod."""
    builder = x.builder
    if x.is_float:
        return external_call("fmodf" if x.is_single else "fmod", x.type, x, y)
    divisor = _nonzero(y)
    if not is_signed(kind):
        return Number(builder, builder.urem(x.value, divisor.value))
    divisor = select(divisor.equals(-1), 1, divisor)
    return Number(builder, builder.srem(x.value, divisor.value))


def _floor_divide(kind: Any, x: Number, y: Number) -> Number:
    """Return the quotient rounded down; for floats as NumPy and PyTorch do it, from fmod."""
    builder = x.builder
    if not x.is_float:
        divisor = _nonzero(y)
        if not is_signed(kind):
            return Number(builder, builder.udiv(x.value, divisor.value))
        is_minus = divisor.equals(-1)
        safe = select(is_minus, 1, divisor)
        quotient = Number(builder, builder.sdiv(x.value, safe.value))
        rest = x - quotient * safe
        differs = ~rest.equals(0) & ((rest < 0) ^ (safe < 0))
        return select(is_minus, -x, select(differs, quotient - 1, quotient))
    rest = external_call("fmodf" if x.is_single else "fmod", x.type, x, y)
    quotient = (x - rest) / y
    differs = ~rest.equals(0.0) & ((rest < 0.0) ^ (y < 0.0))
    quotient = select(differs, quotient - 1.0, quotient)
    whole = intrinsic_call("llvm.floor", quotient)
    whole = select(quotient - whole > 0.5, whole + 1.0, whole)
    whole = select(quotient.equals(0.0), with_sign(Number(builder, x.like(0.0)), x / y), whole)
    return select(y.equals(0.0), x / y, whole)


def _absolute(kind: Any, x: Number) -> Number:
    if x.is_float:
        return magnitude(x)
    return select(x < 0, -x, x) if is_signed(kind) else x


def _sign(kind: Any, x: Number) -> Number:
    if not x.is_float:
        if not is_signed(kind):
            return select(x.equals(0), x, 1)
        return select(x.equals(0), x, select(x < 0, Number(x.builder, x.like(-1)), 1))
    # 0 for NaN, as PyTorch has it
    minus = select(x < 0.0, Number(x.builder, x.like(-1.0)), 0.0)
    return select(x > 0.0, 1.0, minus)


def _lesser(kind: Any, x: Number, y: Number) -> Number:
    if x.is_float:
        return intrinsic_call("llvm.minimum", x, y)
    return select(_less(kind, x, y), x, y)


def _greater(kind: Any, x: Number, y: Number) -> Number:
    if x.is_float:
        return intrinsic_call("llvm.maximum", x, y)
    return select(_less(kind, y, x), x, y)


def _less(kind: Any, x: Number, y: Number) -> Number:
    builder = x.builder
    make = builder.icmp_signed if is_signed(kind) else builder.icmp_unsigned
    return Number(builder, make("<", x.value, y.value))


for _name, _write in (
    ("pow_", _power),
    ("remainder", _remainder),
    ("fmod", _fmod),
    ("floor_divide", _floor_divide),
    ("abs_", _absolute),
    ("sign", _sign),
    ("minimum", _lesser),
    ("maximum", _greater),
):
    function(_write, _name, uses_types=True)


# truth


def _isnan(kind: Any, x: Number) -> Number:
    return x.is_nan() if x.is_float else _false(x)


def _isinf(kind: Any, x: Number) -> Number:
    return magnitude(x).equals(float("inf")) if x.is_float else _false(x)


def _isfinite(kind: Any, x: Number) -> Number:
    return magnitude(x) < float("inf") if x.is_float else ~_false(x)


def _false(x: Number) -> Number:
    return Number(x.builder, ir.Constant(ir.IntType(1), 0))


for _name, _write in (("isnan", _isnan), ("isinf", _isinf), ("isfinite", _isfinite)):
    function(_write, _name, types.boolean, uses_types=True)


@intrinsic
def _where(typing_context: Any, condition: Any, yes: Any, no: Any) -> Any:
    common = typing_context.unify_types(yes, no)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        chosen = convert(condition, types.boolean, Number(builder, args[0]))
        numbers = [
            convert(kind, common, Number(builder, each)) for kind, each in zip((yes, no), args[1:])
        ]
        return select(chosen, *numbers).value

    return common(condition, yes, no), generate


FUNCTIONS["where"] = _where


def _in_any_order(name: str) -> Callable[[Number, Number], Number]:
    """Return an addition or multiplication that LLVM may reorder, so as to use vector registers."""

    def write(x: Number, y: Number) -> Number:
        return Number(x.builder, getattr(x.builder, name)(x.value, y.value, flags=("reassoc",)))

    return write


function(_in_any_order("fadd"), "add_in_any_order")
function(_in_any_order("fmul"), "multiply_in_any_order")


# conversions


def _conversion(name: str, target: Any) -> None:
    function(lambda kind, x: convert(kind, target, x), name, target, uses_types=True)


for _name, _target in (
    ("boolean", types.boolean),
    ("uint8", types.uint8),
    ("int8", types.int8),
    ("int16", types.int16),
    ("int32", types.int32),
    ("int64", types.int64),
    ("float32", types.float32),
    ("float64", types.float64),
):
    _conversion(_name, _target)


def _half(kind: Any, x: Number) -> Number:
    """Round to float16; kernels keep the result in a float32."""
    builder = x.builder
    if not x.is_float:
        x = convert(kind, types.float64, x)
    if not x.is_single:
        x = _rounded_to_odd(x)
    half = builder.fptrunc(x.value, ir.HalfType())
    return Number(builder, builder.fpext(half, F32))


def _rounded_to_odd(x: Number) -> Number:
    """Return a float32 from which rounding to float16 gives what rounding `x` would give.

    Rounding twice to nearest would err; and LLVM's own way from float64 to float16 calls a
    function that is not there.
    """
    near = x.narrowed()
    back = near.widened()
    is_exact = back.equals(x) | x.is_nan()
    bits = near.bits()
    bits = select(magnitude(back) > magnitude(x), bits - 1, bits) | 1
    return select(is_exact, near, bits.as_float())


function(_half, "half", types.float32, uses_types=True)
function(
    lambda kind, x: ~convert(kind, types.boolean, x),
    "logical_not",
    types.boolean,
    uses_types=True,
)
