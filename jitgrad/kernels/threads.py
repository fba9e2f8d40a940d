"""Splitting a kernel over threads.

A kernel that takes long is a *job*: pieces of its outermost loop, taken one after the other by
the calling thread and by whoever else has come to help. Helpers are Python threads that wait for
jobs and run them without the interpreter lock. The caller never waits for a helper that has not
begun, so several callers, nested calls and a machine without free processors are all fine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any

from jitgrad.settings import number_of_threads

WORTH_SPLITTING = 60_000.0
"""Estimated ns below which a kernel runs in one piece, with the interpreter lock held: waking a
helper takes 5 to 50 us."""

SMALLEST_PIECE = 15_000.0
"""Estimated ns of a piece."""


THREADS = number_of_threads()
"""How many threads work on one kernel, the caller among them."""


def pieces(length: int, nanoseconds: float) -> int:
    """Return into how many pieces a kernel is split; 0: it is not worth releasing the lock."""
    if nanoseconds < WORTH_SPLITTING:
        return 0
    if THREADS == 1:
        return 1
    return max(1, min(length, 4 * THREADS, int(nanoseconds / SMALLEST_PIECE)))


class Helpers:
    """The threads that help.

    Args:
        help: makes the built-in function that works on a job.
    """

    def __init__(self, help: Callable[[], Callable[[bytearray], Any]]) -> None:
        self.help = cache(help)
        self.jobs: SimpleQueue[Any] = SimpleQueue()
        self.started = False
        self.lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew in a child process, which has no threads."""
        self.jobs = SimpleQueue()
        self.started = False
        self.lock = threading.Lock()

    def prepare(self) -> None:
        """Have that function made, if it is not yet, before a kernel runs that is split."""
        self.help()

    def wake(self, job: bytearray) -> None:
        """Offer `job` to all helpers."""
        if not self.started:
            self._start()
        for _ in range(THREADS - 1):
            self.jobs.put(job)

    def _start(self) -> None:
        with self.lock:
            if not self.started:
                self.started = True
                for _ in range(THREADS - 1):
                    threading.Thread(target=self._run, args=(self.jobs,), daemon=True).start()

    def _run(self, jobs: SimpleQueue[Any]) -> None:
        help = self.help()
        while True:
            help(jobs.get())
