"""Running loops: the memory of a run, the turns in portions, the tape that grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from jitgrad.graph.ir import Scalar, Value
from jitgrad.kernels.conventions import FAILED, FINISHED, NUMBERS
from jitgrad.kernels.loops import Stop, Turns
from jitgrad.kernels.machine import machine

SHORT = 20_000.0
"""Estimated ns of the turns that are done before the interpreter lock is released."""

PATIENCE = 0.005
"""Seconds after which Python has a look, as for Ctrl-C."""

LEAST_BYTES = 1 << 10
"""What the tape of a run takes at least."""


class Arena:
    """The words and memory of a run.

    Attributes:
        words: the instructions and argument tables.
        run: does turns.
        place: tells where arrays are.
        fill: for each carried or invariant number, and each carried value, what sets it.
    """

    def __init__(self, loop: Loop) -> None:
        layout = loop.layout
        block = np.zeros(layout.size + 64, np.uint8)
        address = block.__array_interface__["data"][0]
        start = -address % 64
        self.bytes = block[start : start + layout.size]
        self.words = self.bytes[: 8 * len(layout.template)].view(np.int64)
        self.words[...] = layout.template
        self.words[layout.moving] += address + start
        self.run, self.place = machine(self.words)
        memory = memoryview(self.bytes)  # type: ignore[arg-type]
        self._integers, self._floats = memory.cast("q"), memory.cast("d")
        self.fill = {each: self._filling(each, layout) for each in loop.filled}
        values = [each for each in loop.carried if isinstance(each, Value)]
        self._memories = [each.memory for each in values]
        self._reads = [self._reading(each, layout) for each in loop.carried]

    def _filling(self, each: Value | Scalar, layout: Any) -> Callable[[Any], Any]:
        offset = layout.offset(each)
        if isinstance(each, Scalar):
            numbers = self._floats if each.type is float else self._integers
            return partial(numbers.__setitem__, offset // 8)
        array = np.ndarray(each.shape, each.dtype, self.bytes, offset, _bytes(each))
        return partial(np.copyto, array)

    def _reading(self, each: Value | Scalar, layout: Any) -> Callable[[dict], Any]:
        offset = layout.offset(each)
        if isinstance(each, Scalar):
            numbers = self._floats if each.type is float else self._integers
            place, is_bool = offset // 8, each.type is bool
            return lambda copies: bool(numbers[place]) if is_bool else numbers[place]
        memory, strides = each.memory, _bytes(each)
        first, length = layout.blocks[memory]
        block = self.bytes[first : first + length]
        array = np.ndarray(each.shape, each.dtype, self.bytes, offset, strides)
        if self._memories.count(memory) == 1 and array.copy().strides == strides:
            return lambda copies: array.copy()

        def read(copies: dict) -> np.ndarray:
            copy = copies.get(memory)
            if copy is None:
                copy = copies[memory] = block.copy()
            return np.ndarray(each.shape, each.dtype, copy, offset - first, strides)

        return read

    def carried(self) -> list[Any]:
        """Return copies of what is carried."""
        copies: dict = {}
        return [read(copies) for read in self._reads]


class Loop:
    """A loop in native code; several threads may run it at once.

    Attributes:
        kernels: those that it calls.
        native_calls: kernels called in one turn.
        compile_seconds: see `Program`.
        source: the instructions, to be read.
        nanoseconds: roughly what a turn takes.
        turn_bytes: what the tape takes for a turn.
        expected: the turns that the tape has room for at first.
    """

    def __init__(self, assembler: Any, layout: Any, increments: int) -> None:
        plan = assembler.plan
        self.kernels = tuple(assembler.kernels)
        self.native_calls = assembler.native_calls
        self.compile_seconds = 0.0
        self.source = "\n".join(assembler.lines) + "\n"
        self.nanoseconds = assembler.nanoseconds
        self.layout = layout
        self.carried = plan.carried
        self.filled = [
            each for each in plan.given if each in plan.carried or isinstance(each, Scalar)
        ]
        self._constants = assembler.constants
        self._given = [each if each in self.filled else None for each in plan.given]
        self._tape = plan.tape
        self._increments = increments
        self._incoming = [(Form(each), direction) for each, direction in plan.streams]
        self.forms = [Form(each) for each in plan.tape]
        self.turn_bytes = sum(form.length for form in self.forms)
        self.expected = max(16, LEAST_BYTES // max(self.turn_bytes, 1))
        self._portion = max(1, int(SHORT / (5 + self.nanoseconds)))
        self._spare: list[Arena] = []

    def run(
        self,
        values: Sequence[Any],
        streams: Sequence[np.ndarray] = (),
        limit: int = 1 << 62,
        most_bytes: int = 1 << 62,
    ) -> Turns:
        """Do turns until a test fails.

        Args:
            values: the inputs that are not streamed, in their order. Nothing writes to them.
            streams: a record for each that is, of shape (turns, *shape).
            limit: the most turns; there are no more than a record has entries.
            most_bytes: the most that the tape may take.
        """
        try:
            arena = self._spare.pop()
        except IndexError:
            arena = Arena(self)
        fixed = []
        try:
            for each, value in zip(self._given, values, strict=True):
                if each is None:
                    fixed.append(value)
                else:
                    arena.fill[each](value)
        except (OverflowError, ValueError):
            if not any(type(each) is int and abs(each) >> 63 for each in values):
                raise
            return self._nothing(values)
        records = []
        place = self._increments
        for (form, direction), given in zip(self._incoming, streams, strict=True):
            record = form.conforming(given)
            limit = min(limit, len(record))
            records.append(record if direction > 0 else record[::-1])
            arena.words[place] = records[-1].strides[0]
            place += 1
        if fixed or records:
            arena.place(0, *fixed, *records)
        made = self._turns(arena, limit, most_bytes)
        if made.stop is not Stop.PYTHON:  # a failure leaves its mark
            self._spare.append(arena)
        return made

    def _nothing(self, values: Sequence[Any]) -> Turns:
        """Return what it is to have done no turn, for Python has numbers beyond int64."""
        held = {
            each: value.copy("K") if isinstance(value, np.ndarray) else value
            for each, value in zip(self._given, values)
        }
        tape = [form.record(0) for form in self.forms]
        return Turns(0, Stop.PYTHON, None, [held[each] for each in self.carried], tape)

    def _turns(self, arena: Arena, limit: int, most_bytes: int) -> Turns:
        tape = _Tape(self, arena, limit, most_bytes) if self._tape else None
        room = 0 if tape is not None else limit
        done, number, portion, release = 0, FINISHED, self._portion, self._portion == 1
        started = 0.0
        stop = Stop.LIMIT
        while done < limit:
            if done == room:
                assert tape is not None
                room = tape.grow(done)
                if done == room:
                    stop = Stop.MEMORY
                    break
            result = arena.run(min(room - done, portion), release)
            finished, number = divmod(result, NUMBERS)
            done += finished
            if number != FINISHED:
                stop = Stop.PYTHON if number == FAILED else Stop.TEST
                break
            if finished == portion:
                now = time.perf_counter()
                if not release or now - started < PATIENCE / 4:
                    portion *= 4
                release, started = True, now
        test = number - 2 if stop is Stop.TEST else None
        return Turns(done, stop, test, arena.carried(), [] if tape is None else tape.finished(done))


class Form:
    """How records of a value lie in memory."""

    def __init__(self, value: Value) -> None:
        self.shape = value.shape
        self.dtype = value.dtype
        self.strides = _bytes(value)
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides))
        self.length = (reach if value.size else 0) + self.dtype.itemsize

    def record(self, turns: int) -> np.ndarray:
        """Return a record with room for so many turns."""
        if not self.shape:
            return np.empty(turns, self.dtype)
        block = np.empty(max(turns, 1) * self.length, np.uint8)
        strides = (self.length, *self.strides)
        return np.ndarray((turns, *self.shape), self.dtype, block, 0, strides)

    def conforming(self, record: np.ndarray) -> np.ndarray:
        """Return `record` with entries that lie as kernels expect them."""
        if record.shape[1:] != self.shape or record.dtype != self.dtype:
            wanted = f"{self.dtype} of shape (turns, {', '.join(map(str, self.shape))})"
            raise ValueError(f"a record of {wanted} is needed, not {record.dtype} {record.shape}")
        strides = record.strides[1:]
        if strides == self.strides or not record.size:
            return record
        pairs = zip(self.shape, strides, self.strides)
        if all(size == 1 or own == wanted for size, own, wanted in pairs):
            return record
        copy = self.record(len(record))
        copy[...] = record
        return copy


class _Tape:
    """What a run records, in arrays that grow."""

    def __init__(self, loop: Loop, arena: Arena, limit: int, most_bytes: int) -> None:
        self._loop = loop
        self._arena = arena
        self._most = min(limit, most_bytes // loop.turn_bytes)
        self._room = 0
        self._records: list[np.ndarray] = []

    def grow(self, done: int) -> int:
        """Have room for more turns; return for how many there is room now."""
        room = min(2 * done or self._loop.expected, self._most)
        if room > done:
            self._room = room
            grown = [form.record(room) for form in self._loop.forms]
            for old, new in zip(self._records, grown):
                new[:done] = old[:done]
            self._records = grown
            self._arena.place(1, *([each[done:] for each in grown] if done else grown))
        return self._room

    def finished(self, done: int) -> list[np.ndarray]:
        """Return the records of so many turns, in no much larger memory."""
        loop = self._loop
        if done < self._room // 2 and self._room * loop.turn_bytes > LEAST_BYTES:
            records = [form.record(done) for form in loop.forms]
            for old, new in zip(self._records, records):
                new[...] = old[:done]
        else:
            records = [each[:done] for each in self._records] or [
                form.record(0) for form in loop.forms
            ]
        loop.expected = max(16, done + 1, LEAST_BYTES // loop.turn_bytes)
        return records


def _bytes(value: Value) -> tuple[int, ...]:
    return tuple(stride * value.dtype.itemsize for stride in value.strides)
