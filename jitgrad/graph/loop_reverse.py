"""The way back through the turns of a native loop, as a native loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.derivative import kinds_of
from jitgrad.graph.hot import JoinedPlan, join_plan
from jitgrad.graph.ir import Compute, Memory, Step, Value, Write, operands
from jitgrad.graph.loop_layout import LoopLayout, Way
from jitgrad.graph.origins import Variable
from jitgrad.graph.verify_loops import make_loop
from jitgrad.kernels.geometry import part, row_major
from jitgrad.kernels.loops import NotNative, Path
from jitgrad.kernels.operations import flat
from jitgrad.kernels.records import entry
from jitgrad.ops.binary import ADD


class _Plan(NamedTuple):
    """How to go back through a turn on one way.

    Attributes:
        given, through: the variables whose cotangents go in, and which may come out.
        joined: what is computed.
        outputs: the cotangents that come out.
        checks: what must not have been written since, see `tape.Plan`.
    """

    given: list[Variable]
    through: list[Variable]
    joined: JoinedPlan
    outputs: dict[Variable, Value]
    checks: list


class Reverse:
    """The way back through turns behind which the same cotangents wait, as a native loop.

    Args:
        layout: what is known of the loop.
        values: what stands for the cotangents that wait.
        asked: the variables whose cotangents are asked for.
        plans: by way how to go back, None for one through which everything passes unchanged.
        refused: the ways through which it does not go.

    Raises:
        NotNative: it does not go through one of `plans`.
    """

    def __init__(
        self,
        layout: LoopLayout,
        values: dict[Variable, Value],
        asked: list[Variable],
        plans: dict[int, _Plan | None] | None = None,
        refused: frozenset[int] = frozenset(),
    ) -> None:
        self.layout = layout
        self.asked = asked
        self.plans = {} if plans is None else plans
        self.refused = refused
        self.values = values
        self.totals: dict[Variable, Value] = {}
        if not self.plans:
            return
        for plan in self.plans.values():
            for each, like in {} if plan is None else plan.outputs.items():
                if each not in layout.leading:
                    total = Value(like.shape, row_major(like.shape), like.dtype, Memory("total"))
                    self.totals.setdefault(each, total)
        fixed: dict[Any, list[int]] = {}
        self.streamed: list[list[Any]] = []
        paths = []
        for number, plan in self.plans.items():
            kept = set(layout.ways[number].kept)
            reads = [] if plan is None else plan.joined.inputs
            self.streamed.append([each for each in reads if each in kept])
            for each in reads:
                if each not in kept:
                    # one value may come from outside on several ways
                    fixed.setdefault(each, []).append(number)
            sums = Sums() if plan is None else Sums(plan.joined.steps, plan.outputs.values())
            before = self._before(layout.ways[number], plan, sums)
            paths.append(Path(sums.steps, (), before, (), self.streamed[-1]))
        self.fixed = list(fixed.items())
        self.numbers = np.zeros(256, np.uint8)
        self.numbers[list(self.plans)] = range(len(self.plans))
        carried = [*self.values.values(), *self.totals.values()]
        self.loop = make_loop(
            [*fixed, *carried],
            carried,
            paths,
            [layout.ways[number].layout.segments[-1] for number in self.plans],
            "the way back through a native loop",
            follows=len(paths) > 1,
        )

    def _before(self, way: Way, plan: _Plan | None, sums: Sums) -> list[Value]:
        """Return what waits before a turn, and the totals then; add the steps that sums take."""
        # a loop that checks itself compares what comes out of each turn with what went in
        in_place = way.layout.segments[-1].check is None
        found = {} if plan is None else dict(plan.outputs)
        before = []
        for root, value in self.values.items():
            made = found.pop(root, None)
            if root not in way.entering:
                made = value if made is None else sums.of(value, made)
            before.append(_alike(value, made))
        for root, total in self.totals.items():
            made = found.pop(root, None)
            add = sums.into if in_place else sums.of
            before.append(total if made is None else add(total, made))
        if found:
            raise NotNative("another cotangent waits before the turn")
        return before

    def learned(self, number: int, waiting: dict) -> Reverse:
        """Return one that goes through turns of this way, too, if that is possible."""
        if number in self.refused:
            return self
        way = self.layout.ways[number]
        given = way.given(waiting)
        plan: _Plan | None = None
        joined: JoinedPlan | None = None
        if given:
            through = way.through(self.asked)
            kinds = kinds_of({each: tensor._array for each, tensor in given.items()})
            known = way.layout.plans.get((kinds, tuple(through)))
            if known is not None:
                joined = join_plan(known.parts, through, given, way.given(self.values))
            if known is not None and joined is not None:
                outputs = dict(zip(joined.targets, joined.outputs))
                plan = _Plan(list(given), through, joined, outputs, known.checks)
        refused = self.refused | {number}
        if not given or plan is not None:
            try:
                plans = {**self.plans, number: plan}
                return Reverse(self.layout, self.values, self.asked, plans, self.refused)
            except NotNative:
                pass
        self.refused = refused
        return self

    def reaches(self, past: Any, first: int, turns: int) -> int:
        """Return from which turn on the way back is known, of those up to another one."""
        if self.plans.keys() >= past.passages.keys():
            return first
        assert past.order is not None
        unknown = np.flatnonzero(~np.isin(past.order[first:turns], list(self.plans)))
        return first + int(unknown[-1]) + 1 if len(unknown) else first

    def run(self, past: Any, begin: int, end: int, waiting: dict, totals: dict) -> dict:
        """Go back from a turn through another; return what then waits."""
        before = [totals.pop(each, None) for each in self.totals]
        values = [
            *(
                next((held[each] for held in _held(past, ways) if each in held), None)
                for each, ways in self.fixed
            ),
            *(waiting[each]._array for each in self.values),
            *(
                np.zeros(like.shape, like.dtype) if array is None else np.ascontiguousarray(array)
                for array, like in zip(before, self.totals.values())
            ),
        ]
        streams = [
            self._streams(past, number, each, begin, end)
            for number, each in zip(self.plans, self.streamed)
        ]
        order = None
        if len(self.plans) > 1:
            taken = np.zeros(end - begin, np.uint8) if past.order is None else past.order[begin:end]
            order = self.numbers[taken[::-1]]
        turns = self.loop.run(values, streams, limit=end - begin, order=order)
        assert turns.finished == end - begin
        count = len(self.values)
        for target, array, known in zip(self.totals, turns.carried[count:], before):
            # what no turn has added to is still nothing
            if known is not None or self._adds(target, turns.counts):
                totals[target] = array
        return {each: wrap(array) for each, array in zip(self.values, turns.carried)}

    def _streams(
        self, past: Any, number: int, streamed: list, begin: int, end: int
    ) -> list[np.ndarray]:
        """Return the records of a way's turns, the last one first."""
        passage = past.passages.get(number)
        if passage is None or not passage.records.keys() >= set(streamed):
            likes = [entry(each) for each in streamed]
            return [np.empty((0, *like.shape), like.dtype) for like in likes]
        first, last = passage.own(begin, end)
        return [passage.records[each][first:last][::-1] for each in streamed]

    def _adds(self, target: Variable, counts: Sequence[int]) -> bool:
        """Have turns been done that add to a total?"""
        return any(
            count and plan is not None and target in plan.outputs
            for count, plan in zip(counts, self.plans.values())
        )


