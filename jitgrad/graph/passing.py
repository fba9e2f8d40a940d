"""What is left to Python: performed by the evaluator, up to where recording pays again.

At an exit Python performs one instruction. What follows may be of the same kind (the bookkeeping
of a data loader, say), and the evaluator does it in less time than a segment of the graph begins
in. So it goes on until an instruction works with a tensor, or calls what may do so.
"""

from __future__ import annotations

from pathlib import Path
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph.knowledge import is_plain_tensor
from jitgrad.graph.lookups import type_lookup
from jitgrad.graph.turning import form_of, runs_over_rows
from jitgrad.ops.rows import RowIterator
from jitgrad.python.code import Instruction, Op
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import Frame
from jitgrad.python.generators import may_act_at_its_end
from jitgrad.python.operations import Leave, Operations
from jitgrad.python.steps import STEPS, Step

DEPTH = 24
"""Evaluated calls within one another; in deeper ones the call does not begin anew."""

CALLS = (Op.CALL, Op.CALL_SPREAD)
COMPUTING = (
    *CALLS, Op.UNARY, Op.NOT, Op.BINARY, Op.INPLACE, Op.COMPARE, Op.GET_ITEM, Op.SET_ITEM,
    Op.UNPACK, Op.ITERATE, Op.ADVANCE, Op.JUMP_IF_TRUE, Op.JUMP_IF_FALSE,
)  # fmt: skip
"""Instructions that compute if there is a tensor among their operands."""


CALLING = "<jitgrad host call>"
"""The file of the functions that are written for such instructions."""


class Passing(Operations):
    """The operations of an evaluator that leaves before the next instruction worth recording.

    Args:
        evaluator: the evaluator, which is told where to leave.
        hopeless: places (code and position) that recordings have left at once.
        counters: iterators over ranges and rows that nobody but their loops can reach.
        begun: is its first instruction, which it performs in any case, at work already?
    """

    internal_files = frozenset([CALLING, *map(str, Path(__file__).parent.glob("*.py"))])

    def __init__(
        self, evaluator: Evaluator, hopeless: set, counters: list[Any], begun: bool = False
    ) -> None:
        self.evaluator = evaluator
        self.counters = counters
        self.hopeless = hopeless
        self.begun = begun
        evaluator.operations = self
        evaluator.steps = WATCHING

    def iterate(self, x: Any, xo: Any) -> Any:
        it = iter(x)
        if type(x) is range or (type(it) is RowIterator and is_plain_tensor(x)):
            self.counters.append(it)
        return it, None

    def begin_again(self, evaluator: Evaluator) -> None:
        self.begun = False
        evaluator.steps = WATCHING

    def leave_before(self, frame: Frame, instruction: Instruction) -> None:
        """Raise Leave if it pays to record from this instruction on."""
        if (
            self.begun
            and (frame.code, frame.pc) not in self.hopeless
            and len(self.evaluator.frames) <= DEPTH
            and (is_worth_recording(frame, instruction) or self._takes_row(frame, instruction))
            and not any(map(holds_open_generator, self.evaluator.frames))
        ):
            raise Leave
        self.begun = True

    def _takes_row(self, frame: Frame, instruction: Instruction) -> bool:
        """Does it take the next row in a loop?"""
        if instruction[0] != Op.ADVANCE:
            return False
        it = frame.values[instruction[2]]
        form = form_of(it) if any(it is each for each in self.counters) else None
        return form is not None and runs_over_rows(form)


def holds_open_generator(frame: Frame) -> bool:
    """Does a register hold a generator that runs code where it is dropped?

    As an argument of the rest of the call it would live on until that ends.
    """
    return any(type(each) is GeneratorType and may_act_at_its_end(each) for each in frame.values)


def is_worth_recording(frame: Frame, instruction: Instruction) -> bool:
    """Does the instruction work with a tensor, or call what may do so?"""
    values = frame.values
    for register in frame.code.used_at(frame.pc):
        if isinstance(values[register], TensorCore):
            return True
    if instruction[0] not in CALLS:
        return False
    callee = values[instruction[2]]
    if isinstance(callee, MethodType):
        callee = callee.__func__
    if isinstance(callee, type):
        # the library's: grad modes, modules, optimizers
        return str(callee.__dict__.get("__module__")).startswith("jitgrad.")
    if isinstance(callee, BuiltinFunctionType):
        return False
    return isinstance(callee, FunctionType) or isinstance(
        type_lookup(type(callee), "__call__"), FunctionType
    )


def _watching(step: Step) -> Step:
    def watched(operations: Any, frame: Frame, instruction: Instruction) -> Any:
        if type(operations) is Passing:
            operations.leave_before(frame, instruction)
        return step(operations, frame, instruction)

    return watched


def _beginning(step: Step) -> Step:
    def watched(operations: Any, frame: Frame, instruction: Instruction) -> Any:
        if type(operations) is Passing:
            operations.begun = True
        return step(operations, frame, instruction)

    return watched


WATCHING: list[Step] = [
    _watching(step) if op in COMPUTING else _beginning(step) for op, step in enumerate(STEPS)
]
"""The steps of an evaluator whose operations may be `Passing`."""
