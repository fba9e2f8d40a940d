"""Where values come from: what the recorder keeps beside each register.

Tensors and mutable objects have an identity, and are looked up by it (`IDENTIFIED`). Numbers and
tuples have none, so their origin says it all. None means that nothing is known: a recording ends
before it meets such a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.topological import inputs_first


class Origin:
    """What is known of where a value comes from."""

    __slots__ = ()


class _Marker(Origin):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


KNOWN: Final = _Marker("KNOWN")
"""The value itself, in every replay: a literal, or what a guard makes sure of."""
IDENTIFIED: Final = _Marker("IDENTIFIED")
"""A tensor or an object that the recorder knows by identity."""


class Runtime(Origin):
    """A number that each replay computes or reads anew."""

    __slots__ = ("scalar",)

    def __init__(self, scalar: Scalar) -> None:
        self.scalar = scalar


class Parts(Origin):
    """A tuple or slice made of parts with origins of their own."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Origin, ...]) -> None:
        self.items = items


class Bounds(Origin):
    """A range: of its start, stop and step at least one is a number of run time."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Origin, ...]) -> None:
        self.items = items


class Field:
    """A text that a function makes of one value.

    Attributes:
        function: the function; it never raises on such a value, and looks at nothing else.
        shown: the call as an expression, with `{0}` for the value.
        value, origin: the value as it was in the recording, which counts where it is known.
    """

    __slots__ = ("function", "origin", "shown", "value")

    def __init__(self, function: Callable[[Any], str], shown: str, value: Any, origin: Origin):
        self.function = function
        self.shown = shown
        self.value = value
        self.origin = origin


class Text(Origin):
    """A text in which numbers of run time are written; a replay makes it where it is seen.

    Attributes:
        pieces: what it is put together of, known texts and fields.
    """

    __slots__ = ("pieces",)

    def __init__(self, pieces: tuple[str | Field, ...]) -> None:
        self.pieces = pieces

    @property
    def fields(self) -> list[Field]:
        """What is written in it, in order."""
        return [each for each in self.pieces if not isinstance(each, str)]

    @property
    def is_filled(self) -> bool:
        """Is it certain that it is not empty?"""
        return any(isinstance(each, str) and each for each in self.pieces)


def parts(items: Any) -> Origin:
    """Return the origin of a tuple (or slice) whose items have these origins."""
    items = tuple(items)
    return KNOWN if all(each is KNOWN for each in items) else Parts(items)


class StorageEntry:
    """A storage of the trace: a memory with a version counter.

    Attributes:
        memory: its memory; storages made by `.data` share one.
        root: the number of the root tensor that brought it, None if made by the trace.
        sibling: for one made by `.data`, the storage whose memory it shares.
        first: of one made by the trace, the value that has introduced the memory.
    """

    __slots__ = ("first", "memory", "root", "sibling")

    def __init__(
        self,
        memory: Memory,
        root: int | None,
        sibling: StorageEntry | None = None,
        first: Value | None = None,
    ) -> None:
        self.memory = memory
        self.root = root
        self.sibling = sibling
        self.first = first


class TensorEntry:
    """A tensor object of the trace.

    Attributes:
        value: the region that it shows.
        root: its number among the roots, None if made by the trace.
        storage: its storage.
        base: for a view that autograd follows, the entry of the tensor whose memory it shows.
    """

    __slots__ = ("base", "root", "storage", "value")

    def __init__(
        self,
        value: Value,
        root: int | None,
        storage: StorageEntry,
        base: TensorEntry | None = None,
    ) -> None:
        self.value = value
        self.root = root
        self.storage = storage
        self.base = base


class Excerpt(Memory):
    """Stands for a part of the memory of a tensor, at a place that is known at run time.

    The tensors that show it are views of that tensor. A trace computes with a copy of its elements,
    which lies as the part does, and is made anew where it is read behind a write to that tensor.

    Attributes:
        source: the tensor.
        number, distance: the part begins this number of times the distance, in elements, behind
            the first element of `source`.
        whole: the memory that it is a part of.
        shown: the value that has all its elements.
    """

    __slots__ = ("distance", "number", "shown", "source", "whole")

    shown: Value

    def __init__(self, source: TensorEntry, number: Scalar, distance: int) -> None:
        super().__init__("excerpt")
        self.source = source
        self.number = number
        self.distance = distance
        held = source.value.memory
        self.whole: Memory = held.whole if isinstance(held, Excerpt) else held


class Variable:
    """A tensor as autograd sees it: one node of a history.

    Attributes:
        root: the number of the root tensor whose history it is, or None.
        history: how the trace made it, or None for a root.
    """

    __slots__ = ("history", "root")

    def __init__(self, root: int | None = None, history: History | None = None) -> None:
        self.root = root
        self.history = history


class SavedValue:
    """A value that eager keeps for the backward pass, with the version of its storage."""

    __slots__ = ("storage", "value", "version")

    def __init__(self, value: Value, storage: StorageEntry, version: int) -> None:
        self.value = value
        self.storage = storage
        self.version = version


class History:
    """The node of a recorded primitive: all that is needed to make it again.

    Attributes:
        primitive, params, shapes: as in the node.
        edges: the variables of the inputs, None where no gradient flows.
        inputs: for each input a `SavedValue`, a `Spec`, a number or a `Scalar`.
        out: the saved output, if it is saved.
    """

    __slots__ = ("edges", "inputs", "out", "params", "primitive", "shapes")

    def __init__(self, primitive: Any, params: dict, shapes: Any, edges: tuple, inputs: tuple):
        self.primitive = primitive
        self.params = params
        self.shapes = shapes
        self.edges = edges
        self.inputs = inputs
        self.out: SavedValue | None = None

    def saved(self) -> list[SavedValue]:
        """Return what is saved."""
        found = [each for each in self.inputs if isinstance(each, SavedValue)]
        return found if self.out is None else [*found, self.out]


def ancestors(variables: Any) -> list[Variable]:
    """Return `variables` and all that their histories reach, results before their inputs."""
    return inputs_first(variables, _edges_of)[::-1]


def _edges_of(variable: Variable) -> Iterable[Variable | None]:
    return () if variable.history is None else variable.history.edges
