"""Names, attributes and items: the recorder's rules for reading and storing."""

from __future__ import annotations

import builtins
import functools
import operator
from collections import deque
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
from jitgrad.graph.collecting import CollectingRules
from jitgrad.graph.dictionaries import DICTS
from jitgrad.graph.function_attributes import FunctionAttributeRules
from jitgrad.graph.guards import is_immutable
from jitgrad.graph.knowledge import CONSTANT_TYPES, LISTS, FreshObject, is_plain_tensor
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Parts, Runtime, Text, parts
from jitgrad.graph.performing import is_trusted
from jitgrad.graph.records import RecordRules
from jitgrad.graph.selecting import SelectingRules
from jitgrad.graph.stores import Waiting
from jitgrad.python import driven, ordered, protocols, stand_ins
from jitgrad.python.operations import Enter
from jitgrad.spec import Size

METADATA = frozenset(
    "shape dtype ndim device requires_grad is_leaf itemsize nbytes T mT H data".split()  # noqa: SIM905
)

ORIGINALS = dict(vars(builtins))
NAMESPACES = tuple(each.NAMESPACE for each in (driven, ordered, protocols, stand_ins))
"""Of what is evaluated in place of the interpreter and of functions written in C."""


def _fill(place: Place, run: Any, made: Any) -> None:
    """Store in the cell that a place is in."""
    cell = run.roots[place.base] if place.is_root else place.base
    (cell.cell_contents,) = made


