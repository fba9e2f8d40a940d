"""Matrix products within native code: loops for small ones, the BLAS that NumPy uses for others."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels.conventions import AS_IT_IS, ROW_MAJOR, TRANSPOSED
from jitgrad.kernels.entries import Emitted, Header
from jitgrad.kernels.expressions import type_name
from jitgrad.kernels.geometry import count, row_major
from jitgrad.kernels.operations import Operation, Product, copied

SMALL, SMALL_ROW, SMALL_ENOUGH = 1 << 5, 1 << 10, 1 << 15
"""Multiplications up to which loops are faster than BLAS, which takes 50 ns to begin, or 100 if
there is only one row; and up to which they will do where there is no BLAS."""


class Blas(NamedTuple):
    """A `gemm` of CBLAS.

    Attributes:
        address: of the function.
        bits: the width of its integers.
    """

    address: int
    bits: int


@cache
def blas_for(dtype: np.dtype) -> Blas | None:
    """Return the product that NumPy itself uses, if it can be found."""
    letter = {"float32": "s", "float64": "d"}[dtype.name]
    try:
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return None
    for prefix in ("scipy_cblas_", "cblas_"):
        for suffix, bits in (("64_", 64), ("", 32)):
            function = getattr(library, f"{prefix}{letter}gemm{suffix}", None)
            if function is not None and _multiplies(function, dtype, bits):
                address = ctypes.cast(function, ctypes.c_void_p).value
                return None if address is None else Blas(address, bits)
    return None


def _multiplies(function: Any, dtype: np.dtype, bits: int) -> bool:
    """Does a function multiply two matrices, if called as expected?"""
    integer = ctypes.c_int64 if bits == 64 else ctypes.c_int32
    number = ctypes.c_double if dtype == np.float64 else ctypes.c_float
    pointer = ctypes.c_void_p
    function.restype = None
    function.argtypes = [
        *[ctypes.c_int] * 3, *[integer] * 3, number, pointer, integer, pointer, integer, number,
        pointer, integer,
    ]  # fmt: skip
    a, b = np.arange(6, dtype=dtype).reshape(2, 3), np.arange(12, dtype=dtype).reshape(4, 3)
    c = np.full((2, 4), 7, dtype)
    places = [each.ctypes.data for each in (a, b, c)]
    function(
        ROW_MAJOR, AS_IT_IS, TRANSPOSED, 2, 4, 3, 1.0, places[0], 3, places[1], 3, 0.0, places[2], 4
    )
    return bool((c == a @ b.T).all())


def matrix_layout(value: Value) -> tuple[int, int] | None:
    """Return CBLAS's flag and pitch for the last two dimensions; None if it cannot take them."""
    (rows, columns), (down, across) = value.shape[-2:], value.strides[-2:]
    if (across == 1 or columns == 1) and (down >= columns or rows == 1):
        return AS_IT_IS, max(columns, down if rows > 1 else 1)
    if (down == 1 or rows == 1) and (across >= rows or columns == 1):
        return TRANSPOSED, max(rows, across if columns > 1 else 1)
    return None


def is_small(a: Value, b: Value) -> bool:
    """Are loops better than BLAS?"""
    work = a.shape[-2] * a.shape[-1] * b.shape[-1]
    most = SMALL_ROW if a.shape[-2] == 1 else SMALL
    return work <= (most if blas_for(a.dtype) else SMALL_ENOUGH)


def product(a: Value, b: Value, target: Value) -> Iterator[Operation]:
    """Yield what computes `target = a @ b`, with matrices brought into the form that it takes."""
    operands = [a, b]
    if not is_small(a, b):
        for k, each in enumerate(operands):
            if matrix_layout(each) is None:
                operands[k] = _dense(each)
                yield copied(each, operands[k])
    is_direct = target.strides[-1] == 1 and target.strides[-2] >= target.shape[-1]
    made = target if is_direct else _dense(target)
    yield Product(operands[0], operands[1], made)
    if not is_direct:
        yield copied(made, target)


def _dense(value: Value) -> Value:
    return Value(value.shape, row_major(value.shape), value.dtype, Memory("dense"))


def emit_product(a: Value, b: Value, target: Value) -> Emitted | None:
    """Return a kernel for `target = a @ b`, of matrices or batches of them; None if there is none.

    The target's rows, and for BLAS all the matrices, must lie as `matrix_layout` accepts.
    """
    header = Header()
    batch = count(target.shape[:-2])
    work = batch * a.shape[-2] * a.shape[-1] * b.shape[-1]
    steps = [each.strides[0] if len(each.shape) == 3 else 0 for each in (a, b, target)]
    sizes = {"rows": a.shape[-2], "columns": b.shape[-1], "depth": a.shape[-1]}
    if is_small(a, b):
        header.regions(a=a, b=b, c=target)
        header.integers(**sizes, **dict(zip(("a_step", "b_step", "c_step"), steps)))
        header.integers(a_down=a.strides[-2], a_across=a.strides[-1], b_down=b.strides[-2])
        header.integers(c_down=target.strides[-2])
        across = "j" if b.strides[-1] == 1 else "j * b_across"
        if b.strides[-1] != 1:
            header.integers(b_across=b.strides[-1])
        return header.emitted(
            _LOOPS.format(across=across, kind=type_name(target.dtype)), batch, 20.0 + 1.0 * work
        )
    blas = blas_for(target.dtype)
    layouts = [matrix_layout(each) for each in (a, b, target)]
    if blas is None or None in layouts:
        return None
    (left, a_pitch), (right, b_pitch), (_, c_pitch) = layouts  # type: ignore[misc]
    header.regions(a=a, b=b, c=target)
    size = target.dtype.itemsize
    header.integers(
        gemm_at=blas.address, left=left, right=right, **sizes, a_pitch=a_pitch, b_pitch=b_pitch,
        c_pitch=c_pitch, a_step=steps[0] * size, b_step=steps[1] * size, c_step=steps[2] * size,
    )  # fmt: skip
    body = _BLAS.format(dtype=target.dtype.name, bits=blas.bits)
    return header.emitted(body, batch, 200.0 * batch + 0.05 * work)


_LOOPS = """
for batch in range(first, last):
    for i in range(rows):
        place = batch * c_step + i * c_down
        for j in range(columns):
            c[place + j] = {kind}(0.0)
        for k in range(depth):
            factor = a[batch * a_step + i * a_down + k * a_across]
            row = batch * b_step + k * b_down
            for j in range(columns):
                c[place + j] = c[place + j] + factor * b[row + {across}]
"""

_BLAS = """
for batch in range(first, last):
    gemm(
        {dtype!r}, {bits}, gemm_at, left, right, rows, columns, depth, address(a) + batch * a_step,
        a_pitch, address(b) + batch * b_step, b_pitch, address(c) + batch * c_step, c_pitch
    )
"""
