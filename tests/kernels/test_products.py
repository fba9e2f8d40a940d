"""Products of matrices by tiles and by BLAS, against NumPy's in float64."""

from __future__ import annotations

import ctypes
import itertools
import mmap

import numpy as np
import pytest

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels import calling, cpu, products, threads
from jitgrad.kernels.conventions import ARRAY, CONSTANT
from jitgrad.kernels.entries import Integer, Pointer
from jitgrad.kernels.processor import DEEP, FEW, TILE_COLUMNS, few_columns, lanes
from jitgrad.kernels.products import HIGH, HIGH_BEHIND_COPY, emit_product
from tests.kernels import records as r
from tests.kernels.tracing import Trace

SIZES = [
    (1, 1, 1), (1, 64, 64), (2, 3, 4), (3, 1, 70), (4, 8, 8), (5, 300, 17), (6, 6, 33),
    (7, 20, 31), (8, 5, 65), (32, 64, 64), (64, 33, 48), (HIGH - 1, 4, 16), (HIGH + 3, 9, 5),
    (2 * HIGH, 2, 130), (HIGH_BEHIND_COPY + 5, 11, 20), (9, DEEP, 15), (10, DEEP + 1, 16),
    (13, 3 * DEEP - 1, 40), (3, 0, 5), (9, 70, 100),
    (20, 3, 1), (9, 64, 1), (70, 41, 1), (2, DEEP + 5, 70), (HIGH_BEHIND_COPY + 3, DEEP + 9, 30),
]  # fmt: skip
LAYOUTS = {
    "rows": lambda array: array,
    "columns": lambda array: np.ascontiguousarray(array.T).T,
    "apart": lambda array: np.repeat(np.repeat(array, 2, 0), 3, 1)[::2, ::3],
    "backwards": lambda array: np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    "alike": lambda array: np.broadcast_to(array[:1], array.shape),
}


