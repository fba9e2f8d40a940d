"""Objects of classes written in Python: how they are made, and what their attributes are.

An object made in the call is a *fresh instance*: a real one, whose attributes have origins. What
its class says is a fact, looked up along the method resolution order as CPython does.
"""

from __future__ import annotations

import functools
from abc import ABCMeta
from enum import Enum, EnumType
from types import (
    FunctionType,
    MemberDescriptorType,
    MethodType,
    SimpleNamespace,
    WrapperDescriptorType,
)
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.contents import PLAIN
from jitgrad.graph.generated import find_source
from jitgrad.graph.guards import is_immutable
from jitgrad.graph.knowledge import FreshObject, has_lasting_identity
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.objects import ObjectRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN
from jitgrad.graph.performing import is_trusted
from jitgrad.python import protocols
from jitgrad.python.binding import bind_arguments
from jitgrad.python.code import Unlowerable
from jitgrad.python.lower import code_for
from jitgrad.python.operations import Enter

NEW = object.__dict__["__new__"]
INITIALIZE = object.__dict__["__init__"]
STORE = object.__dict__["__setattr__"]
DELETE = object.__dict__["__delattr__"]
LOOKUPS = tuple(vars(each)["__getattribute__"] for each in (object, SimpleNamespace, *PLAIN))
STORES = (STORE, SimpleNamespace.__dict__["__setattr__"])
DELETES = (DELETE, SimpleNamespace.__dict__["__delattr__"])
METACLASSES = (type, ABCMeta)
"""Metaclasses that have nothing of their own for classes."""
CALL = type.__dict__["__call__"]
LOOKUP = type.__dict__["__getattribute__"]
ABSTRACT = 1 << 20
CLASS = object.__dict__["__class__"]


def python_function(found: Any) -> Any:
    """Return the Python function that a class attribute is, compiled or not; None if it is none."""
    python = getattr(found, "__compiled_function__", found)
    return python if isinstance(python, FunctionType) else None


def may_be_made(kind: type) -> bool:
    """Can the recorder make objects of a class in the ordinary way?"""
    if isinstance(kind, EnumType) or kind.__flags__ & ABSTRACT:
        return False
    return not any(each.__module__.startswith("jitgrad.") for each in kind.__mro__)


