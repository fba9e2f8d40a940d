"""Reading pickles without trust: an interpreter of the steps that data is made of.

Python's own unpickler calls what a pickle names and sets attributes of what it likes. This one
knows the steps that make containers, numbers and strings, and calls only what is allowed. Nothing
is imported, called or changed beyond that, whatever the bytes are.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.serialization.allowed import Allowed, check_key


def set_attributes(target: Any, attributes: Any) -> None:
    """Store `attributes` in the dictionary of `target`, hiding nothing that its class defines.

    Raises:
        TypeError, ValueError: these are no attributes, or one has the name of a method.
    """
    for name in attributes:
        if not isinstance(name, str) or hasattr(type(target), name):
            raise ValueError(
                f"{name!r} is no attribute that a {type(target).__name__} may be given"
            )
    vars(target).update(attributes)


class Interpreter:
    """Makes the object that a pickle describes.

    Args:
        allowed: what the pickle may name.
        persistent_load: returns what a persistent id stands for.
    """

    def __init__(self, allowed: Allowed, persistent_load: Callable[[Any], Any]) -> None:
        self._allowed = allowed
        self._persistent_load = persistent_load
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, pickled: bytes) -> Any:
        """Return the object.

        Raises:
            UnpicklingError: the pickle names what is not allowed, or is damaged.
        """
        position = 0
        try:
            for opcode, argument, place in pickletools.genops(pickled):
                position = place or 0
                if opcode.name == "STOP":
                    (made,) = self._stack
                    return made
                step = STEPS.get(opcode.name)
                if step is None:
                    raise pickle.UnpicklingError(
                        f"load: the pickle uses {opcode.name}, which weights_only=True does not "
                        "read; saved data does not need it"
                    )
                step(self, argument)
        except (pickle.UnpicklingError, RuntimeError, ImportError, MemoryError):
            raise
        except Exception as error:
            raise pickle.UnpicklingError(
                f"load: the pickle in the file makes no sense at its byte {position}: {error}"
            ) from error
        raise pickle.UnpicklingError("load: the pickle in the file has no end")

    # -- the stack ----------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, number: int) -> None:
        self._push(self._memo[number])

    # -- containers ---------------------------------------------------------------------------

    def _tuple(self, _: Any) -> None:
        items = self._since_mark()
        self._push(tuple(items))

    def _short_tuple(self, length: int) -> None:
        items = [self._stack.pop() for _ in range(length)]
        self._push(tuple(reversed(items)))

    def _frozenset(self, _: Any) -> None:
        items = self._since_mark()
        for each in items:
            check_key(each)
        self._push(frozenset(items))

    def _filling(self, *kinds: type) -> Any:
        """Return what stands on top; TypeError if it is no container that a pickle may fill."""
        target = self._stack[-1]
        if type(target) not in kinds and not self._allowed.is_added(type(target)):
            raise TypeError(f"a {type(target).__name__} is not filled by a pickle")
        return target

    def _append(self, _: Any) -> None:
        item = self._stack.pop()
        self._filling(list).append(item)

    def _appends(self, _: Any) -> None:
        items = self._since_mark()
        self._filling(list).extend(items)

    def _add_items(self, _: Any) -> None:
        items = self._since_mark()
        for each in items:
            check_key(each)
        self._filling(set).update(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        check_key(key)
        self._filling(dict, OrderedDict, Counter)[key] = value

    def _set_items(self, _: Any) -> None:
        items = self._since_mark()
        target = self._filling(dict, OrderedDict, Counter)
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key)
            target[key] = value

    # -- what has a name ----------------------------------------------------------------------

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push(self._allowed.find(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("a name is no string")
        self._push(self._allowed.find(module, name))

    def _persistent(self, _: Any) -> None:
        persistent_id = self._stack.pop()
        check_key(persistent_id)
        self._push(self._persistent_load(persistent_id))

    def _check_call(self, function: Any) -> None:
        if not self._allowed.may_call(function):
            raise pickle.UnpicklingError(
                f"load: the pickle calls {function!r}, which weights_only=True does not allow"
            )

    def _reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._check_call(function)
        self._push(function(*arguments))

    def _new(self, _: Any) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        self._check_call(kind)
        self._push(kind.__new__(kind, *arguments))

    def _new_named(self, _: Any) -> None:
        named, arguments, kind = (self._stack.pop() for _ in range(3))
        self._check_call(kind)
        self._push(kind.__new__(kind, *arguments, **named))

    def _build(self, _: Any) -> None:
        given, target = self._stack.pop(), self._stack[-1]
        kind = type(target)
        if self._allowed.is_added(kind):
            _restore(target, given)
        elif kind is OrderedDict or isinstance(target, TensorCore):
            set_attributes(target, given)
        else:
            raise TypeError(f"a {kind.__name__} is given no state by a pickle")


def _restore(target: Any, given: Any) -> None:
    """Set the state of an object whose class the user allowed, as `pickle` does."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(given)
        return
    attributes, slots = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if attributes:
        vars(target).update(attributes)
    for name, value in (slots or {}).items():
        setattr(target, name, value)


def _constant(make: Callable[[], Any]) -> Callable:
    def step(self: Interpreter, _: Any) -> None:
        self._push(make())

    return step


def _of_length(length: int) -> Callable:
    def step(self: Interpreter, _: Any) -> None:
        self._short_tuple(length)

    return step


def _nothing(_self: Interpreter, _: Any) -> None:
    pass


_LITERALS = (
    "BINBYTES BINBYTES8 BINFLOAT BININT BININT1 BININT2 BINUNICODE BINUNICODE8 BYTEARRAY8 LONG1 "
    "LONG4 SHORT_BINBYTES SHORT_BINUNICODE"
)

# fmt: off
STEPS: dict[str, Callable[[Interpreter, Any], None]] = {
    **dict.fromkeys(_LITERALS.split(), Interpreter._push),
    **{f"TUPLE{length}": _of_length(length) for length in (1, 2, 3)},
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_SET": _constant(set),
    "PROTO": _nothing,
    "FRAME": _nothing,
    "MARK": Interpreter._mark,
    "POP": Interpreter._pop,
    "POP_MARK": Interpreter._pop_mark,
    "BINPUT": Interpreter._put,
    "LONG_BINPUT": Interpreter._put,
    "MEMOIZE": Interpreter._memoize,
    "BINGET": Interpreter._get,
    "LONG_BINGET": Interpreter._get,
    "TUPLE": Interpreter._tuple,
    "FROZENSET": Interpreter._frozenset,
    "APPEND": Interpreter._append,
    "APPENDS": Interpreter._appends,
    "ADDITEMS": Interpreter._add_items,
    "SETITEM": Interpreter._set_item,
    "SETITEMS": Interpreter._set_items,
    "GLOBAL": Interpreter._global,
    "STACK_GLOBAL": Interpreter._stack_global,
    "BINPERSID": Interpreter._persistent,
    "REDUCE": Interpreter._reduce,
    "NEWOBJ": Interpreter._new,
    "NEWOBJ_EX": Interpreter._new_named,
    "BUILD": Interpreter._build,
}
# fmt: on
