"""Programs whose calls are interrupted: what each does to its box is all that others can see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jitgrad as torch


class Entered:
    """Tells a box when it is entered and left."""

    def __init__(self, log: list) -> None:
        self.log = log

    def __enter__(self) -> None:
        self.log.append("in")

    def __exit__(self, *_: object) -> None:
        self.log.append("out")


def _box(**more: Any) -> SimpleNamespace:
    total = torch.zeros(2, dtype=torch.float64)
    return SimpleNamespace(log=[], total=total, count=0, **more)


def program_effects() -> tuple[Callable, SimpleNamespace]:
    def f(box, x, n):
        y = x * 2
        box.count = box.count + 1
        if y.sum() > 0:
            y = y.exp()
        box.log.append(n)
        return y * n

    return f, _box()


def program_writes() -> tuple[Callable, SimpleNamespace]:
    def f(box, x, n):
        y = x * 2
        with torch.no_grad():
            box.total += y
        if y.sum() > 0:
            y = y.exp()
        with torch.no_grad():
            box.total *= 2
        return y * n

    return f, _box()


def program_blocks() -> tuple[Callable, SimpleNamespace]:
    def f(box, x, n):
        with Entered(box.log):
            y = x * 2
            if y.sum() > 0:
                y = y.exp()
            y = y * n
        try:
            y = y.sin() * 2
            if y.sum() < 0:
                y = y + 1
        finally:
            box.count += 1
        return y

    return f, _box()


def program_loop() -> tuple[Callable, SimpleNamespace]:
    def f(box, x, n):
        with Entered(box.log):
            for i in range(5 * n):
                x = x * 0.5 + i
        return x.sum()

    return f, _box()


def program_loop_that_writes() -> tuple[Callable, SimpleNamespace]:
    def f(box, x, n):
        with Entered(box.log), torch.no_grad():
            for i in range(5 * n):
                x = x * 0.5
                box.rows[i % 4] = x
        return x.sum()

    return f, _box(rows=torch.zeros(4, 2, dtype=torch.float64))


def program_host_calls() -> tuple[Callable, SimpleNamespace]:
    def f(box, x, n):
        with Entered(box.log):
            for i in range(3):
                x = x * 2 + len(sorted(str(n + i)))
            box.count += 1
            x = x + len(format(float(x.sum()), ".3f"))
        return x

    return f, _box()


def program_training() -> tuple[Callable, SimpleNamespace]:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 3).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def f(box, x, n):
        with Entered(box.log):
            box.optimizer.zero_grad()
            loss = (box.model(x.detach()) * n).square().mean()
            loss.backward()
            box.optimizer.step()
            box.count += 1
        return loss.detach()

    return f, _box(model=model, optimizer=optimizer)


def program_generators() -> tuple[Callable, SimpleNamespace]:
    def parts(box: Any, x: Any) -> Iterator[Any]:
        try:
            yield x * 2
            if x.sum() > 0:
                yield x * 3
            yield x.exp()
        finally:
            box.log.append("over")

    def f(box, x, n):
        total = x * n
        for each in parts(box, x):
            total = total + each.sin()
        return total

    return f, _box()
