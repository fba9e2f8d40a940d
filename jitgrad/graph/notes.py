"""What is noted while a function runs, for its report: misses and their reasons, what Python costs.

A miss is told in words where it happens, so that nothing has to be kept of what was found.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from jitgrad.dispatch import TensorCore
from jitgrad.dtypes import FROM_NUMPY
from jitgrad.graph.entrance import Entrance, Going
from jitgrad.graph.facts import Fact, tensor_key
from jitgrad.graph.host_calls import perform
from jitgrad.graph.lookups import name_of
from jitgrad.graph.naming import Outside, entry_names
from jitgrad.graph.path_writer import SAMPLED
from jitgrad.graph.replay import Miss
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Branch, Segment

KEPT = 16
"""How many misses, and times of calls, are remembered."""
SHOWN = 3
"""Of how many candidates, the newest, a miss is explained."""

HISTORIES = (
    "",
    " that requires grad",
    " with a history",
    " that requires grad, with hooks",
    " with a history and hooks",
)
"""By the kind of history in `tensor_key`."""
PLAIN = (int, float, bool, str, bytes, type(None))


class Missed(NamedTuple):
    """Why a call had to be recorded.

    Attributes:
        call: the number of the call, from 1.
        line: the file and line where the recording began.
        why: in words.
    """

    call: int
    line: tuple[str, int]
    why: str


TIMED = 64
"""How often something is timed each time that Python performs it; beyond, now and then."""


class Cost:
    """How often Python performed something, and the seconds that it took.

    Attributes:
        count: how often.
        first: the seconds of the first TIMED times.
        later: the seconds of those of the others that were timed, `timed` of them.
    """

    def __init__(self) -> None:
        self.count = self.timed = 0
        self.first = self.later = 0.0

    def add(self, seconds: float) -> None:
        """Note what it has taken."""
        if self.count <= TIMED:
            self.first += seconds
        else:
            self.timed += 1
            self.later += seconds

    @property
    def seconds(self) -> float:
        """What it took, as far as one can tell from when it was timed."""
        each = self.later / self.timed if self.timed else 0.0
        return self.first + each * max(self.count - TIMED, 0)


class Notes:
    """What was noted of one function.

    Args:
        function: the function.

    Attributes:
        misses: the latest ones.
        performed: by file and line what was left to Python, and what it took.
        samples: the seconds that the latest ones of some calls took in which nothing was recorded.
        kept_before: the number of the latest call that went on from place to place, and the bytes
            that it kept for a backward pass before the last part.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self.misses: deque[Missed] = deque(maxlen=KEPT)
        self.performed: dict[tuple[str, int], Cost] = {}
        self.samples: deque[float] = deque(maxlen=KEPT)
        self.kept_before: tuple[int, int] = 0, 0

    def keep(self, call: int, count: int) -> None:
        """Note that a call keeps so many bytes more on its way."""
        before, kept = self.kept_before
        self.kept_before = call, count + (kept if before == call else 0)

    def perform(self, going: Going, hopeless: set) -> Any:
        """Let Python perform what was left to it, and note what that costs."""
        line = going.layout.line
        cost = self.performed.get(line)
        if cost is None:
            cost = self.performed.setdefault(line, Cost())
        count = cost.count = cost.count + 1
        if count > TIMED and count & SAMPLED:
            return perform(going, hopeless)
        began = time.perf_counter()
        try:
            return perform(going, hopeless)
        finally:
            cost.add(time.perf_counter() - began)

    def miss_at_entrance(self, call: int, entrance: Entrance, values: list, names: tuple) -> None:
        """Note why no entry of `entrance` fits to these values."""
        code = self.function.__code__
        layout = entrance.layout
        line = (code.co_filename, code.co_firstlineno) if layout is None else layout.line
        key = entrance.key(values, names)
        arguments = entry_names(self.function, layout, key)
        candidates = entrance.entries.get(key)
        if candidates:
            run = Run(values)
            found = [
                _failure(each, run, Outside(each, arguments, None))
                for each in candidates[: -SHOWN - 1 : -1]
            ]
            why = "; ".join(dict.fromkeys(each for each in found if each))
        elif key in entrance.reopened:
            why = entrance.reopened[key]
        elif entrance.entries:
            known = entrance.reachable() or entrance.entries
            why = _nearest(key, list(known), arguments)
        else:
            why = "it was the first time"
        self.misses.append(Missed(call, line, why))

    def miss_at_site(self, call: int, entrance: Entrance, miss: Miss, run: Run) -> None:
        """Note why no segment behind a site fits."""
        branch: Branch = miss.branch
        candidates = branch.outcomes.get(miss.outcome)
        if not candidates:
            new = f"the outcome {outcome_text(miss.outcome)} was new"
            why = branch.reopened.get(miss.outcome, new)
        else:
            path = miss.segment.path()
            known = list(entrance.entries.items())
            # where loops turn several times in a row now, the traces of one turn are dropped
            key = next((key for key, firsts in known if path[0] in firsts), ())
            arguments = entry_names(self.function, entrance.layout, key)
            before = None
            for each in path:
                before = Outside(each, arguments, before)
            found = [
                _failure(each, run, Outside(each, arguments, before))
                for each in candidates[: -SHOWN - 1 : -1]
            ]
            why = "; ".join(dict.fromkeys(each for each in found if each))
        self.misses.append(Missed(call, branch.line, why))


