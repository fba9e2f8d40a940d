"""Scenes of loops in whose turns tensors change places, where more hangs on which is where."""

from __future__ import annotations

from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_exchanging import buffers
from tests.graph.programs_selecting import table


def step(a, b):
    b[1:] = a[:-1] * 0.5
    b[0] += a[-1]
    return b, a


def scene_memory_is_shared(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            a, b = step(a, b)
        return a, b

    f = s.compile(f)
    for n in (40, 41, 50, 40, 51, 60, 61, 5):
        x, y = table(3, 8, grad=False), table(8, grad=False) / 2
        pairs = [
            (y, y), (y, y[:]), (y, y.data), (x[0], x[1]), (x[2], x[0]), (y[:6], y[2:]),
            (y[:4], y[4:]), (x[:, 0], x[:, 3]), (x[0], x.view(-1)[4:12]), (y, x[0]),
        ]  # fmt: skip
        for a, b in pairs:
            s.call(f, a, b, n)
            s.see(x, y, x._version, y._version)


def scene_a_view_stays(s: Session) -> None:
    def f(a, b, n):
        part = a[1:3]
        for _ in range(n):
            b[1:] = a[:-1] * 0.5
            b[0] = part.sum()
            a, b = b, a
        return a, b, part

    buffers(s, f)


def scene_a_view_is_written(s: Session) -> None:
    def f(a, b, n):
        part, other = a[1:3], b.t()
        for _ in range(n):
            b.copy_(a * 0.5)
            part += 0.25
            other[1] -= part[0]
            a, b = b, a
        return a, b, part

    buffers(s, f, 4, 4)


def scene_memory_of_somebody_else(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            a, b = step(a, b)
        return a, b

    f = s.compile(f)
    numbers = table(12, grad=False).numpy().copy()
    for n in (40, 50, 41, 61, 60):
        one, own = torch.from_numpy(numbers[:6]), table(6, grad=False)
        for a, b in ((one, own), (own, one), (one, torch.from_numpy(numbers[6:])), (one, one)):
            s.call(f, a, b, n)
            s.see(numbers)
        s.call(f, one, torch.from_numpy(numbers[2:8]), n)
        s.see(numbers)
        lent = table(6, grad=False)
        shown = lent.numpy()
        s.call(f, lent, own, n)
        shown += 1
        s.see(shown, lent)


def scene_what_is_there_is_appended(s: Session) -> None:
    def f(a, b, n):
        found, views = [], []
        for t in range(n):
            a, b = step(a, b)
            found.append(a)
            views.append(b[1:] if t % 2 else a)
        return found, views

    buffers(s, f, counts=(3, 40, 41, 90))


def scene_it_goes_somewhere(s: Session) -> None:
    box = SimpleNamespace(last=None, pair=(), count=0)

    def f(a, b, n):
        for _ in range(n):
            a, b = step(a, b)
            box.last = a
            box.count += 1
        box.pair = b, a
        return box.last is a

    f = s.compile(f)
    for n in (40, 41, 90, 1, 60):
        s.call(f, table(4, grad=False), table(4, grad=False) / 2, n)
        s.see(box)


def scene_in_attributes(s: Session) -> None:
    class Grid:
        def __init__(self) -> None:
            self.now, self.then = table(5, grad=False), table(5, grad=False) / 2

        def step(self) -> None:
            self.then[1:] = self.now[:-1] * 0.5
            self.now, self.then = self.then, self.now

    def f(grid, n):
        for _ in range(n):
            grid.step()
        return grid.now

    f = s.compile(f)
    grid = Grid()
    for n in (40, 41, 90, 1, 60):
        s.call(f, grid, n)


def scene_outside_they_have_names(s: Session) -> None:
    box = SimpleNamespace(now=table(4, grad=False))

    def f(a, b, n):
        total = 0
        for _ in range(n):
            a, b = step(a, b)
            total = total + box.now.sum()
        return a, total

    f = s.compile(f)
    other = table(4, grad=False) / 2
    for n in (40, 41, 90, 1, 60, 61):
        s.call(f, box.now, other, n)
        s.see(box, other)


def scene_one_is_put_in_two_places(s: Session) -> None:
    def f(a, b, c, n):
        for t in range(n):
            c[0] += 0.25
            b[1:] = a[:-1] * 0.5
            if t % 7 == 6:
                a, b, c = b, a, a
            else:
                a, b = b, a
        return a, b, c

    buffers(s, f, count=3)


def scene_new_ones_take_their_places(s: Session) -> None:
    def f(a, b, n):
        for t in range(n):
            b[1:] = a[:-1] * 0.5
            if t % 3:
                a, b = b, a
            else:
                a, b = b * 0.5, a
        return a, b

    def g(a, b, n):
        for _ in range(n):
            b += a
            a, b = b, a * 0.5
        return a, b

    buffers(s, f)
    buffers(s, g)


def scene_histories_change_places(s: Session) -> None:
    def f(a, b, w, n):
        for _ in range(n):
            b[1:] = a[:-1] * w[0]
            b[0] = w[1]
            a, b = b, a
        return a

    f = s.compile(f)
    for n in (2, 5, 40, 41, 60):
        a, b, w = table(4, grad=False), table(4, grad=False) / 2, leaf(0.5, 0.25)
        s.call(f, a * 1, b * 1, w, n)
        s.call(f, a, b, w, n)


def scene_what_is_saved_changes_places(s: Session) -> None:
    def f(a, b, w, n):
        total = 0
        for t in range(n):
            total = total + (w * a).sum()
            if t < 10:
                b.copy_(a * 0.5)
            a, b = b, a
        return total

    f = s.compile(f)
    for n in (2, 5, 40, 41, 60):
        a, b, w = table(4, grad=False), table(4, grad=False) / 2, leaf(0.5, 0.25, 1.0, 2.0)
        total = s.call(f, a, b, w, n, backward=False)
        s.attempt(total.sum().backward)
        s.see(w)


def scene_parameters_under_no_grad(s: Session) -> None:
    def f(a, b, n):
        with torch.no_grad():
            for _ in range(n):
                b.copy_(a * 0.5 + 0.25)
                a, b = b, a
        return a * 2

    f = s.compile(f)
    for n in (3, 40, 41, 60, 1):
        s.call(f, leaf(1.0, 2.0), leaf(3.0, 4.0), n)
        s.call(f, leaf(1.0, 2.0), leaf(3.0, 4.0).detach(), n)


def scene_of_other_forms(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            b[0] = a[0] * 0.5 + 1
            a, b = b, a
        return a, b

    f = s.compile(f)
    for n in (40, 41, 60, 61):
        pairs = [
            (table(4, 3, grad=False), table(5, 3, grad=False)),
            (table(4, 4, grad=False), table(4, 4, grad=False).t()),
            (table(4, grad=False), torch.zeros(4)),
            (table(4, 3, grad=False), table(3, grad=False)),
        ]
        for a, b in pairs:
            s.call(f, a, b, n)
            s.see(a, b)


def scene_versions_are_asked_for(s: Session) -> None:
    def f(a, b, n):
        seen = 0
        for _ in range(n):
            a, b = step(a, b)
            seen = seen + a._version - b._version
        return a, seen

    buffers(s, f, counts=(3, 40, 41, 90))


def scene_the_first_has_a_name(s: Session) -> None:
    def f(a, n):
        first, b = a, torch.empty_like(a)
        b.copy_(a)
        for _ in range(n):
            b[1:-1] = (a[2:] + a[:-2]) * 0.5
            a, b = b, a
        return a, b, first, a is first

    buffers(s, f, count=1)


def scene_both_have_names(s: Session) -> None:
    def f(a, b, n):
        first, second = a, b
        for _ in range(n):
            b[1:] = a[:-1] * 0.5
            b[0] += 1
            a, b = b, a
        b += 0.5
        return a - b, first * 2, second.sum() + a.sum()

    buffers(s, f)


def scene_a_way_that_asks(s: Session) -> None:
    """Of what has changed places it asks something that is known of one of them only."""

    def f(a, b, n):
        for t in range(n):
            if t % 3:
                b[1:] = a[:-1] * 0.5
                a, b = b, a
            else:
                b[0] = a.grad.sum() * 0.5
        return a, b

    f = s.compile(f)
    for n in (40, 41, 60, 62, 90, 61):
        a, b = leaf(1.0, 2.0, 3.0).detach(), leaf(4.0, 5.0, 6.0).detach()
        a.grad, b.grad = torch.ones(3, dtype=a.dtype), torch.zeros(3, dtype=a.dtype)
        s.call(f, a, b, n)
        s.see(a, b)
