"""How sequences compare, and what `heapq` does, said in Python: as often and in the same order.

An evaluator that records evaluates these in place of the functions written in C, so that each
comparison of what only a call knows is a decision of its own. Sources: `tuplerichcompare` in
CPython's `tupleobject.c`; the method of `heapq` is that of Floyd, "Treesort 3" (1964), with the
descent to a leaf and the way back up that Knuth gives in volume 3, section 5.2.3, exercise 18.
"""

# They are what they stand for, step by step, not what one would write.
# ruff: noqa: SIM201

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, Final

__all__ = [
    "FILE",
    "NAMESPACE",
    "compared",
    "equal",
    "heapify",
    "heappop",
    "heappush",
    "heappushpop",
    "heapreplace",
    "insort_left",
    "insort_right",
]

FILE: Final = __file__
NAMESPACE: Final = globals()


def compared(compare: Any, pairs: Any, lengths: Any) -> Any:
    """Compare two sequences by the first of these pairs that differs, else by their lengths."""
    for one, other in pairs:
        if not one == other:
            return compare(one, other)
    return compare(*lengths)


def equal(wanted: bool, pairs: Any) -> bool:
    """Tell whether all pairs are equal, if that is `wanted`; else whether one is not."""
    for one, other in pairs:
        if not one == other:
            return not wanted
    return wanted


def insort_left(items: Any, item: Any) -> None:
    items.insert(bisect_left(items, item), item)


def insort_right(items: Any, item: Any) -> None:
    items.insert(bisect_right(items, item), item)


def _rise(heap: Any, first: int, at: int) -> None:
    """Let an element go up to where its parent is not larger."""
    item = heap[at]
    while at > first:
        above = (at - 1) // 2
        if not item < heap[above]:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = item


def _settle(heap: Any, at: int) -> None:
    """Let the smaller children come up as far as there are some, then put the element there."""
    first, end, item = at, len(heap), heap[at]
    below = 2 * at + 1
    while below < end:
        if below + 1 < end and not heap[below] < heap[below + 1]:
            below += 1
        heap[at] = heap[below]
        at = below
        below = 2 * at + 1
    heap[at] = item
    _rise(heap, first, at)


def heapify(heap: Any) -> None:
    at = len(heap) // 2
    while at > 0:
        at -= 1
        _settle(heap, at)


def heappush(heap: Any, item: Any) -> None:
    heap.append(item)
    _rise(heap, 0, len(heap) - 1)


def heappop(heap: Any) -> Any:
    last = heap.pop()
    if not heap:
        return last
    item = heap[0]
    heap[0] = last
    _settle(heap, 0)
    return item


def heapreplace(heap: Any, item: Any) -> Any:
    least = heap[0]
    heap[0] = item
    _settle(heap, 0)
    return least


def heappushpop(heap: Any, item: Any) -> Any:
    if heap and heap[0] < item:
        item, heap[0] = heap[0], item
        _settle(heap, 0)
    return item
