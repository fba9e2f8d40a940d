"""What the turns of a native loop take for granted of the world outside.

It is looked at once, before the first turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from jitgrad.graph.facts import IsTensor
from jitgrad.graph.joins import Unsuitable
from jitgrad.graph.lookups import Argument, RootKey, read_length
from jitgrad.graph.ways import WayBack


def check_facts(ways: Sequence[WayBack]) -> None:
    """Make sure that what is known of the world outside does not hang on what turns change.

    Raises:
        Unsuitable: it may hang on that.
    """
    changing = set().union(*(way.changing() for way in ways))
    for way in ways:
        first = {each for each in changing if each < way.first_roots}
        _check_way(way, first | way.changing())


def _check_way(way: WayBack, changing: set[int]) -> None:
    """Check the facts of one way; `changing` are the roots whose places others take."""
    growing = {each.root for each in way.appends}
    if not growing.isdisjoint(way.rebuilt):
        raise Unsuitable("it appends to a list that another one takes the place of")
    for segment in way.segments:
        for fact in segment.facts:
            place = getattr(fact, "place", None)
            if place is None:
                continue  # a decision of each turn
            if place.is_root and place.base in growing:
                raise Unsuitable("it reads a list to which it appends")
            if place.is_root and place.base in way.rebuilt:
                if not any(fact is each for *_, each in way.parts) and not (
                    place.read is read_length and fact.expected == way.rebuilt[place.base]  # type: ignore[attr-defined]
                ):
                    raise Unsuitable("it looks at a tuple or a list of the turn before")
                continue
            key = place.key.number if isinstance(place.key, RootKey) else None
            if key in changing or (place.is_root and place.base in changing):
                raise Unsuitable("something is read from a tensor that goes from turn to turn")
            if isinstance(fact, IsTensor) and not isinstance(place, Argument):
                spec = fact.spec
                if not changing.isdisjoint((spec.number, spec.storage, spec.memory)):
                    raise Unsuitable("a tensor outside shares memory with one that goes on")
