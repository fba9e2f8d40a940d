"""Loops run natively: a path that leads back to where it began is turned by one native call.

A loop that has turned often begins anew at its head, with what is live there as the arguments of
an entrance. Where a path from that entrance ends by beginning anew at the same place, with values
of the same kinds, its steps are the turn of a loop: what it ends with is what it begins with. All
that a turn depends on is among its inputs, or is a fact about the world outside, which a turn
without effects cannot change. The first turn that would take another way is left to the graph.
"""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Any

import numpy as np

from jitgrad import config
from jitgrad.dispatch import wrap
from jitgrad.graph.entrance import Going
from jitgrad.graph.facts import IsNumber, IsObject, IsTensor, SameObject, SameOutcome, SameValue
from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Step, Value
from jitgrad.graph.lookups import Argument, RootKey
from jitgrad.graph.loop_tape import LoopBackward, Turn
from jitgrad.graph.origins import Variable
from jitgrad.graph.recipes import Constant, Fresh, Library, Number, Recipe, Root
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Branch, Continue, Segment
from jitgrad.graph.tape import TapeLayout, root_nodes
from jitgrad.graph.verify_loops import make_loop
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.loops import NotNative, Stop, Test, Turns
from jitgrad.primitive import Kind

WARM = 128
"""How often a path is seen to lead back to its beginning before it is made a native loop."""

SLICE = 1 << 16
"""Turns after which the world outside is looked at again."""


class Unsuitable(Exception):
    """A path is no native loop; the message says why."""


