"""Runs that are one native call do what their text says, and hold what they should."""

from __future__ import annotations

import sys
import weakref
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import pytest

from jitgrad.graph.ir import Value
from jitgrad.kernels import calling, cpu
from jitgrad.kernels.calling import KernelCall, WholeRun
from jitgrad.kernels.conventions import ARRAY, CONSTANT, FLOAT, SCRATCH, THING, TRUTH
from jitgrad.kernels.program import lower
from jitgrad.primitive import Kind, Loops, Primitive
from tests.kernels import records as r
from tests.kernels.test_random_traces import program
from tests.kernels.tracing import Trace

SOURCE = """
def kernel(arguments, first, last):
    a0 = region(arguments, 0, 'float32')
    a1 = region(arguments, 1, 'float32')
    a2 = region(arguments, 2, 'bool')
    factor = float32(number(arguments, 3))
    for k in range(first, last):
        a1[k] = a0[k] * factor
    a2[0] = a0[0] > float32(0.0)
"""
FLOAT32 = np.dtype(np.float32)


def scaling(pieces: int = 0, length: int = 3) -> Any:
    """Return what multiplies by a number; it returns the input, too, and whether it begins > 0."""
    table = [(ARRAY, 0, 0), (ARRAY, 2, 0), (SCRATCH, 0, 64), (FLOAT, 1, 0)]
    calls = [KernelCall(cpu.kernel_for(SOURCE.strip() + "\n"), length, pieces, table)]
    results = [(TRUTH, 64), (THING, 2), (THING, 0)]
    return WholeRun(2, [((length,), FLOAT32)], calls, results, 128, []).made()


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_results(pieces: int) -> None:
    run = scaling(pieces)
    given = np.array([1, 2, 3], np.float32)
    for factor, begin in ((2.0, 1), (-1, 0), (np.float64(0.5), -1)):
        given[0] = begin
        is_positive, made, same = run(given, factor)
        assert is_positive is (begin > 0)
        assert same is given
        np.testing.assert_array_equal(made, given * np.float32(factor), strict=True)
        assert made.flags.owndata
        assert made.flags.writeable


def test_wrong_arguments() -> None:
    run, given = scaling(), np.ones(3, np.float32)
    with pytest.raises(TypeError, match="expected a numpy"):
        run([1.0], 2.0)
    with pytest.raises(TypeError, match="number of arguments"):
        run(given)
    with pytest.raises(TypeError, match="number of arguments"):
        run(given, 2.0, 3.0)
    with pytest.raises(TypeError, match="must be real number"):
        run(given, "2")


def test_no_memory() -> None:
    run = scaling(length=1 << 60)
    with pytest.raises((MemoryError, ValueError)):
        run(np.ones(3, np.float32), 2.0)


def test_nothing_is_held_too_long_or_too_short() -> None:
    run, given = scaling(), np.ones(3, np.float32)

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in (given, FLOAT32, True, np.ndarray)]

    before = counts()
    for _ in range(1000):
        for wrong in ((given,), ([1], 2.0), (given, "2")):
            with pytest.raises(TypeError):
                run(*wrong)
        made = run(given, 2.0)
    alive = weakref.ref(made[1])
    held = sys.getrefcount(made[1])
    # by the tuple, and as the argument
    assert held == 2
    made = None
    assert alive() is None
    assert max(abs(a - b) for a, b in zip(counts(), before)) < 100


def test_what_is_held_lives_as_long_as_the_run() -> None:
    """Constants are read at their addresses."""

    class Held(np.ndarray):
        pass

    constant = np.arange(1.0, 4.0, dtype=np.float32).view(Held)
    alive = weakref.ref(constant)
    address = constant.ctypes.data
    table = [(CONSTANT, 0, address), (ARRAY, 1, 0), (SCRATCH, 0, 0), (FLOAT, 0, 0)]
    calls = [KernelCall(cpu.kernel_for(SOURCE.strip() + "\n"), 3, 0, table)]
    run = WholeRun(1, [((3,), FLOAT32)], calls, [(THING, 1)], 64, [constant]).made()
    del constant
    (made,) = run(2.0)
    assert made.tolist() == [2, 4, 6]
    assert alive() is not None
    del run
    assert alive() is None


@pytest.mark.parametrize("is_poisoned", [False, True])
def test_memory_for_one_run_is_poisoned_in_tests(
    is_poisoned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "IS_POISONED", is_poisoned)
    source = (
        "def kernel(arguments, first, last):\n"
        "    a0 = region(arguments, 0, 'uint8')\n"
        "    a1 = region(arguments, 1, 'uint8')\n"
        "    for k in range(first, last):\n"
        "        a1[k] = a0[k]\n"
        "        a0[k] = uint8(7)\n"
    )
    table = [(SCRATCH, 0, 0), (ARRAY, 0, 0)]
    calls = [KernelCall(cpu.kernel_for(source), 64, 0, table)]
    run = WholeRun(0, [((64,), np.dtype(np.uint8))], calls, [(THING, 0)], 64, []).made()
    run()
    assert (run()[0].tolist() == [255] * 64) == is_poisoned


