"""Scenes of loops whose turns write to tensors with histories, and become native ones."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf, turns


def rows(n: int) -> Any:
    return torch.zeros(n, 2, dtype=torch.float64)


def scene_filling(s: Session) -> None:
    def f(x, w, n):
        history = rows(n)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            history[t] = x
        return history

    turns(s, s.compile(f))


def scene_filling_and_the_state(s: Session) -> None:
    def f(x, w, n):
        history = rows(100)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            history[t % 100] = x
        return history, x, history[n // 2] * x

    turns(s, s.compile(f))


def scene_rows_are_read_behind(s: Session) -> None:
    def f(x, w, n):
        history = rows(200)
        for t in range(n):
            history[t] = torch.tanh(x * w)
            x = history[t] * 0.5 + history[t - 1] + history[t // 2, 0]
            history[t, 1] += x[0] * 0.1
        return history, x

    turns(s, s.compile(f))


def scene_overlapping_parts(s: Session) -> None:
    def f(x, w, n):
        h = rows(200)
        for t in range(n):
            x = torch.sin(x * w)
            h[t] = x
            h[t, :1] = x[1] * 2
            h[t - 1, 0] -= h[t, 1]
            h.view(-1)[t] += x[0]
            h[3:5] = h[2:4] + x
            h[:, 1] *= 0.99
        return h

    turns(s, s.compile(f))


def scene_columns(s: Session) -> None:
    def f(x, w, n):
        h = torch.zeros(2, 200, dtype=torch.float64)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            h[:, t] = x
            h[0, 199 - t] += x[1]
            h[1:, t] -= h[0, t - 1]
        return h

    turns(s, s.compile(f))


def scene_sums_in_place(s: Session) -> None:
    def f(x, w, n):
        total, buffer, scaled = torch.zeros(2, dtype=torch.float64), x.clone(), w * 1
        for _ in range(n):
            x = torch.tanh(x * w + 0.1)
            total += x
            buffer.mul_(0.9).add_(total, alpha=0.1)
            scaled.mul_(w)
        return total, buffer, scaled

    turns(s, s.compile(f))


def scene_a_clone_is_rewritten(s: Session) -> None:
    def f(x, w, n):
        h = (w * x).repeat(200).reshape(200, 2).clone()
        for t in range(n):
            h[(t * 7) % 200] = h[t] * 0.5 + torch.sin(w) * x
        return h

    turns(s, s.compile(f))


def scene_some_turns_write(s: Session) -> None:
    def f(x, w, n):
        h, late = rows(200), torch.zeros(2, dtype=torch.float64)
        for t in range(n):
            x = torch.tanh(x * w + 0.1) * 1.3
            if x[0] > 0.004 * t:
                h[t] = x
            elif x[1] > 0:
                h[0, 1] = x[0] + h[t - 1, 0]
                x = -x
            else:
                x = x + 0.3 + h[t // 2]
            if t == 37:
                late += x
        return h, late

    turns(s, s.compile(f), counts=(3, 40, 41, 90, 0, 1, 200, 150, 200))


def scene_written_and_then_only_read(s: Session) -> None:
    def f(x, w, n):
        h = rows(200)
        for t in range(n):
            if t < 25:
                h[t] = torch.tanh(x * w)
            x = x * 0.9 + h[t % 25]
        return x, h

    turns(s, s.compile(f))


def scene_two_tensors(s: Session) -> None:
    def f(x, w, n):
        a, b = rows(200), rows(200)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            a[t] = x + b[t - 1]
            b[t] = a[t] * 0.5 + b[t // 3]
            b[t] += a[t]
        return a, b

    turns(s, s.compile(f))


def scene_one_by_another(s: Session) -> None:
    def f(x, w, n):
        a, b = rows(50), rows(50)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            a[t % 50] = x
            b += a
            a[(t + 1) % 50] = b[3]
            b *= 0.5
        return a, b

    turns(s, s.compile(f))


def scene_no_grad_in_between(s: Session) -> None:
    def f(x, w, n):
        h = rows(200)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            h[t] = x
            with torch.no_grad():
                h[t // 2, 0] = 0.25
            h[t, 1] += 1
        return h

    turns(s, s.compile(f))


def scene_appended_besides(s: Session) -> None:
    def f(x, w, n):
        h, kept = rows(200), []
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            h[t] = x
            kept.append(x + h[t - 1])
            kept.append(t)
        return h, kept, x

    turns(s, s.compile(f), counts=(3, 40, 41, 90, 60))


def scene_going_back_twice(s: Session) -> None:
    def f(x, w, n):
        h, g = rows(200), rows(200)
        for t in range(n):
            x = torch.tanh(x * w[0])
            h[t] = x
            w = torch.sin(w)
            g[t] = w
        return h, g

    f = s.compile(f)
    for n in (3, 40, 41, 90, 60):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        h, g = f(x, w, n)
        h.sum().backward(retain_graph=True)
        (h.sum() + (g * g).sum()).backward()
        s.see(x, w)
        s.attempt(h.sum().backward)


def scene_written_behind_the_loop(s: Session) -> None:
    def f(x, w, n):
        h = rows(200)
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            h[t] = x
        h[0] = w
        h *= 2
        part = h[1:3]
        part += x
        return h

    turns(s, s.compile(f))


def scene_further_derivatives(s: Session) -> None:
    def f(x, w, n):
        h = rows(60)
        for t in range(n):
            x = torch.sin(x * w)
            h[t] = x
            h[t // 2] += h[t]
        return h

    f = s.compile(f)
    for n in (3, 40, 41, 50, 60):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        y = s.call(f, x, w, n, backward=False).square().sum()
        for _ in range(2):
            (y,) = torch.autograd.grad(y.sum(), w, create_graph=True)
            s.see(y)


def scene_asked_for_what_lies_between(s: Session) -> None:
    def f(x, w, n):
        h, first = rows(200), w * 1
        for t in range(n):
            x = torch.tanh(x * w + first)
            h[t] = x
            if t == 30:
                first *= 2
        return h, first, x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 60):
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        h, first, x = s.call(f, x, w, n, backward=False)
        s.see(*torch.autograd.grad((h * h).sum(), [first, x, w], allow_unused=True))


def scene_hooks_on_what_comes_out(s: Session) -> None:
    def f(x, w, h, n):
        for t in range(n):
            x = torch.tanh(x * w + 0.1)
            h[t] = x
        return x

    f = s.compile(f)
    for n in (3, 40, 41, 90, 60):
        seen: list = []
        x, w = leaf(1.0, -0.5), leaf(0.9, 1.01)
        start = w.repeat(100).reshape(100, 2) * 1
        h = start
        if n == 90:
            h.register_hook(seen.append)
        x = s.call(f, x, w, h, n, backward=False)
        h.register_hook(seen.append)
        view = h[5]
        h.retain_grad()
        ((h * h).sum() + x.sum() + view.sum()).backward()
        s.see(w, h, h.grad, seen, h._version)
