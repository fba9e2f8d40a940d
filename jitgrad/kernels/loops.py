"""Loops in native code: a straight line of steps, one *turn*, performed again and again.

    loop = lower_loop(steps, inputs, tests, carried, kept, streamed)
    turns = loop.run(values, streams, limit)

A turn reads its inputs, each of which is one of

- *carried*: after a turn it becomes an output of this turn, for the next one;
- *streamed*: read from a record with one entry for each turn, as a backward loop reads a tape;
- *invariant*: all others, the same in every turn.

Between the steps stand tests. The first that comes out otherwise than expected ends the loop, and
nothing of that turn becomes visible, so that Python can perform it from its beginning. The same
holds where arithmetic on Python numbers would raise, or leave the range of int64, and where a
kernel declines: such a turn is for Python to do, after which the loop may run again.

Values keep the memory that they name. Carried values of one memory share memory in every turn, and
must be carried together; those of different memories never do, so what makes two of them share, or
one share with an input that stays, is declined if it is written. Arrays that come in are only read.

One loop may run in several threads. A long run releases the interpreter lock, and lets Python look
after signals every few milliseconds; an exception that comes of it leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Scalar, Step, Value
from jitgrad.kernels.clock import compiling
from jitgrad.locks import LOWERING

if TYPE_CHECKING:
    from jitgrad.kernels.running import Loop


class NotNative(Exception):
    """A turn holds something that native code does not do; the message says what."""


class Test(NamedTuple):
    """A condition between the steps of a turn.

    Attributes:
        position: how many steps come before it.
        operand: a number, or a value with one element.
        expected: its truth in a turn that goes on.
    """

    position: int
    operand: Value | Scalar
    expected: bool


class Stop(Enum):
    """Why a loop ended."""

    TEST = "a test came out otherwise"
    LIMIT = "as many turns as asked for"
    PYTHON = "the turn is for Python to do: it raises, or takes integers beyond int64"
    MEMORY = "the tape would take more bytes than allowed"


class Turns(NamedTuple):
    """What a loop has done.

    Attributes:
        finished: the turns that were done.
        stop: why there was no further one.
        test: the number of the test that came out otherwise, None where `stop` is another.
        carried: the carried inputs as they are now, in the order of the pairs: arrays that nobody
            else writes (which share memory where the inputs' values do), and Python numbers.
        tape: for each of what is kept an array of shape (finished, *shape), of dtype float64, int64
            or bool for a number. The entries lie as `packed` says.
    """

    finished: int
    stop: Stop
    test: int | None
    carried: list[Any]
    tape: list[np.ndarray]


def lower_loop(
    steps: Sequence[Step],
    inputs: Sequence[Value | Scalar],
    tests: Sequence[Test],
    carried: Sequence[tuple[Value | Scalar, Value | Scalar]],
    kept: Sequence[Value | Scalar],
    streamed: Mapping[Value | Scalar, int],
) -> Loop:
    """Return a loop whose turns perform `steps`.

    Args:
        steps: in program order. They write to memory that they made, or to that of carried values.
        inputs: all that a turn reads. Values of one memory may come in as several inputs;
            different memories must not overlap.
        tests: in program order.
        carried: pairs of an input, and of what it is in the next turn: with the same shape,
            strides and dtype, or a number of the same type.
        kept: what is recorded on the tape, as it is at the end of each finished turn.
        streamed: for each input that is read from a record, 1 if its entries are read from the
            first one on, -1 if from the last one back.

    Raises:
        NotNative: the loop is for Python to do.
    """
    before = compiling.seconds
    with LOWERING:
        from jitgrad.kernels.assembly import assemble  # the first time, loads LLVM
        from jitgrad.kernels.turn import plan

        loop = assemble(plan(steps, inputs, tests, carried, kept, streamed))
    loop.compile_seconds = compiling.seconds - before
    return loop
