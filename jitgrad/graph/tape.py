"""What a call leaves for the backward pass, and the node that runs its derivative.

The histories of a call's results become one node. Its backward walks the call's segments in
reverse. The derivative of each is recorded at its first real backward: the recorded histories are
made into eager nodes again, the engine walks them, and the primitives that it performs are the
derivative's trace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from threading import get_ident
from typing import Any
from weakref import ref

import numpy as np

from jitgrad.dispatch import bind, wrap
from jitgrad.graph.derivative import (
    Derivative,
    add_cotangents,
    described,
    differentiate,
    kinds_of,
    only_numbers,
    rebuild,
    tracked,
)
from jitgrad.graph.hot import WARM
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.origins import SavedValue, StorageEntry, Variable, ancestors
from jitgrad.graph.plans import BackwardShortcut, Part, Plan, whole_plan
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.locks import SHARED
from jitgrad.modes import state
from jitgrad.node import Node, Unfold, Unfolding
from jitgrad.storage import Storage


class Tape:
    """The values that one call left behind.

    Args:
        values: arrays and numbers by their place in the trace.
        storages: the storage of saved values, with its version when the call took it.

    Attributes:
        values, storages: these.
        freed: variables whose saved values have been freed.
        moved: argument values were copied, so that they no longer lie as the trace expects.
        unseen: some were copied at once, since others may write to their memory unseen.
        copies: these copies.
        notes: who notes what is read of it.
    """

    # most tapes never have others
    notes: Any = None
    moved = False
    unseen = False

    def __init__(
        self,
        layout: TapeLayout,
        values: dict[Any, Any],
        storages: dict[StorageEntry, tuple[Storage, int]],
    ) -> None:
        self.layout = layout
        self.values = values
        self.storages = storages
        self.freed: set[Variable] = set(layout.freed) if layout.freed else set()
        self.copies: dict[Value, np.ndarray] = {}

    @classmethod
    def of_run(cls, layout: TapeLayout, run: Any) -> Tape:
        """Return the tape of what a run has kept."""
        slots, roots, versions = run.slots, run.roots, run.versions
        storages: dict[StorageEntry, tuple[Storage, int]] = {
            entry: (roots[root]._storage, versions[root])
            for entry, root in layout.given_storages.items()
        }
        for entry, (slot, writes) in layout.seen_storages.items():
            storages[entry] = (run.storage(entry, slots[slot], writes), 0)
        tape = cls(layout, {each: slots[at] for each, at in layout.slots.items()}, storages)
        if layout.arguments:
            tape.watch((value, run.roots[root]._storage) for value, root in layout.arguments)
        return tape

    def watch(self, arguments: Iterable[tuple[Value, Storage]]) -> None:
        """Have values in argument memory copied before somebody writes to it."""
        watcher = ref(self)
        with SHARED:
            unseen = [value for value, storage in arguments if not storage.watch(watcher)]
        for value in unseen:
            # of what is freed already there is nothing left
            if self.values[value] is not None:
                self.copies[value] = self.values[value].copy()
                self.unseen = True

    def is_as_copied(self) -> bool:
        """Is argument memory to which others may write unseen as it was, bit by bit?

        What eager has saved of it is what it is now; what is recomputed from it takes what it was.
        """
        if not self.unseen:
            return True
        values = self.values
        pairs = [(values.get(value), copy) for value, copy in list(self.copies.items())]
        return all(held is not None and held.tobytes() == copy.tobytes() for held, copy in pairs)

    def copy_arguments(self) -> None:
        """Copy what lies in argument memory that is about to be written."""
        for value, _ in self.layout.arguments:
            held = self.values.get(value)
            if held is not None and value not in self.copies:
                self.copies[value] = held.copy()
        # last, since a backward pass in another thread then reads the copies
        self.moved = True

    def free(self, variables: Collection[Variable]) -> None:
        """Free what these variables have saved; forget it once that is all."""
        self.freed.update(variables)
        # before the call something else was freed
        if len(self.freed) == len(self.layout.freed) + len(self.layout.saving):
            self.values = only_numbers(self.values)

    def storage(self, saved: SavedValue, array: np.ndarray) -> tuple[Storage, int]:
        """Return the storage of a saved value, and the version at which it was saved."""
        found = self.storages.get(saved.storage)
        if found is None:
            made = Storage(array)
            made.version = self.layout.state.writes.get(saved.storage, 0)
            found = self.storages[saved.storage] = (made, 0)
        return found[0], found[1] + saved.version

    def fetch(self, value: Value, again: bool = False) -> Any:
        """Return a tensor with the elements of `value`, recomputed if they were not kept.

        Args:
            again: something is recomputed from it, which eager has saved itself.
        """
        held = self.copies.get(value) if again else None
        if held is None:
            held = self.values.get(value)
        if held is not None:
            tensor = wrap(held)
            if self.notes is not None:
                self.notes.know(tensor, value)
            return tensor
        step = self.layout.makers[value]
        inputs: list[Any] = []
        for each in step.inputs:
            if isinstance(each, Value):
                inputs.append(self.fetch(each, again=True))
            elif isinstance(each, Scalar):
                number = self.values[each]
                inputs.append(number if self.notes is None else tracked(number, each))
            else:
                inputs.append(each)
        enabled, state.grad_enabled = state.grad_enabled, False
        try:
            return bind(step.primitive, *inputs, **step.params)
        finally:
            state.grad_enabled = enabled


class CompiledBackward(Node):
    """The history of all results of one compiled call."""

    __slots__ = ("_reached", "tape")

    unfolds = True

    def __init__(self, tape: Tape, edges: tuple, indices: tuple[int, ...]) -> None:
        Node.__init__(self, edges, indices, len(tape.layout.variables))
        self.tape = tape
        # by thread, what a backward pass that may be about to free has gone through
        self._reached: dict[int, tuple[tuple, tuple]] = {}

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("a backward pass through a compiled call made before")
        tape = self.tape
        if state.grad_enabled or state.detect_anomaly:
            raise Unfold
        try:
            flows = self._flows(tape, cotangents, needed)
        except KeyError:
            # another thread has freed it meanwhile
            if tape.freed.issuperset(tape.layout.saving):
                raise Unfold from None
            raise
        # behind that, since another thread may have written to what was read
        if tape.moved or not tape.is_as_copied():
            raise Unfold
        return flows

    def _flows(self, tape: Tape, cotangents: list, needed: list[bool]) -> tuple:
        layout = tape.layout
        shortcut: BackwardShortcut | None = layout.shortcut
        if shortcut is not None and not tape.freed:
            flows = shortcut.run(tape, cotangents, needed)
            if flows is not None:
                if layout.saving:
                    self._reached[get_ident()] = shortcut.reached
                return flows
        given = {
            variable: cotangent
            for variable, cotangent in zip(layout.variables, cotangents)
            if cotangent is not None
        }
        wanted = [each for each, want in zip(layout.roots, needed) if want]
        if tape.freed and not tape.freed.isdisjoint(layout.freed_by(tuple(given), tuple(wanted))):
            raise Unfold
        found = natively(tape, given, wanted)
        if layout.saving:
            self._reached[get_ident()] = tuple(given), tuple(wanted)
        return tuple(found.get(each) for each in layout.roots)

    def leads(self, output: int, needed: list[bool]) -> bool:
        layout = self.tape.layout
        wanted = tuple(each for each, want in zip(layout.roots, needed) if want)
        return layout.variables[output] in layout.useful(wanted)

    def edges_from(self, outputs: Collection[int]) -> Sequence[bool]:
        return self.tape.layout.roots_of(frozenset(outputs))

    def unfold(self, outputs: Collection[int], unfolding: Unfolding) -> dict[int, tuple[Node, int]]:
        layout = self.tape.layout
        edges = dict(zip(layout.roots, zip(self.edges, self.indices or ())))
        order = [each for each in layout.order if each.history is not None]
        rebuild(order, edges, self.tape, unfolding=unfolding)
        return {at: edges[layout.variables[at]] for at in outputs}

    def release(self) -> None:
        layout = self.tape.layout
        if layout.saving:
            self.free(layout.freed_by(*self._reached.pop(get_ident())))

    def free(self, saved: Collection[Variable]) -> None:
        """Free what these variables have saved."""
        self.tape.free(saved)

    def free_all(self) -> None:
        """Free everything."""
        self.tape.free(self.tape.layout.saving)


def natively(tape: Tape, given: dict, wanted: list[Variable]) -> dict:
    """Go back through the segments of a path; return the cotangents of `wanted`, as tensors."""
    layout = tape.layout
    waiting = {each: tensor._array for each, tensor in given.items()}
    key = kinds_of(waiting), tuple(wanted)
    plan = layout.plans.get(key)
    if plan is None:
        plan = _plan(tape, waiting, wanted)
        if all(each.derivative.program is not None for each in plan.parts):
            layout.plans[key] = plan
    else:
        if plan.checks:
            check_versions(tape, plan.checks)
        whole = plan.whole
        if whole is not None:
            if plan.shortcut is None:
                known = plan.checks and partial(check_versions, checks=plan.checks)
                plan.shortcut = BackwardShortcut(whole, layout, given, wanted, known)
            layout.shortcut = plan.shortcut
            return whole.run(tape, waiting)
        hits = plan.hits = plan.hits + 1
        if hits == WARM:
            values = {each: described(tensor._array) for each, tensor in given.items()}
            plan.whole = whole_plan(plan.parts, wanted, values, layout.segments[-1])
        values, take = tape.values, waiting.pop
        for part in plan.parts:
            if part.is_simple:
                # a loop's turn on one tensor: a third of the time of the general case
                target = part.targets[0]
                (array,) = part.run(take(part.given[0]))
                held = waiting.get(target)
                waiting[target] = array if held is None else add_cotangents(held, array)
                continue
            given_arrays = [take(each) for each in part.given]
            if part.inputs:
                given_arrays = [*[values[each] for each in part.inputs], *given_arrays]
            for target, array in zip(part.targets, part.run(*given_arrays)):
                if target in waiting:
                    array = add_cotangents(waiting[target], array)
                waiting[target] = array
    return {each: wrap(waiting[each]) for each in wanted if each in waiting}


def _plan(tape: Tape, waiting: dict[Variable, np.ndarray], wanted: list[Variable]) -> Plan:
    """Compute the cotangents of `wanted` into `waiting`, and find out how to do it again."""
    layout = tape.layout
    useful = layout.useful(tuple(wanted))
    reached = set(ancestors(waiting))
    plan = Plan()
    checks: dict[tuple[StorageEntry, int], None] = {}
    for index in range(len(layout.segments) - 1, -1, -1):
        owned = [each for each in layout.owned[index] if each in reached and each in useful]
        mine = {each: waiting.pop(each) for each in owned if each in waiting}
        if not mine:
            continue
        derivative, found = _segment(tape, index, owned, mine, useful)
        plan.parts.append(Part(derivative, list(mine)))
        for target, array in found.items():
            waiting[target] = add_cotangents(waiting.get(target), array)
        checks.update(dict.fromkeys(_checks(owned)))
    plan.checks = [*checks]
    return plan


def _checks(variables: list[Variable]) -> Iterator[tuple[StorageEntry, int]]:
    """Yield where what these variables have saved lies, and at which version it was saved."""
    for each in variables:
        for saved in each.history.saved():  # type: ignore[union-attr]
            yield saved.storage, saved.version


def _segment(
    tape: Tape,
    index: int,
    owned: list[Variable],
    mine: dict[Variable, np.ndarray],
    useful: set[Variable],
) -> tuple[Derivative, dict[Variable, np.ndarray]]:
    """Walk back through one segment: natively if that has been recorded, else recording it."""
    segment = tape.layout.segments[index]
    here = set(owned)
    edges = [edge for each in owned for edge in each.history.edges]  # type: ignore[union-attr]
    targets = tuple(dict.fromkeys(each for each in edges if each in useful and each not in here))
    key = kinds_of(mine), targets
    derivative = segment.derivatives.get(key)
    check_versions(tape, _checks(owned))
    if derivative is not None and derivative.program is not None:
        return derivative, derivative.run(tape, list(mine.values()))
    derivative = Derivative()
    found = differentiate(derivative, segment, owned, mine, list(targets), tape)
    segment.derivatives[key] = derivative
    return derivative, found


def check_versions(tape: Tape, checks: Iterable[tuple[StorageEntry, int]]) -> None:
    """Have the nodes walked one by one, as eager's, where something saved has been written since.

    Args:
        checks: where that lies, and at which version it was saved.
    """
    storages, writes = tape.storages, tape.layout.state.writes
    for entry, expected in checks:
        known = storages.get(entry)
        version = writes.get(entry, 0) if known is None else known[0].version - known[1]
        if version != expected:
            raise Unfold
