"""Scenes of classes and instances that are changed between calls."""

from __future__ import annotations

from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.graph.programs_operators import Sub, Vector


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
