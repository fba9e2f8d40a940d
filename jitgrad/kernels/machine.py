"""The machine that runs loops: instructions in a table of words, and the loops made of them.

An instruction is a word that says what to do and the words that it needs. The table, the
arguments of the kernels, the numbers and the memory of a turn lie together in an *arena*, which
one run has for itself; so a run needs no memory but that of its tape.
"""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.calling import (
    DATA,
    FAST,
    METH_FASTCALL,
    TYPE,
    WRONG_TYPE,
    builtin,
    method,
    split,
    wake,
)
from jitgrad.kernels.native import (
    call_kernel,
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

CALL, SPLIT, CHECK, CHECK_BYTE, MOVE, NEXT = range(6)
"""Instructions, with what follows them:

    CALL        kernel, its arguments, rounds
    SPLIT       kernel, its arguments, rounds, pieces: the same by several threads
    CHECK       address, expected, number: leave with this number unless the word's truth is that
    CHECK_BYTE  the same for a byte
    MOVE        how many, and for each: from, to
    NEXT        how many, and for each: a pointer, the address of what is added to it
"""

NDARRAY, ERROR, MESSAGE, WAKE, BEGIN, TURN, PLACES = range(7)
"""The first words of an arena: the type of arrays, the exception and its message for what is none,
what wakes helpers, the addresses of the first instruction and of the first of a turn, and from
there on those of lists of places to put arrays' addresses in."""

LISTS = 2
"""How many lists of places there are."""

FINISHED = 0
"""The number with which a loop is left that has done all turns; tests count from 2."""

FAILED = 1
"""The number for a turn that Python must do."""

NUMBERS = 1 << 16
"""How many numbers there are."""


@intrinsic
def byte(typing_context: Any, address: Any) -> Any:
    """Return the byte at `address`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(place), ir.IntType(64))

    return types.int64(types.int64), generate


@njit(types.int64(types.int64, types.int64, types.int64), error_model="numpy")
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


def _run(arena: int, arguments: int, count: int) -> int:
    """Take the number of turns, and whether to release the interpreter lock."""
    turns = integer_of(word(arguments))
    release = integer_of(word(arguments + 8))
    if has_error() != 0:
        return 0
    result = _turn(word(arena + DATA), turns, release)
    return 0 if result == -1 else new_integer(result)


def _place(arena: int, arguments: int, count: int) -> int:
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


_RUN = method(b"run", _run, FAST, METH_FASTCALL)
_PLACE = method(b"place", _place, FAST, METH_FASTCALL)

HEADER = [id(np.ndarray), id(TypeError), ctypes.addressof(WRONG_TYPE), id(wake)]
"""The words with which every arena begins."""


def machine(words: np.ndarray) -> tuple[Callable[[int, bool], int], Callable[..., int]]:
    """Return what runs the loop in an arena, and what tells it where arrays are."""
    return builtin(_RUN, words), builtin(_PLACE, words)
