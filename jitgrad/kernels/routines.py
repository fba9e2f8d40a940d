"""Operations with kernels of their own: loops that a primitive brings along, correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Compute, Memory, Value
from jitgrad.kernels.correlation import correlation_for
from jitgrad.kernels.entries import Header, Routine, table_of
from jitgrad.kernels.expressions import type_name
from jitgrad.primitive import Loops

Maker = Callable[[Value, Sequence[Any]], Routine]
"""Returns the routine, given where the result goes and the operands, all of them dense."""


def routine_for(step: Compute) -> Maker | None:
    """Return what makes the routine for `step`; None where NumPy does it."""
    if step.primitive.loops is not None:
        loops = step.primitive.loops(step.output, *step.inputs, **step.params)
        if loops is not None:
            return lambda target, operands: _loops(loops, target, operands)
    if step.primitive.correlation is not None:
        return correlation_for(step)
    return None


def _loops(loops: Loops, target: Value, operands: Sequence[Any]) -> Routine:
    header = Header()
    header.regions(out=target)
    for position, operand in enumerate(operands):
        if isinstance(operand, Value):
            header.regions(**{f"a{position}": operand})
        else:
            header.number(f"a{position}", operand, target.dtype)
    tables = []
    for name, array in loops.tables.items():
        tables.append(table_of(array))
        header.regions(**{name: tables[-1][0]})
    declined = None
    if loops.declines:
        declined = Value((1,), (1,), np.dtype(np.int64), Memory("declined"))
        header.regions(declined=declined)
    header.integers(**loops.sizes)
    body = loops.body.format(kind=type_name(target.dtype))
    return Routine([header.emitted(body, loops.rounds, loops.nanoseconds)], tables, declined)
