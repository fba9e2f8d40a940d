"""Programs as their callers see them: memory, numbers, threads, errors, sharing of kernels."""

from __future__ import annotations

import gc
import traceback

import numpy as np
import pytest

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels import cpu, threads
from jitgrad.kernels.program import lower
from tests.kernels import records as r
from tests.kernels.tracing import Trace
from tests.threads import in_threads


def ones(*shape, dtype="float32"):
    return np.ones(shape, dtype)


def test_results_are_never_overwritten():
    trace = Trace()
    x = trace.input(ones(1000))
    y = trace.compute(r.MUL, trace.compute(r.SORT, trace.compute(r.ADD, x, 1.0)), 2.0)
    program = trace.lower(y, trace.compute(r.MM, x_matrix := trace.input(ones(5, 5)), x_matrix))
    results = [program.run(ones(1000) * k, ones(5, 5) * k) for k in range(5)]
    gc.collect()
    for k, (vector, matrix) in enumerate(results):
        np.testing.assert_array_equal(vector, (k + 1) * 2)
        np.testing.assert_array_equal(matrix, 5 * k * k)


def test_several_threads_run_one_program():
    trace = Trace()
    x = trace.input(ones(64, 64))
    y = trace.compute(r.MM, trace.compute(r.ADD, x, 1.0), x)
    z = trace.compute(r.SUM, trace.compute(r.MUL, y, y), dim=(0, 1), keepdim=False)
    program = trace.lower(y, z)
    wrong = []

    def run(k):
        for _ in range(100):
            matrix, total = program.run(ones(64, 64) * k)
            value = (k + 1) * k * 64
            if not (matrix == value).all() or total != np.float32(value) ** 2 * 4096:
                wrong.append(k)

    in_threads(run, range(4))
    assert not wrong


@pytest.mark.parametrize("helpers", [0, 1, 3])
def test_long_kernels_split_over_threads(helpers, monkeypatch):
    monkeypatch.setattr(threads, "THREADS", helpers + 1)
    trace = Trace()
    x = trace.input(np.arange(1 << 20, dtype="float32").reshape(1024, 1024) % 7)
    y = trace.compute(r.MUL, trace.compute(r.ADD, x, 1.0), 2.0)
    rows = trace.compute(r.SUM, y, dim=(1,), keepdim=True)
    columns = trace.compute(r.SUM, y, dim=(0,), keepdim=False)
    everything = trace.compute(r.SUM, y, dim=(0, 1), keepdim=False)
    trace.check(y, rows, columns, everything, trace.compute(r.SUB, y, rows))


def test_kernels_are_shared_across_lengths():
    def program(*shape):
        trace = Trace()
        x = trace.input(ones(*shape) * 3)
        y = trace.compute(r.SUB, trace.compute(r.MUL, x, 1.75), 0.375)
        return trace.check(y)

    first = program(17)
    before = len(cpu._kernels)
    for shape in ((18,), (1000,), (3, 50), (2, 3, 9)):
        other = program(*shape)
        assert other.kernels == first.kernels
        assert other.compile_seconds == 0
    assert len(cpu._kernels) == before


def test_numbers_of_run_time_need_no_new_kernel():
    trace = Trace()
    x = trace.input(ones(10))
    rate = trace.number(0.5)
    half = trace.scalar(lambda a: a * 0.5, "{0} * 0.5", rate)
    y = trace.compute(r.SUB, x, trace.compute(r.MUL, x, half))
    program = trace.check(y, half)
    for value in (0.0, 1e300, float("inf"), 3):
        made, number = program.run(ones(10), value)
        with np.errstate(all="ignore"):
            expected = ones(10) - ones(10) * np.float32(value * 0.5)
        np.testing.assert_array_equal(made, expected)
        assert number == value * 0.5


def test_errors_of_numbers_pass_through_in_their_order():
    trace = Trace()
    x = trace.input(ones(3))
    number = trace.number(2.0)
    trace.write(x, trace.compute(r.ADD, x, 1.0))
    inverse = trace.scalar(lambda a: 1 / a, "1 / {0}", number)
    trace.write(x, trace.compute(r.MUL, x, inverse))
    program = trace.lower(inverse)
    array = ones(3)
    with pytest.raises(ZeroDivisionError):
        program.run(array, 0.0)
    np.testing.assert_array_equal(array, 2)  # the write before happened, the one after did not
    assert program.run(array, 2.0) == (0.5,)
    np.testing.assert_array_equal(array, 1.5)


def test_a_wrong_argument_is_an_error_and_no_crash():
    trace = Trace()
    program = trace.lower(trace.compute(r.ADD, trace.input(ones(2)), trace.number(1.0)))
    with pytest.raises(TypeError, match=r"numpy\.ndarray"):
        program.run([1.0, 2.0], 1.0)
    with pytest.raises(TypeError):
        program.run(ones(2), "1")
    with pytest.raises(OverflowError):
        program.run(ones(2), 10**400)


