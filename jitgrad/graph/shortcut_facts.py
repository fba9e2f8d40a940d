"""The facts of shortcuts: what they check, and the names of what they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jitgrad.graph.guards import FactWriter, Unknown, Watched
from jitgrad.graph.lookups import Argument, Place


class Made(str):
    """A line that makes something, or adds to it, and does nothing else: it may be left out.

    Args:
        name: of what it makes.
        line: the line.
        waits: it may be done later, when others have written to tensors.
    """

    name: str
    waits: bool

    def __new__(cls, name: str, line: str, waits: bool = True) -> Made:
        self = super().__new__(cls, line)
        self.name = name
        self.waits = waits
        return self


class PathFacts(FactWriter):
    """Writes the facts of a path, and gives names to what they take.

    Args:
        compares: roots are few, and are told apart two by two.
        watched: the facts that are watched.

    Attributes:
        kinds: the classes of the arguments, which the entry's key says.
        storages: by the numbers of roots the names of their storages, if they have any.
        held: by expressions of what others may change, the names of what they are in the call.
    """

    failure = "return MISSED"
    others_are_known = "not numbers.keys().isdisjoint(watch.numbers.keys())"

    def __init__(self, compares: bool, watched: Watched | None = None) -> None:
        super().__init__(0, watched)
        self.compares = compares
        self.kinds: list[type] = []
        self.held: dict[str, str] = {}
        self.storages: dict[int, str] = {}
        self._firsts: dict[Any, dict[int, str]] = {}

    @property
    def late(self) -> list[str]:
        """The lines that compute."""
        return self.lines

    def hold(self, expression: str) -> str:
        """Return the name of what an expression is now."""
        name = self.held.get(expression)
        if name is None:
            name = self.held[expression] = f"h{len(self.held)}"
            self.late.append(Made(name, f"{name} = {expression}", waits=False))
        return name

    def flush(self) -> None:
        """Nothing is put into a run: there is none."""

    def take(self, place: Place, kind: type, name: str) -> str:
        if isinstance(place, Argument) and self.kinds[place.key] is kind:
            return self.argument(place.key)
        return super().take(place, kind, name)

    def first_with(self, held: str, what: Any, number: int, expected: int) -> None:
        if not self.compares:
            return super().first_with(held, what, number, expected)
        # only what is of one class can be the same
        firsts = self._firsts.setdefault(what, {})
        others = firsts if number == expected else {expected: firsts[expected]}
        for other, expression in others.items():
            if not expression.isidentifier():
                # what is compared again has a name
                others[other] = firsts[other] = f"o{self.mark}{other}"
                self.lines.append(f"o{self.mark}{other} = {expression}")
        if number != expected:
            self.fail_if(f"{held} is not {others[expected]}")
            return
        if others and not held.isidentifier():
            self.lines.append(f"o{self.mark}{number} = {held}")
            held = f"o{self.mark}{number}"
        if others:
            self.fail_if(" or ".join(f"{held} is {each}" for each in others.values()))
        firsts[number] = held

    def by_itself(self, fact: Any) -> None:
        raise Unknown

    def argument(self, number: int) -> str:
        return f"a{number}"

    def storage(self, number: int) -> str:
        """Return the expression of the storage of a root."""
        return self.storages.get(number) or f"{self.root(number)}._storage"

    def version(self, number: int) -> tuple[str, str]:
        """Return the expressions of the storage of a root, and of its version."""
        storage = self.storage(number)
        return storage, f"{storage}.version"

    def dict(self, items: Mapping[Any, Any]) -> str:
        """Return the expression of a dictionary; tuples are such of expressions."""
        pairs = (
            f"{key if isinstance(key, int) else self.constant(key)}: "
            f"{each if isinstance(each, str) else '(' + ', '.join(each) + ')'}"
            for key, each in items.items()
        )
        return f"{{{', '.join(pairs)}}}"

    def node(self, number: int) -> tuple[str, str]:
        """Return the expressions of the history of a root, and of which of its outputs it is."""
        return node_expression(self.root(number))


def node_expression(name: str) -> tuple[str, str]:
    """Return the expressions of the history of a tensor, and of which of its outputs it is."""
    return f"({name}._node if {name}._base is None else node_of({name}))", f"{name}._index"
