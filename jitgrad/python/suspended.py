"""Generators that an evaluator resumes by itself, and that are CPython's own for everybody else.

While `Resume` is how a generator runs, nobody but the evaluator touches the generator object: it
has not begun as far as CPython knows. `take_over` is called when that ends: from then on CPython
resumes the frame, from where it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from types import TracebackType
from typing import Any

from .evaluate import Evaluator
from .frames import Frame
from .generators import Yielded, generator_over
from .operations import Operations

__all__ = ["Suspended"]


class Suspended:
    """What an evaluator knows of a generator.

    Attributes:
        frame: the body, before its first instruction, or at the `yield` where it waits.
        has_begun: has the body begun to run?
        is_running: is the frame on the evaluator's stack?
        was_thrown: did it go on with an exception at last?
        delegate: the iterator of the `yield from` that it waits in, with its origin.
    """

    __slots__ = (
        "_above",
        "_handled",
        "_made",
        "_pauses",
        "delegate",
        "frame",
        "has_begun",
        "is_running",
        "was_thrown",
    )

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        frame.generator = self
        self.has_begun = False
        self.is_running = False
        self.was_thrown = False
        self.delegate: tuple[Any, Any] | None = None
        self._made: weakref.ref[Any] | None = None
        self._above: list[Frame] | None = None
        self._handled: list[tuple[BaseException, TracebackType | None]] = []
        self._pauses = False

    def make(self) -> Generator[Any, Any, Any]:
        """Make and return the generator object, which is not held here: its end is its own."""
        made = generator_over(self.frame, self._resume)
        self._made = weakref.ref(made)
        return made

    @property
    def made(self) -> Generator[Any, Any, Any] | None:
        """The generator object, None if nobody has it any more."""
        return None if self._made is None else self._made()

    @property
    def is_over(self) -> bool:
        """Has the body returned, or raised?"""
        return self.frame.generator is None

    @property
    def is_open(self) -> bool:
        """Does it wait inside of a block, whose end runs when nobody wants it any more?"""
        code, pc = self.frame.code, self.frame.pc
        waits = self.has_begun and not self.is_running and not self.is_over
        return waits and (code.handlers[pc] is not None or code.handled[pc] >= 0)

    def waits(self) -> None:
        """Note that the body has come to a `yield`."""
        self.is_running = False

    def ends(self) -> None:
        """Note that the body has returned or raised."""
        self.is_running = False
        self.frame.generator = None
        made = self.made
        if made is not None:
            made.close()  # which has not begun, so that nothing runs

    def take_back(self, above: list[Frame]) -> None:
        """Let CPython run the body, which is on the stack with frames `above` it."""
        self.is_running = False
        self._above = above
        handled = [each.handled() for each in (self.frame, *above)]
        self._handled = [(each, each.__traceback__) for each in handled if each is not None]
        self.take_over()

    def take_over(self) -> None:
        """Let CPython resume the body from here on."""
        self.frame.generator = None
        made = self.made
        if made is not None and self.has_begun:
            self._pauses = True
            next(made)

    def _resume(
        self, frame: Frame, answer: tuple[Any, Any] | None, exception: BaseException | None
    ) -> Any:
        handling = frame.code.handled[frame.pc]
        handled = None if handling < 0 else frame.values[handling]
        if self._pauses:
            self._pauses = False
            return Yielded(None, False, handled)
        above, self._above = self._above, None
        if above is not None:
            # whoever resumes it now only performs again what had resumed it
            answer = None
            if self.was_thrown:
                exception = None
            for each, entries in self._handled:
                each.__traceback__ = entries
            self._handled = []
        if self.delegate is not None:
            (iterator, _), self.delegate = self.delegate, None
            return Yielded(_delegation(iterator, answer, exception), True, handled)
        frames = [frame, *(above or ())]
        return Evaluator(Operations()).resume(frames, answer=answer, exception=exception)


def _delegation(
    iterator: Any, answer: tuple[Any, Any] | None, exception: BaseException | None
) -> Generator[Any, Any, Any]:
    """Go on with a `yield from` that has begun: PEP 380, from its first `yield` on."""
    sent = None if answer is None else answer[0]
    while True:
        try:
            if exception is not None:
                item = _thrown_into(iterator, exception)
            elif sent is None:
                item = next(iterator)
            else:
                item = iterator.send(sent)
        except StopIteration as stop:
            if stop is exception:
                raise
            return stop.value
        exception = None
        try:
            sent = yield item
        except BaseException as thrown:
            exception = thrown


def _thrown_into(iterator: Any, exception: BaseException) -> Any:
    if isinstance(exception, GeneratorExit):
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        raise exception
    throw = getattr(iterator, "throw", None)
    if throw is None:
        raise exception
    return throw(exception)
