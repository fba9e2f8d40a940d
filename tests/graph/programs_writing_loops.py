"""Scenes of loops whose turns write to tensors in place, which become native ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import LENGTHS, table


def turning(s: Session, f: Any, lengths: Any = LENGTHS, width: int = 2) -> None:
    """Call a function of a table, a row and a number of turns, and see what it leaves of them."""
    f = s.compile(f)
    for n in lengths:
        x, v = table(max(n, 4), width, grad=False) / n, table(width, grad=False) + 1.5
        s.call(f, x, v, n)
        s.see(x._version, v._version)
    x = table(100, width, grad=False)
    for n in (30, 60, 60, 99):
        # one tensor, again and again
        s.call(f, x, x[7] if n < 99 else x[7] * 1, n)
        s.see(x, x._version)


def scene_filling(s: Session) -> None:
    def f(x, v, n):
        for t in range(n):
            v = (v * 0.9).sin() + 0.1
            x[t] = v
        return v

    turning(s, f)


def scene_filling_what_the_call_made(s: Session) -> None:
    def f(x, v, n):
        history, sums = torch.zeros(n, 2, dtype=torch.float64), torch.zeros(n)
        for t in range(n):
            v = (v * 0.9).sin() + x[t]
            history[t] = v
            sums[t] = v.sum().item()
        return history, sums, history._version

    turning(s, f)


def scene_every_row_from_the_one_before(s: Session) -> None:
    def f(x, v, n):
        for t in range(1, n):
            x[t] = x[t - 1] * 0.5 + v
            x[t, 0] += x[t - 1, 1]

    turning(s, f)


def scene_accumulating(s: Session) -> None:
    def f(x, v, n):
        total, buffer, error, turns = torch.zeros(()), torch.zeros(2), 1.0, 0
        while error > 1.0 / n:
            total += v.sum()
            buffer.mul_(0.9).add_(v, alpha=error)
            x[turns % 4] += buffer * error
            error = error * 0.9
            turns += 1
        return total, buffer, turns, total._version

    turning(s, f)


def scene_a_grid(s: Session) -> None:
    def f(x, v, n):
        grid = torch.zeros(5, 7)
        i = j = 0
        for t in range(n):
            i, j = (i + 3) % 5, (j + 2 * i + 1) % 7
            grid[i, j] += t * 0.25
            grid[j % 5, i] = grid[i, j] * 0.5 - 1
        return grid

    turning(s, f)


def scene_a_test_behind_a_write(s: Session) -> None:
    def f(x, v, n):
        total = torch.zeros((), dtype=torch.float64)
        for t in range(n):
            total += x[t].sum()
            x[t] = total
            if total > 2.0:
                total -= 2.0
                x[t, 0] = 7.0
            elif total < -2:
                break
            x[0, 1] = 3.0
        return total

    turning(s, f)


def scene_ways_that_write_differently(s: Session) -> None:
    def f(x, v, n):
        other = torch.ones(2, dtype=torch.float64)
        for t in range(n):
            v = (v * 1.7).sin()
            if v[0] > 0.25:
                x[t] = v
            elif v[1] > 0:
                other += v
                other *= 0.5
            else:
                v = v + 0.3
        return other, v, other._version

    turning(s, f)


def scene_several_names(s: Session) -> None:
    def f(x, v, n):
        rows, column, whole = x[1:], x[:, 0], x.view(-1)
        for t in range(n - 1):
            rows[t] = v * 0.5
            column[t] += 1
            whole[t] = column[t - 1] + x[t, 1]
            v = v + x[0] * 0.01
        return v, column * 1

    turning(s, f)


def scene_the_same_tensor_twice(s: Session) -> None:
    def f(x, y, n):
        for t in range(n):
            x[t % 3] += y[t % 4] * 0.5
            y[t % 2, 0] -= 0.125
        return x * y

    f = s.compile(f)
    for n in (40, 50, 40, 50, 60, 60, 5):
        x = table(8, 2, grad=False)
        for y in (x, x[:], x[1:7], x.clone(), x.data, x.detach()[2:]):
            s.call(f, x[:6], y[:6], n)
            s.see(x, x._version, y._version)


def scene_in_place_only(s: Session) -> None:
    def f(x, v, n):
        velocity = torch.zeros_like(x)
        for _ in range(n):
            velocity *= 0.9
            velocity -= 0.1 * x
            x += velocity
            x.clamp_(-2.0, 2.0)

    turning(s, f)


def scene_what_a_turn_makes_is_written(s: Session) -> None:
    def f(x, v, n):
        h = v * 1
        for t in range(n):
            h = h * 0.9
            h += x[t]
            h[0] = 0.25
            y = x[t] * 2
            y.add_(h)
            x[t] = y
        return h, h._version

    turning(s, f)


def scene_what_goes_on_is_written(s: Session) -> None:
    def f(x, v, n):
        h = v
        for t in range(n):
            h += x[t]
            x[t] = h
            h = h * 0.5
        return h

    turning(s, f)


def scene_two_buffers(s: Session) -> None:
    def f(x, v, n):
        old, new = x * 1, torch.zeros_like(x)
        for _ in range(n):
            new[1:] = old[:-1] * 0.5
            new[0] = v
            old, new = new, old
        return old, new

    turning(s, f)


def scene_lists_and_tensors(s: Session) -> None:
    def f(x, v, n):
        seen, rows = [], []
        for t in range(n):
            v = v * 0.9 + x[t]
            x[t] = v
            rows.append(v)
            seen.append((t, v.sum().item()))
        return seen, rows, v

    turning(s, f)


def scene_written_and_appended(s: Session) -> None:
    def f(x, v, n):
        rows = []
        for t in range(n):
            row = x[t] * 2
            row += v
            rows.append(row)
            x[t - 1] = row
        return rows

    turning(s, f, (5, 40, 41, 90))


def scene_attributes(s: Session) -> None:
    box = SimpleNamespace(table=torch.zeros(500, 2, dtype=torch.float64), total=torch.zeros(2))

    def f(x, v, n):
        for t in range(n):
            if v[0] > 0.5:
                box.table[t] = v
                v = v * 0.75
            else:
                box.total += v
                v = v + box.table[t - 1] * 0.1 + 0.3
        return v

    f = s.compile(f)
    for n in (5, 40, 60, 90, 90, 200, 201):
        s.call(f, None, torch.ones(2, dtype=torch.float64), n)
        s.see(box.table, box.total, box.table._version, box.total._version)
        if n == 90:
            box.table, box.total = box.table[:200], box.table[3]


def scene_out_of_range(s: Session) -> None:
    def f(x, v, n):
        count = torch.zeros((), dtype=torch.float64)
        for t in range(n):
            count += 1
            x[t] = v * t
            v = v * 0.9
            x[2 * t - 5] -= count

    f = s.compile(f)
    x = table(120, 2, grad=False)
    for n in (30, 60, 90, 60, 200, 50):
        s.call(f, x, torch.ones(2, dtype=torch.float64), n)
        s.see(x, x._version)


def scene_out_of_range_in_try(s: Session) -> None:
    def f(x, v, n):
        t = 0
        try:
            while t < n:
                x[t] = v * t
                t += 1
                x[t + 1, 0] = 0.5
        except IndexError:
            x *= 2
        return t

    turning(s, f)


def scene_with_histories(s: Session) -> None:
    def f(x, w, n):
        history = torch.zeros(n, 2, dtype=torch.float64)
        h = x
        for t in range(n):
            h = torch.tanh(h * w + 0.1)
            history[t] = h.detach()
        return h, history

    f = s.compile(f)
    for n in LENGTHS:
        s.call(f, leaf(0.5, -0.25), leaf(0.9, -0.8), n)


def scene_what_is_saved_is_written(s: Session) -> None:
    def f(x, w, n):
        scale, h = torch.ones(2, dtype=torch.float64), x
        for t in range(n):
            h = torch.tanh(h * w * scale)
            if t < 30:
                scale *= 0.99
        return h

    f = s.compile(f)
    for n in (20, 60, 90, 40, 90):
        h = s.call(f, leaf(0.5, -0.25), leaf(0.9, -0.8), n, backward=False)
        s.attempt(h.sum().backward)


def scene_histories_of_rows(s: Session) -> None:
    def f(x, w, n):
        history = torch.zeros(n, 2, dtype=torch.float64)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            history[t] = x
        return history

    f = s.compile(f)
    for n in (3, 40, 50, 60):
        s.call(f, leaf(0.5, -0.25), leaf(0.9, -0.8), n)


def scene_parameters_under_no_grad(s: Session) -> None:
    def f(w, x, n):
        with torch.no_grad():
            for _ in range(n):
                error = (w * x).sum() - 1
                w -= 0.01 * error * x
        return w.sum()

    f = s.compile(f)
    w = leaf(0.9, -0.8)
    for n in (5, 60, 90, 60, 60):
        s.call(f, w, torch.ones(2, dtype=torch.float64), n)
        s.see(w, w._version)


def scene_training_by_hand(s: Session) -> None:
    def f(w, x, losses):
        for t in range(len(losses)):
            loss = ((w * x).sum() - 1).square()
            loss.backward()
            losses[t] = loss.detach()
            with torch.no_grad():
                w -= 0.01 * w.grad
                w.grad.zero_()

    f = s.compile(f)
    w = leaf(0.9, -0.8)
    for n in (5, 60, 90, 60, 60):
        losses = torch.zeros(n)
        s.call(f, w, torch.ones(2, dtype=torch.float64), losses)
        s.see(w, w._version, losses, losses._version)


def scene_somebody_relies_on_the_elements(s: Session) -> None:
    def g(w, x):
        return ((w * x).sin() * x).sum()

    def f(x, n):
        for t in range(n):
            x[t % 4] *= 0.9
            x[0] += 0.125

    f, g = s.compile(f), s.compile(g)
    w = leaf(0.9, -0.8)
    for n in (60, 60, 60, 60, 0, 60, 70):
        x = table(4, 2, grad=False)
        y = g(w, x)
        z = (w * x).sum()
        s.call(f, x, n)
        s.attempt(y.backward)
        s.attempt(z.backward)
        s.see(w, x)


def scene_somebody_relies_on_what_later_turns_write(s: Session) -> None:
    """The first turns, in front of the native ones, write to something else."""

    def g(w, x):
        return ((x * 2 + 1).exp() * w).sum()

    def f(x, y, n):
        for t in range(n):
            if t < 20:
                y[t % 4] += 0.5
            else:
                x[t % 4] *= 0.875

    f, g = s.compile(f), s.compile(g)
    for n in (60, 60, 60, 60, 90, 60, 70):
        x, w = table(4, 2, grad=False) / 8, leaf(0.9, -0.8)
        y = g(w, x)
        s.call(f, x, table(4, 2, grad=False), n)
        s.attempt(y.backward)
        s.see(w, x)


def scene_what_came_in_is_written_by_later_turns(s: Session) -> None:
    """What goes on is what came in, up to the turn that writes to it and replaces it."""

    def f(h, x, n):
        for t in range(n):
            if t < 20:
                x = x * 0.875
            else:
                h += x
                h = h * 0.5
        return h

    f = s.compile(f)
    for n in (60, 60, 60, 60, 90, 60, 70):
        h, x = table(2, grad=False), table(2, grad=False) / 8
        s.call(f, h, x, n)
        s.see(h, h._version, x)


def scene_kinds(s: Session) -> None:
    def f(x, v, n):
        turn = torch.zeros((), dtype=torch.int64)
        for t in range(n):
            turn += 1
            x[t] = v * turn
            x[t // 2] = t * 0.5
            x.t()[0, t] = 1

    f = s.compile(f)
    for kind in (torch.float32, torch.int64, torch.bool, torch.float16, torch.complex64):
        for n in (40, 60, 60):
            s.call(f, torch.zeros(n, 2, dtype=kind), torch.tensor([1, 2]), n)


def scene_strides(s: Session) -> None:
    def f(x, v, n):
        for t in range(n):
            x[t] = v + x[t - 1] * 0.5
            x[:, t % 2] += 0.125
        return x.sum()

    f = s.compile(f)
    for n in (40, 60, 60, 90):
        for x in (torch.zeros(2, n).t(), torch.zeros(2 * n, 4)[::2, 1:3], torch.zeros(1, n, 2)[0]):
            s.call(f, x, torch.tensor([1.0, 2.0]), n)


def scene_nested_loops(s: Session) -> None:
    def f(x, v, n):
        for i in range(n):
            for j in range(2):
                x[i, j] = x[i - 1, j] * 0.5 + v[j]
            v *= 0.99
            while v[0] < 0.5:
                v += 0.25

    turning(s, f, (5, 40, 60, 90))


def scene_memory_of_somebody_else(s: Session) -> None:
    def f(x, y, n):
        for t in range(n):
            x[t % 4] += y[0] * 0.5
        return y * 1

    f = s.compile(f)
    numbers = table(8, 2, grad=False).numpy().copy()
    for n in (40, 50, 60, 60):
        x = torch.from_numpy(numbers[:5])
        for y in (x, torch.from_numpy(numbers[2:]), table(6, 2, grad=False)):
            s.call(f, x, y, n)
            s.see(x)


def scene_generators_of_random_numbers(s: Session) -> None:
    def f(x, v, n):
        for t in range(n):
            x[t] = torch.rand(2)
            x[t] += v

    turning(s, f, (5, 40, 60, 90))
