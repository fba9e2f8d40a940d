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


def scene_gradients_that_are_none(s: Session) -> None:
    """Where no turn has read `w`, and where the last one that did was forgotten."""

    def f(x, w, v, n, reset):
        for i in range(n):
            if i == reset:
                x = v * 2
            elif i % 5 == 4:
                x = x * w
            else:
                x = x * 0.875
        return x

    f = s.compile(f)
    for n, reset in ((30, -1), (31, 40), (32, 20), (40, 39), (41, 37), (3, 50), (50, 0), (4, -1)):
        x, w, v = leaf(1.0, -0.5), leaf(0.9, 1.01), leaf(0.2, 0.3)
        y = s.call(f, x, w, v, n, reset, backward=False)
        for each in (x, w, v):
            s.attempt(lambda y=y, each=each: torch.autograd.grad(y.sum(), each, retain_graph=True))
            s.see(torch.autograd.grad(y.sum(), (each,), retain_graph=True, allow_unused=True))


def scene_writes_between_ways(s: Session) -> None:
    def f(x, w, v, n):
        for i in range(n):
            if i % 4 == 3:
                w = w * v
            else:
                x = (x * w).tanh()
        return x, w

    f = s.compile(f)
    for n in (2, 40, 50, 61, 62, 3, 4, 5):
        for which in ("nothing", "x", "w", "v", "y", "z"):
            x, w, v = leaf(1.0, -0.5), leaf(0.9, 1.01), leaf(0.95, 1.0)
            begun, held = x * 2, w * 1
            y, z = s.call(f, begun, held, v, n, backward=False)
            with torch.no_grad():
                if which == "x":
                    begun.mul_(2)
                elif which == "w":
                    held.add_(1)
                elif which == "v":
                    v.add_(1)
                elif which == "y":
                    y.add_(1)
                elif which == "z":
                    z.add_(1)
            s.attempt(lambda y=y, z=z: (y.sum() + z.sum()).backward())
            s.see(x, w, v, y, z)


def scene_second_orders_over_ways(s: Session) -> None:
    def f(x, w, n):
        for i in range(n):
            x = (x * w).sin() + x * 0.1 if i % 2 else x * x * 0.5 + w
        return x

    f = s.compile(f)
    for n in (2, 20, 21, 22, 3):
        x, w = leaf(0.5, -0.5), leaf(0.4, 0.3)
        y = s.call(f, x, w, n, backward=False)
        (first,) = torch.autograd.grad(y.sum(), w, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), w, create_graph=True)
        s.see(first, second, torch.autograd.grad(second.sum(), (x, w)))


def scene_results_that_depend_on_each_other_on_a_way(s: Session) -> None:
    def f(x, w, n):
        loss = x * 0
        for i in range(n):
            if i % 3:
                x = (x * w).sin()
            else:
                x = x * 0.5
                loss = loss + x
        return x, loss

    f = s.compile(f)
    for n in (2, 50, 60, 61, 62):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        y, loss = s.call(f, x, w, n, backward=False)
        s.see(torch.autograd.grad(loss.sum(), (y, x, w), retain_graph=True, allow_unused=True))
        s.see(torch.autograd.grad(y.sum(), (x, w)))


def scene_freed_ways(s: Session) -> None:
    def f(x, w, n):
        for i in range(n):
            if i % 2:
                x = (x * 0.9).sin()
            else:
                w = (w * w).cos()
        return x, w

    f = s.compile(f)
    for n in (2, 50, 60, 70, 3):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        y, v = s.call(f, x, w, n, backward=False)
        y.sum().backward()
        s.see(x, w)
        s.attempt(y.sum().backward)
        v.sum().backward(retain_graph=True)
        v.sum().backward()
        s.see(x, w)
        s.attempt(v.sum().backward)


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


def scene_totals_of_several_ways(s: Session) -> None:
    """Several tensors from outside, each read on some ways only, and by different calls."""

    def f(x, ws, n, by):
        for i in range(n):
            if i % by == 0:
                x = (x * ws[0]).sin()
            elif i % by == 1:
                x = x + ws[1] * ws[2]
            else:
                x = (x * ws[2]).cos()
        return x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 1, 2):
        for by in (3, 2, 40, 1000):
            x, ws = leaf(1.0, -0.5), [leaf(0.9, 1.01), leaf(0.1, 0.2), leaf(0.3, -0.2)]
            y = s.call(f, x, ws, n, by, backward=False)
            s.attempt(lambda y=y: y.sum().backward())
            s.see(x, *ws)


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


def scene_what_ways_have_in_common_is_freed_turn_by_turn(s: Session) -> None:
    def f(x, y, w, n):
        for i in range(n):
            step = (w * 0.5).sin()
            if i % 2:
                x = x + step
            else:
                y = y + step
        return x, y

    f = s.compile(f)
    for n in (3, 40, 41, 60):
        x, y, w = leaf(1.0, 2.0), leaf(0.5, 0.25), leaf(0.3, 0.4)
        first, second = s.call(f, x, y, w, n, backward=False)
        for each in (first, second, second):
            s.attempt(lambda each=each: each.sum().backward())
            s.see(x, y, w)


