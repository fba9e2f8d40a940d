"""The functions that scalar expressions of primitives may call, and conversions between dtypes.

exp, log, tanh, sigmoid and erf are branch-free polynomials in float32 and float64 that LLVM
vectorizes, within 1.5 ulp, with IEEE's results for NaN, infinities, zeros and denormal numbers.
Others are LLVM intrinsics or the C library's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.vectors import (
    F32,
    F64,
    Number,
    external_call,
    fused,
    intrinsic_call,
    magnitude,
    polynomial,
    select,
    with_sign,
)

FUNCTIONS: dict[str, Any] = {}
"""What kernels find by name."""


def _function(
    write: Callable[..., Number], name: str, result: Any = None, uses_types: bool = False
) -> Any:
    """Make `write`, which builds code for one element, a function of kernels.

    Args:
        write: takes Numbers (and, with `uses_types`, first the Numba type of the operands).
        name: how kernels call it.
        result: the Numba type of the result; that of the operands unless given.
        uses_types: see `write`.

    Operands of different types are converted to the type that holds both.
    """
    operands = len(inspect.signature(write).parameters) - uses_types

    def typed(typing_context: Any, given: tuple) -> tuple:
        common = given[0]
        for each in given[1:]:
            common = typing_context.unify_types(common, each)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            numbers = [
                _convert(kind, common, Number(builder, each)) for kind, each in zip(given, args)
            ]
            if uses_types:
                return write(common, *numbers).value
            return _inlined(builder, name, write, numbers)

        return (result or common)(*given), generate

    shapes: dict[int, Callable] = {
        1: lambda typing_context, a: typed(typing_context, (a,)),
        2: lambda typing_context, a, b: typed(typing_context, (a, b)),
    }
    made = intrinsic(shapes[operands])
    FUNCTIONS[name] = made
    return made


def _inlined(builder: Any, name: str, write: Callable, numbers: list[Number]) -> Any:
    """Call a function of the module that is always inlined, written at its first use."""
    module = builder.module
    kinds = [each.type for each in numbers]
    full = ".".join(["jitgrad", name, *(str(each) for each in kinds)])
    function = module.globals.get(full)
    if function is None:
        # the result's type is known once the body is written
        scratch = ir.Function(
            ir.Module(context=ir.Context()), ir.FunctionType(ir.VoidType(), kinds), "scratch"
        )
        inner = ir.IRBuilder(scratch.append_basic_block())
        returned = write(*(Number(inner, each) for each in scratch.args)).type
        function = ir.Function(module, ir.FunctionType(returned, kinds), full)
        function.linkage = "internal"
        function.attributes.add("alwaysinline")
        function.attributes.add("nounwind")
        inner = ir.IRBuilder(function.append_basic_block())
        inner.ret(write(*(Number(inner, each) for each in function.args)).value)
    return builder.call(function, [each.value for each in numbers])


# the exponential function


def _scaled_exponential(x: Number) -> Number:
    """exp(x) = 2^n exp(r): Cody and Waite's reduction, the polynomial of Cephes's single-precision
    and SLEEF's double-precision function, the power of two in two factors so that denormal results
    come out right."""
    if x.is_single:
        highest, lowest, shift = 89.0, -104.5, 12582912.0
        high, low = 0.693145751953125, 1.428606765330187045e-06
        coefficients = (
            1.98527617612853646278381e-4, 1.39304355252534151077271e-3,
            8.33336077630519866943359e-3, 4.16664853692054748535156e-2,
            1.66666671633720397949219e-1, 0.5,
        )  # fmt: skip
        mantissa, bias, shift_bits = 23, 127, 0x4B400000
    else:
        highest, lowest, shift = 710.0, -746.0, 6755399441055744.0
        high, low = 0.69314718055966295651, 2.8235290563031577122588448175013436025525412068e-13
        coefficients = (
            2.08860621107283687536341e-09, 2.51112930892876518610661e-08,
            2.75573911234900471893338e-07, 2.75572362911928827629423e-06,
            2.4801587159235472998791e-05, 1.98412698960509205564975e-4,
            1.38888888889774492207962e-3, 8.33333333331652721664984e-3,
            4.16666666666665047591422e-2, 1.66666666666666851703837e-1, 0.5,
        )  # fmt: skip
        mantissa, bias, shift_bits = 52, 1023, 0x4338000000000000
    # NaN compares false, so it goes through
    x = select(x > highest, highest, x)
    x = select(x < lowest, lowest, x)
    shifted = fused(x, 1.4426950408889634, shift)
    n = shifted - shift
    r = fused(n, -low, fused(n, -high, x))
    p = fused(r * r, polynomial(r, *coefficients), r) + 1.0
    # the integer comes from the bits: converting NaN to an integer is undefined
    whole = shifted.bits() - shift_bits
    half = whole >> 1
    rest = whole - half
    return p * ((half + bias) << mantissa).as_float() * ((rest + bias) << mantissa).as_float()


def _exp(x: Number) -> Number:
    return _scaled_exponential(x)


def _sigmoid(x: Number) -> Number:
    return 1.0 / (_scaled_exponential(-x) + 1.0)


def _tanh(x: Number) -> Number:
    """Near 0 Cephes's polynomials; elsewhere 1 - 2 / (exp(2 |x|) + 1)."""
    size, square = magnitude(x), x * x
    if x.is_single:
        near = fused(
            polynomial(
                square, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1,
                -3.33332819422e-1,
            ) * square,
            x,
            x,
        )  # fmt: skip
    else:
        bounded = select(size > 0.625, 0.0, square)
        over = polynomial(
            bounded, -9.64399179425052238628e-1, -9.92877231001918586564e1,
            -1.61468768441708447952e3,
        )  # fmt: skip
        under = polynomial(
            bounded, 1.0, 1.12811678491632931402e2, 2.23548839060100448583e3,
            4.84406305325125486048e3,
        )  # fmt: skip
        near = fused(bounded * (over / under), x, x)
    far = 1.0 - 2.0 / (_scaled_exponential(size * 2.0) + 1.0)
    return with_sign(select(size > 0.625, far, near), x)


