"""Changes of containers: of those made in the call, and of those from outside, by each replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jitgrad.graph.changes import item_place
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.stores import StoreRules


class Changed(NamedTuple):
    """What an effect does to a container from outside, which is a root."""

    number: int
    change: Callable[[Any, Any], None]

    def __call__(self, run: Any, made: Any) -> None:
        self.change(run.roots[self.number], made)


class ChangeRules(StoreRules):
    """What changes of containers have in common."""

    def can_change(
        self, known: FreshObject | int, values: Any, origins: Any, answers: bool = False
    ) -> bool:
        """May a container take up `values`?

        Args:
            answers: the instruction has more to do, so that the segment cannot end behind it.
        """
        if isinstance(known, FreshObject) or all(map(self._can_store, values, origins)):
            return True
        return not answers and all(map(self.may_store, values, origins))

    def changed(self, number: int, change: Callable[[Any, Any], None]) -> Callable:
        """Return the effect that does to a container from outside what `change` does."""
        return Changed(number, change)

    def show_change(
        self,
        number: int,
        change: Callable[[Any, Any], None],
        values: Any,
        origins: Any,
        key: Any = None,
    ) -> None:
        """Let each replay do to a container from outside what the call has just done to it.

        Args:
            key: that of the only item which changes.
        """
        self.show_effect(
            values,
            origins,
            item_place(number, object() if key is None else key),
            self.changed(number, change),
            f"root {number} changes",
        )
