"""Scenes of loops that turn now seldom and now often: recorded turn by turn, and in a row."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session

COUNTS = (3, 60, 3, 0, 1, 2, 3, 3, 4, 3, 3, 3, 3, 7, 3, 3, 70)


def leaf(*values: float) -> Any:
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


def turns(s: Session, f: Any, *more: Any, counts: Any = COUNTS) -> None:
    """Call `f` with as many turns, and look at the gradients."""
    for n in counts:
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        s.call(f, x, w, torch.tensor(float(n)), *more)


def scene_a_condition(s: Session) -> None:
    def f(x, w, n):
        while n > 0:
            x = (x * w).sin() + 0.1
            n = n - 1
        return x

    turns(s, s.compile(f))


def scene_counters_and_an_end_by_break(s: Session) -> None:
    def f(x, w, n):
        before, steps = None, 0
        while steps < 1000:
            if n <= steps:
                break
            before, x = x, x * w + 0.1 * steps
            steps += 1
        return x, before, steps

    turns(s, s.compile(f))


def scene_an_endless_loop(s: Session) -> None:
    def f(x, w, n):
        total = 0.0
        while True:
            total = total + x.sum()
            x = x * w
            n = n - 1
            if n < 0:
                return x, total

    turns(s, s.compile(f))


def scene_what_is_called_ends_it(s: Session) -> None:
    def is_done(n, limit):
        return bool(n < limit)

    def f(x, w, n):
        while not is_done(n, 1):
            x = x * w + 0.2
            n = n - 1
        return x

    turns(s, s.compile(f))


def scene_a_loop_in_a_function(s: Session) -> None:
    def walk(x, w, n):
        while n > 0:
            x = x * w + 0.1
            n = n - 1
        return x

    def f(x, w, n):
        x = walk(x, w, n)
        y = walk(x, w * w, n - 1)
        return x, y

    turns(s, s.compile(f))


def scene_loops_within_a_loop(s: Session) -> None:
    def f(x, w, n):
        steps = 0
        while n > 0:
            k = n
            while k > 2:
                x = (x * w).cos()
                k = k - 2
                steps += 1
            x = x + 0.25
            n = n - 1
        return x, steps

    turns(s, s.compile(f), counts=(3, 12, 3, 0, 1, 2, 4, 3, 3, 3, 9, 3, 3, 3, 3, 20))


def scene_two_loops_within_a_loop(s: Session) -> None:
    def f(x, w, n):
        while n > 0:
            k = n
            while k > 2:
                x = x * w
                k = k - 1
            while k > 0:
                x = x + 0.5
                k = k - 1
            n = n - 1
        return x

    turns(s, s.compile(f), counts=(3, 9, 3, 0, 1, 2, 4, 3, 3, 3, 9, 3, 3, 3, 3, 12))


def scene_ways_through_a_turn(s: Session) -> None:
    def f(x, w, n):
        while n > 0:
            if x.sum() > 1:
                x = x * w - 0.5
            elif x.sum() > 0:
                x = x + 0.4
            else:
                x = x + 0.75
            n = n - 1
        return x

    turns(s, s.compile(f))


def scene_effects_in_each_turn(s: Session) -> None:
    class Meter:
        count = 0

    meter, outside = Meter(), []

    def f(x, w, n):
        found = []
        while n > 0:
            x = x * w + 0.1
            meter.count += 1
            outside.append(meter.count)
            found.append(x)
            n = n - 1
        return found[-2:], len(found)

    f = s.compile(f)
    for n in COUNTS:
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), torch.tensor(float(n)))
        s.see(meter.count, list(outside))


def scene_prints_in_some_turns(s: Session) -> None:
    def f(x, w, n):
        while n > 0:
            x = x * w + 0.1
            if n % 3 == 0:
                print("at", n.item(), x.sum().item())
            n = n - 1
        return x

    turns(s, s.compile(f))


def scene_an_exception_ends_it(s: Session) -> None:
    def f(x, w, n):
        try:
            while True:
                x = x * w + 0.1
                n = n - 1
                if n < 0:
                    raise ValueError("far enough")
        except ValueError as error:
            return x, str(error)

    turns(s, s.compile(f))


def scene_the_slope_is_taken_behind_it(s: Session) -> None:
    def f(x, w, n):
        y = x
        while n > 0:
            y = y * w + 0.1
            n = n - 1
        (slope,) = torch.autograd.grad(y.sum() + (w * w).sum(), w, create_graph=False)
        return slope

    turns(s, s.compile(f))


def scene_memory_of_the_call_is_written(s: Session) -> None:
    def f(x, w, n):
        total = torch.zeros(2, dtype=torch.float64)
        rows = x.detach() * 0
        while n > 0:
            total += x * w
            rows[0] += 1
            n = n - 1
        return total, rows

    turns(s, s.compile(f))


def scene_what_is_carried_changes_its_kind(s: Session) -> None:
    def f(x, w, n):
        loss, kind, last = 0.0, 0, None
        while n > 0:
            loss = loss + (x * w).sum()
            kind = kind + 1 if kind < 4 else 0.5
            last = x if last is None else last * w
            n = n - 1
        return loss, kind, last

    turns(s, s.compile(f))


def scene_a_list_grows_and_is_read(s: Session) -> None:
    def f(x, w, n):
        found = [x, x * w]
        while len(found) - 2 < n:
            found.append(found[-1] * w + found[-2])
        return found[-1], len(found)

    turns(s, s.compile(f), counts=(3, 12, 3, 0, 1, 3, 3, 3, 3, 5, 3, 3, 12))


def scene_a_generator(s: Session) -> None:
    def series(x, w, n):
        while n > 0:
            x = x * w
            yield x.sum()
            n = n - 1

    def f(x, w, n):
        total = w.sum()
        for each in series(x, w, n):
            total = total + each
        return total

    turns(s, s.compile(f))


def scene_ranges_that_are_left(s: Session) -> None:
    def f(x, w, n):
        for i in range(1000):
            if n <= i:
                break
            x = x * w + 0.01 * i
        else:
            i = -1
        return x, i

    turns(s, s.compile(f))