def outcome_text(outcome: Any) -> str:
    """Return what decided, as text."""
    if outcome is None:
        return "to go on"
    return repr(outcome[1]) if isinstance(outcome, tuple) else str(outcome)


def _failure(segment: Segment, run: Run, outside: Outside) -> str:
    """Return which fact of `segment` does not hold, and what was found instead."""
    roots, slots = len(run.roots), len(run.slots)
    try:
        for fact in segment.facts:
            if not fact.holds(run):
                return _told(fact, run, outside)
    finally:
        run.forget(roots, slots)
    return ""


def _told(fact: Fact, run: Run, outside: Outside) -> str:
    place = getattr(fact, "place", None)
    told = f"not ({fact.text(outside)})"
    if place is None:
        return told
    found = describe(place.look(run))
    if fact.text(outside).endswith(found):
        return f"{told}: its memory is shared in another way"
    return f"{told}: it was {found}"


def describe(value: Any) -> str:
    """Return in a few words what was found, without running user code."""
    kind = type(value)
    if isinstance(value, TensorCore):
        return part_text(tensor_key(value))
    if kind in PLAIN:
        shown = repr(value)
        return shown if len(shown) <= 40 else f"{shown[:37]}..."
    return part_text(kind)


def part_text(part: Any) -> str:
    """Return in words what an entry's key knows of one argument."""
    if isinstance(part, type):
        name = name_of(part)
        return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"
    if len(part) > 4:
        _, shape, _, dtype, kind, *_ = part
        return f"a tensor {tuple(shape)} {FROM_NUMPY[dtype].name}{HISTORIES[kind]}"
    return describe(part[-1])


def _nearest(key: Any, known: list, arguments: list[str]) -> str:
    """Return in what `key` differs from the one of the known keys that is most like it."""

    def differing(other: Any) -> list[int]:
        return [at for at, (mine, part) in enumerate(zip(key, other)) if mine != part]

    alike = [each for each in known if len(each) == len(key) and each[2] == key[2]]
    if not alike:
        return f"it was called with {', '.join(arguments) or 'no arguments'}"
    other = min(alike, key=lambda each: len(differing(each)))
    told = []
    for at in differing(other):
        if at == 0:
            told.append(f"grad mode was {key[0]}")
        elif at == 1:
            told.append(f"the default dtype was {key[1]}")
        else:
            told.append(f"{arguments[at - 3]} was {_differently(key[at], other[at])}")
    return "; ".join(told)


def _differently(part: Any, other: Any) -> str:
    found, expected = part_text(part), part_text(other)
    if found == expected:
        return f"{found} with other strides"
    return f"{found}, not {expected}"
