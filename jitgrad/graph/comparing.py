"""Comparisons of tuples and lists, element by element."""

from __future__ import annotations

from types import MethodType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph.enumerations import EnumerationRules
from jitgrad.graph.mappings import is_constant_key
from jitgrad.graph.origins import IDENTIFIED, KNOWN, parts
from jitgrad.python import protocols
from jitgrad.python.operations import COMPARE


class ComparingRules(EnumerationRules):
    """What comparisons of sequences ask of their elements."""

    def user_compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        answer = self.compare_sequences(op, l, lo, r, ro)
        return super().user_compare(op, l, lo, r, ro) if answer is None else answer

    def compare_sequences(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Compare two tuples or two lists; None if that cannot be followed."""
        if type(l) is not type(r) or type(l) not in (tuple, list, dict) or op in ("in", "not in"):
            return None
        if type(l) is dict:
            return self._compare_dicts(op, l, lo, r, ro)
        left, right = self._elements(l, lo), self._elements(r, ro)
        if left is None or right is None:
            return None
        if type(l) is list and not all(map(self._compares_only, *zip(*left, *right))):
            return None  # what is asked might change the lists
        equals = op in ("==", "!=")
        model = protocols.equal_elements if equals else protocols.ordered_elements
        given = [(tuple(v for v, _ in each), parts(o for _, o in each)) for each in (left, right)]
        (one, one_origin), (other, other_origin) = given
        last = op == "==" if equals else COMPARE[op]
        return self.protocol(model, (one, other, last), (one_origin, other_origin, KNOWN))

    def _compare_dicts(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Compare two dicts by `==` or `!=`; None if that cannot be followed."""
        pairs, others = self.pairs_of(l, lo), self.pairs_of(r, ro)
        if pairs is None or others is None or op not in ("==", "!="):
            return None
        if not all(is_constant_key(key) for key, *_ in (*pairs, *others)):
            return None
        if l.keys() != r.keys():
            return op == "!=", KNOWN
        values = {key: each for key, _, *each in others}
        left = [each for _, _, *each in pairs]
        right = [values[key] for key, *_ in pairs]
        if not all(self._compares_only(*each) for each in (*left, *right)):
            return None
        given = [(tuple(v for v, _ in each), parts(o for _, o in each)) for each in (left, right)]
        values, origins = (*(v for v, _ in given), op == "=="), (*(o for _, o in given), KNOWN)
        return self.protocol(protocols.equal_elements, values, origins)

    def _compares_only(self, value: Any, origin: Any) -> bool:
        """Does the comparison of an element run no code of the user's?"""
        if type(value) is list:
            found = self._elements(value, origin)
            return found is not None and all(self._compares_only(*each) for each in found)
        if isinstance(value, TensorCore):
            return type(value).__module__.startswith("jitgrad.")
        return origin is not IDENTIFIED and not isinstance(value, MethodType)
