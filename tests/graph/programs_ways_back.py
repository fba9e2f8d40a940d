"""Scenes of the way back through loops whose turns take several ways."""

from __future__ import annotations

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import go_back_twice, leaf


def go_back(s: Session, results: tuple, leaves: tuple) -> None:
    """Go back from one result after the other, and look at the gradients each time."""
    for each in results:
        s.attempt(lambda each=each: each.sum().backward())
        s.see(*leaves)


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
        go_back_twice(s, (y, v), (x, w))


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
        go_back(s, (first, second, second), (x, y, w))


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
        go_back(s, (before, last, before), (x, y, w))


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
    for n, m in ((3, 2), (40, 30), (41, 20), (43, 43), (44, 50), (60, 0)):
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


def scene_writes_to_what_only_products_were_made_of(s: Session) -> None:
    """Eager has saved the product, not `w`, which the caller may write to."""

    def f(x, w, n):
        for i in range(n):
            x = x * (w * 0.5) if i % 3 else x * (w + 0.25)
        return x

    f = s.compile(f)
    for n in (3, 40, 41, 60, 61):
        x, w = leaf(1.0, 2.0), torch.tensor([2.1, 1.9], dtype=torch.float64)
        y = s.call(f, x, w, n, backward=False)
        w.add_(1)
        go_back(s, (y,), (x,))


def scene_a_sum_that_no_turn_of_this_run_adds_to(s: Session) -> None:
    """Other runs have gone back through turns that lead from `x` to `w`; here `y` alone does."""

    def f(x, y, w, n, both):
        for i in range(n):
            if i % 3:
                x, y = (x * 0.9).sin(), y * 0.875
            elif both > 0.5:  # a bool would be a constant of the trace
                x = x * w
            else:
                y = y + w
        return x, y

    f = s.compile(f)
    for n in (3, 40, 41, 60, 61):
        for both in (1.0, 0.0, 1.0, 0.0):
            x, y, w = leaf(1.0, 2.0), leaf(0.5, 0.25), leaf(0.9, 1.01)
            first, _ = s.call(f, x, y, w, n, both, backward=False)
            go_back(s, (first,), (x, y, w))
