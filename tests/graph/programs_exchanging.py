"""Scenes of loops whose turns write to tensors that change places, and become native ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import table

COUNTS = (3, 40, 41, 90, 0, 1, 2, 3, 91, 300, 7)


def buffers(s: Session, f: Any, *shape: int, count: int = 2, counts: Any = COUNTS) -> None:
    """Call a function of tensors and a number of turns, and see what it leaves of them."""
    f = s.compile(f)
    for n in counts:
        made = [table(*(shape or (6,)), grad=False) / (2 + at) for at in range(count)]
        s.call(f, *made, n)
        s.see(made, [each._version for each in made])
    for n in (40, 41, 33, 2, 50):
        # the same ones, again and again
        s.call(f, *made, n)
        s.see(made, [each._version for each in made])


def scene_heat(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            b[1:-1] = a[1:-1] + 0.125 * (a[2:] - 2 * a[1:-1] + a[:-2])
            a, b = b, a
        return a

    buffers(s, f, counts=(*COUNTS, 2_000, 7))


def scene_both_are_returned(s: Session) -> None:
    def f(a, b, n):
        for t in range(n):
            b.mul_(0.5).add_(a, alpha=0.25)
            b[0] = t % 4
            a, b = b, a
        return a, b, a._version, b._version

    buffers(s, f)


def scene_made_in_the_call(s: Session) -> None:
    def f(a, n):
        b = torch.empty_like(a)
        b.copy_(a)
        for _ in range(n):
            b[1:-1] = (a[2:] + a[:-2]) * 0.5
            a, b = b, a
        return a, b, b._version

    buffers(s, f, count=1)


def scene_until_nothing_changes(s: Session) -> None:
    def f(a, tolerance):
        b, error, turns = a.clone(), 1.0, 0
        while error > tolerance:
            b[1:-1] = (a[2:] + a[:-2]) * 0.5
            error = (b - a).abs().max()
            a, b = b, a
            turns += 1
        return a, error, turns

    f = s.compile(f)
    for tolerance in (0.5, 1e-3, 1e-5, 1e-9, 0.0, 1.0, 1e-6):
        s.call(f, table(6, grad=False).square(), tolerance)


def scene_left_in_the_middle(s: Session) -> None:
    """The test hangs on what was written, so that a turn writes to a copy."""

    def f(a, b, n):
        turns = 0
        while turns < n:
            b.copy_(a * 0.75 + 0.25)
            turns += 1
            if (b - a).abs().sum() < 1e-3 and turns % 3 == 0:
                break
            a, b = b, a
        return a, b, turns

    buffers(s, f)


def scene_a_grid(s: Session) -> None:
    def f(u, v, n):
        for t in range(n):
            v[1:-1, 1:-1] = 0.25 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2])
            v[t % 4, 2] = 1.0
            u, v = v, u
        return u.sum(), v

    buffers(s, f, 6, 5)


def scene_life(s: Session) -> None:
    def f(board, other, n):
        for _ in range(n):
            rows = board[2:] + board[1:-1] + board[:-2]
            near = rows[:, 2:] + rows[:, 1:-1] + rows[:, :-2] - board[1:-1, 1:-1]
            other[1:-1, 1:-1] = (near == 3) | ((board[1:-1, 1:-1] == 1) & (near == 2))
            board, other = other, board
        return board

    f = s.compile(f)
    for n in (3, 40, 41, 2, 200):
        board = torch.zeros(7, 7, dtype=torch.int64)
        board[1:4, 1:4] = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 1, 1]])
        s.call(f, board, torch.zeros_like(board), n)
        s.see(board)


def scene_waves(s: Session) -> None:
    def f(before, now, after, n):
        for _ in range(n):
            after[1:-1] = 2 * now[1:-1] - before[1:-1] + 0.25 * (now[2:] - 2 * now[1:-1] + now[:-2])
            before, now, after = now, after, before
        return now

    buffers(s, f, count=3)


def scene_somebody_relies_on_the_third(s: Session) -> None:
    """Nothing was written to it in front of the native turns."""

    def g(x, w):
        return ((x * 2 + 1).sin() * w).sum()

    def f(before, now, after, n):
        for _ in range(n):
            after[1:-1] = now[1:-1] - before[1:-1] * 0.5 + 0.25 * (now[2:] - now[:-2])
            before, now, after = now, after, before
        return now

    f, g = s.compile(f), s.compile(g)
    for n in (40, 40, 40, *[3] * 20, 40, 2, 1, 50, 50):
        made = [table(4, grad=False) / (2 + at) for at in range(3)]
        w = leaf(0.9, -0.8, 0.5, 0.25)
        values = [g(each, w) for each in made]
        s.call(f, *made, n)
        for each in values:
            s.attempt(each.backward)
            s.see(w)


def scene_only_places_change(s: Session) -> None:
    def f(a, b, c, n):
        total = torch.zeros((), dtype=torch.float64)
        for _ in range(n):
            total = total * 0.5 + a.sum()
            a, b, c = b, c, a
        return a, b, c, total

    buffers(s, f, count=3)


def scene_one_is_not_used(s: Session) -> None:
    def f(a, b, c, n):
        for t in range(n):
            a += t % 3
            a, b, c = c, a, b
        return a, b, c

    buffers(s, f, count=3)


def scene_two_pairs(s: Session) -> None:
    def f(a, b, c, d, n):
        for _ in range(n):
            b.copy_(a * 0.5 + c[0])
            d[1:] = c[:-1] * 0.5
            d[0] = b[2]
            a, b, c, d = b, a, d, c
        return a, d

    buffers(s, f, count=4)


def scene_another_name(s: Session) -> None:
    def f(a, b, n):
        newest = oldest = b
        for _ in range(n):
            b[1:] = a[:-1] * 0.75
            newest, oldest = b, a
            a, b = b, a
        return newest, oldest, newest is a

    buffers(s, f)


def scene_in_tuples(s: Session) -> None:
    def f(a, b, n):
        state = (a, b, 0)
        while state[2] < n:
            now, then, turns = state
            then[1:] = now[1:] * 0.5 + now[0]
            state = (then, now, turns + 1)
        return state

    buffers(s, f)


def scene_at_positions_of_run_time(s: Session) -> None:
    def f(a, b, n):
        for t in range(n):
            b[t % 5] = a[(t * 2) % 6] * 0.5 + 1
            b[t % 3, 1] -= a[1, 0]
            row = b[t % 2]
            row[0] = 0.25
            a, b = b, a
        return a

    buffers(s, f, 6, 2)


def scene_single_elements(s: Session) -> None:
    def f(a, b, n):
        for t in range(n):
            b.copy_(a * 0.5 + t)
            a, b = b, a
        return a.item(), b

    def g(a, b, n):
        for _ in range(n):
            b += a
            b *= 0.5
            a, b = b, a
        return a

    buffers(s, f, 1)
    g = s.compile(g)
    for n in (40, 41, 60, 1):
        a, b = torch.tensor(1.5), torch.tensor(-2.0)
        s.call(g, a, b, n)
        s.see(a, b)


def scene_nothing_in_them(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            b += 1
            a, b = b, a
        return a

    buffers(s, f, 2, 0, counts=(3, 40, 41, 90))


def scene_products(s: Session) -> None:
    def f(a, b, n):
        m = torch.tensor([[0.5, 0.25], [-0.25, 0.75]], dtype=torch.float64)
        for _ in range(n):
            b.copy_(a @ m + 0.125)
            a, b = b, a
        return a

    buffers(s, f, 3, 2)


def scene_views_of_different_tensors(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            b[1:] = a[:-1] * 0.5
            b[0] = a[-1]
            a, b = b, a
        return a

    f = s.compile(f)
    for n in (40, 41, 90, 40, 1, 60, 61):
        x, y = table(9, 2, grad=False), table(12, 2, grad=False) / 4
        s.call(f, x[1:7], y[5:11], n)
        s.see(x, y, x._version, y._version)
        s.call(f, x[1:7, 1], y[5:11, 0], n)
        s.see(x, y, x._version, y._version)


def scene_with_something_that_has_a_history(s: Session) -> None:
    def f(a, b, w, n):
        h = w * 1
        for _ in range(n):
            h = torch.tanh(h * w)
            b[1:] = a[:-1] * 0.5
            b[0] = h.detach().sum()
            a, b = b, a
        return h, a

    f = s.compile(f)
    for n in (3, 40, 41, 90, 60, 1):
        a, b = table(4, grad=False), table(4, grad=False) / 2
        s.call(f, a, b, leaf(0.9, -0.8), n)
        s.see(a, b)


def scene_recorded(s: Session) -> None:
    def f(a, b, n):
        history, sums = [], []
        for t in range(n):
            b[1:] = a[:-1] * 0.5 + 1
            a, b = b, a
            history.append(a.clone())
            sums.append((a.sum().item(), t))
        return history[-3:], sums, a

    buffers(s, f, counts=(3, 40, 41, 90, 0, 1, 200))


def scene_it_raises(s: Session) -> None:
    def f(a, b, rows, n):
        try:
            for t in range(n):
                b[1:] = a[:-1] * 0.5
                b[0] = rows[t]
                a, b = b, a
        except IndexError:
            a += 10
        return a, b

    f = s.compile(f)
    rows = table(70, grad=False) / 64
    for n in (30, 60, 61, 90, 75, 71, 70):
        a, b = table(4, grad=False), table(4, grad=False) / 2
        s.call(f, a, b, rows, n)
        s.see(a, b, a._version, b._version)


def scene_it_raises_behind_a_write(s: Session) -> None:
    def f(a, b, rows, n):
        for t in range(n):
            b[1:] = a[:-1] * 0.5
            b[0] = rows[t]
            a, b = b, a
        return a

    f = s.compile(f)
    rows = table(70, grad=False) / 64
    a, b = table(4, grad=False), table(4, grad=False) / 2
    for n in (30, 60, 61, 90, 75, 71, 70, 72):
        s.call(f, a, b, rows, n)
        s.see(a, b, a._version, b._version)


def scene_read_behind_the_loop(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            b[1:] = a[:-1] * 0.5
            b[0] += 1
            a, b = b, a
        b += 0.5
        return a - b, a.sum()

    buffers(s, f)


def scene_kinds(s: Session) -> None:
    def f(a, b, n):
        for t in range(n):
            b[1:] = a[:-1]
            b[0] = t % 2
            a, b = b, a
        return a

    f = s.compile(f)
    for kind in (torch.float32, torch.int64, torch.bool, torch.float16, torch.uint8):
        for n in (40, 61, 60):
            a, b = torch.zeros(5, dtype=kind), torch.ones(5, dtype=kind)
            s.call(f, a, b, n)
            s.see(a, b)


def scene_strides(s: Session) -> None:
    def f(a, b, n):
        for t in range(n):
            b[1:] = a[:-1] * 0.5
            b[:, t % 2] += 0.125
            a, b = b, a
        return a

    f = s.compile(f)
    for n in (40, 61, 60, 90):
        x, y = table(5, 8, grad=False), table(5, 8, grad=False) / 2
        for a, b in ((x.t(), y.t()), (x[::2, 1:4], y[1::2, 2:5].new_zeros(3, 3)), (x.t(), y.T)):
            if a.shape == b.shape:
                s.call(f, a, b, n)
                s.see(x, y, b)


def scene_nested(s: Session) -> None:
    def f(a, b, n):
        for i in range(n):
            for j in range(5 + i % 2):
                b[1:] = a[:-1] * 0.5
                b[0] = i + j
                a, b = b, a
            a *= 0.5
        return a, b

    buffers(s, f, counts=(3, 20, 41, 30, 1, 0))


def scene_by_global_names(s: Session) -> None:
    box = SimpleNamespace(scale=table(6, grad=False) / 8)

    def f(a, b, n):
        for _ in range(n):
            b.copy_(a * 0.5 + box.scale)
            a, b = b, a
        return a

    f = s.compile(f)
    for n in (40, 41, 60, 40, 61, 62, 50, 51):
        a, b = table(6, grad=False), table(6, grad=False) / 2
        s.call(f, a, b, n)
        s.see(a, b, box)
        if n == 62:
            box.scale = b
        elif n == 50:
            box.scale = a
