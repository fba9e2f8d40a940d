"""What is called: classes, bound methods, partial functions, and what `object` and `super` do."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.instances import (
    CALL,
    DELETE,
    INITIALIZE,
    METACLASSES,
    STORE,
    may_be_made,
    python_function,
)
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.operands import OperandRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN
from jitgrad.graph.performing import is_trusted
from jitgrad.graph.stores import Waiting
from jitgrad.python import protocols

Calling = tuple[Any, Any, Any, Any, Any, Any]
"""Callee and its origin, positional arguments and theirs, named ones and theirs."""


class CallableRules(OperandRules):
    """Calls of what is neither a function nor of the library."""

    def call_object(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Perform a call; None if there is no rule."""
        known = self.object(callee)
        if isinstance(known, FreshObject) and known.kind == "slot":
            descriptor, obj, oo = known.extra
            if descriptor is CALL and oo is KNOWN and isinstance(obj, type):
                return self.construct(obj, args, ao, kwargs, ko)
            return None if kwargs else self._basic(descriptor, [obj, *args], [oo, *ao])
        if type(callee) is functools.partial:
            whole = self._whole_call(callee, co, args, ao, kwargs, ko)
            return None if whole is None else self._call(*whole)
        if type(callee) is MethodType:
            return self._call_method(callee, args, ao, kwargs, ko)
        if co is not KNOWN:
            return None
        if isinstance(callee, type):
            return self._call_class(callee, args, ao, kwargs, ko)
        return None if kwargs else self._basic(callee, args, ao)

    def _call(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Perform any call; None if there is no rule."""
        raise NotImplementedError

    def _call_class(self, kind: type, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        meta = type(kind)
        if meta not in METACLASSES:
            found = self.class_fact(meta, "__call__")
            python = python_function(found)
            if python is not None and not is_trusted(python):
                return self._enter(python, KNOWN, [kind, *args], [KNOWN, *ao], kwargs, ko)
            if found is not CALL:
                return None
        if kind is super:
            return None if kwargs else self.super_object(args, ao)
        if kind is MethodType and len(args) == 2 and not kwargs and callable(args[0]):
            return self._new_method(args, ao)
        if kind is functools.partial:
            if not args or type(args[0]) is functools.partial:
                return None
            made = functools.partial(*args, **kwargs)
            return made, self.fresh(made, "partial", [*ao, *ko.values()])
        if kind not in (SimpleNamespace, object) and not kind.__flags__ & (1 << 9):
            return None
        return self.construct(kind, args, ao, kwargs, ko)

    def _new_method(self, args: Any, ao: Any) -> Any:
        """Bind a function that is known to an object of the call or from outside."""
        function, owner = args
        if not isinstance(function, FunctionType) or ao[0] is not KNOWN or ao[1] is not IDENTIFIED:
            return None
        made = MethodType(function, owner)
        self.methods[id(made)] = made
        return made, IDENTIFIED

    def _call_method(self, method: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Call a bound method of a class, or what has no source; None for others."""
        if self.methods.get(id(method)) is not method and not self.take_method(method):
            return None
        owner, function = method.__self__, method.__func__
        if not isinstance(owner, type):
            return self.replaced(method, kwargs, ko) if not args else None
        python = python_function(function)
        if python is None or is_trusted(python):
            return None
        return self._enter(python, KNOWN, [owner, *args], [KNOWN, *ao], kwargs, ko)

    def take_method(self, method: MethodType) -> bool:
        """Make facts of the function and the owner of a bound method that was found outside."""
        known = self.object(method)
        if not isinstance(known, int):
            return False
        for read in (lookups.read_function, lookups.read_owner):
            if self.take(Place(read, known, True, ""))[1] is None:
                return False
        self.methods[id(method)] = method
        return True

    def _whole_call(
        self, partial: Any, po: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Calling | None:
        """Return the call that a call of a `functools.partial` is."""
        known = self.object(partial)
        if isinstance(known, FreshObject) and known.kind == "partial":
            function, held, named = partial.func, partial.args, partial.keywords
            fo, *rest = known.origins
            ho, no = rest[: len(held)], dict(zip(named, rest[len(held) :]))
        elif isinstance(known, int) and po is IDENTIFIED:
            parts = [
                self.take(Place(lookups.read_part, known, True, name))
                for name in ("func", "args", "keywords")
            ]
            (function, fo), (given, _), (named, _) = parts
            found, number = self._elements(given, IDENTIFIED), self.outer_dict(named)
            keys = None if number is None else self.outer_keys(number)
            if fo is None or found is None or number is None or keys is None:
                return None
            held, ho = [value for value, _ in found], [origin for _, origin in found]
            items = {key: self.outer_item(number, key) for key in keys}
            if any(each is None for each in items.values()):
                return None
            named = {key: value for key, (value, _) in items.items()}
            no = {key: origin for key, (_, origin) in items.items()}
        else:
            return None
        return function, fo, [*held, *args], [*ho, *ao], {**named, **kwargs}, {**no, **ko}

    def _basic(self, callee: Any, args: Any, ao: Any) -> Any:
        """Perform what `object` and the built-in functions around attributes do."""
        if callee is INITIALIZE or callee is dict.__init__:
            return (None, KNOWN) if len(args) == 1 else None
        if callee is object.__new__:
            return self._allocate(args, ao)
        if callee is protocols.is_iterator:
            return self._is_iterator_class(type(args[0])), KNOWN
        if callee is builtins.issubclass and len(args) == 2 and ao[1] is KNOWN:
            return self._issubclass(*args) if ao[0] is KNOWN else None
        named = len(args) > 1 and ao[1] is KNOWN and type(args[1]) is str
        if callee in (builtins.setattr, STORE) and named and len(args) == 3:
            if isinstance(args[0], TensorCore):
                return None
            store = self.store_attribute if callee is builtins.setattr else self.store_plainly
            return self._stored(store, args, ao)
        if callee in (builtins.delattr, DELETE) and named and len(args) == 2:
            if isinstance(args[0], TensorCore):
                return None
            if callee is DELETE:
                return (None, KNOWN) if self.delete_plainly(args[0], ao[0], args[1]) else None
            return self._finished(self.remove_attribute(args[0], ao[0], args[1]))
        return None

    def _stored(self, store: Callable, args: Any, ao: Any) -> Any:
        return self._finished(store(args[0], ao[0], args[1], args[2], ao[2]))

    def _finished(self, answer: Any) -> Any:
        """Return the answer of a function that stores, of which nobody sees what it calls for."""
        if isinstance(answer, Waiting):
            values = (answer.method, *answer.args)
            return self.protocol(protocols.nothing, values, (KNOWN, *answer.origins))
        return None if answer is False else (None, KNOWN)

    def _allocate(self, args: Any, ao: Any) -> Any:
        """Make an object without attributes, as `object.__new__` does."""
        if len(args) != 1 or ao[0] is not KNOWN or not isinstance(args[0], type):
            return None
        (kind,) = args
        if not may_be_made(kind):
            return None
        if not all(each is object or each.__flags__ & (1 << 9) for each in kind.__mro__):
            return None
        if self.class_fact(kind, "__del__") is not ABSENT:
            return None
        made = object.__new__(kind)
        return made, self.fresh(made, "instance", [], {})

    def _is_iterator_class(self, kind: type) -> bool:
        if kind.__flags__ & (1 << 9):
            self.class_fact(kind, "__next__")
        return hasattr(kind, "__next__")

    def _issubclass(self, kind: Any, other: Any) -> Any:
        others = other if type(other) is tuple else (other,)
        if type(kind) is not type or any(type(each) is not type for each in others):
            return None
        self.fixed_class(kind)
        return issubclass(kind, other), KNOWN
