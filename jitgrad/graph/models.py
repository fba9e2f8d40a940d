"""Models of built-in functions: what they do to values whose origins matter."""

from __future__ import annotations

import builtins
import functools
import math
import operator
from collections import deque
from types import BuiltinFunctionType, FunctionType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.functions import FunctionRules
from jitgrad.graph.knowledge import LISTS, FreshObject
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime
from jitgrad.locks import made_once
from jitgrad.python import stand_ins

WITHOUT_ATTRIBUTES = (bool, int, float, str, tuple, list, dict, set, type(None))
"""Classes whose objects have no attributes of their own."""
SIZED = ("list", "dict", "set", "keys", "items", "values")

TEXTS = (str, bytes, int)
"""Classes of constants with methods."""

MATH = {
    function: name
    for name, function in vars(math).items()
    if isinstance(function, BuiltinFunctionType)
}


EXACT = frozenset({operator.index})
"""Built-in functions that need the values of integers."""


class Models(FunctionRules):
    """Built-in functions by their models."""

    def _item(self, tensor: Any, begun: bool = False) -> Any:
        """Read the number in a tensor: a number of run time, or a truth that decides as a site."""
        if tensor._array.size != 1:
            return None
        value = tensor._array.item()
        if type(value) in (float, int):
            if not begun:
                self.begin()
            scalar = self.item_step(tensor)
            return None if scalar is None else (value, Runtime(scalar))
        entry = self.entry(tensor)
        if entry is None or not self.available(entry.value) or type(value) is not bool:
            return None
        self._decide(entry.value, True, (type(value), value), value)
        return value, KNOWN if self.active else None

    @made_once
    def models(self) -> dict:
        """The models by what they stand for."""
        return {
            builtins.len: self._len, builtins.range: self.make_range, builtins.float: self._float,
            builtins.int: self._int, builtins.bool: self._bool, builtins.abs: self._abs,
            builtins.type: self._type, builtins.iter: self._iter, operator.abs: self._abs,
            builtins.getattr: self._getattr, builtins.hasattr: self._hasattr,
            operator.index: self._index,
        }  # fmt: skip

    def _len(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None
        x = args[0]
        if isinstance(x, TensorCore):
            return self.perform(len, (x,), ao)
        if ao[0] is KNOWN or isinstance(ao[0], Parts):
            return len(x), KNOWN
        known = self.object(x)
        if isinstance(known, FreshObject) and known.kind in SIZED:
            return len(x), KNOWN
        if isinstance(known, int) and type(x) in (*LISTS, tuple, set, frozenset, *DICTS):
            return self.take(Place(lookups.read_length, known, True, ""))
        if self.is_record(x):
            found = self.record_items(x, "__len__")
            return None if found is None else (len(found), KNOWN)
        return self.user_length(x, ao[0])

    def _getattr(self, args: Any, ao: Any) -> Any:
        if len(args) not in (2, 3) or ao[1] is not KNOWN or type(args[1]) is not str:
            return None
        if isinstance(args[0], FunctionType):
            return self._function_getattr(args, ao)
        if len(args) == 3:
            there = self._presence(args[0], ao[0], args[1])
            if not there:
                return None if there is None else (args[2], ao[2])
        return self.get_attribute(args[0], ao[0], args[1])  # type: ignore[attr-defined]

    def _function_getattr(self, args: Any, ao: Any) -> Any:
        found = self.function_attribute(args[0], ao[0], args[1])
        if found is None or found[0] is not ABSENT:
            return found
        return (args[2], ao[2]) if len(args) == 3 else None

    def _hasattr(self, args: Any, ao: Any) -> Any:
        if len(args) != 2 or ao[1] is not KNOWN or type(args[1]) is not str:
            return None
        if isinstance(args[0], FunctionType):
            found = self.function_attribute(args[0], ao[0], args[1])
            return None if found is None else (found[0] is not ABSENT, KNOWN)
        there = self._presence(args[0], ao[0], args[1])
        return None if there is None else (there, KNOWN)

    def _presence(self, obj: Any, origin: Any, name: str) -> bool | None:
        """Has an object an attribute? That is a fact; None where it is not known."""
        if type(obj) in WITHOUT_ATTRIBUTES and origin is not None:
            return hasattr(obj, name)
        if isinstance(obj, type):
            return self.class_has(obj, name) if origin is KNOWN else None
        if self._has(obj, origin, name):
            self.take(Place(lookups.static_lookup, self.object(obj), True, name))
            return True
        return False if self._lacks_attribute(obj, name) else self._has_by_class(obj, name)

    def _has_by_class(self, obj: Any, name: str) -> bool | None:
        """Has an object made in the call such an attribute, or the class of any one a method?"""
        kind, fresh = type(obj), self.instance(obj)
        if fresh is None and not isinstance(self.object(obj), int):
            return None
        if not self.looks_up_plainly(kind):
            return None
        if fresh is not None and name in fresh.extra:
            return True if self.is_own(kind, name) else None
        found = lookups.type_lookup(kind, name)
        if found is ABSENT:
            return False if self._lacks(kind, name, "__getattr__") else None
        if not isinstance(found, FunctionType) and hasattr(type(found), "__get__"):
            return None
        return True if self.take(Place(lookups.read_class, kind, False, name))[1] else None

    def _has(self, obj: Any, origin: Any, name: str) -> bool:
        """Has an object from outside an ordinary attribute of its own, in its `__dict__`?"""
        if not isinstance(self.object(obj), int) or not self.looks_up_plainly(type(obj)):
            return False
        held = getattr(obj, "__dict__", None)
        return type(held) is dict and name in held and self.is_own(type(obj), name)

    def _lacks_attribute(self, obj: Any, name: str) -> bool:
        """Has an object from outside no such attribute? If so, it is a fact."""
        known = self.object(obj)
        if not isinstance(known, int) or lookups.static_lookup(obj, name) is not ABSENT:
            return False
        if not self.looks_up_plainly(type(obj)) or not self._lacks(type(obj), "__getattr__"):
            return False
        self.take(Place(lookups.static_lookup, known, True, name))
        return True

    def _index(self, args: Any, ao: Any) -> Any:
        return (args[0], KNOWN) if ao == [KNOWN] and type(args[0]) is int else None

    def _float(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None if args else (0.0, KNOWN)
        x = args[0]
        if isinstance(x, TensorCore) and x._array.dtype.kind == "f":
            return self._item(x)
        if type(x) is float:
            return x, ao[0]
        if isinstance(ao[0], Runtime) and type(x) in (int, bool):
            return self._number("float({0})", float, args, ao, True)
        return self._folded(float, args) if ao[0] is KNOWN else None

    def _int(self, args: Any, ao: Any) -> Any:
        begun = False
        if len(args) == 1 and isinstance(args[0], TensorCore) and args[0]._array.size == 1:
            found, begun = self._item(args[0]), True
            if found is None or not self.active:
                return found and (int(found[0]), None)
            if type(found[0]) is int:
                return found
            args, ao = [found[0]], [found[1]]
        if len(args) == 1 and isinstance(ao[0], Runtime) and type(args[0]) in (int, float, bool):
            return self._number("int({0})", int, args, ao, True, begun)
        known = all(each is KNOWN for each in ao)
        return self._folded(int, args) if known else None

    def _bool(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None
        answer = self.truth(args[0], ao[0])
        return (answer, KNOWN if self.active else None) if type(answer) is bool else answer

    def _abs(self, args: Any, ao: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], TensorCore):
            return self.perform(abs, args, ao)
        return self._math(abs, "abs", args, ao)

    def _math(self, function: Any, name: str, args: Any, ao: Any) -> Any:
        """Model a pure function of numbers."""
        if not all(type(each) in (int, float, bool) for each in args):
            return None
        if all(each is KNOWN for each in ao):
            return self._folded(function, args)
        text = f"{name}({', '.join(f'{{{i}}}' for i in range(len(args)))})"
        if all(isinstance(each, Runtime) or each is KNOWN for each in ao):
            return self._number(text, function, args, ao, True)
        return None

    def _type(self, args: Any, ao: Any) -> Any:
        return (type(args[0]), KNOWN) if len(args) == 1 else None

    def _iter(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return self.model_iter(args, ao)
        if self.is_iterator(args[0]):
            return args[0], ao[0]
        if isinstance(args[0], TensorCore) and args[0]._array.ndim:
            return self.iterate(args[0], ao[0])
        if self._elements(args[0], ao[0]) is None:
            return self.user_iterator(args[0], ao[0])
        if type(args[0]) is range:
            return self.count(args[0], ao[0], exposed=True)
        return self.iterate(args[0], ao[0])

    def _container_method(self, method: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Model the methods of lists, dicts and sets, and of constants."""
        if not isinstance(method, BuiltinFunctionType):
            return None
        owner: Any = method.__self__
        name = method.__name__
        if type(owner) in TEXTS:
            if self.object(method) is None or self._take_bound(method):
                return self._constant_method(method, owner, args, ao, kwargs, ko)
            return None
        if self.methods.get(id(method)) is method or self._take_bound(method):
            if name in ("__contains__", "__getitem__") and len(args) == 1 and not kwargs:
                function = getattr(operator, name)
                return self.functions[function]([owner, *args], [IDENTIFIED, *ao], {}, {})
            if type(owner) in DICTS:
                return self.dict_method(owner, name, args, ao, kwargs, ko)
            if kwargs:
                return self._sort(owner, args, kwargs, ko) if name == "sort" else None
            if type(owner) is deque:
                return self.deque_method(owner, name, args, ao)
            if type(owner) is list:
                return self.list_method(owner, name, args, ao)
            return self.set_method(owner, name, args, ao)
        return None

    def _take_bound(self, method: BuiltinFunctionType) -> bool:
        """Make facts of the owner and the name of a method that was found outside."""
        known = self.object(method)
        if not isinstance(known, int):
            return False
        if type(method.__self__) not in (*LISTS, set, *DICTS, *TEXTS):
            return False
        self.take(Place(lookups.read_method_name, known, True, ""))
        return self.take(Place(lookups.read_owner, known, True, ""))[1] in (KNOWN, IDENTIFIED)

    def _sort(self, x: Any, args: Any, kwargs: Any, ko: Any) -> Any:
        if args or type(x) is not list or not set(kwargs) <= {"key", "reverse"}:
            return None
        return self._enter(stand_ins.sort, KNOWN, [x], [self.origin_of(x)], kwargs, ko)

    def _constant_method(
        self, method: Any, owner: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        if type(owner) is str:
            origin = self.text_methods.get(id(method), KNOWN)
            answer = self.text_method(method, origin, args, ao, kwargs, ko)
            if answer is not None or not self.active or origin is not KNOWN:
                return answer
        given = [*zip(args, ao), *((kwargs[each], ko[each]) for each in kwargs)]
        if not all(o is KNOWN and self._has_plain_text(v) for v, o in given):
            return None
        answer = self._folded(functools.partial(method, **kwargs), args)
        if type(answer[0]) is list:
            return self.new_list([(each, KNOWN) for each in answer[0]])
        return answer
