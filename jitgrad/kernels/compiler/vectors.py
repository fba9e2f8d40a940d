"""LLVM values with Python's operators: what elementary functions are written in.

Written so, a function is plain LLVM code without branches and calls, which LLVM vectorizes; it
also costs Numba's front end nothing.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
F32, F64 = ir.FloatType(), ir.DoubleType()


class Number:
    """A value in the function that is being built: float32, float64, an integer or a bool."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    @property
    def type(self) -> Any:
        return self.value.type

    @property
    def is_float(self) -> bool:
        return self.type in (F32, F64)

    @property
    def is_single(self) -> bool:
        """Is it float32, or the bits of a float32?"""
        return self.type in (F32, I32)

    def like(self, other: Any) -> Any:
        """Return the LLVM value of `other`, a number of this type or a constant."""
        return other.value if isinstance(other, Number) else ir.Constant(self.type, other)

    def _of(self, value: Any) -> Number:
        return Number(self.builder, value)

    def _arithmetic(self, floats: str, integers: str, other: Any, swapped: bool = False) -> Number:
        make = getattr(self.builder, floats if self.is_float else integers)
        left, right = self.value, self.like(other)
        return self._of(make(right, left) if swapped else make(left, right))

    def __add__(self, other: Any) -> Number:
        return self._arithmetic("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        return self._arithmetic("fsub", "sub", other)

    def __rsub__(self, other: Any) -> Number:
        return self._arithmetic("fsub", "sub", other, swapped=True)

    def __mul__(self, other: Any) -> Number:
        return self._arithmetic("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return self._of(self.builder.fdiv(self.value, self.like(other)))

    def __rtruediv__(self, other: Any) -> Number:
        return self._of(self.builder.fdiv(self.like(other), self.value))

    def __neg__(self) -> Number:
        make = self.builder.fneg if self.is_float else self.builder.neg
        return self._of(make(self.value))

    def __and__(self, other: Any) -> Number:
        return self._of(self.builder.and_(self.value, self.like(other)))

    def __or__(self, other: Any) -> Number:
        return self._of(self.builder.or_(self.value, self.like(other)))

    def __xor__(self, other: Any) -> Number:
        return self._of(self.builder.xor(self.value, self.like(other)))

    def __invert__(self) -> Number:
        return self._of(self.builder.not_(self.value))

    def __lshift__(self, other: int) -> Number:
        return self._of(self.builder.shl(self.value, self.like(other)))

    def __rshift__(self, other: int) -> Number:
        return self._of(self.builder.ashr(self.value, self.like(other)))

    def _compare(self, symbol: str, other: Any) -> Number:
        make = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return self._of(make(symbol, self.value, self.like(other)))

    def __lt__(self, other: Any) -> Number:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Number:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Number:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Number:
        return self._compare(">=", other)

    def equals(self, other: Any) -> Number:
        return self._compare("==", other)

    def is_nan(self) -> Number:
        return self._of(self.builder.fcmp_unordered("uno", self.value, self.value))

    def bits(self) -> Number:
        """Return the integer with the bits of this float."""
        return self._of(self.builder.bitcast(self.value, I32 if self.type == F32 else I64))

    def as_float(self) -> Number:
        """Return the float with the bits of this integer."""
        return self._of(self.builder.bitcast(self.value, F32 if self.type == I32 else F64))

    def to_float(self, type: Any) -> Number:
        """Return the float nearest to this integer."""
        return self._of(self.builder.sitofp(self.value, type))

    def widened(self) -> Number:
        return self._of(self.builder.fpext(self.value, F64)) if self.type == F32 else self

    def narrowed(self) -> Number:
        return self._of(self.builder.fptrunc(self.value, F32))


def select(condition: Number, yes: Any, no: Any) -> Number:
    """Return `yes` where `condition` holds and `no` elsewhere; at least one is a Number."""
    model = yes if isinstance(yes, Number) else no
    builder = condition.builder
    return Number(builder, builder.select(condition.value, model.like(yes), model.like(no)))


def intrinsic_call(name: str, *operands: Any) -> Number:
    """Call LLVM's `name` on operands of one type."""
    model = next(each for each in operands if isinstance(each, Number))
    type = model.type
    full = f"{name}.{type.intrinsic_name}"
    return external_call(full, type, *operands)


def external_call(name: str, type: Any, *operands: Any) -> Number:
    """Call the function `name` from `type`s to `type`."""
    model = next(each for each in operands if isinstance(each, Number))
    builder = model.builder
    found = builder.module.globals.get(name)
    if found is None:
        found = ir.Function(builder.module, ir.FunctionType(type, [type] * len(operands)), name)
        if not name.startswith("llvm."):
            for attribute in ("nounwind", "readnone"):
                found.attributes.add(attribute)
    return Number(builder, builder.call(found, [model.like(each) for each in operands]))


def fused(a: Any, b: Any, c: Any) -> Number:
    """Return a * b + c, rounded once where the processor can."""
    return intrinsic_call("llvm.fmuladd", a, b, c)


def magnitude(x: Number) -> Number:
    return intrinsic_call("llvm.fabs", x)


def with_sign(x: Number, sign: Number) -> Number:
    return intrinsic_call("llvm.copysign", x, sign)


def polynomial(x: Number, *coefficients: float) -> Number:
    """Return the polynomial with these coefficients, that of the highest power first."""
    result: Any = coefficients[0]
    for each in coefficients[1:]:
        result = fused(result, x, each)
    return result


def scaled(x: Number, exponent: Number) -> Number:
    """Return x * 2^exponent, rounded once."""
    builder = x.builder
    power = exponent.value if exponent.type == I32 else builder.trunc(exponent.value, I32)
    name = f"llvm.ldexp.{x.type.intrinsic_name}.i32"
    found = builder.module.globals.get(name)
    if found is None:
        found = ir.Function(builder.module, ir.FunctionType(x.type, [x.type, I32]), name)
    return Number(builder, builder.call(found, [x.value, power]))
