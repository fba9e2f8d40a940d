"""Scenes of writes at positions that change: `x[i] = v`, `x[i, j] += v`, `x[i].copy_(v)`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import POSITIONS, table

FAR = (0, 1, 2, -1, 3, -3, 4, -4, 1, -5, 2, 0, 7, 1, 2)
"""Some of them are out of range."""


def writing(s: Session, f: Any, *shape: int, positions: Any = FAR, **options: Any) -> None:
    """Call a function of a tensor, a position and a row, with a tensor that stays."""
    f = s.compile(f)
    x = table(*(shape or (4, 3)), grad=False)
    for turn, i in enumerate(positions):
        s.call(f, x, i, table(*(shape or (4, 3))[1:], grad=False) + turn, **options)
        s.see(x, x._version)


def scene_rows(s: Session) -> None:
    def f(x, i, v):
        x[i] = v

    writing(s, f)
    writing(s, f, 5, 2, 2)
    writing(s, f, 5)


def scene_numbers(s: Session) -> None:
    def f(x, i, v):
        x[i] = 2.5
        x[-1 - i] = v.sum().item()
        x[0, i] = i
        x[i % 3] = True

    writing(s, f, 4, 4)


def scene_elements(s: Session) -> None:
    def f(x, i, v):
        x[i, i] = 7.0
        x[i, -1 - i] += v[0]
        x[i][0] -= 1
        x[..., i] *= 2
        x[1:3, i] = v[:2]
        x[i, 1:3] = v[1:3]
        x[None, i] = v + 1
        return x.sum()

    writing(s, f, 4, 4)


def scene_in_place_operators(s: Session) -> None:
    def f(x, i, v):
        x[i] += v
        x[i] *= 2
        x[i] -= x[i - 1]
        x[i] /= 4
        return x[i] + x[i - 1]

    writing(s, f)


def scene_methods(s: Session) -> None:
    def f(x, i, v):
        x.select(0, i).copy_(v)
        x[i].add_(v, alpha=2).mul_(0.5)
        x.t()[:, i].zero_()
        x[i - 1].fill_(i * 0.5)
        x[i].clamp_(min=0.25)

    writing(s, f)


def scene_what_is_read_behind(s: Session) -> None:
    def f(x, i, v):
        row, before, other = x[i], x[i] * 1, x[-1 - i]
        part = row[1:]
        x[i] = v
        sums = row.sum(), part.sum(), other.sum()
        row += 1
        other[0] = 9.0
        part *= 2
        return before, sums, row, part * 1, other * 1, x[i] + x.sum(), row is x

    writing(s, f)


def scene_rows_of_rows(s: Session) -> None:
    def f(x, i, v):
        row = x[i]
        element = row[i - 1]
        x[i, i - 1] = 5.0
        row[i - 1] += element + v[0]
        element.mul_(2)
        return element, row[i - 1] * 1, row * 1

    writing(s, f, 4, 4)


def scene_a_write_to_the_whole(s: Session) -> None:
    def f(x, i, v):
        row = x[i]
        x += 1
        a = row * 2
        row += 1
        x *= 2
        return a, row, x * row

    writing(s, f)


def scene_decisions_in_between(s: Session) -> None:
    def f(x, i, v):
        row, other = x[i], x[0]
        x[i] = v
        if row.sum() > 3:
            row -= other
            x[0] = 1.0
            if other.sum() > 2:
                other += row
        return row + other, row

    writing(s, f)


def scene_dtypes(s: Session) -> None:
    def f(x, i, v):
        x[i] = v
        x[i - 1] = 1.75
        x[i, 0] += 1

    f = s.compile(f)
    kinds = torch.float32, torch.int64, torch.bool, torch.complex64, torch.uint8, torch.float16
    for kind in kinds:
        for given in kinds if kind is torch.complex64 else [k for k in kinds if not k.is_complex]:
            x = torch.ones(4, 2).to(kind)
            for i in (0, 1, -1, 2, 5):
                s.call(f, x, i, torch.tensor([2, 3]).to(given))
                s.see(x._version)


def scene_broadcasting(s: Session) -> None:
    def f(x, i, v):
        x[i] = v

    f = s.compile(f)
    for shape in ((), (1,), (3,), (1, 3), (1, 1, 3), (2, 3), (2,), (2, 1), (4, 2, 3)):
        x = torch.zeros(4, 2, 3)
        for i in (0, 1, -1, 2, 4):
            s.call(f, x, i, table(*shape, grad=False) + 2)


def scene_positions_in_tensors(s: Session) -> None:
    def f(x, at, v):
        i = at.argmax().item()
        x[i] = v
        x[at.argmin()] += 1
        x[at[0].int(), 1] = 4.0

    f = s.compile(f)
    x = torch.zeros(4, 3)
    for k in range(8):
        s.call(f, x, torch.tensor([k % 5, 3 * k % 4, 7 * k % 5, 5 * k % 7]), torch.ones(3) * k)


def scene_aliases(s: Session) -> None:
    def f(x, y, z, i):
        x[i] = y[0]
        y[i - 1] += z[i]
        z[-1] = x[i] * 2
        return x * y

    f = s.compile(f)
    for turn in range(8):
        x = table(6, 2, grad=False)
        for y, z in ((x, x), (x[:], x.detach()), (x[1:5], x.data), (x.clone(), x), (x[2:], x[:4])):
            s.call(f, x[:4], y[:4], z[:4], turn % 4)
            s.see(x, x._version, y._version, z._version)


def scene_overlapping_copies(s: Session) -> None:
    def f(x, i):
        x[i:3] if i < 0 else x[i]
        x[i] = x[1]
        x[:, i] = x[i]
        x[i] = x[:, 0]
        x[i] = x[i].flip(0)
        x.t()[i] = x[i]

    f = s.compile(f)
    for i in POSITIONS:
        s.call(f, table(3, 3, grad=False), i)


def scene_what_the_call_made(s: Session) -> None:
    def f(n, i, v):
        x = torch.zeros(n, 3)
        x[i] = v
        y = x.clone()
        y[i] += x[i - 1] + 1
        row = y[-1 - i]
        x[-1] += row
        row *= 2
        return x, y, row

    f = s.compile(f)
    for n, i in ((3, 0), (3, 1), (3, 2), (4, 1), (4, 3), (4, -1), (3, 3), (4, 0)):
        s.call(f, n, i, torch.ones(3) * i)


def scene_histories(s: Session) -> None:
    def f(x, i, v):
        y = x * 2
        z = torch.zeros(4, 3, dtype=torch.float64)
        z[i] = v
        y[i] = z[i - 1]
        y[i - 1] += v * v
        return y * y, z.sum(0)

    f = s.compile(f)
    for i in FAR:
        s.call(f, table(4, 3), i, leaf(0.5, -0.25, 2.0))
        s.call(f, table(4, 3, grad=False), i, leaf(0.5, -0.25, 2.0))
        s.call(f, table(4, 3), i, table(3, grad=False))


def scene_leaves(s: Session) -> None:
    def f(x, i, v):
        with torch.no_grad():
            x[i] = v
            x[i - 1] *= 0.5
            x.data[i, 0] += 1
            x.detach()[i, 1] -= 1
        y = (x * x).sum() + x[i].sum()
        y.backward()
        x[i] = v

    f = s.compile(f)
    x = table(4, 3)
    for i in POSITIONS:
        s.call(f, x, i, torch.ones(3, dtype=torch.float64) * i)
        s.see(x._version)


def scene_saved_and_written(s: Session) -> None:
    def f(x, i, w):
        row = x[i]
        y = row * w
        z = x * w
        x[i - 1] = 3.0
        u = x[i] * w
        return y.sum() + u.sum(), z

    f = s.compile(f)
    for i in POSITIONS:
        x, w = table(4, 3, grad=False), leaf(0.5, 1.5, 2.0)
        total, z = s.call(f, x, i, w, backward=False)
        s.attempt(total.backward)
        s.attempt(z.sum().backward)
        s.see(w)


def scene_no_grad(s: Session) -> None:
    @torch.no_grad()
    def f(x, i, w):
        y = x * w
        y[i] = w
        y[i - 1] -= x[i]
        return y, y[i]

    f = s.compile(f)
    for i in FAR:
        s.call(f, table(4, 3), i, leaf(0.5, 1.5, 2.0))


def scene_read_only_memory(s: Session) -> None:
    def f(x, i):
        x[i] = 1.0
        return x.sum()

    f = s.compile(f)
    numbers = table(4, 3, grad=False).numpy().copy()
    for i in (0, 1, 2, 3, 0, 1):
        s.call(f, torch.from_numpy(numbers), i)
    shown = torch.ones(1, 3).expand(4, 3)
    for i in (0, 1):
        s.call(f, shown, i)


def scene_loops_turn_by_turn(s: Session) -> None:
    def f(n, v, w):
        history = torch.zeros(n, 2, dtype=torch.float64)
        for t in range(n):
            v = (v * w).sin() + 0.1 * torch.tanh(v)
            history[t] = v.detach()
            if t:
                history[t - 1, 0] += 0.5
        return history, v

    f = s.compile(f)
    for n in (2, 3, 5, 40, 41, 5, 120):
        s.call(f, n, leaf(0.5, -0.25), leaf(0.9, -0.8))


def scene_somebody_relies_on_what_is_written(s: Session) -> None:
    """What a call has not kept, since it can be made again, is copied before others write."""

    def relies(x, w):
        return ((x * 2 + 1).exp() * w).sum()

    def writes(x, i):
        x[i] = 7.0
        x.mul_(3)

    f, g = s.compile(relies), s.compile(writes)
    for turn in range(12):
        x, w = table(3, grad=False) / (turn + 1), torch.ones(3, dtype=torch.float64)
        w.requires_grad_()
        y = f(x, w)
        s.call(g, x, turn % 3)
        y.backward()
        s.see(w.grad, x, x._version)


def scene_what_was_made_anew_in_vain(s: Session) -> None:
    """A recording pauses where an operation raises on data that has read a copy anew before."""
    box = SimpleNamespace(target=torch.tensor(0))

    def f(x, i):
        row = x[i]
        before = row * 1
        x.mul_(2)
        return before, torch.nn.functional.cross_entropy(row, box.target)

    f = s.compile(f)
    x = table(4, 3, grad=False)
    for turn, target in enumerate((0, 7, 7, 1, 2, 0, 7, 1, 2, 0)):
        box.target = torch.tensor(target)
        s.call(f, x, turn % 4)
        s.see(x, x._version)
