"""What holds for a thread: whether autograd records history, and who notes the operations."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np


class Note(Protocol):
    """Who is told of every operation that the dispatcher performs (the recorder of traces)."""

    def primitive(self, primitive: Any, inputs: tuple, params: dict, output: Any) -> None:
        """`output` was just computed by `primitive` from `inputs`."""

    def write(self, target: Any, source: Any) -> None:
        """The elements of `target` were just overwritten in place by those of `source`."""

    def unknown(self, reason: str) -> None:
        """Something happened that a trace cannot hold."""


def _quiet() -> Callable:
    """Return a function that calls another one with NumPy's floating-point warnings off.

    NaN and infinity are ordinary results here, as in PyTorch. A context of our own costs 0.1 us
    an operation, where entering `numpy.errstate` costs 0.9.
    """
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context.run


class _State(threading.local):
    def __init__(self) -> None:
        self.grad_enabled = True
        self.recorder: Note | None = None
        self.quietly = _quiet()


state = _State()
"""The calling thread's modes."""


def run_quietly(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call `function` with NumPy's floating-point warnings off."""
    try:
        return state.quietly(function, *args, **kwargs)
    except RuntimeError as error:
        # a finalizer or signal handler that computes while an operation is under way
        if not str(error).startswith("cannot enter context"):
            raise
    with np.errstate(all="ignore"):
        return function(*args, **kwargs)
