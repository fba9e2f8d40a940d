"""The way back through the turns of a native loop, as a native loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.arrivals import MOST_VARIANTS, Arrivals, Variant, elements
from jitgrad.graph.derivative import kinds_of
from jitgrad.graph.ir import Memory, Step, Value
from jitgrad.graph.loop_layout import LoopLayout, Way
from jitgrad.graph.loop_sums import Sums
from jitgrad.graph.origins import Variable
from jitgrad.graph.plans import JoinedPlan, join_plan
from jitgrad.graph.verify_loops import make_loop
from jitgrad.kernels.geometry import elementwise, is_row_major, row_major
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.loops import NotNative, Path
from jitgrad.kernels.records import entry


class _Plan(NamedTuple):
    """How to go back through a turn on one way.

    Attributes:
        given, through: the variables whose cotangents go in, and which may come out.
        joined: what is computed.
        outputs: the cotangents that come out.
        checks: what must not have been written since, see `tape.Plan`.
        writes_nothing: that holds unless somebody else has written to it.
        sums: the steps that come first: what arrives is added to what waits.
        arriving: what arrives at what the turn has appended.
    """

    given: list[Variable]
    through: list[Variable]
    joined: JoinedPlan
    outputs: dict[Variable, Value]
    checks: list
    writes_nothing: bool
    sums: list[Step]
    arriving: list[Value]


class Reverse:
    """The way back through turns behind which the same cotangents wait, as a native loop.

    Args:
        layout: what is known of the loop.
        values: what stands for the cotangents that wait.
        asked: the variables whose cotangents are asked for.
        plans: by variant how to go back, None for one through which everything passes unchanged.
        refused: the variants through which it does not go.

    Raises:
        NotNative: it does not go through one of `plans`.
    """

    def __init__(
        self,
        layout: LoopLayout,
        values: dict[Variable, Value],
        asked: list[Variable],
        plans: dict[Variant, _Plan | None] | None = None,
        refused: frozenset[Variant] = frozenset(),
    ) -> None:
        self.layout = layout
        self.asked = asked
        self.plans = {} if plans is None else plans
        self.refused = refused
        self.values = values
        self.totals: dict[Variable, Value] = {}
        # what is added up in row-major order, and how its sum lies by eager's steps
        self._layouts: dict[Variable, Value] = {}
        if not self.plans:
            return
        for plan in self.plans.values():
            for each, like in {} if plan is None else plan.outputs.items():
                if each not in layout.leading:
                    total = Value(like.shape, row_major(like.shape), like.dtype, Memory("total"))
                    self.totals.setdefault(each, total)
                    summed = elementwise(like, like)
                    if not is_row_major(summed):
                        self._layouts.setdefault(each, summed)
        fixed: dict[Any, list[int]] = {}
        self.taped: list[list[Any]] = []
        paths = []
        for (number, _), plan in self.plans.items():
            kept = set(layout.ways[number].kept)
            reads = [] if plan is None else plan.joined.inputs
            self.taped.append([each for each in reads if each in kept])
            for each in reads:
                if each not in kept:
                    # one value may come from outside on several ways
                    fixed.setdefault(each, []).append(number)
            steps = () if plan is None else (*plan.sums, *plan.joined.steps)
            sums = Sums(steps, () if plan is None else plan.outputs.values())
            before = self._before(layout.ways[number], plan, sums)
            arriving = [] if plan is None else plan.arriving
            paths.append(Path(sums.steps, (), before, (), [*self.taped[-1], *arriving]))
        self.fixed = list(fixed.items())
        carried = [*self.values.values(), *self.totals.values()]
        self.loop = make_loop(
            [*fixed, *carried],
            carried,
            paths,
            [layout.ways[number].layout.segments[-1] for number, _ in self.plans],
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
                is_sum = in_place and is_row_major(value)
                add = sums.into if is_sum else sums.of
                made = value if made is None else add(value, made)
            elif made is not None and in_place:
                made = sums.become(value, made)
            before.append(_alike(value, made))
        for root, total in self.totals.items():
            made = found.pop(root, None)
            add = sums.into if in_place else sums.of
            before.append(total if made is None else add(total, made))
        if found:
            raise NotNative("another cotangent waits before the turn")
        return before

    def learned(self, variant: Variant, given: dict) -> Reverse:
        """Return one that goes through turns of this variant, too, if that is possible.

        Args:
            given: the cotangents with which a derivative of such a turn has begun.
        """
        if variant in self.refused:
            return self
        refused = self.refused | {variant}
        try:
            plan = self._plan(variant, given) if given else None
            plans = {**self.plans, variant: plan}
            if len(plans) > MOST_VARIANTS:
                raise NotNative("there are too many variants")
            return Reverse(self.layout, self.values, self.asked, plans, self.refused)
        except NotNative:
            self.refused = refused
        return self

    def _plan(self, variant: Variant, given: dict) -> _Plan:
        way = self.layout.ways[variant[0]]
        values = way.given(self.values)
        sums = Sums()
        arriving = []
        for variable, shape, strides, dtype in variant[1]:
            value = Value(shape, elements(strides, dtype), dtype, Memory("arriving"))
            arriving.append(value)
            held = values.get(variable)
            if held is not None:
                # whose layout the sum has is seen where derivatives are joined
                if (held.shape, held.dtype) != (value.shape, value.dtype):
                    raise NotNative("a cotangent of another kind arrives")
                value = sums.of(held, value)
            values[variable] = value
        through = way.through(self.asked)
        kinds = kinds_of({each: tensor._array for each, tensor in given.items()})
        known = way.layout.plans.get((kinds, tuple(through)))
        joined = None if known is None else join_plan(known.parts, through, values)
        if known is None or joined is None:
            raise NotNative("the derivatives of a turn do not fit together")
        outputs = dict(zip(joined.targets, joined.outputs))
        writes_nothing = not way.layout.state.writes and not any(
            expected for _, expected in known.checks
        )
        return _Plan(
            list(given),
            through,
            joined,
            outputs,
            known.checks,
            writes_nothing,
            sums.steps,
            arriving,
        )

    def reaches(self, arrivals: Arrivals, first: int, turns: int) -> int:
        """Return from which turn on the way back is known, of those up to another one."""
        known = [at for at, each in enumerate(arrivals.variants) if each in self.plans]
        if len(known) == len(arrivals.variants):
            return first
        begin = arrivals.begin
        unknown = np.flatnonzero(~np.isin(arrivals.taken[first - begin : turns - begin], known))
        return first + int(unknown[-1]) + 1 if len(unknown) else first

    def run(
        self, past: Any, begin: int, end: int, waiting: dict, totals: dict, arrivals: Arrivals
    ) -> dict:
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
        numbers = {each: number for number, each in enumerate(arrivals.variants)}
        streams = [
            self._streams(past, each, taped, numbers.get(each), arrivals, begin, end)
            for each, taped in zip(self.plans, self.taped)
        ]
        order = None
        if len(self.plans) > 1:
            taken = arrivals.taken[begin - arrivals.begin : end - arrivals.begin][::-1]
            # without arrivals variants are ways, and their numbers bytes
            as_known = not arrivals.direct and [*self.plans] == arrivals.variants
            order = taken if as_known else self._paths(numbers)[taken]
        turns = self.loop.run(values, streams, limit=end - begin, order=order)
        if turns.finished != end - begin:
            raise KeyError("what the turns have left")
        count = len(self.values)
        for target, array, known in zip(self.totals, turns.carried[count:], before):
            # what no turn has added to is still nothing
            if known is not None or self._adds(target, turns.counts):
                like = self._layouts.get(target)
                totals[target] = array if like is None else laid_out(like, array)
        return {each: wrap(array) for each, array in zip(self.values, turns.carried)}

    def _paths(self, numbers: dict[Variant, int]) -> np.ndarray:
        """Return the path of each variant, by its number."""
        paths = np.zeros(len(numbers), np.uint8)
        for path, each in enumerate(self.plans):
            if each in numbers:
                paths[numbers[each]] = path
        return paths

    def _streams(
        self,
        past: Any,
        variant: Variant,
        taped: list,
        number: int | None,
        arrivals: Arrivals,
        begin: int,
        end: int,
    ) -> list[np.ndarray]:
        """Return what a variant's turns read one by one, the last one first."""
        passage = past.passages.get(variant[0])
        records = None if number is None or passage is None else passage.records
        if number is None or records is None or any(each not in records for each in taped):
            arriving = [] if (plan := self.plans[variant]) is None else plan.arriving
            likes = [entry(each) for each in (*taped, *arriving)]
            return [np.empty((0, *like.shape), like.dtype) for like in likes]
        own = arrivals.own(number, begin, end)
        found = [records[each][own][::-1] for each in taped]
        return [*found, *arrivals.streams(number, begin, end)]

    def _adds(self, target: Variable, counts: Sequence[int]) -> bool:
        """Have turns been done that add to a total?"""
        return any(
            count and plan is not None and target in plan.outputs
            for count, plan in zip(counts, self.plans.values())
        )


def _held(past: Any, ways: list[int]) -> Iterator[dict]:
    """Yield what is the same in all turns of these ways."""
    return (past.passages[each].invariant for each in ways if each in past.passages)


def _alike(value: Value, output: Value | None) -> Value:
    if output is None or (output.shape, output.dtype) != (value.shape, value.dtype):
        raise NotNative("cotangents change from turn to turn")
    if output.strides != value.strides:
        raise NotNative("the layout of cotangents changes from turn to turn")
    return output
