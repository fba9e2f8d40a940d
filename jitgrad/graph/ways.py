"""The ways through the turn of a loop: paths that lead back to where they began.

What such a path ends with is what it begins with; so its steps are one way through the turn of a
loop. All that a turn depends on is among its inputs, or is a fact about the world outside, which a
turn without effects cannot change.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from jitgrad.graph.changing import Changed
from jitgrad.graph.facts import (
    Fact,
    IsNumber,
    IsObject,
    IsTensor,
    SameObject,
    SameOutcome,
    SameValue,
)
from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.graph.joins import (
    Again,
    Carried,
    Exchanged,
    Join,
    Made,
    Moved,
    Rebuilt,
    Stays,
    Unsuitable,
    check_parts,
    rewritten_histories,
    with_circles,
)
from jitgrad.graph.lists import append
from jitgrad.graph.lookups import ABSENT, Argument, read_item
from jitgrad.graph.origins import Excerpt, StorageEntry, Variable
from jitgrad.graph.recipes import Constant, Container, Fresh, Library, Number, Recipe, Root, walk
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Branch, Continue, Rewritten, Segment
from jitgrad.graph.stores import Shown
from jitgrad.graph.surroundings import Surroundings
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.graph.text_recipes import Written
from jitgrad.primitive import Kind


class Append(NamedTuple):
    """Something becomes the last element of a list, whose root has this number."""

    root: int
    recipe: Recipe


class Decision(NamedTuple):
    """A test on a way.

    Attributes:
        position: how many steps come before it.
        operand: what decides.
        expected: its truth on this way.
        behind: the segment whose end decides, None for the first facts.
    """

    position: int
    operand: Value | Scalar
    expected: bool
    behind: Segment | None


class WayBack:
    """A path that leads back to its beginning.

    Args:
        last: the segment with which the path ends.
        values: the arguments with which it has begun again.

    Attributes:
        segments: the path.
        steps, decisions: what a turn does, and what may lead it to another way.
        appends: what it appends to lists, in the order of the program.
        rewrites: how often it writes to storages.
        written: the memories that it writes to.
        announced: the roots whose memory is among them.
        joins: what becomes of each argument, and of the parts of tuples and lists among them.
        count: how many arguments there are.
        parts: of which argument each of these parts is one, its index, and the fact about it.
        rebuilt: of the tuples and lists that are made anew, by their roots, the lengths.
        entering: by the variable with which a turn begins, the one of the next turn.
        state: what is known at its end.
        first_roots: so many roots are those of the first facts, which are those of all ways.
    """

    def __init__(self, last: Segment, values: list[Any]) -> None:
        assert isinstance(last.end, Continue)
        self.last = last
        self.end = last.end
        self.segments = last.path()
        found = map(Surroundings, self.segments[1:])
        self._surroundings = [each for each in found if each.facts]
        self.state = self.end.snapshot.state
        self.named = {slot: each for each, slot in self.state.slot_of.items()}
        self.steps: list[Step] = []
        self.decisions: list[Decision] = []
        self.appends: list[Append] = []
        self.rewrites: list[Rewritten] = []
        self.announced: dict[int, None] = {}
        self.joins: list[Join] = []
        self.parts: list[tuple[int, int, Fact]] = []
        self.rebuilt: dict[int, int] = {}
        self._lists: list[Container] = []
        self._asked: list[Scalar] = []
        self.entering: dict[Variable, Variable] = {}
        first = self.segments[0].facts
        self.first_roots = sum(isinstance(fact, (IsObject, IsTensor)) for fact in first)
        behind: Segment | None = None
        for segment, following in pairwise(self.segments):
            self._add(segment, behind)
            self._decide(segment, following)
            behind = segment
        self._add(last, behind)
        self._join(self.end.layout.recipes(self.end.snapshot), values)
        self.joins = with_circles(self.joins)
        self.entering.update(rewritten_histories(self.state, self._given()))
        snapshot = self.end.snapshot
        self.layout = TapeLayout(
            snapshot.variables, snapshot.freed, self.state, self.segments, self.end.shown
        )
        self._check_moves()
        self.written = {step.target.memory for step in self.steps if isinstance(step, Write)}
        self.made: set[Any] = {step.output for step in self.steps if not isinstance(step, Write)}
        reads = dict.fromkeys(each for segment in self.segments for each in segment.inputs)
        # what comes from outside may be needed for a decision only, or for the next turn
        reads.update((each.operand, None) for each in self.decisions)
        reads.update(dict.fromkeys(self._asked))
        joins = [each for each in self.joins if isinstance(each, (Carried, Moved))]
        reads.update((each.output, None) for each in joins)
        reads.update(dict.fromkeys(self.layout.slots))
        self.reads = [each for each in reads if each not in self.made]

    # -- what a turn does -------------------------------------------------------------------

    def _add(self, segment: Segment, behind: Segment | None) -> None:
        self.announced.update(dict.fromkeys(segment.prepares))
        for effect in segment.effects:
            if isinstance(effect, Rewritten):
                self.rewrites.append(effect)
            else:
                self._append(effect)
        for fact in segment.facts:
            if isinstance(fact, SameOutcome):
                # of numbers, which change from turn to turn
                operands = tuple(each for each, _ in fact.operands)
                self._ask(fact.function, fact.expression, operands, fact.outcome, behind)
        for step in segment.steps:
            if isinstance(step, Compute):
                if step.primitive.kind is Kind.RANDOM:
                    raise Unsuitable("it draws random numbers")
                if step.primitive.raises_on_data:
                    raise Unsuitable(f"{step.primitive.name} may raise")
            self.steps.append(step)

    def _append(self, effect: Any) -> None:
        """Note what an effect appends; all others are for each turn to have."""
        changed = effect.act if isinstance(effect, Shown) else None
        if not isinstance(changed, Changed) or changed.change is not append:
            raise Unsuitable("it changes what others can see")
        if effect.numbers:
            raise Unsuitable("it appends an object that it makes")
        self.appends += [Append(changed.number, each) for each in effect.recipes]

    def _ask(
        self, function: Any, expression: str, operands: tuple, expected: bool, behind: Any
    ) -> None:
        """Decide by a function of numbers."""
        truth = Scalar(bool)
        self._asked += [each for each in operands if isinstance(each, Scalar)]
        self.steps.append(ScalarCompute(function, expression, operands, truth))
        self.decisions.append(Decision(len(self.steps), truth, expected, behind))

    def _decide(self, segment: Segment, following: Segment) -> None:
        branch = segment.end
        assert isinstance(branch, Branch)
        if branch.slot is None:
            return
        test: Any = self.named[branch.slot]
        outcome = branch.outcome_before(following)
        if outcome is ABSENT:
            raise Unsuitable("another thread has taken it out of the graph")
        if not branch.exact:
            self.decisions.append(Decision(len(self.steps), test, outcome, segment))
            return
        kind, value = outcome
        if isinstance(test, Value):
            number = Scalar(kind)
            self.steps.append(Item(test, number))
            test = number
        self._ask(operator.eq, "{0} == {1}", (test, value), True, segment)

    # -- from one turn to the next ----------------------------------------------------------

    def _given(self) -> Iterator[tuple[Any, int, int | None]]:
        """Yield what a turn takes: the fact, its slot (-1 without) and its root."""
        roots = 0
        for segment in self.segments:
            slots = segment.first_slot
            for fact in segment.facts:
                takes_slot = isinstance(fact, (IsNumber, IsTensor))
                takes_root = isinstance(fact, (IsObject, IsTensor))
                if hasattr(fact, "place"):
                    yield fact, slots if takes_slot else -1, roots if takes_root else None
                slots += takes_slot
                roots += takes_root

    def _arguments(self) -> dict[int, tuple[Any, int, int | None]]:
        """Return by argument its fact, its slot (-1 without) and its root."""
        return {
            fact.place.key: (fact, slot, root)
            for fact, slot, root in self._given()
            if type(fact.place) is Argument
        }

    def _join(self, recipes: list[Recipe], values: list[Any]) -> None:
        """Find what becomes of each argument in the next turn; `values` are the arguments."""
        arguments = self._arguments()
        values = list(values)
        self.count = len(recipes)
        self._divide(recipes, values, arguments)
        seen: dict[int, tuple[int, Fresh]] = {}
        for position, recipe in enumerate(recipes):
            fact, slot, root = arguments.get(position, (None, -1, None))
            join: Join
            if isinstance(recipe, Constant):
                join = self._constant(recipe.value, fact, slot)
            elif isinstance(recipe, Number) and isinstance(fact, IsNumber):
                join = Carried(self.named[slot], recipe.scalar)
            elif isinstance(recipe, Number) and (fact is None or isinstance(fact, SameValue)):
                # the trace is that of one value
                join = self._same_number(recipe.scalar, values[position])
            elif isinstance(recipe, Written) and recipe.is_just(self.named.get(slot)):
                join = Stays()
            elif isinstance(recipe, Library):
                join = Made(recipe)
            elif isinstance(recipe, Container) and isinstance(fact, IsObject):
                join = self._rebuilt(position, recipe, fact, root)
            elif isinstance(recipe, Root) and root is not None:
                join = self._root(recipe, fact, root)
            elif isinstance(recipe, Fresh) and isinstance(fact, IsTensor) and recipe.base is None:
                assert root is not None
                join = self._tensor(position, recipe, fact, root, seen)
            else:
                raise Unsuitable(f"a {type(recipe).__name__} goes from turn to turn")
            self.joins.append(join)
        if self.parts:
            facts = [arguments.get(at, (None,))[0] for at in range(len(recipes))]
            check_parts(recipes, facts, self.count, list(self._given()), self.state.roots)

    def _divide(self, recipes: list[Recipe], values: list[Any], arguments: dict) -> None:
        """Let parts of the tuples and lists that are made anew be arguments, too."""
        holders = {
            root: position
            for position, (fact, _, root) in arguments.items()
            if isinstance(fact, IsObject) and fact.kind in (tuple, list)
        }
        for fact, slot, root in self._given():
            place = fact.place
            holder = holders.get(place.base) if place.is_root else None
            if holder is None or place.read is not read_item or type(place.key) is not int:
                continue
            position, held = len(recipes), recipes[holder]
            if not isinstance(held, Container):
                continue  # it stays
            if len(held.items) <= place.key:
                raise Unsuitable("a list of another length goes from turn to turn")
            recipes.append(held.items[place.key])
            values.append(values[holder][place.key])
            arguments[position] = fact, slot, root
            self.parts.append((holder, place.key, fact))
            if isinstance(fact, IsObject) and fact.kind in (tuple, list):
                holders[root] = position

    def _rebuilt(self, position: int, recipe: Container, fact: IsObject, root: Any) -> Rebuilt:
        """A tuple or a list of the turn takes the place of one that had the same parts."""
        if recipe.kind is not fact.kind or recipe.kind not in (tuple, list) or fact.number != root:
            raise Unsuitable(f"a {recipe.kind.__name__} goes from turn to turn")
        positions = {
            key: self.count + at
            for at, (holder, key, _) in enumerate(self.parts)
            if holder == position
        }
        constants = {
            at: each.value
            for at, each in enumerate(recipe.items)
            if at not in positions and isinstance(each, Constant)
        }
        if len(positions) + len(constants) != len(recipe.items):
            raise Unsuitable("something goes from turn to turn that is not read in each")
        if recipe.kind is list and any(recipe is each for each in self._lists):
            raise Unsuitable("one list is in two places")
        self._lists.append(recipe)
        self.rebuilt[root] = len(recipe.items)
        return Rebuilt(recipe.kind, positions, constants)

    def _constant(self, value: Any, fact: Any, slot: int) -> Join:
        """A constant is what the next turn begins with: the one that its facts ask for, or any."""
        if fact is None or isinstance(fact, (SameObject, SameValue)):
            return Stays()
        if isinstance(fact, IsNumber) and fact.kind is not str:
            number = Scalar(fact.kind)
            self.steps.append(ScalarCompute(operator.pos, "+{0}", (value,), number))
            return Carried(self.named[slot], number)
        raise Unsuitable("a constant takes the place of an object")

    def _same_number(self, number: Scalar, value: Any) -> Join:
        """A number must come out as `value`, or another turn follows."""
        if number.type is not type(value):
            raise Unsuitable("the type of a number changes from turn to turn")
        self._ask(operator.eq, "{0} == {1}", (number, value), True, None)
        return Stays()

    def _root(self, recipe: Root, fact: Any, root: int) -> Join:
        """Something from outside stays, or a tensor goes to another place in the next turn."""
        number = fact.spec.number if isinstance(fact, IsTensor) else fact.number
        source, entry = self.state.roots[recipe.index], self.state.roots[number]
        if recipe.index in (root, number) or (source is not None and source is entry):
            return Stays()
        if source is None or entry is None:
            raise Unsuitable("objects change places from turn to turn")
        if number in self.state.variables or recipe.index in self.state.variables:
            raise Unsuitable("tensors with a history change places from turn to turn")
        if fact.spec.memory != number:
            raise Unsuitable("tensors that share their memory go from turn to turn")
        moved = Moved(entry.value, source.value, number, source.root)  # type: ignore[arg-type]
        if root == number:
            return moved
        if moved not in self.joins:
            raise Unsuitable("one tensor is in two places")
        return Again(self.joins.index(moved))

    def _tensor(self, position: int, recipe: Fresh, fact: IsTensor, root: int, seen: dict) -> Join:
        """A tensor that the turn made takes the place of an argument."""
        number = fact.spec.number
        first, known = seen.setdefault(number, (position, recipe))
        if known is not recipe or fact.spec.memory != number:
            raise Unsuitable("tensors that share their memory go from turn to turn")
        memory = recipe.entry.value.memory
        is_view = recipe.unfollowed or isinstance(memory, Excerpt)
        if is_view or memory in self.state.memories.values():
            raise Unsuitable("a tensor goes on that shares its memory with what came in")
        if root != number:
            return Again(first)
        entry: Any = self.state.roots[number]
        before = self.state.variables.get(number)
        if (before is None) != (recipe.variable is None):
            raise Unsuitable("a history begins or ends in it")
        if before is not None:
            self.entering[before] = recipe.variable  # type: ignore[assignment]
        return Carried(entry.value, recipe.entry.value, recipe, number)

    def changing(self) -> set[int]:
        """Return the roots in whose place there is another tensor in the next turn."""
        kinds = (Carried, Moved, Exchanged)
        given = {each.given for each in self.joins if isinstance(each, kinds)}
        return {
            root
            for root, entry in enumerate(self.state.roots)
            if entry is not None and entry.value in given
        }

    def _check_moves(self) -> None:
        """Make sure that nothing is saved whose storage is now this one and now that."""
        moved = {self.state.roots[each.root] for each in self.joins if isinstance(each, Moved)}
        storages = {entry.storage for entry in moved if entry is not None}
        saved = {
            each.storage
            for variable in self.layout.saving
            for each in variable.history.saved()  # type: ignore[union-attr]
        }
        if not storages.isdisjoint(saved):
            raise Unsuitable("a tensor is saved that changes its place from turn to turn")

    def appended(self) -> list[Value]:
        """Return the values of the tensors that are made and appended, and of what they show."""
        return [
            each.entry.value
            for each in walk(each.recipe for each in self.appends)
            if isinstance(each, Fresh)
        ]

    def writes_to_later(self) -> bool:
        """Does it write to a root that may be another one in another way?

        The first facts are those of all ways: which tensors share memory with those is known.
        """
        memories = self.state.memories.items()
        return any(root >= self.first_roots and memory in self.written for root, memory in memories)

    def changes(self) -> dict[int, Carried | Moved]:
        """Return by its root what becomes of each tensor that changes."""
        return {
            each.root: each
            for each in self.joins
            if isinstance(each, (Carried, Moved)) and each.root is not None
        }

    # -- running ----------------------------------------------------------------------------

    def storages(self) -> dict[int, StorageEntry]:
        """Return by their roots the storages of the tensors that take their place."""
        return {
            each.root: each.recipe.entry.storage
            for each in self.joins
            if isinstance(each, Carried) and each.root is not None and each.recipe is not None
        }

    def prepared(self, run: Run) -> Run | None:
        """Return a run with all that the turns need of the world outside, if all facts hold."""
        if not self._surroundings:
            return run
        ahead = run.copy()
        return ahead if all(each.hold(ahead) for each in self._surroundings) else None
