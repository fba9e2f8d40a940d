"""Stores to attributes: of instances, from outside and made in the call, and of classes.

What the call made may be stored outside. Then it is built by the effect, at the end of the segment,
which therefore ends at once; from there on it is an object from outside, whose content is known.
Tensors with a history are stored without it: nobody looks before the call ends, or hands over,
which is when their histories are made, as those of its results are.
"""

from __future__ import annotations

from types import FunctionType, MemberDescriptorType, MethodType
from typing import Any, NamedTuple

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.contents import content_class, parts_of
from jitgrad.graph.instances import (
    DELETES,
    METACLASSES,
    STORES,
    InstanceRules,
)
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.objects import REGISTRY
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin, Parts, Runtime, Text
from jitgrad.graph.recipes import Fresh, Recipe, walk
from jitgrad.graph.remaking import Unrecordable
from jitgrad.python.code import Op
from jitgrad.python.steps import WRITING


class Waiting(NamedTuple):
    """A method that performs a store, still to be called."""

    method: Any
    args: list
    origins: list


class Shown(NamedTuple):
    """An effect that does `act(run, values)` with what each replay makes for it.

    Attributes:
        recipes: of the values.
        numbers: for objects made in the call, which become roots, their keys and numbers.
    """

    act: Any
    recipes: tuple[Recipe, ...]
    numbers: list[tuple[Any, int]]

    def __call__(self, run: Any) -> None:
        made = [each.build(run) for each in self.recipes]
        for key, number in self.numbers:
            run.take_object(run.made[key], number)
        self.act(run, made)


ESCAPING = ("list", "dict", "instance")
"""Kinds of objects made in the call that may be stored outside."""


