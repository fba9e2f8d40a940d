"""Iterators with a state of their own, over generators and what else is evaluated to go on.

What comes next is found by a stand-in that is evaluated (`jitgrad.python.driven`). The iterator
itself, written in C, runs over *feeds*: they hand it what the stand-in has taken and computed, so
that it goes along, and is where it should be for whoever goes on with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.iterators import IteratorRules
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin, parts
from jitgrad.graph.positions import Fed, Sources
from jitgrad.graph.recipes import Recipe
from jitgrad.python import driven

DRIVEN = {
    "accumulate": driven.accumulate_next,
    "cycle": driven.cycle_next,
    "dropwhile": driven.dropwhile_next,
    "enumerate": driven.enumerate_next,
    "flattened": driven.chain_next,
    "islice": driven.islice_next,
    "pairwise": driven.pairwise_next,
    "sequence": driven.sequence_next,
    "takewhile": driven.takewhile_next,
    "until": driven.until_next,
}
"""What iterators do for each element that go along with what is evaluated."""


class DrivingRules(IteratorRules):
    """Iterators over feeds, and what makes them."""

    def driven_models(self) -> dict[Any, Callable]:
        """The models of what makes such iterators, and of what stand-ins do with them."""
        return {
            driven.feed: self._model_feed, driven.through: self._model_through,
            driven.hold: self._model_hold, driven.drawn: self._model_drawn_from,
            driven.ends: self._model_ends,
            itertools.accumulate: self.model_accumulate, itertools.cycle: self.model_cycle,
            itertools.takewhile: self._while("takewhile", itertools.takewhile),
            itertools.dropwhile: self._while("dropwhile", itertools.dropwhile),
            itertools.filterfalse: self._stateless("filterfalse", itertools.filterfalse),
            itertools.compress: self._stateless("compress", itertools.compress),
            itertools.pairwise: self.model_pairwise,
        }  # fmt: skip

    def _call(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Perform any call; None if there is no rule."""
        raise NotImplementedError

    # -- feeds ------------------------------------------------------------------------------

    def is_feed(self, x: Any) -> bool:
        return self._feed(x) is not None

    def _feed(self, x: Any) -> FreshObject | None:
        known = self.object(x)
        return known if isinstance(known, FreshObject) and known.kind == "feed" else None

    def _new_feed(self, source: Any, origin: Any, kind: type = driven.Feed) -> tuple[Any, Origin]:
        made = kind(source)
        return made, self.fresh(made, "feed", [], (source, origin))

    def _model_feed(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return self._new_feed(args[0], ao[0])

    def _model_through(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return (args[0], ao[0]) if self.is_iterator(args[0]) else self._new_feed(args[0], ao[0])

    def _model_hold(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        known = self._feed(args[0])
        if known is None:
            return None
        known.origins[:] = [*self._still_fed(args[0], known), ao[1]]
        args[0].waiting.append(args[1])
        return None, KNOWN

    @staticmethod
    def _still_fed(feed: Any, known: FreshObject) -> list[Any]:
        """Return the origins of what a feed has not handed out yet."""
        return known.origins[len(known.origins) - len(feed.waiting) :]

    def _model_drawn_from(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        this, item = args[:2]
        changes = args[2] if len(args) > 2 else False
        known = self.object(this)
        if not isinstance(known, FreshObject) or known.kind not in DRIVEN:
            return None
        if known.kind == "accumulate" and item is None:
            return None  # which is no `initial`
        held = known.extra
        value = next(this)
        held.index += 1
        origin = ao[1]
        if known.kind == "enumerate":
            return value, parts((KNOWN, origin))
        if known.kind == "islice":
            _, stop, step = held.start
            held.index = held.start[0] + 1
            following = held.start[0] + step
            held.start = (following if stop is None else min(following, stop), stop, step)
        elif known.kind == "accumulate":
            held.sources[2:] = [(value, origin)]
        elif known.kind == "pairwise":
            held.sources[1:] = [(value[1], self._items(value, origin)[1])]
        elif known.kind == "cycle" and changes:
            held.start = 1
        elif known.kind == "cycle":
            held.sources.append((value, origin))
        elif known.kind == "flattened" and changes is not False:
            held.sources[1:] = [(changes, IDENTIFIED)]
        return value, origin

    def _model_ends(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        this, lasting = args
        known = self.object(this)
        if not isinstance(known, FreshObject) or known.kind not in DRIVEN:
            return None
        next(this, None)
        if lasting:
            known.kind, known.extra = "over", Sources([], type(this))
        raise self.stop_iteration(None, KNOWN)

    # -- steps ------------------------------------------------------------------------------

    def is_iterator(self, x: Any) -> bool:
        return self._feed(x) is not None or super().is_iterator(x)

    def calls_back(self, it: Any) -> bool:
        known = self.object(it)
        if isinstance(known, FreshObject) and known.kind in DRIVEN:
            return self._feed(known.extra.sources[0][0]) is not None
        return self._feed(it) is not None or super().calls_back(it)

    def iterate(self, x: Any, xo: Any) -> Any:
        return (x, xo) if self._feed(x) is not None else super().iterate(x, xo)

    def advance(self, it: Any, io: Any) -> Any:
        known = self._feed(it)
        return super().advance(it, io) if known is None else self.advance(*known.extra)

    def call_object(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        known = self._feed(callee)
        if known is not None:
            source, so = known.extra
            return self._call(source, so, args, ao, kwargs, ko)
        return super().call_object(callee, co, args, ao, kwargs, ko)  # type: ignore[misc]

    def step(self, it: Any, known: FreshObject) -> Any:
        if known.kind not in DRIVEN:
            return super().step(it, known)
        held, model = known.extra, DRIVEN[known.kind]
        values, origins = held.values(), [origin for _, origin in held.sources]
        if any(each.waiting for each in values if self._feed(each) is not None):
            return None  # something has raised in the middle of a step
        if known.kind == "accumulate" and len(values) > 2 and not held.index:
            held.index = 1
            return next(it), origins[2]
        if known.kind == "cycle" and held.start:
            origin = origins[1:][held.start % (len(origins) - 1)]
            held.start += 1
            return next(it), origin
        if known.kind == "dropwhile" and held.index:
            model = driven.passed_on
        if known.kind == "sequence":
            values, origins = [*values, held.index], [*origins, KNOWN]
        if known.kind == "islice":
            begin, stop, _ = held.start
            values += [begin - held.index, stop is None or begin < stop]
            origins += [KNOWN, KNOWN]
        return self._enter(model, KNOWN, [it, *values], [IDENTIFIED, *origins], {}, {})

    # -- what makes them --------------------------------------------------------------------

    def _may_iterate(self, x: Any, xo: Any) -> bool:
        """Is it known how `iter(x)` goes on?"""
        if isinstance(x, TensorCore):
            return x._array.ndim > 0
        return (
            self.is_iterator(x)
            or self._elements(x, xo) is not None
            or self.special(x, "__iter__") is not None
            or (
                self.special(x, "__getitem__") is not None
                and lookups.type_lookup(type(x), "__iter__") is lookups.ABSENT
            )
        )

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
        """Have `maker` make its iterator anew over iterators over these arguments.

        Args:
            before, after: further arguments, each with its origin.
            lasting: feeds are for those only of which Python would ask for an iterator again.
        """
        if not all(map(self._may_iterate, args, ao)):
            return None
        wrap = driven.through if lasting else driven.feed
        given = [tuple(zip(*each)) or ((), ()) for each in (before, after)]
        (first, fo), (last, lo) = given
        values = [maker, wrap, tuple(first), tuple(args), tuple(last)]
        origins = [KNOWN, KNOWN, parts(fo), parts(ao), parts(lo)]
        return self._enter(driven.iterating, KNOWN, values, origins, kwargs or {}, ko or {})

    def _stateless(self, kind: str, maker: Any) -> Callable:
        has_function = kind != "compress"

        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if kwargs or len(args) != 2:
                return None
            at = 1 if has_function else 0
            first = list(zip(args[:at], ao[:at]))
            return self.over_iterators(kind, maker, first, args[at:], ao[at:])

        return model

    def _driven(
        self, kind: str, maker: Any, sources: list, rest: tuple = (), before: tuple = ()
    ) -> Any:
        """Make an iterator over a feed, the first of `sources`; or have that made first."""
        x, xo = sources[0]
        if self._feed(x) is None:
            return self.iterating(maker, [x], [xo], before=before, after=rest)
        return self.make_iterator(kind, sources)

    def model_accumulate(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        names = ("iterable", "func", "initial")
        if len(args) > 2 or not set(kwargs) <= set(names[len(args) :]):
            return None
        given = {
            **dict(zip(names, zip(args, ao))),
            **{name: (kwargs[name], ko[name]) for name in kwargs},
        }
        x, xo = given.pop("iterable", (None, None))
        if self._feed(x) is None:
            named = {name: value for name, (value, _) in given.items()}
            no = {name: origin for name, (_, origin) in given.items()}
            return self.iterating(itertools.accumulate, [x], [xo], kwargs=named, ko=no)
        function = given.get("func", (None, KNOWN))
        if function[0] is None:
            function = driven.added, KNOWN
        initial = given.get("initial", (None, KNOWN))
        total = [] if initial[0] is None else [initial]
        return self.make_iterator("accumulate", [(x, xo), self._new_feed(*function), *total])

    def model_cycle(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1:
            return None
        return self._driven("cycle", itertools.cycle, [(args[0], ao[0])])

    def model_pairwise(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1:
            return None
        return self._driven("pairwise", itertools.pairwise, [(args[0], ao[0])])

    def _while(self, kind: str, maker: Any) -> Callable:
        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if kwargs or len(args) != 2:
                return None
            function, x = zip(args, ao)
            if self._feed(args[1]) is None:
                return self.iterating(maker, args[1:], ao[1:], before=(function,))
            return self.make_iterator(kind, [self._new_feed(*function), x])

        return model

    def model_iter(self, args: Any, ao: Any) -> Any:
        """Model `iter(function, last)`."""
        # equal to itself, so that it need not be asked whether both are the same object
        if len(args) != 2 or not callable(args[0]) or not self.are_constants([(args[1], ao[1])]):
            return None
        if args[1] != args[1]:
            return None
        return self.make_iterator("until", [self._new_feed(args[0], ao[0]), (args[1], ao[1])])

    def sequence_iterator(self, x: Any, xo: Any) -> Any:
        return self.make_iterator("sequence", [self._new_feed(x, xo, driven.IndexedFeed)])

    def enter_special(self, name: str, obj: Any, oo: Any, args: Any = (), ao: Any = ()) -> Any:
        known = self._feed(obj)
        if known is not None:
            obj, oo = known.extra
        return super().enter_special(name, obj, oo, args, ao)

    def flattened(self, x: Any, xo: Any) -> Any:
        """Make a chain of what `x` iterates over, each of which it asks for an iterator late."""
        if self._feed(x) is None:
            return self.iterating(itertools.chain.from_iterable, [x], [xo])
        return self.make_iterator("flattened", [(x, xo)])

    # -- recipes ----------------------------------------------------------------------------

    def _fresh_object(self, obj: Any, known: FreshObject) -> Recipe:
        if known.kind != "feed":
            return super()._fresh_object(obj, known)
        made = Fed(
            known.key,
            type(obj),
            self.recipe(*known.extra),
            tuple(map(self.recipe, obj.waiting, self._still_fed(obj, known))),
        )
        self._recipes[known] = made
        return made
