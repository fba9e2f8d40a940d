"""What the call itself has changed of lists, dicts and sets from outside.

A fact is checked where its segment begins, before the effects of that segment. So what is asked of
a container that the segment has changed is made a fact about the container as it was there: its
length, its keys, and where an element stood that has moved since.
"""

from __future__ import annotations

from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.facts import SameKeys, SameValue
from jitgrad.graph.knowledge import LISTS
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import KNOWN, Origin
from jitgrad.graph.taking import Taking


def length_place(number: int) -> Place:
    """Return where the length of a root is."""
    return Place(lookups.read_length, number, True, "")


def item_place(number: int, key: Any) -> Place:
    """Return where an item of a root is."""
    return Place(lookups.read_item, number, True, key)


def presence_place(number: int, key: Any) -> Place:
    """Return where a root tells whether it has a key."""
    return Place(lookups.read_presence, number, True, key)


class _Before:
    """A container as it was where the segment began.

    Attributes:
        length, keys: the keys are those of a dict, the elements of a set.
        moved: for an element of a list that is not known, by its index now, its index then.
    """

    __slots__ = ("keys", "length", "moved")

    def __init__(self, container: Any) -> None:
        self.length = len(container)
        self.keys = () if type(container) in LISTS else tuple(container)
        self.moved: dict[int, int] = {}


class _Unknown:
    """An element of a list of which nothing is known but where it stood."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


class Changes(Taking):
    """Takes what is asked of containers that the call has changed."""

    def set_place(self, identity: Any, origin: Any) -> None:
        """Remember what the call stored at a place."""
        raise NotImplementedError

    def forget_place(self, identity: Any) -> None:
        """Know nothing of a place any more."""
        raise NotImplementedError

    def changing(self, number: int) -> None:
        """Remember a container as it is, unless the segment has changed it before."""
        if number not in self.before:
            self.before[number] = _Before(self.run.roots[number])

    def take(self, place: Place) -> tuple[Any, Origin | None]:
        if not place.is_root or place.identity() in self.path.places:
            return super().take(place)
        number, before = place.base, self.before.get(place.base)
        if place.read is lookups.read_length:
            if before is not None:
                self.fact(SameValue(place, before.length))
                self.path.places[place.identity()] = KNOWN
            self._place_appended(number)
        elif place.read is lookups.read_keys:
            keys = place.look(self.run) if before is None else before.keys
            self.fact(SameKeys(place, keys))
            self.path.places[place.identity()] = KNOWN
        elif place.read is lookups.read_item and type(self.run.roots[number]) in LISTS:
            if self.appended(number):
                # or a tensor that the call has appended would be taken for one from outside
                self.take(length_place(number))
            then = None if before is None else before.moved.get(place.key)
            if then is not None and place.identity() not in self.path.places:
                found = place.look(self.run)
                origin = self._take(item_place(number, then), found)
                if origin is not None:
                    self.path.places[place.identity()] = origin
                return found, origin
        return super().take(place)

    # -- lists that have grown, nobody asked from which length -------------------------------

    def appended(self, number: int) -> tuple[Origin, ...]:
        """Return the origins of what was appended to a list while its length was not known."""
        return self.path.places.get(("appended", number), ())

    def append_unseen(self, number: int, origins: Any) -> None:
        """Note that a list whose length is not known has grown."""
        self.set_place(("appended", number), (*self.appended(number), *origins))

    def _place_appended(self, number: int) -> None:
        origins = self.appended(number)
        first = len(self.run.roots[number]) - len(origins)
        for at, origin in enumerate(origins, first):
            self.set_place(item_place(number, at).identity(), origin)
        if origins:
            self.forget_place(("appended", number))

    # -- lists whose length is known ---------------------------------------------------------

    def cells(self, number: int) -> list[Any]:
        """Return what is known of the elements of a list, to be changed like the list."""
        before = self.before.get(number)
        moved = {} if before is None else before.moved
        found = []
        for at in range(len(self.run.roots[number])):
            known = self.path.places.get(item_place(number, at).identity())
            found.append(_Unknown(moved.get(at, at)) if known is None else known)
        return found

    def place_cells(self, number: int, cells: list[Any], count: int) -> None:
        """Note what is known of the elements of a list that had `count` of them."""
        moved = self.before[number].moved
        moved.clear()
        self.set_place(length_place(number).identity(), KNOWN)
        for at in range(max(count, len(cells))):
            cell = cells[at] if at < len(cells) else None
            identity = item_place(number, at).identity()
            if isinstance(cell, _Unknown):
                moved[at] = cell.at
            if cell is None or isinstance(cell, _Unknown):
                self.forget_place(identity)
            else:
                self.set_place(identity, cell)
