"""Matrix products within native code: tiles for most, the BLAS that NumPy uses for large ones."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels import cpu
from jitgrad.kernels.conventions import (
    AS_IT_IS,
    DOTS,
    MOVES,
    PANELS,
    ROW_MAJOR,
    TRANSPOSED,
    TRANSPOSES,
)
from jitgrad.kernels.entries import Emitted, Header
from jitgrad.kernels.geometry import count, row_major
from jitgrad.kernels.linking import keep_forever
from jitgrad.kernels.operations import Operation, Product, copied
from jitgrad.kernels.processor import DEEP, FEW, TILE_COLUMNS, few_columns, lanes
from jitgrad.kernels.threads import pieces

LARGE = 1 << 24
"""Multiplications beyond which BLAS is asked, which may use several threads for one product and
keeps parts of large matrices in the caches. Tiles take a third of its time for 64 x 64 where it
has no kernels for AVX-512, and as long where it has."""

HIGH, HIGH_BEHIND_COPY = 24, 96
"""Rows that one thread computes together, more where it has to copy the right operand first."""

WORTH_TURNING = 1 << 12
"""Elements of a left operand below which to turn few columns takes as long as it saves."""


class Blas(NamedTuple):
    """A `gemm` of CBLAS.

    Attributes:
        address: of the function.
        bits: the width of its integers.
    """

    address: int
    bits: int


SUFFIXES = (("64_", 64), ("", 32), ("$NEWLAPACK$ILP64", 64), ("$NEWLAPACK", 32))
"""How CBLAS's functions are called, and the width of their integers: OpenBLAS, Accelerate."""


@cache
def blas_for(dtype: np.dtype) -> Blas | None:
    """Return the product that NumPy itself uses, if it can be found."""
    letter = {"float32": "s", "float64": "d"}[dtype.name]
    try:
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return None
    for prefix in ("scipy_cblas_", "cblas_"):
        for suffix, bits in SUFFIXES:
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


def uses_blas(a: Value, b: Value) -> bool:
    """Is BLAS asked for `a @ b`?"""
    work = a.shape[-2] * a.shape[-1] * b.shape[-1]
    return work > LARGE and blas_for(a.dtype) is not None


def product(a: Value, b: Value, target: Value) -> Iterator[Operation]:
    """Yield what computes `target = a @ b`, with matrices brought into the form that it takes."""
    operands = [a, b]
    made = target
    if uses_blas(a, b):
        for k, each in enumerate(operands):
            if matrix_layout(each) is None:
                operands[k] = _dense(each)
                yield copied(each, operands[k])
    elif b.shape[-1] > 1 and a.shape[-2] * a.shape[-1] >= WORTH_TURNING:
        if a.strides[-1] == 1 and b.strides[-2] != 1 and _is_slender(b):
            # so that `dots` can read it
            operands[1] = _turned(_dense(_turned(b)))
            yield copied(b, operands[1])
        elif (
            a.strides[-1] != 1
            and b.shape[-1] <= few_columns(b.dtype.name)
            and pieces(a.shape[-2], _nanoseconds(a, b)) < 2
        ):
            # few columns are few rows of the product turned over, too few for several threads
            operands = [_turned(b), _turned(a)]
            made = _turned(target)
    is_direct = made.strides[-1] == 1 and made.strides[-2] >= made.shape[-1]
    result = made if is_direct else _dense(made)
    done: list[Operation] = [Product(operands[0], operands[1], result)]
    if not is_direct:
        done.append(copied(result, made))
    # it lies in its memory as it did before it was turned
    done[-1].whole = target
    yield from done


def _nanoseconds(a: Value, b: Value) -> float:
    """Estimate how long a product takes by tiles."""
    return 20.0 + 0.02 * count(a.shape) * b.shape[-1]


def _is_slender(b: Value) -> bool:
    """Is a matrix one of few columns, and so high that sums of vectors do not count?"""
    depth, columns = b.shape[-2:]
    dtype = b.dtype.name
    return columns <= few_columns(dtype) and columns * lanes(dtype) <= depth


def _dense(value: Value) -> Value:
    return Value(value.shape, row_major(value.shape), value.dtype, Memory("dense"))


def _turned(value: Value) -> Value:
    """Return a batch of matrices with their rows as columns."""
    (*sizes, rows, columns), (*steps, down, across) = value.shape, value.strides
    shape, strides = (*sizes, columns, rows), (*steps, across, down)
    return Value(shape, strides, value.dtype, value.memory, value.offset, value.shift)


