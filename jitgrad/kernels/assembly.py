"""Loops assembled: the instructions, argument tables and memory of the paths of a loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels import calling, cpu
from jitgrad.kernels.arena import Address, Layout, Slot
from jitgrad.kernels.conventions import (
    CALL,
    FAILED,
    FIRST_TEST,
    GO,
    LEAVE,
    MARK,
    MOVE,
    NEXT,
    PLACES,
    SELECT,
    SPLIT,
)
from jitgrad.kernels.emit import emit_kernels
from jitgrad.kernels.entries import Emitted, Integer, RuntimeNumber
from jitgrad.kernels.fusion import Group
from jitgrad.kernels.geometry import span
from jitgrad.kernels.instructions import Instruction, steps_of
from jitgrad.kernels.loops import NotNative
from jitgrad.kernels.machine import FIRST_WORDS
from jitgrad.kernels.numbers import Batch, Numbers, SingleKernel, Uses, is_single
from jitgrad.kernels.operations import Constant, Extract, Native, Number, Operation, Product
from jitgrad.kernels.products import emit_product
from jitgrad.kernels.records import Form
from jitgrad.kernels.running import Loop
from jitgrad.kernels.schedule import Schedule, Unit, parts_of
from jitgrad.kernels.turn import Check, Plan


class _Move:
    """Stands for bringing numbers to the argument tables of some paths, which are not known yet."""

    def __init__(self, scalars: Iterable[Scalar], paths: Sequence[_Path]) -> None:
        self.scalars = tuple(scalars)
        self.paths = paths


class _End:
    """Stands for the end of a turn, where pointers are brought forward."""

    def __init__(self, path: _Path) -> None:
        self.path = path


class _Path:
    """A path in the making.

    Attributes:
        slots: where its argument tables have a number.
        uses: who needs what.
        pending: what is not yet in a kernel.
        counts: the words that count its turns: those done, and those that the tape has room for.
        start: the first of its instructions.
        instructions: they, to be read.
    """

    def __init__(self, number: int, plan: Plan, start: int) -> None:
        self.number = number
        self.plan = plan
        self.start = start
        self.counts = [0, 0]
        self.slots: dict[Scalar, list[Slot]] = {}
        self.uses = Uses(list(chain(*plan.sections)))
        self.pending = Batch()
        self.nanoseconds = 0.0
        self.native_calls = 0
        self.instructions: list[Instruction] = []


class _Pointers:
    """Where the addresses of arrays that a run is called with belong.

    Attributes:
        places: for each array the words, and how far behind its beginning they point.
    """

    def __init__(self, count: int) -> None:
        self.places: list[list[tuple[Slot, int]]] = [[] for _ in range(count)]

    def words(self) -> list[Any]:
        return [word for each in self.places for word in (len(each), *chain(*each))]


def assemble(plans: Sequence[Plan], follows: bool, marks: bool) -> Loop:
    """Return the loop whose turns do what one of `plans` says."""
    return _Assembler(plans, follows, marks and len(plans) > 1).loop()


class _Assembler:
    """Makes the instructions and tables of a loop.

    Attributes:
        incoming: the arrays that a run is given: what stays, what is streamed, the order.
        tapes: what each path records, and at last the order.
        marks: the paths of the turns are recorded.
        current: for each input that is exchanged, by its place, the word that has its address.
    """

    def __init__(self, plans: Sequence[Plan], follows: bool, marks: bool) -> None:
        self.plans = plans
        self.follows = follows
        self.marks = marks
        self.outside = set().union(*(each.outside for each in plans))
        self.numbers = Numbers()
        self.reach: dict[Memory, tuple[int, int, int]] = {}
        self.constants: dict[Memory, tuple[np.ndarray, Value]] = {}
        self.given: dict[Memory, list[tuple[_Pointers, int, Value]]] = {}
        self.code: list[Any] = []
        self.lines: list[str] = []
        self.tables: list[list[Any]] = []
        self.kernels: list[cpu.Kernel] = []
        self.paths: list[_Path] = []
        self.entries: list[Any] = [0] * len(plans)
        self.one = [1]
        self.current: dict[int, list[Any]] = {}
        self._arguments()

    def _arguments(self) -> None:
        """Note which arrays a run is called with, and where their addresses will be needed."""
        fixed = [each for each in self.plans[0].invariant if isinstance(each, Value)]
        streams = [each for plan in self.plans for each in plan.streams]
        self.fixed = fixed
        self.incoming = _Pointers(len(fixed) + len(streams) + self.follows)
        self.tapes = [_Pointers(len(each.tape)) for each in self.plans]
        self.tapes += [_Pointers(1)] * self.marks
        for pointers, arrays in (
            (self.incoming, [*fixed, *streams]),
            *((pointers, each.tape) for pointers, each in zip(self.tapes, self.plans)),
        ):
            for position, value in enumerate(arrays):
                self.given.setdefault(value.memory, []).append((pointers, position, value))
        for each in self.plans[0].carried:
            if isinstance(each, Value):
                self._touch(each)
        for value in dict.fromkeys(each for plan in self.plans for each, _ in plan.exchanged):
            position, word = fixed.index(value), [0]
            self.current[position] = word
            self.tables.append(word)
            self.incoming.places[position].append((Slot(word, 0), 0))

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
        self.paths = [_Path(number, plan, 0) for number, plan in enumerate(self.plans)]
        first = self.plans[0]
        self._move((each for each in first.invariant if isinstance(each, Scalar)), self.paths)
        self.select = len(self.code)
        if self.follows:
            pointer: list[Any] = [0]
            self.tables.append(pointer)
            self.incoming.places[-1].append((Slot(pointer, 0), 0))
            self.code += [SELECT, Slot(pointer, 0)]
        else:
            self.code.append(GO)
        for path in self.paths:
            self._path(path)
        return self._finish()

    def _path(self, path: _Path) -> None:
        """Write the instructions of a path."""
        self.path = path
        path.start = len(self.code)
        if len(self.paths) > 1:
            self.lines.append(f"path {path.number}:")
        operations = path.plan.sections
        later: set[Memory] = set()
        visible: list[set[Memory]] = []
        for section in reversed(operations):
            visible.append(self.outside | later)
            for each in section:
                later |= {value.memory for value in each.reads}
                later |= {each.target.memory} if each.target is not None else set()
        self._move(each for each in path.plan.carried if isinstance(each, Scalar))
        for section, seen in zip(operations, reversed(visible)):
            self._section(section, seen)
        self._flush()
        if self.marks:
            pointer: list[Any] = [0]
            self.tables.append(pointer)
            self.tapes[-1].places[0].append((Slot(pointer, 0), 0))
            self.code += [MARK, Slot(pointer, 0), path.number]
        if path.plan.kept:
            self._note(Instruction("tape", operands=tuple(path.plan.kept)))
        pairs = zip(path.plan.carried, path.plan.outputs)
        changing = [pair for pair in pairs if pair[0] is not pair[1]]
        if changing:
            self._note(Instruction("carry", operands=tuple(chain(*changing))))
        self.code.append(_End(path))

    def _section(self, operations: Sequence[Operation], visible: set[Memory]) -> None:
        check = operations[-1] if operations and isinstance(operations[-1], Check) else None
        schedule = Schedule([each for each in operations if each is not check])
        stored = schedule.stored(visible)
        for unit in schedule.units:
            parts = parts_of(unit)
            if is_single(unit):
                self._single(parts)
            elif isinstance(unit, Constant):
                assert unit.target is not None
                self.constants[unit.target.memory] = (unit.array, unit.target)
            else:
                if self.path.pending.precedes(parts):
                    self._flush()
                self._unit(unit, stored)
        if check is not None:
            self._single([check])
        self.path.pending.end_section()

    def _single(self, operations: Sequence[Operation]) -> None:
        """Have operations on single elements wait for others."""
        for each in operations:
            if not self.path.pending.takes(each):
                self._flush()
            self.path.pending.add(each)

    def _unit(self, unit: Unit, stored: set) -> None:
        if isinstance(unit, Group):
            emitted: Iterable[Emitted] = emit_kernels(unit, stored)
        elif isinstance(unit, Native):
            for value, array in unit.routine.tables:
                self.constants[value.memory] = (array, value)
            emitted = unit.routine.kernels
        else:
            assert isinstance(unit, Product) and unit.target is not None
            emitted = [emit_product(unit.a, unit.b, unit.target)]
        names = [self._call(each) for each in emitted]
        does = "product" if isinstance(unit, Product) else "kernel"
        self._note(Instruction(does, tuple(names), steps_of(parts_of(unit))))
        if isinstance(unit, Native) and unit.routine.declined is not None:
            self._leave(unit.routine.declined, [None])

    def _note(self, instruction: Instruction) -> None:
        self.path.instructions.append(instruction)

    def _call(self, emitted: Emitted) -> str:
        """Emit the call of a kernel; return its name."""
        kernel = cpu.kernel_for(emitted.source)
        if kernel not in self.kernels:
            self.kernels.append(kernel)
        table: list[Any] = []
        for entry in emitted.table:
            if isinstance(entry, Integer):
                table.append(entry.value)
            elif isinstance(entry, RuntimeNumber):
                self.path.slots.setdefault(entry.scalar, []).append(Slot(table, len(table)))
                table.append(0)
            else:
                table.append(self._pointer(entry.value, Slot(table, len(table))))
        self.tables.append(table)
        self.path.native_calls += 1
        self.path.nanoseconds += 5 + emitted.nanoseconds
        split = calling.split(emitted.length, emitted.nanoseconds)
        words = [kernel.address, Slot(table, 0), emitted.length]
        self.code += [SPLIT, *words, split] if split > 1 else [CALL, *words]
        self.lines.append(f"call {kernel.name}")
        return kernel.name

    def _pointer(self, value: Value, slot: Slot) -> Any:
        """Return the word for the address of `value`, which goes to `slot`."""
        given = self.given.get(value.memory)
        if given is not None:
            # of several inputs in one memory, one that this path reads: it is there in each run
            reads = self.path.plan.reads
            pointers, position, first = (
                given[0] if len(given) == 1 else next(each for each in given if each[2] in reads)
            )
            distance = (value.offset - first.offset) * value.dtype.itemsize
            pointers.places[position].append((slot, distance))
            return 0
        constant = self.constants.get(value.memory)
        if constant is not None:
            array, first = constant
            address = array.__array_interface__["data"][0]
            return address + (value.offset - first.offset) * value.dtype.itemsize
        self._touch(value)
        return Address(value)

    def _leave(self, value: Value, ways: Sequence[Check | None]) -> None:
        """Have a turn leave the path where a word says so, by which of `ways`."""
        self._touch(value)
        self.code += [LEAVE, Address(value), len(ways)]
        for each in ways:
            number, other = FAILED, 0
            if each is not None:
                number = FIRST_TEST + self._number(each)
                test = each.test
                operands = (test.operand,)
                self._note(Instruction("test", (), (), operands, test.expected, test.instead))
                other = 0 if test.instead is None else Slot(self.entries, test.instead)
            self.code += [number, other]
            self.lines.append(f"leave with {number}")

    def _number(self, check: Check) -> int:
        """Return the number of a test among those of all paths."""
        before = sum(len(each.tests) for each in self.plans[: self.path.number])
        tests = self.path.plan.tests
        return before + next(at for at, each in enumerate(tests) if each is check.test)

    def _move(self, scalars: Iterable[Scalar], paths: Sequence[_Path] = ()) -> None:
        """Bring numbers to the argument tables that have them."""
        self.code.append(_Move(scalars, paths or [self.path]))

    def _flush(self) -> None:
        """Emit a kernel for what is pending."""
        operations = self.path.pending.operations
        self.path.pending = Batch()
        if not operations:
            return
        made = SingleKernel(self.numbers, operations, self.path.uses, self.outside)
        emitted, ways = made.emitted()
        name = self._call(emitted)
        self._note(Instruction("numbers", (name,), steps_of(operations)))
        if ways:
            self._leave(self.numbers.way, ways)
        self._move([each.output for each in operations if isinstance(each, (Number, Extract))])

    # the whole

    def _finish(self) -> Loop:
        """Lay everything out, and return the loop."""
        for each in self.plans[0].inputs:
            if isinstance(each, Scalar):
                self._touch(self.numbers[each])
        self._touch(self.numbers.way)
        streams = sum(len(each.streams) for each in self.plans)
        increments: list[Any] = [0] * (streams + self.follows)
        steps = [[Form(each).length for each in plan.tape] for plan in self.plans]
        layout = Layout(self.reach, self.numbers)
        code, starts, select = self._resolved(increments, steps)
        self.entries[:] = [Slot(code, at) for at in starts]
        lists = [each.words() for each in (self.incoming, *self.tapes)]
        counts = [each.counts for each in self.paths]
        head = [
            *FIRST_WORDS,
            Slot(code, 0),
            Slot(code, select if self.follows else starts[0]),
            Slot(self.entries, 0),
            len(self.plans),
            *(Slot(each, 0) for each in lists),
        ]
        assert len(head) == PLACES + len(lists)
        # who has all arrays may place them at once, since the lists follow one another
        parts = [code, self.entries, *counts, increments, *steps, self.one, *lists, *self.tables]
        layout.words([head, *parts])
        return Loop(self, layout, increments, counts)

    def _resolved(
        self, increments: list, steps: list[list[Any]]
    ) -> tuple[list[Any], list[int], int]:
        """Return the instructions, with all slots known, and where paths and turns begin."""
        code: list[Any] = []
        starts = {path.start: 0 for path in self.paths}
        select = 0
        for position, word in enumerate(self.code):
            if position == self.select:
                select = len(code)
            if position in starts:
                starts[position] = len(code)
            if isinstance(word, _Move):
                pairs = [
                    (Address(self.numbers[scalar]), slot)
                    for path in word.paths
                    for scalar in word.scalars
                    for slot in path.slots.get(scalar, ())
                ]
                code += [MOVE, len(pairs), *chain(*pairs)] if pairs else []
            elif isinstance(word, _End):
                path = word.path
                again = Slot(code, select if self.follows else starts[path.start])
                moves, pairs = self._exchanging(path)
                code += [MOVE, len(moves), *chain(*moves)] if moves else []
                pairs += self._advancing(path, increments, steps)
                code += [NEXT, Slot(path.counts, 0), again, len(pairs), *chain(*pairs)]
            else:
                code.append(word)
        return code, list(starts.values()), select

    def _exchanging(self, path: _Path) -> tuple[list[Any], list[tuple[Slot, Slot]]]:
        """Return what a turn on `path` moves, and then adds, so that inputs change places.

        That is for the pointers of all paths, since any may come next.
        """
        pairs = [
            (self.fixed.index(given), self.fixed.index(source))
            for given, source in path.plan.exchanged
            if given is not source
        ]
        held: list[Any] = [0] * len(pairs)
        distances: list[Any] = []
        self.tables += [held, distances]
        moves = [
            (Slot(self.current[source], 0), Slot(held, at)) for at, (_, source) in enumerate(pairs)
        ]
        added = []
        for at, (given, _) in enumerate(pairs):
            for slot, distance in self.incoming.places[given]:
                moves.append((Slot(held, at), slot))
                if distance:
                    added.append((slot, Slot(distances, len(distances))))
                    distances.append(distance)
        return moves, added

    def _advancing(
        self, path: _Path, increments: list, steps: list[list[Any]]
    ) -> list[tuple[Slot, Slot]]:
        """Return the pointers that a turn on `path` brings forward, and by how much."""
        number = path.number
        before = sum(len(each.streams) for each in self.plans[:number])
        own = range(before, before + len(path.plan.streams))
        moved = [(self.incoming.places[len(self.fixed) + at], increments, at) for at in own]
        moved += [
            (places, steps[number], at) for at, places in enumerate(self.tapes[number].places)
        ]
        if self.follows:
            moved.append((self.incoming.places[-1], increments, len(increments) - 1))
        if self.marks:
            moved.append((self.tapes[-1].places[0], self.one, 0))
        return [(slot, Slot(table, at)) for places, table, at in moved for slot, _ in places]
