"""The steps of a trace as operations: without dead ones, with constants folded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Item, Memory, Scalar, ScalarCompute, Step, Value, Write, flat
from jitgrad.kernels.conventions import DTYPES
from jitgrad.kernels.geometry import is_row_major, overlap, part, row_major
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.operations import (
    Call,
    Constant,
    Copy,
    Extract,
    Literal,
    Map,
    Native,
    Number,
    Operation,
    Reduce,
)
from jitgrad.kernels.products import product
from jitgrad.kernels.routines import Maker, routine_for
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind, Primitive
from jitgrad.strides import Window

LARGEST_FOLDED = 1 << 24
"""Constants of more elements are not looked at."""


def operations(
    steps: Sequence[Step], inputs: Sequence[Value | Scalar], outputs: Sequence[Value | Scalar]
) -> list[Operation]:
    """Return what is to be done: without dead steps, with constants folded."""
    outside = {each.memory for each in inputs if isinstance(each, Value)}
    visible = outside | {each.memory for each in outputs if isinstance(each, Value)}
    live = _live(steps, visible, outputs)
    written = {step.target.memory for step in live if isinstance(step, Write)}
    reader = _Reader(outside, visible, written)
    for step in live:
        reader.read(step)
    return reader.done


def _live(
    steps: Sequence[Step], visible: set[Memory], outputs: Sequence[Value | Scalar]
) -> list[Step]:
    wanted: set[Any] = visible | {each for each in outputs if isinstance(each, Scalar)}
    kept: list[Step] = []
    for step in reversed(steps):
        if isinstance(step, Compute):
            fresh = step.output.memory not in {
                each.memory for each in flat(step.inputs) if isinstance(each, Value)
            }
            must = step.primitive.raises_on_data or step.primitive.kind is Kind.RANDOM
            if step.output.memory not in wanted and not must:
                continue
            if fresh and step.output.memory not in visible:
                wanted.discard(step.output.memory)
            elif not fresh:
                continue  # a view is nothing to do
            operands = flat(step.inputs)
        elif isinstance(step, Write):
            if step.target.memory not in wanted or not step.target.size:
                continue
            shift = step.target.shift
            operands = [step.source] if shift is None else [step.source, shift[0]]
        elif isinstance(step, Item):
            if step.output not in wanted:
                continue
            operands = [step.input]
        else:
            operands = step.inputs  # may raise, so it stays
        kept.append(step)
        wanted.update(each.memory for each in operands if isinstance(each, Value))
        wanted.update(each for each in operands if isinstance(each, Scalar))
    return kept[::-1]


class _Reader:
    def __init__(self, outside: set[Memory], visible: set[Memory], written: set[Memory]) -> None:
        self.outside = outside
        self.visible = visible
        self.written = written
        self.done: list[Operation] = []
        self.step: Step | None = None
        self.literals: dict[Memory, Literal] = {}
        self.unmade: dict[Memory, Value] = {}

    def add(self, operation: Operation) -> None:
        """Note `operation`, after the constants that it must find in memory."""
        for value in operation.reads:
            whole = self.unmade.pop(value.memory, None)
            if whole is not None:
                array = allocate(whole)
                array[...] = self.literals[whole.memory].value
                self.done.append(_read_only(array, whole))
        operation.step = self.step
        self.done.append(operation)

    def read(self, step: Step) -> None:
        self.step = step
        if isinstance(step, Compute):
            self.compute(step)
        elif isinstance(step, Write):
            self.write(step)
        elif isinstance(step, ScalarCompute):
            self.add(Number(step))
        else:
            self.add(Extract(step))

    def compute(self, step: Compute) -> None:
        primitive, output = step.primitive, step.output
        if self._fold(step):
            return
        if primitive.scalar is not None and not primitive.raises_on_data and _is_native(step):
            if output.size:
                self.map(primitive.scalar, step.inputs, output)
        elif primitive.places is not None and all(map(_is_native_dtype, [*_values(step), output])):
            self.place(primitive.places, step)
        elif primitive.takes is not None and _is_native_dtype(output):
            if output.size:
                index = primitive.takes(*step.inputs, **step.params)
                whole = step.inputs[0]
                if isinstance(index, Window):
                    whole = self.dense(whole)
                self.map("{0}", [part(whole, index)], output)
        elif primitive.kind is Kind.REDUCTION and _is_plain_reduction(step):
            self.reduce(primitive, step)
        elif primitive.kind is Kind.CONTRACTION and _is_plain_product(step):
            for each in product(step.inputs[0], step.inputs[1], output):
                self.add(each)
        else:
            maker = routine_for(step) if _has_plain_operands(step) else None
            if maker is None:
                self.add(Call(step))
            else:
                self.native(step, maker)

    def place(self, places: Callable[..., tuple], step: Compute) -> None:
        """Put the inputs side by side into the output."""
        values, output = _values(step), step.output
        numbers = [each for each in flat(step.inputs) if not isinstance(each, Value)]
        rest, indices = places(output, *values, *numbers, **step.params)
        if rest is not None and output.size:
            self.map("{0}", [Literal(output.dtype.type(rest), output.dtype)], output)
        for each, index in zip(values, indices, strict=True):
            if each.size:
                self.map("{0}", [each], part(output, index))
                self.done[-1].whole = output

    def native(self, step: Compute, maker: Maker) -> None:
        """Add kernels of the operation's own, on dense memory."""
        operands = [self.dense(each) if isinstance(each, Value) else each for each in step.inputs]
        target = step.output
        if not is_row_major(target):
            target = Value(target.shape, row_major(target.shape), target.dtype, Memory("dense"))
        self.add(Native(Call(step), maker(target, operands), operands, target))
        if target is not step.output:
            self.map("{0}", [target], step.output)

    def dense(self, value: Value) -> Value:
        """Return a region with the elements of `value` in row-major order."""
        if is_row_major(value):
            return value
        copy = Value(value.shape, row_major(value.shape), value.dtype, Memory("dense"))
        self.map("{0}", [value], copy)
        return copy

    def map(self, expression: str, inputs: Sequence[Any], output: Value) -> None:
        operands = [
            self.literals.get(each.memory, each) if isinstance(each, Value) else each
            for each in inputs
        ]
        self.add(Map(expression, operands, _computing_dtype(inputs, output), output))

    def write(self, step: Write) -> None:
        source: Any = step.source
        if overlap(source, step.target) and not source.same_region(step.target):
            copy = Value(source.shape, row_major(source.shape), source.dtype, Memory("copy"))
            self.map("{0}", [source], copy)
            source = copy
        if _is_native_dtype(source) and _is_native_dtype(step.target):
            self.map("{0}", [source], step.target)
            if step.target.memory in self.visible:
                self.done[-1].ordered = True
        else:
            self.add(Copy(source, step.target))

    def reduce(self, primitive: Primitive, step: Compute) -> None:
        assert primitive.combine is not None
        (source,) = step.inputs
        dims = tuple(dim for dim in step.params["dim"] if source.shape[dim] != 1)
        if dims:
            self.add(Reduce(primitive.combine, source, dims, step.output))
        else:
            begin, combine = primitive.combine
            # not the element itself: a sum of -0.0 is 0.0, and one without NaN has none
            is_extreme = begin in ("lowest", "highest")
            only = "{0}" if is_extreme else combine.replace("{acc}", begin)
            lost = () if step.params["keepdim"] else step.params["dim"]
            kept = [dim for dim in range(len(source.shape)) if dim not in lost]
            shape, strides = (
                tuple(each[dim] for dim in kept) for each in (source.shape, source.strides)
            )
            seen = Value(shape, strides, source.dtype, source.memory, source.offset)
            self.map(only, [seen], step.output)

    def _fold(self, step: Compute) -> bool:
        """Note the value of `step` if it is a constant; is nothing left to do?"""
        primitive, output = step.primitive, step.output
        operands = flat(step.inputs)
        if output.memory in self.written or output.size > LARGEST_FOLDED or not output.size:
            return False
        if primitive.kind is Kind.CREATION:
            if any(isinstance(each, (Scalar, Value)) for each in operands):
                return False
            array = np.asarray(run_quietly(primitive.numpy, *step.inputs, **step.params))
            first = array.reshape(-1)[:1]
            if _is_native_dtype(output) and array.tobytes() == first.tobytes() * array.size:
                self.literals[output.memory] = Literal(first[0], output.dtype)
                if output.memory in self.visible:
                    return False
                self.unmade[output.memory] = output
                return True
            if output.memory in self.visible or array.shape != output.shape:
                return False
            self.add(_read_only(array, output))
            return True
        if primitive.scalar is None or primitive.raises_on_data or not _is_native(step):
            return False
        if not operands or not all(
            each.memory in self.literals
            if isinstance(each, Value)
            else not isinstance(each, Scalar)
            for each in operands
        ):
            return False
        arrays = [
            np.full((1,), self.literals[each.memory].value, each.dtype)
            if isinstance(each, Value)
            else each
            for each in operands
        ]
        made = np.asarray(run_quietly(primitive.numpy, *arrays, **step.params)).reshape(-1)
        if made.dtype != output.dtype or made.size != 1:
            return False
        self.literals[output.memory] = Literal(made[0], output.dtype)
        if output.memory in self.visible:
            self.add(Map("{0}", [self.literals[output.memory]], output.dtype, output))
        else:
            self.unmade[output.memory] = output
        return True


