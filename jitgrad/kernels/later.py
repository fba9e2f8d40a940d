"""Programs that are compiled later: most loops turn a few times only.

To compile the first turns of a loop takes longer than to perform thousands of small steps with
NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.graph.ir import Compute, Step
from jitgrad.kernels.availability import tell
from jitgrad.kernels.instructions import Footprint, Instruction
from jitgrad.kernels.interpreter import Interpreter
from jitgrad.kernels.program import Program, lower
from jitgrad.locks import LOWERING

if TYPE_CHECKING:
    from jitgrad.kernels.cpu import Kernel

FIRST_RUNS = 128
"""How often such a program is performed step by step before it is compiled."""

WAITS = f"small programs of loops are compiled behind {FIRST_RUNS} runs"

MOST_ELEMENTS = 1 << 14
"""How many elements it computes at most: with more, kernels soon save what compiling them takes."""


class LaterProgram(Interpreter):
    """Stands for a program, see there, that is compiled once it has been run often.

    Args:
        trace: the steps, inputs and outputs, as for `program.lower`.
    """

    def __init__(self, *trace: Any) -> None:
        super().__init__(*trace)
        self._trace = trace
        self._runs = 0
        self._program: Program | None = None

    def run(self, *given: Any) -> tuple:
        """Run as the program would."""
        program = self._program
        if program is not None:
            return program.run(*given)
        self._runs += 1
        if self._runs <= FIRST_RUNS:
            return super().run(*given)
        with LOWERING:
            program = self._program
            if program is None:
                program = self._program = lower(*self._trace)
                program.at_once()
        tell()
        return program.run(*given)

    def at_once(self) -> Callable[..., tuple]:
        """Return what runs as the program would."""
        return self.run

    @property
    def instructions(self) -> Sequence[Instruction]:
        """What it does."""
        return super().instructions if self._program is None else self._program.instructions

    @property
    def footprint(self) -> Footprint:
        """What memory a run takes."""
        return super().footprint if self._program is None else self._program.footprint

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels, if there are any yet."""
        return () if self._program is None else self._program.kernels

    @property
    def native_calls(self) -> int:
        """The number of kernels and matrix products of one run."""
        return 0 if self._program is None else self._program.native_calls

    @property
    def compile_seconds(self) -> float:
        """What compiling took."""
        return 0.0 if self._program is None else self._program.compile_seconds

    @property
    def source(self) -> str:
        """The driver, as Python; empty as long as there is none."""
        return "" if self._program is None else self._program.source

    @property
    def why_not(self) -> str:
        """Why it is interpreted, empty if it is native."""
        if self._program is not None:
            return self._program.why_not
        return WAITS


def is_small(steps: Sequence[Step]) -> bool:
    """Do steps compute so few elements that to compile them does not pay soon?"""
    sizes = [math.prod(step.output.shape) for step in steps if isinstance(step, Compute)]
    return sum(sizes) <= MOST_ELEMENTS
