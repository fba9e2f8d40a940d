"""`copy.copy` and `copy.deepcopy` of what is known."""

from __future__ import annotations

import copyreg
from types import BuiltinFunctionType, FunctionType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.instances import may_be_made
from jitgrad.graph.knowledge import CONSTANT_TYPES, FreshObject
from jitgrad.graph.lists import ListRules
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.mappings import MappingRules
from jitgrad.graph.operators import NUMBERS
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Text, parts

COPYING = (
    "__copy__", "__deepcopy__", "__del__", "__getattr__", "__getattribute__", "__getnewargs__",
    "__getnewargs_ex__", "__getstate__", "__new__", "__reduce__", "__reduce_ex__", "__setattr__",
    "__setstate__",
)  # fmt: skip
"""What a class may have to say about copies of its objects."""

Found = tuple[Any, Any]
"""A value and its origin."""


class CopyingRules(ListRules, MappingRules):
    """Copies of containers, and of objects made in the call whose classes have no say in that."""

    def model_copy(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Do what `copy.copy` does; None if there is no rule."""
        if kwargs or len(args) != 1:
            return None
        x = args[0]
        if type(x) is list:
            return self.list_method(x, "copy", [], [])
        if type(x) is dict:
            return self.dict_method(x, "copy", [], [], {}, {})
        if type(x) is set:
            return self.set_method(x, "copy", [], [])
        if type(x) in (tuple, frozenset):
            return x, ao[0]
        if self.instance(x) is not None:
            if not self._is_copied_plainly(x):
                return None
            made, known = self._like(x)
            made.__dict__.update(x.__dict__)
            known.extra.update(self.instance(x).extra)  # type: ignore[union-attr]
            return made, IDENTIFIED
        return (x, ao[0]) if self._is_atomic(x, ao[0]) else None

    @staticmethod
    def _is_atomic(x: Any, xo: Any) -> bool:
        """Is a copy of it the object itself?"""
        if type(x) in NUMBERS or isinstance(xo, Text):
            return xo is not None
        atomic = (*CONSTANT_TYPES, FunctionType, BuiltinFunctionType, type)
        return xo is KNOWN and type(x) in atomic

    def _is_copied_plainly(self, x: Any) -> bool:
        """Is a copy of an object one of its class with the same attributes? Then that is a fact."""
        kind, known = type(x), self.instance(x)
        if known is None or known.origins or not may_be_made(kind):
            return False
        if not set(known.extra) <= set(getattr(x, "__dict__", ())):
            return False
        reduction = Place(lookups.read_item, copyreg.dispatch_table, False, kind)
        return self.take(reduction)[0] is ABSENT and all(
            self.class_fact(kind, name) is vars(object).get(name, ABSENT) for name in COPYING
        )

    def _like(self, x: Any) -> tuple[Any, FreshObject]:
        """Make an object of the same class, without attributes."""
        made = object.__new__(type(x))
        self.fresh(made, "instance", [], {})
        known = self.instance(made)
        assert known is not None
        return made, known

    # -- deep copies --------------------------------------------------------------------------

    def model_deepcopy(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Do what `copy.deepcopy` does; None if there is no rule."""
        if kwargs or len(args) != 1 or _is_odd(args[0], []):
            return None
        if not self._may_be_copied(args[0], ao[0], {}):
            return None
        return self._deep_copy(args[0], ao[0], {})

    def _copied_with(self, x: Any, xo: Any) -> list[Found] | None:
        """Return what is copied with a container or an object; None if it is not known."""
        if type(x) is dict:
            pairs = self.pairs_of(x, xo)
            if pairs is None or not all(self._is_atomic(key, ko) for key, ko, *_ in pairs):
                return None
            return [(value, origin) for *_, value, origin in pairs]
        if type(x) in (list, tuple):
            return self._elements(x, xo)
        if self.instance(x) is None or not self._is_copied_plainly(x):
            return None
        return [(x.__dict__[name], origin) for name, origin in self.instance(x).extra.items()]  # type: ignore[union-attr]

    def _may_be_copied(self, x: Any, xo: Any, seen: dict[int, Any]) -> bool:
        if id(x) in seen or self._is_atomic(x, xo):
            return True
        if xo is None:
            return False
        seen[id(x)] = x
        found = self._copied_with(x, xo)
        return found is not None and all(self._may_be_copied(*each, seen) for each in found)

    def _deep_copy(self, x: Any, xo: Any, made: dict[int, Found]) -> Found:
        """Copy what is known to be copied plainly; `made` are the copies of what was met."""
        if self._is_atomic(x, xo):
            return x, xo
        if id(x) in made:
            return made[id(x)]
        found = self._copied_with(x, xo) or []
        if type(x) is tuple:
            items = [self._deep_copy(*each, made) for each in found]
            # it may have been met again within itself
            if id(x) not in made:
                made[id(x)] = x, xo
                if any(one[0] is not other[0] for one, other in zip(items, found)):
                    values, origins = zip(*items)
                    made[id(x)] = values, parts(origins)
            return made[id(x)]
        if type(x) is list:
            copied = made[id(x)] = self.new_list([])
            known = self.object(copied[0])
            assert isinstance(known, FreshObject)
            for each in found:
                value, origin = self._deep_copy(*each, made)
                copied[0].append(value)
                known.origins.append(origin)
            return copied
        if type(x) is dict:
            copied = made[id(x)] = self.new_dict([])
            known = self.object(copied[0])
            assert isinstance(known, FreshObject)
            for (key, ko, *_), each in zip(self.pairs_of(x, xo) or [], found):
                value, origin = self._deep_copy(*each, made)
                copied[0][key] = value
                known.origins += [ko, origin]
            return copied
        obj, fresh = self._like(x)
        made[id(x)] = obj, IDENTIFIED
        names = list(self.instance(x).extra)  # type: ignore[union-attr]
        for name, each in zip(names, found):
            obj.__dict__[name], fresh.extra[name] = self._deep_copy(*each, made)
        return obj, IDENTIFIED


def _is_odd(x: Any, within: list[Any]) -> bool:
    """Is there a tensor in nested containers, or a container of another class?

    Asked before anything is known of what is in them, which would be guarded.
    """
    if any(x is each for each in within):
        return False
    if type(x) in (list, tuple, dict):
        inside = list(x.values()) if type(x) is dict else x
        return any(_is_odd(each, [*within, x]) for each in inside)
    return isinstance(x, (TensorCore, list, tuple, dict, set, frozenset))
