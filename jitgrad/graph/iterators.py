"""Iterators that built-in functions and `itertools` make: what comes next, and from where."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from jitgrad.graph.containers import ContainerRules
from jitgrad.graph.counting import KIND
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import KNOWN, Origin, parts
from jitgrad.graph.positions import ITERATORS, Sources
from jitgrad.python import stand_ins
from jitgrad.python.operations import EXHAUSTED

STEPS = {
    "map": stand_ins.map_next,
    "starmap": stand_ins.starmap_next,
    "filter": stand_ins.filter_next,
    "zip": stand_ins.zip_next,
}
"""What iterators do for each element that call a function for it."""

DRAWN = frozenset({
    itertools.product, itertools.permutations, itertools.combinations,
    itertools.combinations_with_replacement, itertools.pairwise,
})  # fmt: skip
"""Makers of iterators that only put together what they are given, which they keep."""


class IteratorRules(ContainerRules):
    """Iterators made in the call."""

    def is_iterator(self, x: Any) -> bool:
        known = self.object(x)
        return isinstance(known, FreshObject) and (known.kind == KIND or known.kind in ITERATORS)

    def calls_back(self, it: Any) -> bool:
        known = self.object(it)
        if not isinstance(known, FreshObject) or known.extra is None:
            return False
        if known.kind in STEPS and known.kind != "zip":
            return True
        return known.kind == "zip" and any(map(self.calls_back, known.extra.values()))

    def step(self, known: FreshObject) -> Any:
        held = known.extra
        origins = [origin for _, origin in held.sources]
        return self._enter(STEPS[known.kind], KNOWN, held.values(), origins, {}, {})

    def next_of_kind(self, kind: str, held: Any) -> Origin | None:
        if kind in ("enumerate", "zip"):
            inner = []
            for source, _ in held.sources:
                origin = self._next_of(source)
                if origin is None:
                    return None
                inner.append(origin)
            return parts((KNOWN, *inner) if kind == "enumerate" else inner)
        return getattr(self, f"_next_{kind}")(held)

    def _next_of(self, source: Any) -> Origin | None:
        known = self.object(source)
        assert isinstance(known, FreshObject)
        return self._next_origin(known)

    def _next_reversed(self, held: Any) -> Origin | None:
        at = held.start - 1 - held.index
        ((x, xo),) = held.sources
        return None if at < 0 else self._origin_at(x, xo, at)

    def _next_zip_longest(self, held: Any) -> Origin | None:
        (_, fill), *sources = held.sources
        found = [self._next_of(source) for source, _ in sources]
        if all(each is None for each in found):
            return None
        return parts(fill if each is None else each for each in found)

    def _next_chain(self, held: Any) -> Origin | None:
        for source, _ in held.sources:
            origin = self._next_of(source)
            if origin is not None:
                return origin
        return None

    def _next_islice(self, held: Any) -> Origin | None:
        start, stop = held.start
        if stop is not None and held.index >= stop:
            return None
        for _ in range(held.index, start):
            if self._next_of(held.sources[0][0]) is None:
                return None
            held.index += 1
        return self._next_of(held.sources[0][0])

    def _next_repeat(self, held: Any) -> Origin | None:
        done = held.start is not None and held.index >= held.start
        return None if done else held.sources[0][1]

    def _next_count(self, held: Any) -> Origin | None:
        return KNOWN

    def _next_drawn(self, held: Any) -> Origin | None:
        if held.drawn is None:
            held.drawn = list(held.start(*(self._items(*each) for each in held.sources)))
        return parts(held.drawn[held.index]) if held.index < len(held.drawn) else None

    # -- what makes them ---------------------------------------------------------------------

    def make_iterator(self, kind: str, sources: list[tuple[Any, Any]], start: Any = 0) -> Any:
        """Make an iterator of the call."""
        made = ITERATORS[kind]([value for value, _ in sources], start, 0)
        return made, self.fresh(made, kind, [], Sources(sources, start))

    def iterators_over(self, args: Any, ao: Any) -> list[tuple[Any, Any]] | None:
        """Return iterators over each of the arguments; None if one cannot be followed."""
        if not all(
            self.is_iterator(x) or self._elements(x, xo) is not None for x, xo in zip(args, ao)
        ):
            return None
        return [self.iterate(x, xo) for x, xo in zip(args, ao)]

    def _over_iterators(self, kind: str, first: list, args: Any, ao: Any, start: Any = 0) -> Any:
        inner = self.iterators_over(args, ao)
        if inner is None:
            return None
        if kind not in STEPS and any(self.calls_back(each) for each, _ in inner):
            # whose steps change what it remembers itself
            return None
        return self.make_iterator(kind, [*first, *inner], start)

    def model_enumerate(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) + len(kwargs) not in (1, 2) or not args or not set(kwargs) <= {"start"}:
            return None
        start, known = 0, KNOWN
        if len(args) == 2:
            start, known = args[1], ao[1]
        elif kwargs:
            start, known = kwargs["start"], ko["start"]
        if type(start) is not int or self.fixed(start, known) is not KNOWN:
            return None
        return self._over_iterators("enumerate", [], args[:1], ao[:1], start)

    def model_zip(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs and (set(kwargs) != {"strict"} or ko["strict"] is not KNOWN):
            return None
        if kwargs.get("strict"):
            found = [self._elements(*each) for each in zip(args, ao)]
            if any(each is None for each in found) or len(set(map(len, found))) > 1:  # type: ignore[arg-type]
                return None
        return self._over_iterators("zip", [], args, ao)

    def model_map(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) < 2:
            return None
        return self._over_iterators("map", [(args[0], ao[0])], args[1:], ao[1:])

    def model_filter(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        return self._over_iterators("filter", [(args[0], ao[0])], args[1:], ao[1:])

    def model_starmap(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        return self._over_iterators("starmap", [(args[0], ao[0])], args[1:], ao[1:])

    def model_reversed(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1 or type(args[0]) not in (list, tuple, range, str):
            return None
        found = self._elements(args[0], ao[0])
        return None if found is None else self.make_iterator(
            "reversed", [(args[0], ao[0])], len(found)
        )  # fmt: skip

    def model_chain(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return None if kwargs else self._over_iterators("chain", [], args, ao)

    def model_from_iterable(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1 or type(args[0]) is not tuple:
            # a list is looked at while the chain runs
            return None
        found = self._elements(args[0], ao[0])
        if found is None:
            return None
        return self._over_iterators("chain", [], [v for v, _ in found], [o for _, o in found])

    def model_zip_longest(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if not set(kwargs) <= {"fillvalue"}:
            return None
        fill = (kwargs.get("fillvalue"), ko.get("fillvalue", KNOWN))
        return self._over_iterators("zip_longest", [fill], args, ao)

    def model_islice(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        bounds = args[1:]
        if kwargs or len(args) not in (2, 3):
            return None
        if not all(type(each) is int and each >= 0 for each in bounds if each is not None):
            return None
        if not all(self.fixed(v, o) is KNOWN for v, o in zip(bounds, ao[1:])):
            return None
        start = (0, bounds[0]) if len(bounds) == 1 else (bounds[0] or 0, bounds[1])
        if start[1] is not None and start[1] < start[0]:
            return None
        return self._over_iterators("islice", [], args[:1], ao[:1], start)

    def model_repeat(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) + len(kwargs) not in (1, 2) or not args or not set(kwargs) <= {"times"}:
            return None
        times = (args[1], ao[1]) if len(args) == 2 else (kwargs.get("times"), ko.get("times"))
        if len(args) == 1 and not kwargs:
            return self.make_iterator("repeat", [(args[0], ao[0])], None)
        if type(times[0]) is not int or self.fixed(*times) is not KNOWN:
            return None
        return self.make_iterator("repeat", [(args[0], ao[0])], max(times[0], 0))

    def model_count(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or not all(type(each) is int for each in args) or len(args) > 2:
            return None
        if not all(self.fixed(v, o) is KNOWN for v, o in zip(args, ao)):
            return None
        start, step = {0: (0, 1), 1: (*args, 1), 2: tuple(args)}[len(args)]
        return self.make_iterator("count", [], (start, step))

    def model_drawn(self, maker: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Model an iterator that combines the elements of what it is given."""
        if any(type(each) is not int for each in kwargs.values()):
            return None
        if any(self.fixed(kwargs[name], ko[name]) is not KNOWN for name in kwargs):
            return None
        iterables, rest = (args, ()) if maker is itertools.product else (args[:1], args[1:])
        if any(type(v) is not int or self.fixed(v, o) is not KNOWN for v, o in zip(rest, ao[1:])):
            return None
        sources = []
        for each in zip(iterables, ao):
            found = self._elements(*each)
            if found is None:
                return None
            sources.append((tuple(v for v, _ in found), parts(o for _, o in found)))
        if rest:
            kwargs = {**kwargs, "r": rest[0]}
        if len(rest) > 1 or (maker is itertools.pairwise and (kwargs or not args)):
            return None
        return self.make_iterator("drawn", sources, functools.partial(maker, **kwargs))

    def model_next(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) not in (1, 2) or not self.is_iterator(args[0]):
            return None
        if len(args) == 2 and self.calls_back(args[0]):
            return self._enter(stand_ins.first_or, KNOWN, args, ao, {}, {})
        answer = self.advance(args[0], ao[0])
        if answer is not EXHAUSTED:
            return answer
        if len(args) == 2:
            return args[1], ao[1]
        raise self.stop_iteration(None, KNOWN)
