"""Scenes of users' classes: objects made in the call, operators, descriptors, stores, changes."""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
import typing
from collections import namedtuple
from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

Pair = namedtuple("Pair", "left right")


class Vector:
    """Two tensors with all operators."""

    scale = 2.0

    def __init__(self, x, y=1.0):
        self.x = x
        self.y = y

    def __add__(self, other):
        if isinstance(other, Vector):
            return type(self)(self.x + other.x, self.y + other.y)
        return type(self)(self.x + other, self.y)

    __radd__ = __add__

    def __sub__(self, other):
        return NotImplemented if isinstance(other, str) else Vector(self.x - other.x, self.y)

    def __mul__(self, other):
        return Vector(self.x * other, self.y * other)

    def __rmul__(self, other):
        return Vector(other * self.x, other * self.y)

    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __iadd__(self, other):
        self.x = self.x + other
        return self

    def __eq__(self, other):
        return isinstance(other, Vector) and self.scale == other.scale

    def __lt__(self, other):
        return self.x < other.x

    def __len__(self):
        return 2

    def __getitem__(self, key):
        return self.x if key == 0 else self.y

    def __setitem__(self, key, value):
        if key == 0:
            self.x = value
        else:
            self.y = value

    def __delitem__(self, key):
        self.y = 0.0

    def __contains__(self, item):
        return item == 7

    def __call__(self, k):
        return self.x * k

    @property
    def norm(self):
        return (self.x * self.x).sum() * self.scale

    @norm.setter
    def norm(self, value):
        self.x = self.x * value

    @classmethod
    def square(cls, x):
        return cls(x, x)

    @staticmethod
    def double(x):
        return x * 2


class Sub(Vector):
    def __init__(self, x, y=1.0, z=3.0):
        super().__init__(x, y)
        self.z = z

    def __radd__(self, other):
        return Vector(self.x * 100, 0.0)

    def __gt__(self, other):
        return "greater"

    @property
    def norm(self):
        return super().norm + self.z

    @norm.setter
    def norm(self, value):
        self.z = value


def scene_instances_made_in_the_call(s: Session) -> None:
    def f(x, k):
        v = Vector(x)
        v.extra = v.norm * k
        w = v
        w.y = v.extra + 1
        return v, w, v.x, v.scale

    f = s.compile(f)
    for k in (1.0, 2.0, 3, 4, T([2.0])):
        s.call(f, grad(1.0, 2.0), k)


def scene_instances_at_sites(s: Session) -> None:
    def f(x, flag):
        v = Vector(x, [x, Vector(x * 2)])
        method = v.square
        if x.sum() > 0:
            v.x = v.x * 3
            v.y.append(v)
        else:
            v.y[1].x = v.x
        if flag:
            del v.y
        return v, method(x), (lambda: v.x)()

    f = s.compile(f)
    for value, flag in ((1.0, False), (-1.0, False), (2.0, True), (-2.0, True), (3.0, False)) * 2:
        s.call(f, grad(value), flag, backward=False)


def scene_cycles_of_instances(s: Session) -> None:
    class Node:
        def __init__(self, value, parent=None):
            self.value = value
            self.parent = parent
            self.own = self

        def total(self):
            return self.value if self.parent is None else self.value + self.parent.total()

    def f(x):
        root = Node(x)
        leaf = Node(x * 2, Node(x * 3, root))
        root.below = leaf
        if leaf.total().sum() > 5:
            return leaf.total(), root.below is leaf, leaf.own.own is leaf, leaf
        return leaf.total(), leaf.parent.parent is root, root

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -2.0, 1.0):
        s.call(f, grad(value), backward=False)


def scene_operators_between_objects(s: Session) -> None:
    def f(x, y):
        a, b, c = Vector(x), Sub(y), Vector.square(x)
        d = a + b, b + a, a + c, 3 + a, a + 2.0, a * 2, 2 * a, -a
        e = a == b, a != b, a == 3, 3 == a, a != 3, a == None, a < c, a < b, b > a  # noqa: E711, SIM300
        a += 1
        return d, e, a, a @ c, len(a), a[0], a[1], 7 in a, 8 not in a, a(3), a.norm, b.norm

    f = s.compile(f)
    for k in range(4):
        s.call(f, grad(1.0 + k), grad(2.0), backward=False)
    s.call(f, T([1.0]), T([2.0, 3.0]))


