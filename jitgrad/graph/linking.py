"""Where the rest of a call begins anew: which trace goes on there, and with what.

A path ends with recipes of the values with which the rest begins. A trace that begins there takes
tensors and numbers from these values and from the world outside. Both are found here among what
the path before has, so that one printed function can call the other.
"""

from __future__ import annotations

from types import CellType, FunctionType
from typing import Any, NamedTuple

from jitgrad.graph import lookups
from jitgrad.graph.class_recipes import Instance
from jitgrad.graph.facts import IsTensor, SameObject, SameValue
from jitgrad.graph.ir import Scalar
from jitgrad.graph.lookups import Argument, RootKey
from jitgrad.graph.naming import Fixed, Given, Inside, Outside, Where
from jitgrad.graph.origins import Runtime
from jitgrad.graph.recipes import Cell, Closure, Constant, Container, Fresh, Number, Recipe, Root
from jitgrad.graph.segment import Branch, Continue, Segment

WHOLE = (lookups.read_length, lookups.read_keys)
"""What is stored to of a container when it has got or lost elements."""


class Unlinkable(Exception):
    """Something cannot be found among what the path before has; the message says what."""


class Choice(NamedTuple):
    """A trace with which the call may go on.

    Attributes:
        first: its first segment.
        tests: numbers that have to be these values for it.
    """

    first: Segment
    tests: list[tuple[Scalar, Any]]


def choices(end: Continue, key: Any, outside: Outside, entries: dict) -> list[Choice]:
    """Return the traces among `entries` with which a path may go on, those with tests first.

    Args:
        key: that of the entry where the path begins.
        outside: what it has taken.
    """
    finder = Finder(end, outside)
    recipes = finder.recipes
    tested: list[Choice] = []
    plain: Choice | None = None
    for other, candidates in entries.items():
        if other[:2] != (end.snapshot.grad_enabled, key[1]):
            continue
        tests: list[tuple[Scalar, Any]] = []
        if not all(_fits(*pair, outside, tests) for pair in zip(recipes, other[3:])):
            continue
        agreeing = (each for each in reversed(candidates) if _agrees(finder, each))
        first = next(agreeing, None)
        if first is not None and tests:
            tested.append(Choice(first, tests))
        elif first is not None:
            plain = Choice(first, tests)
    return tested if plain is None else [*tested, plain]


def guards_decide(first: Segment) -> bool:
    """Do guards behind a site choose between several ways, of which one is printed?"""
    pending = [first]
    while pending:
        end = pending.pop().end
        if isinstance(end, Branch):
            groups = list(end.outcomes.values())
            if any(len(group) > 1 for group in groups):
                return True
            pending.extend(each for group in groups for each in group)
    return False


def _fits(recipe: Recipe, part: Any, outside: Outside, tests: list) -> bool:
    """May what `recipe` makes have this part of an entry's key?"""
    if isinstance(recipe, Fresh):
        value = recipe.entry.value
        if not (type(part) is tuple and len(part) > 4):
            return False
        _, shape, strides, dtype, kind, *_ = part
        same_steps = all(
            size == 1 or step == mine * dtype.itemsize
            for size, step, mine in zip(shape, strides, value.strides)
        )
        same = (shape, dtype) == (value.shape, value.dtype) and same_steps
        return same and kind == (0 if recipe.variable is None else 2)
    if isinstance(recipe, Root):
        known = outside.keys.get(recipe.index)
        return known is None or part == known
    if isinstance(recipe, Number):
        kind = recipe.scalar.type
        if type(part) is tuple and len(part) == 2:
            tests.append((recipe.scalar, part[1]))
            return part[0] is kind
        return part is kind
    if isinstance(recipe, Constant):
        kind = type(recipe.value)
        return part == (kind, recipe.value) or part is kind
    kinds = {Cell: CellType, Closure: FunctionType}
    kind = getattr(recipe, "kind", kinds.get(type(recipe)))
    return not isinstance(kind, type) or part is kind


def _agrees(finder: Finder, first: Segment) -> bool:
    """Does a path make what `first` takes for granted, as far as the path itself makes it?"""
    names = [""] * len(finder.recipes)
    places = Outside(first, names, None)
    for fact in first.facts:
        if not isinstance(fact, (IsTensor, SameObject, SameValue)):
            continue
        try:
            found = finder.find(places.where(fact.place))
        except Unlinkable:
            continue
        if isinstance(fact, IsTensor):
            _, shape, _, dtype, *_ = fact.spec.key
            value = found.entry.value if isinstance(found, Fresh) else None
            if value is not None and (value.shape, value.dtype) != (shape, dtype):
                return False
        elif isinstance(found, Constant):
            made, expected = found.value, fact.expected
            same = made is expected or (
                isinstance(fact, SameValue) and type(made) is type(expected) and made == expected
            )
            if not same:
                return False
    return _shares_alike(finder.recipes, first, finder.outside)


