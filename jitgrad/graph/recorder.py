"""What Python code does to values while it is recorded: an `Operations` that takes notes.

Each method performs the operation on the real values and says where the result comes from. What
has no rule here ends the recording before it: `self.leave(reason)` returns the plain operations,
which perform it; every replay will hand over to the evaluator at that place.
"""

from __future__ import annotations

import builtins
import math
import operator
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import facts
from jitgrad.graph.cutting import Cutting, Unrecordable
from jitgrad.graph.derivative import tracked
from jitgrad.graph.facts import ABSENT, Place
from jitgrad.graph.ir import Scalar
from jitgrad.graph.origins import IDENTIFIED, KNOWN, Origin, Parts, Runtime, parts
from jitgrad.graph.recipes import Recipe, Root
from jitgrad.graph.recording import CONSTANT_TYPES, IDENTICAL_TYPES, FreshObject
from jitgrad.modes import TrackedFloat, state
from jitgrad.python.binding import bind_arguments
from jitgrad.python.code import Unlowerable
from jitgrad.python.lower import code_for
from jitgrad.python.operations import (
    BINARY,
    COMPARE,
    EXHAUSTED,
    INPLACE,
    UNARY,
    Enter,
    Operations,
)

PLAIN_TYPES = (*CONSTANT_TYPES, float, tuple, slice)
METADATA = frozenset(
    "shape dtype ndim device requires_grad is_leaf itemsize nbytes layout T mT H data".split()
)
CAN_RAISE = frozenset(("/", "//", "%", "**", "<<", ">>"))
MATH = {
    function: name
    for name, function in vars(math).items()
    if isinstance(function, BuiltinFunctionType)
}
NUMBER_FUNCTIONS = {abs: "abs", min: "min", max: "max"}


class Sources:
    """What an iterator runs over: sources with their origins, and how far it has come."""

    __slots__ = ("index", "sources", "start")

    def __init__(self, sources: list[tuple[Any, Any]], start: int = 0) -> None:
        self.sources = sources
        self.index = 0
        self.start = start


def is_trusted(function: Any) -> bool:
    """Is `function` the library's own, run by CPython while the dispatcher takes notes?"""
    module = getattr(function, "__module__", None) or ""
    return module == "jitgrad" or module.startswith("jitgrad.")


