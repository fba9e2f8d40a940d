"""Equality of dicts, key by key."""

from __future__ import annotations

from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph.enumerations import EnumerationRules
from jitgrad.graph.mappings import is_constant_key
from jitgrad.graph.origins import IDENTIFIED, KNOWN, parts


class ComparingRules(EnumerationRules):
    """What comparisons of containers ask of what they hold."""

    def user_compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        if type(l) is dict and type(r) is dict:
            return self.compare_contents(op, l, lo, r, ro)
        return super().user_compare(op, l, lo, r, ro)

    def compare_contents(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Compare two containers of one built-in class; None if that cannot be followed."""
        if type(l) is not dict:
            return self._compare_sequences(op, l, lo, r, ro)
        pairs, others = self.pairs_of(l, lo), self.pairs_of(r, ro)
        if pairs is None or others is None or op not in ("==", "!="):
            return None
        if not all(is_constant_key(key) for key, *_ in (*pairs, *others)):
            return None
        if l.keys() != r.keys():
            return op == "!=", KNOWN
        found = {key: each for key, _, *each in others}
        left, right = [each for _, _, *each in pairs], [found[key] for key, *_ in pairs]
        if not all(self._compares_only(*each) for each in (*left, *right)):
            return None
        one, other = (tuple(value for value, _ in each) for each in (left, right))
        origins = [parts(origin for _, origin in each) for each in (left, right)]
        return self._compare_sequences(op, one, origins[0], other, origins[1])

    def _compares_only(self, value: Any, origin: Any) -> bool:
        """Does a comparison run no code of users, which might change the dicts?"""
        return origin is not IDENTIFIED or isinstance(value, TensorCore)
