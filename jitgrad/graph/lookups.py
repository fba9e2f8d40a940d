"""Where the world outside is looked at: globals, cells, attributes, items.

To look never runs user code: it reads dictionaries, type slots and exact built-in containers only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from types import BuiltinFunctionType, CellType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any, Final


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What is found where nothing is."""


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


def name_of(obj: Any) -> str:
    """Return what a function, class, module or other object is called, without running user code.

    What has no name is an object of its class.
    """
    if isinstance(obj, type):
        return type.__dict__["__name__"].__get__(obj)
    if isinstance(obj, CellType):
        return "a variable"
    found = static_lookup(obj, "_name_" if isinstance(obj, Enum) else "__name__")
    if isinstance(obj, (FunctionType, BuiltinFunctionType)):
        found = obj.__name__
    return found if type(found) is str else "a " + type.__dict__["__name__"].__get__(type(obj))


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


def read_descriptor(cls: type, name: str) -> Any:
    """Return what a class has that decides about an attribute of its instances before they do."""
    found = type_lookup(cls, name)
    kind = type(found)
    decides = found is not ABSENT and (hasattr(kind, "__set__") or hasattr(kind, "__delete__"))
    return found if decides else ABSENT


def read_own(cls: type, name: str) -> Any:
    """Return what a class itself has, without its bases."""
    return cls.__dict__.get(name, ABSENT)


def read_order(cls: type, _name: Any) -> tuple:
    """Return the method resolution order of a class."""
    return cls.__mro__


def read_handled(_base: Any, _name: Any) -> BaseException | None:
    """Return the exception that is being handled where the call comes from, None if none is."""
    return sys.exc_info()[1]


def read_name(cls: type, name: str) -> str:
    """Return the `__name__` or `__qualname__` of a class."""
    return getattr(cls, name)


def read_element(record: Any, index: int) -> Any:
    """Return an element of a tuple, whatever its class."""
    return tuple.__getitem__(record, index)


def read_size(record: Any, _key: Any) -> int:
    """Return the length of a tuple, whatever its class."""
    return tuple.__len__(record)


def read_part(partial: Any, name: str) -> Any:
    """Return what a `functools.partial` is made of."""
    return getattr(partial, name)


def read_item(container: Any, key: Any) -> Any:
    """Return an item of a list, tuple or dict."""
    if isinstance(container, dict):
        # a defaultdict's own way would make the item
        return dict.get(container, key, ABSENT)
    try:
        return container[key]
    except IndexError:
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


def read_dispatched(function: Any, cls: type) -> Any:
    """Return which function a `functools.singledispatch` calls for objects of a class."""
    return function.dispatch(cls)


def read_grad(tensor: Any, _key: Any) -> Any:
    """Return `.grad` of a tensor."""
    return tensor._grad


def read_is_whole(tensor: Any, _key: Any) -> Any:
    """Does autograd follow changes in place of a tensor, and is it no view of another one?"""
    return tensor._base is None and not tensor._unfollowed


FUNCTION_NAMES: Final = ("__doc__", "__module__", "__name__", "__qualname__")


def read_function_attribute(function: Any, name: str) -> Any:
    """Return what a function is called, or what was stored on it."""
    if name in FUNCTION_NAMES:
        return getattr(function, name)
    return function.__dict__.get(name, ABSENT)


def read_code(function: Any, _key: Any) -> Any:
    """Return the code of a function."""
    return function.__code__


def read_globals(function: Any, _key: Any) -> Any:
    """Return the globals of a function."""
    return function.__globals__


def read_closure(function: Any, index: int) -> Any:
    """Return a closure cell of a function."""
    return function.__closure__[index]


def read_function(method: Any, _key: Any) -> Any:
    """Return the function of a bound method."""
    return method.__func__


def read_method_name(function: Any, _key: Any) -> Any:
    """Return the name of a function or method."""
    return function.__name__


def read_owner(method: Any, _key: Any) -> Any:
    """Return the object that a method is bound to."""
    return method.__self__


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


class Names:
    """What places are called: by their numbers here, by names of the source in `naming`."""

    def argument(self, number: int) -> str:
        """Return the name of an argument."""
        return f"argument {number}"

    def root(self, number: int) -> str:
        """Return the name of a root."""
        return f"root {number}"


PLAIN: Final = Names()

PATTERNS: Final = {
    read_function_attribute: "{0}.{1}",
    read_cell: "what is in {0}",
    read_class: "class {0}.{1}",
    read_code: "the code of {0}",
    read_descriptor: "the descriptor {0}.{1}",
    read_element: "{0}[{1!r}]",
    read_global: "global {1}",
    read_globals: "the module of {0}",
    read_handled: "the exception that is being handled outside",
    read_is_whole: "{0} is no view",
    read_item: "{0}[{1!r}]",
    read_keys: "keys of {0}",
    read_length: "len({0})",
    read_order: "the bases of {0}",
    read_owner: "the object of {0}",
    read_presence: "({1!r} in {0})",
    read_size: "len({0})",
}
"""How places are written, by reader: with the base and the key."""


def place_text(read: Callable, base: str, key: Any) -> str:
    """Return what a reader finds, in words."""
    pattern = PATTERNS.get(read)
    if pattern is not None:
        return pattern.format(base, key)
    return f"{base}.{key}" if key else f"{base} ({read.__name__})"


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

    def text(self, names: Names) -> str:
        """Return the place in words."""
        base = names.root(self.base) if self.is_root else name_of(self.base)
        key = self.key
        return place_text(self.read, base, names.root(key.number) if type(key) is RootKey else key)

    def __str__(self) -> str:
        return self.text(PLAIN)


class Argument(Place):
    """An argument of the call, by its number."""

    __slots__ = ()

    def __init__(self, number: int) -> None:
        super().__init__(read_item, None, False, number)

    def look(self, run: Any) -> Any:
        return run.arguments[self.key]

    def text(self, names: Names) -> str:
        return names.argument(self.key)
