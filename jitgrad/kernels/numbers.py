"""What a turn does with single elements: where numbers lie, and kernels in straight lines.

Numbers, and tensors of one element, are registers of one kernel as far as nothing else comes
between the operations on them, tests included.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.emit import emit_constant, emit_map
from jitgrad.kernels.entries import Emitted, Header
from jitgrad.kernels.expressions import type_name
from jitgrad.kernels.fusion import Group
from jitgrad.kernels.operations import Extract, Map, Number, Operation
from jitgrad.kernels.scalars import NumberLines, can_fail, literal
from jitgrad.kernels.schedule import Unit
from jitgrad.kernels.turn import Carry, Check, Record

MOST_OPERATIONS = 256
"""How many operations become one kernel."""


class Numbers:
    """The memory in which numbers lie between kernels: a word for each.

    Attributes:
        way: the first word, by which kernels say that a turn leaves their path.
    """

    def __init__(self) -> None:
        self.memory = Memory("numbers")
        self.way = self._word(np.dtype(np.int64), 0)
        self.places: dict[Scalar, Value] = {}

    def _word(self, dtype: np.dtype, place: int) -> Value:
        return Value((), (), dtype, self.memory, place)

    def __getitem__(self, scalar: Scalar) -> Value:
        made = self.places.get(scalar)
        if made is None:
            dtype = np.dtype(np.float64 if scalar.type is float else np.int64)
            made = self.places[scalar] = self._word(dtype, 1 + len(self.places))
        return made


def is_single(unit: Unit) -> bool:
    """Does a unit work on numbers and single elements only?"""
    if isinstance(unit, Group):
        return not unit.dims and unit.kept is None
    return isinstance(unit, (Number, Extract, Record, Carry, Check))


class Uses:
    """Who needs what in a path: the operations that read a number, and those that read a memory."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._users: dict[Scalar | Memory, set[Operation]] = {}
        for each in operations:
            for used in (*each.scalars, *(value.memory for value in each.reads)):
                self._users.setdefault(used, set()).add(each)

    def beyond(self, operations: set[Operation], what: Scalar | Memory) -> bool:
        """Is `what` used by others than these operations?"""
        return not self._users.get(what, set()) <= operations


