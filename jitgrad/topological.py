"""The order in which what depends on each other can be gone through."""

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

T = TypeVar("T")


def inputs_first(
    results: Iterable[T], inputs_of: Callable[[T], Iterable[T | None]], ends: Collection[T] = ()
) -> list[T]:
    """Return `results` and all that they come from, each behind its inputs.

    Args:
        inputs_of: returns the inputs of one; None stands for none.
        ends: they are left out, and what they alone come from.

    Example:
        >>> inputs_first("d", {"a": "", "b": "a", "c": "a", "d": "bc"}.get)
        ['a', 'c', 'b', 'd']
    """
    order: list[T] = []
    seen = set(ends)
    stack = [(each, False) for each in results]
    while stack:
        each, is_done = stack.pop()
        if is_done:
            order.append(each)
        elif each not in seen:
            seen.add(each)
            stack.append((each, True))
            stack.extend((other, False) for other in inputs_of(each) if other is not None)
    return order
