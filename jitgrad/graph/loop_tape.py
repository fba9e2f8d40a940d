"""What the turns of a native loop leave behind, and the way back through them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.engine import run_nodes
from jitgrad.graph.derivative import add_cotangents, rebuild
from jitgrad.graph.hot import JoinedPlan, join_plan
from jitgrad.graph.ir import Compute, Memory, Scalar, Step, Value
from jitgrad.graph.origins import StorageEntry, Variable, ancestors
from jitgrad.graph.run import Run
from jitgrad.graph.tape import Tape, TapeLayout, check_versions, natively
from jitgrad.graph.verify_loops import make_loop
from jitgrad.kernels.geometry import row_major
from jitgrad.kernels.layout import laid_out
from jitgrad.kernels.loops import NotNative, Path, Turns
from jitgrad.kernels.records import entry
from jitgrad.modes import state
from jitgrad.node import SECOND_BACKWARD, Node
from jitgrad.ops.binary import ADD
from jitgrad.storage import Storage


class Way(NamedTuple):
    """What autograd has to know of a turn that takes one way.

    Attributes:
        layout: the histories of what comes out of it.
        entering: by the variable with which a turn begins, the one with which the next begins. A
            variable that is not among them goes on as it is.
        kept: what the tape records.
        carried: the roots that it puts another tensor in the place of, with its storage.
    """

    layout: TapeLayout
    entering: dict[Variable, Variable]
    kept: list[Value | Scalar]
    carried: dict[int, StorageEntry]

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
        leading: the variables with which a turn begins; the outputs of the node are what they are
            at the end.
        reverses: native loops that go back, by what they are given and asked for.
    """

    def __init__(self, ways: list[Way]) -> None:
        self.ways = ways
        leading = {each for way in ways for each in way.entering}
        self.leading = sorted(leading, key=lambda each: each.root)  # type: ignore[return-value]
        self.reverses: dict[Any, Reverse] = {}
        self._lasting: dict[tuple[int, ...], list[Variable]] = {}
        self._reached: dict[Any, tuple[frozenset[Variable], list[Variable]]] = {}

    def reached(self, way: int, live: frozenset[Variable]) -> tuple:
        """Return what `live` behind a turn comes from: of the leading ones, and all of them."""
        found = self._reached.get((way, live))
        if found is None:
            layout, entering = self.ways[way].layout, self.ways[way].entering
            held = [entering[each] for each in self.leading if each in live and each in entering]
            roots = {each for each in ancestors(held) if each.root is not None}
            roots.update(each for each in live if each not in entering)
            before = frozenset(each for each in self.leading if each in roots)
            ordered = [each for each in [*self.leading, *layout.roots] if each in roots]
            found = self._reached[way, live] = before, list(dict.fromkeys(ordered))
        return found

    def roots(self, taken: Sequence[int] | np.ndarray, counts: list[int]) -> list[Variable]:
        """Return what comes from outside that the results of these turns depend on."""
        used = tuple(way for way, count in enumerate(counts) if count)
        known = self._lasting.get(used)
        if known is not None:
            return known
        live = frozenset(each for way in used for each in self.ways[way].entering)
        found: dict[Variable, None] = {}
        for done, way in enumerate(reversed(taken)):
            if all(self.reached(each, live)[0] == live for each in used):
                # so it is in every turn
                for each in used:
                    found.update(dict.fromkeys(self.reached(each, live)[1]))
                if not done:
                    self._lasting[used] = list(dict.fromkeys([*found, *live]))
                break
            live, roots = self.reached(int(way), live)
            found.update((each, None) for each in roots if each not in self.leading)
        found.update((each, None) for each in self.leading if each in live)
        return list(found)


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


