"""An interpreter of the steps of traces: slow, plain, and independent of the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Value, Write
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind


class ReferenceProgram:
    """Performs steps one by one with the primitives' NumPy implementations."""

    kernels: tuple = ()
    native_calls = 0
    compile_seconds = 0.0

    def __init__(self, steps: Any, inputs: Any, outputs: Any) -> None:
        self.steps = list(steps)
        self.inputs = list(inputs)
        self.outputs = list(outputs)

    def run(self, *given: Any) -> tuple:
        """Return the outputs for these inputs."""
        held: dict[Any, Any] = dict(zip(self.inputs, given))

        def get(operand: Any) -> Any:
            return held[operand] if isinstance(operand, (Value, Scalar)) else operand

        for step in self.steps:
            if isinstance(step, Compute):
                held[step.output] = _compute(step, [get(each) for each in step.inputs])
            elif isinstance(step, Write):
                np.copyto(get(step.target), get(step.source), casting="unsafe")
            elif isinstance(step, ScalarCompute):
                held[step.output] = step.function(*[get(each) for each in step.inputs])
            else:
                assert isinstance(step, Item)
                held[step.output] = get(step.input).item()
        return tuple(held[each] for each in self.outputs)


def _compute(step: Compute, inputs: list) -> np.ndarray:
    made = np.asarray(run_quietly(step.primitive.numpy, *inputs, **step.params))
    output = step.output
    assert made.shape == tuple(output.shape), (step.primitive, made.shape, output.shape)
    assert made.dtype == output.dtype, (step.primitive, made.dtype, output.dtype)
    if made.size:
        strides = tuple(each // made.itemsize for each in made.strides)
        wrong = [
            (found, wanted)
            for size, found, wanted in zip(made.shape, strides, output.strides)
            if size > 1 and found != wanted
        ]
        assert not wrong, (step.primitive, strides, output.strides)
    if step.primitive.name in ("copy", "fill"):  # in-place operations write it at once
        return made.copy()
    if step.primitive.kind is not Kind.VIEW:
        assert not any(
            isinstance(each, np.ndarray) and np.may_share_memory(made, each) for each in inputs
        ), f"{step.primitive} returned the memory of an input"
    return made


def lower(steps: Any, inputs: Any, outputs: Any) -> ReferenceProgram:
    """Stand in for `jitgrad.kernels.program.lower`."""
    return ReferenceProgram(steps, inputs, outputs)
