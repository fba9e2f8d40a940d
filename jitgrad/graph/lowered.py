"""The function of a graph as register code, and the lock of who changes what is known of it."""

from __future__ import annotations

import os
import threading
import types
from typing import Any

from jitgrad.errors import CompileError
from jitgrad.python.code import Code, Unlowerable
from jitgrad.python.lower import code_for


class Lowered:
    """A graph, as far as it lowers its function; see `Graph`.

    Attributes:
        code: the register code, None if there is none, or none yet.
        lowered: the code object that it was made of; a function's may be replaced.
        reason: why the function runs eagerly, empty if it does not.
    """

    def __init__(self, function: Any, fullgraph: bool) -> None:
        self.function = function
        self.fullgraph = fullgraph
        self.reason = ""
        self.locks: dict[int, Any] = {}
        self.code: Code | None = None
        self.lowered: types.CodeType | None = None

    def forget(self) -> None:
        """Drop everything that was recorded."""
        raise NotImplementedError

    @property
    def lock(self) -> Any:
        """The lock of who records, which nobody waits for: meanwhile others do not record.

        Each process has its own, since a child's may be taken by a thread that it does not have.
        """
        return self.locks.setdefault(os.getpid(), threading.RLock())

    def lower(self) -> bool:
        """Lower the function to register code, or note why it cannot be; False if others do so."""
        lock = self.lock
        if not lock.acquire(blocking=False):
            return False
        try:
            python = self.function.__code__
            code, reason = None, ""
            try:
                code = code_for(self.function)
            except Unlowerable as why:
                reason = why.reason
                if self.fullgraph:
                    raise CompileError(
                        f"{self.function.__qualname__} cannot be compiled: {why}; "
                        "without fullgraph=True it runs eagerly"
                    ) from None
            self.forget()
            self.code, self.reason = code, reason
            # last, since other threads go on as soon as they see it
            self.lowered = python
        finally:
            lock.release()
        return True
