"""The node of the history of what comes out of the turns of a native loop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from threading import get_ident
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.arrivals import Arrivals
from jitgrad.graph.derivative import add_cotangents, described, kinds_of
from jitgrad.graph.loop_layout import LoopLayout, Way
from jitgrad.graph.loop_reverse import Reverse
from jitgrad.graph.loop_shortcuts import MOST, ReverseShortcut, kind_of_pass
from jitgrad.graph.origins import Variable
from jitgrad.graph.tape import check_versions, natively
from jitgrad.modes import state
from jitgrad.node import Node, Unfold, Unfolding


class LoopBackward(Node):
    """The history of what comes out of some turns of a native loop.

    Its outputs are what the loop's leading variables are in the end, and then, turn by turn, the
    variables that have been seen, because something was appended.

    Args:
        past: what the run has left.
        begin, end: the turns.
        nodes: of the variables with which turns begin.
    """

    __slots__ = ("_reached", "begin", "end", "is_chain", "layout", "past", "roots", "ways")

    unfolds = True

    def __init__(
        self, past: Any, begin: int, end: int, nodes: dict[Variable, tuple[Node, int]]
    ) -> None:
        layout: LoopLayout = past.layout
        order = past.order
        taken: Sequence[int] | np.ndarray
        if order is None:
            taken = [0] * min(end - begin, 1 + len(layout.leading))
        else:
            taken = order[begin:end]
        is_whole = end - begin == past.turns
        self.ways = [*past.passages] if is_whole else np.unique(taken).tolist()
        self.roots = layout.roots(taken, self.ways)
        edges = [nodes[each] for each in self.roots]
        seen = past.outputs[-1]
        super().__init__(
            tuple(node for node, _ in edges),
            tuple(index for _, index in edges),
            len(layout.leading) + int(seen),
        )
        self.is_chain = seen > 0
        self.layout = layout
        self.past = past
        self.begin = begin
        self.end = end
        # by thread, since several may go back at once
        self._reached: dict[int, list[tuple]] = {}

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("a backward pass through a compiled loop made before")
        if state.grad_enabled or state.detect_anomaly:
            raise Unfold
        self._reached[get_ident()] = []
        kind = None
        if not self.is_chain and self.end - self.begin == self.past.turns:
            kind = kind_of_pass(self, cotangents, needed)
        try:
            flows = None if kind is None else self._cut_short(kind, cotangents)
            if flows is not None:
                return flows
            given = self._given(cotangents)
            wanted = [each for each, want in zip(self.roots, needed) if want]
            arrivals = Arrivals(self.past, self.begin, self.end, list(self._arrived(cotangents)))
            found = self._back(given, arrivals, wanted)
        except KeyError:
            # another thread has freed it meanwhile
            if any(each.is_freed for each in self.past.passages.values()):
                raise Unfold from None
            raise
        if kind is not None:
            self._learn(kind, given, wanted)
        return tuple(found.get(each) for each in self.roots)

    def _cut_short(self, kind: tuple, cotangents: list) -> tuple | None:
        """Go back in the usual way for this kind of a pass, if there is one and it applies."""
        shortcut = self.layout.shortcuts.get(kind)
        if shortcut is None or shortcut.roots is not self.roots:
            return None
        found = shortcut.run(self, cotangents)
        if found is None:
            return None
        self._reached[get_ident()], flows = found
        return flows

    def _learn(self, kind: tuple, given: dict, wanted: list[Variable]) -> None:
        """Know how to go back for this kind of a pass, if one loop goes through all turns."""
        layout = self.layout
        stretches = self._useful(wanted)
        if len(stretches) > 1 or len(layout.shortcuts) >= MOST:
            return
        useful = stretches[0][1]
        others = [each for each in wanted if each not in layout.leading]
        waiting = {each: given[each] for each in useful if each in given}
        reverse = layout.reverses.get(_key(waiting, [*useful, *others]))
        if reverse is not None and all((way, ()) in reverse.plans for way in self.ways):
            made = ReverseShortcut(self, reverse, wanted)
            if made.is_suitable:
                layout.shortcuts[kind] = made

    def release(self) -> None:
        for number, *what in self._reached.pop(get_ident()):
            self.past.passages[number].free(*what)

    def free(self, saved: Iterable[tuple[int, frozenset[Variable]]]) -> None:
        """Free what variables have saved in all turns on some ways."""
        for number, those in saved:
            passage = self.past.passages[number]
            passage.free(those, slice(0, passage.count))

    def free_all(self) -> None:
        """Free everything."""
        ways = self.layout.ways
        self.free((each, frozenset(ways[each].layout.saving)) for each in self.past.passages)

    def _given(self, cotangents: list) -> dict[Variable, Any]:
        """Return what arrives at the leading variables."""
        pairs = zip(self.layout.leading, cotangents)
        return {variable: cotangent for variable, cotangent in pairs if cotangent is not None}

    def _output(self, index: int) -> tuple[int, Variable]:
        """Return the turn and the variable of an output behind those of the leading ones."""
        index -= len(self.layout.leading)
        turn = int(np.searchsorted(self.past.outputs, index, "right")) - 1
        seen = self.layout.ways[self.past.way(turn)].seen
        return turn, seen[index - int(self.past.outputs[turn])]

    def _arrived(self, cotangents: list) -> Iterable[tuple[int, Variable, Any]]:
        """Yield what arrives at the other outputs: the turn, the variable, the cotangent."""
        for index in range(len(self.layout.leading), self.outputs):
            if cotangents[index] is not None:
                yield *self._output(index), cotangents[index]

    def _reach(self, number: int, given: Iterable, through: Iterable, own: Any) -> None:
        """Note that a pass goes through turns of a way; `own` tells which of these.

        Raises:
            Unfold: what it needs has been freed.
        """
        saved = self.layout.ways[number].layout.freed_by(tuple(given), tuple(through))
        if self.past.passages[number].has_freed(saved, own):
            raise Unfold
        self._reached[get_ident()].append((number, saved, own))

    def _useful(self, wanted: list[Variable]) -> list[tuple[int, list[Variable]]]:
        """Return what leads to `wanted` of what turns begin with, and from which turn on."""
        layout, past = self.layout, self.past
        others = frozenset(each for each in wanted if each not in layout.leading)
        held = frozenset(each for each in wanted if each in layout.leading)
        found = [(self.begin, held)]
        for turn in range(self.begin, self.end):
            if layout.is_steady(self.ways, held, others):
                break
            held = layout.useful(past.way(turn), held, others)
            if held != found[-1][1]:
                found.append((turn + 1, held))
        return [(turn, [each for each in layout.leading if each in held]) for turn, held in found]

    def _back(self, given: dict, arrivals: Arrivals, wanted: list[Variable]) -> dict:
        """Go back turn by turn; natively once it is known how."""
        layout = self.layout
        others = [each for each in wanted if each not in layout.leading]
        totals: dict[Variable, np.ndarray] = {}
        stretches = self._useful(wanted)
        # what leads nowhere is not computed, and what it would need may have been freed
        waiting = {each: given[each] for each in stretches[-1][1] if each in given}
        turns = self.end
        for first, useful in reversed(stretches):
            waiting = self._stretch(first, turns, waiting, [*useful, *others], totals, arrivals)
            turns = first
        made = {each: wrap(array) for each, array in totals.items()}
        made.update((each, waiting[each]) for each in waiting if each in wanted)
        return made

    def _stretch(
        self,
        first: int,
        turns: int,
        waiting: dict,
        asked: list[Variable],
        totals: dict,
        arrivals: Arrivals,
    ) -> dict:
        """Go back through the turns up to `turns`, from all of which the same leads on."""
        layout = self.layout
        while turns > first:
            turns = turns if waiting else arrivals.last(first, turns)
            if turns == first:
                break
            variant, key = arrivals.variant(turns - 1), _key(waiting, asked)
            way = layout.ways[variant[0]]
            reverse = layout.reverses.get(key)
            if reverse is not None and variant in reverse.plans:
                begin = reverse.reaches(arrivals, first, turns)
                self._check(reverse, begin, turns, arrivals)
                waiting = reverse.run(self.past, begin, turns, waiting, totals, arrivals)
                turns = begin
                continue
            turns -= 1
            mine, through = way.given(waiting), way.through(asked)
            for variable, tensor in arrivals.direct.get(turns, {}).items():
                held = mine.get(variable)
                if held is not None:
                    tensor = wrap(add_cotangents(held._array, tensor._array))
                mine[variable] = tensor
            found: dict[Variable, Any] = {}
            if mine:
                self._reach(variant[0], mine, through, self.past.passages[variant[0]].one(turns))
                found = natively(self.past.tape(turns), mine, through)
            before = _next_waiting(layout, way, waiting, found)
            if _key(before, asked) == key:
                if reverse is None:
                    pairs = waiting.items()
                    values = {each: described(tensor._array) for each, tensor in pairs}
                    reverse = Reverse(layout, values, asked)
                layout.reverses[key] = reverse.learned(variant, mine)
            for each in through:
                if each in found and each not in layout.leading:
                    totals[each] = add_cotangents(totals.get(each), found[each]._array)
            waiting = before
        return waiting

    def _check(self, reverse: Reverse, begin: int, end: int, arrivals: Arrivals) -> None:
        """Note that a pass goes through these turns, and see whether anything was written since.

        Others can write to what came in and to what comes out. The first turn of a way has seen
        all that came in and any of its turns has, and the last one all that comes out. What was
        appended is saved by the turns that made it, and by those behind them.
        """
        past = self.past
        for at, variant in enumerate(arrivals.variants):
            plan = reverse.plans.get(variant) if arrivals.count(at, begin, end) else None
            if plan is None:
                continue
            self._reach(variant[0], plan.given, plan.through, arrivals.own(at, begin, end))
            if plan.checks and not (plan.writes_nothing and past.is_as_it_was()):
                turns = arrivals.turns(at, begin, end)
                for turn in turns if past.is_written() else {turns[0], turns[-1]}:
                    check_versions(past.tape(int(turn)), plan.checks)

    def leads(self, output: int, needed: list[bool]) -> bool:
        layout = self.layout
        wanted = [each for each, want in zip(self.roots, needed) if want]
        stretches = self._useful(wanted)
        if output < len(layout.leading):
            return layout.leading[output] in stretches[-1][1]
        turn, variable = self._output(output)
        held = next(held for first, held in reversed(stretches) if first <= turn)
        others = [each for each in wanted if each not in layout.leading]
        way = layout.ways[self.past.way(turn)]
        return variable in way.layout.useful((*held, *others))

    def leads_always(self, needed: list[bool]) -> bool:
        """Does the same lead on along the `needed` edges, whatever the turns on its ways?"""
        layout = self.layout
        wanted = [each for each, want in zip(self.roots, needed) if want]
        held = frozenset(each for each in wanted if each in layout.leading)
        return layout.is_steady(self.ways, held, frozenset(wanted) - held)

    def is_lasting(self, outputs: Collection[int]) -> bool:
        """Does the same lead on from these outputs, whatever the turns on its ways?"""
        layout = self.layout
        leading = len(layout.leading)
        live = frozenset(layout.leading[at] for at in outputs if at < leading)
        return max(outputs, default=0) < leading and layout.is_lasting(self.ways, live)

    def edges_from(self, outputs: Collection[int]) -> Sequence[bool]:
        layout, past = self.layout, self.past
        leading = len(layout.leading)
        live = frozenset(layout.leading[at] for at in outputs if at < leading)
        by_turn: dict[int, set[Variable]] = {}
        for at in outputs:
            if at >= leading:
                number, variable = self._output(at)
                by_turn.setdefault(number, set()).add(variable)
        first = min(by_turn, default=self.end)
        found: set[Variable] = set()
        for turn in range(self.end - 1, self.begin - 1, -1):
            if turn < first and layout.is_lasting(self.ways, live):
                rest = self._ways_until(turn + 1)
                found.update(root for each in rest for root in layout.reached(each, live)[1])
                break
            made = frozenset(by_turn.get(turn, ()))
            live, roots = layout.reached(past.way(turn), live, made)
            found.update(each for each in roots if each not in layout.leading)
        found.update(live)
        return [each in found for each in self.roots]

    def _ways_until(self, turn: int) -> list[int]:
        order = self.past.order
        if turn == self.end or order is None:
            return self.ways
        return np.unique(order[self.begin : turn]).tolist()

    def unfold(self, outputs: Collection[int], unfolding: Unfolding) -> dict[int, tuple[Node, int]]:
        layout, past = self.layout, self.past
        leading = len(layout.leading)
        by_turn: dict[int, list[tuple[int, Variable]]] = {}
        for at in outputs:
            if at >= leading:
                turn, variable = self._output(at)
                by_turn.setdefault(turn, []).append((at, variable))
        edges = dict(zip(self.roots, zip(self.edges, self.indices or ())))
        found: dict[int, tuple[Node, int]] = {}
        for turn in range(self.begin, self.end):
            made = past.remake(turn, edges, unfolding)
            found.update((at, made[variable]) for at, variable in by_turn.get(turn, ()))
        found.update((at, edges[layout.leading[at]]) for at in outputs if at < leading)
        return found


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
