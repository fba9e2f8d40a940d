"""Threads that take turns as a seed says: what has gone wrong once goes wrong again."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jitgrad
from jitgrad.locks import LOWERING, SHARED

PACKAGE = str(Path(jitgrad.__file__).parent)
SECONDS = 60


class Schedule:
    """Runs works in threads, of which one at a time does something.

    Before a line of the library the thread at work may hand over to another one, but for where it
    holds a lock that others wait for.

    Args:
        seed: decides who goes on when.
        chance: how likely a thread hands over before a line.
        within: pairs of a file's name and the name of a function. Threads hand over only there,
            before instructions. None: everywhere.
    """

    def __init__(
        self, seed: int, chance: float, within: Collection[tuple[str, str]] | None = None
    ) -> None:
        self._draw = random.Random(seed)
        self._chance = chance
        self._within = within
        self._own = threading.local()
        self._turns: list[threading.Semaphore] = []
        self._waiting: list[int] = []
        self.changes = 0

    def run(self, *works: Callable[[], Any]) -> list[Any]:
        """Do all of `works`; return their results, or raise what the first of them raised."""
        results: list[Any] = [None] * len(works)
        errors: list[BaseException] = []
        self._turns = [threading.Semaphore(0) for _ in works]
        self._waiting = list(range(1, len(works)))

        def begin(at: int, work: Callable[[], Any]) -> None:
            assert self._turns[at].acquire(timeout=SECONDS)
            self._own.number = at
            sys.settrace(self._trace)
            try:
                results[at] = work()
            except BaseException as error:
                errors.append(error)
            finally:
                sys.settrace(None)
                if self._waiting:
                    self._turns[self._next()].release()

        threads = [
            threading.Thread(target=begin, args=each, daemon=True) for each in enumerate(works)
        ]
        for each in threads:
            each.start()
        self._turns[0].release()
        for each in threads:
            each.join(SECONDS)
            assert not each.is_alive(), "a thread does not come to its end"
        if errors:
            raise errors[0]
        return results

    def _next(self) -> int:
        return self._waiting.pop(self._draw.randrange(len(self._waiting)))

    def hand_over(self) -> None:
        """Let another thread go on."""
        if not self._waiting or LOWERING._is_owned() or SHARED._is_owned():  # type: ignore[attr-defined]
            return
        at = self._own.number
        other = self._next()
        self._waiting.append(at)
        self.changes += 1
        self._turns[other].release()
        assert self._turns[at].acquire(timeout=SECONDS)

    def _step(self, frame: Any, event: str, arg: Any) -> Any:
        if event in ("line", "opcode") and self._draw.random() < self._chance:
            self.hand_over()
        return self._step

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        code = frame.f_code
        file = code.co_filename
        if not file.startswith((PACKAGE, "<jitgrad ")) or code.co_name == "<module>":
            return None
        if self._within is not None:
            if (Path(file).stem, code.co_name) not in self._within:
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step