def emit_product(a: Value, b: Value, target: Value) -> Emitted:
    """Return a kernel for `target = a @ b`, of matrices or batches of them, from `product`."""
    if target.shape[-1] == target.strides[-2] == 1 and not uses_blas(a, b):
        # one column is done as one row
        a, b, target = _turned(b), _turned(a), _turned(target)
    header = Header()
    header.regions(a=a, b=b, c=target)
    header.integers(rows=a.shape[-2], columns=b.shape[-1], depth=a.shape[-1])
    batch = count(target.shape[:-2])
    work = batch * a.shape[-2] * a.shape[-1] * b.shape[-1]
    steps = [each.strides[0] if len(each.shape) == 3 else 0 for each in (a, b, target)]
    names = ("a_step", "b_step", "c_step")
    size = target.dtype.itemsize
    if uses_blas(a, b):
        header.integers(**{name: step * size for name, step in zip(names, steps)})
        body = _blas(header, a, b, target)
        return header.emitted(body, batch, 200.0 * batch + 0.05 * work)
    header.integers(**dict(zip(names, steps)))
    high = HIGH if b.strides[-1] == 1 else HIGH_BEHIND_COPY
    blocks = -(-a.shape[-2] // high)
    header.integers(high=high, blocks=blocks)
    nanoseconds = _nanoseconds(a, b)
    body = _tiled(header, a, b, target, high, pieces(batch * blocks, nanoseconds) > 1)
    return header.emitted(body, batch * blocks, nanoseconds)


def _blas(header: Header, a: Value, b: Value, target: Value) -> str:
    blas = blas_for(target.dtype)
    layouts = [matrix_layout(each) for each in (a, b, target)]
    assert blas is not None and None not in layouts
    (left, a_pitch), (right, b_pitch), (_, c_pitch) = layouts  # type: ignore[misc]
    header.integers(gemm_at=blas.address, left=left, right=right)
    header.integers(a_pitch=a_pitch, b_pitch=b_pitch, c_pitch=c_pitch)
    return _BLAS.format(dtype=target.dtype.name, bits=blas.bits)


def _tiled(header: Header, a: Value, b: Value, target: Value, high: int, is_split: bool) -> str:
    packed, slots, slot = target, 1, 0
    if b.strides[-1] != 1:
        # threads need memory of their own
        slots = count(target.shape[:-2]) * -(-a.shape[-2] // high) if is_split else 1
        slot = TILE_COLUMNS * lanes(target.dtype.name) * min(DEEP, max(a.shape[-1], 1))
        packed = Value((slots * slot,), (1,), target.dtype, Memory("packed"))
    header.integers(a_down=a.strides[-2], a_across=a.strides[-1])
    header.integers(b_down=b.strides[-2], b_across=b.strides[-1], c_down=target.strides[-2])
    header.regions(packed=packed)
    name = target.dtype.name
    tiles = _tiles(name, needed(a, b, high, name))
    header.integers(slots=slots, slot=slot, tiles=tiles)
    return _TILED


def needed(a: Value, b: Value, high: int, dtype: str) -> frozenset[int]:
    """Return which tiles `product` calls, by their places in its table."""
    rows, columns = a.shape[-2], b.shape[-1]
    apart = b.strides[-1] != 1
    turned = apart and b.strides[-2] == 1
    dotted = turned and a.strides[-1] == 1
    parts = {min(high, rows), rows % high or high}
    few = _is_slender(b)
    found = {DOTS} if dotted and (few or min(parts) <= FEW) else set()
    if not dotted or (not few and max(parts) > FEW):
        vector = lanes(dtype)
        wide = TILE_COLUMNS * vector
        widths = {min(wide, columns), columns % wide or wide}
        found |= {PANELS - 1 + -(-width // vector) for width in widths}
        found |= {MOVES} if apart else set()
        found |= {TRANSPOSES} if turned else set()
    return frozenset(found)


@cache
def _tiles(dtype: str, found: frozenset[int]) -> int:
    """Return the address of a table of tiles, which has 0 for what is not called."""
    names = {DOTS: "dots_1", TRANSPOSES: "transpose_1", MOVES: "move_1"}
    names |= {PANELS + k: f"panel_{k + 1}" for k in range(TILE_COLUMNS)}
    words = [cpu.tile(f"{names[k]}_{dtype}") if k in found else 0 for k in sorted(names)]
    return keep_forever(np.array(words, np.int64)).ctypes.data


_TILED = """
product(
    first, last, high, blocks, a, 0, a_step, a_down, a_across, b, 0, b_step, b_down, b_across,
    c, 0, c_step, c_down, rows, columns, depth, packed, 0, slots, slot, tiles
)
"""

_BLAS = """
for batch in range(first, last):
    gemm(
        {dtype!r}, {bits}, gemm_at, left, right, rows, columns, depth, address(a) + batch * a_step,
        a_pitch, address(b) + batch * b_step, b_pitch, address(c) + batch * c_step, c_pitch
    )
"""
