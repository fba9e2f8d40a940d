"""Programs for many threads at once: branches, loops, objects, exits, exceptions, generators."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

import jitgrad as torch


class Given(NamedTuple):
    """What a program is called with, and in which modes."""

    x: np.ndarray
    w: np.ndarray
    turns: int
    flag: bool
    requires_grad: bool
    grad_enabled: bool

    @classmethod
    def drawn(cls, draw: random.Random) -> Given:
        """Return one of many combinations of shapes, branches, numbers of turns and modes."""
        size = draw.choice((2, 3))
        x, w = (np.array([draw.uniform(-2, 2) for _ in range(size)]) for _ in range(2))
        turns = draw.choice((0, 1, 2, 3, 5, 9, 30))
        return cls(x, w, turns, draw.random() < 0.5, draw.random() < 0.7, draw.random() < 0.7)


def program_branches_and_loops() -> Callable:
    def f(x, w, n, flag):
        y = x * w
        if y.sum() > 0:
            y = y.sin()
        elif flag:
            y = y * 2 + n
        for i in range(n):
            y = y * 0.5 + i * w
        while y.norm() > 3:
            y = y / 2
        return y

    return f


def program_objects() -> Callable:
    box = SimpleNamespace(rate=0.5, items=[1, 2, 3], last=0)

    def f(x, w, n, flag):
        box.last = n
        for each in box.items:
            x = x + each * w * box.rate
        found = {"one": x, "other": [x * 2, x.sum()]}
        return found["other"][flag]

    return f


def program_calls_and_generators() -> Callable:
    @torch.compile
    def inner(x, w):
        return x * w if x.sum() > 1 else x + w

    def doubled(many):
        for each in many:
            yield each * 2

    def f(x, w, n, flag):
        a = inner(x, w)
        total = sum(each.sum() for each in doubled([inner(a, w), a, w]))
        return total if flag else total * n

    return f


def program_exceptions() -> Callable:
    def f(x, w, n, flag):
        y = x * w
        try:
            if n == 3:
                raise ValueError("three")
        except ValueError:
            y = y + 1
        if flag and y.sum() > 1:
            raise ArithmeticError("as asked for")
        return y.exp()

    return f


def program_exits() -> Callable:
    def f(x, w, n, flag):
        y = x * w
        shown = "".join(sorted(str(n)))
        y = y + len(shown)
        if y.sum() > 2:
            y = y.exp()
        shown += format(float(y.sum()), ".3f")
        return y * 2 if flag else y[y > 0].sum()

    return f


def program_modes() -> Callable:
    def f(x, w, n, flag):
        with torch.no_grad():
            scale = (x * x).sum() + 1
        with torch.set_grad_enabled(flag):
            y = x * w / scale
        leaf = w.detach().clone()
        leaf += y.detach()
        return y * leaf

    return f


def program_native_loops() -> Callable:
    def f(x, w, n, flag):
        steps = 0
        while x.abs().sum() > 0.01 and steps < 20 * n:
            x = x * 0.9 + 0.001 * w if flag else x * 0.8
            steps += 1
        return x * steps

    return f


def program_host_calls() -> Callable:
    def f(x, w, n, flag):
        for i in range(min(n, 5)):
            x = x * w + len(sorted(str(i)))
            if flag:
                x = x.sin()
        return x + len(format(n))

    return f


def program_modules() -> Callable:
    models: dict = {}

    def f(x, w, n, flag):
        model = models.get((len(x), n % 3))
        if model is None:
            torch.manual_seed(n % 3)
            sizes = [len(x)] * (2 + n % 3)
            layers = [torch.nn.Linear(a, b).double() for a, b in itertools.pairwise(sizes)]
            model = models.setdefault((len(x), n % 3), torch.nn.Sequential(*layers))
        y = model(x.double()) * w
        return y.sum() if flag else y

    return f