def scene_operators_of_objects_from_outside(s: Session) -> None:
    def f(a, b, x):
        a[0] = x * 2
        del a[1]
        a += x
        a.norm = 3.0
        return a + b, b + a, a == b, a is b, a.norm, b.norm, x * a, a * x, x + b, 2 * b

    f = s.compile(f)
    for k in range(3):
        a, b = Vector(T([1.0 + k])), Sub(T([2.0]))
        s.call(f, a, b, grad(3.0))
        s.see(a, b)
        s.call(f, a, a, grad(3.0))
        s.see(a)
        s.call(f, b, b, grad(3.0))


def scene_operators_with_tensors(s: Session) -> None:
    class Scaled:
        def __init__(self, k):
            self.k = k

        def __rmul__(self, other):
            return other * self.k

        def __mul__(self, other):
            return NotImplemented

        def __sub__(self, other):
            return self.k - other

        def __rsub__(self, other):
            return other - self.k

        def __rtruediv__(self, other):
            return other / self.k

        def __lt__(self, other):
            return self.k < other

        def __eq__(self, other):
            return "same"

    def f(x, a):
        return x * a, a - x, x - a, x / a, a < x, x > a, a == x, x == a, 2 * a, 2.5 - a

    f = s.compile(f)
    for k in (2.0, 3.0, T([4.0]), grad(5.0)):
        s.call(f, grad(1.0, 2.0), Scaled(k))


def scene_reflected_operators(s: Session) -> None:
    log: list = []

    class A:
        def __add__(self, other):
            return NotImplemented

        def __radd__(self, other):
            return "A.radd"

        def __sub__(self, other):
            return "A.sub"

        def __isub__(self, other):
            return NotImplemented

        def __le__(self, other):
            return NotImplemented

    class B(A):
        def __radd__(self, other):
            return "B.radd"

        def __rsub__(self, other):
            return "B.rsub"

        def __ge__(self, other):
            return "B.ge"

    class C(A):
        pass

    class D:
        def __radd__(self, other):
            return "D.radd"

        def __rsub__(self, other):
            return NotImplemented

    def f(x, a, b):
        c = a - b
        a -= b
        return x * 2, a, b + 1, c

    def g(x, a, b):
        return x * 2, a + b

    def h(x, a, b):
        return x * 2, a <= b

    f, g, h = s.compile(f), s.compile(g), s.compile(h)
    for one in (A, B, C, D):
        for other in (A, B, C, D):
            for function in (f, g, h):
                s.call(function, T([1.0]), one(), other())
    s.see(log)


def scene_truth_of_objects(s: Session) -> None:
    class Bool:
        def __init__(self, value):
            self.value = value

        def __bool__(self):
            return self.value

    class Length:
        def __init__(self, value):
            self.value = value

        def __len__(self):
            return self.value

    def f(x, thing):
        y = x * 2 if thing else x * 3
        z = thing and 5
        w = thing or 6
        n = not thing
        while not thing:
            y = y + 1
            break
        return y, z == 5, w == 6, n, bool(thing), not thing or None, not (thing and thing)

    f = s.compile(f)
    for value in (True, False, True, False):
        s.call(f, grad(1.0), Bool(value))
    for value in (0, 1, 2, 0):
        s.call(f, grad(1.0), Length(value))
    Length.__bool__ = lambda self: self.value != 2
    for value in (0, 1, 2):
        s.call(f, grad(1.0), Length(value))
    del Length.__bool__
    s.call(f, grad(1.0), Length(2))


def scene_truth_that_is_none(s: Session) -> None:
    class Thing:
        def __init__(self, value):
            self.value = value

    def f(x, thing):
        return x * 2 if thing else x * 3, not thing, thing or 1

    f = s.compile(f)
    for name, values in (
        ("__bool__", (True, 1, None, "text", 1.0, False)),
        ("__len__", (1, 0, -1, True, 2.5, "text", 3)),
    ):
        setattr(Thing, name, lambda self: self.value)
        for value in values:
            s.call(f, grad(1.0), Thing(value))
            s.call(f, grad(1.0), Thing(value))
        delattr(Thing, name)
    Thing.__bool__ = None
    s.call(f, grad(1.0), Thing(1))


