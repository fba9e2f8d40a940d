"""What is taken from outside, in the words of the source: `model.weight`, `global RATE`.

Facts know places by the numbers of arguments and roots, which are those of one path. Here places
get names that hold for all paths of a graph, for reports and printed traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jitgrad.graph.entrance import Layout
from jitgrad.graph.facts import Fact, IsNumber, IsObject, IsTensor
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.lookups import Argument, Names, Place, RootKey, name_of, place_text
from jitgrad.graph.segment import Evaluate, Segment
from jitgrad.graph.turning import names_of


class Given(NamedTuple):
    """An argument, by its number."""

    number: int


class Fixed(NamedTuple):
    """An object that is the same in all calls, or the two namespaces of a global variable."""

    identity: Any
    text: str


class Inside(NamedTuple):
    """What a reader finds in something, under a key: a name, an index, or another place."""

    base: Where
    read: Any
    key: Any


Where = Given | Fixed | Inside


def short(line: tuple[str, int]) -> str:
    """Return a file and line as text, without the folder."""
    file, number = line
    return f"{file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{number}"


def argument_names(function: Any, count: int, keywords: tuple[str, ...]) -> list[str]:
    """Return what a call's arguments are called: `count` of them, the last ones by keyword."""
    code = function.__code__
    positional = count - len(keywords)
    names = list(code.co_varnames[: min(code.co_argcount, positional)])
    if len(names) < positional:
        # without any such parameter the call is about to raise
        star = (*code.co_varnames, "arguments")[code.co_argcount + code.co_kwonlyargcount]
        names += [f"{star}[{at}]" for at in range(positional - len(names))]
    return [*names, *keywords]


def live_names(layout: Layout) -> list[str]:
    """Return what the values are called with which a call goes on from a place."""
    found = []
    for code, _, registers, forms in layout.frames:
        found.append(f"function {code.name}")
        for register, form in zip(registers, forms):
            if form is not None:
                found.extend(names_of(form))
            elif register < code.named_count:
                found.append(code.register_names[register])
            else:
                found.append("a value in between")
    return found


def entry_names(function: Any, layout: Layout | None, key: Any) -> list[str]:
    """Return what the values are called with which an entry of this key begins."""
    return argument_names(function, len(key) - 3, key[2]) if layout is None else live_names(layout)


def words(where: Where, arguments: Sequence[str]) -> str:
    """Return the name of a place."""
    if isinstance(where, Given):
        return arguments[where.number]
    if isinstance(where, Fixed):
        return where.text
    key = where.key
    shown = words(key, arguments) if isinstance(key, (Given, Fixed, Inside)) else key
    return place_text(where.read, words(where.base, arguments), shown)


class Outside(Names):
    """What one path has taken from outside, where it ends with `segment`.

    Attributes:
        roots: where each root was found first.
        keys: the class of each root, or what is known of a tensor.
        held: the values and numbers that were found, by place.
    """

    def __init__(self, segment: Segment, arguments: Sequence[str], before: Outside | None) -> None:
        self.arguments = arguments
        self.state = state_behind(segment)
        self.roots: dict[int, Where] = {} if before is None else dict(before.roots)
        self.keys: dict[int, Any] = {} if before is None else dict(before.keys)
        self.held: dict[Where, Value | Scalar] = {} if before is None else dict(before.held)
        # what a segment takes that is evaluated is in no state
        is_known = not isinstance(segment.end, Evaluate)
        named = {slot: each for each, slot in self.state.slot_of.items()}
        root = 0 if before is None else len(before.state.roots)
        slot = segment.first_slot
        for fact in segment.facts:
            if isinstance(fact, (IsObject, IsTensor)):
                where = self.where(fact.place)
                is_tensor = isinstance(fact, IsTensor)
                first = fact.spec.number if is_tensor else fact.number
                self.roots[root] = self.roots.get(first, where)
                self.keys[root] = fact.spec.key if is_tensor else fact.kind
                root += 1
                if is_tensor:
                    slot += 1
                    if is_known:
                        self.held[where] = self.state.roots[first].value
            elif isinstance(fact, IsNumber):
                if is_known:
                    self.held[self.where(fact.place)] = named[slot]
                slot += 1

    def where(self, place: Place) -> Where:
        """Return a place of this path as one of all paths."""
        if isinstance(place, Argument):
            return Given(place.key)
        key = place.key
        if isinstance(key, RootKey):
            key = self._root(key.number)
        if place.is_root:
            return Inside(self._root(place.base), place.read, key)
        base = place.base
        _, _, identity, *_ = place.identity()
        return Inside(Fixed(identity, name_of(base)), place.read, key)

    def _root(self, number: int) -> Where:
        made = Fixed(("made", number, id(self.state)), "an object made in the call")
        return self.roots.get(number, made)

    def argument(self, number: int) -> str:
        return self.arguments[number]

    def root(self, number: int) -> str:
        return words(self._root(number), self.arguments)

    def guards(self, facts: Sequence[Fact]) -> list[str]:
        """Return facts in words."""
        return [each.text(self) for each in facts]


def state_behind(segment: Segment) -> Any:
    """Return what is known where a segment has ended."""
    end: Any = segment.end
    return end.state if hasattr(end, "state") else end.snapshot.state
