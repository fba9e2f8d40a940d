"""Scenes of loops over the rows of tensors, `for x in xs`, which become native ones."""

from __future__ import annotations

import jitgrad as torch
from jitgrad import nn
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import over, table


def scene_row_by_row(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            h = torch.tanh(x + h * w)
        return h

    over(s, f)
    over(s, f, lengths=(0, 1, 2, 3, 50, 1000, 3, 50, 0, 1000, 1, 2, 50))
    over(s, f, grad=False)


def scene_losses_of_all_rows(s: Session) -> None:
    def f(xs, h, w):
        loss = 0.0
        for x in xs:
            h = torch.tanh(x * w + h)
            loss = loss + (h - x).square().sum()
        return loss, h

    over(s, f)


def scene_elements_one_by_one(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            h = (h * w + x).sin()
        return h

    f = s.compile(f)
    for n in (5, 60, 61, 60, 200, 0, 60):
        s.call(f, table(n) / max(n, 1), leaf(0.5, -0.25), leaf(0.9, -0.8))


def scene_integers_one_by_one(s: Session) -> None:
    def f(numbers, h):
        for n in numbers:
            h = h * 0.5 + n
        return h

    f = s.compile(f)
    for n in (5, 60, 61, 60, 200, 0, 60):
        s.call(f, torch.arange(n), leaf(0.5, -0.25))


def scene_numbered_rows(s: Session) -> None:
    def f(xs, h, w):
        i = 0
        for i, x in enumerate(xs):
            h = torch.tanh(x + h * w) * (1 + i % 3 * 0.125)
        return h, i

    def from_two(xs, h, w):
        last = None
        for i, x in enumerate(xs, 2):
            h = torch.sin(x * h + w) + (i % 3) * 0.125
            last = i
        return h, last

    over(s, f)
    over(s, from_two)


def scene_rows_beside_rows(s: Session) -> None:
    def f(xs, h, w):
        ys = xs[3:] * w
        for a, b in zip(xs, ys):
            h = (a * b + h).tanh()
        for a, b in zip(ys, xs):
            h = (a - b * h).sin()
        return h

    over(s, f)


def scene_rows_beside_numbers(s: Session) -> None:
    def f(xs, h, w, n):
        for i, (x, j, y) in enumerate(zip(xs, range(n, -n, -2), xs), 1):
            h = (x * w + y * h).tanh() + (i - j) * 1e-3
        return h

    f = s.compile(f)
    for count, n in ((60, 90), (60, 90), (60, 40), (61, 41), (60, 90), (4, 90), (60, 0), (90, 90)):
        s.call(f, table(count, 2) / count, leaf(0.5, -0.25), leaf(0.9, -0.8), n)


def scene_a_cell_reads(s: Session) -> None:
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x, h):
            return torch.tanh(self.inner(h) + self.outer(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = Cell()

        def forward(self, xs):
            h = torch.zeros(2)
            for x in xs:
                h = self.cell(x, h)
            return h

    net = Net()
    f = s.compile(lambda xs: net(xs))
    for n in (5, 60, 61, 60, 200, 0, 60):
        s.call(f, (table(n, 2) / max(n, 1)).float())
        slopes = [each.grad for each in net.parameters()]
        s.see([None if each is None else each.contiguous() for each in slopes])
        net.zero_grad()


def scene_the_loop_is_in_a_called_function(s: Session) -> None:
    def read(xs, h, w):
        for x in xs:
            h = (x * w + h).tanh()
        return h

    def f(xs, h, w):
        return read(xs * 2, read(xs, h, w), w)

    over(s, f)


def scene_rows_with_break_and_continue(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            if x.sum() < -0.7:
                continue
            h = (x * w + h * 0.9).sin()
            if x.sum() > 1.5:
                h = h * 2
                break
        else:
            h = h - 1
        return h

    over(s, f)
    over(s, f, lengths=(60, 60, 90, 60))


def scene_two_ways_through_rows(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            if (h + x).sum() > 0.5:
                h = (h * w + x).sin()
            else:
                h = h * w * 0.9 + x * x
        return h

    over(s, f)


def scene_what_rows_become(s: Session) -> None:
    def f(xs, h, w):
        states = []
        for x in xs:
            h = (x * w + h).tanh()
            states.append(h)
        return states

    def listed(xs, h, w):
        return [(x * w + h).tanh() for x in xs]

    # each of the results is differentiated
    for function in (f, listed):
        over(s, function, lengths=(5, 34, 35, 34, 36, 34))


def scene_rows_of_what_the_call_has_made(s: Session) -> None:
    def f(xs, h, w):
        ys = xs * xs + w
        for y in ys:
            h = (y + h).tanh()
        return h, ys

    over(s, f)


def scene_rows_that_lie_apart(s: Session) -> None:
    def f(xs, h, w):
        for x in xs[::2]:
            h = (x * w + h).tanh()
        for x in xs.t().contiguous().t():
            h = (x * w - h).tanh()
        for x in w.expand(80, 2):
            h = (x * h).sin()
        return h

    over(s, f)


def scene_columns(s: Session) -> None:
    def f(xs, h, w):
        for x in xs.t():
            h = (x.sum() * w + h).tanh()
        return h

    f = s.compile(f)
    for n in (5, 60, 61, 60, 200, 60):
        s.call(f, table(3, n) / n, leaf(0.5, -0.25), leaf(0.9, -0.8))


def scene_gradients_of_gradients_of_rows(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            h = (x * x * w + h).tanh()
        return h.sum()

    f = s.compile(f)
    for n in (50, 50, 50, 51, 50, 3):
        xs, h, w = table(n, 2) / n, leaf(0.5, -0.25), leaf(0.9, -0.8)
        (slope,) = torch.autograd.grad(f(xs, h, w), xs, create_graph=True)
        s.see(slope)
        slope.square().sum().backward()
        s.see(xs, h, w)


def scene_rows_under_no_grad(s: Session) -> None:
    def f(xs, h, w):
        with torch.no_grad():
            for x in xs:
                h = (x * w + h).tanh()
        return h * w

    def outside(xs, h, w):
        for x in xs:
            h = (x * w + h).tanh()
        return h

    over(s, f)
    outside = s.compile(outside)
    for n in (60, 60, 61, 60):
        with torch.no_grad():
            s.call(outside, table(n, 2) / n, leaf(0.5, -0.25), leaf(0.9, -0.8))
        s.call(outside, table(n, 2) / n, leaf(0.5, -0.25), leaf(0.9, -0.8))


def scene_a_part_without_gradients(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            with torch.no_grad():
                a = (x * w).sin()
            h = (a + h * x).tanh()
        return h

    over(s, f)


def scene_rows_are_written(s: Session) -> None:
    def f(xs, h):
        for x in xs:
            x.mul_(0.5)
            h = h + x
        return h

    f = s.compile(f)
    for n in (5, 60, 61, 60, 200, 60):
        xs = table(n, 2, grad=False) / n
        s.call(f, xs, leaf(0.5, -0.25))
        s.see(xs)


def scene_the_whole_is_written_between_rows(s: Session) -> None:
    def f(xs, h):
        for x in xs:
            h = (h + x).sin()
            xs.mul_(1.01)
            xs[0] += 1
        return h

    f = s.compile(f)
    for n in (5, 60, 61, 60, 200, 60):
        xs = table(n, 2, grad=False) / n
        s.call(f, xs, leaf(0.5, -0.25))
        s.see(xs)


def scene_rows_of_what_others_write(s: Session) -> None:
    def f(xs, ys, h):
        for x, y in zip(xs, ys):
            y.copy_(x * 2)
            h = (h + y).sin()
        return h

    f = s.compile(f)
    for n in (5, 60, 61, 60, 200, 60):
        xs, ys = table(n, 2, grad=False) / n, torch.zeros(n, 2, dtype=torch.float64)
        s.call(f, xs, ys, leaf(0.5, -0.25))
        s.see(xs, ys)
    for n in (60, 60, 60):
        xs = table(n, 2, grad=False) / n
        s.call(f, xs, xs, leaf(0.5, -0.25))
        s.call(f, xs[:-1], xs[1:], leaf(0.5, -0.25))
        s.see(xs)


def scene_rows_written_before_backward(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            h = (h * x * w).sin() + 0.1
        return h

    f = s.compile(f)
    for write in (False, True, False, True, False, True, False):
        xs, h, w = table(60, 2) / 60, leaf(0.5, -0.25), leaf(0.9, -0.8)
        made = s.call(f, xs, h, w, backward=False)
        if write:
            with torch.no_grad():
                xs[3] += 1
        s.attempt(made.sum().backward)
        s.see(xs, h, w)


def scene_python_acts_between_rows(s: Session) -> None:
    def f(xs, h, w):
        for i, x in enumerate(xs):
            h = (x * w + h).tanh()
            if i % 40 == 20:
                print("row", i)
        return h

    over(s, f)


def scene_two_loops_over_one_tensor(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            h = (x * w + h).tanh()
        for x in xs:
            h = (x * h).sin()
        return h

    over(s, f)


def scene_rows_and_their_tensor(s: Session) -> None:
    def f(xs, h, w):
        for x in xs:
            h = (x * w + h * xs[0] + xs.sum() * 1e-3).tanh() + xs[1:3].sum(0)
        return h

    over(s, f)
