"""Scenes of loops over the rows of tensors, which become native ones."""

from __future__ import annotations

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import over, table


def scene_a_recurrent_net(s: Session) -> None:
    def f(xs, h, w):
        for t in range(len(xs)):
            h = torch.tanh(xs[t] + h * w)
        return h

    over(s, f)
    over(s, f, grad=False)


def scene_losses_of_all_steps(s: Session) -> None:
    def f(xs, h, w):
        loss = 0.0
        for t in range(xs.shape[0]):
            h = torch.tanh(xs[t] * w + h)
            loss = loss + (h - xs[t]).square().sum()
        return loss, h

    over(s, f)


def scene_backwards(s: Session) -> None:
    def f(xs, h, w):
        for t in range(len(xs)):
            h = (xs[-1 - t] * xs[-1 - t] + h * w).tanh()
        return h

    over(s, f)


def scene_columns_and_elements(s: Session) -> None:
    def f(xs, h, w):
        t = 0
        while t < len(xs):
            h = (xs.t()[:, t] + h * w).tanh() * xs[t, 1] + xs[t][0]
            t += 1
        return h

    over(s, f)


def scene_a_transposed_tensor(s: Session) -> None:
    def f(xs, h, w):
        ys = xs.transpose(0, 1)
        for t in range(xs.shape[0]):
            h = (ys[:, t] * h + w).sin().sum(0) * ys[0, t]
        return h

    over(s, f, 2)


def scene_rows_that_lie_apart_in_memory(s: Session) -> None:
    def f(xs, h, w):
        ys = xs.t().contiguous().t()
        for t in range(len(ys)):
            h = (ys[t] * w - h).tanh()
        return h

    over(s, f)
    over(s, f, lengths=(5, 5, 5, 6, 6, 5, 90))


def scene_random_access(s: Session) -> None:
    def f(xs, h, w):
        n, k, turns = len(xs), 1, 0
        while turns < 60:
            h = (xs[k] * w + h * 0.5).tanh()
            k = k * 7 % n
            turns += 1
        return h, k

    over(s, f, lengths=(5, 41, 40, 43, 43, 41, 5))


def scene_one_row_again_and_again(s: Session) -> None:
    def f(xs, h, w):
        for t in range(70):
            h = (xs[t % 2] * xs[t % 2] * w + h).tanh()
        return h

    over(s, f, lengths=(5, 6, 5, 2))


def scene_two_ways(s: Session) -> None:
    def f(xs, h, w):
        for t in range(len(xs)):
            if xs[t].sum() > 0.5:
                h = (h * w + xs[t]).sin()
            else:
                h = h * w * 0.9 + xs[t - 1] * xs[t]
        return h

    over(s, f)


def scene_written_before_backward(s: Session) -> None:
    def f(xs, h, w):
        for t in range(60):
            h = (h * xs[t] * w).sin() + 0.1
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


def scene_rows_without_history(s: Session) -> None:
    def f(xs, h, w):
        for t in range(len(xs)):
            h = (xs.detach()[t] * w + h * xs[t].detach()).tanh()
        return h

    over(s, f)


def scene_rows_of_what_the_call_made(s: Session) -> None:
    def f(xs, h, w):
        ys = xs * xs + w
        for t in range(len(xs)):
            h = (ys[t] + h).tanh()
        return h, ys

    over(s, f)


def scene_gradients_of_gradients(s: Session) -> None:
    def f(xs, h, w):
        for t in range(50):
            h = (xs[t] * xs[t] * w + h).tanh()
        return h.sum()

    f = s.compile(f)
    for _ in range(6):
        xs, h, w = table(50, 2) / 50, leaf(0.5, -0.25), leaf(0.9, -0.8)
        (slope,) = torch.autograd.grad(f(xs, h, w), xs, create_graph=True)
        s.see(slope)
        slope.square().sum().backward()
        s.see(xs, h, w)


def scene_rows_and_the_whole(s: Session) -> None:
    def f(xs, h, w):
        for t in range(len(xs)):
            h = (xs[t] * w + h * xs[0] + xs.sum() * 1e-3).tanh() + xs[t, 0] + xs[1:3].sum(0)
        return h

    over(s, f)


def scene_rows_that_are_added_up(s: Session) -> None:
    def f(xs, h, w):
        total = xs[0] * 0
        for t in range(len(xs)):
            total = total + xs[t]
            h = h + xs[t] + xs[t]
        return total, h * w

    over(s, f)


def scene_it_goes_beyond_the_end(s: Session) -> None:
    def f(xs, h, w):
        for t in range(len(xs) + 1):
            h = (xs[t] * w + h).tanh()
        return h

    over(s, f, lengths=(40, 60, 40, 3, 60))

    def caught(xs, h, w):
        t = 0
        try:
            for t in range(-len(xs) - 1, 0):
                h = (xs[-1 - t] * w + h).tanh() + xs[t + 1]
        except IndexError as error:
            return h, t, str(error)
        return h, t

    over(s, caught, lengths=(40, 60, 40, 3, 60))
