"""Lists: what is done to those made in the call, and to those from outside."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.changes import item_place, length_place
from jitgrad.graph.changing import ChangeRules
from jitgrad.graph.knowledge import LISTS, FreshObject
from jitgrad.graph.origins import KNOWN, Origin, Runtime
from jitgrad.graph.performing import PLAIN_TYPES
from jitgrad.python import stand_ins

Change = Callable[[Any, Any], None]
"""Does something to a list, with what it is given: elements, origins, or objects in a replay."""


def append(target: Any, given: Any) -> None:
    """Put what is given behind the elements of a list."""
    target.extend(given)


def _insert(at: int) -> Change:
    return lambda target, given: target.insert(at, given[0])


def _replace(key: Any) -> Change:
    def change(target: Any, given: Any) -> None:
        target[key] = given if type(key) is slice else given[0]

    return change


def _delete(key: Any) -> Change:
    return lambda target, given: operator.delitem(target, key)


def _repeat(count: int) -> Change:
    return lambda target, given: operator.imul(target, count)


def _clear(target: Any, given: Any) -> None:
    target.clear()


def _reverse(target: Any, given: Any) -> None:
    target.reverse()


def _arrange(order: list[int]) -> Change:
    def change(target: Any, given: Any) -> None:
        target[:] = [target[at] for at in order]

    return change


def _works(change: Change, cells: list[Any], origins: Any) -> bool:
    """Change what is known of the elements; False where Python would raise."""
    try:
        change(cells, origins)
    except (IndexError, ValueError):
        return False
    return True


class ListRules(ChangeRules):
    """Methods, operators and statements that change lists or make new ones of them."""

    def fresh_list(self, target: Any) -> FreshObject | None:
        """Return what is known of a list made in the call, None if it is none."""
        known = self.object(target)
        return known if isinstance(known, FreshObject) and known.kind == "list" else None

    def is_list(self, x: Any) -> bool:
        """Is it a list that can be changed here?"""
        return type(x) in LISTS and self.object(x) is not None

    def change_list(self, x: Any, change: Change, values: Any = (), origins: Any = ()) -> bool:
        """Change a list, what is known of its elements, and the list of each replay.

        False, and nothing has happened, where it cannot be done or Python would raise.
        """
        known = self.object(x)
        if type(x) not in LISTS or known is None or not self.can_change(known, values, origins):
            return False
        if isinstance(known, int):
            return self._change_outer(x, known, change, values, origins)
        cells = list(known.origins)
        if not _works(change, cells, origins):
            return False
        change(x, values)
        known.origins[:] = cells
        return True

    def _change_outer(self, x: Any, number: int, change: Change, values: Any, origins: Any) -> bool:
        self.begin_change(values, origins)
        if change is append and length_place(number).identity() not in self.path.places:
            self._grow(x, number, values, origins)
            return True
        if change is _clear:
            self._forget_elements(number)
        else:
            self.take(length_place(number))
        cells, count = self.cells(number), len(x)
        if not _works(change, cells, origins):
            return False
        self.changing(number)
        change(x, values)
        self.place_cells(number, cells, count)
        self.show_change(number, change, values, origins)
        return True

    def _grow(self, x: Any, number: int, values: Any, origins: Any) -> None:
        """Append to a list from outside, of any length."""
        self.changing(number)
        x.extend(values)
        self.append_unseen(number, origins)
        self.show_change(number, append, values, origins)

    def _forget_elements(self, number: int) -> None:
        """Know nothing of the elements of a list, which is to be cleared."""
        root = (lookups.read_item, True, number)
        for identity in [each for each in self.path.places if each[:3] == root]:
            self.forget_place(identity)
        self.forget_place(("appended", number))

    # -- methods ----------------------------------------------------------------------------

    def list_method(self, x: Any, name: str, args: Any, ao: Any) -> Any:
        """Perform a method of a list; None if that cannot be followed."""
        model = getattr(self, f"_list_{name}", None)
        return None if model is None or type(x) is not list else model(x, args, ao)

    def _changed(self, done: bool) -> Any:
        return (None, KNOWN) if done else None

    def _list_append(self, x: Any, args: Any, ao: Any) -> Any:
        return self._changed(len(args) == 1 and self.change_list(x, append, args, ao))

    def _list_extend(self, x: Any, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None
        found = self._elements(args[0], ao[0])
        if found is None:
            return self.over(stand_ins.extend, args[0], [x, args[0]], [self.origin_of(x), ao[0]])
        return self._changed(self._extend(x, found))

    def _extend(self, x: Any, found: list[tuple[Any, Any]]) -> bool:
        return self.change_list(x, append, [each for each, _ in found], [o for _, o in found])

    def _list_insert(self, x: Any, args: Any, ao: Any) -> Any:
        if len(args) != 2 or type(args[0]) is not int or self.fixed(args[0], ao[0]) is not KNOWN:
            return None
        return self._changed(self.change_list(x, _insert(args[0]), args[1:], ao[1:]))

    def _list_pop(self, x: Any, args: Any, ao: Any) -> Any:
        at = args[0] if args else -1
        if len(args) > 1 or (args and ao[0] is not KNOWN) or type(at) is not int:
            return None
        found = self.element(x, at)
        if found is None or not self.change_list(x, _delete(at)):
            return None
        return found

    def _list_clear(self, x: Any, args: Any, ao: Any) -> Any:
        return None if args else self._changed(self.change_list(x, _clear))

    def _list_reverse(self, x: Any, args: Any, ao: Any) -> Any:
        return None if args else self._changed(self.change_list(x, _reverse))

    def _list_copy(self, x: Any, args: Any, ao: Any) -> Any:
        return None if args else self.new_list(self._elements(x, self.origin_of(x)))

    def _list_sort(self, x: Any, args: Any, ao: Any) -> Any:
        if args:
            return None
        found = self._elements(x, self.origin_of(x))
        if found is None:
            return None
        if not self.are_constants(found):
            return self._enter(stand_ins.sort, KNOWN, [x], [self.origin_of(x)], {}, {})
        order = self.order_of(found, False)
        return None if order is None else self._changed(self.change_list(x, _arrange(order)))

    def _list_index(self, x: Any, args: Any, ao: Any) -> Any:
        return self._among_constants("index", x, args, ao)

    def _list_count(self, x: Any, args: Any, ao: Any) -> Any:
        return self._among_constants("count", x, args, ao)

    def _list_remove(self, x: Any, args: Any, ao: Any) -> Any:
        found = self._among_constants("index", x, args, ao) if len(args) == 1 else None
        if found is None or self.fixed(*found) is not KNOWN:
            return None
        return self._changed(self.change_list(x, _delete(found[0])))

    def _among_constants(self, name: str, x: Any, args: Any, ao: Any) -> Any:
        if not all(each is KNOWN and type(arg) in PLAIN_TYPES for arg, each in zip(args, ao)):
            return None
        if not self.are_constants(self._elements(x, self.origin_of(x))):
            return None
        try:
            return getattr(x, name)(*args), KNOWN
        except (TypeError, ValueError):
            return None

    def are_constants(self, found: list[tuple[Any, Any]] | None) -> bool:
        """Are these elements known, and plain values?"""
        return found is not None and all(
            origin is KNOWN and type(value) in PLAIN_TYPES for value, origin in found
        )

    def order_of(self, found: list[tuple[Any, Any]] | None, reverse: bool) -> list[int] | None:
        """Return in which order constants come when they are sorted; None if not constants."""
        if found is None or not self.are_constants(found):
            return None
        values = [value for value, _ in found]
        try:
            return sorted(range(len(values)), key=values.__getitem__, reverse=reverse)
        except TypeError:
            return None

    # -- elements ---------------------------------------------------------------------------

    def element(self, x: Any, at: int) -> tuple[Any, Origin] | None:
        """Return an element of a list with its origin; None where there is none."""
        fresh = self.fresh_list(x)
        if not -len(x) <= at < len(x):
            return None
        if fresh is not None:
            return x[at], fresh.origins[at]
        known = self.object(x)
        assert isinstance(known, int)
        if at < 0 and type(x) is tuple:
            self.take(length_place(known))
            at += len(x)
        if at < 0:
            appended = self.appended(known)
            if length_place(known).identity() not in self.path.places and -at <= len(appended):
                return x[at], appended[at]
            # the same place has one name only
            self.take(length_place(known))
            at += len(x)
        value, origin = self.take(item_place(known, at))
        return None if value is lookups.ABSENT or origin is None else (value, origin)

    def new_list(self, found: list[tuple[Any, Any]] | None) -> Any:
        """Make a list of elements with their origins."""
        if found is None:
            return None
        made = [value for value, _ in found]
        return made, self.fresh(made, "list", [origin for _, origin in found])

    def set_list_item(self, x: Any, key: Any, value: Any, origin: Any) -> bool:
        """Store in an element or a slice of a list."""
        if type(key) is not slice:
            return self.change_list(x, _replace(key), [value], [origin])
        found = self._elements(value, origin)
        if found is None:
            return False
        values, origins = [each for each, _ in found], [each for _, each in found]
        return self.change_list(x, _replace(key), values, origins)

    def delete_list_item(self, x: Any, key: Any) -> bool:
        """Delete an element or a slice of a list."""
        return self.change_list(x, _delete(key))

    # -- operators --------------------------------------------------------------------------

    def list_operator(self, op: str, l: Any, lo: Any, r: Any, ro: Any, in_place: bool) -> Any:  # noqa: E741
        """Perform `+` or `*` of a list; None if that cannot be followed."""
        if op == "*":
            count, times = (r, ro) if type(l) is list else (l, lo)
            if type(count) is not int or self.fixed(count, times) is not KNOWN:
                return None
            x, xo = (l, lo) if type(l) is list else (r, ro)
            if in_place and type(l) is list:
                return (l, lo) if self.change_list(l, _repeat(count)) else None
            found = self._elements(x, xo)
            return None if found is None else self.new_list(found * count)
        if op != "+" or type(l) is not list:
            return None
        if in_place and type(r) in (list, tuple, range, str, dict):
            found = self._elements(r, ro)
            return (l, lo) if found is not None and self._extend(l, found) else None
        if in_place and self.is_iterator(r):
            return self.over(stand_ins.extended, r, [l, r], [lo, ro])
        if type(r) is not list:
            return None
        left, right = self._elements(l, lo), self._elements(r, ro)
        return None if left is None or right is None else self.new_list([*left, *right])

    def search(self, container: Any, co: Any, found: Any, wanted: Any, wo: Any, there: bool) -> Any:
        """Evaluate `wanted in container`, which compares one element after the other."""

        def is_plain(value: Any, origin: Any) -> bool:
            # equal to itself, so that it need not be asked whether both are the same object
            return origin is KNOWN and type(value) in PLAIN_TYPES and value == value

        numbers = all(isinstance(o, Runtime) or is_plain(v, o) for v, o in found)
        alike = numbers if is_plain(wanted, wo) else (
            isinstance(wo, Runtime) and all(is_plain(*each) for each in found)
        )  # fmt: skip
        model = stand_ins.equal_to_any if alike else stand_ins.contains
        return self._enter(model, KNOWN, [container, wanted, there], [co, wo, KNOWN], {}, {})

    # -- iterables that only Python can iterate over -----------------------------------------

    def over(self, model: FunctionType, iterable: Any, args: Any, ao: Any, **named: Any) -> Any:
        """Evaluate a model in place of a C function that iterates over `iterable`.

        Args:
            named: constants by keyword.
        """
        if not self.can_iterate(iterable):
            return None
        return self._enter(model, KNOWN, args, ao, named, dict.fromkeys(named, KNOWN))

    def can_iterate(self, x: Any) -> bool:
        """Is `x` known to do nothing but iterate, where a C function is given it?"""
        if self.is_iterator(x):
            return True
        # which are asked for their length first
        return self.special(x, "__iter__") is not None and not any(
            lookups.type_lookup(type(x), name) is not lookups.ABSENT
            for name in ("__len__", "__length_hint__")
        )

    def is_iterator(self, x: Any) -> bool:
        """Is `x` an iterator made in the call?"""
        raise NotImplementedError
