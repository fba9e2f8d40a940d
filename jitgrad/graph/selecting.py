"""What is at a position that is a number of run time: `x[i]`, `x[i, 2:5]`, `x.select(dim, i)`.

Eagerly these are views of `x`, and so they are where they can be seen: in results, stores and
frames (see `recipes.Selected`). The trace itself computes with a copy of the elements, up to the
next write to `x`; see `origins.Excerpt`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jitgrad.dispatch import TensorCore, bind
from jitgrad.graph.derivative import tracked
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime
from jitgrad.graph.performing import Performing
from jitgrad.ops.slicing import SELECT

KNOWN_ITEMS = (int, slice, type(None), type(Ellipsis))
"""What may stand beside integers of run time in square brackets."""


class SelectingRules(Performing):
    """Positions of run time."""

    def item_at(self, tensor: Any, key: Any, origin: Any) -> Any:
        """Perform `tensor[key]`, whose key has integers of run time; None if there is no rule."""
        items = [(key, origin)]
        if type(key) is tuple and isinstance(origin, Parts):
            items = list(zip(key, origin.items))
        if not any(isinstance(each, Runtime) for _, each in items):
            return None
        return self.selected(tensor, items, lambda: tensor[key])

    def select_at(self, function: Callable, args: Any, origins: Any) -> Any:
        """Perform `select(tensor, dim, index)`; None if there is no rule."""
        if len(args) != 3 or not isinstance(origins[2], Runtime) or origins[1] is not KNOWN:
            return None
        tensor, dim, index = args
        if not isinstance(tensor, TensorCore) or type(dim) is not int:
            return None
        count = tensor._array.ndim
        if not -count <= dim < count:
            return None
        items = [(slice(None), KNOWN)] * (dim % count) + [(index, origins[2])]
        return self.selected(tensor, items, lambda: function(*args))

    def selected(self, tensor: Any, items: list[tuple[Any, Any]], act: Callable) -> Any:
        """Do what `act` does: show what is at `items`, with their origins, of a tensor."""
        numbers = self._numbers_at(tensor, items)
        if numbers is None:
            return None
        sizes = [tensor._array.shape[own] for own, _, _, _ in numbers]
        if any(not -size <= value < size for size, (_, _, value, _) in zip(sizes, numbers)):
            self.begin()
            self.pause()
            self._plain()
            return act(), None
        places = []
        for size, (_, dim, value, origin) in zip(sizes, numbers):
            count = range(size).__getitem__
            place = self._number(f"range({size})[{{0}}]", count, (value,), (origin,), True)
            if not self.active:
                return act(), None
            places.append((dim, *place))
        known = tuple(value if origin is KNOWN else slice(None) for value, origin in items)
        if any(each != slice(None) for each in known):
            tensor, origin = self.perform(operator.getitem, (tensor, known), (IDENTIFIED, KNOWN))
        # the last dimension first, so that the others keep their numbers
        for dim, place, origin in reversed(places):
            if self.active:
                tensor = bind(SELECT, tensor, tracked(place, origin.scalar), dim=dim)
        return self._result(tensor) if self.active else (act(), None)

    def _numbers_at(self, tensor: Any, items: list[tuple[Any, Any]]) -> list[tuple] | None:
        """Return of each number of run time the dimension, that beside the other items, and itself.

        None where other items than those of `KNOWN_ITEMS` are among them, or too many.
        """
        found = []
        own = beside = 0
        taking = [value for value, _ in items if value is not None and value is not Ellipsis]
        free = tensor._array.ndim - len(taking)
        if free < 0 or sum(value is Ellipsis for value, _ in items) > 1:
            return None
        for value, origin in items:
            if isinstance(origin, Runtime) and type(value) is int:
                found.append((own, beside, value, origin))
                own += 1
                beside += 1
            elif origin is not KNOWN or type(value) not in KNOWN_ITEMS:
                return None
            elif value is Ellipsis:
                own += free
                beside += free
            else:
                own += value is not None
                beside += type(value) is not int
        return found
