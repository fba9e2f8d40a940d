"""Which values a forward run keeps, so that its derivative can be computed later.

Kept is what eager would have saved, and nothing that can be had again cheaply: at the end of a
call an elementwise or view result is recomputed from what is kept anyway, or from an argument
whose memory announces the next write to it (see `Storage.watchers`). Not so what a rule compares
with what has been selected from it: it may come out in another last bit. At a site in mid-call
everything saved is kept, since what follows may write to its origins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jitgrad.graph.ir import Compute, Memory, Scalar, Step, Value, Write
from jitgrad.graph.origins import Variable, ancestors
from jitgrad.primitive import Kind

RECOMPUTED = (Kind.ELEMENTWISE, Kind.VIEW)


def choose_residuals(
    variables: list[Variable], freed: frozenset[Variable], recording: Any, last: bool
) -> list[Value | Scalar]:
    """Return the values and numbers that the histories of `variables` need kept."""
    kept: dict[Value | Scalar, None] = {}
    wanted: dict[Value, None] = {}
    compared: set[Value] = set()
    for variable in ancestors(variables):
        history = variable.history
        if history is None or variable in freed:
            continue
        for saved in history.saved():
            if recording.path.writes.get(saved.storage, 0) == saved.version:
                wanted[saved.value] = None
                if history.primitive.compares:
                    compared.add(saved.value)
        for each in history.inputs:
            if isinstance(each, Scalar):
                kept[each] = None
    if not last:
        return [*kept, *wanted]
    escaped = {each.entry.value.memory for each in recording.escaping}
    escaped.update(each.memory for each in recording.path.shown)
    again = Recomputation(recording, escaped)
    for value in wanted:
        if (value in compared and value not in again.slots) or not again.possible(value):
            kept[value] = None
            again.kept.add(value)
    return [*kept, *again.numbers]


class Recomputation:
    """Finds the steps that make a value again from what a run has kept.

    Args:
        recording: the recording whose last segment is about to close.
        escaped: memories that results show, and that the caller may therefore write to.
    """

    def __init__(self, recording: Any, escaped: set) -> None:
        steps: list[Step] = recording.segment.steps
        self.makers = {step.output: step for step in steps if isinstance(step, Compute)}
        self.written = {step.target.memory for step in steps if isinstance(step, Write)}
        self.slots = recording.path.slot_of
        self.unstable = escaped
        self.kept: set[Value] = set()
        self.numbers: dict[Scalar, None] = {}

    def possible(self, value: Value, depth: int = 12) -> bool:
        """Can `value` be made again by a few elementwise steps?"""
        if value.memory in self.written or value.memory in self.unstable:
            return False
        if value in self.kept or value in self.slots:
            return True
        maker = self.makers.get(value)
        if maker is None or depth == 0 or maker.primitive.kind not in RECOMPUTED:
            return False
        inputs = [each for each in maker.inputs if isinstance(each, Value)]
        if not all(self.possible(each, depth - 1) for each in inputs):
            return False
        self.numbers.update((each, None) for each in maker.inputs if isinstance(each, Scalar))
        return True


def count_bytes(kept: Iterable[Value | Scalar], given: Iterable[Memory]) -> int:
    """Return what is kept in bytes, without what lies in memory that was `given`."""
    sizes: dict[Memory, int] = dict.fromkeys(given, 0)
    given = frozenset(sizes)
    for each in kept:
        if isinstance(each, Value) and each.memory not in given:
            size = each.size * each.dtype.itemsize
            sizes[each.memory] = max(size, sizes.get(each.memory, 0))
    return sum(sizes.values())
