"""Scenes of loops that turn often: what lives at their heads, and what is done in them."""

from __future__ import annotations

import functools
import itertools
import math
from types import SimpleNamespace

import jitgrad as torch
from jitgrad import nn
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_loop_of_any_length(s: Session) -> None:
    def f(x, limit):
        turns = 0
        while x.abs().sum() < limit:
            x = x * 1.25
            turns += 1
        return x, turns

    f = s.compile(f)
    for limit in (1.0, 3.0, 10.0, 1e5, 1e6, 2.0, 1e30):
        s.call(f, grad(1.0, -0.5), limit)
        s.call(f, T([1.0, -0.5]), limit)


def scene_loop_with_weights(s: Session) -> None:
    def f(x, w, n):
        i = torch.zeros(())
        h = x
        while i < n:
            h = torch.tanh(h * w + x)
            i = i + 1
        return h, h * 2

    f = s.compile(f)
    for n in (0, 1, 3, 70, 71, 150, 5):
        s.call(f, grad(0.5, 1.0), grad(0.9, -0.3), T(float(n)))
        s.call(f, T([0.5, 1.0]), grad(0.9, -0.3), T(float(n)))


def scene_loop_swaps(s: Session) -> None:
    def f(a, b, n):
        i = 0
        while i < n:
            a, b = b, a + b * 0.5
            i += 1
        return a, b, i

    f = s.compile(f)
    for n in (1, 2, 3, 80, 81, 200, 79):
        s.call(f, grad(1.0), grad(0.25), n)
    same = grad(1.0, 2.0)
    s.call(f, same, same, 90)


def scene_loop_with_same_object_twice(s: Session) -> None:
    def f(x, n):
        a = b = x * 2
        i = T(0.0)
        while i < n:
            b = a * 0.5
            if i == 40:
                a = b
            i += 1
        return a, b, a is b

    f = s.compile(f)
    for n in (3, 39, 40, 41, 42, 100, 41):
        s.call(f, grad(1.0, 2.0), float(n))


def scene_loop_with_views(s: Session) -> None:
    def f(x, n):
        row = x[0]
        i = 0
        with torch.no_grad():
            while i < n:
                row.mul_(0.5).add_(1)
                x[1] += row
                i += 1
        return row

    f = s.compile(f)
    for n in (1, 2, 50, 70, 100):
        x = T([[1.0, 2.0], [3.0, 4.0]])
        s.call(f, x, n)
        s.see(x, x._version)


def scene_loop_in_place_with_history(s: Session) -> None:
    def f(x, n):
        y = x * 1
        i = 0
        while i < n:
            y.mul_(x)
            i += 1
        return y

    f = s.compile(f)
    for n in (1, 3, 40, 70):
        s.call(f, grad(0.9, 1.1), n)


def scene_loop_with_breaks(s: Session) -> None:
    def f(x, limit, how):
        i = 0
        while True:
            x = x * 1.5
            i += 1
            if x.sum() > limit:
                if how == "return":
                    return x * 10, i
                if how == "raise":
                    raise ValueError(f"too large: {limit}")
                break
            if i % 3 == 0:
                continue
            x = x - 0.01
        else:
            x = x * 100
        return x, i

    f = s.compile(f)
    for how in ("break", "return", "raise"):
        for limit in (1.0, 100.0, 1e14, 1e10, 1e14):
            s.attempt(f, T([1.0]), limit, how)
            if how != "raise":
                s.call(f, grad(1.0), limit, how)


def scene_loops_in_loops(s: Session) -> None:
    def inner(x, target):
        while (x * x - target).abs() > 1e-6:
            x = x - (x * x - target) / (2 * x)
        return x

    def f(x, n):
        total = torch.zeros((), dtype=torch.float64)
        k = 1
        while k <= n:
            total = total + inner(x, torch.full((), float(k), dtype=torch.float64))
            k += 1
        return total

    f = s.compile(f)
    for n in (1, 2, 5, 45, 46, 90):
        s.call(f, T(3.0, dtype=torch.float64), n)
        s.call(f, T(3.0, dtype=torch.float64, requires_grad=True), n)


def scene_loop_with_effects(s: Session) -> None:
    box = SimpleNamespace(n=0, last=None, log=[])

    def f(x, n):
        i = 0
        while i < n:
            x = x * 0.99
            box.n += 1
            box.last = x.detach()
            if i % 20 == 0:
                box.log.append(i)
            i += 1
        return x

    f = s.compile(f)
    for n in (1, 3, 45, 46, 100, 2):
        s.call(f, grad(1.0), n)
        s.see(box)


