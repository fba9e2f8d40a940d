"""Scenes of `collections`, and of sets and dicts of more kinds.

All of them are recorded without leaving to Python; those whose name ends in `_leaves` are not.
"""

# what ruff would write otherwise is what is tested

from __future__ import annotations

import collections
import copy
import math
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


@dataclass
class Point:
    x: object
    y: object = 1


class Plain:
    __match_args__ = ("a", "b")

    def __init__(self, a):
        self.a = a


def scene_deques(s: Session) -> None:
    def f(x, n):
        d = deque(maxlen=3)
        for i in range(n):
            d.append(x * i)
        total = sum(d) if d else x
        e = deque([x, x * 2, 3.0])
        e.appendleft(x * 4)
        e.extend([x * 5, 1])
        e.extendleft([7, 8])
        e.rotate(2)
        a = e.popleft(), e.pop(), e[0], e[-1], len(e)
        e.rotate(-1)
        e.reverse()
        e[1] = x * 9
        del e[0]
        g = e.copy()
        g.clear()
        h = deque((i * 2 for i in range(5)), 2)
        h.append(1)
        h.insert(0, 1) if len(h) < 2 else None
        return total, a, list(e), len(g), bool(g), h.index(1), h.count(8), 8 in h, h.maxlen

    f = s.compile(f)
    for value, n in ((1.0, 0), (2.0, 2), (3.0, 5), (1.0, 2), (2.0, 5)):
        s.call(f, grad(value), n)


def scene_queues(s: Session) -> None:
    def f(x, limit):
        todo = deque([(1, x)])
        found = []
        while todo:
            n, y = todo.popleft()
            if y.sum() > limit:
                continue
            found.append(y)
            if n < 4:
                todo.append((n * 2, y * 2))
                todo.append((n * 2 + 1, y + 1))
        return found

    f = s.compile(f)
    for value, limit in ((1.0, 3.0), (2.0, 30.0), (5.0, 3.0), (1.0, 3.0)):
        s.call(f, grad(value), limit)


def scene_deques_given_away(s: Session) -> None:
    kept = []

    def f(x, limit):
        d = deque([x, x * 2, x * 3], maxlen=limit)
        kept.append(d)
        d.append(x * 4)
        return d, {"d": deque([1, 2], 5)}

    f = s.compile(f)
    for value, limit in ((1.0, None), (2.0, 2), (3.0, None), (1.0, 2), (1.0, 0)):
        s.call(f, grad(value), limit)
        s.see([list(each) for each in kept], [each.maxlen for each in kept])


def scene_deques_from_outside(s: Session) -> None:
    recent, every = deque(maxlen=3), deque()

    def f(x):
        loss = x.sum()
        recent.append(loss.item())
        every.append(loss.detach())
        return loss * sum(recent) / len(recent)

    f = s.compile(f)
    for value in range(12):
        s.call(f, grad(float(value)))
        s.see(list(recent), list(every))
    recent.clear()
    s.call(f, grad(7.0))
    s.see(list(recent), list(every))


def scene_deques_from_outside_of_any_length(s: Session) -> None:
    bounded, other = deque(maxlen=5), deque([0], maxlen=4)

    def f(x, twice):
        bounded.append(x.sum().item())
        if twice:
            bounded.append(1.0)
            other.append(x.shape[0])
        bounded.append(2)
        other.append(x.detach())
        return x * 2, other[-1]

    f = s.compile(f)
    for value, twice in enumerate((0, 1, 0, 0, 1, 1, 0, 1, 0)):
        s.call(f, grad(float(value)), twice)
        s.see(list(bounded), list(other))
        if value == 5:
            bounded.clear()
            other.popleft()


def scene_deques_from_outside_change_in_each_way(s: Session) -> None:
    d = deque([1.0, 2.0, 3.0], maxlen=5)

    def f(x):
        d.appendleft(x.sum().item())
        d.rotate(1)
        first = d.popleft()
        d[0] = first + 1
        d.append(7)
        d.reverse()
        last = d.pop()
        d.extend([last, first])
        return x * first + last, d[-1], list(d), 7 in d

    f = s.compile(f)
    for value in range(6):
        s.call(f, grad(float(value)))
        s.see(list(d))


