"""Iterators of loops that are taken apart: over ranges, rows of tensors, and `zip` or `enumerate`.

Nobody but its loop has such an iterator. So a call that begins anew in the loop is not given the
iterator, but what it is made of: tensors, and the numbers that come next, whatever these are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin
from jitgrad.graph.recipes import Counting, Recipe
from jitgrad.ops.rows import RowIterator

RANGE_ITERATOR = type(iter(range(0)))

Form = tuple
"""What kind of an iterator it is: its class, and the forms of those that it runs over."""

RANGE: Form = (RANGE_ITERATOR,)
ROWS: Form = (RowIterator,)

OWN = {
    RANGE_ITERATOR: ("the range's next", "the range's end", "the range's step"),
    RowIterator: ("the tensor of the rows", "the next row", "the grad mode of the rows"),
    enumerate: ("the enumeration's next",),
    zip: (),
}
"""By class, what an iterator is made of beside those that it runs over."""


def form_of(it: Any) -> Form | None:
    """Return the form of an iterator, None if it cannot be taken apart."""
    kind = type(it)
    if kind is RowIterator:
        return ROWS if it.is_as_it_began else None
    if kind not in OWN:
        return None
    forms = [form_of(each) for each in _inner(it)]
    return None if None in forms or (kind is zip and not forms) else (kind, *forms)


def _inner(it: Any) -> Sequence[Any]:
    """Return the iterators that one runs over."""
    kind = type(it)
    if kind is zip:
        _, inner, *strict = it.__reduce__()
        return inner if not strict else (None,)
    return it.__reduce__()[1][:1] if kind is enumerate else ()


def _each(form: Form, at: int = 0) -> Iterator[tuple[type, int]]:
    """Yield the classes of all iterators in a form, and the number of the first part of each."""
    kind, *inner = form
    yield kind, at
    at += len(OWN[kind])
    for each in inner:
        yield from _each(each, at)
        at += width_of(each)


@functools.cache
def names_of(form: Form) -> tuple[str, ...]:
    """Return what the parts of an iterator are called."""
    return tuple(name for kind, _ in _each(form) for name in OWN[kind])


def width_of(form: Form | None) -> int:
    """Return of how many parts an iterator is made; one for what is not taken apart."""
    return 1 if form is None else len(names_of(form))


def empty_of(form: Form) -> Any:
    """Return an iterator that stands for any of this form."""
    kind, *inner = form
    if kind is RANGE_ITERATOR:
        return iter(range(0))
    return RowIterator(wrap(np.empty(0))) if kind is RowIterator else kind(*map(empty_of, inner))


def runs_over_rows(form: Form) -> bool:
    """Is it the form of an iterator over rows, alone or beside others?"""
    return any(kind is RowIterator for kind, _ in _each(form))


def parts_of(it: Any) -> list[Any]:
    """Return what an iterator is made of."""
    kind = type(it)
    if kind is RowIterator:
        return [it.tensor, it.following, it.grad_enabled]
    if kind is RANGE_ITERATOR:
        _, (bounds,), index = it.__reduce__()
        left = bounds if index is None else bounds[index:]
        return [left.start, left.stop, left.step]
    own = [it.__reduce__()[1][1]] if kind is enumerate else []
    return [*own, *(part for each in _inner(it) for part in parts_of(each))]


def iterator_of(form: Form, parts: Iterator[Any]) -> Any:
    """Return a new iterator that is made of the next of these parts."""
    kind, *inner = form
    own = [next(parts) for _ in OWN[kind]]
    over = [iterator_of(each, parts) for each in inner]
    if kind is RANGE_ITERATOR:
        return iter(range(*own))
    return kind(*over, *own)


def steps_of(form: Form) -> list[int]:
    """Return which parts are the steps of ranges."""
    return [at + 2 for kind, at in _each(form) if kind is RANGE_ITERATOR]


def before(form: Form, parts: Sequence[Any]) -> dict[int, int]:
    """Return what those parts were that change from turn to turn."""
    found = {}
    for kind, at in _each(form):
        if kind is RANGE_ITERATOR:
            found[at] = parts[at] - parts[at + 2]
        elif kind is not zip:
            changing = at + (kind is RowIterator)
            found[changing] = parts[changing] - 1
    return found


class Turning:
    """How far such an iterator has come.

    Attributes:
        form: its form.
        counting: the numbers that it goes through itself; None of a `zip`. Those of an enumeration
            have no end.
        tensor: whose rows they are.
        grad_enabled: the grad mode when it began.
        inner: the states of those that it runs over.
    """

    __slots__ = ("counting", "form", "grad_enabled", "inner", "tensor")

    def __init__(self, form: Form, parts: Iterator[tuple[Any, Origin]]) -> None:
        self.form = form
        kind, *inner = form
        own = [next(parts) for _ in OWN[kind]]
        self.tensor: Any = None
        self.grad_enabled: Any = None
        self.counting: Counting | None = None
        if kind is RowIterator:
            (self.tensor, _), current, (self.grad_enabled, _) = own
            count = self.tensor._array.shape[0]
            self.counting = Counting(*current, count, KNOWN, 1, False)
        elif kind is enumerate:
            self.counting = Counting(*own[0], 0, KNOWN, 1, False)
        elif kind is RANGE_ITERATOR:
            current, end, (step, _) = own
            self.counting = Counting(*current, *end, step, False)
        self.inner = [Turning(each, parts) for each in inner]

    def parts(self) -> list[tuple[Any, Any]]:
        """Return what the iterator is made of, with origins."""
        count = self.counting
        found: list[tuple[Any, Any]] = []
        if count is not None:
            found.append((count.current, count.origin))
        if self.tensor is not None:
            found = [(self.tensor, IDENTIFIED), *found, (self.grad_enabled, KNOWN)]
        elif count is not None and not self.inner:
            found += [(count.stop, count.end), (count.step, KNOWN)]
        return [*found, *(part for each in self.inner for part in each.parts())]

    def counts(self) -> list[Counting]:
        """Return all numbers that change from turn to turn."""
        own = [] if self.counting is None else [self.counting]
        return [*own, *(each for inner in self.inner for each in inner.counts())]

    def ends(self) -> list[Counting]:
        """Return those of them that end the loop."""
        own = [] if self.counting is None or self.inner else [self.counting]
        return [*own, *(each for inner in self.inner for each in inner.ends())]


class Turned(Recipe):
    """Such an iterator, made of its parts."""

    __slots__ = ("_parts", "form", "key")

    def __init__(self, key: Any, form: Form, parts: tuple[Recipe, ...]) -> None:
        self.key = key
        self.form = form
        self._parts = parts

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            parts = [each.build(run) for each in self._parts]
            made = run.made[self.key] = iterator_of(self.form, iter(parts))
            origins = [each.origin for each in self._parts]
            run.register(made, self.key, [], Turning(self.form, zip(parts, origins)), "turning")
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return self._parts
