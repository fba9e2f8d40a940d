"""Stores to the world outside: what may be stored there, and how each replay does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import Place
from jitgrad.graph.objects import ObjectRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime
from jitgrad.graph.recipes import Recipe

CONTAINERS = ("list", "dict", "set")


class StoreRules(ObjectRules):
    """What the call leaves in objects that others see."""

    def _can_store(self, value: Any, origin: Any) -> bool:
        """May `value` be stored outside? Not what has a history, nor what only the call knows."""
        return self._is_storable(value, origin, ())

    def _is_storable(self, value: Any, origin: Any, inside: tuple[FreshObject, ...]) -> bool:
        if origin is KNOWN or isinstance(origin, Runtime):
            return True
        if isinstance(value, TensorCore):
            entry = self.entry(value)
            return entry is not None and (
                entry.root is not None or (self.variable(value) is None and value._base is None)
            )
        if isinstance(origin, Parts) and type(value) is tuple:
            return all(self._is_storable(v, o, inside) for v, o in zip(value, origin.items))
        known = self.object(value) if origin is IDENTIFIED else None
        if isinstance(known, FreshObject):
            within = (*inside, known)
            return (
                known.kind in CONTAINERS
                and known not in inside
                and all(self._is_storable(v, o, within) for v, o in _held(value, known))
            )
        return known is not None

    def _store(self, place: Place, value: Any, origin: Any, act: Any) -> None:
        (recipe,) = self.outside_recipes((value,), (origin,))
        at = place.base
        self.effect(lambda run: act(run, at, recipe.build(run)), f"{place} = ...", (recipe,))
        self.set_place(place.identity(), origin)

    def outside_recipes(self, values: Any, origins: Any) -> tuple[Recipe, ...]:
        """Return how a replay makes what it stores outside, where others see it from now on."""
        # containers may have changed since a recipe of theirs was made
        self._recipes = {}
        recipes = tuple(map(self.recipe, values, origins))
        for value, origin in zip(values, origins):
            self._escape(value, origin)
        return recipes

    def _escape(self, value: Any, origin: Any) -> None:
        if isinstance(origin, Parts) and type(value) is tuple:
            for each, inner in zip(value, origin.items):
                self._escape(each, inner)
        known = self.object(value) if origin is IDENTIFIED else None
        if isinstance(known, FreshObject) and not known.escaped:
            known.escaped = True
            self.path.escaped[known.key] = (known.kind, tuple(known.origins))
            for each, inner in _held(value, known):
                self._escape(each, inner)

    def can_change(self, known: FreshObject | int | None, values: Any, origins: Any) -> bool:
        """May a container take up `values`? What others see, only what may be stored outside."""
        if isinstance(known, FreshObject) and not known.escaped:
            return True
        if not all(map(self._can_store, values, origins)):
            return False
        # nor itself
        return not any(
            isinstance(known, FreshObject) and self._contains(value, origin, known)
            for value, origin in zip(values, origins)
        )

    def _contains(self, value: Any, origin: Any, wanted: FreshObject) -> bool:
        if isinstance(origin, Parts) and type(value) is tuple:
            return any(self._contains(v, o, wanted) for v, o in zip(value, origin.items))
        known = self.object(value) if origin is IDENTIFIED else None
        return isinstance(known, FreshObject) and (
            known is wanted or any(self._contains(v, o, wanted) for v, o in _held(value, known))
        )

    def show_change(
        self,
        known: FreshObject | int,
        change: Callable[[Any, Any], None],
        values: Any,
        origins: Any,
    ) -> None:
        """Let each replay do to a container what the call has just done, where others see it."""
        if isinstance(known, int):
            recipes = self.outside_recipes(values, origins)
            self.effect(
                lambda run: change(run.roots[known], [each.build(run) for each in recipes]),
                f"root {known} changes",
                recipes,
            )
        elif known.escaped:
            recipes, key = self.outside_recipes(values, origins), known.key
            self.path.escaped[key] = (known.kind, tuple(known.origins))
            self.effect(
                lambda run: change(run.made[key], [each.build(run) for each in recipes]),
                f"a {known.kind} of the call changes",
                recipes,
            )


def _held(value: Any, known: FreshObject) -> list[tuple[Any, Any]]:
    """Return what a container of the call holds, with its origins."""
    if known.kind == "dict":
        return [
            *zip(value, known.origins[::2]),
            *zip(value.values(), known.origins[1::2]),
        ]
    return list(zip(value, known.origins)) if known.kind in CONTAINERS else []
