"""What functions written in C do with what they are given, said in Python.

An evaluator that records evaluates these in their place, where they would call back into Python or
iterate over what only Python can. Their frames are left out of tracebacks.
"""

# They are what they stand for, step by step, not what one would write.
# ruff: noqa: B007, C416, SIM110, SIM113

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "FILE",
    "NAMESPACE",
    "all_true",
    "any_true",
    "compress_next",
    "contains",
    "count_elements",
    "dict_of",
    "equal_to_any",
    "extend",
    "extended",
    "filter_next",
    "filterfalse_next",
    "first_or",
    "formatted",
    "in_order",
    "interpolated",
    "joined",
    "largest",
    "listed",
    "map_next",
    "multiplied",
    "reduce",
    "set_of",
    "smallest",
    "sort",
    "sorted_list",
    "starmap_next",
    "strict_zip_next",
    "summed",
    "tuple_of",
    "unpack",
    "zip_longest_next",
    "zip_next",
]


FILE: Final = __file__
NAMESPACE: Final = globals()


def listed(iterable):
    return [item for item in iterable]


def extend(target, iterable):
    for item in iterable:
        target.append(item)


def tuple_of(iterable):
    return tuple([item for item in iterable])


def count_elements(mapping, iterable):
    for item in iterable:
        mapping[item] = mapping.get(item, 0) + 1


def set_of(kind, iterable):
    return kind([item for item in iterable])


def dict_of(target, pairs):
    at = 0
    for pair in pairs:
        if type(pair) is not tuple and type(pair) is not list:
            if not hasattr(type(pair), "__iter__") and not hasattr(type(pair), "__getitem__"):
                raise TypeError(
                    f"cannot convert dictionary update sequence element #{at} to a sequence"
                )
            pair = list(pair)
        if len(pair) != 2:
            raise ValueError(
                f"dictionary update sequence element #{at} has length {len(pair)}; 2 is required"
            )
        target[pair[0]] = pair[1]
        at += 1
    return target


def unpack(iterable, before, has_star, after):
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


def joined(separator, iterable):
    return separator.join([item for item in iterable])


def formatted(plan, values):
    found = []
    for literal, at, convert, spec in plan:
        found.append(literal)
        if at is not None:
            value = values[at]
            found.append(format(value if convert is None else convert(value), spec))
    return "".join(found)


def interpolated(plan, values):
    found = []
    for literal, at, convert, template in plan:
        found.append(literal)
        if at is not None:
            value = values[at]
            found.append(template % (value if convert is None else convert(value),))
    return "".join(found)


def extended(target, iterable):
    for item in iterable:
        target.append(item)
    return target


def summed(iterable, /, start=0):
    total = start
    for item in iterable:
        total = total + item
    return total


def multiplied(iterable, /, *, start=1):
    total = start
    for item in iterable:
        total = total * item
    return total


def any_true(iterable, /):
    for item in iterable:
        if item:
            return True
    return False


def all_true(iterable, /):
    for item in iterable:
        if not item:
            return False
    return True


def contains(container, wanted, there):
    for item in container:
        if item is wanted or item == wanted:
            return there
    return not there


def equal_to_any(container, wanted, there):
    for item in container:
        if item == wanted:
            return there
    return not there


def smallest(iterable, key, default):
    iterator = iter(iterable)
    for best in iterator:
        break
    else:
        if not default:
            raise ValueError("min() arg is an empty sequence")
        return default[0]
    best_key = best if key is None else key(best)
    for item in iterator:
        item_key = item if key is None else key(item)
        if item_key < best_key:
            best, best_key = item, item_key
    return best


def largest(iterable, key, default):
    iterator = iter(iterable)
    for best in iterator:
        break
    else:
        if not default:
            raise ValueError("max() arg is an empty sequence")
        return default[0]
    best_key = best if key is None else key(best)
    for item in iterator:
        item_key = item if key is None else key(item)
        if item_key > best_key:
            best, best_key = item, item_key
    return best


def reduce(function, iterable, /, *initial):
    iterator = iter(iterable)
    if initial:
        total = initial[0]
    else:
        for total in iterator:
            break
        else:
            raise TypeError("reduce() of empty iterable with no initial value")
    for item in iterator:
        total = function(total, item)
    return total


def map_next(function, *iterators):
    return function(*[next(each) for each in iterators])


def starmap_next(function, iterator):
    return function(*next(iterator))


def zip_next(*iterators):
    return tuple([next(each) for each in iterators])


def filter_next(function, iterator):
    for item in iterator:
        if item if function is None else function(item):
            return item
    raise StopIteration  # and ask for no more: that may do something


def filterfalse_next(function, iterator):
    for item in iterator:
        if not (item if function is None else function(item)):
            return item
    raise StopIteration  # and ask for no more: that may do something


def compress_next(iterator, selectors):
    for item in iterator:
        if next(selectors):
            return item
    raise StopIteration  # and ask for no more: that may do something


def strict_zip_next(*iterators):
    found = []
    for at, iterator in enumerate(iterators):
        for item in iterator:
            found.append(item)
            break
        else:
            before = " 1" if at == 1 else f"s 1-{at}"
            if at:
                raise ValueError(f"zip() argument {at + 1} is shorter than argument{before}")
            for behind, other in enumerate(iterators[1:], 2):
                for _ in other:
                    before = " 1" if behind == 2 else f"s 1-{behind - 1}"
                    raise ValueError(f"zip() argument {behind} is longer than argument{before}")
            raise StopIteration
    return tuple(found)


def zip_longest_next(fill, *iterators):
    found = []
    is_over = True
    for iterator in iterators:
        for item in iterator:
            found.append(item)
            is_over = False
            break
        else:
            found.append(fill)
    if is_over:
        raise StopIteration
    return tuple(found)


def first_or(iterator, default):
    for item in iterator:
        return item
    return default


def in_order(items: Any, keys: Any, reverse: Any) -> list[Any]:
    """Return the items in the order of their keys."""
    order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
    return [items[at] for at in order]


def sorted_list(iterable, /, *, key=None, reverse=False):
    items = [item for item in iterable]
    keys = items if key is None else [key(item) for item in items]
    return in_order(items, keys, reverse)


def sort(target, *, key=None, reverse=False):
    # meanwhile the list is empty for whoever looks
    items = target[:]
    target.clear()
    try:
        keys = items if key is None else [key(item) for item in items]
        ordered = in_order(items, keys, reverse)
    except BaseException:
        target[:] = items
        raise
    target[:] = ordered
