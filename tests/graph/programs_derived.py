"""Scenes of objects made in the call whose classes are derived from built-in ones."""

from __future__ import annotations

import collections
import enum
import math
import typing
from collections.abc import Callable

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import grad


def check(s: Session, *functions: Callable, values: tuple = (1.0, 2.0, 3.0, 1.0)) -> None:
    """Call each function with tensors that lead ways of its own, with and without histories."""
    for function in functions:
        compiled = s.compile(function)
        for value in values:
            s.call(compiled, grad(value, 2.0))
        with torch.no_grad():
            s.call(compiled, grad(values[-1], 2.0), backward=False)


class Log(dict):
    def __init__(self, **given):
        super().__init__(**given)
        self.log = []

    def __setitem__(self, key, value):
        self.log.append(key)
        super().__setitem__(key, value)

    def total(self):
        total = 0
        for key in self:
            total = total + self[key]
        return total


class Plain(dict):
    pass


class Missing(dict):
    def __missing__(self, key):
        self[key] = value = key * 2
        return value


class Attributes(dict):
    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __setattr__(self, key, value):
        self[key] = value


def scene_dicts_of_their_own_classes(s: Session) -> None:
    def logged(x):
        d = Log(z=x)
        d["a"] = x
        d["b"] = x * 2
        d.update(c=x * 3)
        return d.total() + len(d), d, d.log, d.log is d.log

    def read(x):
        d = Plain({"a": x}, b=2)
        d["k"] = x
        d.k = 3
        found = [d[k] * d.k for k in d]
        return found, list(d.items()), "k" in d, "q" in d, d.get("z"), bool(d), bool(Plain())

    def changed(x):
        d = Plain(a=x, b=x * 2)
        del d["a"]
        d["c"], d["e"] = 3, 4
        for key, value in d.items():
            d[key] = value * 2
        for key in d:
            d[key] = d[key] + 1
        merged = d | {"z": 1}
        d |= {"y": x}
        rest = d.setdefault("q", x), d.setdefault("q", 1), d.pop("c"), d.popitem(), d.pop("?", 7)
        return d, {**d}, dict(d), list(d.values()), merged, d.copy(), type(merged), rest

    def spread(x):
        def named(**given):
            return given

        d = Plain(a=x, b=1)
        return named(**d), named(**{"z": 1, **d}), {**d, "q": 2}

    def missing(x):
        d = Missing()
        return d["a"], d.get("b"), d["a"], "b" in d, d, x

    def attributes(x):
        d = Attributes(c=x)
        d.a = x
        d.b = 2
        return d.a * d.b + d.c, d

    check(s, logged, read, changed, spread, missing, attributes)


class Doubling(list):
    def append(self, item):
        super().append(item * 2)


class Items(list):
    pass


class Tripling(Doubling):
    def __init__(self, *items):
        super().__init__(items)
        self.n = len(items)

    def __getitem__(self, at):
        return super().__getitem__(at) * 3

    def __iter__(self):
        for at in range(len(self)):
            yield self[at]

    def __len__(self):
        return list.__len__(self)


