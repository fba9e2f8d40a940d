"""Numbers and truths that built-in functions make of what is known."""

from __future__ import annotations

from typing import Any

from jitgrad.graph.operators import NUMBERS
from jitgrad.graph.origins import KNOWN, parts
from jitgrad.graph.texts import TextRules


class ConversionRules(TextRules):
    """`round`, `divmod`, `pow`, `bool`."""

    def _math(self, function: Any, name: str, args: Any, ao: Any) -> Any:
        """Model a pure function of numbers."""
        raise NotImplementedError

    def _not(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        found = self._truth(args, ao, kwargs, ko)
        return (not found[0], found[1]) if type(found) is tuple else None

    def _truth(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 1 or isinstance(self.object(args[0]), int):
            return None
        answer = self.truth(args[0], ao[0])
        return (answer, KNOWN if self.active else None) if type(answer) is bool else None

    def _round(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) not in (1, 2) or type(args[0]) not in NUMBERS:
            return None
        if len(args) == 2 and (type(args[1]) is not int or ao[1] is not KNOWN):
            return None
        return self._math(round, "round", args, ao)

    def _divmod(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) != 2 or not all(type(each) in NUMBERS for each in args):
            return None
        if all(each is KNOWN for each in ao):
            return self._folded(divmod, args)
        quotient = self.binary("//", args[0], ao[0], args[1], ao[1])
        if not self.active:
            return divmod(*args), None
        rest = self.binary("%", args[0], ao[0], args[1], ao[1])
        if not self.active:
            return divmod(*args), None
        return (quotient[0], rest[0]), parts((quotient[1], rest[1]))

    def _pow(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        if kwargs or len(args) not in (2, 3):
            return None
        if len(args) == 2:
            return self.binary("**", args[0], ao[0], args[1], ao[1])
        known = all(o is KNOWN and type(v) is int for v, o in zip(args, ao))
        return self._folded(pow, args) if known else None
