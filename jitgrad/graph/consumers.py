"""What functions written in C do with an iterable, as Python functions that can be evaluated.

They stand in where the iterable is a generator made in the call. Tracebacks do not show them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["add_all", "extend", "to_list", "to_tuple", "unpack"]


def to_list(iterable: Any) -> list[Any]:
    return [each for each in iterable]  # noqa: C416  this is how it is done


def to_tuple(iterable: Any) -> tuple[Any, ...]:
    return (*[each for each in iterable],)  # noqa: C416


def extend(target: list[Any], iterable: Any) -> None:
    for each in iterable:
        target.append(each)


def add_all(iterable: Any, start: Any = 0) -> Any:
    for each in iterable:
        start = start + each
    return start


def unpack(iterable: Any, before: int, has_star: bool, after: int) -> tuple[Any, ...]:
    found = []
    count = before + after
    least = "at least " if has_star else ""
    for each in iterable:
        if not has_star and len(found) == count:
            raise ValueError(f"too many values to unpack (expected {count})")
        found.append(each)
    if len(found) < count:
        got = len(found)
        raise ValueError(f"not enough values to unpack (expected {least}{count}, got {got})")
    if not has_star:
        return (*found,)
    end = len(found) - after
    return (*found[:before], found[before:end], *found[end:])
