"""How a replay makes containers of the standard library that the call has made."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from jitgrad.graph.recipes import Recipe

KINDS = {
    deque: "list",
    frozenset: "set",
    OrderedDict: "dict",
    defaultdict: "dict",
    Counter: "dict",
}
"""By their classes, what the recorder takes such containers for."""


class Collected(Recipe):
    """A container of one of these classes.

    Attributes:
        kind: the class.
        items: its elements; keys and values in turn, if it has keys.
        given: what the class is called with: a length at most, or what makes missing items.
    """

    __slots__ = ("given", "items", "key", "kind")

    def __init__(self, kind: type, items: tuple[Recipe, ...], key: Any, given: Recipe | None):
        self.kind = kind
        self.items = items
        self.key = key
        self.given = given

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is not None:
            return made
        extra = None if self.given is None else (self.given.build(run), self.given.origin)
        if self.kind is frozenset:
            made = run.made[self.key] = frozenset(each.build(run) for each in self.items)
        else:
            made = run.made[self.key] = self._empty(extra)
            items = [each.build(run) for each in self.items]
            if KINDS[self.kind] == "dict":
                # one by one: a counter's `update` counts
                for key, value in zip(items[::2], items[1::2]):
                    made[key] = value
            else:
                made.extend(items)
        origins = [each.origin for each in self.items]
        run.register(made, self.key, origins, extra, KINDS[self.kind])
        return made

    def _empty(self, extra: Any) -> Any:
        if self.kind is deque:
            return deque(maxlen=extra[0])
        return defaultdict(extra[0]) if self.kind is defaultdict else self.kind()

    def parts(self) -> tuple[Recipe, ...]:
        return self.items if self.given is None else (*self.items, self.given)
