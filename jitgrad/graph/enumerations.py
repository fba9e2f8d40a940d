"""Enumerations: their members by value, by name and in turn, and members that are numbers or texts.

The members of an enumeration are constants: its class does not let them be replaced.
"""

from __future__ import annotations

import operator
from enum import Enum, EnumType, Flag
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.callables import CallableRules
from jitgrad.graph.instances import python_function
from jitgrad.graph.lookups import Place
from jitgrad.graph.operands import COMPARE_NAMES, NAMES, UNARY_NAMES
from jitgrad.graph.origins import KNOWN
from jitgrad.graph.throwing import ThrowingRules

PLAIN_COPY: Any = {int: int.__pos__, float: float.__pos__, str: str.__str__}
"""For classes from which members may derive, what makes a plain value of a member."""
VALUE_TYPES = (int, str, float, bool, type(None))
IDENTITY = ("__eq__", "__hash__")
OWN_HASHES = tuple(vars(each)["__hash__"] for each in (Enum, *PLAIN_COPY))
OWN_EQUALITIES = tuple(vars(each)["__eq__"] for each in (object, *PLAIN_COPY))
OWN_MISSING = tuple(vars(each)["_missing_"] for each in (Enum, Flag))


def _asks_no_other(value: Any) -> bool:
    """Is it a tensor, or of a built-in class, so that it asks a number for its value only?"""
    return isinstance(value, TensorCore) or not type(value).__flags__ & (1 << 9)


def is_enumeration(x: Any, origin: Any) -> bool:
    """Is it a known enumeration that has members and an ordinary metaclass?"""
    return type(x) is EnumType and origin is KNOWN and len(x._member_names_) > 0


