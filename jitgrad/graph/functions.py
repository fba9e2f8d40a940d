"""Functions of `builtins`, `functools`, `operator`, `copy`: what they do with what is known."""

from __future__ import annotations

import abc
import builtins
import copy
import functools
import itertools
import math
import operator
import sys
from collections.abc import Callable
from types import UnionType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.conversions import ConversionRules
from jitgrad.graph.copying import CopyingRules
from jitgrad.graph.driving import DrivingRules
from jitgrad.graph.facts import SameValue
from jitgrad.graph.function_attributes import FunctionAttributeRules
from jitgrad.graph.instances import python_function
from jitgrad.graph.iterators import DRAWN
from jitgrad.graph.lookups import Place
from jitgrad.graph.operators import NUMBERS
from jitgrad.graph.ordering import OrderingRules
from jitgrad.graph.origins import KNOWN, parts
from jitgrad.graph.texts import DIGITS
from jitgrad.locks import made_once
from jitgrad.python import protocols, stand_ins
from jitgrad.python.operations import Enter
from jitgrad.python.symbols import BINARY, COMPARE, INPLACE, UNARY

SUMS_ARE_COMPENSATED = sys.version_info >= (3, 12)
"""`sum` of floats is then more than one addition after the other."""


def _token(_base: Any, _key: Any) -> Any:
    """Return what changes when a class is registered with an abstract one."""
    return abc.get_cache_token()


