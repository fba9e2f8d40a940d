"""Scenes of loops that turn often enough to become native ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session

T = torch.tensor


def leaf(*values: float) -> Any:
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


def turns(s: Session, f: Any, *more: Any, counts: Any = (3, 40, 41, 90, 0, 1, 200)) -> None:
    """Call `f` with as many turns, and look at the gradients."""
    for n in counts:
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        s.call(f, x, w, n, *more)


def go_back_twice(s: Session, results: tuple, leaves: tuple) -> None:
    """Go back from two results that have nothing in common, and again when that is freed."""
    first, second = results
    first.sum().backward()
    s.see(*leaves)
    s.attempt(first.sum().backward)
    second.sum().backward(retain_graph=True)
    second.sum().backward()
    s.see(*leaves)
    s.attempt(second.sum().backward)


def scene_a_while_loop_on_a_tensor(s: Session) -> None:
    def f(x, w, n):
        i = torch.zeros(())
        while i < n:
            x = (x * w).sin() + 0.1
            i = i + 1
        return x, i

    turns(s, s.compile(f))


def scene_a_while_loop_on_a_norm(s: Session) -> None:
    def f(x, w, n):
        while x.norm() < 10.0 * n:
            x = x * (1.5 + w * w)
        return x

    turns(s, s.compile(f), counts=(1, 10, 10**6, 10**12, 10**30, 10**50, 3))


def scene_a_for_loop(s: Session) -> None:
    def f(x, w, n):
        total = x * 0
        for i in range(n):
            x = (x * w + i * 0.25).tanh()
            total = total * 0.5 + i
        return x, total

    turns(s, s.compile(f))


def scene_numbers_that_change(s: Session) -> None:
    def f(x, w, n):
        rate, count = 1.0, 0
        while count < n:
            x = x - rate * w * x * 0.01
            rate = rate * 0.99 + 1e-3
            count += 2
        return x, rate, count

    turns(s, s.compile(f))


def scene_matrix_products(s: Session) -> None:
    def f(x, w, n):
        weight = torch.outer(x, w) * 0.3
        h = x
        while n > 0:
            h = (weight @ h + w).tanh()
            n -= 1
        return h.sum()

    turns(s, s.compile(f))


def scene_branches_on_data(s: Session) -> None:
    def f(x, w, n):
        for i in range(n):
            if x.sum() > 2:
                x = x * 0.5
            elif i % 7 == 3:
                x = x - 0.125
            else:
                x = x + w * 0.1
        return x

    turns(s, s.compile(f))


def scene_truncated_histories(s: Session) -> None:
    def f(x, w, n):
        loss = x * 0
        for _ in range(n):
            x = (x * w).tanh().detach()
        for _ in range(n):
            loss = loss * 0.9 + x
            x = (x * w).cos()
        return x, loss

    turns(s, s.compile(f))


def scene_values_that_change_places(s: Session) -> None:
    def f(x, n):
        a, b, c = x, x * 0.5, x + 1
        for _ in range(n):
            a, b, c = b, c, (a + b) * 0.5
        return a, b, c, a is x, b is x, c is x

    def g(x, n):
        before = x
        while n > 0:
            before, x = x, x * 0.5 + 1
            n -= 1
        return before, x, before is x

    f, g = s.compile(f), s.compile(g)
    for n in (0, 1, 2, 3, 40, 41, 42, 43, 90):
        s.call(f, T([1.0, 2.0]), n)
        s.call(f, leaf(1.0, 2.0), n)
        s.call(g, T([1.0, 2.0]), n)
        s.call(g, leaf(1.0, 2.0), n)


def scene_results_that_depend_on_each_other(s: Session) -> None:
    def f(x, w, n):
        loss = x * 0
        for _ in range(n):
            x = (x * w).sin()
            loss = loss + x
        return x, loss

    f = s.compile(f)
    for n in (2, 50, 60):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        y, loss = s.call(f, x, w, n, backward=False)
        s.see(torch.autograd.grad(loss.sum(), (y, x, w), retain_graph=True))
        s.see(torch.autograd.grad(y.sum(), (x, w)))


def scene_disjoint_results(s: Session) -> None:
    def f(x, w, n):
        while n > 0:
            x = (x * 0.9).sin()
            w = (w * w).cos()
            n -= 1
        return x, w

    f = s.compile(f)
    for n in (2, 50, 60, 70):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        y, v = s.call(f, x, w, n, backward=False)
        go_back_twice(s, (y, v), (x, w))


def scene_higher_orders(s: Session) -> None:
    def f(x, w, n):
        for _ in range(n):
            x = (x * w).sin() + x * 0.1
        return x

    f = s.compile(f)
    for n in (2, 20, 21, 22):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        y = s.call(f, x, w, n, backward=False)
        (first,) = torch.autograd.grad(y.sum(), w, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), w, create_graph=True)
        s.see(first, second, torch.autograd.grad(second.sum(), (x, w)))


def scene_writes_after_the_loop(s: Session) -> None:
    def f(x, w, n):
        for _ in range(n):
            x = (x * w).tanh()
        return x

    f = s.compile(f)
    for n in (3, 40, 50, 60):
        for which in ("nothing", "x", "w", "y", "beside"):
            x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
            begun = x * 2
            y = s.call(f, begun, w, n, backward=False)
            with torch.no_grad():
                if which == "x":
                    begun.mul_(2)
                elif which == "w":
                    w.add_(1)
                elif which == "y":
                    y.add_(1)
                elif which == "beside":
                    y.detach().clone().add_(1)
            s.attempt(lambda y=y: y.sum().backward())
            s.see(x, w, y)


def scene_writes_before_a_way_back_that_begins_natively(s: Session) -> None:
    """With a cotangent that lies as those of all turns do."""

    def f(x, w, n):
        for _ in range(n):
            x = (x * w).tanh()
        return x

    f = s.compile(f)
    for n in (40, 50, 60):
        for which in ("nothing", "x", "y", "nothing"):
            x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
            begun = x * 2
            y = s.call(f, begun, w, n, backward=False)
            with torch.no_grad():
                if which != "nothing":
                    (begun if which == "x" else y).mul_(2)
            s.attempt(lambda y=y: y.backward(torch.ones(2, dtype=torch.float64)))
            s.see(x, w, y)


def scene_writes_to_what_was_not_saved(s: Session) -> None:
    def f(x, w, n):
        for _ in range(n):
            x = x + w * 0.5
        return x.exp()

    f = s.compile(f)
    for n in (3, 40, 50, 60):
        x, w = leaf(0.1, -0.5), leaf(0.01, 0.02)
        y = s.call(f, x, w, n, backward=False)
        with torch.no_grad():
            x.mul_(2)
            w.add_(1)
        s.attempt(lambda y=y: y.sum().backward())
        s.see(x, w, y)


def scene_tensors_found_outside(s: Session) -> None:
    box = SimpleNamespace(w=leaf(0.5, 0.6), bias=T([0.1, 0.2], dtype=torch.float64), scale=0.5)

    def f(x, n):
        for _ in range(n):
            x = (x * box.w + box.bias * box.scale).tanh()
        return x

    f = s.compile(f)
    for n in (2, 50, 51, 52, 53, 54):
        s.call(f, leaf(1.0, 2.0), n)
        s.see(box)
        box.scale += 0.25
        if n == 52:
            box.w = leaf(0.3, 0.4)
        if n == 53:
            box.bias = T(0.5, dtype=torch.float64)


def scene_grad_modes_in_loops(s: Session) -> None:
    def f(x, w, n):
        count = torch.zeros((), dtype=torch.int64)
        for _ in range(n):
            with torch.no_grad():
                count = count + 1
                step = w * 0.1
            x = x - step * x
        return x, count

    turns(s, s.compile(f))


def scene_shapes_and_kinds(s: Session) -> None:
    def f(x, n):
        seen = x > 0
        while n > 0:
            x = x * 0.75 + 0.25
            seen = seen | (x > 0.5)
            n -= 1
        return x, seen

    f = s.compile(f)
    for n in (30, 31, 32, 33):
        s.call(f, torch.tensor(0.5, requires_grad=True), n)
        s.call(f, torch.ones(3, 0), n)
        s.call(f, torch.arange(6.0).reshape(2, 3).t().requires_grad_(), n)
        s.call(f, torch.arange(6.0)[::2], n)
        s.call(f, torch.ones(2, 1, 2, dtype=torch.float64).expand(2, 3, 2), n)


def scene_nested_loops(s: Session) -> None:
    def f(x, w, n):
        for i in range(n):
            j = 0
            while j < 12 + i % 2:
                x = (x * w).sin()
                j += 1
            x = x + 0.5
        return x

    turns(s, s.compile(f), counts=(0, 1, 3, 10, 20, 11))


def scene_integers_that_become_large(s: Session) -> None:
    def f(x, n):
        k = 1
        while n > 0:
            k = k * 3 - 1
            x = x * 0.5
            n -= 1
        return x, k

    f = s.compile(f)
    for n in (10, 30, 60, 70, 100):
        s.call(f, T([1.0]), n)


def scene_a_loop_that_raises(s: Session) -> None:
    def f(x, n, k):
        while n > 0:
            x = x * 0.5 + 1 / k
            k -= 1
            n -= 1
        return x

    f = s.compile(f)
    for n, k in ((10, 100), (60, 100), (70, 100), (70, 60), (80, 30.0), (60, 90)):
        s.attempt(f, T([1.0]), n, k)


def scene_losses_along_the_way(s: Session) -> None:
    def f(x, w, n):
        loss = torch.zeros((), dtype=torch.float64)
        for i in range(n):
            x = (x * w).tanh()
            loss = loss + (x * x).sum() / (i + 1)
        return loss

    turns(s, s.compile(f))


def scene_two_ways_in_turn(s: Session) -> None:
    def f(x, w, n):
        accepted = 0
        for _ in range(n):
            step = (x * w).sin() * 0.5
            if step.norm() > 0.2:
                x = x - step * 0.5
            else:
                x = x + step + w
                accepted += 1
        return x, accepted

    turns(s, s.compile(f), counts=(30, 31, 60, 100, 101, 7))


def scene_a_number_that_becomes_a_constant(s: Session) -> None:
    def f(x, w, n, k):
        while n > 0:
            x = x * w + k
            k = 0.5
            n -= 1
        return x, k

    f = s.compile(f)
    for k in (0.25, 2.0, -1.0):
        turns(s, f, k, counts=(20, 21, 1, 2, 40))


def scene_a_tensor_from_outside_takes_a_place(s: Session) -> None:
    box = SimpleNamespace(w=T([5.0, 6.0]))

    def f(x, n):
        y = x * 0
        for _ in range(n):
            y = y * 0.5 + x
            x = box.w
        return y, x, x is box.w

    f = s.compile(f)
    for n in (20, 21, 22, 1, 2, 3, 0, 40):
        box.w = T([n + 1.0, 6.0])
        s.call(f, T([1.0, 2.0]), n)


def scene_two_things_change_places_with_one_outside(s: Session) -> None:
    box = SimpleNamespace(w=T([5.0, 6.0]))

    def f(x, n):
        a, b, c = x, x, x
        y = x * 0
        for _ in range(n):
            y = y * 0.5 + a
            a, b, c = b, c, box.w
        return y, a is x, b is x, a is box.w, b is box.w, c is box.w

    f = s.compile(f)
    for n in (20, 21, 22, 1, 2, 3, 4, 0, 40):
        s.call(f, T([1.0, 2.0]), n)


def scene_library_code_decides_by_a_number_that_changes(s: Session) -> None:
    def f(x, w, n, p):
        for _ in range(n):
            x = torch.nn.functional.leaky_relu(x * w, p) + torch.add(x, x, alpha=p) * 0.25
            p = p * 0.75 - 0.125
        return x, p

    turns(s, s.compile(f), 0.9)
    turns(s, s.compile(f), -0.9)


def scene_slopes_lie_as_steps_of_eager_leave_them(s: Session) -> None:
    """What a transposed leaf gets is transposed, if each turn multiplies by all of it."""

    def f(x, h, n):
        for at in range(n):
            h = (h * x + x * at).sin()
        return h

    def g(x, h, n):
        for at in range(n):
            h = h * 0.5 + (x * h[:, None] * at).sum(1)
        return h

    for function, start in ((f, torch.ones(3, 2).t()), (g, torch.ones(2))):
        compiled = s.compile(function)
        for n in (60, 61, 60, 200, 60, 1, 60, 0, 60):
            x = (torch.arange(6.0).reshape(3, 2) / 10).t().requires_grad_()
            made = s.call(compiled, x, start, n, backward=False)
            if n:
                made.sum().backward()
                s.see(x)
