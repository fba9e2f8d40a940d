"""Interrupts at chosen places: an exception comes where a signal's handler could raise one.

CPython looks after signals, and after exceptions that other threads have asked for, behind calls,
where a function begins, and where a loop turns. `places` finds all such places of the library that
a call passes, `interrupted` raises at one of them. Nothing hangs on time: what has been found once
is found again.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import jitgrad

PACKAGE = str(Path(jitgrad.__file__).parent)


class Interrupt(BaseException):
    """What a handler raises."""


class Refusal(Exception):
    """What another handler raises, which has chosen an ordinary exception."""


class Place(NamedTuple):
    """A place in the code, and how often it has been passed before."""

    code: CodeType
    offset: int
    passed: int

    def __str__(self) -> str:
        lines = [line for start, line in dis.findlinestarts(self.code) if start <= self.offset]
        file = Path(self.code.co_filename).name
        return f"{file}:{lines[-1]} in {self.code.co_name} at {self.offset}, time {self.passed}"


def _is_looked_behind(code: CodeType, offset: int) -> bool:
    """Does CPython look after signals behind this instruction?"""
    name = dis.opname[code.co_code[offset]]
    return name.startswith("CALL") or name == "RESUME" or "JUMP_BACKWARD" in name


@functools.cache
def _handler(code: CodeType, offset: int) -> int | None:
    """Return where an exception goes that is raised at an instruction."""
    found = None
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]
        if entry.start <= offset < entry.end:
            found = entry.target
    return found


def _is_ours(file: str) -> bool:
    return file.startswith((PACKAGE, "<jitgrad "))


def _tracing(pass_by: Callable[[CodeType, int], None], belongs: Callable[[str], bool]) -> Any:
    """Return a trace function that calls `pass_by` at each place."""

    def trace(frame: Any, event: str, arg: Any) -> Any:
        code = frame.f_code
        if not belongs(code.co_filename):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        behind = max(frame.f_lasti, 0)

        def within(frame: Any, event: str, arg: Any) -> Any:
            nonlocal behind
            if event == "opcode":
                at = frame.f_lasti
                # what CPython would raise at the instruction before is raised at this one here
                if behind >= 0 and _handler(code, behind) == _handler(code, at):
                    pass_by(code, at)
                behind = at if _is_looked_behind(code, at) else -1
            return within

        return within

    return trace


def _traced(call: Callable[[], Any], trace: Any) -> Any:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return call()
    finally:
        sys.settrace(before)


def places(call: Callable[[], Any], belongs: Callable[[str], bool] = _is_ours) -> list[Place]:
    """Return all places that a call passes, in their order."""
    found: list[Place] = []
    counts: dict[tuple[CodeType, int], int] = {}

    def pass_by(code: CodeType, offset: int) -> None:
        passed = counts[code, offset] = counts.get((code, offset), -1) + 1
        found.append(Place(code, offset, passed))

    _traced(call, _tracing(pass_by, belongs))
    return found


def outermost(found: Iterable[Place]) -> list[Place]:
    """Return of each place in the code the first and the last time."""
    by_code: dict[tuple, list[Place]] = {}
    for each in found:
        by_code.setdefault((each.code, each.offset), []).append(each)
    return [each for those in by_code.values() for each in dict.fromkeys((those[0], those[-1]))]


def interrupted(
    call: Callable[[], Any],
    place: Place,
    error: Callable[[], BaseException] = Interrupt,
    belongs: Callable[[str], bool] = _is_ours,
) -> tuple[bool, BaseException | None]:
    """Call, and raise an error at a place; return whether it was passed, and what came out."""
    left = place.passed
    file, name, line = place.code.co_filename, place.code.co_name, place.code.co_firstlineno
    reached = False

    def pass_by(code: CodeType, offset: int) -> None:
        nonlocal left, reached
        # code may have been made again meanwhile
        if (
            offset != place.offset
            or reached
            or (
                code is not place.code
                and ((code.co_filename, code.co_name, code.co_firstlineno) != (file, name, line))
            )
        ):
            return
        left -= 1
        if left < 0:
            reached = True
            raise error()

    try:
        _traced(call, _tracing(pass_by, belongs))
    except BaseException as raised:
        if not reached:
            raise
        return reached, raised
    return reached, None
