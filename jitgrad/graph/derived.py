"""Objects made in the call whose classes are derived from built-in ones: `class Vector(list)`.

Such an object has attributes, like other instances, and a *content*, which the methods of the
built-in class read and change. Where a class leaves an operation to these, the rules for an exact
list, dict, tuple, number or text perform it on a plain object with the same content, and what has
become of that is put back. No replay sees the plain one.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, WrapperDescriptorType
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.contents import FILL, PLAIN, content_class
from jitgrad.graph.derived_operators import (
    COMPARISONS,
    NATIVE,
    OPERATORS,
    DerivedOperatorRules,
)
from jitgrad.graph.instances import may_be_made
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import ABSENT
from jitgrad.graph.mappings import VIEWS
from jitgrad.graph.models import MATH
from jitgrad.graph.operands import NAMES, UNARY_NAMES
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin, Runtime, parts
from jitgrad.graph.positions import Sources
from jitgrad.graph.records import generated_new_of
from jitgrad.python import protocols
from jitgrad.python.operations import ABSENT as NOT_GIVEN
from jitgrad.python.operations import Enter

NEWS = {vars(base)["__new__"]: base for base in PLAIN}
"""By what allocates their objects, the built-in classes."""
IN_PLACE = {f"__i{name}__": op for op, name in NAMES.items()}
CONVERSIONS = {"__float__": float, "__int__": int, "__abs__": abs}
ASKING: dict[Any, tuple[str, ...]] = {
    float: ("__float__",), int: ("__int__", "__index__"), abs: ("__abs__",), hash: ("__hash__",),
    round: ("__round__",), divmod: ("__divmod__", "__rdivmod__"), repr: ("__repr__",),
    str: ("__str__", "__repr__"), format: ("__format__", "__str__", "__repr__"),
    **dict.fromkeys(MATH, ("__float__", "__index__", "__ceil__", "__floor__", "__trunc__")),
}  # fmt: skip
"""Functions of numbers and texts, and which methods they might call."""
ITEMS = ("__getitem__", "__setitem__", "__delitem__", "__contains__")
UNARY = {name: op for op, name in UNARY_NAMES.items()}


class DerivedRules(DerivedOperatorRules):
    """What is done to objects with a content."""

    # -- making -----------------------------------------------------------------------------

    def construct_special(self, kind: type, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        answer = super().construct_special(kind, args, ao, kwargs, ko)
        if answer is not None or content_class(kind) is None:
            return answer
        new = lookups.type_lookup(kind, "__new__")
        if not isinstance(new, BuiltinFunctionType) or new not in NEWS:
            return None
        self.class_fact(kind, "__new__")
        given = (kind, new, *args), (KNOWN, KNOWN, *ao)
        return self.protocol(protocols.allocated, *given, kwargs, ko)

    def _allocated(self, new: Any, args: Any, ao: Any, kwargs: Any) -> Any:
        """Make an object as `list.__new__` and its kin do; None if it is not known what of."""
        base: Any = NEWS[new]
        kind = args[0]
        if ao[0] is not KNOWN or not isinstance(kind, type) or content_class(kind) is not base:
            return None
        if not may_be_made(kind) or self.class_fact(kind, "__del__") is not ABSENT:
            return None
        if base in FILL:
            made = base.__new__(kind)
            return made, self.fresh(made, "instance", [], {})
        if kwargs:
            return None
        value: Any = args[1] if len(args) == 2 else None
        origin = ao[1] if len(args) == 2 else None
        if base is tuple:
            found = None if origin is None else self._elements(value, origin)
            if found is not None:
                return self.record(kind, found)
        else:
            value, origin = self.plain_of(value, origin, ASKING[base])
        if type(value) is base and (origin is KNOWN or isinstance(origin, Runtime)):
            made = base.__new__(kind, value)
            return made, self.fresh(made, "instance", [origin], {})
        if type(value) is base:
            return None
        values, origins = (new, kind, base, *args[1:]), (KNOWN, KNOWN, KNOWN, *ao[1:])
        return self.protocol(protocols.converted, values, origins)

    def format_value(
        self,
        value: Any,
        origin: Any,
        conversion: str | None,
        spec: Any = NOT_GIVEN,
        spec_origin: Any = None,
    ) -> Any:
        plain, known = self.plain_of(value, origin, ASKING[format])
        return super().format_value(plain, known, conversion, spec, spec_origin)

    # -- methods of the built-in class ------------------------------------------------------

    def bound(self, found: Any, obj: Any, kind: type) -> Any:
        if isinstance(found, NATIVE) and found.__objclass__ in PLAIN and self.is_derived(obj):
            if not isinstance(obj, found.__objclass__):
                return None
            method = found.__get__(obj, kind)
            if isinstance(found, WrapperDescriptorType):
                return method, self.fresh(method, "slot", [], (found, obj, IDENTIFIED))
            self.methods[id(method)] = method
            return method, IDENTIFIED
        return super().bound(found, obj, kind)

    def call_object(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        is_known = type(callee) in (type, BuiltinFunctionType) and co is KNOWN
        if is_known and callee in ASKING:
            given = [self.plain_of(*each, ASKING[callee]) for each in zip(args, ao)]
            if any(value is not arg for (value, _), arg in zip(given, args)):
                values, origins = [value for value, _ in given], [origin for _, origin in given]
                return self._call(callee, co, values, origins, kwargs, ko)
        known = self.object(callee)
        descriptor, values, origins = callee, args, ao
        if isinstance(known, FreshObject) and known.kind == "slot":
            descriptor, obj, oo = known.extra
            values, origins = [obj, *args], [oo, *ao]
        answer = None
        if descriptor is not callee or (co is KNOWN and args):
            answer = self._call_native(descriptor, values, origins, kwargs, ko)
        if answer is not None:
            return answer
        return super().call_object(callee, co, args, ao, kwargs, ko)

    def _call_native(self, function: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if isinstance(function, NATIVE):
            plain = type(args[0]) in PLAIN and function.__name__ in (*OPERATORS, *COMPARISONS)
            fits = (plain or self.is_derived(args[0])) and isinstance(
                args[0], function.__objclass__
            )
            given = function.__name__, args[0], ao[0], args[1:], ao[1:], kwargs, ko
            return self.by_content(*given) if fits else None
        if isinstance(function, FunctionType):
            fields = generated_new_of(function, args[0])
            given = None if not fields else self._given(function, args[1:], ao[1:], kwargs, ko)
            return given and self.record(args[0], [given[name] for name in fields or ()])
        if isinstance(function, BuiltinFunctionType) and function in NEWS:
            return self._allocated(function, args, ao, kwargs)
        return None

    def _container_method(self, method: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        owner = getattr(method, "__self__", None)
        if self.methods.get(id(method)) is method and self.is_derived(owner):
            return self.by_content(method.__name__, owner, IDENTIFIED, args, ao, kwargs, ko)
        return super()._container_method(method, args, ao, kwargs, ko)

    def enter_special(self, name: str, obj: Any, oo: Any, args: Any = (), ao: Any = ()) -> Any:
        answer = super().enter_special(name, obj, oo, args, ao)
        if answer is None and self.is_basic(obj, name):
            return self.by_content(name, obj, oo, list(args), list(ao), {}, {})
        return answer

    def by_content(
        self, name: str, x: Any, xo: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        """Perform a method of the built-in class; None if that cannot be followed."""
        base: Any = content_class(type(x)) or type(x)
        if name in ITEMS and args:
            ao = [self.fixed(args[0], ao[0]), *ao[1:]]
            if not self.active:
                return None
        if name == "__len__" and not args:
            with self.opened(x, xo) as (plain, origin):
                return self._len([plain], [origin]) if plain is not x else None
        if name in (*OPERATORS, *COMPARISONS) and len(args) == 1 and not kwargs:
            return self.operator_of(name, x, xo, args[0], ao[0])
        if base in FILL:
            if not args and not kwargs and (name == "__iter__" or name in VIEWS):
                made = getattr(base, name)(x)
                if name == "__iter__":
                    sources = Sources([(x, IDENTIFIED)])
                    return made, self.fresh(made, "iterator", [], sources)
                return made, self.fresh(made, name, [], x)
            return self._changing(name, x, args, ao, kwargs, ko)
        value, origin = self.value_of(x, xo)
        return None if kwargs else self._of_value(name, value, origin, args, ao)

    def _of_value(self, name: str, value: Any, origin: Any, args: Any, ao: Any) -> Any:
        """Perform a method on a plain tuple, number or text."""
        if name == "__getitem__" and type(value) is tuple and len(args) == 1:
            key, known = self.plain_of(args[0], ao[0], ("__index__",))
            if known is not KNOWN or type(key) not in (int, slice):
                return None
            items = list(zip(value, self._items(value, origin)))[key]
            if type(key) is int:
                return items
            return value[key], parts(o for _, o in items)
        if name == "__iter__" and not args:
            return self.iterate(value, origin)
        if name == "__contains__" and len(args) == 1:
            return self._membership("in", args[0], ao[0], value, origin)
        if name in UNARY and not args:
            return self.unary(UNARY[name], value, origin)
        if name in CONVERSIONS and not args:
            return self._call(CONVERSIONS[name], KNOWN, [value], [origin], {}, {})
        known = origin is KNOWN and self._has_plain_text(value) and name != "__sizeof__"
        method = getattr(value, name)
        return self._constant_method(method, value, args, ao, {}, {}) if known else None

    def _changing(self, name: str, x: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Perform a method on a plain list or dict, and put back what has become of it."""
        base = content_class(type(x)) or type(x)
        fills = name in ("extend", "__init__") and base is list and len(args) == 1 and not kwargs
        if fills and self._elements(args[0], ao[0]) is None:
            given = [vars(list)["append"], x, args[0]]
            return self.over(protocols.each, args[0], given, [KNOWN, IDENTIFIED, ao[0]])
        if name == "__getitem__" and base is dict and self._lacks_key(x, args[0], ao[0]):
            return super().enter_special("__missing__", x, IDENTIFIED, args, ao)
        with self.opened(x, IDENTIFIED) as (plain, origin):
            if plain is x:
                return None
            rule = self._on_list if base is list else self._on_dict
            answer = rule(name, plain, origin, args, ao, kwargs, ko)
        if isinstance(answer, Enter):
            return None
        return (x, IDENTIFIED) if answer is not None and answer[0] is plain else answer

    def _lacks_key(self, x: Any, key: Any, ko: Any) -> bool:
        with self.opened(x, IDENTIFIED) as (plain, _):
            return plain is not x and self.has_key(plain, key, ko) is False

    def _on_list(
        self, name: str, plain: Any, origin: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        key, known = self.plain_of(args[0], ao[0], ("__index__",)) if args else (None, None)
        key = key if known is KNOWN and type(key) in (int, slice) else None
        if kwargs:
            return None
        if name == "__getitem__":
            return None if key is None else self._item_of(plain, key)
        if name == "__setitem__":
            return self._changed(key is not None and self.set_list_item(plain, key, args[1], ao[1]))
        if name == "__delitem__":
            return self._changed(key is not None and self.delete_list_item(plain, key))
        if name == "__contains__":
            return self._membership("in", args[0], ao[0], plain, origin)
        if name == "__init__":
            cleared = self.list_method(plain, "clear", [], [])
            return self.list_method(plain, "extend", args, ao) if args else cleared
        if name in IN_PLACE and len(args) == 1:
            return self.list_operator(IN_PLACE[name], plain, origin, args[0], ao[0], True)
        return self.list_method(plain, name, args, ao)

    def _on_dict(
        self, name: str, plain: Any, origin: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        if name == "__getitem__":
            return self.dict_item(plain, args[0], ao[0])
        if name == "__setitem__":
            return self._changed(self.set_dict_item(plain, args[0], ao[0], args[1], ao[1]))
        if name == "__delitem__":
            return self._changed(self.delete_dict_item(plain, args[0], ao[0]))
        if name == "__contains__":
            there = self.has_key(plain, args[0], ao[0])
            return None if there is None else (there, KNOWN)
        if name == "__init__":
            name = "update"
        if name == "__ior__":
            return self.mapping_operator("|", plain, origin, args[0], ao[0], True)
        return self.dict_method(plain, name, args, ao, kwargs, ko)

    def model_hash(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) == 1 and not kwargs and self.is_basic(args[0], "__hash__"):
            return super().model_hash([self.value_of(args[0], ao[0])[0]],
                                      [self.value_of(args[0], ao[0])[1]], {}, {})  # fmt: skip
        return super().model_hash(args, ao, kwargs, ko)

    # -- numbers and texts ------------------------------------------------------------------

    def plain_of(self, x: Any, xo: Any, names: tuple[str, ...]) -> tuple[Any, Any]:
        if content_class(type(x)) in (float, int, str) and self.is_derived(x):
            return self.value_of(x, xo) if self._leaves_to_base(x, names) else (x, xo)
        return super().plain_of(x, xo, names)

    # -- elements ---------------------------------------------------------------------------

    def _elements(self, x: Any, xo: Any) -> list[tuple[Any, Any]] | None:
        known = self.object(x)
        if isinstance(known, FreshObject) and known.kind in VIEWS:
            owner = known.extra
            if content_class(type(owner)) is dict and self.held(owner) is None:
                with self.opened(owner, IDENTIFIED) as (plain, _):
                    number = self.outer_dict(plain)
                return None if number is None else self.outer_view(known.kind, number)
        if not self.is_basic(x, "__iter__"):
            return super()._elements(x, xo)
        with self.opened(x, xo) as (plain, origin):
            return super()._elements(plain, origin) if plain is not x else None

    def _origin_at(self, x: Any, xo: Any, at: int) -> Origin | None:
        if content_class(type(x)) not in FILL:
            return super()._origin_at(x, xo, at)
        with self.opened(x, xo) as (plain, origin):
            return super()._origin_at(plain, origin, at)

    def pairs_of(self, x: Any, xo: Any) -> list[tuple[Any, Any, Any, Any]] | None:
        if content_class(type(x)) is not dict or not self.is_basic(x, "__iter__"):
            return super().pairs_of(x, xo)
        with self.opened(x, xo) as (plain, origin):
            return super().pairs_of(plain, origin) if plain is not x else None

    def is_mapping(self, x: Any) -> bool:
        return super().is_mapping(x) or (
            content_class(type(x)) is dict and self.is_basic(x, "__iter__")
        )
