"""What the interpreter does around methods written in Python, said in Python.

Where an instruction takes more than the call of one method (`Point(1, 2)`, `a + b`, `if a`), these
functions are evaluated in its place, so that a method in the middle may stop and go on at any
instruction, like other evaluated code. Their frames do not show in tracebacks. Names outside them
mean what they mean here; users cannot change them.

Sources: `type_call` in CPython's `typeobject.c`; `binary_op`, `PyObject_RichCompare`,
`PyObject_IsTrue` and `PyObject_Size` in `abstract.c` and `object.c`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "FILE",
    "NAMESPACE",
    "allocated",
    "answered",
    "cached",
    "checked",
    "closed",
    "constructed",
    "contains",
    "converted",
    "different",
    "each",
    "filled",
    "formatted",
    "hashed",
    "identical",
    "is_iterator",
    "iterator",
    "length",
    "missed",
    "negated",
    "nothing",
    "shown",
    "truth",
    "truth_of_length",
    "with_fallback",
]

FILE: Final = __file__
NAMESPACE: Final = globals()
CLOSE_RETURNS: Final = sys.version_info >= (3, 13)


def constructed(made: Any, initialize: Callable, /, *args: Any, **kwargs: Any) -> Any:
    """Initialize an object that has just been made."""
    answer = initialize(made, *args, **kwargs)
    if answer is not None:
        raise TypeError(f"__init__() should return None, not '{type(answer).__name__}'")
    return made


def allocated(kind: type, allocate: Callable, /, *args: Any, **kwargs: Any) -> Any:
    """Make an object by the `__new__` of its class, and initialize it."""
    made = allocate(kind, *args, **kwargs)
    if isinstance(made, kind):
        initialize = type(made).__init__
        if initialize is not object.__init__:
            return constructed(made, initialize, *args, **kwargs)
    return made


def converted(allocate: Callable, kind: type, base: type, /, *args: Any) -> Any:
    """Make an object of a class derived from a built-in one of what that makes of arguments."""
    return allocate(kind, base(*args))


def each(function: Callable, obj: Any, items: Any) -> None:
    """Call for each item, as methods of lists do with what is iterated."""
    for item in items:
        function(obj, item)


def filled(made: Any, store: Callable, plan: tuple, finish: Callable | None, extra: tuple) -> Any:
    """Initialize an object of a dataclass.

    Args:
        plan: for each field its name, value and default factory; one of the two counts.
        finish: `__post_init__`, which is given `extra`.
    """
    for name, value, make in plan:
        store(made, name, value if make is None else make())
    if finish is not None:
        finish(made, *extra)
    return made


def answered(complaint: str, method: Callable, one: Any, other: Any, /, *further: Any) -> Any:
    """Return the answer of the first method that has one for its two operands."""
    answer = method(one, other)
    if answer is not NotImplemented:
        return answer
    if further:
        return answered(complaint, *further)
    raise TypeError(complaint)


def identical(one: Any, other: Any) -> bool:
    """Do what `==` does where no method has an answer."""
    return one is other


def different(one: Any, other: Any) -> bool:
    """Do what `!=` does where no method has an answer."""
    return one is not other


def negated(operand: tuple[Callable, Any], other: Any) -> Any:
    """Do what `object.__ne__` does: ask `__eq__`."""
    method, one = operand
    answer = method(one, other)
    return answer if answer is NotImplemented else not answer


def truth(method: Callable, obj: Any) -> bool:
    """Tell the truth of an object by its `__bool__`."""
    answer = method(obj)
    if type(answer) is not bool:
        raise TypeError(f"__bool__ should return bool, returned {type(answer).__name__}")
    return True if answer else False  # noqa: SIM210  a constant, behind a site


def truth_of_length(method: Callable, obj: Any) -> bool:
    """Tell the truth of an object by its `__len__`."""
    return True if length(method, obj) else False  # noqa: SIM210


def length(method: Callable, obj: Any) -> int:
    """Return the length that an object's `__len__` tells."""
    answer = method(obj)
    if type(answer) is not int:
        return len(range(answer))  # an index of another class, or what raises
    if answer < 0:
        raise ValueError("__len__() should return >= 0")
    return answer


def hashed(method: Callable, obj: Any) -> int:
    """Return the hash of an object by its `__hash__`."""
    answer = method(obj)
    if type(answer) is not int:
        raise TypeError("__hash__ method should return an integer")
    if answer == -1:
        return -2
    return answer if -sys.maxsize - 1 <= answer <= sys.maxsize else hash(answer)


def contains(method: Callable, obj: Any, item: Any, wanted: bool) -> bool:
    """Tell whether an object contains an item, by its `__contains__`."""
    return wanted if method(obj, item) else not wanted


def shown(method: Callable, obj: Any, name: str, spec: str) -> str:
    """Return the text of an object by its `__str__` or `__repr__`, and format it."""
    answer = method(obj)
    if not isinstance(answer, str):
        raise TypeError(f"{name} returned non-string (type {type(answer).__name__})")
    return format(answer, spec) if spec else answer


def formatted(method: Callable, obj: Any, spec: str) -> str:
    """Format an object by its `__format__`."""
    answer = method(obj, spec)
    if not isinstance(answer, str):
        raise TypeError(f"__format__ must return a str, not {type(answer).__name__}")
    return answer


def iterator(method: Callable, obj: Any) -> Any:
    """Return the iterator that an object's `__iter__` makes."""
    answer = method(obj)
    if not is_iterator(answer):
        raise TypeError(f"iter() returned non-iterator of type '{type(answer).__name__}'")
    return answer


def is_iterator(value: Any) -> bool:
    """Has the class of a value a `__next__`?"""
    return hasattr(type(value), "__next__")


def nothing(method: Callable, *args: Any) -> None:
    """Call for the effect, as `setattr` does."""
    method(*args)


def cached(method: Callable, obj: Any, name: str, store: Callable) -> Any:
    """Compute a `functools.cached_property` for the first time."""
    value = method(obj)
    store(obj, name, value)
    return value


def missed(make: Callable, mapping: Any, key: Any) -> Any:
    """Make an item that a `defaultdict` does not have."""
    value = make()
    mapping[key] = value
    return value


def checked(method: Callable, cls: type, obj: Any) -> bool:
    """Tell whether an object is an instance, by the `__instancecheck__` of a metaclass."""
    return True if method(cls, obj) else False  # noqa: SIM210  a constant, behind a site


def closed(throw: Callable) -> Any:
    """End a generator inside of its blocks, by its `throw`."""
    try:
        throw(GeneratorExit())
    except GeneratorExit:
        return None
    except StopIteration as stop:
        return stop.value if CLOSE_RETURNS else None
    raise RuntimeError("generator ignored GeneratorExit")


def with_fallback(method: Callable, fallback: Callable, obj: Any, name: str) -> Any:
    """Read a property of an object whose class has a `__getattr__`."""
    try:
        return method(obj)
    except AttributeError:
        pass
    # outside of the handler: what the fallback raises has no context
    return fallback(obj, name)
