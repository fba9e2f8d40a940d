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
    set_byte,
    set_error,
    set_word,
    word,
)
from jitgrad.kernels.conventions import (
    BEGIN,
    CALL,
    COUNT,
    CURRENT,
    DATA,
    ENTRIES,
    ERROR,
    FINISHED,
    FULL,
    GO,
    LEAVE,
    MARK,
    MESSAGE,
    MOVE,
    NDARRAY,
    NEXT,
    NUMBERS,
    PLACES,
    SELECT,
    TYPE,
    WAKE,
)


@called
def _move(place: int) -> int:
    """Copy words; return the address behind their list."""
    count = word(place)
    place += 8
    for _ in range(count):
        set_word(word(place + 8), word(word(place)))
        place += 16
    return place


@called
def _advance(place: int) -> int:
    """Bring pointers forward; return the address behind their list."""
    count = word(place)
    place += 8
    for _ in range(count):
        pointer = word(place)
        set_word(pointer, word(pointer) + word(word(place + 8)))
        place += 16
    return place


@called
def _split(place: int, wake: int) -> int:
    """Let several threads do a kernel; return 0 for an exception."""
    woken = split(word(place + 8), word(place + 16), word(place + 24), word(place + 32), wake)
    if woken != 0:
        forget(woken)
    return woken


@called
def _turn(arena: int, turns: int, release: int) -> int:
    """Do so many turns, or up to the first that is left.

    Return how many were finished, times NUMBERS, plus the number; -1 for an exception.
    """
    state = release_gil() if release != 0 else 0
    done = 0
    tried = 0
    number = FINISHED
    place = word(arena + 8 * BEGIN)
    while True:
        kind = word(place)
        if kind == CALL:
            call_kernel(word(place + 8), word(place + 16), 0, word(place + 24))
            place += 32
        elif kind == LEAVE:
            way = word(word(place + 8))
            if way == 0:
                place += 24 + 16 * word(place + 16)
            else:
                place += 8 + 16 * way
                entry = word(place + 8)
                other = word(entry) if entry != 0 else 0
                tried += 1
                if other == 0 or tried == word(arena + 8 * COUNT):
                    number = word(place)
                    break
                place = other
        elif kind == MOVE:
            place = _move(place + 8)
        elif kind == GO:
            place = word(arena + 8 * CURRENT)
        elif kind == SELECT:
            path = byte(word(word(place + 8)))
            place = word(word(arena + 8 * ENTRIES) + 8 * path)
        elif kind == MARK:
            set_byte(word(word(place + 8)), word(place + 16))
            place += 24
        elif kind == NEXT:
            counts = word(place + 8)
            again = word(place + 16)
            _advance(place + 24)
            set_word(counts, word(counts) + 1)
            left = word(counts + 8) - 1
            set_word(counts + 8, left)
            done += 1
            tried = 0
            if left == 0 or done == turns:
                set_word(arena + 8 * CURRENT, again)
                number = FULL if left == 0 else FINISHED
                break
            place = again
        else:
            if release != 0:
                retake_gil(state)
            if _split(place, word(arena + 8 * WAKE)) == 0:
                return -1
            if release != 0:
                state = release_gil()
            place += 40
    if release != 0:
        retake_gil(state)
    return done * NUMBERS + number


def turn(arena: int, arguments: int, count: int) -> int:
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
