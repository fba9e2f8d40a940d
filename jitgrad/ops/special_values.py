"""Special functions of NumPy arrays, which NumPy itself does not have.

erf and erfc follow FreeBSD's s_erf.c (Sun Microsystems, 1993: below 1 unit in the last place),
lgamma, digamma and zeta Moshier's Cephes library, erfinv a rational start and three Newton steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_BLOCK = 1 << 14
"""Elements worked on at a time, so that intermediate results stay in the processor's cache."""


def in_float64(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return `function` of a float64 vector as one of floating-point arrays of any shape."""

    def converted(array: np.ndarray, *rest: float) -> np.ndarray:
        wide = np.ascontiguousarray(array, np.float64).reshape(-1)
        return function(wide, *rest).reshape(array.shape).astype(array.dtype)

    return converted


def in_float32(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return `function` with float16 arrays computed in float32, as PyTorch computes them."""

    def widened(array: np.ndarray, *rest: float) -> np.ndarray:
        if array.dtype.itemsize == 2:
            return function(array.astype(np.float32), *rest).astype(np.float16)
        return function(array, *rest)

    return widened


def _polynomial(x: np.ndarray, coefficients: Sequence[float]) -> np.ndarray:
    """Return the polynomial with `coefficients`, the highest power's first."""
    result = np.full_like(x, coefficients[0])
    for each in coefficients[1:]:
        result *= x
        result += each
    return result


# fmt: off
# |x| < 0.84375: erf(x) = x + x P(x^2) / Q(x^2)
_PP = (-2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02,
       -3.25042107247001499370e-01, 1.28379167095512558561e-01)
_QQ = (-3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03,
       6.50222499887672944485e-02, 3.97917223959155352819e-01, 1.0)
# 0.84375 <= |x| < 1.25: erf(x) = erx + P(|x| - 1) / Q(|x| - 1)
_ERX = 8.45062911510467529297e-01
_PA = (-2.16637559486879084300e-03, 3.54783043256182359371e-02, -1.10894694282396677476e-01,
       3.18346619901161753674e-01, -3.72207876035701323847e-01, 4.14856118683748331666e-01,
       -2.36211856075265944077e-03)
_QA = (1.19844998467991074170e-02, 1.36370839120290507362e-02, 1.26171219808761642112e-01,
       7.18286544141962662868e-02, 5.40397917702171048937e-01, 1.06420880400844228286e-01, 1.0)
# 1.25 <= |x| < 1/0.35: erfc(x) = exp(-x^2 - 0.5625 + R(1/x^2) / S(1/x^2)) / x
_RA = (-9.81432934416914548592e+00, -8.12874355063065934246e+01, -1.84605092906711035994e+02,
       -1.62396669462573470355e+02, -6.23753324503260060396e+01, -1.05586262253232909814e+01,
       -6.93858572707181764372e-01, -9.86494403484714822705e-03)
_SA = (-6.04244152148580987438e-02, 6.57024977031928170135e+00, 1.08635005541779435134e+02,
       4.29008140027567833386e+02, 6.45387271733267880336e+02, 4.34565877475229228821e+02,
       1.37657754143519042600e+02, 1.96512716674392571292e+01, 1.0)
# 1/0.35 <= |x| < 28: the same with others
_RB = (-4.83519191608651397019e+02, -1.02509513161107724954e+03, -6.37566443368389627722e+02,
       -1.60636384855821916062e+02, -1.77579549177547519889e+01, -7.99283237680523006574e-01,
       -9.86494292470009928597e-03)
_SB = (-2.24409524465858183362e+01, 4.74528541206955367215e+02, 2.55305040643316442583e+03,
       3.19985821950859553908e+03, 1.53672958608443695994e+03, 3.25792512996573918826e+02,
       3.03380607434824582924e+01, 1.0)
# float32, |x| <= 3.8325: x P(x^2) / Q(x^2), as in Eigen's and XLA's erf
_ERF32_P = (-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06,
            -5.69250639462346e-05, -7.34990630326855e-04, -2.95459980854025e-03,
            -1.60960333262415e-02)
_ERF32_Q = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03,
            -7.37332916720468e-03, -1.42647390514189e-02)
# fmt: on


def _erfc_tail(size: np.ndarray) -> np.ndarray:
    """Return erfc of numbers from 1.25 on."""
    result = np.zeros_like(size)
    for chosen, p, q in (
        (size < 1 / 0.35, _RA, _SA),
        ((size >= 1 / 0.35) & (size < 28), _RB, _SB),
    ):
        x = size[chosen]
        s = 1 / (x * x)
        # the square of z, x cut to its upper half, is exact
        z = (x.view(np.int64) & -(1 << 32)).view(np.float64)
        correction = (z - x) * (z + x) + _polynomial(s, p) / _polynomial(s, q)
        result[chosen] = np.exp(-z * z - 0.5625) * np.exp(correction) / x
    return result


