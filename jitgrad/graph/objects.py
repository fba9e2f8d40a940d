"""Objects of classes written in Python: what their special methods do, and what modules hold."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN, parts
from jitgrad.graph.performing import Performing, is_trusted

REGISTRY = "jitgrad.nn.modules.registry"
CONTAINER = "jitgrad.nn.modules.container"
REGISTERED = ("_parameters", "_buffers", "_modules")
"""Where a module keeps what is no ordinary attribute, in the order in which it looks there."""


WALKS = frozenset(
    {
        "buffers", "children", "modules", "named_buffers", "named_children", "named_modules",
        "named_parameters", "parameters",
    }
)  # fmt: skip
"""Methods of modules that list what is in the tree below them."""


class ObjectRules(Performing):
    """What objects do by the methods of their classes."""

    def class_fact(self, kind: type, name: str) -> Any:
        """Return what a class has for an attribute, itself or from a base; that is a fact."""
        raise NotImplementedError

    def special(self, obj: Any, name: str) -> Any:
        """Return the Python function `name` of the class of `obj`, as a fact; None without."""
        known = self.object(obj)
        if not isinstance(known, int) and getattr(known, "kind", "") != "instance":
            return None
        found = lookups.type_lookup(type(obj), name)
        python = getattr(found, "__compiled_function__", found)
        if not isinstance(python, FunctionType) or is_trusted(python):
            return None
        self.class_fact(type(obj), name)
        return python

    def enter_special(self, name: str, obj: Any, oo: Any, args: Any = (), ao: Any = ()) -> Any:
        """Evaluate a special method of `obj`; None if its class has none written in Python."""
        method = self.special(obj, name)
        if method is None:
            return None
        return self._enter(method, KNOWN, [obj, *args], [oo, *ao], {}, {})

    def missing_attribute(self, obj: Any, oo: Any, name: str) -> Any:
        """Ask `__getattr__` for an attribute that neither the object nor its class has."""
        getter = self.special(obj, "__getattr__")
        if getter is None:
            return None
        known = self.object(obj)
        if isinstance(known, int):
            self.take(Place(lookups.static_lookup, known, True, name))
        if getter.__module__ == REGISTRY:
            return self._registered(obj, name)
        return self._enter(getter, KNOWN, [obj, name], [oo, KNOWN], {}, {})

    def _registered(self, obj: Any, name: str) -> Any:
        """Do what a module's `__getattr__` does: look into its dictionaries."""
        for kind in REGISTERED:
            held = self._registry(obj, kind)
            if held is None:
                return None
            number = self.object(held)
            if self.take(Place(lookups.read_presence, number, True, name))[0]:
                value, origin = self.take(Place(lookups.read_item, number, True, name))
                return None if origin is None else (value, origin)
        return None

    def _registry(self, obj: Any, kind: str) -> dict | None:
        """Return one of the dictionaries of a module, taken as an object of its own."""
        held, _ = self.take(Place(lookups.static_lookup, self.object(obj), True, kind))
        return held if type(held) is dict and isinstance(self.object(held), int) else None

    def walk_modules(self, method: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Do what a module's `parameters` and its kin do, with facts about all that they look at.

        They are generators; here the list is made at once, as nobody can tell.
        """
        function = method.__func__
        if function.__module__ != REGISTRY or function.__name__ not in WALKS:
            return None
        if any(each is not KNOWN for each in (*ao, *ko.values())):
            return None
        if not self._take_tree(method.__self__, set()):
            return None
        found = list(method(*args, **kwargs))
        named = function.__name__.startswith("named_")
        origin = parts((KNOWN, IDENTIFIED)) if named else IDENTIFIED
        self.fresh(found, "list", [origin] * len(found))
        return self.iterate(found, IDENTIFIED)  # type: ignore[attr-defined]

    def _take_tree(self, module: Any, seen: set[int]) -> bool:
        """Take a module and all below it: what is in their dictionaries, in its order."""
        if id(module) in seen:
            return True
        seen.add(id(module))
        if any(getattr(self.special(module, name), "__module__", "") != REGISTRY for name in WALKS):
            return False
        for kind in REGISTERED:
            held = self._registry(module, kind)
            found = None if held is None else self.outer_items(self.object(held))  # type: ignore[arg-type]
            if found is None:
                return False
            if kind == "_modules" and not all(
                each is None or self._take_tree(each, seen) for each, _ in found
            ):
                return False
        return True

    def is_module_list(self, x: Any) -> bool:
        method = lookups.type_lookup(type(x), "__iter__")
        return isinstance(method, FunctionType) and method.__qualname__ == "_Numbered.__iter__"

    def listed_modules(self, x: Any) -> list[tuple[Any, Any]] | None:
        if getattr(self.special(x, "__iter__"), "__module__", "") != CONTAINER:
            return None
        held = self._registry(x, "_modules")
        return None if held is None else self.outer_items(self.object(held))  # type: ignore[arg-type]

    def stores_plainly(self, obj: Any, name: str, value: Any) -> bool:
        """Does an assignment to this attribute of a module store into its `__dict__`?

        So it is, as a fact, if the name is none of a parameter, buffer or submodule and the value
        is none either.
        """
        setter = lookups.type_lookup(type(obj), "__setattr__")
        if not isinstance(setter, FunctionType) or setter.__module__ != REGISTRY:
            return False
        if isinstance(value, TensorCore) and type(value).__name__ != "Tensor":
            return False
        if hasattr(value, "_is_buffer") or hasattr(type(value), "register_parameter"):
            return False
        self.special(obj, "__setattr__")
        for kind in REGISTERED:
            held = self._registry(obj, kind)
            if held is None:
                return False
            if self.take(Place(lookups.read_presence, self.object(held), True, name))[0]:
                return False
        return True
