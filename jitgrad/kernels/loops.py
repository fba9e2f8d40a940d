"""Loops in native code: a *turn*, which takes one of several paths, performed again and again.

    loop = lower_loop(inputs, carried, paths)
    turns = loop.run(values, streams, limit)

A path is a straight line of steps. A turn reads its inputs, each of which is one of

- *carried*: after a turn it becomes an output of this turn, for the next one;
- *streamed*: read from a record with one entry for each turn that takes the path, as a backward
  loop reads a tape;
- *exchanged*: after a turn it names the memory that another one of them named: tensors that change
  places, without a copy;
- *invariant*: all others, the same in every turn.

Between the steps stand tests. Where one comes out otherwise than expected, nothing of that turn
has become visible: it is begun again on the path that the test names for this, or the loop ends
before it, if there is none. It ends, too, where arithmetic on Python numbers would raise, or leave
the range of int64, and where a kernel declines: such a turn is for Python to do, after which the
loop may run again. A turn first tries the path of the turn before.

Values keep the memory that they name. Carried values of one memory share memory in every turn, and
must be carried together; those of different memories never do, so what makes two of them share, or
one share with an input that stays, is declined if it is written. The arrays with which carried
values begin are only read. Steps may write to those of invariant and exchanged values: in their
places, turn by turn, and not in a turn that is left.

One loop may run in several threads. A long run releases the interpreter lock, and lets Python look
after signals every few milliseconds; an exception that comes of it leaves everything as it was,
or ends a loop that writes behind a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Step, Value, Write, flat, operands
from jitgrad.kernels.availability import Unavailable, natively, tell
from jitgrad.kernels.clock import compiling

if TYPE_CHECKING:
    from jitgrad.kernels.running import Loop


class NotNative(Exception):
    """A turn holds something that native code does not do; the message says what."""


class Test(NamedTuple):
    """A condition between the steps of a path.

    Attributes:
        position: how many steps come before it.
        operand: a number, or a value with one element.
        expected: its truth in a turn that goes on.
        instead: the number of the path that is tried where it comes out otherwise.
    """

    position: int
    operand: Value | Scalar
    expected: bool
    instead: int | None = None


class Path(NamedTuple):
    """One way through a turn.

    Attributes:
        steps: in program order.
        tests: in program order.
        outputs: for each carried input what it is in the next turn: with the same shape, strides
            and dtype, or a number of the same type.
        kept: what is recorded on the tape, as it is at the end of each finished turn.
        streamed: the inputs that are read from records.
        exchanged: inputs that are not carried, each with the one whose memory it names in the next
            turn.
    """

    steps: Sequence[Step]
    tests: Sequence[Test]
    outputs: Sequence[Value | Scalar]
    kept: Sequence[Value | Scalar] = ()
    streamed: Sequence[Value | Scalar] = ()
    exchanged: Sequence[tuple[Value, Value]] = ()


def written_by(path: Path) -> set[Memory]:
    """Return the memories that the steps of a path write to."""
    return {step.target.memory for step in path.steps if isinstance(step, Write)}


def operands_of(path: Path) -> set[Any]:
    """Return all values and numbers that a turn on a path has to do with."""
    waiting: list[Any] = [*path.outputs, *path.kept, *(each.operand for each in path.tests)]
    waiting.extend(map(operands, path.steps))
    return {each for each in flat(waiting) if isinstance(each, (Value, Scalar))}


class Stop(Enum):
    """Why a loop ended."""

    TEST = "a test came out otherwise"
    LIMIT = "as many turns as asked for"
    PYTHON = "the turn is for Python to do: it raises, or takes integers beyond int64"
    MEMORY = "the tape would take more bytes than allowed"
    ERROR = "something was raised between two turns, by a signal's handler, say"


class Turns(NamedTuple):
    """What a loop has done.

    Attributes:
        finished: the turns that were done.
        stop: why there was no further one.
        test: the path and the number of the test that came out otherwise, None where `stop` is
            another.
        carried: the carried inputs as they are now, in their order: arrays that nobody else writes
            (which share memory where the inputs' values do), and Python numbers.
        counts: the turns that took each path.
        tape: by path, for each of what it keeps an array of shape (turns, *shape), of dtype
            float64, int64 or bool for a number. The entries lie as `packed` says.
        order: the path of each turn, as bytes. None where that was not asked for, or there is one
            path only.
        error: what was raised, where `stop` says so.
    """

    finished: int
    stop: Stop
    test: tuple[int, int] | None
    carried: list[Any]
    counts: list[int]
    tape: list[list[np.ndarray]]
    order: np.ndarray | None
    error: BaseException | None = None

    @property
    def nbytes(self) -> int:
        """The bytes that the tape takes."""
        order = 0 if self.order is None else self.order.nbytes
        return order + sum(each.nbytes for records in self.tape for each in records)


MOST_PATHS = 255
"""How many paths a loop may have."""


def lower_loop(
    inputs: Sequence[Value | Scalar],
    carried: Sequence[Value | Scalar],
    paths: Sequence[Path],
    follows: bool = False,
    marks: bool = False,
) -> Loop:
    """Return a loop whose turns take one of `paths`.

    Args:
        inputs: what turns read, but for what is streamed. Values of one memory may come in as
            several inputs; different memories must not overlap.
        carried: those of the inputs that change from turn to turn.
        paths: at least one.
        follows: a run is told which path each turn takes.
        marks: a run records which path each turn takes.

    Raises:
        NotNative: the loop is for Python to do.
    """
    if len(paths) > MOST_PATHS:
        raise NotNative(f"there are more than {MOST_PATHS} ways through a turn")
    before = compiling.seconds
    try:
        loop = natively(lambda: _loop(inputs, carried, paths, follows, marks))
    except Unavailable as why:
        raise NotNative(str(why)) from None
    finally:
        tell()
    loop.compile_seconds = compiling.seconds - before
    return loop


def _check_numbers(inputs: Sequence[Value | Scalar], path: Path) -> None:
    """Make sure that a turn reads no number before it is there."""
    there: dict[Any, int] = dict.fromkeys((*inputs, *path.streamed), -1)
    for at, step in enumerate(path.steps):
        there.setdefault(getattr(step, "output", None), at)
    reads = [(each, at) for at, step in enumerate(path.steps) for each in flat(operands(step))]
    reads += [(test.operand, test.position) for test in path.tests]
    reads += [(each, len(path.steps)) for each in (*path.outputs, *path.kept)]
    if any(isinstance(each, Scalar) and there.get(each, at) >= at for each, at in reads):
        raise NotNative("a turn reads a number that is not there")


def _loop(
    inputs: Sequence[Value | Scalar],
    carried: Sequence[Value | Scalar],
    paths: Sequence[Path],
    follows: bool,
    marks: bool,
) -> Loop:
    from jitgrad.kernels.assembly import assemble  # the first time, makes what runs loops
    from jitgrad.kernels.turn import plan_paths

    plans = plan_paths(inputs, carried, paths)
    for path in paths:
        _check_numbers(inputs, path)
    return assemble(plans, follows, marks)