def scene_lists_of_their_own_classes(s: Session) -> None:
    def appended(x):
        items = Doubling()
        items.append(x)
        items.append(x)
        list.append(items, x)
        return items[0] + items[1], len(items), items

    def overridden(x):
        items = Tripling(x, x)
        items.append(x)
        a, *b = items
        return items[0], [each for each in items], items, len(items), items.n, a, b  # noqa: C416

    def filled(x):
        items = Items(x * i for i in range(3))
        items.extend(x + i for i in range(2))
        items += [x]
        other = items
        other *= 2
        items.insert(0, 1)
        del items[1]
        items.reverse()
        items[0] = x * 4
        items[1:2] = [7, 8]
        items.tag = "a"
        return items, other is items, items[-1], items[0:2], items[::2], items.pop(), items.tag

    def operators(x):
        items = Items([1, 2, 3])
        same = (
            items == list(range(1, 4)),
            list(range(1, 4)) == items,
            items != Items([1]),
            items < [1, 3],
        )
        more = [4]
        made = [0, *items], items + more, more + items, items * 2, 2 * items, items + items
        found = 2 in items, items.index(2), items.count(1), sorted(items), max(items), sum(items)
        return same, made, [type(each) for each in made], found, not items, items.copy(), x

    def ordered(x):
        items = Items([3, 1, 2])
        items.sort()
        copied = items.copy()
        items.clear()
        return items, copied, type(copied), x

    def growing(x):
        items, out = Items([x]), []
        for each in items:
            out.append(each * 2)
            if len(items) < 4:
                items.append(each + 1)
        return out, items

    check(s, appended, overridden, filled, operators, ordered, growing)


class Pair(tuple):
    def __new__(cls, left, right):
        return super().__new__(cls, (left, right))

    @property
    def left(self):
        return self[0]

    def __add__(self, other):
        return Pair(self[0] + other[0], self[1] + other[1])


class Items2(tuple):
    pass


class Vector(tuple):
    def __new__(cls, *parts):
        return super().__new__(cls, parts)

    def __add__(self, other):
        return Vector(*[a + b for a, b in zip(self, other)])

    def __mul__(self, factor):
        return Vector(*[each * factor for each in self])

    __rmul__ = __mul__

    def __getitem__(self, at):
        return tuple.__getitem__(self, at)

    def __eq__(self, other):
        return isinstance(other, Vector) and tuple.__eq__(self, other)

    __hash__ = tuple.__hash__


class Named(typing.NamedTuple):
    a: object
    b: object = 2.0


class Further(Named):
    def __new__(cls, a, scale=3):
        made = super().__new__(cls, a * scale)
        made.scale = scale
        return made

    def product(self):
        return self.a * self.b * self.scale


def scene_tuples_of_their_own_classes(s: Session) -> None:
    def pairs(x):
        p = Pair(x, x * 2)
        q = p + p
        return q.left, q, p.left is x

    def plain(x):
        p, tail = Items2((x, 1)), (1,)
        p.z = 3
        made = Items2(each for each in p), Items2(), Items2([x])
        return p[0], p, len(p), [*p], p + tail, p[:1], type(p[:1]), p * 2, p.z, made, 1 in p[1:]

    def vectors(x):
        v = Vector(x, 2 * x) + Vector(x, x)
        w = 2.0 * v
        same = Vector(1, 2) == Vector(1, 2), Vector(1, 2) == (1, 2), Vector(1, 2) != Vector(1, 3)
        return w[0], w, same, hash(Vector(1, 2)) == hash((1, 2)), v[::1], v + w

    def named(x):
        n = Further(x)
        n.extra = x
        a, b = n
        return n.product(), n, a, b, n._replace(b=x), n.extra is x

    check(s, pairs, plain, vectors, named)


class Meters(float):
    def __add__(self, other):
        return Meters(float(self) + float(other))


class Close(float):
    def __add__(self, other):
        return Close(float.__add__(self, other))

    def __radd__(self, other):
        return Close(float.__radd__(self, other))

    def __mul__(self, other):
        if isinstance(other, Close):
            return Close(float(self) * float(other))
        return NotImplemented

    def __neg__(self):
        return Close(super().__neg__())

    def __eq__(self, other):
        return abs(float(self) - float(other)) < 0.1

    __hash__ = float.__hash__


class Whole(int):
    pass


class Declining(int):
    def __add__(self, other):
        return NotImplemented


class Text(str):
    pass


class Member(enum.IntEnum):
    ONE = 1


class Box:
    def __getitem__(self, key):
        return key

    def __contains__(self, key):
        return type(key) is int

    def __radd__(self, other):
        return type(other)


