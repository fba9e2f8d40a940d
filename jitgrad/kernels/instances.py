"""Making objects of classes with slots: one native call makes them, and sets all their slots.

A tensor and its storage have seventeen slots. Functions of Python take 0.5 us to set them one by
one, and that is a sixth of a short call that returns one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jitgrad.kernels.availability import Unavailable, natively
from jitgrad.kernels.conventions import ARGUMENT, CALLED, MADE, OBJECT, TABLE
from jitgrad.kernels.watches import slot_offset


class Given(NamedTuple):
    """What a slot is set to: the argument with this number."""

    number: int


class Earlier(NamedTuple):
    """What a slot is set to: the object with this number, made before."""

    number: int


class Called(NamedTuple):
    """What a slot is set to: what `function` returns, called without arguments for each object."""

    function: Callable[[], Any]


class Part(NamedTuple):
    """An object that is made.

    Attributes:
        kind: its class, written in Python.
        slots: by name what they are set to, `Given`, `Earlier`, `Called`, or the same for all.
    """

    kind: type
    slots: Mapping[str, Any]


def maker(
    general: Callable[..., Any], parts: Sequence[Part], kinds: Sequence[type | None]
) -> Callable[..., Any]:
    """Return a function that makes objects as `general` does, and returns the last one.

    It is `general` itself where there is no native code.

    Args:
        general: is called for other arguments than the usual ones.
        parts: the objects in the order in which they are made; no method of theirs is called.
        kinds: the classes of usual arguments, None where that may be any.
    """
    layouts = [_layout(part) for part in parts]
    known = [each for each in layouts if each is not None]
    if len(known) < len(layouts) or len(parts) > TABLE:
        return general
    held = [general, *kinds, *parts]
    words = [id(general), len(parts), len(kinds)]
    words += [0 if kind is None else id(kind) for kind in kinds]
    for part, layout in zip(parts, known):
        words += [id(part.kind), len(layout)]
        for offset, kind, value in layout:
            if kind in (OBJECT, CALLED):
                held.append(value)
                value = id(value)
            words += [offset, kind, value]
    try:
        return natively(lambda: _making(words, held))
    except Unavailable:
        return general


def _layout(part: Part) -> list[tuple[int, int, Any]] | None:
    """Return where the slots of a class are, and what they are set to; None if it is not known."""
    found = []
    for name, value in part.slots.items():
        owner = next(each for each in part.kind.__mro__ if name in each.__dict__)
        offset = slot_offset(owner, name)
        if offset is None:
            return None
        if type(value) is Given:
            found.append((offset, ARGUMENT, value.number))
        elif type(value) is Earlier:
            found.append((offset, MADE, value.number))
        elif type(value) is Called:
            found.append((offset, CALLED, value.function))
        else:
            found.append((offset, OBJECT, value))
    return found


def _making(words: list[int], held: list[Any]) -> Callable[..., Any]:
    """Return what makes the objects that words tell of."""
    from jitgrad.kernels.calling import builtin, table_of

    return builtin("make", table_of(words, held))
