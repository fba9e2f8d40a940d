"""Cotangents of large tensors on the way back through a loop, changed where they lie.

What a turn reads or writes of a tensor is a part of it, as a rule: a row. The cotangent of the
tensor waits in memory of the loop, and the turn adds to a part of it, or takes a part out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jitgrad.graph.ir import Compute, Memory, Renaming, Scalar, Step, Value, Write, flat, operands
from jitgrad.kernels.geometry import elementwise, is_row_major, part, row_major
from jitgrad.ops.binary import ADD
from jitgrad.strides import Window

Place = tuple[Any, ...]


class Change(NamedTuple):
    """How a tensor becomes another one by a part of it.

    Attributes:
        before, after: the tensors.
        place: the part: an index, an index into what is there, and so on; nothing for all of it.
        values: what the part becomes, or what is added to it.
        adds: is it added?
        steps: those that do so out of place.
    """

    before: Value
    after: Value
    place: Place
    values: Value
    adds: bool
    steps: list[Step]


class Sums:
    """The steps of a turn, with those that add up what comes out of it.

    Args:
        steps: the turn.
        outputs: what comes out.
    """

    def __init__(self, steps: Sequence[Step] = (), outputs: Iterable[Value] = ()) -> None:
        self._outputs = list(outputs)
        self._take(steps)

    def _take(self, steps: Sequence[Step]) -> None:
        self.steps = list(steps)
        read = [*self._outputs, *(each for step in steps for each in flat(operands(step)))]
        self._uses = Counter(each for each in read if isinstance(each, Value))
        made = (each for each in steps if isinstance(each, Compute))
        self._makers = {each.output: each for each in made}

    def of(self, held: Value, more: Value) -> Value:
        """Return a sum."""
        made = elementwise(held, more)
        self.steps.append(Compute(ADD, (held, more), {}, made))
        return made

    def into(self, total: Value, more: Value) -> Value:
        """Add to a total, which nobody else reads, and return it.

        Where most of `more` are zeros, as of the cotangent of a tensor of which the turn has read
        a row, only the others are added. So a loop over all rows takes time in proportion to their
        number, not to its square.
        """
        for values, place, steps in self._parts(more):
            for each in steps:
                self.steps.remove(each)
            region = _region(total, place)
            self.steps.append(Write(region, self.of(region, values)))
        return total

    def become(self, given: Value, made: Value) -> Value:
        """Let `given`, which nobody else reads behind the turn, become `made`, and return it.

        Only parts are written that become something else, behind what reads them as they were. So
        a loop that writes all rows takes time in proportion to their number on its way back, too.
        Where that cannot be, `made` is returned.
        """
        changes = self._changes(given, made) if is_row_major(given) else None
        steps = None if changes is None else _rewritten(self.steps, self._outputs, changes)
        if steps is None:
            return made
        self._outputs = [given if each is made else each for each in self._outputs]
        self._take(steps)
        return given

    def _changes(self, given: Value, made: Value) -> list[Change] | None:
        """Return the changes by which `given` becomes `made`, None if there are other steps."""
        if made is given:
            return []
        maker = self._makers.get(made)
        if maker is None:
            return None
        over = overlaid(maker)
        if over is not None:
            before, values, index = over
            changes = self._changes(given, before)
            more = Change(before, made, (index,), values, False, [maker])
            return None if changes is None else [*changes, more]
        for before, more in (maker.inputs, maker.inputs[::-1]) if _is_sum(maker) else ():
            changes = self._changes(given, before)
            if changes is not None:
                parts = self._parts(more)
                for at, (values, place, steps) in enumerate(parts, 1):
                    after = made if at == len(parts) else _like(made)
                    changes.append(Change(before, after, place, values, True, [maker, *steps]))
                    before = after
                return changes
        return None

    def _parts(self, more: Value) -> list[tuple[Value, Place, list[Step]]]:
        """Return what `more` has beside zeros, where, and steps that are not needed then."""
        maker = self._makers.get(more)
        if maker is not None and self._uses[more] == 1:
            if _is_sum(maker):
                parts = [each for value in maker.inputs for each in self._parts(value)]
                if any(place for _, place, _ in parts):
                    return _without(maker, parts)
            found = placed(maker)
            if found is not None:
                values, index = found
                parts = [
                    (each, (index, *place), steps) for each, place, steps in self._parts(values)
                ]
                if any(len(place) == 1 or not _is_one(place) for _, place, _ in parts):
                    parts = [(values, (index,), [])]
                return _without(maker, parts)
        return [(more, (), [])]


def _without(
    maker: Step, parts: list[tuple[Value, Place, list[Step]]]
) -> list[tuple[Value, Place, list[Step]]]:
    """Return the parts, where a step is not needed, either."""
    values, place, steps = parts[0]
    return [(values, place, [maker, *steps]), *parts[1:]]


def _is_one(place: Place) -> bool:
    """Is there a region of these indices? Only one number of run time can say where it lies."""
    numbers = [each for index in place for each in index if isinstance(each, Scalar)]
    return len(numbers) < 2 and not any(isinstance(index, Window) for index in place[1:])


def _region(value: Value, place: Place) -> Value:
    for index in place:
        value = part(value, index)
    return value


def _like(value: Value) -> Value:
    return Value(value.shape, row_major(value.shape), value.dtype, Memory())


def _is_sum(step: Compute) -> bool:
    """Does a step add two tensors, each as large as the sum?"""
    output = step.output
    return step.primitive is ADD and all(
        isinstance(each, Value) and (each.shape, each.dtype) == (output.shape, output.dtype)
        for each in step.inputs
    )


def placed(step: Compute) -> tuple[Value, Any] | None:
    """Return what a step puts among zeros, and where; None if it does something else."""
    if step.primitive.places is None or not isinstance(step.inputs[0], Value):
        return None
    elsewhere, indices = step.primitive.places(step.output, *step.inputs, **step.params)
    if elsewhere != 0 or len(indices) != 1:
        return None
    return step.inputs[0], indices[0]


def overlaid(step: Compute) -> tuple[Value, Value, Any] | None:
    """Return what a step copies, what it puts over that, and where; None if it does not."""
    if step.primitive.places is None or len(step.inputs) < 2:
        return None
    elsewhere, indices = step.primitive.places(step.output, *step.inputs, **step.params)
    if elsewhere is not None or len(indices) != 2 or indices[0] != ():
        return None
    return step.inputs[0], step.inputs[1], indices[1]


class _Rewriting:
    """Steps among which a tensor is changed in its place.

    Args:
        steps: as they are.
        changes: what they make of it, at least one change.

    Attributes:
        items: the other steps, and the changes, each with what it reads.
    """

    def __init__(self, steps: Sequence[Step], changes: Sequence[Change]) -> None:
        self.given = changes[0].before
        self.changes = changes
        self.states = {each.before: number for number, each in enumerate(changes)}
        gone = {id(step) for each in changes for step in each.steps}
        order: list[tuple[int, int, Any]] = [
            (at, 0, step) for at, step in enumerate(steps) if id(step) not in gone
        ]
        places = {id(step): at for at, step in enumerate(steps)}
        order += [(places[id(each.steps[0])], at, each) for at, each in enumerate(changes)]
        self.items = [item for *_, item in sorted(order, key=lambda each: each[:2])]
        last = changes[-1].after
        self.renamed = Renaming(dict.fromkeys([*self.states, last], self.given))

    def shows(self, outputs: Sequence[Value]) -> bool:
        """Would somebody see the tensor on its way, or a view of it?"""
        last = self.changes[-1].after
        made = [each.output for each in self.items if isinstance(each, Compute)]
        seen = [*made, *(each for each in outputs if each is not last)]
        memories = {each.memory for each in self.renamed.values}
        return outputs.count(last) != 1 or any(each.memory in memories for each in seen)

    def ordered(self) -> list[Any] | None:
        """Return the items in an order in which each reads what it did; None if there is none."""
        before = [self._before(at) for at in range(len(self.items))]
        found: list[Any] = []
        waiting = list(range(len(self.items)))
        while waiting:
            ready = (at for at in waiting if before[at].isdisjoint(waiting))
            following = next(ready, None)
            if following is None:
                return None
            waiting.remove(following)
            found.append(self.items[following])
        return found

    def _before(self, at: int) -> set[int]:
        """Return the numbers of the items that must come before one."""
        item = self.items[at]
        reads, found = _reads(item), set()
        state = self.states[item.before] if isinstance(item, Change) else None
        for number, other in enumerate(self.items):
            if other is item:
                continue
            if isinstance(other, Change):
                follows = state is not None and other.after is item.before
                is_needed = follows or other.after in reads
            else:
                is_needed = getattr(other, "output", None) in reads
            # what reads the tensor as it was comes first
            is_needed |= state is not None and item.before in _reads(other)
            is_needed |= number < at and _conflict(item, other)
            if is_needed:
                found.add(number)
        return found

    def steps(self, items: Sequence[Any]) -> list[Step]:
        """Return the steps that the items are."""
        found: list[Step] = []
        for each in items:
            if not isinstance(each, Change):
                reads_it = any(held in self.renamed.values for held in _reads(each))
                found.append(self.renamed.step(each) if reads_it else each)
                continue
            region, values = _region(self.given, each.place), self.renamed(each.values)
            if each.adds:
                made = _like(region)
                found.append(Compute(ADD, (region, values), {}, made))
                values = made
            found.append(Write(region, values))
        return found


def _reads(item: Any) -> list[Any]:
    return [item.values] if isinstance(item, Change) else flat(operands(item))


def _conflict(item: Any, other: Any) -> bool:
    """Does one of two items write to memory that the other has to do with?"""
    return any(
        isinstance(one, Write) and one.target.memory in _memories(two)
        for one, two in ((item, other), (other, item))
    )


def _memories(item: Any) -> set[Memory]:
    held = [*_reads(item), getattr(item, "output", None)]
    return {each.memory for each in held if isinstance(each, Value)}


def _rewritten(
    steps: Sequence[Step], outputs: Sequence[Value], changes: Sequence[Change]
) -> list[Step] | None:
    """Return steps that change a tensor in its place, None if it cannot be changed there."""
    if not changes:
        return list(steps)
    rewriting = _Rewriting(steps, changes)
    found = None if rewriting.shows(outputs) else rewriting.ordered()
    return None if found is None else rewriting.steps(found)
