"""Scenes of the methods that dataclasses generate: equality, order, hashes, keys of dicts."""

from __future__ import annotations

import dataclasses
import functools

from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.graph.programs_derived import check


@dataclasses.dataclass
class Point:
    a: object
    b: int = 1


@dataclasses.dataclass(order=True, frozen=True)
class Version:
    major: int
    minor: float = 1.0


@dataclasses.dataclass(frozen=True)
class Key:
    a: int
    b: str = "x"
    c: tuple = ()
    d: object = dataclasses.field(default=None, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "a", int(self.a) + 1)


@dataclasses.dataclass(frozen=True, order=True)
class Longer(Key):
    e: float = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: tuple = (1, 2)


@dataclasses.dataclass(unsafe_hash=True)
class Open:
    a: object


@dataclasses.dataclass(eq=False)
class Identical:
    a: object


@dataclasses.dataclass(order=True)
class Ranked:
    rank: float
    x: object = dataclasses.field(compare=False)
    items: list = dataclasses.field(default_factory=list)


@functools.total_ordering
@dataclasses.dataclass
class Total:
    a: object

    def __lt__(self, other):
        return self.a < other.a


def scene_equality_of_dataclasses(s: Session) -> None:
    def constants(x):
        if Point(1, 2) == Point(1, 2):
            x = x * 2
        other = Identical(1) == Identical(1), Identical(1) != Identical(1), Key(1) == Longer(1)
        return x, other, Point(1) != Point(2), Key(1) == 3, Key(1) != None, Key(1, d=x) == Key(1)  # noqa: E711

    def tensors(x):
        p = Point(x)
        same = Open(x) == Open(x), Open([x]) == Open([x]), Open(Open(x)) == Open(Open(x))
        return same, Open((1, x)) == Open((1, x)), p == p, p == Point(x), p != Point(x, 2), p.a

    def numbers(x):
        n = x.sum().item()
        return Point(n, 2) == Point(n, 2), Open(n) != Open(3.0), Point(2, n) == Point(2, 5.0)

    check(s, constants, tensors, numbers)


def scene_order_of_dataclasses(s: Session) -> None:
    def constants(x):
        if Version(1) < Version(2):
            x = x * 2
        return x, Version(1) <= Version(1, 2.0), max(Version(1), Version(2)), Longer(1) > Longer(2)

    def ranked(x):
        a, b = Ranked(x.sum().item(), x), Ranked(4.0, x * 2)
        first = a if a < b else b
        return first.x, a <= b, min(a, b).rank, a >= a, max([a, b], key=lambda each: each.rank).x

    def total(x):
        return (
            Total(1) < Total(2),
            Total(1) >= Total(2),
            Total(x.sum()) > Total(3.0),
            Total(2) <= Total(2),
        )

    check(s, constants, ranked, total)


def scene_keys_that_are_dataclasses(s: Session) -> None:
    def read(x):
        d = {Key(1): x, Key(2, "y", (1, 2)): x * 2}
        d[Key(1)] = x * 3
        d[Longer(1)] = 4
        there = Key(1) in d, Key(7) in d, d.get(Key(9)), len(d)
        return d[Key(2, "y", (1, 2))], there, d, d.pop(Key(1)), list(d)

    def grouped(x):
        d = {}
        d.setdefault(Slotted(0), []).append(x)
        d.setdefault(Slotted(1), []).append(x * 2)
        d.setdefault(Slotted(0), []).append(x * 3)
        return d, d[Slotted(0)][1]

    def defaults(x):
        d = {Version(1): x, Version(2): x * 2}
        if x.sum() > 4.5:
            d[Version(3)] = x * 3
        return d[Version(1, 1.0)], hash(Version(1)) == hash((1, 1.0)), d

    def changed(x):
        key = Key(1)
        d = {key: x}
        object.__setattr__(key, "a", 5)
        return d, key, Key(4) in d, Key(1) in d, key in d

    def hashes(x):
        return hash(Key(1)) == hash((2, "x", ())), hash(Open(1.5)) == hash((1.5,)), x

    check(s, read, grouped, defaults, changed, hashes)


def scene_hash_collisions(s: Session) -> None:
    class Same:
        def __init__(self, a):
            self.a = a

        def __hash__(self):
            return -1

    @dataclasses.dataclass(frozen=True)
    class Few:
        a: int

    def f(x):
        # hash(-1) is hash(-2)
        d = {Few(-1): x, Few(-2): x * 2}
        return d[Few(-1)], d[Few(-2)], len(d), hash(Few(-1)) == hash(Few(-2)), hash(Same(x)), d

    check(s, f)


