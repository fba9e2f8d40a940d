"""What a recording takes from the world outside, with a fact for each thing."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from jitgrad.dispatch import node_of
from jitgrad.graph.facts import (
    Fact,
    IsNumber,
    IsObject,
    IsTensor,
    SameObject,
    SameRange,
    SameValue,
    TensorSpec,
)
from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.graph.knowledge import (
    CONSTANT_TYPES,
    Knowledge,
    has_lasting_identity,
    is_plain_tensor,
)
from jitgrad.graph.lookups import ABSENT, Argument, Place, read_code, read_globals
from jitgrad.graph.origins import (
    IDENTIFIED,
    KNOWN,
    Field,
    Origin,
    Runtime,
    StorageEntry,
    TensorEntry,
    Text,
    Variable,
)

ARGUMENT_CONSTANTS = frozenset((type(None), bool, int, str, bytes))
"""Types of arguments whose value is part of the entry's key."""


class Taking(Knowledge):
    """Looks at places, and makes what is there a constant, a number of run time, or a root."""

    def take(self, place: Place) -> tuple[Any, Origin | None]:
        """Return what is at `place` with its origin, and make a fact of it."""
        identity = place.identity()
        known = self.path.places.get(identity)
        found = place.look(self.run)
        if known is not None:
            return found, known
        origin = self._take(place, found)
        if origin is not None:
            self.path.places[identity] = origin
        return found, origin

    def take_argument(self, index: int, value: Any) -> Origin:
        """Take an argument of the call, whose key is that of the entry."""
        place = Argument(index)
        if type(value) in ARGUMENT_CONSTANTS and place.identity() not in self.varying:
            return KNOWN
        origin = self._take(place, value)
        assert origin is not None
        return origin

    def fact(self, fact: Fact) -> None:
        """Let the current segment rely on `fact`."""
        self.segment.facts.append(fact)

    def _take(self, place: Place, found: Any) -> Origin | None:
        kind = type(found)
        if kind is float or (kind in (int, str) and place.identity() in self.varying):
            scalar = Scalar(kind)
            self.fact(IsNumber(place, kind))
            self.add_slot(scalar, found)
            number = Runtime(scalar)
            return Text((Field(str, "{0}", found, number),)) if kind is str else number
        if kind in CONSTANT_TYPES:
            self.fact((SameRange if kind is range else SameValue)(place, found))
            return KNOWN
        varies = kind is FunctionType and place.identity() in self.varying
        if found is ABSENT or (has_lasting_identity(found) and not varies):
            self.fact(SameObject(place, found))
            return KNOWN
        if is_plain_tensor(found):
            spec = TensorSpec.describe(self.run, found)
            written = (self.path.roots[root] for root in self.path.rebased)
            held = self.path.memories.get(spec.memory)
            if held is not None and any(each.value.memory is held for each in written):  # type: ignore[union-attr]
                # a replay takes it before what it writes to has its new history
                return None
            self.fact(IsTensor(place, spec, known=isinstance(place, Argument)))
            self.take_tensor(found, spec)
            return IDENTIFIED
        number = self.run.numbers.get(id(found), len(self.run.roots))
        self.fact(IsObject(place, kind, number))
        self.run.take_object(found, number)
        self.path.roots.append(None)
        self.objects.setdefault(id(found), (found, number))
        if varies:
            # closures of one function differ in their cells and defaults, which are read as needed
            for read in (read_code, read_globals):
                part = Place(read, number, True, "")
                self.fact(SameObject(part, part.look(self.run)))
        return IDENTIFIED

    def add_slot(self, held: Value | Scalar, value: Any) -> None:
        """Give a value or number that was taken from outside its slot."""
        self.path.slot_of[held] = self.path.slots
        self.path.slots += 1
        self.run.slots.append(value)

    def take_tensor(self, tensor: Any, spec: TensorSpec) -> None:
        """Take `tensor` as the next root."""
        path = self.path
        index = len(path.roots)
        array = tensor._array
        if not spec.take(self.run, tensor):
            raise AssertionError("a tensor does not meet the spec that was just made of it")
        if spec.number != index:
            path.roots.append(path.roots[spec.number])
            path.slots += 1
            return
        memory = path.memories.get(spec.memory)
        if memory is None:
            memory = path.memories[index] = Memory(f"input{index}")
        storage = path.storages.get(spec.storage)
        if storage is None:
            storage = path.storages[index] = StorageEntry(memory, index)
        strides = tuple(step // array.itemsize for step in array.strides)
        value = Value(array.shape, strides, array.dtype, memory, spec.offset // array.itemsize)
        entry = TensorEntry(value, index, storage)
        path.roots.append(entry)
        path.slot_of[value] = path.slots
        path.slots += 1
        self.register_tensor(tensor, entry)
        self._register_base(tensor, index)
        node = node_of(tensor)
        if node is not None:
            variable = path.variables[index] = Variable(root=index)
            self.variables[node, tensor._index] = variable
            self.nodes[variable] = node
