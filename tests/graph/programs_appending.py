"""Scenes of loops that append to lists, and turn often enough to become native ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf

COUNTS = (3, 40, 41, 90, 91, 0, 1, 2, 700)


def plain(*values: float) -> Any:
    return torch.tensor(list(values), dtype=torch.float64)


def turns(s: Session, f: Any, *more: Any, counts: Any = COUNTS) -> None:
    """Call `f` with as many turns, on what has no history."""
    for n in counts:
        s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n, *more)


def look(s: Session, held: list) -> None:
    """Look at elements of a list, and change some of them."""
    s.see(held)
    if len(held) > 2:
        held[1].mul_(2)
        held[-1].add_(1)
        s.see(held[0], held[1], held[2], held[-1])
        held.pop()
        held.append(held[0])
        s.see(held, [each._version for each in held])


def scene_a_history(s: Session) -> None:
    def f(x, w, n):
        history = []
        for _ in range(n):
            x = (x * w).sin() + 0.25
            history.append(x)
        return x, history

    f = s.compile(f)
    for n in COUNTS:
        x, history = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        look(s, history)
        s.see(x, history)


def scene_the_state_before_each_turn(s: Session) -> None:
    def f(x, w, n):
        before = [w]
        i = 0
        while i < n:
            before.append(x)
            x = x * w
            i += 1
        before.append(x)
        return before, x

    f = s.compile(f)
    for n in COUNTS:
        before, x = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see(before[-1] is x)
        x.add_(1)
        look(s, before)


def scene_numbers_of_all_types(s: Session) -> None:
    def f(x, w, n):
        log, norms, signs, steps = [], [], [], []
        total = 0.0
        for i in range(n):
            x = x * w
            value = x.sum().item()
            total = total + value
            log.append(value)
            norms.append((i, total, "of turn", None, (x.max().item(), 2)))
            signs.append(value > 0)
            steps.append(i)
            steps.append(-i * 3)
            signs.append(True)
        return x, log, norms, signs, steps, total

    turns(s, s.compile(f))


def scene_one_tensor_several_times(s: Session) -> None:
    def f(x, w, n):
        once, twice = [], []
        for _ in range(n):
            once.append(x)
            x = x * w
            twice.append(x)
            twice.append((x, x))
            once += [x, w]
        return once, twice, x

    f = s.compile(f)
    for n in COUNTS:
        once, twice, x = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see([one is other for one in once[:6] for other in once[:6]])
        s.see(not twice or (twice[-1][0] is x, twice[-2] is x, once[-2] is x))
        if twice:
            twice[0].mul_(0)
            x.mul_(3)
        s.see(once, twice)


def scene_what_shares_its_memory(s: Session) -> None:
    def f(x, w, n):
        parts, rows, detached = [], [], []
        y = torch.stack([x, w])
        for _ in range(n):
            y = y * w + 0.5
            parts.append(y[0])
            rows.append((y[1:], y.T))
            detached.append(y.detach())
            made = y.sum(0) * 0.5
            detached.append(made.data)
            parts.append(made.detach())
        return parts, rows, detached, y

    f = s.compile(f)
    for n in COUNTS:
        parts, rows, detached, y = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        for at in (0, n // 2, -1) if n else ():
            parts[2 * at].mul_(2)
            rows[at][0].add_(1)
            detached[2 * at].sub_(1)
            parts[2 * at + 1].mul_(4)
        y.mul_(-1)
        s.see(parts, rows, detached, y)


def scene_several_ways_append(s: Session) -> None:
    def f(x, w, n):
        kept, log, odd = [], [], []
        for i in range(n):
            if i % 3 == 0:
                kept.append(x)
                log.append(("start", i))
                x = x * w + 0.25
            elif i % 7 == 1:
                x = (x - w).cos()
                odd.append(x)
                kept.append(x)
            elif x.sum() > 0.5:
                x = x * 0.5
                log.append(("half", x.sum().item()))
            else:
                log.append(i)
                kept.append(x)
        return kept, log, odd, x

    f = s.compile(f)
    for n in COUNTS:
        kept, log, odd, x = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see([one is other for one in kept[:12] for other in [*kept[:12], x]])
        for each in kept[::3]:
            each.add_(1)
        s.see(kept, log, odd, x)


def scene_a_way_that_seldom_appends(s: Session) -> None:
    def f(x, w, n):
        kept = []
        for i in range(n):
            if i % 10 == 0:
                kept.append(x)
            x = x * w
        return kept, x

    turns(s, s.compile(f))


def scene_tensors_that_change_places(s: Session) -> None:
    def f(x, w, n):
        history, older = [], []
        for _ in range(n):
            x, w = w, (x * 0.5 + w).sin()
            history.append(w)
            older.append(x)
        return history, older, x, w

    f = s.compile(f)
    for n in COUNTS:
        history, older, x, w = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see([one is other for one in history[-3:] for other in [*older[-3:], x, w]])
        for each in (x, w):
            each.add_(1)
        s.see(history, older)


def scene_the_older_of_two(s: Session) -> None:
    def f(x, w, n):
        seen = []
        last = x * 2
        for _ in range(n):
            seen.append(x)
            x, w, last = w, (x * 0.5 + w).sin(), x
        return seen, x, w, last

    f = s.compile(f)
    for n in COUNTS:
        seen, x, w, last = s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see([one is other for one in seen[-3:] for other in (x, w, last)])


def scene_a_list_with_another_name(s: Session) -> None:
    def f(x, w, n, box):
        history = [x]
        box.log = other = history
        for _ in range(n):
            x = x * w
            other.append(x)
            history.append(x.sum())
        return history, other is history, x

    f = s.compile(f)
    for n in COUNTS:
        box = SimpleNamespace(log=None)
        s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n, box)
        s.see(box.log)


def scene_a_list_from_outside(s: Session) -> None:
    class Meter:
        def __init__(self) -> None:
            self.values: list = []
            self.by_name: dict = {"loss": []}

        def add(self, value):
            self.values.append(value)

    meter = Meter()

    def f(x, w, n):
        for i in range(n):
            x = x * w
            meter.add(x.sum().item())
            if i % 2:
                meter.by_name["loss"].append(x)
        return x

    f = s.compile(f)
    for n in COUNTS:
        s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see(meter.values, meter.by_name)
        if n == 90:
            meter.values = []
        elif n == 91:
            meter.by_name["loss"] = meter.values


def scene_an_end_by_an_exception(s: Session) -> None:
    log: list = []

    def f(x, w, n):
        kept = []
        try:
            for i in range(n + 5):
                x = x * w
                kept.append(x)
                log.append(1.0 / (n - i))
        except ZeroDivisionError:
            kept.append("end")
        return kept, x

    f = s.compile(f)
    for n in COUNTS:
        s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see(log)


def scene_an_exception_that_leaves_the_call(s: Session) -> None:
    log: list = []

    def f(x, w, n):
        for i in range(n + 5):
            x = x * w
            log.append(x)
            if i >= n:
                raise ValueError("too many turns")
        return x

    f = s.compile(f)
    for n in COUNTS:
        s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see(log)


def scene_a_simulation_that_is_stacked(s: Session) -> None:
    def f(x, w, limit):
        history, times = [x], [0.0]
        t, h = 0.0, 0.125
        while t < limit:
            slope = (x * w).sin()
            later = (x + h * slope).sin()
            if (later - slope).abs().max() * h > 0.01:
                h = h * 0.5
                continue
            x = x + 0.5 * h * (slope + later)
            t = t + h
            h = h * 1.25
            history.append(x)
            times.append(t)
        return torch.stack(history), torch.tensor(times, dtype=torch.float64), len(times)

    f = s.compile(f)
    for limit in (4.0, 6.0, 7.0, 8.0, 9.0, 0.0, 0.1, 20.0, 21.0):
        s.call(f, plain(1.0, -0.5), plain(0.9, 1.01), limit)


def scene_under_no_grad(s: Session) -> None:
    def f(x, w, n):
        history = []
        with torch.no_grad():
            for _ in range(n):
                x = x * w
                history.append(x)
                history.append(x[0])
        return history, x

    f = s.compile(f)
    for n in COUNTS:
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), n)


def scene_numbers_of_a_loop_with_history(s: Session) -> None:
    def f(x, w, n):
        history, losses = [], []
        for i in range(n):
            x = (x * w).sin()
            loss = (x * 2).sum()
            history.append(loss.detach())
            if i % 4 == 0:
                losses.append((i, loss.item()))
        return history, losses, x

    f = s.compile(f)
    for n in COUNTS:
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), n)


def scene_parameters_and_other_elements(s: Session) -> None:
    def f(x, w, n):
        held = []
        for i in range(n):
            x = x.detach() * 0.5
            held.append(w)
            held.append(None)
            held.append(torch)
            held.append(())
            held.append((w, "w", i))
            held.append(x.to(torch.float32))
            held.append(x > 0.1)
            held.append((x * 8).long())
        return held, x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 0, 1, 200):
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), n)


def scene_an_accumulated_list_of_lists(s: Session) -> None:
    def f(x, w, n):
        outer = []
        for _i in range(n):
            inner = []
            for _ in range(3):
                x = x * w
                inner.append(x.sum().item())
            outer.append(inner[0] + inner[2])
            outer.extend(inner)
        return outer, x

    turns(s, s.compile(f))


def scene_a_list_that_is_read_later(s: Session) -> None:
    def f(x, w, n):
        history = []
        for _ in range(n):
            x = x * w
            history.append(x)
        total = torch.zeros(2, dtype=torch.float64)
        for each in history:
            total = total + each
        history.reverse()
        return total, len(history), history[0] if history else None, history

    turns(s, s.compile(f), counts=(3, 40, 41, 42, 43, 90, 0, 1, 200))


def scene_layouts(s: Session) -> None:
    def f(x, n):
        held = []
        for _ in range(n):
            x = (x * 0.5 + x.mT.contiguous().mT) * 0.5
            held.append(x)
            held.append((x.T * 1)[:, :1] * 2)
            held.append(x.sum(0, keepdim=True))
            held.append(x[:, 1:] * 1)
            held.append(x.expand(2, 2, 3) + 0)
            held.append(torch.zeros(0, 3))
        return held, x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 0, 1, 200):
        s.call(f, torch.arange(6, dtype=torch.float64).reshape(3, 2).T, n)