def described(array: np.ndarray) -> Value:
    strides = tuple(each // array.itemsize for each in array.strides)
    return Value(array.shape, strides, array.dtype, Memory())


def multiply(a: np.ndarray, b: np.ndarray, target: np.ndarray) -> None:
    """Compute `target = a @ b` by the kernel."""
    arrays = [a, b, target]
    values = [described(each) for each in arrays]
    emitted = emit_product(*values)
    place = {each.memory: k for k, each in enumerate(values)}
    table = []
    for entry in emitted.table:
        if isinstance(entry, Pointer) and entry.value.memory not in place:
            place[entry.value.memory] = len(arrays)
            arrays.append(np.full(entry.value.shape, np.nan, entry.value.dtype))
    for entry in emitted.table:
        if isinstance(entry, Integer):
            table.append((CONSTANT, 0, entry.value))
        else:
            assert isinstance(entry, Pointer)
            table.append((ARRAY, place[entry.value.memory], 0))
    kernel = cpu.kernel_for(emitted.source)
    calling.launch([calling.KernelCall(kernel, emitted.length, 0, table)])(*arrays)


def close(found: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Compare with the product, whose error grows with the sizes of what is summed."""
    exact = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    depth = max(a.shape[-1], 1)
    assert (np.abs(found - exact) <= depth * np.finfo(found.dtype).eps * scale + 1e-300).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_tiles_fill_the_result_and_nothing_else(sizes, dtype):
    rows, depth, columns = sizes
    random = np.random.default_rng(0)
    pairs = zip((*LAYOUTS, "rows", "columns", "rows"), ("rows", *LAYOUTS, "columns", "columns"))
    for left, right in pairs:
        if not depth and {left, right} - {"rows"}:
            continue
        a = LAYOUTS[left](random.normal(size=(rows, depth)).astype(dtype))
        b = LAYOUTS[right](random.normal(size=(depth, columns)).astype(dtype))
        # the only column is one without gaps
        aside = 3 if columns > 1 else 0
        around = np.full((rows + 20, columns + 2 * aside), 7, dtype)
        target = around[10:-10, aside : aside + columns]
        multiply(a, b, target)
        close(target, a, b)
        target[...] = 7
        assert (around == 7).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_tiles_that_a_product_calls_are_in_its_table(dtype):
    """There is nothing at the addresses of the others."""
    random = np.random.default_rng(0)
    heights = (1, FEW, FEW + 1, *(k + n for k in (HIGH, HIGH_BEHIND_COPY) for n in (-1, 0, 1, 5)))
    vector = lanes(dtype)
    widths = (1, 2, *(k * vector + n for k in range(1, TILE_COLUMNS + 2) for n in (-1, 0, 1)))
    for rows, depth, columns in itertools.product(heights, (1, vector, DEEP + 3), widths):
        for left, right in itertools.product(("rows", "columns"), repeat=2):
            a = LAYOUTS[left](random.normal(size=(rows, depth)).astype(dtype))
            b = LAYOUTS[right](random.normal(size=(depth, columns)).astype(dtype))
            target = np.full((rows, columns), 7, dtype)
            multiply(a, b, target)
            close(target, a, b)


def at_the_end(array: np.ndarray) -> np.ndarray:
    """Return a copy, in the same order, behind whose last element lies memory not to be read."""
    page = mmap.PAGESIZE
    size = -(-array.nbytes // page) * page
    memory = mmap.mmap(-1, size + page)
    place = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + size
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(place), page, 0) == 0
    is_turned = not array.flags.c_contiguous
    shape = array.shape[::-1] if is_turned else array.shape
    copy = np.frombuffer(memory, array.dtype, array.size, size - array.nbytes).reshape(shape)
    copy = copy.T if is_turned else copy
    copy[...] = array
    return copy


@pytest.mark.skipif(not hasattr(mmap, "PROT_READ"), reason="Windows has no such call")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_nothing_is_read_beyond_the_operands(sizes, dtype):
    rows, depth, columns = sizes
    random = np.random.default_rng(0)
    for left, right in itertools.product(("rows", "columns"), repeat=2) if depth else ():
        a = at_the_end(LAYOUTS[left](random.normal(size=(rows, depth)).astype(dtype)))
        b = at_the_end(LAYOUTS[right](random.normal(size=(depth, columns)).astype(dtype)))
        target = at_the_end(np.zeros((rows, columns), dtype))
        multiply(a, b, target)
        close(target, a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blas", [True, False])
def test_large_products_ask_blas_where_there_is_one(blas, dtype, monkeypatch):
    monkeypatch.setattr(products, "LARGE", 0)
    if not blas:
        monkeypatch.setattr(products, "blas_for", lambda dtype: None)
    random = np.random.default_rng(0)
    trace = Trace()
    for left, right in zip((*LAYOUTS, "rows"), ("rows", *LAYOUTS)):
        a = LAYOUTS[left](random.normal(size=(30, 20)).astype(dtype))
        b = LAYOUTS[right](random.normal(size=(20, 40)).astype(dtype))
        made = trace.compute(r.MM, trace.input(a), trace.input(b))
        program = trace.check(made, close=1e-4)
        kernels = "".join(each.source for each in program.kernels)
        assert ("gemm(" in kernels) is blas and ("product(" in kernels) is not blas


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [(), (3,)], ids=["matrix", "batch"])
def test_few_columns(batch, dtype):
    random = np.random.default_rng(0)
    few = few_columns(dtype)
    deep = few * lanes(dtype) + 3
    for columns, depth in itertools.product((1, 2, few, few + 1), (lanes(dtype), deep)):
        rows = -(-products.WORTH_TURNING // depth)
        turned = set()
        for left, right in zip((*LAYOUTS, "columns", "columns"), (*LAYOUTS, "rows", "apart")):
            shapes = (*batch, rows, depth), (*batch, depth, columns)
            a, b = (random.normal(size=shape).astype(dtype) for shape in shapes)
            if not batch:
                a, b = LAYOUTS[left](a), LAYOUTS[right](b)
            elif left == "columns":
                a, b = (np.ascontiguousarray(each.swapaxes(1, 2)).swapaxes(1, 2) for each in (a, b))
            trace = Trace()
            made = trace.compute(r.MM, trace.input(a), trace.input(b))
            kernels = trace.check(made, close=1e-4).kernels
            assert any("product(" in each.source for each in kernels)
            if len(kernels) > 1:
                turned.add(left)
        assert ("columns" in turned) is (1 < columns <= few)
        assert ("rows" in turned) is (1 < columns <= few and depth == deep)


@pytest.mark.parametrize("count, operations", [(1, 2), (4, 1)])
def test_few_columns_are_no_few_rows_where_threads_share_them(count, operations, monkeypatch):
    monkeypatch.setattr(threads, "THREADS", count)
    a, b = np.zeros((64, 60_000), "float32").T, np.zeros((64, 4), "float32")
    values = [described(each) for each in (a, b, np.zeros((60_000, 4), "float32"))]
    assert len(list(products.product(*values))) == operations


def test_infinite_elements_stay_in_their_rows_and_columns():
    a, b = np.ones((7, 5), "float32"), np.ones((5, 20), "float32")
    a[6, 2], b[1, 19] = np.inf, np.nan
    target = np.zeros((7, 20), "float32")
    multiply(a, b, target)
    with np.errstate(invalid="ignore"):  # some releases of NumPy warn of it
        expected = a @ b
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_threads_share_a_product(layout, monkeypatch):
    """Each has memory of its own for what it copies."""
    monkeypatch.setattr(threads, "THREADS", 4)
    monkeypatch.setattr(products, "pieces", lambda length, nanoseconds: 4)
    random = np.random.default_rng(0)
    a, b = random.normal(size=(3, 250, 70)), random.normal(size=(3, 70, 50))
    b = np.stack([LAYOUTS[layout](each) for each in b])
    if layout == "columns":
        b = np.ascontiguousarray(b.swapaxes(1, 2)).swapaxes(1, 2)
    target = np.zeros((3, 250, 50))
    kernel_call = calling.KernelCall

    def split(kernel, length, _pieces, table):
        assert length == 3 * -(-250 // (HIGH if layout == "rows" else HIGH_BEHIND_COPY))
        return kernel_call(kernel, length, 4, table)

    monkeypatch.setattr(calling, "KernelCall", split)
    for _ in range(50):
        multiply(a, b, target)
        close(target, a, b)