class FunctionRules(
    FunctionAttributeRules, CopyingRules, DrivingRules, OrderingRules, ConversionRules
):
    """Functions written in C, by what they do with values whose origins matter."""

    @made_once
    def functions(self) -> dict[Any, Callable]:
        """The models by what they stand for; each takes values, origins, and both by keyword."""
        found: dict[Any, Callable] = {
            builtins.enumerate: self.model_enumerate, builtins.zip: self.model_zip,
            builtins.map: self.model_map, builtins.filter: self.model_filter,
            builtins.reversed: self.model_reversed, builtins.next: self.model_next,
            itertools.chain.from_iterable: self.model_from_iterable,
            itertools.chain: self.model_chain, dict.fromkeys: self._dict_from_keys,
            itertools.zip_longest: self.model_zip_longest,
            itertools.islice: self.model_islice, itertools.repeat: self.model_repeat,
            itertools.count: self.model_count, itertools.starmap: self.model_starmap,
            builtins.sum: self._sum, math.prod: self._prod, builtins.any: self._any,
            builtins.all: self._all, builtins.min: self._extreme(min, stand_ins.smallest),
            builtins.max: self._extreme(max, stand_ins.largest), builtins.sorted: self._sorted,
            stand_ins.in_order: self._in_order, builtins.list: self._list,
            builtins.tuple: self._tuple, builtins.dict: self._dict, builtins.set: self._set(set),
            builtins.frozenset: self._set(frozenset),
            builtins.isinstance: self._isinstance,
            builtins.issubclass: self.model_issubclass, builtins.callable: self._callable,
            builtins.setattr: self._setattr, builtins.str: self._str, builtins.slice: self._slice,
            builtins.format: self._format,
            builtins.round: self._round, builtins.divmod: self._divmod, builtins.pow: self._pow,
            builtins.hash: self.model_hash, builtins.ord: self._constants(ord),
            builtins.chr: self._constants(chr),
            functools.reduce: self._reduce, functools.update_wrapper: self.update_wrapper,
            copy.copy: self.model_copy, copy.deepcopy: self.model_deepcopy,
            operator.not_: self._not, operator.truth: self._truth,
            operator.getitem: self._getitem, operator.contains: self._operator_contains,
            operator.itemgetter: self._getter(operator.itemgetter),
            operator.attrgetter: self._getter(operator.attrgetter),
            operator.methodcaller: self._getter(operator.methodcaller),
        }  # fmt: skip
        for table, perform in (
            (BINARY, self.binary),
            (INPLACE, self.inplace),
            (COMPARE, self.compare),
        ):
            for op, function in table.items():
                found.setdefault(function, self._operator(perform, op))
        found.update((function, self._unary(op)) for op, function in UNARY.items())
        found.update((maker, functools.partial(self.model_drawn, maker)) for maker in DRAWN)
        found.update((each, functools.partial(self._text, each)) for each in (repr, ascii))
        found.update((each, functools.partial(self._digits, each)) for each in DIGITS)
        found.update(self.driven_models())
        found.update(self.collecting_models())
        found.update(self.ordering_models())
        return found

    def _operator(self, perform: Callable, op: str) -> Callable:
        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if kwargs or len(args) != 2:
                return None
            return perform(op, args[0], ao[0], args[1], ao[1])

        return model

    def _unary(self, op: str) -> Callable:
        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            return None if kwargs or len(args) != 1 else self.unary(op, args[0], ao[0])

        return model

    def _constants(self, function: Callable) -> Callable:
        """Return the model of a function that is folded where it is given constants."""

        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            known = all(o is KNOWN and type(v) in (int, str, bytes) for v, o in zip(args, ao))
            return self._folded(function, args) if known and not kwargs else None

        return model

    # -- what iterates -----------------------------------------------------------------------

    def _numbers(self, x: Any, xo: Any) -> list[tuple[Any, Any]] | None:
        """Return the elements of a container of numbers, None if it holds others."""
        found = None if self.is_iterator(x) else self._elements(x, xo)
        if found is None or not all(type(value) in NUMBERS for value, _ in found):
            return None
        return found

    def _iterates(self, x: Any, xo: Any) -> bool:
        """Can a model iterate over `x` as the function written in C would?"""
        if isinstance(x, TensorCore):
            return x._array.ndim > 0
        return self.can_iterate(x) or self._elements(x, xo) is not None

    def _model(self, model: Any, args: Any, ao: Any, kwargs: Any = None, ko: Any = None) -> Any:
        if not self._iterates(args[0], ao[0]):
            return None
        return self._enter(model, KNOWN, args, ao, kwargs or {}, ko or {})

    def _sum(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) not in (1, 2) or not set(kwargs) <= {"start"}:
            return None
        start = args[1] if len(args) == 2 else kwargs.get("start", 0)
        if isinstance(start, (str, bytes, bytearray)):
            return None
        if SUMS_ARE_COMPENSATED and not self._adds_plainly(args[0], ao[0]):
            return None
        return self._model(stand_ins.summed, args, ao, kwargs, ko)

    def _adds_plainly(self, x: Any, xo: Any) -> bool:
        if isinstance(x, TensorCore):
            return True
        found = None if self.is_iterator(x) else self._elements(x, xo)
        return found is not None and not any(type(value) is float for value, _ in found)

    def _prod(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) != 1 or not set(kwargs) <= {"start"}:
            return None
        return self._model(stand_ins.multiplied, args, ao, kwargs, ko)

    def _any(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        fits = len(args) == 1 and not kwargs
        return self._model(stand_ins.any_true, args, ao) if fits else None

    def _all(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        fits = len(args) == 1 and not kwargs
        return self._model(stand_ins.all_true, args, ao) if fits else None

    def _extreme(self, function: Callable, model: Callable) -> Callable:
        def extreme(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if not args or not set(kwargs) <= {"key", "default"}:
                return None
            if len(args) == 1:
                x, xo = args[0], ao[0]
            elif "default" in kwargs:
                return None
            else:
                x, xo = tuple(args), parts(ao)
            key = kwargs.get("key")
            if key is None:
                found = self._numbers(x, xo)
                if found and len({type(value) for value, _ in found}) == 1:
                    values, origins = [v for v, _ in found], [o for _, o in found]
                    if len(found) == 1:
                        return found[0]
                    return self._math(function, function.__name__, values, origins)
            given: tuple[Any, Any] = ((), KNOWN)
            if "default" in kwargs:
                given = (kwargs["default"],), parts((ko["default"],))
            return self._model(model, [x, key, given[0]], [xo, ko.get("key", KNOWN), given[1]])

        return extreme

    def _sorted(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) != 1 or not set(kwargs) <= {"key", "reverse"}:
            return None
        return self._model(stand_ins.sorted_list, args, ao, kwargs, ko)

    def _in_order(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        items, keys, reverse = args
        if ao[2] is not KNOWN:
            return None
        found = self._elements(items, ao[0])
        if items is keys and found is not None:
            row = self.ranked(found, bool(reverse))
            if row is not None or not self.active:
                return self.new_list(row) if self.active else None
        order = self.order_of(self._elements(keys, ao[1]), bool(reverse))
        if order is None or found is None:
            return None
        return self.new_list([found[at] for at in order])

    def _reduce(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) not in (2, 3) or not self._iterates(args[1], ao[1]):
            return None
        return self._enter(stand_ins.reduce, KNOWN, args, ao, {}, {})

    # -- containers --------------------------------------------------------------------------

    def _list(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) > 1 or kwargs:
            return None
        if not args:
            return self.new_list([])
        if self.is_iterator(args[0]) or isinstance(args[0], TensorCore):
            return self._model(stand_ins.listed, args, ao)
        found = self._elements(args[0], ao[0])
        return (
            self.new_list(found) if found is not None else self._model(stand_ins.listed, args, ao)
        )

    def _tuple(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if len(args) > 1 or kwargs:
            return None
        if not args:
            return (), KNOWN
        found = None if self.is_iterator(args[0]) else self._elements(args[0], ao[0])
        if found is not None:
            return tuple(value for value, _ in found), parts(origin for _, origin in found)
        return self._model(stand_ins.tuple_of, args, ao)

    def _dict(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return self.mapping_of({}, args, ao, self._named(kwargs, ko))

    def _dict_from_keys(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        found = self._elements(args[0], ao[0]) if len(args) in (1, 2) and not kwargs else None
        if found is None:
            return None
        value = (args[1], ao[1]) if len(args) == 2 else (None, KNOWN)
        return self.new_dict([(key, known, value[0], value[1]) for key, known in found])

    def _set(self, kind: type) -> Callable:
        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if len(args) > 1 or kwargs:
                return None
            if args and self.is_iterator(args[0]):
                listed = stand_ins.set_of
                return self._enter(listed, KNOWN, [kind, args[0]], [KNOWN, ao[0]], {}, {})
            if args and self.set_elements(args[0], ao[0]) is None:
                return None
            return self.new_set(kind(*args))

        return model

    def _slice(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or not 1 <= len(args) <= 3:
            return None
        made = slice(*args)
        known = [KNOWN, *ao, KNOWN] if len(args) == 1 else [*ao, KNOWN][:3]
        return made, parts(known)

    # -- classes and attributes --------------------------------------------------------------

    def _classes(self, given: Any, origin: Any) -> list[type] | None:
        """Return the classes that `isinstance` is given; None where it asks user code."""
        if isinstance(given, UnionType) and origin is KNOWN:
            return self._classes(given.__args__, KNOWN)
        if type(given) is tuple:
            found: list[type] = []
            for each, inner in zip(given, self._items(given, origin)):
                classes = self._classes(each, inner)
                if classes is None:
                    return None
                found += classes
            return found
        if not isinstance(given, type) or origin is not KNOWN:
            return None
        if type(given) is abc.ABCMeta:
            # which keeps its answers until a class is registered
            place = Place(_token, None, False, "")
            if place.identity() not in self.path.places:
                self.fact(SameValue(place, abc.get_cache_token()))
                self.path.places[place.identity()] = KNOWN
            return [given]
        asked = ("__instancecheck__", "__subclasscheck__")
        if any(lookups.type_lookup(type(given), each) is not type.__dict__[each] for each in asked):
            return None
        if type(given) is not type:
            for each in asked:
                self.class_fact(type(given), each)
        return [given]

    def _isinstance(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        if self._classes(args[1], ao[1]) is None:
            return self._instance_check(args, ao) if ao[1] is KNOWN else None
        self.fixed_class(type(args[0]))
        return isinstance(args[0], args[1]), KNOWN

    def _instance_check(self, args: Any, ao: Any) -> Any:
        """Ask the `__instancecheck__` of a metaclass."""
        obj, cls = args
        if not isinstance(cls, type):
            return None
        if type(obj) is cls:
            return True, KNOWN
        method = python_function(self.class_fact(type(cls), "__instancecheck__"))
        if method is None:
            return None
        given, origins = (method, cls, obj), (KNOWN, KNOWN, ao[0])
        return self.protocol(protocols.checked, given, origins)

    def model_issubclass(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2 or ao[0] is not KNOWN or not isinstance(args[0], type):
            return None
        if self._classes(args[1], ao[1]) is None:
            return None
        self.fixed_class(args[0])
        return issubclass(*args), KNOWN

    def _callable(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1:
            return None
        if not isinstance(self.object(args[0]), int):
            return callable(args[0]), KNOWN
        self.take(Place(lookups.read_class, type(args[0]), False, "__call__"))
        return callable(args[0]), KNOWN

    def _setattr(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 3 or ao[1] is not KNOWN or type(args[1]) is not str:
            return None
        answer = self.set_attribute(args[0], ao[0], args[1], args[2], ao[2])
        return answer if isinstance(answer, Enter) else (None, KNOWN)

    def _getter(self, maker: Callable) -> Callable:
        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            known = all(o is KNOWN and type(v) in (int, str) for v, o in zip(args, ao))
            return self._folded(maker, args) if known and not kwargs else None

        return model

    def call_getter(self, getter: Any, args: Any, ao: Any) -> Any:
        """Call a getter or caller of `operator` that was made of constants."""
        maker, wanted = getter.__reduce__()[:2]
        if len(args) != 1:
            return None
        if maker is operator.methodcaller:
            method = self.get_attribute(args[0], ao[0], wanted[0])
            if type(method) is not tuple or not self.active:
                return None
            return self._call(*method, list(wanted[1:]), [KNOWN] * len(wanted[1:]), {}, {})
        if maker is operator.itemgetter:
            found = [self.get_item(args[0], ao[0], key, KNOWN) for key in wanted]
        elif maker is operator.attrgetter:
            found = [self._attribute_of(args[0], ao[0], name.split(".")) for name in wanted]
        else:
            return None  # a `methodcaller` with arguments by name
        if len(found) == 1:
            return found[0]
        pairs = [each for each in found if isinstance(each, tuple)]
        if len(pairs) < len(found):
            return None
        return tuple(value for value, _ in pairs), parts(origin for _, origin in pairs)

    def _attribute_of(self, obj: Any, origin: Any, names: list[str]) -> Any:
        """Read an attribute of an attribute; None where code runs on the way to the last one."""
        *first, last = names
        for name in first:
            found = self.get_attribute(obj, origin, name)
            if type(found) is not tuple or not self.active:
                return None
            obj, origin = found
        return self.get_attribute(obj, origin, last)

    def _getitem(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        return self.get_item(args[0], ao[0], args[1], ao[1])

    def _operator_contains(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        return self.compare("in", args[1], ao[1], args[0], ao[0])
