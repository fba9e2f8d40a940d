"""Containers of `collections`: how they are made, and what they do that lists and dicts do not."""

from __future__ import annotations

import collections
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.changes import length_place
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lists import Change, ListRules
from jitgrad.graph.lookups import Place
from jitgrad.graph.mappings import MappingRules
from jitgrad.graph.origins import KNOWN
from jitgrad.python import protocols, stand_ins


def _pushed(limit: int | None, left: bool) -> Change:
    """Return what puts elements at an end; those beyond the limit go at the other one."""

    def change(target: Any, given: Any) -> None:
        if type(target) is deque:
            (target.extendleft if left else target.extend)(given)
        elif left:
            target[:] = [*reversed(given), *target][:limit]
        else:
            target.extend(given)
            if limit is not None:
                del target[: max(len(target) - limit, 0)]

    return change


def _removed(at: int) -> Change:
    def change(target: Any, given: Any) -> None:
        del target[at]

    return change


def _rotated(count: int) -> Change:
    def change(target: Any, given: Any) -> None:
        if type(target) is deque:
            target.rotate(count)
        elif target:
            at = -count % len(target)
            target[:] = [*target[at:], *target[:at]]

    return change


def _emptied(target: Any, given: Any) -> None:
    target.clear()


def _reversed(target: Any, given: Any) -> None:
    target.reverse()


CHANGING = frozenset((
    "append", "appendleft", "clear", "extend", "extendleft", "insert", "pop", "popleft", "remove",
    "rotate",
))  # fmt: skip
"""Methods of a deque which iterators over it complain of."""