def scene_truth_by_a_tensor(s: Session) -> None:
    class Bool:
        def __init__(self, value):
            self.value = value

        def __bool__(self):
            return bool((self.value > 0).all())

        def __len__(self):
            return int(self.value.sum().item())

    def f(x):
        thing = Bool(x)
        if not thing:
            return x * 2, len(thing) if x[0] == 0 else None
        return x * 3, thing and 1

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -2.0, 0.0, 0.0):
        s.call(f, grad(value, 3.0))


def scene_user_iterators(s: Session) -> None:
    class Count:
        def __init__(self, n):
            self.n = n
            self.i = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.i += 1
            if self.i > self.n:
                raise StopIteration
            return self.i

    class Holder:
        def __init__(self, items):
            self.items = items

        def __iter__(self):
            return iter(self.items)

    class Wrong:
        def __iter__(self):
            return 3

    def f(x, thing):
        for each in thing:
            x = x * each
        return x

    def g(x, thing):
        for each in Holder([2, x]):
            x = x * each
        first, *rest = [each * 1 for each in Holder((1.0, x, thing))]
        return x, first, rest

    f, g = s.compile(f), s.compile(g)
    for thing in (Count(2), Count(3), Holder([1.0, 2.0]), Holder((3, 4)), Wrong(), Count(2)):
        s.call(f, grad(2.0), thing)
        s.call(g, grad(2.0), 3)


def scene_context_managers(s: Session) -> None:
    class Manager:
        def __init__(self, log, swallow=False):
            self.log = log
            self.swallow = swallow
            self.depth = 0

        def __enter__(self):
            self.depth += 1
            return self.depth

        def __exit__(self, kind, value, traceback):
            self.depth -= 1
            self.kind = kind
            return self.swallow

    def f(x, manager):
        with manager as depth:
            x = x * depth
            if x.sum() > 5:
                return x, manager.depth
        with Manager(None) as k, Manager(None, True):
            x = x * k
        return x, manager.depth

    def g(x, manager):
        with manager:
            x = x * 2
            if x.sum() > 3:
                raise ValueError("too large")
        return x + manager.depth

    f, g = s.compile(f), s.compile(g)
    for swallow in (False, True):
        manager = Manager([], swallow)
        for value in (1.0, 6.0, 2.0, 1.0):
            s.call(f, grad(value), manager)
            s.see(manager)
            s.call(g, grad(value), manager)
            s.see(manager)


def scene_class_is_changed_between_calls(s: Session) -> None:
    class Base:
        def __init__(self, x):
            self.x = x

        def go(self):
            return self.x * 2

    class Thing(Base):
        k = 1.0

    def f(x):
        t = Thing(x)
        return t.go() + t.k, t.x, t

    f = s.compile(f)

    def check() -> None:
        for _ in range(2):
            s.call(f, grad(1.0))

    check()
    Thing.k = 2.0
    check()
    Thing.k = 3
    check()
    Thing.go = lambda self: self.x * 5
    check()
    del Thing.go
    check()
    Base.go = lambda self: self.x * 7
    check()
    Thing.x = property(lambda self: self.y * 2, lambda self, value: setattr(self, "y", value))
    check()
    del Thing.x
    check()
    Thing.__init__ = lambda self, x: setattr(self, "x", x * 3)
    check()
    del Thing.__init__
    check()
    Thing.__setattr__ = lambda self, name, value: object.__setattr__(self, name, value * 2)
    check()
    del Thing.__setattr__
    check()
    Thing.__getattribute__ = lambda self, name: object.__getattribute__(self, name)
    check()
    del Thing.__getattribute__
    Thing.__getattr__ = lambda self, name: T([9.0])
    check()
    del Thing.k
    check()
    Thing.__new__ = lambda cls, x: Base(x)
    check()


