"""Programs: traces lowered to fused native kernels, and a driver that calls them.

Where there is no native code (see `availability`), the steps of a trace are interpreted instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jitgrad.graph.ir import Scalar, Step, Value
from jitgrad.kernels.availability import Unavailable, natively
from jitgrad.kernels.clock import compiling
from jitgrad.kernels.instructions import Footprint, Instruction
from jitgrad.kernels.interpreter import Interpreter

if TYPE_CHECKING:
    from jitgrad.kernels.cpu import Kernel
    from jitgrad.kernels.driver import Driver


class Program:
    """A lowered trace.

    Attributes:
        run: called with arrays for Values and Python numbers for Scalars, in the order of the
            inputs; returns the tuple of outputs. Safe in several threads at once.
        kernels: the kernels that it calls, shared with other programs.
        native_calls: kernels and matrix products of one run.
        compile_seconds: what compiling took, of kernels that no other program had and no other
            process had left on disk; and loading the compiler, if that was needed first.
        instructions: what it does, to be read.
        footprint: what memory a run takes.
        source: the driver, as Python; empty where there is none.
        why_not: why it is interpreted, empty if it is native.
    """

    __slots__ = (
        "compile_seconds",
        "footprint",
        "instructions",
        "kernels",
        "native_calls",
        "run",
        "source",
        "why_not",
    )

    def __init__(
        self,
        run: Callable[..., tuple],
        instructions: Sequence[Instruction] = (),
        footprint: Footprint = Footprint(),  # noqa: B008  which never changes
        kernels: tuple[Kernel, ...] = (),
        native_calls: int = 0,
        compile_seconds: float = 0.0,
        source: str = "",
        why_not: str = "",
    ) -> None:
        self.run = run
        self.instructions = instructions
        self.footprint = footprint
        self.kernels = kernels
        self.native_calls = native_calls
        self.compile_seconds = compile_seconds
        self.source = source
        self.why_not = why_not


def lower(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
) -> Program:
    """Return a program that performs `steps`.

    Args:
        steps: in program order.
        inputs: what the program is called with. Values of one memory may come in as several
            inputs; different memories must not overlap.
        outputs: what it returns. One in an input's memory is a view on it; the others are in
            memory that no other run touches.
    """
    before = compiling.seconds
    try:
        driver = natively(lambda: _driver(steps, inputs, outputs))
    except Unavailable as why:
        interpreter = Interpreter(steps, inputs, outputs)
        return Program(
            interpreter.run, interpreter.instructions, interpreter.footprint, why_not=str(why)
        )
    return Program(
        driver.run,
        driver.instructions,
        driver.footprint,
        tuple(driver.kernels),
        driver.native_calls,
        compiling.seconds - before,
        driver.source,
    )


def _driver(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
) -> Driver:
    from jitgrad.kernels.driver import Driver  # the first time, makes what calls kernels
    from jitgrad.kernels.reading import operations
    from jitgrad.kernels.schedule import Schedule

    return Driver(Schedule(operations(steps, inputs, outputs)), inputs, outputs)
