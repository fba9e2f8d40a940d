"""What the tapes of all runs of a native loop have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.origins import StorageEntry, Variable, ancestors
from jitgrad.graph.run import Run
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.storage import Storage


class Held(NamedTuple):
    """What the turns of one run on one way have of what came in.

    Attributes:
        invariant: what is the same in all of them.
        first: the storages of tensors, with their versions.
    """

    invariant: dict[Value | Scalar, Any]
    first: dict[StorageEntry, tuple[Storage, Any]]


class Way:
    """What autograd has to know of a turn that takes one way.

    Args:
        layout: the histories of what comes out of it.
        entering: by the variable with which a turn begins, the one with which the next begins. A
            variable that is not among them goes on as it is.
        kept: what the tape records.
        carried: the roots that it puts another tensor in the place of, with its storage.
        seen: the variables of what is appended to lists, and so are outputs of the node, too.

    Attributes:
        invariant: what is kept besides, once for all turns, with the slots where it is.
    """

    def __init__(
        self,
        layout: TapeLayout,
        entering: dict[Variable, Variable],
        kept: list[Value | Scalar],
        carried: dict[int, StorageEntry],
        seen: list[Variable],
    ) -> None:
        self.layout = layout
        self.entering = entering
        self.kept = kept
        self.carried = carried
        self.seen = seen
        self.invariant = [item for item in layout.slots.items() if item[0] not in set(kept)]

    def held(self, run: Run) -> Held:
        """Return what the turns of a run have of what came in."""
        slots, roots, versions = run.slots, run.roots, run.versions
        given = self.layout.given_storages
        return Held(
            {each: slots[slot] for each, slot in self.invariant},
            {each: (roots[root]._storage, versions[root]) for each, root in given.items()},
        )

    def given(self, waiting: dict[Variable, Any]) -> dict[Variable, Any]:
        """Return, of what waits behind a turn, what goes into its derivative."""
        return {after: waiting[root] for root, after in self.entering.items() if root in waiting}

    def through(self, wanted: list[Variable]) -> list[Variable]:
        """Return those of `wanted` that its histories reach."""
        return [each for each in wanted if each in self.layout.roots]


class LoopLayout:
    """What the tapes of all runs of a loop have in common.

    Attributes:
        ways: what is known of each way through a turn.
        leading: the variables with which a turn begins; the first outputs of the node are what they
            are at the end.
        reverses: native loops that go back, by what they are given and asked for.
        shortcuts: how to go back through all turns of a run, by kinds of passes.
        is_seen: something is appended to lists.
    """

    def __init__(self, ways: list[Way]) -> None:
        self.ways = ways
        leading = {each for way in ways for each in way.entering}
        self.leading = sorted(leading, key=lambda each: each.root)  # type: ignore[return-value]
        self.reverses: dict[Any, Any] = {}
        self.shortcuts: dict[Any, Any] = {}
        self.is_seen = any(each.seen for each in ways)
        self._lasting: dict[tuple[int, ...], list[Variable]] = {}
        self._reached: dict[Any, tuple[frozenset[Variable], list[Variable]]] = {}
        self._useful: dict[Any, frozenset[Variable]] = {}
        self._steady: dict[Any, bool] = {}
        self._changed: dict[tuple[int, ...], list[tuple[int, Variable]]] = {}

    def is_dependent(self) -> bool:
        """May one of the results depend on another: of the same turn, or one made before it?"""
        return any(
            each.layout.dependent
            or any(
                one in self.leading and one not in each.entering
                for one in ancestors(each.entering.values())
            )
            for each in self.ways
        )

    def reached(
        self, way: int, live: frozenset[Variable], made: frozenset[Variable] = frozenset()
    ) -> tuple:
        """Return what `live` behind a turn comes from: of the leading ones, and all of them.

        Args:
            made: variables of the turn that are live besides.
        """
        found = self._reached.get((way, live, made))
        if found is None:
            layout, entering = self.ways[way].layout, self.ways[way].entering
            held = [entering[each] for each in self.leading if each in live and each in entering]
            held.extend(made)
            roots = {each for each in ancestors(held) if each.root is not None}
            roots.update(each for each in live if each not in entering)
            before = frozenset(each for each in self.leading if each in roots)
            ordered = [each for each in [*self.leading, *layout.roots] if each in roots]
            found = self._reached[way, live, made] = before, list(dict.fromkeys(ordered))
        return found

    def useful(
        self, way: int, held: frozenset[Variable], others: frozenset[Variable]
    ) -> frozenset[Variable]:
        """Return what leads to `others`, or to `held` before a turn, of what there is behind it."""
        found = self._useful.get((way, held, others))
        if found is None:
            entering, targets = self.ways[way].entering, held | others
            found = self._useful[way, held, others] = frozenset(
                each
                for each in self.leading
                if not targets.isdisjoint(ancestors([entering.get(each, each)]))
            )
        return found

    def is_steady(
        self, ways: Sequence[int], held: frozenset[Variable], others: frozenset[Variable]
    ) -> bool:
        """Does the same as before a turn lead on behind it, on each of these ways?"""
        key = tuple(ways), held, others
        found = self._steady.get(key)
        if found is None:
            found = self._steady[key] = all(
                self.useful(each, held, others) == held for each in ways
            )
        return found

    def is_lasting(
        self,
        ways: Sequence[int],
        live: frozenset[Variable],
        seen: Mapping[int, frozenset[Variable]] = MappingProxyType({}),
    ) -> bool:
        """Does `live` come from the same variables, whatever the turns on these ways?

        Args:
            seen: by way, variables of its turns that are live besides.
        """
        return all(
            self.reached(each, live, seen.get(each, frozenset()))[0] == live for each in ways
        )

    def changed(self, ways: Sequence[int]) -> list[tuple[int, Variable]]:
        """Return which leading variables change in turns on these ways, with their numbers."""
        found = self._changed.get(tuple(ways))
        if found is None:
            changing = {each for way in ways for each in self.ways[way].entering}
            found = [pair for pair in enumerate(self.leading) if pair[1] in changing]
            self._changed[tuple(ways)] = found
        return found

    def has_lasting_roots(self, ways: Sequence[int]) -> bool:
        """Do the results of turns on these ways depend on the same, whatever their order?"""
        return tuple(ways) in self._lasting

    def roots(self, taken: Sequence[int] | np.ndarray, ways: Sequence[int]) -> list[Variable]:
        """Return what comes from outside that the results of these turns depend on.

        Args:
            taken: the way of each turn.
            ways: those among them.
        """
        used = tuple(ways)
        known = self._lasting.get(used)
        if known is not None:
            return known
        seen = {each: frozenset(self.ways[each].seen) for each in used}
        live = frozenset(each for way in used for each in self.ways[way].entering)
        found: dict[Variable, None] = {}
        for done, way in enumerate(reversed(taken)):
            if self.is_lasting(used, live, seen):
                # so it is in every turn
                for each in used:
                    found.update(dict.fromkeys(self.reached(each, live, seen[each])[1]))
                if not done:
                    self._lasting[used] = list(dict.fromkeys([*found, *live]))
                break
            live, roots = self.reached(int(way), live, seen[int(way)])
            found.update((each, None) for each in roots if each not in self.leading)
        found.update((each, None) for each in self.leading if each in live)
        return list(found)
