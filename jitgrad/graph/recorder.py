"""What Python code does to values while it is recorded: an `Operations` that takes notes.

Each rule performs an operation on the real values and says where the result comes from. What has
no rule ends the recording before it: `self.leave(reason)` returns the plain operations, which
perform it; every replay will hand over to the evaluator at that place.
"""

from __future__ import annotations

import builtins
import copy
import functools
import operator
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from jitgrad.autograd.grad_mode import enable_grad, no_grad, set_grad_enabled
from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.changes import length_place
from jitgrad.graph.holding import HELD
from jitgrad.graph.imports import ImportRules
from jitgrad.graph.keys import KeyRules
from jitgrad.graph.knowledge import FreshObject, has_lasting_identity, is_plain_tensor
from jitgrad.graph.lookups import Place
from jitgrad.graph.models import EXACT, MATH
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Bounds, Parts, Runtime
from jitgrad.graph.passing import Passing
from jitgrad.graph.patterns import PatternRules
from jitgrad.graph.performing import is_trusted
from jitgrad.modes import state
from jitgrad.python import driven, stand_ins
from jitgrad.python.code import Instruction
from jitgrad.python.frames import Frame
from jitgrad.python.steps import STEPS, Step

CONTEXTS = (no_grad, enable_grad, set_grad_enabled)
"""Library classes whose objects a recording makes and keeps: simple state, trusted methods."""

PASS = object()
"""The answer of a rule that does not know a function, which another one may."""
LONG = 64
"""How many elements a list of any length may have that library code is given in a recording."""
WHOLE = (copy.deepcopy,)
"""Python functions that Python calls as a whole: they ask for the identities of objects."""
WORLDLY = "random"
"""The module whose functions Python calls as a whole: each changes the state of a generator."""
LEVELS = {
    "critical": 50, "debug": 10, "error": 40, "exception": 40, "fatal": 50, "info": 20, "log": 0,
    "warn": 30, "warning": 30,
}  # fmt: skip
"""What `logging`, and loggers, have for making records, which look for who has called them."""
DISPATCHING = functools.singledispatch(copy.copy).__code__  # type: ignore[attr-defined]
"""That of all functions which choose another one by the class of their first argument."""
GETTERS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)


def _makes_record(function: Any, logger: Any, args: Any) -> bool:
    """Does it make a record of a log? What a logger does not want is evaluated; it does nothing."""
    name = getattr(function, "__name__", "")
    if name not in LEVELS or function.__module__ != "logging":
        return False
    if logger is None or (name == "log" and not args):
        return True
    level = args[0] if name == "log" else LEVELS[name]
    return not isinstance(level, int) or logger.isEnabledFor(level)


def is_stand_in(function: Any) -> bool:
    """Is it one of the functions that are evaluated in place of those written in C?"""
    return function.__module__ in (stand_ins.__name__, driven.__name__)