def test_inputs_that_show_one_memory():
    trace = Trace()
    x = trace.input(np.arange(12.0).reshape(3, 4))
    turned = trace.input_view(x, lambda array: array.T)
    row = trace.input_view(x, lambda array: array[1])
    trace.write(row, trace.compute(r.MUL, row, 2.0))
    y = trace.compute(r.ADD, turned, 1.0)
    trace.write(x, trace.compute(r.NEG, x))
    trace.check(y, row, trace.view(turned, lambda array: array[1:]))


def test_overlapping_writes_read_first():
    trace = Trace()
    x = trace.input(np.arange(100.0))
    left = trace.view(x, lambda array: array[:-1])
    right = trace.view(x, lambda array: array[1:])
    trace.write(right, left)
    trace.write(left, trace.compute(r.ADD, left, right))
    trace.check(x)


def test_unaligned_and_reversed_arrays():
    block = np.zeros(4 * 30 + 1, np.uint8)
    unaligned = np.ndarray((30,), "float32", block, 1)
    unaligned[...] = np.arange(30)
    trace = Trace()
    x = trace.input(unaligned)
    y = trace.input(np.arange(30, dtype="float32")[::-1])
    made = trace.compute(r.ADD, x, y)
    trace.write(x, made)
    trace.check(made, trace.view(y, lambda array: array[::3]))


def test_products_take_transposed_views():
    trace = Trace()
    a = trace.input(np.arange(12, dtype="float32").reshape(3, 4))
    b = trace.input(np.arange(12, dtype="float32").reshape(3, 4))
    turned = trace.view(b, lambda array: array.T)
    bias = trace.input(np.arange(3, dtype="float32"))
    product = trace.compute(r.MM, a, turned)
    active = trace.compute(r.MAXIMUM, trace.compute(r.ADD, product, bias), 30.0)
    back = trace.compute(r.MM, trace.view(active, lambda array: array.T), a)
    program = trace.check(active, back)
    assert program.native_calls == 3
    assert "copy" not in program.source


@pytest.mark.parametrize("count", [0, 1, 11, 24, 25, 40, 46, 47, 48, 60])
def test_numbers_do_not_cut_the_loop_behind_them(count):
    trace = Trace()
    x, number = trace.input(ones(64)), trace.input(np.array(0.5, "float32"))
    for _ in range(count):
        number = trace.compute(r.ADD, number, 1.0)
    made = trace.compute(r.MUL, x, number)
    for _ in range(6):
        made = trace.compute(r.ADD, trace.compute(r.MUL, made, x), number)
    program = trace.check(made)
    # numbers have kernels of their own where they are many
    assert program.native_calls == 1 + count // 48 + (count % 48 > 24)
    # and no array is made between loops
    assert program.source.count("empty(") == 1


def test_constants_are_fresh_where_they_leave():
    trace = Trace()
    zeros = trace.compute(r.FILL, 0.0, size=(3,), dtype=np.dtype("float32"))
    two = trace.compute(r.ADD, zeros, 2.0)
    counted = trace.compute(r.ARANGE, end=3, dtype=np.dtype("float32"))
    product = trace.compute(r.MUL, counted, two)
    program = trace.check(zeros, product)
    first, second = program.run(), program.run()
    first[0][...] = 7
    np.testing.assert_array_equal(second[0], 0)


def test_a_constant_that_is_written_starts_anew():
    trace = Trace()
    zeros = trace.compute(r.FILL, 0.0, size=(3,), dtype=np.dtype("float32"))
    x = trace.input(ones(3))
    trace.write(zeros, trace.compute(r.ADD, zeros, x))
    trace.check(trace.compute(r.MUL, zeros, 1.0))
    trace.check(zeros)


def test_dead_steps_are_not_done_but_those_that_may_raise_are():
    def refuse(array):
        raise ValueError("refused")

    trace = Trace()
    x = trace.input(ones(3))
    unused = trace.compute(r.EXP, x)
    trace.compute(r.SORT, unused)
    trace.item(trace.compute(r.SUM, x, dim=(0,), keepdim=False))
    y = trace.compute(r.ADD, x, 1.0)
    assert trace.check(y).native_calls == 1


def test_outputs_may_be_inputs_and_come_twice():
    float32 = np.dtype("float32")
    x = Value((3,), (1,), float32, Memory())
    n = Scalar(float)
    program = lower([], [x, n], [x, n, x])
    array = ones(3)
    first, number, second = program.run(array, 2.5)
    assert number == 2.5
    for each in (first, second):
        assert np.shares_memory(each, array)
    assert lower([], [], []).run() == ()


def test_source_is_python_that_tracebacks_show():
    trace = Trace()
    number = trace.number(1.0)
    program = trace.lower(trace.scalar(lambda a: 1 / a, "1 / {0}", number))
    compile(program.source, "driver", "exec")
    try:
        program.run(0.0)
    except ZeroDivisionError as error:
        shown = "".join(traceback.format_exception(error))
    assert "1 / number0" in shown
    trace = Trace()
    for kernel in trace.lower(trace.compute(r.ADD, trace.input(ones(2)), 1.0)).kernels:
        compile(kernel.source, "kernel", "exec")
        assert kernel.name in kernel.source
