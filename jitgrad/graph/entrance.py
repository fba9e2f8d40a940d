"""Where replays begin: at the beginning of a call, behind exits, and behind turns of loops."""

from __future__ import annotations

import collections
import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import CellType, FunctionType, GeneratorType
from typing import Any

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore
from jitgrad.graph.facts import Fact, SameObject, SameValue, tensor_key
from jitgrad.graph.lookups import ABSENT, Argument, read_length, type_lookup
from jitgrad.graph.recipes import Counter, Recipe, walk
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Segment, Snapshot
from jitgrad.graph.taking import ARGUMENT_CONSTANTS
from jitgrad.graph.turning import (
    RANGE,
    Form,
    Turned,
    before,
    form_of,
    iterator_of,
    parts_of,
    steps_of,
    width_of,
)
from jitgrad.locks import SHARED
from jitgrad.modes import state
from jitgrad.python.code import Code
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import UNBOUND, Frame
from jitgrad.python.operations import Operations


class Layout:
    """Which registers of which frames are live at a place in the code.

    Attributes:
        frames: of each frame, outermost first, the code, the position, the live registers, and
            of each register the form of the iterator in it that nobody else has, which is taken
            apart; None of all other values.
        line: the source line.
        place: the code and the position of each frame.
        steps: the numbers of the values that are the steps of ranges. They are constants: which
            way an iterator counts decides how it is followed.
        count: how many values are live: the functions of the frames, and what registers hold.
        host_call: where Python performs the instruction, what is known of that.
    """

    def __init__(
        self, frames: list[tuple[Code, int, tuple[int, ...], tuple[Form | None, ...]]]
    ) -> None:
        self.frames = frames
        code, position, *_ = frames[-1]
        self.line = code.filename, code.lines[position].line
        self.key = tuple((id(code), *rest) for code, *rest in frames)
        self.place = tuple((code, position) for code, position, *_ in frames)
        self.count = sum(1 + sum(map(width_of, forms)) for *_, forms in frames)
        self.steps = {at + step for at, form in self._iterators() for step in steps_of(form)}
        self.host_call: Any = None

    def _iterators(self) -> Iterator[tuple[int, Form]]:
        """Yield the iterators that are taken apart: the numbers of the first values, and forms."""
        number = 0
        for _, _, _, forms in self.frames:
            number += 1
            for form in forms:
                if form is not None:
                    yield number, form
                number += width_of(form)

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot) -> Layout:
        """Return that of what a snapshot makes."""
        held = [each for frame in snapshot.frames for each in frame.registers.values()]
        uses = collections.Counter(map(id, held))
        uses.update(id(part) for each in walk(held) for part in each.parts())

        def form(frame: Any, register: int, each: Recipe) -> Form | None:
            if uses[id(each)] > 1 or register < frame.code.named_count:
                return None
            if isinstance(each, Turned):
                return each.form
            return RANGE if isinstance(each, Counter) and not each.exposed else None

        frames = []
        for frame in snapshot.frames:
            forms = tuple(form(frame, *each) for each in frame.registers.items())
            frames.append((frame.code, frame.pc, tuple(frame.registers), forms))
        return cls(frames)

    @classmethod
    def of_frames(cls, frames: list[Frame], loops: list[Any]) -> Layout:
        """Return that of frames of the evaluator; `loops` are iterators that nobody else has."""
        alone = set(map(id, loops))
        found = []
        for frame in frames:
            registers, values = tuple(live_registers(frame)), frame.values
            named = frame.code.named_count
            forms = tuple(
                form_of(values[each]) if each >= named and id(values[each]) in alone else None
                for each in registers
            )
            found.append((frame.code, frame.pc, registers, forms))
        key = tuple(found)
        known = frames[0].code.layouts
        layout = known.get(key)
        if layout is None:
            layout = known.setdefault(key, cls(found))
        return layout

    def values_of(self, frames: list[Frame]) -> list[Any]:
        """Return what is live in `frames`: of each the function, and what the registers hold."""
        values: list[Any] = []
        for frame, (_, _, registers, forms) in zip(frames, self.frames):
            values.append(frame.function)
            for register, form in zip(registers, forms):
                held = frame.values[register]
                values.extend((held,) if form is None else parts_of(held))
        return values

    def earlier(self, values: list[Any], held: Mapping[tuple[int, int], int]) -> dict[int, int]:
        """Return which of these values are integers that change in each turn, and what they were.

        Args:
            held: what registers held before the latest turn, as for `Going.on_from`.
        """
        found, number = {}, 0
        for depth, (_, _, registers, forms) in enumerate(self.frames):
            number += 1
            for register, form in zip(registers, forms):
                if form is not None:
                    parts = values[number : number + width_of(form)]
                    found |= {number + at: each for at, each in before(form, parts).items()}
                elif (depth, register) in held:
                    found[number] = held[depth, register]
                number += width_of(form)
        return found

    def build(self, snapshot: Snapshot, run: Run) -> list[Any]:
        """Return the same of what a snapshot makes in a run."""
        return [each.build(run) for each in self.recipes(snapshot)]

    def recipes(self, snapshot: Snapshot) -> list[Recipe]:
        """Return how these values are made, one recipe for each."""
        found: list[Recipe] = []
        for frame, (_, _, _, forms) in zip(snapshot.frames, self.frames):
            found.append(frame.function)
            for each, form in zip(frame.registers.values(), forms):
                found.extend((each,) if form is None else each.parts())
        return found

    def frames_with(
        self, values: list[Any], origins: list[Any], adopt: Callable | None = None
    ) -> tuple[list[Frame], list[Any]]:
        """Return frames in which `values` are live, and the iterators that they alone have.

        Args:
            adopt: is told of these iterators; returns their origins.
        """
        given = iter(zip(values, origins))
        made, loops = [], []
        for code, position, registers, forms in self.frames:
            function, origin = next(given)
            held: list[Any] = [UNBOUND] * code.register_count
            found: list[Any] = [None] * code.register_count
            for register, form in zip(registers, forms):
                if form is None:
                    held[register], found[register] = next(given)
                    continue
                parts = [next(given) for _ in range(width_of(form))]
                it = held[register] = iterator_of(form, (part for part, _ in parts))
                loops.append(it)
                if adopt is not None:
                    found[register] = adopt(it, form, parts)
            made.append(Frame(code, function, position, held, found, origin))
        return made, loops


