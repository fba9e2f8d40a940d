"""Operators of objects whose classes have methods for them, in the order in which Python asks."""

from __future__ import annotations

from enum import Enum
from types import NoneType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.contents import content_class
from jitgrad.graph.instances import python_function
from jitgrad.graph.knowledge import is_plain_tensor
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime, Text, parts
from jitgrad.graph.performing import is_trusted
from jitgrad.graph.records import RecordRules
from jitgrad.python import protocols

NAMES = {
    "+": "add", "-": "sub", "*": "mul", "@": "matmul", "/": "truediv", "//": "floordiv", "%": "mod",
    "**": "pow", "<<": "lshift", ">>": "rshift", "&": "and", "|": "or", "^": "xor",
}  # fmt: skip
UNARY_NAMES = {"-": "__neg__", "+": "__pos__", "~": "__invert__"}
COMPARE_NAMES = {
    "==": ("__eq__", "__eq__"), "!=": ("__ne__", "__ne__"), "<": ("__lt__", "__gt__"),
    "<=": ("__le__", "__ge__"), ">": ("__gt__", "__lt__"), ">=": ("__ge__", "__le__"),
}  # fmt: skip
NUMBERS = (int, float, bool, complex, NoneType)
"""Classes that have no answer to an object of another one."""
SEQUENCES = (str, tuple, list, dict)

Attempt = tuple[Any, Any, Any, Any, Any]
"""A method of a class, with its operands and their origins."""


