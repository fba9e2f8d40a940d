"""What the tapes of all calls that end at one place have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jitgrad.graph.ir import Compute, Memory, Scalar, Value
from jitgrad.graph.origins import SavedValue, StorageEntry, Variable, ancestors
from jitgrad.graph.plans import Plan
from jitgrad.graph.segment import PathState, Segment
from jitgrad.locks import made_once


class TapeLayout:
    """What the tapes of all calls that end at one place have in common.

    Attributes:
        variables: those of the live tensors, in the order of the node's outputs.
        order: all variables that they reach, results before inputs.
        roots: those among them that come from outside, in the order of the node's edges.
        segments: the path.
        owned: for each segment the variables that it made, results before inputs.
        dependent: one live tensor's history runs through another's.
        slots: the slots of the run that the derivative may read.
        read: what other values are recomputed from, which nobody looks after. A view that is saved
            is another matter: eager raises where its memory has been written since.
        arguments: those among them that lie in argument memory, with their roots. Eager may not
            have saved them, so that whoever writes to them must not spoil the derivative.
        shown: the storages made by the trace that somebody can see.
        given_storages: what is saved that came in, with the roots.
        shortcut: a function for the backward pass that is done again and again.
    """

    def __init__(
        self,
        variables: list[Variable],
        freed: frozenset[Variable],
        path_state: PathState,
        segments: list[Segment],
        shown: set[StorageEntry],
    ) -> None:
        self.shown = shown
        self.variables = list(dict.fromkeys(variables))
        self.freed = freed
        self.state = path_state
        self.segments = segments
        self.order = ancestors(self.variables)
        self.roots = [each for each in self.order if each.root is not None]
        self.makers: dict[Value, Compute] = {}
        owner: dict[Variable, int] = {}
        position: dict[Variable, tuple[int, ...]] = {}
        for index, segment in enumerate(segments):
            for at, step in enumerate(segment.steps):
                if isinstance(step, Compute):
                    self.makers[step.output] = step
                    owner[step.variable] = index
                    position[step.variable] = index, at
            for number, (count, variable) in enumerate(segment.histories):
                owner[variable] = index
                position[variable] = index, count - 1, number
        # as eager made the nodes, so that the engine visits them in the same order
        self.order.sort(key=lambda each: position.get(each, ()), reverse=True)
        self.owned: list[list[Variable]] = [[] for _ in segments]
        for each in self.order:
            if each.history is not None:
                self.owned[owner[each]].append(each)
        live = set(self.variables)
        self.dependent = any(
            other in live for each in live for other in ancestors([each]) if other is not each
        )
        self.saving = [
            each
            for each in self.order
            if each.history is not None and each not in freed and each.history.saved()
        ]
        self.given_storages = {
            each.storage: each.storage.root
            for each in self._saved()
            if each.storage.root is not None
        }
        self.plans: dict[Any, Plan] = {}
        self.shortcut: Any = None
        self._freed_by: dict[Any, frozenset[Variable]] = {}
        self._useful: dict[tuple[Variable, ...], set[Variable]] = {}
        self._roots_of: dict[frozenset[int], list[bool]] = {}
        self.read: set[Value | Scalar] = set()
        self.slots = self._slots()
        self.arguments = self._arguments()

    @made_once
    def seen_storages(self) -> dict[StorageEntry, tuple[int, int]]:
        """What is saved that was made and can be seen: a slot where it is, and the writes to it."""
        state, shown = self.state, self.shown
        return {
            each.storage: (
                state.slot_in(each.storage, each.value),
                state.writes.get(each.storage, 0),
            )
            for each in self._saved()
            if each.storage.root is None and each.storage in shown
        }

    def _saved(self) -> Iterator[SavedValue]:
        for variable in self.saving:
            yield from variable.history.saved()  # type: ignore[union-attr]

    def _slots(self) -> dict[Value | Scalar, int]:
        slot_of = self.state.slot_of
        # with the memory of what is saved there, whose version is looked at before it is read
        pending: list[tuple[Value | Scalar, Memory | None]] = []
        for variable in self.order:
            history = variable.history
            if history is None or variable in self.freed:
                continue
            pending.extend(
                (each.value, each.value.memory)
                for each in history.saved()
                if self.state.writes.get(each.storage, 0) == each.version
            )
            pending.extend((each, None) for each in history.inputs if isinstance(each, Scalar))
        needed: dict[Value | Scalar, int] = {}
        seen: set[tuple[Value | Scalar, Memory | None]] = set()
        while pending:
            each, checked = pending.pop()
            if (each, checked) in seen:
                continue
            seen.add((each, checked))
            if each in slot_of:
                needed[each] = slot_of[each]
            elif isinstance(each, Value):
                for other in self.makers[each].inputs:
                    if isinstance(other, Value) and other.memory is checked:
                        pending.append((other, checked))
                    elif isinstance(other, (Value, Scalar)):
                        pending.append((other, None))
                        self.read.add(other)
        return needed

    def freed_by(self, given: tuple, wanted: tuple) -> frozenset[Variable]:
        """Return the variables whose saved values a pass from `given` to `wanted` frees."""
        found = self._freed_by.get((given, wanted))
        if found is None:
            useful = self.useful(wanted).intersection(ancestors(given))
            found = frozenset(each for each in self.saving if each in useful)
            self._freed_by[given, wanted] = found
        return found

    def useful(self, wanted: tuple[Variable, ...]) -> set[Variable]:
        """Return the variables that lead back to one of `wanted`."""
        found = self._useful.get(wanted)
        if found is None:
            found = set(wanted)
            for each in reversed(self.order):
                if each.history is not None and any(edge in found for edge in each.history.edges):
                    found.add(each)
            self._useful[wanted] = found
        return found

    def roots_of(self, outputs: frozenset[int]) -> list[bool]:
        """Return which of the roots some of the variables come from, given by their numbers."""
        found = self._roots_of.get(outputs)
        if found is None:
            reached = set(ancestors([self.variables[at] for at in outputs]))
            found = self._roots_of[outputs] = [each in reached for each in self.roots]
        return found

    def _arguments(self) -> list[tuple[Value, int]]:
        return [
            (value, root)
            for value in self.slots
            for root, memory in self.state.memories.items()
            if isinstance(value, Value) and value.memory is memory and value in self.read
        ]
