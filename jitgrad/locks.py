"""Locks that a fork waits for.

In a child process all threads but one are gone. Since the fork waits, no lock that one of them had
stays taken, and nothing stays half done that these protect. Under them no code of users runs.
"""

import logging  # noqa: F401, see below
import os
import threading
from collections.abc import Callable
from typing import Any

LOWERING = threading.RLock()
"""For what takes long: lowering traces, and compiling kernels."""

SHARED = threading.RLock()
"""For a few lines that change in several steps what threads share. LOWERING is never asked for
by who has it."""


def _wait() -> None:
    LOWERING.acquire()
    SHARED.acquire()


def _go_on() -> None:
    SHARED.release()
    LOWERING.release()


if hasattr(os, "register_at_fork"):
    # What is registered last is done first. A compiler that is waited for may log something, so
    # that the lock of `logging`, which it registers when imported, must be asked for behind ours.
    os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=_go_on)


class made_once:
    """A property that is made at its first use, by objects that one thread has for itself.

    That of `functools` has, in Python 3.11, a lock for all objects of a class: they would wait for
    each other, and a child process may find it taken.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None:
            return self
        found = obj.__dict__[self.make.__name__] = self.make(obj)
        return found
