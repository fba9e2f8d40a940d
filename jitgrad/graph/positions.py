"""Iterators at a place: how a replay makes them again, to go on from where they were."""

from __future__ import annotations

import functools
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.contents import content_class
from jitgrad.graph.recipes import Recipe
from jitgrad.ops.rows import RowIterator
from jitgrad.python.driven import END, Feed, IndexedFeed

OVER = -1
"""In place of the steps of an iterator that has said that there is no more."""


class Sources:
    """What an iterator runs over: sources with their origins, and how far it has come.

    What `start` means depends on the kind of the iterator, see `ITERATORS`.
    """

    __slots__ = ("drawn", "index", "sources", "start")

    def __init__(self, sources: list[tuple[Any, Any]], start: Any = 0, index: int = 0) -> None:
        self.sources = sources
        self.index = index
        self.start = start
        self.drawn: Any = None

    def values(self) -> list[Any]:
        """Return the sources without their origins."""
        return [value for value, _ in self.sources]


def own_iterator(x: Any) -> Any:
    """Return the iterator of `x` that its class has from a built-in one, if it is derived."""
    base: Any = content_class(type(x))
    return iter(x) if base is None else base.__iter__(x)


def _behind(it: Any, index: int) -> Any:
    # what a list has got since its iterator came to the end is not for that
    for _ in it if index == OVER else zip(range(index), it):
        pass
    return it


def _reversed(sources: list[Any], start: int, index: int) -> Any:
    made: Any = reversed(sources[0])
    if type(sources[0]) is not list:
        return _behind(made, index)
    # its length may be another than when this began
    made.__setstate__(start - 1 - index)
    return made


def _put_forward(made: Any, feed: Feed, items: list[Any]) -> Any:
    """Let an iterator take these from one of its feeds, which has nothing else yet."""
    rest, feed.waiting = feed.waiting, items
    while feed.waiting:
        next(made, None)
    feed.waiting = rest
    return made


def _accumulating(sources: list[Any], start: Any, index: int) -> Any:
    source, function, *total = sources
    if not total:
        return itertools.accumulate(source, function)
    made = itertools.accumulate(source, function, initial=total[0])
    if index:
        next(made)
    return made


def _dropping(sources: list[Any], start: Any, index: int) -> Any:
    function, source = sources
    made = itertools.dropwhile(function, source)
    if index:
        function.waiting = [False]
        _put_forward(made, source, [None])
    return made


def _cycling(sources: list[Any], start: int, index: int) -> Any:
    source, *saved = sources
    made = itertools.cycle(source)
    if not start:
        return _put_forward(made, source, saved)
    _put_forward(made, source, [*saved, END])
    # which has begun the second time
    return _behind(made, start - 1)


def _indexing(source: Any, index: int) -> Any:
    made: Any = iter(source)
    made.__setstate__(index)
    return made


def _pairing(sources: list[Any], start: Any, index: int) -> Any:
    source, *before = sources
    made = itertools.pairwise(source)
    return _put_forward(made, source, [None, *before]) if before else made


def _flattening(sources: list[Any], start: Any, index: int) -> Any:
    source, *current = sources
    made = itertools.chain.from_iterable(source)
    for each in current:
        rest, each.waiting = each.waiting, [None]
        _put_forward(made, source, [each])
        each.waiting = rest
    return made


def _finished(made: Any) -> Any:
    next(made, None)
    return made


_ENDS: tuple[Callable[[], Any], ...] = (
    *(functools.partial(lambda kind: iter(kind()), kind) for kind in (list, str, dict, set, deque)),
    *(functools.partial(lambda kind: kind(()), kind) for kind in (enumerate, zip, itertools.chain)),
    *(functools.partial(lambda kind: kind(bool, ()), kind) for kind in (map, filter)),
    lambda: iter(()),
    lambda: iter(range(0)),
    lambda: RowIterator(wrap(np.empty(0))),
    lambda: iter({}.values()),
    lambda: iter({}.items()),
    lambda: reversed([]),
    lambda: reversed(()),
    lambda: reversed({}),
    lambda: reversed({}.values()),
    lambda: reversed({}.items()),
    lambda: iter(OrderedDict()),
    lambda: itertools.accumulate(()),
    lambda: itertools.combinations((), 1),
    lambda: itertools.combinations_with_replacement((), 1),
    lambda: itertools.compress((), ()),
    lambda: itertools.cycle(()),
    lambda: itertools.dropwhile(bool, ()),
    lambda: itertools.filterfalse(bool, ()),
    lambda: itertools.islice((), 0),
    lambda: itertools.pairwise(()),
    lambda: itertools.permutations((), 1),
    lambda: itertools.product(()),
    lambda: itertools.repeat(None, 0),
    lambda: itertools.starmap(bool, ()),
    lambda: itertools.takewhile(bool, ()),
    lambda: itertools.zip_longest(()),
    lambda: _finished(iter(int, 0)),
    lambda: _finished(iter(IndexedFeed(()))),
)
ENDED = {type(make()): make for make in _ENDS}
"""What makes an iterator of a class that has said that there is no more."""

