"""What a segment takes for granted of the world outside, checked before it runs.

A fact reads one place (a global, a cell, an attribute, an item), compares what is there with what
the recording found, and puts what is needed of it into the state of the run. Facts never run user
code: they look into dictionaries, type slots and exact built-in containers only.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MemberDescriptorType, ModuleType
from typing import Any, Final

import numpy as np

from jitgrad.dispatch import TensorCore, node_of
from jitgrad.node import AccumulateGrad


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What is found where nothing is."""

Fact = Callable[[Any], bool]


def static_lookup(obj: Any, name: str) -> Any:
    """Return what `obj.name` rests on, without running user code: from the instance or its type.

    ABSENT if there is nothing. Slots are read; other descriptors are returned as they are.
    """
    on_type = type_lookup(type(obj), name)
    if isinstance(on_type, MemberDescriptorType):
        try:
            return on_type.__get__(obj)
        except AttributeError:
            return ABSENT
    if on_type is not ABSENT and hasattr(type(on_type), "__set__"):
        return on_type
    instance = getattr(obj, "__dict__", None)
    if type(instance) is dict and name in instance:
        return instance[name]
    return on_type


def type_lookup(cls: type, name: str) -> Any:
    """Return the attribute `name` of a class, found along its method resolution order."""
    for each in cls.__mro__:
        found = each.__dict__.get(name, ABSENT)
        if found is not ABSENT:
            return found
    return ABSENT


def read_global(base: Any, name: Any) -> Any:
    """Return a global of the namespaces `base` (globals, builtins)."""
    found = base[0].get(name, ABSENT)
    return base[1].get(name, ABSENT) if found is ABSENT else found


def read_cell(cell: Any, _name: Any) -> Any:
    """Return the content of a cell."""
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def read_module(module: ModuleType, name: str) -> Any:
    """Return a variable of a module."""
    return module.__dict__.get(name, ABSENT)


def read_class(cls: type, name: str) -> Any:
    """Return a class attribute, unbound."""
    return type_lookup(cls, name)


def read_item(container: Any, key: Any) -> Any:
    """Return an item of an exact list, tuple or dict."""
    try:
        return container[key]
    except (KeyError, IndexError):
        return ABSENT


def read_presence(container: Any, key: Any) -> Any:
    """Return whether an exact dict has a key."""
    return key in container


def read_keys(container: Any, _key: Any) -> tuple:
    """Return the keys of an exact dict in their order."""
    return tuple(container)


def read_length(container: Any, _key: Any) -> Any:
    """Return the length of an exact built-in container."""
    return len(container)


def read_grad(tensor: Any, _key: Any) -> Any:
    """Return `.grad` of a tensor."""
    return tensor._grad


def read_code(function: Any, _key: Any) -> Any:
    """Return the code of a function."""
    return function.__code__


def read_positional_default(function: Any, index: int) -> Any:
    """Return a default of a function."""
    return read_item(function.__defaults__ or (), index)


def read_keyword_default(function: Any, name: str) -> Any:
    """Return a keyword-only default of a function."""
    return (function.__kwdefaults__ or {}).get(name, ABSENT)


class RootKey:
    """The key of a place that is a root of the run, such as a parameter in an optimizer's state."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RootKey) and other.number == self.number

    def __hash__(self) -> int:
        return hash((RootKey, self.number))

    def __repr__(self) -> str:
        return f"root {self.number}"


class Place:
    """Where a fact looks: in a constant object, or in a root of the run.

    Attributes:
        read: one of the readers above.
        base: the constant object, or the number of a root.
        key: the name, index or key, or the root that is the key.
    """

    __slots__ = ("base", "is_root", "key", "read")

    def __init__(self, read: Callable, base: Any, is_root: bool, key: Any) -> None:
        self.read = read
        self.base = base
        self.is_root = is_root
        self.key = key

    def identity(self) -> Any:
        """Return what makes two places the same."""
        base = self.base if self.is_root else id(self.base)
        if self.read is read_global:
            base = tuple(map(id, self.base))
        return (self.read, self.is_root, base, type(self.key), self.key)

    def look(self, run: Any) -> Any:
        """Return what is there now."""
        key = self.key
        if type(key) is RootKey:
            key = run.roots[key.number]
        return self.read(run.roots[self.base] if self.is_root else self.base, key)

    def __str__(self) -> str:
        key = getattr(self.key, "__name__", self.key)
        if self.read is read_global:
            return f"global {key}"
        base = f"root {self.base}" if self.is_root else getattr(self.base, "__name__", "cell")
        if self.read is read_presence:
            return f"({key!r} in {base})"
        if self.read is read_item:
            return f"{base}[{key!r}]"
        return f"{base}.{key}" if key else f"{base} ({self.read.__name__})"


def same_object(place: Place, expected: Any) -> Fact:
    """Return the fact that this very object is there."""
    return lambda run: place.look(run) is expected


def same_value(place: Place, expected: Any) -> Fact:
    """Return the fact that an equal value of the same type is there."""
    kind = type(expected)

    def fact(run: Any) -> bool:
        found = place.look(run)
        return type(found) is kind and found == expected

    return fact


def same_keys(place: Place, expected: tuple) -> Fact:
    """Return the fact that a dictionary has these keys, integers and strings, in this order."""
    types = tuple(map(type, expected))

    def fact(run: Any) -> bool:
        found = place.look(run)
        return found == expected and tuple(map(type, found)) == types

    return fact


def is_number(place: Place) -> Fact:
    """Return the fact that a float is there, and take it as a number of run time."""

    def fact(run: Any) -> bool:
        found = place.look(run)
        if type(found) is not float:
            return False
        run.slots.append(found)
        return True

    return fact


def is_object(place: Place, kind: type, number: int) -> Fact:
    """Return the fact that an object of class `kind` is there, and take it as a root.

    `number` is that of the first root which is the same object: the identity partition.
    """

    def fact(run: Any) -> bool:
        found = place.look(run)
        return type(found) is kind and run.take_object(found, number)

    return fact


def is_tensor(place: Place, spec: TensorSpec) -> Fact:
    """Return the fact that a tensor of this spec is there, and take it as a root."""

    def fact(run: Any) -> bool:
        found = place.look(run)
        return isinstance(found, TensorCore) and spec.take(run, found)

    return fact


def tensor_key(tensor: Any) -> tuple:
    """Return all that a trace takes for granted of a tensor by itself."""
    array = tensor._array
    node = tensor._node if tensor._base is None else node_of(tensor)
    kind = 0 if node is None else 1 if type(node) is AccumulateGrad else 2
    if node is not None and node.hooks is not None:
        kind += 2
    return (
        type(tensor),
        array.shape,
        array.strides,
        array.dtype,
        kind,
        array.flags.writeable,
        tensor._storage.is_foreign,
    )


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
        memory = run.numbers.get(id(tensor._storage.owner), index)
        offset = 0
        if memory != index:
            offset = address(tensor._array) - address(run.roots[memory]._array)
        return cls(
            tensor_key(tensor),
            run.numbers.get(id(tensor), index),
            run.numbers.get(id(tensor._storage), index),
            memory,
            offset,
        )

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
            or setdefault(id(storage), index) != self.storage
            or setdefault(id(storage.owner), index) != self.memory
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
