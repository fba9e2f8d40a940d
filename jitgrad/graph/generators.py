"""Generators made in the call: the recorder's rules, and how a replay makes them."""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import Any, Final

from jitgrad.graph.holding import HoldingRules
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import KNOWN
from jitgrad.graph.recipes import Recipe
from jitgrad.python.code import Op
from jitgrad.python.frames import UNBOUND, Frame
from jitgrad.python.operations import EXHAUSTED, GiveBack, HandOut, Operations, Resume
from jitgrad.python.steps import GIVING_BACK
from jitgrad.python.suspended import Suspended


class Suspension(Recipe):
    """A generator: its body, and the registers that are live where it waits.

    One that runs has its registers in a frame of the snapshot.
    """

    __slots__ = (
        "above",
        "code",
        "delegate",
        "function",
        "has_begun",
        "is_over",
        "key",
        "pc",
        "registers",
        "was_thrown",
    )

    def __init__(self, key: Any, generator: Suspended) -> None:
        self.key = key
        self.code = generator.frame.code
        self.pc = generator.frame.pc
        self.has_begun = generator.has_begun
        self.is_over = generator.is_over
        self.was_thrown = generator.was_thrown
        self.function: Any = None
        self.registers: dict[int, Recipe] = {}
        self.delegate: Recipe | None = None
        self.above: list[Any] | None = None

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            count = self.code.register_count
            function = self.function.build(run)
            if self.key in run.made:
                # in whose closure is the generator itself
                return run.made[self.key]
            frame = Frame(
                self.code,
                function,
                self.pc,
                [UNBOUND] * count,
                [None] * count,
                self.function.origin,
            )
            generator = Suspended(frame)
            made = run.made[self.key] = generator.make()
            run.made[self] = generator
            generator.has_begun, generator.was_thrown = self.has_begun, self.was_thrown
            run.register(made, self.key, [], generator, "generator")
            if self.is_over:
                generator.ends()
                return made
            for register, each in self.registers.items():
                frame.values[register], frame.origins[register] = each.build(run), each.origin
            if self.delegate is not None:
                generator.delegate = self.delegate.build(run), self.delegate.origin
            if self.above is not None:
                generator.take_back([each.build(run) for each in self.above])
            elif run.recorder is None and self.registers is not RUNNING:
                generator.take_over()
        return made

    def frame_with(self, run: Any, pc: int, values: list[Any], origins: list[Any]) -> Frame:
        """Return the frame of a generator that runs."""
        self.build(run)
        generator = run.made[self]
        generator.is_running = True
        frame = generator.frame
        frame.pc, frame.values, frame.origins = pc, values, origins
        return frame

    def take_back(self, frames: list[Any]) -> None:
        """Let it run the body that the first of these frames is, with the others above it."""
        self.pc, self.registers, self.above = frames[0].pc, frames[0].registers, frames[1:]

    def parts(self) -> tuple[Recipe, ...]:
        delegate = () if self.delegate is None else (self.delegate,)
        above = [part for each in self.above or () for part in each.parts()]
        return (self.function, *self.registers.values(), *delegate, *above)


RUNNING: Final[dict[int, Recipe]] = {}
"""The registers of a generator whose frame is one of the snapshot's."""


