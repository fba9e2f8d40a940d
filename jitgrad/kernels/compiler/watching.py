"""The native code that looks at many words of memory at once, see watches.py."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from jitgrad.kernels.compiler.native import (
    hold,
    new_integer,
    new_tuple,
    set_item,
    word,
)
from jitgrad.kernels.conventions import DATA


def unchanged(table: int, arguments: int, count: int) -> int:
    """Return 1 if all words that a table names are what it says, 0 if not."""
    place = word(table + DATA)
    left = word(place)
    place += 8
    while left > 0 and word(word(place)) == word(place + 8):
        place += 16
        left -= 1
    return new_integer(1 if left == 0 else 0)


def gather(table: int, arguments: int, count: int) -> int:
    """Return a tuple of the objects whose addresses are where a table says."""
    place = word(table + DATA)
    made = new_tuple(word(place))
    if made == 0:
        return 0
    for k in range(word(place)):
        place += 8
        found = word(word(place))
        hold(found)
        set_item(made, k, found)
    return made