class LoopBackward(Node):
    """The history of what comes out of a native loop.

    Args:
        layout: what is known of the loop.
        turns: what it has done.
        runs: for each way the run in which it began, None for one that was not taken.
        nodes: of the variables with which turns begin.
        shown: the storages of the tensors that came out, by the root whose place they took.
    """

    __slots__ = (
        "_positions",
        "_reached",
        "freed",
        "layout",
        "order",
        "passages",
        "roots",
        "shown",
        "turns",
    )

    def __init__(
        self,
        layout: LoopLayout,
        turns: Turns,
        runs: list[Run | None],
        nodes: dict[Variable, tuple[Node, int]],
        shown: dict[int, Storage],
    ) -> None:
        order = turns.order
        # the ways of the turns; a range says that there was but one
        self.order = order
        self.turns = turns.finished
        alike = [0] * min(turns.finished, 1 + len(layout.leading))
        self.roots = layout.roots(alike if order is None else order, turns.counts)
        edges = [nodes[each] for each in self.roots]
        super().__init__(
            tuple(node for node, _ in edges),
            tuple(index for _, index in edges),
            len(layout.leading),
        )
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
        self.freed: set[Variable] = set()
        for way in self.passages:
            self.freed.update(layout.ways[way].layout.freed)
        self._reached: list[tuple] = []

    def _way(self, turn: int) -> int:
        return 0 if self.order is None else int(self.order[turn])

    def tape(self, turn: int) -> TurnTape:
        """Return the tape of one turn."""
        number = self._way(turn)
        passage, way = self.passages[number], self.layout.ways[number]
        values = passage.values(bisect_left(passage.at, turn))
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
        return TurnTape(way.layout, values, storages)

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("a backward pass through a compiled loop made before")
        given = {
            variable: cotangent
            for variable, cotangent in zip(self.layout.leading, cotangents)
            if cotangent is not None
        }
        wanted = [each for each, want in zip(self.roots, needed) if want]
        self._reached = []
        if state.grad_enabled or state.detect_anomaly:
            found = self._eagerly(given, wanted)
        else:
            found = self._back(given, wanted)
        return tuple(found.get(each) for each in self.roots)

    def release(self) -> None:
        for way, *key in self._reached:
            self.freed.update(self.layout.ways[way].layout.freed_by(*key))
        saving = [each for way in self.passages for each in self.layout.ways[way].layout.saving]
        if saving and self.freed.issuperset(saving):
            for passage in self.passages.values():
                passage.records = {}
                passage.invariant = {}

    def _reach(self, way: int, given: Iterable[Variable], through: list[Variable]) -> None:
        """Note that a pass goes through the turns of a way.

        Raises:
            RuntimeError: what it needs has been freed.
        """
        key = way, tuple(given), tuple(through)
        if key not in self._reached:
            if not self.freed.isdisjoint(self.layout.ways[way].layout.freed_by(*key[1:])):
                raise RuntimeError(SECOND_BACKWARD)
            self._reached.append(key)

    def _back(self, given: dict, wanted: list[Variable]) -> dict:
        """Go back turn by turn; natively once it is known how."""
        layout = self.layout
        others = [each for each in wanted if each not in layout.leading]
        asked = [*layout.leading, *others]
        totals: dict[Variable, np.ndarray] = {}
        waiting = {each: given[each] for each in layout.leading if each in given}
        turns = self.turns
        while turns and waiting:
            number = self._way(turns - 1)
            way, key = layout.ways[number], _key(waiting, asked)
            reverse = layout.reverses.get(key)
            if reverse is not None and number in reverse.plans:
                begin = reverse.reaches(self, turns)
                self._check(reverse, begin, turns)
                waiting = reverse.run(self, begin, turns, waiting, totals)
                turns = begin
                continue
            mine, through = way.given(waiting), way.through(asked)
            found: dict[Variable, Any] = {}
            if mine:
                self._reach(number, mine, through)
                found = natively(self.tape(turns - 1), mine, through)
            before = _next_waiting(layout, way, waiting, found)
            if _key(before, asked) == key:
                if reverse is None:
                    held = waiting.items()
                    values = {each: _described(tensor._array) for each, tensor in held}
                    reverse = Reverse(layout, values, asked)
                layout.reverses[key] = reverse.learned(number, waiting)
            for each in others:
                if each in found:
                    totals[each] = add_cotangents(totals.get(each), found[each]._array)
            waiting = before
            turns -= 1
        made = {each: wrap(array) for each, array in totals.items()}
        made.update((each, waiting[each]) for each in waiting if each in wanted)
        return made

    def _check(self, reverse: Reverse, begin: int, end: int) -> None:
        """Note that a pass goes through these turns, and see whether anything was written since.

        Others can write to what came in and to what comes out: whether they have is the same for
        all turns of a way but those between which a tensor changes.
        """
        changes = {turn for pair in self._positions.values() for turn in pair}
        for number, passage in self.passages.items():
            inside = passage.at[bisect_left(passage.at, begin) : bisect_left(passage.at, end)]
            plan = reverse.plans[number] if len(inside) else None
            if plan is None:
                continue
            self._reach(number, plan.given, plan.through)
            if plan.checks:
                own = {int(inside[0]), int(inside[-1])}
                for turn in own.union(each for each in changes if each in inside):
                    check_versions(self.tape(turn), plan.checks)

    def _eagerly(self, given: dict, wanted: list[Variable]) -> dict:
        """Make the histories of all turns as eager would have made them, and walk them."""
        layout = self.layout
        for number in self.passages:
            way = layout.ways[number]
            mine = way.given(given)
            self._reach(number, mine, way.through(wanted))
        edges = {
            root: (node, index)
            for root, node, index in zip(self.roots, self.edges, self.indices or ())
        }
        begun = dict(edges)
        orders = {
            number: [each for each in layout.ways[number].layout.order if each.history is not None]
            for number in self.passages
        }
        for turn in range(self.turns):
            number = self._way(turn)
            nodes = rebuild(orders[number], dict(edges), self.tape(turn), track=False)
            after = layout.ways[number].entering.items()
            edges.update([(root, nodes[output]) for root, output in after])
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
    pairs = frozenset((each, tensor._array.strides) for each, tensor in waiting.items())
    return pairs, tuple(asked)


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
            steps: list[Step] = [] if plan is None else list(plan.joined.steps)
            before = self._before(layout.ways[number], plan, steps)
            paths.append(Path(steps, (), before, (), self.streamed[-1]))
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

    def _before(self, way: Way, plan: _Plan | None, steps: list[Step]) -> list[Value]:
        """Return what waits before a turn, and the totals then; add the steps that sums take."""
        found = {} if plan is None else dict(plan.outputs)
        before = []
        for root, value in self.values.items():
            made = found.pop(root, None)
            if root not in way.entering:
                made = value if made is None else _sum(steps, value, made)
            before.append(_alike(value, made))
        for root, total in self.totals.items():
            made = found.pop(root, None)
            before.append(total if made is None else _sum(steps, total, made))
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
            key = tuple((each, tensor._array.strides) for each, tensor in given.items())
            known = way.layout.plans.get((key, tuple(through)))
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

    def reaches(self, node: LoopBackward, turns: int) -> int:
        """Return from which turn on the way back is known, of so many."""
        if self.plans.keys() >= node.passages.keys():
            return 0
        assert node.order is not None
        unknown = np.flatnonzero(~np.isin(node.order[:turns], list(self.plans)))
        return int(unknown[-1]) + 1 if len(unknown) else 0

    def run(self, node: LoopBackward, begin: int, end: int, waiting: dict, totals: dict) -> dict:
        """Go back from a turn through another; return what then waits."""
        held = [totals.pop(each, None) for each in self.totals]
        found = node.passages
        values = [
            *(
                next((found[number].invariant[each] for number in ways if number in found), None)
                for each, ways in self.fixed
            ),
            *(waiting[each]._array for each in self.values),
            *(
                np.zeros(like.shape, like.dtype) if array is None else np.ascontiguousarray(array)
                for array, like in zip(held, self.totals.values())
            ),
        ]
        streams = [
            self._streams(node, number, each, begin, end)
            for number, each in zip(self.plans, self.streamed)
        ]
        order = None
        if len(self.plans) > 1:
            taken = np.zeros(end - begin, np.uint8) if node.order is None else node.order[begin:end]
            order = self.numbers[taken[::-1]]
        turns = self.loop.run(values, streams, limit=end - begin, order=order)
        assert turns.finished == end - begin
        count = len(self.values)
        for target, array, before in zip(self.totals, turns.carried[count:], held):
            # what no turn has added to is still nothing
            if before is not None or self._adds(target, turns.counts):
                totals[target] = array
        return {each: wrap(array) for each, array in zip(self.values, turns.carried)}

    def _streams(
        self, node: LoopBackward, number: int, streamed: list, begin: int, end: int
    ) -> list[np.ndarray]:
        """Return the records of a way's turns, the last one first."""
        passage = node.passages.get(number)
        if passage is None:
            likes = [entry(each) for each in streamed]
            return [np.empty((0, *like.shape), like.dtype) for like in likes]
        first, last = bisect_left(passage.at, begin), bisect_left(passage.at, end)
        return [passage.records[each][first:last][::-1] for each in streamed]

    def _adds(self, target: Variable, counts: Sequence[int]) -> bool:
        """Have turns been done that add to a total?"""
        return any(
            count and plan is not None and target in plan.outputs
            for count, plan in zip(counts, self.plans.values())
        )


def _described(array: np.ndarray) -> Value:
    strides = tuple(step // array.itemsize for step in array.strides)
    return Value(array.shape, strides, array.dtype, Memory("cotangent"))


def _sum(steps: list[Step], held: Value, more: Value) -> Value:
    made = Value(held.shape, held.strides, held.dtype, Memory())
    steps.append(Compute(ADD, (held, more), {}, made))
    return made


def _alike(value: Value, output: Value | None) -> Value:
    if output is None or (output.shape, output.dtype) != (value.shape, value.dtype):
        raise NotNative("cotangents change from turn to turn")
    if output.strides != value.strides:
        raise NotNative("the layout of cotangents changes from turn to turn")
    return output
