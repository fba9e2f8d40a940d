"""Is there native code? It may not be asked for, or there may be what it needs to be missing.

Nothing depends on it but speed: programs are interpreted then, loops are followed turn by turn, and
what would be watched is looked at. Where native code is asked for and there is none, one warning in
a process says why, and `explain()` says so of each function.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from jitgrad import config
from jitgrad.kernels.conventions import DATA, HEADER, TYPE
from jitgrad.locks import LOWERING

Made = TypeVar("Made")

INSTALL = "Install a release of numba for this Python and this NumPy; llvmlite comes with it."
SUPPORTED = "Use CPython for 64 bits, with its interpreter lock."


class Unavailable(Exception):
    """There is no native code; the message says why.

    Args:
        why: the reason.
        remedy: what to do about it; empty where native code was not asked for.
        lasts: there will be none in this process.
    """

    def __init__(self, why: str, remedy: str = "", lasts: bool = False) -> None:
        super().__init__(why)
        self.remedy = remedy
        self.lasts = lasts


class _Process:
    """What is known of this process.

    Attributes:
        has_llvm: has all been found that native code rests on?
        missing: why there is no native code; empty if there is.
        noted: what there was to warn of.
        warnings: what is still to be told.
    """

    def __init__(self) -> None:
        self.has_llvm = False
        self.missing = ""
        self.noted: set[str] = set()
        self.warnings: list[str] = []


_process = _Process()


def natively(make: Callable[[], Made]) -> Made:
    """Return what `make` makes of native code.

    Raises:
        Unavailable: there is none.
    """
    if config.program != "native":
        raise Unavailable(f"jitgrad.config.program is {config.program!r}")
    with LOWERING, _no_collector():
        try:
            _need_llvm()
            return make()
        except Unavailable as why:
            if why.lasts:
                _process.missing = str(why)
            note(
                "native code",
                f"{why}. Without native code, compiled functions are performed by NumPy, operation "
                f"by operation. {why.remedy} JITGRAD_PROGRAM=python asks for no native code, and "
                "for no warning.",
            )
            raise


@contextmanager
def _no_collector() -> Iterator[None]:
    """Have nobody look for garbage, which takes a sixth of the time, Numba makes so many objects.

    It would also run the finalizers of users under our lock.
    """
    collects = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if collects:
            gc.enable()


def note(what: str, text: str) -> None:
    """Have a warning given, once in a process, that something cannot be native.

    Whoever notes it may hold locks, and a warning may run code of users: see `tell`.
    """
    if what not in _process.noted:
        _process.noted.add(what)
        _process.warnings.append(text)


def tell() -> None:
    """Give the warnings that have been noted; called where no lock is held."""
    while _process.warnings:
        try:
            text = _process.warnings.pop()
        except IndexError:
            # another thread has told it
            return
        warnings.warn(f"jitgrad: {text}", stacklevel=_callers() + 1)


def _callers() -> int:
    """Return how many frames lie below the code of the user, that of `tell` included."""
    frame, count = sys._getframe(1), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith("jitgrad."):
        frame, count = frame.f_back, count + 1
    return count


def _need_llvm() -> None:
    """Raise `Unavailable` where what all native code rests on is not there."""
    if _process.missing:
        raise Unavailable(_process.missing)
    if _process.has_llvm:
        return
    why = unsuited()
    if why:
        raise Unavailable(why, SUPPORTED, lasts=True)
    try:
        from jitgrad.kernels import linking, processor  # noqa: F401  the first time, loads LLVM
    except Exception as error:
        why = f"llvmlite cannot be imported ({described(error)})"
        raise Unavailable(why, INSTALL, lasts=True) from error
    _process.has_llvm = True


def described(error: Exception) -> str:
    """Return an error as one line."""
    (first, *_) = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {first}"


def unsuited() -> str:
    """Return in what this Python is not as native code takes it; an empty text if it is."""
    name = sys.implementation.name
    if name != "cpython":
        return f"this Python is {name}, and native code knows how objects of CPython lie"
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return "this Python is one for 32 bits, and native code takes addresses of 64"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python has no interpreter lock, which native code relies on"
    array, number = np.zeros(1), 0.5
    if (
        _word(id(array) + DATA) != array.ctypes.data
        or _word(id(array) + TYPE) != id(np.ndarray)
        or ctypes.c_double.from_address(id(number) + HEADER).value != number
    ):
        return "arrays and floats of this Python do not lie as native code takes them to"
    return ""


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value
