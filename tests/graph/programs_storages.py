"""Results that share memory: where each begins in the storage, and what that spans."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session


def taken_again(s: Session, function: Callable, needs_grad: bool = True) -> None:
    """Call, look, save and load, copy, and show the whole storage through one of the results."""
    f = s.compile(function)
    for turn in range(24):
        x = torch.arange(1.0, 5.0, requires_grad=needs_grad and turn % 2 == 1)
        results = s.call(f, x, backward=False)
        found = [each.detach() for each in results]
        file = io.BytesIO()
        torch.save(found, file)
        file.seek(0)
        size = found[0].storage_offset() + 1
        s.see(torch.load(file), copy.deepcopy(found), found[0].as_strided((size,), (1,), 0))


def scene_halves(s: Session) -> None:
    taken_again(s, lambda x: (x * 2).chunk(2))


def scene_halves_the_other_way_round(s: Session) -> None:
    taken_again(s, lambda x: (x * 2).chunk(2)[::-1])


def scene_one_half(s: Session) -> None:
    taken_again(s, lambda x: [(x * 2).chunk(2)[1]])


def scene_detached_halves(s: Session) -> None:
    """Which are no views that autograd knows of."""

    def f(x):
        with torch.no_grad():
            y = x * 2
            return y[2:].detach(), y[:2].detach()

    taken_again(s, f)


def scene_a_view_in_front_of_its_base(s: Session) -> None:
    def f(x):
        y = x * 2
        return y[1], y, y[:3]

    taken_again(s, f)


def scene_views_of_many_kinds(s: Session) -> None:
    def f(x):
        y, z = (x * 2).reshape(2, 2), x + 1
        return y[:, 1], z[2:], y.t(), z.expand(3, 4), y.detach()[1], y.data[0]

    taken_again(s, f)


def scene_written_parts(s: Session) -> None:
    def f(x):
        y = x * 2
        y[1:3] *= 3
        return y[2:], y[:2]

    taken_again(s, f, needs_grad=False)


def scene_behind_turns(s: Session) -> None:
    def f(x):
        y = x * 2
        while y.sum() < 1000:
            y = y * 2
        return y.chunk(2)[1], y[:3]

    taken_again(s, f)


def scene_carried_through_turns(s: Session) -> None:
    def f(x):
        h, c = x.chunk(2)
        for _ in range(20):
            h, c = (torch.cat([c, h]) * 0.5 + 1).chunk(2)
        return c, h

    taken_again(s, f)


def scene_appended_in_turns(s: Session) -> None:
    def f(x):
        held: list[Any] = []
        for _ in range(20):
            x = x * 0.5 + 1
            held += x.chunk(2)[::-1]
        return held

    taken_again(s, f)


def scene_stored(s: Session) -> None:
    class State:
        h: Any
        c: Any

    state = State()

    def f(x):
        y = x * 2
        state.c, state.h = y.chunk(2)
        return [y.sum()]

    f = s.compile(f)
    for _ in range(6):
        s.call(f, torch.arange(4.0))
        s.see(copy.deepcopy([state.h, state.c]))
