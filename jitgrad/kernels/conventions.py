"""What Python and the functions of native code agree on: words in tables, how objects lie."""

from __future__ import annotations

import numpy as np

DTYPES = {
    np.dtype(name)
    for name in (
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
    )
}
"""What kernels compute with; float16 only where the processor converts it (see cpu.py)."""

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

DOTS, TRANSPOSES, MOVES, PANELS = range(4)
"""Which tile is where in the table of those that a product calls; panels of one vector and more
come last, by their width."""

# launches, see calling.py

ARRAY, CONSTANT, FLOAT, INTEGER, SCRATCH = range(5)
"""What an entry of an argument table is made of: the address of an array's element, a constant,
a Python number as float64 or as int64, the address of a byte of scratch memory."""

CALLS, NDARRAY_TYPE, FLOAT_TYPE, TYPE_ERROR, WRONG_TYPE, WAKE_HELPERS, KERNELS = range(0, 56, 8)
"""Where the description of launches holds its int64s: how many kernels are called, the types of
arrays and of floats, the exception and its message for what is no array, what wakes helpers, and
then what is called."""

(
    ARGUMENTS, WRONG_COUNT, NEW_ARRAY, THINGS, RESULTS, LAUNCHES, BYTES, SCRATCH_BEGINS, POISONED,
    TO_MAKE,
) = range(0, 80, 8)  # fmt: skip
"""The same of a whole run: how many arguments there are, and the message for others; NumPy's
function that makes arrays; how many arguments and arrays there are, and how many results; where the
launches are described; the bytes of the memory for one run, where in it scratch memory begins, and
how much of it is poisoned. Then the arrays: for each the dtype, how many dimensions it has, and
their sizes. Behind them for each result its kind, and its number or place."""

THING, TRUTH = range(2)
"""What a result is: an argument or an array, by its number; a bool in a byte of scratch memory."""

MOST_SCRATCH = 1 << 16
"""How large the scratch memory of a whole run may be: more would come from the system each time."""

# objects, see instances.py

ARGUMENT, OBJECT, MADE, CALLED = range(4)
"""What a slot is set to: an argument, by its number; an object, by its address; one that was made
before, by its number; what an object returns when it is called."""

# jobs, see threads.py

JOB_NEXT, JOB_DONE, JOB_PIECES, JOB_LENGTH, JOB_KERNEL, JOB_ARGUMENTS = range(0, 48, 8)
"""Where a job, a bytearray, holds its int64s: the next piece to take, how many are done, how many
there are, the rounds of the outermost loop, the addresses of the kernel and of its arguments."""

JOB = 48
"""The length of a job in bytes."""

# loops, see machine.py

CALL, SPLIT, LEAVE, MOVE, GO, SELECT, MARK, NEXT = range(8)
"""Instructions, with what follows them:

    CALL        kernel, its arguments, rounds
    SPLIT       kernel, its arguments, rounds, pieces: the same by several threads
    LEAVE       address, how many, and for each: number, entry: where the word is k, and not 0, take
                the path whose entry the k-th names from its beginning; leave with the k-th number
                without one
    MOVE        how many, and for each: from, to
    GO          to where the next turn begins
    SELECT      pointer: take the path whose number is the byte there
    MARK        pointer, number: put the number of the path there as a byte
    NEXT        the path's counts, where the next turn begins, how many, and for each: a pointer,
                the address of what is added to it
"""

NDARRAY, ERROR, MESSAGE, WAKE, BEGIN, CURRENT, ENTRIES, COUNT, PLACES = range(9)
"""The first words of an arena: the type of arrays, the exception and its message for what is none,
what wakes helpers, the addresses of the first instruction and of where the next turn begins, those
of the paths' entries (a path that must not be taken has 0), how many paths there are, and from
there on the addresses of lists of places to put arrays' addresses in."""

FINISHED, FULL, FAILED, FIRST_TEST = range(4)
"""The numbers with which a loop is left: it has done all turns, the tape of a path is full, the
turn is for Python to do; from the last one on: this test came out otherwise."""

NUMBERS = 1 << 16
"""How many numbers there are."""
