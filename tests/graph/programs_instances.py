"""Scenes of instances that a call makes: at sites, in cycles, recursion and loops, by `__new__`."""

from __future__ import annotations

from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.graph.programs_operators import Vector


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
