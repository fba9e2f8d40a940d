"""Exceptions that are raised and handled inside of the call: the recorder's rules.

An exception made in the call, or raised by an operation that facts make raise, is an object like
others. What it leads to is determined by where handlers are, so that the path through them is
recorded as any other. One that nobody handles is raised by Python.
"""

from __future__ import annotations

import operator
import sys
from types import FunctionType
from typing import Any, Final

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.exceptional import Exceptional, Traceback
from jitgrad.graph.guards import is_immutable
from jitgrad.graph.instances import LOOKUPS
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import Place
from jitgrad.graph.models import Models
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin, Parts, parts
from jitgrad.graph.performing import PLAIN_TYPES
from jitgrad.graph.places import PlaceRules
from jitgrad.graph.recipes import Recipe
from jitgrad.graph.remaking import Unrecordable
from jitgrad.python import matching
from jitgrad.python.code import Op
from jitgrad.python.frames import Entry, entries_of
from jitgrad.python.operations import ABSENT as NOT_GIVEN

RAISING = (Op.RAISE, Op.RERAISE)
_ARGS: Final = BaseException.__dict__["args"]
_CAN_CHANGE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def _raises(function: Any, values: Any) -> bool:
    """Does a function of numbers raise? What it raises must not be the context of anything."""
    try:
        function(*values)
    except (ArithmeticError, ValueError, TypeError):
        return True
    return False


