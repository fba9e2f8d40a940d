"""What the turns of a native loop leave behind, and the history of what comes out of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from threading import get_ident
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.engine import run_nodes
from jitgrad.graph.derivative import add_cotangents, kinds_of, only_numbers, rebuild
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
        self._saving = layout.saving
        self._freed: dict[frozenset[Variable], np.ndarray] = {}
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

    def own(self, begin: int, end: int) -> tuple[int, int]:
        """Return which of its turns lie between two turns: the first, and one behind the last."""
        return bisect_left(self.at, begin), bisect_left(self.at, end)

    def freed(self, own: int) -> set[Variable]:
        """Return the variables whose saved values in one of its turns have been freed."""
        return set().union(*(each for each, turns in list(self._freed.items()) if turns[own]))

    def has_freed(self, saved: frozenset[Variable], first: int, last: int) -> bool:
        """Has something that these variables have saved been freed in one of these turns?"""
        return any(
            not each.isdisjoint(saved) and turns[first:last].any()
            for each, turns in list(self._freed.items())
        )

    def free(self, saved: frozenset[Variable], first: int, last: int) -> None:
        """Free what these variables have saved in some turns; forget it once that is all."""
        if not saved:
            return
        turns = self._freed.setdefault(saved, np.zeros(len(self.at), bool))
        turns[first:last] = True
        whole = (each for each, turns in list(self._freed.items()) if turns.all())
        if set().union(*whole).issuperset(self._saving):
            self.records, self.invariant = only_numbers(self.records), only_numbers(self.invariant)


class Past:
    """What a run of a native loop has left.

    Args:
        layout: what is known of the loop.
        turns: what it has done.
        runs: for each way the run in which it began, None for one that was not taken.
        shown: the storages of the tensors that came out, by the root whose place they took.

    Attributes:
        order: the ways of the turns; None if there was but one.
        passages: what is left of the turns, by their ways.
    """

    def __init__(
        self,
        layout: LoopLayout,
        turns: Turns,
        runs: list[Run | None],
        shown: dict[int, Storage],
    ) -> None:
        order = turns.order
        self.order = order
        self.turns = turns.finished
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

    def way(self, turn: int) -> int:
        """Return the number of the way that a turn took."""
        return 0 if self.order is None else int(self.order[turn])

    def last_changes(self) -> list[int]:
        """Return the turns in which something that came out was made, in their order."""
        return sorted({last for _, last in self._positions.values()})

    def tape(self, turn: int) -> TurnTape:
        """Return the tape of one turn."""
        number = self.way(turn)
        passage, way = self.passages[number], self.layout.ways[number]
        own = bisect_left(passage.at, turn)
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
        tape = TurnTape(way.layout, passage.values(own), storages)
        tape.freed |= passage.freed(own)
        return tape

    def remake(self, turn: int, nodes: dict[Variable, tuple[Node, int]]) -> None:
        """Make the history of one turn as eager would have made it; `nodes` are those before."""
        way = self.layout.ways[self.way(turn)]
        order = [each for each in way.layout.order if each.history is not None]
        made = rebuild(order, dict(nodes), self.tape(turn), track=False)
        nodes.update([(root, made[output]) for root, output in way.entering.items()])

    def histories(self, nodes: dict[Variable, tuple[Node, int]], dependent: bool) -> None:
        """Make the histories of all turns.

        Args:
            nodes: of the variables with which turns begin; in the end those of what comes out.
            dependent: one result may depend on another one. Then the turns that have made one are
                nodes as eager's, because `autograd.grad` may be asked for what lies between.
        """
        begin = 0
        for turn in self.last_changes() if dependent else ():
            self._stretch(begin, turn, nodes)
            self.remake(turn, nodes)
            number = self.way(turn)
            own = self.passages[number].own(turn, turn + 1)
            self.passages[number].free(frozenset(self.layout.ways[number].layout.saving), *own)
            begin = turn + 1
        self._stretch(begin, self.turns, nodes)

    def _stretch(self, begin: int, end: int, nodes: dict[Variable, tuple[Node, int]]) -> None:
        """Make the history of the turns up to another one."""
        if begin == end:
            return
        node = LoopBackward(self, begin, end, nodes)
        changed = {each for number in node.ways for each in self.layout.ways[number].entering}
        for at, variable in enumerate(self.layout.leading):
            if variable in changed:
                nodes[variable] = node, at


class LoopBackward(Node):
    """The history of what comes out of some turns of a native loop.

    Args:
        past: what the run has left.
        begin, end: the turns.
        nodes: of the variables with which turns begin.
    """

    __slots__ = ("_reached", "begin", "end", "layout", "past", "roots", "ways")

    def __init__(
        self, past: Past, begin: int, end: int, nodes: dict[Variable, tuple[Node, int]]
    ) -> None:
        layout = past.layout
        order = past.order
        alike = [0] * min(end - begin, 1 + len(layout.leading))
        taken = alike if order is None else order[begin:end]
        self.ways = [0] if order is None else np.unique(taken).tolist()
        self.roots = layout.roots(taken, self.ways)
        edges = [nodes[each] for each in self.roots]
        super().__init__(
            tuple(node for node, _ in edges),
            tuple(index for _, index in edges),
            len(layout.leading),
        )
        self.layout = layout
        self.past = past
        self.begin = begin
        self.end = end
        # by thread, since several may go back at once
        self._reached: dict[int, list[tuple]] = {}

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
        for number, *what in self._reached.pop(get_ident()):
            self.past.passages[number].free(*what)

    def _reach(self, number: int, given: Iterable, through: Iterable, begin: int, end: int) -> None:
        """Note that a pass goes through the turns of a way between two turns.

        Raises:
            RuntimeError: what it needs has been freed.
        """
        passage = self.past.passages[number]
        saved = self.layout.ways[number].layout.freed_by(tuple(given), tuple(through))
        own = passage.own(begin, end)
        if passage.has_freed(saved, *own):
            raise RuntimeError(SECOND_BACKWARD)
        self._reached[get_ident()].append((number, saved, *own))

    def _useful(self, wanted: list[Variable]) -> list[tuple[int, list[Variable]]]:
        """Return what leads to `wanted` of what turns begin with, and from which turn on."""
        layout, past = self.layout, self.past
        others = frozenset(each for each in wanted if each not in layout.leading)
        held = frozenset(each for each in wanted if each in layout.leading)
        found = [(self.begin, held)]
        for turn in range(self.begin, self.end):
            if all(layout.useful(each, held, others) == held for each in self.ways):
                break
            held = layout.useful(past.way(turn), held, others)
            if held != found[-1][1]:
                found.append((turn + 1, held))
        return [(turn, [each for each in layout.leading if each in held]) for turn, held in found]

    def _back(self, given: dict, wanted: list[Variable]) -> dict:
        """Go back turn by turn; natively once it is known how."""
        layout = self.layout
        others = [each for each in wanted if each not in layout.leading]
        totals: dict[Variable, np.ndarray] = {}
        stretches = self._useful(wanted)
        # what leads nowhere is not computed, and what it would need may have been freed
        waiting = {each: given[each] for each in stretches[-1][1] if each in given}
        turns = self.end
        for first, useful in reversed(stretches):
            waiting = self._stretch(first, turns, waiting, [*useful, *others], totals)
            turns = first
        made = {each: wrap(array) for each, array in totals.items()}
        made.update((each, waiting[each]) for each in waiting if each in wanted)
        return made

    def _stretch(
        self, first: int, turns: int, waiting: dict, asked: list[Variable], totals: dict
    ) -> dict:
        """Go back through the turns up to `turns`, from all of which the same leads on."""
        layout = self.layout
        while turns > first and waiting:
            number = self.past.way(turns - 1)
            way, key = layout.ways[number], _key(waiting, asked)
            reverse = layout.reverses.get(key)
            if reverse is not None and number in reverse.plans:
                begin = reverse.reaches(self.past, first, turns)
                self._check(reverse, begin, turns)
                waiting = reverse.run(self.past, begin, turns, waiting, totals)
                turns = begin
                continue
            mine, through = way.given(waiting), way.through(asked)
            found: dict[Variable, Any] = {}
            if mine:
                self._reach(number, mine, through, turns - 1, turns)
                found = natively(self.past.tape(turns - 1), mine, through)
            before = _next_waiting(layout, way, waiting, found)
            if _key(before, asked) == key:
                if reverse is None:
                    held = waiting.items()
                    values = {each: described(tensor._array) for each, tensor in held}
                    reverse = Reverse(layout, values, asked)
                layout.reverses[key] = reverse.learned(number, waiting)
            for each in through:
                if each in found and each not in layout.leading:
                    totals[each] = add_cotangents(totals.get(each), found[each]._array)
            waiting = before
            turns -= 1
        return waiting

    def _check(self, reverse: Reverse, begin: int, end: int) -> None:
        """Note that a pass goes through these turns, and see whether anything was written since.

        Others can write to what came in and to what comes out. The first turn of a way has seen
        all that came in and any of its turns has, and the last one all that comes out.
        """
        past = self.past
        for number in self.ways:
            passage = past.passages[number]
            first, last = passage.own(begin, end)
            plan = reverse.plans[number] if last > first else None
            if plan is None:
                continue
            self._reach(number, plan.given, plan.through, begin, end)
            if plan.checks:
                for own in {first, last - 1}:
                    check_versions(past.tape(int(passage.at[own])), plan.checks)

    def _eagerly(self, given: dict, wanted: list[Variable]) -> dict:
        """Make the histories of all turns as eager would have made them, and walk them."""
        layout, past = self.layout, self.past
        others = [each for each in wanted if each not in layout.leading]
        stretches = self._useful(wanted)
        live = frozenset(given).intersection(stretches[-1][1])
        turns = self.end
        for first, useful in reversed(stretches):
            for turn in range(turns - 1, first - 1, -1):
                number = past.way(turn)
                way = layout.ways[number]
                mine = way.given({each: None for each in layout.leading if each in live})
                self._reach(number, mine, way.through([*useful, *others]), turn, turn + 1)
                live = layout.reached(number, live)[0].intersection(useful)
            turns = first
        edges = {
            root: (node, index)
            for root, node, index in zip(self.roots, self.edges, self.indices or ())
        }
        begun = dict(edges)
        for turn in range(self.begin, self.end):
            past.remake(turn, edges)
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
    kinds = kinds_of({each: tensor._array for each, tensor in waiting.items()})
    return frozenset(kinds), tuple(asked)


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
