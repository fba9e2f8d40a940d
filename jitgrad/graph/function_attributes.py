"""What functions are called, what is stored on them, and what `functools.wraps` does to them."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN
from jitgrad.graph.recording import Recording


class FunctionAttributeRules(Recording):
    """Attributes of functions, from outside and made in the call."""

    def function_attribute(self, function: FunctionType, origin: Any, name: str) -> Any:
        """Return an attribute, ABSENT where it is missing, with its origin; None without a rule."""
        if name not in lookups.FUNCTION_NAMES and hasattr(FunctionType, name):
            return None
        known = self.object(function)
        if isinstance(known, FreshObject):
            if type(known.extra) is tuple:
                return known.extra if name == "__wrapped__" else None
            if known.extra and name in known.extra:
                return function.__dict__[name], known.extra[name]
            return lookups.read_function_attribute(function, name), KNOWN
        is_root = known is not None
        if origin is not (IDENTIFIED if is_root else KNOWN):
            return None
        base = known if is_root else function
        value, found = self.take(Place(lookups.read_function_attribute, base, is_root, name))
        return None if found is None else (value, found)

    def set_function_attribute(self, function: Any, name: str, value: Any, origin: Any) -> bool:
        """Store on a function made in the call what only those see who ask for it."""
        known = self.object(function)
        if not isinstance(function, FunctionType) or not isinstance(known, FreshObject):
            return False
        if type(known.extra) is tuple or hasattr(FunctionType, name):
            return False
        function.__dict__[name] = value
        known.extra = {**(known.extra or {}), name: origin}
        return True

    def update_wrapper(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Give a function made in the call the names of another one, as `functools.wraps` does.

        Replays do the same with what the other one is called by then.
        """
        given = {**dict(zip(("wrapper", "wrapped", "assigned", "updated"), args)), **kwargs}
        wrapper, wrapped = given.get("wrapper"), given.get("wrapped")
        known = self.object(wrapper)
        if not isinstance(wrapper, FunctionType) or not isinstance(wrapped, FunctionType):
            return None
        usual = (functools.WRAPPER_ASSIGNMENTS, functools.WRAPPER_UPDATES)
        if (given.get("assigned", usual[0]), given.get("updated", usual[1])) != usual:
            return None
        if not isinstance(known, FreshObject) or known.extra is not None or wrapper is wrapped:
            return None
        origin = KNOWN if self.object(wrapped) is None else IDENTIFIED
        functools.update_wrapper(wrapper, wrapped)
        known.extra = wrapped, origin
        return wrapper, IDENTIFIED
