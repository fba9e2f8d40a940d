"""Programs: traces lowered to fused native kernels, and a driver that calls them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jitgrad.graph.ir import Memory, Scalar, Step, Value, Write, operands
from jitgrad.kernels.clock import compiling
from jitgrad.kernels.operations import flat
from jitgrad.kernels.schedule import Schedule
from jitgrad.locks import LOWERING

if TYPE_CHECKING:
    from jitgrad.kernels.cpu import Kernel


class Program:
    """A lowered trace.

    Attributes:
        run: called with arrays for Values and Python numbers for Scalars, in the order of the
            inputs; returns the tuple of outputs. Safe in several threads at once.
        kernels: the kernels that it calls, shared with other programs.
        native_calls: kernels and matrix products of one run.
        compile_seconds: what compiling took, of kernels that no other program had and no other
            process had left on disk; and loading the compiler, if that was needed first.
        source: the driver, as Python.
    """

    __slots__ = ("compile_seconds", "kernels", "native_calls", "run", "source")

    def __init__(
        self,
        run: Callable[..., tuple],
        kernels: tuple[Kernel, ...],
        native_calls: int,
        compile_seconds: float,
        source: str,
    ) -> None:
        self.run = run
        self.kernels = kernels
        self.native_calls = native_calls
        self.compile_seconds = compile_seconds
        self.source = source


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

    Raises:
        ValueError: something is read or returned that is no input and that no step has made.
    """
    _check(steps, inputs, outputs)
    before = compiling.seconds
    with LOWERING:
        from jitgrad.kernels.driver import Driver  # the first time, loads LLVM
        from jitgrad.kernels.reading import operations

        schedule = Schedule(operations(steps, inputs, outputs))
        driver = Driver(schedule, inputs, outputs)
    return Program(
        driver.run,
        tuple(driver.kernels),
        driver.native_calls,
        compiling.seconds - before,
        driver.source,
    )


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
