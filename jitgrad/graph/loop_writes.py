"""What the turns of a native loop write to the memory of tensors that are there in all of them.

It is written where it lies, turn by turn. A turn that is left for another way has written nothing:
all tests come before; see `kernels.turn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.graph.joins import Carried, Unsuitable
from jitgrad.graph.loop_layout import LoopLayout
from jitgrad.graph.run import Run
from jitgrad.graph.ways import WayBack


def check_writes(
    ways: Sequence[WayBack], carried: Iterable[Value | Scalar], layout: LoopLayout | None
) -> None:
    """Make sure that what is written is seen by all, and that nobody relies on what was there.

    Args:
        carried: what changes from turn to turn otherwise.
        layout: what autograd has to know, None where nothing has a history.

    Raises:
        Unsuitable: it may not be so.
    """
    written: set[Memory] = set().union(*(way.written for way in ways))
    if not written:
        return
    if any(isinstance(each, Value) and each.memory in written for each in carried):
        # the first of these tensors may be seen from outside
        raise Unsuitable("it writes to a tensor, and puts another one in its place")
    if any(each.memory in written for way in ways for each in way.appended()):
        raise Unsuitable("it writes to a tensor that it appends")
    for joins in zip(*(way.joins for way in ways)):
        if len({each.writes for each in joins if isinstance(each, Carried)}) > 1:
            raise Unsuitable("it writes to what goes on, on one way oftener than on another")
    if layout is None:
        return
    if any(isinstance(each, Carried) and each.writes for way in ways for each in way.joins):
        raise Unsuitable("it writes to what it has made, and to a history")
    if any(way.writes_to_later() for way in ways):
        raise Unsuitable("it writes to a tensor from outside, and makes a history")
    if any(not saved_by(way).isdisjoint(written) for way in ways):
        raise Unsuitable("it writes to what a history has saved")


def saved_by(way: WayBack) -> set[Memory]:
    """Return the memories that derivatives of turns on a way read."""
    saved = {
        each.storage.memory
        for variable in way.layout.saving
        for each in variable.history.saved()  # type: ignore[union-attr]
    }
    return saved | {each.memory for each in way.layout.slots if isinstance(each, Value)}


def announce(ways: Sequence[WayBack], runs: Sequence[Run | None], exchanged: Sequence[int]) -> None:
    """Let those copy who rely on what turns may write; `exchanged` are roots that change places."""
    for way, run in zip(ways, runs):
        if run is not None:
            run.announce_writes([*way.announced, *exchanged])


def raise_versions(
    ways: Sequence[WayBack],
    runs: Sequence[Run | None],
    counts: Sequence[int],
    exchanged: Sequence[int],
) -> None:
    """Count what was written in so many turns on each way, but for roots that change places."""
    for way, run, count in zip(ways, runs, counts):
        if run is not None and count:
            for storage, times in way.rewrites:
                if storage.root not in exchanged:
                    run.written(storage, times * count)
