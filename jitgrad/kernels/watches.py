"""Looking at many words of memory at once: has anything changed since?

CPython gives each state of a dictionary a number of its own, its *version* (PEP 509): as long as
that is the same, the dictionary is the same object with the same keys and values. So what was read
of hundreds of objects can be known to be as before by one native call, which compares a word for
each dictionary. What the words mean is found out by trial; where the trial fails, as in a Python
that has no such versions, nothing can be watched.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.kernels.availability import Unavailable, natively, tell
from jitgrad.kernels.conventions import HEADER, TYPE

WORD = 8

_VERSION = HEADER + WORD
"""Where a dictionary has its version: behind the number of its items."""

_MANAGED = -3 * WORD
"""Where an object without a place of its own for it has its `__dict__`: before its header."""


class Word(NamedTuple):
    """A word of memory.

    Attributes:
        address: where it is.
        expected: what it must be.
    """

    address: int
    expected: int


def read(address: int) -> int:
    """Return the word at `address`."""
    return ctypes.c_int64.from_address(address).value


def class_word(obj: Any) -> Word:
    """Return the word that says of which class an object is."""
    return Word(id(obj) + TYPE, id(type(obj)))


def version_word(dictionary: dict) -> Word:
    """Return the word that changes with a dictionary."""
    address = id(dictionary) + _VERSION
    return Word(address, read(address))


def dictionary_of(kind: type) -> dict | None:
    """Return the dictionary in which a class has its own attributes, None if it is not known.

    It has a version, too, which changes with the class.
    """
    found = gc.get_referents(kind.__dict__) if has_class_versions() else []
    return found[0] if len(found) == 1 and type(found[0]) is dict else None


def list_words(items: list) -> list[Word]:
    """Return the words that say how long a list is, and which objects are in it.

    These must live as long as the words are compared.
    """
    size, begin = id(items) + HEADER, id(items) + HEADER + WORD
    first = read(begin)
    words = [Word(size, len(items)), Word(begin, first)]
    words += [Word(first + WORD * at, id(each)) for at, each in enumerate(items)]
    return words


def dictionary_word(obj: Any) -> Word | None:
    """Return the word that says which dictionary has the attributes of an object.

    None if it is not known where that lies.
    """
    offset = type(obj).__dictoffset__
    address = id(obj) + (offset if offset > 0 else _MANAGED)
    return _pointing(address, obj.__dict__)


def slot_word(obj: Any, owner: type, name: str) -> Word | None:
    """Return the word in which an object has what the slot `name` of the class `owner` holds."""
    offset = slot_offset(owner, name)
    held = owner.__dict__[name].__get__(obj)
    return None if offset is None else _pointing(id(obj) + offset, held)


def _pointing(address: int, expected: Any) -> Word | None:
    return Word(address, id(expected)) if read(address) == id(expected) else None


@functools.cache
def slot_offset(owner: type, name: str) -> int | None:
    """Return where the instances of a class have the slot `name`, found out by trial."""
    made: Any = object.__new__(owner)
    mark = object()
    owner.__dict__[name].__set__(made, mark)
    words = range(HEADER, owner.__basicsize__, WORD)
    found = [offset for offset in words if read(id(made) + offset) == id(mark)]
    return found[0] if len(found) == 1 else None


def watch(words: Sequence[Word]) -> Callable[[], int] | None:
    """Return a function that says whether all words are as expected: 1 if so, else 0.

    They are looked at in their order, and no further than to the first that is not. None where
    there is no native code.
    """
    table = np.array([len(words), *(each for word in words for each in word)], np.int64)
    try:
        return natively(lambda: _comparing(table))
    except Unavailable:
        return None
    finally:
        tell()


def _comparing(table: np.ndarray) -> Callable[[], int]:
    """Return what compares the words of a table: their number, then addresses and contents."""
    from jitgrad.kernels.calling import builtin

    return builtin("unchanged", table)


def gatherer(objects: Sequence[Any], owner: type, name: str) -> Callable[[], tuple]:
    """Return a function that returns what the slot `name` of each of `objects` holds at the time.

    Args:
        owner: the class that has the slot, which is never empty.
    """
    offset = slot_offset(owner, name)
    if offset is not None:
        words = [len(objects), *(id(each) + offset for each in objects)]
        with contextlib.suppress(Unavailable):
            return natively(lambda: _gathering(words, objects))
    return lambda: tuple(getattr(each, name) for each in objects)


def _gathering(words: list[int], held: Sequence[Any]) -> Callable[[], tuple]:
    from jitgrad.kernels.calling import builtin, table_of

    return builtin("gather", table_of(words, held))


class _Example:
    def __init__(self) -> None:
        self.first = 1


def _store(obj: Any, value: Any) -> None:
    obj.first = value


@functools.cache
def has_versions() -> bool:
    """Does this Python give dictionaries versions, and have lists their items, where expected?"""
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 12):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != WORD:
        return False
    example = _Example()
    attributes = example.__dict__
    if dictionary_word(example) is None:
        return False
    for k in range(100):  # stores become faster ones when they are repeated
        before = version_word(attributes)
        _store(example, -1 - k)
        if read(before.address) == before.expected:
            return False
    some = [example, attributes, None]
    if any(read(word.address) != word.expected for word in list_words(some)):
        return False
    return all(map(_is_noticed, ({"a": 1, "b": 2, 3: 4}, defaultdict(int, a=1), attributes)))


@functools.cache
def has_class_versions() -> bool:
    """Does the version of a class's dictionary change with each way to change the class?"""
    kind: Any = type("Tried", (), {"__slots__": ()})
    found = gc.get_referents(kind.__dict__)
    if not has_versions() or len(found) != 1 or type(found[0]) is not dict:
        return False
    values = [object() for _ in range(3)]
    changes: list[Callable[[], Any]] = [
        lambda: setattr(kind, "new", values[0]),
        lambda: setattr(kind, "new", values[1]),
        lambda: type.__setattr__(kind, "new", values[2]),
        lambda: delattr(kind, "new"),
        lambda: setattr(kind, "__getattribute__", object.__getattribute__),
        lambda: type.__delattr__(kind, "__getattribute__"),
    ]
    seen = {version_word(found[0])}
    for change in changes * 20:  # stores become faster ones when they are repeated
        change()
        now = version_word(found[0])
        looked_at = [hasattr(kind, "new"), kind(), kind.__mro__, dir(kind)]
        if now in seen or not looked_at or now != version_word(found[0]):
            return False
        seen.add(now)
    return True


def _is_noticed(tried: dict) -> bool:
    """Does the version change with each way to change a dictionary, and else not?"""
    values = [object() for _ in range(4)]
    changes: list[Callable[[], Any]] = [
        lambda: tried.__setitem__("new", values[0]),
        lambda: tried.__setitem__("new", values[1]),
        lambda: tried.update(new=values[2]),
        lambda: tried.setdefault("more", values[3]),
        lambda: tried.__ior__({"more": values[0]}),
        lambda: tried.pop("new"),
        lambda: tried.__delitem__("more"),
        lambda: tried.update({k: k for k in range(100)}),
        lambda: tried.popitem(),
        lambda: tried.clear(),
        lambda: tried.update(a=1),
    ]
    seen = {read(id(tried) + _VERSION)}
    for change in changes:
        change()
        now = read(id(tried) + _VERSION)
        looked_at = [len(tried), list(tried), tried.get("a"), "b" in tried, tried.copy()]
        if now in seen or not looked_at or now != read(id(tried) + _VERSION):
            return False
        seen.add(now)
    return True