def _erf64(x: np.ndarray) -> np.ndarray:
    result = np.full_like(x, np.nan)
    size = np.abs(x)
    chosen = size < 0.84375
    small = x[chosen]
    square = small * small
    result[chosen] = small + small * (_polynomial(square, _PP) / _polynomial(square, _QQ))
    chosen = (size >= 0.84375) & (size < 1.25)
    s = size[chosen] - 1
    middle = _ERX + _polynomial(s, _PA) / _polynomial(s, _QA)
    result[chosen] = np.copysign(middle, x[chosen])
    chosen = size >= 1.25
    result[chosen] = np.copysign(1 - _erfc_tail(size[chosen]), x[chosen])
    return result


def _polynomial_into(x: np.ndarray, coefficients: Sequence[float], out: np.ndarray) -> np.ndarray:
    """Compute `_polynomial` into `out`, as one of float32."""
    np.multiply(x, np.float32(coefficients[0]), out=out)
    out += np.float32(coefficients[1])
    for each in coefficients[2:]:
        out *= x
        out += np.float32(each)
    return out


def _erf32(x: np.ndarray) -> np.ndarray:
    # memory that is used again: half the time of new arrays
    bound = np.float32(3.832506856900711)
    result = np.clip(x, -bound, bound)
    buffers = np.empty((3, min(_BLOCK, x.size)), np.float32)
    for start in range(0, x.size, _BLOCK):
        block = result[start : start + _BLOCK]
        square, above, below = buffers[:, : block.size]
        np.multiply(block, block, out=square)
        block *= _polynomial_into(square, _ERF32_P, above)
        block /= _polynomial_into(square, _ERF32_Q, below)
        beyond = square >= 14.688
        if beyond.any():
            # there the result is 1 to the last place
            np.copysign(1, block, out=block, where=beyond)
    return result


_erf_wide = in_float64(_erf64)


def erf(array: np.ndarray) -> np.ndarray:
    """Return the error function; float32 within 6 units in the last place, float64 within 1."""
    if array.dtype == np.float64:
        return _erf_wide(array)
    flat = np.ascontiguousarray(array, np.float32).reshape(-1)
    return _erf32(flat).reshape(array.shape).astype(array.dtype)


def _erfc64(x: np.ndarray) -> np.ndarray:
    result = np.full_like(x, np.nan)
    size = np.abs(x)
    chosen = size < 0.84375
    small = x[chosen]
    square = small * small
    part = small * (_polynomial(square, _PP) / _polynomial(square, _QQ))
    result[chosen] = np.where(small < 0.25, 1 - (small + part), 0.5 - (small - 0.5 + part))
    chosen = (size >= 0.84375) & (size < 1.25)
    s = size[chosen] - 1
    part = _polynomial(s, _PA) / _polynomial(s, _QA)
    result[chosen] = np.where(x[chosen] > 0, 1 - _ERX - part, 1 + (_ERX + part))
    chosen = size >= 1.25
    tail = _erfc_tail(size[chosen])
    result[chosen] = np.where(x[chosen] > 0, tail, 2 - tail)
    return result


erfc = in_float64(_erfc64)

# a start within 1e-4 of the result, after which each of three Newton steps doubles the digits
_INVERSE_A = (-0.140543331, 0.914624893, -1.645349621, 0.886226899)
_INVERSE_B = (0.012229801, -0.329097515, 1.442710462, -2.118377725, 1.0)
_INVERSE_C = (1.641345311, 3.429567803, -1.624906493, -1.970840454)
_INVERSE_D = (1.637067800, 3.543889200, 1.0)


def _erfinv64(y: np.ndarray) -> np.ndarray:
    size = np.abs(y)
    square = y * y
    centre = size * _polynomial(square, _INVERSE_A) / _polynomial(square, _INVERSE_B)
    z = np.sqrt(-np.log((1 - size) / 2))
    tail = _polynomial(z, _INVERSE_C) / _polynomial(z, _INVERSE_D)
    central = size <= 0.7
    x = np.where(central, centre, tail)
    for _ in range(3):
        # beyond the centre 1 - erf would lose the digits that count
        residual = np.where(central, _erf64(x) - size, (1 - size) - _erfc64(x))
        x -= residual / (2 / np.sqrt(np.pi) * np.exp(-x * x))
    x = np.where(size == 1, np.inf, np.where(size > 1, np.nan, x))
    return np.copysign(x, y)