def scene_bases_are_changed_between_calls(s: Session) -> None:
    class Base:
        def __init__(self, x):
            self.x = x

        def go(self):
            return self.x * 2

    class Other:
        def go(self):
            return self.x * 11

    class Thing(Base):
        def both(self):
            return super().go() + 1

    def f(x, outer):
        thing = Thing(x)
        return thing.go(), thing.both(), isinstance(outer, Other), issubclass(Thing, Other)

    f = s.compile(f)
    for bases in ((Base,), (Other, Base), (Base, Other), (Base,)):
        Thing.__bases__ = bases
        for _ in range(2):
            s.call(f, grad(1.0), Thing(3.0))
    Thing.__del__ = lambda self: None
    s.call(f, grad(1.0), 4.0)


def scene_operators_are_changed_between_calls(s: Session) -> None:
    class Thing:
        def __init__(self, x):
            self.x = x

        def __add__(self, other):
            return self.x + other

    def f(a, k):
        return a + k, not a

    f = s.compile(f)

    def check() -> None:
        for _ in range(2):
            s.call(f, Thing(grad(1.0)), 2.0)

    check()
    Thing.__add__ = lambda self, other: self.x - other
    check()
    Thing.__bool__ = lambda self: False
    check()
    Thing.__len__ = lambda self: 1
    check()
    del Thing.__bool__
    check()
    del Thing.__len__
    check()
    Thing.__radd__ = lambda self, other: "never"
    check()
    Thing.__iadd__ = lambda self, other: "never"
    check()


def scene_shadowed_by_the_instance(s: Session) -> None:
    def f(v, x):
        return v.double(x), v(x), v.norm, v.square(x).x, len(v)

    f = s.compile(f)
    v = Vector(grad(2.0))
    for _ in range(2):
        s.call(f, v, grad(1.0))
    v.double = lambda x: x * 5
    v.__len__ = lambda: 9
    v.__call__ = lambda k: 0
    v.__dict__["norm"] = 3
    for _ in range(2):
        s.call(f, v, grad(1.0))
    v.square = Sub.square
    for _ in range(2):
        s.call(f, v, grad(1.0))
    v.__class__ = Sub
    v.z = 2.0
    for _ in range(2):
        s.call(f, v, grad(1.0))


def scene_same_instance_twice(s: Session) -> None:
    def f(a, b, x):
        a.x = x
        b.x = b.x * 2
        c = Vector(a)
        c.x.y = 5.0
        return a.x, b.x, a is b, b.y, c.x is b

    f = s.compile(f)
    a, b = Vector(T([1.0]), 2.0), Vector(T([3.0]), 4.0)
    for one, other in ((a, b), (a, a), (b, b), (b, a), (a, b)):
        s.call(f, one, other, T([2.0]))
        s.see(a, b)


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


class Doubled:
    """A data descriptor."""

    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, obj, owner=None):
        return self if obj is None else getattr(obj, self.name) * 2

    def __set__(self, obj, value):
        setattr(obj, self.name, value)


class Lazy:
    """A descriptor that stores decide against."""

    def __init__(self, function):
        self.function = function

    def __get__(self, obj, owner=None):
        return self.function(obj)


class Described:
    value = Doubled()

    def __init__(self, value):
        self.value = value

    @Lazy
    def lazy(self):
        return self.value + 1

    @functools.cached_property
    def costly(self):
        return self.value * 3


def scene_descriptors(s: Session) -> None:
    def f(x, outer):
        d = Described(x)
        d.value = d.value * 2
        outer.value = 2.0
        first = d.costly
        d.value = x
        return d.value, d.lazy, first, d.costly, outer.value, outer.lazy, outer.costly, d

    f = s.compile(f)
    outer = Described(1.0)
    for _ in range(3):
        s.call(f, grad(1.0), outer, backward=False)
        s.see(outer)
    outer.lazy = 5.0
    outer.costly = 7.0
    outer.__dict__["value"] = 11.0
    for _ in range(2):
        s.call(f, grad(1.0), outer, backward=False)
    s.call(f, grad(1.0), Described(T([3.0])), backward=False)