def scene_deques_whose_limit_differs(s: Session) -> None:
    def f(d, x):
        d.append(x.sum().item())
        return x * d[-1], len(d)

    f = s.compile(f)
    for limit in (None, 2, 1, None, 2, 3):
        d = deque([1.0], maxlen=limit)
        s.call(f, d, grad(1.0))
        s.call(f, d, grad(2.0))
        s.see(list(d))


def scene_deques_that_raise_leaves(s: Session) -> None:
    def f(x, n):
        d = deque([x] * n, 2)
        found = []
        for act in (lambda: d.insert(0, 1), d.popleft, d.pop, d.pop, lambda: d[5]):
            try:
                found.append(act())
            except IndexError as error:
                found.append(str(error))
        for each in deque([1, 2]):
            if each == n:
                d.append(x)
        with torch.no_grad():
            return found, x * 2

    f = s.compile(f)
    for n in (0, 1, 2, 3, 0, 1):
        s.call(f, grad(1.0), n)
    changed = deque([1, 2])

    def g(x):
        total = x
        for each in changed:
            changed.append(each)
            total = total + each
        return total

    s.attempt(s.compile(g), grad(1.0))
    s.see(list(changed))


def scene_default_dicts(s: Session) -> None:
    def f(x, n):
        d = defaultdict(list)
        for i in range(n):
            d[i % 2].append(x * i)
        sums = defaultdict(float)
        sums["loss"] += x.sum()
        sums["count"] += n
        nested = defaultdict(lambda: defaultdict(int))
        nested["a"]["b"] += 2
        zeros = defaultdict(lambda: torch.zeros(2))
        zeros[0] = zeros[0] + x
        copied = dict(d)
        return copied, d.get("no"), 5 in d, sums, nested, zeros[0], defaultdict(int, a=1)["a"]

    f = s.compile(f)
    for value, n in ((1.0, 0), (2.0, 3), (3.0, 4), (1.0, 3)):
        s.call(f, grad(value), n)


def scene_default_dicts_from_outside(s: Session) -> None:
    logs = defaultdict(list)
    counts = defaultdict(int)

    def f(x, name):
        logs[name].append(x.sum())
        counts[name] += 1
        return x * counts[name]

    f = s.compile(f)
    for turn in range(6):
        s.call(f, grad(float(turn)), "ab"[turn % 2])
        s.see(dict(logs), dict(counts))
    for factory in (lambda: 10, int, lambda: 20):
        counts.default_factory = factory
        del counts["a"]
        for _ in range(2):
            s.call(f, grad(1.0), "a")
            s.see(dict(logs), dict(counts))


def scene_default_dicts_without_factory_raises(s: Session) -> None:
    counts = defaultdict(int)

    def f(x, name):
        counts[name] += 1
        return x * counts[name], defaultdict(None, a=1)["a"]

    f = s.compile(f)
    s.call(f, grad(1.0), "a")
    counts.default_factory = None
    for name in "abab":
        s.call(f, grad(1.0), name)
        s.see(dict(counts))


def scene_factories_that_raise(s: Session) -> None:
    def f(x, k):
        def made():
            if k > 1:
                raise ValueError("no")
            return x * k

        d = defaultdict(made)
        try:
            return d["a"], len(d)
        except ValueError as error:
            return str(error), len(d)

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_ordered_dicts(s: Session) -> None:
    def f(x):
        d = OrderedDict([("a", x), ("b", x * 2)])
        d["c"] = x * 3
        d.move_to_end("a")
        d.move_to_end("c", False)
        first = list(d), list(d.values())
        e = OrderedDict((str(i), x * i) for i in range(2))
        e.update(z=1)
        del e["0"]
        return first, OrderedDict(a=x), d, e.popitem(), list(reversed(d)), d.pop("a")

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_counters(s: Session) -> None:
    seen = Counter()

    def f(x, text):
        c = Counter(text)
        c["b"] += 2
        c["new"] += 1
        seen[text] += 1
        total = sum(c.values())
        return x * c["a"] + c["none"], total, dict(c), "none" in c, len(c)

    f = s.compile(f)
    for text in ("abca", "", "bb", "abca", "bb"):
        s.call(f, grad(1.0), text)
        s.see(dict(seen))


