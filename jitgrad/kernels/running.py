"""Running loops: the memory of a run, the turns in portions, the tape that grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from jitgrad.graph.ir import Scalar, Value
from jitgrad.kernels.conventions import CURRENT, FAILED, FINISHED, FIRST_TEST, FULL, NUMBERS
from jitgrad.kernels.instructions import Footprint
from jitgrad.kernels.loops import Stop, Turns
from jitgrad.kernels.machine import machine
from jitgrad.kernels.records import Form, strides_in_bytes
from jitgrad.kernels.scratch import Spare
from jitgrad.kernels.short_runs import ShortRun, writer_for

SHORT = 20_000.0
"""Estimated ns of the turns that are done before the interpreter lock is released."""

PATIENCE = 0.005
"""Seconds after which Python has a look, as for Ctrl-C."""

LEAST_BYTES = 1 << 10
"""What the tape of a run takes at least."""

ENDLESS = 1 << 62
"""More turns than anybody will do."""

_NO_MARKS = np.empty(0, np.uint8)

_NOTHING = np.zeros(1)
"""Stands for an array that no turn reads."""


class Arena:
    """The words and memory of a run.

    Attributes:
        words: the instructions and argument tables.
        run: does turns.
        place: tells where arrays are.
        fill: for each carried or invariant number, and each carried value, what sets it.
        entries: where the paths begin.
        counts: for each path how many turns have taken it, and for how many there is room.
    """

    def __init__(self, loop: Loop) -> None:
        self.layout = layout = loop.layout
        block = np.zeros(layout.size + 64, np.uint8)
        address = block.__array_interface__["data"][0]
        start = -address % 64
        self.bytes = block[start : start + layout.size]
        self.words = self.bytes[: 8 * len(layout.template)].view(np.int64)
        self.words[...] = layout.template
        self.words[layout.moving] += address + start
        self.run, self.place = machine(self.words)
        memory = memoryview(self.bytes)  # type: ignore[arg-type]
        self.integers, self.floats = memory.cast("q"), memory.cast("d")
        self._open = self.integers[loop.entries : loop.entries + loop.paths]
        self.entries = self._open.tolist()
        self.closed: Collection[int] = ()
        self.counts = [self.integers[at : at + 2] for at in loop.counts]
        self.fill = {each: self._filling(each, layout) for each in loop.filled}
        values = [each for each in loop.carried if isinstance(each, Value)]
        self._memories = [each.memory for each in values]
        self._reads = [self._reading(each, layout) for each in loop.carried]
        self.run_shortly: ShortRun | None = None if loop.shortly is None else loop.shortly(self)

    def close(self, paths: Collection[int]) -> None:
        """Let no turn take one of `paths`."""
        if paths != self.closed:
            for number, entry in enumerate(self.entries):
                self._open[number] = 0 if number in paths else entry
            self.closed = paths

    def begin_with(self, path: int) -> None:
        """Let the next turn try this path first."""
        self.integers[CURRENT] = self._open[path]

    def _filling(self, each: Value | Scalar, layout: Any) -> Callable[[Any], Any]:
        offset = layout.offset(each)
        if isinstance(each, Scalar):
            numbers = self.floats if each.type is float else self.integers
            return partial(numbers.__setitem__, offset // 8)
        return partial(np.copyto, self.array(each))

    def array(self, value: Value) -> np.ndarray:
        """Return the memory of a carried value."""
        offset, strides = self.layout.offset(value), strides_in_bytes(value)
        return np.ndarray(value.shape, value.dtype, self.bytes, offset, strides)

    def _reading(self, each: Value | Scalar, layout: Any) -> Callable[[dict], Any]:
        offset = layout.offset(each)
        if isinstance(each, Scalar):
            numbers = self.floats if each.type is float else self.integers
            place, is_bool = offset // 8, each.type is bool
            return lambda copies: bool(numbers[place]) if is_bool else numbers[place]
        memory, strides = each.memory, strides_in_bytes(each)
        first, length = layout.blocks[memory]
        block = self.bytes[first : first + length]
        array = self.array(each)
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
        source: what it does, in the order of the paths.
        instructions: for each path what it does, with the steps of the trace.
        footprint: the memory of a run, without its tape.
        nanoseconds: roughly what a turn takes.
        turn_bytes: what the tape takes for a turn.
        expected: for each path the turns that the tape has room for at first.
        writes: turns write to what they are given.
    """

    def __init__(
        self, assembler: Any, layout: Any, increments: list[Any], counts: list[list[Any]]
    ) -> None:
        plans = assembler.plans
        self.kernels = tuple(assembler.kernels)
        self.native_calls = max(each.native_calls for each in assembler.paths)
        self.compile_seconds = 0.0
        self.source = "\n".join(assembler.lines) + "\n"
        self.instructions = [each.instructions for each in assembler.paths]
        self.footprint = Footprint(0, layout.size)
        self.nanoseconds = max(each.nanoseconds for each in assembler.paths)
        self.layout = layout
        self.paths = len(plans)
        self.carried = plans[0].carried
        inputs = plans[0].inputs
        self.filled = [each for each in inputs if each in self.carried or isinstance(each, Scalar)]
        self.entries = layout.position(assembler.entries)
        self.counts = [layout.position(each) for each in counts]
        self.forms = [[Form(each) for each in plan.tape] for plan in plans]
        self.marks = assembler.marks
        self.writes = any(plan.through for plan in plans)
        self.turn_bytes = [sum(form.length for form in forms) for forms in self.forms]
        self.expected = [max(16, LEAST_BYTES // max(each, 1)) for each in self.turn_bytes]
        self._constants = assembler.constants
        self.given = [each if each in self.filled else None for each in inputs]
        self.follows = assembler.follows
        self.tests = [
            (path, number) for path, plan in enumerate(plans) for number in range(len(plan.tests))
        ]
        self.increments = layout.position(increments)
        self.incoming = [[Form(each) for each in plan.streams] for plan in plans]
        self.portion = max(1, int(SHORT / (5 + self.nanoseconds)))
        self._spare = Spare()
        self.shortly = writer_for(self, LEAST_BYTES, ENDLESS)

    def run(
        self,
        values: Sequence[Any],
        streams: Sequence[Sequence[np.ndarray]] = (),
        limit: int = ENDLESS,
        most_bytes: int = ENDLESS,
        order: np.ndarray | None = None,
        closed: Collection[int] = (),
        first: int = 0,
        known: bool = False,
    ) -> Turns:
        """Do turns until a test fails.

        Args:
            values: the inputs that are not streamed, in their order; None for what only closed
                paths read.
            streams: for each path a record for each input that it reads from one, of shape
                (turns, *shape), in the order of the turns that take the path.
            limit: the most turns.
            most_bytes: the most that the tape may take.
            order: for a loop that follows one, the number of the path of each turn, as bytes.
            closed: the paths that must not be taken.
            first: the path that the first turn tries.
            known: the entries of the records lie as those of the values that the loop was made for,
                since another loop has recorded them.
        """
        try:
            arena = self._spare.pop()
        except IndexError:
            arena = Arena(self)
        run_shortly = arena.run_shortly
        if (
            run_shortly is not None
            and not (closed or first or arena.closed)
            and most_bytes >= ENDLESS
        ):
            made = run_shortly(values, streams, limit, order, known)
            if type(made) is Turns:
                self._spare.append(arena)
                return made
            if made is not None:
                return self._turns(arena, made[0], most_bytes, made[1:])
        fixed = []
        try:
            for each, value in zip(self.given, values, strict=True):
                if each is None:
                    fixed.append(_NOTHING if value is None else value)
                elif value is not None:
                    arena.fill[each](value)
        except (OverflowError, ValueError):
            if not any(type(each) is int and abs(each) >> 63 for each in values):
                raise
            return self._nothing(values)
        records = []
        for forms, given in zip(self.incoming, streams or [()] * self.paths, strict=True):
            for form, record in zip(forms, given, strict=True):
                records.append(form.conforming(record))
        if order is not None:
            limit = min(limit, len(order))
            records.append(order)
        elif self.incoming[0]:
            limit = min(limit, *map(len, streams[0]))
        for place, record in enumerate(records, self.increments):
            arena.words[place] = record.strides[0]
        if fixed or records:
            arena.place(0, *fixed, *records)
        arena.close(closed)
        if not self.follows:
            arena.begin_with(first)
        return self._turns(arena, limit, most_bytes)

    def _nothing(self, values: Sequence[Any]) -> Turns:
        """Return what it is to have done no turn, for Python has numbers beyond int64."""
        held = {
            each: value.copy("K") if isinstance(value, np.ndarray) else value
            for each, value in zip(self.given, values)
        }
        tape = [[form.record(0) for form in forms] for forms in self.forms]
        order = np.empty(0, np.uint8) if self.marks else None
        carried = [held[each] for each in self.carried]
        return Turns(0, Stop.PYTHON, None, carried, [0] * self.paths, tape, order)

    def _turns(self, arena: Arena, limit: int, most_bytes: int, begun: Any = None) -> Turns:
        """Do turns, behind a portion if one is `begun`."""
        tape = _Tape(self, arena, most_bytes, begun)
        made = None
        try:
            number, stop = self._portions(arena, limit, tape, begun)
            made = self._done(arena, tape, number, stop)
            if stop is not Stop.PYTHON:  # a failure leaves its mark
                self._spare.append(arena)
            return made
        except BaseException as why:
            if not self.writes:
                raise
            error = why
        if made is None:
            made = self._done(arena, tape, FINISHED, Stop.ERROR)
        return made._replace(stop=Stop.ERROR, error=error)

    def _done(self, arena: Arena, tape: _Tape, number: int, stop: Stop) -> Turns:
        test = self.tests[number - FIRST_TEST] if stop is Stop.TEST else None
        counts = [each[0] for each in arena.counts]
        done = sum(counts)
        return Turns(done, stop, test, arena.carried(), counts, *tape.finished(done, counts))

    def _portions(self, arena: Arena, limit: int, tape: _Tape, begun: Any) -> tuple[int, Stop]:
        """Do turns in portions, between which Python has a look; return why they end."""
        done, number, portion, release = 0, FINISHED, self.portion, self.portion == 1
        started = 0.0
        stop = Stop.LIMIT
        if begun is not None:
            done, number = begun[:2]
            if number == FAILED:
                return number, Stop.PYTHON
            if done == portion:
                portion, release, started = 4 * portion, True, time.perf_counter()
        while done < limit:
            room = tape.grow(done, limit)
            if not room:
                stop = Stop.MEMORY
                break
            result = arena.run(min(room, limit - done, portion), release)
            finished, number = divmod(result, NUMBERS)
            done += finished
            if number not in (FINISHED, FULL):
                stop = Stop.PYTHON if number == FAILED else Stop.TEST
                break
            if finished == portion:
                now = time.perf_counter()
                if not release or now - started < PATIENCE / 4:
                    portion *= 4
                release, started = True, now
        return number, stop


class _Tape:
    """What a run records, in arrays that grow: by path, and in which order the paths were taken."""

    def __init__(self, loop: Loop, arena: Arena, most_bytes: int, begun: Any = None) -> None:
        self._loop = loop
        self._arena = arena
        self._most = most_bytes
        if begun is not None:
            *_, self._records, self._rooms, order = begun
            self._order = _NO_MARKS if order is None else order
            return
        self._rooms = [0] * loop.paths
        self._records: list[list[np.ndarray]] = [[] for _ in range(loop.paths)]
        self._order = _NO_MARKS
        for counts, forms in zip(arena.counts, loop.forms):
            counts[0] = 0
            counts[1] = 0 if forms else ENDLESS

    def _free(self) -> int:
        """Return the bytes that one of the records may take, so that others may grow as well."""
        if self._most >= ENDLESS:
            return ENDLESS
        pairs = zip(self._rooms, self._loop.turn_bytes)
        free = self._most - len(self._order) - sum(room * size for room, size in pairs)
        return free // (self._loop.marks + sum(map(bool, self._loop.forms)))

    def grow(self, done: int, limit: int) -> int:
        """Have room for more turns; return for how many there is room, whatever their paths."""
        for path, (own, left) in enumerate(self._arena.counts):
            if not left and not self._grow(path, own, limit - done):
                return 0
        if not self._loop.marks:
            return ENDLESS
        if done == len(self._order):
            self._mark(done, limit)
        return len(self._order) - done

    def _grow(self, path: int, own: int, more: int) -> bool:
        """Have room for more turns on a path, `own` being done and no more than `more` left."""
        free = self._free() // self._loop.turn_bytes[path]
        room = min(2 * own or self._loop.expected[path], own + min(more, free))
        if room <= own:
            return False
        self._rooms[path] = room
        grown = [form.record(room) for form in self._loop.forms[path]]
        for old, new in zip(self._records[path], grown):
            new[:own] = old[:own]
        self._records[path] = grown
        self._arena.place(1 + path, *([each[own:] for each in grown] if own else grown))
        self._arena.counts[path][1] = room - own
        return True

    def _mark(self, done: int, limit: int) -> None:
        """Have room to note the paths of more turns."""
        room = min(max(2 * done, LEAST_BYTES), limit, done + self._free())
        order = np.empty(room, np.uint8)
        if done:
            order[:done] = self._order
        self._order = order
        if room > done:
            self._arena.place(1 + self._loop.paths, order[done:] if done else order)

    def finished(
        self, done: int, counts: Sequence[int]
    ) -> tuple[list[list[np.ndarray]], np.ndarray | None]:
        """Return the records of so many turns, in no much larger memory, and their order."""
        loop = self._loop
        tape = [self._records_of(path, own) for path, own in enumerate(counts)]
        if not loop.marks:
            return tape, None
        order = self._order[:done]
        return tape, order.copy() if done < len(self._order) // 2 else order

    def _records_of(self, path: int, own: int) -> list[np.ndarray]:
        loop, room, forms = self._loop, self._rooms[path], self._loop.forms[path]
        size = loop.turn_bytes[path]
        if not size:
            return []
        if own < room // 2 and room * size > LEAST_BYTES:
            pairs = zip(forms, self._records[path])
            records = [form.shortened(record, own) for form, record in pairs]
        else:
            records = [each[:own] for each in self._records[path]] or [
                form.record(0) for form in forms
            ]
        loop.expected[path] = max(16, own + 1, LEAST_BYTES // size)
        return records