def scene_cached_property_keeps_a_tensor(s: Session) -> None:
    class Layer:
        def __init__(self, w):
            self.w = w

        @functools.cached_property
        def matrix(self):
            return self.w * 2

    def f(x, layer):
        return x * layer.matrix + layer.matrix

    f = s.compile(f)
    for layer in (Layer(grad(2.0)), Layer(grad(3.0))):
        for _ in range(3):
            s.call(f, T([1.0]), layer, backward=False)
            s.see(layer.matrix, layer.w)
        s.call(f, T([1.0]), layer)
        del layer.matrix
        s.call(f, T([1.0]), layer)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class SlottedMore(Slotted):
    __slots__ = ("__dict__", "c")


def scene_slots(s: Session) -> None:
    def f(x, outer):
        one, two = Slotted(x), SlottedMore(x * 2)
        one.b = one.a * 2
        two.c, two.d = 1.0, one
        outer.b = 3.0
        outer.a = outer.b + 1
        if x.sum() > 0:
            one.a = two.a
        return one.a, one.b, two.c, two.d.a, two.a, outer.a, one, two

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0):
        outer = SlottedMore(5.0)
        _, _, _, _, _, _, one, two = s.call(f, grad(value), outer, backward=False)
        s.see(one.a, one.b, two.a, two.c, two.d.b, outer.a, outer.b)


def scene_missing_attributes(s: Session) -> None:
    class Dynamic:
        def __init__(self, k):
            self.k = k

        def __getattr__(self, name):
            if name == "wrong":
                raise AttributeError(name)
            return self.k * len(name)

        @property
        def failing(self):
            return self.wrong

        @property
        def fine(self):
            return self.k

    def f(x, outer):
        d = Dynamic(x)
        return d.abc, d.fine, outer.ab, outer.fine, d.k

    f = s.compile(f)
    for k in (1.0, 2.0):
        s.call(f, grad(1.0), Dynamic(k))


def scene_missing_attributes_that_raise(s: Session) -> None:
    class Dynamic:
        def __getattr__(self, name):
            if name == "wrong":
                raise AttributeError(name)
            return len(name)

        @property
        def failing(self):
            return self.wrong

    def g(x, outer):
        return Dynamic().failing, outer.failing

    def h(x, outer):
        return Slotted(x).b

    g, h = s.compile(g), s.compile(h)
    for _ in range(2):
        for function in (g, h):
            s.call(function, grad(1.0), Dynamic())


def scene_super_and_class_methods(s: Session) -> None:
    class Base(abc.ABC):
        made = 0
        factor = 2.0

        def __init__(self, x):
            super().__init__()
            self.x = x

        def go(self, k):
            return self.x * k

        @classmethod
        def create(cls, x):
            return cls(x * cls.factor)

        @abc.abstractmethod
        def name(self): ...

        def __setattr__(self, name, value):
            super().__setattr__(name, value)

    class Middle(Base):
        factor = 3.0

        def go(self, k):
            return super().go(k) + 1

        @classmethod
        def create(cls, x):
            return super().create(x + 1)

        def name(self):
            return type(self).__name__

    class Last(Middle):
        def go(self, k):
            return super(Middle, self).go(k) + super().go(k)

    def f(x, outer):
        a, b = Middle.create(x), Last.create(x)
        return a.go(2.0), b.go(3.0), outer.go(4.0), a.name(), b, outer.create(x).x, Last.factor

    f = s.compile(f)
    for _ in range(2):
        s.call(f, grad(1.0), Last(T([1.0])), backward=False)
        s.call(f, grad(1.0), Middle(T([1.0])), backward=False)
    Base.go = lambda self, k: self.x - k
    s.call(f, grad(1.0), Last(T([1.0])), backward=False)
    Last.factor = 7.0
    s.call(f, grad(1.0), Last(T([1.0])), backward=False)
    Middle.__init__ = lambda self, x: Base.__init__(self, x * 2)
    s.call(f, grad(1.0), Last(T([1.0])), backward=False)
    s.call(f, grad(1.0), Last(T([1.0])), backward=False)