def scene_loop_until_somebody_says_so(s: Session) -> None:
    class Event:
        def __init__(self):
            self.left = 50
            self.set = False

    event = Event()

    def f(x):
        while not event.set:
            x = x + 1
            event.left -= 1
            if event.left <= 0:
                event.set = True
        return x

    f = s.compile(f)
    for left in (2, 50, 100, 0, 75):
        event.left, event.set = left, False
        s.call(f, grad(1.0))
        s.see(event)


def scene_loop_with_random_numbers(s: Session) -> None:
    def f(x, limit):
        steps = 0
        while x.abs().max() < limit and steps < 500:
            x = x + torch.randn(2)
            steps += 1
        return x, steps

    f = s.compile(f)
    torch.manual_seed(3)
    for limit in (0.5, 3.0, 9.0, 15.0, 3.0):
        s.call(f, T([0.0, 0.0]), limit)
    s.see(torch.rand(3))


def scene_loop_with_inner_gradients(s: Session) -> None:
    def f(w, rate, n):
        i = 0
        while i < n:
            loss = ((w * w - 2) ** 2).sum()
            (slope,) = torch.autograd.grad(loss, w)
            with torch.no_grad():
                w -= rate * slope
            i += 1
        return w * 1

    f = s.compile(f)
    for n, rate in ((1, 0.01), (3, 0.01), (60, 0.01), (100, 0.02), (61, 0.01)):
        w = grad(1.0, -3.0)
        s.call(f, w, rate, n)
        s.see(w)


def scene_loop_with_backward(s: Session) -> None:
    def f(w, n):
        i = 0
        while i < n:
            loss = (w * w).sum()
            loss.backward()
            with torch.no_grad():
                w.sub_(w.grad, alpha=0.05)
            w.grad = None
            i += 1
        return i

    f = s.compile(f)
    for n in (1, 2, 50, 80, 51):
        w = grad(1.0, -3.0)
        s.call(f, w, n)
        s.see(w, w.grad)


def scene_loop_of_floats(s: Session) -> None:
    def f(x, dt, end):
        t = 0.0
        steps = 0
        while t < end:
            k1 = -x
            k2 = -(x + dt * k1)
            error = ((k2 - k1) * dt * 0.5).abs().max().item()
            if error > 1e-3:
                dt = dt * 0.5
            else:
                x = x + dt * 0.5 * (k1 + k2)
                t += dt
                dt = min(dt * 1.2, 0.5)
            steps += 1
        return x, t, math.sqrt(t), steps

    f = s.compile(f)
    for dt, end in ((0.1, 0.2), (0.5, 1.0), (0.1, 5.0), (0.01, 8.0), (0.1, 5.0)):
        s.call(f, T([1.0, 2.0], dtype=torch.float64), dt, end)
        s.call(f, T([1.0, 2.0], dtype=torch.float64, requires_grad=True), dt, end)


def scene_loop_builds_a_list(s: Session) -> None:
    def f(x, n):
        found = []
        i = 0
        while i < n:
            x = x * 0.9
            found.append(x)
            i += 1
        return found, x

    f = s.compile(f)
    for n in (0, 2, 45, 60, 3):
        s.call(f, grad(1.0, 2.0), n)


def scene_loop_over_a_module(s: Session) -> None:
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(T([0.5, -0.25]))
            self.calls = 0

        def forward(self, h):
            self.calls += 1
            return torch.tanh(h * self.weight + 1)

    cell = Cell()

    def f(x, tolerance):
        h = x
        while True:
            following = cell(h)
            if (following - h).abs().max() < tolerance:
                return following
            h = following

    f = s.compile(f)
    for tolerance in (0.5, 1e-2, 1e-5, 1e-3):
        s.call(f, T([0.1, 0.2]), tolerance)
        s.see(cell)


def scene_loop_changes_shape_and_kind(s: Session) -> None:
    def f(x, n):
        i = 0
        while i < n:
            x = torch.cat([x, x[:1] * 0.5]) if i % 25 == 7 else x * 0.5 + i
            if i == 60:
                x = x.detach()
            if i == 65:
                x = x.double()
            i += 1
        return x

    f = s.compile(f)
    for n in (3, 50, 64, 90, 64):
        s.call(f, grad(1.0, 2.0), n)