def scene_turns_of_one_way_are_freed_one_by_one(s: Session) -> None:
    def f(x, y, w, n):
        for i in range(n):
            if i % 7 == 6:
                y = x * 1
                x = w * 1
            else:
                x = (x * w).sin()
        return x, y

    f = s.compile(f)
    for n in (3, 40, 41, 60, 63, 70):
        x, y, w = leaf(1.0, 2.0), leaf(0.5, 0.25), leaf(0.3, 0.4)
        last, before = s.call(f, x, y, w, n, backward=False)
        for each in (before, last, before):
            s.attempt(lambda each=each: each.sum().backward())
            s.see(x, y, w)


def scene_second_orders_of_what_was_freed(s: Session) -> None:
    def f(x, y, n):
        for i in range(n):
            if i % 5 == 4:
                y = x + 0
            else:
                x = x.sin()
        return x, y

    f = s.compile(f)
    for n in (3, 40, 41, 45, 60):
        for graph in (False, True):
            x = leaf(1.0, 2.0)
            found = s.call(f, x, leaf(0.5, 0.25), n, backward=False)
            s.attempt(lambda found=found: (found[0] + found[1]).sum().backward())
            for each in (*found, *found):
                s.attempt(
                    lambda each=each, x=x, graph=graph: torch.autograd.grad(
                        each.sum(), x, create_graph=graph, allow_unused=True
                    )
                )


def scene_numbers_are_not_freed(s: Session) -> None:
    def loop(x, y, k, n):
        for i in range(n):
            x = x * k + 1 if i % 2 else x * k
            y = y.sin()
            k = k * 0.75
        return x, y

    def line(x, y, k, n):
        return x * k, y.sin()

    loop, line = s.compile(loop), s.compile(line)
    for n in (3, 40, 41, 60):
        for f in (loop, line):
            x, y = leaf(1.0, 2.0), leaf(0.5, 0.25)
            first, second = s.call(f, x, y, 0.5 + n, n, backward=False)
            for each in (second, first, first, second):
                s.attempt(lambda each=each: each.sum().backward())
            s.see(x, y)


def scene_results_of_earlier_turns_that_others_depend_on(s: Session) -> None:
    def f(x, w, n, m):
        best, total = x * 1, w * 1
        for i in range(n):
            x = (x * w).sin() + 0.25
            if i % 5 == 2 and i < m:
                best = x * best
            elif i % 5 == 3:
                total = (total + best).tanh()
            elif i > m and i % 5 == 4:
                x = x * total
        return best, total, x

    f = s.compile(f)
    for n, m in ((3, 2), (40, 30), (41, 20), (60, 60), (61, 10), (62, 70), (63, 0), (80, 40)):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        found = s.call(f, x, w, n, m, backward=False)
        for one in found:
            for other in (*found, x, w):
                for graph in (False, True):
                    s.attempt(
                        lambda one=one, other=other, graph=graph: torch.autograd.grad(
                            one.sum(), other, None, True, graph, allow_unused=True
                        )
                    )
        seen: list = []
        for number, each in enumerate(found):
            each.register_hook(lambda g, number=number, seen=seen: seen.append((number, g * 1)))
        s.backward(*found)
        s.see(x, w, seen)
        for which in range(5):
            x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
            found = s.call(f, x * 1, w * 1, n, m, backward=False)
            with torch.no_grad():
                (*found, x, w)[which].mul_(2)
            for keep in (True, False, False):
                for each in found:
                    s.attempt(lambda each=each, keep=keep: each.sum().backward(retain_graph=keep))
            s.see(x, w)


def scene_what_leads_to_another_leaf_is_not_freed(s: Session) -> None:
    def f(x, y, n):
        for i in range(n):
            if i % 2 or i < 12:
                x = x.sin()
            else:
                y = y.cos()
        return x, y

    f = s.compile(f)
    for n in (3, 40, 41, 60):
        x, y = leaf(1.0, 2.0), leaf(0.5, 0.25)
        first, second = s.call(f, x, y, n, backward=False)
        for graph in (False, True):
            for leaf_of in (x, x, y, y):
                s.attempt(
                    lambda leaf_of=leaf_of, both=first + second, graph=graph: torch.autograd.grad(
                        both.sum(), leaf_of, create_graph=graph
                    )
                )


def scene_results_that_other_ways_have_made(s: Session) -> None:
    """None depends on what the same turn has made."""

    def f(x, w, n):
        best, total = w * 1, w * 2
        for i in range(n):
            if i % 3 == 0:
                x = (x * w).sin()
            elif i % 3 == 1:
                best = x * 0.5
            else:
                total = (total + best).tanh()
        return x, best, total

    f = s.compile(f)
    for n in (3, 40, 41, 60, 61, 62):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        found = s.call(f, x, w, n, backward=False)
        for one in found:
            for other in (*found, x, w):
                s.attempt(torch.autograd.grad, one.sum(), other, None, True, allow_unused=True)
        s.backward(*found)
        s.see(x, w)
