"""What a program or a loop does, in the order in which it does it, to be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jitgrad.graph.ir import Memory, Scalar, Step, Value
from jitgrad.kernels.layout import extent


class Instruction(NamedTuple):
    """What is done in one go.

    Attributes:
        does: "kernel", "product" of matrices, "numbers" (a kernel of arithmetic on Python numbers),
            "NumPy", "Python"; in loops also "test", "tape", "carry".
        kernels: the names of the kernels that it calls.
        steps: the steps of the trace that it performs.
        operands: what is tested; what is put on the tape; what is carried, each time followed by
            what it is in the next turn.
        expected: for a test the outcome with which the turn goes on.
        instead: for a test the number of the path that is tried else; None: the loop ends.
    """

    does: str
    kernels: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    operands: tuple[Value | Scalar, ...] = ()
    expected: bool = True
    instead: int | None = None


class Footprint(NamedTuple):
    """The memory of a run, in bytes.

    Attributes:
        results: what is returned and lies in no input.
        temporary: what else is in use at once, at most.
    """

    results: int = 0
    temporary: int = 0


def steps_of(operations: Iterable[Any]) -> tuple[Step, ...]:
    """Return the steps that operations come from, each once."""
    return tuple(dict.fromkeys(each.step for each in operations if each.step is not None))


def result_bytes(inputs: Sequence[Value | Scalar], outputs: Sequence[Value | Scalar]) -> int:
    """Return the bytes of the memories that outputs lie in and inputs do not."""
    outside = {each.memory for each in inputs if isinstance(each, Value)}
    sizes: dict[Memory, int] = {}
    for each in outputs:
        if isinstance(each, Value) and each.memory not in outside:
            sizes[each.memory] = max(sizes.get(each.memory, 0), nbytes(each))
    return sum(sizes.values())


def nbytes(value: Value) -> int:
    """Return how many bytes a value reaches over."""
    return extent(value)[1] * value.dtype.itemsize if value.size else 0