def live_registers(frame: Frame) -> list[int]:
    """Return the registers of a frame that have a value which may still be read.

    And variables that nobody reads any more, but whose value does something at its end.
    """
    values, code = frame.values, frame.code
    live = code.live_at(frame.pc)
    found = [each for each in live if values[each] is not UNBOUND]
    variables = range(code.named_count)
    return found + [each for each in variables if has_finalizer(values[each]) and each not in live]


WITHOUT_FINALIZER = (TensorCore, *ARGUMENT_CONSTANTS, type, FunctionType, GeneratorType)


def has_finalizer(value: Any) -> bool:
    """Is something done where nobody holds a value any longer, as a file is closed?

    Of generators see `holding`.
    """
    if isinstance(value, WITHOUT_FINALIZER):
        return False
    return type_lookup(type(value), "__del__") is not ABSENT or weakref.getweakrefcount(value) > 0


class Going:
    """A call that goes on from a place in the code, instead of its result.

    Attributes:
        layout: the place.
        values: what is live there.
        performs: Python is to perform the first instruction.
        turned: the native loop that has come here, and does not turn again.
        came: the first and the last segment of the path that came here.
        kept_bytes: what the call has kept for a backward pass on its way here.
        turns: how often the call has come back to this place.
        taken: behind turns of a native loop, its ways that they have taken, as bits.
        trail: by which paths.
        stages: what the call has gone through from its beginning on, see `Routes`; None if that is
            no route.
        earlier: of integers that change from turn to turn, what they were before.
        error: what is raised at the place.
        run: the replay that has followed the graph from here.
        left: the frames with which Python has gone on.
        following: the call that goes on behind what Python did.
    """

    __slots__ = (
        "came",
        "earlier",
        "error",
        "following",
        "kept_bytes",
        "layout",
        "left",
        "performs",
        "run",
        "stages",
        "taken",
        "trail",
        "turned",
        "turns",
        "values",
    )

    def __init__(
        self, layout: Layout, values: list[Any], performs: bool = False, turned: Any = None
    ) -> None:
        self.layout = layout
        self.values = values
        self.performs = performs
        self.kept_bytes = 0
        self.turned = turned
        self.came: tuple[Segment, Segment] | None = None
        self.turns = 0
        self.taken = 0
        self.trail: tuple = ()
        self.stages: tuple | None = None
        self.earlier: dict[int, int] = {}
        self.error: BaseException | None = None
        self.run: Run | None = None
        self.left: list[Frame] | None = None
        self.following: Going | None = None

    @classmethod
    def on_from(cls, evaluator: Evaluator, earlier: Mapping | None = None) -> Going:
        """Return the call that goes on from where an evaluator was left.

        Args:
            earlier: behind a turn of a loop, the integers that have changed as they were before it,
                by the number of the frame and the register.
        """
        operations: Any = evaluator.operations
        frames, loops = evaluator.frames, operations.counters
        layout = Layout.of_frames(frames, loops)
        going = cls(layout, layout.values_of(frames))
        if earlier is not None:
            going.earlier = layout.earlier(going.values, earlier)
        return going

    def frames(self) -> tuple[list[Frame], list[Any]]:
        """Return frames from which an evaluator goes on, and the iterators that they alone have.

        What they hold is theirs alone from here on: generators end where the last of them is gone.
        """
        made = self.layout.frames_with(self.values, [None] * len(self.values))
        self.left, self.values = made[0], []
        return made

    @property
    def is_plain(self) -> bool:
        """Does nothing but its values tell how it goes on? So it is behind most host calls."""
        return self.came is None and self.turned is None and self.stages is None

    @property
    def source(self) -> Any:
        """What has led here: a native loop, or the last segment of a path."""
        if self.turned is not None:
            return self.turned
        return None if self.came is None else self.came[1]

    def came_to(self, last: Segment | None) -> None:
        """Note the last segment of the path that the call has taken from here."""
        if self.source is not None:
            self.source.followed_by = last

    def may_turn(self, first: Segment) -> bool:
        """Is it the turn of a loop that `first` begins, or may it be?"""
        if self.turned is not None:
            return False
        if self.came is not None and self.came[0] is first and not self.came[1].end.settled:  # type: ignore[union-attr]
            return True
        return any(cycle.pays(self) for cycle in first.cycles)

    def finish(self) -> Any:
        """Finish the call in Python."""
        return Evaluator(Operations()).resume(self.frames()[0])