class Recorder(Cutting, Operations):
    """Records one call, from its beginning or from a site on."""

    internal_files = frozenset({__file__})
    resuming = False

    # -- leaving ----------------------------------------------------------------------------

    def leave(self, reason: str) -> Operations:
        """End the recording before the instruction at hand; return what performs it."""
        self.exit(reason, clean=True)
        return self._plain()

    def _plain(self) -> Operations:
        plain = Operations()
        self.evaluator.operations = plain
        return plain

    def unknown(self, reason: str) -> None:
        self.exit(reason, clean=False)
        self._plain()

    def step_begins(self) -> None:
        """Mark the beginning of an instruction that may compute."""
        self.begin()

    # -- performing library code ------------------------------------------------------------

    def perform(
        self, function: Any, args: Any, origins: Any, kwargs: Any = None, kwarg_origins: Any = None
    ) -> Any:
        """Call library code with numbers of run time tracked; return value and origin."""
        self.begin()
        given = [self._tracked(value, origin) for value, origin in zip(args, origins)]
        named = {
            name: self._tracked(value, kwarg_origins[name])
            for name, value in (kwargs or {}).items()
        }
        try:
            result = function(*given, **named)
        except BaseException as error:
            self.unknown(f"it raised {type(error).__name__}")
            raise
        if not self.active:
            return _untracked(result), None
        return self._result(result)

    def _tracked(self, value: Any, origin: Any) -> Any:
        if isinstance(origin, Runtime) and type(value) is float:
            return tracked(value, origin.scalar)
        if isinstance(origin, Parts) and type(value) is tuple:
            return tuple(self._tracked(v, o) for v, o in zip(value, origin.items))
        return value

    def _result(self, result: Any) -> Any:
        if type(result) is TrackedFloat:
            return float(result.__float__()), Runtime(result.scalar)
        if isinstance(result, TensorCore):
            if self.entry(result) is None:
                self.unknown("a tensor that the trace does not know")
                return result, None
            return result, IDENTIFIED
        if isinstance(result, tuple) and type(result) not in CONSTANT_TYPES:
            found = [self._result(each) for each in result]
            if not self.active:
                return result, None
            if type(result) is not tuple:
                self.unknown(f"a {type(result).__name__}")
                return result, None
            return result, parts(origin for _, origin in found)
        if type(result) in CONSTANT_TYPES or isinstance(result, IDENTICAL_TYPES):
            return result, KNOWN
        if type(result) is list:
            origins = [self._result(each)[1] for each in result]
            return (result, self.fresh(result, "list", origins) if self.active else None)
        if isinstance(result, MethodType) and isinstance(result.__self__, TensorCore):
            self.methods[id(result)] = result
            return result, IDENTIFIED
        self.unknown(f"library code returned a {type(result).__name__}")
        return result, None

    # -- names ------------------------------------------------------------------------------

    def constant(self, value: object) -> Any:
        return KNOWN

    def load_global(self, frame: Any, name: str) -> Any:
        place = Place(facts.read_global, (frame.globals, frame.builtins), False, name)
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
        known = self.object(cell)
        return cell, IDENTIFIED if known is not None else KNOWN

    def load_cell(self, frame: Any, cell: Any, cell_origin: Any, name: str) -> Any:
        known = self.object(cell)
        if isinstance(known, FreshObject):
            if not known.origins:
                return self.leave(f"{name} has no value").load_cell(frame, cell, cell_origin, name)
            return cell.cell_contents, known.origins[0]
        value, origin = self.take(Place(facts.read_cell, cell, False, ""))
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

    # -- attributes -------------------------------------------------------------------------

    def get_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        if isinstance(obj, TensorCore):
            return self._tensor_attribute(obj, obj_origin, name)
        if isinstance(obj, ModuleType) and obj_origin is KNOWN:
            value, origin = self.take(Place(facts.read_module, obj, False, name))
            if value is not ABSENT and origin is not None:
                return value, origin
        elif isinstance(obj, type) and obj_origin is KNOWN:
            return self._class_attribute(obj, obj_origin, name)
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
        if type(obj) is type:
            value, origin = self.take(Place(facts.read_class, obj, False, name))
            if isinstance(value, (FunctionType, BuiltinFunctionType)) or (
                type(value) in CONSTANT_TYPES
            ):
                return value, origin
            if isinstance(value, staticmethod) and is_trusted(value):
                return value.__func__, KNOWN
        return self.leave(f"attribute {name} of class {obj.__name__}").get_attribute(
            obj, obj_origin, name
        )

    def _object_attribute(self, obj: Any, obj_origin: Any, name: str) -> Any:
        known = self.object(obj)
        kind = type(obj)
        if isinstance(known, FreshObject) and known.kind in ("list", "dict"):
            method = getattr(obj, name)
            self.methods[id(method)] = method
            return method, IDENTIFIED
        custom = kind.__getattribute__ is not object.__getattribute__
        if isinstance(known, int) and not custom:
            place = Place(facts.static_lookup, known, True, name)
            value = place.look(self.run)
            if isinstance(value, FunctionType):
                self.take(place)
                method = MethodType(value, obj)
                self.methods[id(method)] = method
                return method, IDENTIFIED
            if isinstance(value, property) and isinstance(value.fget, FunctionType):
                self._identical(place, value)
                return self._enter(value.fget, KNOWN, [obj], [obj_origin], {}, {}, value)
            if value is not ABSENT and not hasattr(type(value), "__get__"):
                value, origin = self.take(place)
                if origin is not None:
                    return value, origin
        return self.leave(f"attribute {name} of a {kind.__name__}").get_attribute(
            obj, obj_origin, name
        )

    def _identical(self, place: Place, value: Any) -> None:
        if place.identity() not in self.path.places:
            self._fact(facts.same_object(place, value), f"{place} is unchanged")
            self.path.places[place.identity()] = KNOWN

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
        known = None if isinstance(obj, TensorCore) else self.object(obj)
        if isinstance(known, int) and self._is_plain_store(obj, name):
            if self._can_store(value, origin):
                setattr(obj, name, value)
                place = Place(facts.static_lookup, known, True, name)
                self._store(
                    place, value, origin, lambda run, at, made: setattr(run.roots[at], name, made)
                )
                return None
        return self.leave(
            f"assignment to attribute {name} of a {type(obj).__name__}"
        ).set_attribute(obj, obj_origin, name, value, origin)

    @staticmethod
    def _is_plain_store(obj: Any, name: str) -> bool:
        kind = type(obj)
        return (
            kind.__setattr__ is object.__setattr__
            and kind.__getattribute__ is object.__getattribute__
            and type(getattr(obj, "__dict__", None)) is dict
            and not hasattr(type(facts.type_lookup(kind, name)), "__set__")
        )

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
        return self.leave(f"del .{name}").delete_attribute(obj, obj_origin, name)

    # -- items ------------------------------------------------------------------------------

    def get_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        if isinstance(obj, TensorCore):
            if self._is_index(key, key_origin):
                return self.perform(operator.getitem, (obj, key), (obj_origin, KNOWN))
        elif key_origin is KNOWN and type(key) in (int, str, slice):
            if obj_origin is KNOWN and type(obj) in (tuple, str, range, type(CONSTANT_TYPES)):
                return obj[key], KNOWN
            if isinstance(obj_origin, Parts) and type(obj) is tuple:
                found = obj_origin.items[key]
                return obj[key], parts(found) if isinstance(key, slice) else found
            known = self.object(obj)
            if (
                isinstance(known, int)
                and type(obj) in (list, tuple, dict)
                and (type(key) is not slice)
            ):
                value, origin = self.take(Place(facts.read_item, known, True, key))
                if value is not ABSENT and origin is not None:
                    return value, origin
            if isinstance(known, FreshObject) and known.kind == "list" and type(key) is int:
                return obj[key], known.origins[key]
            if isinstance(known, FreshObject) and known.kind == "dict" and key in obj:
                at = list(obj).index(key)
                return obj[key], known.origins[2 * at + 1]
            if type(obj).__name__ == "Size":
                return obj[key], KNOWN
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
        if isinstance(obj, TensorCore) and self._is_index(key, key_origin):
            self.perform(operator.setitem, (obj, key, value), (obj_origin, KNOWN, origin))
            return None
        known = self.object(obj)
        if isinstance(known, FreshObject) and key_origin is KNOWN:
            if known.kind == "list" and type(key) is int:
                obj[key] = value
                known.origins[key] = origin
                return None
            if known.kind == "dict" and type(key) in (int, str):
                return self.store_in_dict(obj, obj_origin, key, key_origin, value, origin)
        if isinstance(known, int) and key_origin is KNOWN and self._can_store(value, origin):
            if (
                type(obj) is dict
                and type(key) in (int, str)
                or (type(obj) is list and type(key) is int and -len(obj) <= key < len(obj))
            ):
                self.begin()
                place = Place(facts.read_item, known, True, key)
                if type(obj) is list:
                    self.take(place)
                obj[key] = value
                self._store(
                    place,
                    value,
                    origin,
                    lambda run, at, made: operator.setitem(run.roots[at], key, made),
                )
                return None
        return self.leave(f"assignment to an item of a {type(obj).__name__}").set_item(
            obj, obj_origin, key, key_origin, value, origin
        )

    def delete_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Any:
        return self.leave("del of an item").delete_item(obj, obj_origin, key, key_origin)

    # -- operators --------------------------------------------------------------------------

    def unary(self, op: str, x: Any, xo: Any) -> Any:
        if isinstance(x, TensorCore):
            return self.perform(UNARY[op], (x,), (xo,))
        if xo is KNOWN and type(x) in CONSTANT_TYPES:
            return UNARY[op](x), KNOWN
        if xo is KNOWN and type(x) is float:
            return UNARY[op](x), KNOWN
        if isinstance(xo, Runtime) and type(x) is float:
            return self._number(f"{op}{{0}}", UNARY[op], (x,), (xo,), False)
        return self.leave(f"{op} of a {type(x).__name__}").unary(op, x, xo)

    def binary(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        return self._binary(BINARY, "binary", op, l, lo, r, ro)

    def inplace(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        return self._binary(INPLACE, "inplace", op, l, lo, r, ro)

    def _binary(self, table: Any, name: str, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        numbers = (int, float, bool)
        if isinstance(l, TensorCore) or isinstance(r, TensorCore):
            if all(isinstance(each, TensorCore) or type(each) in numbers for each in (l, r)):
                return self.perform(table[op], (l, r), (lo, ro))
        elif type(l) in numbers and type(r) in numbers:
            if lo is KNOWN and ro is KNOWN:
                return self._folded(table[op], (l, r))
            return self._number(f"{{0}} {op} {{1}}", BINARY[op], (l, r), (lo, ro), op in CAN_RAISE)
        elif (
            lo is KNOWN and ro is KNOWN and type(l) in (str, tuple) and type(r) in (str, tuple, int)
        ):
            return self._folded(table[op], (l, r))
        elif type(l) is tuple and type(r) is tuple and op == "+":
            return l + r, parts((*self._items(l, lo), *self._items(r, ro)))
        plain = self.leave(f"{type(l).__name__} {op} {type(r).__name__}")
        return getattr(plain, name)(op, l, lo, r, ro)

    def _items(self, value: tuple, origin: Any) -> tuple:
        return origin.items if isinstance(origin, Parts) else (KNOWN,) * len(value)

    def _folded(self, function: Any, operands: Any) -> Any:
        try:
            return function(*operands), KNOWN
        except BaseException as error:
            self.leave(f"it raised {type(error).__name__}")
            raise

    def _number(self, text: str, function: Any, values: Any, origins: Any, can_raise: bool) -> Any:
        """Compute with numbers of run time."""
        self.begin()
        named = tuple(
            origin.scalar if isinstance(origin, Runtime) else value
            for value, origin in zip(values, origins)
        )
        if any(isinstance(each, Scalar) and not self.available(each) for each in named):
            self.leave("a number of run time that is gone")
            return function(*values), None
        try:
            result = function(*values)
        except BaseException as error:
            self.leave(f"it raised {type(error).__name__}")
            raise
        if type(result) not in (float, bool) or (can_raise and not self.may_raise()):
            if self.active:
                self.leave(f"a number of run time becomes {type(result).__name__}")
            return result, None
        return result, Runtime(self.compute_number(text, function, named, result))

    def compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Any:  # noqa: E741
        numbers = (int, float, bool)
        if op in ("is", "is not"):
            if self._has_identity(l, lo) and self._has_identity(r, ro):
                return COMPARE[op](l, r), KNOWN
        elif op in ("in", "not in"):
            if lo is KNOWN and ro is KNOWN and type(r) in (tuple, str, range):
                return self._folded(COMPARE[op], (l, r))
        elif isinstance(l, TensorCore) or isinstance(r, TensorCore):
            if all(
                isinstance(each, TensorCore) or type(each) in numbers or each is None
                for each in (l, r)
            ):
                return self.perform(COMPARE[op], (l, r), (lo, ro))
        elif lo is KNOWN and ro is KNOWN:
            if all(
                type(each) in PLAIN_TYPES or isinstance(each, IDENTICAL_TYPES) for each in (l, r)
            ):
                return self._folded(COMPARE[op], (l, r))
        elif type(l) in numbers and type(r) in numbers:
            return self._number(f"{{0}} {op} {{1}}", COMPARE[op], (l, r), (lo, ro), False)
        return self.leave(f"{type(l).__name__} {op} {type(r).__name__}").compare(op, l, lo, r, ro)

    def _has_identity(self, value: Any, origin: Any) -> bool:
        if origin is KNOWN:
            return (
                value is None
                or type(value) is bool
                or isinstance(value, IDENTICAL_TYPES)
                or (type(value) in CONSTANT_TYPES)
            )
        return origin is IDENTIFIED and not isinstance(value, MethodType)

    def truth(self, x: Any, xo: Any) -> Any:
        if isinstance(x, TensorCore):
            entry = self.entry(x)
            if x._array.size == 1 and entry is not None and self.available(entry.value):
                outcome = bool(x._array.item())
                return self._decide(entry.value, False, outcome, outcome)
        elif isinstance(xo, Runtime) and self.available(xo.scalar):
            return self._decide(xo.scalar, False, bool(x), bool(x))
        elif xo is KNOWN and (type(x) in PLAIN_TYPES or isinstance(x, IDENTICAL_TYPES)):
            return bool(x)
        elif isinstance(xo, Parts):
            return bool(x)
        elif xo is IDENTIFIED:
            known = self.object(x)
            if isinstance(known, FreshObject) and known.kind in ("list", "dict", "set"):
                return bool(x)
            if isinstance(known, int) and type(x) in (list, tuple, dict):
                return bool(self.take(Place(facts.read_length, known, True, ""))[0])
        return self.leave(f"the truth of a {type(x).__name__}").truth(x, xo)

    def _decide(self, test: Any, exact: bool, outcome: Any, answer: Any) -> Any:
        """Make a site of the instruction at hand, unless the recording begins behind it."""
        if self.resuming:
            self.resuming = False
            return answer
        self.begin()
        try:
            self.site(test, exact, outcome)
        except Unrecordable as why:
            self.unknown(str(why))
        return answer

    # -- displays and strings ---------------------------------------------------------------

    def build(self, kind: str, values: Any, origins: Any) -> Any:
        if kind in ("tuple", "slice"):
            made, _ = super().build(kind, values, origins)
            return made, parts(origins)
        if kind == "list":
            made = list(values)
            return made, self.fresh(made, "list", list(origins))
        keys = values[::2] if kind == "dict" else values
        key_origins = origins[::2] if kind == "dict" else origins
        simple = all(
            origin is KNOWN and type(key) in (int, str) for key, origin in zip(keys, key_origins)
        )
        if simple and len(set(keys)) == len(keys):
            made, _ = super().build(kind, values, origins)
            return made, self.fresh(made, kind, list(origins))
        return self.leave(f"a {kind} display").build(kind, values, origins)

    def _fresh_list(self, target: Any) -> FreshObject | None:
        known = self.object(target)
        return known if isinstance(known, FreshObject) and known.kind == "list" else None

    def append(self, target: Any, lo: Any, value: Any, vo: Any) -> Any:
        known = self._fresh_list(target)
        if known is None:
            return self.leave("append").append(target, lo, value, vo)
        target.append(value)
        known.origins.append(vo)
        return None

    def add_to_set(self, target: Any, so: Any, value: Any, vo: Any) -> Any:
        return self.leave("a set comprehension").add_to_set(target, so, value, vo)

    def store_in_dict(self, target: Any, do: Any, key: Any, ko: Any, value: Any, vo: Any) -> Any:
        known = self.object(target)
        if not isinstance(known, FreshObject) or ko is not KNOWN or type(key) not in (int, str):
            return self.leave("a key of run time").store_in_dict(target, do, key, ko, value, vo)
        if key in target:
            known.origins[2 * list(target).index(key) + 1] = vo
        else:
            known.origins.extend((ko, vo))
        target[key] = value
        return None

    def extend_list(self, target: Any, lo: Any, more: Any, mo: Any) -> Any:
        known = self._fresh_list(target)
        found = self._elements(more, mo)
        if known is None or found is None:
            return self.leave("unpacking in a display").extend_list(target, lo, more, mo)
        target.extend(value for value, _ in found)
        known.origins.extend(origin for _, origin in found)
        return None

    def update_set(self, target: Any, so: Any, more: Any, mo: Any) -> Any:
        return self.leave("a set display").update_set(target, so, more, mo)

    def update_dict(self, target: Any, do: Any, more: Any, mo: Any) -> Any:
        inner = self.object(more)
        if not isinstance(inner, FreshObject) or inner.kind != "dict":
            return self.leave("** of a mapping").update_dict(target, do, more, mo)
        for at, (key, value) in enumerate(list(more.items())):
            self.store_in_dict(target, do, key, KNOWN, value, inner.origins[2 * at + 1])
        return None

    def merge_keywords(self, keywords: Any, ko: Any, more: Any, mo: Any, callee: Any, co: Any):
        inner, outer = self.object(more), self.object(keywords)
        simple = isinstance(inner, FreshObject) and isinstance(outer, FreshObject)
        if not simple or any(key in keywords for key in more):
            return self.leave("** of a call").merge_keywords(keywords, ko, more, mo, callee, co)
        return self.update_dict(keywords, ko, more, mo)

    def list_to_tuple(self, items: Any, lo: Any) -> Any:
        known = self._fresh_list(items)
        if known is None:
            return self.leave("a tuple display").list_to_tuple(items, lo)
        return tuple(items), parts(known.origins)

    def arguments_tuple(self, callee: Any, co: Any, value: Any, origin: Any) -> Any:
        found = self._elements(value, origin)
        if found is None:
            return self.leave("* of a call").arguments_tuple(callee, co, value, origin)
        return tuple(each for each, _ in found), parts(each for _, each in found)

    def spread(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        origins = list(self._items(args, ao))
        kwargs = kwargs or {}
        known = self.object(kwargs)
        named: dict = {}
        if isinstance(known, FreshObject):
            named = {key: known.origins[2 * at + 1] for at, key in enumerate(kwargs)}
        elif kwargs:
            named = dict.fromkeys(kwargs)
        return list(args), origins, dict(kwargs), named

    def join_string(self, parts: Any, origins: Any) -> Any:  # noqa: F811
        if all(each is KNOWN for each in origins):
            return "".join(parts), KNOWN
        return self.leave("a string of values of run time").join_string(parts, origins)

    def format_value(self, value: Any, origin: Any, conversion: Any, *spec: Any) -> Any:
        if origin is KNOWN and type(value) in PLAIN_TYPES and (not spec or spec[1] is KNOWN):
            try:
                return super().format_value(value, origin, conversion, *spec)[0], KNOWN
            except BaseException as error:
                self.leave(f"it raised {type(error).__name__}")
                raise
        return self.leave("formatting a value of run time").format_value(
            value, origin, conversion, *spec
        )

    # -- iteration --------------------------------------------------------------------------

    def _elements(self, x: Any, xo: Any) -> list[tuple[Any, Any]] | None:
        """Return the elements of a container that is known, with their origins."""
        if type(x) is tuple and isinstance(xo, Parts):
            return list(zip(x, xo.items))
        if xo is KNOWN and type(x) in (tuple, str, range) or type(x).__name__ == "Size":
            return [(each, KNOWN) for each in x]
        known = self.object(x)
        if isinstance(known, FreshObject) and known.kind == "list":
            return list(zip(x, known.origins))
        if isinstance(known, FreshObject) and known.kind == "dict":
            return list(zip(x, known.origins[::2]))
        if isinstance(known, int) and type(x) in (list, tuple):
            self.take(Place(facts.read_length, known, True, ""))
            found = [self.take(Place(facts.read_item, known, True, i)) for i in range(len(x))]
            if all(origin is not None for _, origin in found):
                return found
        return None

    def unpack(self, x: Any, xo: Any, before: int, has_star: bool, after: int) -> Any:
        if isinstance(x, TensorCore) and x._array.ndim:
            rows, origins = self.perform(tuple, (x,), (xo,))
            found = None if not self.active else self._elements(rows, origins)
        else:
            found = self._elements(x, xo)
        count = before + after
        if found is None or (len(found) < count if has_star else len(found) != count):
            return self.leave("unpacking").unpack(x, xo, before, has_star, after)
        if not has_star:
            return found
        middle = found[before : len(found) - after]
        rest = [value for value, _ in middle]
        starred = (rest, self.fresh(rest, "list", [origin for _, origin in middle]))
        return [*found[:before], starred, *found[len(found) - after :]]

    def iterate(self, x: Any, xo: Any) -> Any:
        known = self.object(x)
        if isinstance(known, FreshObject) and known.kind in ("iterator", "enumerate", "zip"):
            return x, xo
        if isinstance(x, TensorCore) and x._array.ndim:
            x, xo = self.perform(tuple, (x,), (xo,))
            if not self.active:
                return iter(x), None
        if self._elements(x, xo) is not None and type(x) in (list, tuple, range):
            it = iter(x)
            return it, self.fresh(it, "iterator", [], Sources([(x, xo)]))
        return self.leave(f"iteration over a {type(x).__name__}").iterate(x, xo)

    def advance(self, it: Any, io: Any) -> Any:
        known = self.object(it)
        if not isinstance(known, FreshObject) or known.extra is None:
            return self.leave("an iterator that is not known").advance(it, io)
        origin = self._next_origin(known)
        value = next(it, EXHAUSTED)
        if value is EXHAUSTED:
            return EXHAUSTED
        return value, origin

    def _next_origin(self, known: FreshObject) -> Origin | None:
        """Count one step of an iterator; return the origin of what it yields, None at its end."""
        state_of = known.extra
        if known.kind == "iterator":
            x, xo = state_of.sources[0]
            found = self._elements(x, xo)
            at = state_of.index
            if found is None or at >= len(found):
                return None
            state_of.index += 1
            return found[at][1]
        inner = []
        for source, _ in state_of.sources:
            known_source = self.object(source)
            assert isinstance(known_source, FreshObject)
            origin = self._next_origin(known_source)
            if origin is None:
                return None
            inner.append(origin)
        state_of.index += 1
        return parts((KNOWN, *inner) if known.kind == "enumerate" else inner)

    # -- calls ------------------------------------------------------------------------------

    def call(
        self,
        frame: Any,
        callee: Any,
        co: Any,
        args: Any,
        arg_origins: Any,
        kwargs: Any,
        kwarg_origins: Any,
    ) -> Any:
        if co is not None and None not in arg_origins and None not in kwarg_origins.values():
            answer = self._call(callee, co, args, arg_origins, kwargs, kwarg_origins)
            if answer is not None:
                return answer
        name = getattr(callee, "__qualname__", type(callee).__name__)
        plain = self.leave(f"call of {name}") if self.active else self.evaluator.operations
        return plain.call(frame, callee, co, args, arg_origins, kwargs, kwarg_origins)

    def _call(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        inner = getattr(callee, "__compiled_function__", None)
        if inner is not None and type(callee).__module__ == "jitgrad.compiled":
            return self._enter(inner, KNOWN, args, ao, kwargs, ko)
        if isinstance(callee, MethodType):
            owner, function = callee.__self__, callee.__func__
            if isinstance(owner, TensorCore):
                return self._tensor_method(callee, args, ao, kwargs, ko)
            if self.origin_of(owner) is not None and isinstance(function, FunctionType):
                if is_trusted(function):
                    return self.perform(callee, args, ao, kwargs, ko)
                return self._enter(function, KNOWN, [owner, *args], [IDENTIFIED, *ao], kwargs, ko)
            return None
        if isinstance(callee, FunctionType):
            if is_trusted(callee):
                if co is KNOWN and self._are_library_arguments(args, ao, kwargs, ko):
                    return self.perform(callee, args, ao, kwargs, ko)
                return None
            return self._enter(callee, co, args, ao, kwargs, ko)
        if isinstance(callee, type) and is_trusted(callee) and co is KNOWN:
            return self._library_object(callee, args, ao, kwargs)
        if callee in self._models() and not kwargs:
            return self._models()[callee](args, ao)
        if callee in MATH and co is KNOWN and not kwargs:
            return self._math(callee, f"math.{MATH[callee]}", args, ao)
        return self._container_method(callee, args, ao, kwargs)

    def _are_library_arguments(self, args: Any, ao: Any, kwargs: Any, ko: Any) -> bool:
        """Would library code find in these arguments only what the recorder can follow?"""
        pairs = [*zip(args, ao), *((kwargs[name], ko[name]) for name in kwargs)]
        return all(self._is_library_argument(value, origin) for value, origin in pairs)

    def _is_library_argument(self, value: Any, origin: Any) -> bool:
        if origin is KNOWN:
            return not isinstance(value, FunctionType) or is_trusted(value)
        if isinstance(value, TensorCore) or isinstance(origin, Runtime):
            return True
        if isinstance(origin, Parts):
            return all(self._is_library_argument(v, o) for v, o in zip(value, origin.items))
        known = self.object(value)
        if isinstance(known, FreshObject) and known.kind == "list":
            return all(
                not isinstance(o, Runtime) and self._is_library_argument(v, o)
                for v, o in zip(value, known.origins)
            )
        if isinstance(known, int) and type(value) in (list, tuple):
            found = self._elements(value, IDENTIFIED)
            return found is not None and all(
                not isinstance(o, Runtime) and self._is_library_argument(v, o) for v, o in found
            )
        return False

    def _tensor_method(self, method: Any, args: Any, ao: Any, kwargs: Any, ko: Any) -> Any:
        owner = method.__self__
        if self.entry(owner) is None or not is_trusted(method.__func__):
            return None
        if method.__name__ == "item" and not args and not kwargs:
            return self._item(owner)
        if not self._are_library_arguments(args, ao, kwargs, ko):
            return None
        return self.perform(method, args, ao, kwargs, ko)

    def _item(self, tensor: Any) -> Any:
        """Read the number in a tensor: floats are tracked, others decide as a site."""
        if tensor._array.size != 1:
            return None
        value = tensor._array.item()
        if type(value) is float:
            self.begin()
            scalar = self.item_step(tensor)
            return None if scalar is None else (value, Runtime(scalar))
        entry = self.entry(tensor)
        if entry is None or not self.available(entry.value) or type(value) not in (int, bool):
            return None
        self._decide(entry.value, True, (type(value), value), value)
        return value, KNOWN if self.active else None

    def _library_object(self, kind: type, args: Any, ao: Any, kwargs: Any) -> Any:
        if any(each is not KNOWN for each in ao) or kwargs:
            return None
        if not issubclass(kind, tuple(_context_classes())):
            return None
        made = kind(*args)
        return made, self.fresh(made, "library", [])

    def _enter(
        self, function: Any, co: Any, args: Any, ao: Any, kwargs: Any, ko: Any, owner: Any = None
    ) -> Any:
        """Evaluate a Python function in a frame of its own."""
        try:
            code = code_for(function)
        except Unlowerable:
            return None
        try:
            values, origins = bind_arguments(self, code, function, args, ao, kwargs, ko)
        except TypeError:
            return None
        if not self.active:
            return None
        known = self.object(function)
        origin = IDENTIFIED if known is not None else KNOWN
        return Enter(code, function, values, origins, origin)

    def function_default(self, function: Any, kind: str, key: Any) -> Any:
        known = self.object(function)
        if isinstance(known, FreshObject):
            value, _ = super().function_default(function, kind, key)
            count = len(function.__defaults__ or ())
            at = key if kind == "positional" else count + list(function.__kwdefaults__).index(key)
            return value, known.origins[at]
        positional = kind == "positional"
        read = facts.read_positional_default if positional else facts.read_keyword_default
        return self.take(Place(read, function, False, key))

    def make_function(
        self,
        frame: Any,
        code: Any,
        qualname: str,
        defaults: Any,
        do: Any,
        kwdefaults: Any,
        ko: Any,
        annotations: Any,
        ao: Any,
        cells: Any,
        cell_origins: Any,
    ) -> Any:
        made, _ = super().make_function(
            frame,
            code,
            qualname,
            defaults,
            do,
            kwdefaults,
            ko,
            annotations,
            ao,
            cells,
            cell_origins,
        )
        origins = list(self._items(defaults or (), do))
        if kwdefaults:
            known = self.object(kwdefaults)
            assert isinstance(known, FreshObject)
            origins.extend(known.origins[1::2])
        return made, self.fresh(made, "function", origins)

    def load_special(self, obj: Any, obj_origin: Any, name: str) -> Any:
        if self.origin_of(obj) is not None and obj_origin is IDENTIFIED:
            method, _ = super().load_special(obj, obj_origin, name)
            if isinstance(method, MethodType):
                known = self.object(obj)
                if isinstance(known, int):
                    self._identical(
                        Place(facts.read_class, type(obj), False, name), method.__func__
                    )
                self.methods[id(method)] = method
                return method, IDENTIFIED
        return self.leave(f"{name} of a {type(obj).__name__}").load_special(obj, obj_origin, name)

    # -- models of built-in functions -------------------------------------------------------

    def _models(self) -> dict:
        return {
            builtins.len: self._len, builtins.range: self._range, builtins.float: self._float,
            builtins.int: self._int, builtins.bool: self._bool, builtins.abs: self._abs,
            builtins.isinstance: self._isinstance, builtins.type: self._type,
            builtins.enumerate: self._enumerate, builtins.zip: self._zip,
            builtins.min: self._least(min), builtins.max: self._least(max),
            builtins.list: self._list, builtins.tuple: self._tuple, builtins.iter: self._iter,
        }  # fmt: skip

    def _len(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None
        x = args[0]
        if isinstance(x, TensorCore):
            return self.perform(len, (x,), ao)
        if ao[0] is KNOWN or isinstance(ao[0], Parts):
            return len(x), KNOWN
        known = self.object(x)
        if isinstance(known, FreshObject) and known.kind in ("list", "dict", "set"):
            return len(x), KNOWN
        if isinstance(known, int) and type(x) in (list, tuple, dict):
            return self.take(Place(facts.read_length, known, True, ""))
        return None

    def _range(self, args: Any, ao: Any) -> Any:
        known = all(each is KNOWN for each in ao) and all(type(each) is int for each in args)
        return self._folded(range, args) if known else None

    def _float(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None
        x = args[0]
        if isinstance(x, TensorCore) and x._array.dtype.kind == "f":
            return self._item(x)
        if type(x) is float:
            return x, ao[0]
        return self._folded(float, args) if ao[0] is KNOWN else None

    def _int(self, args: Any, ao: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], TensorCore) and args[0]._array.size == 1:
            return self._exactly(int, args[0])
        known = all(each is KNOWN for each in ao)
        return self._folded(int, args) if known else None

    def _exactly(self, function: Any, tensor: Any) -> Any:
        """Make a site of the exact value of a tensor, and fold `function` of it."""
        entry = self.entry(tensor)
        if entry is None or not self.available(entry.value):
            return None
        value = tensor._array.item()
        if type(value) not in (int, bool, float) or value != value:
            return None
        self._decide(entry.value, True, (type(value), value), value)
        return self._folded(function, (value,)) if self.active else (function(value), None)

    def _bool(self, args: Any, ao: Any) -> Any:
        if len(args) != 1:
            return None
        answer = self.truth(args[0], ao[0])
        return (answer, KNOWN if self.active else None) if type(answer) is bool else answer

    def _abs(self, args: Any, ao: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], TensorCore):
            return self.perform(abs, args, ao)
        return self._math(abs, "abs", args, ao)

    def _least(self, function: Any) -> Any:
        def model(args: Any, ao: Any) -> Any:
            same = len(args) > 1 and all(type(each) is float for each in args)
            return self._math(function, function.__name__, args, ao) if same else None

        return model

    def _math(self, function: Any, name: str, args: Any, ao: Any) -> Any:
        """Model a pure function of numbers."""
        if not all(type(each) in (int, float, bool) for each in args):
            return None
        if all(each is KNOWN for each in ao):
            return self._folded(function, args)
        text = f"{name}({', '.join(f'{{{i}}}' for i in range(len(args)))})"
        if all(isinstance(each, Runtime) or each is KNOWN for each in ao):
            return self._number(text, function, args, ao, True)
        return None

    def _isinstance(self, args: Any, ao: Any) -> Any:
        if len(args) != 2 or ao[1] is not KNOWN:
            return None
        classes = args[1] if type(args[1]) is tuple else (args[1],)
        if all(type(each) is type for each in classes):
            return isinstance(*args), KNOWN
        return None

    def _type(self, args: Any, ao: Any) -> Any:
        return (type(args[0]), KNOWN) if len(args) == 1 else None

    def _enumerate(self, args: Any, ao: Any) -> Any:
        start = args[1] if len(args) > 1 else 0
        if not args or (len(args) > 1 and ao[1] is not KNOWN) or type(start) is not int:
            return None
        if self._elements(args[0], ao[0]) is None:
            return None
        inner, inner_origin = self.iterate(args[0], ao[0])
        made = enumerate(inner, start)
        return made, self.fresh(made, "enumerate", [], Sources([(inner, inner_origin)], start))

    def _zip(self, args: Any, ao: Any) -> Any:
        if any(self._elements(x, xo) is None for x, xo in zip(args, ao)):
            return None
        inner = [self.iterate(x, xo) for x, xo in zip(args, ao)]
        made = zip(*(each for each, _ in inner))
        return made, self.fresh(made, "zip", [], Sources(inner))

    def _list(self, args: Any, ao: Any) -> Any:
        found = self._elements(args[0], ao[0]) if args else []
        if found is None:
            return None
        made = [value for value, _ in found]
        return made, self.fresh(made, "list", [origin for _, origin in found])

    def _tuple(self, args: Any, ao: Any) -> Any:
        found = self._elements(args[0], ao[0]) if args else []
        if found is None:
            return None
        return tuple(value for value, _ in found), parts(origin for _, origin in found)

    def _iter(self, args: Any, ao: Any) -> Any:
        if len(args) != 1 or self._elements(args[0], ao[0]) is None:
            return None
        return self.iterate(args[0], ao[0])

    def _container_method(self, method: Any, args: Any, ao: Any, kwargs: Any) -> Any:
        """Model the methods of lists and dicts made in the call, and of constants."""
        if not isinstance(method, BuiltinFunctionType) or kwargs:
            return None
        owner, name = method.__self__, method.__name__
        known = self.object(owner)
        if isinstance(known, FreshObject) and known.kind == "list" and name == "append":
            self.append(owner, IDENTIFIED, args[0], ao[0])
            return None, KNOWN
        if isinstance(known, FreshObject) and known.kind == "dict" and name in ("items", "values"):
            pairs = list(zip(owner.items(), zip(known.origins[::2], known.origins[1::2])))
            if name == "items":
                made: Any = tuple(pair for pair, _ in pairs)
                return made, parts(parts(origin) for _, origin in pairs)
            return tuple(owner.values()), parts(known.origins[1::2])
        if type(owner) is str and all(each is KNOWN for each in ao) and known is None:
            return self._folded(method, args)
        return None

    # -- what is left to the plain operations -----------------------------------------------

    def import_name(self, frame: Any, name: str, fromlist: Any, level: int) -> Any:
        return self.leave(f"import {name}").import_name(frame, name, fromlist, level)

    def import_from(self, module: Any, module_origin: Any, name: str) -> Any:
        return self.leave(f"import of {name}").import_from(module, module_origin, name)

    def match_sequence(self, subject: Any, origin: Any) -> Any:
        return self.leave("match").match_sequence(subject, origin)

    def match_mapping(self, subject: Any, origin: Any) -> Any:
        return self.leave("match").match_mapping(subject, origin)

    def match_keys(self, subject: Any, so: Any, keys: Any, ko: Any) -> Any:
        return self.leave("match").match_keys(subject, so, keys, ko)

    def match_class(
        self, subject: Any, so: Any, wanted: Any, wo: Any, positional: int, names: Any
    ) -> Any:
        return self.leave("match").match_class(subject, so, wanted, wo, positional, names)

    def get_length(self, subject: Any, origin: Any) -> Any:
        return self.leave("match").get_length(subject, origin)

    def raise_exception(self, exception: Any, origin: Any, *cause: Any) -> Any:
        return self.leave("raise").raise_exception(exception, origin, *cause)

    def handle(self, exception: BaseException) -> Any:
        if self.active:
            self.abandon(f"{type(exception).__name__} was raised")
            self._plain()
        return None

    def caught(self, exception: BaseException, origin: Any, wanted: Any, wo: Any) -> bool:
        return self.leave("except").caught(exception, origin, wanted, wo)

    def exception_part(self, exception: BaseException, origin: Any, part: Any) -> Any:
        return self.leave("except").exception_part(exception, origin, part)

    def finished(self, value: Any, origin: Any) -> None:
        if self.active:
            state.recorder = None
            self.finish(value, origin)


def _untracked(result: Any) -> Any:
    return float(result.__float__()) if type(result) is TrackedFloat else result


_CONTEXTS: list[type] = []


def register_context(kind: type) -> None:
    """Let recordings make and keep objects of `kind`: simple state, trusted methods."""
    _CONTEXTS.append(kind)


def _context_classes() -> list[type]:
    return _CONTEXTS or [_Nothing]


class _Nothing:
    pass
