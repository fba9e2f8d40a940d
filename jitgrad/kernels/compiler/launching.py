"""The native code of launches: argument tables are filled, kernels called, in pieces perhaps."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from jitgrad.kernels.compiler.native import (
    add_atomically,
    bits_of,
    byte,
    bytes_of,
    call_kernel,
    call_with,
    called,
    float_of,
    forget,
    free_memory,
    give_way,
    has_error,
    hold,
    integer_of,
    new_array,
    new_bytes,
    new_integer,
    new_truth,
    new_tuple,
    no_memory,
    release_gil,
    retake_gil,
    set_byte,
    set_error,
    set_item,
    set_word,
    stack_table,
    take_memory,
    word,
)
from jitgrad.kernels.conventions import (
    ARGUMENTS,
    ARRAY,
    BYTES,
    CALLS,
    CONSTANT,
    DATA,
    FLOAT,
    FLOAT_TYPE,
    HEADER,
    JOB,
    JOB_ARGUMENTS,
    JOB_DONE,
    JOB_KERNEL,
    JOB_LENGTH,
    JOB_NEXT,
    JOB_PIECES,
    KERNELS,
    LAUNCHES,
    NDARRAY_TYPE,
    NEW_ARRAY,
    POISONED,
    RESULTS,
    SCRATCH,
    SCRATCH_BEGINS,
    THING,
    THINGS,
    TO_MAKE,
    TYPE,
    TYPE_ERROR,
    WAKE_HELPERS,
    WRONG_COUNT,
    WRONG_TYPE,
)
from jitgrad.kernels.scratch import ALIGNMENT


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


@called
def _launch(start: int, things: int, scratch: int) -> int:
    """Fill the table of each kernel and call it; return 0 for an exception.

    Args:
        start: the description.
        things: the addresses of what entries are taken from.
        scratch: the memory for one run.
    """
    table = stack_table()
    place = start + KERNELS
    for _ in range(word(start + CALLS)):
        kernel = word(place)
        length = word(place + 8)
        pieces = word(place + 16)
        entries = word(place + 24)
        place += 32
        for k in range(entries):
            kind = word(place)
            value = word(place + 16)
            if kind == SCRATCH:
                value += scratch
            elif kind != CONSTANT:
                given = word(things + 8 * word(place + 8))
                if kind == ARRAY:
                    if word(given + TYPE) != word(start + NDARRAY_TYPE):
                        set_error(word(start + TYPE_ERROR), word(start + WRONG_TYPE))
                        return 0
                    value += word(given + DATA)
                elif kind == FLOAT:
                    if word(given + TYPE) == word(start + FLOAT_TYPE):
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
            woken = split(kernel, table, length, pieces, word(start + WAKE_HELPERS))
            if woken == 0:
                return 0
            forget(woken)
    return 1


def launch(description: int, arguments: int, count: int) -> int:
    """Call kernels; the native code of every launch."""
    if _launch(word(description + DATA), arguments, 0) == 0:
        return 0
    return new_integer(0)


@called
def _results(start: int, place: int, things: int, scratch: int) -> int:
    """Return the tuple of the results, 0 for an exception."""
    count = word(start + RESULTS)
    made = new_tuple(count)
    if made == 0:
        return 0
    for k in range(count):
        result = word(place + 8)
        if word(place) == THING:
            result = word(things + 8 * result)
            hold(result)
        else:
            result = new_truth(byte(scratch + result))
        set_item(made, k, result)
        place += 16
    return made


def run(description: int, arguments: int, count: int) -> int:
    """Make arrays, call kernels and return the results; the native code of whole runs."""
    start = word(description + DATA)
    calls = start + word(start + LAUNCHES)
    if count != word(start + ARGUMENTS):
        set_error(word(calls + TYPE_ERROR), word(start + WRONG_COUNT))
        return 0
    size = word(start + BYTES)
    things = take_memory(size)
    if things == 0:
        return no_memory()
    for k in range(word(start + POISONED)):
        set_byte(things + k, 255)
    scratch = (things + word(start + SCRATCH_BEGINS)) & -ALIGNMENT
    for k in range(count):
        set_word(things + 8 * k, word(arguments + 8 * k))
    place = start + TO_MAKE
    made = count
    while made < word(start + THINGS):
        dtype = word(place)
        dimensions = word(place + 8)
        hold(dtype)
        function = word(start + NEW_ARRAY)
        array = new_array(function, word(calls + NDARRAY_TYPE), dtype, dimensions, place + 16)
        if array == 0:
            break
        set_word(things + 8 * made, array)
        made += 1
        place += 16 + 8 * dimensions
    found = 0
    if made == word(start + THINGS) and _launch(calls, things, scratch) != 0:
        found = _results(start, place, things, scratch)
    while made > count:
        made -= 1
        forget(word(things + 8 * made))
    free_memory(things)
    return found
