"""Native loops that check themselves: each turn is compared with its primitives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Scalar, Step, Value
from jitgrad.graph.segment import Segment
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.loops import Stop, Test, Turns, lower_loop

Operand = Value | Scalar


def make_loop(
    steps: Sequence[Step],
    inputs: Sequence[Operand],
    tests: Sequence[Test],
    carried: Sequence[tuple[Any, Any]],
    kept: Sequence[Operand],
    streamed: Mapping[Any, int],
    segment: Segment,
    what: str,
) -> Any:
    """Return a native loop, which checks itself where the programs of `segment` do.

    The other arguments are those of `lower_loop`; `what` says what the loop is.
    """
    if segment.check is None:
        return lower_loop(steps, inputs, tests, carried, kept, streamed)
    return CheckedLoop(steps, inputs, tests, carried, kept, streamed, segment, what)


class _Done:
    """Stands for a program that has run already."""

    kernels: tuple = ()
    native_calls = 0
    compile_seconds = 0.0
    source = ""

    def __init__(self) -> None:
        self.made: tuple = ()

    def run(self, *_: Any) -> tuple:
        """Return what was made."""
        return self.made


class CheckedLoop:
    """Stands for a native loop, and does its turns again by their primitives.

    Each turn begins with what the native one began with, so that differences do not add up.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Operand],
        tests: Sequence[Test],
        carried: Sequence[tuple[Any, Any]],
        kept: Sequence[Operand],
        streamed: Mapping[Any, int],
        segment: Segment,
        what: str,
    ) -> None:
        self.inputs = list(inputs)
        self.carried = list(carried)
        self.kept = list(kept)
        self.streamed = dict(streamed)
        self.tests = list(tests)
        self.all_kept = list(dict.fromkeys([*kept, *(given for given, _ in carried)]))
        self.loop = lower_loop(steps, inputs, tests, carried, self.all_kept, streamed)
        self.kernels = self.loop.kernels
        self.native_calls = self.loop.native_calls
        self.compile_seconds = self.loop.compile_seconds
        self.source = self.loop.source
        old = {each.memory for each in inputs if isinstance(each, Value)}
        new = [output for _, output in carried] + self.kept
        self.outputs = [
            each
            for each in dict.fromkeys(new)
            if not (isinstance(each, Value) and each.memory in old) and each not in self.inputs
        ]
        # a truth with which the turn begins was an output of the turn before
        self.truths = [
            each
            for each in self.tests
            if _is_truth(each.operand)
            and each.operand not in self.inputs
            and getattr(each.operand, "memory", None) not in old
        ]
        wanted = [*self.outputs, *(each.operand for each in self.truths)]
        self.done = _Done()
        self.turn = segment.check(self.done, steps, inputs, wanted, segment, what)
        self.last = [
            segment.check(
                self.done, list(steps)[: each.position], inputs, [each.operand], segment, what
            )
            for each in self.tests
        ]

    def run(
        self,
        values: Sequence[Any],
        streams: Sequence[np.ndarray] = (),
        limit: int = 1 << 62,
        most_bytes: int = 1 << 62,
    ) -> Turns:
        """Do turns, as the loop does, and check them."""
        done = self.loop.run(values, streams, limit, most_bytes)
        records = dict(zip(self.all_kept, done.tape))
        plain = [each for each in self.inputs if each not in self.streamed]
        begun = dict(zip(plain, values))
        flows = [each for each in self.inputs if each in self.streamed]
        for at in range(done.finished):
            given = self._given(at, begun, records, dict(zip(flows, streams)))
            made = self._made(at, records, done)
            self.done.made = (
                *(made[each] for each in self.outputs),
                *(_truth(each.operand, each.expected) for each in self.truths),
            )
            self.turn.run(*given)
        if done.stop is Stop.TEST:
            test = self.tests[done.test]  # type: ignore[index]
            if test in self.truths:
                held = {**begun, **dict(zip((each for each, _ in self.carried), done.carried))}
                given = self._given(done.finished, held, {}, dict(zip(flows, streams)))
                self.done.made = (_truth(test.operand, not test.expected),)
                self.last[done.test].run(*given)  # type: ignore[index]
        return done._replace(tape=[records[each] for each in self.kept])

    def _given(self, at: int, begun: dict, records: dict, streams: dict) -> list[Any]:
        """Return with what a turn begins."""
        states = {each for each, _ in self.carried}
        given = []
        for each in self.inputs:
            if each in self.streamed:
                record = streams[each]
                given.append(_entry(record, at if self.streamed[each] > 0 else -1 - at, each))
            elif each in states and each in records:
                given.append(_entry(records[each], at, each))
            else:
                given.append(begun[each])
        return given

    def _made(self, at: int, records: dict, done: Turns) -> dict[Any, Any]:
        """Return what came out of a turn."""
        made = {each: _entry(records[each], at, each) for each in self.kept}
        for number, (given, output) in enumerate(self.carried):
            if at + 1 < done.finished:
                made[output] = _entry(records[given], at + 1, output)
            else:
                made[output] = done.carried[number]
        return made


def _entry(record: np.ndarray, at: int, like: Operand) -> Any:
    """Return an entry of a record, that lies as `like` does."""
    if isinstance(like, Scalar):
        return like.type(record[at])
    made = allocate(like)
    np.copyto(made, record[at])
    return made


def _is_truth(operand: Operand) -> bool:
    return operand.type is bool if isinstance(operand, Scalar) else operand.dtype.kind == "b"


def _truth(operand: Operand, value: bool) -> Any:
    if isinstance(operand, Scalar):
        return value
    made = allocate(operand)
    made[...] = value
    return made
