"""Small functions that the tests of recording, guards and handover compile."""

from __future__ import annotations

import jitgrad as torch

FACTOR = 2


def double(x):
    return x * 2


def sign(x):
    if x.sum() > 0:
        return x * 2
    return x * 3


def grow(x):
    while x.sum() < 100:
        x = x * 2
    return x


def scaled(x, rate):
    return x * rate + rate


def by_global(x):
    return x * FACTOR


def prints(x):
    y = x * 2
    print("here")
    return y + 1


def collects(x):
    parts = []
    for i in range(3):
        parts.append(x * i)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    if total.sum() > 0:
        total = -total
    for i, part in enumerate(parts):
        total = total + part * i
    return {"total": total, "parts": parts}


def step(x, w, rate):
    loss = ((x * w) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        w -= rate * w.grad
        w.grad.zero_()
    return loss


def raises(x):
    if x.sum() > 0:
        raise ValueError("positive")
    return x


def generates(x):
    yield x


def writes(x):
    x.add_(1)
    return x.sum()


def mixes(x, w, rate):
    y = (x * w).exp().clamp(max=50.0)
    if y.sum() > rate:
        return y - rate, [y.t(), {"k": y.sum(0)}]
    return y.sum() * rate, (x, None, 3)


def tagged(x, tag):
    return x * len(tag)