def scene_numbers_of_their_own_classes(s: Session) -> None:
    def meters(x):
        m = Meters(1.5)
        m = m + 2
        m.unit = "m"
        read = Meters(x.sum().item())
        return x * m, m, m.unit, x * read, read + 1.0, read, read * 2, 2 - read, Meters(m) is m

    def close(x):
        a, b = Close(1.5), Close(x.sum().item())
        sums = a + b, 1 + a, 1.0 + a, a + 1, a * b, -a, a - b
        tests = a == b, a == 1.55, a == 1.55, a != 1.55, a > 1, b > 1, a is a
        return sums, tests, math.sin(a), int(a), round(a), a.is_integer(), abs(-b)

    def declined(x):
        try:
            return Close(1.5) * 2, x
        except TypeError as error:
            return str(error), x

    def whole(x):
        i = Whole(2)
        numbers = i + 1, 1 + i, i // 2, i % 2, -i, i**2, i < 3, bool(Whole(0)), divmod(i, 2)
        return x * i, numbers, x[i - 2], x[Whole(1)], [1, 2, 3][Whole(1)], i

    def declining(x):
        return Declining(2) + 2.5, 2 + Declining(3), Declining(2) * 3, Declining(7) // 2, x

    def texts(x):
        t = Text("ab")
        made = t.upper(), t + Text("c"), "x" + t, t * 2, t[0], t.join(["1", "2"]), t.split("a")
        tests = (
            "a" in t,
            t == "ab",
            t < "b",
            t.startswith("a"),
            {t: 1}[Text("ab")],
            hash(t) == hash("ab"),
        )
        return made, tests, list(t), len(t), type(str(t)), str(t), {t: x}, t

    def asked(x):
        return Box()[Member.ONE], Whole(1) in Box(), Member.ONE in Box(), Whole(1) + Box(), x

    check(s, meters, close, declined, whole, declining, texts, asked)


def scene_contents_at_sites(s: Session) -> None:
    def f(x):
        items, d, p = Items([x]), Plain(a=x), Items2((x, 1))
        items.tag, d.p, p.items = d, p, items
        m, t = Meters(x.sum().item()), Text("q")
        append, read = items.append, d.items()
        if x.sum() > 4.5:
            append(d)
        it = iter(items)
        next(it)
        if x.sum() > 3.5:
            d["b"] = p
        over = super(Items, items)
        if x.sum() > 4.5:
            over.append(3)
        return items, d, p, m, t, items.tag is d, list(it), list(read), d.keys(), p.items is items

    def cyclic(x):
        items = Items()
        items.append(items)
        d = Plain(items=items)
        items.d = d
        if x.sum() > 3.5:
            x = x * 2
        return items[0] is items, items.d["items"] is items, x, len(items)

    check(s, f, cyclic)


def scene_contents_in_short_loops(s: Session) -> None:
    def f(x, n):
        items, d = Items(), Plain()
        for i in range(n):
            x = x * 1.5
            items.append(x)
            d[i] = Pair(x, i)
        return items, d

    f = s.compile(f)
    for n in (2, 3, 3, 0, 5):
        s.call(f, grad(1.0), n)


def scene_results_are_made_anew(s: Session) -> None:
    """Each call makes objects of its own, and what is done to them in between changes no other."""

    def f(x):
        items, d = Items([x]), Log(a=x)
        items.other, d.number = d, Meters(1.5)
        return items, d, Pair(x, items)

    f = s.compile(f)
    for _ in range(80):
        results = s.call(f, grad(1.0), backward=False)
        results[0].append(1)
        results[0].other["z"] = 2
        results[1].log.append(3)
        s.see(results, results[0].other is results[1], results[2][1] is results[0])


