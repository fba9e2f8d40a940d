"""Generators that wait inside of a `try` or `with`, and who holds them.

When nobody holds such a generator any more, Python runs its blocks to their ends, at once. So as
long as one waits, each instruction is looked at before it is performed: one that drops the last
holder is left to Python, which runs the blocks then. What holds a generator is live wherever the
recording cuts, so that it is made again, and dropped at the same place.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Container, Sequence
from types import BuiltinFunctionType, CellType, FunctionType, MethodType
from typing import Any, Final, NamedTuple

from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.models import Models
from jitgrad.graph.positions import ITERATORS
from jitgrad.graph.recipes import Recipe
from jitgrad.graph.remaking import Unrecordable
from jitgrad.graph.segment import Snapshot
from jitgrad.python.code import Instruction, Op, operands_of
from jitgrad.python.frames import UNBOUND, Frame
from jitgrad.python.operations import GiveBack
from jitgrad.python.steps import STEPS, Step
from jitgrad.python.suspended import Suspended

HOLDERS: Final = (tuple, list, dict, set, CellType, MethodType, BuiltinFunctionType)
"""Classes of what may hold a generator without being known as made in the call."""
OPAQUE: Final = ("traceback", "library")
"""Kinds of objects made in the call whose content is not looked through."""


class Holder(NamedTuple):
    """A register of a frame, and what leads from its value to a generator."""

    frame: Frame
    register: int
    chain: tuple[Any, ...]


class HoldingRules(Models):
    """Sees to it that a generator which waits inside of its blocks ends where Python ends it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._waiting: dict[Suspended, Holder | None] = {}
        self._also_live: set[tuple[int, int]] = set()

    def watch(self, generator: Suspended) -> None:
        """Look from now on at who holds a generator that has come to wait inside of a block."""
        self._waiting[generator] = None
        if self.evaluator.steps is STEPS:
            self.evaluator.steps = HELD

    def forget_holders(self) -> None:
        """Hold nothing of what holds generators, which Python takes care of from here on."""
        self._waiting.clear()
        self._recipes = {}

    def open_generators(self) -> list[Suspended]:
        """Return the generators that wait inside of a block."""
        self._waiting = {each: by for each, by in self._waiting.items() if each.is_open}
        if not self._waiting and self.evaluator.steps is HELD:
            self.evaluator.steps = STEPS
        return list(self._waiting)

    def holds_on(self, frame: Frame, instruction: Instruction) -> bool:
        """Does somebody hold each of these generators behind an instruction, too?"""
        dropped = _dropped(frame, instruction)
        for generator in self.open_generators():
            by = self._waiting[generator]
            is_kept = by is not None and not (by.frame is frame and by.register in dropped)
            if not is_kept or not self._still_holds(by, generator):
                by = self._holder(generator, self.evaluator.frames, frame, dropped)
                self._waiting[generator] = by
                if by is None:
                    return False
        return True

    def _still_holds(self, by: Any, generator: Suspended) -> bool:
        if not any(by.frame is each for each in self.evaluator.frames):
            return False
        chain = (*by.chain, generator.made)
        return by.frame.values[by.register] is chain[0] and all(
            any(each is content for each in self._contents(holder))
            for holder, content in itertools.pairwise(chain)
        )

    def _holder(
        self,
        generator: Suspended,
        frames: list[Frame],
        but_of: Frame | None = None,
        but: Container[int] = (),
    ) -> Holder | None:
        """Return what holds a generator, other than some registers of a frame."""
        wanted = generator.made
        for frame in frames:
            for register, value in enumerate(frame.values):
                if value is UNBOUND or (frame is but_of and register in but):
                    continue
                chain = self._chain(value, wanted, set())
                if chain is not None:
                    return Holder(frame, register, chain)
        return None

    def _chain(self, value: Any, wanted: Any, seen: set[int]) -> tuple[Any, ...] | None:
        """Return what leads from a value to what is wanted; empty for that itself."""
        if value is wanted:
            return ()
        if id(value) in seen:
            return None
        seen.add(id(value))
        for each in self._contents(value):
            chain = self._chain(each, wanted, seen)
            if chain is not None:
                return value, *chain
        return None

    def _contents(self, value: Any) -> Sequence[Any]:
        """Return what an object holds; nothing for one from outside, which holds no generator."""
        known = self.object(value)
        if isinstance(known, int):
            return ()
        if not isinstance(known, FreshObject):
            return gc.get_referents(value) if type(value) in HOLDERS else ()
        if known.kind == "generator":
            frame, delegate = known.extra.frame, known.extra.delegate or ()
            return [*frame.values, frame.function, *delegate[:1]]
        if known.kind in ITERATORS:
            return [source for source, _ in known.extra.sources]
        if isinstance(value, FunctionType):
            named = value.__kwdefaults__ or {}
            return [*(value.__closure__ or ()), *(value.__defaults__ or ()), *named.values()]
        return () if known.kind in OPAQUE else gc.get_referents(value)

    # -- where a recording cuts -------------------------------------------------------------

    def registers(self, frame: Frame) -> dict[int, Recipe]:
        found = super().registers(frame)
        for register in self.also_live(frame):
            found[register] = self.recipe(frame.values[register], frame.origins[register])
        return found

    def also_live(self, frame: Frame) -> list[int]:
        """Return registers that nobody will read, but which hold what must not end yet."""
        return [register for owner, register in self._also_live if owner == id(frame)]

    def snapshot(self, grad_enabled: bool | None = None) -> Snapshot:
        self._also_live.clear()
        found = super().snapshot(grad_enabled)
        unseen = self._unseen()
        if unseen:
            for generator in unseen:
                self._keep_alive(generator)
            found = super().snapshot(grad_enabled)
            if self._unseen():
                raise Unrecordable("what holds a generator inside of its blocks")
        return found

    def _unseen(self) -> list[Suspended]:
        """Return the generators that wait in blocks of which a snapshot does not tell."""
        return [g for g in self.open_generators() if self.object(g.made) not in self._recipes]

    def _keep_alive(self, generator: Suspended) -> None:
        """Have snapshots tell of a register that holds a generator."""
        by = self._holder(generator, self.evaluator.frames)
        if by is None:
            raise Unrecordable("a generator that nobody holds inside of its blocks")
        self._also_live.add((id(by.frame), by.register))
        for holder, content in itertools.pairwise((*by.chain, generator.made)):
            known = self.object(holder)
            if isinstance(known, FreshObject) and known.kind == "generator":
                values = known.extra.frame.values
                at = next((at for at, each in enumerate(values) if each is content), None)
                if at is not None:
                    self._also_live.add((id(known.extra.frame), at))

    def go_on_anew(self) -> bool:
        waiting = [each.made for each in self.open_generators()]
        held = (value for frame in self.evaluator.frames for value in frame.values)
        if waiting and any(value is each for value in held for each in waiting):
            # as an argument of the rest of the call it would live on until that ends
            self.leave("a long loop over a generator inside of its blocks")
            raise GiveBack
        return super().go_on_anew()

    def raised(self, exception: BaseException) -> None:
        if self.active and self.object(exception) is not None:
            kept = self._kept_by(exception)
            for generator in self.open_generators():
                if kept and self._holder(generator, kept) is None:
                    self.leave("an exception that ends a generator inside of its blocks")
                    return
        super().raised(exception)

    def _kept_by(self, exception: BaseException) -> list[Frame]:
        """Return the frames that an exception does not take off the stack."""
        frames = self.evaluator.frames
        for depth, frame in reversed(list(enumerate(frames))):
            ends_loop = frame.code.instructions[frame.pc][0] == Op.ADVANCE
            stops = ends_loop and isinstance(exception, StopIteration)
            if stops or frame.code.handlers[frame.pc] is not None:
                return frames[: depth + 1]
        return []


def _dropped(frame: Frame, instruction: Instruction) -> Container[int]:
    """Return the registers of a frame that do not hold what they do behind an instruction."""
    if instruction[0] == Op.RETURN:
        return set(range(len(frame.values))) - {instruction[1]}
    found: set[int] = set()
    for role, operand in operands_of(instruction):
        if role == "d":
            found.add(operand)
        elif role == "D":
            found.update(operand)
    return found


def _holding(step: Step) -> Step:
    def held(operations: Any, frame: Frame, instruction: Instruction) -> Any:
        if operations.active and not operations.holds_on(frame, instruction):
            operations.leave("the end of a generator inside of its blocks")
            raise GiveBack
        return step(operations, frame, instruction)

    return held


HELD: Final[list[Step]] = list(map(_holding, STEPS))
"""The steps of an evaluator while generators wait inside of their blocks."""
