"""The `match` statement: what its patterns ask of a subject."""

from __future__ import annotations

from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.models import Models
from jitgrad.graph.origins import KNOWN, parts
from jitgrad.python import matching

MATCHES_ITSELF = 1 << 22
"""The flag of the built-in classes whose only positional pattern is for the subject itself."""


class PatternRules(Models):
    """Patterns for sequences, mappings and classes."""

    def match_sequence(self, subject: Any, origin: Any) -> Any:
        # facts make sure of the class of whatever has an origin
        return matching.is_sequence(subject), KNOWN

    def match_mapping(self, subject: Any, origin: Any) -> Any:
        return matching.is_mapping(subject), KNOWN

    def get_length(self, subject: Any, origin: Any) -> Any:
        answer = self._len([subject], [origin])
        if answer is None or not self.active:
            return self.leave("the length of a subject").get_length(subject, origin)
        return answer

    def match_keys(self, subject: Any, so: Any, keys: Any, ko: Any) -> Any:
        present = [self.has_key(subject, key, KNOWN) for key in keys if ko is KNOWN]
        if ko is not KNOWN or None in present or len(set(keys)) < len(keys):
            return self.leave("match of a mapping").match_keys(subject, so, keys, ko)
        if not all(present):
            return None, KNOWN
        found = [self.dict_item(subject, key, KNOWN) for key in keys]
        if any(each is None for each in found):
            return self.leave("match of a mapping").match_keys(subject, so, keys, ko)
        return tuple(value for value, _ in found), parts(origin for _, origin in found)

    def match_class(
        self, subject: Any, so: Any, wanted: Any, wo: Any, positional: int, names: Any
    ) -> Any:
        answer = self._match_class(subject, so, wanted, wo, positional, names)
        if answer is None:
            plain = self.leave("match of a class")
            return plain.match_class(subject, so, wanted, wo, positional, names)
        return answer

    def _match_class(
        self, subject: Any, so: Any, wanted: Any, wo: Any, positional: int, names: Any
    ) -> Any:
        fits = self._isinstance([subject, wanted], [so, wo], {}, {})
        if fits is None or not isinstance(wanted, type):
            return None
        if not fits[0]:
            return None, KNOWN
        given, by_position = [], self._by_position(wanted, positional)
        if by_position is None:
            return None
        if by_position == (None,):
            given, by_position = [(subject, so)], ()
        asked = (*by_position, *names)
        present = [self._presence(subject, so, each) for each in asked]
        if len(set(asked)) < len(asked) or None in present:
            return None
        if not all(present):
            return None, KNOWN
        attributes: list[Any] = [self.get_attribute(subject, so, each) for each in asked]
        given += attributes
        if not self.active:
            return None
        return tuple(value for value, _ in given), parts(origin for _, origin in given)

    def _by_position(self, wanted: type, positional: int) -> tuple | None:
        """Return the attributes for the positional patterns; (None,) for the subject itself."""
        if not positional:
            return ()
        found = lookups.type_lookup(wanted, "__match_args__")
        self._identical(Place(lookups.read_class, wanted, False, "__match_args__"), found)
        if found is ABSENT:
            itself = positional == 1 and wanted.__flags__ & MATCHES_ITSELF
            return (None,) if itself else None
        if type(found) is not tuple or len(found) < positional:
            return None
        return found[:positional] if all(type(each) is str for each in found) else None