class StoreRules(InstanceRules):
    """What assignments to attributes do."""

    def store_attribute(self, obj: Any, oo: Any, name: str, value: Any, origin: Any) -> Any:
        """Perform `obj.name = value`.

        Returns:
            None where it is done, what is to be called for it, or False if there is no rule.
        """
        if isinstance(obj, type) and oo is KNOWN:
            return self._store_in_class(obj, name, value, origin)
        kind = type(obj)
        fresh = self.instance(obj)
        if fresh is None and not isinstance(self.object(obj), int):
            return False
        setter = lookups.type_lookup(kind, "__setattr__")
        if setter not in STORES:
            if self._registers(setter):
                return self.stores_plainly(obj, name, value) and self.store_plainly(
                    obj, oo, name, value, origin
                )
            method = self.special(obj, "__setattr__")
            if method is None:
                return False
            return Waiting(method, [obj, name, value], [oo, KNOWN, origin])
        self.class_fact(kind, "__setattr__")
        return self.store_plainly(obj, oo, name, value, origin)

    @staticmethod
    def _registers(setter: Any) -> bool:
        return isinstance(setter, FunctionType) and setter.__module__ == REGISTRY

    def store_plainly(self, obj: Any, oo: Any, name: str, value: Any, origin: Any) -> Any:
        """Perform `object.__setattr__(obj, name, value)`, and answer as `store_attribute` does."""
        kind, fresh, known = type(obj), self.instance(obj), self.object(obj)
        on_type = lookups.type_lookup(kind, name)
        if not self.is_own(kind, name):
            return self._store_by_descriptor(obj, oo, on_type, name, value, origin)
        slot = isinstance(on_type, MemberDescriptorType)
        if not slot and type(getattr(obj, "__dict__", None)) is not dict:
            return False
        if fresh is not None:
            object.__setattr__(obj, name, value)
            fresh.extra[name] = origin
            return None
        if not isinstance(known, int):
            return False
        place = Place(lookups.static_lookup, known, True, name)
        if not self.may_store(value, origin):
            return False
        self.store_outside(
            place, value, origin, lambda target, made: object.__setattr__(target, name, made), obj
        )
        return None

    def _store_by_descriptor(
        self, obj: Any, oo: Any, found: Any, name: str, value: Any, origin: Any
    ) -> Any:
        if isinstance(found, property):
            if not isinstance(found.fset, FunctionType):
                return False
            self.class_fact(type(obj), name)
            return Waiting(found.fset, [obj, value], [oo, origin])
        method = self.descriptor(found, "__set__", type(obj), name)
        if method is None:
            return False
        return Waiting(method[0], [method[1], obj, value], [IDENTIFIED, oo, origin])

    def _store_in_class(self, cls: type, name: str, value: Any, origin: Any) -> Any:
        """Store to a class what neither is a descriptor nor looks like a special method.

        What was read by this name of objects and classes is then looked at again, behind the store.
        """
        if type(cls) not in METACLASSES or name.startswith("__") or not cls.__flags__ & (1 << 9):
            return False
        simple = origin is KNOWN or isinstance(origin, (Runtime, Text))
        if not simple or isinstance(value, type) or hasattr(type(value), "__get__"):
            return False
        if lookups.read_descriptor(type(cls), name) is not ABSENT or not self._can_pause():
            return False
        if hasattr(type(lookups.type_lookup(cls, name)), "__get__"):
            return False
        self.begin()
        self._turn()
        recipe = self.recipe(value, origin)
        type.__setattr__(cls, name, value)
        self.effect(
            lambda run: type.__setattr__(cls, name, recipe.build(run)),
            f"{cls.__name__}.{name} = ...",
            (recipe,),
        )
        readers = (lookups.static_lookup, lookups.read_class, lookups.read_own)
        for identity in [each for each in self.path.places if each[0] in readers]:
            if identity[-1] == name:
                self.forget_place(identity)
        self._pause()
        return None

    def remove_attribute(self, obj: Any, oo: Any, name: str) -> Any:
        """Perform `del obj.name`, and answer as `store_attribute` does."""
        kind = type(obj)
        if isinstance(obj, TensorCore) or oo is not IDENTIFIED:
            return False
        if lookups.type_lookup(kind, "__delattr__") not in DELETES:
            method = self.special(obj, "__delattr__")
            return False if method is None else Waiting(method, [obj, name], [oo, KNOWN])
        self.class_fact(kind, "__delattr__")
        return None if self.delete_plainly(obj, oo, name) else False

    def delete_plainly(self, obj: Any, oo: Any, name: str) -> bool:
        """Perform `object.__delattr__(obj, name)`; was there a rule?"""
        kind, fresh, known = type(obj), self.instance(obj), self.object(obj)
        own = getattr(obj, "__dict__", None)
        if type(own) is not dict:
            return False
        if name not in own:
            return False
        if fresh is None and lookups.type_lookup(kind, name) is not ABSENT:
            return False
        if fresh is not None:
            if not self.is_own(kind, name):
                return False
            del own[name], fresh.extra[name]
        elif isinstance(known, int):
            self.begin()
            place = Place(lookups.static_lookup, known, True, name)
            if place.identity() not in self.path.places:
                self.take(place)
            object.__delattr__(obj, name)
            self.effect(lambda run: object.__delattr__(run.roots[known], name), f"del {place}", ())
            self.set_place(place.identity(), KNOWN)
        else:
            return False
        self.class_fact(kind, name)
        return True

    # -- what the call made, stored outside -------------------------------------------------

    def _can_store(self, value: Any, origin: Any) -> bool:
        """May `value` be stored outside by itself? Not what has a history, nor what a call made."""
        if origin is KNOWN or isinstance(origin, (Runtime, Text)):
            return True
        if isinstance(value, TensorCore):
            entry = self.entry(value)
            return entry is not None and (
                entry.root is not None or (self.variable(value) is None and value._base is None)
            )
        if isinstance(origin, Parts) and type(value) is tuple:
            return all(map(self._can_store, value, origin.items))
        return origin is IDENTIFIED and isinstance(self.object(value), int)

    def _store(self, place: Place, value: Any, origin: Any, act: Any) -> None:
        recipe: Recipe = self.recipe(value, origin)
        at = place.base
        self.effect(lambda run: act(run, at, recipe.build(run)), f"{place} = ...", (recipe,))
        self.set_place(place.identity(), origin)

    def may_store(self, value: Any, origin: Origin | None) -> bool:
        """May `value` be stored in an object from outside?"""
        if self._can_store(value, origin):
            return True
        found: dict[int, Any] = {}
        if not self._may_escape(value, origin, found):
            return False
        return not found or self._can_pause()

    def _may_escape(self, value: Any, origin: Origin | None, found: dict[int, Any]) -> bool:
        """Can the parts of `value` be seen from outside? `found` gets the objects of the call."""
        if origin is KNOWN or isinstance(origin, (Runtime, Text)):
            return True
        if isinstance(origin, Parts):
            return type(value) is tuple and all(
                self._may_escape(v, o, found) for v, o in zip(value, origin.items)
            )
        if isinstance(value, TensorCore):
            return self.entry(value) is not None and self.variable(value) is not False
        known = self.object(value)
        if known is None and self.methods.get(id(value)) is value:
            owner = value.__self__
            return isinstance(value, MethodType) and (
                isinstance(owner, type) or self._may_escape(owner, self.origin_of(owner), found)
            )
        if not isinstance(known, FreshObject):
            return origin is IDENTIFIED and isinstance(known, int)
        if id(value) in found:
            return True
        if known.kind not in ESCAPING or content_class(type(value)) not in (None, tuple):
            return False
        found[id(value)] = value
        return all(self._may_escape(v, o, found) for v, o in self._content(value, known))

    def _content(self, obj: Any, known: FreshObject) -> list[tuple[Any, Any]]:
        """Return what an object of the call holds, with origins."""
        if known.kind == "instance":
            named = [(lookups.static_lookup(obj, name), o) for name, o in known.extra.items()]
            return [*zip(parts_of(obj), known.origins), *named]
        if known.kind == "dict":
            return list(zip(obj.values(), known.origins[1::2]))
        return list(zip(obj, known.origins))

    def store_outside(self, place: Place, value: Any, origin: Any, act: Any, target: Any) -> None:
        """Store what `may_store`: now by `act(target, value)`, and as an effect of replays."""
        at = place.base
        self.begin_change((value,), (origin,))
        act(target, value)
        self.set_place(place.identity(), origin)
        self.show_effect(
            (value,),
            (origin,),
            place,
            lambda run, made: act(run.roots[at], *made),
            f"{place} = ...",
        )

    def begin_change(self, values: Any, origins: Any) -> None:
        """Mark where objects from outside begin to change, to hold `values`."""
        self.begin()
        if self._escaping(values, origins):
            self._turn()

    def _escaping(self, values: Any, origins: Any) -> dict[int, Any]:
        """Return the objects of the call that are in `values`, which may be stored outside."""
        found: dict[int, Any] = {}
        for value, origin in zip(values, origins):
            if not self._can_store(value, origin):
                self._may_escape(value, origin, found)
        return found

    def show_effect(self, values: Any, origins: Any, place: Place, act: Any, text: str) -> None:
        """Let replays do `act(run, values)`, which the call has done, and know what it stored.

        Args:
            place: where a single value is stored.
        """
        found = self._escaping(values, origins)
        self.path.kept.pop(place.identity(), None)
        recipes = tuple(
            self._without_histories(value, origin, place, found)
            for value, origin in zip(values, origins)
        )
        numbers: list[tuple[Any, int]] = []
        for each in found.values():
            numbers.append((self.object(each).key, len(self.path.roots) + len(numbers)))  # type: ignore[union-attr]
        self.effect(Shown(act, recipes, numbers), text, recipes)
        for each, (_, number) in zip(found.values(), numbers):
            self._becomes_root(each, number)
        if found:
            self._pause()

    def _without_histories(
        self, value: Any, origin: Any, place: Place, found: dict[int, Any]
    ) -> Recipe:
        """Return how a replay makes `value` for now; its tensors get their histories later."""
        self._recipes = {}
        recipe = self.recipe(value, origin)
        self._recipes = {}
        tensors = []
        for each in walk((recipe,)):
            if isinstance(each, Fresh) and each.variable is not None:
                each.variable = None
                tensors.append(each.entry)
        # what is held by a container may be seen as long as anybody has that
        identity = (object(), *tensors) if found else place.identity()
        if tensors:
            before = self.path.kept.get(identity, ())
            self.path.kept[identity] = (*before, *tensors)
        return recipe

    def _becomes_root(self, obj: Any, number: int) -> None:
        """Know an object of the call as one from outside, whose content is known."""
        known = self.object(obj)
        assert isinstance(known, FreshObject)
        taken = self.run.take_object(obj, number)
        assert taken
        self.path.roots.append(None)
        self.objects[id(obj)] = (obj, number)

        def knows(read: Any, key: Any, origin: Any = KNOWN) -> None:
            self.set_place(Place(read, number, True, key).identity(), origin)

        if known.kind == "instance":
            for name, origin in known.extra.items():
                knows(lookups.static_lookup, name, origin)
            if isinstance(obj, tuple):
                knows(lookups.read_size, "")
            for at, origin in enumerate(known.origins):
                knows(lookups.read_element, at, origin)
        elif known.kind == "dict":
            knows(lookups.read_length, "")
            knows(lookups.read_keys, "")
            for key, origin in zip(obj, known.origins[1::2]):
                knows(lookups.read_presence, key)
                knows(lookups.read_item, key, origin)
        else:
            knows(lookups.read_length, "")
            for at, origin in enumerate(known.origins):
                knows(lookups.read_item, at, origin)

    def _can_pause(self) -> bool:
        """Can the segment end behind the instruction at hand?"""
        try:
            self._behind(self.snapshot)
        except Unrecordable:
            return False
        return True

    def _pause(self) -> None:
        """End the segment behind the instruction at hand, so that its effects are done."""
        self._behind(lambda: self.site(None, False, None))

    def _behind(self, action: Any) -> Any:
        """Do something in the state in which the instruction at hand, which gives None, ends."""
        frame = self.evaluator.frames[-1]
        instruction = frame.code.instructions[frame.pc]
        held = None
        if instruction[0] in WRITING:
            if instruction[0] != Op.CALL:
                raise Unrecordable("an object is stored in mid-instruction")
            register = instruction[1]
            held = register, frame.values[register], frame.origins[register]
            frame.values[register], frame.origins[register] = None, KNOWN
        frame.pc += 1
        try:
            return action()
        finally:
            frame.pc -= 1
            if held is not None:
                frame.values[held[0]], frame.origins[held[0]] = held[1:]
