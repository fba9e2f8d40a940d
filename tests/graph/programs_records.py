"""Scenes of dataclasses, named tuples, namespaces and enumerations."""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections import namedtuple
from types import SimpleNamespace

from tests.graph.agreement import Session
from tests.graph.programs import T, grad

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class State:
    h: object
    c: object = 2.0
    items: list = dataclasses.field(default_factory=list)
    n: int = dataclasses.field(default=0, kw_only=True)
    hidden: int = dataclasses.field(init=False, default=4)
    made: list = dataclasses.field(init=False, default_factory=list)
    limit: typing.ClassVar[int] = 3

    def scaled(self, k):
        return State(self.h * k, self.c, self.items, n=self.n + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    h: object
    k: int = 2


@dataclasses.dataclass
class Checked(State):
    bonus: dataclasses.InitVar[float] = 1.0

    def __post_init__(self, bonus):
        self.total = self.h * bonus


@dataclasses.dataclass
class Written:
    h: object

    def __init__(self, h):
        self.h = h * 10


def scene_dataclasses_made_in_the_call(s: Session) -> None:
    def f(x, k):
        a = State(x, n=3)
        a.items.append(x)
        b = a.scaled(k).scaled(k)
        c = Frozen(b.h)
        d = Checked(x, bonus=k, c=1)
        e = Checked(x, 1.0, [x], 2.0)
        return a, b, c.h * c.k, c, d, e, Written(x), b.limit + b.hidden, b.items is a.items

    f = s.compile(f)
    for k in (1.0, 2.0, 3.0):
        s.call(f, grad(1.0, 2.0), k, backward=False)


def scene_dataclass_changes(s: Session) -> None:
    @dataclasses.dataclass
    class Point:
        x: object
        y: float = 1.0

    def f(x):
        p = Point(x)
        return p.x * p.y, p

    f = s.compile(f)

    def check() -> None:
        for _ in range(2):
            s.call(f, grad(1.0))

    check()
    Point.__init__.__defaults__ = (2.0,)
    check()
    Point.__init__.__defaults__ = (3,)
    check()
    Point.__post_init__ = lambda self: setattr(self, "x", 0)
    check()
    first = Point.__init__
    Point.__init__ = lambda self, x: setattr(self, "x", x * 2)
    check()
    Point.__init__ = first
    check()
    space: dict = {"dataclass": dataclasses.dataclass}
    exec(
        "@dataclass\nclass Odd:\n    x: int\n    y: float = 1.0\n"
        "    def __init__(self, x, y=1.0):\n        self.x = x * 5\n        self.y = y",
        space,
    )
    Point.__init__ = space["Odd"].__init__
    check()
    odd = space["Odd"]

    def g(x):
        return odd(x).x

    g = s.compile(g)
    for _ in range(2):
        s.call(g, grad(1.0))


def scene_frozen_dataclass_raises(s: Session) -> None:
    def f(x):
        p = Frozen(x)
        p.h = x * 2
        return p

    def g(x):
        return Frozen(x, 2, 3)

    def h(x):
        return State()

    for function in (f, g, h):
        compiled = s.compile(function)
        for _ in range(2):
            s.call(compiled, grad(1.0))


class Named(typing.NamedTuple):
    left: object
    right: object = 2.0

    def both(self):
        return self.left * self.right

    @property
    def reverse(self):
        return Named(self.right, self.left)


def scene_named_tuples(s: Session) -> None:
    def f(x, p, q):
        a, b = p
        c = Named(x)
        d = Pair(left=a, right=b * x)
        e = d._replace(left=x)
        both = c.both() + p.left * p[1] + q.right
        return both, c, d, e, len(p), p[-1], c.reverse, [each * 1 for each in q], *e

    f = s.compile(f)
    for k in (1.0, 2.0, T([3.0])):
        s.call(f, grad(1.0), Pair(k, 2.0), Named(k, 1.0), backward=False)
    s.call(f, grad(1.0), Named(1.0, 2.0), Pair(k, 1.0), backward=False)
    s.call(f, grad(1.0), Named(1.0, 2.0), Pair(k, 1.0), backward=False)


def scene_odd_named_tuples(s: Session) -> None:
    class Doubling(Pair):
        def __getitem__(self, index):
            return super().__getitem__(index) * 2

    class Reversed(Pair):
        def __iter__(self):
            return iter((super().__getitem__(1), super().__getitem__(0)))

        def __len__(self):
            return 7

    class Made(Pair):
        def __new__(cls, left, right):
            return super().__new__(cls, left * 2, right)

    class Attributes(Pair):
        pass

    def f(x, p):
        a, b = p
        return x * a, b, p[0], p.left, len(p), [each * 1 for each in p], p

    def g(x):
        made = Made(x, 2.0)
        held = Attributes(x, 3.0)
        held.more = x * 2
        return made.left, held.more, held.right

    f, g = s.compile(f), s.compile(g)
    for kind in (Pair, Doubling, Reversed, Made, Attributes) * 2:
        s.call(f, grad(1.0), kind(2.0, 3.0))
        s.call(g, grad(1.0))


def scene_namespaces(s: Session) -> None:
    def f(x, outer):
        space = SimpleNamespace(a=x, b=2.0)
        space.c = space.a * space.b
        del space.b
        outer.c = 3.0
        return space, space.c + outer.a, outer

    f = s.compile(f)
    for k in (1.0, 2.0, T([2.0])):
        s.call(f, grad(1.0), SimpleNamespace(a=k), backward=False)


class Color(enum.Enum):
    RED = 1
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def scene_enumerations(s: Session) -> None:
    def f(x, color, holder):
        if color is Color.RED:
            x = x * 2
        if color == Color.BLUE:
            x = x * 3
        if holder.color != color and color:
            x = x * 5
        return x, color.value, color.name, Color.RED, holder.color is Color.RED

    f = s.compile(f)
    for color in (Color.RED, Color.BLUE, Color.RED):
        for other in (Color.RED, Color.BLUE):
            s.call(f, grad(1.0), color, SimpleNamespace(color=other))


def scene_enumerations_of_integers(s: Session) -> None:
    def g(x, level):
        return x * level, level == 1, level is Level.LOW

    g = s.compile(g)
    for level in (Level.LOW, Level.HIGH, 1, Level.LOW):
        s.call(g, grad(1.0), level)
