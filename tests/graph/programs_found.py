"""Scenes that random programs have led to: each once differed."""

from __future__ import annotations

from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session


def scene_second_order_through_an_argument_made_of_another(s: Session) -> None:
    f = s.compile(lambda x, y: (x * y * y).sum())
    for value in 1.0, 2.0, -3.0:
        x = torch.tensor([value, 2.0], requires_grad=True)
        y = x * 2
        (slope,) = torch.autograd.grad(f(x, y), x, create_graph=True)
        s.see(slope, *torch.autograd.grad(slope.sum(), x))


def scene_hooks_of_arguments_in_second_order(s: Session) -> None:
    f = s.compile(lambda x, y: (x * y).sum())
    for value in 1.0, 2.0, -3.0:
        seen: list[Any] = []
        x = torch.tensor([value, 2.0], requires_grad=True)
        y = x * 2
        y.register_hook(lambda g, seen=seen: seen.append(g.detach().tolist()) or g * 3)
        x.register_hook(lambda g, seen=seen: seen.append(g.detach().tolist()))
        (slope,) = torch.autograd.grad(f(x, y), x, create_graph=True)
        s.see(slope, seen)


def scene_write_to_an_argument_beside_one_that_is_lent(s: Session) -> None:
    f = s.compile(lambda x, y: (x + y).clamp(-2, 2))
    for value in 1.0, 2.0, 3.0, 4.0:
        x = torch.tensor([value, -1.0, 5.0], requires_grad=True)
        y = torch.tensor([0.0, 0.5, -4.0], requires_grad=True)
        y.detach().numpy()
        result = f(x, y)
        with torch.no_grad():
            x.mul_(-10)
        s.backward(result)
        s.see(x, y)
