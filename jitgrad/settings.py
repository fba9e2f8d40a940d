"""Settings under PyTorch's names: threads, determinism, the default device."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from jitgrad import config
from jitgrad.device import CPU
from jitgrad.device import device as check_device
from jitgrad.errors import describe
from jitgrad.modes import state

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_default_device",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_num_interop_threads",
    "set_num_threads",
    "use_deterministic_algorithms",
]

F = TypeVar("F", bound=Callable)


def _asks_or_tells(function: F) -> F:
    """Let compiled code leave a function to Python, since what it does is different each time."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if state.recorder is not None:
            state.recorder.unknown(function.__name__)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


_DEBUG_MODES = ("default", "warn", "error")
_PRECISIONS = ("highest", "high", "medium")

_debug_mode = 0
_precision = "highest"


@_asks_or_tells
def set_num_threads(num: int) -> None:
    """Set how many threads work on one compiled kernel.

    The threads are started once: call it before the first compiled function runs. NumPy's own
    threads, which multiply matrices, follow the settings of its linear algebra library.

    Raises:
        RuntimeError: not a positive integer.

    Example:
        >>> import jitgrad as torch
        >>> torch.set_num_threads(torch.get_num_threads())
    """
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        rule = "set_num_threads expects a positive integer"
        raise RuntimeError(describe("set_num_threads", repr(num), rule))
    config.num_threads = num


def number_of_threads() -> int:
    """Return what `get_num_threads` does; the library itself asks this."""
    if config.num_threads > 0:
        return config.num_threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@_asks_or_tells
def get_num_threads() -> int:
    """Return how many threads work on one compiled kernel: by default one for each processor."""
    return number_of_threads()


@_asks_or_tells
def set_num_interop_threads(num: int) -> None:
    """Do nothing: operations run one after the other here.

    Raises:
        RuntimeError: not a positive integer.
    """
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        rule = "set_num_interop_threads expects a positive integer"
        raise RuntimeError(describe("set_num_interop_threads", repr(num), rule))


@_asks_or_tells
def get_num_interop_threads() -> int:
    """Return how many operations run at a time: 1."""
    return 1


@_asks_or_tells
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for operations that give the same result each time. All do, so it is only remembered.

    Raises:
        TypeError: `mode` is no bool.

    Example:
        >>> import jitgrad as torch
        >>> torch.use_deterministic_algorithms(True)
        >>> torch.are_deterministic_algorithms_enabled()
        True
        >>> torch.use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(describe("use_deterministic_algorithms", repr(mode), "mode must be bool"))
    global _debug_mode
    _debug_mode = 0 if not mode else 1 if warn_only else 2


@_asks_or_tells
def are_deterministic_algorithms_enabled() -> bool:
    """Return what `use_deterministic_algorithms` was told."""
    return _debug_mode > 0


@_asks_or_tells
def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Return the `warn_only` that `use_deterministic_algorithms` was told."""
    return _debug_mode == 1


@_asks_or_tells
def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Do what `use_deterministic_algorithms` does: 0 "default", 1 "warn" or 2 "error".

    Raises:
        RuntimeError: another mode.
    """
    global _debug_mode
    if debug_mode not in (*_DEBUG_MODES, 0, 1, 2):
        rule = f"it must be 0, 1, 2 or one of {', '.join(_DEBUG_MODES)}"
        raise RuntimeError(describe("set_deterministic_debug_mode", repr(debug_mode), rule))
    named = isinstance(debug_mode, str)
    _debug_mode = _DEBUG_MODES.index(debug_mode) if named else int(debug_mode)


@_asks_or_tells
def get_deterministic_debug_mode() -> int:
    """Return the mode as a number, see `set_deterministic_debug_mode`."""
    return _debug_mode


@_asks_or_tells
def set_float32_matmul_precision(precision: str) -> None:
    """Ask for a precision of products of matrices. They have the highest always.

    Raises:
        RuntimeError: not "highest", "high" or "medium".
    """
    global _precision
    if precision not in _PRECISIONS:
        rule = f"it must be one of {', '.join(_PRECISIONS)}"
        raise RuntimeError(describe("set_float32_matmul_precision", repr(precision), rule))
    _precision = precision


@_asks_or_tells
def get_float32_matmul_precision() -> str:
    """Return what `set_float32_matmul_precision` was told."""
    return _precision


@_asks_or_tells
def set_default_device(device: Any) -> None:
    """Make new tensors on `device` unless told otherwise: the cpu, or None for the usual one.

    Raises:
        RuntimeError: a device that is not here.
    """
    if device is not None:
        check_device(device)


@_asks_or_tells
def get_default_device() -> check_device:
    """Return where new tensors are made: on the cpu.

    Example:
        >>> import jitgrad as torch
        >>> torch.get_default_device()
        device(type='cpu')
    """
    return CPU
