"""Scenes of writes in place to tensors that have a history, or get one by that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import table

PLACES = (0, 1, 2, -1, 3, -3, 1, 5, 0, 2, 1)
"""One of them is out of range."""


def rewriting(s: Session, f: Any, grad: bool = True, places: Any = PLACES, **options: Any) -> None:
    """Call a function of a tensor, a leaf and a position; the tensor has a history, or has none."""
    f = s.compile(f)
    for i in places:
        x = table(4, 4) * 1 if grad else table(4, 4, grad=False)
        s.call(f, x, leaf(0.5, -0.25, 1.5, 2.0), i, **options)
        s.see(x, x._version)


def scene_rows(s: Session) -> None:
    def f(x, w, i):
        x[i] = w * 2
        x[1] = x[i] * w.sum()
        return x * 2

    rewriting(s, f)


def scene_rows_of_what_has_no_history(s: Session) -> None:
    def f(x, w, i):
        x[i] = w * 2
        x[1] += w
        return x[0] * 2

    rewriting(s, f, grad=False)


def scene_of_what_the_call_made(s: Session) -> None:
    def f(x, w, i):
        history, copied, part = torch.zeros(4, 2), x.clone(), (x * 1)[1:]
        history[i] = w[:2]
        history[i - 1, 0] += w[2]
        copied[:, i] = w
        copied[0, 0] = copied[i, i - 1]
        part[i - 1] = w
        part[0] = 0.5
        return history, copied, part, part._base

    rewriting(s, f, places=(1, 2, 1, -1, 2, 2, 1))


def scene_elements(s: Session) -> None:
    def f(x, w, i):
        x[i, i - 1] = w[i]
        x[i][1] -= w[0]
        x[..., i] *= 2
        x[1:3, i] = w[:2] * x[0, 0]
        x[None, i, 2] = x[i - 1, 1] + w[1]
        return x.sum(0)

    rewriting(s, f)


def scene_methods(s: Session) -> None:
    def f(x, w, i):
        x.select(0, i).copy_(w)
        x[i].add_(w, alpha=2).mul_(0.5)
        x.t()[:, i].zero_()
        x[i - 1].fill_(i * 0.5)
        x.view(-1)[i + 3] = w[1]
        x.view(2, 8)[0, 2:6].sub_(w)
        x.unsqueeze(0)[0, i].neg_()
        return x

    rewriting(s, f)


def scene_what_saves_what_was_there(s: Session) -> None:
    def f(x, w, i):
        x.mul_(w)
        y = x * 1
        y[i].mul_(w[0]).tanh_()
        y[i - 1].sigmoid_()
        y.clamp_(min=-3.0)
        return y

    rewriting(s, f)


def scene_views_follow(s: Session) -> None:
    def f(x, w, i):
        row, part, corner, turned = x[i], x[1:3], x[0][:2], x.t()
        element = row[i - 1]
        x[i] = w
        sums = row.sum(), part * 2, corner.sum(), turned[0] * 1, element * 3
        row *= 2
        part[0] += w
        element.add_(w[0])
        return sums, row * 1, x.sum(), element * 1, corner

    rewriting(s, f)


def scene_views_come_out(s: Session) -> None:
    def f(x, w, i):
        row, part = x[i], x[1:3]
        x[1] = w
        return row, part

    rewriting(s, f, places=(0, 1, 2, 1, 0))


def scene_backward_inside(s: Session) -> None:
    def f(x, w, i):
        h = x * 1
        h[i] = torch.sin(w)
        h[i - 1] += h[i] * 2
        row = h[i]
        h[0] = h[1] - w
        (g,) = torch.autograd.grad((h * h).sum() + (row * row).sum(), w, create_graph=True)
        h[i] = g
        (g,) = torch.autograd.grad((h * h).sum(), w)
        return g

    rewriting(s, f)


def scene_decisions_in_between(s: Session) -> None:
    def f(x, w, i):
        row = x[i]
        if row.sum() > 0:
            x[i] = w
            row.mul_(2)
        if x[0, 0] > -0.9:
            x[0] -= row
        y = x * 1
        if y.sum() > 3:
            y[i] = w
        return y

    rewriting(s, f)


def scene_versions(s: Session) -> None:
    def f(x, w, i):
        y = x * 1
        z = y[i] * w
        u = y.exp()
        y[i] = w
        v = y * y
        if i == 2:
            y[0, 0] = 1.0
        return z.sum(), u, v, y

    f = s.compile(f)
    for i in (0, 1, 2, 2, 1, 0):
        x, w = table(4, 4), leaf(0.5, -0.25, 1.5, 2.0)
        for each in s.call(f, x, w, i, backward=False):
            s.attempt(each.sum().backward, retain_graph=True)
            s.see(x, w)


def scene_retaining(s: Session) -> None:
    def f(x, w, i):
        y = x * 1
        y[i] = w.exp()
        y[i - 1] *= 2
        return y

    f = s.compile(f)
    for i in (0, 1, 2, 2, 1, 0):
        x, w = table(4, 4), leaf(0.5, -0.25, 1.5, 2.0)
        y = s.call(f, x, w, i, backward=False)
        y.retain_grad()
        y.sum().backward(retain_graph=True)
        (y * y).sum().backward()
        s.see(x, w, y)
        s.attempt(y.sum().backward)


def scene_higher_derivatives(s: Session) -> None:
    def f(x, w, i):
        y = x * 1
        y[i] = w**3
        y[i - 1] += y[i] * 2
        return y**2

    f = s.compile(f)
    for i in (0, 1, 2, 2, 1, 0):
        x, w = table(4, 4), leaf(0.5, -0.25, 1.5, 2.0)
        y = s.call(f, x, w, i, backward=False).sum()
        for _ in range(3):
            (y,) = torch.autograd.grad(y.sum(), w, create_graph=True)
            s.see(y)


def scene_hooks(s: Session) -> None:
    def f(x, w, i):
        x[i] = w * 2
        return x

    f = s.compile(f)
    for i in (0, 1, 2, 2, 1, 0):
        seen: list = []
        x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
        x.register_hook(seen.append)
        x.retain_grad()
        y = s.call(f, x, w, i, backward=False)
        y.register_hook(seen.append)
        y.sum().backward()
        s.see(x, w, seen)


def scene_others_see_it(s: Session) -> None:
    box = SimpleNamespace(view=None)

    def f(x, w, i):
        x[i] = w
        return box.view * 2

    def g(x, w, i):
        x[i] = w
        return x.sum()

    f, g = s.compile(f), s.compile(g)
    for i in (0, 1, 2, 1, 2, 0, 1):
        for each in f, g:
            x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
            box.view = (x[1], x.detach()[1], x, x[1:])[i]
            s.call(each, x, w, i)
            s.see(x, box.view, box.view.requires_grad)
            (box.view * 3).sum().backward() if box.view.requires_grad else None
            s.see(w)


def scene_arguments_that_share_memory(s: Session) -> None:
    def f(x, y, w, i):
        x[i] = w
        return y * 2, x * 3

    f = s.compile(f)
    for _ in range(3):
        for kind in range(5):
            x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
            y = (x, x[1], x.detach(), x.view(-1), x * 1)[kind]
            s.call(f, x, y, w, kind % 4)
            s.see(x, y)


def scene_views_that_came_in(s: Session) -> None:
    def f(x, w, i):
        x[i] = w
        return x * 2

    f = s.compile(f)
    for _ in range(3):
        for kind in range(4):
            x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
            x = (x, x[1:], x.t(), x.view(4, 4))[kind]
            s.call(f, x, w, kind % 3)
            s.see(x, x._base)
            (x if x._base is None else x._base).sum().backward()
            s.see(w)


def scene_views_made_under_no_grad(s: Session) -> None:
    def f(x, w, i):
        x[i] = w
        return x * 2

    f = s.compile(f)
    for _ in range(3):
        for kind in range(3):
            x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
            if kind:
                with torch.no_grad():
                    x = x.view(4, 4)
                x = x.detach() if kind == 2 else x
            s.call(f, x, w, 1)
            s.see(x)


def scene_parts_that_are_not_followed(s: Session) -> None:
    def f(x, w, i):
        a, _ = x.split(2)
        with torch.no_grad():
            row = x[0]
        if i > 0:
            w = w + 1
        for each in a, row:
            try:
                each.mul_(w)
            except RuntimeError:
                x = x * 2
        return x

    rewriting(s, f)


def scene_leaves_and_no_grad(s: Session) -> None:
    def f(x, w, i):
        y = x * 1
        with torch.no_grad():
            y[i] = 2.0
            row = y[0]
        y[i - 1] = w
        row.mul_(w[0]) if i == 1 else None
        w[0] = y[0, 0] if i == 2 else w[1] if i == 3 else 0.0
        return y

    f = s.compile(f)
    for i in (0, 1, 2, 3, 0, 1, 2, 3, 0, 1):
        s.call(f, table(4, 4), leaf(0.5, -0.25, 1.5, 2.0) * (1 if i % 2 else 2), i)


def scene_stored_outside(s: Session) -> None:
    class Memory:
        def __init__(self) -> None:
            self.rows = torch.zeros(4, 4, dtype=torch.float64)
            self.count = 0

        def put(self, row: Any) -> None:
            self.rows[self.count % 4] = row
            self.count += 1

        def renew(self) -> None:
            self.rows = self.rows.detach().clone()

    memory = Memory()

    def f(x, w, i):
        memory.put(w * x[i])
        memory.put(memory.rows[i] + w)
        if i == 3:
            memory.renew()
            memory.put(w)
        return memory.rows.sum(0)

    f = s.compile(f)
    for i in (0, 1, 2, 3, 1, 2, 3, 3, 0, 1, 2):
        s.call(f, table(4, 4, grad=False), leaf(0.5, -0.25, 1.5, 2.0), i)
        s.see(memory.rows, memory.rows._version, memory.count)


def scene_it_raises_behind(s: Session) -> None:
    def f(x, w, i):
        x[0] = w * 2
        x[i] += w
        x[1] = x[0] * 0.5
        y = x[torch.tensor([0, i])]
        x[2] = y[1] * w
        return y

    f = s.compile(f)
    for i in (0, 1, 2, 7, 3, 7, 1, 9):
        x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
        s.call(f, x, w, i, backward=False)
        s.see(x, x._version)
        x.sum().backward()
        s.see(w)


def scene_dtypes_and_shapes(s: Session) -> None:
    def f(x, w, i):
        small = torch.zeros(3, 4)
        small[i] = w
        whole = torch.ones(3, 1, 4, dtype=torch.float64)
        whole[i] = w
        whole[..., 1:3] = w[:2]
        none = torch.zeros(3, 0)
        none[i] = w[:0]
        line = torch.zeros(3, dtype=torch.float64)
        line[i] = w.sum()
        line[i - 1] = w[i] + line[i]
        return small, whole, none, line

    rewriting(s, f, places=(0, 1, 2, -1, 1, 2, 0))


def scene_masks_and_lists_of_places(s: Session) -> None:
    def f(x, w, i):
        x[i][w > 0] = 2.0
        x[[0, 2]] = w
        x[x > 2.5] *= 0.5
        x[i].masked_fill_(w < 0, 3.0)
        return x

    rewriting(s, f)


def scene_a_swap(s: Session) -> None:
    def f(x, w, i):
        a, b = x * 1, torch.zeros(4, 4, dtype=torch.float64)
        for k in range(3):
            b[1:] = a[:-1] * 0.5
            b[0] = w * k
            a, b = b, a * 1
        return a, b

    rewriting(s, f, places=(0, 1, 2))


def scene_what_is_saved_is_overwritten(s: Session) -> None:
    def f(x, w, n):
        h = torch.zeros(200, 2, dtype=torch.float64)
        for t in range(n):
            x = torch.tanh(x + h[t - 1] * w)
            h[t] = x
        return h, x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 60):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        for each in s.call(f, x, w, n, backward=False):
            s.attempt(each.sum().backward, retain_graph=True)
            s.see(x, w)


def scene_a_view_that_was_there_before_the_loop(s: Session) -> None:
    def f(x, w, n):
        h = torch.zeros(200, 2, dtype=torch.float64)
        row = h[3]
        for t in range(n):
            x = torch.tanh(x * w) + row * 0.1
            h[t % 5] = x
        return h, row

    f = s.compile(f)
    for n in (3, 40, 41, 90, 60):
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), n)


def scene_elements_that_come_twice(s: Session) -> None:
    def f(x, w, i):
        if (x * w).sum() > 0:
            w = w * 2
        wide = x[i].expand(3, 4)
        x[i] = w
        return wide * 2

    rewriting(s, f, places=(0, 1, 2, 1, 0))


def scene_other_orders_of_elements(s: Session) -> None:
    def f(x, w, i):
        turned = x.t() * 1
        turned[i] = w
        turned[1, 2:] -= w[:2]
        return turned

    rewriting(s, f, places=(0, 1, 2, 1, 0))


def scene_a_view_outside_that_is_read_behind(s: Session) -> None:
    box = SimpleNamespace(view=None)

    def f(x, w, i):
        x[1] = w
        return box.view * 2

    f = s.compile(f)
    for i in (0, 1, 2, 1, 2, 0, 1):
        x, w = table(4, 4) * 1, leaf(0.5, -0.25, 1.5, 2.0)
        box.view = x[1:]
        s.call(f, x, w, i)


def scene_comparisons_in_place(s: Session) -> None:
    def f(x, w):
        y = x * w
        y.gt_(0.5)
        z = x * 3
        z.logical_not_()
        y = y * w
        y.eq_(w)
        return y.sum() + (z * w).sum()

    f = s.compile(f)
    for turn in range(8):
        s.call(f, leaf(0.25 * turn, 1.5), leaf(1.0, 0.5 + turn))
