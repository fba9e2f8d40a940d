"""What operations answer instead of a value, and how they leave the evaluator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .code import Code
from .frames import Frame

__all__ = ["ABSENT", "EXHAUSTED", "Answer", "Enter", "GiveBack", "HandOut", "Leave", "Resume"]


class _Marker:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


EXHAUSTED: Final = _Marker("EXHAUSTED")
"""`advance` answers this when the iterator has no more."""
ABSENT: Final = _Marker("ABSENT")
"""In place of an operand that the source does not have."""


@dataclass(eq=False, slots=True)
class Enter:
    """The answer that asks the evaluator to go on in a new frame."""

    code: Code
    function: Any  # a FunctionType; said so, type checkers take it for a method
    values: list[Any]
    origins: list[Any]
    function_origin: Any = None


@dataclass(eq=False, slots=True)
class Resume:
    """The answer that asks the evaluator to go on in the frame of a generator that waits.

    The instruction completes with what that yields. When it returns, an `advance` ends, a
    `yield from` completes with its result, and a call of `next`, `send` or `throw` raises
    StopIteration.
    """

    frame: Frame
    value: Any
    origin: Any
    exception: BaseException | None = None
    """What is raised where the generator waits, instead of a value that it gets there."""


@dataclass(eq=False, slots=True)
class HandOut:
    """The answer of a `yield from` whose iterator has an item for whoever resumed the generator."""

    value: Any
    origin: Any


class Leave(BaseException):
    """Raised by an operation to leave the evaluator as it is.

    No handler of the evaluated code sees it; `evaluator.frames` stay, each before its instruction.
    """


class GiveBack(Leave):
    """Raised before an instruction: the frames of generators are to be run by these from here."""


Answer = tuple[Any, Any] | Enter | Resume
