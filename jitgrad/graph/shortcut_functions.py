"""The functions of shortcuts: a whole path as straight Python code.

Such a function checks what decides about the entry and its facts, calls one program, and makes the
results and their history. It returns MISSED, WRONG or STALE where it does not apply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from jitgrad.graph.facts import IsObject, IsTensor
from jitgrad.graph.guards import FactWriter
from jitgrad.graph.hot import HotPath
from jitgrad.graph.ir import Value
from jitgrad.graph.origins import StorageEntry
from jitgrad.graph.path_writer import PathWriter, Unfit
from jitgrad.graph.recipes import Fresh, walk
from jitgrad.graph.route_history import NAMES, leave_for_later
from jitgrad.graph.route_reverse import KeptPath
from jitgrad.graph.segment import Continue, Segment
from jitgrad.graph.shortcut_facts import PathFacts
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.graph.watching import Watch, WatchedGuards

LEAST_TOGETHER = 4
"""How many tensors must be kept to have one block for all of them."""

MOST_ROOTS = 16
"""How many tensors and objects from outside a shortcut may name one by one."""

MOST_PAIRS = 15
"""How many of them, two by two, are compared rather than looked up among all."""


class Writer(PathWriter):
    """Writes the function of one path."""

    def __init__(self, first: Segment, hot: HotPath, key: tuple) -> None:
        path = hot.last.path()
        taken = [fact for segment in path for fact in segment.facts]
        kinds = Counter(
            id(each.kind if isinstance(each, IsObject) else each.spec.key[0])
            for each in taken
            if isinstance(each, (IsObject, IsTensor))
        )
        takes = kinds.total()
        watch: Watch | None = None
        if isinstance(first.guards, WatchedGuards):
            self.guards = first.guards
            known = self.guards.watched
            if known is None:
                raise Unfit(early=True)
            self.watch = watch = known[1]
            takes -= len(watch.roots)
        if takes > MOST_ROOTS:
            raise Unfit
        watched = None if watch is None else watch.plan.watched
        pairs = sum(each * (each - 1) // 2 for each in kinds.values())
        super().__init__(first, hot, PathFacts(pairs <= MOST_PAIRS and watched is None, watched))
        self.entry(key)
        self.take(path)
        if watch is not None and not watch.has_same_classes():
            # what is written of them may be what they were in between
            raise Unfit(early=True)
        self.compute()
        self._give_back(key)

    def _give_back(self, key: tuple) -> None:
        """Make the results and their histories; in the general way, where there is no shorter."""
        written = len(self.lines)
        try:
            self.histories()
            self.result(key)
            if self.layout is not None:
                kept = KeptPath(self.layout, self.values, self.kept, self.block, self.offsets)
                storages = [self.facts.storage(root) for _, root in self.layout.arguments]
                leave_for_later(self.facts, {self.node: kept}, {self.node: storages}, self.edges)
        except Unfit:
            del self.lines[written:]
            names = [self.constant(each) for each in (self.end, self.first, self.hot.last)]
            slots = ", ".join(self.slots.get(at, "None") for at in range(self.end.state.slots))
            if self.watch is not None:
                self.lines.append("known_versions = watch.versions()")
            self.facts.slots.clear()
            self.lines.append("run = Run(values)")
            FactWriter.flush(self.facts)
            self.lines.append(f"run.slots = [{slots}]")
            self.lines.append(f"return give_back(run, {', '.join(names)})")

    # tapes are made where they are asked for

    def program(self) -> tuple[Callable, dict[Value, int]]:
        """Return one that puts into one block what nothing but a backward pass reads."""
        hot, layout = self.hot, self.end.tape_layout
        if self.watch is None or layout is None:
            return super().program()
        places, seen = set(hot.places), {slot for slot, _ in layout.seen_storages.values()}
        shown = {each.entry.value for each in walk(self.end.recipes()) if type(each) is Fresh}
        together = [
            each
            for each, slot in layout.slots.items()
            if isinstance(each, Value) and slot in places and slot not in seen and each not in shown
        ]
        if len(together) < LEAST_TOGETHER:
            return super().program()
        made = hot.last.lower_with_block(*hot.trace, together=together)
        return super().program() if made is None else (made.at_once(), made.offsets)

    def value(self, slot: str) -> str:
        is_lasting = slot.startswith(("known_slots[", "part("))
        if slot.isidentifier() or is_lasting:
            return slot
        return self.facts.hold(slot)

    def given_storages(self, layout: TapeLayout) -> dict[StorageEntry, tuple[str, str]]:
        places = self.watch.plan.roots if self.watch is not None else {}
        watched = [each for each, root in layout.given_storages.items() if root in places]
        found = {}
        for entry, root in layout.given_storages.items():
            if entry not in watched or len(watched) < 2:
                storage, version = self.facts.version(root)
                found[entry] = self.facts.hold(storage), self.facts.hold(version)
        if len(watched) > 1:
            pick = itemgetter(*(places[layout.given_storages[each]] for each in watched))
            storages = self.facts.hold(f"watch.picked({self.constant(pick)}, watch.storages)")
            versions = self.facts.hold(f"watch.picked_versions({self.constant(pick)})")
            for at, entry in enumerate(watched):
                found[entry] = f"{storages}[{at}]", f"{versions}[{at}]"
        return found

    def watch_arguments(self, tape: str, layout: TapeLayout) -> None:
        for _, root in layout.arguments:
            self.facts.storages[root] = self.facts.hold(self.facts.storage(root))
        super().watch_arguments(tape, layout)

    def _edges(self, roots: list[int]) -> tuple[str, str]:
        edges, indices = super()._edges(roots)
        self.edges = self.facts.hold(edges), self.facts.hold(indices)
        return self.edges

    def function(self) -> Callable[[Sequence[Any], tuple], Any]:
        """Return the function of the values of a call, and the names of the last of them."""
        begin = f"if names != {self.constant(self.names)}: return MISSED"
        return self.compiled("shortcut(values, names)", [begin], NAMES)

    def direct(self) -> Callable[[Any, tuple, dict], Any] | None:
        """Return the same as a function of the graph and the arguments, MISSED where it fails.

        None where calls go on elsewhere, or with another mode.
        """
        end = self.end
        if isinstance(end, Continue) or end.grad_enabled is not self.begun:
            return None
        return self.compiled_directly(self.names, NAMES)
