"""What objects hold by themselves whose classes users derived from built-in ones.

All is asked of the built-in class, past whatever methods the derived one has: no user code runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from jitgrad.graph.lookups import ABSENT

LONGEST: Final = 256
"""How much an object from outside may hold that every replay looks at as a whole."""
_HEAP_TYPE: Final = 1 << 9

PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    dict: lambda obj: dict(dict.items(obj)),
    list: lambda obj: list(list.__iter__(obj)),
    tuple: lambda obj: tuple(tuple.__iter__(obj)),
    float: float.__pos__,
    int: int.__pos__,
    str: str.__str__,
}
"""How to make an object of the built-in class itself that holds the same."""


def _update(made: Any, parts: list[Any]) -> None:
    dict.update(made, zip(parts[::2], parts[1::2]))


FILL: Final[dict[type, Callable[[Any, list[Any]], None]]] = {dict: _update, list: list.extend}
"""How an object gets its parts, for classes whose objects are there before these."""


def content_class(kind: type) -> type | None:
    """Return the built-in class whose content objects of a user's class have; None for others."""
    if kind is Counter:
        return None  # which is known as the other containers of its module
    found = None
    for each in kind.__mro__:
        if each in PLAIN:
            found = each
        elif each is not object and not each.__flags__ & _HEAP_TYPE:
            return None
    return None if found is kind else found


def read_content(obj: Any, _key: Any) -> Any:
    """Return a plain object with the same content; ABSENT where that would take long."""
    base = content_class(type(obj))
    if base is None or (base not in (float, int) and base.__len__(obj) > LONGEST):  # type: ignore[attr-defined]
        return ABSENT
    return PLAIN[base](obj)


def native_class(kind: type) -> type:
    """Return the first class written in C among a class and its bases."""
    return next(each for each in kind.__mro__ if not each.__flags__ & _HEAP_TYPE)


def parts_of(obj: Any) -> list[Any]:
    """Return what an object of a derived class holds; of a dict keys and values in turn."""
    base = content_class(type(obj))
    if base is None:
        return []
    plain = PLAIN[base](obj)
    if base is dict:
        return [part for pair in plain.items() for part in pair]
    return list(plain) if base in (list, tuple) else [plain]


def put_back(obj: Any, base: type, plain: Any) -> None:
    """Give an object the content that a plain one has got."""
    if base is list:
        if [*map(id, list.__iter__(obj))] != [*map(id, plain)]:
            list.__setitem__(obj, slice(None), plain)
        return
    # not all anew, since somebody may be iterating over it
    for key in [key for key in dict.keys(obj) if key not in plain]:
        dict.__delitem__(obj, key)
    for key, value in plain.items():
        if dict.get(obj, key, ABSENT) is not value:
            dict.__setitem__(obj, key, value)