class EnumerationRules(ThrowingRules, CallableRules):
    """What is done with enumerations and their members."""

    def call_object(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if isinstance(callee, Enum) and co is KNOWN:
            method = python_function(self.class_fact(type(callee), "__call__"))
            if method is None:
                return None
            return self._enter(method, KNOWN, [callee, *args], [KNOWN, *ao], kwargs, ko)
        return super().call_object(callee, co, args, ao, kwargs, ko)

    def _call_class(self, kind: type, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if isinstance(kind, EnumType):
            one = is_enumeration(kind, KNOWN) and len(args) == 1 and not kwargs
            return self._looked_up(kind, args[0], ao[0]) if one else None
        return super()._call_class(kind, args, ao, kwargs, ko)

    def _looked_up(self, kind: Any, value: Any, origin: Any) -> Any:
        """Return the member with a value; None where the class is asked in a way of its own."""
        if self.fixed(value, origin) is not KNOWN or kind.__new__ is not Enum.__new__:
            return None
        self.class_fact(kind, "__new__")
        if type(value) is kind:
            return value, KNOWN
        if type(value) not in VALUE_TYPES:
            return None
        member = kind._value2member_map_.get(value)
        if member is not None:
            return member, KNOWN
        own = self.class_fact(kind, "_missing_") in OWN_MISSING
        # a combination of flags is made once, and then kept
        return self._folded(kind, (value,)) if own else None

    def enumeration_member(self, cls: type, name: str) -> Any:
        if not isinstance(cls, EnumType) or name not in cls._member_map_:
            return None
        return cls._member_map_[name], KNOWN

    def member_attribute(self, member: Enum, name: str) -> Any:
        kind, own = type(member), vars(member)
        found = lookups.type_lookup(kind, name)
        if name in ("name", "value") and found is vars(Enum)[name]:
            self.class_fact(kind, name)
            name = f"_{name}_"
        elif name not in own:
            place = Place(lookups.read_class, kind, False, name)
            return self.class_value(member, KNOWN, name, found, place)
        if not self.looks_up_plainly(kind) or not self.is_own(kind, name):
            return None
        if type(own[name]) in VALUE_TYPES and name.startswith("_"):
            return own[name], KNOWN
        value, origin = self.take(Place(lookups.static_lookup, member, False, name))
        return None if origin is None else (value, origin)

    # -- members one after the other --------------------------------------------------------

    def _elements(self, x: Any, xo: Any) -> list[tuple[Any, Any]] | None:
        if is_enumeration(x, xo):
            return [(each, KNOWN) for each in x]
        return super()._elements(x, xo)

    def iterate(self, x: Any, xo: Any) -> Any:
        return super().iterate(tuple(x) if is_enumeration(x, xo) else x, xo)

    # -- keys -------------------------------------------------------------------------------

    def is_constant(self, key: Any, origin: Any) -> bool:
        return self._is_member_key(key, origin) or super().is_constant(key, origin)

    def _is_member_key(self, key: Any, origin: Any) -> bool:
        """Is it a member whose hash and equality are those of its name, or of a plain value?"""
        if origin is not KNOWN or not isinstance(key, Enum):
            return False
        equal, hashed = (self.class_fact(type(key), name) for name in IDENTITY)
        return equal in OWN_EQUALITIES and hashed in OWN_HASHES

    def key_of(self, key: Any, origin: Any) -> Any:
        key, origin = self.plain_of(key, origin, IDENTITY)
        return key if self._is_member_key(key, origin) else super().key_of(key, origin)

    def get_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        if is_enumeration(obj, obj_origin) and key_origin is KNOWN and type(key) is str:
            if key in obj._member_map_:
                return obj._member_map_[key], KNOWN
            self._raise_certainly(operator.getitem, (obj, key))
        if _asks_no_other(obj):
            key, key_origin = self.plain_of(key, key_origin, (*IDENTITY, "__index__"))
        return super().get_item(obj, obj_origin, key, key_origin)

    # -- members that are numbers or texts --------------------------------------------------

    def plain_of(self, x: Any, xo: Any, names: tuple[str, ...]) -> tuple[Any, Any]:
        """Return the plain value that a member is, if these methods are those of that; else x."""
        if xo is not KNOWN or not isinstance(x, Enum):
            return x, xo
        kind = type(x)
        base = next((each for each in PLAIN_COPY if isinstance(x, each)), None)
        if base is None:
            return x, xo
        if any(self.class_fact(kind, n) is not lookups.type_lookup(base, n) for n in names):
            return x, xo
        return PLAIN_COPY[base](x), xo

    def _plain_pair(self, l: Any, lo: Any, r: Any, ro: Any, names: tuple[str, ...]) -> Any:  # noqa: E741
        given = [self.plain_of(l, lo, names), self.plain_of(r, ro, names)]
        if not all(_asks_no_other(value) for value, _ in given):
            return l, lo, r, ro  # whose methods are given the objects themselves
        return *given[0], *given[1]

    def binary(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        names = (f"__{NAMES[op]}__", f"__r{NAMES[op]}__")
        return super().binary(op, *self._plain_pair(l, lo, r, ro, names))

    def inplace(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        names = (f"__{NAMES[op]}__", f"__r{NAMES[op]}__", f"__i{NAMES[op]}__")
        return super().inplace(op, *self._plain_pair(l, lo, r, ro, names))

    def unary(self, op: str, x: Any, xo: Any) -> Any:
        return super().unary(op, *self.plain_of(x, xo, (UNARY_NAMES[op],)))

    def truth(self, x: Any, xo: Any) -> Any:
        return super().truth(*self.plain_of(x, xo, ("__bool__", "__len__")))

    def compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        if op in ("in", "not in"):
            if is_enumeration(r, ro) and type(l) is r and lo is KNOWN:
                return op == "in", KNOWN
            if _asks_no_other(r):
                l, lo = self.plain_of(l, lo, IDENTITY)  # noqa: E741
        elif op not in ("is", "is not"):
            l, lo, r, ro = self._plain_pair(l, lo, r, ro, (*COMPARE_NAMES[op], "__eq__"))  # noqa: E741
        return super().compare(op, l, lo, r, ro)
