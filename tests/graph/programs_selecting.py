"""Scenes of `x[i]` where `i` is a number that changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf

POSITIONS = (0, 1, 2, -1, -3, 3, 2, 1)
LENGTHS = (5, 40, 41, 90, 91, 5, 200)


def table(*shape: int, grad: bool = True) -> Any:
    count = torch.Size(shape).numel()
    made = torch.arange(count, dtype=torch.float64).reshape(shape) * 0.25 - 1.0
    return made.requires_grad_() if grad else made


def at_positions(s: Session, f: Any, *shape: int, positions: Any = POSITIONS, grad: bool = True):
    """Call a function of a tensor and a position, again and again."""
    f = s.compile(f)
    for i in positions:
        s.call(f, table(*(shape or (4, 3)), grad=grad), i)


def over(s: Session, f: Any, *shape: int, lengths: Any = LENGTHS, grad: bool = True) -> None:
    """Call a function of rows, and of two leaves."""
    f = s.compile(f)
    for n in lengths:
        s.call(f, table(n, *(shape or (2,)), grad=grad) / n, leaf(0.5, -0.25), leaf(0.9, -0.8))


def scene_a_row(s: Session) -> None:
    at_positions(s, lambda x, i: x[i] * 2)
    at_positions(s, lambda x, i: x[i] * 2, grad=False)


def scene_the_row_is_saved(s: Session) -> None:
    at_positions(s, lambda x, i: (x[i] * x[i]).sin().sum())


def scene_an_element(s: Session) -> None:
    at_positions(s, lambda x, i: x[i] * x[i + 0] + 1, 4)
    at_positions(s, lambda x, i: x[i, i] * 3, 4, 4)


def scene_several_items(s: Session) -> None:
    def f(x, i):
        return (
            x[i, :] + 1, x[i, 1] * 2, x[:, i] * 3, x[1:3, i] * 4, x[..., i] * 5, x[None, i] * 6,
            x[i, 0:2, None] * 7, x[-1 - i] * 8, x[i, ..., 1] * 9, x[2, i - 1] * 10,
        )  # fmt: skip

    at_positions(s, f, 4, 4, 3, positions=(0, 1, 2, -1, -2, 1, 2))


def scene_select(s: Session) -> None:
    def f(x, i):
        return x.select(1, i) * 2, torch.select(x, -1, i) * 3, torch.select(x, 0, index=i) * 4

    at_positions(s, f, 4, 4, positions=(0, 1, 2, -1, -2, 1, 2, 4, -5, 7, 1))


def scene_positions_that_do_not_exist(s: Session) -> None:
    at_positions(s, lambda x, i: x[i] * 2, positions=(0, 1, 4, 2, -4, -5, 3, 10**30, 1, -(10**30)))
    at_positions(s, lambda x, i: x[i, 1, 0] * 2, positions=(0, 1, 2))


def scene_no_position_is_caught(s: Session) -> None:
    def f(x, i):
        y = x * 2
        try:
            y = y + x[i]
        except IndexError as error:
            return y, str(error)
        return y, i

    at_positions(s, f, positions=(0, 1, 4, 2, 3, -5, 1, 9, 2))


def scene_an_effect_before_a_position_that_does_not_exist(s: Session) -> None:
    log = SimpleNamespace(last=None, count=0)

    def f(x, i):
        log.count += 1
        y = x[i] * 2
        log.last = i
        return y

    f = s.compile(f)
    for i in (0, 1, 2, 4, 3, -5, 1):
        s.call(f, table(4, 3), i)
        s.see(log)


def scene_behind_effects(s: Session) -> None:
    def f(x, v, i):
        x.add_(1)
        y = x[i, i] + x[v.argmax()]
        x.mul_(2)
        if int(v.sum()) % 3:
            y = y * 2
        x.add_(1)
        y = y + x[v.argmin(), i, None]
        x.add_(1)
        return y + x.select(0, i), x

    f = s.compile(f)
    for i in (*POSITIONS, 0, 1, 2):
        v = torch.tensor([1.0, 2.0, 0.5 * i, -1.0], dtype=torch.float64)
        s.call(f, table(4, 4, grad=False), v, i)


def scene_a_truth(s: Session) -> None:
    at_positions(s, lambda x, i: x[i > 1] * 2)


def scene_a_tensor(s: Session) -> None:
    f = s.compile(lambda x, i: x[i] * 2)
    for i in (0, 1, 2, 3, -1, 1):
        s.call(f, table(4, 3), torch.tensor(i))
        s.call(f, table(4, 3), torch.tensor([i, 0]))


def scene_of_an_item(s: Session) -> None:
    def f(x, w):
        best = int((x * w).sum(1).argmax())
        return x[best] * 2, x[x[:, 0].argmin().item()] * 3

    f = s.compile(f)
    for at in (0, 1, 2, 3, 1, 0, 2, 3):
        w = torch.zeros(4, 1, dtype=torch.float64)
        w[at] = 1.0
        s.call(f, table(4, 3), w)


def scene_the_row_itself_is_returned(s: Session) -> None:
    f = s.compile(lambda x, i: x[i])
    for i in POSITIONS:
        x = table(4, 3, grad=False)
        row = s.call(f, x, i)
        row.mul_(2)
        s.see(x, row)


def scene_rows_are_views(s: Session) -> None:
    def f(x, i):
        row = x[i]
        return (
            row,
            row,
            x[i],
            row[1:],
            row.view(3, 1),
            row.t(),
            row.detach(),
            x.detach()[i],
            row.data,
        )

    for grad in (False, True):
        g = s.compile(f)
        for i in POSITIONS:
            x = table(4, 3, grad=grad)
            y = x * 1
            found = s.call(g, y, i, backward=False)
            s.see(*found, y)
            with torch.no_grad():
                found[3].add_(1)
            s.see(*found, y)
            s.attempt(lambda found=found: found[0].mul_(3))
            s.see(*found, y)
            if grad:
                y.sum().backward()
                s.see(x)


def scene_a_row_of_a_row(s: Session) -> None:
    def f(x, i, j):
        row = x[i]
        return row[j] * 2, row[j], row.t()[j - 1] + 1, x[i][1:][j], row

    f = s.compile(f)
    for i, j in ((0, 0), (1, 1), (2, 0), (-1, 1), (0, 2), (1, -1), (2, 1)):
        s.call(f, table(4, 3, 3), i, j)


def scene_of_what_the_call_made(s: Session) -> None:
    def f(x, i):
        y = x * 2
        row = y[i]
        z = y.t()[i] * 3
        return row.exp() * row, z, row

    at_positions(s, f, 4, 4)
    at_positions(s, f, 4, 4, grad=False)

    def with_source(x, i):
        y = x * 2
        row = y[i]
        return row * row, y

    f = s.compile(with_source)
    for i in POSITIONS:
        for write in (False, True):
            x = table(4, 3)
            squares, y = s.call(f, x, i, backward=False)
            s.see(squares, y)
            if write:
                y.detach().add_(1)
            s.attempt(squares.sum().backward)
            s.see(x)


def scene_tensors_with_gaps(s: Session) -> None:
    def f(x, i):
        t = x.t()
        return (
            t[i] * 2,
            t[i].contiguous(),
            t[i],
            x[:, ::2][i - i] * t[i][0],
            x.expand(2, 4, 4)[:, i],
        )

    at_positions(s, f, 4, 4)
    f = s.compile(lambda x, i: (x[i] * 2, x[i].reshape(-1), x[i].stride()))
    for i in POSITIONS:
        s.call(f, table(5, 4, 3).transpose(0, 1), i)


def scene_integers(s: Session) -> None:
    f = s.compile(lambda x, i: (x[i] + 1, x[i].sum().item() + i, x[i] > 4))
    for i in POSITIONS:
        s.call(f, torch.arange(12).reshape(4, 3), i)
        s.call(f, torch.arange(12).reshape(4, 3).to(torch.float16), i)


def scene_an_outer_tensor(s: Session) -> None:
    x = table(4, 3)
    model = SimpleNamespace(table=table(4, 3))

    @s.compile
    def f(i):
        return x[i] * model.table[i - 1]

    for i in POSITIONS:
        s.call(f, i)
        s.see(x, model)


def scene_writes_between_calls(s: Session) -> None:
    x = table(4, 3, grad=False)
    f = s.compile(lambda i: (x[i] * 2, x[i]))
    for i in POSITIONS:
        s.call(f, i)
        x[i % 4] += 1
    s.see(x)


def scene_writes_before_and_after(s: Session) -> None:
    def f(x, i):
        x[1] += 1
        row = x[i]
        y = row * 2
        x.mul_(3)
        z = row * 2
        return y, z, row, x

    at_positions(s, f, grad=False)

    def of_own(x, i):
        made = x * 2
        row, again = made[i], made.t()[i]
        y = row + again
        made += 1
        return y, row * 1, again.sum(), made

    at_positions(s, of_own, 4, 4, grad=False)


def scene_writes_through_siblings(s: Session) -> None:
    def f(x, i):
        row = x[i]
        y = row * 2
        x.data[0] = 7.0
        x.detach()[1] = 8.0
        return y, row * 2, x.view(-1)[i]

    at_positions(s, f)


def scene_writes_by_another_argument(s: Session) -> None:
    def f(x, y, i):
        row = x[i]
        y.add_(1)
        return row * 2, row

    f = s.compile(f)
    for i in POSITIONS:
        x = table(4, 3, grad=False)
        s.call(f, x, x[i % 4], i)
        s.call(f, x, x.view(-1), i)
        s.call(f, x, table(2, grad=False), i)


def scene_writes_to_the_row(s: Session) -> None:
    def f(x, i):
        row = x[i]
        row += 1
        row[0] = 5.0
        part = row[1:]
        part.mul_(2)
        x[i] = row * 2
        return x.sum(), row

    at_positions(s, f, grad=False)


def scene_a_row_is_changed(s: Session) -> None:
    def f(x, i):
        row = x[i]
        row += 1
        return x.sum(), row

    at_positions(s, f, grad=False)

    def a_part_of_it(x, i):
        row = x[i].detach()[1:]
        row.mul_(2)
        return x * 1, row

    at_positions(s, a_part_of_it, grad=False)


def scene_writes_with_a_history(s: Session) -> None:
    def f(x, i):
        y = x * 2
        row = y[i]
        z = row.exp()
        y.mul_(x)
        return z, row * 2, y

    at_positions(s, f)

    def under_the_row(x, i):
        y = x * 2
        row = y[i]
        row.mul_(x[0])
        return y, row

    at_positions(s, under_the_row)


def scene_writes_before_backward(s: Session) -> None:
    def f(x, i):
        row = x[i]
        return row * row, (x[i] * 2).sum(), row

    f = s.compile(f)
    for write in (0, 1, 2, 0, 1, 2, 0, 1, 2):
        x = table(4, 3)
        squares, doubled, row = s.call(f, x, write, backward=False)
        if write == 1:
            with torch.no_grad():
                x[3] += 1
        if write == 2:
            with torch.no_grad():
                row.zero_()
        s.attempt(squares.sum().backward)
        s.attempt(doubled.backward)
        s.see(x, row)


def scene_backward_inside(s: Session) -> None:
    x = table(4, 3)
    w = table(3)

    @s.compile
    def step(i):
        row = x[i]
        loss = ((row * w).sum() - 1).square()
        loss.backward()
        with torch.no_grad():
            x.sub_(0.1 * x.grad)
            w.sub_(0.1 * w.grad)
        x.grad = None
        w.grad = None
        return loss, x[i] * 2

    for i in (*POSITIONS, *POSITIONS):
        s.call(step, i, backward=False)
        s.see(x, w)


def scene_learning_row_by_row(s: Session) -> None:
    w = table(3)

    @s.compile
    def learn(xs, n):
        losses = []
        for t in range(n):
            loss = (xs[t] @ w - 1).square()
            loss.backward()
            with torch.no_grad():
                w.sub_(0.01 * w.grad)
                w.grad.zero_()
            losses.append(loss.detach() + xs[t - 1].sum())
        return losses[-1], loss

    for n in (3, 40, 41, 40, 5):
        s.call(learn, table(50, 3, grad=False) / 50, n, backward=False)
        s.see(w)


def scene_the_same_row_twice(s: Session) -> None:
    at_positions(s, lambda x, i: (x[i] * x[i], x[i] + x[-4 + i % 4], x[i] is x[i]))


def scene_without_gradients(s: Session) -> None:
    def f(x, i):
        with torch.no_grad():
            row = x[i]
            y = row * 2
        return row, y, row * 2, x.detach()[i] * 3

    at_positions(s, f)


def scene_stored_outside(s: Session) -> None:
    log = SimpleNamespace(row=None, rows=[])

    def f(x, i):
        row = x[i]
        log.row = row
        log.rows.append(row * 2)
        log.rows.append(row)
        return row.sum()

    for grad in (False, True):
        g = s.compile(f)
        for i in POSITIONS:
            x = table(4, 3, grad=grad)
            s.call(g, x, i)
            s.see(log, x)
            with torch.no_grad():
                log.row.add_(1)
            s.see(log, x)


def scene_a_row_over_sites_and_exits(s: Session) -> None:
    def f(x, i):
        row = x[i]
        y = row * 2 if row.sum() > 0 else row * 3
        print("between")
        held = [row, {"part": row[1:]}]
        if y.sum() > 2:
            y = y + row
        return y, held

    at_positions(s, f, positions=(*POSITIONS, *POSITIONS))
    at_positions(s, f, positions=(*POSITIONS, *POSITIONS), grad=False)


def scene_create_graph(s: Session) -> None:
    f = s.compile(lambda x, i: (x[i] * x[i] * x[i - 1]).sum())
    for i in POSITIONS:
        x = table(4, 3)
        (slope,) = torch.autograd.grad(f(x, i), x, create_graph=True)
        s.see(slope)
        s.attempt(slope.square().sum().backward)
        s.see(x)


def scene_what_rows_say_of_themselves(s: Session) -> None:
    def f(x, i):
        row = x[i]
        return row.shape, row.stride(), row.is_contiguous(), row.storage_offset(), row._base is x

    at_positions(s, f, 4, 4)
    f = s.compile(lambda x, i: x[i].data_ptr() - x.data_ptr())
    for i in POSITIONS:
        s.call(f, table(4, 3), i)


def scene_rows_are_appended(s: Session) -> None:
    rows: list = []

    def f(xs, h, w):
        with torch.no_grad():
            for t in range(len(xs)):
                h = (xs[t] + h).tanh()
                rows.append(xs[t])
                rows.append((h, xs[t][1:]))
        return h

    f = s.compile(f)
    for n in (4, 40, 90, 91, 40):
        xs = table(n, 2)
        s.call(f, xs, leaf(0.5, -0.25), leaf(0.9, -0.8))
        s.see(rows[-4:], rows[0])
        with torch.no_grad():
            xs += 1
            rows[-2].zero_()
        s.see(rows[-4:], xs)


def scene_it_runs_out(s: Session) -> None:
    def f(xs, h, w):
        t = 0
        while True:
            h = (xs[t] * w + h).tanh()
            t += 1

    over(s, f, lengths=(40, 60, 40, 3, 60))


def scene_it_runs_out_and_is_caught(s: Session) -> None:
    def f(xs, h, w):
        t = 0
        try:
            while True:
                h = (xs[t] * w + h).tanh()
                t += 1
        except IndexError:
            return h, t

    over(s, f, lengths=(40, 60, 40, 3, 60))


def scene_a_row_that_goes_on(s: Session) -> None:
    def f(xs, h, w):
        before = xs[0]
        for t in range(len(xs)):
            h = (h * w + xs[t] - before).tanh()
            before = xs[t]
        return h, before

    over(s, f, lengths=(5, 40, 41, 41))
    over(s, lambda xs, h, w: [f(xs, h, w)[0] for _ in range(1)], lengths=(60, 61))
