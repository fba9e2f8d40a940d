"""Scenes of methods: inherited, bound, partial, wrapped, compiled, and exceptions in them."""

from __future__ import annotations

import abc
import functools

from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.graph.programs_operators import Vector


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