class PlaceRules(FunctionAttributeRules, SelectingRules, CollectingRules, RecordRules):
    """What is read from and stored in variables, objects and containers."""

    def constant(self, value: object) -> Any:
        return KNOWN

    def load_global(self, frame: Any, name: str) -> Any:
        if any(frame.globals is each for each in NAMESPACES):
            # nor do functions written in C look for others by their names
            return frame.globals.get(name, ORIGINALS.get(name)), KNOWN
        place = Place(lookups.read_global, (frame.globals, frame.builtins), False, name)
        value, origin = self._take_global(place, frame.globals)
        if value is ABSENT or origin is None:
            return self.leave(f"the global {name} is missing").load_global(frame, name)
        return value, origin

    def _take_global(self, place: Place, space: dict) -> tuple[Any, Any]:
        """Take a variable of a module, which may be named by the module or in its functions."""
        stored = self.path.places.get(("global", id(space), place.key))
        return self.take(place) if stored is None else (space[place.key], stored)

    def store_global(self, frame: Any, name: str, value: Any, origin: Any) -> Any:
        if self.may_store(value, origin):
            space = frame.globals
            place = Place(lookups.read_item, space, False, name)
            self.begin_change((value,), (origin,))
            space[name] = value
            self.set_place(("global", id(space), name), origin)
            self.show_effect(
                (value,),
                (origin,),
                place,
                lambda run, made: operator.setitem(space, name, *made),
                f"global {name} = ...",
            )
            return None
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
        fresh, outer = isinstance(known, FreshObject), isinstance(known, int)
        if not fresh and cell_origin is not None and self.may_store(value, origin):
            place = Place(lookups.read_cell, known if outer else cell, outer, "")
            self.begin_change((value,), (origin,))
            cell.cell_contents = value
            self.set_place(place.identity(), origin)
            self.show_effect(
                (value,), (origin,), place, functools.partial(_fill, place), f"{name} = ..."
            )
            return None
        if not isinstance(known, FreshObject):
            plain = self.leave(f"assignment to the outer variable {name}")
            return plain.store_cell(frame, cell, cell_origin, name, value, origin)
        known.origins[:] = [origin]
        cell.cell_contents = value
        return None

    def delete_cell(self, frame: Any, cell: Any, cell_origin: Any, name: str) -> Any:
        return self.leave(f"del {name}").delete_cell(frame, cell, cell_origin, name)

    def get_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        known = obj_origin is not None and is_immutable(type(obj))
        if name == "__class__" and (known or is_plain_tensor(obj)):
            return type(obj), KNOWN
        if isinstance(obj, TensorCore):
            return self._tensor_attribute(obj, obj_origin, name)
        if isinstance(obj, ModuleType) and obj_origin is KNOWN:
            if obj.__name__ == "jitgrad":
                getattr(obj, name, None)  # some names come at their first use
            place = Place(lookups.read_module, obj, False, name)
            value, origin = self._take_global(place, vars(obj))
            if value is not ABSENT and origin is not None:
                return value, origin
        elif isinstance(obj, FunctionType):
            found = self.function_attribute(obj, obj_origin, name)
            if found is not None and found[0] is not ABSENT:
                return found
        elif isinstance(obj, type) and obj_origin is KNOWN:
            return self._class_attribute(obj, obj_origin, name)
        elif isinstance(obj, Enum) and obj_origin is KNOWN:
            answer = self.member_attribute(obj, name)
            if answer is not None:
                return answer
        elif isinstance(obj_origin, Text) and type(obj) is str:
            answer = self.text_attribute(obj, obj_origin, name)
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
        if is_immutable(obj):
            method = getattr(obj, name, None)
            if isinstance(method, BuiltinFunctionType) and method.__self__ is obj:
                return method, KNOWN
        answer = self.class_attribute(obj, name)
        if answer is not None:
            return answer
        return self.leave(f"attribute {name} of class {obj.__name__}").get_attribute(
            obj, obj_origin, name
        )

    def _object_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        known = self.object(obj)
        kind = type(obj)
        if isinstance(known, FreshObject) and known.kind == "generator":
            method = getattr(obj, name, None)
            if isinstance(method, BuiltinFunctionType):
                self.methods[id(method)] = method
                return method, IDENTIFIED
        if kind in (*LISTS, set, frozenset, *DICTS):
            answer = self._container_attribute(obj, name)
            if answer is not None:
                return answer
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

    def _container_attribute(self, obj: Any, name: str) -> Any:
        """Read an attribute of a container of the standard library."""
        kind = type(obj)
        found = lookups.type_lookup(kind, name)
        if isinstance(found, MethodDescriptorType):
            method = getattr(obj, name)
            self.methods[id(method)] = method
            return method, IDENTIFIED
        if isinstance(found, FunctionType):
            self.class_fact(kind, name)
            return self.bound(found, obj, kind)
        return self.limit(obj) if kind is deque and name == "maxlen" else None

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
        if self.set_function_attribute(obj, name, value, origin):
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
            found = self.item_at(obj, key, key_origin) if is_plain_tensor(obj) else None
            if found is not None:
                return found
            if self.active and self._is_index(key, key_origin):
                return self.perform(operator.getitem, (obj, key), (obj_origin, KNOWN))
        elif isinstance(obj_origin, Text):
            found = self.text_item(obj, obj_origin, key, key_origin)
            if found is not None:
                return found
        elif type(obj) in DICTS:
            found = self.dict_item(obj, key, key_origin)
            if found is None:
                found = self.missing_item(obj, obj_origin, key, key_origin)
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
            found = self._item_of(obj, key)
            if found is not None:
                return found
            if type(obj) is Size:
                return obj[key], KNOWN
            if self.is_record(obj) and type(key) is int:
                found = self.record_items(obj, "__getitem__")
                if found is not None and -len(found) <= key < len(found):
                    return found[key]
        return self.leave(f"an item of a {type(obj).__name__}").get_item(
            obj, obj_origin, key, key_origin
        )

    def _item_of(self, obj: Any, key: Any) -> Any:
        """Return an element or a slice of a list or tuple, with its origin."""
        known = self.object(obj)
        if known is None or type(obj) not in (*LISTS, tuple):
            return None
        if type(key) is not slice:
            return self.element(obj, key)
        if type(obj) is deque:
            return None
        found = self._elements(obj, IDENTIFIED)
        if found is None:
            return None
        chosen: list[tuple[Any, Any]] = found[key]
        if type(obj) is list:
            return self.new_list(chosen)
        return tuple(obj)[key], parts(origin for _, origin in chosen)

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
            return answer if isinstance(answer, Enter) else None
        if not isinstance(obj, TensorCore):
            key_origin = self.fixed(key, key_origin)
        if not self.active:
            return self._plain().set_item(obj, obj_origin, key, key_origin, value, origin)
        plain = isinstance(value, TensorCore) or type(value) in (int, float, bool)
        if plain and is_plain_tensor(obj):
            if self.set_item_at(obj, key, key_origin, value, origin):
                return None
            if not self.active:
                return self._plain().set_item(obj, obj_origin, key, key_origin, value, origin)
        if isinstance(obj, TensorCore) and plain and self._is_index(key, key_origin):
            self.perform(operator.setitem, (obj, key, value), (obj_origin, KNOWN, origin))
            return None
        if type(obj) in DICTS:
            done = self.set_dict_item(obj, key, key_origin, value, origin)
        else:
            fits = key_origin is KNOWN and self._is_place_in(obj, key)
            done = fits and self.set_list_item(obj, key, value, origin)
        if done:
            return None
        return self.leave(f"assignment to an item of a {type(obj).__name__}").set_item(
            obj, obj_origin, key, key_origin, value, origin
        )

    def _is_place_in(self, obj: Any, key: Any) -> bool:
        """Is it a position or slice of a list that can be changed here?"""
        places = (int, slice) if type(obj) is list else (int,)
        return type(key) in places and self.is_list(obj)

    def delete_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        answer = self.enter_special("__delitem__", obj, obj_origin, [key], [key_origin])
        if answer is not None:
            return answer if isinstance(answer, Enter) else None
        key_origin = self.fixed(key, key_origin)
        if not self.active:
            return self._plain().delete_item(obj, obj_origin, key, key_origin)
        if type(obj) in DICTS:
            done = self.delete_dict_item(obj, key, key_origin)
        else:
            fits = key_origin is KNOWN and self._is_place_in(obj, key)
            done = fits and self.delete_list_item(obj, key)
            if type(obj) is deque:
                self.note_change(obj)
        if done:
            return None
        return self.leave("del of an item").delete_item(obj, obj_origin, key, key_origin)