def scene_sets_of_more_kinds(s: Session) -> None:
    def f(x, y):
        kinds = {each.dtype for each in (x, y)}
        shapes = {each.shape for each in (x, y)}
        a = frozenset([1, 2]) | {3}
        b = frozenset(i % 3 for i in range(5))
        c = set(map(abs, range(3))) & b
        total = x
        for each in frozenset([4]):
            total = total * each
        return total, len(kinds), len(shapes), a, b, c, frozenset(), 2 in a, len(a - b)

    f = s.compile(f)
    for y in (T([1.0]), T([1, 2]), T([[1.0]]), T([1.0])):
        s.call(f, grad(1.0), y)


def scene_frozensets_and_their_copies(s: Session) -> None:
    outer = frozenset([1, 2])

    def f(x):
        a = frozenset([3, 4])
        b, c = a.copy(), frozenset(a)
        return x * len(a), a is b, a is c, frozenset(outer) is outer, a, b, {"c": c}, a | outer

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_comparisons_of_dicts(s: Session) -> None:
    outer = {"a": "one"}

    def f(x):
        if outer == {"a": "one"} and {"b": 2, "a": 1} == {"a": 1, "b": 2} and {} != {1: 1}:
            return x * 2
        return x * 3

    f = s.compile(f)
    s.call(f, grad(1.0))
    s.call(f, grad(1.0))
    outer["a"] = "two"
    s.call(f, grad(1.0))
    outer["a"] = "one"
    s.call(f, grad(1.0))
    outer["b"] = 1
    s.call(f, grad(1.0))


def scene_small_things(s: Session) -> None:
    def f(x, k):
        quotient, rest = divmod(k, 0.7)
        back = [x * v for v in reversed({"a": 1, "b": 2}.values())], list(reversed({"a": 1}))
        flat = x.reshape(math.prod(x.shape))
        sizes = [n * 2 for n in x.shape]
        get = operator.attrgetter("x.y")(Point(Point(0, x)))
        call = operator.methodcaller("sum", 0)(x)
        return quotient * x + rest, back, flat, sizes, get, call, x.__class__.__name__, 0.0

    f = s.compile(f)
    for k in (0.5, 1.5, 7.5, -1.5):
        s.call(f, grad(1.0, 2.0), k)
    s.attempt(f, grad(1.0), float("inf"))


def scene_matches_of_objects(s: Session) -> None:
    def f(x, y):
        match Point(x, y):
            case Point(t, 1):
                first = t
            case Point(x=t, y=2 as n):
                first = t * n
            case Point(y=n):
                first = x * n * 10
        match Plain(x):
            case Plain(a, b):
                second = a + b
            case Plain(a):
                second = a * 5
        match (Point(x), [1, Point(2, 3)]):
            case (Point(a), [_, Point(b, c)]):
                third = a * b * c
        return first, second, third

    f = s.compile(f)
    for y in (1, 2, 3, 1, 2.5):
        s.call(f, grad(1.0), y)


def scene_copies(s: Session) -> None:
    def f(x):
        first = Plain(x)
        second = copy.copy(first)
        second.a = x * 2
        second.b = [x]
        third = copy.copy(Point(x, [1]))
        third.y.append(2)
        inside = (x, [1])
        same = copy.copy(inside)
        items = {1, 2}
        other = copy.copy(items)
        other.add(3)
        return first.a + second.a + third.x, third.y, same[1] is inside[1], items, other, second

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_copies_of_a_way_of_their_own_leaves(s: Session) -> None:
    class Own(Plain):
        pass

    def f(x):
        made = copy.copy(Own(x))
        return made.a * 2

    f = s.compile(f)
    s.call(f, grad(1.0))
    s.call(f, grad(2.0))
    Own.__copy__ = lambda self: Own(self.a * 10)  # type: ignore[attr-defined]
    s.call(f, grad(1.0))
    s.call(f, grad(2.0))


def scene_aliases_leaves(s: Session) -> None:
    def f(x):
        d = deque()
        e = [d, d]
        e[0].append(x)
        m = defaultdict(list)
        l = m["a"]  # noqa: E741
        l.append(x * 2)
        print("now")
        e[1].append(x * 3)
        m["a"].append(x * 4)
        return e, m, d is e[1], l is m["a"], collections.deque(d, 1)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))
