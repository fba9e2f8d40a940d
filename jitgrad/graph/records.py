"""Classes that Python's library generates: dataclasses, named tuples, namespaces.

Their methods have no source. What they do is known here, once it is certain that they are the
generated ones.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import namedtuple
from dataclasses import MISSING
from types import FunctionType, SimpleNamespace
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import KNOWN, parts
from jitgrad.graph.stores import StoreRules
from jitgrad.python import protocols

Example = namedtuple("Example", "field")
FIELD = type(vars(Example)["field"])
"""The descriptors of named tuples' fields."""
REPLACE = Example._replace.__code__
MAKE = vars(Example)["_make"].__func__.__code__
SENTINEL = "_HAS_DEFAULT_FACTORY_CLASS"
"""The class of what a dataclass gives to a field that is made by its default factory."""


@functools.cache
def has_generated_init(owner: type, init: FunctionType) -> bool:
    """Is `init` what `dataclasses.dataclass` makes for `owner`? Then it makes the same again."""
    params = vars(owner).get("__dataclass_params__")
    if params is None or not params.init:
        return False
    again = []
    for each in owner.__dataclass_fields__.values():  # type: ignore[attr-defined]
        settings = {"init": each.init, "kw_only": each.kw_only}
        settings |= {
            name: found
            for name in ("default", "default_factory")
            if (found := getattr(each, name)) is not MISSING
        }
        kind: Any = dataclasses.InitVar[int] if _sort(each) == "_FIELD_INITVAR" else int
        if _sort(each) != "_FIELD_CLASSVAR":
            again.append((each.name, kind, dataclasses.field(**settings)))
    space = {"__post_init__": None} if hasattr(owner, "__post_init__") else {}
    try:
        twin: Any = dataclasses.make_dataclass(
            owner.__name__, again, namespace=space, frozen=params.frozen, eq=False
        )
    except (TypeError, ValueError):
        return False
    return twin.__init__.__code__ == init.__code__


def _sort(field: Any) -> str:
    return field._field_type.name


@functools.cache
def _generated_new(fields: tuple[str, ...]) -> Any:
    """Return the code of `__new__` of named tuples with these fields."""
    return namedtuple("Example", fields).__new__.__code__  # type: ignore[misc]


