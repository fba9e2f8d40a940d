"""What a segment takes for granted of the world outside, checked before it runs.

A fact looks at one place, compares what is there with what the recording found, and puts what is
needed of it into the state of the run: objects and tensors become its roots, arrays and numbers
go into its slots. Facts never run user code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.bounded import Bounded
from jitgrad.dispatch import TensorCore, node_of
from jitgrad.dtypes import FROM_NUMPY
from jitgrad.graph.lookups import ABSENT, PLAIN, Names, Place, name_of
from jitgrad.node import AccumulateGrad


class Fact:
    """One thing that must hold."""

    __slots__ = ()

    def holds(self, run: Any) -> bool:
        """Does it hold? If so, what it takes is in the run."""
        raise NotImplementedError

    def text(self, names: Names = PLAIN) -> str:
        """Return it in words."""
        return name_of(type(self))

    def __str__(self) -> str:
        return self.text()


class _AtPlace(Fact):
    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place


class SameObject(_AtPlace):
    """This very object is there."""

    __slots__ = ("expected",)

    def __init__(self, place: Place, expected: Any) -> None:
        super().__init__(place)
        self.expected = expected

    def holds(self, run: Any) -> bool:
        return self.place.look(run) is self.expected

    def text(self, names: Names = PLAIN) -> str:
        expected = "absent" if self.expected is ABSENT else name_of(self.expected)
        return f"{self.place.text(names)} is {expected}"


class SameValue(_AtPlace):
    """An equal value of the same type is there."""

    __slots__ = ("expected",)

    def __init__(self, place: Place, expected: Any) -> None:
        super().__init__(place)
        self.expected = expected

    def holds(self, run: Any) -> bool:
        found = self.place.look(run)
        return type(found) is type(self.expected) and found == self.expected

    def text(self, names: Names = PLAIN) -> str:
        return f"{self.place.text(names)} == {self.expected!r}"


class SameRange(_AtPlace):
    """A range with these bounds is there, which says more than an equal one."""

    __slots__ = ("expected",)

    def __init__(self, place: Place, expected: range) -> None:
        super().__init__(place)
        self.expected = expected

    def holds(self, run: Any) -> bool:
        found, expected = self.place.look(run), self.expected
        return type(found) is range and (
            (found.start, found.stop, found.step) == (expected.start, expected.stop, expected.step)
        )

    def text(self, names: Names = PLAIN) -> str:
        return f"{self.place.text(names)} is {self.expected}"


class SameKeys(_AtPlace):
    """A dictionary has these keys, integers and strings, in this order."""

    __slots__ = ("expected", "types")

    def __init__(self, place: Place, expected: tuple) -> None:
        super().__init__(place)
        self.expected = expected
        self.types = tuple(map(type, expected))

    def holds(self, run: Any) -> bool:
        found = self.place.look(run)
        return found == self.expected and tuple(map(type, found)) == self.types

    def text(self, names: Names = PLAIN) -> str:
        return f"{self.place.text(names)} is {self.expected}"


class IsNumber(_AtPlace):
    """A float, an int, or a text is there; it becomes a number of run time, or such a text."""

    __slots__ = ("kind",)

    def __init__(self, place: Place, kind: type) -> None:
        super().__init__(place)
        self.kind = kind

    def holds(self, run: Any) -> bool:
        found = self.place.look(run)
        if type(found) is not self.kind:
            return False
        run.slots.append(found)
        return True

    def text(self, names: Names = PLAIN) -> str:
        what = "text" if self.kind is str else f"number ({name_of(self.kind)})"
        return f"{self.place.text(names)} is a {what}"


class IsObject(_AtPlace):
    """An object of a class is there; it becomes a root.

    `number` is that of the first root which is the same object: the identity partition.
    """

    __slots__ = ("kind", "number")

    def __init__(self, place: Place, kind: type, number: int) -> None:
        super().__init__(place)
        self.kind = kind
        self.number = number

    def holds(self, run: Any) -> bool:
        found = self.place.look(run)
        return type(found) is self.kind and run.take_object(found, self.number)

    def text(self, names: Names = PLAIN) -> str:
        return f"{self.place.text(names)} is a {name_of(self.kind)}"


class IsTensor(_AtPlace):
    """A tensor of a spec is there; it becomes a root. An argument's key is known to be right."""

    __slots__ = ("known", "spec")

    def __init__(self, place: Place, spec: TensorSpec, known: bool = False) -> None:
        super().__init__(place)
        self.spec = spec
        self.known = known

    def holds(self, run: Any) -> bool:
        found = self.place.look(run)
        if self.known:
            return self.spec.take_known(run, found)
        return isinstance(found, TensorCore) and self.spec.take(run, found)

    def text(self, names: Names = PLAIN) -> str:
        _, shape, _, dtype, *_ = self.spec.key
        return f"{self.place.text(names)} is a tensor {tuple(shape)} {FROM_NUMPY[dtype].name}"


