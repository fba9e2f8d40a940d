"""How the recorder performs things: leaving, library calls, numbers of run time, sites."""

from __future__ import annotations

import math
from types import MethodType
from typing import Any

from jitgrad import config
from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.derivative import tracked
from jitgrad.graph.dictionaries import DICTS, DictionaryRules
from jitgrad.graph.facts import SameObject
from jitgrad.graph.heads import HeadRules
from jitgrad.graph.ir import Scalar
from jitgrad.graph.knowledge import (
    CONSTANT_TYPES,
    IDENTICAL_TYPES,
    LISTS,
    FreshObject,
    is_plain_tensor,
)
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Bounds, Parts, Runtime, Text, parts
from jitgrad.graph.passing import Passing
from jitgrad.graph.remaking import Unrecordable
from jitgrad.modes import TrackedFloat, plain_number
from jitgrad.python.binding import bind_arguments
from jitgrad.python.code import Unlowerable
from jitgrad.python.lower import code_for
from jitgrad.python.operations import Enter, Operations
from jitgrad.spec import Size

PLAIN_TYPES = (*CONSTANT_TYPES, float, tuple, slice)


# what the library's modules and optimizers do is evaluated, as if users had written them
UNTRUSTED = (
    "jitgrad.demo",
    "jitgrad.datasets",
    "jitgrad.__main__",
    "jitgrad.nn.modules",
    "jitgrad.nn.utils.parametri",
    "jitgrad.nn.utils.spectral_norm",
    "jitgrad.nn.utils.weight_norm",
    "jitgrad.optim",
    "jitgrad.python",
)


def is_trusted(function: Any) -> bool:
    """Is `function` the library's own, run by CPython while the dispatcher takes notes?"""
    module = getattr(function, "__module__", None) or ""
    return (module == "jitgrad" or module.startswith("jitgrad.")) and not module.startswith(
        UNTRUSTED
    )