class CollectingRules(ListRules, MappingRules):
    """`deque`, `OrderedDict`, `defaultdict` and `Counter`, made in the call and from outside."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.changes_of_deques: dict[int, int] = {}
        """How often the call has changed deques, by their identity; it holds them."""

    def collecting_models(self) -> dict[Any, Callable]:
        """The models of what makes them, by what they stand for."""
        return {
            deque: self._model_deque,
            OrderedDict: self._model_ordered,
            defaultdict: self._model_defaultdict,
            Counter: self._model_counter,
            collections._count_elements: self._model_counting,  # type: ignore[attr-defined]
        }

    # -- dicts of other classes --------------------------------------------------------------

    def mapping_of(self, made: Any, args: Any, ao: Any, more: Any, extra: Any = None) -> Any:
        """Fill an empty dict as its class does when it is called with these arguments."""
        if len(args) > 1:
            return None
        if not args:
            return self.new_dict(more, made, extra)
        pairs = self.pairs_of(args[0], ao[0])
        if pairs is not None:
            return self.new_dict([*pairs, *more], made, extra)
        if more or hasattr(type(args[0]), "keys") or not self.can_iterate(args[0]):
            return None
        origin = self.fresh(made, "dict", [], extra)
        return self.over(stand_ins.dict_of, args[0], [made, args[0]], [origin, ao[0]])

    @staticmethod
    def _named(kwargs: Any, ko: Any) -> list[tuple[Any, Any, Any, Any]]:
        return [(name, KNOWN, kwargs[name], ko[name]) for name in kwargs]

    def _model_ordered(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        return self.mapping_of(OrderedDict(), args, ao, self._named(kwargs, ko))

    def _model_defaultdict(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        make, mo = (args[0], ao[0]) if args else (None, KNOWN)
        if not callable(make) and make is not None:
            return None
        made = defaultdict(make)
        return self.mapping_of(made, args[1:], ao[1:], self._named(kwargs, ko), (make, mo))

    def _model_counter(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        made = dict.__new__(Counter)
        origin = self.fresh(made, "dict", [])
        self.class_fact(Counter, "__init__")
        given = made, lookups.type_lookup(Counter, "__init__"), *args
        return self.protocol(protocols.constructed, given, (origin, KNOWN, *ao), kwargs, ko)

    def _model_counting(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2:
            return None
        if not self.is_iterator(args[1]) and self._elements(args[1], ao[1]) is None:
            return None
        return self._enter(stand_ins.count_elements, KNOWN, args, ao, {}, {})

    def missing_item(self, x: Any, xo: Any, key: Any, ko: Any) -> Any:
        """Return or make an item that a dict does not have; None if its class has no way to."""
        if type(x) not in (Counter, defaultdict) or self.has_key(x, key, ko) is not False:
            return None
        if type(x) is Counter:
            self.class_fact(Counter, "__missing__")
            return 0, KNOWN
        known = self.object(x)
        if isinstance(known, FreshObject):
            make, mo = known.extra
        else:
            assert known is not None
            make, mo = self.take(Place(lookups.read_part, known, True, "default_factory"))
        if make is None or mo is None:
            return None
        return self.protocol(protocols.missed, (make, x, key), (mo, xo, ko))

    def _dict_move_to_end(self, x: Any, args: Any, ao: Any) -> Any:
        last = args[1] if len(args) == 2 else True
        if len(args) not in (1, 2) or type(last) is not bool or any(o is not KNOWN for o in ao[1:]):
            return None
        fresh = self.fresh_dict(x)
        if fresh is None or type(x) is not OrderedDict or not self.has_key(x, args[0], ao[0]):
            return None
        ((key, ko), (value, vo)) = self._popped_parts(x, args[0])
        rest = list(zip(x, fresh.origins[::2], list(x.values()), fresh.origins[1::2]))
        x.clear()
        fresh.origins.clear()
        for each in [*rest, (key, ko, value, vo)] if last else [(key, ko, value, vo), *rest]:
            self.set_dict_item(x, *each)
        return None, KNOWN

    def _popped_parts(self, x: Any, key: Any) -> list[tuple[Any, Any]]:
        """Take an item out of a dict of the call; return key and value with their origins."""
        pair, origin = self._popped(x, next(each for each in x if each is key or each == key))
        return list(zip(pair, self._items(pair, origin)))

    # -- deques ------------------------------------------------------------------------------

    def limit(self, x: Any) -> tuple[Any, Any]:
        """Return the greatest length of a deque, with its origin."""
        known = self.object(x)
        if isinstance(known, int):
            return self.take(Place(lookups.read_part, known, True, "maxlen"))
        return x.maxlen, KNOWN

    def _new_deque(self, found: list[tuple[Any, Any]], limit: int | None) -> Any:
        made = deque([value for value, _ in found], limit)
        origins = [origin for _, origin in found][len(found) - len(made) :]
        return made, self.fresh(made, "list", origins, (limit, KNOWN))

    def _model_deque(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        names = ("iterable", "maxlen")
        if len(args) > 2 or not set(kwargs) <= set(names[len(args) :]):
            return None
        given = {
            **dict(zip(names, zip(args, ao))),
            **{name: (kwargs[name], ko[name]) for name in kwargs},
        }
        limit, lo = given.get("maxlen", (None, KNOWN))
        if limit is not None and (type(limit) is not int or limit < 0):
            return None
        if self.fixed(limit, lo) is not KNOWN:
            return None
        x, xo = given.get("iterable", ((), KNOWN))
        found = None if self.is_iterator(x) else self._elements(x, xo)
        if found is not None:
            return self._new_deque(found, limit)
        if not self.can_iterate(x):
            return None
        made, origin = self._new_deque([], limit)
        return self.over(stand_ins.extended, x, [made, x], [origin, xo])

    def note_change(self, x: Any) -> None:
        """Count a change of a deque."""
        self.changes_of_deques[id(x)] = self.changes_of_deques.get(id(x), 0) + 1

    def deque_method(self, x: Any, name: str, args: Any, ao: Any) -> Any:
        """Perform a method of a deque; None if that cannot be followed."""
        model = getattr(self, f"_deque_{name}", None)
        if model is None or self.object(x) is None or self.fixed(*self.limit(x)) is not KNOWN:
            return None
        if name in CHANGING:
            self.note_change(x)
        return model(x, args, ao)

    def _push(self, x: Any, values: Any, origins: Any, left: bool = False) -> Any:
        limit, known = x.maxlen, self.object(x)
        change = _pushed(limit, left)
        fits = limit is None or len(x) + len(values) <= limit
        if (
            not isinstance(known, int)
            or length_place(known).identity() in self.path.places
            or left
            or not fits
        ):
            return self._changed(self.change_list(x, change, values, origins))
        # of any length: where it is full, others go, but whoever looks at those asks for the length
        if not self.can_change(known, values, origins):
            return None
        self.begin_change(values, origins)
        self.changing(known)
        change(x, values)
        self.append_unseen(known, origins)
        self.show_change(known, change, values, origins)
        return None, KNOWN

    def _deque_append(self, x: Any, args: Any, ao: Any) -> Any:
        return self._push(x, args, ao) if len(args) == 1 else None

    def _deque_appendleft(self, x: Any, args: Any, ao: Any) -> Any:
        return self._push(x, args, ao, left=True) if len(args) == 1 else None

    def _deque_extend(self, x: Any, args: Any, ao: Any, left: bool = False) -> Any:
        if len(args) != 1:
            return None
        found = None if self.is_iterator(args[0]) else self._elements(args[0], ao[0])
        if found is not None:
            return self._push(x, [value for value, _ in found], [o for _, o in found], left)
        if left:
            return None
        return self.over(stand_ins.extend, args[0], [x, args[0]], [self.origin_of(x), ao[0]])

    def _deque_extendleft(self, x: Any, args: Any, ao: Any) -> Any:
        return self._deque_extend(x, args, ao, left=True)

    def _deque_pop(self, x: Any, args: Any, ao: Any, at: int = -1) -> Any:
        found = None if args or not len(x) else self.element(x, at)
        if found is None or not self.change_list(x, _removed(at)):
            return None
        return found

    def _deque_popleft(self, x: Any, args: Any, ao: Any) -> Any:
        return self._deque_pop(x, args, ao, 0)

    def _deque_clear(self, x: Any, args: Any, ao: Any) -> Any:
        return None if args else self._changed(self.change_list(x, _emptied))

    def _deque_reverse(self, x: Any, args: Any, ao: Any) -> Any:
        return None if args else self._changed(self.change_list(x, _reversed))

    def _deque_rotate(self, x: Any, args: Any, ao: Any) -> Any:
        count = args[0] if args else 1
        if len(args) > 1 or type(count) is not int or (args and ao[0] is not KNOWN):
            return None
        return self._changed(self.change_list(x, _rotated(count)))

    def _deque_copy(self, x: Any, args: Any, ao: Any) -> Any:
        found = None if args else self._elements(x, self.origin_of(x))
        return None if found is None else self._new_deque(found, x.maxlen)

    def _deque_index(self, x: Any, args: Any, ao: Any) -> Any:
        return self._among_constants("index", x, args, ao)

    def _deque_count(self, x: Any, args: Any, ao: Any) -> Any:
        return self._among_constants("count", x, args, ao)

    def _deque_remove(self, x: Any, args: Any, ao: Any) -> Any:
        found = self._among_constants("index", x, args, ao) if len(args) == 1 else None
        return None if found is None else self._changed(self.change_list(x, _removed(found[0])))
