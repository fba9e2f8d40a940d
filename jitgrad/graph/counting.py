"""Loops over `range`: iterators that a recording sees through, with bounds of run time.

How far such an iterator has come is a number like any other. So a loop that begins anew behind some
of its turns begins with that number, whatever it is, and with the end that it counts to.
"""

from __future__ import annotations

from typing import Any

from jitgrad import config
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import KNOWN, Bounds, Origin, Runtime
from jitgrad.graph.performing import Performing
from jitgrad.graph.recipes import Counting
from jitgrad.python.operations import EXHAUSTED

KIND = "counter"
"""The kind of a `FreshObject` that is an iterator over a range."""


class CountingRules(Performing):
    """Ranges and the iterators over them."""

    def make_range(self, args: Any, origins: Any) -> Any:
        """Model `range`, whose bounds may be numbers of run time."""
        if not all(type(each) is int for each in args) or not 1 <= len(args) <= 3:
            return None
        if all(each is KNOWN for each in origins):
            return self._folded(range, args)
        whole = [(0, KNOWN), *zip(args, origins)] if len(args) == 1 else list(zip(args, origins))
        whole += [(1, KNOWN)] * (3 - len(whole))
        if whole[2][1] is not KNOWN or whole[2][0] == 0:
            return None
        if not all(origin is KNOWN or isinstance(origin, Runtime) for _, origin in whole):
            return None
        return range(*args), Bounds(tuple(origin for _, origin in whole))

    def count(self, bounds: range, origin: Any, exposed: bool = False) -> Any:
        """Return a new iterator over a range."""
        first, last, _ = origin.items if isinstance(origin, Bounds) else (KNOWN, KNOWN, KNOWN)
        it = iter(bounds)
        state = Counting(bounds.start, first, bounds.stop, last, bounds.step, exposed)
        return it, self.fresh(it, KIND, [], state)

    def adopt_counter(self, it: Any, bounds: range, origins: list[Origin]) -> Origin:
        """Know the iterator with which a call begins anew."""
        first, last, step = origins
        assert step is KNOWN
        state = Counting(bounds.start, first, bounds.stop, last, bounds.step, False)
        return self.fresh(it, KIND, [], state)

    def advance_counter(self, it: Any, known: FreshObject) -> Any:
        """Advance such an iterator, as an instruction of its own."""
        state: Counting = known.extra
        if state.is_known:
            if len(range(state.current, state.stop, state.step)) + state.turns > config.max_range:
                self._turn()
            origin = self.next_of_counter(state)
            value = next(it, EXHAUSTED)
            return EXHAUSTED if value is EXHAUSTED else (value, origin)
        symbol = "<" if state.step > 0 else ">"
        goes_on, origin = self.compare(  # type: ignore[misc]
            symbol, state.current, state.origin, state.stop, state.end
        )
        if self.active:
            assert isinstance(origin, Runtime)
            self._decide(origin.scalar, False, goes_on, goes_on)
        value = next(it, EXHAUSTED)
        if value is EXHAUSTED:
            return EXHAUSTED
        found = state.origin if self.active else None
        if self.active:
            _, state.origin = self.binary("+", state.current, state.origin, state.step, KNOWN)  # type: ignore[misc]
            state.current += state.step
        return value, found

    def next_of_counter(self, state: Counting) -> Origin | None:
        """Count one step of an iterator whose bounds are known; None at its end."""
        if not len(range(state.current, state.stop, state.step)):
            return None
        state.current += state.step
        state.turns += 1
        return KNOWN