ITERATORS: dict[str, Callable[[list[Any], Any, int], Any]] = {
    "iterator": lambda sources, start, index: _behind(own_iterator(sources[0]), index),
    "reversed": _reversed,
    "enumerate": lambda sources, start, index: enumerate(sources[0], start + index),
    "zip": lambda sources, start, index: zip(*sources),
    "zip_longest": lambda sources, start, index: itertools.zip_longest(
        *sources[1:], fillvalue=sources[0]
    ),
    "chain": lambda sources, start, index: itertools.chain(*sources),
    "islice": lambda sources, start, index: itertools.islice(
        sources[0], start[0] - index, None if start[1] is None else start[1] - index, start[2]
    ),
    "repeat": lambda sources, start, index: (
        itertools.repeat(sources[0])
        if start is None
        else itertools.repeat(sources[0], start - index)
    ),
    "count": lambda sources, start, index: itertools.count(start[0] + index * start[1], start[1]),
    "over": lambda sources, start, index: ENDED.get(start, ENDED[type(iter(()))])(),
    "drawn": lambda sources, start, index: _behind(start(*sources), index),
    "rows": lambda sources, start, index: RowIterator(sources[0], index, start),
    "map": lambda sources, start, index: map(*sources),
    "starmap": lambda sources, start, index: itertools.starmap(*sources),
    "filter": lambda sources, start, index: filter(*sources),
    "filterfalse": lambda sources, start, index: itertools.filterfalse(*sources),
    "compress": lambda sources, start, index: itertools.compress(*sources),
    "strict zip": lambda sources, start, index: zip(*sources, strict=True),
    "sequence": lambda sources, start, index: _indexing(sources[0], index),
    "takewhile": lambda sources, start, index: itertools.takewhile(*sources),
    "until": lambda sources, start, index: iter(*sources),
    "accumulate": _accumulating,
    "cycle": _cycling,
    "dropwhile": _dropping,
    "flattened": _flattening,
    "pairwise": _pairing,
}
"""How iterators are made again: from their sources, `start`, and the steps so far.

Those that run over other iterators share these with what was made before, so that they are where
they were. `start` of "reversed" is the length when it began, of "islice" the position that comes
next, the end and the step, of "repeat" how often, of "count" the first number and the step, of
"drawn" the function that makes it, of "rows" the grad mode when it began, of "cycle" the steps
behind the first round, of "over" the class.
"""


class Position(Recipe):
    """An iterator over containers that are known, at a known place."""

    __slots__ = ("index", "key", "kind", "sources", "start")

    def __init__(
        self, key: Any, kind: str, sources: tuple[Recipe, ...], index: int, start: Any
    ) -> None:
        self.key = key
        self.kind = kind
        self.sources = sources
        self.index = index
        self.start = start

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            sources = [each.build(run) for each in self.sources]
            made = run.made[self.key] = ITERATORS[self.kind](sources, self.start, self.index)
            held = [(source, each.origin) for source, each in zip(sources, self.sources)]
            # the changes of a deque are counted anew
            start = 0 if self.kind == "iterator" and type(sources[0]) is deque else self.start
            run.register(made, self.key, [], Sources(held, start, self.index), self.kind)
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return self.sources


class Fed(Recipe):
    """A feed, with what waits in it."""

    __slots__ = ("key", "kind", "source", "waiting")

    def __init__(self, key: Any, kind: type, source: Recipe, waiting: tuple[Recipe, ...]) -> None:
        self.key = key
        self.kind: Any = kind
        self.source = source
        self.waiting = waiting

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            source = self.source.build(run)
            made = run.made[self.key] = self.kind(source)
            made.waiting = [each.build(run) for each in self.waiting]
            origins = [each.origin for each in self.waiting]
            run.register(made, self.key, origins, (source, self.source.origin), "feed")
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return (self.source, *self.waiting)
