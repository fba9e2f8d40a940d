"""Performing traces step by step with NumPy: what compiled programs are compared with.

It is also how the first turns of a loop are made, since most loops turn a few times only, and to
compile takes longer than thousands of small steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from jitgrad.errors import VerificationError
from jitgrad.graph.ir import Compute, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.program import Program
from jitgrad.locks import LOWERING
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind

COPIED = ("copy", "fill")
"""Primitives whose implementation returns its input, since in-place operations write it at once."""

FIRST_RUNS = 128
"""How often such a program is run step by step before it is compiled."""

MOST_ELEMENTS = 1 << 14
"""How many elements it computes at most: with more, kernels soon save what compiling them takes."""


class Rounding(Protocol):
    """Disturbs what steps compute."""

    def used(self, array: np.ndarray) -> np.ndarray:
        """Return an operand as it may be seen."""
        ...

    def result(self, step: Compute, made: np.ndarray, inputs: list) -> np.ndarray:
        """Return the result of a step as it may be rounded."""
        ...


def interpret(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
    given: Sequence[Any],
    rounding: Rounding | None = None,
) -> tuple:
    """Perform `steps` one by one; return the outputs.

    Args:
        steps, inputs, outputs: as for `kernels.program.lower`.
        given: the inputs; what steps write to is written in place.
        rounding: disturbs what steps compute.
    """
    held: dict[Any, Any] = dict(zip(inputs, given))
    rounded: set[Value] = set()

    def get(operand: Any) -> Any:
        found = held[operand] if isinstance(operand, (Value, Scalar)) else operand
        return run_quietly(rounding.used, found) if rounding and operand in rounded else found

    for step in steps:
        if isinstance(step, Compute):
            is_view = step.primitive.is_view
            operands = [
                held[each] if is_view and each in held else get(each) for each in step.inputs
            ]
            made = _compute(step, operands)
            if (
                rounding is not None
                and made.dtype.kind in "fc"
                and step.primitive.kind
                not in (
                    Kind.VIEW,
                    Kind.RANDOM,
                )
            ):
                made[...] = run_quietly(rounding.result, step, made, operands)
                rounded.add(step.output)
            held[step.output] = made
        elif isinstance(step, Write):
            run_quietly(np.copyto, held[step.target], get(step.source), casting="unsafe")
        elif isinstance(step, ScalarCompute):
            held[step.output] = step.function(*[get(each) for each in step.inputs])
        else:
            held[step.output] = held[step.input].item()
    return tuple(held[each] for each in outputs)


def _compute(step: Compute, inputs: list) -> np.ndarray:
    """Perform one step, and see that it gives what was recorded of it."""
    made = np.asarray(run_quietly(step.primitive.numpy, *inputs, **step.params))
    wrong = difference_in_form(step.output, made)
    if wrong:
        raise VerificationError(f"{step.primitive.name} gave another {wrong} than when recorded")
    if step.primitive.name in COPIED:
        return made.copy("K")
    if step.primitive.takes is not None:
        return laid_out(step.output, made)
    if step.primitive.kind is not Kind.VIEW and any(
        isinstance(each, np.ndarray) and np.may_share_memory(made, each) for each in inputs
    ):
        raise VerificationError(f"{step.primitive.name} returned the memory of an input")
    return made


def difference_in_form(value: Value, found: np.ndarray) -> str:
    """Return in what `found` is not as `value` says; an empty text if it is."""
    if found.dtype != value.dtype:
        return f"dtype, {found.dtype} for {value.dtype}"
    if found.shape != tuple(value.shape):
        return f"shape, {found.shape} for {tuple(value.shape)}"
    strides = [
        (step // found.itemsize, wanted)
        for size, step, wanted in zip(found.shape, found.strides, value.strides)
        if size > 1
    ]
    if found.size and any(one != other for one, other in strides):
        return f"strides, {[each for each, _ in strides]} for {[each for _, each in strides]}"
    return ""


class LaterProgram:
    """Stands for a program that is compiled once it has been run often.

    Args:
        steps, inputs, outputs: as for `kernels.program.lower`.
        lower: makes the program.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
        lower: Callable[[], Program],
    ) -> None:
        self._steps = steps
        self._inputs = inputs
        self._outputs = outputs
        self._lower = lower
        self._runs = 0
        self._program: Program | None = None

    def run(self, *given: Any) -> tuple:
        """Run as the program would."""
        program = self._program
        if program is not None:
            return program.run(*given)
        self._runs += 1
        if self._runs <= FIRST_RUNS:
            return interpret(self._steps, self._inputs, self._outputs, given)
        with LOWERING:
            if self._program is None:
                self._program = self._lower()
        return self._program.run(*given)

    @property
    def kernels(self) -> tuple:
        """The kernels of the program, if there is one."""
        return () if self._program is None else self._program.kernels

    @property
    def native_calls(self) -> int:
        """The number of native calls of one run."""
        return 0 if self._program is None else self._program.native_calls

    @property
    def compile_seconds(self) -> float:
        """What compiling took."""
        return 0.0 if self._program is None else self._program.compile_seconds

    @property
    def source(self) -> str:
        """The driver, as Python."""
        return "" if self._program is None else self._program.source


def is_small(steps: Sequence[Step]) -> bool:
    """Do steps compute so few elements that to compile them does not pay soon?"""
    sizes = [math.prod(step.output.shape) for step in steps if isinstance(step, Compute)]
    return sum(sizes) <= MOST_ELEMENTS
