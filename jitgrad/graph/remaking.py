"""How replays make again what lives where a recording cuts: recipes of all that is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import MemberDescriptorType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.class_recipes import Beyond, Bound, Instance
from jitgrad.graph.collected import KINDS, Collected
from jitgrad.graph.contents import FILL, parts_of
from jitgrad.graph.entrance import live_registers
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.origins import (
    IDENTIFIED,
    KNOWN,
    Bounds,
    Excerpt,
    Origin,
    Parts,
    Runtime,
    TensorEntry,
    Text,
    Variable,
)
from jitgrad.graph.positions import ITERATORS, Position
from jitgrad.graph.recipes import (
    BaseOf,
    Cell,
    Closure,
    Constant,
    Container,
    Counter,
    DictView,
    Fresh,
    Library,
    Method,
    Number,
    Range,
    Recipe,
    Root,
    Selected,
)
from jitgrad.graph.recording import Recording
from jitgrad.graph.run import Run
from jitgrad.graph.segment import PathState
from jitgrad.graph.text_recipes import Written
from jitgrad.graph.turning import Turned
from jitgrad.python.frames import UNBOUND, Frame


class Unrecordable(Exception):
    """Something is live that no recipe can make again; the message says what."""


def insertion_order(values: list[Any]) -> list[Any]:
    """Return in which order a set takes up constants to have them in the order of `values`."""
    orders = itertools.permutations(values) if len(values) <= 6 else [values]
    found = next((each for each in orders if list(set(each)) == values), None)
    if found is None:
        raise Unrecordable("a set that cannot be made again in its order")
    return list(found)


class Remaking(Recording):
    """A recording that tells of each value how a replay makes it."""

    def __init__(self, run: Run, path: PathState) -> None:
        super().__init__(run, path)
        self._recipes: dict[Any, Recipe] = {}
        self._open: list[FreshObject] = []

    def recipe(self, value: Any, origin: Origin | None) -> Recipe:
        """Return how a replay makes `value`."""
        if value is UNBOUND or origin is KNOWN:
            return Constant(value)
        if isinstance(origin, Runtime):
            return Number(origin.scalar)
        if isinstance(origin, Parts):
            if type(value) is slice:
                items = (value.start, value.stop, value.step)
                return self._container(slice, items, origin.items)
            return self._container(tuple, value, origin.items)
        if isinstance(origin, Text):
            return Written(origin, tuple(self.recipe(f.value, f.origin) for f in origin.fields))
        if isinstance(origin, Bounds):
            bounds = zip((value.start, value.stop, value.step), origin.items)
            return Range(tuple(self.recipe(*each) for each in bounds))
        if origin is IDENTIFIED:
            if isinstance(value, TensorCore) and self.object(value) is None:
                return self._tensor(value)
            return self._object(value)
        raise Unrecordable(f"a value of unknown origin: {type(value).__name__}")

    def _container(self, kind: type, values: Any, origins: Any, key: Any = None) -> Recipe:
        items = tuple(self.recipe(value, origin) for value, origin in zip(values, origins))
        return Container(kind, items, key)

    def _tensor(self, tensor: Any) -> Recipe:
        entry = self.entry(tensor)
        if entry is None:
            raise Unrecordable("a tensor that does not come from this call or a guard")
        if entry.root is not None:
            return Root(entry.root)
        found = self._recipes.get(entry)
        if found is None:
            variable: Any = self.variable(tensor)
            if variable is False:
                raise Unrecordable("a tensor with a history that is not known")
            base = None
            if tensor._base is not None:
                root = self.bases.get(id(tensor._base))
                if root is not None:
                    base = BaseOf(root[1])
                elif variable is not None or self.entry(tensor._base) is not None:
                    base = self._tensor(tensor._base)
            version = self.path.writes.get(entry.storage, 0)
            memory = entry.value.memory
            if isinstance(memory, Excerpt):
                source = self._tensor(self._held(memory.source))
                found = Selected(entry, variable or None, version, base, source)
            else:
                found = Fresh(entry, variable or None, version, base)
            found.unfollowed = tensor._unfollowed
            self._recipes[entry] = found
        return found

    def _held(self, wanted: TensorEntry) -> Any:
        """Return the tensor that is known as an entry."""
        for tensor, entry in self.tensors.values():
            if entry is wanted:
                return tensor
        raise Unrecordable("a part of a tensor that is gone")

    def _object(self, obj: Any) -> Recipe:
        known = self.object(obj)
        if isinstance(known, int):
            return Root(known)
        if known is None:
            method: Any = self.methods.get(id(obj))
            if method is obj and method is not None:
                owner = method.__self__
                known_owner = KNOWN if isinstance(owner, type) else self.origin_of(owner)
                origin = self.text_methods.get(id(obj), known_owner)
                return Method(self.recipe(owner, origin), method)
            raise Unrecordable(f"an object of unknown origin: {type(obj).__name__}")
        found = self._recipes.get(known)
        if found is None:
            found = self._fresh_object(obj, known)
        return found

    def _fresh_object(self, obj: Any, known: FreshObject) -> Recipe:
        kind, origins, key = known.kind, known.origins, known.key
        if kind == "cell":
            made: Any = Cell(key)
            self._recipes[known] = made
            if origins:
                made.content = self.recipe(obj.cell_contents, origins[0])
            return made
        if kind == "function":
            made = Closure(key, obj)
            self._recipes[known] = made
            made.cells = tuple(self._object(cell) for cell in obj.__closure__ or ())
            count = len(obj.__defaults__ or ())
            made.defaults = tuple(
                self.recipe(value, origin) for value, origin in zip(obj.__defaults__ or (), origins)
            )
            made.kwdefaults = {
                name: self.recipe(value, origin)
                for (name, value), origin in zip(
                    (obj.__kwdefaults__ or {}).items(), origins[count:]
                )
            }
            if type(known.extra) is tuple:
                made.wrapped = self.recipe(*known.extra)
            for name, origin in (known.extra or {}).items() if type(known.extra) is dict else ():
                made.attributes[name] = self.recipe(obj.__dict__[name], origin)
            return made
        if kind == "counter":
            state = known.extra
            numbers = (state.current, state.origin), (state.stop, state.end), (state.step, KNOWN)
            made = Counter(key, tuple(self.recipe(*each) for each in numbers), state.exposed)
        elif kind == "turning":
            of = known.extra.parts()
            made = Turned(key, known.extra.form, tuple(self.recipe(*each) for each in of))
        elif kind in ITERATORS:
            sources = tuple(self.recipe(*source) for source in known.extra.sources)
            made = Position(key, kind, sources, known.extra.index, known.extra.start)
        elif kind in ("keys", "items", "values"):
            made = DictView(key, kind, self.recipe(known.extra, IDENTIFIED))
        elif kind == "library":
            made = Library(key, type(obj), dict(obj.__dict__))
        elif kind == "instance":
            return self._instance(obj, known)
        else:
            made = self._behind_parts(known, lambda: self._whole(obj, known))
        self._recipes[known] = made
        return made

    def _behind_parts(self, known: FreshObject, make: Callable[[], Any]) -> Any:
        """Return what is made of the recipes of parts without which an object cannot be there."""
        if known in self._open:
            raise Unrecordable(f"a {known.kind} that contains itself")
        self._open.append(known)
        try:
            return make()
        finally:
            self._open.remove(known)

    def _whole(self, obj: Any, known: FreshObject) -> Recipe:
        """Return how an object is made that cannot be there before its parts."""
        kind, origins, key = known.kind, known.origins, known.key
        if kind in ("super", "slot"):
            *kinds, owner, origin = known.extra
            descriptor = kinds.pop() if kind == "slot" else None
            return Beyond(key, tuple(kinds), descriptor, self.recipe(owner, origin))
        if kind == "partial":
            values = (obj.func, *obj.args, *obj.keywords.values())
            function, *rest = map(self.recipe, values, origins)
            named = dict(zip(obj.keywords, rest[len(obj.args) :]))
            return Bound(key, function, tuple(rest[: len(obj.args)]), named)
        values = [part for pair in obj.items() for part in pair] if kind == "dict" else list(obj)
        if kind == "set":
            values = insertion_order(values)
        if type(obj) not in KINDS:
            return self._container(type(obj), values, origins, key)
        items = tuple(map(self.recipe, values, origins))
        given = None if known.extra is None else self.recipe(*known.extra)
        return Collected(type(obj), items, key, given)

    def _instance(self, obj: Any, known: FreshObject) -> Recipe:
        kind = type(obj)
        found = {name: lookups.type_lookup(kind, name) for name in known.extra}
        slots = {n: each for n, each in found.items() if isinstance(each, MemberDescriptorType)}
        made = Instance(known.key, kind, slots)

        def content() -> tuple[Recipe, ...]:
            return tuple(map(self.recipe, parts_of(obj), known.origins))

        if made.base in FILL:
            self._recipes[known] = made
            made.content = content()
        else:
            made.content = self._behind_parts(known, content)
            self._recipes[known] = made
        for name, origin in known.extra.items():
            made.attributes[name] = self.recipe(lookups.static_lookup(obj, name), origin)
        return made

    def registers(self, frame: Frame) -> dict[int, Recipe]:
        """Return the recipes of what a frame will still read."""
        return {
            register: self.recipe(frame.values[register], frame.origins[register])
            for register in live_registers(frame)
        }

    def histories(self) -> list[Variable]:
        """Return those of the tensors that recipes made so far make, or that have changed."""
        made = (each.variable for each in self._recipes.values() if isinstance(each, Fresh))
        return [*(each for each in made if each is not None), *self.path.rebased.values()]

    def kept_tensors(self) -> list[Recipe]:
        """Return the recipes of tensors stored outside whose histories are still to be made."""
        wanted = {entry for entries in self.path.kept.values() for entry in entries}
        if not wanted:
            return []
        found = {entry: tensor for tensor, entry in self.tensors.values() if entry in wanted}
        return [self._tensor(tensor) for tensor in found.values()]
