"""The native code that makes objects of classes with slots, see instances.py."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from jitgrad.kernels.compiler.native import (
    allocate,
    call_alone,
    call_with_all,
    called,
    forget,
    hold,
    set_word,
    stack_table,
    word,
)
from jitgrad.kernels.conventions import ARGUMENT, CALLED, DATA, MADE, TYPE


@called
def _is_usual(place: int, arguments: int, count: int) -> int:
    """Are there as many arguments as a list says, of the classes that it says?"""
    if word(place) != count:
        return 0
    for k in range(count):
        place += 8
        kind = word(place)
        if kind != 0 and kind != word(word(arguments + 8 * k) + TYPE):
            return 0
    return 1


@called
def _fill(place: int, made: int, own: int, arguments: int) -> int:
    """Set the slots of the object that was made last; return 0 for an exception."""
    for _ in range(word(place)):
        kind = word(place + 16)
        value = word(place + 24)
        if kind == CALLED:
            value = call_alone(value)
            if value == 0:
                return 0
        else:
            if kind == ARGUMENT:
                value = word(arguments + 8 * value)
            elif kind == MADE:
                value = word(made + 8 * value)
            hold(value)
        set_word(own + word(place + 8), value)
        place += 24
    return 1


def make(table: int, arguments: int, count: int) -> int:
    """Make a row of objects; return the last one."""
    place = word(table + DATA)
    if _is_usual(place + 16, arguments, count) == 0:
        return call_with_all(word(place), arguments, count, 0)
    objects = word(place + 8)
    place += 24 + 8 * count
    made = stack_table()
    last = 0
    for k in range(objects):
        own = allocate(word(place), 0)
        done = 0
        if own != 0:
            set_word(made + 8 * k, own)
            done = _fill(place + 8, made, own, arguments)
        # what the last one holds is held by that alone
        if done == 0 or k == objects - 1:
            for before in range(k):
                forget(word(made + 8 * before))
        if done == 0:
            if own != 0:
                forget(own)
            return 0
        place += 16 + 24 * word(place + 8)
        last = own
    return last