def scene_counters_on_a_class(s: Session) -> None:
    class Counted:
        count = 0
        seen = 0.0

        def __init__(self, x):
            type(self).count += 1
            Counted.seen = 2.0
            self.x = x * self.count

        @property
        def number(self):
            return self.count

    class More(Counted):
        pass

    def f(x, outer):
        before = outer.count
        a = Counted(x)
        b = More(x)
        return a.x, b.x, before, outer.count, a.number, More.count, Counted.count, outer.seen

    f = s.compile(f)
    outer = Counted(T([1.0]))
    for turn in range(8):
        s.call(f, grad(1.0), outer)
        s.see(Counted.count, More.count)
        if turn == 4:
            outer.count = 50
        if turn == 5:
            Counted.count = 0.5


def scene_bound_methods(s: Session) -> None:
    class Layer:
        def __init__(self, k):
            self.k = k
            self.hook = None

        def go(self, x):
            return x * self.k

        def other(self, x):
            return x + self.k

    def f(x, layers, flag):
        first, second = layers[0].go, layers[1].go
        third = Layer(x).other
        layers[0].hook = layers[1].other
        if flag:
            first, second = second, third
        return first(x), second(x), third(x), layers[0].hook(x)

    def g(x, layer):
        return layer.hook(x)

    f, g = s.compile(f), s.compile(g)
    layers = [Layer(2.0), Layer(3.0)]
    for flag in (False, True, False, True):
        s.call(f, grad(1.0), layers, flag)
        s.call(g, grad(1.0), layers[0])
    layers[0].hook = layers[0].go
    for _ in range(2):
        s.call(g, grad(1.0), layers[0])
    layers[0].k = T([5.0])
    s.call(g, grad(1.0), layers[0])
    Layer.go = lambda self, x: x
    s.call(g, grad(1.0), layers[0])
    layers[0].hook = Layer(7.0).go
    s.call(g, grad(1.0), layers[0])


def scene_partial_functions(s: Session) -> None:
    def scale(x, k, shift=0.0):
        return x * k + shift

    def f(x, outer):
        inner = functools.partial(scale, x, shift=1.0)
        method = functools.partial(Vector(x).__add__, 2.0)
        made = functools.partial(Vector, y=3.0)(x)
        return inner(2.0), inner(k=outer(x)), method(), made.y, inner

    def g(x, function):
        return function(x)

    f, g = s.compile(f), s.compile(g)
    outer = functools.partial(scale, k=2.0)
    for _ in range(3):
        *_, inner = s.call(f, grad(1.0), outer, backward=False) or [None]
        s.see(inner.args, inner.keywords)
    for function in (
        functools.partial(scale, k=4.0),
        functools.partial(scale, k=5.0),
        functools.partial(scale, k=T([2.0]), shift=1.0),
        functools.partial(Vector.double),
        Vector(grad(3.0)),
        Vector(2.0).__mul__,
        functools.partial(scale, k=5.0),
    ):
        s.call(g, grad(1.0), function)
        s.call(g, grad(1.0), function)


def scene_wrapped_functions(s: Session) -> None:
    def logged(function):
        calls = []

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs) * 2

        wrapper.calls = calls
        return wrapper

    class Layer:
        def __init__(self, k):
            self.activation = lambda x, scale=k: x * scale

        @logged
        def go(self, x, *, power=1.0):
            return self.activation(x) * power

    def f(x, layer):
        inner = Layer(x)
        return layer.go(x, power=2.0), inner.go(x), inner.activation(x, 2.0)

    f = s.compile(f)
    for k in (1.0, 2.0, T([3.0])):
        s.call(f, grad(1.0), Layer(k))


def scene_recursion(s: Session) -> None:
    class Tree:
        def __init__(self, depth, x):
            self.x = x
            self.children = [Tree(depth - 1, x * (i + 1)) for i in range(2)] if depth else []

        def total(self):
            result = self.x
            for child in self.children:
                result = result + child.total()
            return result

    def f(x, tree):
        return Tree(2, x).total() + tree.total()

    f = s.compile(f)
    for depth in (1, 2, 1):
        s.call(f, grad(1.0), Tree(depth, T([1.0])))


