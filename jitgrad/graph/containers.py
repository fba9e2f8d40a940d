"""Displays, strings and iteration: the recorder's rules."""

from __future__ import annotations

from collections import deque
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.collecting import CollectingRules
from jitgrad.graph.counting import KIND
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.knowledge import LISTS, FreshObject
from jitgrad.graph.lookups import Place
from jitgrad.graph.operands import OperandRules
from jitgrad.graph.origins import KNOWN, Bounds, Origin, Parts, parts
from jitgrad.graph.positions import OVER, Sources
from jitgrad.graph.recipes import Counting, Recipe
from jitgrad.graph.remaking import Unrecordable
from jitgrad.graph.rows import RowRules, has_rows
from jitgrad.python import stand_ins
from jitgrad.python.operations import EXHAUSTED, Enter, Operations
from jitgrad.spec import Size


def plain_build(kind: str, values: Any) -> Any:
    """Return a container as the plain operations build it."""
    answer: Any = Operations().build(kind, values, values)
    return answer[0]


class ContainerRules(RowRules, CollectingRules, OperandRules):
    """What is built from parts, taken apart, and iterated."""

    def build(self, kind: str, values: Any, origins: Any) -> Any:
        if kind in ("tuple", "slice"):
            made = plain_build(kind, values)
            return made, parts(origins)
        if kind == "list":
            made = list(values)
            return made, self.fresh(made, "list", list(origins))
        if kind == "dict":
            pairs = list(zip(values[::2], origins[::2], values[1::2], origins[1::2]))
            answer = self.new_dict(pairs)
        else:
            known = all(map(self.is_constant, values, origins))
            answer = self.new_set(plain_build(kind, values)) if known else None
        if answer is not None:
            return answer
        return self.leave(f"a {kind} display").build(kind, values, origins)

    def append(self, target: Any, lo: Any, value: Any, vo: Any) -> Any:
        if self.list_method(target, "append", [value], [vo]) is None:
            return self.leave("append").append(target, lo, value, vo)
        return None

    def add_to_set(self, target: Any, so: Any, value: Any, vo: Any) -> Any:
        if self.set_method(target, "add", [value], [vo]) is None:
            return self.leave("a set comprehension").add_to_set(target, so, value, vo)
        return None

    def store_in_dict(self, target: Any, do: Any, key: Any, ko: Any, value: Any, vo: Any) -> Any:
        ko = self.fixed(key, ko)
        if not self.active:
            return self._plain().store_in_dict(target, do, key, ko, value, vo)
        if not self.set_dict_item(target, key, ko, value, vo):
            return self.leave("a key of run time").store_in_dict(target, do, key, ko, value, vo)
        return None

    def extend_list(self, target: Any, lo: Any, more: Any, mo: Any) -> Any:
        answer = self.list_method(target, "extend", [more], [mo])
        if answer is None:
            return self.leave("unpacking in a display").extend_list(target, lo, more, mo)
        return answer if isinstance(answer, Enter) else None

    def update_set(self, target: Any, so: Any, more: Any, mo: Any) -> Any:
        if self.set_method(target, "update", [more], [mo]) is None:
            return self.leave("a set display").update_set(target, so, more, mo)
        return None

    def update_dict(self, target: Any, do: Any, more: Any, mo: Any) -> Any:
        if not self.is_mapping(more) or not self.update_with(target, self.pairs_of(more, mo)):
            return self.leave("** of a mapping").update_dict(target, do, more, mo)
        return None

    def merge_keywords(self, keywords: Any, ko: Any, more: Any, mo: Any, callee: Any, co: Any):
        pairs = self.pairs_of(more, mo) if self.is_mapping(more) else None
        fits = pairs is not None and all(
            type(key) is str and key not in keywords for key, *_ in pairs
        )
        if not fits or not self.update_with(keywords, pairs):
            return self.leave("** of a call").merge_keywords(keywords, ko, more, mo, callee, co)
        return None

    def list_to_tuple(self, items: Any, lo: Any) -> Any:
        known = self.fresh_list(items)
        if known is None:
            return self.leave("a tuple display").list_to_tuple(items, lo)
        return tuple(items), parts(known.origins)

    def arguments_tuple(self, callee: Any, co: Any, value: Any, origin: Any) -> Any:
        found = self._elements(value, origin)
        if isinstance(value, TensorCore) and value._array.ndim:
            return self.perform(tuple, (value,), (origin,))
        if found is None and self.can_iterate(value):
            return self._enter(stand_ins.tuple_of, KNOWN, [value], [origin], {}, {})
        if found is None:
            return self.leave("* of a call").arguments_tuple(callee, co, value, origin)
        return tuple(each for each, _ in found), parts(each for _, each in found)

    def spread(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        origins = list(self._items(args, ao))
        kwargs = kwargs or {}
        known = self.object(kwargs)
        named: dict = {}
        if isinstance(known, FreshObject):
            named = {key: known.origins[2 * at + 1] for at, key in enumerate(kwargs)}
        elif kwargs:
            named = dict.fromkeys(kwargs)
        return list(args), origins, dict(kwargs), named

    def unpack(self, x: Any, xo: Any, before: int, has_star: bool, after: int) -> Any:
        if self.is_iterator(x) or self.special(x, "__iter__") is not None:
            args, known = [x, before, has_star, after], [xo, KNOWN, KNOWN, KNOWN]
            answer = self._enter(stand_ins.unpack, KNOWN, args, known, {}, {})
            if answer is not None:
                return answer
        if isinstance(x, TensorCore) and x._array.ndim:
            rows, origins = self.perform(tuple, (x,), (xo,))
            found = None if not self.active else self._elements(rows, origins)
        else:
            found = self._elements(x, xo)
        count = before + after
        if found is None or (len(found) < count if has_star else len(found) != count):
            return self.leave("unpacking").unpack(x, xo, before, has_star, after)
        if not has_star:
            return found
        middle = found[before : len(found) - after]
        rest = [value for value, _ in middle]
        starred = (rest, self.fresh(rest, "list", [origin for _, origin in middle]))
        return [*found[:before], starred, *found[len(found) - after :]]

    def iterate(self, x: Any, xo: Any) -> Any:
        known = self.object(x)
        if self.is_iterator(x):
            return x, xo
        if type(x) is range and (xo is KNOWN or isinstance(xo, Bounds)):
            return self.count(x, xo)
        if has_rows(x) and self.entry(x) is not None:
            return self.rows(x)
        view = isinstance(known, FreshObject) and known.kind in ("keys", "items", "values")
        if self._elements(x, xo) is not None and (
            type(x) in (*LISTS, tuple, range, str, set, frozenset, Size, *DICTS)
            or view
            or self.is_module_list(x)
            or self.is_record(x)
        ):
            it = iter(x)  # type: ignore[call-overload]
            return it, self.fresh(it, "iterator", [], Sources([(x, xo)], self.shape_of(x)))
        answer = self.user_iterator(x, xo)
        if answer is not None:
            return answer
        return self.leave(f"iteration over a {type(x).__name__}").iterate(x, xo)

    def advance(self, it: Any, io: Any) -> Any:
        known = self.object(it)
        answer = self.user_advance(it, io)
        if answer is not None:
            return answer
        if isinstance(known, FreshObject) and known.kind == "turning":
            return self.advance_turning(it, known)
        if not isinstance(known, FreshObject) or not isinstance(known.extra, (Sources, Counting)):
            return self.leave("an iterator that is not known").advance(it, io)
        if known.kind == "rows":
            return self.advance_rows(it, known)
        if known.kind == KIND:
            return self.advance_counter(it, known)
        if self.calls_back(it):
            answer = self.step(it, known)
            if answer is None:
                return self.leave("a step of an iterator").advance(it, io)
            return answer
        origin = self._next_origin(known)
        value = next(it, EXHAUSTED)
        if value is EXHAUSTED:
            if not self._minds_changes(known):
                # it stays so, whatever becomes of what it ran over
                known.kind, known.extra = "over", Sources([], type(it))
            return EXHAUSTED
        return value, origin

    def shape_of(self, x: Any) -> int:
        """Return what must not change of a container while an iterator runs over it."""
        if type(x) is deque:
            return self.changes_of_deques.get(id(x), 0)
        return len(x) if type(x) in (set, frozenset, *DICTS) or self.is_view(x) else 0

    def _minds_changes(self, known: FreshObject) -> bool:
        """Does an iterator that is at its end complain of changes of a deque?"""
        sources = known.extra.sources if isinstance(known.extra, Sources) else []
        if known.kind == "iterator":
            return type(sources[0][0]) is deque
        inner = [self.object(source) for source, _ in sources]
        return any(isinstance(each, FreshObject) and self._minds_changes(each) for each in inner)

    def _fresh_object(self, obj: Any, known: FreshObject) -> Recipe:
        if known.kind == "iterator":
            x = known.extra.sources[0][0]
            if known.extra.start != self.shape_of(x):
                raise Unrecordable(f"an iterator over a {type(x).__name__} that has changed")
        return super()._fresh_object(obj, known)

    def _origin_at(self, x: Any, xo: Any, at: int) -> Origin | None:
        """Return the origin of one element of a container that is iterated, None behind its end."""
        # not by all elements: asked for each of them, that would take n^2 steps
        known = self.object(x)
        if xo is KNOWN and type(x) in (tuple, str, range):
            return KNOWN if at < len(x) else None
        if type(x) is tuple and isinstance(xo, Parts):
            return xo.items[at] if at < len(x) else None
        if isinstance(known, FreshObject) and known.kind == "list":
            return known.origins[at] if at < len(known.origins) else None
        if isinstance(known, int) and type(x) in (*LISTS, tuple):
            self.take(Place(lookups.read_length, known, True, ""))
            return self.take(Place(lookups.read_item, known, True, at))[1] if at < len(x) else None
        if isinstance(known, FreshObject) and known.kind in ("keys", "items", "values"):
            owner = self.outer_dict(known.extra)
            if owner is not None:
                return self.outer_view_origin(known.kind, owner, at)
        found = self._elements(x, xo)
        return None if found is None or at >= len(found) else found[at][1]

    def calls_back(self, it: Any) -> bool:
        """Does an iterator made in the call, or one that it runs over, call functions?"""
        raise NotImplementedError

    def step(self, it: Any, known: FreshObject) -> Any:
        """Evaluate the next step of an iterator that calls a function; None if Python must."""
        raise NotImplementedError

    def next_of_kind(self, kind: str, held: Any) -> Origin | None:
        """Return the origin of what an iterator yields next, None at its end."""
        raise NotImplementedError

    def _next_origin(self, known: FreshObject) -> Origin | None:
        """Count one step of an iterator; return the origin of what it yields, None at its end."""
        state_of = known.extra
        if known.kind == KIND:
            return self.next_of_counter(state_of)
        if known.kind == "iterator":
            x, xo = state_of.sources[0]
            over = state_of.index == OVER
            origin = None if over else self._origin_at(x, xo, state_of.index)
            # it stays at its end, whatever is put behind that
            state_of.index = OVER if origin is None else state_of.index + 1
            return origin
        origin = self.next_of_kind(known.kind, state_of)
        if origin is not None:
            state_of.index += 1
        return origin
