"""Order: sequences that are compared, sorted numbers of run time, `heapq` and `bisect`."""

from __future__ import annotations

import bisect
import heapq
import math
import operator
from collections.abc import Callable
from typing import Any

from jitgrad.graph.lists import ListRules
from jitgrad.graph.operators import NUMBERS, OperatorRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime, parts
from jitgrad.graph.performing import PLAIN_TYPES
from jitgrad.python import ordered
from jitgrad.python.symbols import COMPARE

SORTED = 8
"""How many numbers of run time are sorted at most: each order that comes is recorded."""
RANKED = 16
"""How many are sorted at most where nothing but they themselves is put in order."""
OPERATORS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
HEAPED = 2500
"""How long a list may be; larger ones `heapify` looks through in another order."""


class OrderingRules(ListRules, OperatorRules):
    """What compares one value with others until an order is known."""

    def ordering_models(self) -> dict[Any, Callable]:
        """The models of `heapq` and `bisect`, by what they stand for."""
        found: dict[Any, Callable] = {
            getattr(heapq, name): self._on_heap(getattr(ordered, name))
            for name in ("heapify", "heappop", "heappush", "heappushpop", "heapreplace")
        }
        for name in ("bisect_left", "bisect_right"):
            found[getattr(bisect, name)] = self._bisecting(name)
        for name in ("insort_left", "insort_right"):
            found[getattr(bisect, name)] = self._inserting(getattr(ordered, name))
        return found

    # -- sequences --------------------------------------------------------------------------

    def compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        sequences = type(l) is type(r) and type(l) in (tuple, list)
        known = lo is KNOWN and ro is KNOWN
        if sequences and not known and op not in ("is", "is not", "in", "not in"):
            answer = self._compare_sequences(op, l, lo, r, ro)
            if answer is not None:
                return answer
        return super().compare(op, l, lo, r, ro)

    def _compare_sequences(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        left, right = self._elements(l, lo), self._elements(r, ro)
        if left is None or right is None or not self.active:
            return None
        if any(type(v) is float and v != v and o is KNOWN for v, o in (*left, *right)):
            return None  # it equals itself only as the same object
        is_equality = op in ("==", "!=")
        if is_equality and type(l) is list and len(left) != len(right):
            return op == "!=", KNOWN
        unsure: list[tuple[Any, Any]] = []
        for one, other in zip(left, right):
            same = self._is_same(*one, *other)
            if same is None or (same is False and unsure):
                unsure.append((one, other))
            elif same is False:
                return self._of_different(op, one, other)
        pairs = tuple((one[0], other[0]) for one, other in unsure)
        po = parts(parts((one[1], other[1])) for one, other in unsure)
        if not unsure and (not is_equality or len(left) == len(right)):
            return COMPARE[op](len(left), len(right)), KNOWN
        if is_equality and len(left) == len(right):
            return self._enter(ordered.equal, KNOWN, [op == "==", pairs], [KNOWN, po], {}, {})
        if is_equality:
            # which have no methods that would see it
            numbers = all(self._are_numbers(each) for each in unsure)
            return (op == "!=", KNOWN) if numbers else None
        lengths = len(left), len(right)
        given = [getattr(operator, OPERATORS[op]), pairs, lengths]
        return self._enter(ordered.compared, KNOWN, given, [KNOWN, po, KNOWN], {}, {})

    def _is_same(self, one: Any, oo: Any, other: Any, to: Any) -> bool | None:
        """Are two elements equal on every call, or on none? None if that is to be seen."""
        if isinstance(oo, Runtime) and isinstance(to, Runtime) and oo.scalar is to.scalar:
            return True
        if oo is KNOWN and to is KNOWN:
            if type(one) in PLAIN_TYPES and type(other) in PLAIN_TYPES and one == one:
                return one == other
            return None
        if oo is IDENTIFIED and to is IDENTIFIED and one is other:
            return True
        return None

    def _of_different(self, op: str, one: Any, other: Any) -> Any:
        if op in ("==", "!="):
            return op == "!=", KNOWN
        try:
            return COMPARE[op](one[0], other[0]), KNOWN
        except TypeError:
            return None

    # -- numbers ----------------------------------------------------------------------------

    def _are_numbers(self, found: Any) -> bool:
        return all(
            type(value) in NUMBERS and (origin is KNOWN or isinstance(origin, Runtime))
            for value, origin in found
        )

    def ranked(self, found: Any, reverse: bool) -> list[tuple[Any, Any]] | None:
        """Sort numbers of run time of one type, whatever their order; None if that is not known.

        Neighbours are exchanged, so that equal ones, which zeros may be, stay in their order.
        """
        kinds = {type(value) for value, _ in found}
        if not 2 <= len(found) <= RANKED or kinds not in ({float}, {int}):
            return None
        if not self._are_numbers(found) or (float in kinds and not self._are_comparable(found)):
            return None
        row = list(found)
        earlier, later = (max, min) if reverse else (min, max)
        for end in range(len(row) - 1, 0, -1):
            for at in range(end):
                one, other = row[at : at + 2]
                row[at : at + 2] = [
                    self._chosen(earlier, one, other), self._chosen(later, other, one)
                ]  # fmt: skip
        return row

    def _chosen(self, function: Callable, one: tuple[Any, Any], other: tuple[Any, Any]) -> Any:
        """Return the smaller or the larger one of two numbers, the first of equal ones."""
        (a, ao), (b, bo) = one, other
        if ao is KNOWN and bo is KNOWN:
            return function(a, b), KNOWN
        return self._number(f"{function.__name__}({{0}}, {{1}})", function, (a, b), (ao, bo), False)

    def _are_comparable(self, found: list[tuple[Any, Any]]) -> bool:
        """Make sure that none of these numbers is NaN."""
        total = found[0]
        for each in found[1:]:
            (a, ao), (b, bo) = total, each
            known = ao is KNOWN and bo is KNOWN
            total = (a + b, KNOWN) if known else self._number(
                "{0} + {1}", operator.add, (a, b), (ao, bo), False
            )  # fmt: skip
        value, origin = total
        if not isinstance(origin, Runtime):
            return False
        differs = self._number("{0} != {1}", operator.ne, (value, value), (origin, origin), False)
        return self.active and self.truth(*differs) is False and self.active

    def order_of(self, found: list[tuple[Any, Any]] | None, reverse: bool) -> list[int] | None:
        order = super().order_of(found, reverse)
        if order is not None or found is None or len(found) < 2:
            return order
        order = self._order_of_firsts(found, reverse)
        if order is not None or len(found) > SORTED:
            return order
        numbers: list[tuple[Any, Any]] = []
        keys = [self._key(*each, numbers) for each in found]
        if not numbers or None in keys:
            return None
        makers = [make for _, make in keys]  # type: ignore[misc]

        def function(*values: Any) -> int:
            made = [make(values) for make in makers]
            at = sorted(range(len(made)), key=made.__getitem__, reverse=reverse)
            return int.from_bytes(bytes(at), "big")

        text = (
            f"int.from_bytes(bytes(sorted(range({len(found)}), "
            f"key=({', '.join(shown for shown, _ in keys)}).__getitem__, "  # type: ignore[misc]
            f"reverse={reverse})), 'big')"
        )
        try:
            function(*(value for value, _ in numbers))
        except TypeError:
            return None
        values, origins = zip(*numbers)
        number, origin = self._number(text, function, values, origins, False)
        if not self.active or self.fixed(number, origin) is not KNOWN:
            return None
        return list(number.to_bytes(len(found), "big"))

    def _order_of_firsts(self, found: Any, reverse: bool) -> list[int] | None:
        """Return the order of tuples whose first elements are constants that all differ."""
        firsts = []
        for value, origin in found:
            inside = self._elements(value, origin) if type(value) is tuple else None
            if not inside:
                return None
            firsts.append(inside[0])
        if not self.are_constants(firsts):
            return None
        values = [value for value, _ in firsts]
        if any(one == other for at, one in enumerate(values) for other in values[:at]):
            return None
        return super().order_of(firsts, reverse)

    def _key(self, value: Any, origin: Any, numbers: list[tuple[Any, Any]]) -> Any:
        """Return how a key is written and made of `numbers`, which get those of it; None if not."""
        if isinstance(origin, Runtime) and type(value) in NUMBERS:
            at = len(numbers)
            numbers.append((value, origin))
            return f"{{{at}}}", operator.itemgetter(at)
        if origin is KNOWN and type(value) in (bool, int, str) and "{" not in repr(value):
            return repr(value), lambda values: value
        if origin is KNOWN and type(value) is float and math.isfinite(value):
            return repr(value), lambda values: value
        if type(value) is not tuple or not (origin is KNOWN or isinstance(origin, Parts)):
            return None
        inside = [self._key(v, o, numbers) for v, o in zip(value, self._items(value, origin))]
        if None in inside:
            return None
        makers = [make for _, make in inside]
        shown = "".join(f"{text}, " for text, _ in inside)
        return f"({shown})", lambda values: tuple(make(values) for make in makers)

    def _among_constants(self, name: str, x: Any, args: Any, ao: Any) -> Any:
        found = self._elements(x, self.origin_of(x))
        numbers = found and len(args) == 1 and name == "index" and type(x) is list
        if not numbers or not self._are_numbers([*found, (args[0], ao[0])]):  # type: ignore[misc]
            return super()._among_constants(name, x, args, ao)
        values, origins = zip(*found, (args[0], ao[0]))  # type: ignore[misc]
        if all(origin is KNOWN for origin in origins) or args[0] not in x:
            return super()._among_constants(name, x, args, ao)
        held = ", ".join(f"{{{at}}}" for at in range(len(values) - 1))
        return self._number(
            f"({held},).index({{{len(values) - 1}}})",
            lambda *given: given[:-1].index(given[-1]),
            values,
            origins,
            True,
        )

    def _bisecting(self, name: str) -> Callable:
        function = getattr(bisect, name)

        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if kwargs or len(args) != 2 or type(args[0]) not in (list, tuple):
                return None
            found = self._elements(args[0], ao[0])
            if found is None or not self._are_numbers([*found, (args[1], ao[1])]):
                return None
            values, origins = zip(*found, (args[1], ao[1]))
            if all(origin is KNOWN for origin in origins):
                return self._folded(function, args)
            held = "".join(f"{{{at}}}, " for at in range(len(found)))
            return self._number(
                f"__import__('bisect').{name}(({held}), {{{len(found)}}})",
                lambda *given: function(given[:-1], given[-1]),
                values,
                origins,
                False,
            )

        return model

    def _inserting(self, stand_in: Any) -> Callable:
        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if kwargs or len(args) != 2 or type(args[0]) is not list:
                return None
            found = self._elements(args[0], ao[0])
            if found is None or not self._are_numbers([*found, (args[1], ao[1])]):
                return None
            return self._enter(stand_in, KNOWN, args, ao, {}, {})

        return model

    # -- heaps ------------------------------------------------------------------------------

    def _on_heap(self, stand_in: Any) -> Callable:
        needs_elements = stand_in in (ordered.heappop, ordered.heapreplace)

        def model(args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
            if kwargs or not args or type(args[0]) is not list or not self.is_list(args[0]):
                return None
            if len(args[0]) > HEAPED or (needs_elements and not args[0]):
                return None
            return self._enter(stand_in, KNOWN, args, ao, {}, {})

        return model
