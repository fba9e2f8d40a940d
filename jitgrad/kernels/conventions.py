"""What Python and the functions of native code agree on: words in tables, how objects lie."""

from __future__ import annotations

TABLE = 256
"""Entries of the largest argument table."""

HEADER = object.__basicsize__
"""The length of what every object begins with."""

DATA = HEADER
"""Where an ndarray's data pointer lies: the first field after the header, in every NumPy so far."""

TYPE = HEADER - 8
"""Where an object's type lies."""

# products, see products.py

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
"""CBLAS's names."""

# launches, see calling.py

ARRAY, CONSTANT, FLOAT, INTEGER = range(4)
"""What an entry of an argument table is made of: the address of an array's element, a constant,
a Python number as float64 or as int64."""

# jobs, see threads.py

JOB_NEXT, JOB_DONE, JOB_PIECES, JOB_LENGTH, JOB_KERNEL, JOB_ARGUMENTS = range(0, 48, 8)
"""Where a job, a bytearray, holds its int64s: the next piece to take, how many are done, how many
there are, the rounds of the outermost loop, the addresses of the kernel and of its arguments."""

JOB = 48
"""The length of a job in bytes."""

# loops, see machine.py

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
