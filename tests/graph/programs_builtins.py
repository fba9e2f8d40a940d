"""Scenes of built-in functions and of the standard library's small ones.

All of them are recorded without leaving to Python; those whose name ends in `_leaves` are not.
"""

# what ruff would write otherwise is what is tested
# ruff: noqa: B010, C416, C417, E741, SIM905, UP031, UP032

from __future__ import annotations

import collections.abc
import copy
import functools
import itertools
import math
import numbers
import operator
from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_sums(s: Session) -> None:
    weights = [1.0, 2.0]

    def f(x, k):
        parts = [x, x * 2, x * 3]
        y = sum(parts) + sum(parts, start=x) + sum(x)
        z = sum([k, 2]) + math.prod([2, 3]) + math.prod((k, k)) + sum(range(4)) + sum([])
        return y * z, sum(weights) * x

    f = s.compile(f)
    for value, k in ((1.0, 2), (2.0, 3), (3.0, 4), (1.0, 2)):
        s.call(f, grad(value, 1.0), k)
        weights[0] += 1


def scene_any_and_all(s: Session) -> None:
    def f(x, k):
        if any([x.sum() > 3, k > 2.0]):
            return x * 2
        if all((x.sum() > 0, k > 1.0)):
            return x * 3
        return x, any([]), all([0, 1]), any("")

    f = s.compile(f)
    for value, k in ((1.0, 0.5), (4.0, 0.5), (1.0, 1.5), (1.0, 2.5), (-1.0, 0.5), (4.0, 3.0)):
        s.call(f, grad(value), k)


def scene_extremes(s: Session) -> None:
    def f(x, k, items):
        a = max(items) * min(k, 2.0) + max(items, key=lambda each: -each)
        b = max([x, x * 2, -x], key=lambda each: each.sum())
        c = min(x.sum(), (x * 3).sum())
        d = max([], default=k) + min("cab", key=ord).count("a") + max(3, 1, 2)
        return a * b + c, d, min([k]), max((1, 2.5))

    f = s.compile(f)
    for value, k in ((1.0, 0.5), (-1.0, 3.5), (2.0, 2.5), (1.0, 0.5)):
        s.call(f, grad(value), k, [k, value, 1.0])


def scene_sorting(s: Session) -> None:
    names = {"b": 2, "a": 1, "c": 0}

    def f(x):
        a = sorted(names)
        b = sorted(names, key=lambda name: names[name], reverse=True)
        c = sorted([x, x * 2, x * 3], key=lambda each: each.shape)
        d = sorted(names.items(), key=operator.itemgetter(1))
        l = [(2, x), (1, x * 2)]
        l.sort(key=lambda pair: pair[0])
        for name in b:
            x = x * names[name] + 1
        return x, a, b, c, d, l, sorted((3, 1, 2), reverse=True)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))
    names["d"] = 3
    s.call(f, grad(1.0))


def scene_maps(s: Session) -> None:
    log = []

    def double(y):
        log.append("double")
        return y * 2

    def f(x, k):
        a = list(map(double, [x, x + 1]))
        b = tuple(map(lambda p, q: p * q, (x, x), [k, 3]))
        c = [y for y in filter(lambda y: y.sum() > 1, a)]
        d = list(filter(None, [0, 1, "", "a"]))
        for y in map(double, itertools.count(1)):
            x = x + y
            if y > 5:
                break
        e = dict(map(lambda n: (n, x * n), range(2)))
        g = [p + q for p, q in zip(map(double, [x, x]), (1, 2))]
        h = list(itertools.starmap(operator.mul, [(x, 2), (x, k)]))
        return a, b, c, d, x, e, sum(map(abs, [x, -x])), g, h, max(map(len, ("a", "bc")))

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (0.2, 3.0), (2.0, 2.0), (0.2, 1.0)):
        s.call(f, grad(value), k)
        s.see(log)


def scene_map_that_waits(s: Session) -> None:
    def f(x):
        scale = 2.0
        made = map(lambda y: y * scale, [x, x * 2, x * 3])
        first = next(made)
        scale = 5.0
        if x.sum() > 0:
            second = next(made)
        else:
            second = x
        return first + second, [each + 1 for each in made], next(made, "none")

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -3.0):
        s.call(f, grad(value))


