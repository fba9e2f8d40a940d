"""Operators and truth: the recorder's rules."""

from __future__ import annotations

from types import MethodType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.dtypes import dtype
from jitgrad.graph import lookups
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.knowledge import (
    CONSTANT_TYPES,
    IDENTICAL_TYPES,
    LISTS,
    FreshObject,
    has_lasting_identity,
)
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.operands import OperandRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime, Text, parts
from jitgrad.graph.performing import PLAIN_TYPES
from jitgrad.python.operations import BINARY, COMPARE, INPLACE, UNARY

SINGLE_TYPES = (type(None), bool, type(...), type(NotImplemented), dtype)
"""Types with one object for each value, so that `is` says the same on every call."""

NUMBERS = (int, float, bool)
EQUAL_ALONE = {kind: at for at, kind in enumerate((str, bytes, type(None), list, tuple, dict), 1)}
"""Classes whose objects equal nothing but others of their class."""

CAN_RAISE = frozenset(("/", "//", "%", "**", "<<", ">>"))


class OperatorRules(OperandRules):
    """Unary, binary, in-place and comparison operators, and the truth of values."""

    def unary(self, op: str, x: Any, xo: Any) -> Any:
        if isinstance(x, TensorCore):
            return self.perform(UNARY[op], (x,), (xo,))
        if xo is KNOWN and type(x) in CONSTANT_TYPES:
            return UNARY[op](x), KNOWN
        if xo is KNOWN and type(x) is float:
            return UNARY[op](x), KNOWN
        if isinstance(xo, Runtime) and type(x) in (float, int) and (op != "~" or type(x) is int):
            return self._number(f"{op}{{0}}", UNARY[op], (x,), (xo,), False)
        answer = self.user_unary(op, x, xo)
        if answer is not None:
            return answer
        return self.leave(f"{op} of a {type(x).__name__}").unary(op, x, xo)

    def binary(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        return self._binary(BINARY, "binary", op, l, lo, r, ro)

    def inplace(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        return self._binary(INPLACE, "inplace", op, l, lo, r, ro)

    def _binary(self, table: Any, name: str, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        numbers = (int, float, bool)
        if type(l) is not str and (isinstance(l, TensorCore) or isinstance(r, TensorCore)):
            if all(isinstance(each, TensorCore) or type(each) in numbers for each in (l, r)):
                if op != "**":  # which asks for its exponent
                    (l, lo), (r, ro) = self.beside(r, l, lo), self.beside(l, r, ro)  # noqa: E741
                return self.perform(table[op], (l, r), (lo, ro))
        elif type(l) in numbers and type(r) in numbers:
            if lo is KNOWN and ro is KNOWN:
                return self._folded(table[op], (l, r))
            return self._number(f"{{0}} {op} {{1}}", BINARY[op], (l, r), (lo, ro), op in CAN_RAISE)
        elif (
            lo is KNOWN and ro is KNOWN and type(l) in (str, tuple) and type(r) in (str, tuple, int)
        ):
            return self._folded(table[op], (l, r))
        else:
            answer = self._of_containers(op, l, lo, r, ro, name == "inplace")
            if answer is not None:
                return answer
            if not self.active:
                return getattr(self._plain(), name)(op, l, lo, r, ro)
        answer = self.user_binary(op, name == "inplace", l, lo, r, ro)
        if answer is not None:
            return answer
        plain = self.leave(f"{type(l).__name__} {op} {type(r).__name__}")
        return getattr(plain, name)(op, l, lo, r, ro)

    def _of_containers(self, op: str, l: Any, lo: Any, r: Any, ro: Any, in_place: bool) -> Any:  # noqa: E741
        """Perform an operator of built-in containers; None if that cannot be followed."""
        kinds = {type(l), type(r)}
        if list in kinds:
            return self.list_operator(op, l, lo, r, ro, in_place)
        if kinds == {tuple} and op == "+":
            left, right = self._elements(l, lo), self._elements(r, ro)
            if left is not None and right is not None:
                return l + r, parts(origin for _, origin in [*left, *right])
        if kinds == {tuple, int} and op == "*":
            (x, xo), (n, no) = ((l, lo), (r, ro)) if type(l) is tuple else ((r, ro), (l, lo))
            found = self._elements(x, xo)
            if found is not None and self.fixed(n, no) is KNOWN:
                return x * n, parts(origin for _, origin in found * n)
        if kinds <= {set, frozenset, *DICTS}:
            return self.mapping_operator(op, l, lo, r, ro, in_place)
        if op == "|" and all(each is None or type(each) is type for each in (l, r)):
            return self._folded(BINARY[op], (l, r)) if lo is KNOWN and ro is KNOWN else None
        return None

    def compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        numbers = (int, float, bool)
        if op in ("is", "is not"):
            if self._has_identity(l, lo) and self._has_identity(r, ro):
                return COMPARE[op](l, r), KNOWN
            if self.differs_by_class(l, lo, r, ro):
                return op == "is not", KNOWN
        elif op in ("in", "not in"):
            answer = self._membership(op, l, lo, r, ro)
            if answer is not None:
                return answer
            if not self.active:
                return self._plain().compare(op, l, lo, r, ro)
        elif isinstance(l, TensorCore) or isinstance(r, TensorCore):
            if all(
                isinstance(each, TensorCore) or type(each) in numbers or each is None
                for each in (l, r)
            ):
                (l, lo), (r, ro) = self.beside(r, l, lo), self.beside(l, r, ro)  # noqa: E741
                return self.perform(COMPARE[op], (l, r), (lo, ro))
        elif type(l) is type(r) and type(l) in (list, set, dict):
            answer = self._compare_containers(op, l, lo, r, ro)
            if answer is not None:
                return answer
        elif lo is KNOWN and ro is KNOWN:
            if all(
                type(each) in PLAIN_TYPES or isinstance(each, IDENTICAL_TYPES) for each in (l, r)
            ):
                return self._folded(COMPARE[op], (l, r))
        elif type(l) in numbers and type(r) in numbers:
            return self._number(f"{{0}} {op} {{1}}", COMPARE[op], (l, r), (lo, ro), False)
        elif op in ("==", "!=") and self._are_never_equal(l, lo, r, ro):
            return op == "!=", KNOWN
        answer = None
        if op not in ("is", "is not"):
            answer = self.user_compare(op, l, lo, r, ro)
        if answer is not None:
            return answer
        return self.leave(f"{type(l).__name__} {op} {type(r).__name__}").compare(op, l, lo, r, ro)

    def _are_never_equal(self, l: Any, lo: Any, r: Any, ro: Any) -> bool:  # noqa: E741
        """Are they of classes of which an object equals none of the other, whatever it holds?"""
        if lo is None or ro is None:
            return False
        kinds = [0 if type(each) in NUMBERS else EQUAL_ALONE.get(type(each)) for each in (l, r)]
        return None not in kinds and kinds[0] != kinds[1]

    def _compare_containers(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Compare containers of constants; lists also where their lengths differ."""
        left, right = (self._all_elements(*each) for each in ((l, lo), (r, ro)))
        if left is None or right is None:
            return None
        known = all(o is KNOWN and type(value) in PLAIN_TYPES for value, o in (*left, *right))
        if known or (type(l) is list and op in ("==", "!=") and len(l) != len(r)):
            return self._folded(COMPARE[op], (l, r))
        return None

    def _all_elements(self, x: Any, xo: Any) -> list[tuple[Any, Any]] | None:
        """Return the elements of a container, the keys and values of a dict, with origins."""
        if type(x) is not dict:
            return self._elements(x, xo)
        pairs = self.pairs_of(x, xo)
        return None if pairs is None else [
            each for key, ko, value, vo in pairs for each in ((key, ko), (value, vo))
        ]  # fmt: skip

    def pairs_of(self, x: Any, xo: Any) -> list[tuple[Any, Any, Any, Any]] | None:
        """Return keys and values of a dict with their origins."""
        raise NotImplementedError

    def _membership(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Tell whether `l in r`; None if that cannot be followed."""
        if lo is KNOWN and ro is KNOWN and type(r) in (tuple, str, range):
            return self._folded(COMPARE[op], (l, r))
        if type(r) in (set, frozenset, *DICTS):
            present = self.has_key(r, l, lo)
            return None if present is None else (present is (op == "in"), KNOWN)
        found = self._elements(r, ro) if type(r) in (*LISTS, tuple) else None
        if found is None:
            return None
        if lo is KNOWN and all(o is KNOWN for _, o in found):
            if all(type(each) in PLAIN_TYPES or isinstance(each, IDENTICAL_TYPES)
                   for each in (l, *(v for v, _ in found))):  # fmt: skip
                return self._folded(COMPARE[op], (l, r))
        else:
            return self.search(r, ro, found, l, lo, op == "in")
        return None

    def has_key(self, x: Any, key: Any, ko: Any) -> bool | None:
        """Has a dict or set this key? None if it is not known."""
        raise NotImplementedError

    def search(self, container: Any, co: Any, found: Any, wanted: Any, wo: Any, there: bool) -> Any:
        """Look for a value among elements; `there` is the answer if it is found."""
        raise NotImplementedError

    def _lacks(self, kind: type, *names: str) -> bool:
        """Has a class none of these methods? If so, it is a fact."""
        if any(lookups.type_lookup(kind, name) is not ABSENT for name in names):
            return False
        for name in names:
            self.take(Place(lookups.read_class, kind, False, name))
        return True

    def _has_identity(self, value: Any, origin: Any) -> bool:
        if origin is KNOWN:
            return type(value) in SINGLE_TYPES or has_lasting_identity(value)
        return origin is IDENTIFIED and not isinstance(value, MethodType)

    def truth(self, x: Any, xo: Any) -> Any:
        if isinstance(x, TensorCore):
            entry = self.entry(x)
            if x._array.size == 1 and entry is not None and self.available(entry.value):
                outcome = bool(x._array.item())
                return self._decide(entry.value, False, outcome, outcome)
        elif isinstance(xo, Runtime) and self.available(xo.scalar):
            return self._decide(xo.scalar, False, bool(x), bool(x))
        elif (xo is KNOWN and (type(x) in PLAIN_TYPES or isinstance(x, IDENTICAL_TYPES))) or (
            isinstance(xo, Parts) or (isinstance(xo, Text) and xo.is_filled)
        ):
            self.count_known()
            return bool(x)
        elif xo is IDENTIFIED:
            known = self.object(x)
            if isinstance(known, FreshObject) and known.kind in ("list", "dict", "set"):
                return bool(x)
            if isinstance(known, int) and type(x) in (*LISTS, tuple, *DICTS):
                return bool(self.take(Place(lookups.read_length, known, True, ""))[0])
            if isinstance(known, int) and self._lacks(type(x), "__bool__", "__len__"):
                return True
        answer = self.user_truth(x, xo)
        if answer is not None:
            return answer
        return self.leave(f"the truth of a {type(x).__name__}").truth(x, xo)