class OperandRules(RecordRules):
    """Operators, truth and membership by methods written in Python."""

    def operand_class(self, x: Any, xo: Any) -> type | None:
        """Return the class of an object that may have operators of its own, None for others."""
        kind = type(x)
        if isinstance(x, TensorCore):
            return None
        if xo is IDENTIFIED:
            if self.instance(x) is None and not isinstance(self.object(x), int):
                return None
        elif xo is not KNOWN or not isinstance(x, Enum):
            return None
        python = all(each is object or each.__flags__ & (1 << 9) for each in kind.__mro__)
        return kind if python or content_class(kind) is not None else None

    def _method(self, kind: type, name: str) -> Any:
        """Return the Python function of a class for an operator; None without, False if unknown."""
        found = self.class_fact(kind, name)
        if found is ABSENT or found is vars(object).get(name, ABSENT):
            return None
        python = python_function(found)
        return False if python is None or is_trusted(python) else python

    @staticmethod
    def _declines(x: Any, xo: Any, kinds: tuple) -> bool:
        """Do the methods of the class of `x` have no answer to an object of a user's class?"""
        if isinstance(x, TensorCore):
            return is_plain_tensor(x)
        return xo is not None and type(x) in kinds

    def _attempted(self, attempts: list[Attempt], complaint: str) -> Any:
        """Evaluate methods until one has an answer; None if one of them is not known."""
        if not attempts or any(each[0] is False for each in attempts):
            return None
        given = [(each, origin) for m, a, ao, b, bo in attempts for each, origin in
                 ((m, KNOWN), (a, ao), (b, bo))]  # fmt: skip
        values, origins = zip(*given)
        return self.protocol(protocols.answered, (complaint, *values), (KNOWN, *origins))

    def user_binary(self, op: str, inplace: bool, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Perform an operator of which an operand is an object; None if there is no rule."""
        left, right = self.operand_class(l, lo), self.operand_class(r, ro)
        foreign = (*NUMBERS, *SEQUENCES) if op != "*" else NUMBERS
        if (left is None and not self._declines(l, lo, NUMBERS)) or (
            right is None and not self._declines(r, ro, foreign)
        ):
            return None
        if inplace and left is None and isinstance(l, TensorCore):
            return None
        name = NAMES[op]
        attempts: list[Attempt] = []

        def attempt(kind: type | None, wanted: str, x: Any, xo: Any, other: Any, oo: Any) -> None:
            method = None if kind is None else self._method(kind, wanted)
            if method is not None:
                attempts.append((method, x, xo, other, oo))

        if inplace:
            attempt(left, f"__i{name}__", l, lo, r, ro)
        reflected = right is not None and left is not right
        first = False
        if reflected and left is not None and right is not None and issubclass(right, left):
            ours, theirs = (self.class_fact(each, f"__r{name}__") for each in (left, right))
            first = theirs is not ABSENT and theirs is not ours
        if first:
            attempt(right, f"__r{name}__", r, ro, l, lo)
        attempt(left, f"__{name}__", l, lo, r, ro)
        if reflected and not first:
            attempt(right, f"__r{name}__", r, ro, l, lo)
        shown = f"{op}=" if inplace else "** or pow()" if op == "**" else op
        return self._attempted(
            attempts,
            f"unsupported operand type(s) for {shown}: "
            f"'{type(l).__name__}' and '{type(r).__name__}'",
        )

    def user_unary(self, op: str, x: Any, xo: Any) -> Any:
        """Perform a unary operator of an object; None if there is no rule."""
        kind = self.operand_class(x, xo)
        method = None if kind is None else self._method(kind, UNARY_NAMES[op])
        return self._enter(method, KNOWN, [x], [xo], {}, {}) if method else None

    def user_compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Compare an object with something; None if there is no rule."""
        if op in ("in", "not in"):
            method = self._method(type(r), "__contains__") if self.operand_class(r, ro) else None
            given = (method, r, l, op == "in")
            origins = (KNOWN, ro, lo, KNOWN)
            return self.protocol(protocols.contains, given, origins) if method else None
        left, right = self.operand_class(l, lo), self.operand_class(r, ro)
        foreign = (*NUMBERS, *SEQUENCES)
        if left is None and right is None:
            return None
        if (left is None and not self._declines(l, lo, foreign)) or (
            right is None and not self._declines(r, ro, foreign)
        ):
            return None
        forward, backward = COMPARE_NAMES[op]
        attempts = [
            self._comparison(left, forward, l, lo, r, ro),
            self._comparison(right, backward, r, ro, l, lo),
        ]
        if left is not right and left is not None and right is not None and issubclass(right, left):
            attempts.reverse()
        known = [each for each in attempts if each is not None]
        if op in ("==", "!="):
            last = protocols.identical if op == "==" else protocols.different
            known.append((last, l, lo, r, ro))
        return self._attempted(
            known,
            f"'{op}' not supported between instances of "
            f"'{type(l).__name__}' and '{type(r).__name__}'",
        )

    def _comparison(
        self, kind: type | None, name: str, x: Any, xo: Any, other: Any, oo: Any
    ) -> Attempt | None:
        if kind is None:
            return None
        method = self._method(kind, name)
        if method is None and name == "__ne__":
            # object's own asks the other one
            equal = self._method(kind, "__eq__")
            if equal is None:
                return None
            operand = parts((KNOWN, xo))
            return (equal and protocols.negated, (equal, x), operand, other, oo)
        return None if method is None else (method, x, xo, other, oo)

    def user_truth(self, x: Any, xo: Any) -> Any:
        """Tell the truth of an object; None if there is no rule."""
        kind = self.operand_class(x, xo)
        if kind is None:
            return None
        for name, protocol in (
            ("__bool__", protocols.truth),
            ("__len__", protocols.truth_of_length),
        ):
            method = self._method(kind, name)
            if method is not None:
                return self.protocol(protocol, (method, x), (KNOWN, xo)) if method else None
        return True

    def model_hash(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Do what `hash` does; None if there is no rule."""
        if kwargs or len(args) != 1:
            return None
        (x,), (xo,) = args, ao
        if self.becomes_constant(x, xo):
            return self._folded(hash, args)
        method = self._method(type(x), "__hash__") if self.operand_class(x, xo) else None
        return self.protocol(protocols.hashed, (method, x), (KNOWN, xo)) if method else None

    def becomes_constant(self, value: Any, origin: Any) -> bool:
        """Is it a constant with a known hash and equality, once sites make sure of numbers?"""
        if type(value) is tuple:
            found = self._elements(value, origin)
            return found is not None and all(self.becomes_constant(*each) for each in found)
        return self.is_constant(value, self.fixed(value, origin, floats=True))

    def is_constant(self, key: Any, origin: Any) -> bool:
        """Is it known, with a hash and an equality that are known?"""
        raise NotImplementedError

    def user_length(self, x: Any, xo: Any) -> Any:
        """Return the length of an object; None if there is no rule."""
        method = self._method(type(x), "__len__") if self.operand_class(x, xo) else None
        return self.protocol(protocols.length, (method, x), (KNOWN, xo)) if method else None

    def user_iterator(self, x: Any, xo: Any) -> Any:
        """Return the iterator of an object; None if there is no rule."""
        if self.operand_class(x, xo) is None:
            return None
        method = self._method(type(x), "__iter__")
        if method is None and self.special(x, "__getitem__") is not None:
            return self.sequence_iterator(x, xo)
        return self.protocol(protocols.iterator, (method, x), (KNOWN, xo)) if method else None

    def sequence_iterator(self, x: Any, xo: Any) -> Any:
        """Return an iterator over an object that has items only."""
        raise NotImplementedError

    def user_advance(self, x: Any, xo: Any) -> Any:
        """Take the next item of an iterator written in Python; None if there is no rule."""
        method = self._method(type(x), "__next__") if self.operand_class(x, xo) else None
        return self._enter(method, KNOWN, [x], [xo], {}, {}) if method else None

    def differs_by_class(self, l: Any, lo: Any, r: Any, ro: Any) -> bool:  # noqa: E741
        """Are two values of known classes different objects, because the classes are?"""
        known = all(
            origin is IDENTIFIED or origin is KNOWN or isinstance(origin, (Runtime, Parts, Text))
            for origin in (lo, ro)
        )
        return known and type(l) is not type(r)

    def fixed_class(self, kind: type) -> None:
        """Make it a fact that a class has the bases that it has."""
        if type(kind) is type and kind.__flags__ & (1 << 9):
            self._identical(Place(lookups.read_order, kind, False, ""), kind.__mro__)