def scene_map_that_is_returned(s: Session) -> None:
    def f(x):
        made = map(lambda y: y * 2, [x, x + 1, x + 2])
        return next(made), made, enumerate([x, x], 1), reversed([1, x]), zip([x], "a")

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        _, *made = s.call(f, grad(value), backward=False)
        s.see(*map(list, made))


def scene_reduce_and_partial(s: Session) -> None:
    add_two = functools.partial(torch.add, 2)

    def g(a, b, *, c=1.0):
        return a * b + c

    outer = functools.partial(g, c=2.0)

    def f(x, k):
        y = functools.reduce(lambda a, b: a * b, [x, x + 1, x + 2])
        z = functools.reduce(operator.add, (x, k), 1)
        made = functools.partial(g, x, c=k)
        if y.sum() > 0:
            y = y + made(2.0)
        return y + z + outer(x, 3) + made(1, c=4), functools.reduce(max, [1, 3, 2])

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (-0.5, 2.0), (2.0, 3.0), (-0.5, 1.0)):
        s.call(f, grad(value), k)
    outer.keywords["c"] = 9.0
    s.call(f, grad(1.0), 2.0)
    s.see(add_two is not None)


def scene_itertools(s: Session) -> None:
    items = [2, 3]

    def f(x, k):
        y = x
        for a, b in itertools.product([1, 2], items):
            y = y + x * a * b
        for each in itertools.chain([x], (k, 1), items):
            y = y + each
        for a, b in itertools.zip_longest([x, x], [k], fillvalue=1.0):
            y = y * 0.5 + a * b
        for each in itertools.islice(itertools.count(3), 2):
            y = y + each
        for a, b in zip([x, k], itertools.repeat(2)):
            y = y + a * b
        pairs = list(itertools.combinations([x, k, 1], 2)), list(itertools.pairwise("abc"))
        rest = itertools.islice([x, 1, 2, k], 1, None)
        flat = [each for each in itertools.chain.from_iterable(((x, 1), (k,)))]
        return y, pairs, next(rest), list(rest), flat, list(itertools.permutations((1, 2)))

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (2.0, 3.0), (3.0, 2.5)):
        s.call(f, grad(value), k)
    items.append(4)
    s.call(f, grad(1.0), 2.0)


def scene_iterators_go_on_behind_a_site(s: Session) -> None:
    def f(x):
        l = [x, x * 2, x * 3, x * 4]
        backwards, counted = reversed(l), enumerate(itertools.chain(l, [1]))
        longest = itertools.zip_longest(l, "ab")
        some = itertools.islice(l, 1, 4)
        both = itertools.product([1, 2], [x])
        y = next(backwards) + next(counted)[1] + next(longest)[0] + next(some) + next(both)[1]
        next(longest), next(longest)
        if y.sum() > 3:
            l.append(x)
            y = y + next(backwards)
        return y, list(counted), list(longest), list(some), list(backwards), list(both)

    f = s.compile(f)
    for value in (1.0, 0.1, -1.0, 2.0, 0.2):
        s.call(f, grad(value))


def scene_numbers(s: Session) -> None:
    def f(x, k, n):
        a = round(k) + round(k, 1) + pow(k, 2) + pow(2, 3, 5) + abs(-k)
        b = divmod(7, 2)[0] + int("3") + float("2.5") + bool("") + len(str(12)) + ord("a")
        c = math.floor(k) + math.hypot(k, 1.0) + math.copysign(1.0, k)
        for _ in range(n, n + 2):
            x = x * 1.5
        return x * a + b + c, round(2.5), hex(255), chr(97), repr(1.0)

    f = s.compile(f)
    for value, k, n in ((1.0, 2.25, 1), (2.0, -3.5, 1), (3.0, 0.125, 1), (1.0, 2.5, 2)):
        s.call(f, grad(value), k, n)