class ExceptionRules(Models, PlaceRules):
    """What makes, raises, takes and looks at exceptions."""

    def _exception(self, obj: Any) -> FreshObject | None:
        known = self.object(obj) if isinstance(obj, BaseException) else None
        return known if isinstance(known, FreshObject) and known.kind == "exception" else None

    def _is_traceback(self, obj: Any) -> bool:
        """Is it the traceback of an exception that was made in the call?"""
        return getattr(self.object(obj), "kind", "") == "traceback"

    def _may_be_handled(self, exception: Any) -> bool:
        """Is there a handler, or a loop that ends with a StopIteration?"""
        stops = isinstance(exception, StopIteration) or exception is StopIteration
        return any(
            frame.code.handlers[frame.pc] is not None
            or (stops and frame.code.instructions[frame.pc][0] == Op.ADVANCE)
            for frame in self.evaluator.frames
        )

    # -- made and looked at -----------------------------------------------------------------

    def _new_exception(self, kind: Any, args: Any, origins: Any) -> Any:
        """Make an exception of a class that makes it as built-in ones do; None where not."""
        if type(kind) is not type or not issubclass(kind, BaseException):
            return None
        if issubclass(kind, BaseExceptionGroup):
            return None  # of a class of its own
        makers = [lookups.type_lookup(kind, name) for name in ("__init__", "__new__")]
        if any(isinstance(each, (FunctionType, staticmethod)) for each in makers):
            return None
        try:
            made = kind(*args)
        except BaseException:
            return None
        if len(_ARGS.__get__(made)) != len(args):
            return None
        self._rely_on(kind, "__init__", "__new__")
        return made, self.fresh(made, "exception", list(origins))

    def _rely_on(self, kind: type, *names: str) -> None:
        """Make facts of what a class is made of, unless it is one that cannot change."""
        if kind.__flags__ & _CAN_CHANGE:
            for name in names:
                self.class_fact(kind, name)

    def call_of_exception(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any) -> Any:
        """Model calls that make an exception, or its text."""
        if co is KNOWN and callee is sys.exc_info and not args and not kwargs:
            return self._handled()
        if co is not KNOWN or kwargs or not isinstance(callee, type):
            return None
        if callee is str and len(args) == 1 and self._has_known_text(args[0], "__str__"):
            return str(args[0]), KNOWN
        return self._new_exception(callee, args, ao)

    def _handled(self) -> Any:
        """Model `sys.exc_info()`."""
        exception = self.evaluator.frames[-1].handled()
        if exception is None:
            if not self.has_known_context():
                return None
            return (None, None, None), parts((KNOWN, KNOWN, KNOWN))
        if self._exception(exception) is None:
            return None
        traceback, origin = self._traceback_of(exception)
        return (type(exception), exception, traceback), parts((KNOWN, IDENTIFIED, origin))

    def _has_known_text(self, exception: Any, name: str) -> bool:
        known = self._exception(exception)
        if known is None or isinstance(lookups.type_lookup(type(exception), name), FunctionType):
            return False
        self._rely_on(type(exception), name)
        plain = all(type(each) in PLAIN_TYPES for each in _ARGS.__get__(exception))
        return plain and all(each is KNOWN for each in known.origins)

    def format_value(
        self,
        value: Any,
        origin: Any,
        conversion: str | None,
        spec: Any = NOT_GIVEN,
        spec_origin: Any = None,
    ) -> Any:
        text = {None: str, "s": str, "r": repr}.get(conversion)
        if text is not None and spec is NOT_GIVEN:
            plain = lookups.type_lookup(type(value), "__format__") is object.__dict__["__format__"]
            name = f"__{text.__name__}__"
            if (plain or conversion) and self._has_known_text(value, name):
                self._rely_on(type(value), "__format__")
                return text(value), KNOWN
        return super().format_value(value, origin, conversion, spec, spec_origin)

    def get_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        known = self._exception(obj)
        if known is not None:
            plain = lookups.type_lookup(type(obj), name)
            self._rely_on(type(obj), name)
            if name == "args" and plain is _ARGS:
                return obj.args, parts(known.origins)
            if name == "value" and type(obj) is StopIteration:
                return obj.value, known.origins[0] if known.origins else KNOWN
            if name == "__traceback__" and plain is BaseException.__dict__[name]:
                return self._traceback_of(obj)
            if name in ("__cause__", "__context__") and plain is BaseException.__dict__[name]:
                other = getattr(obj, name)
                if other is None or self._exception(other) is not None:
                    return other, KNOWN if other is None else IDENTIFIED
        elif isinstance(obj, type) and is_immutable(obj) and not hasattr(obj, name):
            self._raise_certainly(
                getattr, (obj, name), {"name": (name, KNOWN), "obj": (obj, KNOWN)}
            )
        elif self._lacks_this_attribute(obj, name):
            named = {"name": (name, KNOWN), "obj": (obj, obj_origin)}
            self._raise_certainly(getattr, (obj, name), named)
        return super().get_attribute(obj, obj_origin, name)

    def set_attribute(self, obj: Any, obj_origin: Any, name: str, value: Any, origin: Any) -> Any:
        known = name == "__traceback__" and self._exception(obj) is not None
        if known and (value is None or self._is_traceback(value)):
            obj.__traceback__ = value
            return None
        linked = name in ("__cause__", "__context__") and self._exception(obj) is not None
        linked = linked and self.is_plain_attribute(type(obj), name)
        if linked and (self._exception(value) is not None or (value is None and origin is KNOWN)):
            setattr(obj, name, value)
            return None
        return super().set_attribute(obj, obj_origin, name, value, origin)

    def _lacks_this_attribute(self, obj: Any, name: str) -> bool:
        """Has an object, from outside or made in the call, no such attribute? If so, as a fact."""
        kind, fresh = type(obj), self.instance(obj)
        if fresh is None and not isinstance(self.object(obj), int):
            return False
        if lookups.type_lookup(kind, "__getattribute__") not in LOOKUPS:
            return False
        self.class_fact(kind, "__getattribute__")
        if fresh is None:
            return self._lacks_attribute(obj, name)
        return name not in fresh.extra and self._lacks(kind, name, "__getattr__")

    # -- raised -----------------------------------------------------------------------------

    def _release(self) -> None:
        raise NotImplementedError

    def has_known_context(self) -> bool:
        """Is it known which exception is being handled here? If it is none, that is a fact."""
        if self.evaluator.frames[-1].handled() is not None:
            return True
        if not self.is_handling:
            self._identical(Place(lookups.read_handled, None, False, ""), None)
        return not self.is_handling

    def _raise_certainly(self, function: Any, operands: Any, named: Any = None) -> None:
        """Perform what facts make raise, if there is a handler; else return."""
        if not self._may_be_handled(None) or not self.has_known_context():
            return
        try:
            function(*operands)
        except (LookupError, ArithmeticError, ValueError, TypeError, AttributeError) as error:
            if all(type(each) in PLAIN_TYPES for each in error.args):
                self.fresh(error, "exception", [KNOWN] * len(error.args), named)
                raise

    def _folded(self, function: Any, operands: Any) -> Any:
        self._raise_certainly(function, operands)
        return super()._folded(function, operands)

    def _number(
        self,
        text: str,
        function: Any,
        values: Any,
        origins: Any,
        can_raise: bool,
        begun: bool = False,
    ) -> Any:
        if can_raise and self._may_be_handled(None) and _raises(function, values):
            # so it does for these numbers
            origins = [self.fixed(*each) for each in zip(values, origins)]
            if not self.active:
                return function(*values), None
            if all(each is KNOWN for each in origins):
                return self._folded(function, values)
        return super()._number(text, function, values, origins, can_raise, begun)

    def get_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        if not isinstance(obj, TensorCore):
            key_origin = self.fixed(key, key_origin)
        if self.active and key_origin is KNOWN and self._lacks_item(obj, obj_origin, key):
            self._raise_certainly(operator.getitem, (obj, key))
        return super().get_item(obj, obj_origin, key, key_origin)

    def _lacks_item(self, obj: Any, origin: Any, key: Any) -> bool:
        """Has a container of a built-in class no such item? If so, it is a fact."""
        known = self.object(obj)
        fresh = isinstance(known, FreshObject)
        if type(obj) in DICTS and type(key) in (int, str) and not hasattr(type(obj), "__missing__"):
            if isinstance(known, int) and key not in obj:
                return not self.take(Place(lookups.read_presence, known, True, key))[0]
            return fresh and known.kind == "dict" and key not in obj
        if type(obj) not in (list, tuple, str, range) or type(key) is not int:
            return False
        if -len(obj) <= key < len(obj):
            return False
        if isinstance(known, int):
            return self.take(Place(lookups.read_length, known, True, ""))[1] is KNOWN
        return (fresh and known.kind == "list") or (
            type(obj) is not list and (origin is KNOWN or isinstance(origin, Parts))
        )

    def raise_exception(
        self, exception: Any, origin: Any, cause: Any = NOT_GIVEN, cause_origin: Any = None
    ) -> Any:
        given = [(exception, origin), (cause, cause_origin)]
        if self._may_be_handled(exception):
            given = [self._raisable(*each) for each in given]
        known = all(
            each is NOT_GIVEN
            or (each is None and at == 1 and its_origin is KNOWN)
            or (self._exception(each) is not None and its_origin is IDENTIFIED)
            for at, (each, its_origin) in enumerate(given)
        )
        if exception is NOT_GIVEN:
            handled = self.evaluator.frames[-1].handled()
            known = known and self.object(handled) is not None and self._may_be_handled(handled)
        elif not self._may_be_handled(exception) or not self.has_known_context():
            known = False
        if not known:
            plain = self.leave("raise")
            return plain.raise_exception(exception, origin, cause, cause_origin)
        (exception, _), (cause, _) = given
        return super().raise_exception(exception, origin, cause)

    def _raisable(self, value: Any, origin: Any) -> tuple[Any, Any]:
        """Return the exception that a class makes when it is raised."""
        if origin is not KNOWN or not isinstance(value, type):
            return value, origin
        return self._new_exception(value, (), ()) or (value, origin)

    def stop_iteration(self, value: Any, origin: Any) -> StopIteration:
        made = super().stop_iteration(value, origin)
        self.fresh(made, "exception", [] if value is None else [origin])
        return made

    def stopped_inside(self, exception: StopIteration) -> RuntimeError:
        made = super().stopped_inside(exception)
        self.fresh(made, "exception", [KNOWN])
        return made

    def raised(self, exception: BaseException) -> None:
        if not self.active:
            return
        known = self.object(exception)
        if known is None:
            self._drop()
        elif isinstance(known, int) or not self._may_be_handled(exception):
            # the traceback of one from outside, which Python has raised, grows on its way
            frame = self.evaluator.frames[-1]
            again = frame.code.instructions[frame.pc][0] in RAISING
            if again or (type(exception) is StopIteration and not exception.args):
                self.leave("raise")
            else:
                self._drop()
        elif not self.has_known_context():
            self._drop()

    def _drop(self) -> None:
        """Forget the segment at hand, whose end is not understood; the next call may have none."""
        self.stalled = True
        self._stop()
        self._release()
        self._plain()

    # -- handled ----------------------------------------------------------------------------

    def handle(self, exception: BaseException) -> Any:
        return None if self.object(exception) is None else IDENTIFIED

    def caught(self, exception: BaseException, origin: Any, wanted: Any, wo: Any) -> bool:
        if origin is IDENTIFIED and self.object(exception) is not None and wo is KNOWN:
            classes = wanted if type(wanted) is tuple else (wanted,)
            if all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
                self.fixed_bases(type(exception))
                return matching.caught(exception, wanted)
        return self.leave("except").caught(exception, origin, wanted, wo)

    def fixed_bases(self, kind: type) -> bool:
        """Make it a fact that a class has the bases that it has, which is True."""
        if kind.__flags__ & _CAN_CHANGE:
            self._identical(Place(lookups.read_order, kind, False, ""), kind.__mro__)
        return True

    def is_plain_attribute(self, kind: type, name: str) -> bool:
        """Is an attribute of an exception looked up as for built-in classes? It is a fact."""
        lookup = lookups.type_lookup(kind, "__getattribute__")
        if lookup is not BaseException.__dict__["__getattribute__"]:
            return False
        self._rely_on(kind, "__getattribute__", name)
        found = lookups.type_lookup(kind, name)
        return found is lookups.type_lookup(BaseExceptionGroup, name)

    def group_parts(self, exception: Any, known: FreshObject) -> Recipe | None:
        """Return how what a group has divided is made; None for other exceptions."""
        raise NotImplementedError

    def exception_part(self, exception: BaseException, origin: Any, part: Any) -> Any:
        if self._exception(exception) is None:
            return self.leave("except").exception_part(exception, origin, part)
        if part == "type":
            return type(exception), KNOWN
        if part == "value":
            return exception, origin
        return self._traceback_of(exception)

    def _traceback_of(self, exception: BaseException) -> tuple[Any, Origin]:
        traceback = exception.__traceback__
        return traceback, KNOWN if traceback is None else self.fresh(traceback, "traceback", [])

    # -- recipes ----------------------------------------------------------------------------

    def _fresh_object(self, obj: Any, known: FreshObject) -> Recipe:
        if known.kind == "traceback":
            return self._recipes.setdefault(known, Traceback(known.key, self._entries(obj)))
        if known.kind != "exception":
            return super()._fresh_object(obj, known)
        if not obj.__dict__.keys() <= {"__notes__"}:
            raise Unrecordable("an exception with attributes")
        made = Exceptional(known.key, obj)
        self._recipes[known] = made
        traceback = obj.__traceback__
        if traceback is not None:
            # one object for all that have it: parts of a group are known by that
            if self.object(traceback) is None:
                self.fresh(traceback, "traceback", [])
            made.traceback = self.recipe(traceback, IDENTIFIED)
        made.inside = self.group_parts(obj, known)
        if obj.__dict__:
            made.notes = self.recipe(obj.__notes__, IDENTIFIED)
        made.args = tuple(self.recipe(*each) for each in zip(_ARGS.__get__(obj), known.origins))
        made.named = {name: self.recipe(*each) for name, each in (known.extra or {}).items()}
        context, cause = obj.__context__, obj.__cause__
        made.context = None if context is None else self.recipe(context, IDENTIFIED)
        made.cause = None if cause is None else self.recipe(cause, IDENTIFIED)
        return made

    @staticmethod
    def _entries(traceback: Any) -> list[Entry]:
        found = entries_of(traceback)
        if found is None:
            raise Unrecordable("the traceback of something that is not evaluated")
        return found
