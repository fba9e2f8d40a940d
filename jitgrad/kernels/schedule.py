"""The order in which a program performs its operations, and which of them are fused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels.fusion import Group, Member, is_forwarded
from jitgrad.kernels.geometry import overlap
from jitgrad.kernels.operations import Map, Operation, Reduce

Unit = Group | Operation
"""What a program performs as one: a kernel, or an operation that the driver does."""


def parts_of(unit: Unit) -> list[Operation]:
    """Return the operations of a unit."""
    if isinstance(unit, Group):
        return [each.operation for each in unit.members]
    return [unit]


class Schedule:
    """Operations in an order that keeps every dependency, fused where that pays.

    Attributes:
        units: in the order of execution.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.units: list[Unit] = []
        self._unit_of: dict[Operation, Unit] = {}
        # by their unit the positions, and by memory those of the groups that touch it: there may be
        # thousands of both
        self._position: dict[Unit, int] = {}
        self._near: dict[Memory, set[int]] = {}
        self._touching: dict[Memory, list[tuple[Operation, Value, bool]]] = {}
        self._makers: dict[Any, Operation] = {}
        self._last_ordered: list[Operation] = []
        for each in operations:
            self._add(each)

    def _add(self, operation: Operation) -> None:
        needs = self._dependencies(operation)
        first = max((self._position[self._unit_of[each]] for each in needs), default=-1)
        unit = self._find_group(operation, needs, first)
        if unit is None:
            if isinstance(operation, (Map, Reduce)):
                unit = Group(operation)
            else:
                unit = operation
            self._position[unit] = len(self.units)
            self.units.append(unit)
        self._unit_of[operation] = unit
        if isinstance(unit, Group):
            for memory in _touched(operation):
                self._near.setdefault(memory, set()).add(self._position[unit])
        for value in operation.reads:
            self._touching.setdefault(value.memory, []).append((operation, value, False))
        if operation.target is not None:
            entry = (operation, operation.target, True)
            self._touching.setdefault(operation.target.memory, []).append(entry)
        output = getattr(operation, "output", None)
        if output is not None:
            self._makers[output] = operation
        if operation.ordered:
            self._last_ordered.append(operation)

    def _find_group(self, operation: Operation, needs: list[Operation], first: int) -> Group | None:
        if not isinstance(operation, (Map, Reduce)):
            return None
        near = {at for memory in _touched(operation) for at in self._near.get(memory, ())}
        for position in sorted(near, reverse=True):
            unit = self.units[position]
            if position < first:
                break
            assert isinstance(unit, Group)
            if position == first and not self._may_follow_within(operation, needs, unit):
                continue
            if unit.join(operation):
                return unit
        return None

    def _may_follow_within(self, operation: Operation, needs: list[Operation], unit: Group) -> bool:
        """Are the needs that `unit` itself meets all matters of memory?"""
        return all(isinstance(each, (Map, Reduce)) for each in needs if self._unit_of[each] is unit)

    def _dependencies(self, operation: Operation) -> list[Operation]:
        found: list[Operation] = []
        for value in operation.reads:
            for other, region, is_write in self._touching.get(value.memory, ()):
                if is_write and overlap(region, value):
                    found.append(other)
        target = operation.target
        if target is not None:
            for other, region, _is_write in self._touching.get(target.memory, ()):
                if overlap(region, target):
                    found.append(other)
        found.extend(self._makers[each] for each in operation.scalars if each in self._makers)
        if operation.ordered:
            found.extend(self._ordered_before(operation))
        return found

    def _ordered_before(self, operation: Operation) -> list[Operation]:
        """Return what must be done before: writes to the outside are free among themselves."""
        if isinstance(operation, (Map, Reduce)):
            return [each for each in self._last_ordered if not isinstance(each, (Map, Reduce))]
        return self._last_ordered

    def stored(self, visible: set[Memory]) -> set[Member]:
        """Return the members whose results must be in memory.

        Args:
            visible: memories that are seen after the run.
        """
        members: dict[Operation, tuple[Group, Member]] = {
            member.operation: (unit, member)
            for unit in self.units
            if isinstance(unit, Group)
            for member in unit.members
        }
        found: set[Member] = set()
        for memory, entries in self._touching.items():
            for position, (operation, value, is_write) in enumerate(entries):
                if is_write:
                    if memory in visible and operation in members:
                        found.add(members[operation][1])
                    continue
                for writer in self._writers_of(value, entries[:position]):
                    if writer in members and not self._is_forwarded(
                        members[writer], members.get(operation), value
                    ):
                        found.add(members[writer][1])
        return found

    def _writers_of(
        self, value: Value, entries: list[tuple[Operation, Value, bool]]
    ) -> Iterator[Operation]:
        """Yield the writers whose results `value` shows, the last one first."""
        for operation, region, is_write in reversed(entries):
            if is_write and overlap(region, value):
                yield operation
                if region.same_region(value):
                    return

    def _is_forwarded(
        self, writer: tuple[Group, Member], reader: tuple[Group, Member] | None, value: Value
    ) -> bool:
        if reader is None or reader[0] is not writer[0]:
            return False
        group, member = reader
        last = group.last_writer(value, group.members.index(member))
        return last is not None and last is writer[1] and is_forwarded(last, member)


def _touched(operation: Operation) -> set[Memory]:
    """Return the memories that an operation reads and writes."""
    touched = {each.memory for each in operation.reads}
    if operation.target is not None:
        touched.add(operation.target.memory)
    return touched