def scene_operators_as_functions(s: Session) -> None:
    box = SimpleNamespace(a=2.0, b="text")

    def f(x, k):
        l = [x, 1]
        y = operator.mul(x, k) + operator.add(1, k) - operator.neg(x)
        y = operator.iadd(y, 1) + operator.getitem(l, 0)
        if operator.gt(y.sum(), 3) and not operator.not_(l) and operator.contains((1, 2), 1):
            y = operator.truediv(y, 2)
        a, b = operator.attrgetter("a", "b")(box)
        setattr(box, "a", a + 1)
        return y * a, b, operator.itemgetter(0)(l), operator.is_(x, l[0]), hasattr(box, "c")

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (0.1, 0.2), (3.0, 2.0), (0.1, 0.3)):
        s.call(f, grad(value), k)
        s.see(box)


def scene_classes(s: Session) -> None:
    class Base:
        pass

    class Derived(Base):
        def __call__(self):
            raise AssertionError

    class Sized(collections.abc.Sized):
        def __len__(self):
            return 3

    def f(x, what):
        found = [
            isinstance(what, Base), isinstance(what, (int, str)), isinstance(what, int | None),
            isinstance(what, collections.abc.Sequence), isinstance(what, numbers.Number),
            isinstance(what, collections.abc.Sized), callable(what), type(what) is list,
            issubclass(type(what), Base), isinstance(x, torch.Tensor), callable(f),
        ]  # fmt: skip
        for each in found:
            x = x * 2 + each
        return x, found

    f = s.compile(f)
    for _ in range(2):
        for what in (Base(), Derived(), [1], "a", 1, 2.5, None, Sized()):
            s.call(f, grad(1.0), what)
    collections.abc.Sequence.register(Base)
    s.call(f, grad(1.0), Base())
    s.call(f, grad(1.0), Derived())
    Base.__call__ = lambda self: None
    try:
        s.call(f, grad(1.0), Base())
    finally:
        del Base.__call__
    s.call(f, grad(1.0), Base())


def scene_texts(s: Session) -> None:
    def f(x, name, n):
        key = f"{name}_{n:03d}" + "-".join([name, "b"]) + "%s%d" % (name, 2) + "{}".format(n)
        table = {key: x, name.upper(): x * 2}
        words = "a b c".split()
        if name.startswith("q") and key.endswith("3"):
            x = x * 3
        return table, words, name.center(7, "*"), str(n), repr(name), format(2.5, ".2f"), x

    f = s.compile(f)
    for name in ("p", "q", "p", "q"):
        s.call(f, grad(1.0), name, 3)


def scene_copies(s: Session) -> None:
    items, table = [T([1.0]), 2], {"a": T([3.0])}

    def f(x):
        a, b, c = copy.copy(items), copy.copy(table), list(items)
        a.append(x)
        b["b"] = x
        c[1] = x
        return a, b, c, copy.copy(3), a[0] + b["a"]

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))
        s.see(items, table)


def scene_imports(s: Session) -> None:
    def f(x):
        import math
        from collections import OrderedDict

        import jitgrad.nn.functional as F
        from tests.graph.programs import grad as made

        return F.relu(x) * math.pi, OrderedDict is not None, made is grad

    f = s.compile(f)
    for value in (1.0, -2.0, 3.0):
        s.call(f, grad(value))
    before = math.pi
    math.pi = 3.0
    try:
        s.call(f, grad(1.0))
    finally:
        math.pi = before
    s.call(f, grad(1.0))


def scene_errors_of_functions_raises(s: Session) -> None:
    def fails(y):
        raise KeyError("inside")

    def f(x, k):
        if k == 0:
            return max([])
        if k == 1:
            return functools.reduce(operator.add, [])
        if k == 2:
            return list(map(fails, [x]))
        if k == 3:
            return sum([x, "a"])
        if k == 4:
            return dict([(1, 2, 3)])
        if k == 5:
            return next(iter([]))
        if k == 6:
            return sorted([1, "a"])
        if k == 7:
            return sorted([1, 2], key=fails)
        if k == 8:
            return list(zip([1], [1, 2], strict=True))
        if k == 9:
            return isinstance(x, 3)
        if k == 10:
            return max(1, default=3)
        return x * 2

    f = s.compile(f)
    for _ in range(2):
        for k in range(12):
            s.attempt(f, grad(1.0), k)
