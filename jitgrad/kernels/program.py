"""Programs: traces lowered to fused native kernels, and a driver that calls them.

Where there is no native code (see `availability`), the steps of a trace are interpreted instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from jitgrad.graph.ir import Memory, Scalar, Step, Value, Write, flat, operands
from jitgrad.kernels.availability import Unavailable, natively
from jitgrad.kernels.clock import compiling
from jitgrad.kernels.instructions import Footprint, Instruction
from jitgrad.kernels.interpreter import Interpreter

if TYPE_CHECKING:
    from jitgrad.kernels.calling import WholeRun
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
        offsets: of the outputs that are in one block of bytes, where they begin.
        source: the driver, as Python; empty where there is none.
        why_not: why it is interpreted, empty if it is native.
        whole: what `run` is as one native call, None where that is made, or cannot be.
    """

    __slots__ = (
        "compile_seconds",
        "footprint",
        "instructions",
        "kernels",
        "native_calls",
        "offsets",
        "run",
        "source",
        "whole",
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
        self.offsets: dict[Value, int] = {}
        self.whole: WholeRun | None = None

    def at_once(self) -> Callable[..., tuple]:
        """Return `run`, for what runs again and again: from now on one native call, if it can be.

        That takes half the time of a short run, and in the first process on a machine the time to
        compile what makes such calls, as long as ten kernels.
        """
        whole, self.whole = self.whole, None
        if whole is not None:
            with contextlib.suppress(Unavailable):
                self.run = natively(whole.made)
        return self.run


def lower(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
    together: Collection[Value] = (),
    within: Mapping[Value, int] = MappingProxyType({}),
) -> Program:
    """Return a program that performs `steps`.

    Args:
        steps: in program order.
        inputs: what the program is called with. Values of one memory may come in as several
            inputs; different memories must not overlap.
        outputs: what it returns. One in an input's memory is a view on it; the others are in
            memory that no other run touches.
        together: those of the outputs that had better come out in one block of bytes, behind the
            others, than as arrays of their own; the program's `offsets` tell which of them do.
        within: those of the inputs that are in such a block, with their offsets. The program is
            called with the block before the others.

    Raises:
        Unavailable: there is no native code, and so no such block to be read.
        ValueError: something is read or returned that is no input and that no step has made.
    """
    _check(steps, inputs, outputs)
    before = compiling.seconds
    try:
        driver = natively(lambda: _driver(steps, inputs, outputs, together, within))
    except Unavailable as why:
        if within:
            raise
        interpreter = Interpreter(steps, inputs, outputs)
        return Program(
            interpreter.run, interpreter.instructions, interpreter.footprint, why_not=str(why)
        )
    program = Program(
        driver.run,
        driver.instructions,
        driver.footprint,
        tuple(driver.kernels),
        driver.native_calls,
        compiling.seconds - before,
        driver.source,
    )
    program.offsets = driver.offsets
    program.whole = driver.whole
    return program


def _driver(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
    together: Collection[Value],
    within: Mapping[Value, int],
) -> Driver:
    from jitgrad.kernels.driver import Driver  # the first time, makes what calls kernels
    from jitgrad.kernels.reading import operations
    from jitgrad.kernels.schedule import Schedule

    schedule = Schedule(operations(steps, inputs, outputs))
    return Driver(schedule, inputs, outputs, together, within)


def _check(
    steps: Sequence[Step], inputs: Sequence[Value | Scalar], outputs: Sequence[Value | Scalar]
) -> None:
    """Make sure that no program reads memory that nobody has filled."""
    known = set(map(_place, inputs))
    for step in steps:
        read = [_place(each) for each in flat(operands(step)) if isinstance(each, (Value, Scalar))]
        if not known.issuperset(read):
            raise ValueError(f"a step reads what nothing before it makes: {step!r}")
        if not isinstance(step, Write):
            known.add(_place(step.output))
    if not known.issuperset(map(_place, outputs)):
        raise ValueError("an output is nothing that a step makes")


def _place(value: Value | Scalar) -> Memory | Scalar:
    return value.memory if isinstance(value, Value) else value
