"""Functions that the tests of the evaluator run."""

# ruff: noqa
# fmt: off
import collections
import sys
import warnings


def arithmetic(a, b):
    return a * b + 1


def rebinding(x):
    x = x + 10
    x = x * 2
    return x


def inner(x):
    return x * 10


def outer(x):
    return inner(x) if x else 0


def guarded(x):
    try:
        return "value", inner(x)
    except ValueError as error:
        return "error", str(error), error.__context__


class Box:
    def __init__(self, n):
        self.n = n


def modelled(n):
    box = Box(n)
    total = 0
    for item in iter([1, 2, n]):
        total = total + item
    box.total = total
    return total, box.total, not n, "yes" if n else "no"


def model_add(left, right):
    return left.__add__(right)


def model_truth(x):
    if x.__bool__():
        return True
    return False


def model_store(obj, name, value):
    vars(obj)[name] = value


def model_next(it):
    return it.__next__()


def deeper(x):
    y = (
        1 // x
    )
    return y


def failing(x):
    deeper(x)


def endless(n):
    return endless(n + 1)


def count_down(n):
    return count_down(n - 1) if n else 0


def current_exception():
    return sys.exc_info()[1]


def raise_again():
    raise


def raise_new():
    raise ValueError("new")


def cleaning(log):
    try:
        return 1 + len(log)
    finally:
        log.append("cleaned")


def make_named_tuple():
    return collections.namedtuple("Pair", "a b")


def warn():
    warnings.warn("here")


def aliased_locals(x):
    y = x + 1
    f, look = 1, locals
    return look()


def apply(f, x):
    return f(x)


def loop(items):
    seen = []
    for item in items:
        seen.append(item)
    return seen


def unpacking(pair):
    a, b = pair
    return a, b
