"""Scenes of loops whose turns take several ways, often enough to become native ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf, turns

COUNTS = (3, 40, 41, 90, 91, 92, 0, 1, 2, 200)


def scene_an_adaptive_step(s: Session) -> None:
    def f(y, k, end):
        t, h, steps = 0.0, 0.125, 0
        while t < end:
            if t + h > end:
                h = end - t
            first = -k * y + torch.sin(y)
            second = -k * (y + h * first) + torch.sin(y + h * first)
            if ((second - first) * (0.5 * h)).abs().max() < 1e-3:
                y = y + 0.5 * h * (first + second)
                t = t + h
                h = h * 1.5
            else:
                h = h * 0.5
            steps += 1
        return y, steps, h

    f = s.compile(f)
    for end in (1.0, 4.0, 5.0, 3.0, 0.0, 0.1, 9.0, 8.0):
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), end)


def scene_each_way_changes_something_else(s: Session) -> None:
    def f(x, w, n):
        seen = x
        count = 0
        for i in range(n):
            if i % 3 == 0:
                x = (x * w).sin()
            elif i % 3 == 1:
                w = w * 0.75 + 0.25
            else:
                seen, count = x * 2 + seen * 0.5, count + i
        return x, w, seen, count

    turns(s, s.compile(f), counts=COUNTS)


def scene_a_way_that_nothing_takes_at_first(s: Session) -> None:
    def f(x, w, n):
        y = w * 1
        for i in range(n):
            if i < 150:
                x = (x * w).tanh()
            else:
                y = y * 0.5 + x
                x = x + 0.25
        return x, y, y is w, y.grad_fn is None

    turns(s, s.compile(f), counts=(3, 40, 41, 90, 149, 150, 151, 152, 190, 260, 300, 50))


def scene_results_that_no_turn_changed(s: Session) -> None:
    def f(x, w, n, bound):
        y, z = w, x
        for _ in range(n):
            if x.sum() > bound:
                y = y * 0.5 + x
            x = (x * 0.875).sin()
        return x, y, z, y is w, z is x

    f = s.compile(f)
    turns(s, f, 0.2, counts=COUNTS)
    turns(s, f, 100.0, counts=COUNTS)
    turns(s, f, -100.0, counts=COUNTS)


def scene_a_way_that_is_closed_for_some_calls(s: Session) -> None:
    """What one way reads outside changes between calls, so that only the other may be taken."""
    box = SimpleNamespace(w=leaf(0.5, 0.6), scale=0.5, name="a")

    def f(x, n):
        for i in range(n):
            if i % 3 == 1:
                x = x * (box.scale if box.name == "a" else 0.25)
            elif i % 3 == 2:
                x = (x + box.w).tanh()
            else:
                x = x + 0.125
        return x

    f = s.compile(f)
    for n in (2, 50, 51, 52, 53, 54, 55, 56, 57):
        s.call(f, leaf(1.0, 2.0), n)
        s.see(box)
        box.scale += 0.25
        if n == 52:
            box.w = leaf(0.3, 0.4)
        if n in (53, 55):
            box.name = "b" if n == 53 else "a"
        if n == 54:
            box.w = torch.tensor([0.1, 0.2], dtype=torch.float64)
        if n == 56:
            box.w = torch.tensor(0.5, dtype=torch.float64)


def scene_a_value_of_many_outcomes(s: Session) -> None:
    def f(x, w, n):
        scales = [0.5, 1.0, 1.5]
        for i in range(n):
            x = (x * scales[i % 3] + w).tanh()
        return x

    turns(s, s.compile(f), counts=COUNTS)


def scene_decisions_behind_decisions(s: Session) -> None:
    def f(x, w, n):
        for i in range(n):
            if x.sum() > 0:
                y = x * w
                if y.max() > 0.5:
                    x = y - 0.75
                else:
                    x = y + 0.125 * (i % 2)
            else:
                x = x * 0.5 + 0.25 if i % 5 else -x
        return x

    turns(s, s.compile(f), counts=COUNTS)


def scene_numbers_on_ways(s: Session) -> None:
    def f(x, w, n, k):
        rate, low = 1.0, 0
        for _ in range(n):
            if k % 2 == 0:
                k = k // 2
                x = x - rate * w * 0.01
            else:
                k = 3 * k + 1
                rate = rate * 0.75 + 0.125
                low = k if k < low else low - 1
        return x, rate, k, low

    f = s.compile(f)
    for k in (27, 97, 1, 2**70, 2**62 + 1):
        turns(s, f, k, counts=(3, 40, 60, 110))


def scene_grad_modes_on_ways(s: Session) -> None:
    def f(x, w, n):
        count = torch.zeros((), dtype=torch.int64)
        for i in range(n):
            if i % 2:
                with torch.no_grad():
                    count = count + 1
                    step = w * 0.1
                x = x - step * x
            else:
                x = x * 0.875 + w * 0.125
        return x, count

    turns(s, s.compile(f), counts=COUNTS)


def scene_a_way_that_raises(s: Session) -> None:
    def f(x, n, k):
        while n > 0:
            if n % 3 == 0:
                x = x * 0.5 + 1 / k
                k -= 1
            else:
                x = x * 0.75
            n -= 1
        return x

    f = s.compile(f)
    for n, k in ((30, 100), (60, 100), (61, 100), (70, 10), (80, 30.0), (60, 20)):
        s.attempt(f, torch.tensor([1.0]), n, k)


def scene_a_way_with_an_effect(s: Session) -> None:
    """Now and then something is written down, by Python."""
    notes: list = []

    def f(x, w, n):
        for i in range(n):
            if i % 16 == 15:
                notes.append((i, x.sum().item()))
            x = (x * w).tanh() if i % 3 else x * 0.5
        return x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 0, 200):
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), n)
        s.see(list(notes))


def scene_ways_in_nested_loops(s: Session) -> None:
    def f(x, w, n):
        for i in range(n):
            j = 0
            while j < 12 + i % 2:
                x = (x * w).sin() if (i + j) % 3 else x + w
                j += 1
            if i % 2:
                x = x + 0.5
        return x

    turns(s, s.compile(f), counts=(0, 1, 3, 10, 20, 11))


def scene_matrices_on_ways(s: Session) -> None:
    def f(x, w, n):
        weight = torch.outer(x, w) * 0.3
        h: Any = x
        for i in range(n):
            if h.sum() > 0.25:
                h = (weight @ h - w).tanh()
            else:
                h = h + w * 0.25 * (1 + i % 2)
        return h.sum()

    turns(s, s.compile(f), counts=COUNTS)