class GeneratorRules(HoldingRules):
    """What makes generators, resumes them, and takes what they yield."""

    def _generator(self, obj: Any) -> Suspended | None:
        known = self.object(obj)
        if isinstance(known, FreshObject) and known.kind == "generator":
            return known.extra
        return None

    def make_generator(self, frame: Frame, make: Any) -> Any:
        generator = Suspended(frame)
        made = generator.make()
        return made, self.fresh(made, "generator", [], generator)

    # -- how they run -----------------------------------------------------------------------

    def _resumed(self, generator: Suspended, value: Any = None, origin: Any = KNOWN) -> Any:
        """Go on in a generator; None where Python must."""
        sends = value is not None and (not generator.has_begun or generator.delegate is not None)
        if generator.is_running or sends:
            return None
        return Resume(generator.frame, value, origin)

    def advance(self, it: Any, io: Any) -> Any:
        generator = self._generator(it)
        if generator is None:
            return super().advance(it, io)
        if generator.is_over:
            return EXHAUSTED
        answer = self._resumed(generator)
        if answer is None:
            return self.leave("a generator that runs already").advance(it, io)
        return answer

    def call_of_generator(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any) -> Any:
        """Model calls that resume, end or exhaust a generator made in the call."""
        if kwargs or not self.active:
            return None
        frame = self.evaluator.frames[-1]
        if co is KNOWN and args and (generator := self._generator(args[0])) is not None:
            is_call = frame.code.instructions[frame.pc][0] == Op.CALL
            if callee is next and len(args) in (1, 2) and is_call and not generator.is_over:
                return self._resumed(generator)
            if callee is next and len(args) == 2 and generator.is_over:
                return args[1], ao[1]
            if callee is iter and len(args) == 1:
                return args[0], ao[0]
            return None
        if not isinstance(callee, BuiltinFunctionType):
            return None
        generator = self._generator(callee.__self__)
        if generator is None or generator.is_over:
            return None
        if callee.__name__ == "send" and len(args) == 1:
            return self._resumed(generator, args[0], ao[0])
        return None

    def hand_out(self, frame: Frame) -> None:
        if frame.generator is not None and self._is_in_block(frame):
            self.watch(frame.generator)

    @staticmethod
    def _is_in_block(frame: Frame) -> bool:
        """Does whoever drops a generator that waits here have blocks run to their ends?"""
        return frame.code.handlers[frame.pc] is not None or frame.code.handled[frame.pc] >= 0

    def delegate(self, frame: Frame, x: Any, xo: Any) -> Any:
        generator = frame.generator
        if generator is None:
            return None
        if self._is_in_block(frame):
            self.watch(generator)
        if generator.delegate is None:
            if (
                self._generator(x) is None
                and not self.is_iterator(x)
                and self._elements(x, xo) is None
            ):
                self.leave(f"yield from a {type(x).__name__}")
            generator.delegate = self.iterate(x, xo)
        answer = self.advance(*generator.delegate)
        if answer is EXHAUSTED:
            generator.delegate = None
            return None, KNOWN
        return HandOut(*answer) if isinstance(answer, tuple) else answer

    def register_object(self, made: Any, key: Any, origins: list, extra: Any, kind: str) -> None:
        super().register_object(made, key, origins, extra, kind)
        if kind == "generator" and extra.is_open:
            self.watch(extra)

    def leave(self, reason: str) -> Operations:
        plain = super().leave(reason)
        if self.evaluator.steps is GIVING_BACK:
            raise GiveBack
        return plain

    def _plain(self) -> Operations:
        plain = super()._plain()
        if any(frame.generator is not None for frame in self.evaluator.frames):
            # else what is performed could resume a generator whose frame is on the stack
            self.evaluator.steps = GIVING_BACK
        return plain

    def is_iterator(self, x: Any) -> bool:
        return self._generator(x) is not None or super().is_iterator(x)

    def calls_back(self, it: Any) -> bool:
        return self._generator(it) is not None or super().calls_back(it)

    # -- what takes all that they yield -----------------------------------------------------

    def iterate(self, x: Any, xo: Any) -> Any:
        return (x, xo) if self._generator(x) is not None else super().iterate(x, xo)

    def truth(self, x: Any, xo: Any) -> Any:
        return True if self._generator(x) is not None else super().truth(x, xo)

    def parts_of(self, value: Any, origin: Any) -> Any:
        return list(zip(value, self._items(value, origin)))

    # -- recipes ----------------------------------------------------------------------------

    def _fresh_object(self, obj: Any, known: FreshObject) -> Recipe:
        if known.kind != "generator":
            return super()._fresh_object(obj, known)
        generator: Suspended = known.extra
        frame = generator.frame
        made = self._recipes[known] = Suspension(known.key, generator)
        made.function = self.recipe(frame.function, frame.function_origin or KNOWN)
        if generator.is_running:
            made.registers = RUNNING
        elif not generator.is_over:
            made.registers = {
                register: self.recipe(frame.values[register], frame.origins[register])
                for register in sorted({*_live(generator), *self.also_live(frame)})
                if frame.values[register] is not UNBOUND
            }
        if generator.delegate is not None:
            made.delegate = self.recipe(*generator.delegate)
        return made

    def exit(self, reason: str, clean: bool) -> None:
        super().exit(reason, clean)
        self._release()

    def pause(self) -> None:
        super().pause()
        self._release()

    def abandon(self, reason: str) -> None:
        super().abandon(reason)
        self._release()

    def finish(self, value: Any, origin: Any) -> None:
        super().finish(value, origin)
        self._release()

    def go_on_anew(self) -> bool:
        if any(frame.generator is not None for frame in self.evaluator.frames):
            self.leave("a long loop in a generator")
        gone = super().go_on_anew()
        self._release()
        return gone

    def _release(self) -> None:
        """Leave the generators to Python, once nobody records."""
        if self.active:
            return
        self.forget_holders()
        found = [
            known.extra
            for _, known in self.objects.values()
            if isinstance(known, FreshObject) and known.kind == "generator"
        ]
        for generator in found:
            if not generator.is_running and not generator.is_over:
                generator.take_over()
        if found:
            # else they, or what holds them, would live on for as long as the recorder does
            self.methods.clear()
            for identity, (_, known) in list(self.objects.items()):
                if not isinstance(known, FreshObject) or known.kind not in ("counter", "turning"):
                    del self.objects[identity]


def _live(generator: Suspended) -> list[int]:
    """Return the registers that the body reads when it goes on."""
    code, pc = generator.frame.code, generator.frame.pc
    live = code.live_at(pc)
    if not generator.has_begun:
        return list(live)
    _, _, yielded = code.instructions[pc]
    needed = code.handlers[pc] is not None or generator.delegate is not None
    behind = code.live_at(pc + 1)
    return [each for each in live if each != yielded or needed or each in behind]
