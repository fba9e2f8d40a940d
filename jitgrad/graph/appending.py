"""What the turns of a native loop append to lists.

Nothing in a turn looks at such a list, whoever has it; so the elements are recorded turn by turn,
and appended behind the turns. They are the objects that eager would have appended: a tensor that is
appended and goes on into the next turn is one object, and what shares its memory does so here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.ir import Compute, Memory, Scalar, Value
from jitgrad.graph.joins import Carried, Moved, Unsuitable
from jitgrad.graph.origins import Excerpt, StorageEntry, TensorEntry, Variable
from jitgrad.graph.recipes import Constant, Container, Fresh, Number, Recipe, Root, walk
from jitgrad.graph.run import Run
from jitgrad.graph.text_recipes import Written
from jitgrad.graph.ways import WayBack
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.loops import Turns
from jitgrad.kernels.records import packed, same_places
from jitgrad.storage import Storage


class _Tensors(dict):
    """Tensors with memories of their own, by turn: made once each, when they are asked for.

    Args:
        record: their elements.
        value: what one of them is.
    """

    def __init__(self, record: np.ndarray, value: Value) -> None:
        self.record = record
        self.value = value
        self.is_plain = np.array(like := allocate(value)).strides == like.strides

    def __missing__(self, own: int) -> Any:
        if self.is_plain:
            array = np.array(self.record[own])
        else:
            array = allocate(self.value)
            np.copyto(array, self.record[own])
        made = self[own] = wrap(array)
        return made


class _Sharing(dict):
    """Tensors that share a memory, by turn and by their entries.

    Args:
        record: the elements of the whole memory.
        whole: the value that has them all.
        recipes: of the tensors.
    """

    def __init__(self, record: np.ndarray, whole: Value, recipes: Sequence[Fresh]) -> None:
        self.record = record
        self.whole = whole
        self.recipes = recipes

    def __missing__(self, own: int) -> dict[Any, Any]:
        block = allocate(self.whole)
        np.copyto(block, self.record[own])
        turn = Run([])
        found = self[own] = turn.made
        for each in self.recipes:
            self._make(each, block, turn)
        return found

    def _make(self, recipe: Fresh, block: np.ndarray, turn: Run) -> Any:
        entry, value = recipe.entry, recipe.entry.value
        made = turn.made.get(entry)
        if made is None:
            array = block
            if value is not self.whole:
                size = value.dtype.itemsize
                strides = tuple(stride * size for stride in value.strides)
                array = np.ndarray(value.shape, value.dtype, block, value.offset * size, strides)
            made = turn.made[entry] = wrap(array, turn.storage(entry.storage, array, 0))
            made._unfollowed = recipe.unfollowed
            if isinstance(recipe.base, Fresh):
                made._base = self._make(recipe.base, block, turn)
        return made


class _Part:
    """What one of the tensors that share a memory is in each turn."""

    def __init__(self, tensors: _Sharing, entry: TensorEntry) -> None:
        self.tensors = tensors
        self.entry = entry

    def __getitem__(self, own: int) -> Any:
        return self.tensors[own][self.entry]

    def items(self) -> Iterator[tuple[int, Any]]:
        """Yield those that have been made, with their turns."""
        for own, found in self.tensors.items():
            yield own, found[self.entry]


class Elements:
    """What the turns that take one way append.

    Args:
        way: the way.
        given: the inputs that change in some turn.
        watched: the roots whose places tensors take that are appended in a later turn.
        rebuilt: the roots whose places tuples and lists take.

    Attributes:
        kept: what has to be recorded.
        changes: by its root, what becomes of a tensor that changes.
        entries: by its root, the tensor that takes its place, if it is recorded.
        seen: the tensors with a history that others see of a turn, with their variables.

    Raises:
        Unsuitable: what is appended cannot be told behind the turns.
    """

    def __init__(
        self,
        way: WayBack,
        given: Collection[Value | Scalar],
        watched: Collection[int],
        rebuilt: Collection[int],
    ) -> None:
        self.way = way
        self.given = given
        self.kept: dict[Value | Scalar, None] = {}
        self.changes = way.changes()
        self.entries: dict[int, TensorEntry] = {}
        self._groups: dict[Memory, tuple[Value, list[Fresh]]] = {}
        used = walk(each.recipe for each in way.appends)
        tensors = [each for each in used if isinstance(each, Fresh)]
        going = {
            root: join.recipe
            for root, join in self.changes.items()
            if isinstance(join, Carried) and join.recipe is not None
        }
        tensors += [recipe for root, recipe in going.items() if root in watched]
        memories = {each.entry.value.memory for each in tensors}
        for root, recipe in going.items():
            if recipe.entry.value.memory in memories:
                tensors.append(recipe)
                self.entries[root] = recipe.entry
        for each in tensors:
            self._take(each)
        for each in used:
            self._check(each, rebuilt)
        kept = walk(way.end.snapshot.kept)
        kept += [going[root] for root in watched if root in going]
        self.seen: dict[TensorEntry, Variable] = {
            each.entry: each.variable
            for each in kept
            if isinstance(each, Fresh) and each.variable is not None
        }

    def _take(self, recipe: Fresh) -> None:
        """Have a tensor recorded that is appended, or with which the next turn begins."""
        memory = recipe.entry.value.memory
        if isinstance(memory, Excerpt) or memory in self.way.state.memories.values():
            raise Unsuitable("a tensor is appended that shares its memory with what came in")
        if memory not in self._groups:
            # what comes first has all elements, what comes then are views of it
            whole = next(
                step.output
                for step in self.way.steps
                if isinstance(step, Compute) and step.output.memory is memory
            )
            thin = [step for size, step in zip(whole.shape, whole.strides) if size > 1]
            if 0 not in whole.shape and (0 in thin or not same_places(whole, packed(whole))):
                raise Unsuitable("a tensor is appended whose elements do not lie densely")
            self._groups[memory] = whole, []
            self.kept[whole] = None
        self._groups[memory][1].append(recipe)

    def _check(self, recipe: Recipe, rebuilt: Collection[int]) -> None:
        if isinstance(recipe, Number):
            if recipe.scalar in self.way.made or recipe.scalar in self.given:
                self.kept[recipe.scalar] = None
        elif isinstance(recipe, Root):
            if recipe.index in rebuilt:
                raise Unsuitable("it appends a tuple or list that another one takes the place of")
        elif not isinstance(recipe, (Constant, Fresh, Written)) and (
            not isinstance(recipe, Container) or recipe.kind is not tuple
        ):
            raise Unsuitable(f"a {type(recipe).__name__} is appended")

    def saved(self) -> dict[StorageEntry, list[TensorEntry]]:
        """Return the tensors of which something may be saved, by their storages."""
        found: dict[StorageEntry, list[TensorEntry]] = {}
        for _, recipes in self._groups.values():
            for each in recipes:
                found.setdefault(each.entry.storage, []).append(each.entry)
        return found

    def columns(self, records: dict[Value | Scalar, np.ndarray]) -> dict[Any, Any]:
        """Return what its numbers and tensors are in each turn that takes the way."""
        found: dict[Any, Any] = {
            each: records[each].tolist() for each in self.kept if isinstance(each, Scalar)
        }
        for whole, recipes in self._groups.values():
            entries = dict.fromkeys(each.entry for each in recipes)
            first = recipes[0].entry
            if len(entries) == 1 and first.value is whole and first.storage.sibling is None:
                found[first] = _Tensors(records[whole], whole)
            else:
                tensors = _Sharing(records[whole], whole, recipes)
                found.update((each, _Part(tensors, each)) for each in entries)
        return found


def elements_of(ways: Sequence[WayBack], given: Collection[Value | Scalar]) -> list[Elements]:
    """Return what turns append on each way through a loop; `given` are the inputs that change.

    Raises:
        Unsuitable: see `Elements`.
    """
    waiting = [
        entry.root
        for way in ways
        for each in walk(one.recipe for one in way.appends)
        if isinstance(each, Root) and (entry := way.state.roots[each.index]) is not None
    ]
    watched: set[int] = set()
    while waiting:
        root: Any = waiting.pop()
        joins = [join for way in ways if (join := way.changes().get(root)) is not None]
        if joins and root not in watched:
            watched.add(root)
            waiting.extend(each.source for each in joins if isinstance(each, Moved))
    rebuilt = set().union(*(way.rebuilt for way in ways))
    return [Elements(way, given, watched, rebuilt) for way in ways]


class NothingAppended:
    """What a run is to append of a loop that appends nothing, and moves no tensors."""

    def __init__(self, ways: int) -> None:
        self._storages: list[dict[StorageEntry, dict[int, Storage]]] = [{} for _ in range(ways)]

    def tensor(self, root: int, turn: int) -> None:
        """Nobody has seen what turns have made."""

    def perform(self) -> None:
        """Append nothing."""

    def storages(self) -> list[dict[StorageEntry, dict[int, Storage]]]:
        """Nothing has been made."""
        return self._storages


class Appended:
    """What a run of a native loop is to append: made first, and then appended.

    Args:
        elements: of each way.
        turns: what the run has done.
        runs: for each way the run in which it began, None for one that was not taken.
        records: for each way what it has recorded.
    """

    def __init__(
        self,
        elements: Sequence[Elements],
        turns: Turns,
        runs: Sequence[Run | None],
        records: Sequence[dict[Value | Scalar, np.ndarray]],
    ) -> None:
        self.elements = elements
        self.turns = turns
        self.runs = runs
        self.columns = [each.columns(held) for each, held in zip(elements, records)]
        self.roots = next(each for each in runs if each is not None).roots
        self._known = {root for each in elements for root in each.entries}
        for each in elements:
            self._known.update(r for r, join in each.changes.items() if isinstance(join, Moved))
        self._turns_of: dict[tuple[int, ...], Sequence[int]] = {}
        self._grown: dict[int, tuple[list, list]] = {}
        self._make()

    def turns_of(self, ways: tuple[int, ...]) -> Sequence[int]:
        """Return the numbers of the turns that took one of these ways."""
        found = self._turns_of.get(ways)
        if found is None:
            order = self.turns.order
            found = range(self.turns.finished if ways else 0)
            if order is not None:
                found = np.flatnonzero(np.isin(order, ways)).tolist()
            self._turns_of[ways] = found
        return found

    def perform(self) -> None:
        """Append the elements of all turns, in their order."""
        for target, made in self._grown.values():
            target.extend(made)

    def storages(self) -> list[dict[StorageEntry, dict[int, Storage]]]:
        """Return by way, storage of the trace, and turn of the way what has been made."""
        return [
            {
                storage: {
                    own: made._storage for each in entries for own, made in columns[each].items()
                }
                for storage, entries in elements.saved().items()
            }
            for elements, columns in zip(self.elements, self.columns)
        ]

    def give_histories(self, node: Any) -> None:
        """Let the tensors with a history be outputs of a node."""
        first, outputs = len(node.layout.leading), node.past.outputs
        for way, (elements, columns) in enumerate(zip(self.elements, self.columns)):
            starts = outputs[np.asarray(self.turns_of((way,)), int)].tolist()
            for at, entry in enumerate(elements.seen, first):
                for own, made in columns[entry].items():
                    made._node, made._index = node, at + starts[own]
        for columns in self.columns:
            for column in columns.values():
                if isinstance(column, _Part):
                    for _, made in column.items():
                        if made._base is not None:
                            made._base_node = made._base._node

    def _make(self) -> None:
        """Make the elements of all turns, in their order."""
        grown = self._grown
        plans: list[list[tuple[Callable, Callable]]] = []
        for number, (each, run) in enumerate(zip(self.elements, self.runs)):
            plan: list[tuple[Callable, Callable]] = []
            plans.append(plan)
            count = self.turns.counts[number]
            for root, recipe in each.way.appends if count and run is not None else ():
                target = run.roots[root]  # type: ignore[union-attr]
                _, made = grown.setdefault(id(target), (target, []))
                plan.append((made.append, iter(self._values(number, recipe, count)).__next__))
        ways = tuple(number for number, plan in enumerate(plans) if plan)
        if not ways:
            return
        order = self.turns.order
        taken = repeat(0, self.turns.finished)
        for way in taken if order is None else order[np.isin(order, ways)].tolist():
            for take_up, following in plans[way]:
                take_up(following())

    def _values(self, way: int, recipe: Recipe, count: int) -> Any:
        """Return what a recipe makes in the turns that took a way."""
        if isinstance(recipe, Constant):
            return repeat(recipe.value, count)
        if isinstance(recipe, Container):
            if not recipe.items:
                return repeat((), count)
            return zip(*(self._values(way, each, count) for each in recipe.items))
        if isinstance(recipe, Written):
            columns = [self._values(way, each, count) for each in recipe.given]
            return map(recipe.write, zip(*columns) if columns else repeat((), count))
        run, columns, elements = self.runs[way], self.columns[way], self.elements[way]
        assert run is not None
        if isinstance(recipe, Fresh):
            return map(columns[recipe.entry].__getitem__, range(count))
        if isinstance(recipe, Number):
            known = recipe.scalar in columns
            return columns[recipe.scalar] if known else repeat(recipe.build(run), count)
        assert isinstance(recipe, Root)
        entry: Any = elements.way.state.roots[recipe.index]
        if entry is None or entry.value not in elements.given:
            return repeat(run.roots[recipe.index], count)
        return (self.tensor(entry.root, turn) for turn in self.turns_of((way,)))

    def tensor(self, root: int, turn: int) -> Any:
        """Return what is in the place of a root when a turn begins.

        None where nobody has seen it, since it was made in a turn and not appended.
        """
        order = self.turns.order
        while root in self._known:
            changing = tuple(at for at, each in enumerate(self.elements) if root in each.changes)
            turns = self.turns_of(changing)
            before = bisect_left(turns, turn)
            if not before:
                return self.roots[root]
            turn = turns[before - 1]
            way = 0 if order is None else int(order[turn])
            join = self.elements[way].changes[root]
            if isinstance(join, Carried):
                entry = self.elements[way].entries.get(root)
                own = bisect_left(self.turns_of((way,)), turn)
                return None if entry is None else self.columns[way][entry][own]
            root = join.source
        changed = any(root in each.changes for each in self.elements)
        return None if changed else self.roots[root]
