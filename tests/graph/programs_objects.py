"""Scenes of objects: attributes, methods, properties, classes with operators, threads."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.threads import in_threads

Pair = namedtuple("Pair", "left right")


class Layer:
    """A small module written by hand."""

    kind = "layer"
    limit = 3

    def __init__(self, value: float) -> None:
        self.w = grad(value, value)
        self.n = 0
        self.scale = 0.5
        self.function = torch.sin
        self.items = [1.0, T([2.0, 3.0])]

    def forward(self, x, k=1.0):
        self.n += 1
        y = x * self.w * self.scale * k
        if y.sum() > self.limit:
            y = self.function(y)
        self.last = y.detach()
        return y + self.items[0]

    @property
    def doubled(self):
        return self.w * 2

    @staticmethod
    def twice(x):
        return x * 2

    @classmethod
    def named(cls, x):
        return x * len(cls.kind)


def scene_methods_of_several_instances(s: Session) -> None:
    f = s.compile(Layer.forward)
    layers = [Layer(1.0), Layer(2.0), Layer(-3.0)]
    for _ in range(3):
        for layer in layers:
            s.call(f, layer, grad(1.0, 2.0))
            s.see(layer)


def scene_method_decorated(s: Session) -> None:
    class Net:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return self.forward(x) + 1

        def forward(self, x):
            return x * self.k if x.sum() > 0 else x

    Net.forward = s.compile(Net.forward)
    one, two = Net(2.0), Net(T([3.0]))
    for value in (1.0, -1.0, 2.0):
        s.call(one, grad(value))
        s.call(two.forward, grad(value))


def scene_attributes_change(s: Session) -> None:
    layer = Layer(1.0)

    def f(x):
        return layer.forward(x, 2.0), layer.doubled, layer.kind

    f = s.compile(f)
    s.call(f, grad(1.0, 2.0))
    layer.scale = 0.25
    s.call(f, grad(1.0, 2.0))
    layer.w = grad(5.0, 6.0)
    s.call(f, grad(1.0, 2.0))
    layer.function = torch.cos
    s.call(f, grad(3.0, 2.0))
    layer.function = lambda y: y * 7
    s.call(f, grad(3.0, 2.0))
    layer.function = lambda y: y * 8
    s.call(f, grad(3.0, 2.0))
    layer.limit = 10**6
    s.call(f, grad(3.0, 2.0))
    layer.kind = "other"
    s.call(f, grad(3.0, 2.0))
    layer.scale = 2
    s.call(f, grad(3.0, 2.0))
    layer.items = (9.0, 1)
    s.call(f, grad(3.0, 2.0))
    layer.forward = lambda x, k: x - k
    s.call(f, grad(3.0, 2.0))
    del layer.forward
    s.call(f, grad(3.0, 2.0))
    del layer.w
    s.call(f, grad(3.0, 2.0))


def scene_class_changes(s: Session) -> None:
    class Base:
        factor = 2

        def go(self, x):
            return x * self.factor

    class Child(Base):
        pass

    thing = Child()

    def f(x):
        return thing.go(x), Child.factor

    f = s.compile(f)
    s.call(f, grad(1.0))
    s.call(f, grad(1.0))
    Base.factor = 3
    s.call(f, grad(1.0))
    Child.factor = 4
    s.call(f, grad(1.0))
    thing.factor = 5
    s.call(f, grad(1.0))
    Child.go = lambda self, x: x - 1
    s.call(f, grad(1.0))
    del Child.go
    s.call(f, grad(1.0))
    Base.go = lambda self, x: x - 2
    s.call(f, grad(1.0))
    Child.factor = property(lambda self: 11)
    s.call(f, grad(1.0))
    thing.__class__ = Base
    s.call(f, grad(1.0))


def scene_instance_function_is_not_bound(s: Session) -> None:
    thing = SimpleNamespace(apply=lambda x: x * 2, k=1.0)

    def f(x):
        return thing.apply(x) * thing.k

    f = s.compile(f)
    for k in (1.0, 2.0):
        thing.k = k
        s.call(f, grad(1.0))
    thing.apply = lambda x: x * 5
    s.call(f, grad(1.0))


def scene_bound_method_in_attribute(s: Session) -> None:
    class Thing:
        def __init__(self, k):
            self.k = k
            self.current = self.up

        def up(self, x):
            return x * self.k

        def down(self, x):
            return x - self.k

        alias = up

    def f(x, thing):
        return thing.current(x), thing.alias(x)

    f = s.compile(f)
    one, two = Thing(2.0), Thing(3.0)
    s.call(f, grad(1.0), one)
    s.call(f, grad(1.0), two)
    one.current = one.down
    s.call(f, grad(1.0), one)
    one.current = two.down
    s.call(f, grad(1.0), one)
    s.call(f, grad(1.0), two)


def scene_method_alive_at_a_site(s: Session) -> None:
    class Thing:
        def __init__(self, k):
            self.k = k

        run = lambda self, x: x * self.k  # noqa: E731

    def f(x, thing, items):
        go, total = thing.run, items.append
        up = x.mul
        if x.sum() > 0:
            return go(x), up(2.0)
        total(go(x))
        return up(3.0)

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -2.0):
        items: list = []
        s.call(f, grad(value), Thing(2.0), items)
        s.see(items)


def scene_properties_and_getattr(s: Session) -> None:
    class Dynamic:
        def __init__(self):
            self.reads = []

        def __getattr__(self, name):
            self.reads.append(name)
            return 3.0

        @property
        def level(self):
            self.reads.append("level")
            return len(self.reads)

    def f(x, thing):
        return x * thing.anything + thing.level

    f = s.compile(f)
    thing = Dynamic()
    for _ in range(3):
        s.call(f, grad(1.0), thing)

    class Slots:
        __slots__ = ("a", "b")

    def g(x, thing):
        thing.b = thing.a * x
        return thing.b

    g = s.compile(g)
    slots = Slots()
    for a in (1.0, 2.0, 3, T([2.0])):
        slots.a = a
        s.call(g, T([1.0]), slots)
        s.see(slots.b)
    del slots.a
    s.call(g, T([1.0]), slots)


def scene_setattr_and_descriptors(s: Session) -> None:
    class Careful:
        def __init__(self):
            object.__setattr__(self, "log", [])

        def __setattr__(self, name, value):
            self.log.append(name)
            object.__setattr__(self, name, value)

    class Checked:
        @property
        def value(self):
            return self._value

        @value.setter
        def value(self, new):
            self._value = new * 2

    def f(x, one, other):
        one.y = x
        other.value = x
        return other.value

    f = s.compile(f)
    one, other = Careful(), Checked()
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value]), one, other)
        s.see(one, other)


def scene_dataclasses_and_namedtuples(s: Session) -> None:
    @dataclasses.dataclass
    class State:
        h: object
        c: object = None
        n: int = 0

    def f(state, pair, x):
        state.h = x * pair.left
        new = State(state.h + 1, n=state.n + 1)
        a, b = pair
        return new, Pair(a, b * x), pair._replace(left=x)

    f = s.compile(f)
    state = State(T([1.0]))
    for left in (1.0, 2.0, T([3.0])):
        new, _, _ = s.call(f, state, Pair(left, 2.0), T([1.0]))
        s.see(state)
        state = new


def scene_user_operators(s: Session) -> None:
    class Money:
        def __init__(self, amount):
            self.amount = amount

        def __add__(self, other):
            return Money(self.amount + other)

        def __radd__(self, other):
            return Money(other + self.amount)

        def __mul__(self, other):
            return NotImplemented

        def __eq__(self, other):
            return "equal"

        def __bool__(self):
            return False

        def __len__(self):
            return 3

        def __getitem__(self, key):
            return key

        def __contains__(self, item):
            return True

        def __iter__(self):
            return iter([1, 2])

        def __float__(self):
            return 2.5

    def f(x, money):
        a = (money + 1).amount
        b = 1 if money else 2
        c = money == 3
        return x * a, b, c, len(money), money["key"], 4 in money, list(money), float(money)

    def g(x, money):
        return x + money

    f, g = s.compile(f), s.compile(g)
    for amount in (1, 2.0, T([3.0])):
        s.call(f, grad(1.0), Money(amount))
        s.call(g, 1.0, Money(amount))
        s.call(g, grad(1.0), Money(amount))


def scene_counter_and_stores(s: Session) -> None:
    class Model:
        def __init__(self):
            self.n = 0
            self.total = 0.0
            self.state = {"step": 0}

    def f(model, x):
        model.n += 1
        model.total += x.sum().item()
        model.state["step"] += 1
        model.average = model.total / model.n
        model.y = x * 2
        if model.total > 3:
            model.total = 0.0
        return model.average

    f = s.compile(f)
    model = Model()
    for value in (1.0, 0.5, 3.0, 1.0, 1.0, 9.0):
        s.call(f, model, T([value]))
        s.see(model)


def scene_isinstance(s: Session) -> None:
    class A:
        pass

    class B(A):
        pass

    def f(x, y):
        if isinstance(y, A):
            return x * 2, isinstance(y, (B, int))
        if isinstance(y, torch.Tensor):
            return x * y, type(y) is torch.Tensor
        return isinstance(y, (float, int)), type(y) is int, type(y).__name__, x

    f = s.compile(f)
    for y in (A(), B(), T([1.0]), 1, 2.0, "s", None, B(), (1,), [1], {}):
        s.call(f, grad(1.0), y)


def scene_super_and_inheritance(s: Session) -> None:
    class Base:
        def __init__(self):
            self.k = 2.0

        def go(self, x):
            return x * self.k

    class Child(Base):
        def go(self, x):
            return super().go(x) + 1

    def f(x, thing):
        return thing.go(x)

    f = s.compile(f)
    for thing in (Base(), Child(), Base(), Child()):
        s.call(f, grad(1.0), thing)


def scene_threads(s: Session) -> None:
    def f(x, n):
        y = x * n
        while y.sum() < 50:
            y = y * 2
        if n > 2:
            y = y + 1
        return y

    f = s.compile(f)
    results: dict = {}

    def work(name: int) -> None:
        for i in range(6):
            x = grad(1.0 + name, 1.0 + i % 3)
            y = f(x, float(1 + (i + name) % 4))
            y.sum().backward()
            results[name, i] = (y.tolist(), x.grad.tolist())

    in_threads(work, range(3))
    s.see(dict(sorted(results.items())))


def scene_eager_mode(s: Session) -> None:
    def f(x):
        print("called")
        return x * 2 if x.sum() > 0 else x

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0):
        s.call(f, grad(value))
        with torch.eager():
            s.call(f, grad(value))


def scene_eager_mode_inside(s: Session) -> None:
    def g(x):
        return x * 3

    g = s.compile(g)

    def f(x):
        with torch.eager():
            y = g(x)
        return y + 1

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_many_values_run_eagerly(s: Session) -> None:
    def f(x, n):
        return x * n

    f = s.compile(f)
    before = torch.config.max_misses
    torch.config.max_misses = 5
    try:
        for n in range(9):
            s.call(f, grad(1.0), n)
    finally:
        torch.config.max_misses = before


def scene_set_and_frozenset(s: Session) -> None:
    def f(x, names):
        if "a" in names:
            x = x * 2
        mine = {"x", "y"}
        mine.add("z")
        return x, len(names), sorted(mine), "y" in mine

    f = s.compile(f)
    for names in ({"a"}, {"b"}, frozenset("ab"), {"a", "c"}, ["a"], "abc"):
        s.call(f, grad(1.0), names)


def scene_del_and_hasattr(s: Session) -> None:
    class Box:
        pass

    def f(x, box):
        if hasattr(box, "k"):
            x = x * getattr(box, "k", 2.0)
            del box.k
        else:
            setattr(box, "k", 3.0)  # noqa: B010
        y = x + 1
        del x
        return y, getattr(box, "missing", 5)

    f = s.compile(f)
    box = Box()
    for _ in range(4):
        s.call(f, grad(1.0), box)
        s.see(box)
