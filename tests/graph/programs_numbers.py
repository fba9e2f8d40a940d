"""Scenes of integers that change: counters, positions, sizes, as numbers of run time."""

from __future__ import annotations

import math
from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

counter = 0


def scene_counter_on_an_object(s: Session) -> None:
    box = SimpleNamespace(n=0, decay=0.5, log=[0, 0, 0], table={"n": 0, "k": 1})

    def f(x):
        box.n += 1
        box.table["n"] = box.table["n"] + box.n
        box.log[box.n % 3] += 1
        y = x * (1 - box.decay**box.n) + box.n
        if box.n % 4 == 0:
            y = y * 10
        return y, box.n, -box.n, box.n / 2, box.n // 2, box.n << 1, box.n & 3, ~box.n

    f = s.compile(f)
    for _ in range(9):
        s.call(f, grad(1.0, 2.0))
        s.see(box)
    box.n = 2**70
    s.call(f, grad(1.0, 2.0), backward=False)
    s.see(box)
    box.n = -5
    s.call(f, grad(1.0, 2.0))
    box.n = 2.5
    s.attempt(f, grad(1.0, 2.0))
    box.n = True
    s.call(f, grad(1.0, 2.0))
    s.see(box)


def scene_counter_that_schedules(s: Session) -> None:
    box = SimpleNamespace(step=0, warm=3, rate=0.1)

    def f(w):
        box.step += 1
        rate = box.rate * min(1.0, box.step / box.warm)
        if box.step > 5:
            rate = rate / math.sqrt(box.step)
        with torch.no_grad():
            w -= rate * w
        return rate

    f = s.compile(f)
    w = T([1.0, 2.0])
    for _ in range(9):
        s.call(f, w, backward=False)
        s.see(w, box)
    box.warm = 7
    s.call(f, w, backward=False)
    s.see(w, box)


def scene_integer_arguments(s: Session) -> None:
    def f(x, n, k=2):
        y = x * n + k
        if n > 3:
            y = y - n * k
        return y, n * k, n + 0.5, max(n, k), abs(n), float(n), n == k, n != 3

    f = s.compile(f)
    for n, k in ((1, 2), (2, 2), (3, 2), (5, 2), (7, 4), (2, 2), (0, -3), (-4, 6), (2**60, 1)):
        s.call(f, grad(1.0, 2.0), n, k)
        s.call(f, grad(1.0, 2.0), n, k=k)
    s.call(f, grad(1.0), True, 2)
    s.call(f, grad(1.0), 2.0, 3)
    s.attempt(f, grad(1.0), "a", 3)


def scene_integers_that_index(s: Session) -> None:
    parts = [T([1.0]), T([2.0]), T([3.0])]
    table = {0: 5.0, 1: T([6.0]), 2: 7.0}

    def f(x, i):
        y = x * parts[i] + table[i]
        for j in range(i):
            y = y + j
        made = [y, y * 2, y * 3]
        return made[i], x[i], (i, i + 1), i in table

    f = s.compile(f)
    for i in (0, 1, 2, 1, 0, 2, -1, 3, 1):
        s.attempt(f, grad(1.0, 2.0, 3.0), i)


