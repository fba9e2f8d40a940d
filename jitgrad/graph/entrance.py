"""Where replays begin: at the beginning of a call, and behind the turns of long loops."""

from __future__ import annotations

from typing import Any

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore
from jitgrad.graph.facts import SameValue, tensor_key
from jitgrad.graph.lookups import Argument, read_length
from jitgrad.graph.origins import KNOWN
from jitgrad.graph.recipes import (
    BaseOf,
    Constant,
    Container,
    Fresh,
    Instance,
    Library,
    Method,
    Number,
    Root,
    walk,
)
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Segment, Snapshot
from jitgrad.graph.taking import ARGUMENT_CONSTANTS
from jitgrad.modes import state
from jitgrad.python.frames import UNBOUND, Frame


class Layout:
    """Which registers of which frames are live at a place in the code.

    Attributes:
        frames: the code, function, position and live registers of each frame, outermost first.
        line: the source line.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.frames = [
            (each.code, each.function.value, each.pc, tuple(each.registers))  # type: ignore[attr-defined]
            for each in snapshot.frames
        ]
        self.line = snapshot.line
        self.key = tuple((id(code), id(function), *rest) for code, function, *rest in self.frames)

    def values_of(self, frames: list[Frame]) -> list[Any]:
        """Return what the registers hold."""
        return [
            frame.values[register]
            for frame, (*_, registers) in zip(frames, self.frames)
            for register in registers
        ]

    def frames_with(self, values: list[Any], origins: list[Any]) -> list[Frame]:
        """Return frames whose registers hold `values`."""
        given = iter(zip(values, origins))
        made = []
        for code, function, pc, registers in self.frames:
            held: list[Any] = [UNBOUND] * code.register_count
            found: list[Any] = [None] * code.register_count
            for register in registers:
                held[register], found[register] = next(given)
            made.append(Frame(code, function, pc, held, found, KNOWN))
        return made


def can_go_on(snapshot: Snapshot) -> bool:
    """Can a replay begin at `snapshot`, with what is live there as its arguments?

    Not where something lives whose content the recording knows, a list made in the call say: as an
    argument it would be known by its class alone.
    """
    return all(
        isinstance(frame.function, Constant)
        and frame.code.handled[frame.pc] < 0
        and all(_is_simple(each) for each in frame.registers.values())
        for frame in snapshot.frames
    )


SIMPLE = (Constant, Number, Root, BaseOf, Fresh, Library, Instance)


def _is_simple(recipe: Any) -> bool:
    # of an instance the next entry reads what it needs: attributes do not come and go, as items do
    return all(
        isinstance(each, SIMPLE)
        or (isinstance(each, Container) and each.kind is tuple)
        # the end of a `with` block of the library's
        or (isinstance(each, Method) and isinstance(each.owner, Library))
        for each in walk([recipe])
    )


class Going:
    """A call that goes on from a place in the code, instead of its result."""

    __slots__ = ("layout", "values")

    def __init__(self, layout: Layout, values: list[Any]) -> None:
        self.layout = layout
        self.values = values

    def frames(self) -> list[Frame]:
        """Return frames from which an evaluator goes on without recording."""
        return self.layout.frames_with(self.values, [None] * len(self.values))


class Entrance:
    """The segments that begin at one place, by what is known of the values there.

    Attributes:
        layout: the place; None for the beginning of the function.
        entries: the segments by key.
        varying: the places where integers have changed, which are numbers of run time since.
        integers: the first value of each integer that is given.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout
        self.entries: dict[Any, list[Segment]] = {}
        self.varying: set[Any] = set()
        self.integers: dict[int, int] = {}

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
        """Find the integers that have changed since `candidates` were recorded."""
        roots, slots = len(run.roots), len(run.slots)
        for segment in candidates:
            changed = []
            for fact in segment.facts:
                if fact.holds(run):
                    continue
                if not (
                    isinstance(fact, SameValue)
                    and type(fact.expected) is int
                    # how long a list is decides what is read of it
                    and fact.place.read is not read_length
                    and type(fact.place.look(run)) is int
                ):
                    break
                changed.append(fact.place.identity())
            else:
                self.varying.update(changed)
            run.forget(roots, slots)

    def learn_arguments(self, values: list[Any]) -> None:
        """Find the integers that differ from those given first."""
        for number, value in enumerate(values):
            if type(value) is int and self.integers.setdefault(number, value) != value:
                self.varying.add(Argument(number).identity())