class InstanceRules(ObjectRules):
    """What is read from objects, from outside and made in the call, and how these are made."""

    def instance(self, obj: Any) -> FreshObject | None:
        """Return what is known of an instance made in the call, None if `obj` is none."""
        known = self.object(obj)
        return known if isinstance(known, FreshObject) and known.kind == "instance" else None

    def class_fact(self, kind: type, name: str) -> Any:
        """Return what a class has for an attribute, itself or from a base; that is a fact."""
        found = lookups.type_lookup(kind, name)
        if type(found) is FunctionType:
            find_source(kind, found)
        self._identical(Place(lookups.read_class, kind, False, name), found)
        return found

    def looks_up_plainly(self, kind: type) -> bool:
        """Are attributes of instances looked up as `object` does it? If so, it is a fact."""
        if lookups.type_lookup(kind, "__getattribute__") not in LOOKUPS:
            return False
        self.class_fact(kind, "__getattribute__")
        return True

    def is_own(self, kind: type, name: str) -> bool:
        """Do instances keep this attribute themselves, in a `__dict__` or slot? It is a fact."""
        found = lookups.type_lookup(kind, name)
        if found is ABSENT or isinstance(found, MemberDescriptorType):
            self.class_fact(kind, name)
            return True
        if lookups.read_descriptor(kind, name) is not ABSENT:
            return False
        self._identical(Place(lookups.read_descriptor, kind, False, name), ABSENT)
        return True

    def protocol(
        self, function: Any, args: Any, ao: Any, kwargs: Any = None, ko: Any = None
    ) -> Any:
        """Evaluate one of the interpreter's own protocols."""
        code = code_for(function)
        values, origins = bind_arguments(self, code, function, args, ao, kwargs or {}, ko or {})
        return Enter(code, function, values, origins, KNOWN)

    # -- making -----------------------------------------------------------------------------

    def construct(self, kind: type, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Make an object of an ordinary class; None if it is not made in the ordinary way."""
        if not may_be_made(kind):
            return None
        if lookups.type_lookup(kind, "__new__") is not NEW:
            return self.construct_special(kind, args, ao, kwargs, ko)
        initialize = lookups.type_lookup(kind, "__init__")
        python = python_function(initialize)
        if initialize is INITIALIZE:
            if args or kwargs:
                return None
        elif python is None:
            return None
        if lookups.type_lookup(kind, "__del__") is not ABSENT:
            return None
        for name in ("__new__", "__init__", "__del__"):
            self.class_fact(kind, name)
        try:
            made: Any = object.__new__(kind, *args, **kwargs)  # type: ignore[call-arg]
        except TypeError:
            return None  # the class had a `__new__` once, so that it takes no arguments
        origin = self.fresh(made, "instance", [], {})
        if python is None:
            return made, origin
        plan = self.dataclass_plan(kind, python, args, ao, kwargs, ko)
        if plan is not None:
            return self.protocol(protocols.filled, (made, *plan[0]), (origin, *plan[1]))
        try:
            code_for(python)
        except Unlowerable:
            return None
        args, ao = (made, python, *args), (origin, KNOWN, *ao)
        return self.protocol(protocols.constructed, args, ao, kwargs, ko)

    def construct_special(self, kind: type, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Make an object of a class with a `__new__` of its own."""
        raise NotImplementedError

    def dataclass_plan(
        self, kind: type, init: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        """Return what `protocols.filled` needs, values and origins; None for other classes."""
        raise NotImplementedError

    # -- reading ----------------------------------------------------------------------------

    def read_attribute(self, obj: Any, oo: Any, name: str) -> Any:
        """Read an attribute of an object that is known; None if there is no rule."""
        known, kind = self.object(obj), type(obj)
        fresh = self.instance(obj)
        if (fresh is None and not isinstance(known, int)) or not self.looks_up_plainly(kind):
            return None
        if fresh is None:
            return self._root_attribute(obj, oo, name)
        on_type = lookups.type_lookup(kind, name)
        slot = isinstance(on_type, MemberDescriptorType)
        if name in fresh.extra and self.is_own(kind, name):
            return lookups.static_lookup(obj, name), fresh.extra[name]
        if slot:
            self.class_fact(kind, name)
            on_type = ABSENT
        return self.class_value(
            obj, oo, name, on_type, Place(lookups.read_class, kind, False, name)
        )

    def _root_attribute(self, obj: Any, oo: Any, name: str) -> Any:
        place = Place(lookups.static_lookup, self.object(obj), True, name)
        found = place.look(self.run)
        own = getattr(obj, "__dict__", None)
        on_type = lookups.type_lookup(type(obj), name)
        of_class = found is on_type and not (type(own) is dict and own.get(name, ABSENT) is found)
        if found is ABSENT or of_class:
            return self.class_value(obj, oo, name, found, place)
        # what the instance itself has is no descriptor, whatever its class
        value, origin = self.take(place)
        return None if origin is None else (value, origin)

    def class_value(self, obj: Any, oo: Any, name: str, found: Any, place: Place) -> Any:
        """Return what an attribute that the class has gives for an instance.

        `place` is where it was found; that the instance has none of that name is part of the fact.
        """
        kind = type(obj)
        if found is ABSENT:
            if place.read is lookups.read_class:
                self._identical(place, lookups.type_lookup(kind, name))
            return self.missing_attribute(obj, oo, name)
        if found is CLASS:
            self._identical(place, found)
            return kind, KNOWN
        if not hasattr(type(found), "__get__"):
            value, origin = self.take(place)
            return None if origin is None else (value, origin)
        bound = self.bound(found, obj, kind)
        if bound is not None:
            self._identical(place, found)
            return bound
        if isinstance(found, property) and isinstance(found.fget, FunctionType):
            self._identical(place, found)
            fallback = lookups.type_lookup(kind, "__getattr__")
            if fallback is ABSENT:
                self.class_fact(kind, "__getattr__")
                return self._enter(found.fget, KNOWN, [obj], [oo], {}, {}, found)
            fallback = self.special(obj, "__getattr__")
            if fallback is None:
                return None
            given = (found.fget, fallback, obj, name)
            return self.protocol(protocols.with_fallback, given, (KNOWN, KNOWN, oo, KNOWN))
        if type(found) is functools.cached_property and isinstance(found.func, FunctionType):
            self._identical(place, found)
            given = (found.func, obj, found.attrname, object.__setattr__)
            return self.protocol(protocols.cached, given, (KNOWN, oo, KNOWN, KNOWN))
        return self._get_by(self.descriptor(found, "__get__", kind, name), obj, oo, kind)

    def _get_by(self, descriptor: Any, obj: Any, oo: Any, kind: type) -> Any:
        if descriptor is None:
            return None
        method, found = descriptor
        return self._enter(method, KNOWN, [found, obj, kind], [IDENTIFIED, oo, KNOWN], {}, {})

    def bound(self, found: Any, obj: Any, kind: type) -> Any:
        """Return what a function of a class gives for an instance, None if it is no function."""
        if isinstance(found, staticmethod):
            held = found.__func__
            return (held, KNOWN) if has_lasting_identity(held) else None
        if isinstance(found, classmethod):
            found, obj = found.__func__, kind
        if python_function(found) is None:
            return None
        method = MethodType(found, obj)
        self.methods[id(method)] = method
        return method, IDENTIFIED

    def descriptor(self, found: Any, name: str, kind: type, attribute: str) -> Any:
        """Return `__get__` or `__set__` of what a class has for an attribute, and that object."""
        method = python_function(lookups.type_lookup(type(found), name))
        if method is None or is_trusted(method) or isinstance(found, (FunctionType, type)):
            return None
        value, origin = self.take(Place(lookups.read_class, kind, False, attribute))
        if origin is not IDENTIFIED or self.special(value, name) is not method:
            return None
        return method, value

    # -- classes ----------------------------------------------------------------------------

    def class_attribute(self, cls: type, name: str) -> Any:
        """Read an attribute of a class; None if there is no rule."""
        meta = type(cls)
        if meta not in METACLASSES:
            member = self.enumeration_member(cls, name)
            if member is not None:
                return member
            if lookups.type_lookup(meta, "__getattribute__") is not LOOKUP:
                return None
            self.class_fact(meta, "__getattribute__")
        if name in ("__name__", "__qualname__"):
            return self.take(Place(lookups.read_name, cls, False, name))
        if lookups.read_descriptor(meta, name) is not ABSENT:
            return self._of_metaclass(cls, name)
        place = Place(lookups.read_class, cls, False, name)
        if meta not in METACLASSES:
            self._identical(Place(lookups.read_descriptor, meta, False, name), ABSENT)
        found = place.look(self.run)
        if found is ABSENT:
            self._identical(place, ABSENT)
            return self._of_metaclass(cls, name)
        if has_lasting_identity(found) or not hasattr(type(found), "__get__"):
            value, origin = self.take(place)
            return None if origin is None else (value, origin)
        if isinstance(found, (staticmethod, classmethod)):
            bound = self.bound(found, None, cls)
            if bound is not None:
                self._identical(place, found)
            return bound
        return self._get_by(self.descriptor(found, "__get__", cls, name), None, KNOWN, cls)

    def _of_metaclass(self, cls: type, name: str) -> Any:
        """Return what the metaclass has for an attribute of a class: a method, or a property."""
        meta = type(cls)
        found = lookups.type_lookup(meta, name)
        if meta in METACLASSES or found is ABSENT:
            return None
        getter = found.fget if isinstance(found, property) else None
        if isinstance(getter, FunctionType) or isinstance(found, FunctionType):
            self.class_fact(meta, name)
        if isinstance(getter, FunctionType):
            return self._enter(getter, KNOWN, [cls], [KNOWN], {}, {})
        if isinstance(found, FunctionType):
            return self.bound(found, cls, meta)
        if hasattr(type(found), "__get__"):
            return None
        value, origin = self.take(Place(lookups.read_class, meta, False, name))
        return None if origin is None else (value, origin)

    def class_has(self, cls: type, name: str) -> bool | None:
        """Tell whether a class has an attribute, as a fact; None where that is not known."""
        kind = type(cls)
        if kind not in METACLASSES or lookups.type_lookup(kind, name) is not ABSENT:
            return None
        found, origin = self.take(Place(lookups.read_class, cls, False, name))
        plain = isinstance(found, FunctionType) or not hasattr(type(found), "__get__")
        return found is not ABSENT if plain and origin is not None else None

    def member_attribute(self, member: Enum, name: str) -> Any:
        """Read an attribute of a member of an enumeration; None if there is no rule."""
        raise NotImplementedError

    def enumeration_member(self, cls: type, name: str) -> Any:
        """Read a member of an enumeration; None if `cls` is none."""
        raise NotImplementedError

    def super_object(self, args: Any, ao: Any) -> Any:
        """Make what `super()` returns."""
        if len(args) != 2 or ao[0] is not KNOWN or not isinstance(args[0], type):
            return None
        cls, obj = args
        of_class = isinstance(obj, type) and ao[1] is KNOWN
        start = obj if of_class and issubclass(obj, cls) else type(obj)
        known = self.object(obj)
        made = ("instance", "dict")  # such as a Counter
        if not of_class and not isinstance(known, int) and getattr(known, "kind", "") not in made:
            return None
        self._identical(Place(lookups.read_order, start, False, ""), start.__mro__)
        if cls not in start.__mro__:
            return None
        made = super(cls, obj)
        return made, self.fresh(made, "super", [], (cls, start, obj, ao[1]))

    def super_attribute(self, made: Any, name: str) -> Any:
        """Read an attribute of what `super()` returned."""
        cls, start, obj, oo = self.object(made).extra  # type: ignore[union-attr]
        order = start.__mro__
        found: Any = ABSENT
        for each in order[order.index(cls) + 1 :]:
            found = each.__dict__.get(name, ABSENT)
            if not is_immutable(each):
                self._identical(Place(lookups.read_own, each, False, name), found)
            if found is not ABSENT:
                break
        if isinstance(found, WrapperDescriptorType) and obj is not start:
            method = found.__get__(obj)
            return method, self.fresh(method, "slot", [], (found, obj, oo))
        if obj is start and has_lasting_identity(found):
            return found, KNOWN
        if isinstance(found, property) and isinstance(found.fget, FunctionType):
            return self._enter(found.fget, KNOWN, [obj], [oo], {}, {})
        return self.bound(found, obj, start)