def scene_derived_classes_changed_between_calls(s: Session) -> None:
    class Own(list):
        def append(self, item):
            super().append(item)

    class Held(dict):
        pass

    class Number(float):
        pass

    def f(x):
        items, d, number = Own([x]), Held(a=x), Number(2.0)
        items.append(x * 2)
        d["b"] = x
        return items, len(items), d, d["a"], [*items], x * number, number + 1, bool(d), d == d

    f = s.compile(f)

    def calls() -> None:
        for _ in range(2):
            s.call(f, grad(1.0))

    calls()
    Own.append = lambda self, item: list.append(self, item * 3)
    calls()
    del Own.append
    calls()
    Own.__len__ = lambda self: 7
    calls()
    Own.__iter__ = lambda self: iter([1, 2])
    calls()
    del Own.__len__, Own.__iter__
    calls()
    Own.__init__ = lambda self, items: self.extend([*items, 5])
    Held.__getitem__ = lambda self, key: dict.__getitem__(self, key) * 5
    calls()
    Held.__setitem__ = lambda self, key, value: None
    Number.__add__ = lambda self, other: "added"
    calls()
    Number.__rmul__ = lambda self, other: "multiplied"
    Held.__bool__ = lambda self: False
    calls()
    Number.__new__ = lambda cls, value: float.__new__(cls, value * 2)
    Held.__eq__ = lambda self, other: "equal"
    calls()


def scene_derived_with_arguments_of_other_kinds(s: Session) -> None:
    def f(x, value):
        items = Items([x, value])
        d = Plain({value: x}) if type(value) in (int, str) else Plain(a=value)
        return items, d, Items2((value,)), len(items), d.get("a"), [type(each) for each in items]

    f = s.compile(f)
    for value in (1, 2.5, "a", None, [1], 2, grad(3.0), "b", (1, 2), Items([1])):
        for _ in range(2):
            s.call(f, grad(1.0), value, backward=False)


def scene_comparisons_of_tuples_and_lists(s: Session) -> None:
    def numbers(x):
        a = x.sum().item()
        return (a, 1) == (a, 1), (a, 1) < (a, 2), (1, 2, a) > (1, 2), ("a", a) <= ("a", 4.0), a

    def tensors(x):
        y = x[:1] * 2
        return [1.0, x] == [1.0, x], (1, x) == (1, x), (x, y) != (x, 2), [1, [y]] == [1, [y]], y

    check(s, numbers, tensors)


def scene_counters_and_what_raises(s: Session) -> None:
    def counted(x):
        c = collections.Counter()
        c["a"] += 1
        c["a"] += 2
        return c, c["zz"], x

    def raised(x):
        items = Items([x])
        try:
            items[5]
        except IndexError:
            items.append(1)
        try:
            return Plain()["q"]
        except KeyError as error:
            return items, str(error)

    def printed(x):
        items = Items([x])
        d = Plain(a=items)
        print(len(items), len(d))
        items.append(x * 2)
        d["b"] = x
        return items, d, items[0] + items[1], d["b"], [*items], d["a"] is items

    def stored(x):
        kept.append(Items([x]))
        kept.append(Further(x))
        return kept[-2][0] * 2, kept[-1].scale, len(kept)

    kept: list = []
    check(s, counted, raised, printed, stored)


def scene_odd_contents(s: Session) -> None:
    def scaled(x):
        return x * Close(2.0), 2 * Close(1.5), Close(2.0) - x

    def nan(x):
        n = x.sum().item() * float("nan")
        return (n,) == (n,), [n] == [n], (n, 1) < (n, 2), x

    def found(x):
        return x in Items([x]), Items([Items([1])]) == [[1]], Items([x]).index(x)

    check(s, scaled, nan, found)


