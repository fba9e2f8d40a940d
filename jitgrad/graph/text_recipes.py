"""How a replay makes texts in which numbers of run time are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jitgrad.graph.origins import Text
from jitgrad.graph.recipes import Number, Recipe


class Written(Recipe):
    """A text.

    Attributes:
        pieces: what it is put together of.
        given: make the values of its fields.
    """

    __slots__ = ("given", "origin", "pieces")

    kind = str

    def __init__(self, origin: Text, given: tuple[Recipe, ...]) -> None:
        self.origin = origin
        self.pieces = origin.pieces
        self.given = given

    def build(self, run: Any) -> Any:
        return self.write([each.build(run) for each in self.given])

    def write(self, values: Iterable[Any]) -> str:
        """Return the text with these values in its fields."""
        left = iter(values)
        return "".join(
            [each if isinstance(each, str) else each.function(next(left)) for each in self.pieces]
        )

    def is_just(self, scalar: object) -> bool:
        """Is it one text of run time, as it came in?"""
        first = self.given[0] if len(self.pieces) == len(self.given) == 1 else None
        return isinstance(first, Number) and first.scalar is scalar and first.scalar.type is str

    def parts(self) -> tuple[Recipe, ...]:
        return self.given
