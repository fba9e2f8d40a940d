"""How a replay makes objects of users' classes, and what is bound to them."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

from jitgrad.graph.contents import FILL, content_class
from jitgrad.graph.recipes import Recipe


class Instance(Recipe):
    """An object of a class written in Python, with its attributes; they may lead back to it.

    Attributes:
        attributes: by name, in their order.
        slots: the descriptors of those that are not in its `__dict__`.
        base: the built-in class that its class is derived from.
        content: what it holds as an object of that class; of a dict keys and values in turn.
    """

    __slots__ = ("attributes", "base", "content", "key", "kind", "slots")

    def __init__(self, key: Any, kind: type, slots: dict[str, Any]) -> None:
        self.key = key
        self.kind = kind
        self.attributes: dict[str, Recipe] = {}
        self.slots = slots
        self.base: Any = content_class(kind)
        self.content: tuple[Recipe, ...] = ()

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            # whatever `__new__` the class has: it made the object in the recording
            if self.base in FILL:
                made = run.made[self.key] = self.base.__new__(self.kind)
                FILL[self.base](made, [each.build(run) for each in self.content])
            elif self.base is not None:
                content = [each.build(run) for each in self.content]
                given = content if self.base is tuple else content[0]
                made = run.made[self.key] = self.base.__new__(self.kind, given)
            else:
                kind: Any = SimpleNamespace if self.kind is SimpleNamespace else object
                made = run.made[self.key] = kind.__new__(self.kind)
            for name, each in self.attributes.items():
                value = each.build(run)
                if name in self.slots:
                    self.slots[name].__set__(made, value)
                else:
                    made.__dict__[name] = value
            origins = {name: each.origin for name, each in self.attributes.items()}
            content = [each.origin for each in self.content]
            run.register(made, self.key, content, origins, "instance")
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return (*self.content, *self.attributes.values())


class Beyond(Recipe):
    """What `super()` returns, or a method of `object` found there.

    Attributes:
        kinds: the two classes of a `super()`, empty for a method.
        descriptor: of the method, None for a `super()`.
        owner: makes the object.
    """

    __slots__ = ("descriptor", "key", "kinds", "owner")

    def __init__(self, key: Any, kinds: tuple, descriptor: Any, owner: Recipe) -> None:
        self.key = key
        self.kinds = kinds
        self.descriptor = descriptor
        self.owner = owner

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            owner, origin = self.owner.build(run), self.owner.origin
            if self.descriptor is None:
                made, kind = super(self.kinds[0], owner), "super"
            else:
                made, kind = self.descriptor.__get__(owner), "slot"
            run.made[self.key] = made
            known = self.kinds or (self.descriptor,)
            run.register(made, self.key, [], (*known, owner, origin), kind)
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return (self.owner,)


class Bound(Recipe):
    """A `functools.partial` made in the call."""

    __slots__ = ("arguments", "function", "key", "named")

    def __init__(
        self, key: Any, function: Recipe, arguments: tuple[Recipe, ...], named: dict[str, Recipe]
    ) -> None:
        self.key = key
        self.function = function
        self.arguments = arguments
        self.named = named

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            function = self.function.build(run)
            arguments = [each.build(run) for each in self.arguments]
            named = {name: each.build(run) for name, each in self.named.items()}
            made = run.made[self.key] = functools.partial(function, *arguments, **named)
            origins = [each.origin for each in self.parts()]
            run.register(made, self.key, origins, None, "partial")
        return made

    def parts(self) -> tuple[Recipe, ...]:
        return (self.function, *self.arguments, *self.named.values())