def scene_contents_from_outside(s: Session) -> None:
    class Registry(dict):
        pass

    class Stack(list):
        def top(self):
            return self[-1]

    class Scale(float):
        pass

    def f(x, d, items, scale, name):
        total = x * scale + items.top() * len(items)
        for key in d:
            total = total + d[key]
        for _, value in d.items():
            total = total * value
        for each in items:
            total = total + each
        found = d.get("z"), "a" in d, name in {"a": 1}, name + "b", scale + 1, bool(items), d == d
        more = [1]
        return (
            total,
            found,
            list(d),
            {**d},
            items + more,
            items[:1],
            items.copy(),
            [*items],
            dict(d),
        )

    f = s.compile(f)
    d, items = Registry(a=2.0, b=3.0), Stack([1.0, 2.0])

    def calls(scale=2.0, name="a") -> None:
        for _ in range(3):
            s.call(f, grad(1.0, 2.0), d, items, Scale(scale), Text(name))

    calls()
    d["a"] = 5.0
    items[-1] = 7.0
    calls(3.0)
    d["c"] = grad(4.0)
    items.append(grad(2.0))
    calls(3.0, "b")
    del d["a"]
    items.reverse()
    calls()
    Stack.top = lambda self: self[0]
    calls()
    Registry.__getitem__ = lambda self, key: dict.__getitem__(self, key) * 2
    Scale.__add__ = lambda self, other: "added"
    calls()
    Registry.get = lambda self, key: "got"
    Registry.items = lambda self: [("q", 3.0)]
    Stack.__len__ = lambda self: 3
    calls()
    Stack.__iter__ = lambda self: iter([1.0, 1.0, 1.0])
    Registry.__contains__ = lambda self, key: False
    calls()
    for each in d, items:
        each.extra = 1
    calls()


def scene_contents_from_outside_that_are_large(s: Session) -> None:
    class Many(list):
        pass

    def f(x, items):
        return x * len(items) + items[0]

    f = s.compile(f)
    for count in (1, 2, 300, 300, 2, 1, 255, 256, 257):
        s.call(f, grad(1.0), Many([2.0] * count))


def scene_contents_from_outside_changed_in_the_call(s: Session) -> None:
    def change() -> None:
        items.append(grad(3.0))
        d["b"] = 4.0

    def f(x):
        before = items[-1], len(items), d.get("b")
        change()
        after = items[-1] * x, len(items), d.get("b")
        out = []
        for each in items:
            out.append(each * 2)
            if len(items) < 9:
                print("more")
                items.append(5.0)
                items[1] = 6.0
        for key in d:
            d[key] = len(out)
        return before, after, out, d["b"], d

    f = s.compile(f)
    for _ in range(5):
        items, d = Items([grad(1.0), 2.0]), Plain(a=1.0)
        s.call(f, grad(1.0))
        s.call(f, grad(2.0))
        s.see(items, d)


def scene_contents_of_one_object_twice(s: Session) -> None:
    def f(x, one, other):
        one[0] = x
        return one[0] is other[0], other[0] * 2, len(one), one is other, [*other]

    f = s.compile(f)
    for _ in range(3):
        same = Items([1.0, 2.0])
        s.call(f, grad(1.0), same, same)
        s.call(f, grad(1.0), same, Items([3.0]))


