"""Generators whose body is an evaluated frame.

Such a generator is one of CPython's own: what it runs is a loop that resumes the frame and hands
out what that yields. So `send`, `throw`, `close`, `yield from`, the state that `inspect` reports,
the errors of misuse, the end of a generator that nobody wants any more, and StopIteration becoming
RuntimeError are CPython's, and need no imitation.

Limits: `gi_code` and `gi_frame` are those of the loop, and an exception that is thrown into a
generator before it has begun has no entry of the generator in its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, NamedTuple

from .code import Op
from .frames import Frame, shown

__all__ = ["Resume", "Yielded", "generator_over", "may_act_at_its_end"]

Resume = Callable[[Frame, tuple[Any, Any] | None, BaseException | None], Any]
"""Goes on from a frame, with an answer or an exception for its `yield`."""


class Yielded(NamedTuple):
    """What the evaluator returns for a frame that has come to a `yield`."""

    value: Any
    delegates: bool
    """It is `yield from`, whose result is the answer."""
    handled: BaseException | None
    """The exception that the frame itself is handling."""

    @classmethod
    def at(cls, frame: Frame) -> Yielded:
        """Return what is said of a frame at a `yield`."""
        op, _, register = frame.code.instructions[frame.pc]
        handling = frame.code.handled[frame.pc]
        handled = None if handling < 0 else frame.values[handling]
        return cls(frame.values[register], op == Op.YIELD_FROM, handled)


def generator_over(frame: Frame, resume: Resume) -> Generator[Any, Any, Any]:
    """Return the generator that runs `frame`, which is at the beginning of its body."""
    generator: Any = _run(frame, resume)
    generator.__name__ = frame.function.__name__
    generator.__qualname__ = frame.function.__qualname__
    return generator


def may_act_at_its_end(generator: Any) -> bool:
    """Can a generator run code when nobody wants it any more: has it a block to leave?"""
    python = generator.gi_frame
    if python is None:
        return False
    if python.f_code is not _run.__code__:
        return True
    body: Frame = python.f_locals["frame"]
    if any(entry is not None for entry in body.code.handlers):
        return True
    # or if it is the last to hold one that has
    return any(type(each) is GeneratorType and may_act_at_its_end(each) for each in body.values)


def _run(frame: Frame, resume: Resume) -> Generator[Any, Any, Any]:
    answer: tuple[Any, Any] | None = None
    exception: BaseException | None = None
    while True:
        try:
            outcome = resume(frame, answer, exception)
        except BaseException as raised:
            # the evaluator's frames know the exception, which would know them
            raised.__traceback__ = shown(raised.__traceback__)
            exception = None
            raise
        if outcome.__class__ is not Yielded:
            return outcome
        answer = exception = None
        handled = outcome.handled
        try:
            if handled is None:
                if outcome.delegates:
                    answer = (yield from outcome.value), None
                else:
                    answer = (yield outcome.value), None
                continue
            # Others see the exception while the generator waits, as the context of what is thrown.
            context, entries = handled.__context__, handled.__traceback__
            try:
                raise handled
            except BaseException:
                handled.__context__ = context
                handled.__traceback__ = entries
                if outcome.delegates:
                    answer = (yield from outcome.value), None
                else:
                    answer = (yield outcome.value), None
        except BaseException as thrown:
            exception = thrown
        finally:
            handled = outcome = context = entries = None
