"""What is known of the values that go from one stage of a route to the next.

The facts of a later stage are about what the stages before have made or passed on. So most of them
are decided while the function of the route is written; it checks the others.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from jitgrad.graph.facts import Fact, IsNumber, IsObject, IsTensor, SameObject, SameValue
from jitgrad.graph.guards import MEMORY, STORAGE
from jitgrad.graph.ir import Value
from jitgrad.graph.lookups import Argument, Place, RootKey
from jitgrad.graph.path_writer import Unfit
from jitgrad.graph.shortcut_facts import PathFacts, node_expression
from jitgrad.kernels.records import strides_in_bytes
from jitgrad.tensor import Tensor


class Known(NamedTuple):
    """A value that is the same at each call."""

    value: Any


class Given(NamedTuple):
    """A number of run time: its class and its name."""

    kind: type
    name: str


class Thing:
    """An object of which a stage knows: from outside, or a tensor that the call has made.

    Tensors that only stages know are not made: they are the names of what they would be made of.

    Attributes:
        kind: its class.
        name: its own, empty for a tensor that is not made.
        is_outside: it was there before the call.
        key: of a tensor, see `tensor_key`.
        array, storage, node, index: expressions of the parts of a tensor; without a history `node`
            is empty.
        version: that of the storage of a tensor that the call makes.
        storage_of, memory_of: the first thing known to have the same.
        offset: where its elements begin, in bytes from those of the latter.
    """

    def __init__(self, kind: type, name: str) -> None:
        self.kind = kind
        self.name = name
        self.is_outside = True
        self.key: tuple | None = None
        self.array = f"{name}._array"
        self.storage = f"{name}._storage"
        self.node, self.index = node_expression(name)
        self.version = ""
        self.storage_of = self.memory_of = self
        self.offset = 0

    @classmethod
    def made(
        cls, key: tuple, array: str, storage: str, version: int, node: str, index: int
    ) -> Thing:
        """Return a tensor that is not made, with a storage of its own."""
        thing = cls(key[0], "")
        thing.is_outside = False
        thing.key = key
        thing.array, thing.storage, thing.version = array, storage, str(version)
        thing.node, thing.index = node, str(index)
        return thing


class Row(NamedTuple):
    """A tuple or a list that the call has made, and nobody else has seen."""

    kind: type
    items: list[Any]


Values = list[Known | Given | Thing | Row]
"""What a stage is given."""


def key_of(value: Value, has_history: bool) -> tuple:
    """Return the key of a tensor that the call makes, see `tensor_key`."""
    kind = 2 if has_history else 0
    return Tensor, value.shape, strides_in_bytes(value), value.dtype, kind, True, False


class RouteFacts(PathFacts):
    """Writes the facts of the first stage.

    The function looks at all that is outside before it computes anything, at each place once: so it
    does what a call would do that is over at once.

    Attributes:
        looked: by its expression and its class, the name of what was taken.
        asked: the conditions that are checked.
        parts: by the name of a tensor, those of its array and its storage.
        outside: by their names, the things from outside that are known by now.
        edges: the histories from outside, as names of nodes and numbers of outputs.
    """

    def __init__(self) -> None:
        super().__init__(compares=True)
        self.looked: dict[tuple[str, type], str] = {}
        self.asked: set[str] = set()
        self.parts: dict[str, tuple[str, str]] = {}
        self.outside: dict[str, Thing] = {}
        self.edges: dict[tuple[str, str], None] = {}

    def fail_if(self, condition: str) -> None:
        # `found` is now this and now that
        if "found" in condition or condition not in self.asked:
            self.asked.add(condition)
            super().fail_if(condition)

    def take(self, place: Place, kind: type, name: str) -> str:
        look = self.look(place), kind
        if look not in self.looked:
            self.looked[look] = super().take(place, kind, name)
        return self.looked[look]

    def is_tensor(self, fact: IsTensor) -> None:
        super().is_tensor(fact)
        at = len(self.found) - 1
        name, _ = self.found[at]
        array = f"x{self.mark}{at}"
        # others may give the tensor another one meanwhile
        self.lines.append(f"{array} = {name}._array")
        self.slots[-1] = array
        self.parts.setdefault(name, (array, f"s{self.mark}{at}"))

    def storage(self, number: int) -> str:
        return self.parts[self.root(number)][1]

    def version(self, number: int) -> tuple[str, str]:
        storage, version = super().version(number)
        return storage, self.hold(version)

    def node(self, number: int) -> tuple[str, str]:
        node, index = super().node(number)
        edge = self.hold(node), self.hold(index)
        self.edges[edge] = None
        return edge

    def tensor(self, thing: Thing) -> str:
        """Return the name of a thing; a tensor that the call has made up to here is made for it."""
        if not thing.name:
            name = f"t{len(self.late)}"
            given = f"{thing.array}, {thing.storage}, {thing.node or None}, {thing.index}"
            self.late.append(f"{name} = rebuild({given})")
            thing.name = name
        return thing.name

    def thing(self, fact: IsObject | IsTensor, name: str, things: list[Thing]) -> Thing:
        """Return what a fact takes behind `things`; one of them, if it is the same."""
        index = len(things)
        spec: Any = fact if isinstance(fact, IsObject) else fact.spec
        if spec.number != index:
            thing = things[spec.number]
        else:
            thing = Thing(fact.kind if isinstance(fact, IsObject) else spec.key[0], name)
            if isinstance(fact, IsTensor):
                thing.key = spec.key
                thing.array, thing.storage = self.parts[name]
                if spec.storage != index:
                    thing.storage_of = things[spec.storage].storage_of
                if spec.memory != index:
                    thing.memory_of = things[spec.memory].memory_of
                    thing.offset = things[spec.memory].offset + spec.offset
        self.outside[name] = thing
        return thing


class StageFacts(RouteFacts):
    """Writes the facts of a stage behind others.

    Args:
        before: writes to the same function.
        mark: is in all names.
        given: with what the stage begins.
        early: the lines that look at what is outside.

    Attributes:
        things: the roots of the stage.
    """

    def __init__(
        self,
        before: RouteFacts,
        mark: str,
        given: Values,
        early: list[str],
    ) -> None:
        super().__init__()
        self.mark = mark
        self.lines, self.before = early, before
        self.constants, self.named = before.constants, before.named
        self.seen_classes = before.seen_classes
        self.looked, self.asked = before.looked, before.asked
        self.parts, self.outside = before.parts, before.outside
        self.held, self.edges = before.held, before.edges
        self.given = given
        self.things: list[Thing] = []

    @property
    def late(self) -> list[str]:
        return self.before.lines

    def fork(self, mark: str) -> StageFacts:
        """Return another that goes on from here by itself."""
        other = copy.copy(self)
        other.mark = mark
        other.found, other.slots = list(self.found), list(self.slots)
        other.things = list(self.things)
        other._firsts = {what: dict(firsts) for what, firsts in self._firsts.items()}
        return other

    def wrong_if(self, condition: str) -> None:
        """Write that the route is another one where what was computed says so."""
        self.late.append(f"if {condition}: return WRONG")

    # -- roots ------------------------------------------------------------------------------

    def root(self, number: int) -> str:
        return self.tensor(self.things[number])

    def base(self, place: Place) -> tuple[str, type | None]:
        if place.is_root and not self.things[place.base].is_outside:
            raise Unfit
        return super().base(place)

    def key(self, key: Any) -> str:
        if type(key) is RootKey and not self.things[key.number].is_outside:
            raise Unfit
        return super().key(key)

    def storage(self, number: int) -> str:
        return self.things[number].storage

    def version(self, number: int) -> tuple[str, str]:
        thing = self.things[number]
        version = thing.version or self.hold(f"{thing.storage}.version")
        return thing.storage, version

    def node(self, number: int) -> tuple[str, str]:
        thing = self.things[number]
        if not thing.is_outside:
            return thing.node, thing.index
        edge = self.hold(thing.node), self.hold(thing.index)
        self.edges[edge] = None
        return edge

    # -- facts ------------------------------------------------------------------------------

    def fact(self, fact: Fact) -> None:
        place: Any = fact.place  # type: ignore[attr-defined]
        if type(place) is Argument:
            return self._argument(fact, self.given[place.key])
        if not isinstance(fact, (IsObject, IsTensor)):
            return super().fact(fact)
        kind = fact.kind if isinstance(fact, IsObject) else fact.spec.key[0]
        name = self.looked.get((self.look(place), kind))
        if name is not None:
            return self._thing(fact, self.outside[name])
        spec: Any = fact if isinstance(fact, IsObject) else fact.spec
        shares = (getattr(spec, each, spec.number) for each in ("number", "storage", "memory"))
        if any(at < len(self.things) and not self.things[at].is_outside for at in shares):
            raise Unfit
        super().fact(fact)
        known = list(self.outside.values())
        name, _ = self.found[-1]
        thing = self.thing(fact, name, self.things)
        if thing.name == name:
            self._tell_apart(thing, known)
        self.things.append(thing)
        return None

    def _tell_apart(self, thing: Thing, known: list[Thing]) -> None:
        """Have a thing told apart from all known ones that are no roots of the stage."""
        for other in known:
            is_like = other.kind is thing.kind or (thing.key and other.key)
            if not is_like or any(other is each for each in self.things):
                continue
            self.fail_if(f"{thing.name} is {other.name}")
            if thing.key is not None and other.key is not None:
                self.fail_if(
                    f"{thing.storage} is {other.storage} "
                    f"or {thing.storage}.owner is {other.storage}.owner"
                )

    def _thing_of(self, value: Any) -> Thing:
        """Return the thing that an object is which is the same at each call."""
        name = self.constant(value)
        thing = self.outside.get(name)
        if thing is None:
            known = list(self.outside.values())
            thing = self.outside[name] = Thing(type(value), name)
            self._tell_apart(thing, known)
        return thing

    def _argument(self, fact: Fact, given: Known | Given | Thing) -> None:
        """Decide a fact about something with which the stage begins."""
        if isinstance(fact, (IsObject, IsTensor)) and isinstance(given, Thing):
            return self._thing(fact, given)
        if isinstance(given, Known):
            value = given.value
            if isinstance(fact, IsObject):
                return self._thing(fact, self._thing_of(value))
            if isinstance(fact, IsNumber) and type(value) is fact.kind:
                return self.slots.append(self.constant(value))
            if isinstance(fact, SameObject) and value is fact.expected:
                return None
            if isinstance(fact, SameValue) and _is_equal(value, fact.expected):
                return None
        elif isinstance(given, Given):
            if isinstance(fact, IsNumber) and given.kind is fact.kind:
                return self.slots.append(given.name)
            if isinstance(fact, SameValue) and given.kind is type(fact.expected):
                return self.wrong_if(f"{given.name} != {self.constant(fact.expected)}")
        elif isinstance(fact, SameObject) and given.is_outside:
            return self.fail_if(f"{given.name} is not {self.constant(fact.expected)}")
        raise Unfit

    def _thing(self, fact: IsObject | IsTensor, thing: Thing) -> None:
        """Take a thing as a root, if it is what the fact says."""
        index = len(self.things)

        def first(what: str) -> int:
            known = (getattr(each, what) is getattr(thing, what) for each in self.things)
            return next((at for at, same in enumerate(known) if same), index)

        number = next((at for at, each in enumerate(self.things) if each is thing), index)
        if isinstance(fact, IsObject):
            holds = (fact.kind, fact.number) == (thing.kind, number)
        else:
            spec, memory = fact.spec, first("memory_of")
            offset = thing.offset - (self.things[memory] if memory < index else thing).offset
            expected = (spec.key, spec.number, spec.storage, spec.memory, spec.offset)
            holds = expected == (thing.key, number, first("storage_of"), memory, offset)
            self.slots.append(thing.array)
        if not holds:
            raise Unfit
        self.found.append((thing.name, thing.kind))
        if thing.is_outside and number == index:
            self._is_known(thing, index)
        self.things.append(thing)

    def _is_known(self, thing: Thing, index: int) -> None:
        """Have what is found later compared with a thing from outside."""
        shared: dict[Any, str] = {id(thing.kind): thing.name}
        if thing.key is not None:
            if thing.storage_of not in [each.storage_of for each in self.things]:
                shared[STORAGE] = thing.storage
            if thing.memory_of not in [each.memory_of for each in self.things]:
                shared[MEMORY] = f"{thing.storage}.owner"
        for what, expression in shared.items():
            self._firsts.setdefault(what, {})[index] = expression


def _is_equal(value: Any, expected: Any) -> bool:
    return type(value) is type(expected) and value == expected