erfinv = in_float64(_erfinv64)

# fmt: off
_STIRLING = (8.11614167470508450300e-4, -5.95061904284301438324e-4, 7.93650340457716943945e-4,
             -2.77777777730099687205e-3, 8.33333333333331927722e-2)
_GAMMA_B = (-1.37825152569120859100e3, -3.88016315134637840924e4, -3.31612992738871184744e5,
            -1.16237097492762307383e6, -1.72173700820839662146e6, -8.53555664245765465627e5)
_GAMMA_C = (1.0, -3.51815701436523470549e2, -1.70642106651881159223e4, -2.20528590553854454839e5,
            -1.13933444367982507207e6, -2.53252307177582951285e6, -2.01889141433532773231e6)
_DIGAMMA = (8.33333333333333333333e-2, -2.10927960927960927961e-2, 7.57575757575757575758e-3,
            -4.16666666666666666667e-3, 3.96825396825396825397e-3, -8.33333333333333333333e-3,
            8.33333333333333333333e-2)
_BERNOULLI = (12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9,
              7.47242496e10, -2.950130727918164224e12, 1.1646782814350067249e14,
              -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18)
# fmt: on


def _lgamma_positive(x: np.ndarray) -> np.ndarray:
    product = np.ones_like(x)
    u = np.where(x < 13, x, 2.0)
    for _ in range(10):
        large = u >= 3
        u = np.where(large, u - 1, u)
        product = np.where(large, product * u, product)
    for _ in range(2):
        small = u < 2
        product = np.where(small, product / u, product)
        u = np.where(small, u + 1, u)
    u -= 2
    near = np.log(product) + u * _polynomial(u, _GAMMA_B) / _polynomial(u, _GAMMA_C)
    far = (x - 0.5) * np.log(x) - x + 0.91893853320467274178
    far = np.where(x > 1e8, far, far + _polynomial(1 / (x * x), _STIRLING) / x)
    return np.where(x < 13, near, far)


def _lgamma64(x: np.ndarray) -> np.ndarray:
    reflected = x < 0.5
    positive = _lgamma_positive(np.where(reflected, 1 - x, x))
    sine = np.abs(np.sin(np.pi * (x - np.rint(x))))
    result = np.where(reflected, np.log(np.pi / sine) - positive, positive)
    return np.where(np.isinf(x) | ((x <= 0) & (x == np.floor(x))), np.inf, result)


lgamma = in_float64(_lgamma64)


def _digamma64(x: np.ndarray) -> np.ndarray:
    reflected = x < 0
    u = np.where(reflected, 1 - x, x)
    result = np.where(reflected, -np.pi / np.tan(np.pi * (x - np.rint(x))), 0.0)
    for _ in range(10):
        small = u < 10
        result = np.where(small, result - 1 / u, result)
        u = np.where(small, u + 1, u)
    z = 1 / (u * u)
    result += np.log(u) - 0.5 / u - z * _polynomial(z, _DIGAMMA)
    result[reflected & (x == np.floor(x))] = np.nan
    return np.where(x == 0, -np.copysign(np.inf, x), result)


digamma = in_float64(_digamma64)


def _zeta64(q: np.ndarray, s: float) -> np.ndarray:
    """Return Hurwitz' zeta function, the sum of (q + k) ** -s for k from 0, by Euler-Maclaurin."""
    result = np.zeros_like(q)
    q = q.copy()
    while (small := q < 9).any():
        result[small] += q[small] ** -s
        q[small] += 1
    power = q**-s
    result += power * q / (s - 1) + 0.5 * power
    factor = 1.0
    for k, each in enumerate(_BERNOULLI):
        factor *= s + 2 * k
        power /= q
        result += factor * power / each
        factor *= s + 2 * k + 1
        power /= q
    return result


def _polygamma64(x: np.ndarray, n: int) -> np.ndarray:
    factorial = 1.0
    for k in range(2, n + 1):
        factorial *= k
    if n == 1:
        reflected = x < 0.5
        sine = np.sin(np.pi * (x - np.rint(x)))
        zeta = _zeta64(np.where(reflected, 1 - x, x), 2.0)
        return np.where(reflected, (np.pi / sine) ** 2 - zeta, zeta)
    return factorial * _zeta64(x, n + 1.0) * (-1.0) ** (n + 1)


polygamma = in_float64(_polygamma64)
