"""Scenes of loops that carry tuples and lists of a fixed structure from turn to turn."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_appending import plain
from tests.graph.programs_cycles import leaf

COUNTS = (3, 40, 41, 90, 91, 0, 1, 2, 700)


def turns(s: Session, f: Any, counts: Any = COUNTS) -> None:
    f = s.compile(f)
    for n in counts:
        s.call(f, leaf(1.0, -0.5), leaf(0.9, 1.01), n)


def scene_a_pair(s: Session) -> None:
    def f(x, w, n):
        state = (x, w * 0)
        for _ in range(n):
            h, c = state
            c = (c + h * w).tanh()
            state = ((h * c).sin(), c)
        return state

    turns(s, f)


def scene_a_list_of_two(s: Session) -> None:
    def f(x, w, n):
        state = [x, w]
        i = 0
        while i < n:
            state = [state[0] * w, state[1] * 0.5]
            i += 1
        return state, i

    turns(s, f)


def scene_nested_with_numbers(s: Session) -> None:
    def f(x, w, n):
        state = ((x, 0.5), (0, [w * 1, "name"]), None)
        for _ in range(n):
            (x, rate), (count, (y, name)), nothing = state
            state = (((x * w).sin(), rate * 0.99), (count + 2, [y * 0.5 + x, name]), nothing)
        return state

    turns(s, f)


def scene_one_tensor_in_two_places(s: Session) -> None:
    def f(x, w, n):
        state = (x, x)
        for _ in range(n):
            a, b = state
            c = (a + b * w) * 0.25
            state = (c, c)
        return state[0] is state[1], state

    turns(s, f)


def scene_what_stays(s: Session) -> None:
    def f(x, w, n):
        state = (x, w, 3)
        for _ in range(n):
            a, b, c = state
            state = ((a * b).sin(), b, c)
        return state[1] is w, state

    turns(s, f)


def scene_parts_and_lists_that_grow(s: Session) -> None:
    def f(x, w, n):
        state, history = (x, w * 1.0), []
        for _ in range(n):
            a, b = state
            state = (b, (a * 0.5 + b).sin())
            history.append(state)
            history.append((a, b))
        return history, state

    f = s.compile(f)
    for n in COUNTS:
        history, state = s.attempt(f, plain(1.0, -0.5), plain(0.9, 1.01), n)
        s.see([one is other for pair in history[-3:] for one in pair for other in state])


def scene_several_ways(s: Session) -> None:
    def f(x, w, n):
        state, best = (x, w * 1), (x, 0)
        for i in range(n):
            a, b = state
            score, _ = best
            if i % 3 == 0:
                state = (b * w, a * 0.5)
            elif i % 3 == 1:
                state = (a * w + score, b * 1)
                best = (a * 0.25, i)
        return state, best

    turns(s, f)


def scene_a_cell(s: Session) -> None:
    class Cell(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(4, 8)

        def forward(self, x, state):
            h, c = state
            gate, new = self.inner(torch.cat([x, h])).chunk(2)
            c = torch.sigmoid(gate) * c + new.tanh()
            return c.tanh()[:2], (c.tanh()[2:] * 1, c)

    cell = Cell()
    for number, each in enumerate(cell.parameters()):
        torch.nn.init.constant_(each, 0.125 * (number + 1))

    def f(x, n):
        outs, state = [], (torch.zeros(2), torch.zeros(4))
        for _ in range(n):
            out, state = cell(x, state)
            outs.append(out)
        return torch.stack(outs).sum() if outs else x.sum(), state[1]

    f = s.compile(f)
    for n in (3, 40, 41, 0, 1, 50):
        s.call(f, torch.tensor([0.5, -1.0], requires_grad=True), n)
        s.see(list(cell.parameters()))


def scene_a_tuple_that_is_read_behind_a_decision(s: Session) -> None:
    def f(x, w, n):
        state, total = (x, 0.0), x.sum() * 0
        for i in range(n):
            if i % 50 != 49:
                y, c = state
                total = total + (y * c).sum()
                state = ((y * w).sin(), c + 0.5)
        return state, total

    turns(s, f)
