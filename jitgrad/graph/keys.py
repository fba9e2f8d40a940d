"""Objects made in the call that are keys of dicts, where what hash and equality ask is known."""

from __future__ import annotations

from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.derived import DerivedRules
from jitgrad.graph.enumerations import IDENTITY
from jitgrad.graph.generated import is_generated
from jitgrad.graph.instances import CLASS
from jitgrad.graph.knowledge import FreshObject


class KeyRules(DerivedRules):
    """Keys that are texts and numbers of users' classes, and frozen dataclasses of constants."""

    def is_key(self, key: Any, origin: Any) -> bool:
        if super().is_key(key, origin) or self._is_record_key(key):
            return True
        value, known = self.plain_of(key, origin, IDENTITY)
        return value is not key and self.is_constant(value, known)

    def _is_record_key(self, key: Any) -> bool:
        """Is it a frozen dataclass all of whose attributes are constants?"""
        fresh, kind = self.instance(key), type(key)
        params = getattr(kind, "__dataclass_params__", None)
        if fresh is None or not getattr(params, "frozen", False) or fresh.origins:
            return False
        if not all(is_generated(self.class_fact(kind, name)) for name in IDENTITY):
            return False
        if not self.looks_up_plainly(kind) or self.class_fact(kind, "__class__") is not CLASS:
            return False
        return all(
            self.is_own(kind, name)
            and self.becomes_constant(lookups.static_lookup(key, name), origin)
            for name, origin in fresh.extra.items()
        )

    def store_plainly(self, obj: Any, oo: Any, name: str, value: Any, origin: Any) -> Any:
        if not self._is_used_as_key(obj) or self.becomes_constant(value, origin):
            return super().store_plainly(obj, oo, name, value, origin)
        return False

    def _is_used_as_key(self, obj: Any) -> bool:
        """Is it an object made in the call that a dict made there has as a key?"""
        frozen = getattr(getattr(type(obj), "__dataclass_params__", None), "frozen", False)
        return frozen and any(
            isinstance(known, FreshObject) and isinstance(held, dict) and any(
                key is obj for key in dict.keys(held)
            )
            for held, known in self.objects.values()
        )  # fmt: skip
