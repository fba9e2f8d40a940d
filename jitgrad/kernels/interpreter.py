"""Programs without native code: steps are performed one by one, by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import (
    Compute,
    Memory,
    Scalar,
    ScalarCompute,
    Step,
    Value,
    Write,
    flat,
    operands,
)
from jitgrad.kernels.instructions import Footprint, Instruction, nbytes, result_bytes
from jitgrad.kernels.layout import fresh
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind

Held = dict[Any, Any]
"""The arrays and numbers of a run, by their values and scalars."""


class Interpreter:
    """Performs steps.

    Args:
        steps, inputs, outputs: as for `program.lower`.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
    ) -> None:
        self._inputs = list(inputs)
        self._outputs = list(outputs)
        self._steps = list(zip(steps, _ends(steps, outputs)))

    @property
    def instructions(self) -> Sequence[Instruction]:
        """What it does, see `Program`."""
        return [
            Instruction("NumPy" if isinstance(step, (Compute, Write)) else "Python", (), (step,))
            for step, _ in self._steps
        ]

    @property
    def footprint(self) -> Footprint:
        """What memory a run takes."""
        returned = {each.memory for each in self._outputs if isinstance(each, Value)}
        sizes: dict[Memory, int] = {}
        ends: dict[Memory, int] = {}
        born: list[list[Memory]] = []
        for at, (step, _) in enumerate(self._steps):
            born.append([])
            if isinstance(step, Compute) and step.primitive.kind is not Kind.VIEW:
                memory = step.output.memory
                if memory not in returned:
                    sizes[memory] = nbytes(step.output)
                    born[-1].append(memory)
            for each in _touched(step):
                if isinstance(each, Value) and each.memory in sizes:
                    ends[each.memory] = at
        now = most = 0
        for at, made in enumerate(born):
            now += sum(sizes[each] for each in made)
            most = max(most, now)
            now -= sum(sizes[each] for each, end in ends.items() if end == at)
        return Footprint(result_bytes(self._inputs, self._outputs), most)

    def run(self, *given: Any) -> tuple:
        """Return the outputs for these inputs; what steps write to is written in place."""
        held: Held = dict(zip(self._inputs, given))
        for step, ends in self._steps:
            if isinstance(step, Compute):
                held[step.output] = self.compute(step, held)
            elif isinstance(step, Write):
                source = self.operand(step.source, held)
                run_quietly(np.copyto, held[step.target], source, casting="unsafe")
            elif isinstance(step, ScalarCompute):
                numbers = [self.operand(each, held) for each in step.inputs]
                held[step.output] = step.function(*numbers)
            else:
                held[step.output] = held[step.input].item()
            for each in ends:
                del held[each]
        return tuple([held[each] for each in self._outputs])

    def operand(self, operand: Any, held: Held) -> Any:
        """Return what a step is given."""
        if isinstance(operand, (Value, Scalar)):
            return held[operand]
        if isinstance(operand, (list, tuple)):
            return type(operand)([self.operand(each, held) for each in operand])
        return operand

    def compute(self, step: Compute, held: Held) -> np.ndarray:
        """Return what a step makes, which lies in memory as it was recorded."""
        given = [self.operand(each, held) for each in step.inputs]
        made = run_quietly(step.primitive.numpy, *given, **step.params)
        if step.primitive.kind is Kind.VIEW or step.primitive.shape_depends_on_data:
            return np.asarray(made)
        value = step.output
        strides = tuple(stride * value.dtype.itemsize for stride in value.strides)
        arrays = tuple(each for each in flat(given) if isinstance(each, np.ndarray))
        return fresh(made, (value.shape, value.dtype, strides), arrays)


def _ends(steps: Sequence[Step], outputs: Sequence[Value | Scalar]) -> list[list[Value | Scalar]]:
    """Return for each step what is not used behind it, so that its memory need not be held."""
    used: set[Any] = set(outputs)
    found: list[list[Value | Scalar]] = []
    for step in reversed(steps):
        touched = _touched(step)
        found.append([each for each in touched if each not in used])
        used.update(touched)
    return found[::-1]


def _touched(step: Step) -> dict[Value | Scalar, None]:
    """Return what a step reads and makes."""
    given = [each for each in flat(operands(step)) if isinstance(each, (Value, Scalar))]
    return dict.fromkeys(given if isinstance(step, Write) else [*given, step.output])
