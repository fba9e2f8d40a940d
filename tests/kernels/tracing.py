"""Traces made by computing: each operation is performed by NumPy and noted as a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.kernels.geometry import row_major
from jitgrad.kernels.program import Program, lower
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind, Primitive
from tests.kernels import records as r


class Traced:
    """An array or number of the trace, with what it is in the IR."""

    def __init__(self, now: Any, noted: Any) -> None:
        self.now = now
        self.noted = noted


class Trace:
    """Notes steps while performing them on copies of the inputs."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.inputs: list[Traced] = []
        self.given: list[Any] = []
        self.owners: list[np.ndarray] = []
        self.memory_of: dict[int, tuple[Memory, int]] = {}

    def _value(self, array: np.ndarray, owner: np.ndarray) -> Value:
        memory, start = self.memory_of[id(owner)]
        itemsize = array.itemsize
        offset = (array.__array_interface__["data"][0] - start) // itemsize
        strides = tuple(step // itemsize for step in array.strides)
        return Value(array.shape, strides, array.dtype, memory, offset)

    def _own(self, array: np.ndarray) -> np.ndarray:
        self.owners.append(array)
        self.memory_of[id(array)] = (Memory(), array.__array_interface__["data"][0])
        return array

    def input(self, array: np.ndarray) -> Traced:
        """Take an array of its own memory."""
        self.given.append(array)
        mine = same_layout(array)
        return self._input(mine, self._own(mine))

    def input_view(self, of: Traced, view: Any) -> Traced:
        """Take a second input, the view `view(array)` of the input `of`."""
        self.given.append(view(self.given[self.inputs.index(of)]))
        return self._input(view(of.now), self._owner(of))

    def _owner(self, traced: Traced) -> np.ndarray:
        memory = traced.noted.memory
        return next(each for each in self.owners if self.memory_of[id(each)][0] is memory)

    def _input(self, array: np.ndarray, owner: np.ndarray) -> Traced:
        traced = Traced(array, self._value(array, owner))
        self.inputs.append(traced)
        return traced

    def number(self, value: Any) -> Traced:
        """Take a number of run time."""
        self.given.append(value)
        traced = Traced(value, Scalar(type(value)))
        self.inputs.append(traced)
        return traced

    def compute(self, primitive: Primitive, *operands: Any, **params: Any) -> Traced:
        now = [each.now if isinstance(each, Traced) else each for each in operands]
        noted = tuple(each.noted if isinstance(each, Traced) else each for each in operands)
        made = np.asarray(run_quietly(primitive.numpy, *now, **params))
        if primitive.kind is Kind.VIEW:
            value = self._value(made, self._owner(operands[0]))
        else:
            value = self._value(made, self._own(made))
        self.steps.append(Compute(primitive, noted, params, value))
        return Traced(made, value)

    def view(self, of: Traced, view: Any) -> Traced:
        """Note a view without naming the operation."""
        return self.compute(Primitive("view", Kind.VIEW, view), of)

    def write(self, target: Traced, source: Traced) -> None:
        run_quietly(np.copyto, target.now, source.now, casting="unsafe")
        self.steps.append(Write(target.noted, source.noted))

    def item(self, traced: Traced) -> Traced:
        made = traced.now.item()
        scalar = Scalar(type(made))
        self.steps.append(Item(traced.noted, scalar))
        return Traced(made, scalar)

    def scalar(self, function: Any, expression: str, *operands: Any) -> Traced:
        now = [each.now if isinstance(each, Traced) else each for each in operands]
        noted = tuple(each.noted if isinstance(each, Traced) else each for each in operands)
        made = function(*now)
        scalar = Scalar(type(made))
        self.steps.append(ScalarCompute(function, expression, noted, scalar))
        return Traced(made, scalar)

    def lower(self, *outputs: Traced) -> Program:
        return lower(
            self.steps, [each.noted for each in self.inputs], [each.noted for each in outputs]
        )

    def arguments(self) -> list[Any]:
        """Return fresh copies of the inputs as they were before the trace."""
        copies: dict[int, np.ndarray] = {}
        made = []
        for given, traced in zip(self.given, self.inputs):
            if not isinstance(given, np.ndarray):
                made.append(given)
                continue
            memory = traced.noted.memory
            if memory not in copies:
                copies[memory] = same_layout(given)
                made.append(copies[memory])
                continue
            base = copies[memory]
            layout = traced.noted
            step = base.itemsize
            made.append(
                np.ndarray.__new__(
                    np.ndarray,
                    layout.shape,
                    layout.dtype,
                    base.base if base.base is not None else base,
                    _start(base) + layout.offset * step,
                    tuple(each * step for each in layout.strides),
                )
            )
        return made

    def check(self, *outputs: Traced, close: float = 0.0) -> Program:
        """Lower, run, and compare outputs, inputs and who shares memory with whom."""
        program = self.lower(*outputs)
        for run in (program.run, program.run, program.at_once()):
            arguments = self.arguments()
            made = run(*arguments)
            assert len(made) == len(outputs)
            for found, expected in zip(made, outputs):
                same(found, expected.now, close)
            for found, traced in zip(arguments, self.inputs):
                same(found, traced.now, close)
            self._check_sharing(list(made) + arguments, [*outputs, *self.inputs])
        return program

    def check_block(self, *outputs: Traced) -> int:
        """Have outputs in one block, and read them there; return how many are."""
        inputs, noted = [each.noted for each in self.inputs], [each.noted for each in outputs]
        values = [each for each in noted if isinstance(each, Value)]
        program = lower(self.steps, inputs, noted, together=values)
        offsets = program.offsets
        if not offsets:
            return 0
        *others, block = program.run(*self.arguments())
        # nothing of it is written by a later run
        program.run(*self.arguments())
        rest = [each for each in outputs if each.noted not in offsets]
        for found, expected in zip(others, rest, strict=True):
            same(found, expected.now, 0.0)
        inside = [each for each in outputs if each.noted in offsets]
        steps, made = [], []
        for each in inside:
            value = Value(each.now.shape, row_major(each.now.shape), each.now.dtype, Memory())
            steps.append(Compute(r.MAXIMUM, (each.noted, each.noted), {}, value))
            made.append(value)
        read = [each.noted for each in inside]
        reader = lower(steps, read, [*made, *read], within=offsets)
        for found, expected in zip(reader.run(block), [*inside, *inside], strict=True):
            np.testing.assert_array_equal(found, expected.now)
            assert found.dtype == expected.now.dtype
        for found, expected in zip(reader.run(block)[len(made) :], inside, strict=True):
            same(found, expected.now, 0.0)
            assert np.may_share_memory(found, block) or not found.size
        return len(inside)

    def _check_sharing(self, arrays: list[Any], traced: list[Traced]) -> None:
        for i, first in enumerate(arrays):
            for j, second in enumerate(arrays[:i]):
                if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
                    expected = np.may_share_memory(traced[i].now, traced[j].now)
                    assert np.may_share_memory(first, second) == expected


def _start(array: np.ndarray) -> int:
    base = array.base if array.base is not None else array
    return array.__array_interface__["data"][0] - base.__array_interface__["data"][0]


def same_layout(array: np.ndarray) -> np.ndarray:
    """Return a copy with the same strides, in a buffer that the copy shows a part of."""
    low = sum(min(0, (n - 1) * s) for n, s in zip(array.shape, array.strides) if n)
    high = sum(max(0, (n - 1) * s) for n, s in zip(array.shape, array.strides) if n)
    address = array.__array_interface__["data"][0]
    block = np.empty(high - low + array.itemsize + 8, np.uint8)
    block[...] = 0
    start = -low + address % array.itemsize
    copy = np.ndarray(array.shape, array.dtype, block, start, array.strides)
    copy[...] = array
    return copy


def same(found: Any, expected: Any, close: float) -> None:
    """Check that two results are equal, or within `close` relatively."""
    if not isinstance(expected, np.ndarray):
        assert type(found) is type(expected)
        assert found == expected or found != found or abs(found - expected) <= close * abs(expected)
        return
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.strides == expected.strides
    if close and expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=close, atol=close)
    else:
        np.testing.assert_array_equal(found, expected)
