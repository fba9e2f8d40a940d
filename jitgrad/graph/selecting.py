"""What is at a position that is a number of run time: `x[i]`, `x[i, 2:5]`, `x.select(dim, i)`.

Eagerly these are views of `x`, and so they are where they can be seen: in results, stores and
frames (see `recipes.Selected`). The trace itself computes with a copy of the elements; see
`origins.Excerpt`, and `writes.Writes` for what happens where they are written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind
from jitgrad.graph.derivative import tracked
from jitgrad.graph.knowledge import is_plain_tensor
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Runtime
from jitgrad.graph.performing import Performing
from jitgrad.ops.slicing import SELECT, select

KNOWN_ITEMS = (int, slice, type(None), type(Ellipsis))
"""What may stand beside integers of run time in square brackets."""


class SelectingRules(Performing):
    """Positions of run time."""

    def item_at(self, tensor: Any, key: Any, origin: Any) -> Any:
        """Perform `tensor[key]`, whose key has integers of run time; None if there is no rule."""
        return self._at(tensor, key, origin, lambda: tensor[key])

    def set_item_at(self, tensor: Any, key: Any, key_origin: Any, value: Any, origin: Any) -> bool:
        """Perform `tensor[key] = value`, whose key has such integers; was there a rule?"""

        def act() -> None:
            tensor[key] = value

        found = self._at(tensor, key, key_origin, act)
        if found is not None and self.active:
            target, _ = found
            value, origin = self.beside(target, value, origin)
            given, origins = (target, ..., value), (IDENTIFIED, KNOWN, origin)
            self.perform(operator.setitem, given, origins)
        return found is not None

    def _at(self, tensor: Any, key: Any, origin: Any, act: Callable) -> Any:
        """Show what is at a key, or do what `act` does where that is left to Python."""
        items = [(key, origin)]
        if type(key) is tuple and origin is not KNOWN:
            items = list(zip(key, self._items(key, origin)))
        if not all(_is_simple(*each) for each in items):
            return None
        if all(each is KNOWN for _, each in items):
            return None
        # what can raise is cut off from before here, with all that it needs
        self.begin()
        numbers = [
            self._item(value, True) if isinstance(value, TensorCore) else (value, each)  # type: ignore[attr-defined]
            for value, each in items
        ]
        return None if None in numbers else self.selected(tensor, numbers, act)

    def perform(
        self, function: Any, args: Any, origins: Any, kwargs: Any = None, kwarg_origins: Any = None
    ) -> Any:
        if getattr(function, "__func__", function) is select:
            found = self._select(function, args, origins, kwargs or {}, kwarg_origins or {})
            if found is not None:
                return found
        return super().perform(function, args, origins, kwargs, kwarg_origins)

    def _select(self, function: Any, args: Any, origins: Any, kwargs: Any, ko: Any) -> Any:
        """Perform `select(input, dim, index)`; None if its index is known, or there is no rule."""
        owner = [(function.__self__, IDENTIFIED)] if isinstance(function, MethodType) else []
        names = ("input", "dim", "index")
        given = dict(zip(names, [*owner, *zip(args, origins)]))
        given |= {name: (kwargs[name], ko[name]) for name in kwargs}
        if tuple(given) != names or not isinstance(given["index"][1], Runtime):
            return None
        tensor: Any = given["input"][0]
        _, (dim, dim_origin), index = given.values()
        count = tensor._array.ndim if is_plain_tensor(tensor) else 0
        if dim_origin is not KNOWN or type(dim) is not int or not -count <= dim < count:
            return None
        items = [(slice(None), KNOWN)] * (dim % count) + [index]
        self.begin()
        return self.selected(tensor, items, lambda: function(*args, **kwargs))

    def selected(self, tensor: Any, items: list[tuple[Any, Any]], act: Callable) -> Any:
        """Show what is at `items`, with their origins, of a tensor; do `act` if Python is to."""
        numbers = self._numbers_at(tensor, items)
        if numbers is None:
            return None
        sizes = [tensor._array.shape[own] for own, _, _, _ in numbers]
        if any(not -size <= value < size for size, (_, _, value, _) in zip(sizes, numbers)):
            self.pause()
            self._plain()
            return act(), None
        places = []
        for size, (_, dim, value, origin) in zip(sizes, numbers):
            count = range(size).__getitem__
            text = f"range({size})[{{0}}]"
            place = self._number(text, count, (value,), (origin,), True, True)
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

        None where there are too many items.
        """
        found = []
        own = beside = 0
        taking = [value for value, _ in items if value is not None and value is not Ellipsis]
        free = tensor._array.ndim - len(taking)
        if free < 0 or sum(value is Ellipsis for value, _ in items) > 1:
            return None
        for value, origin in items:
            if origin is not KNOWN:
                found.append((own, beside, value, origin))
                own += 1
                beside += 1
            elif value is Ellipsis:
                own += free
                beside += free
            else:
                own += value is not None
                beside += type(value) is not int
        return found


def _is_simple(value: Any, origin: Any) -> bool:
    """Is it a position, or something else that makes a view?"""
    if isinstance(value, TensorCore):
        return value._array.ndim == 0 and value._array.dtype in (np.int64, np.int32)
    if origin is KNOWN:
        return type(value) in KNOWN_ITEMS
    return isinstance(origin, Runtime) and type(value) is int
