"""The elementary functions that scalar expressions of primitives may call.

exp, exp2, expm1, log, log1p, tanh, sigmoid and erf are branch-free polynomials in float32 and
float64 that LLVM vectorizes, within 1.5 ulp (expm1 2, sigmoid and log1p 2.5), with IEEE's results
for NaN, infinities, zeros and denormal numbers. Others are LLVM intrinsics or the C library's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding
from llvmlite import ir

from jitgrad.kernels.compiler.functions import function
from jitgrad.kernels.compiler.vectors import (
    Number,
    external_call,
    fused,
    intrinsic_call,
    magnitude,
    polynomial,
    scaled,
    select,
    with_sign,
)

# the exponential function

SCALES_BY_POWERS = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
"""Is there one instruction for x * 2^n? Elsewhere llvm.ldexp is a call, which does not vectorize.
With it exp takes 0.39 ns an element in float32, without it 0.76."""


class _Constants(NamedTuple):
    """What exponentials need of a type: bounds beyond which results are 0 or infinite, ln 2 in two
    parts, the number whose addition rounds to an integer, its bits, and the exponent's place."""

    highest: float
    lowest: float
    high: float
    low: float
    shift: float
    shift_bits: int
    mantissa: int
    bias: int


_SINGLE = _Constants(
    89.0, -104.5, 0.693145751953125, 1.428606765330187045e-06, 12582912.0, 0x4B400000, 23, 127
)
_DOUBLE = _Constants(
    710.0,
    -746.0,
    0.69314718055966295651,
    2.8235290563031577122588448175013436025525412068e-13,
    6755399441055744.0,
    0x4338000000000000,
    52,
    1023,
)


def _constants(x: Number) -> _Constants:
    return _SINGLE if x.is_single else _DOUBLE


def _bounded(x: Number, low: float, high: float) -> Number:
    """Return `x` moved into the bounds; NaN compares false, so it goes through."""
    x = select(x > high, high, x)
    return select(x < low, low, x)


def _near_zero(r: Number) -> Number:
    """exp(r) - 1 for |r| <= ln(2) / 2: Cephes's polynomial in float32, SLEEF's in float64."""
    if r.is_single:
        coefficients = (
            1.98527617612853646278381e-4,
            1.39304355252534151077271e-3,
            8.33336077630519866943359e-3,
            4.16664853692054748535156e-2,
            1.66666671633720397949219e-1,
            0.5,
        )
    else:
        coefficients = (
            2.08860621107283687536341e-09,
            2.51112930892876518610661e-08,
            2.75573911234900471893338e-07,
            2.75572362911928827629423e-06,
            2.4801587159235472998791e-05,
            1.98412698960509205564975e-4,
            1.38888888889774492207962e-3,
            8.33333333331652721664984e-3,
            4.16666666666665047591422e-2,
            1.66666666666666851703837e-1,
            0.5,
        )
    return fused(r * r, polynomial(r, *coefficients), r)


def _rounded(x: Number, factor: float = 1.0) -> tuple[Number, Number]:
    """Return the integer nearest to factor * x, as a float and as an integer.

    The integer comes from the bits: converting NaN to an integer is undefined.
    """
    c = _constants(x)
    shifted = fused(x, factor, c.shift)
    return shifted - c.shift, shifted.bits() - c.shift_bits


def _reduced(x: Number) -> tuple[Number, Number]:
    """Return r and n with x = r + n ln 2: Cody and Waite's reduction."""
    c = _constants(x)
    n, whole = _rounded(x, 1.4426950408889634)
    return fused(n, -c.low, fused(n, -c.high, x)), whole


def _times_power(x: Number, n: Number) -> Number:
    """Return x * 2^n; elsewhere in two factors, so that denormal results come out right."""
    if SCALES_BY_POWERS:
        return scaled(x, n)
    c = _constants(x)
    half = n >> 1
    rest = n - half
    return (
        x * ((half + c.bias) << c.mantissa).as_float() * ((rest + c.bias) << c.mantissa).as_float()
    )


def _scaled_exponential(x: Number) -> Number:
    c = _constants(x)
    r, n = _reduced(_bounded(x, c.lowest, c.highest))
    return _times_power(_near_zero(r) + 1.0, n)


def _exp2(x: Number) -> Number:
    lowest, highest = (-151.0, 129.0) if x.is_single else (-1076.0, 1025.0)
    x = _bounded(x, lowest, highest)
    near, n = _rounded(x)
    return _times_power(_near_zero((x - near) * 0.6931471805599453) + 1.0, n)


def _expm1(x: Number) -> Number:
    """2^n (exp(r) - 1) + (2^n - 1); beyond 45 the 1 does not matter."""
    c = _constants(x)
    r, n = _reduced(_bounded(x, -45.0, 45.0))
    power = ((n + c.bias) << c.mantissa).as_float()
    result = fused(power, _near_zero(r), power - 1.0)
    result = select(x > 45.0, _scaled_exponential(x), result)
    return select(x.equals(0.0) | x.is_nan(), x, result)


def _exp(x: Number) -> Number:
    return _scaled_exponential(x)


def _sigmoid(x: Number) -> Number:
    """e / (1 + e) with e = exp(x) where x is negative, so that small results keep their digits."""
    power = _scaled_exponential(-magnitude(x))
    return select(x < 0.0, power, 1.0) / (power + 1.0)


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


def _log1p(x: Number) -> Number:
    """log(1 + x) with what 1 + x was rounded by added to first order, after W. Kahan."""
    up = x + 1.0
    # what up lacks, whichever of the operands is larger
    moved = up - x
    lost = (x - (up - moved)) + (1.0 - moved)
    result = _log(up) + lost / up
    infinity = float("inf")
    plain = x.equals(infinity) | x.equals(0.0)
    result = select(plain, x, result)
    return select(x.equals(-1.0), -infinity, result)


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
    ("exp2", _exp2),
    ("expm1", _expm1),
    ("log1p", _log1p),
):
    function(_write, _name)


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
    function(_whole_or(_llvm), _name)

function(lambda x: 1.0 / intrinsic_call("llvm.sqrt", x), "rsqrt")


def _library(name: str) -> Callable[[Number], Number]:
    """Return a call of the C library's function of one float."""
    return lambda x: external_call(name + ("f" if x.is_single else ""), x.type, x)


for _name in (
    "log2",
    "log10",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "erfc",
    "lgamma",
):
    function(_library(_name), _name)


def _library_of_two(name: str) -> Callable[[Number, Number], Number]:
    return lambda x, y: external_call(name + ("f" if x.is_single else ""), x.type, x, y)


function(_library_of_two("atan2"), "atan2")
