"""Where replays begin: at the beginning of a call, behind exits, and behind turns of loops."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore
from jitgrad.graph.facts import Fact, SameObject, SameValue, tensor_key
from jitgrad.graph.lookups import Argument, read_length
from jitgrad.graph.passing import Passing
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Segment, Snapshot
from jitgrad.graph.taking import ARGUMENT_CONSTANTS
from jitgrad.modes import state
from jitgrad.python.code import Code
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import UNBOUND, Frame
from jitgrad.python.operations import Leave, Operations


class Layout:
    """Which registers of which frames are live at a place in the code.

    Attributes:
        frames: the code, position and live registers of each frame, outermost first.
        line: the source line.
    """

    def __init__(self, frames: list[tuple[Code, int, tuple[int, ...]]]) -> None:
        self.frames = frames
        code, position, _ = frames[-1]
        self.line = code.filename, code.lines[position].line
        self.key = tuple((id(code), *rest) for code, *rest in frames)

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot) -> Layout:
        """Return that of what a snapshot makes."""
        return cls([(each.code, each.pc, tuple(each.registers)) for each in snapshot.frames])

    @classmethod
    def of_frames(cls, frames: list[Frame]) -> Layout:
        """Return that of frames of the evaluator."""
        return cls([(each.code, each.pc, tuple(live_registers(each))) for each in frames])

    def values_of(self, frames: list[Frame]) -> list[Any]:
        """Return what is live in `frames`: of each the function, and what the registers hold."""
        values: list[Any] = []
        for frame, (_, _, registers) in zip(frames, self.frames):
            values.append(frame.function)
            values.extend(frame.values[register] for register in registers)
        return values

    def frames_with(self, values: list[Any], origins: list[Any]) -> list[Frame]:
        """Return frames in which `values` are live."""
        given = iter(zip(values, origins))
        made = []
        for code, position, registers in self.frames:
            function, origin = next(given)
            held: list[Any] = [UNBOUND] * code.register_count
            found: list[Any] = [None] * code.register_count
            for register in registers:
                held[register], found[register] = next(given)
            made.append(Frame(code, function, position, held, found, origin))
        return made


def live_registers(frame: Frame) -> list[int]:
    """Return the registers of a frame that have a value which may still be read."""
    values = frame.values
    return [each for each in frame.code.live_at(frame.pc) if values[each] is not UNBOUND]


class Going:
    """A call that goes on from a place in the code, instead of its result.

    Attributes:
        layout: the place.
        values: what is live there.
        performs: Python is to perform the first instruction.
    """

    __slots__ = ("layout", "performs", "values")

    def __init__(self, layout: Layout, values: list[Any], performs: bool = False) -> None:
        self.layout = layout
        self.values = values
        self.performs = performs

    @classmethod
    def on_from(cls, frames: list[Frame]) -> Going:
        """Return the call that goes on from where an evaluator was left."""
        layout = Layout.of_frames(frames)
        return cls(layout, layout.values_of(frames))

    def frames(self) -> list[Frame]:
        """Return frames from which an evaluator goes on without recording."""
        return self.layout.frames_with(self.values, [None] * len(self.values))

    def perform(self, hopeless: set) -> Any:
        """Let Python perform what was left to it; return the result of the call or a new Going."""
        evaluator = Evaluator(Operations())
        Passing(evaluator, hopeless)
        try:
            return evaluator.resume(self.frames())
        except Leave:
            return Going.on_from(evaluator.frames)

    def finish(self) -> Any:
        """Finish the call in Python."""
        return Evaluator(Operations()).resume(self.frames())


class Entrance:
    """The segments that begin at one place, by what is known of the values there.

    Attributes:
        layout: the place; None for the beginning of the function.
        entries: the segments by key.
        varying: the places where integers have changed, which are numbers of run time since, or
            functions of the same code, which are objects since.
        integers: the first value of each integer that is given.
        misses: how many more recordings than replays began here.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout
        self.entries: dict[Any, list[Segment]] = {}
        self.varying: set[Any] = set()
        self.integers: dict[int, int] = {}
        self.misses = 0

    def key(self, values: list[Any], names: tuple[str, ...] = ()) -> Any:
        """Return what decides which segments are tried; `names` are those of the last values."""
        parts: list[Any] = [state.grad_enabled, dtypes.get_default_dtype(), names]
        for value in values:
            kind = type(value)
            if isinstance(value, TensorCore):
                parts.append(tensor_key(value))
            else:
                parts.append((kind, value) if kind in ARGUMENT_CONSTANTS else kind)
        if self.varying:
            for number, value in enumerate(values):
                if type(value) is int and Argument(number).identity() in self.varying:
                    parts[3 + number] = int
        return tuple(parts)

    def learn(self, run: Run, candidates: list[Segment]) -> None:
        """Find the integers and closures that have changed since `candidates` were recorded."""
        roots, slots = len(run.roots), len(run.slots)
        for segment in candidates:
            changed = []
            for fact in segment.facts:
                if fact.holds(run):
                    continue
                place = getattr(fact, "place", None)
                if place is None or not _may_vary(fact, place.look(run)):
                    break
                changed.append(place.identity())
            else:
                self.varying.update(changed)
            run.forget(roots, slots)

    def learn_arguments(self, values: list[Any]) -> None:
        """Find the integers that differ from those given first."""
        for number, value in enumerate(values):
            if type(value) is int and self.integers.setdefault(number, value) != value:
                self.varying.add(Argument(number).identity())


def _may_vary(fact: Fact, found: Any) -> bool:
    """Is what is at the place of `fact` of the same kind as before, so that it may be any such?"""
    if isinstance(fact, SameValue):
        # how long a list is decides what is read of it
        is_length = fact.place.read is read_length
        return type(fact.expected) is type(found) is int and not is_length
    if isinstance(fact, SameObject) and type(fact.expected) is type(found) is FunctionType:
        return fact.expected.__code__ is found.__code__
    return False
