"""Paths on routes: what comes out of them are names, by which the next stage knows it."""

from __future__ import annotations

from typing import Any

from jitgrad.graph.facts import IsObject, IsTensor
from jitgrad.graph.origins import Excerpt
from jitgrad.graph.path_writer import PathWriter, Unfit
from jitgrad.graph.recipes import Constant, Container, Fresh, Number, Recipe, Root
from jitgrad.graph.route_facts import (
    Given,
    Known,
    RouteFacts,
    Row,
    StageFacts,
    Thing,
    Values,
    key_of,
)


class StageWriter(PathWriter):
    """Writes a stage that is a path."""

    def things(self) -> list[Thing]:
        """Return the roots of the path."""
        facts = self.facts
        if isinstance(facts, StageFacts):
            return facts.things
        assert isinstance(facts, RouteFacts)
        found: list[Thing] = []
        for segment in self.hot.last.path():
            for fact in segment.facts:
                if isinstance(fact, (IsObject, IsTensor)):
                    found.append(facts.thing(fact, facts.found[len(found)][0], found))
        return found

    def count(self) -> None:
        """Nothing is counted before the end of the route."""

    def results(self) -> Values:
        """Return what the next stage is given."""
        things = self.things()
        memories = set(self.end.state.memories.values())
        made: dict[Any, Thing] = {}
        found: Values = []
        for recipe in self.end.recipes():
            found.append(self._result_of(recipe, things, made, memories))
        return found

    def _result_of(self, recipe: Recipe, things: list, made: dict, memories: set) -> Any:
        if isinstance(recipe, Constant):
            return Known(recipe.value)
        if isinstance(recipe, Number):
            return Given(recipe.scalar.type, self.slots[recipe.slot])
        if isinstance(recipe, Root):
            return things[recipe.index]
        if isinstance(recipe, Container) and recipe.kind in (tuple, list):
            items = [self._result_of(each, things, made, memories) for each in recipe.items]
            return Row(recipe.kind, items)
        if type(recipe) is not Fresh or recipe.base is not None or recipe.unfollowed:
            raise Unfit
        if recipe.entry not in made:
            value = recipe.entry.value
            if value.memory in memories or isinstance(value.memory, Excerpt):
                raise Unfit
            memories.add(value.memory)
            array = self.slots[recipe.slot]
            storage = self._storage(recipe.entry.storage, array, recipe.version)
            node, index = "", 0
            if recipe.variable is not None:
                if self.layout is None or recipe.variable not in self.layout.variables:
                    raise Unfit
                node, index = self.node, self.layout.variables.index(recipe.variable)
            key = key_of(value, bool(node))
            made[recipe.entry] = Thing.made(key, array, storage, recipe.version, node, index)
        return made[recipe.entry]
