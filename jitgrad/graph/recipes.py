"""How a replay makes the Python objects that somebody is to see: results, stores, frames."""

from __future__ import annotations

import functools
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from jitgrad.graph.contents import native_class
from jitgrad.graph.ir import Scalar
from jitgrad.graph.origins import (
    IDENTIFIED,
    KNOWN,
    Bounds,
    Excerpt,
    Origin,
    Parts,
    Runtime,
    TensorEntry,
    Variable,
)
from jitgrad.kernels.layout import view_of


class Recipe:
    """Makes one object from the state of a run; each object once."""

    __slots__ = ()

    origin: Origin = IDENTIFIED

    def build(self, run: Any) -> Any:
        """Return the object."""
        raise NotImplementedError

    def parts(self) -> tuple[Recipe, ...]:
        """Return the recipes that this one uses."""
        return ()


class Constant(Recipe):
    """The same object always."""

    __slots__ = ("value",)

    origin = KNOWN

    def __init__(self, value: Any) -> None:
        self.value = value

    def build(self, run: Any) -> Any:
        return self.value


class Number(Recipe):
    """A number of run time."""

    __slots__ = ("origin", "scalar", "slot")

    def __init__(self, scalar: Scalar) -> None:
        self.scalar = scalar
        self.slot = -1
        self.origin = Runtime(scalar)

    def build(self, run: Any) -> Any:
        return run.slots[self.slot]


class Root(Recipe):
    """An object that came from outside: an argument, or something read from somewhere."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def build(self, run: Any) -> Any:
        return run.roots[self.index]


class BaseOf(Recipe):
    """What a view of a root tensor is a view of: the root, or what the root is a view of."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def build(self, run: Any) -> Any:
        root = run.roots[self.index]
        return root if root._base is None else root._base


class Fresh(Recipe):
    """A tensor that the trace made.

    Attributes:
        entry: the tensor.
        variable: its history at this point, None without.
        version: the writes to its storage so far.
        base: the recipe of the tensor that it is a view of.
        unfollowed: why autograd does not follow its changes in place, see `TensorCore`.
    """

    __slots__ = ("base", "entry", "slot", "unfollowed", "variable", "version")

    def __init__(
        self, entry: TensorEntry, variable: Variable | None, version: int, base: Recipe | None
    ) -> None:
        self.entry = entry
        self.variable = variable
        self.version = version
        self.base = base
        self.slot = -1
        self.unfollowed: str | bool = False

    def build(self, run: Any) -> Any:
        return run.fresh_tensor(self)

    def array(self, run: Any) -> Any:
        """Return its elements."""
        return run.slots[self.slot]

    def parts(self) -> tuple[Recipe, ...]:
        return () if self.base is None else (self.base,)


class Selected(Fresh):
    """A tensor that the trace made, and that shows an excerpt.

    Attributes:
        source: the recipe of the tensor that the excerpt is from.
        number: that of the number by which it is found there.
    """

    __slots__ = ("number", "source")

    def __init__(
        self,
        entry: TensorEntry,
        variable: Variable | None,
        version: int,
        base: Recipe | None,
        source: Recipe,
    ) -> None:
        super().__init__(entry, variable, version, base)
        self.source = source
        self.number = Number(entry.value.memory.number)  # type: ignore[attr-defined]

    def array(self, run: Any) -> Any:
        value = self.entry.value
        memory = value.memory
        assert isinstance(memory, Excerpt)
        offset = self.number.build(run) * memory.distance + value.offset
        size = value.dtype.itemsize
        strides = tuple(stride * size for stride in value.strides)
        source = self.source.build(run)._array
        return view_of(source, (value.shape, value.dtype, strides, offset * size))

    def parts(self) -> tuple[Recipe, ...]:
        return (*super().parts(), self.source, self.number)


class Container(Recipe):
    """A tuple or slice (which have no identity of their own) or a list, dict or set."""

    __slots__ = ("items", "key", "kind", "origin")

    def __init__(self, kind: type, items: tuple[Recipe, ...], key: Any) -> None:
        self.kind = kind
        self.items = items
        self.key = key
        unidentified = kind in (tuple, slice)
        self.origin = Parts(tuple(each.origin for each in items)) if unidentified else IDENTIFIED

    def build(self, run: Any) -> Any:
        if self.kind is tuple:
            return tuple(each.build(run) for each in self.items)
        if self.kind is slice:
            return slice(*(each.build(run) for each in self.items))
        made = run.made.get(self.key)
        if made is None:
            made = run.made[self.key] = self.kind()
            items = [each.build(run) for each in self.items]
            if self.kind is list:
                made.extend(items)
            elif self.kind is dict:
                made.update(zip(items[::2], items[1::2]))
            else:
                made.update(items)
            run.register(made, self.key, [each.origin for each in self.items])
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return self.items


class Cell(Recipe):
    """A closure cell; empty without content."""

    __slots__ = ("content", "key")

    def __init__(self, key: Any) -> None:
        self.key = key
        self.content: Recipe | None = None

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            made = run.made[self.key] = CellType()
            origins: list = []
            if self.content is not None:
                made.cell_contents = self.content.build(run)
                origins.append(self.content.origin)
            run.register(made, self.key, origins)
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return () if self.content is None else (self.content,)