def named_fields(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a class of named tuples, None for other classes."""
    fields = getattr(kind, "_fields", None) if issubclass(kind, tuple) else None
    if type(fields) is not tuple or not fields:
        return () if fields == () else None
    if all(type(lookups.type_lookup(kind, each)) is FIELD for each in fields):
        return fields
    return None


def generated_new_of(new: Any, kind: Any) -> tuple[str, ...] | None:
    """Return the fields of a class of named tuples if `new` is the `__new__` made for these."""
    fields = named_fields(kind) if isinstance(kind, type) else None
    is_its = fields is not None and getattr(new, "__code__", None) == _generated_new(fields)
    return fields if is_its else None


class RecordRules(StoreRules):
    """What dataclasses, named tuples, namespaces and enumerations do."""

    # -- dataclasses ------------------------------------------------------------------------

    def dataclass_plan(
        self, kind: type, init: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        owner = next((each for each in kind.__mro__ if vars(each).get("__init__") is init), None)
        if owner is None or init.__code__.co_filename != "<string>":
            return None
        given = self._given(init, args, ao, kwargs, ko)
        if given is None or not has_generated_init(owner, init):
            return None
        self._identical(Place(lookups.read_code, init, False, ""), init.__code__)
        fields = owner.__dataclass_fields__.values()  # type: ignore[attr-defined]
        plan = [self._field(each, given) for each in fields if _sort(each) == "_FIELD"]
        plan = [each for each in plan if each is not None]
        extra = [given[each.name] for each in fields if _sort(each) == "_FIELD_INITVAR"]
        finish = None
        if hasattr(owner, "__post_init__"):
            finish = self.class_fact(kind, "__post_init__")
            if not isinstance(finish, FunctionType):
                return None
        frozen = owner.__dataclass_params__.frozen  # type: ignore[attr-defined]
        values = (
            object.__setattr__ if frozen else setattr,
            tuple(values for values, _ in plan),
            finish,
            tuple(value for value, _ in extra),
        )
        origins = parts(origin for _, origin in plan), parts(origin for _, origin in extra)
        return values, (KNOWN, origins[0], KNOWN, origins[1])

    @staticmethod
    def _field(field: Any, given: dict) -> Any:
        """Return name, value and factory of a field, with origins; None if `__init__` passes it."""
        value, origin = given.get(field.name, (None, KNOWN))
        factory = field.default_factory
        if factory is not MISSING and (not field.init or type(value).__name__ == SENTINEL):
            return (field.name, None, factory), KNOWN
        return ((field.name, value, None), parts((KNOWN, origin, KNOWN))) if field.init else None

    def _given(self, init: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> dict | None:
        """Return the arguments of a generated function by name, None if they do not fit."""
        code = init.__code__
        count, defaults = code.co_argcount - 1, init.__defaults__ or ()
        names = code.co_varnames[1 : count + 1 + code.co_kwonlyargcount]
        given = dict(zip(names[:count], zip(args, ao)))
        if len(args) > count or any(each in given or each not in names for each in kwargs):
            return None
        given.update((name, (kwargs[name], ko[name])) for name in kwargs)
        for at, name in enumerate(names):
            if name in given:
                continue
            index = at - count + len(defaults)
            found: Any = None
            if at >= count and name in (init.__kwdefaults__ or {}):
                found = self.function_default(init, "keyword", name)
            elif at < count and index >= 0:
                found = self.function_default(init, "positional", index)
            if found is None or found[1] is None:
                return None
            given[name] = found
        return given

    # -- named tuples and namespaces --------------------------------------------------------

    def construct_special(self, kind: type, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kind is SimpleNamespace:
            if args:
                return None
            space = SimpleNamespace(**kwargs)
            return space, self.fresh(space, "instance", [], dict(ko))
        found = lookups.type_lookup(kind, "__new__")
        new = found.__func__ if isinstance(found, staticmethod) else found
        fields = generated_new_of(new, kind)
        if fields is None or lookups.type_lookup(kind, "__init__") is not object.__init__:
            if not isinstance(new, FunctionType):
                return None
            self.class_fact(kind, "__new__")
            return self.protocol(
                protocols.allocated, (kind, new, *args), (KNOWN, KNOWN, *ao), kwargs, ko
            )
        given = self._given(new, args, ao, kwargs, ko)
        if given is None:
            return None
        for name in ("__new__", "__init__", "_fields"):
            self.class_fact(kind, name)
        return self.record(kind, [given[name] for name in fields])

    def record(self, kind: type, items: list[tuple[Any, Any]]) -> Any:
        """Return a named tuple made in the call, with its origin."""
        made = tuple.__new__(kind, [value for value, _ in items])
        return made, self.fresh(made, "instance", [origin for _, origin in items], {})

    def is_record(self, obj: Any) -> bool:
        """Is `obj` a tuple of a class of its own, from outside or made in the call?"""
        known = self.object(obj)
        made = isinstance(known, FreshObject) and known.kind == "instance"
        return (
            (made or isinstance(known, int)) and type(obj) is not tuple and isinstance(obj, tuple)
        )

    def record_size(self, obj: Any) -> int:
        """Return the length of a record, as a fact."""
        known = self.object(obj)
        if isinstance(known, int):
            self.take(Place(lookups.read_size, known, True, ""))
        return tuple.__len__(obj)

    def record_item(self, obj: Any, at: int) -> Any:
        """Return an element of a record with its origin; None if it is not known."""
        known = self.object(obj)
        if isinstance(known, FreshObject):
            return tuple.__getitem__(obj, at), known.origins[at]
        value, origin = self.take(Place(lookups.read_element, known, True, at))
        return None if origin is None else (value, origin)

    def record_items(self, obj: Any, method: str) -> list[tuple[Any, Any]] | None:
        """Return the elements of a record whose class has the `method` of tuples; else None."""
        if self.class_fact(type(obj), method) is not getattr(tuple, method):
            return None
        found = [self.record_item(obj, at) for at in range(self.record_size(obj))]
        return None if any(each is None for each in found) else found

    def record_attribute(self, obj: Any, oo: Any, name: str) -> Any:
        """Read an attribute of a record; None if there is no rule."""
        kind = type(obj)
        found = lookups.type_lookup(kind, name)
        if not self.looks_up_plainly(kind):
            return None
        fields = named_fields(kind)
        if type(found) is FIELD and fields is not None and name in fields:
            self.class_fact(kind, name)
            at = found.__reduce__()[1][0]
            return self.record_item(obj, at) if at < self.record_size(obj) else None
        return self.read_attribute(obj, oo, name)

    def replaced(self, method: Any, kwargs: Any, ko: Any) -> Any:
        """Do what a named tuple's `_replace` does; None if it is none or has been overridden."""
        obj, function = method.__self__, method.__func__
        kind = type(obj)
        if getattr(function, "__code__", None) is not REPLACE or not self.is_record(obj):
            return None
        fields = named_fields(kind)
        make = lookups.type_lookup(kind, "_make")
        if fields is None or any(each not in fields for each in kwargs):
            return None
        if not isinstance(make, classmethod) or getattr(make.__func__, "__code__", 0) is not MAKE:
            return None
        self.class_fact(kind, "_make")
        if len(fields) != self.record_size(obj):
            return None
        found = [
            (kwargs[name], ko[name]) if name in kwargs else self.record_item(obj, at)
            for at, name in enumerate(fields)
        ]
        return None if any(each is None for each in found) else self.record(kind, found)
