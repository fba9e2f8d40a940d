"""What Python's arithmetic needs of kernels: overflow, exact comparison, the C library."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels import scalars
from jitgrad.kernels.compiler.functions import FUNCTIONS, function
from jitgrad.kernels.compiler.vectors import F64, I64, Number, external_call, select, with_sign
from jitgrad.kernels.linking import LIBRARY, symbol_of

TWO_TO_63 = float(2**63)


def _overflows(name: str) -> Callable[[Number, Number], Number]:
    def write(x: Number, y: Number) -> Number:
        both = getattr(x.builder, name)(x.value, y.value)
        return Number(x.builder, x.builder.extract_value(both, 1))

    return write


for _name in ("add", "subtract", "multiply"):
    _write = _overflows({"subtract": "ssub"}.get(_name, f"s{_name[:3]}") + "_with_overflow")
    function(_write, f"{_name}_overflows", types.boolean)


def _divide_fails(x: Number, y: Number) -> Number:
    return y.equals(0) | (x.equals(-(2**63)) & y.equals(-1))


def _shift_fails(x: Number, y: Number) -> Number:
    builder = x.builder
    amount = y & 63
    moved = Number(builder, builder.shl(x.value, amount.value))
    back = Number(builder, builder.ashr(moved.value, amount.value))
    return (y < 0) | (y > 62) | ~back.equals(x)


def _is_inexact(x: Number) -> Number:
    """Is an integer perhaps no float64?"""
    return (x > 2**53) | (x < -(2**53))


def _is_not_whole(x: Number) -> Number:
    """Is a float NaN or beyond int64?"""
    return ~((x >= -TWO_TO_63) & (x < TWO_TO_63))


def _whole(x: Number) -> Number:
    """Truncate to int64; 0 for what is beyond it."""
    safe = select(_is_not_whole(x), Number(x.builder, x.like(0.0)), x)
    return Number(x.builder, x.builder.fptosi(safe.value, I64))


for _write in (_divide_fails, _shift_fails, _is_inexact, _is_not_whole):
    function(_write, _write.__name__[1:], types.boolean)
function(_whole, "whole", types.int64)
function(with_sign, "with_sign")


@intrinsic
def _order(typing_context: Any, integer: Any, number: Any) -> Any:
    """Return -1, 0 or 1 as an int64 is below, at or above a float64; 2 if that is NaN."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        i, f = (Number(builder, each) for each in args)
        whole = _whole(f)
        # exact below 2^53, and above it there is no fraction
        rest = f - whole.to_float(F64)
        fraction = select(
            rest > 0.0, Number(builder, I64(-1)), select(rest < 0.0, Number(builder, I64(1)), 0)
        )
        within = select(i < whole, Number(builder, I64(-1)), select(whole < i, 1, fraction))
        beyond = select(
            f < 0.0, Number(builder, I64(1)), select(f > 0.0, Number(builder, I64(-1)), 2)
        )
        return select(_is_not_whole(f), beyond, within).value

    return types.int64(types.int64, types.float64), generate


FUNCTIONS["order"] = _order


def _define(name: str, operands: int) -> None:
    symbol = symbol_of(name)
    if operands == 1:
        function(lambda x: external_call(symbol, F64, x), f"math_{name}")
    else:
        function(lambda x, y: external_call(symbol, F64, x, y), f"math_{name}")


for _operands, _names in ((1, scalars.LIBRARY), (2, scalars.LIBRARY_OF_TWO)):
    for _name in _names:
        if symbol_of(_name) in LIBRARY:
            _define(_name, _operands)