def scene_ranges_of_any_length(s: Session) -> None:
    def f(x, n, step):
        total = x * 0
        for i in range(3, n, step):
            total = total + x * i
            if total.sum() > 50:
                total = total * 0.25
        else:
            total = total + 1
        return total, n

    def g(x, n):
        count = 0
        for _ in range(n):
            for j in range(2):
                x = x * 0.5 + j
                count += 1
        return x, count

    f, g = s.compile(f), s.compile(g)
    for n in (0, 3, 4, 8, 50, 51, 300, 299, 7):
        s.call(f, T([1.0, 0.5], requires_grad=True), n, 2)
        s.call(f, T([1.0, 0.5]), -n, -1)
        s.call(g, T([1.0, 2.0], requires_grad=True), n)
    s.attempt(f, T([1.0, 0.5]), 9, 0)
    s.attempt(f, T([1.0, 0.5]), 9.0, 1)


def scene_range_iterators_in_other_hands(s: Session) -> None:
    kept: list = []

    def f(x, n):
        it = iter(range(n))
        for i in it:
            x = x * 1.5 + i
            if i % 3 == 1:
                x = x - next(it, 100)
            if i == 5:
                kept.append(it)
        rest = list(it)
        return x, rest, len(range(n)), range(n), 3 in range(n), range(n)[-1:] == range(n - 1, n)

    f = s.compile(f)
    for n in (0, 1, 2, 5, 9, 200, 6, 7):
        s.call(f, T([1.0], requires_grad=True), n)
        s.see(len(kept), [next(each, None) for each in kept])


def scene_range_loops_left_early(s: Session) -> None:
    def f(x, n, limit):
        found = None
        for i in range(n):
            for j in range(i, n, 7):
                x = x + 0.25
                if x.sum() > limit:
                    found = i, j
                    break
            if found:
                break
            if i == 40:
                print("forty")
        return x, found

    f = s.compile(f)
    for n, limit in ((5, 3.0), (60, 1e9), (200, 90.0), (61, 30.0), (0, 1.0), (45, 70.0)):
        s.call(f, T([1.0], requires_grad=True), n, limit)


def scene_range_bounds_from_the_surroundings(s: Session) -> None:
    box = {"n": 3, "step": 1}

    def f(x):
        for i in range(0, box["n"], box["step"]):
            x = x * 2 - i
        box["n"] += 1
        return x

    f = s.compile(f)
    for _ in range(12):
        s.call(f, T([0.5], requires_grad=True))
    box["step"] = 2
    for _ in range(4):
        s.call(f, T([0.5], requires_grad=True))


def scene_recursion_of_any_depth(s: Session) -> None:
    def f(x, n):
        if n == 0 or x.sum() > 1e6:
            return x
        return f(x * 1.25, n - 1) + 1

    g = s.compile(f)
    for n in (0, 3, 4, 5, 70, 71, 150, 300, 3):
        s.call(g, T([1.0, 0.5], requires_grad=True), n)


def scene_reduce_over_repeat(s: Session) -> None:
    def f(x, n):
        return functools.reduce(lambda a, b: a * 1.5 + b, itertools.repeat(2.0, n), x)

    f = s.compile(f)
    for n in (0, 1, 2, 50, 51, 40):
        s.call(f, T([1.0, 0.5], requires_grad=True), n)


def scene_one_turn_differs_from_all_others(s: Session) -> None:
    def f(x, n):
        for i in range(n):
            if i == 50:
                x = x - 100
            x = x * 0.99 + 1
        return x

    def g(x, n):
        i = 0
        while i < n:
            i += 1
            if i == 50:
                continue
            if i == 150:
                break
            x = x * 0.99 + i
        return x, i

    f, g = s.compile(f), s.compile(g)
    for n in (10, 49, 50, 51, 52, 200, 201, 202, 300, 0):
        s.call(f, T([1.0, 0.5], requires_grad=True), n)
        s.call(g, T([1.0, 0.5], requires_grad=True), n)


def scene_a_flag_that_the_loop_clears(s: Session) -> None:
    class Box:
        def __init__(self):
            self.fresh = True
            self.n = 0

    def f(x, box, n):
        for _ in range(n):
            if box.fresh:
                x = x + 10
                box.fresh = False
            else:
                x = x * 0.5
            box.n += 1
            if box.n % 13 == 0:
                box.fresh = True
        return x

    f = s.compile(f)
    for n in (0, 1, 2, 60, 61, 45):
        box = Box()
        s.call(f, T([1.0, 0.5], requires_grad=True), box, n)
        s.see(box)


def scene_loops_that_numbers_of_the_function_end(s: Session) -> None:
    def f(x, step):
        i = 0
        while i < 400:
            if x.sum() > 3:
                x = x * 0.5
            x = x + 0.125
            i += step
        j = 400
        while True:
            j -= 1
            if not j:
                break
            x = x * 0.99
        return x, i

    f = s.compile(f)
    for step in (1, 1, 1, 2, 2, 3):
        s.call(f, T([1.0, 0.5], requires_grad=True), step)
