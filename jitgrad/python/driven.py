"""What iterators written in C that have a state of their own do, said in Python.

An evaluator that records evaluates these in their place. The iterator itself goes along: it is
given what the recording has taken and computed, by *feeds*, and so is where it should be for
whoever goes on with it.
"""

# They are what they stand for, step by step, not what one would write.
# ruff: noqa: SIM210

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "END",
    "FILE",
    "NAMESPACE",
    "Feed",
    "IndexedFeed",
    "accumulate_next",
    "added",
    "chain_next",
    "cycle_next",
    "drawn",
    "dropwhile_next",
    "ends",
    "enumerate_next",
    "feed",
    "hold",
    "islice_next",
    "iterating",
    "pairwise_next",
    "passed_on",
    "sequence_next",
    "takewhile_next",
    "through",
    "until_next",
]

FILE: Final = __file__
NAMESPACE: Final = globals()
END: Final = object()


class Feed:
    """What an iterator runs over, or calls: first what waits here, then `source` itself."""

    __slots__ = ("source", "waiting")

    def __init__(self, source: Any) -> None:
        self.source = source
        self.waiting: list[Any] = []

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Any:
        if not self.waiting:
            return next(self.source)
        item = self.waiting.pop(0)
        if item is END:
            raise StopIteration
        return item

    def __call__(self, *args: Any) -> Any:
        return self.waiting.pop(0) if self.waiting else self.source(*args)


class IndexedFeed:
    """What an iterator asks for one item after the other: one that waits here, or of `source`."""

    __slots__ = ("source", "waiting")

    def __init__(self, source: Any) -> None:
        self.source = source
        self.waiting: list[Any] = []

    def __getitem__(self, index: int) -> Any:
        if not self.waiting:
            return self.source[index]
        item = self.waiting.pop(0)
        if item is END:
            raise IndexError
        return item


def feed(source):
    return Feed(source)


def through(iterator):
    """Return an iterator of which `iter` would return itself."""
    return Feed(iterator)


def added(total, item):
    return total + item


def hold(target, item):
    """Let a feed hand out an item before anything else."""
    target.waiting.append(item)


def drawn(this: Any, item: Any, changes: Any = False) -> Any:
    """Take from an iterator what it makes of the item that waits for it."""
    return next(this)


def ends(this, lasting):
    """Let an iterator find that there is no more; if `lasting`, it asks for no more after that."""
    return next(this)


def iterating(make, wrap, before, iterables, after, /, **named):
    """Make an iterator over iterators over these."""
    return make(*before, *[wrap(iter(each)) for each in iterables], *after, **named)


def enumerate_next(this, source):
    for item in source:
        hold(source, item)
        return drawn(this, item)
    hold(source, END)
    return ends(this, False)


def islice_next(this, source, skip, has_more):
    for _ in range(skip):
        for item in source:
            hold(source, item)
            break
        else:
            hold(source, END)
            return ends(this, True)
    if has_more:
        for item in source:
            hold(source, item)
            return drawn(this, item)
        hold(source, END)
    return ends(this, True)


def accumulate_next(this, source, function, *total):
    for item in source:
        result = function(total[0], item) if total else item
        hold(source, item)
        if total:
            hold(function, result)
        return drawn(this, result)
    hold(source, END)
    return ends(this, False)


def takewhile_next(this, function, source):
    for item in source:
        goes_on = True if function(item) else False
        hold(source, item)
        hold(function, goes_on)
        return drawn(this, item) if goes_on else ends(this, True)
    hold(source, END)
    return ends(this, False)


def dropwhile_next(this, function, source):
    for item in source:
        if not function(item):
            hold(source, item)
            hold(function, False)
            return drawn(this, item)
    hold(source, END)
    return ends(this, False)


def passed_on(this, function, source):
    return next(source)


def cycle_next(this, source, *saved):
    for item in source:
        hold(source, item)
        return drawn(this, item)
    hold(source, END)
    return drawn(this, saved[0], True) if saved else ends(this, False)


def pairwise_next(this, source, *before):
    if not before:
        for item in source:
            hold(source, item)
            before = (item,)
            break
        else:
            hold(source, END)
            return ends(this, True)
    for item in source:
        hold(source, item)
        return drawn(this, (before[0], item))
    hold(source, END)
    return ends(this, True)


def chain_next(this, source, *current):
    for each in current:
        for item in each:
            hold(each, item)
            return drawn(this, item)
        hold(each, END)
    for iterable in source:
        each = feed(iter(iterable))
        hold(source, each)
        for item in each:
            hold(each, item)
            return drawn(this, item, each)
        hold(each, END)
    hold(source, END)
    return ends(this, True)


def until_next(this, function, last):
    item = function()
    if last == item:
        hold(function, last)
        return ends(this, True)
    return item


def sequence_next(this, source, index):
    item, is_over = None, False
    try:
        item = source[index]
    except (IndexError, StopIteration):
        is_over = True
    # outside of the handler: what ends the iterator has no context
    if is_over:
        hold(source, END)
        return ends(this, True)
    hold(source, item)
    return drawn(this, item)
