"""The native code of launches: argument tables are filled, kernels called, in pieces perhaps."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from jitgrad.kernels.compiler.native import (
    add_atomically,
    bits_of,
    bytes_of,
    call_kernel,
    call_with,
    called,
    float_of,
    forget,
    give_way,
    has_error,
    integer_of,
    new_bytes,
    new_integer,
    release_gil,
    retake_gil,
    set_error,
    set_word,
    stack_table,
    word,
)
from jitgrad.kernels.conventions import (
    ARRAY,
    CONSTANT,
    DATA,
    FLOAT,
    HEADER,
    JOB,
    JOB_ARGUMENTS,
    JOB_DONE,
    JOB_KERNEL,
    JOB_LENGTH,
    JOB_NEXT,
    JOB_PIECES,
    TYPE,
)


@called
def work(job: int) -> None:
    """Do pieces of the job at address `job` until none is left."""
    count = word(job + JOB_PIECES)
    length = word(job + JOB_LENGTH)
    while True:
        piece = add_atomically(job + JOB_NEXT, 1)
        if piece >= count:
            return
        first = length * piece // count
        last = length * (piece + 1) // count
        call_kernel(word(job + JOB_KERNEL), word(job + JOB_ARGUMENTS), first, last)
        add_atomically(job + JOB_DONE, 1)


def help(self: int, job: int) -> int:
    """Work on a job; the native code of what helpers call."""
    address = bytes_of(job)
    state = release_gil()
    work(address)
    retake_gil(state)
    return new_integer(0)


@called
def split(kernel: int, table: int, length: int, pieces: int, wake: int) -> int:
    """Run a kernel in pieces, with help; return what `wake` returned, 0 for an exception."""
    job = new_bytes(0, JOB)
    if job == 0:
        return 0
    address = bytes_of(job)
    set_word(address + JOB_NEXT, 0)
    set_word(address + JOB_DONE, 0)
    set_word(address + JOB_PIECES, pieces)
    set_word(address + JOB_LENGTH, length)
    set_word(address + JOB_KERNEL, kernel)
    set_word(address + JOB_ARGUMENTS, table)
    # an exception here, as by Ctrl-C, is raised when the kernel is done
    woken = call_with(wake, job)
    state = release_gil()
    work(address)
    while add_atomically(address + JOB_DONE, 0) < pieces:
        give_way()
    retake_gil(state)
    forget(job)
    return woken


def launch(description: int, arguments: int, count: int) -> int:
    """Fill the table of each kernel and call it; the native code of every launch."""
    table = stack_table()
    start = word(description + DATA)
    place = start + 48
    for _ in range(word(start)):
        kernel = word(place)
        length = word(place + 8)
        pieces = word(place + 16)
        entries = word(place + 24)
        place += 32
        for k in range(entries):
            kind = word(place)
            value = word(place + 16)
            if kind != CONSTANT:
                given = word(arguments + 8 * word(place + 8))
                if kind == ARRAY:
                    if word(given + TYPE) != word(start + 8):
                        set_error(word(start + 24), word(start + 32))
                        return 0
                    value += word(given + DATA)
                elif kind == FLOAT:
                    if word(given + TYPE) == word(start + 16):
                        value = word(given + HEADER)
                    else:
                        number = float_of(given)
                        if number == -1.0 and has_error() != 0:
                            return 0
                        value = bits_of(number)
                else:
                    value = integer_of(given)
                    if value == -1 and has_error() != 0:
                        return 0
            set_word(table + 8 * k, value)
            place += 24
        if pieces == 0:
            call_kernel(kernel, table, 0, length)
        elif pieces == 1:
            state = release_gil()
            call_kernel(kernel, table, 0, length)
            retake_gil(state)
        else:
            woken = split(kernel, table, length, pieces, word(start + 40))
            if woken == 0:
                return 0
            forget(woken)
    return new_integer(0)