class Performing(HeadRules, DictionaryRules, Operations):
    """What all rules of the recorder use."""

    decided: int | None = None
    """The slot of what the instruction at hand has decided by, if the recording begins behind it.

    It is performed again then, with a value that it may not have met before: it may decide by
    something else first, or by nothing.
    """

    @property
    def counters(self) -> list[Any]:
        """The iterators that nobody but their loops can reach, and that are taken apart."""
        return [
            it
            for it, known in self.objects.values()
            if isinstance(known, FreshObject)
            and (known.kind == "turning" or (known.kind == "counter" and not known.extra.exposed))
        ]

    def leave(self, reason: str) -> Operations:
        """End the recording before the instruction at hand; return what performs it."""
        self.exit(reason, clean=True)
        return self._plain()

    def _plain(self) -> Operations:
        return Passing(self.evaluator, self.hopeless, self.counters, begun=True)

    def unknown(self, reason: str) -> None:
        self.exit(reason, clean=False)
        self._plain()

    def step_begins(self) -> None:
        """Mark the beginning of an instruction that may compute."""
        self.begin()

    def perform(
        self, function: Any, args: Any, origins: Any, kwargs: Any = None, kwarg_origins: Any = None
    ) -> Any:
        """Call library code with numbers of run time tracked; return value and origin."""
        named = kwargs or {}
        every = (*args, *named.values())
        if any(isinstance(each, TensorCore) and not is_plain_tensor(each) for each in every):
            self.leave("a tensor of a class of the user's own")
            return function(*args, **named), None
        origins = [self.fixed(value, origin) for value, origin in zip(args, origins)]
        kwarg_origins = {key: self.fixed(named[key], kwarg_origins[key]) for key in named}
        if not self.active:
            return function(*args, **named), None
        self.begin()
        given = [self._tracked(value, origin) for value, origin in zip(args, origins)]
        named = {name: self._tracked(value, kwarg_origins[name]) for name, value in named.items()}
        try:
            result = function(*given, **named)
        except BaseException:
            self.pause()
            self._plain()
            raise
        if not self.active:
            return _untracked(result), None
        return self._result(result)

    def fixed(self, value: Any, origin: Any, floats: bool = False) -> Any:
        """Return the origin of a number of run time that is used for what it is.

        Floats go through the library as they are, unless `floats`. For an integer or a truth a site
        makes sure of the value, which is known from there on.
        """
        if isinstance(origin, Parts) and type(value) is tuple:
            return parts(self.fixed(v, o, floats) for v, o in zip(value, origin.items))
        if isinstance(origin, Bounds):
            for number, each in zip((value.start, value.stop, value.step), origin.items):
                self.fixed(number, each)
            return KNOWN if self.active else None
        if not isinstance(origin, Runtime) or not self.active:
            return origin
        if type(value) is str or (type(value) is float and (not floats or value != value)):
            return origin
        if origin.scalar not in self.path.fixed:
            if not self.available(origin.scalar):
                self.leave("a number of run time that is gone")
                return None
            self._decide(origin.scalar, True, (type(value), value), value)
            self.path.fixed[origin.scalar] = value
        return KNOWN if self.active else None

    def _tracked(self, value: Any, origin: Any) -> Any:
        if isinstance(origin, Runtime) and type(value) is float:
            return tracked(value, origin.scalar)
        if isinstance(origin, Parts) and type(value) is tuple:
            return tuple(self._tracked(v, o) for v, o in zip(value, origin.items))
        return value

    def _result(self, result: Any) -> Any:
        if type(result) is TrackedFloat:
            return plain_number(result), Runtime(result.scalar)
        if isinstance(result, TensorCore):
            if self.entry(result) is None:
                self.unknown("a tensor that the trace does not know")
                return result, None
            return result, IDENTIFIED
        if isinstance(result, tuple) and type(result) not in CONSTANT_TYPES:
            found = [self._result(each) for each in result]
            if not self.active:
                return result, None
            if type(result) is not tuple:
                self.unknown(f"a {type(result).__name__}")
                return result, None
            return result, parts(origin for _, origin in found)
        if type(result) in CONSTANT_TYPES or isinstance(result, IDENTICAL_TYPES):
            return result, KNOWN
        if type(result) is list:
            origins = [self._result(each)[1] for each in result]
            return (result, self.fresh(result, "list", origins) if self.active else None)
        if isinstance(result, MethodType) and isinstance(result.__self__, TensorCore):
            self.methods[id(result)] = result
            return result, IDENTIFIED
        self.unknown(f"library code returned a {type(result).__name__}")
        return result, None

    def _items(self, value: tuple, origin: Any) -> tuple:
        if isinstance(origin, Parts):
            return origin.items
        if origin is KNOWN:
            return (KNOWN,) * len(value)
        found = self._elements(value, origin)
        return (None,) * len(value) if found is None else tuple(each for _, each in found)

    def _folded(self, function: Any, operands: Any) -> Any:
        try:
            return function(*operands), KNOWN
        except BaseException as error:
            self.leave(f"it raised {type(error).__name__}")
            raise

    def _number(
        self,
        text: str,
        function: Any,
        values: Any,
        origins: Any,
        can_raise: bool,
        begun: bool = False,
    ) -> Any:
        """Compute with numbers of run time; has the instruction at hand done so already?"""
        if not begun:
            self.begin()
        if text == "{0} ** {1}" and float not in map(type, values):
            origins = [self.fixed(value, origin) for value, origin in zip(values, origins)]
            return self._folded(function, values) if self.active else (function(*values), None)
        if text == "{0} ** {1}":
            # raises where Python's own operator would give a complex number
            text, run_time = "math.pow({0}, {1})", math.pow
        else:
            run_time = function
        named = tuple(
            origin.scalar if isinstance(origin, Runtime) else value
            for value, origin in zip(values, origins)
        )
        if any(isinstance(each, Scalar) and not self.available(each) for each in named):
            self.leave("a number of run time that is gone")
            return function(*values), None
        try:
            result = function(*values)
        except BaseException as error:
            self.leave(f"it raised {type(error).__name__}")
            raise
        # an integer may become too large for a float
        can_raise = can_raise or (
            float in map(type, values)
            and any(type(x) is int and o is not KNOWN for x, o in zip(values, origins))
        )
        if type(result) not in (float, bool, int) or (can_raise and not self.may_raise()):
            if self.active:
                self.leave(f"a number of run time becomes {type(result).__name__}")
            return result, None
        return result, Runtime(self.compute_number(text, run_time, named, result))

    def beside(self, other: Any, x: Any, xo: Any) -> tuple[Any, Any]:
        """Return an integer of run time as the float that it is beside a floating-point tensor."""
        floating = isinstance(other, TensorCore) and other._array.dtype.kind == "f"
        if floating and type(x) is int and isinstance(xo, Runtime) and abs(x) <= 2**53:
            return self._number("float({0})", float, (x,), (xo,), True)
        return x, xo

    def _decide(self, test: Any, exact: bool, outcome: Any, answer: Any) -> Any:
        """Make a site of the instruction at hand, unless the recording begins behind it."""
        slot, self.decided = self.decided, None
        # what has no slot yet, the instruction has just computed again
        if slot is not None and self.path.slot_of.get(test, slot) == slot:
            return answer
        self.begin()
        self._turn()
        try:
            self.site(test, exact, outcome)
        except Unrecordable as why:
            self.unknown(str(why))
        return answer

    def _elements(self, x: Any, xo: Any) -> list[tuple[Any, Any]] | None:
        """Return the elements of a container that is known, with their origins."""
        if type(x) is tuple and isinstance(xo, Parts):
            return list(zip(x, xo.items))
        if (xo is KNOWN and type(x) in (tuple, str, range)) or type(x) is Size:
            return [(each, KNOWN) for each in x]
        known = self.object(x)
        if isinstance(known, int) and type(x) in (set, frozenset, *DICTS):
            keys = self.outer_keys(known)
            return None if keys is None else [(key, KNOWN) for key in keys]
        if isinstance(known, int) and self.is_module_list(x):
            return self.listed_modules(x)
        if isinstance(known, FreshObject) and known.kind in ("list", "set"):
            return list(zip(x, known.origins))
        if isinstance(known, FreshObject) and known.kind == "dict":
            return list(zip(x, known.origins[::2]))
        if isinstance(known, FreshObject) and known.kind in ("keys", "items", "values"):
            held = self.object(known.extra)
            if isinstance(held, int):
                return self.outer_view(known.kind, held)
            assert isinstance(held, FreshObject)
            keys, values = held.origins[::2], held.origins[1::2]
            if known.kind == "items":
                return [(pair, parts(both)) for pair, both in zip(x, zip(keys, values))]
            return list(zip(x, keys if known.kind == "keys" else values))
        if self.is_record(x):
            return self.record_items(x, "__iter__")
        if isinstance(known, int) and type(x) in (*LISTS, tuple):
            self.take(Place(lookups.read_length, known, True, ""))
            found = [self.take(Place(lookups.read_item, known, True, i)) for i in range(len(x))]
            if all(origin is not None for _, origin in found):
                return found
        return None

    def list_operator(self, op: str, l: Any, lo: Any, r: Any, ro: Any, in_place: bool) -> Any:  # noqa: E741
        """Perform `+` or `*` of a list; None if that cannot be followed."""
        raise NotImplementedError

    def mapping_operator(self, op: str, l: Any, lo: Any, r: Any, ro: Any, in_place: bool) -> Any:  # noqa: E741
        """Perform an operator of two dicts or two sets; None if that cannot be followed."""
        raise NotImplementedError

    def text_attribute(self, text: str, origin: Text, name: str) -> Any:
        """Return a method of a text of run time; None if it is not followed."""
        raise NotImplementedError

    def text_item(self, text: str, origin: Text, key: Any, known: Any) -> Any:
        """Return a part of a text of run time; None if it is not followed."""
        raise NotImplementedError

    def is_module_list(self, x: Any) -> bool:
        """Is `x` a module that iterates over its submodules, as the library's lists do?"""
        raise NotImplementedError

    def listed_modules(self, x: Any) -> list[tuple[Any, Any]] | None:
        """Return the submodules of a module list, with their origins."""
        raise NotImplementedError

    def is_record(self, obj: Any) -> bool:
        """Is `obj` a named tuple, from outside or made in the call?"""
        raise NotImplementedError

    def record_items(self, obj: Any, method: str) -> list[tuple[Any, Any]] | None:
        """Return the elements of a named tuple, with their origins."""
        raise NotImplementedError

    def _identical(self, place: Place, value: Any) -> None:
        """Make it a fact that this very object is at `place`."""
        if place.identity() not in self.path.places:
            self.fact(SameObject(place, value))
            self.path.places[place.identity()] = KNOWN

    def _enter(
        self, function: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any, owner: Any = None
    ) -> Any:
        """Evaluate a Python function in a frame of its own; None where Python is to call it."""
        if len(self.evaluator.frames) >= config.max_depth:
            # each site would have to tell how to make all these frames again
            return None
        try:
            code = code_for(function, generators=True)
        except Unlowerable:
            return None
        try:
            values, origins = bind_arguments(self, code, function, args, ao, kwargs, ko)
        except TypeError:
            return None
        if not self.active:
            return None
        known = self.object(function)
        if known is None:
            self._identical(Place(lookups.read_code, function, False, ""), function.__code__)
        origin = IDENTIFIED if known is not None else KNOWN
        return Enter(code, function, values, origins, origin)


def _untracked(result: Any) -> Any:
    return plain_number(result)