def _held(past: Any, ways: list[int]) -> Iterator[dict]:
    """Yield what is the same in all turns of these ways."""
    return (past.passages[each].invariant for each in ways if each in past.passages)


def described(array: np.ndarray) -> Value:
    strides = tuple(step // array.itemsize for step in array.strides)
    return Value(array.shape, strides, array.dtype, Memory("cotangent"))


class Sums:
    """The steps of a turn, with those that add up what comes out of it.

    Args:
        steps: the turn.
        outputs: what comes out.
    """

    def __init__(self, steps: Sequence[Step] = (), outputs: Iterable[Value] = ()) -> None:
        self.steps = list(steps)
        read = [*outputs, *(each for step in steps for each in flat(operands(step)))]
        self._uses = Counter(each for each in read if isinstance(each, Value))

    def of(self, held: Value, more: Value) -> Value:
        """Return a sum."""
        made = Value(held.shape, held.strides, held.dtype, Memory())
        self.steps.append(Compute(ADD, (held, more), {}, made))
        return made

    def into(self, total: Value, more: Value) -> Value:
        """Add to a total, which nobody else reads, and return it.

        Where most of `more` are zeros, as of the cotangent of a tensor of which the turn has read
        a row, only the others are added. So a loop over all rows takes time in proportion to their
        number, not to its square.
        """
        maker = next((each for each in self.steps if getattr(each, "output", 0) is more), None)
        if isinstance(maker, Compute) and self._uses[more] == 1:
            if maker.primitive is ADD and all(
                isinstance(each, Value) and (each.shape, each.dtype) == (more.shape, more.dtype)
                for each in maker.inputs
            ):
                self.steps.remove(maker)
                for each in maker.inputs:
                    total = self.into(total, each)
                return total
            found = placed(maker)
            if found is not None:
                self.steps.remove(maker)
                values, index = found
                region = part(total, index)
                self._write(region, self.of(region, values))
                return total
        self._write(total, self.of(total, more))
        return total

    def _write(self, target: Value, source: Value) -> None:
        self.steps.append(Write(target, source))


def placed(step: Compute) -> tuple[Value, tuple] | None:
    """Return what a step puts among zeros, and where; None if it does something else."""
    if step.primitive.places is None or not isinstance(step.inputs[0], Value):
        return None
    elsewhere, indices = step.primitive.places(step.output, *step.inputs, **step.params)
    if elsewhere != 0 or len(indices) != 1:
        return None
    return step.inputs[0], indices[0]


def _alike(value: Value, output: Value | None) -> Value:
    if output is None or (output.shape, output.dtype) != (value.shape, value.dtype):
        raise NotNative("cotangents change from turn to turn")
    if output.strides != value.strides:
        raise NotNative("the layout of cotangents changes from turn to turn")
    return output