class Batch:
    """Operations on single elements that wait to become a kernel.

    Attributes:
        operations: in their order.
        decides: may the turn leave its path in the kernel, before what comes next?
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.decides = False
        self._made: set[Scalar] = set()
        self._read: set[Memory] = set()
        self._written: set[Memory] = set()
        self._forms: dict[Memory, set[Form]] = {}

    def takes(self, operation: Operation) -> bool:
        """Can one more come in?

        In one kernel, it is known of the elements of a memory whether they are the same one.
        """
        return len(self.operations) < MOST_OPERATIONS and all(
            self._forms.get(value.memory, {_form(value)}) == {_form(value)}
            for value in _touched(operation)
        )

    def add(self, operation: Operation) -> None:
        self.operations.append(operation)
        if isinstance(operation, (Number, Extract)):
            self._made.add(operation.output)
        if operation.target is not None:
            self._written.add(operation.target.memory)
        self._read.update(value.memory for value in operation.reads)
        for value in _touched(operation):
            self._forms.setdefault(value.memory, set()).add(_form(value))
        self.decides |= isinstance(operation, Check)

    def end_section(self) -> None:
        """Note that what comes next may be seen though these operations fail."""
        self.decides |= any(isinstance(each, Number) and can_fail(each) for each in self.operations)

    def precedes(self, operations: Sequence[Operation]) -> bool:
        """Must the kernel come before these operations?"""
        return self.decides or any(
            not self._made.isdisjoint(each.scalars)
            or any(value.memory in self._written for value in _touched(each))
            or (each.target is not None and each.target.memory in self._read)
            for each in operations
        )


Form = tuple[np.dtype, tuple[Scalar, int] | None]
"""The dtype of an element, and what its place hangs on."""

Element = tuple[Memory, int, Form]
"""The memory, the place and the form of an element."""


def _form(value: Value) -> Form:
    return value.dtype, value.shift


def _key(value: Value) -> Element:
    return value.memory, value.offset, _form(value)


def _touched(operation: Operation) -> list[Value]:
    return [*operation.reads, *([] if operation.target is None else [operation.target])]


class SingleKernel:
    """A kernel of operations on single elements.

    What it makes is stored at its end, behind all tests and all that can fail.

    Args:
        operations: in their order, such as a `Batch` takes.
        uses: those of the path.
        outside: the memories that outlive a turn.
    """

    def __init__(
        self, numbers: Numbers, operations: Sequence[Operation], uses: Uses, outside: set[Memory]
    ) -> None:
        self.numbers = numbers
        self.operations = operations
        self.uses = uses
        self.outside = outside
        self.ways: list[Check | None] = []
        self.header = Header()
        self.lines = NumberLines()
        self.known: dict[Scalar, tuple[str, type]] = {}
        self.elements: dict[Element, str] = {}
        self.written: dict[Element, tuple[Value, str]] = {}
        self.regions: dict[Element, str] = {}
        self.stores: list[str] = []
        self.nanoseconds = 2.0

    def emitted(self) -> tuple[Emitted, list[Check | None]]:
        """Return the kernel, and how it may leave the path: by a test, or None for a failure."""
        for each in self.operations:
            self._perform(each)
            self.nanoseconds += 1.0
        self._fail()
        own = set(self.operations)
        for each in self.operations:
            if isinstance(each, (Number, Extract)) and self.uses.beyond(own, each.output):
                self._store(self.numbers[each.output], each.output)
        for key, (value, place) in self.written.items():
            if value.memory in self.outside or self.uses.beyond(own, value.memory):
                self.stores.append(f"{place} = {self.elements[key]}")
        if self.ways:
            self.stores.append(f"{self._region(self.numbers.way)}[0] = 0")
        text = "\n".join([*self.lines.lines, *self.stores])
        return self.header.emitted(text, 1, self.nanoseconds), self.ways

    def _perform(self, operation: Operation) -> None:
        if isinstance(operation, Map):
            self._map(operation)
        elif isinstance(operation, Number):
            operands = [
                self._read(each) if isinstance(each, Scalar) else literal(each)
                for each in operation.operands
            ]
            name = self.lines.number(operation, operands)
            self.known[operation.output] = (name, operation.output.type)
        elif isinstance(operation, Extract):
            kind = operation.output.type
            convert = {float: "float64", int: "int64", bool: "boolean"}[kind]
            element = self._element(operation.source)
            self.known[operation.output] = (self.lines.let(f"{convert}({element})"), kind)
        elif isinstance(operation, Record):
            assert operation.target is not None
            self._store(operation.target, operation.scalar)
        elif isinstance(operation, Carry):
            self._store(self.numbers[operation.input], operation.output)
        elif isinstance(operation, Check):
            self._fail()
            name, kind = self._read(operation.scalar)
            truth = name if kind is bool else f"{name} != 0"
            self._leave(f"not ({truth})" if operation.test.expected else truth, operation)

    def _map(self, operation: Map) -> None:
        assert operation.target is not None
        self.nanoseconds += 5.0 * operation.expression.count("(")
        operands = []
        for each in operation.operands:
            if isinstance(each, Value):
                operands.append(self._element(each))
            elif isinstance(each, Scalar):
                name, kind = self._read(each)
                number = f"int64({name})" if kind is bool else name
                operands.append(self.lines.let(f"{type_name(operation.dtype)}({number})"))
            else:
                operands.append(emit_constant(each, operation.dtype))
        target = operation.target
        key = _key(target)
        self.elements[key] = self.lines.let(emit_map(operation, operands))
        self.written[key] = target, self._place(target)

    def _fail(self) -> None:
        """Leave where something has failed since the last test."""
        if self.lines.failures:
            self._leave(" | ".join(self.lines.failures), None)
            self.lines.failures = []

    def _leave(self, condition: str, way: Check | None) -> None:
        self.ways.append(way)
        place = self._region(self.numbers.way)
        self.lines.lines += [
            f"if {condition}:",
            f"    {place}[0] = {len(self.ways)}",
            "    return",
        ]

    def _region(self, value: Value) -> str:
        key = _key(value)
        name = self.regions.get(key)
        if name is None:
            name = self.regions[key] = f"a{len(self.regions)}"
            self.header.regions(**{name: value})
        return name

    def _element(self, value: Value) -> str:
        key = _key(value)
        name = self.elements.get(key)
        if name is None:
            name = self.elements[key] = self.lines.let(self._place(value))
        return name

    def _place(self, value: Value) -> str:
        """Return the source for where an element lies."""
        if value.shift is None:
            return f"{self._region(value)}[0]"
        number, distance = value.shift
        self._fail()  # the number is a position only if it was found to be one
        return f"{self._region(value)}[{self._read(number)[0]} * {distance}]"

    def _read(self, scalar: Scalar) -> tuple[str, type]:
        known = self.known.get(scalar)
        if known is None:
            word = f"{self._region(self.numbers[scalar])}[0]"
            name = self.lines.let(f"{word} != 0" if scalar.type is bool else word)
            known = self.known[scalar] = (name, scalar.type)
        return known

    def _store(self, target: Value, scalar: Scalar) -> None:
        source, kind = self._read(scalar)
        if kind is bool and target.dtype != np.bool_:
            source = f"int64({source})"
        self.stores.append(f"{self._region(target)}[0] = {source}")