MANY_TEXTS = 4
"""So many texts in one place are recorded for their own sake, more are taken as they come."""
COMMON = frozenset((float, list, tuple, dict, FunctionType, CellType))
"""Classes that most of what is no tensor has."""

VARYING = (int, str)
"""Classes of what is part of an entry's key until it has been seen to change."""


@functools.cache
def identity_of(number: int) -> Any:
    """Return the identity of an argument's place; to make it each time is 5 % of a host call."""
    return Argument(number).identity()


class Entrance:
    """The segments that begin at one place, by what is known of the values there.

    Attributes:
        layout: the place; None for the beginning of the function.
        entries: the segments by key.
        varying: the places where integers have changed, which are numbers of run time since,
            functions of the same code, which are objects since, or texts that were many.
        integers: the first value of each integer that is given.
        texts: the values of each text that is given, where the call goes on.
        misses: how many more recordings than replays began here.
        shortcuts: what is tried before the segments; the last that applied comes first.
        reopened: why there are fewer segments than there were, by key.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout
        self.entries: dict[Any, list[Segment]] = {}
        self.varying: set[Any] = set()
        self.integers: dict[int, int] = {}
        self.texts: dict[int, set[str]] = {}
        self.misses = 0
        self.shortcuts: tuple[Any, ...] = ()
        self.reopened: dict[Any, str] = {}

    def forget(self) -> None:
        """Drop all segments that begin here."""
        self.entries.clear()
        self.shortcuts = ()

    def drop_shortcuts(self, segments: list[Segment]) -> None:
        """Forget the shortcuts of paths that end with one of these segments."""
        for each in self.shortcuts:
            if any(each.hot.last is segment for segment in segments):
                each.give_up()
                self.drop_shortcut(each)

    def drop_shortcut(self, shortcut: Any) -> None:
        """Try a shortcut no longer."""
        with SHARED:
            self.shortcuts = tuple(each for each in self.shortcuts if each is not shortcut)

    def key(self, values: list[Any], names: tuple[str, ...] = ()) -> Any:
        """Return what decides which segments are tried; `names` are those of the last values."""
        parts: list[Any] = [state.grad_enabled, dtypes.get_default_dtype(), names]
        for value in values:
            kind = type(value)
            if kind in ARGUMENT_CONSTANTS:
                parts.append((kind, value))
            elif kind in COMMON or not isinstance(value, TensorCore):
                parts.append(kind)
            else:
                parts.append(tensor_key(value))
        if self.varying:
            for number, value in enumerate(values):
                if type(value) in VARYING and identity_of(number) in self.varying:
                    parts[3 + number] = type(value)
        return tuple(parts)

    def reachable(self) -> dict[Any, list[Segment]]:
        """Return the entries but those for one value of what is a number of run time by now."""
        varying = self.varying
        return {
            key: list(candidates)
            for key, candidates in list(self.entries.items())
            if not any(
                type(part) is tuple and part[0] in VARYING and identity_of(at) in varying
                for at, part in enumerate(key[3:])
            )
        }

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
        """Find the integers that differ from those given first, and texts that never stay."""
        constant = () if self.layout is None else self.layout.steps
        for number, value in enumerate(values):
            if type(value) is str and self.layout is not None:
                # an argument of the call says what is wanted, but here it may be a message
                seen = self.texts.setdefault(number, set())
                seen.add(value)
                if len(seen) > MANY_TEXTS:
                    self.varying.add(identity_of(number))
                    self.texts[number] = set()
            if type(value) is not int or number in constant:
                continue
            if self.integers.setdefault(number, value) != value:
                self.varying.add(identity_of(number))


def _may_vary(fact: Fact, found: Any) -> bool:
    """Is what is at the place of `fact` of the same kind as before, so that it may be any such?"""
    if isinstance(fact, SameValue):
        # how long a list is decides what is read of it
        is_length = fact.place.read is read_length
        return type(fact.expected) is type(found) is int and not is_length
    if isinstance(fact, SameObject) and type(fact.expected) is type(found) is FunctionType:
        return fact.expected.__code__ is found.__code__
    return False
