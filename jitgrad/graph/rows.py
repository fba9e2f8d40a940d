"""Loops over the rows of tensors, alone or beside other iterators (`zip`, `enumerate`).

Which row comes next is a number like any other, as in loops over ranges, and a row is what is at
that position. How the iterators of such loops are taken apart see `turning`.
"""

from __future__ import annotations

import operator
from typing import Any

from jitgrad import config
from jitgrad.dispatch import ONE_OF_SEVERAL, bind
from jitgrad.graph.counting import CountingRules
from jitgrad.graph.derivative import tracked
from jitgrad.graph.knowledge import FreshObject, is_plain_tensor
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Bounds, Origin, Runtime, parts
from jitgrad.graph.positions import Sources
from jitgrad.graph.recipes import Counting
from jitgrad.graph.turning import (
    RANGE,
    RANGE_ITERATOR,
    ROWS,
    Form,
    Turning,
    runs_over_rows,
)
from jitgrad.modes import state
from jitgrad.ops.rows import RowIterator, row
from jitgrad.ops.slicing import SELECT
from jitgrad.python.code import Op
from jitgrad.python.operations import EXHAUSTED

COMPARE = {"<": operator.lt, ">": operator.gt}
LOADING = (Op.CONST, Op.LOAD_GLOBAL)
"""Instructions that may come between two that make iterators."""


def has_rows(x: Any) -> bool:
    """Is it a tensor over which `iter` goes as the library says?"""
    return is_plain_tensor(x) and x._array.ndim > 0


