"""Switching the recording of history: blocks, decorators, and a plain call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

from jitgrad.errors import describe
from jitgrad.modes import state


def is_grad_enabled() -> bool:
    """Is history recorded in this thread?

    Example:
        >>> import jitgrad as torch
        >>> torch.is_grad_enabled()
        True
    """
    return state.grad_enabled


def _switch(enabled: bool) -> None:
    state.grad_enabled = enabled
    if state.recorder is not None:
        state.recorder.grad_mode(enabled)


class GradMode:
    """A block (or a decorator) in which history is recorded, or is not.

    What held before comes back at the end, also after an exception. One object may be entered
    again inside itself. Generators run their own steps in the mode, their users do not.
    """

    # tuples, because compiled code copies what an open block holds
    _previous: tuple[bool, ...] = ()
    _enabled: bool

    def __enter__(self) -> None:
        self._previous = (*self._previous, state.grad_enabled)
        _switch(self._enabled)

    def __exit__(self, *_: object) -> None:
        *rest, before = self._previous
        self._previous = tuple(rest)
        _switch(before)

    def _again(self) -> GradMode:
        """Return a new block of the same kind."""
        return type(self)()

    def __call__(self, function: Callable) -> Callable:
        """Return `function` so that each call of it runs in this mode."""
        if not callable(function):
            raise TypeError(
                describe(
                    type(self).__name__,
                    f"a {type(function).__name__} to decorate",
                    "it decorates functions, or opens a block: `with no_grad():`",
                )
            )
        if inspect.isgeneratorfunction(function):
            return self._decorate_generator(function)

        @functools.wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return in_mode

    def _decorate_generator(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def in_mode(*args: Any, **kwargs: Any) -> Generator:
            # each step in the mode, the code between the steps outside of it
            generator = function(*args, **kwargs)
            step: Callable = generator.send
            operands: tuple = (None,)
            while True:
                try:
                    with self._again():
                        made = step(*operands)
                except StopIteration as end:
                    return end.value
                try:
                    step, operands = generator.send, ((yield made),)
                except GeneratorExit:
                    with self._again():
                        generator.close()
                    raise
                except BaseException as error:
                    step, operands = generator.throw, (error,)

        return in_mode


class no_grad(GradMode):
    """Record no history: results do not require grad, and leaves may be changed in place.

    Use it as `with no_grad():`, `@no_grad()` or `@no_grad`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> with torch.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    _enabled = False

    def __new__(cls, function: Callable | None = None) -> Any:
        made = super().__new__(cls)
        return made if function is None else made(function)


class enable_grad(GradMode):
    """Record history, inside a `no_grad` block too.

    Use it as `with enable_grad():`, `@enable_grad()` or `@enable_grad`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> with torch.no_grad(), torch.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    _enabled = True

    def __new__(cls, function: Callable | None = None) -> Any:
        made = super().__new__(cls)
        return made if function is None else made(function)


class set_grad_enabled(GradMode):
    """Record history or not, as `mode` says: from the call on, or in a block or a function.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> with torch.set_grad_enabled(False):
        ...     (x * 2).requires_grad
        False
        >>> _ = torch.set_grad_enabled(False)
        >>> torch.is_grad_enabled()
        False
        >>> _ = torch.set_grad_enabled(True)
    """

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                describe("set_grad_enabled", f"a {type(mode).__name__}", "mode must be a bool")
            )
        self._before = state.grad_enabled
        self._enabled = mode
        _switch(mode)

    def __enter__(self) -> None:
        self._previous = (*self._previous, self._before)
        _switch(self._enabled)

    def __call__(self, function: Callable) -> Callable:
        # it was a decorator after all, and switches nothing by being made
        _switch(self._before)
        return super().__call__(function)

    def _again(self) -> GradMode:
        # entering makes it hold; being made must not
        made = object.__new__(type(self))
        made._before, made._enabled = state.grad_enabled, self._enabled
        return made


class inference_mode(GradMode):
    """Record no history, as `no_grad` does; `inference_mode(False)` records it.

    Example:
        >>> import jitgrad as torch
        >>> with torch.inference_mode():
        ...     torch.is_grad_enabled()
        False
    """

    def __new__(cls, mode: bool | Callable = True) -> Any:
        made = super().__new__(cls)
        made._enabled = not mode if isinstance(mode, bool) else False
        return made if isinstance(mode, bool) else made(mode)

    def _again(self) -> GradMode:
        return type(self)(not self._enabled)


class set_detect_anomaly:
    """Check derivatives for NaN or not, as `mode` says: from the call on, or in a block.

    A backward pass that makes a NaN raises RuntimeError, naming the node that made it.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = state.detect_anomaly
        state.detect_anomaly = mode and check_nan

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        state.detect_anomaly = self._before


class detect_anomaly:
    """Raise where a backward pass makes a NaN, naming the node.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([0.0], requires_grad=True)
        >>> with torch.autograd.detect_anomaly():
        ...     (x.sqrt() * 0).sum().backward()
        Traceback (most recent call last):
        ...
        RuntimeError: Function 'SqrtBackward' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        self._before = False

    def __enter__(self) -> None:
        self._before, state.detect_anomaly = state.detect_anomaly, self._check_nan

    def __exit__(self, *_: object) -> None:
        state.detect_anomaly = self._before


def is_anomaly_enabled() -> bool:
    """Are derivatives checked for NaN?"""
    return state.detect_anomaly
