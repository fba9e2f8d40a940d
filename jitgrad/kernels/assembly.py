"""Loops assembled: the instructions, argument tables and memory of the turns of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, ScalarCompute, Value
from jitgrad.kernels import cpu
from jitgrad.kernels.arena import Address, Layout, Slot
from jitgrad.kernels.conventions import (
    CALL,
    CHECK,
    CHECK_BYTE,
    FAILED,
    LISTS,
    MOVE,
    NEXT,
    PLACES,
    SPLIT,
)
from jitgrad.kernels.emit import emit_kernels
from jitgrad.kernels.entries import Emitted, Integer, RuntimeNumber
from jitgrad.kernels.fusion import Group
from jitgrad.kernels.geometry import span
from jitgrad.kernels.loops import NotNative
from jitgrad.kernels.machine import FIRST_WORDS
from jitgrad.kernels.numbers import NumberKernel, Numbers
from jitgrad.kernels.operations import Constant, Extract, Native, Number, Operation, Product
from jitgrad.kernels.products import emit_product
from jitgrad.kernels.running import Form, Loop
from jitgrad.kernels.schedule import Schedule
from jitgrad.kernels.threads import pieces
from jitgrad.kernels.turn import Carry, Check, Plan, Record

_NEXT = object()
"""Stands for the end of a turn, in code whose addresses are not known yet; as a tuple of numbers
stands for moving them to the tables of arguments."""


def assemble(plan: Plan) -> Loop:
    """Return the loop that performs `plan`."""
    return _Assembler(plan).loop()


class _Assembler:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outside = plan.outside
        self.numbers = Numbers()
        self.reach: dict[Memory, tuple[int, int, int]] = {}
        self.constants: dict[Memory, tuple[np.ndarray, Value]] = {}
        self.given: dict[Memory, tuple[int, int, Value]] = {}
        self.code: list[Any] = []
        self.turn = 0
        self.lines: list[str] = []
        self.tables: list[list[Any]] = []
        self.slots: dict[Scalar, list[Slot]] = {}
        self.kernels: list[cpu.Kernel] = []
        self.native_calls = 0
        self.nanoseconds = 0.0
        self.places: list[list[list[tuple[Slot, int]]]] = []
        self.uses: dict[Scalar, set[Operation]] = {}
        for each in chain(*plan.sections):
            for scalar in each.scalars:
                self.uses.setdefault(scalar, set()).add(each)
        self._arguments()

    def _arguments(self) -> None:
        """Note which arrays a run is called with, and where their addresses will be needed."""
        fixed = [each for each in self.plan.invariant if isinstance(each, Value)]
        streams = [each for each, _ in self.plan.streams]
        for number, arrays in enumerate(([*fixed, *streams], self.plan.tape)):
            for position, value in enumerate(arrays):
                self.given.setdefault(value.memory, (number, position, value))
            self.places.append([[] for _ in arrays])
        for each in self.plan.carried:
            if isinstance(each, Value):
                self._touch(each)

    # memory

    def _touch(self, value: Value) -> None:
        """Have memory for `value` in the arena, if it lies there."""
        memory = value.memory
        if memory in self.given or memory in self.constants:
            return
        low, high = span(value) if value.size else (value.offset, value.offset)
        least, most, size = self.reach.get(memory, (low, high, value.dtype.itemsize))
        if size != value.dtype.itemsize:
            raise NotNative("one memory seen as elements of different sizes")
        self.reach[memory] = (min(low, least), max(high, most), size)

    # the parts

    def loop(self) -> Loop:
        operations = self.plan.sections
        later: set[Memory] = set()
        visible: list[set[Memory]] = []
        for section in reversed(operations):
            visible.append(self.outside | later)
            for each in section:
                later |= {value.memory for value in each.reads}
                later |= {each.target.memory} if each.target is not None else set()
        self._move([each for each in self.plan.invariant if isinstance(each, Scalar)])
        self.turn = len(self.code)
        self._move([each for each in self.plan.carried if isinstance(each, Scalar)])
        for section, seen in zip(operations, reversed(visible)):
            self._section(section, seen)
        self.code.append(_NEXT)
        return self._finish()

    def _section(self, operations: Sequence[Operation], visible: set[Memory]) -> None:
        check = operations[-1] if operations and isinstance(operations[-1], Check) else None
        schedule = Schedule([each for each in operations if each is not check])
        stored = schedule.stored(visible)
        pending: list[Operation] = []
        for unit in schedule.units:
            if isinstance(unit, (Number, Extract, Record, Carry)):
                pending.append(unit)
            elif isinstance(unit, Constant):
                assert unit.target is not None
                self.constants[unit.target.memory] = (unit.array, unit.target)
            else:
                if self._must_follow(unit, pending):
                    self._batch(pending)
                    pending = []
                self._unit(unit, stored)
        if check is not None:
            self._check(check, pending)
        else:
            self._batch(pending)

    def _must_follow(self, unit: Any, pending: Sequence[Operation]) -> bool:
        """Does `unit` need a number that is pending, or overwrite what one is read from?"""
        parts = [each.operation for each in unit.members] if isinstance(unit, Group) else [unit]
        made = {getattr(each, "output", None) for each in pending}
        read = {value.memory for each in pending for value in each.reads}
        return any(
            not made.isdisjoint(part.scalars)
            or (part.target is not None and part.target.memory in read)
            for part in parts
        )

    def _unit(self, unit: Any, stored: set) -> None:
        if isinstance(unit, Group):
            emitted: Iterable[Emitted] = emit_kernels(unit, stored)
        elif isinstance(unit, Native):
            for value, array in unit.routine.tables:
                self.constants[value.memory] = (array, value)
            emitted = unit.routine.kernels
        else:
            assert isinstance(unit, Product) and unit.target is not None
            product = emit_product(unit.a, unit.b, unit.target)
            if product is None:
                raise NotNative("the BLAS that NumPy uses is not known")
            emitted = [product]
        for each in emitted:
            self._call(each)
        if isinstance(unit, Native) and unit.routine.declined is not None:
            self._leave(CHECK, unit.routine.declined, False, FAILED)

    def _call(self, emitted: Emitted) -> None:
        kernel = cpu.kernel_for(emitted.source)
        if kernel not in self.kernels:
            self.kernels.append(kernel)
        table: list[Any] = []
        for entry in emitted.table:
            if isinstance(entry, Integer):
                table.append(entry.value)
            elif isinstance(entry, RuntimeNumber):
                self.slots.setdefault(entry.scalar, []).append(Slot(table, len(table)))
                table.append(0)
            else:
                table.append(self._pointer(entry.value, Slot(table, len(table))))
        self.tables.append(table)
        self.native_calls += 1
        self.nanoseconds += 5 + emitted.nanoseconds
        split = pieces(emitted.length, emitted.nanoseconds)
        words = [kernel.address, Slot(table, 0), emitted.length]
        self.code += [SPLIT, *words, split] if split > 1 else [CALL, *words]
        self.lines.append(f"call {kernel.name}")

    def _pointer(self, value: Value, slot: Slot) -> Any:
        """Return the word for the address of `value`, which goes to `slot`."""
        given = self.given.get(value.memory)
        if given is not None:
            number, position, first = given
            distance = (value.offset - first.offset) * value.dtype.itemsize
            self.places[number][position].append((slot, distance))
            return 0
        constant = self.constants.get(value.memory)
        if constant is not None:
            array, first = constant
            address = array.__array_interface__["data"][0]
            return address + (value.offset - first.offset) * value.dtype.itemsize
        self._touch(value)
        return Address(value)

    def _leave(self, instruction: int, value: Value, expected: bool, number: int) -> None:
        self._touch(value)
        self.code += [instruction, Address(value), int(expected), number]
        what = "number" if instruction == CHECK else "value"
        self.lines.append(f"leave with {number} unless the {what} is {expected}")

    def _move(self, scalars: Iterable[Scalar]) -> None:
        """Bring numbers to the argument tables that have them."""
        self.code.append(tuple(scalars))

    # numbers

    def _batch(self, operations: Sequence[Operation]) -> None:
        """Emit one kernel for operations on numbers."""
        if not operations:
            return
        emitted, can_fail = NumberKernel(self.numbers, operations, self.uses).emitted()
        self._call(emitted)
        if can_fail:
            self._leave(CHECK, self.numbers.failed, False, FAILED)
        self._move([each.output for each in operations if isinstance(each, (Number, Extract))])

    def _check(self, check: Check, pending: list[Operation]) -> None:
        """Emit a test; a truth is looked at in the memory of its tensor, where that is all."""
        made = pending[-1] if pending else None
        if (
            isinstance(made, Extract)
            and made.output is check.scalar
            and self.uses[check.scalar] == {check}
            and made.source.dtype == np.bool_
            and made.source.memory not in self.given
            and made.source.memory not in self.constants
        ):
            self._batch(pending[:-1])
            self._leave(CHECK_BYTE, made.source, check.expected, 2 + check.number)
            return
        scalar = check.scalar
        if scalar.type is float:
            truth = Scalar(bool)
            pending.append(Number(ScalarCompute(bool, "bool({0})", (scalar,), truth)))
            self.uses[truth] = {check}
            scalar = truth
        self._batch(pending)
        self._leave(CHECK, self.numbers[scalar], check.expected, 2 + check.number)

    # the whole

    def _finish(self) -> Loop:
        """Lay everything out, and return the loop."""
        plan = self.plan
        for each in plan.given:
            if isinstance(each, Scalar):
                self._touch(self.numbers[each])
        self._touch(self.numbers.failed)
        increments: list[Any] = [0] * len(plan.streams)
        increments += [Form(each).length for each in plan.tape]
        layout = Layout(self.reach, self.numbers)
        code, turn = self._resolved(increments)
        lists = [_flat(each) for each in self.places]
        parts = [code, increments, *lists, *self.tables]
        head = [*FIRST_WORDS, Slot(code, 0), Slot(code, turn), *(Slot(each, 0) for each in lists)]
        assert len(head) == PLACES + LISTS
        layout.words([head, *parts])
        return Loop(self, layout, layout.position(increments))

    def _resolved(self, increments: list) -> tuple[list[Any], int]:
        """Return the instructions, now that all slots are known, and where a turn begins."""
        code: list[Any] = []
        turn = 0
        fixed = len(self.places[0]) - len(self.plan.streams)
        advancing = [*self.places[0][fixed:], *self.places[1]]
        for position, word in enumerate(self.code):
            if position == self.turn:
                turn = len(code)
            if isinstance(word, tuple):
                pairs = [
                    (Address(self.numbers[scalar]), slot)
                    for scalar in word
                    for slot in self.slots.get(scalar, ())
                ]
                code += [MOVE, len(pairs), *chain(*pairs)] if pairs else []
            elif word is _NEXT:
                pairs = [
                    (slot, Slot(increments, k))
                    for k, places in enumerate(advancing)
                    for slot, _ in places
                ]
                code += [NEXT, len(pairs), *chain(*pairs)]
            else:
                code.append(word)
        return code, turn


def _flat(places: Sequence[Sequence[tuple[Slot, int]]]) -> list[Any]:
    words: list[Any] = []
    for each in places:
        words.append(len(each))
        words.extend(chain(*each))
    return words