class Closure(Recipe):
    """A function made in the call."""

    __slots__ = (
        "annotations", "attributes", "cells", "code", "defaults", "globals", "key", "kwdefaults",
        "name", "wrapped",
    )  # fmt: skip

    def __init__(self, key: Any, function: FunctionType) -> None:
        self.key = key
        self.code: CodeType = function.__code__
        self.globals = function.__globals__
        self.name = function.__qualname__
        self.annotations = function.__annotations__
        self.cells: tuple[Recipe, ...] = ()
        self.defaults: tuple[Recipe, ...] = ()
        self.kwdefaults: dict[str, Recipe] = {}
        self.wrapped: Recipe | None = None
        self.attributes: dict[str, Recipe] = {}

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            cells = tuple(each.build(run) for each in self.cells)
            made = FunctionType(self.code, self.globals, self.code.co_name, None, cells or None)
            run.made[self.key] = made
            made.__qualname__ = self.name
            made.__annotations__ = self.annotations
            if self.defaults:
                made.__defaults__ = tuple(each.build(run) for each in self.defaults)
            if self.kwdefaults:
                made.__kwdefaults__ = {n: each.build(run) for n, each in self.kwdefaults.items()}
            extra: Any = None
            if self.wrapped is not None:
                extra = self.wrapped.build(run), self.wrapped.origin
                functools.update_wrapper(made, extra[0])
            elif self.attributes:
                made.__dict__.update((n, each.build(run)) for n, each in self.attributes.items())
                extra = {name: each.origin for name, each in self.attributes.items()}
            origins = [each.origin for each in (*self.defaults, *self.kwdefaults.values())]
            run.register(made, self.key, origins, extra)
        return made

    def parts(self) -> tuple[Recipe, ...]:
        wrapped = () if self.wrapped is None else (self.wrapped,)
        named = (*self.kwdefaults.values(), *self.attributes.values())
        return (*self.cells, *self.defaults, *named, *wrapped)


class Method(Recipe):
    """A bound method: of a function, or of a built-in type by its name."""

    __slots__ = ("function", "name", "owner")

    def __init__(self, owner: Recipe, method: Any) -> None:
        self.owner = owner
        self.function = method.__func__ if isinstance(method, MethodType) else None
        self.name: str = method.__name__

    def build(self, run: Any) -> Any:
        owner = self.owner.build(run)
        # a function's own name may be another than the attribute's
        function = self.function
        if function is None:
            kind = type(owner)
            made = getattr(native_class(kind), self.name).__get__(owner, kind)
        else:
            made = MethodType(function, owner)
        run.register_method(made, self.owner.origin)
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return (self.owner,)


class Counting:
    """How far an iterator over a range has come.

    Attributes:
        current, origin: the number that comes next.
        stop, end: the number that it counts to, with its origin.
        step: always known.
        exposed: Python code has had the iterator itself in its hands.
        turns: how often a recording has advanced it.
    """

    __slots__ = ("current", "end", "exposed", "origin", "step", "stop", "turns")

    def __init__(
        self, current: int, origin: Any, stop: int, end: Any, step: int, exposed: bool
    ) -> None:
        self.current = current
        self.origin = origin
        self.stop = stop
        self.end = end
        self.step = step
        self.exposed = exposed
        self.turns = 0

    @property
    def is_known(self) -> bool:
        """Is everything about it known?"""
        return self.origin is KNOWN and self.end is KNOWN


class Range(Recipe):
    """A range with bounds of run time."""

    __slots__ = ("bounds", "origin")

    def __init__(self, bounds: tuple[Recipe, ...]) -> None:
        self.bounds = bounds
        self.origin = Bounds(tuple(each.origin for each in bounds))

    def build(self, run: Any) -> Any:
        return range(*(each.build(run) for each in self.bounds))

    def parts(self) -> tuple[Recipe, ...]:
        return self.bounds


class Counter(Recipe):
    """An iterator over a range, made of the numbers that it has still before it."""

    __slots__ = ("bounds", "exposed", "key")

    def __init__(self, key: Any, bounds: tuple[Recipe, ...], exposed: bool) -> None:
        self.key = key
        self.bounds = bounds
        self.exposed = exposed

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            current, stop, step = (each.build(run) for each in self.bounds)
            made = run.made[self.key] = iter(range(current, stop, step))
            first, last, _ = (each.origin for each in self.bounds)
            state = Counting(current, first, stop, last, step, self.exposed)
            run.register(made, self.key, [], state, "counter")
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return self.bounds


class DictView(Recipe):
    """The keys, items or values of a dict made in the call."""

    __slots__ = ("key", "kind", "owner")

    def __init__(self, key: Any, kind: str, owner: Recipe) -> None:
        self.key = key
        self.kind = kind
        self.owner = owner

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            owner = self.owner.build(run)
            view = getattr(native_class(type(owner)), self.kind)
            made = run.made[self.key] = view(owner)
            run.register(made, self.key, [], owner, self.kind)
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return (self.owner,)


class Library(Recipe):
    """An object of one of the library's own simple classes, such as a `no_grad` block."""

    __slots__ = ("key", "kind", "state")

    def __init__(self, key: Any, kind: type, state: dict[str, Any]) -> None:
        self.key = key
        self.kind = kind
        self.state = state

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            made = run.made[self.key] = object.__new__(self.kind)
            made.__dict__.update(self.state)
            run.register(made, self.key, [])
        return made


def walk(recipes: Any) -> list[Recipe]:
    """Return `recipes` and all recipes that they use, each once."""
    found: dict[int, Recipe] = {}
    stack = list(recipes)
    while stack:
        recipe = stack.pop()
        if id(recipe) not in found:
            found[id(recipe)] = recipe
            stack.extend(recipe.parts())
    return list(found.values())