def scene_dataclass_methods_changed_between_calls(s: Session) -> None:
    @dataclasses.dataclass(frozen=True)
    class Own:
        a: int

    def f(x):
        d = {1: x}
        return Own(1) == Own(1), hash(Own(1)) == hash(Own(1)), d

    f = s.compile(f)

    def calls() -> None:
        for _ in range(2):
            s.call(f, grad(1.0))

    calls()
    first = Own.__eq__
    Own.__eq__ = lambda self, other: "equal"
    calls()
    Own.__eq__ = first
    calls()
    Own.__hash__ = lambda self: 5
    calls()
    Own.__eq__ = Slotted.__eq__
    calls()


def scene_dataclass_keys_changed_between_calls(s: Session) -> None:
    @dataclasses.dataclass(frozen=True)
    class Own:
        a: int

    def f(x, n):
        d = {Own(1): x, Own(n): x * 2}
        return d[Own(1)], len(d), d

    f = s.compile(f)

    def calls() -> None:
        for n in (1, 2, 2, 1):
            s.call(f, grad(1.0), n)

    calls()
    Own.__eq__ = lambda self, other: False
    calls()
    Own.__hash__ = lambda self: id(self)
    calls()
    del Own.__hash__, Own.__eq__
    calls()


def scene_dataclasses_that_python_compares(s: Session) -> None:
    def unhashable(x):
        try:
            return {Open([1]): x}
        except TypeError as error:
            return str(error), x

    def unordered(x):
        try:
            return Key(1) < Key(2)
        except TypeError as error:
            return str(error), x

    def ambiguous(x):
        try:
            return Open(x) == Open(x * 1)
        except RuntimeError as error:
            return str(error), x

    def nan(x):
        n = x.sum().item() * float("nan")
        return Open(n) == Open(n), Open(n) == Open(n + 1), Open(float("nan")) == Open(float("nan"))

    def stored(x):
        key = Key(1)
        d = {key: x}
        object.__setattr__(key, "d", x)
        return d, key

    def collided(x):
        key = Key(1)
        d = {key: x}
        # behind which its hash is that of what it was
        object.__setattr__(key, "a", x.sum().item() - 1)
        return Key(1) in d, x

    check(s, unhashable, unordered, ambiguous, nan, stored, collided)


def scene_dataclass_keys_of_run_time(s: Session) -> None:
    def f(x):
        d = {Slotted(x.sum().item()): x}
        return d, Slotted(4.0) in d

    f = s.compile(f)
    for value in (2.0, 2.0, 3.0, 2.0):
        s.call(f, T([value, 2.0]))


class Cached:
    made = 0

    def __init__(self, x):
        self.x = x

    @functools.cached_property
    def double(self):
        type(self).made = type(self).made + 1
        return self.x * 2


def scene_cached_properties(s: Session) -> None:
    def inside(x):
        c = Cached(x)
        first = c.double
        del c.double
        c.x = x * 3
        other = c.double
        return first, other, c.double is other, c

    def outside(x, c):
        return c.double * x

    check(s, inside)
    outside = s.compile(outside)
    for _ in range(2):
        held = Cached(grad(1.0, 2.0))
        for _ in range(3):
            s.call(outside, grad(2.0, 3.0), held)
            s.see(Cached.made, held)
        del held.double
        s.call(outside, grad(2.0, 3.0), held)
        held.double = 7.0
        s.call(outside, grad(2.0, 3.0), held)
        s.see(Cached.made)
    Cached.made = 0


def scene_functions_with_a_cache(s: Session) -> None:
    """Hits and misses are those of eager: Python makes the calls."""
    calls: list = []

    @functools.lru_cache(maxsize=2)
    def doubled(n):
        calls.append(n)
        return n * 2

    @functools.cache
    def scaled(x):
        calls.append("x")
        return x * 3

    def f(x, n):
        return x * doubled(n) + scaled(shared), doubled(n), doubled.cache_info().hits

    def local(x):
        @functools.cache
        def fibonacci(n):
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        return x * fibonacci(10), fibonacci.cache_info()

    shared = grad(1.0, 2.0)
    f = s.compile(f)
    for n in (1, 1, 2, 3, 1, 1, 3):
        s.call(f, grad(1.0, 2.0), n, backward=False)
        s.see(calls, doubled.cache_info(), scaled.cache_info())
    doubled.cache_clear()
    s.call(f, grad(1.0, 2.0), 3, backward=False)
    s.see(calls, doubled.cache_info())
    local = s.compile(local)
    for _ in range(3):
        s.call(local, grad(1.0))


def scene_classes_made_in_the_call(s: Session) -> None:
    def f(x):
        class Own:
            factor = 2

            def __init__(self, value):
                self.value = value

            def scaled(self):
                return self.value * x * self.factor

        class Further(Own):
            def scaled(self):
                return super().scaled() + 1

        made = Further(x)
        return made.scaled(), type(made).__name__, Further.__mro__[1] is Own, made

    f = s.compile(f)
    before = None
    for value in (1.0, 2.0, 3.0):
        result = f(grad(value))
        s.see(result, type(result[-1]) is before)
        before = type(result[-1])