# the logarithm


def _log(x: Number) -> Number:
    """log(m 2^e) with m in [sqrt(1/2), sqrt(2)): Cephes in float32, fdlibm in float64."""
    if x.is_single:
        smallest, up, up_exponent = 1.1754943508222875e-38, 8388608.0, 23.0
        mantissa, mask, root = 23, 0x7FFFFF, 0x3F3504F3
    else:
        smallest, up, up_exponent = 2.2250738585072014e-308, 4503599627370496.0, 52.0
        mantissa, mask, root = 52, (1 << 52) - 1, 0x3FE6A09E667F3BCD
    is_small = x < smallest
    bits = select(is_small, x * up, x).bits() - root
    e = (bits >> mantissa).to_float(x.type) - select(
        is_small, Number(x.builder, ir.Constant(x.type, up_exponent)), 0.0
    )
    f = ((bits & mask) + root).as_float() - 1.0
    if x.is_single:
        square = f * f
        y = (
            polynomial(
                f, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1,
                1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1,
                3.3333331174e-1,
            ) * f * square
        )  # fmt: skip
        y = fused(square, -0.5, fused(e, -2.12194440e-4, y))
        result = fused(e, 0.693359375, f + y)
    else:
        s = f / (f + 2.0)
        z = s * s
        w = z * z
        odd = w * polynomial(
            w, 1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01
        )
        even = z * polynomial(
            w, 1.479819860510658591e-01, 1.818357216161805012e-01, 2.857142874366239149e-01,
            6.666666666666735130e-01,
        )  # fmt: skip
        half = f * f * 0.5
        low = s * (half + odd + even) + e * 1.90821492927058770002e-10
        result = e * 6.93147180369123816490e-01 - ((half - low) - f)
    infinity = float("inf")
    result = select(x.equals(infinity), infinity, result)
    result = select(x.equals(0.0), -infinity, result)
    result = select(x < 0.0, float("nan"), result)
    return select(x.is_nan(), x, result)


# the error function

