"""Dictionaries from outside: their keys, items and order, each a fact."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from enum import Enum
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.cutting import Cutting
from jitgrad.graph.lookups import ABSENT, Place, RootKey
from jitgrad.graph.origins import KNOWN, Origin, parts

DICTS = (dict, OrderedDict, defaultdict, Counter)
"""Classes of dictionaries that are read without running user code."""


class DictionaryRules(Cutting):
    """What is read from dictionaries that the call did not make."""

    def outer_dict(self, obj: Any) -> int | None:
        """Return the number of a dictionary from outside, None if `obj` is none."""
        known = self.object(obj) if type(obj) in DICTS else None
        return known if isinstance(known, int) else None

    def key_of(self, key: Any, origin: Any) -> Any:
        """Return how a place names a key: a constant, or the number of a root; ABSENT if not."""
        if origin is KNOWN and type(key) in (int, str, bool, type(None)):
            # the same item has one name only
            return int(key) if type(key) is bool else key
        if isinstance(key, TensorCore):
            entry = self.entry(key)
            # the hash and the equality of a dictionary's keys are those of identity here
            return ABSENT if entry is None or entry.root is None else RootKey(entry.root)
        return ABSENT

    def outer_keys(self, number: int) -> tuple | None:
        """Return the keys of a dict or the elements of a set from outside, in order, as a fact."""
        place = Place(lookups.read_keys, number, True, "")
        keys = place.look(self.run)
        before = self.before.get(number)
        every = keys if before is None else (*keys, *before.keys)
        if not all(map(self.is_outer_key, every)):
            return None
        self.take(place)
        return keys

    def is_outer_key(self, key: Any) -> bool:
        """Is it a key by which an item is known: an integer, a text, a member of an enumeration?"""
        return type(key) in (int, str) or (self.key_of(key, KNOWN) is key and isinstance(key, Enum))

    def outer_item(self, number: int, key: Any, default: Any = ABSENT) -> Any:
        """Return an item of a dictionary from outside, or `default` (a pair) where it has none."""
        if not self.take(Place(lookups.read_presence, number, True, key))[0]:
            return None if default is ABSENT else default
        value, origin = self.take(Place(lookups.read_item, number, True, key))
        return None if origin is None else (value, origin)

    def outer_items(self, number: int) -> list[tuple[Any, Any]] | None:
        """Return the values of a dictionary from outside with their origins, in order."""
        keys = self.outer_keys(number)
        if keys is None:
            return None
        found = [self.outer_item(number, key) for key in keys]
        return None if any(each is None for each in found) else found

    def outer_view_origin(self, kind: str, number: int, at: int) -> Origin | None:
        """Return the origin of one element of a view, None behind its end."""
        keys = self.outer_keys(number)
        if keys is None or at >= len(keys):
            return None
        if kind == "keys":
            return KNOWN
        found = self.outer_item(number, keys[at])
        if found is None or kind == "values":
            return None if found is None else found[1]
        return parts((KNOWN, found[1]))

    def outer_view(self, kind: str, number: int) -> list[tuple[Any, Any]] | None:
        """Return what a view (keys, items, values) of a dictionary from outside shows."""
        keys = self.outer_keys(number)
        if keys is None:
            return None
        if kind == "keys":
            return [(key, KNOWN) for key in keys]
        values = self.outer_items(number)
        if values is None or kind == "values":
            return values
        return [
            ((key, value), parts((KNOWN, origin))) for key, (value, origin) in zip(keys, values)
        ]
