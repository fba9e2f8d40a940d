"""What becomes of the values with which a turn of a loop begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jitgrad.graph.facts import (
    ORDINARY,
    IsNumber,
    IsObject,
    IsTensor,
    SameObject,
    SameValue,
    TensorSpec,
)
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.origins import Variable
from jitgrad.graph.recipes import Constant, Container, Fresh, Library, Number, Recipe, Root


class Unsuitable(Exception):
    """A path is no way through a native loop; the message says why."""


class Stays(NamedTuple):
    """An argument is the same in the next turn."""


class Carried(NamedTuple):
    """A number or a tensor takes the place of an argument.

    Attributes:
        given: the argument.
        output: what it is in the next turn.
        recipe: of the tensor, None for a number.
        root: the number of the root that the argument is, None for a number.
    """

    given: Value | Scalar
    output: Value | Scalar
    recipe: Fresh | None = None
    root: int | None = None

    @property
    def writes(self) -> int:
        """How often it has been written in the turn that has made it."""
        return 0 if self.recipe is None else self.recipe.version


class Again(NamedTuple):
    """An argument is the same tensor as another one, at the place `position`."""

    position: int


class Made(NamedTuple):
    """An object of the library is made anew."""

    recipe: Library


class Moved(NamedTuple):
    """A tensor from another place takes the place of an argument.

    Attributes:
        given, output: as in `Carried`.
        root, source: the numbers of the roots that the two are.
    """

    given: Value
    output: Value
    root: int
    source: int


class Exchanged(NamedTuple):
    """A tensor takes the place of another one, whose own is among theirs: they change places.

    Attributes:
        given, root, source: as in `Moved`.
    """

    given: Value
    root: int
    source: int


class Rebuilt(NamedTuple):
    """A tuple or a list is made anew of parts.

    Attributes:
        kind: its type.
        positions: of its parts, which are arguments behind those of the call.
        constants: what the others are, by their index.
    """

    kind: type
    positions: dict[int, int]
    constants: dict[int, Any]

    def build(self, values: list[Any]) -> Any:
        """Return it, made of the values of all arguments."""
        parts = {at: values[position] for at, position in self.positions.items()}
        parts.update(self.constants)
        return self.kind(parts[at] for at in range(len(parts)))


Join = Stays | Carried | Again | Made | Moved | Exchanged | Rebuilt


def with_circles(joins: list[Join]) -> list[Join]:
    """Return the joins with those exchanged that take the places of each other."""
    sources = {each.root: each.source for each in joins if isinstance(each, Moved)}
    while ends := sources.keys() ^ set(sources.values()):
        sources = {a: b for a, b in sources.items() if a not in ends and b not in ends}
    return [
        Exchanged(each.given, each.root, each.source)
        if isinstance(each, Moved) and each.root in sources
        else each
        for each in joins
    ]


def rewritten_histories(state: Any, given: Iterable[tuple]) -> dict[Variable, Variable]:
    """Return, of what a turn writes in place, the histories before it with those behind it.

    Args:
        state: what is known behind the turn.
        given: what it takes: the fact, its slot and its root.

    Raises:
        Unsuitable: another turn would take it for something else.
    """
    found = {}
    facts = {root: fact for fact, _, root in given}
    for root, variable in state.rebased.items():
        before = state.variables.get(root)
        if before is None or facts[root].spec.history != ORDINARY:
            raise Unsuitable("a history begins in it, or one that has a hook ends")
        found[before] = variable
    return found


def suits(fact: Any, recipe: Recipe, specs: dict[int, TensorSpec]) -> bool:
    """Does a fact hold for what a recipe makes? `specs` are those of roots."""
    if isinstance(fact, IsTensor):
        if isinstance(recipe, Root):
            return recipe.index in specs and specs[recipe.index].key == fact.spec.key
        _, shape, strides, dtype, history, writeable, is_foreign = fact.spec.key
        if not isinstance(recipe, Fresh) or not writeable or is_foreign:
            return False
        value = recipe.entry.value
        own = tuple(step * value.dtype.itemsize for step in value.strides)
        same = (value.shape, own, value.dtype) == (shape, strides, dtype)
        return same and history == (0 if recipe.variable is None else ORDINARY)
    if isinstance(fact, IsNumber):
        if isinstance(recipe, Constant):
            return type(recipe.value) is fact.kind
        return isinstance(recipe, Number) and recipe.scalar.type is fact.kind
    if isinstance(fact, IsObject):
        return isinstance(recipe, (Container, Root))
    if isinstance(recipe, Number):
        # it must come out as the value
        return isinstance(fact, SameValue) and recipe.scalar.type is type(fact.expected)
    if isinstance(fact, SameObject):
        return isinstance(recipe, Constant) and recipe.value is fact.expected
    return (
        isinstance(fact, SameValue)
        and isinstance(recipe, Constant)
        and type(recipe.value) is type(fact.expected)
        and recipe.value == fact.expected
    )


def check_parts(
    recipes: list[Recipe], facts: list[Any], count: int, given: list[tuple], roots: list[Any]
) -> None:
    """Make sure that what is known of parts holds in all turns, without looking at each.

    Args:
        recipes, facts: of the arguments, and, behind so many as `count` says, of their parts.
        given: what a turn takes: the fact, its slot and its root.
        roots: what is known of the roots.

    Raises:
        Unsuitable: it may not hold.
    """
    becomes: dict[int, Any] = {}
    specs: dict[int, TensorSpec] = {}
    for fact, _, root in given:
        if isinstance(fact, IsTensor):
            assert root is not None
            specs[root] = fact.spec
            becomes[fact.spec.number] = roots[root]
    for position, recipe in enumerate(recipes):
        fact = facts[position]
        if position >= count and not suits(fact, recipe, specs):
            raise Unsuitable("a part is not like the one of the turn before")
        if isinstance(fact, IsTensor):
            made = recipe.entry if isinstance(recipe, Fresh) else None
            if isinstance(recipe, Root):
                made = roots[recipe.index]
            known = becomes[fact.spec.number]
            if known is not made and known is not roots[fact.spec.number]:
                raise Unsuitable("one tensor is in two places")
            becomes[fact.spec.number] = made
    found = list(becomes.values())
    memories = {each.value.memory for each in found}
    before = {roots[each].value.memory for each in becomes}
    if len(set(found)) != len(found) or len(memories) < len(before):
        raise Unsuitable("one tensor is in two places")


def changes(ways: Sequence[Any]) -> Iterator[tuple[int, Join, int]]:
    """Yield the arguments that change, how, and as bits the numbers of the ways on which they do.

    All ways on which one changes change it alike.
    """
    for position, joins in enumerate(zip(*(way.joins for way in ways))):
        changing = [number for number, each in enumerate(joins) if not isinstance(each, Stays)]
        if changing:
            yield position, joins[changing[0]], sum(1 << number for number in changing)


def shown(way: Any) -> list[tuple[int, int]]:
    """Return the arguments that are tensors made by turns, and the roots whose places they take."""
    return [
        (position, join.root)
        for position, join in enumerate(way.joins)
        if isinstance(join, Carried) and join.root is not None
    ]