_ERF_NEAR = (
    5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08,
    -1.6350312701054695e-07, 1.6461000484121368e-06, -1.4925595266831182e-05,
    0.0001205533111164271, -0.000854832698083379, 0.0052239776248180145, -0.026866170645076792,
    0.11283791670954879, -0.3761263890318375, 0.1283791670955126,
)  # fmt: skip
"""erf(x) / x - 1 as a polynomial of x^2, for |x| <= 1, fitted at Chebyshev's points."""

_ERF_FAR = (
    -3.65456075832826e-20, 2.9005826306102913e-18, -1.091677129876823e-16, 2.595547967493094e-15,
    -4.381019372861166e-14, 5.592022877881563e-13, -5.612448433822752e-12, 4.543988836086103e-11,
    -3.017433270501361e-10, 1.6582769805304266e-09, -7.542149321965088e-09, 2.7957989044776095e-08,
    -8.011218537639236e-08, 1.442548161824552e-07, 8.282078836579721e-08, -2.000305114299684e-06,
    9.563871278242313e-06, -2.713333400888849e-05, 2.626690329390498e-05, 0.00023732587121188083,
    -0.0019779033024228607, 0.010033825480497537, -0.0415610980512385, -0.8431072563582273,
    -2.638967514234797, -1.8496055099332482,
)  # fmt: skip
"""log(erfc(x)) as a polynomial of x - 1, for 1 <= x <= 6, fitted at Chebyshev's points."""


def _erf(x: Number) -> Number:
    """Near 0 a polynomial, elsewhere 1 - exp(polynomial); float32 after N. Juffa."""
    size, square = magnitude(x), x * x
    if x.is_single:
        r = fused(-1.72853470e-5, size, 3.83197126e-4)
        r = fused(r, square, fused(-3.88396438e-3, size, 2.42546219e-2))
        for each in (-1.06777877e-1, -6.34846687e-1, -1.28717512e-1):
            r = fused(r, size, each)
        r = fused(r, size, -size)
        far = 1.0 - _scaled_exponential(select(size > 10.0, -100.0, r))
        near = polynomial(
            square, -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1,
            1.28379166e-1,
        )  # fmt: skip
        return select(size > 0.927734375, with_sign(far, x), fused(near, x, x))
    bounded = select(size > 6.0, 6.0, size)
    far = 1.0 - _scaled_exponential(polynomial(bounded - 1.0, *_ERF_FAR))
    far = select(size > 6.0, 1.0, far)
    near = fused(polynomial(select(size > 1.0, 0.0, square), *_ERF_NEAR), x, x)
    return select(size > 1.0, with_sign(far, x), near)


for _name, _write in (
    ("exp", _exp),
    ("sigmoid", _sigmoid),
    ("tanh", _tanh),
    ("log", _log),
    ("erf", _erf),
):
    _function(_write, _name)


# what LLVM and the C library know


def _whole_or(llvm_name: str) -> Callable[[Number], Number]:
    """Return a function that leaves integers as they are."""
    return lambda x: intrinsic_call(llvm_name, x) if x.is_float else x


for _name, _llvm in (
    ("sqrt", "llvm.sqrt"),
    ("floor", "llvm.floor"),
    ("ceil", "llvm.ceil"),
    ("trunc", "llvm.trunc"),
    ("round_even", "llvm.rint"),
):
    _function(_whole_or(_llvm), _name)

_function(lambda x: 1.0 / intrinsic_call("llvm.sqrt", x), "rsqrt")


def _library(name: str) -> Callable[[Number], Number]:
    """Return a call of the C library's function of one float."""
    return lambda x: external_call(name + ("f" if x.is_single else ""), x.type, x)


for _name in (
    "exp2", "expm1", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "asinh", "acosh", "atanh", "erfc", "lgamma",
):  # fmt: skip
    _function(_library(_name), _name)


def _library_of_two(name: str) -> Callable[[Number, Number], Number]:
    return lambda x, y: external_call(name + ("f" if x.is_single else ""), x.type, x, y)


_function(_library_of_two("atan2"), "atan2")


# arithmetic that differs between floats and integers; `kind` is the Numba type


