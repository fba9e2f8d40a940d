"""The native code of loops: it takes instruction after instruction, see machine.py."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from jitgrad.kernels.compiler.launching import split
from jitgrad.kernels.compiler.native import (
    byte,
    call_kernel,
    called,
    forget,
    has_error,
    integer_of,
    new_integer,
    release_gil,
    retake_gil,
    set_error,
    set_word,
    word,
)
from jitgrad.kernels.conventions import (
    BEGIN,
    CALL,
    CHECK,
    CHECK_BYTE,
    DATA,
    ERROR,
    FINISHED,
    MESSAGE,
    MOVE,
    NDARRAY,
    NEXT,
    NUMBERS,
    PLACES,
    TURN,
    TYPE,
    WAKE,
)


@called
def _turn(arena: int, turns: int, release: int) -> int:
    """Do so many turns, or up to the first that is left.

    Return how many were finished, times NUMBERS, plus the number; -1 for an exception.
    """
    state = release_gil() if release != 0 else 0
    done = 0
    number = FINISHED
    place = word(arena + 8 * BEGIN)
    while True:
        kind = word(place)
        if kind == CALL:
            call_kernel(word(place + 8), word(place + 16), 0, word(place + 24))
            place += 32
        elif kind == CHECK:
            if (word(word(place + 8)) != 0) != (word(place + 16) != 0):
                number = word(place + 24)
                break
            place += 32
        elif kind == CHECK_BYTE:
            if (byte(word(place + 8)) != 0) != (word(place + 16) != 0):
                number = word(place + 24)
                break
            place += 32
        elif kind == MOVE:
            count = word(place + 8)
            place += 16
            for _ in range(count):
                set_word(word(place + 8), word(word(place)))
                place += 16
        elif kind == NEXT:
            count = word(place + 8)
            place += 16
            for _ in range(count):
                pointer = word(place)
                set_word(pointer, word(pointer) + word(word(place + 8)))
                place += 16
            done += 1
            if done == turns:
                break
            place = word(arena + 8 * TURN)
        else:
            if release != 0:
                retake_gil(state)
            woken = split(
                word(place + 8),
                word(place + 16),
                word(place + 24),
                word(place + 32),
                word(arena + 8 * WAKE),
            )
            if woken == 0:
                return -1
            forget(woken)
            if release != 0:
                state = release_gil()
            place += 40
    if release != 0:
        retake_gil(state)
    return done * NUMBERS + number


def run(arena: int, arguments: int, count: int) -> int:
    """Take the number of turns, and whether to release the interpreter lock."""
    turns = integer_of(word(arguments))
    release = integer_of(word(arguments + 8))
    if has_error() != 0:
        return 0
    result = _turn(word(arena + DATA), turns, release)
    return 0 if result == -1 else new_integer(result)


def place(arena: int, arguments: int, count: int) -> int:
    """Take the number of a list of places, and the arrays whose addresses belong there."""
    start = word(arena + DATA)
    number = integer_of(word(arguments))
    if number == -1 and has_error() != 0:
        return 0
    place = word(start + 8 * (PLACES + number))
    for k in range(1, count):
        array = word(arguments + 8 * k)
        if word(array + TYPE) != word(start + 8 * NDARRAY):
            set_error(word(start + 8 * ERROR), word(start + 8 * MESSAGE))
            return 0
        data = word(array + DATA)
        places = word(place)
        place += 8
        for _ in range(places):
            set_word(word(place), data + word(place + 8))
            place += 16
    return new_integer(0)