def _read_only(array: np.ndarray, target: Value) -> Constant:
    array.flags.writeable = False
    return Constant(array, target)


def _has_plain_operands(step: Compute) -> bool:
    """Are there only numbers and tensors with elements, of dtypes that kernels know?"""
    return all(
        each.size and _is_native_dtype(each)
        if isinstance(each, Value)
        else isinstance(each, (int, float, Scalar))
        for each in (*step.inputs, step.output)
    )


def _values(step: Compute) -> list[Value]:
    return [each for each in flat(step.inputs) if isinstance(each, Value)]


def _is_native_dtype(value: Value) -> bool:
    return value.dtype in DTYPES


def _is_native(step: Compute) -> bool:
    """Can a kernel compute `step`?"""
    values = [each for each in step.inputs if isinstance(each, Value)]
    if not all(_is_native_dtype(each) for each in (*values, step.output)):
        return False
    if any(isinstance(each, (list, tuple, complex)) for each in step.inputs):
        return False
    return step.primitive.kind in (Kind.ELEMENTWISE, Kind.CREATION)


def _is_plain_reduction(step: Compute) -> bool:
    if step.primitive.combine is None or len(step.inputs) != 1:
        return False
    (source,) = step.inputs
    return (
        _is_native_dtype(source)
        and _is_native_dtype(step.output)
        and source.size > 0
        and set(step.params) == {"dim", "keepdim"}
    )


def _is_plain_product(step: Compute) -> bool:
    a, b, out = step.inputs[0], step.inputs[1], step.output
    if len(step.inputs) != 2 or step.params or not (a.dtype == b.dtype == out.dtype):
        return False
    if out.dtype.name not in ("float32", "float64") or not out.size:
        return False
    ndim = len(a.shape)
    return (
        ndim in (2, 3)
        and len(b.shape) == ndim
        and a.shape[:-2] == b.shape[:-2]
        and out.shape == (*a.shape[:-1], b.shape[-1])
    )


def _computing_dtype(inputs: Sequence[Any], output: Value) -> np.dtype:
    """Return the dtype of numbers among the operands."""
    found = [each.dtype for each in inputs if isinstance(each, Value)]
    wide = [each for each in found if each != np.bool_]
    if wide:
        return max(wide, key=lambda each: (each.kind == "f", each.itemsize))
    return output.dtype if output.dtype != np.bool_ or found else np.dtype(np.float64)
