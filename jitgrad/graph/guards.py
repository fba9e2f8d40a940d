"""Facts as one Python function, which checks them in a fraction of the time.

Looked at one by one, a fact takes about half a microsecond, and a step of a module with its
optimizer relies on a hundred and more. Here they become straight Python code: a class is looked at
once for all its objects, and what was found at a place has a name of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MemberDescriptorType, ModuleType
from typing import Any, NamedTuple

from jitgrad.graph import lookups
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.facts import (
    Fact,
    IsNumber,
    IsObject,
    IsTensor,
    SameKeys,
    SameObject,
    SameValue,
    address,
    tensor_key,
)
from jitgrad.graph.lookups import ABSENT, Argument, Place, RootKey

SINGLE = (None, True, False, Ellipsis, NotImplemented)
"""Values that are the only ones of their kind: identity says it all."""


class Watched(NamedTuple):
    """Facts that are known to hold as long as nothing changes that is watched.

    Attributes:
        facts: these facts.
        roots: by the numbers of the roots that they take, where they are in a list.
        slots: by fact, where what it puts into a slot is in a list.
        bases: the numbers of the roots through which all others were found.
        own: the attributes of classes that are watched, too, and at which the guards look that
            check all facts: the identities of the classes, and the names.
    """

    facts: Collection[Fact]
    roots: dict[int, int]
    slots: dict[Fact, int]
    bases: list[int]
    own: Collection[tuple[int, str]]


class Unknown(Exception):
    """There is no faster way to look at a place."""


STORAGE, MEMORY = "storage", "memory"
"""What tensors may share."""


class FactWriter:
    """Writes Python that checks facts, one after the other.

    Attributes:
        first_root: how many roots the run has where the function begins.
        found: for roots that the function takes, the name and the class of what was found.
        roots, versions, slots: what is still to be put into the run, by their names.
        own: by their identities and names the attributes of classes that the function looks at,
            with the classes.
        watched: what is known without a look at it.
        failure: the statement where a fact fails.
        others_are_known: is something watched that was found elsewhere, too?
        mark: in the names of what is found here, where others write to the same function.
    """

    failure = "return False"
    mark = ""
    others_are_known = "not run.know(watch.numbers)"

    def __init__(self, first_root: int, watched: Watched | None = None) -> None:
        self.first_root = first_root
        self.watched = watched
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self.named: dict[int, str] = {}
        self.found: list[tuple[str, type]] = []
        self.seen_classes: set[tuple[int, str]] = set()
        self.own: dict[tuple[int, str], type] = {}
        self.roots: list[str | int] = []
        self.versions: list[str | int] = []
        self.slots: list[str | int] = []

    def constant(self, value: Any) -> str:
        """Return the name of a value that the function knows."""
        name = self.named.get(id(value))
        if name is None:
            name = self.named[id(value)] = f"c{len(self.named)}"
            self.constants[name] = value
        return name

    def fail_if(self, condition: str) -> None:
        self.lines.append(f"if {condition}: {self.failure}")

    def flush(self) -> None:
        """Put what was taken into the run."""
        for name in ("roots", "versions", "slots"):
            held = getattr(self, name)
            for is_known, group in itertools.groupby(held, lambda each: isinstance(each, int)):
                parts = list(group)
                if is_known:
                    # one after the other in the list of what is watched
                    self.lines.append(f"run.{name} += known_{name}[{parts[0]}:{parts[-1] + 1}]")
                else:
                    self.lines.append(f"run.{name} += ({', '.join(parts)},)")
            held.clear()

    # -- places -----------------------------------------------------------------------------

    def root(self, number: int) -> str:
        at = number - self.first_root
        return f"roots[{number}]" if at < 0 else self.found[at][0]

    def base(self, place: Place) -> tuple[str, type | None]:
        """Return what a place looks into, and its class if a fact has made sure of it."""
        if not place.is_root:
            return self.constant(place.base), type(place.base)
        at = place.base - self.first_root
        return self.root(place.base), None if at < 0 else self.found[at][1]

    def look(self, place: Place) -> str:
        """Return the expression of what is at `place`."""
        if isinstance(place, Argument):
            return self.argument(place.key)
        base, kind = self.base(place)
        key = self.key(place.key)
        read = place.read
        if read is lookups.read_global:
            space, builtins = (self.constant(each) for each in place.base)
            return f"({space}[{key}] if {key} in {space} else {builtins}.get({key}, ABSENT))"
        if read is lookups.read_module and type(place.base) is ModuleType:
            return f"{self.constant(place.base.__dict__)}.get({key}, ABSENT)"
        if read is lookups.read_item and kind in DICTS:
            return f"{base}.get({key}, ABSENT)"
        if read is lookups.read_item and kind in (list, tuple) and place.key >= 0:
            return f"({base}[{key}] if len({base}) > {key} else ABSENT)"
        if read is lookups.static_lookup and kind is not None:
            return self.attribute(base, kind, place.key)
        simple = {
            lookups.read_presence: f"({key} in {base})",
            lookups.read_length: f"len({base})",
            lookups.read_keys: f"tuple({base})",
            lookups.read_grad: f"{base}._grad",
            lookups.read_code: f"{base}.__code__",
        }
        return simple.get(read) or f"{self.constant(read)}({base}, {key})"

    def argument(self, number: int) -> str:
        return f"arguments[{number}]"

    def key(self, key: Any) -> str:
        if type(key) is RootKey:
            return self.root(key.number)
        return repr(key) if type(key) in (int, str) else self.constant(key)

    def attribute(self, base: str, kind: type, name: str) -> str:
        """Return the expression of `static_lookup(base, name)`, for an object of class `kind`."""
        if type(lookups.type_lookup(kind, name)) in (int, float):
            # a number of the class may change, and another one is as good
            return f"static_lookup({base}, {name!r})"
        on_type = self.class_attribute(kind, name)
        if on_type is not ABSENT and hasattr(type(on_type), "__set__"):
            if isinstance(on_type, MemberDescriptorType):
                return f"static_lookup({base}, {name!r})"
            return self.constant(on_type)
        if not kind.__dictoffset__:
            return self.constant(on_type)
        return f"{base}.__dict__.get({name!r}, {self.constant(on_type)})"

    def class_attribute(self, kind: type, name: str) -> Any:
        """Return an attribute of a class, and check, once, that it is found there again.

        It is found along the resolution order, which is checked, in the first class that has it.
        """
        found = lookups.type_lookup(kind, name)
        if (id(kind), "") not in self.seen_classes:
            self.seen_classes.add((id(kind), ""))
            self.fail_if(f"{self.constant(kind)}.__mro__ is not {self.constant(kind.__mro__)}")
        if (id(kind), name) not in self.seen_classes:
            self.seen_classes.add((id(kind), name))
            for each, own in looked_through(kind, name):
                if self.watched is None or (id(each), name) not in self.watched.own:
                    self.own[id(each), name] = each
                    space = self.constant(each.__dict__)
                    self.fail_if(f"{space}.get({name!r}, ABSENT) is not {self.constant(own)}")
        return found

    # -- facts ------------------------------------------------------------------------------

    def known(self, fact: Fact) -> None:
        """Take what a fact takes that is watched."""
        watched = self.watched
        assert watched is not None
        place: Any = fact.place  # type: ignore[attr-defined]
        if place.read is lookups.static_lookup:
            self.class_attribute(self.found[place.base - self.first_root][1], place.key)
        if isinstance(fact, (IsObject, IsTensor)):
            at = watched.roots[self.first_root + len(self.found)]
            kind = fact.kind if isinstance(fact, IsObject) else fact.spec.key[0]
            self.found.append((f"known_roots[{at}]", kind))
            self.roots.append(at)
            self.versions.append(at)
        if isinstance(fact, (IsNumber, IsTensor)):
            self.slots.append(watched.slots[fact])

    def write(self, facts: list[Fact]) -> None:
        """Write the checks of facts, in their order."""
        watched = self.watched
        waiting = set() if watched is None else set(watched.bases)
        for fact in facts:
            self.fact(fact)
            last = self.first_root + len(self.found) - 1
            if last in waiting and watched is not None:
                waiting.remove(last)
                if not waiting:
                    # before anything is read of what was found through them
                    found = "".join(f"id({self.root(each)}), " for each in watched.bases)
                    self.fail_if(f"({found}) != watch.bases or not watch.unchanged()")
        assert not waiting

    def end(self) -> None:
        """Write what must hold of all that was taken."""
        if self.watched is not None:
            self.fail_if(self.others_are_known)

    def space(self) -> dict[str, Any]:
        """Return the names that the function knows."""
        return {
            "ABSENT": ABSENT,
            "address": address,
            "static_lookup": lookups.static_lookup,
            "tensor_key": tensor_key,
            **self.constants,
        }

    def fact(self, fact: Fact) -> None:
        """Write the check of a fact."""
        if self.watched is not None and fact in self.watched.facts:
            return self.known(fact)
        try:
            if isinstance(fact, SameObject):
                return self.same_object(fact.place, fact.expected)
            if isinstance(fact, SameValue):
                return self.same_value(fact.place, fact.expected)
            if isinstance(fact, SameKeys):
                self.lines.append(f"found = {self.look(fact.place)}")
                self.fail_if(f"found != {self.constant(fact.expected)}")
                return self.fail_if(
                    f"tuple(map(type, found)) != {self.constant(fact.types)}",
                )
            if isinstance(fact, IsNumber):
                return self.is_number(fact)
            if isinstance(fact, IsObject):
                return self.is_object(fact)
            if isinstance(fact, IsTensor):
                return self.is_tensor(fact)
        except Unknown:
            if isinstance(fact, (IsObject, IsTensor)):
                raise
        return self.by_itself(fact)

    def by_itself(self, fact: Fact) -> None:
        """Write that a fact is to look for itself."""
        self.flush()
        self.fail_if(f"not {self.constant(fact)}.holds(run)")

    def same_object(self, place: Place, expected: Any) -> None:
        if place.read is lookups.read_class and not place.is_root:
            if self.class_attribute(place.base, place.key) is not expected:
                raise Unknown
            return
        self.fail_if(f"{self.look(place)} is not {self.constant(expected)}")

    def same_value(self, place: Place, expected: Any) -> None:
        if any(expected is each for each in SINGLE):
            return self.same_object(place, expected)
        self.lines.append(f"found = {self.look(place)}")
        return self.is_value("found", type(expected), expected)

    def is_value(self, name: str, kind: type, expected: Any) -> None:
        """Write the check that what has a name is an equal value of the same type."""
        if any(expected is each for each in SINGLE):
            return self.fail_if(f"{name} is not {expected}")
        self.fail_if(
            f"type({name}) is not {self.constant(kind)} or {name} != {self.constant(expected)}"
        )

    def is_number(self, fact: IsNumber) -> None:
        self.slots.append(self.take(fact.place, fact.kind, f"n{self.mark}{len(self.lines)}"))

    def take(self, place: Place, kind: type, name: str) -> str:
        """Write that what is at a place, of a certain class, is taken; return its name."""
        self.lines.append(f"{name} = {self.look(place)}")
        self.fail_if(f"type({name}) is not {self.constant(kind)}")
        return name

    def _take(self, place: Place, kind: type, number: int) -> tuple[str, int]:
        index = self.first_root + len(self.found)
        name = self.take(place, kind, f"r{self.mark}{index}")
        self.found.append((name, kind))
        self.roots.append(name)
        if number == index:
            self.first_with(name, id(kind), index, index)
        else:
            self.fail_if(f"{name} is not {self.root(number)}")
        return name, index

    def first_with(self, held: str, what: Any, number: int, expected: int) -> None:
        """Write the check that a root has what the root `expected` is the first to have.

        Args:
            held: the expression of it.
            what: STORAGE, MEMORY, or the identity of the class of roots that are meant themselves.
            number: the number of the root.
        """
        sign = {STORAGE: "~", MEMORY: "-"}.get(what, "")
        self.fail_if(f"setdefault({sign}id({held}), {number}) != {expected}")

    def is_object(self, fact: IsObject) -> None:
        self._take(fact.place, fact.kind, fact.number)
        self.versions.append("None")

    def is_tensor(self, fact: IsTensor) -> None:
        spec = fact.spec
        name, index = self._take(fact.place, spec.key[0], spec.number)
        storage = f"s{self.mark}{index}"
        self.lines.append(f"{storage} = {name}._storage")
        self.versions.append(f"{storage}.version")
        self.slots.append(f"{name}._array")
        if not fact.known:
            self.has_key(name, spec.key)
        if spec.number != index:
            return
        owner = f"({storage}._owner if {storage}._owner is not None else {storage}.owner)"
        self.first_with(storage, STORAGE, index, spec.storage)
        self.first_with(owner, MEMORY, index, spec.memory)
        if spec.memory != index:
            memory = self.root(spec.memory)
            self.fail_if(f"address({name}._array) - address({memory}._array) != {spec.offset}")

    def has_key(self, name: str, expected: tuple) -> None:
        """Write the check that a tensor has a key."""
        # it is known from the last time, unless something that it says may have changed
        key = self.constant(expected)
        self.lines.append(f"k = {name}._key")
        self.lines.append(
            f"if (k is None or k[2] is not {key} or k[0] is not {name}._array "
            f"or k[1] is not {name}._node or {name}._storage.lent "
            f"or (k[1] is not None and k[1].hooks is not None)):"
        )
        self.lines.append(f"    if tensor_key({name}) != {key}: {self.failure}")


def looked_through(kind: type, name: str) -> Iterator[tuple[type, Any]]:
    """Yield the classes that decide what an attribute of a class is, and what they have of it.

    That is along its resolution order up to the first one that has it, but for immutable ones.
    """
    for each in kind.__mro__:
        own = each.__dict__.get(name, ABSENT)
        if not is_immutable(each):
            yield each, own
        if own is not ABSENT:
            break


def is_immutable(kind: type) -> bool:
    """Is it a class whose attributes cannot be changed, such as the built-in ones?"""
    return not kind.__flags__ & (1 << 9)


class Guards(NamedTuple):
    """A function that checks facts.

    Attributes:
        hold: given a run, and the state of what is watched, if anything is.
        own: at which attributes of classes it looks, by their identities and names.
    """

    hold: Callable[..., bool]
    own: Mapping[tuple[int, str], type]


def compile_guards(
    facts: list[Fact], first_root: int, watched: Watched | None = None
) -> Guards | None:
    """Return what checks `facts` and takes what they take, as one after the other does.

    Where a fact fails, the run is left with parts of what was taken: see `Run.forget`. None where
    the facts must be looked at one by one. The facts hold now.

    Args:
        facts: in their order.
        first_root: how many roots the run has before.
        watched: facts that are not looked at. Then the function takes the state of the watch, too.
    """
    writer = FactWriter(first_root, watched)
    lines = ["def holds(run):"]
    if watched is not None:
        lines = [
            "def holds(run, watch):",
            "    known_roots, known_slots = watch.roots, watch.slots",
            "    known_versions = watch.versions()",
        ]
    try:
        writer.write(facts)
    except Unknown:
        return None
    writer.end()
    writer.flush()
    lines += [
        "    arguments, roots, setdefault = run.arguments, run.roots, run.numbers.setdefault",
        *(f"    {line}" for line in writer.lines),
        "    return True",
    ]
    space = writer.space()
    exec(compile("\n".join(lines), "<jitgrad guards>", "exec"), space)
    return Guards(space.pop("holds"), writer.own)  # which is part of no cycle then
