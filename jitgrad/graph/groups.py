"""Groups of exceptions, and `except*`: the recorder's rules.

A group of the call is an exception like others, made of known ones. How it is divided hangs on
the classes of these only, which are facts; so Python divides it, and what comes out is known.
"""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import Any

from jitgrad.graph.exceptions import ExceptionRules
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import IDENTIFIED, KNOWN, parts
from jitgrad.graph.remaking import Unrecordable
from jitgrad.python import matching

PLAIN = (BaseExceptionGroup, ExceptionGroup)
"""Groups that are divided as CPython does it, by no code of users."""
METHODS = ("add_note", "derive", "split", "subgroup", "with_traceback")


class GroupRules(ExceptionRules):
    """What makes groups of exceptions, divides them, and looks at them."""

    def _group(self, obj: Any) -> bool:
        """Is it a plain group of exceptions made in the call?"""
        return type(obj) in PLAIN and self._exception(obj) is not None

    def _new_exception(self, kind: Any, args: Any, origins: Any) -> Any:
        if kind not in PLAIN:
            return super()._new_exception(kind, args, origins)
        if len(args) != 2 or type(args[0]) is not str or origins[0] is not KNOWN:
            return None
        found = self._elements(args[1], origins[1])
        if not found or any(self._exception(each) is None for each, _ in found):
            return None
        try:
            made = kind(*args)
        except (TypeError, ValueError):
            return None
        return made, self.fresh(made, "exception", list(origins))

    def _know(self, part: Any) -> tuple[Any, Any]:
        """Know a part of a known group that Python has made, and the groups in it."""
        if part is None:
            return None, KNOWN
        if self._exception(part) is None:
            assert type(part) in PLAIN
            given = part.args[1]
            inside = [self._know(each)[1] for each in part.exceptions]
            origin = parts(inside) if type(given) is tuple else self.fresh(given, "list", inside)
            self.fresh(part, "exception", [KNOWN, origin])
            notes = part.__dict__.get("__notes__")
            if notes is not None:
                self.fresh(notes, "list", [KNOWN] * len(notes))
        return part, IDENTIFIED

    def _may_divide(self, exception: Any, wanted: Any) -> bool:
        """Do nothing but classes decide which part of an exception is `wanted`? As facts."""
        if isinstance(exception, BaseExceptionGroup):
            if not self._group(exception):
                return False
            return all(self._may_divide(each, wanted) for each in exception.exceptions)
        if self._exception(exception) is None:
            return False
        return self.fixed_bases(type(exception))

    # -- except* ----------------------------------------------------------------------------

    def split_group(self, exception: Any, origin: Any, wanted: Any, wo: Any) -> Any:
        known = wo is KNOWN and self._are_classes(wanted)
        if known and (exception is None or self._may_divide(exception, wanted)):
            return [self._know(part) for part in matching.split_group(exception, wanted)]
        return self.leave("except*").split_group(exception, origin, wanted, wo)

    @staticmethod
    def _are_classes(wanted: Any) -> bool:
        """May an `except*` ask for it? What it must not ask for raises."""
        return all(
            isinstance(each, type)
            and issubclass(each, BaseException)
            and not issubclass(each, BaseExceptionGroup)
            for each in (wanted if type(wanted) is tuple else (wanted,))
        )

    def join_groups(self, exception: BaseException, origin: Any, errors: Any, eo: Any) -> Any:
        known = self._exception(exception) is not None and self.fresh_list(errors) is not None
        given = [each for each in errors if each is not None]
        if known and all(self._may_divide(each, None) for each in given):
            return self._know(matching.join_groups(exception, errors))
        return self.leave("except*").join_groups(exception, origin, errors, eo)

    # -- their methods ----------------------------------------------------------------------

    def get_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        known = self._exception(obj)
        if known is None or not self.is_plain_attribute(type(obj), name):
            return super().get_attribute(obj, obj_origin, name)
        if name in METHODS:
            method = getattr(obj, name, None)
            if isinstance(method, BuiltinFunctionType):
                self.methods[id(method)] = method
                return method, IDENTIFIED
        if name == "__notes__" and name in obj.__dict__:
            return obj.__notes__, IDENTIFIED
        if self._group(obj) and name == "message":
            return obj.message, known.origins[0]
        if self._group(obj) and name == "exceptions":
            return obj.exceptions, parts([IDENTIFIED] * len(obj.exceptions))
        return super().get_attribute(obj, obj_origin, name)

    def call_of_exception(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any) -> Any:
        owner = callee.__self__ if isinstance(callee, BuiltinFunctionType) else None
        known = None if owner is None else self._exception(owner)
        if known is None or kwargs or len(args) != 1:
            return super().call_of_exception(callee, co, args, ao, kwargs)
        (given,), (origin,), name = args, ao, callee.__name__
        if name == "add_note":
            return self._add_note(owner, given, origin)
        if name == "with_traceback" and (given is None or self._is_traceback(given)):
            return callee(given), IDENTIFIED
        if not self._group(owner):
            return None
        if name == "derive":
            found = self._elements(given, origin)
            if not found or any(self._exception(each) is None for each, _ in found):
                return None
            made: Any = callee(given)
            return made, self.fresh(made, "exception", [known.origins[0], origin])
        if name not in ("split", "subgroup") or origin is not KNOWN:
            return None
        if not self._are_any_classes(given) or not self._may_divide(owner, given):
            return None
        made = callee(given)
        if name == "subgroup":
            return self._know(made)
        found = [self._know(each) for each in made]
        return made, parts(origin for _, origin in found)

    @staticmethod
    def _are_any_classes(wanted: Any) -> bool:
        return all(
            isinstance(each, type) and issubclass(each, BaseException)
            for each in (wanted if type(wanted) is tuple else (wanted,))
        )

    def _add_note(self, exception: Any, note: Any, origin: Any) -> Any:
        if type(note) is not str or origin is not KNOWN:
            return None
        notes = exception.__dict__.get("__notes__")
        known = None if notes is None else self.fresh_list(notes)
        if notes is not None and known is None:
            return None
        exception.add_note(note)
        if known is None:
            self.fresh(exception.__notes__, "list", [KNOWN])
        else:
            known.origins.append(KNOWN)
        return None, KNOWN

    def _has_known_text(self, exception: Any, name: str) -> bool:
        if self._group(exception) and name == "__str__":
            return True
        return super()._has_known_text(exception, name)

    # -- recipes ----------------------------------------------------------------------------

    def group_parts(self, exception: Any, known: FreshObject) -> Any:
        if not isinstance(exception, BaseExceptionGroup):
            return None
        if not self._group(exception):
            raise Unrecordable("a group of a class of its own")
        return self.recipe(exception.exceptions, parts([IDENTIFIED] * len(exception.exceptions)))
