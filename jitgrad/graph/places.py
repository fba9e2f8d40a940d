"""Names, attributes and items: the recorder's rules for reading and storing."""

from __future__ import annotations

import operator
from enum import Enum
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.knowledge import CONSTANT_TYPES, FreshObject
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime, parts
from jitgrad.graph.performing import is_trusted
from jitgrad.graph.recipes import Recipe
from jitgrad.graph.records import RecordRules
from jitgrad.graph.stores import Waiting
from jitgrad.python import protocols
from jitgrad.spec import Size

METADATA = frozenset(
    "shape dtype ndim device requires_grad is_leaf itemsize nbytes T mT H data".split()  # noqa: SIM905
)


class PlaceRules(RecordRules):
    """What is read from and stored in variables, objects and containers."""

    def constant(self, value: object) -> Any:
        return KNOWN

    def load_global(self, frame: Any, name: str) -> Any:
        if frame.globals is protocols.NAMESPACE:
            found: Any = super().load_global(frame, name)
            return found[0], KNOWN
        place = Place(lookups.read_global, (frame.globals, frame.builtins), False, name)
        value, origin = self.take(place)
        if value is ABSENT or origin is None:
            return self.leave(f"the global {name} is missing").load_global(frame, name)
        return value, origin

    def store_global(self, frame: Any, name: str, value: Any, origin: Any) -> Any:
        return self.leave("assignment to a global").store_global(frame, name, value, origin)

    def delete_global(self, frame: Any, name: str) -> Any:
        return self.leave("deletion of a global").delete_global(frame, name)

    def make_cell(self, frame: Any, name: str) -> Any:
        cell = CellType()
        return cell, self.fresh(cell, "cell", [])

    def closure_cell(self, frame: Any, index: int, name: str) -> Any:
        cell = frame.function.__closure__[index]
        function = self.object(frame.function)
        if isinstance(function, int):
            return self.take(Place(lookups.read_closure, function, True, index))
        return cell, KNOWN if self.object(cell) is None else IDENTIFIED

    def load_cell(self, frame: Any, cell: Any, cell_origin: Any, name: str) -> Any:
        known = self.object(cell)
        if isinstance(known, FreshObject):
            if not known.origins:
                return self.leave(f"{name} has no value").load_cell(frame, cell, cell_origin, name)
            return cell.cell_contents, known.origins[0]
        is_root = known is not None
        value, origin = self.take(Place(lookups.read_cell, known if is_root else cell, is_root, ""))
        if value is ABSENT or origin is None:
            return self.leave(f"{name} has no value").load_cell(frame, cell, cell_origin, name)
        return value, origin

    def store_cell(
        self, frame: Any, cell: Any, cell_origin: Any, name: str, value: Any, origin: Any
    ) -> Any:
        known = self.object(cell)
        if not isinstance(known, FreshObject):
            plain = self.leave(f"assignment to the outer variable {name}")
            return plain.store_cell(frame, cell, cell_origin, name, value, origin)
        known.origins[:] = [origin]
        cell.cell_contents = value
        return None

    def delete_cell(self, frame: Any, cell: Any, cell_origin: Any, name: str) -> Any:
        return self.leave(f"del {name}").delete_cell(frame, cell, cell_origin, name)

    def get_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        if isinstance(obj, TensorCore):
            return self._tensor_attribute(obj, obj_origin, name)
        if isinstance(obj, ModuleType) and obj_origin is KNOWN:
            if obj.__name__ == "jitgrad":
                getattr(obj, name, None)  # some names come at their first use
            value, origin = self.take(Place(lookups.read_module, obj, False, name))
            if value is not ABSENT and origin is not None:
                return value, origin
        elif isinstance(obj, type) and obj_origin is KNOWN:
            return self._class_attribute(obj, obj_origin, name)
        elif isinstance(obj, Enum) and obj_origin is KNOWN:
            answer = self.member_attribute(obj, name)
            if answer is not None:
                return answer
        elif obj_origin is KNOWN and type(obj) in CONSTANT_TYPES:
            value = getattr(obj, name)
            if type(value) in CONSTANT_TYPES or isinstance(value, BuiltinFunctionType):
                return value, KNOWN
        elif obj_origin is IDENTIFIED:
            return self._object_attribute(obj, obj_origin, name)
        return self.leave(f"attribute {name} of a {type(obj).__name__}").get_attribute(
            obj, obj_origin, name
        )

    def _tensor_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        if name == "grad":
            place = self.grad_place(obj)
            if place is not None:
                value, origin = self.take(place)
                if origin is not None:
                    return value, origin
        elif name in METADATA:
            return self.perform(getattr, (obj, name), (obj_origin, KNOWN))
        elif name not in obj.__dict__ and is_trusted(getattr(type(obj), name, None)):
            method = getattr(obj, name)
            if isinstance(method, MethodType):
                self.methods[id(method)] = method
                return method, IDENTIFIED
            if isinstance(method, FunctionType):
                return method, KNOWN
        return self.leave(f"attribute {name} of a tensor").get_attribute(obj, obj_origin, name)

    def _class_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        answer = self.class_attribute(obj, name)
        if answer is not None:
            return answer
        return self.leave(f"attribute {name} of class {obj.__name__}").get_attribute(
            obj, obj_origin, name
        )

    def _object_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        known = self.object(obj)
        kind = type(obj)
        if isinstance(known, FreshObject) and known.kind in ("list", "dict", "generator"):
            method = getattr(obj, name)
            self.methods[id(method)] = method
            return method, IDENTIFIED
        if self.outer_dict(obj) is not None and isinstance(
            lookups.type_lookup(kind, name), MethodDescriptorType
        ):
            method = getattr(obj, name)
            self.methods[id(method)] = method
            return method, IDENTIFIED
        if isinstance(known, FreshObject) and known.kind == "super":
            answer = self.super_attribute(obj, name)
        elif self.is_record(obj):
            answer = self.record_attribute(obj, obj_origin, name)
        else:
            answer = self.read_attribute(obj, obj_origin, name)
        if answer is not None:
            return answer
        return self.leave(f"attribute {name} of a {kind.__name__}").get_attribute(
            obj, obj_origin, name
        )

    def set_attribute(self, obj: Any, obj_origin: Any, name: str, value: Any, origin: Any) -> Any:
        self.begin()
        if isinstance(obj, TensorCore) and name == "grad" and self._can_store(value, origin):
            place = self.grad_place(obj)
            if place is not None and not isinstance(origin, Runtime):
                self.take(place)
                setattr(obj, name, value)
                self._store(
                    place, value, origin, lambda run, at, made: setattr(run.roots[at], "grad", made)
                )
                return None
        if not isinstance(obj, TensorCore):
            answer = self.store_attribute(obj, obj_origin, name, value, origin)
            answer = self._awaited(answer)
            if answer is not False:
                return answer
        return self.leave(
            f"assignment to attribute {name} of a {type(obj).__name__}"
        ).set_attribute(obj, obj_origin, name, value, origin)

    def _awaited(self, answer: Any) -> Any:
        """Enter the method that is to perform a store, if there is one."""
        if not isinstance(answer, Waiting):
            return answer
        entered = self._enter(answer.method, KNOWN, answer.args, answer.origins, {}, {})
        return False if entered is None else entered

    def _can_store(self, value: Any, origin: Any) -> bool:
        """May `value` be stored outside? Not what has a history, nor a container of this call."""
        if origin is KNOWN or isinstance(origin, Runtime):
            return True
        if isinstance(value, TensorCore):
            entry = self.entry(value)
            return entry is not None and (
                entry.root is not None or (self.variable(value) is None and value._base is None)
            )
        return origin is IDENTIFIED and isinstance(self.object(value), int)

    def _store(self, place: Place, value: Any, origin: Any, act: Any) -> None:
        recipe: Recipe = self.recipe(value, origin)
        at = place.base
        self.effect(lambda run: act(run, at, recipe.build(run)), f"{place} = ...", (recipe,))
        self.set_place(place.identity(), origin)

    def write_grad(self, leaf: Any, gradient: Any) -> None:
        if not self.active:
            return
        place = self.grad_place(leaf)
        if place is None or not self._can_store(gradient, IDENTIFIED):
            return self.unknown("a gradient with a history, or of a tensor made in the call")
        self._store(
            place, gradient, IDENTIFIED, lambda run, at, made: setattr(run.roots[at], "grad", made)
        )
        return None

    def delete_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        answer = self._awaited(self.remove_attribute(obj, obj_origin, name))
        if answer is not False:
            return answer
        return self.leave(f"del .{name}").delete_attribute(obj, obj_origin, name)

    def get_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        answer = self.enter_special("__getitem__", obj, obj_origin, [key], [key_origin])
        if answer is not None:
            return answer
        if not isinstance(obj, TensorCore):
            key_origin = self.fixed(key, key_origin)
        if not self.active:
            return self._plain().get_item(obj, obj_origin, key, key_origin)
        if isinstance(obj, TensorCore):
            if self._is_index(key, key_origin):
                return self.perform(operator.getitem, (obj, key), (obj_origin, KNOWN))
        elif (number := self.outer_dict(obj)) is not None:
            at = self.key_of(key, key_origin)
            found = None if at is ABSENT else self.outer_item(number, at)
            if found is not None:
                return found
        elif key_origin is KNOWN and type(key) in (int, str, slice):
            sized = type(obj) in (tuple, list, str, range)
            inside = sized and (type(key) is slice or -len(obj) <= key < len(obj))
            if obj_origin is KNOWN and type(obj) is not list and inside:
                return obj[key], KNOWN
            if isinstance(obj_origin, Parts) and type(obj) is tuple and inside:
                found = obj_origin.items[key]
                return obj[key], parts(found) if isinstance(key, slice) else found
            known = self.object(obj)
            if isinstance(known, int) and type(obj) in (list, tuple) and type(key) is int:
                if -len(obj) <= key < 0:
                    # the same place has one name only
                    self.take(Place(lookups.read_length, known, True, ""))
                    key += len(obj)
                value, origin = self.take(Place(lookups.read_item, known, True, key))
                if value is not ABSENT and origin is not None:
                    return value, origin
            if isinstance(known, FreshObject) and known.kind == "list" and type(key) is int:
                return obj[key], known.origins[key]
            if isinstance(known, FreshObject) and known.kind == "list" and type(key) is slice:
                made = obj[key]
                return made, self.fresh(made, "list", known.origins[key])
            if isinstance(known, FreshObject) and known.kind == "dict" and key in obj:
                at = list(obj).index(key)
                return obj[key], known.origins[2 * at + 1]
            if type(obj) is Size:
                return obj[key], KNOWN
            if self.is_record(obj) and type(key) is int:
                found = self.record_items(obj, "__getitem__")
                if found is not None and -len(found) <= key < len(found):
                    return found[key]
        return self.leave(f"an item of a {type(obj).__name__}").get_item(
            obj, obj_origin, key, key_origin
        )

    def _is_index(self, key: Any, origin: Any) -> bool:
        if origin is KNOWN:
            return True
        if isinstance(key, TensorCore):
            return key._array.dtype.kind in "iu"
        if isinstance(origin, Parts):
            if type(key) is slice:
                return False
            return all(self._is_index(k, o) for k, o in zip(key, origin.items))
        return False

    def set_item(
        self, obj: Any, obj_origin: Any, key: Any, key_origin: Any, value: Any, origin: Any
    ) -> Any:
        answer = self.enter_special(
            "__setitem__", obj, obj_origin, [key, value], [key_origin, origin]
        )
        if answer is not None:
            return answer
        if not isinstance(obj, TensorCore):
            key_origin = self.fixed(key, key_origin)
        if not self.active:
            return self._plain().set_item(obj, obj_origin, key, key_origin, value, origin)
        plain = isinstance(value, TensorCore) or type(value) in (int, float, bool)
        if isinstance(obj, TensorCore) and plain and self._is_index(key, key_origin):
            self.perform(operator.setitem, (obj, key, value), (obj_origin, KNOWN, origin))
            return None
        known = self.object(obj)
        target: Any = obj
        if isinstance(known, FreshObject) and key_origin is KNOWN:
            if known.kind == "list" and type(key) is int:
                target[key] = value
                known.origins[key] = origin
                return None
            if known.kind == "dict" and type(key) in (int, str):
                return self.store_in_dict(target, obj_origin, key, key_origin, value, origin)
        in_place = (type(obj) in DICTS and type(key) in (int, str)) or (
            type(obj) is list and type(key) is int and -len(obj) <= key < len(obj)
        )
        if (
            isinstance(known, int)
            and in_place
            and key_origin is KNOWN
            and self.may_store(value, origin)
        ):
            self.begin()
            if type(obj) is list:
                self.take(Place(lookups.read_length, known, True, ""))
                key %= len(obj)
            elif self.path.places.get(Place(lookups.read_item, known, True, key).identity()):
                pass  # read or stored before
            elif key not in target:
                # from here on the keys differ from what the entry's facts saw
                self.take(Place(lookups.read_length, known, True, ""))
                self.take(Place(lookups.read_presence, known, True, key))
                self.outer_keys(known)
                self.take(Place(lookups.read_item, known, True, key))
            else:
                self.take(Place(lookups.read_presence, known, True, key))
            place = Place(lookups.read_item, known, True, key)
            self.store_outside(
                place, value, origin, lambda held, made: operator.setitem(held, key, made), target
            )
            return None
        return self.leave(f"assignment to an item of a {type(obj).__name__}").set_item(
            obj, obj_origin, key, key_origin, value, origin
        )

    def delete_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        answer = self.enter_special("__delitem__", obj, obj_origin, [key], [key_origin])
        if answer is not None:
            return answer
        return self.leave("del of an item").delete_item(obj, obj_origin, key, key_origin)