def _is_signed(kind: Any) -> bool:
    return isinstance(kind, types.Integer) and kind.signed


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
    if not _is_signed(kind):
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
    if not _is_signed(kind):
        return Number(builder, builder.urem(x.value, divisor.value))
    divisor = select(divisor.equals(-1), 1, divisor)
    return Number(builder, builder.srem(x.value, divisor.value))


def _floor_divide(kind: Any, x: Number, y: Number) -> Number:
    """Return the quotient rounded down; for floats as NumPy and PyTorch do it, from fmod."""
    builder = x.builder
    if not x.is_float:
        divisor = _nonzero(y)
        if not _is_signed(kind):
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
    return select(x < 0, -x, x) if _is_signed(kind) else x


def _sign(kind: Any, x: Number) -> Number:
    if not x.is_float:
        if not _is_signed(kind):
            return select(x.equals(0), x, 1)
        return select(x.equals(0), x, select(x < 0, Number(x.builder, x.like(-1)), 1))
    one = with_sign(Number(x.builder, x.like(1.0)), x)
    return select((x > 0.0) | (x < 0.0), one, x)


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
    make = builder.icmp_signed if _is_signed(kind) else builder.icmp_unsigned
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
    _function(_write, _name, uses_types=True)


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
    _function(_write, _name, types.boolean, uses_types=True)


@intrinsic
def _where(typing_context: Any, condition: Any, yes: Any, no: Any) -> Any:
    common = typing_context.unify_types(yes, no)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        chosen = _convert(condition, types.boolean, Number(builder, args[0]))
        numbers = [
            _convert(kind, common, Number(builder, each)) for kind, each in zip((yes, no), args[1:])
        ]
        return select(chosen, *numbers).value

    return common(condition, yes, no), generate


FUNCTIONS["where"] = _where


def _in_any_order(name: str) -> Callable[[Number, Number], Number]:
    """Return an addition or multiplication that LLVM may reorder, so as to use vector registers."""

    def write(x: Number, y: Number) -> Number:
        return Number(x.builder, getattr(x.builder, name)(x.value, y.value, flags=("reassoc",)))

    return write


_function(_in_any_order("fadd"), "add_in_any_order")
_function(_in_any_order("fmul"), "multiply_in_any_order")


# conversions


def _convert(source: Any, target: Any, x: Number) -> Number:
    """Convert as C does, and so NumPy."""
    builder, type = x.builder, _LLVM[target]
    if source is target:
        return x
    if target is types.boolean:
        if x.is_float:
            return Number(builder, builder.fcmp_unordered("!=", x.value, x.like(0.0)))
        return Number(builder, builder.icmp_unsigned("!=", x.value, x.type(0)))
    if x.is_float:
        if target in (types.float32, types.float64):
            if x.type == type:
                return x
            return Number(
                builder,
                builder.fptrunc(x.value, F32) if type is F32 else builder.fpext(x.value, F64),
            )
        wide = type if type.width == 64 else ir.IntType(32)
        whole = builder.fptosi(x.value, wide)
        return Number(builder, whole if wide is type else builder.trunc(whole, type))
    signed = _is_signed(source)
    if target in (types.float32, types.float64):
        make = builder.sitofp if signed else builder.uitofp
        return Number(builder, make(x.value, type))
    if x.type.width == type.width:
        return x
    if x.type.width > type.width:
        return Number(builder, builder.trunc(x.value, type))
    return Number(builder, (builder.sext if signed else builder.zext)(x.value, type))


_LLVM = {
    types.boolean: ir.IntType(1),
    types.uint8: ir.IntType(8),
    types.int8: ir.IntType(8),
    types.int16: ir.IntType(16),
    types.int32: ir.IntType(32),
    types.int64: ir.IntType(64),
    types.float32: F32,
    types.float64: F64,
}


def _conversion(name: str, target: Any) -> None:
    _function(lambda kind, x: _convert(kind, target, x), name, target, uses_types=True)


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
        x = _convert(kind, types.float64, x)
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


_function(_half, "half", types.float32, uses_types=True)
_function(
    lambda kind, x: ~_convert(kind, types.boolean, x),
    "logical_not",
    types.boolean,
    uses_types=True,
)