def scene_contents_from_outside_that_are_changed(s: Session) -> None:
    class Loud(list):
        def append(self, item):
            self.count = self.count + 1
            super().append(item)

        def extend(self, items):
            raise RuntimeError("not asked")

    class Keeping(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            super().__setitem__("latest", key)

        def update(self, *given):
            raise RuntimeError("not asked")

    def f(x, items, d, n):
        items.append(x * 2)
        d["a"] = x
        before = len(items), d["latest"], items[-1]
        if x.sum() > 3.5:
            items[0] = [x, d]
            d["b"] = Point(x)
        items.insert(0, n)
        kept = d.pop("a") + d.setdefault("c", x)
        try:
            raise_where(x, n)
        except ValueError:
            items.append("raised")
        return before, kept, items[1], len(d), d["latest"], [*d]

    def raise_where(x, n):
        if x.sum() > 100:
            raise ValueError("large")

    class Point:
        def __init__(self, x):
            self.x = x

    f = s.compile(f)
    items, d = Loud(), Keeping()
    items.count = 0
    for value in (1.0, 1.0, 3.0, 1.0, 200.0, 3.0, 200.0, 1.0):
        s.call(f, grad(value, 2.0), items, d, 7)
        s.see(items, items.count, d)
        if len(items) > 12:
            list.clear(items)
    for _ in range(40):
        s.call(f, grad(1.0, 2.0), items, d, 7, backward=False)
        list.__delitem__(items, slice(2, None))
    s.see(items, d)
    Loud.append = lambda self, item: list.append(self, "other")
    for _ in range(3):
        s.call(f, grad(1.0, 2.0), items, d, 7)
        s.see(items, d)


def scene_contents_changed_at_the_end_of_a_way(s: Session) -> None:
    """Where a way that is new departs behind a change, the object is as the change has left it."""

    def f(x, items, log):
        items.append(x)
        log.append("before")
        if x.sum() > 4.0:
            items.append(x * 2)
        log.append(len(items))
        return items[-1] * 3

    f = s.compile(f)
    items, log = Items(), []
    for value in (1.0, 1.0, 5.0, 5.0, 1.0):
        s.call(f, grad(value), items, log)
        s.see(items, log)
    with torch.no_grad():
        for value in (1.0, 5.0, 6.0):
            s.call(f, grad(value), items, log)
            s.see(items, log)


def scene_equality_of_dicts(s: Session) -> None:
    def f(x):
        n = x.sum().item()
        d = {"a": x[:1], 1: n}
        return (
            d == {1: n, "a": d["a"]},
            d != {"a": 1},
            Plain(d) == d,
            {"a": n} == {"a": 3.0},
            d == {},
        )

    check(s, f)


def scene_several_histories_stored_at_once(s: Session) -> None:
    def f(x, items, own, d):
        items.extend([x * 3, x * 4])
        items[:1] = [x * 5, x * 6]
        own += [x * 7, x * 8]
        d["a"] = x * 2
        return x * 2

    f = s.compile(f)
    items, own, d = [1.0], Items(), Plain()
    for _ in range(4):
        s.call(f, grad(1.0), items, own, d)
        s.backward(items, list(own), dict(d))
        s.see(items, own, d)
        items[1:], own[:] = [], []


class Guarded(list):
    """Its own methods are not what its base's are."""

    def __iter__(self):
        return iter(["own"])

    def append(self, item):
        super().append(("own", item))

    def basic(self):
        return super().__iter__(), super().append


class GuardedDict(dict):
    def items(self):
        return ["own"]

    def __iter__(self):
        return iter(["own"])

    def basic(self):
        return super().items(), super().__iter__(), super().get


def scene_methods_of_the_base_at_sites(s: Session) -> None:
    """What comes from the base is made again as that, whatever the class has by the same name."""

    def f(x):
        items, d = Guarded([x, x * 2]), GuardedDict(a=x, b=x * 2)
        (it, append), (view, keys, get) = items.basic(), d.basic()
        first = next(it), next(keys)
        if x.sum() > 3.5:
            append(3)
        else:
            items.append(4)
        d["c"] = 5
        return (
            first,
            next(it),
            next(it, 0),
            list(view),
            get("b"),
            len(items),
            items.copy(),
            d.copy(),
        )

    def g(x, items, d):
        (it, append), (view, keys, get) = items.basic(), d.basic()
        first = next(it), next(keys)
        if x.sum() > 3.5:
            append(3.0)
        return first, next(it), len(items), list(view), get("a"), items.copy(), d.copy()

    check(s, f)
    g = s.compile(g)
    for value in (1.0, 2.0, 3.0, 1.0, 2.0):
        items, d = Guarded([1.0, 2.0]), GuardedDict(a=value)
        s.see(g(grad(value, 1.0), items, d), list.copy(items), dict.copy(d))