class RowRules(CountingRules):
    """Iterators over rows of tensors, and loops over several iterators."""

    def known_rows(self, it: Any) -> FreshObject | None:
        """Return what is known of an iterator over rows that user code has in its hands."""
        known = self.object(it)
        return known if isinstance(known, FreshObject) and known.kind == "rows" else None

    def rows(self, x: Any) -> Any:
        """Return a new iterator over the rows of a tensor."""
        it = RowIterator(x)
        if self._begins_loop(x):
            return it, self._turning(
                it, ROWS, [(x, IDENTIFIED), (0, KNOWN), (it.grad_enabled, KNOWN)]
            )
        return it, self.fresh(it, "rows", [], Sources([(x, IDENTIFIED)], it.grad_enabled))

    def _turning(self, it: Any, form: Form, made_of: list[tuple[Any, Any]]) -> Origin:
        return self.fresh(it, "turning", [], Turning(form, iter(made_of)))

    def adopt_iterator(self, it: Any, form: Form, made_of: list[tuple[Any, Any]]) -> Origin:
        """Know an iterator with which a call begins anew."""
        if form == RANGE:
            bounds, origins = zip(*made_of)
            return self.adopt_counter(it, range(*bounds), list(origins))
        return self._turning(it, form, made_of)

    # -- loops over several iterators -------------------------------------------------------

    def turning_over(self, maker: Any, args: Any, ao: Any, own: list[tuple[Any, Any]]) -> Any:
        """Make a `zip` or `enumerate` that only its loop will have; None if that is not so.

        Args:
            own: what it is made of besides.
        """
        if not self._feeds_loop() or not args:
            return None
        forms, made_of = [], [*own]
        for each in zip(args, ao):
            apart = self._taken_apart(*each)
            if apart is None:
                return None
            forms.append(apart[0])
            made_of += apart[1]
        form = maker, *forms
        if not runs_over_rows(form):
            return None
        it = maker(*args, *(value for value, _ in own))
        return it, self._turning(it, form, made_of)

    def _is_turning(self, it: Any) -> bool:
        known = self.object(it)
        return isinstance(known, FreshObject) and known.kind == "turning"

    def _taken_apart(self, x: Any, xo: Any) -> tuple[Form, list[tuple[Any, Any]]] | None:
        """Return what an iterator over `x` would be made of."""
        if has_rows(x) and self.entry(x) is not None:
            return ROWS, [(x, IDENTIFIED), (0, KNOWN), (state.grad_enabled, KNOWN)]
        if type(x) is range and (xo is KNOWN or isinstance(xo, Bounds)):
            origins = xo.items if isinstance(xo, Bounds) else (KNOWN, KNOWN, KNOWN)
            return RANGE, list(zip((x.start, x.stop, x.step), origins))
        if self._is_turning(x):
            known: Any = self.object(x)
            return known.extra.form, known.extra.parts()
        return None

    def _begins_loop(self, x: Any) -> bool:
        """Does the instruction at hand begin a loop over `x`?"""
        frame = self.evaluator.frames[-1]
        op, *registers = frame.code.instructions[frame.pc]
        return op == Op.ITERATE and frame.values[registers[1]] is x

    def _feeds_loop(self) -> bool:
        """Is what the call at hand returns given to a loop, and to nobody else?

        Or to another such call.
        """
        frame = self.evaluator.frames[-1]
        code, pc = frame.code, frame.pc
        while True:
            op, made, *operands = code.instructions[pc]
            if op != Op.CALL or made < code.named_count:
                return False
            callee = frame.values[operands[0]]
            if callee is not zip and callee is not enumerate:
                return False
            pc += 1
            while code.instructions[pc][0] in LOADING:
                pc += 1
            op, _, *operands = code.instructions[pc]
            if op == Op.ITERATE:
                return operands[0] == made
            if op != Op.CALL or made not in operands[1]:
                return False

    # -- the next row -----------------------------------------------------------------------

    def advance_rows(self, it: RowIterator, known: FreshObject) -> Any:
        """Take the next row of an iterator that user code has in its hands."""
        held: Sources = known.extra
        ((x, _),) = held.sources
        if held.index >= x._array.shape[0]:
            known.kind, known.extra = "over", Sources([], type(it))
            return next(it, EXHAUSTED)
        found = self._row_at(x, held.index, KNOWN, held.start)
        if not self.active:
            return next(it), None
        held.index += 1
        it.following += 1
        return found

    def advance_turning(self, it: Any, known: FreshObject) -> Any:
        """Take what comes next in a loop, as an instruction of its own."""
        turning: Turning = known.extra
        ends = turning.ends()
        if all(each.is_known for each in ends):
            left = min(map(_left, ends))
            if left + ends[0].turns > config.unroll:
                self._turn()
            goes_on = left > 0
        else:
            goes_on = self._goes_on(ends)
        counts, following = turning.counts(), []
        found = None
        if goes_on and self.active:
            self.begin()
            found = self._taken(turning)
            following = [self._following(each) for each in counts if self.active]
        recording, state.recorder = state.recorder, None
        try:
            # it goes along, for whoever goes on with it
            value = next(it, EXHAUSTED)
        finally:
            state.recorder = recording
        if value is EXHAUSTED:
            return EXHAUSTED
        if not self.active:
            return value, None
        for each, (current, origin) in zip(counts, following):
            each.current, each.origin = current, origin
            each.turns += 1
        return found

    def _goes_on(self, ends: list[Counting]) -> bool:
        """Decide whether all of these have something left."""
        goes_on = all(map(_left, ends))
        if not all(_left(each) for each in ends if each.is_known):
            return False
        value, origin = True, KNOWN
        self.begin()
        for each in ends:
            symbol = "<" if each.step > 0 else ">"
            both = (each.current, each.stop), (each.origin, each.end)
            if each.is_known or not self.active:
                continue
            left, lo = self._number(f"{{0}} {symbol} {{1}}", COMPARE[symbol], *both, False, True)
            if origin is KNOWN:
                value, origin = left, lo
            elif self.active:
                both = (value, left), (origin, lo)
                value, origin = self._number("{0} & {1}", operator.and_, *both, False, True)
        if self.active:
            assert isinstance(origin, Runtime)
            self._decide(origin.scalar, False, goes_on, goes_on)
        return goes_on

    def _following(self, count: Counting) -> tuple[int, Any]:
        """Return the number behind the next one, with its origin."""
        both = (count.current, count.step), (count.origin, KNOWN)
        if count.origin is KNOWN:
            return sum(both[0]), KNOWN
        return self._number("{0} + {1}", operator.add, *both, False, True)

    def _taken(self, turning: Turning) -> Any:
        """Return what comes next, with its origin; anything where the recording has ended."""
        (kind, *_), count = turning.form, turning.counting
        inner = [self._taken(each) for each in turning.inner]
        if not self.active:
            return None
        if count is not None:
            inner.insert(0, (count.current, count.origin))
        if kind is RowIterator:
            at, origin = inner[0]
            return self._row_at(turning.tensor, at, origin, turning.grad_enabled)
        if kind is RANGE_ITERATOR:
            return inner[0]
        return tuple(value for value, _ in inner), parts(origin for _, origin in inner)

    def _row_at(self, x: Any, at: int, origin: Any, grad_enabled: bool) -> Any:
        """Show a row, which is there, as one of several that were made in this grad mode."""
        if origin is KNOWN:
            return self.perform(row, (x, at, grad_enabled), (IDENTIFIED, KNOWN, KNOWN))
        count = x._array.shape[0]
        # programs that compute ahead of their tests must not read beyond the tensor
        place, origin = self._number(
            f"range({count})[{{0}}]", range(count).__getitem__, (at,), (origin,), True, True
        )
        if not self.active:
            return None
        before, state.grad_enabled = state.grad_enabled, grad_enabled
        try:
            made = bind(SELECT, x, tracked(place, origin.scalar), dim=0)
        finally:
            state.grad_enabled = before
        if grad_enabled:
            made._unfollowed = ONE_OF_SEVERAL
        return self._result(made) if self.active else None


def _left(count: Counting) -> int:
    """Return how many numbers are left, which may be more than `len` can tell."""
    return max(-((count.current - count.stop) // count.step), 0)
