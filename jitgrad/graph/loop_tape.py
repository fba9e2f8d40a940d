"""What the turns of a native loop leave behind, and the history of what comes out of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from threading import get_ident
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.engine import run_nodes
from jitgrad.graph.derivative import add_cotangents, rebuild
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.loop_layout import LoopLayout, Way
from jitgrad.graph.loop_reverse import Reverse, described
from jitgrad.graph.origins import StorageEntry, Variable
from jitgrad.graph.run import Run
from jitgrad.graph.tape import Tape, TapeLayout, check_versions, natively
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.loops import Turns
from jitgrad.modes import state
from jitgrad.node import SECOND_BACKWARD, Node
from jitgrad.storage import Storage


class TurnTape(Tape):
    """The tape of one turn."""

    def __init__(self, layout: TapeLayout, values: dict, storages: dict) -> None:
        self.layout = layout
        self.values = values
        self.storages = storages
        self.freed = set(layout.freed)
        self.notes = None
        self.moved = False
        self.copies = {}


class _Passage:
    """What one run has left of the turns that took one way.

    Attributes:
        at: the numbers of these turns, as an array or a range.
        records: what the tape has of them.
        invariant: what is the same in all of them.
        first: the storages of what came in, with their versions.
    """

    def __init__(self, way: Way, at: Any, records: list[np.ndarray], run: Run) -> None:
        layout = way.layout
        self.at = at
        self.records = dict(zip(way.kept, records))
        self.invariant: dict[Value | Scalar, Any] = {
            each: run.slots[slot] for each, slot in layout.slots.items() if each not in self.records
        }
        for value, _ in layout.arguments:
            if value in self.invariant:
                # eager saved nothing of it, so that the caller may write to it
                self.invariant[value] = laid_out(value, self.invariant[value])
        self.first: dict[StorageEntry, tuple[Storage, int]] = {}
        for variable in layout.saving:
            for saved in variable.history.saved():  # type: ignore[union-attr]
                root = saved.storage.root
                if root is not None:
                    version: Any = run.versions[root]
                    self.first[saved.storage] = (run.roots[root]._storage, version)

    def values(self, own: int) -> dict[Value | Scalar, Any]:
        """Return what the tape has of one of its turns."""
        values = dict(self.invariant)
        for each, record in self.records.items():
            values[each] = record[own].item() if isinstance(each, Scalar) else record[own, ...]
        return values


class LoopBackward(Node):
    """The history of what comes out of a native loop.

    Args:
        layout: what is known of the loop.
        turns: what it has done.
        runs: for each way the run in which it began, None for one that was not taken.
        nodes: of the variables with which turns begin.
        shown: the storages of the tensors that came out, by the root whose place they took.
    """

    __slots__ = (
        "_positions",
        "_reached",
        "freed",
        "layout",
        "order",
        "passages",
        "roots",
        "shown",
        "turns",
    )

    def __init__(
        self,
        layout: LoopLayout,
        turns: Turns,
        runs: list[Run | None],
        nodes: dict[Variable, tuple[Node, int]],
        shown: dict[int, Storage],
    ) -> None:
        order = turns.order
        # the ways of the turns; a range says that there was but one
        self.order = order
        self.turns = turns.finished
        alike = [0] * min(turns.finished, 1 + len(layout.leading))
        self.roots = layout.roots(alike if order is None else order, turns.counts)
        edges = [nodes[each] for each in self.roots]
        super().__init__(
            tuple(node for node, _ in edges),
            tuple(index for _, index in edges),
            len(layout.leading),
        )
        self.layout = layout
        self.passages: dict[int, _Passage] = {}
        for way, run in enumerate(runs):
            if turns.counts[way] and run is not None:
                at = range(turns.finished) if order is None else np.flatnonzero(order == way)
                self.passages[way] = _Passage(layout.ways[way], at, turns.tape[way], run)
        self.shown = shown
        # for each root: the turns at which its tensor changes first and last
        self._positions: dict[int, tuple[int, int]] = {}
        for way, passage in self.passages.items():
            for root in layout.ways[way].carried:
                first, last = self._positions.get(root, (turns.finished, -1))
                changed = min(first, int(passage.at[0])), max(last, int(passage.at[-1]))
                self._positions[root] = changed
        self.freed: set[Variable] = set()
        for way in self.passages:
            self.freed.update(layout.ways[way].layout.freed)
        # by thread, since several may go back at once
        self._reached: dict[int, list[tuple]] = {}

    def _way(self, turn: int) -> int:
        return 0 if self.order is None else int(self.order[turn])

    def tape(self, turn: int) -> TurnTape:
        """Return the tape of one turn."""
        number = self._way(turn)
        passage, way = self.passages[number], self.layout.ways[number]
        values = passage.values(bisect_left(passage.at, turn))
        storages: dict[StorageEntry, tuple[Storage, int]] = {}
        for held, known in passage.first.items():
            # what came in, what was made on the way, or what comes out
            root: Any = held.root
            first, last = self._positions.get(root, (turn, turn))
            if turn <= first:
                storages[held] = known
            elif turn > last:
                storages[held] = (self.shown[root], 0)
        for root, made in way.carried.items():
            if self._positions[root][1] == turn:
                storages[made] = (self.shown[root], 0)
        return TurnTape(way.layout, values, storages)

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("a backward pass through a compiled loop made before")
        given = {
            variable: cotangent
            for variable, cotangent in zip(self.layout.leading, cotangents)
            if cotangent is not None
        }
        wanted = [each for each, want in zip(self.roots, needed) if want]
        self._reached[get_ident()] = []
        if state.grad_enabled or state.detect_anomaly:
            found = self._eagerly(given, wanted)
        else:
            found = self._back(given, wanted)
        return tuple(found.get(each) for each in self.roots)

    def release(self) -> None:
        for way, *key in self._reached.pop(get_ident()):
            self.freed.update(self.layout.ways[way].layout.freed_by(*key))
        saving = [each for way in self.passages for each in self.layout.ways[way].layout.saving]
        if saving and self.freed.issuperset(saving):
            for passage in self.passages.values():
                passage.records = {}
                passage.invariant = {}

    def _reach(self, way: int, given: Iterable[Variable], through: list[Variable]) -> None:
        """Note that a pass goes through the turns of a way.

        Raises:
            RuntimeError: what it needs has been freed.
        """
        key = way, tuple(given), tuple(through)
        reached = self._reached[get_ident()]
        if key not in reached:
            if not self.freed.isdisjoint(self.layout.ways[way].layout.freed_by(*key[1:])):
                raise RuntimeError(SECOND_BACKWARD)
            reached.append(key)

    def _back(self, given: dict, wanted: list[Variable]) -> dict:
        """Go back turn by turn; natively once it is known how."""
        layout = self.layout
        others = [each for each in wanted if each not in layout.leading]
        asked = [*layout.leading, *others]
        totals: dict[Variable, np.ndarray] = {}
        waiting = {each: given[each] for each in layout.leading if each in given}
        turns = self.turns
        while turns and waiting:
            number = self._way(turns - 1)
            way, key = layout.ways[number], _key(waiting, asked)
            reverse = layout.reverses.get(key)
            if reverse is not None and number in reverse.plans:
                begin = reverse.reaches(self, turns)
                self._check(reverse, begin, turns)
                waiting = reverse.run(self, begin, turns, waiting, totals)
                turns = begin
                continue
            mine, through = way.given(waiting), way.through(asked)
            found: dict[Variable, Any] = {}
            if mine:
                self._reach(number, mine, through)
                found = natively(self.tape(turns - 1), mine, through)
            before = _next_waiting(layout, way, waiting, found)
            if _key(before, asked) == key:
                if reverse is None:
                    held = waiting.items()
                    values = {each: described(tensor._array) for each, tensor in held}
                    reverse = Reverse(layout, values, asked)
                layout.reverses[key] = reverse.learned(number, waiting)
            for each in others:
                if each in found:
                    totals[each] = add_cotangents(totals.get(each), found[each]._array)
            waiting = before
            turns -= 1
        made = {each: wrap(array) for each, array in totals.items()}
        made.update((each, waiting[each]) for each in waiting if each in wanted)
        return made

    def _check(self, reverse: Reverse, begin: int, end: int) -> None:
        """Note that a pass goes through these turns, and see whether anything was written since.

        Others can write to what came in and to what comes out: whether they have is the same for
        all turns of a way but those between which a tensor changes.
        """
        changes = {turn for pair in self._positions.values() for turn in pair}
        for number, passage in self.passages.items():
            inside = passage.at[bisect_left(passage.at, begin) : bisect_left(passage.at, end)]
            plan = reverse.plans[number] if len(inside) else None
            if plan is None:
                continue
            self._reach(number, plan.given, plan.through)
            if plan.checks:
                own = {int(inside[0]), int(inside[-1])}
                for turn in own.union(each for each in changes if each in inside):
                    check_versions(self.tape(turn), plan.checks)

    def _eagerly(self, given: dict, wanted: list[Variable]) -> dict:
        """Make the histories of all turns as eager would have made them, and walk them."""
        layout = self.layout
        for number in self.passages:
            way = layout.ways[number]
            mine = way.given(given)
            self._reach(number, mine, way.through(wanted))
        edges = {
            root: (node, index)
            for root, node, index in zip(self.roots, self.edges, self.indices or ())
        }
        begun = dict(edges)
        orders = {
            number: [each for each in layout.ways[number].layout.order if each.history is not None]
            for number in self.passages
        }
        for turn in range(self.turns):
            number = self._way(turn)
            nodes = rebuild(orders[number], dict(edges), self.tape(turn), track=False)
            after = layout.ways[number].entering.items()
            edges.update([(root, nodes[output]) for root, output in after])
        found = run_nodes(
            [edges[each] for each in given],
            list(given.values()),
            True,
            state.grad_enabled,
            [begun[each] for each in wanted],
            frozenset(self.edges),
        )
        return {each: got for each, got in zip(wanted, found) if got is not None}


def _key(waiting: dict, asked: list[Variable]) -> tuple:
    pairs = frozenset((each, tensor._array.strides) for each, tensor in waiting.items())
    return pairs, tuple(asked)


def _next_waiting(layout: LoopLayout, way: Way, waiting: dict, found: dict) -> dict:
    """Return the cotangents of what came out of the turn before."""
    before: dict[Variable, Any] = {}
    for root in layout.leading:
        passed = None if root in way.entering else waiting.get(root)
        got = found.get(root)
        if passed is not None and got is not None:
            got = wrap(add_cotangents(passed._array, got._array))
        if passed is not None or got is not None:
            before[root] = passed if got is None else got
    return before
