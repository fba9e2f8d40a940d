"""Native loops that check themselves: each turn is compared with its primitives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.graph.segment import Segment
from jitgrad.graph.verify import copies, interpret
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.loops import Path, Turns, lower_loop, operands_of, written_by
from jitgrad.kernels.program import Program
from jitgrad.kernels.records import entry_at

Operand = Value | Scalar

MOST_TURNS = 256
"""How many turns that write are done before they are checked, since what they leave is recorded."""


def make_loop(
    inputs: Sequence[Operand],
    carried: Sequence[Operand],
    paths: Sequence[Path],
    segments: Sequence[Segment],
    what: str,
    follows: bool = False,
    marks: bool = False,
) -> Any:
    """Return a native loop, which checks itself where the programs of its segments do.

    Args:
        segments: for each path one that it has to do with.
        what: what the loop is.
        inputs, carried, paths, follows, marks: as `lower_loop` takes them.
    """
    if segments[0].check is None:
        return lower_loop(inputs, carried, paths, follows, marks)
    return CheckedLoop(inputs, carried, paths, segments, what, follows)


class _Done(Program):
    """Stands for a program that has run already: it returns what was `made`.

    Attributes:
        after: what it has left in its inputs, by their number.
    """

    __slots__ = ("after", "made")

    def __init__(self) -> None:
        super().__init__(self._again)
        self.made: tuple = ()
        self.after: dict[int, np.ndarray] = {}

    def _again(self, *given: Any) -> tuple:
        for at, array in self.after.items():
            np.copyto(given[at], array)
        return self.made


class _CheckedPath:
    """What a turn on a path must come to.

    Attributes:
        kept: what must be recorded for that.
        exchanged: as in the path.
        changed: the inputs whose elements are others behind some turn.
    """

    def __init__(
        self,
        inputs: Sequence[Operand],
        carried: Sequence[Operand],
        path: Path,
        segment: Segment,
        what: str,
    ) -> None:
        self.path = path
        used = {*operands_of(path), *carried}
        self.reads = [each for each in [*inputs, *path.streamed] if each in used]
        assert len(set(path.kept)) == len(path.kept)
        written = written_by(path)
        self.rewritten = [
            each
            for each in self.reads
            if isinstance(each, Value) and each.memory in written and each not in carried
        ]
        self.kept = list(dict.fromkeys([*path.kept, *carried, *self.rewritten]))
        self.exchanged = dict(path.exchanged)
        self.changed = dict.fromkeys([*self.rewritten, *self.exchanged])
        old = {each.memory for each in self.reads if isinstance(each, Value)}
        self.outputs = [
            each
            for each in dict.fromkeys([*path.outputs, *path.kept])
            if not (isinstance(each, Value) and each.memory in old) and each not in self.reads
        ]
        # a truth with which the turn begins was an output of the turn before
        self.truths = [
            each
            for each in path.tests
            if _is_truth(each.operand)
            and each.operand not in self.reads
            and getattr(each.operand, "memory", None) not in old
        ]
        self.done = _Done()
        wanted = [*self.outputs, *(each.operand for each in self.truths)]
        self.turn = segment.check(self.done, path.steps, self.reads, wanted, segment, what)
        self.last = [
            segment.check(
                self.done,
                list(path.steps)[: each.position],
                self.reads,
                [each.operand],
                segment,
                what,
            )
            for each in path.tests
        ]

    def check(self, given: dict, made: dict, after: dict) -> None:
        """Do a turn again, and compare what it made, and what it left in its inputs."""
        self.done.after = {self.reads.index(each): after[each] for each in self.rewritten}
        self.done.made = (
            *(made[each] for each in self.outputs),
            *(_truth(each.operand, each.expected) for each in self.truths),
        )
        self.turn.run(*[given[each] for each in self.reads])

    def check_memory(self, given: dict, wanted: dict) -> None:
        """See that what was written is what the last turns have left."""
        for each in self.changed:
            found = given[each]
            if found is not None and not np.array_equal(found, wanted[each], equal_nan=True):
                raise self.turn.error(
                    "what the loop writes to", str(found), str(wanted[each]), "behind all turns"
                )

    def check_test(self, given: dict, number: int) -> None:
        """Do a turn again up to a test, which came out otherwise."""
        test = self.path.tests[number]
        if any(test is each for each in self.truths):
            values = [given[each] for each in self.reads]
            if self.rewritten:
                # the native turn has written nothing, the one that is done again writes to copies
                values = copies(self.reads, values)
                used = copies(self.reads, values)
                steps = list(self.path.steps)[: test.position]
                interpret(steps, self.reads, [test.operand], used)
                places = map(self.reads.index, self.rewritten)
                self.done.after = {at: used[at] for at in places}
            self.done.made = (_truth(test.operand, not test.expected),)
            self.last[number].run(*values)


class CheckedLoop:
    """Stands for a native loop, and does its turns again by their primitives.

    Each turn begins with what the native one began with, so that differences do not add up.
    """

    def __init__(
        self,
        inputs: Sequence[Operand],
        carried: Sequence[Operand],
        paths: Sequence[Path],
        segments: Sequence[Segment],
        what: str,
        follows: bool,
    ) -> None:
        self.inputs = list(inputs)
        self.carried = list(carried)
        self.paths = [
            _CheckedPath(inputs, carried, path, segment, what)
            for path, segment in zip(paths, segments, strict=True)
        ]
        recording = [
            path._replace(kept=each.kept) for path, each in zip(paths, self.paths, strict=True)
        ]
        self.loop = lower_loop(inputs, carried, recording, follows, marks=True)
        self.kernels = self.loop.kernels
        self.native_calls = self.loop.native_calls
        self.compile_seconds = self.loop.compile_seconds
        self.source = self.loop.source

    def run(
        self,
        values: Sequence[Any],
        streams: Sequence[Sequence[np.ndarray]] = (),
        limit: int = 1 << 62,
        most_bytes: int = 1 << 62,
        order: np.ndarray | None = None,
        closed: Collection[int] = (),
        first: int = 0,
        known: bool = False,
    ) -> Turns:
        """Do turns, as the loop does, and check them."""
        begun = dict(zip(self.inputs, values))
        if any(path.rewritten for path in self.paths):
            limit = min(limit, MOST_TURNS)
            begun.update(_apart({each for path in self.paths for each in path.changed}, begun))
        left_in = dict(begun)
        done = self.loop.run(values, streams, limit, most_bytes, order, closed, first, known)
        taken = done.order if order is None else order
        positions = [0] * len(self.paths)
        path = 0 if taken is None or not done.finished else int(taken[0])
        for turn in range(done.finished):
            checked, own = self.paths[path], positions[path]
            positions[path] += 1
            records = dict(zip(checked.kept, done.tape[path]))
            made = {each: entry_at(records[each], own, each) for each in checked.path.kept}
            left = {each: entry_at(records[each], own, each) for each in checked.rewritten}
            given = dict(begun)
            given.update((each, entry_at(records[each], own, each)) for each in self.carried)
            for each, record in zip(checked.path.streamed, streams[path] if streams else ()):
                given[each] = entry_at(record, own, each)
            after = done.carried
            if turn + 1 < done.finished:
                path = path if taken is None else int(taken[turn + 1])
                following = dict(zip(self.paths[path].kept, done.tape[path]))
                own = positions[path]
                after = [entry_at(following[each], own, each) for each in self.carried]
            made.update(zip(checked.path.outputs, after))
            checked.check(given, made, left)
            begun.update({each: given[source] for each, source in checked.exchanged.items()})
        if done.test is not None:
            path, number = done.test
            self.paths[path].check_test({**begun, **dict(zip(self.carried, done.carried))}, number)
        for each in self.paths:
            each.check_memory(dict(zip(self.inputs, values)), left_in)
        # what was asked for comes first
        tape = [records[: len(each.path.kept)] for each, records in zip(self.paths, done.tape)]
        return done._replace(tape=tape)


def _apart(rewritten: set[Value], given: dict[Operand, Any]) -> dict[Operand, np.ndarray]:
    """Return copies of what is written, and of what shares memory with it, which overlap alike.

    On several ways one memory may have several names.
    """
    arrays = {each: array for each, array in given.items() if isinstance(array, np.ndarray)}
    bounds = {each: np.lib.array_utils.byte_bounds(array) for each, array in arrays.items()}
    groups: list[list[Any]] = []
    end = 0
    for each in sorted(arrays, key=bounds.__getitem__):
        low, high = bounds[each]
        if not groups or low >= end:
            groups.append([])
        groups[-1].append(each)
        end = max(end, high)
    found: dict[Operand, np.ndarray] = {}
    for group in groups:
        if not rewritten.isdisjoint(group):
            memory = Memory()
            names = [Value(each.shape, each.strides, each.dtype, memory) for each in group]
            found.update(zip(group, copies(names, [arrays[each] for each in group])))
    return found


def _is_truth(operand: Operand) -> bool:
    return operand.type is bool if isinstance(operand, Scalar) else operand.dtype.kind == "b"


def _truth(operand: Operand, value: bool) -> Any:
    if isinstance(operand, Scalar):
        return value
    made = allocate(operand)
    made[...] = value
    return made
