"""Scenes of attributes: descriptors, slots, those that are missing, stores by methods."""

from __future__ import annotations

import functools

from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.graph.programs_operators import Sub, Vector


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
