"""Scenes of what a call makes and stores outside: histories, objects, numbers of classes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad
from tests.graph.programs_operators import Vector
from tests.graph.programs_records import Pair, State


class Box:
    h = None


def scene_histories_overwritten_and_aliased(s: Session) -> None:
    def f(x, a, b):
        a.h = x * 2
        b.h = a.h
        a.h = None
        if x.sum() > 2:
            b.items = [b.h, x * 3]
            b.h = b.items[1]
            b.items = 5
        b.m = (x if b.h is None else b.h) * 2
        return b.m.sum()

    f = s.compile(f)
    for same in (False, True):
        for value in (1.0, 3.0, 1.0, 3.0, 1.0, 3.0):
            a = Box()
            b = a if same else Box()
            x = grad(value)
            s.attempt(f, x, a, b)
            s.see(a, b)
            s.backward(b.m)
            s.see(x)
            y = grad(value)
            s.call(f, y, a, b)
            s.see(y)


def scene_histories_changed_in_place(s: Session) -> None:
    def f(x, a):
        a.h = x * 2
        a.h.mul_(3)
        a.v = a.h[0]
        a.d = a.h.detach()
        a.k = (a.h, {"x": a.v})
        if a.d.sum() > 10:
            a.v = a.k[0] + 1
        return a.h.sum() + a.v

    f = s.compile(f)
    for value in (1.0, 4.0, 1.0, 4.0, 2.0):
        a, x = Box(), grad(value, 1.0)
        s.call(f, x, a, backward=False)
        s.see(a)
        s.backward(a.h, a.v)
        s.see(x, a)
        a, x = Box(), grad(value, 1.0)
        s.call(f, x, a)
        s.see(a)


def scene_histories_and_a_backward_pass_inside(s: Session) -> None:
    w = grad(1.0, 2.0)

    def f(x, a):
        a.h = x * w
        loss = a.h.sum()
        loss.backward()
        a.g = w.grad
        a.after = a.h + 1
        return loss

    f = s.compile(f)
    for value in (1.0, 4.0, 1.0):
        a = Box()
        s.call(f, T([value, value]), a, backward=False)
        s.see(a, w)
        s.backward(a.after)


def scene_histories_seen_by_python(s: Session) -> None:
    def f(x, a, n):
        a.h = x * 2
        a.s = State(a.h)
        print("seen", a.h.requires_grad, a.h.grad_fn is None, a.s.h is a.h)
        a.s.items.append(a.h * n)
        a.t = a.s.items[-1] * 2
        if x.sum() > 2:
            print(len(a.s.items))
        return a.t.sum() + a.h.sum()

    f = s.compile(f)
    for value in (1.0, 4.0, 1.0, 3.0):
        a, x = Box(), grad(value)
        s.call(f, x, a, 2.0, backward=False)
        s.see(a)
        s.backward(a.t, a.h)
        s.see(x)
        s.call(f, grad(value), a, 3.0)
        s.see(a)


def scene_exceptions_behind_stores(s: Session) -> None:
    def f(x, a, k, items):
        a.h = x * 2
        a.p = Pair(x, [a.h])
        a.i = items[k]
        a.q = a.p.right[0] + x[k]
        return a.q.sum() / k

    f = s.compile(f)
    for k in (1, 0, 1, 5, 1, 2, 0, 1):
        a, x = Box(), grad(1.0, 2.0, 3.0)
        s.call(f, x, a, k, [1, 2, 3], backward=False)
        s.see(a)
        s.backward(getattr(a, "q", None), a.h)
        s.see(x)


def scene_histories_from_call_to_call(s: Session) -> None:
    def f(x, a, w):
        if a.h is None:
            a.h = x * 1.0
        old = a.h
        a.h = torch.tanh(a.h * w + x)
        a.trail = (old, a.h)
        if a.h.sum() > 0.5:
            a.h = a.h - 0.25
        return (a.h * old).sum(), a.trail[0] is old

    f = s.compile(f)
    a, w = Box(), grad(0.5, 0.7)
    for value in (1.0, -4.0, 1.0, 3.0, -1.0, 1.0, 1.0, 1.0):
        x = grad(value, value / 2)
        s.call(f, x, a, w, backward=False)
        s.see(a, x, w)
        for wanted in ([w, x], a.trail):
            total = a.h.sum()
            s.see(torch.autograd.grad(total, wanted, retain_graph=True, allow_unused=True))


def scene_objects_stored_in_loops(s: Session) -> None:
    def f(x, a, n):
        a.all = {}
        for i in range(n):
            a.all["k"] = State(x * i)
            a.last = a.all["k"]
            a.last.c = [i, a.last]
            x = x + a.last.h
        a.current = Pair(x, a)
        while x.sum() < 50:
            a.current = Pair(x, a)
            x = a.current.left * 2
            a.last.n += 1
        return x.sum()

    f = s.compile(f)
    for n in (1, 2, 3, 5, 2, 9, 3):
        a, x = Box(), grad(1.0)
        s.call(f, x, a, n, backward=False)
        s.see(a.last.c[0], a.last.c[1] is a.last, a.last.n, a.current.left)
        s.backward(a.last.h, a.current.left)
        s.see(x)
        s.call(f, grad(1.5), a, n)


def scene_objects_stored_twice(s: Session) -> None:
    def f(x, flag, a):
        v = State(x)
        w = v
        if flag:
            w = State(x * 2)
        a.v = v
        v.n = 5
        w.n += 1
        a.w = w
        w.h = w.h * 3
        return v is w, a.v is a.w, v.n, w.n, a.w.h, a.v.h

    f = s.compile(f)
    for flag in (0, 1, True, False, 0, 1):
        a, x = SimpleNamespace(), grad(1.0)
        s.call(f, x, flag, a, backward=False)
        s.see(a)
        s.backward(a.v.h, a.w.h)
        s.see(x)


def scene_numbers_of_related_classes(s: Session) -> None:
    class A:
        n = 1
        k = 0.5

    class B(A):
        pass

    def f(x, a, b):
        u = a.n
        A.n = a.n + 1
        v = b.n
        B.n = v + 10
        w = a.n, b.n, A.n, B.n
        A.k = A.k * 2
        b.k = 7.0
        if x.sum() > 1:
            A.n = 0
        return x * a.n, u, v, w, a.k, b.k, A.k

    f = s.compile(f)
    for value in (0.5, 2.0, 0.5, 2.0, 0.5, 0.5):
        for one, other in ((A(), B()), (B(), A()), (B(), B())):
            s.call(f, grad(value), one, other)
            s.see(A.n, A.k, B.n)
        del B.n


def scene_containers_of_a_class(s: Session) -> None:
    class Model:
        shared: ClassVar[list] = []
        table: ClassVar[dict] = {"a": 1}
        last = 0

        def __init__(self):
            self.own = self.shared
            self.held = type(self).table

        def add(self, x):
            self.own = [*self.own, x]
            Model.last = 3
            return self.held["a"], len(self.shared)

    def f(x):
        model = Model()
        return model.add(x), model.own, Model.last, len(Model.shared)

    f = s.compile(f)
    for turn in range(4):
        s.call(f, grad(1.0), backward=False)
        Model.shared.extend([turn] * (turn % 2))
        Model.table["a"] = turn


def scene_instances_in_closures(s: Session) -> None:
    def f(x, n):
        v = Vector(x)

        def grow(k=v):
            v.x = v.x * n
            return k

        w = grow()
        if x.sum() > 0:
            grow()
        return v, w is v, grow

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0):
        for n in (2, 3):
            v, _, grow = s.call(f, grad(value), n, backward=False)
            s.see(grow().x, v.x, grow() is v)


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
