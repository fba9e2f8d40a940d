"""Scenes of what classes define for Python's syntax: operators, truth, iteration, `with`."""

from __future__ import annotations

from tests.graph.agreement import Session
from tests.graph.programs import T, grad


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
