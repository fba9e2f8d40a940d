"""What holds for a thread: whether autograd records history, and who notes the operations."""

import contextvars
import operator
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np


class Note(Protocol):
    """Who is told of every operation that the dispatcher performs (the recorder of traces)."""

    def primitive(
        self, primitive: Any, inputs: tuple, params: dict, output: Any, node: Any
    ) -> None:
        """`output` was just computed by `primitive` from `inputs`, with `node` as its history."""

    def write(self, target: Any, source: Any) -> None:
        """The elements of `target` are about to be overwritten by those of `source`."""

    def rebased(self, target: Any, node: Any) -> None:
        """`target`, which was just written, or its base has got a history that rests on `node`."""

    def read_grad(self, leaf: Any) -> Any:
        """Return `.grad` of `leaf`, which library code is about to read."""

    def write_grad(self, leaf: Any, gradient: Any) -> None:
        """`gradient` was just stored as `.grad` of `leaf`."""

    def goes_back(self, nodes: Iterable[Any]) -> None:
        """The engine is about to begin, and will run the derivatives of `nodes`."""

    def visit(self, node: Any) -> None:
        """The engine is about to run the derivative of `node`."""

    def grad_mode(self, enabled: bool) -> None:
        """Recording of history was just switched."""

    def unknown(self, reason: str) -> None:
        """Something happens that a trace cannot hold."""

    def scalar(self, symbol: str, function: Callable, operands: tuple) -> Any:
        """Return the number that `function` makes of tracked numbers."""

    def outcome(self, symbol: str, function: Callable, operands: tuple) -> Any:
        """Return the truth that `function` makes of tracked numbers: library code decides by it."""


class TrackedFloat(float):
    """A Python float whose value is known only when a trace runs, on its way through the library.

    Arithmetic with it is noted; whatever needs the exact value makes the trace end.
    """

    __slots__ = ("scalar",)

    scalar: Any

    def _note(self, symbol: str, function: Callable, *operands: Any) -> Any:
        if not all(isinstance(each, (int, float)) for each in operands):
            # a tensor: its reflected operator takes the number, still tracked
            return NotImplemented
        recorder = state.recorder
        if recorder is None:
            return function(*map(plain_number, operands))
        return recorder.scalar(symbol, function, operands)

    def __neg__(self) -> Any:
        return self._note("-{0}", operator.neg, self)

    def __add__(self, other: Any) -> Any:
        return self._note("{0} + {1}", operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._note("{0} + {1}", operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return self._note("{0} - {1}", operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._note("{0} - {1}", operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return self._note("{0} * {1}", operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._note("{0} * {1}", operator.mul, other, self)

    def _outcome(symbol: str, function: Callable) -> Any:  # type: ignore[misc]
        def method(self: Any, *operands: Any) -> Any:
            if not all(isinstance(each, (int, float)) for each in operands):
                return NotImplemented
            recorder = state.recorder
            if recorder is None:
                return function(*map(plain_number, (self, *operands)))
            return recorder.outcome(symbol, function, (self, *operands))

        return method

    __bool__ = _outcome("bool({0})", operator.truth)
    __eq__ = _outcome("{0} == {1}", operator.eq)
    __ne__ = _outcome("{0} != {1}", operator.ne)
    __lt__ = _outcome("{0} < {1}", operator.lt)
    __le__ = _outcome("{0} <= {1}", operator.le)
    __gt__ = _outcome("{0} > {1}", operator.gt)
    __ge__ = _outcome("{0} >= {1}", operator.ge)

    def _exact(name: str) -> Any:  # type: ignore[misc]
        plain = getattr(float, name)

        def method(self: Any, *operands: Any) -> Any:
            if name != "__format__" and not all(isinstance(x, (int, float)) for x in operands):
                return NotImplemented
            if state.recorder is not None:
                state.recorder.unknown(f"library code needs the exact value of a number ({name})")
            return plain(plain_number(self), *map(plain_number, operands))

        method.__name__ = name
        return method

    __hash__ = _exact("__hash__")
    __int__ = _exact("__int__")
    __truediv__ = _exact("__truediv__")
    __rtruediv__ = _exact("__rtruediv__")
    __pow__ = _exact("__pow__")
    __rpow__ = _exact("__rpow__")
    __abs__ = _exact("__abs__")
    __repr__ = _exact("__repr__")
    __format__ = _exact("__format__")
    __float__ = _exact("__float__")
    __pos__ = _exact("__pos__")
    __mod__ = _exact("__mod__")
    __rmod__ = _exact("__rmod__")
    __floordiv__ = _exact("__floordiv__")
    __rfloordiv__ = _exact("__rfloordiv__")
    __divmod__ = _exact("__divmod__")
    __rdivmod__ = _exact("__rdivmod__")
    __round__ = _exact("__round__")
    __trunc__ = _exact("__trunc__")
    __floor__ = _exact("__floor__")
    __ceil__ = _exact("__ceil__")
    is_integer = _exact("is_integer")
    as_integer_ratio = _exact("as_integer_ratio")
    hex = _exact("hex")


# so that errors say what the user passed
TrackedFloat.__name__ = "float"


def plain_number(value: Any) -> Any:
    """Return a number without what is tracked about it."""
    return float.__float__(value) if type(value) is TrackedFloat else value


def fixed_number(value: Any) -> Any:
    """Return a number without what is tracked about it, and tell the recorder that it is relied on.

    For numbers that library code makes shapes or tables of: a trace then holds for this one only.
    """
    plain = plain_number(value)
    if plain == plain:
        operator.eq(value, plain)
    else:
        # equal to nothing, so that it would also be what differs from it
        operator.ne(value, value)
    return plain


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
        self.detect_anomaly = False
        self.recorder: Note | None = None
        self.forced_eager = False
        self.quietly = _quiet()

    def is_watched(self) -> bool:
        """Is something to see every single operation, so that compiled functions run eagerly?"""
        return self.forced_eager or self.detect_anomaly or self.recorder is not None


state = _State()
"""The calling thread's modes."""

WATCHED = "modes['forced_eager'] or modes['detect_anomaly'] or modes['recorder'] is not None"
"""What `is_watched` says, for generated functions with `modes = state.__dict__`: in a third of the
time, since each look at a variable of the thread takes as long as all of these."""


@contextmanager
def eager() -> Iterator[None]:
    """Run compiled functions eagerly inside the block, in this thread.

    Example:
        >>> import jitgrad
        >>> @jitgrad.compile
        ... def double(x):
        ...     return x * 2
        >>> with jitgrad.eager():
        ...     double(jitgrad.tensor(2.0))
        tensor(4.)
    """
    before, state.forced_eager = state.forced_eager, True
    try:
        yield
    finally:
        state.forced_eager = before


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
