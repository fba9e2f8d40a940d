"""Operators of objects whose classes are derived from built-in ones.

Where neither class has an operator of its own, the rules for plain objects perform it. Otherwise
the methods of both are asked in the order in which Python does, those of built-in classes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodDescriptorType, NoneType, WrapperDescriptorType
from typing import Any, NamedTuple

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.comparing import ComparingRules
from jitgrad.graph.contents import FILL, PLAIN, content_class, put_back, read_content
from jitgrad.graph.instances import python_function
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.operands import COMPARE_NAMES, NAMES, UNARY_NAMES
from jitgrad.graph.origins import IDENTIFIED, KNOWN, parts
from jitgrad.python import protocols
from jitgrad.python.operations import Enter

NATIVE = (MethodDescriptorType, WrapperDescriptorType)
"""Classes of the methods of built-in classes."""
NUMBERS = (int, float, bool)
SEQUENCES = (list, tuple, str)
OPERATORS = {f"__{name}__": (op, False) for op, name in NAMES.items()} | {
    f"__r{name}__": (op, True) for op, name in NAMES.items()
}
"""By their names, the operators of methods; is the object the right operand?"""
COMPARISONS = {names[0]: op for op, names in COMPARE_NAMES.items()}


class ContentChanged(NamedTuple):
    """What an effect does to an object from outside that has a content.

    Attributes:
        number: the root with the plain object, which `change` changes.
        owner, base: the root with the object itself, and its built-in class.
    """

    number: int
    change: Callable[[Any, Any], None]
    owner: int
    base: type

    def __call__(self, run: Any, made: Any) -> None:
        plain = run.roots[self.number]
        self.change(plain, made)
        put_back(run.roots[self.owner], self.base, plain)


class DerivedOperatorRules(ComparingRules):
    """What operators, truth, length and iteration ask of objects with a content."""

    def by_content(
        self, name: str, x: Any, xo: Any, args: Any, ao: Any, kwargs: Any, ko: Any
    ) -> Any:
        """Perform a method of the built-in class; None if that cannot be followed."""
        raise NotImplementedError

    # -- contents ---------------------------------------------------------------------------

    def held(self, x: Any) -> FreshObject | None:
        """Return what is known of an object with a content made in the call, None for others."""
        return None if content_class(type(x)) is None else self.instance(x)

    def is_derived(self, x: Any) -> bool:
        """Has an object a content, be it made in the call or from outside?"""
        return content_class(type(x)) is not None and self.object(x) is not None

    def is_basic(self, x: Any, name: str) -> bool:
        """Does an object with a content leave this to the built-in class? It is a fact."""
        base = content_class(type(x))
        if base is None or not self.is_derived(x):
            return False
        return self.class_fact(type(x), name) is lookups.type_lookup(base, name)

    def value_of(self, x: Any, xo: Any) -> tuple[Any, Any]:
        """Return the plain value of an object with a content that cannot change; others as is."""
        fresh, base = self.held(x), content_class(type(x))
        if base is None or base in FILL or not self.is_derived(x):
            return x, xo
        if fresh is None:
            return self._outer_content(x, xo)
        origins = fresh.origins
        return PLAIN[base](x), parts(origins) if base is tuple else origins[0]

    def _outer_content(self, x: Any, xo: Any) -> tuple[Any, Any]:
        """Return a plain object with the content of one from outside, which each replay makes."""
        number: Any = self.object(x)
        at = self.path.contents.get(number)
        if at is not None:
            return self.run.roots[at], IDENTIFIED
        found, origin = self.take(Place(read_content, number, True, ""))
        if found is ABSENT:
            return x, xo
        at = self.object(found) if origin is IDENTIFIED else None
        if isinstance(at, int):
            self.path.contents[number] = at
        return found, origin

    @contextmanager
    def opened(self, x: Any, xo: Any) -> Iterator[tuple[Any, Any]]:
        """Give a plain object with the same content.

        What becomes of it becomes of `x`: now, and in each replay.
        """
        fresh, base = self.held(x), content_class(type(x))
        if fresh is None and base is not None and self.is_derived(x):
            found = self._outer_content(x, xo)
            try:
                yield found
            finally:
                if base in FILL and found[0] is not x:
                    put_back(x, base, found[0])
            return
        if fresh is None or base not in FILL:
            yield self.value_of(x, xo)
            return
        plain = PLAIN[base](x)
        self.objects[id(plain)] = plain, FreshObject(base.__name__, fresh.origins)
        try:
            yield plain, IDENTIFIED
        finally:
            del self.objects[id(plain)]
            put_back(x, base, plain)

    def changed(self, number: int, change: Callable[[Any, Any], None]) -> Callable:
        owners = (owner for owner, held in self.path.contents.items() if held == number)
        owner = next(owners, None)
        if owner is None:
            return super().changed(number, change)
        base = content_class(type(self.run.roots[owner]))
        assert base is not None
        return ContentChanged(number, change, owner, base)

    # -- operators --------------------------------------------------------------------------

    def operator_of(self, name: str, x: Any, xo: Any, other: Any, oo: Any) -> Any:
        """Perform an operator as the method of the built-in class does, which may decline."""
        base: Any = content_class(type(x)) or type(x)
        op, swapped = OPERATORS.get(name) or (COMPARISONS[name], False)
        compares = name in COMPARISONS
        if not hasattr(base, name):
            return None
        if base in SEQUENCES or base is dict:
            if compares and not isinstance(other, base):
                return NotImplemented, KNOWN
            with self.opened(x, xo) as left, self.opened(other, oo) as right:
                if swapped:
                    left, right = right, left
                if compares:
                    return self.compare_contents(op, *left, *right)
                answer = self._of_containers(op, *left, *right, False)
            return None if isinstance(answer, Enter) else answer
        left, right = self.value_of(x, xo), self.value_of(other, oo)
        if type(right[0]) not in (*NUMBERS, str):
            return None if base is str else (NotImplemented, KNOWN)
        try:
            if getattr(base, name)(left[0], right[0]) is NotImplemented:
                return NotImplemented, KNOWN
        except (ArithmeticError, TypeError, ValueError):
            return None
        if swapped:
            left, right = right, left
        return (self.compare if compares else self.binary)(op, *left, *right)

    def _may_be_asked(self, x: Any, xo: Any) -> bool:
        """Is it known what the methods of an operand do?"""
        if self.is_derived(x) or self.operand_class(x, xo) is not None:
            return True
        return xo is not None and (type(x) in PLAIN or isinstance(x, (TensorCore, bool, NoneType)))

    def _leaves_to_base(self, x: Any, names: tuple[str, ...]) -> bool:
        return not self.is_derived(x) or all(self.is_basic(x, name) for name in names)

    def _asked(self, x: Any, name: str) -> Any:
        """Return what the class of an operand has for an operator; ABSENT, None if not known."""
        found = self.class_fact(type(x), name)
        if found is ABSENT or found is vars(object).get(name, ABSENT):
            return ABSENT
        python = python_function(found)
        if python is not None:
            return python
        return found if isinstance(found, NATIVE) else None

    def user_binary(self, op: str, inplace: bool, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        if not self.is_derived(l) and not self.is_derived(r):
            return super().user_binary(op, inplace, l, lo, r, ro)
        name = NAMES[op]
        names = (f"__{name}__", f"__r{name}__", f"__i{name}__")
        if not self._may_be_asked(l, lo) or not self._may_be_asked(r, ro):
            return None
        if (
            not self._leaves_to_base(l, names)
            or not self._leaves_to_base(r, names)
            or any(
                content_class(type(x)) is None and self.operand_class(x, xo) is not None
                for x, xo in ((l, lo), (r, ro))
            )
        ):
            return self._by_methods(op, inplace, l, lo, r, ro)
        if not self.is_derived(l):
            with self.opened(r, ro) as right:
                answer = self._of_containers(op, l, lo, *right, inplace)
            return None if isinstance(answer, Enter) else answer
        if inplace and hasattr(content_class(type(l)), names[2]):
            return self.by_content(names[2], l, lo, [r], [ro], {}, {})
        answer = self.operator_of(names[0], l, lo, r, ro)
        return None if answer is None or answer == (NotImplemented, KNOWN) else answer

    def _by_methods(self, op: str, inplace: bool, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        """Ask the methods of both classes, in the order in which Python does."""
        forward, backward, in_place = (f"__{each}{NAMES[op]}__" for each in ("", "r", "i"))
        attempts: list[Any] = []

        def attempt(x: Any, xo: Any, wanted: str, other: Any, oo: Any) -> None:
            found = self._asked(x, wanted)
            # those of sequences are asked behind all others
            last = isinstance(found, NATIVE) and found.__objclass__ in SEQUENCES and op in "+*"
            if found is not ABSENT and not last:
                attempts.append((False if found is None else found, x, xo, other, oo))

        if inplace:
            attempt(l, lo, in_place, r, ro)
        reflected = type(r) is not type(l)
        first = reflected and issubclass(type(r), type(l))
        if first and self._asked(r, backward) is not self._asked(l, backward):
            attempt(r, ro, backward, l, lo)
            reflected = False
        attempt(l, lo, forward, r, ro)
        if reflected:
            attempt(r, ro, backward, l, lo)
        if op in "+*" and (isinstance(l, SEQUENCES) or isinstance(r, SEQUENCES)):
            x, xo, other, oo = (l, lo, r, ro) if isinstance(l, SEQUENCES) else (r, ro, l, lo)
            base = next(each for each in SEQUENCES if isinstance(x, each))
            own = (in_place if x is l and inplace else "", forward if x is l else backward)
            method = next((vars(base)[each] for each in own if each in vars(base)), None)
            if method is not None:
                attempts.append((method, x, xo, other, oo))
        shown = f"{op}=" if inplace else "** or pow()" if op == "**" else op
        kinds = f"'{type(l).__name__}' and '{type(r).__name__}'"
        return self._attempted(attempts, f"unsupported operand type(s) for {shown}: {kinds}")

    def user_unary(self, op: str, x: Any, xo: Any) -> Any:
        name = UNARY_NAMES[op]
        if self.is_basic(x, name):
            return self.by_content(name, x, xo, [], [], {}, {})
        return super().user_unary(op, x, xo)

    def user_compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        if op in ("in", "not in"):
            if not self.is_derived(r):
                return super().user_compare(op, l, lo, r, ro)
            if not self.is_basic(r, "__contains__"):
                method = self.special(r, "__contains__")
                given = (method, r, l, op == "in")
                return method and self.protocol(protocols.contains, given, (KNOWN, ro, lo, KNOWN))
            found = self.by_content("__contains__", r, ro, [l], [lo], {}, {})
            return None if found is None else (found[0] is (op == "in"), KNOWN)
        if not self.is_derived(l) and not self.is_derived(r):
            return super().user_compare(op, l, lo, r, ro)
        if not self._may_be_asked(l, lo) or not self._may_be_asked(r, ro):
            return None
        forward, backward = COMPARE_NAMES[op]
        attempts = [self._comparing(*each) for each in (
            (l, lo, forward, r, ro), (r, ro, backward, l, lo))]  # fmt: skip
        if type(l) is not type(r) and issubclass(type(r), type(l)):
            attempts.reverse()
        known = [each for each in attempts if each is not None]
        if op in ("==", "!="):
            last = protocols.identical if op == "==" else protocols.different
            known.append((last, l, lo, r, ro))
        kinds = f"'{type(l).__name__}' and '{type(r).__name__}'"
        return self._attempted(known, f"'{op}' not supported between instances of {kinds}")

    def _comparing(self, x: Any, xo: Any, name: str, other: Any, oo: Any) -> Any:
        found = self._asked(x, name)
        if found is ABSENT and name == "__ne__":
            equal = self._asked(x, "__eq__")
            operand = parts((KNOWN, xo))
            return None if equal is ABSENT else (
                equal and protocols.negated, (equal, x), operand, other, oo
            )  # fmt: skip
        return None if found is ABSENT else (False if found is None else found, x, xo, other, oo)

    def user_truth(self, x: Any, xo: Any) -> Any:
        if self.is_basic(x, "__bool__"):
            if content_class(type(x)) in (int, float):
                return self.truth(*self.value_of(x, xo))
            if self.is_basic(x, "__len__"):
                found = self.by_content("__len__", x, xo, [], [], {}, {})
                return None if found is None else found[0] > 0
        return super().user_truth(x, xo)

    def user_length(self, x: Any, xo: Any) -> Any:
        if self.is_basic(x, "__len__"):
            return self.by_content("__len__", x, xo, [], [], {}, {})
        return super().user_length(x, xo)

    def user_iterator(self, x: Any, xo: Any) -> Any:
        if self.is_basic(x, "__iter__"):
            return self.by_content("__iter__", x, xo, [], [], {}, {})
        return super().user_iterator(x, xo)