def scene_integers_that_are_sizes(s: Session) -> None:
    def f(x, n, d):
        y = x.reshape(n, -1).sum(dim=d)
        return y, torch.zeros(n) + n, x[:n], x.narrow(0, 0, n), torch.arange(n)

    f = s.compile(f)
    for n, d in ((1, 0), (2, 0), (3, 1), (6, 1), (2, 1), (1, -1), (4, 0)):
        s.attempt(f, T([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), n, d)


def scene_integers_beside_integer_tensors(s: Session) -> None:
    def f(x, n):
        return x + n, x * n, x // (n + 1), n - x, x > n, (x + n).float() * n

    f = s.compile(f)
    for n in (1, 2, 3, 200, -3, 0):
        s.call(f, torch.tensor([1, 2, 3]), n)
        s.call(f, torch.tensor([1, 2, 3], dtype=torch.uint8), n)
        s.call(f, grad(1.0, 2.0), n)


def scene_integers_as_exponents(s: Session) -> None:
    def f(x, n):
        return x**n, 2**n, 2.0**n, n**2, n**0.5

    f = s.compile(f)
    for n in (1, 2, 3, 4, 0, 2):
        s.call(f, grad(1.0, 2.0), n)
    s.attempt(f, grad(1.0, 2.0), -1)
    s.attempt(f, grad(1.0, 2.0), -2)


def scene_integers_from_floats(s: Session) -> None:
    def f(x, v):
        n = int(v * 2)
        k = math.floor(v)
        y = x * n + k
        if n > 4:
            y = y * 2
        return y, n, k, math.ceil(v), round(v)

    f = s.compile(f)
    for v in (1.2, 1.7, 2.6, 3.9, -0.3, 1e300):
        s.call(f, grad(1.0, 2.0), v)
    s.attempt(f, grad(1.0, 2.0), float("nan"))
    s.attempt(f, grad(1.0, 2.0), float("inf"))


def scene_integers_divide(s: Session) -> None:
    box = SimpleNamespace(n=3)

    def f(x, k):
        x.add_(1)
        y = x * (box.n / k) + box.n // k + box.n % k
        box.n += 1
        return y

    f = s.compile(f)
    x = T([1.0])
    for k in (1, 2, 3, 0, 4, 0, 5):
        s.attempt(f, x, k)
        s.see(x, box)


def scene_integer_globals(s: Session) -> None:
    global counter
    counter = 0

    def f(x):
        return x * counter + (1 if counter is None else 2) + isinstance(counter, int)

    f = s.compile(f)
    for value in (0, 1, 2, 5, 2.5, 7, None):
        counter = value
        s.attempt(f, grad(1.0, 2.0))


def scene_truths_used_as_numbers(s: Session) -> None:
    def f(x, v):
        above = v > 1.0
        return x * above, x[int(above)], above + 1, [10, 20][above]

    f = s.compile(f)
    for v in (0.5, 1.5, 2.5, 0.1, 1.5):
        s.call(f, grad(1.0, 2.0), v)


def scene_gradients_read_behind_a_site(s: Session) -> None:
    box = SimpleNamespace(momentum=0.5)
    w = grad(1.0, 1.0)

    def f(x):
        loss = (w * x).sum()
        loss.backward()
        if box.momentum:
            with torch.no_grad():
                torch._foreach_add_([w], [w.grad], alpha=-0.1)
        w.grad = None
        return loss

    f = s.compile(f)
    for momentum in (0.5, 0.5, 0.0, 0.0, 0.25, 1, 1, 0.5):
        box.momentum = momentum
        s.call(f, T([1.0, 2.0]), backward=False)
        s.see(w)


def scene_library_code_relies_on_a_number(s: Session) -> None:
    functional = torch.nn.functional

    def norm(x, v):
        return x.norm(v)

    def pooled(x, v):
        return functional.lp_pool1d(x.view(1, 1, 4), v, 2)

    def counted(x, v):
        return torch.histc(x.detach(), 4, -v, v)

    kinds = (0.5, math.nan, 1.0, -math.inf, 2.0, -1.0, math.inf, 3.0)
    for function, values in ((norm, kinds), (pooled, kinds), (counted, (0.3, 1.2, 0.3, 0.7))):
        f = s.compile(function)
        for v in (*values, *values):
            # 0.3 as a float32 is more than 0.3, which counts where numbers are compared
            s.call(f, grad(0.3, 1.2, 0.7, 2.0), v)


def scene_numbers_that_do_not_fit_a_tensor(s: Session) -> None:
    def made(v):
        return torch.tensor(v, dtype=torch.uint8)

    def filled(v):
        return torch.zeros(2, dtype=torch.int32).fill_(v)

    def written(v):
        x = torch.ones(2, dtype=torch.int64)
        x[0] = v
        return x

    def masked(v):
        return torch.ones(2, dtype=torch.uint8).masked_fill(T([True, False]), v)

    def truth(v):
        return torch.tensor(v, dtype=torch.bool)

    for each in (made, filled, written, masked, truth):
        f = s.compile(each)
        for v in (1.5, 2.5, math.nan, 7.0, 1e20, -1.0, 3.0, 1, 2, -1, 300, 2**40, 2**63, 5):
            s.attempt(f, v)
