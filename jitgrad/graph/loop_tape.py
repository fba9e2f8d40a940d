"""What the turns of a native loop leave behind, and the way back through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.engine import run_nodes
from jitgrad.graph.derivative import add_cotangents, rebuild
from jitgrad.graph.hot import JoinedPlan, join_plan
from jitgrad.graph.ir import Compute, Memory, Scalar, Step, Value
from jitgrad.graph.origins import StorageEntry, Variable
from jitgrad.graph.run import Run
from jitgrad.graph.tape import Tape, TapeLayout, check_versions, natively
from jitgrad.graph.verify_loops import make_loop
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.loops import NotNative
from jitgrad.modes import state
from jitgrad.node import SECOND_BACKWARD, Node
from jitgrad.ops.binary import ADD
from jitgrad.storage import Storage


class Turn:
    """What autograd has to know of a turn.

    Attributes:
        layout: the histories of what comes out of it.
        entering: by the variable with which a turn begins, the one of the turn before.
        kept: what the tape records.
        number_of: which output of the loop's node a variable is.
        reverses: native loops that go back, by what they are given and asked for.
    """

    def __init__(
        self,
        layout: TapeLayout,
        entering: dict[Variable, Variable],
        kept: list[Value | Scalar],
    ) -> None:
        self.layout = layout
        self.entering = entering
        self.kept = kept
        self.number_of = {each: at for at, each in enumerate(layout.variables)}
        self.reverses: dict[Any, ReverseLoop | None] = {}


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


class LoopBackward(Node):
    """The history of what comes out of a native loop.

    Args:
        turn: what is known of each turn.
        turns: how many there were.
        records: what the tape recorded of them, one for each of `turn.kept`.
        run: in which they began.
        nodes: of the variables with which the first began.
    """

    __slots__ = ("_reached", "first", "freed", "invariant", "last", "records", "turn", "turns")

    def __init__(
        self,
        turn: Turn,
        turns: int,
        records: list[np.ndarray],
        run: Run,
        nodes: dict[Variable, tuple[Node, int]],
    ) -> None:
        layout = turn.layout
        edges = [nodes[each] for each in layout.roots]
        super().__init__(
            tuple(node for node, _ in edges),
            tuple(index for _, index in edges),
            len(layout.variables),
        )
        self.turn = turn
        self.turns = turns
        self.records = dict(zip(turn.kept, records))
        self.invariant: dict[Value | Scalar, Any] = {
            each: run.slots[at] for each, at in layout.slots.items() if each not in self.records
        }
        for value, _ in layout.arguments:
            if value in self.invariant:
                # eager saved nothing of it, so that the caller may write to it
                self.invariant[value] = _copied(value, self.invariant[value])
        # what eager has saved and others can write to: what came in, and what comes out
        self.first: dict[StorageEntry, tuple[Storage, int]] = {}
        self.last: dict[StorageEntry, tuple[Storage, int]] = {}
        for variable in layout.saving:
            for saved in variable.history.saved():  # type: ignore[union-attr]
                root = saved.storage.root
                if root is not None:
                    version: Any = run.versions[root]
                    self.first[saved.storage] = (run.roots[root]._storage, version)
        self.freed: set[Variable] = set(layout.freed)
        self._reached: list[tuple] = []

    def show(self, entry: StorageEntry, storage: Storage) -> None:
        """Know that `storage` holds what came out of the last turn."""
        self.last[entry] = (storage, 0)

    def tape(self, at: int) -> TurnTape:
        """Return the tape of one turn."""
        values = dict(self.invariant)
        for each, record in self.records.items():
            values[each] = record[at].item() if isinstance(each, Scalar) else record[at, ...]
        storages = dict(self.last) if at == self.turns - 1 else {}
        changing = self.turn.entering
        roots = self.turn.layout.state.variables
        for entry, known in self.first.items():
            if at == 0 or roots.get(entry.root) not in changing:  # type: ignore[arg-type]
                storages[entry] = known
        return TurnTape(self.turn.layout, values, storages)

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("a backward pass through a compiled loop made before")
        layout = self.turn.layout
        given = {
            variable: cotangent
            for variable, cotangent in zip(layout.variables, cotangents)
            if cotangent is not None
        }
        wanted = [each for each, want in zip(layout.roots, needed) if want]
        self._reached = []
        if state.grad_enabled or state.detect_anomaly:
            found = self._eagerly(given, wanted)
        else:
            found = self._back(given, wanted)
        return tuple(found.get(each) for each in layout.roots)

    def release(self) -> None:
        layout = self.turn.layout
        for each in self._reached:
            self.freed.update(layout.freed_by(*each))
        if layout.saving and self.freed.issuperset(layout.saving):
            self.records = {}
            self.invariant = {}

    def _reach(self, given: Any, wanted: list[Variable]) -> None:
        """Note that a pass goes through a turn.

        Raises:
            RuntimeError: what it needs has been freed.
        """
        key = tuple(given), tuple(wanted)
        if key not in self._reached:
            if not self.freed.isdisjoint(self.turn.layout.freed_by(*key)):
                raise RuntimeError(SECOND_BACKWARD)
            self._reached.append(key)

    def _back(self, given: dict, wanted: list[Variable]) -> dict:
        """Go back turn by turn; natively once it is known how."""
        turn = self.turn
        through = [*turn.entering, *(each for each in wanted if each not in turn.entering)]
        totals: dict[Variable, np.ndarray] = {}
        waiting = given
        at = self.turns - 1
        while at >= 0 and waiting:
            self._reach(waiting, through)
            key = _key(waiting, through)
            reverse = turn.reverses.get(key)
            if reverse is not None:
                if reverse.checks:
                    # what others can write to: what comes out of the last turn, and what went in
                    for each in {at, 0}:
                        check_versions(self.tape(each), reverse.checks)
                waiting = reverse.run(self, at, waiting, totals)
                break
            tape = self.tape(at)
            found = natively(tape, waiting, through)
            before = _next_waiting(turn, found)
            if key not in turn.reverses and _key(before, through) == key:
                turn.reverses[key] = self._reverse(key, waiting, through)
            for each in wanted:
                if each in found and each not in turn.entering:
                    totals[each] = add_cotangents(totals.get(each), found[each]._array)
            waiting = before
            at -= 1
        made = {each: wrap(array) for each, array in totals.items()}
        for root, output in turn.entering.items():
            if output in waiting and root in wanted:
                made[root] = waiting[output]
        return made

    def _reverse(self, key: Any, given: dict, through: list[Variable]) -> ReverseLoop | None:
        layout = self.turn.layout
        waiting = {each: tensor._array for each, tensor in given.items()}
        known = tuple((each, array.strides) for each, array in waiting.items()), tuple(through)
        plan = layout.plans.get(known)
        joined = None if plan is None else join_plan(plan.parts, through, given)
        if plan is None or joined is None:
            return None
        try:
            return ReverseLoop(self.turn, joined, plan.checks)
        except NotNative:
            return None

    def _eagerly(self, given: dict, wanted: list[Variable]) -> dict:
        """Make the histories of all turns as eager would have made them, and walk them."""
        turn, layout = self.turn, self.turn.layout
        self._reach(given, wanted)
        edges = {
            root: (node, index)
            for root, node, index in zip(layout.roots, self.edges, self.indices or ())
        }
        begun = dict(edges)
        order = [each for each in layout.order if each.history is not None]
        nodes: dict[Variable, tuple[Node, int]] = {}
        for at in range(self.turns):
            nodes = rebuild(order, dict(edges), self.tape(at), track=False)
            for root, output in turn.entering.items():
                edges[root] = nodes[output]
        found = run_nodes(
            [nodes[each] for each in given],
            list(given.values()),
            True,
            state.grad_enabled,
            [begun[each] for each in wanted],
            frozenset(self.edges),
        )
        return {each: got for each, got in zip(wanted, found) if got is not None}


def _key(given: dict, through: list[Variable]) -> tuple:
    pairs = frozenset((each, tensor._array.strides) for each, tensor in given.items())
    return pairs, tuple(through)


def _next_waiting(turn: Turn, found: dict) -> dict:
    """Return the cotangents of what came out of the turn before."""
    waiting: dict[Variable, Any] = {}
    for root, output in turn.entering.items():
        if root in found:
            waiting[output] = found[root]
    return waiting


class ReverseLoop:
    """The way back through a turn, as a native loop.

    Args:
        turn: what is known of each turn.
        joined: what is computed in one.
        checks: what must not have been written since, see `tape.Plan`.

    Raises:
        NotNative: it has to be gone turn by turn.
    """

    def __init__(self, turn: Turn, joined: JoinedPlan, checks: list) -> None:
        self.turn = turn
        self.checks = checks
        steps: list[Step] = list(joined.steps)
        outputs = dict(zip(joined.targets, joined.outputs))
        self.given = list(joined.given)
        carried: list[tuple[Value, Value]] = []
        leading = {output: root for root, output in turn.entering.items()}
        for variable, value in joined.given.items():
            carried.append((value, _alike(value, outputs.get(leading[variable]))))
        self.totals = [each for each in joined.targets if each not in turn.entering]
        for target in self.totals:
            like = outputs[target]
            strides = _row_major(like.shape)
            total = Value(like.shape, strides, like.dtype, Memory("total"))
            made = Value(like.shape, strides, like.dtype, Memory())
            steps.append(Compute(ADD, (total, like), {}, made))
            carried.append((total, made))
        kept = set(turn.kept)
        self.streamed = [each for each in joined.inputs if each in kept]
        self.fixed = [each for each in joined.inputs if each not in kept]
        self.shapes = [value for value, _ in carried[len(self.given) :]]
        self.loop = make_loop(
            steps,
            [*self.streamed, *self.fixed, *(value for value, _ in carried)],
            (),
            carried,
            (),
            dict.fromkeys(self.streamed, -1),
            turn.layout.segments[-1],
            "the way back through a native loop",
        )

    def run(self, node: LoopBackward, at: int, waiting: dict, totals: dict) -> dict:
        """Go from a turn back through the first; return what then waits."""
        begun = [totals.pop(each, None) for each in self.totals]
        values = [
            *(node.invariant[each] for each in self.fixed),
            *(waiting[each]._array for each in self.given),
            *(
                np.zeros(like.shape, like.dtype) if array is None else np.ascontiguousarray(array)
                for array, like in zip(begun, self.shapes)
            ),
        ]
        streams = [node.records[each][: at + 1] for each in self.streamed]
        turns = self.loop.run(values, streams, limit=at + 1)
        assert turns.finished == at + 1
        count = len(self.given)
        for target, array in zip(self.totals, turns.carried[count:]):
            totals[target] = array
        return {each: wrap(array) for each, array in zip(self.given, turns.carried)}


def _alike(value: Value, output: Value | None) -> Value:
    if output is None or (output.shape, output.dtype) != (value.shape, value.dtype):
        raise NotNative("cotangents change from turn to turn")
    if output.strides != value.strides:
        raise NotNative("the layout of cotangents changes from turn to turn")
    return output


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[at + 1 :], dtype=np.int64)) for at in range(len(shape)))


def _copied(value: Value, array: np.ndarray) -> np.ndarray:
    """Return a copy that lies as `value` says."""
    copy = allocate(value)
    np.copyto(copy, array)
    return copy