def scene_state_in_a_loop(s: Session) -> None:
    class State:
        def __init__(self, x):
            self.x = x
            self.steps = 0

        def advance(self, rate):
            self.x = self.x * rate
            self.steps += 1
            return self

    def f(x, rate):
        state = State(x)
        while state.x.norm() > 0.1:
            state.advance(rate)
        return state.x, state.steps, state

    f = s.compile(f)
    for rate in (0.5, 0.9, 0.3, 0.8, 0.95):
        s.call(f, grad(1.0, 1.0), rate, backward=False)
        s.call(f, grad(3.0, 1.0), rate)


def scene_histories_stored_outside(s: Session) -> None:
    class Cell:
        def __init__(self):
            self.w = grad(0.5, 0.25)
            self.h = T([0.0, 0.0])
            self.outputs = {}

        def step(self, x):
            self.h = torch.tanh(self.h + x * self.w)
            self.outputs["last"] = self.h * 2
            return self.h.sum()

    def f(cell, xs):
        total = 0.0
        for x in xs:
            total = total + cell.step(x)
        return total

    f = s.compile(f)
    cell = Cell()
    for turn in range(6):
        s.call(f, cell, [T([1.0, 2.0]), T([3.0, 1.0])], backward=False)
        s.see(cell)
        total = f(cell, [T([1.0, turn]), T([2.0, 1.0])])
        if turn % 2:
            (total + cell.h.sum() + cell.outputs["last"].sum()).backward()
        else:
            s.see(torch.autograd.grad(total, cell.w, retain_graph=True))
            s.see(torch.autograd.grad(total, cell.h, retain_graph=True, allow_unused=True))
            cell.outputs["last"].sum().backward()
        s.see(cell)
        cell.h = cell.h.detach()


def scene_histories_stored_at_sites(s: Session) -> None:
    class Box:
        pass

    def f(x, box):
        box.a = x * 2
        box.b = box.a[0]
        if box.a.sum() > 3:
            box.a = box.a * 3
            box.a.add_(1)
        y = box.a + box.b
        if y.sum() > 20:
            box.b = y
        return y.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 5.0, 1.0, 6.0, 2.0):
        box = Box()
        s.call(f, grad(value, 0.5), box, backward=False)
        s.see(box)
        s.backward(box.a, box.b)
        box = Box()
        x = grad(value, 0.5)
        y = f(x, box)
        (y + box.b.sum()).backward()
        s.see(x, box)


def scene_objects_stored_outside(s: Session) -> None:
    class Model:
        def __init__(self):
            self.history = []
            self.best = None
            self.table = {}

        def step(self, x):
            state = State(x * 2)
            state.items.append(x)
            self.best = state
            state.n += 1
            self.history = [state, [x * 3], {"k": state}]
            self.history[1][0] = x * 4
            self.history[2]["more"] = state.h
            state.items[0] = x * 5
            self.table["pair"] = (state, Pair(x, state))
            if x.sum() > 2:
                state.extra = x
            return self.best.h + len(self.history[1]), state is self.history[0]

    def f(model, x):
        return model.step(x)

    f = s.compile(f)
    model = Model()
    for value in (1.0, 2.0, 3.0, 1.0, 4.0):
        s.call(f, model, grad(value, 1.0), backward=False)
        s.see(model)
        s.backward(model.best.h, model.history[1][0])
        s.see(model)
        s.call(f, model, grad(value, 1.0))


def scene_objects_that_store_themselves(s: Session) -> None:
    class Owner:
        child = None

    class Child:
        def __init__(self, owner, x):
            self.before = x
            owner.child = self
            self.owner = owner
            self.after = owner.child.before * 2

        def go(self):
            self.count = 1
            return self.owner.child.after

    def f(owner, x):
        child = Child(owner, x)
        child.go()
        second = owner.child
        second.more = x + 1
        return child.go(), second is child, child.more, owner.child.count

    f = s.compile(f)
    owner = Owner()
    for value in (1.0, 2.0, 3.0):
        s.call(f, owner, grad(value), backward=False)
        s.see(owner.child.before, owner.child.after, owner.child.more, owner.child.owner is owner)
        s.backward(owner.child.after)


