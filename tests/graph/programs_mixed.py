"""More scenes: aliases, cycles, stores that swap, exits in loops."""

# what ruff would write otherwise is what is tested
# ruff: noqa: B007, E741

from __future__ import annotations

import numpy as np

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_cyclic(s: Session) -> None:
    def f(x):
        l = [x]
        l.append(l)
        if x.sum() > 0:
            return l[0] * 2
        return l[0] * 3

    f = s.compile(f)
    for v in (1.0, -1.0, 1.0):
        s.call(f, grad(v))


def scene_inplace_chain(s: Session) -> None:
    def f(x, w):
        y = x * w
        z = y.relu_() if hasattr(torch.Tensor, "relu_") else y
        z = z * w
        with torch.no_grad():
            x.copy_(w)
        if z.sum() > 3:
            z = z + x
        return z

    f = s.compile(f)
    for v in (1.0, 2.0, 3.0, -1.0):
        s.call(f, T([v]), grad(2.0))


def scene_view_base(s: Session) -> None:
    def f(v, w):
        return v.t(), v.view(-1)

    f = s.compile(f)
    for i in range(3):
        b = torch.ones(4, 2)
        p = grad(2.0)
        t, u = s.call(f, b[1:3], p)
        b.mul_(p)
        s.see(t.requires_grad, u.requires_grad)
        (t.sum() + u.sum()).backward()
        s.see(p)


def scene_grad_alias(s: Session) -> None:
    def f(p, q):
        p.grad = q.grad
        q.grad.add_(1)
        return p.grad * 1

    f = s.compile(f)
    for i in range(3):
        p, q = grad(1.0), grad(2.0)
        q.grad = T([3.0])
        s.call(f, p, q)
        s.see(p, q)
        s.call(f, p, q)
        s.see(p, q)


def scene_swap(s: Session) -> None:
    class B:
        pass

    def f(b, x):
        b.a, b.c = b.c, b.a
        b.a = b.a * x
        return b.c + 1

    f = s.compile(f)
    b = B()
    b.a = T([1.0])
    b.c = T([2.0])
    for i in range(5):
        s.call(f, b, T([2.0]))
        s.see(b)


def scene_alias_attr(s: Session) -> None:
    class B:
        pass

    def f(b, x):
        b.a.add_(x)
        y = b.c * 2
        b.c = x
        return y, b.a

    f = s.compile(f)
    for k in range(2):
        b = B()
        b.a = T([1.0])
        b.c = b.a
        s.call(f, b, T([2.0]))
        s.see(b)
        s.call(f, b, b.a)
        s.see(b)
        b.c = T([5.0])
        s.call(f, b, T([2.0]))
        s.see(b)


def scene_zero_strides(s: Session) -> None:
    def f(x):
        x.add_(1)
        return x

    f = s.compile(f)
    for k in range(3):
        s.call(f, torch.ones(1).expand(3))
        s.call(f, torch.ones(3))


def scene_retain(s: Session) -> None:
    def f(x):
        h = x * 2
        y = (h * h).sum()
        y.backward(retain_graph=True)
        z = (h * 3).sum()
        z.backward()
        return y, h

    f = s.compile(f)
    for k in range(3):
        x = grad(1.0)
        y, h = s.call(f, x, backward=False)
        s.attempt(y.backward)
        s.see(x)
        s.attempt(h.sum().backward)
        s.see(x)


def scene_out_graph_grad(s: Session) -> None:
    def f(x):
        return x.exp()

    f = s.compile(f)
    for k in range(3):
        x = grad(1.0)
        y = f(x)
        z = f(y * 2)
        (g,) = torch.autograd.grad(z.sum(), y, create_graph=True)
        s.see(g)
        g.sum().backward()
        s.see(x, y)


def scene_lambda_default(s: Session) -> None:
    fs = []
    for k in range(3):
        fs.append(s.compile(lambda x, k=k: x * k if x.sum() > 0 else x - k))
    for f in fs:
        for v in (1.0, -1.0, 2.0):
            s.call(f, grad(v))


def scene_float_guard_int(s: Session) -> None:
    def f(x, lr):
        n = round(lr * 10)
        m = int(lr)
        k = lr // 1
        return x * n, m, k, lr % 2, str(lr)

    f = s.compile(f)
    for v in (0.1, 0.2, 0.1, 1.5):
        s.call(f, grad(1.0), v)


def scene_exit_in_loop(s: Session) -> None:
    log = []

    def f(x, n):
        for i in range(3):
            x = x * 2
            if x.sum() > n:
                log.append(i)
                x = x - n
            x.sum().backward() if i == 9 else None
        return x

    f = s.compile(f)
    for v, n in ((1.0, 3.0), (1.0, 100.0), (2.0, 3.0), (1.0, 5.0), (1.0, 3.0)):
        s.call(f, grad(v), n)
        s.see(log)


def scene_numpy_scalar(s: Session) -> None:
    def f(x, a):
        return x * a, a

    f = s.compile(f)
    for a in (np.float32(1.5), np.float64(2.5), np.int64(3), np.bool_(True), np.float64(4.5)):
        s.call(f, grad(1.0), a)


def scene_data_write(s: Session) -> None:
    def f(x, w):
        y = (x * w).sum()
        w.data.add_(1)
        y2 = (x * w).sum()
        return y, y2

    f = s.compile(f)
    for v in (1.0, 2.0, 3.0):
        s.call(f, T([v]), grad(1.0))


def scene_empty(s: Session) -> None:
    def f(x):
        y = x * 2
        if y.numel() == 0:
            return y.sum(), y
        return y.max(), y

    f = s.compile(f)
    for n in (0, 2, 0, 3):
        s.call(f, torch.ones(n, requires_grad=True))
