"""Iterators that built-in functions and `itertools` make: what comes next, and from where."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from jitgrad.graph.containers import ContainerRules
from jitgrad.graph.counting import KIND
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import KNOWN, Origin, parts
from jitgrad.graph.positions import ITERATORS, Sources
from jitgrad.python import stand_ins
from jitgrad.python.operations import EXHAUSTED

STEPS = {
    "map": stand_ins.map_next,
    "starmap": stand_ins.starmap_next,
    "filter": stand_ins.filter_next,
    "filterfalse": stand_ins.filterfalse_next,
    "compress": stand_ins.compress_next,
    "strict zip": stand_ins.strict_zip_next,
    "zip": stand_ins.zip_next,
    "zip_longest": stand_ins.zip_longest_next,
}
"""What iterators do for each element that call a function for it, or run over what does."""
ASKING = ("zip", "zip_longest")
"""Those of them that call nothing themselves."""

DRAWN = frozenset({
    itertools.product, itertools.permutations, itertools.combinations,
    itertools.combinations_with_replacement,
})  # fmt: skip
"""Makers of iterators that only put together what they are given, which they keep."""


class IteratorRules(ContainerRules):
    """Iterators made in the call."""

    def is_iterator(self, x: Any) -> bool:
        known = self.object(x)
        kinds = (KIND, "turning", *ITERATORS)
        return isinstance(known, FreshObject) and known.kind in kinds

    def calls_back(self, it: Any) -> bool:
        known = self.object(it)
        if not isinstance(known, FreshObject) or known.extra is None:
            return False
        if known.kind in ("rows", "turning"):
            return True  # rows are recorded where they are taken
        if known.kind in STEPS and known.kind not in ASKING:
            return True
        return known.kind in ASKING and any(map(self.calls_back, known.extra.values()))

    def step(self, it: Any, known: FreshObject) -> Any:
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
        begin, stop, step = held.start
        while held.index < begin:
            if self._next_of(held.sources[0][0]) is None:
                return None
            held.index += 1
        if stop is not None and begin >= stop:
            return None
        held.start = (begin + step if stop is None else min(begin + step, stop), stop, step)
        return self._next_of(held.sources[0][0])

    def _next_repeat(self, held: Any) -> Origin | None:
        done = held.start is not None and held.index >= held.start
        return None if done else held.sources[0][1]

    def _next_over(self, held: Any) -> Origin | None:
        return None

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

    def over_iterators(
        self, kind: str, maker: Any, first: list, args: Any, ao: Any, state: Any = 0, **named: Any
    ) -> Any:
        """Make an iterator over others, which are made before if Python code makes them.

        Args:
            first: what comes before the iterators, with origins.
            state: the `start` of such an iterator.
            named: constants by keyword, for the maker.
        """
        inner = self.iterators_over(args, ao)
        stateful = kind not in STEPS
        if inner is None or (stateful and any(self.calls_back(each) for each, _ in inner)):
            if stateful and len(args) == 1 and self.is_feed(args[0]):
                return self.make_iterator(kind, [*first, (args[0], ao[0])], state)
            after = () if kind != "islice" else tuple((each, KNOWN) for each in state)
            return self.iterating(
                maker, args, ao, tuple(first), after, named, dict.fromkeys(named, KNOWN),
                lasting=not stateful,
            )  # fmt: skip
        return self.make_iterator(kind, [*first, *inner], state)

    def is_feed(self, x: Any) -> bool:
        """Is it what iterators over evaluated code run over?"""
        raise NotImplementedError

    def iterating(
        self,
        maker: Any,
        args: Any,
        ao: Any,
        before: tuple = (),
        after: tuple = (),
        kwargs: Any = None,
        ko: Any = None,
        lasting: bool = False,
    ) -> Any:
        """Have `maker` make its iterator over iterators over these arguments."""
        raise NotImplementedError

    def flattened(self, x: Any, xo: Any) -> Any:
        """Make a chain of what `x` iterates over."""
        raise NotImplementedError

    def model_enumerate(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) + len(kwargs) not in (1, 2) or not args or not set(kwargs) <= {"start"}:
            return None
        start, known = 0, KNOWN
        if len(args) == 2:
            start, known = args[1], ao[1]
        elif kwargs:
            start, known = kwargs["start"], ko["start"]
        if type(start) is not int:
            return None
        answer = self.turning_over(enumerate, args[:1], ao[:1], [(start, known)])
        if answer is not None:
            return answer
        if self.fixed(start, known) is not KNOWN:
            return None
        return self.over_iterators("enumerate", enumerate, [], args[:1], ao[:1], start, start=start)

    def model_zip(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs and (set(kwargs) != {"strict"} or ko["strict"] is not KNOWN):
            return None
        if kwargs.get("strict"):
            return self.over_iterators("strict zip", zip, [], args, ao, strict=True)
        answer = self.turning_over(zip, args, ao, [])
        return self.over_iterators("zip", zip, [], args, ao) if answer is None else answer

    def model_map(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) < 2:
            return None
        return self.over_iterators("map", map, [(args[0], ao[0])], args[1:], ao[1:])

    def model_filter(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        return self.over_iterators("filter", filter, [(args[0], ao[0])], args[1:], ao[1:])

    def model_starmap(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        return self.over_iterators(
            "starmap", itertools.starmap, [(args[0], ao[0])], args[1:], ao[1:]
        )

    def model_reversed(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1:
            return None
        if type(args[0]) not in (list, tuple, range, str, *DICTS) and not self.is_view(args[0]):
            return None
        found = self._elements(args[0], ao[0])
        return None if found is None else self.make_iterator(
            "reversed", [(args[0], ao[0])], len(found)
        )  # fmt: skip

    def model_chain(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs:
            return None
        inner = self.iterators_over(args, ao)
        if inner is None or any(self.calls_back(each) for each, _ in inner):
            return self.flattened(tuple(args), parts(ao))
        return self.make_iterator("chain", inner)

    def model_from_iterable(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1:
            return None
        found = self._elements(args[0], ao[0]) if type(args[0]) is tuple else None
        if found is None:
            # a list is looked at while the chain runs
            return self.flattened(args[0], ao[0])
        return self.model_chain([v for v, _ in found], [o for _, o in found], {}, {})

    def model_zip_longest(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if not set(kwargs) <= {"fillvalue"}:
            return None
        fill = (kwargs.get("fillvalue"), ko.get("fillvalue", KNOWN))
        # what is at its end stays there
        inner = self.iterators_over(args, ao)
        return None if inner is None else self.make_iterator("zip_longest", [fill, *inner])

    def model_islice(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        bounds = args[1:]
        if kwargs or not 2 <= len(args) <= 4:
            return None
        if not all(type(each) is int and each >= 0 for each in bounds if each is not None):
            return None
        if not all(self.fixed(v, o) is KNOWN for v, o in zip(bounds, ao[1:])):
            return None
        begin, stop, step = (None, *bounds, None, None)[len(bounds) > 1 :][:3]
        begin, step = begin or 0, 1 if step is None else step
        if step == 0 or (stop is not None and stop < begin):
            return None
        state = begin, stop, step
        return self.over_iterators("islice", itertools.islice, [], args[:1], ao[:1], state)

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
        if len(rest) > 1:
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