class SameOutcome(Fact):
    """A function of numbers of run time, by which library code decides, gives what it gave.

    Attributes:
        function, expression: as in a `ScalarCompute`.
        operands: numbers of run time, by their slots, and known ones.
        outcome: True or False.
        question: what was asked, in words.
    """

    __slots__ = ("expression", "function", "operands", "outcome", "question")

    def __init__(
        self,
        function: Callable,
        expression: str,
        operands: list[tuple[Any, int | None]],
        outcome: bool,
        question: str,
    ) -> None:
        self.function = function
        self.expression = expression
        self.operands = operands
        self.outcome = outcome
        self.question = question

    def holds(self, run: Any) -> bool:
        slots = run.slots
        given = [each if at is None else slots[at] for each, at in self.operands]
        return self.function(*given) is self.outcome

    def text(self, names: Names = PLAIN) -> str:
        return f"{self.question} is still {self.outcome}"


_keys: Bounded[tuple, tuple] = Bounded(1 << 14)
"""One object for each key, so that equal ones are identical, as a rule."""


ORDINARY = 2
"""In the key of a tensor: it has a history that has been computed, and no hook."""


def tensor_key(tensor: Any) -> tuple:
    """Return all that a trace takes for granted of a tensor by itself."""
    array, storage = tensor._array, tensor._storage
    known = tensor._key
    if (
        known is not None
        and known[0] is array
        and known[1] is tensor._node
        and not storage.lent
        and (known[1] is None or known[1].hooks is None)
    ):
        return known[2]
    node = tensor._node if tensor._base is None else node_of(tensor)
    kind = 0 if node is None else 1 if type(node) is AccumulateGrad else ORDINARY
    if node is not None and node.hooks is not None:
        kind += 2
    key = (
        type(tensor),
        array.shape,
        array.strides,
        array.dtype,
        kind,
        array.flags.writeable,
        storage.is_foreign,
    )
    if kind < 2 and tensor._base is None and not storage.lent:
        # nobody else has the array, whose shape and flags could be changed through it
        key = _keys.get(key) or _keys.put(key, key)
        tensor._key = (array, node, key)
    return key


def address(array: np.ndarray) -> int:
    """Return where the elements begin."""
    return array.__array_interface__["data"][0]


class TensorSpec:
    """What a trace takes for granted of a root tensor, its aliases included.

    Attributes:
        key: see `tensor_key`.
        number, storage, memory: the number of the first root that is the same tensor, has the
            same storage, the same memory.
        offset: where the elements begin, in bytes from those of the first root of this memory.
    """

    __slots__ = ("key", "memory", "number", "offset", "storage")

    def __init__(self, key: tuple, number: int, storage: int, memory: int, offset: int) -> None:
        self.key = key
        self.number = number
        self.storage = storage
        self.memory = memory
        self.offset = offset

    @classmethod
    def describe(cls, run: Any, tensor: Any) -> TensorSpec:
        """Return the spec of a tensor that is to become the next root of `run`."""
        index = len(run.roots)
        memory = run.numbers.get(-id(tensor._storage.owner), index)
        offset = 0
        if memory != index:
            offset = address(tensor._array) - address(run.roots[memory]._array)
        return cls(
            tensor_key(tensor),
            run.numbers.get(id(tensor), index),
            run.numbers.get(~id(tensor._storage), index),
            memory,
            offset,
        )

    @property
    def history(self) -> int:
        """What kind of a history the tensor has, as the key tells."""
        return self.key[4]

    def take(self, run: Any, tensor: Any) -> bool:
        """Take `tensor` as the next root of `run`, if it is as the trace expects."""
        return tensor_key(tensor) == self.key and self.take_known(run, tensor)

    def take_known(self, run: Any, tensor: Any) -> bool:
        """Take a tensor whose key is known to be right."""
        roots, numbers, storage = run.roots, run.numbers, tensor._storage
        index = len(roots)
        setdefault = numbers.setdefault
        if (
            setdefault(id(tensor), index) != self.number
            or setdefault(~id(storage), index) != self.storage
            or setdefault(-id(storage.owner), index) != self.memory
        ):
            return False
        if self.memory != index and (
            address(tensor._array) - address(roots[self.memory]._array) != self.offset
        ):
            return False
        roots.append(tensor)
        run.slots.append(tensor._array)
        run.versions.append(storage.version)
        return True