class Cycle:
    """A path that leads back to its beginning, as a native loop.

    Args:
        last: the segment with which the path ends.
        values: the arguments with which it has begun again.

    Attributes:
        last: the segment with which the path ends.
        loop: the loop.
        turn: what autograd has to know of a turn, None where nothing has a history.
        dependent: one of its results depends on another one of the same turn. Then Python does the
            last turn, because `autograd.grad` may be asked for what lies between the two.
    """

    def __init__(self, last: Segment, values: list[Any]) -> None:
        assert isinstance(last.end, Continue)
        self.last = last
        self.end = last.end
        self.segments = last.path()
        snapshot = self.end.snapshot
        self.state = snapshot.state
        self.named = {slot: each for each, slot in self.state.slot_of.items()}
        self.steps: list[Step] = []
        self.tests: list[Test] = []
        for segment, following in pairwise(self.segments):
            self._add(segment)
            self._test(segment.end, following)
        self._add(last)
        self.carried: list[tuple[Any, Any]] = []
        self.makers: list[tuple[str, Any]] = []
        self.entering: dict[Variable, Variable] = {}
        self.moved: dict[int, Any] = {}
        self._join(self.end.layout.recipes(snapshot), values)
        self._check_facts()
        inputs = dict.fromkeys(each for each, _ in self.carried)
        made: set[Any] = {step.output for step in self.steps}  # type: ignore[union-attr]
        for segment in self.segments:
            inputs.update((each, None) for each in segment.inputs if each not in made)
        # what comes from outside may be needed for a decision only, or for the next turn
        needed = [each.operand for each in self.tests] + [output for _, output in self.carried]
        inputs.update((each, None) for each in needed if each not in made)
        kept: list[Value | Scalar] = []
        self.turn: Turn | None = None
        self.dependent = False
        if snapshot.variables:
            layout = TapeLayout(
                snapshot.variables, snapshot.freed, self.state, self.segments, self.end.shown
            )
            begun = {each: None for each, _ in self.carried}
            kept = [each for each in layout.slots if each in made or each in begun]
            self.dependent = layout.dependent
            if self.dependent:
                kept = list(dict.fromkeys([*kept, *begun]))
            self.turn = Turn(layout, self.entering, kept)
            inputs.update((each, None) for each in layout.slots if each not in made)
        self.inputs = list(inputs)
        self.slots = [self._slot(each) for each in self.inputs]
        try:
            self.loop = make_loop(
                self.steps, self.inputs, self.tests, self.carried, kept, {}, last, "a native loop"
            )
        except NotNative as why:
            raise Unsuitable(str(why)) from None

    # -- what a turn does -------------------------------------------------------------------

    def _add(self, segment: Segment) -> None:
        if segment.effects or segment.prepares:
            raise Unsuitable("it changes what others can see")
        for fact in segment.facts:
            if isinstance(fact, SameOutcome):
                # of numbers, which change from turn to turn
                same = Scalar(bool)
                operands = tuple(each for each, _ in fact.operands)
                step = ScalarCompute(fact.function, fact.expression, operands, same)
                self.steps.append(step)
                self.tests.append(Test(len(self.steps), same, fact.outcome))
        for step in segment.steps:
            if isinstance(step, Compute):
                if step.primitive.kind is Kind.RANDOM:
                    raise Unsuitable("it draws random numbers")
                if step.primitive.raises_on_data:
                    raise Unsuitable(f"{step.primitive.name} may raise")
            elif not isinstance(step, (Item, ScalarCompute)):
                raise Unsuitable("it writes to a tensor")
            self.steps.append(step)

    def _test(self, branch: Any, following: Segment) -> None:
        assert isinstance(branch, Branch)
        if branch.slot is None:
            return
        test: Any = self.named[branch.slot]
        outcome = next(
            key
            for key, found in list(branch.outcomes.items())
            if any(following is x for x in found)
        )
        if branch.exact:
            kind, value = outcome
            if isinstance(test, Value):
                number = Scalar(kind)
                self.steps.append(Item(test, number))
                test = number
            same = Scalar(bool)
            self.steps.append(ScalarCompute(operator.eq, "{0} == {1}", (test, value), same))
            test, outcome = same, True
        self.tests.append(Test(len(self.steps), test, outcome))

    # -- from one turn to the next ----------------------------------------------------------

    def _arguments(self) -> dict[int, tuple[Any, int, int | None]]:
        """Return by argument its fact, its slot (-1 without) and its root."""
        found: dict[int, tuple[Any, int, int | None]] = {}
        slots = roots = 0
        for fact in self.segments[0].facts:
            place = getattr(fact, "place", None)
            takes_slot = isinstance(fact, (IsNumber, IsTensor))
            takes_root = isinstance(fact, (IsObject, IsTensor))
            if type(place) is Argument:
                root = roots if takes_root else None
                found[place.key] = (fact, slots if takes_slot else -1, root)
            slots += takes_slot
            roots += takes_root
        return found

    def _join(self, recipes: list[Recipe], values: list[Any]) -> None:
        """Find what becomes of each argument in the next turn; `values` are the arguments."""
        arguments = self._arguments()
        seen: dict[Any, Any] = {}
        for position, recipe in enumerate(recipes):
            fact, slot, root = arguments.get(position, (None, -1, None))
            if isinstance(recipe, Constant):
                self._join_constant(recipe.value, fact, slot)
            elif isinstance(recipe, Number) and isinstance(fact, IsNumber):
                self._carry(self.named[slot], recipe.scalar, "number")
            elif isinstance(recipe, Number) and fact is None:
                # the trace is that of one value
                self._stay(recipe.scalar, values[position])
            elif isinstance(recipe, Library):
                self.makers.append(("made", recipe))
            elif isinstance(recipe, Root) and root is not None:
                self._join_root(position, recipe, fact, root)
            elif isinstance(recipe, Fresh) and isinstance(fact, IsTensor) and recipe.base is None:
                number = fact.spec.number
                if (seen.setdefault(number, recipe) is not recipe) or (fact.spec.memory != number):
                    raise Unsuitable("tensors that share their memory go from turn to turn")
                if recipe.entry.value.memory in self.state.memories.values():
                    raise Unsuitable("a tensor goes on that shares its memory with what came in")
                entry: Any = self.state.roots[number]
                if root != number:
                    self.makers.append(("again", list(seen).index(number)))
                    continue
                self._carry(entry.value, recipe.entry.value, recipe)
                before = self.state.variables.get(number)
                if (before is None) != (recipe.variable is None):
                    raise Unsuitable("a history begins or ends in it")
                if before is not None:
                    self.entering[before] = recipe.variable  # type: ignore[assignment]
            else:
                raise Unsuitable(f"a {type(recipe).__name__} goes from turn to turn")

    def _join_constant(self, value: Any, fact: Any, slot: int) -> None:
        """A constant is what the next turn begins with: the one that its facts ask for, or any."""
        if fact is None or isinstance(fact, (SameObject, SameValue)):
            self.makers.append(("same", None))
        elif isinstance(fact, IsNumber):
            number = Scalar(fact.kind)
            self.steps.append(ScalarCompute(operator.pos, "+{0}", (value,), number))
            self._carry(self.named[slot], number, "number")
        else:
            raise Unsuitable("a constant takes the place of an object")

    def _join_root(self, position: int, recipe: Root, fact: Any, root: int) -> None:
        """Something from outside stays, or a tensor goes to another place in the next turn."""
        number = fact.spec.number if isinstance(fact, IsTensor) else fact.number
        source, entry = self.state.roots[recipe.index], self.state.roots[number]
        if recipe.index in (root, number) or (source is not None and source is entry):
            self.makers.append(("same", None))
            return
        if source is None or entry is None:
            raise Unsuitable("objects change places from turn to turn")
        if number in self.state.variables or recipe.index in self.state.variables:
            raise Unsuitable("tensors with a history change places from turn to turn")
        if fact.spec.memory != number or root != number:
            raise Unsuitable("tensors that share their memory go from turn to turn")
        self.carried.append((entry.value, source.value))
        self.makers.append(("moved", (len(self.carried) - 1, recipe.index)))
        self.moved[number] = source

    def _check_facts(self) -> None:
        """Make sure that what is known of the world outside does not hang on what changes."""
        carried = {each for each, _ in self.carried}
        changing = {
            root
            for root, entry in enumerate(self.state.roots)
            if entry is not None and entry.value in carried
        }
        for segment in self.segments:
            for fact in segment.facts:
                place = getattr(fact, "place", None)
                if place is None:
                    continue  # a test of each turn
                key = place.key.number if isinstance(place.key, RootKey) else None
                if key in changing or (place.is_root and place.base in changing):
                    raise Unsuitable("something is read from a tensor that goes from turn to turn")
                if isinstance(fact, IsTensor) and not isinstance(place, Argument):
                    spec = fact.spec
                    if not changing.isdisjoint((spec.number, spec.storage, spec.memory)):
                        raise Unsuitable("a tensor outside shares memory with one that goes on")

    def _stay(self, number: Scalar, value: Any) -> None:
        """Leave the loop before a turn behind which a number is not `value`."""
        if number.type is not type(value):
            raise Unsuitable("the type of a number changes from turn to turn")
        same = Scalar(bool)
        self.steps.append(ScalarCompute(operator.eq, "{0} == {1}", (number, value), same))
        self.tests.append(Test(len(self.steps), same, True))
        self.makers.append(("same", None))

    def _carry(self, given: Any, output: Any, maker: Any) -> None:
        self.carried.append((given, output))
        self.makers.append(("carried", (len(self.carried) - 1, maker)))

    def _slot(self, each: Value | Scalar) -> int:
        return self.state.slot_of[each]

    # -- running ----------------------------------------------------------------------------

    def run(self, run: Run, going: Going) -> Going | None:
        """Turn as long as the way is the same; None where not a single turn is done."""
        begun = self._prepared(run)
        if begun is None:
            return None
        slots = begun.slots
        values = [slots[at] for at in self.slots]
        turns = self.loop.run(values, (), SLICE, config.max_tape or 1 << 62)
        if turns.stop is Stop.MEMORY:
            file, line = self.end.line
            raise MemoryError(
                f"the loop at {file}:{line}: what its turns leave for the backward pass takes more "
                f"than {config.max_tape} bytes after {turns.finished} turns "
                "(jitgrad.config.max_tape). Raise the limit, or cut the history with detach(), or "
                "compute under no_grad()."
            )
        if self.dependent:
            turns = self._but_the_last(turns)
        if not turns.finished:
            return None
        self.last.hits += turns.finished
        tensors: list[Any] = []
        values = []
        for position, (kind, what) in enumerate(self.makers):
            if kind == "same":
                values.append(going.values[position])
            elif kind == "made":
                values.append(what.build(begun))
            elif kind == "again":
                values.append(tensors[what])
            else:
                at, maker = what
                made = turns.carried[at]
                if kind == "moved":
                    origin = self._origin(maker, turns.finished)
                    made = wrap(made) if origin is None else begun.roots[origin]
                elif isinstance(maker, Fresh):
                    made = wrap(made)
                    tensors.append(made)
                values.append(made)
        gone = Going(going.layout, values, turned=None if turns.stop is Stop.LIMIT else self)
        if self.turn is not None:
            self._remember(begun, turns, values)
            gone.kept_bytes = sum(each.nbytes for each in turns.tape)
        return gone

    def _but_the_last(self, turns: Turns) -> Turns:
        """Return what was done before the last turn."""
        assert self.turn is not None
        done = max(turns.finished - 1, 0)
        records = dict(zip(self.turn.kept, turns.tape))
        carried = [
            _entry(records[given], turns.finished - 1, given) if turns.finished else None
            for given, _ in self.carried
        ]
        return turns._replace(
            finished=done, carried=carried, tape=[each[:done] for each in turns.tape]
        )

    def _origin(self, root: int, turns: int) -> int | None:
        """Return which root has come by moving from place to place, None if it was made since."""
        made = {each for each, _ in self.carried}
        for _ in range(turns - 1):
            number = self._number(root)
            entry = self.moved.get(number)
            if entry is None:
                return None if self.state.roots[number].value in made else root
            root = entry.root
        return root

    def _number(self, root: int) -> int:
        entry: Any = self.state.roots[root]
        return entry.root

    def _prepared(self, run: Run) -> Run | None:
        """Return a run with all that the turns need of the world outside, if all facts hold."""
        if not any(each.facts for each in self.segments[1:]):
            return run
        ahead = Run(run.arguments)
        ahead.roots, ahead.numbers = list(run.roots), dict(run.numbers)
        ahead.slots, ahead.versions = list(run.slots), list(run.versions)
        for segment in self.segments[1:]:
            ahead.slots += [None] * (segment.first_slot - len(ahead.slots))
            facts = (each for each in segment.facts if not isinstance(each, SameOutcome))
            if not all(fact.holds(ahead) for fact in facts):
                return None
        return ahead

    def _remember(self, run: Run, turns: Any, values: list[Any]) -> None:
        """Give what comes out of the last turn its history."""
        assert self.turn is not None
        nodes = root_nodes(run, self.state.variables)
        node = LoopBackward(self.turn, turns.finished, turns.tape, run, nodes)
        for (kind, what), value in zip(self.makers, values):
            if kind == "carried" and isinstance(what[1], Fresh) and what[1].variable is not None:
                value._node, value._index = node, self.turn.number_of[what[1].variable]
                node.show(what[1].entry.storage, value._storage)


def _entry(record: np.ndarray, at: int, given: Value | Scalar) -> Any:
    """Return an entry of a record, as what a turn begins with."""
    if isinstance(given, Scalar):
        return given.type(record[at])
    made = allocate(given)
    np.copyto(made, record[at])
    return made


def count_return(first: Segment, last: Segment, values: list[Any]) -> str:
    """Count that a path led back to its beginning; make it a native loop when that is usual.

    Args:
        first, last: segments of the path.
        values: with which it begins and ends.

    Returns:
        Why it is none, empty if that is not known.
    """
    end = last.end
    assert isinstance(end, Continue)
    returns = end.returns = end.returns + 1
    if returns == WARM:
        try:
            first.cycles.append(Cycle(last, values))
        except Unsuitable as why:
            return str(why)
    return ""