def test_random_traces_in_both_forms() -> None:
    """What is one native call does to the bit what its text does, inputs included."""
    counts = {True: 0, False: 0}
    for seed in range(200, 320):
        trace, outputs = program(seed)
        made, other = trace.lower(*outputs), trace.lower(*outputs)
        assert made.at_once() is made.run
        assert not isinstance(other.run, BuiltinFunctionType)
        assert made.source == other.source
        counts[isinstance(made.run, BuiltinFunctionType)] += 1
        mine, theirs = trace.arguments(), trace.arguments()
        pairs = [*zip(made.run(*mine), other.run(*theirs), strict=True), *zip(mine, theirs)]
        for found, expected in pairs:
            assert type(found) is type(expected)
            if isinstance(found, np.ndarray):
                assert (found.dtype, found.strides) == (expected.dtype, expected.strides)
                assert found.tobytes() == expected.tobytes()
            else:
                assert found == expected
    assert min(counts.values()) > 20, counts


def test_which_runs_are_whole() -> None:
    def is_whole(trace: Trace, *outputs: Any, **how: Any) -> bool:
        run = lower(
            trace.steps,
            [each.noted for each in trace.inputs],
            [each.noted for each in outputs],
            **how,
        ).at_once()
        return isinstance(run, BuiltinFunctionType)

    def small(size: int = 5) -> tuple[Trace, Any, Any]:
        trace = Trace()
        x = trace.input(np.arange(float(size), dtype=np.float32))
        return trace, x, trace.compute(r.ADD, x, x)

    trace, x, y = small()
    assert is_whole(trace, y)
    assert is_whole(trace, y, x)
    assert is_whole(trace, y, together=[y.noted])
    # a view of what is made is made by Python
    assert not is_whole(trace, y, trace.view(y, lambda each: each[1:]))
    # there is too much of what is summed up twice
    trace, x, y = small(20000)
    total = trace.compute(r.SUM, y, dim=(0,), keepdim=False)
    again = trace.compute(r.ADD, trace.compute(r.MUL, y, total), total)
    assert isinstance(again.noted, Value)
    assert not is_whole(trace, again)


def test_what_kernels_decline_is_done_by_python() -> None:
    """There is one launch, and a line behind it that must not be left out."""
    body = """
for i in range(first, last):
    if a0[i] < 0:
        declined[0] = 1
    out[i] = a0[i]
"""

    def positive(array: np.ndarray) -> np.ndarray:
        if (array < -5).any():
            raise ValueError("less than -5")
        return np.abs(array)

    picky = Primitive(
        "picky",
        Kind.OPAQUE,
        positive,
        loops=lambda out, array: Loops(body, 3, 3.0, declines=True),
    )
    trace = Trace()
    x = trace.input(np.ones(3, np.float32))
    run = trace.lower(trace.compute(picky, x)).at_once()
    for given in ([1, 2, 3], [1, -2, 3], [4, 5, 6]):
        assert run(np.array(given, np.float32))[0].tolist() == np.abs(given).tolist()
    with pytest.raises(ValueError, match="less than -5"):
        run(np.array([1, -6, 2], np.float32))


def test_what_may_raise_is_done_though_nobody_asks_for_its_result() -> None:
    def positive(array: np.ndarray) -> np.ndarray:
        if (array < 0).any():
            raise ValueError("less than 0")
        return array

    trace = Trace()
    x = trace.input(np.ones(3, np.float32))
    trace.compute(Primitive("picky", Kind.OPAQUE, positive, raises_on_data=True), x)
    run = trace.lower(trace.compute(r.ADD, x, x)).at_once()
    assert run(np.ones(3, np.float32))[0].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="less than 0"):
        run(-np.ones(3, np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_numbers_that_leave(dtype: str) -> None:
    """Only bools are taken out of scratch memory by native code."""
    given = np.array([3, 0, 2], dtype)
    trace = Trace()
    x = trace.input(given)
    most = trace.compute(r.AMAX, x, dim=(0,), keepdim=False)
    program = trace.check(trace.compute(r.ADD, x, x), trace.item(most))
    _, found = program.at_once()(given)
    assert found == 3
    assert type(found) is type(given.max().item())


def test_where_numpy_has_its_interface_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np._core._multiarray_umath, "_ARRAY_API", object())  # type: ignore[attr-defined]
    calling._new_array.cache_clear()
    try:
        trace = Trace()
        x = trace.input(np.arange(5.0, dtype=np.float32))
        made = trace.lower(trace.compute(r.ADD, x, x))
        run = made.at_once()
        assert not isinstance(run, BuiltinFunctionType)
        assert run(*trace.arguments())[0].tolist() == [0, 2, 4, 6, 8]
    finally:
        calling._new_array.cache_clear()