def _shares_alike(recipes: list[Recipe], first: Segment, outside: Outside) -> bool:
    """Are the same of these values one tensor, or in one memory, as `first` takes for granted?"""
    mine: list[tuple[Any, Any]] = []
    theirs: list[tuple[Any, Any]] = []
    for fact in first.facts:
        if not isinstance(fact, IsTensor) or type(fact.place) is not Argument:
            continue
        recipe = recipes[fact.place.key]
        entry: Any = None
        if isinstance(recipe, Fresh):
            entry = recipe.entry
        elif isinstance(recipe, Root):
            entry = outside.state.roots[recipe.index]
        if entry is None:
            return False
        mine.append((entry, entry.value.memory))
        theirs.append((fact.spec.number, fact.spec.memory))
    return all(
        [each.index(part) for part in each] == [other.index(part) for part in other]
        for each, other in zip(zip(*mine), zip(*theirs))
    )


class Finder:
    """Finds what a trace takes, among what the path before has.

    Args:
        end: the end of this path.
        outside: what it has taken.
    """

    def __init__(self, end: Continue, outside: Outside) -> None:
        self.recipes = end.layout.recipes(end.snapshot)
        self.outside = outside
        self.state = end.snapshot.state
        self.numbers = {where: number for number, where in reversed(outside.roots.items())}

    def find(self, where: Where) -> Recipe | Scalar | Where:
        """Return how the path makes what is at a place, or where it is for the path itself.

        Raises:
            Unlinkable: it cannot be told.
        """
        if isinstance(where, Given):
            return self.recipes[where.number]
        if isinstance(where, Fixed):
            return where
        base = self.find(where.base)
        key = self.find(where.key) if isinstance(where.key, Given | Fixed | Inside) else where.key
        if isinstance(key, Root):
            key = self.outside.roots[key.index]
        if isinstance(base, Root):
            base = self.outside.roots[base.index]
        elif isinstance(base, Constant):
            base = Fixed(id(base.value), lookups.name_of(base.value))
        elif isinstance(base, Recipe):
            return _part(base, where.read, key)
        if not isinstance(base, Given | Fixed | Inside) or isinstance(key, Recipe):
            raise Unlinkable("what the call made")
        found = Inside(base, where.read, key)
        return self._since(found) or found

    def _since(self, where: Inside) -> Scalar | None:
        """Return the number that the path has stored at a place."""
        base, key = where.base, where.key
        if isinstance(key, Given | Fixed | Inside):
            if key not in self.numbers:
                return None
            key = RootKey(self.numbers[key])
        if isinstance(base, Fixed):
            space = base.identity[0] if where.read is lookups.read_global else base.identity
            names: list[Any] = [(where.read, False, base.identity, type(key), key)]
            names.append(("global", space, key))
        else:
            number = self.numbers.get(base)
            names = [(where.read, True, number, type(key), key), ("appended", number)]
            # of a container that has changed, elements may have moved
            names += [(read, True, number, str, "") for read in WHOLE]
        stored = [each for each in names if each in self.state.stored]
        if not stored:
            return None
        origin = self.state.places.get(stored[0])
        if isinstance(origin, Runtime):
            return origin.scalar
        raise Unlinkable("what the call stored outside")


def _part(recipe: Recipe, read: Any, key: Any) -> Recipe:
    """Return how a part is made of what `recipe` makes."""
    if isinstance(recipe, Container) and recipe.kind in (list, tuple):
        if read is lookups.read_length:
            return Constant(len(recipe.items))
        if read is lookups.read_item and type(key) is int and key < len(recipe.items):
            return recipe.items[key]
    if isinstance(recipe, Container) and recipe.kind is dict and read is lookups.read_item:
        for name, item in zip(recipe.items[::2], recipe.items[1::2]):
            if isinstance(name, Constant) and name.value == key:
                return item
    if isinstance(recipe, Instance) and read is lookups.static_lookup and key in recipe.attributes:
        return recipe.attributes[key]
    if isinstance(recipe, Cell) and read is lookups.read_cell and recipe.content is not None:
        return recipe.content
    raise Unlinkable("what the call made")
