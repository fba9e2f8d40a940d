"""What the turns of a native loop leave behind, and the history of what comes out of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.derivative import only_numbers, rebuild
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.loop_layout import Held, LoopLayout, Way
from jitgrad.graph.loop_node import LoopBackward
from jitgrad.graph.origins import StorageEntry, Variable
from jitgrad.graph.tape import Tape
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.loops import Turns
from jitgrad.kernels.records import entry_at
from jitgrad.locks import made_once
from jitgrad.node import Node, Unfolding
from jitgrad.storage import Storage

_NO_OUTPUTS = np.zeros(1, np.int64)


class TurnTape(Tape):
    """The tape of one turn.

    Args:
        passage: that of its way; `own`: which of its turns this is.
        storages: what `Tape` wants.
    """

    def __init__(self, passage: _Passage, own: int, storages: dict) -> None:
        self.layout = passage.layout
        self.values = passage.values(own)
        self.storages = storages
        # last, since another thread may free it meanwhile
        self.freed = passage.freed(own).union(self.layout.freed)
        self.copies = {}
        self._passage, self._own = passage, own

    def free(self, variables: Collection[Variable]) -> None:
        self._passage.free(frozenset(variables), slice(self._own, self._own + 1))


class _Passage:
    """What one run has left of the turns that took one way.

    Args:
        way: the way; `number`: its own.
        turns: what the run has done.
        held: what the turns have of what came in.

    Attributes:
        count: how many these turns are.
        records: what the tape has of them.
        invariant: what is the same in all of them.
        first: the storages of what came in, with their versions.
    """

    def __init__(self, way: Way, number: int, turns: Turns, held: Held) -> None:
        layout = self.layout = way.layout
        self.count = turns.counts[number]
        self._taken = number, turns.order
        self._freed: dict[frozenset[Variable], np.ndarray] = {}
        # the same of those that are freed in all of these turns
        self._gone: set[Variable] = set()
        self.records = dict(zip(way.kept, turns.tape[number]))
        self.invariant, self.first = held
        for value, _ in layout.arguments:
            if self.invariant.get(value) is not None:
                # eager saved nothing of it, so that the caller may write to it
                self.invariant[value] = laid_out(value, self.invariant[value])

    @made_once
    def at(self) -> Any:
        """The numbers of these turns, as an array or a range."""
        number, order = self._taken
        return range(self.count) if order is None else np.flatnonzero(order == number)

    def values(self, own: int) -> dict[Value | Scalar, Any]:
        """Return what the tape has of one of its turns."""
        values = dict(self.invariant)
        for each, record in self.records.items():
            values[each] = entry_at(record, own, each)
        return values

    def own(self, begin: int, end: int) -> tuple[int, int]:
        """Return which of its turns lie between two turns: the first, and one behind the last."""
        _, order = self._taken
        if begin == 0 and end >= (self.count if order is None else len(order)):
            return 0, self.count
        return bisect_left(self.at, begin), bisect_left(self.at, end)

    def one(self, turn: int) -> slice:
        """Return which of its turns is that with this number."""
        return slice(*self.own(turn, turn + 1))

    @property
    def is_freed(self) -> bool:
        """Has anything been freed?"""
        return bool(self._freed or self._gone)

    def freed(self, own: int) -> set[Variable]:
        """Return the variables whose saved values in one of its turns have been freed."""
        found = (each for each, turns in list(self._freed.items()) if turns[own])
        return self._gone.union(*found)

    def has_freed(self, saved: frozenset[Variable], own: Any) -> bool:
        """Has something that these variables have saved been freed in one of some turns?"""
        return not self._gone.isdisjoint(saved) or any(
            not each.isdisjoint(saved) and turns[own].any()
            for each, turns in list(self._freed.items())
        )

    def free(self, saved: frozenset[Variable], own: Any) -> None:
        """Free what these variables have saved in some turns; forget it once that is all."""
        if not saved:
            return
        is_whole = isinstance(own, slice) and own == slice(0, self.count)
        if not is_whole:
            turns = self._freed.setdefault(saved, np.zeros(self.count, bool))
            turns[own] = True
            is_whole = bool(turns.all())
        if is_whole:
            self._gone.update(saved)
        if is_whole and self._gone.issuperset(self.layout.saving):
            self.records, self.invariant = only_numbers(self.records), only_numbers(self.invariant)


class Past:
    """What a run of a native loop has left.

    Args:
        layout: what is known of the loop.
        turns: what it has done.
        held: for each way what its turns have of what came in, None for one that was not taken.
        shown: the storages of the tensors that came out, by the root whose place they took.
        seen: for each way the storages of what it has appended, by what they are in the trace and
            by the number of the turn among those of the way.

    Attributes:
        order: the ways of the turns; None if there was but one.
        passages: what is left of the turns, by their ways.
        outputs: how many variables have been seen before each turn, and in all.
    """

    def __init__(
        self,
        layout: LoopLayout,
        turns: Turns,
        held: Sequence[Held | None],
        shown: dict[int, Storage],
        seen: Sequence[dict[StorageEntry, dict[int, Storage]]],
    ) -> None:
        self.order = order = turns.order
        self.turns = turns.finished
        self.outputs = _NO_OUTPUTS
        if layout.is_seen:
            counts = np.array([len(each.seen) for each in layout.ways])
            taken = np.zeros(turns.finished, np.uint8) if order is None else order
            self.outputs = np.concatenate(([0], np.cumsum(counts[taken])))
        self.seen = seen
        self.layout = layout
        self.passages: dict[int, _Passage] = {
            way: _Passage(layout.ways[way], way, turns, those)
            for way, those in enumerate(held)
            if turns.counts[way] and those is not None
        }
        self.shown = shown

    @made_once
    def _positions(self) -> dict[int, tuple[int, int]]:
        """For each root: the turns at which its tensor changes first and last."""
        found: dict[int, tuple[int, int]] = {}
        for way, passage in self.passages.items():
            for root in self.layout.ways[way].carried:
                first, last = found.get(root, (self.turns, -1))
                found[root] = min(first, int(passage.at[0])), max(last, int(passage.at[-1]))
        return found

    def way(self, turn: int) -> int:
        """Return the number of the way that a turn took."""
        return 0 if self.order is None else int(self.order[turn])

    def last_changes(self) -> list[int]:
        """Return the turns in which what came out got its last history, in their order."""
        last: dict[Variable, int] = {}
        for way, passage in self.passages.items():
            for variable in self.layout.ways[way].entering:
                last[variable] = max(last.get(variable, -1), int(passage.at[-1]))
        return sorted(set(last.values()))

    def tape(self, turn: int) -> TurnTape:
        """Return the tape of one turn."""
        number = self.way(turn)
        passage, way = self.passages[number], self.layout.ways[number]
        own = bisect_left(passage.at, turn)
        storages = {
            held: (those[own], 0) for held, those in self.seen[number].items() if own in those
        }
        for held, known in passage.first.items():
            # what came in, what was made on the way, or what comes out
            root: Any = held.root
            first, last = self._positions.get(root, (turn, turn))
            if turn <= first:
                storages[held] = known
            elif turn > last:
                storages[held] = (self.shown[root], 0)
            elif (shown := self._seen(root, turn)) is not None:
                storages[held] = (shown, 0)
        for root, made in way.carried.items():
            if self._positions[root][1] == turn:
                storages[made] = (self.shown[root], 0)
        return TurnTape(passage, own, storages)

    def _seen(self, root: int, turn: int) -> Storage | None:
        """Return the storage of what is in the place of a root as a turn begins, if it was seen."""
        made = -1, 0, 0
        for number, passage in self.passages.items():
            own = bisect_left(passage.at, turn) - 1
            if own >= 0 and root in self.layout.ways[number].carried:
                made = max(made, (int(passage.at[own]), number, own))
        _, number, own = made
        entry = self.layout.ways[number].carried.get(root)
        return self.seen[number].get(entry, {}).get(own)  # type: ignore[arg-type]

    def is_as_it_was(self) -> bool:
        """Has nobody written to anything that is saved?"""
        return (
            not self.is_written()
            and not any(
                storage.version != version
                for passage in self.passages.values()
                for storage, version in passage.first.values()
            )
            and not any(storage.version for storage in self.shown.values())
        )

    def is_written(self) -> bool:
        """Has somebody written to what was appended, and is saved?"""
        return any(
            storage.version
            for those in self.seen
            for storages in those.values()
            for storage in storages.values()
        )

    def remake(
        self,
        turn: int,
        nodes: dict[Variable, tuple[Node, int]],
        unfolding: Unfolding | None = None,
    ) -> dict:
        """Make the history of one turn as eager would have made it.

        Args:
            nodes: those before; the ones behind the turn take their place.
            unfolding: see `rebuild`.

        Returns:
            The nodes of all variables of the turn.
        """
        way = self.layout.ways[self.way(turn)]
        order = [each for each in way.layout.order if each.history is not None]
        made = rebuild(order, dict(nodes), self.tape(turn), unfolding=unfolding)
        nodes.update([(root, made[output]) for root, output in way.entering.items()])
        return made

    def histories(
        self, nodes: dict[Variable, tuple[Node, int]], dependent: bool
    ) -> LoopBackward | None:
        """Make the histories of all turns.

        Args:
            nodes: of the variables with which turns begin; in the end those of what comes out.
            dependent: one result may depend on another one. Then the turns that have made one are
                nodes as eager's, because `autograd.grad` may be asked for what lies between.

        Returns:
            The last node; where something was appended, it is the only one.
        """
        dependent = dependent and not self.outputs[-1]
        begin = 0
        for turn in self.last_changes() if dependent else ():
            self._stretch(begin, turn, nodes)
            self.remake(turn, nodes)
            number = self.way(turn)
            own = self.passages[number].one(turn)
            self.passages[number].free(frozenset(self.layout.ways[number].layout.saving), own)
            begin = turn + 1
        return self._stretch(begin, self.turns, nodes)

    def _stretch(
        self, begin: int, end: int, nodes: dict[Variable, tuple[Node, int]]
    ) -> LoopBackward | None:
        """Make the history of the turns up to another one."""
        if begin == end:
            return None
        node = LoopBackward(self, begin, end, nodes)
        for at, variable in self.layout.changed(node.ways):
            nodes[variable] = node, at
        return node
