"""Loops by plain Python: turn by turn, step by step, with the primitives' NumPy implementations."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Value, Write
from jitgrad.kernels.geometry import span
from jitgrad.kernels.loops import Path, Stop, lower_loop
from jitgrad.kernels.loops import Test as Condition  # tests must not call it Test
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind, Primitive
from tests.kernels import records as r
from tests.kernels.tracing import same

FLOAT32 = np.dtype("float32")
TRANSPOSE = Primitive("t", Kind.VIEW, lambda array: array.T)
SHAPES = [(), (3, 5), (1000,)]


def plain(shape: Any = (), dtype: Any = "float32", memory: Any = None) -> Value:
    """Return a value in row-major order."""
    strides = [int(np.prod(shape[k + 1 :], dtype=int)) for k in range(len(shape))]
    return Value(shape, tuple(strides), np.dtype(dtype), memory or Memory())


def compute(
    primitive: Primitive, *inputs: Any, like: Any = None, dtype: Any = None, **params: Any
) -> Compute:
    """Return a step, whose output is like `like`: the first of the inputs unless given."""
    like = like or next(each for each in inputs if isinstance(each, Value))
    return Compute(primitive, inputs, params, plain(like.shape, dtype or like.dtype))


def scalar_step(function: Any, expression: str, *operands: Any, kind: type) -> ScalarCompute:
    """Return a step on numbers."""
    return ScalarCompute(function, expression, operands, Scalar(kind))


def reduced(primitive: Primitive, value: Value, dims: Any = None) -> Compute:
    """Return a reduction over `dims`, or over all dimensions."""
    dims = tuple(range(len(value.shape))) if dims is None else dims
    shape = tuple(size for dim, size in enumerate(value.shape) if dim not in dims)
    made = plain(shape, value.dtype)
    return Compute(primitive, (value,), {"dim": dims, "keepdim": False}, made)


def doubling(shape: Any, dtype: Any = "float32", bound: float = 1000.0) -> tuple:
    """Return `while all(abs(b) < bound): b = b * 2`, whose test is at the head."""
    b = plain(shape, dtype)
    size = compute(r.ABS, b)
    small = compute(r.LESS, size.output, bound, dtype="bool")
    everywhere = reduced(r.ALL, small.output)
    twice = compute(r.MUL, b, 2)
    test = Condition(3, everywhere.output, True)
    return [size, small, everywhere, twice], b, twice.output, test


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
    inputs: Any,
    carried: Any,
    paths: Any,
    values: Any,
    streams: Any,
    limit: int = 1 << 62,
    order: Any = None,
    closed: Any = (),
    first: int = 0,
) -> tuple:
    """Return (count, stop, test, carried, tape, order) as `Loop.run` should, and what is left."""
    given = dict(zip(inputs, values))
    state = dict(given)
    if order is not None:
        limit = min(limit, len(order))
    else:
        limit = min([limit, *(len(each) for records in streams[:1] for each in records)])
    tape: list[list[list]] = [[[] for _ in path.kept] for path in paths]
    names = {each: each for each in inputs}  # by what the given arrays are called now
    taken: list[int] = []
    stop, test, now = Stop.LIMIT, None, first
    while len(taken) < limit:
        now = now if order is None else int(order[len(taken)])
        for _ in paths:
            path, at = paths[now], taken.count(now)
            turn = dict(state)
            for each, record in zip(path.streamed, streams[now] if streams else ()):
                turn[each] = record[at].item() if isinstance(each, Scalar) else record[at]
            reads = [*inputs, *path.streamed]
            held = bind(reads, [turn[each] for each in reads])
            try:
                perform(path.steps, path.tests, held)
            except Left as left:
                stop, test = Stop.TEST, (now, left.args[0])
                other = path.tests[left.args[0]].instead
                if other is None or other in closed:
                    break
                now = other
            except (ArithmeticError, LookupError, ValueError):
                stop, test = Stop.PYTHON, None
                break
            else:
                stop, test = Stop.LIMIT, None
                break
        if stop is not Stop.LIMIT:
            break
        for each, record in zip(path.kept, tape[now]):
            record.append(np.array(held[each]))
        stays = [each for each in inputs if isinstance(each, Value) and each not in carried]
        state.update({each: _copy(held[each]) for each in stays})
        state.update({target: _copy(held[source]) for target, source in zip(carried, path.outputs)})
        state.update({each: _copy(held[source]) for each, source in path.exchanged})
        names.update({each: names[source] for each, source in path.exchanged})
        taken.append(now)
    carry = [_copy(state[each]) for each in carried]
    state.update(zip(carried, (given[each] for each in carried)))
    left = [state[now] for each in inputs for now, then in names.items() if then is each]
    return len(taken), stop, test, carry, tape, taken, left


def _copy(value: Any) -> Any:
    return value.copy("K") if isinstance(value, np.ndarray) else value


def one_path(
    steps: Any,
    inputs: Any,
    tests: Any,
    carried: Any,
    kept: Any = (),
    streamed: Any = (),
    exchanged: Any = (),
) -> tuple:
    """Return what `lower_loop` takes for a loop of one path; `carried` are pairs."""
    fixed = [each for each in inputs if each not in streamed]
    path = Path(steps, tests, [output for _, output in carried], kept, list(streamed), exchanged)
    return fixed, [given for given, _ in carried], [path]


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
    exchanged: Any = (),
) -> Any:
    """Compare a loop of one path; return it and what it did, as of this path.

    Records whose input `streamed` gives -1 are read from their last entry back.
    """
    parts = one_path(steps, inputs, tests, carried, kept, streamed, exchanged)
    records = [each[::direction] for each, direction in zip(streams, dict(streamed).values())]
    loop, turns = check_paths(*parts, values, [records], limit=limit, close=close)
    test = None if turns.test is None else turns.test[1]
    return loop, turns._replace(test=test, tape=turns.tape[0])


def check_paths(
    inputs: Any,
    carried: Any,
    paths: Any,
    values: Any,
    streams: Any = (),
    close: float = 0.0,
    **how: Any,
) -> Any:
    """Run a loop natively and in Python, and compare; return the loop and what it did."""
    follows, marks = how.get("order") is not None, any(path.kept for path in paths)
    loop = lower_loop(inputs, carried, paths, follows, marks)
    expected = run(inputs, carried, paths, values, streams, **how)
    held, given = bind(inputs, values), values
    values = [held[each] for each in inputs]
    records = [record for given in streams for record in given]
    before = [_copy(each) for each in (*expected[6], *records)]
    loop.run(values, streams, **how)
    for each, value in zip(inputs, given):
        if isinstance(each, Value):
            held[each][...] = value
    turns = loop.run(values, streams, **how)  # in the arena of the first
    assert (turns.finished, turns.stop, turns.test) == expected[:3]
    for found, wanted, target in zip(turns.carried, expected[3], carried, strict=True):
        _same(found, wanted, target, close)
    taken = expected[5]
    assert turns.counts == [taken.count(each) for each in range(len(paths))]
    if len(paths) > 1 and marks:
        assert turns.order.tolist() == taken
    else:
        assert turns.order is None
    for path, tape, lists in zip(paths, turns.tape, expected[4], strict=True):
        for found, wanted, each in zip(tape, lists, path.kept, strict=True):
            assert found.shape == (len(wanted), *getattr(each, "shape", ()))
            for mine, theirs in zip(found, wanted):
                np.testing.assert_allclose(mine, theirs, rtol=close, atol=close)
                assert mine.dtype == theirs.dtype
    steps = [step for path in paths for step in path.steps]
    written = {step.target.memory for step in steps if isinstance(step, Write)}
    written |= {each.memory for path in paths for each, _ in path.exchanged}
    rounded = [each not in carried and getattr(each, "memory", None) in written for each in inputs]
    for now, then, is_rounded in zip(values, before, rounded):
        if is_rounded:
            np.testing.assert_allclose(now, then, rtol=close, atol=close)
        else:
            np.testing.assert_array_equal(now, then)
    for now, then in zip(records, before[len(values) :], strict=True):
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