def scene_stores_by_functions(s: Session) -> None:
    class Box:
        def __init__(self, k):
            object.__setattr__(self, "k", k)

        def __setattr__(self, name, value):
            object.__setattr__(self, name + "_", value)

        def __delattr__(self, name):
            object.__delattr__(self, name + "_")

    class Plain:
        @property
        def v(self):
            return self._v

        @v.setter
        def v(self, value):
            self._v = value * 2
            return "ignored"

    def f(x, outer, plain):
        box = Box(x)
        box.a = x * 2
        outer.a = 3.0
        del outer.a
        setattr(box, "b", box.k)  # noqa: B010
        nothing = setattr(plain, "v", 4.0)
        setattr(plain, "w", x)  # noqa: B010
        delattr(plain, "w")
        fresh = object.__new__(Box)
        fresh.z = x
        return box, nothing, plain.v, fresh.z_, isinstance(box, Box), issubclass(Sub, Vector)

    f = s.compile(f)
    for k in (1.0, 2.0):
        outer, plain = Box(k), Plain()
        s.call(f, grad(1.0), outer, plain, backward=False)
        s.see(outer, plain)


def scene_exceptions_in_methods(s: Session) -> None:
    class Picky:
        def __init__(self, x):
            if x.sum() > 5:
                raise ValueError("too large")
            self.x = x

        def __add__(self, other):
            if other is None:
                raise KeyError("none")
            return self.x + other

        def __init_subclass__(cls):
            pass

    class Returns:
        def __init__(self):
            return 3

    def f(x, other):
        return Picky(x) + other

    def g(x):
        try:
            return Picky(x) + None
        except KeyError:
            return x * 2

    def h(x):
        return Returns(x)

    def k(x):
        return Returns()

    def m(x):
        return Vector(x) - "text"

    def n(x):
        return Vector(x) >= 3

    for function in (h, k, m, n, g):
        compiled = s.compile(function)
        for value in (1.0, 6.0, 2.0):
            s.call(compiled, grad(value))
    f = s.compile(f)
    for value, other in ((1.0, 2.0), (6.0, 2.0), (2.0, None), (3.0, 1.0)):
        s.call(f, grad(value), other)


def scene_classes_with_a_new_of_their_own(s: Session) -> None:
    class Counted:
        def __new__(cls, x, k=1.0):
            made = super().__new__(cls)
            made.k = k
            return made

        def __init__(self, x, k=2.0):
            self.x = x * k

    class Plain:
        def __new__(cls, x):
            made = object.__new__(cls)
            made.x = x
            return made

    class Other:
        def __new__(cls, x):
            return Plain(x * 2)

        def __init__(self, x):
            raise AssertionError("not called")

    class Derived(Counted):
        def __new__(cls, x):
            return super().__new__(Counted, x, k=5.0)

        def __init__(self, x):
            raise AssertionError("not called")

    def f(x):
        a, b, c, d = Counted(x), Counted(x, k=3.0), Plain(x), Derived(x)
        return a.x, a.k, b.x, b.k, c.x, Other(x).x, d.k, type(d) is Counted, a, d

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value), backward=False)
    Counted.__init__ = lambda self, x, k=1.0: setattr(self, "x", k)
    Plain.__new__ = lambda cls, x: Counted(x, 7.0)
    for value in (1.0, 2.0):
        s.call(f, grad(value), backward=False)


def scene_classes_that_make_one_object(s: Session) -> None:
    class One:
        instance = None

        def __new__(cls, x):
            if cls.instance is None:
                cls.instance = super().__new__(cls)
            return cls.instance

        def __init__(self, x):
            self.x = x

    def f(x):
        a, b = One(x), One(x * 2)
        return a is b, a.x, b

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value), backward=False)


def scene_nested_compiled_functions(s: Session) -> None:
    class Layer:
        def __init__(self, k):
            self.k = k

        def go(self, x):
            return x * self.k

    Layer.go = s.compile(Layer.go)

    def f(x, layer):
        return layer.go(x) + Layer(x).go(x) + Layer.go(layer, x)

    f = s.compile(f)
    for k in (1.0, 2.0, T([3.0])):
        s.call(f, grad(1.0), Layer(k))
