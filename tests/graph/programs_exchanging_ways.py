"""Scenes of loops in some of whose turns tensors change places, which become native ones."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_exchanging import buffers


def scene_some_turns_count(s: Session) -> None:
    def f(a, b, n):
        step, done = 0.5, 0
        for t in range(n):
            b.copy_(a - step * (a - 1))
            if (t * 7) % 5 < 3:
                a, b = b, a
                step = step * 0.99
                done += 1
        return a, b, done

    buffers(s, f)


def scene_ways_that_write_to_different_ones(s: Session) -> None:
    def f(a, b, c, n):
        for t in range(n):
            if t % 5 == 0:
                a += 0.25
                a, b, c = b, c, a
            elif t % 3 == 0:
                b[1:] = a[:-1] * 0.5
                c *= 0.5
                b, c = c, b
            else:
                c[0] += b[1] + 1
        return a, b, c, a._version

    buffers(s, f, count=3)


def scene_both_orders(s: Session) -> None:
    def f(a, b, c, n):
        for t in range(n):
            c.mul_(0.5).add_(a)
            if (t * t) % 7 > 3:
                a, b, c = c, a, b
            else:
                a, b, c = b, c, a
                b[0] = t % 4
        return a, b, c

    buffers(s, f, count=3)


def scene_by_what_is_in_them(s: Session) -> None:
    def f(a, b, n):
        for _ in range(n):
            b += a * 0.5 + 0.125
            if b.sum() > 4:
                b -= 1.5
                a, b = b, a
        return a, b

    buffers(s, f)


def scene_a_new_tensor_on_another_way(s: Session) -> None:
    def f(a, b, n):
        h = a * 1
        for t in range(n):
            if t % 3:
                b.copy_(a * 0.5 + h)
                a, b = b, a
            else:
                h = h * 0.5 + b
        return a, b, h

    buffers(s, f)


def scene_a_way_that_asks_what_is_made_anew(s: Session) -> None:
    def f(x, w, n):
        total = torch.zeros((), dtype=torch.float64)
        for t in range(n):
            if t % 3:
                total = total + w.sum()
            elif t % 2:
                total = total * 0.5 + (7.0 if x.grad is None else x.grad.sum())
            elif t > 20:
                x = x * 0.5 + 1
        return x, total

    f = s.compile(f)
    for n in (20, 15, 40, 41, 60, 62, 90, 61):
        x: Any = leaf(1.0, 2.0).detach()
        x.grad = torch.ones(2, dtype=x.dtype)
        s.call(f, x, leaf(0.5, 0.25).detach(), n)
