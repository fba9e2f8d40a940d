"""What makes native code. It loads LLVM, so it is imported when the first is made: `natively`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Scalar, Step, Value
from jitgrad.kernels.assembly import assemble
from jitgrad.kernels.calling import METH_FASTCALL, builtin, method
from jitgrad.kernels.cpu import native
from jitgrad.kernels.driver import Driver
from jitgrad.kernels.loops import Path
from jitgrad.kernels.reading import operations
from jitgrad.kernels.running import Loop
from jitgrad.kernels.schedule import Schedule
from jitgrad.kernels.turn import plan_paths


def driver(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    outputs: Sequence[Value | Scalar],
) -> Driver:
    """Return the driver of a program; the arguments are those of `program.lower`."""
    return Driver(Schedule(operations(steps, inputs, outputs)), inputs, outputs)


def loop(
    inputs: Sequence[Value | Scalar],
    carried: Sequence[Value | Scalar],
    paths: Sequence[Path],
    follows: bool,
    marks: bool,
) -> Loop:
    """Return a loop; the arguments are those of `loops.lower_loop`."""
    return assemble(plan_paths(inputs, carried, paths), follows, marks)


def watch(table: np.ndarray) -> Callable[[], int]:
    """Return what compares the words of a table, see `watches.watch`."""
    if "unchanged" not in _methods:
        _methods["unchanged"] = method(b"unchanged", native("unchanged"), METH_FASTCALL)
    return builtin(_methods["unchanged"], table)


_methods: dict[str, Any] = {}
