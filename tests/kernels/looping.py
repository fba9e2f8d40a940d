"""Loops by plain Python: turn by turn, step by step, with the primitives' NumPy implementations."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Value, Write
from jitgrad.kernels.geometry import span
from jitgrad.kernels.loops import Stop, lower_loop
from jitgrad.modes import run_quietly
from tests.kernels.tracing import same


def plain(shape: Any = (), dtype: Any = "float32", memory: Any = None) -> Value:
    """Return a value in row-major order."""
    strides = [int(np.prod(shape[k + 1 :], dtype=int)) for k in range(len(shape))]
    return Value(shape, tuple(strides), np.dtype(dtype), memory or Memory())


class Left(Exception):
    """A test came out otherwise."""


def bind(inputs: Any, given: Any) -> dict:
    """Return arrays of memories of their own with the elements of `given`."""
    held: dict = {}
    blocks: dict = {}
    for each in inputs:
        if isinstance(each, Value):
            low, high = span(each) if each.size else (0, 0)
            known = blocks.get(each.memory, (low, high))
            blocks[each.memory] = (min(low, known[0]), max(high, known[1]))
    made = {
        memory: np.zeros((high - low + 1) * 16, np.uint8) for memory, (low, high) in blocks.items()
    }
    for each, value in zip(inputs, given):
        if isinstance(each, Scalar):
            held[each] = value
            continue
        size = each.dtype.itemsize
        held[each] = np.ndarray(
            each.shape,
            each.dtype,
            made[each.memory],
            (each.offset - blocks[each.memory][0]) * size,
            tuple(stride * size for stride in each.strides),
        )
        held[each][...] = value
    return held


def perform(steps: Any, tests: Any, held: dict) -> None:
    """Perform one turn; raises Left with the number of a test, or what Python raises."""

    def get(operand: Any) -> Any:
        if isinstance(operand, (list, tuple)):
            return type(operand)(get(each) for each in operand)
        return held[operand] if isinstance(operand, (Value, Scalar)) else operand

    for position in range(len(steps) + 1):
        for number, test in enumerate(tests):
            if test.position == position and bool(get(test.operand)) != test.expected:
                raise Left(number)
        if position == len(steps):
            return
        step = steps[position]
        if isinstance(step, Compute):
            operands = [get(each) for each in step.inputs]
            made = np.asarray(run_quietly(step.primitive.numpy, *operands, **step.params))
            held[step.output] = made if step.primitive.is_view else made.copy("K")
        elif isinstance(step, Write):
            run_quietly(np.copyto, held[step.target], get(step.source).copy(), casting="unsafe")
        elif isinstance(step, ScalarCompute):
            result = step.function(*map(get, step.inputs))
            if type(result) is int and not -(2**63) <= result < 2**63:
                raise OverflowError
            held[step.output] = result
        elif isinstance(step, Item):
            held[step.output] = held[step.input].item()


def run(
    steps: Any,
    inputs: Any,
    tests: Any,
    carried: Any,
    kept: Any,
    streamed: Any,
    values: Any,
    streams: Any = (),
    limit: int = 1 << 62,
) -> tuple:
    """Return (count, stop, test, carried, tape) as `Loop.run` should."""
    fixed = [each for each in inputs if each not in streamed]
    state = dict(zip(fixed, values))
    records = dict(zip([each for each in inputs if each in streamed], streams))
    limit = min([limit, *map(len, streams)])
    tape: list[list] = [[] for _ in kept]
    count, stop, number = 0, Stop.LIMIT, None
    while count < limit:
        turn = dict(state)
        for each, record in records.items():
            entry = record[count if streamed[each] > 0 else len(record) - 1 - count]
            turn[each] = entry.item() if isinstance(each, Scalar) else entry
        held = bind(inputs, [turn[each] for each in inputs])
        try:
            perform(steps, tests, held)
        except Left as left:
            stop, number = Stop.TEST, left.args[0]
            break
        except (ArithmeticError, ValueError):
            stop = Stop.PYTHON
            break
        for each, record in zip(kept, tape):
            record.append(np.array(held[each]))
        state.update({target: _copy(held[source]) for target, source in carried})
        count += 1
    return count, stop, number, [_copy(state[each]) for each, _ in carried], tape


def _copy(value: Any) -> Any:
    return value.copy("K") if isinstance(value, np.ndarray) else value


def check(
    steps: Any,
    inputs: Any,
    tests: Any,
    carried: Any,
    kept: Any,
    streamed: Any,
    values: Any,
    streams: Any = (),
    limit: int = 1 << 62,
    close: float = 0.0,
) -> Any:
    """Run a loop natively and in Python, and compare; return the loop and what it did."""
    loop = lower_loop(steps, inputs, tests, carried, kept, streamed)
    expected = run(steps, inputs, tests, carried, kept, streamed, values, streams, limit)
    fixed = [each for each in inputs if each not in streamed]
    held = bind(fixed, values)
    values = [held[each] for each in fixed]
    before = [_copy(each) for each in (*values, *streams)]
    loop.run(values, streams, limit)
    turns = loop.run(values, streams, limit)  # in the arena of the first
    assert (turns.finished, turns.stop, turns.test) == expected[:3]
    for found, wanted, (target, _) in zip(turns.carried, expected[3], carried, strict=True):
        _same(found, wanted, target, close)
    for found, wanted, each in zip(turns.tape, expected[4], kept, strict=True):
        assert found.shape == (turns.finished, *getattr(each, "shape", ()))
        for mine, theirs in zip(found, wanted):
            np.testing.assert_allclose(mine, theirs, rtol=close, atol=close)
            assert mine.dtype == theirs.dtype
    for now, then in zip((*values, *streams), before):
        np.testing.assert_array_equal(now, then)
    return loop, turns


def _same(found: Any, wanted: Any, target: Any, close: float) -> None:
    if isinstance(target, Scalar):
        assert type(found) is target.type
        same(found, wanted, close)
        return
    strides = tuple(stride * target.dtype.itemsize for stride in target.strides)
    assert found.strides == strides and found.dtype == target.dtype
    np.testing.assert_allclose(found, wanted, rtol=close, atol=close)