class Recorder(KeyRules, PatternRules, ImportRules):
    """Records one call, from its beginning or from a site on."""

    internal_files = Passing.internal_files
    leaves_long_lists = False
    """The recording begins behind a loop, where lists may be of another length each time."""

    def begin_behind(self, slot: int) -> None:
        """Begin behind the site of an instruction, which has decided by what is in a slot."""
        self.decided = slot
        self.evaluator.steps = DECIDED

    # -- calls ------------------------------------------------------------------------------

    def call(
        self,
        frame: Any,
        callee: Any,
        co: Any,
        args: Any,
        arg_origins: Any,
        kwargs: Any,
        kwarg_origins: Any,
    ) -> Any:
        if co is not None and None not in arg_origins and None not in kwarg_origins.values():
            answer = self._call(callee, co, args, arg_origins, kwargs, kwarg_origins)
            if answer is not None:
                return answer
        name = getattr(callee, "__qualname__", type(callee).__name__)
        if callee is builtins.__build_class__:
            name = "a class statement"
        elif isinstance(callee, functools._lru_cache_wrapper):
            # whether it knows the result cannot be seen without calling it
            name = f"{name}, whose results are cached"
        plain = self.leave(f"call of {name}") if self.active else self.evaluator.operations
        return plain.call(frame, callee, co, args, arg_origins, kwargs, kwarg_origins)

    def _call(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if type(callee).__module__ == "jitgrad.compiled" and co is KNOWN:
            inner = callee.__compiled_function__
            return self._enter(inner, KNOWN, args, ao, kwargs, ko)
        for rule in (self.call_of_generator, self.call_of_exception):
            answer = rule(callee, co, args, ao, kwargs)
            if answer is not None:
                return answer
        answer = self.call_object(callee, co, args, ao, kwargs, ko)
        if answer is not None:
            return answer
        if isinstance(callee, MethodType):
            return self._call_bound(callee, args, ao, kwargs, ko)
        if co is KNOWN and (
            type(callee) is type or isinstance(callee, (BuiltinFunctionType, FunctionType))
        ):
            answer = self._model_of(callee, args, ao, kwargs, ko)
            if answer is not PASS:
                return answer
        if type(callee) in GETTERS and co is KNOWN:
            return None if kwargs else self.call_getter(callee, args, ao)
        if isinstance(callee, FunctionType):
            return self._call_function(callee, co, args, ao, kwargs, ko)
        if isinstance(callee, type) and is_trusted(callee) and co is KNOWN:
            return self._library_object(callee, args, ao, kwargs)
        method = self.special(callee, "__call__")
        if method is not None:
            return self._enter(method, KNOWN, [callee, *args], [co, *ao], kwargs, ko)
        if co is not KNOWN or not isinstance(callee, (type, BuiltinFunctionType)):
            return self._container_method(callee, args, ao, kwargs, ko)
        if isinstance(callee, type) and type(callee) is not type:
            return None
        if callee in self.models and not kwargs:
            ao = self._exact(args, ao, callee in EXACT)
            return self.models[callee](args, ao) if self.active else None
        if callee in MATH and not kwargs:
            return self._math(callee, f"math.{MATH[callee]}", args, ao)
        return self._container_method(callee, args, ao, kwargs, ko)

    def _model_of(self, callee: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Do what the model of a function says; PASS if it has none, or its own code does."""
        model = self.functions.get(callee)
        if model is None:
            return PASS
        ao = self._exact(args, ao, False)
        answer = model(args, ao, kwargs, ko) if self.active else None
        evaluated = isinstance(callee, FunctionType) and not is_stand_in(callee)
        evaluated = evaluated and callee not in WHOLE
        return PASS if answer is None and evaluated else answer

    def _call_function(
        self, callee: FunctionType, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        if callee.__code__ is DISPATCHING and co is KNOWN and args:
            place = Place(lookups.read_dispatched, callee, False, type(args[0]))
            chosen = place.look(self.run)
            if has_lasting_identity(chosen):
                self._identical(place, chosen)
                return self._call(chosen, KNOWN, args, ao, kwargs, ko)
        if callee.__module__ == WORLDLY or _makes_record(callee, None, args):
            return None
        if not is_trusted(callee):
            return self._enter(callee, co, args, ao, kwargs, ko)
        blocks = ("__enter__", "__exit__")
        if args and type(args[0]) in CONTEXTS and ao[0] is IDENTIFIED and co is KNOWN:
            method = MethodType(callee, args[0])
            if callee.__name__ in blocks and isinstance(self.object(args[0]), FreshObject):
                return self.perform(method, args[1:], ao[1:], kwargs, ko)
        args, ao = self._lists_for_iterators(args, ao)
        if (
            co is KNOWN
            and not callee.__name__.startswith("set_")
            and self._are_library_arguments(args, ao, kwargs, ko)
        ):
            return self.perform(callee, args, ao, kwargs, ko)
        return None

    def _exact(self, args: Any, ao: Any, every: bool) -> list[Any]:
        """Return the origins of arguments whose ranges, or all of whose numbers, are known."""
        return [
            self.fixed(each, origin) if every or isinstance(origin, Bounds) else origin
            for each, origin in zip(args, ao)
        ]

    def _call_bound(self, callee: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Call a bound method whose owner is known."""
        if self.methods.get(id(callee)) is not callee:
            return None
        owner: Any = callee.__self__
        function = getattr(callee.__func__, "__compiled_function__", callee.__func__)
        if isinstance(owner, TensorCore):
            return self._tensor_method(callee, args, ao, kwargs, ko)
        if getattr(function, "__module__", "") == WORLDLY or _makes_record(function, owner, args):
            return None
        if self.origin_of(owner) is not None and isinstance(function, FunctionType):
            if is_trusted(function):
                # what a library object from outside holds is not guarded
                fresh = isinstance(self.object(owner), FreshObject)
                if type(owner) in CONTEXTS and not fresh:
                    return self._outer_block(callee, args, ao)
                if type(owner) in (no_grad, enable_grad) and function.__name__ == "_again":
                    # the block that a decorated function opens
                    made = callee()
                    return made, self.fresh(made, "library", [])
                return self.perform(callee, args, ao, kwargs, ko) if fresh else None
            found = self.walk_modules(callee, args, ao, kwargs, ko)
            if found is not None:
                return found
            first = self.origin_of(owner)
            return self._enter(function, KNOWN, [owner, *args], [first, *ao], kwargs, ko)
        return None

    def _outer_block(self, method: Any, args: Any, ao: Any) -> Any:
        """Enter or leave the block of a grad mode that comes from outside."""
        owner = method.__self__
        for name in ("_before", "_enabled"):
            if self.take(Place(lookups.static_lookup, self.object(owner), True, name))[1] != KNOWN:
                return None
        place = Place(lookups.static_lookup, self.object(owner), True, "_previous")
        before, origin = self.take(place)
        if method.__name__ not in ("__enter__", "__exit__") or type(before) is not tuple:
            return None
        # what it remembers are constants, but the tuple may be another one each time
        known = self._elements(before, origin)
        if known is None or any(each is not KNOWN for _, each in known):
            return None
        answer = self.perform(method, args, ao)
        if self.active:
            self._store(
                place,
                owner._previous,
                KNOWN,
                lambda run, at, made: setattr(run.roots[at], "_previous", made),
            )
        return answer

    def _lists_for_iterators(self, args: Any, ao: Any) -> tuple[Any, Any]:
        """Return arguments with what iterators made in the call have left, in lists instead.

        Library code that takes an iterable exhausts it.
        """
        args, ao = list(args), list(ao)
        for at, each in enumerate(args):
            known = self.object(each)
            if not isinstance(known, FreshObject) or not self._ends_here(known):
                continue
            origins = []
            while (origin := self._next_origin(known)) is not None:
                origins.append(origin)
            self.exhausts()
            args[at] = list(each)
            ao[at] = self.fresh(args[at], "list", origins)
        return args, ao

    @staticmethod
    def _ends_here(known: FreshObject) -> bool:
        """Is it an iterator of which is known how far it goes?"""
        counts = known.kind == "counter" and known.extra.is_known
        return known.kind in ("iterator", "over") or counts

    def _are_library_arguments(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> bool:
        """Would library code find in these arguments only what the recorder can follow?"""
        pairs = [*zip(args, ao), *((kwargs[name], ko[name]) for name in kwargs)]
        return all(self._is_library_argument(value, origin) for value, origin in pairs)

    def _is_library_argument(self, value: Any, origin: Any) -> bool:
        if origin is KNOWN:
            return not isinstance(value, FunctionType) or is_trusted(value)
        if is_plain_tensor(value):
            return True
        if isinstance(origin, Runtime):
            return True
        if isinstance(origin, Parts):
            return all(self._is_library_argument(v, o) for v, o in zip(value, origin.items))
        known = self.object(value)
        if isinstance(known, FreshObject) and known.kind == "list":
            return all(
                not isinstance(o, Runtime) and self._is_library_argument(v, o)
                for v, o in zip(value, known.origins)
            )
        if isinstance(known, int) and type(value) in (list, tuple):
            if self._is_long(value, known):
                return False
            found = self._elements(value, IDENTIFIED)
            return found is not None and all(
                not isinstance(o, Runtime) and self._is_library_argument(v, o) for v, o in found
            )
        return False

    def _is_long(self, value: Any, number: int) -> bool:
        """Is it a list for Python to look at? Each length would be recorded, and each element."""
        unknown = length_place(number).identity() not in self.path.places
        return self.leaves_long_lists and unknown and len(value) > LONG

    def _tensor_method(self, method: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        owner = method.__self__
        if self.entry(owner) is None or not is_trusted(method.__func__):
            return None
        if method.__name__ == "item" and not args and not kwargs:
            return self._item(owner)
        if not self._are_library_arguments(args, ao, kwargs, ko):
            return None
        return self.perform(method, args, ao, kwargs, ko)

    def _library_object(self, kind: type, args: Any, ao: Any, kwargs: Any) -> Any:
        if any(each is not KNOWN for each in ao) or kwargs:
            return None
        if not issubclass(kind, CONTEXTS):
            return None
        made = kind(*args)
        return made, self.fresh(made, "library", [])

    def function_default(self, function: Any, kind: str, key: Any) -> Any:
        known = self.object(function)
        if isinstance(known, FreshObject):
            value, _ = super().function_default(function, kind, key)
            count = len(function.__defaults__ or ())
            at = key if kind == "positional" else count + list(function.__kwdefaults__).index(key)
            return value, known.origins[at]
        positional = kind == "positional"
        read = lookups.read_positional_default if positional else lookups.read_keyword_default
        is_root = known is not None
        return self.take(Place(read, known if is_root else function, is_root, key))

    def make_function(
        self,
        frame: Any,
        code: Any,
        qualname: str,
        defaults: Any,
        defaults_origin: Any,
        kwdefaults: Any,
        *rest: Any,
        **named: Any,
    ) -> Any:
        answer: Any = super().make_function(
            frame, code, qualname, defaults, defaults_origin, kwdefaults, *rest, **named
        )
        made = answer[0]
        origins = list(self._items(defaults or (), defaults_origin))
        if kwdefaults:
            known = self.object(kwdefaults)
            assert isinstance(known, FreshObject)
            origins.extend(known.origins[1::2])
        return made, self.fresh(made, "function", origins)

    def load_special(self, obj: Any, obj_origin: Any, name: str) -> Any:
        if self.origin_of(obj) is not None and obj_origin is IDENTIFIED:
            method = super().load_special(obj, obj_origin, name)[0]  # type: ignore[index]
            if isinstance(method, MethodType):
                if not is_trusted(method.__func__) or isinstance(self.object(obj), int):
                    self.class_fact(type(obj), name)
                self.methods[id(method)] = method
                return method, IDENTIFIED
        return self.leave(f"{name} of a {type(obj).__name__}").load_special(obj, obj_origin, name)

    # -- what is left to the plain operations -----------------------------------------------

    def finished(self, value: Any, origin: Any) -> None:
        if self.active:
            state.recorder = None
            self.finish(value, origin)


def _perform_again(operations: Any, frame: Frame, instruction: Instruction) -> Any:
    """Perform the instruction of a site, behind which a recording begins; no later one decided."""
    evaluator = operations.evaluator
    evaluator.steps = HELD if operations.open_generators() else STEPS
    try:
        return evaluator.steps[instruction[0]](operations, frame, instruction)
    finally:
        operations.decided = None


DECIDED: Final[list[Step]] = [_perform_again] * len(STEPS)
"""The first step of an evaluator that records behind a site."""
