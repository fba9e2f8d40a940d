"""Dicts and sets: what is done to those made in the call, and to those from outside."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jitgrad.device import device
from jitgrad.dispatch import TensorCore
from jitgrad.dtypes import dtype
from jitgrad.graph.changes import item_place, length_place, presence_place
from jitgrad.graph.changing import ChangeRules
from jitgrad.graph.knowledge import IDENTICAL_TYPES, FreshObject
from jitgrad.graph.lookups import ABSENT
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin, parts
from jitgrad.spec import Size

KEY_TYPES = (int, str, bool, type(None), bytes, float, dtype, device, Size)
SET_OPERATORS: dict[str, Callable] = {
    "|": operator.or_, "&": operator.and_, "-": operator.sub, "^": operator.xor,
}  # fmt: skip
SET_METHODS = frozenset({
    "copy", "difference", "intersection", "isdisjoint", "issubset", "issuperset",
    "symmetric_difference", "union",
})  # fmt: skip
SET_CHANGES = frozenset({
    "add", "clear", "difference_update", "discard", "intersection_update", "remove",
    "symmetric_difference_update", "update",
})  # fmt: skip
VIEWS = ("keys", "items", "values")


def _set(key: Any) -> Callable[[Any, Any], None]:
    return lambda target, given: operator.setitem(target, key, *given)


def is_constant_key(key: Any) -> bool:
    """Is it a key whose hash and equality are those of a plain value, the same in every call?"""
    if type(key) is tuple:
        return all(map(is_constant_key, key))
    return (type(key) in KEY_TYPES and key == key) or isinstance(key, IDENTICAL_TYPES)


class MappingRules(ChangeRules):
    """Methods, operators and statements that read and change dicts and sets."""

    def fresh_dict(self, x: Any) -> FreshObject | None:
        """Return what is known of a dict made in the call, None if it is none."""
        known = self.object(x)
        return known if isinstance(known, FreshObject) and known.kind == "dict" else None

    def fresh_set(self, x: Any) -> FreshObject | None:
        """Return what is known of a set made in the call, None if it is none."""
        known = self.object(x)
        return known if isinstance(known, FreshObject) and known.kind == "set" else None

    def is_key(self, key: Any, origin: Any) -> bool:
        """Can the dicts and sets of the call be followed with this key?"""
        if isinstance(key, TensorCore):
            # known by identity: its hash is that
            return self.entry(key) is not None
        return self.is_constant(key, origin)

    def is_constant(self, key: Any, origin: Any) -> bool:
        """Is it known, with a hash and an equality that are known?"""
        return origin is KNOWN and is_constant_key(key)

    # -- items ------------------------------------------------------------------------------

    def dict_item(self, x: Any, key: Any, ko: Any, default: Any = ABSENT) -> Any:
        """Return an item of a dict with its origin, or `default`; None if it is not known."""
        fresh, number = self.fresh_dict(x), self.outer_dict(x)
        if fresh is not None and self.is_key(key, ko):
            if key in x:
                return x[key], fresh.origins[2 * _position(x, key) + 1]
            return None if default is ABSENT else default
        at = ABSENT if number is None else self.key_of(key, ko)
        return None if at is ABSENT else self.outer_item(number, at, default)  # type: ignore[arg-type]

    def has_key(self, x: Any, key: Any, ko: Any) -> bool | None:
        """Has a dict or set this key? None if it is not known."""
        if self.fresh_dict(x) is not None or self.fresh_set(x) is not None:
            return key in x if self.is_key(key, ko) else None
        known = self.object(x)
        if isinstance(known, int) and type(x) in (set, frozenset):
            if not self.is_constant(key, ko):
                return None
        elif self.outer_dict(x) is None:
            return None
        at = self.key_of(key, ko)
        return None if at is ABSENT else self.take(presence_place(known, at))[0]  # type: ignore[arg-type]

    def set_dict_item(
        self, x: Any, key: Any, ko: Any, value: Any, origin: Any, answers: bool = False
    ) -> bool:
        """Store in an item of a dict; `answers` as for `can_change`."""
        known = self.known_dict(x)
        if known is None or not self._fits(known, key, ko):
            return False
        if isinstance(known, FreshObject):
            if key in x:
                known.origins[2 * _position(x, key) + 1] = origin
            else:
                known.origins.extend((ko, origin))
            x[key] = value
            return True
        if not self.can_change(known, (value,), (origin,), answers):
            return False
        self.begin_change((value,), (origin,))
        name = self.key_of(key, ko)
        if not self.take(presence_place(known, name))[0]:
            self.changing(known)
        x[key] = value
        self.set_place(presence_place(known, name).identity(), KNOWN)
        self.set_place(item_place(known, name).identity(), origin)
        self.show_change(known, _set(key), (value,), (origin,), name)
        return True

    def delete_dict_item(self, x: Any, key: Any, ko: Any) -> bool:
        """Delete an item that a dict has."""
        known = self.known_dict(x)
        if known is None or not self._fits(known, key, ko) or not self.has_key(x, key, ko):
            return False
        if isinstance(known, FreshObject):
            at = _position(x, key)
            del x[key], known.origins[2 * at : 2 * at + 2]
            return True
        self.begin_change((), ())
        name = self.key_of(key, ko)
        self.changing(known)
        del x[key]
        self.set_place(presence_place(known, name).identity(), KNOWN)
        self.set_place(item_place(known, name).identity(), KNOWN)
        self.show_change(known, lambda target, given: operator.delitem(target, key), (), (), name)
        return True

    def known_dict(self, x: Any) -> FreshObject | int | None:
        """Return what is known of a dict."""
        fresh = self.fresh_dict(x)
        return self.outer_dict(x) if fresh is None else fresh

    def _fits(self, known: FreshObject | int, key: Any, ko: Any) -> bool:
        """Can an item be stored with this key?"""
        if isinstance(known, FreshObject):
            return self.is_key(key, ko)
        return ko is KNOWN and self.key_of(key, ko) is not ABSENT

    def new_dict(
        self, pairs: list[tuple[Any, Any, Any, Any]] | None, made: Any = None, extra: Any = None
    ) -> Any:
        """Make a dict of keys and values with their origins; None where keys are not known.

        Args:
            made: an empty one of another class.
            extra: what makes its missing items, with origin.
        """
        if pairs is None or not all(self.is_key(key, ko) for key, ko, _, _ in pairs):
            return None
        made = {} if made is None else made
        origin = self.fresh(made, "dict", [], extra)
        for each in pairs:
            self.set_dict_item(made, *each)
        return made, origin

    def pairs_of(self, x: Any, xo: Any) -> list[tuple[Any, Any, Any, Any]] | None:
        """Return keys and values of a dict, or of an iterable of pairs, with their origins."""
        fresh, number = self.fresh_dict(x), self.outer_dict(x)
        if fresh is not None:
            origins = fresh.origins
            return list(zip(x, origins[::2], x.values(), origins[1::2]))
        if number is not None:
            values = self.outer_items(number)
            if values is None:
                return None
            return [(key, KNOWN, *each) for key, each in zip(list(x), values)]
        if type(x) not in (list, tuple) and not self.is_view(x):
            return None
        found = []
        for each, origin in self._elements(x, xo) or ():
            pair = self._elements(each, origin) if type(each) in (tuple, list) else None
            if pair is None or len(pair) != 2:
                return None
            found.append((*pair[0], *pair[1]))
        return found if len(found) == len(x) else None

    def is_mapping(self, x: Any) -> bool:
        """Is it a dict whose items are taken as they are, where `**x` stands?"""
        return self.fresh_dict(x) is not None or self.outer_dict(x) is not None

    def is_view(self, x: Any) -> bool:
        """Is it a view of a dict, made in the call?"""
        known = self.object(x)
        return isinstance(known, FreshObject) and known.kind in VIEWS

    def update_with(self, x: Any, pairs: list[tuple[Any, Any, Any, Any]] | None) -> bool:
        """Store pairs of keys and values in a dict: all of them, or none."""
        known = self.known_dict(x)
        if pairs is None or known is None:
            return False
        answers = len(pairs) > 1
        if not all(
            self._fits(known, key, ko) and self.can_change(known, (value,), (origin,), answers)
            for key, ko, value, origin in pairs
        ):
            return False
        return all(self.set_dict_item(x, *each, answers) for each in pairs)

    # -- methods of dicts --------------------------------------------------------------------

    def dict_method(self, x: Any, name: str, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        """Perform a method of a dict; None if that cannot be followed."""
        if self.fresh_dict(x) is None and self.outer_dict(x) is None:
            return None
        if name == "update":
            return self._dict_update(x, args, ao, kwargs, ko)
        if kwargs:
            return None
        if name in VIEWS and not args:
            made = getattr(x, name)()
            return made, self.fresh(made, name, [], x)
        model = getattr(self, f"_dict_{name}", None)
        if name in ("get", "pop", "setdefault") and args:
            ao = [self.fixed(args[0], ao[0]), *ao[1:]]
        return None if model is None or not self.active else model(x, args, ao)

    def _dict_get(self, x: Any, args: Any, ao: Any) -> Any:
        if len(args) not in (1, 2):
            return None
        default = (args[1], ao[1]) if len(args) == 2 else (None, KNOWN)
        return self.dict_item(x, args[0], ao[0], default)

    def _dict_pop(self, x: Any, args: Any, ao: Any) -> Any:
        if len(args) not in (1, 2):
            return None
        if self.has_key(x, args[0], ao[0]) is False:
            return (args[1], ao[1]) if len(args) == 2 else None
        found = self.dict_item(x, args[0], ao[0])
        done = found is not None and self.delete_dict_item(x, args[0], ao[0])
        return found if done else None

    def _dict_setdefault(self, x: Any, args: Any, ao: Any) -> Any:
        if len(args) not in (1, 2):
            return None
        if self.has_key(x, args[0], ao[0]):
            return self.dict_item(x, args[0], ao[0])
        value = (args[1], ao[1]) if len(args) == 2 else (None, KNOWN)
        return value if self.set_dict_item(x, args[0], ao[0], *value, answers=True) else None

    def _dict_update(self, x: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        pairs: list | None = [] if not args else self.pairs_of(args[0], ao[0])
        if len(args) > 1 or pairs is None:
            return None
        pairs = [*pairs, *((key, KNOWN, kwargs[key], ko[key]) for key in kwargs)]
        return (None, KNOWN) if self.update_with(x, pairs) else None

    def _dict_clear(self, x: Any, args: Any, ao: Any) -> Any:
        number = self.outer_dict(x)
        keys = tuple(x) if number is None else self.outer_keys(number)
        if args or keys is None:
            return None
        done = [self.delete_dict_item(x, key, self._key_origin(x, key)) for key in keys]
        return (None, KNOWN) if all(done) else None

    def _key_origin(self, x: Any, key: Any) -> Origin:
        fresh = self.fresh_dict(x)
        return KNOWN if fresh is None else fresh.origins[2 * _position(x, key)]

    def _dict_copy(self, x: Any, args: Any, ao: Any) -> Any:
        return None if args or type(x) is not dict else self.new_dict(self.pairs_of(x, None))

    def _dict_popitem(self, x: Any, args: Any, ao: Any) -> Any:
        fresh = self.fresh_dict(x)
        if args or fresh is None or not x:
            return None
        return self._popped(x, list(x)[-1])

    def _popped(self, x: Any, key: Any) -> Any:
        """Take an item out of a dict."""
        origin = self._key_origin(x, key)
        value = self._dict_pop(x, [key], [origin])
        return None if value is None else ((key, value[0]), parts((origin, value[1])))

    # -- sets --------------------------------------------------------------------------------

    def set_elements(self, x: Any, xo: Any) -> Any:
        """Return the elements of a set of the call, or of a container of constants."""
        if type(x) is set and self._elements(x, xo) is not None:
            return set(x)
        found = self._elements(x, xo)
        if found is None or not all(self.is_constant(v, o) for v, o in found):
            return None
        return [value for value, _ in found]

    def new_set(self, made: Any) -> Any:
        """Know a set of constants."""
        if type(made) is frozenset and self.object(made) is not None:
            return made, IDENTIFIED  # which copies of it are
        return made, self.fresh(made, "set", [KNOWN] * len(made))

    def set_method(self, x: Any, name: str, args: Any, ao: Any) -> Any:
        """Perform a method of a set; None if that cannot be followed."""
        known = self.object(x)
        if type(x) not in (set, frozenset) or known is None:
            return None
        if name in ("add", "remove", "discard"):
            given = args if len(args) == 1 and self.is_constant(args[0], ao[0]) else None
        else:
            found = [self.set_elements(each, origin) for each, origin in zip(args, ao)]
            given = None if any(each is None for each in found) else found
        if given is None:
            return None
        if name in SET_METHODS:
            if self.set_elements(x, self.origin_of(x)) is None:
                return None
            made = getattr(x, name)(*given)
            return (made, KNOWN) if type(made) is bool else self.new_set(made)
        return self._change_set(x, known, name, args, ao, given) if name in SET_CHANGES else None

    def _change_set(
        self, x: Any, known: FreshObject | int, name: str, args: Any, ao: Any, given: Any
    ) -> Any:
        change = operator.methodcaller(name, *given)
        if name in ("add", "remove", "discard"):
            present = self.has_key(x, args[0], ao[0])
            if present is None or (name == "remove" and not present):
                return None
            touched = given
        else:
            before = self.set_elements(x, self.origin_of(x))
            if before is None:
                return None
            touched = set(before).union(*given)
        if isinstance(known, FreshObject):
            change(x)
            known.origins[:] = [KNOWN] * len(x)
            return None, KNOWN
        self.begin_change((), ())
        self.changing(known)
        change(x)
        for each in touched:
            self.set_place(presence_place(known, self.key_of(each, KNOWN)).identity(), KNOWN)
        self.show_change(known, lambda target, _: change(target), (), ())
        return None, KNOWN

    def mapping_operator(self, op: str, l: Any, lo: Any, r: Any, ro: Any, in_place: bool) -> Any:  # noqa: E741
        """Perform an operator of two dicts or two sets; None if that cannot be followed."""
        if op == "|" and type(l) is dict and type(r) is dict:
            if in_place:
                return (l, lo) if self.update_with(l, self.pairs_of(r, ro)) else None
            left, right = self.pairs_of(l, lo), self.pairs_of(r, ro)
            return None if left is None or right is None else self.new_dict([*left, *right])
        if op in SET_OPERATORS and {type(l), type(r)} <= {set, frozenset}:
            if self.set_elements(l, lo) is None or self.set_elements(r, ro) is None:
                return None
            if not in_place or type(l) is frozenset:
                return self.new_set(SET_OPERATORS[op](l, r))
            names = {"|": "update", "&": "intersection_update", "-": "difference_update"}
            name = names.get(op, "symmetric_difference_update")
            return (l, lo) if self.set_method(l, name, [r], [ro]) is not None else None
        return None

    def length_of(self, x: Any) -> Any:
        """Return the length of a container that is known, None otherwise."""
        known = self.object(x)
        if isinstance(known, int) and type(x) in (set, frozenset):
            return self.take(length_place(known))
        return None

    def is_iterator(self, x: Any) -> bool:
        """Is `x` an iterator made in the call?"""
        raise NotImplementedError


def _position(container: Any, key: Any) -> int:
    """Return the position of a key that a dict has."""
    for at, each in enumerate(container):
        if each is key:
            return at
    is_tensor = isinstance(key, TensorCore)
    return next(
        at
        for at, each in enumerate(container)
        if not is_tensor and not isinstance(each, TensorCore) and each == key
    )
