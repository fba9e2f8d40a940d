"""Scenes of autograd: backward inside and outside, higher orders, hooks, Functions."""

from __future__ import annotations

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_training_step(s: Session) -> None:
    def step(x, y, w1, w2, lr):
        d = x.mm(w1).clamp(min=0).mm(w2) - y
        loss = d.pow(2).sum()
        loss.backward()
        with torch.no_grad():
            w1 -= lr * w1.grad
            w2 -= lr * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()
        return loss

    step = s.compile(step)
    w1 = (torch.randn(5, 4) * 0.3).requires_grad_()
    w2 = (torch.randn(4, 2) * 0.3).requires_grad_()
    for i in range(5):
        loss = s.call(step, torch.randn(3, 5), torch.randn(3, 2), w1, w2, 0.01 * (i + 1))
        s.see(w1, w2, loss)
        s.attempt(loss.backward)


def scene_set_grad_to_none(s: Session) -> None:
    def step(x, p):
        p.grad = None
        ((x * p) ** 2).sum().backward()
        g = p.grad
        with torch.no_grad():
            p.sub_(g, alpha=0.1)
        return g

    step = s.compile(step)
    p = grad(1.0, 2.0)
    for value in (1.0, 2.0, 3.0):
        s.call(step, T([value, 1.0]), p)
        s.see(p)


def scene_accumulation(s: Session) -> None:
    def step(x, p, every):
        loss = (x * p).sum()
        loss.backward()
        if loss > every:
            with torch.no_grad():
                p -= p.grad
            p.grad.zero_()
        return loss.item()

    step = s.compile(step)
    p = grad(1.0, 2.0)
    for value in (1.0, 2.0, -3.0, 5.0, 1.0):
        s.call(step, T([value, 1.0]), p, 3.0)
        s.see(p)
    p.grad = None
    for value in (1.0, 2.0):
        s.call(step, T([value, 1.0]), p, 3.0)
        s.see(p)


def scene_grad_read(s: Session) -> None:
    def f(p):
        if p.grad is None:
            return "none"
        return p.grad * 2, p.grad.sum().item()

    f = s.compile(f)
    p = grad(1.0, 2.0)
    s.call(f, p)
    (p * p).sum().backward()
    s.call(f, p)
    s.call(f, p)
    p.grad = None
    s.call(f, p)
    p.grad = T([5.0, 6.0])
    s.call(f, p)


def scene_backward_twice(s: Session) -> None:
    def f(x, keep):
        y = (x.exp() * x).sum()
        y.backward(retain_graph=keep)
        y.backward()
        return y

    f = s.compile(f)
    for keep in (True, False, True, False):
        x = grad(1.0, 2.0)
        s.call(f, x, keep)
        s.see(x)


def scene_backward_inside_and_outside(s: Session) -> None:
    def f(x, keep):
        h = x.exp()
        y = (h * x).sum()
        z = (h + 1).sum()
        y.backward(retain_graph=keep)
        if x.grad.sum() > 20:
            h = h * 2
        return y, z, h

    f = s.compile(f)
    for value, keep in ((0.1, True), (0.1, False), (3.0, True), (3.0, False), (0.2, False)):
        for at in range(3):
            x = grad(value, 1.0)
            results = s.call(f, x, keep, backward=False)
            s.attempt(results[at].sum().backward)
            s.see(x)


def scene_grad_function_inside(s: Session) -> None:
    def f(x, w):
        y = (x * w).sin().sum()
        gx, gw = torch.autograd.grad(y, (x, w))
        return gx, gw, y.detach()

    f = s.compile(f)
    for value in (0.1, 0.2, 0.3):
        s.call(f, grad(value, 1.0), grad(2.0, 3.0))
        s.call(f, T([value, 1.0]), grad(2.0, 3.0))


def scene_grad_with_create_graph_inside(s: Session) -> None:
    def f(x):
        y = (x**3).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        penalty = (g * g).sum()
        if penalty > 100:
            penalty = penalty / 2
        return y + penalty, g

    f = s.compile(f)
    for value in (0.5, 1.0, 3.0, 0.7, 4.0):
        s.call(f, grad(value, 1.0))


def scene_penalty_with_backward_inside(s: Session) -> None:
    def f(x, w):
        y = (x * w).tanh().sum()
        (g,) = torch.autograd.grad(y, w, create_graph=True)
        loss = (g**2).sum()
        loss.backward()
        return loss

    f = s.compile(f)
    w = grad(2.0, 3.0)
    for value in (0.1, 0.2, 0.3):
        s.call(f, T([value, 1.0]), w)
        s.see(w)


def scene_create_graph_outside(s: Session) -> None:
    def f(x, w):
        y = (x * w).sin()
        if y.sum() > 0:
            return (y * y).sum()
        return y.exp().sum()

    f = s.compile(f)
    for value in (0.5, -0.5, 0.7, -0.3):
        x, w = grad(value, value), grad(1.0, 2.0)
        y = s.call(f, x, w, backward=False)
        gx, gw = torch.autograd.grad(y, (x, w), create_graph=True)
        s.see(gx, gw)
        (gg,) = torch.autograd.grad(gx.sum() + gw.sum(), x, create_graph=True)
        s.see(gg)
        gg.sum().backward()
        s.see(x, w)


def scene_backward_with_create_graph(s: Session) -> None:
    def f(x):
        return (x**3).sum()

    f = s.compile(f)
    for value in (1.0, 2.0):
        x = grad(value)
        f(x).backward(create_graph=True)
        s.see(x)
        x.grad.sum().backward()
        s.see(x)


def scene_detach_in_a_loop(s: Session) -> None:
    def f(x, n):
        h = x
        total = x.sum() * 0
        for i in range(n):
            h = (h * 1.5).sin()
            total = total + h.sum()
            if i % 2:
                h = h.detach()
        return total, h

    f = s.compile(f)
    for n in (1, 2, 5, 2, 5):
        s.call(f, grad(0.5, 1.0), n)


def scene_history_through_arguments(s: Session) -> None:
    def f(h, w):
        y = (h * w).sum()
        return torch.autograd.grad(y, w)

    f = s.compile(f)
    for factor in (1.0, 2.0, 3.0):
        w = grad(1.0, 2.0)
        s.call(f, w * factor, w)

    def g(h, w):
        return torch.autograd.grad((h + 1).sum(), w)

    g = s.compile(g)
    w = grad(1.0, 2.0)
    s.call(g, w + 1, w)
    w = grad(1.0, 2.0)
    s.call(g, w * 5, w)
    w = grad(1.0, 2.0)
    s.call(g, w - w * 3, w)
    w = grad(1.0, 2.0)
    s.call(g, -w, w)


def scene_history_of_compiled_results(s: Session) -> None:
    def f(x):
        return (x * 2).exp()

    def g(x):
        y = f(x).sum() * 3
        return y

    f, g = s.compile(f), s.compile(g)

    def h(y, x):
        y.backward()
        return x.grad * 1

    h = s.compile(h)
    for value in (0.1, 0.2, 0.3):
        x = grad(value)
        s.call(h, f(x).sum(), x)
        x = grad(value)
        s.call(h, g(f(x)), x)


def scene_hooks_outside(s: Session) -> None:
    def f(x):
        h = x * 2
        y = h.exp()
        return h, y.sum()

    f = s.compile(f)
    for value in (0.1, 0.2, 0.3):
        seen: list = []
        x = grad(value)
        x.register_hook(lambda g: seen.append(g.item()))  # noqa: B023
        h, y = f(x)
        h.register_hook(lambda g: g * 10)
        h.retain_grad()
        y.backward()
        s.see(x, h, seen)


def scene_hooks_inside(s: Session) -> None:
    seen: list = []

    def f(x, flag):
        h = x * 2
        if flag:
            h.register_hook(lambda g: seen.append("hook"))
        h.retain_grad()
        y = (h * h).sum()
        y.backward()
        return h.grad, y

    f = s.compile(f)
    for flag in (False, True, False, True):
        x = grad(1.0)
        s.call(f, x, flag)
        s.see(x, seen)


def scene_leaf_hooks_run_inside(s: Session) -> None:
    seen: list = []

    def f(x, w):
        y = (x * w).sum()
        y.backward()
        return y

    f = s.compile(f)
    w = grad(1.0)
    s.call(f, T([2.0]), w)
    s.call(f, T([2.0]), w)
    handle = w.register_hook(lambda g: seen.append(float(g)) or g * 10)
    s.call(f, T([3.0]), w)
    s.call(f, T([4.0]), w)
    s.see(seen, w)
    handle.remove()
    s.call(f, T([5.0]), w)
    s.see(seen, w)


def scene_hooks_behind_leaves(s: Session) -> None:
    """Steps of an optimizer in a backward pass: each weight as soon as its gradient is there."""
    seen: list = []

    def step(w):
        seen.append((w.grad.tolist(), torch.is_grad_enabled()))
        with torch.no_grad():
            w -= 0.25 * w.grad
        w.grad = None

    def forward(x, n, w, b):
        for _ in range(n):
            x = torch.tanh(x @ w + b)
        return x.sum()

    def whole(x, n, w, b):
        loss = forward(x, n, w, b)
        loss.backward()
        return loss.detach()

    for backward_inside in (False, True):
        f = s.compile(whole if backward_inside else forward)
        w = torch.eye(2, dtype=torch.float64).requires_grad_()
        b = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        x = torch.tensor([[0.5, 0.25]], dtype=torch.float64)
        for hooked in (False, True, False, True):
            handles = [each.register_post_accumulate_grad_hook(step) for each in (w, b) if hooked]
            for n in (1, 12, 20, 2, 25, 30):
                s.call(f, x, n, w, b)
                s.see(w, b, w.grad, seen)
            for each in handles:
                each.remove()


class Cube(torch.autograd.Function):
    """A user's own operation."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        print("backward")
        return 3 * x**2 * g


def scene_functions_inside(s: Session) -> None:
    def f(x):
        y = Cube.apply(x * 2)
        if y.sum() > 8:
            y = y + 1
        return y.sum()

    f = s.compile(f)
    for value in (0.5, 2.0, 1.0, 0.1):
        s.call(f, grad(value))

    def g(x):
        y = Cube.apply(x).sum()
        y.backward()
        return y, x.grad

    g = s.compile(g)
    for value in (0.5, 2.0):
        s.call(g, grad(value))


def scene_function_before(s: Session) -> None:
    def f(h):
        y = (h * 2).sum()
        y.backward()
        return y

    f = s.compile(f)
    for value in (0.5, 2.0, 1.0):
        x = grad(value)
        s.call(f, Cube.apply(x))
        s.see(x)


def scene_requires_grad_inside(s: Session) -> None:
    def f(x):
        d = x.detach().requires_grad_()
        y = (d * d).sum()
        y.backward()
        return d.grad, d, x.requires_grad

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))
        s.call(f, T([value]))


def scene_unused_inputs(s: Session) -> None:
    def f(x, y, z):
        return (x * 2).sum() + (y.detach() * z).sum()

    f = s.compile(f)
    for value in (1.0, 2.0):
        x, y, z = grad(value), grad(value), grad(value)
        s.call(f, x, y, z)
        out = f(x, y, z)
        s.see(*torch.autograd.grad(out, (x, y, z), allow_unused=True))
        s.attempt(torch.autograd.grad, f(x, y, z), y)


def scene_errors_of_backward(s: Session) -> None:
    def f(x):
        y = x * 2
        y.backward()
        return y

    def g(x):
        y = x.detach().sum()
        y.backward()

    f, g = s.compile(f), s.compile(g)
    for values in ((1.0, 2.0), (1.0,), (3.0, 4.0)):
        s.call(f, grad(*values))
        s.call(g, grad(*values))


def scene_version_error_inside(s: Session) -> None:
    def f(x, flag):
        y = x.exp()
        z = y.sum()
        if flag > 0:
            with torch.no_grad():
                y.add_(1)
        z.backward()
        return z

    f = s.compile(f)
    for flag in (1.0, -1.0, 1.0, -1.0):
        x = grad(0.5)
        s.call(f, x, flag)
        s.see(x)


def scene_no_grad_results(s: Session) -> None:
    def f(x):
        with torch.no_grad():
            y = x * 2
            v = x[0]
        return y, v, x * 3

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, 1.0))
        with torch.no_grad():
            s.call(f, grad(value, 1.0))
        with torch.no_grad():
            r = f(grad(value, 1.0))
        s.see(r)


def scene_gradient_of_views(s: Session) -> None:
    def f(x):
        a, b = x[0], x[1]
        c = (a * b).sum()
        d = x.t().reshape(-1)[1:3].sum()
        return c + d, a, x.view(-1)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([[value, 2.0], [3.0, 4.0]], requires_grad=True))


def scene_leaf_written_between_calls(s: Session) -> None:
    def f(x, w):
        return (x * w).exp().sum()

    f = s.compile(f)
    w = grad(0.1, 0.2)
    for value in (1.0, 2.0, 3.0):
        y = f(T([value, 1.0]), w)
        z = f(T([value, 2.0]), w)
        y.backward()
        with torch.no_grad():
            w.sub_(0.1)
        s.attempt(z.backward)
        s.see(w)


def scene_gradient_flows_on(s: Session) -> None:
    def f(x):
        return x.exp() if x.sum() > 0 else x * 2

    f = s.compile(f)
    for value in (0.5, -0.5, 0.7, -0.3):
        x = grad(value)
        y = f(f(f(x)) * 2)
        y.sum().backward()
        s.see(x, y)


def scene_branches_on_gradients(s: Session) -> None:
    def f(p, x):
        ((p * x) ** 2).sum().backward()
        norm = p.grad.norm().item()
        scale = min(1.0, 1.0 / (norm + 1e-6))
        with torch.no_grad():
            if norm > 1:
                p.grad.mul_(scale)
            p -= 0.1 * p.grad
        p.grad = None
        return norm

    f = s.compile(f)
    p = grad(1.0, 2.0)
    for value in (1.0, 0.01, 2.0, 0.02, 5.0):
        s.call(f, p, T([value, value]))
        s.see(p)


def scene_gradient_stored_outside(s: Session) -> None:
    def f(p, x, store):
        (p * x).sum().backward()
        store["g"] = p.grad
        store["y"] = x * 2
        p.grad = x * 3
        return store["g"]

    f = s.compile(f)
    store: dict = {}
    p = grad(1.0)
    for value in (1.0, 2.0, 3.0):
        s.call(f, p, T([value]), store)
        s.see(p, store)


def scene_momentum(s: Session) -> None:
    class SGD:
        def __init__(self, params, lr):
            self.params = params
            self.lr = lr
            self.buffers = [None] * len(params)

        def step(self):
            with torch.no_grad():
                for i, p in enumerate(self.params):
                    if p.grad is None:
                        continue
                    if self.buffers[i] is None:
                        self.buffers[i] = p.grad.clone()
                    else:
                        self.buffers[i].mul_(0.9).add_(p.grad)
                    p.sub_(self.buffers[i] * self.lr)

        def zero_grad(self):
            for p in self.params:
                p.grad = None

    w, b, unused = grad(1.0, 2.0), grad(0.5), grad(7.0)
    optimizer = SGD([w, b, unused], 0.1)

    def step(x):
        optimizer.zero_grad()
        loss = ((x * w).sum() + b - 1).pow(2).sum()
        loss.backward()
        optimizer.step()
        return loss.item()

    step = s.compile(step)
    for i in range(5):
        s.call(step, T([float(i), 1.0]))
        s.see(w, b, unused, optimizer)
        if i == 3:
            optimizer.lr = 0.05


def scene_second_orders_through_several_calls(s: Session) -> None:
    hooked: list = []

    def f(x, w):
        return (x * w).sin() + x * 0.5

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 0.5):
        x, w = grad(value, -0.5), grad(0.9, 1.5)
        y = f(x, w)
        y.register_hook(lambda g: hooked.append(g.sum().item()))
        z = f(f(y, w), y)
        first = torch.autograd.grad(z.sum(), (x, w, y), create_graph=True)
        s.see(first, hooked)
        s.see(torch.autograd.grad(sum(each.sum() for each in first), (x, w)))
        s.see(hooked)


def scene_one_cotangent_for_two_variables(s: Session) -> None:
    """A sum hands its cotangent to both sides; on another path the two are different ones."""

    def f(x):
        total = 0
        for i in range(4):
            y = x * i
            total = total + (y / 2 if y.sum() > 3 else y)
        return total

    f = s.compile(f)
    for value in (1.0, 1.0, 2.0, 9.0, 2.0, 1.0, -0.5, -0.5, 9.0):
        s.call(f, grad(value, value * 2))


def scene_cotangents_of_other_kinds(s: Session) -> None:
    """What hooks return, and what `grad_outputs` are, may be of any dtype and of many shapes."""

    def line(x, w, n):
        return x * w - 0.25

    def loop(x, w, n):
        for i in range(n):
            x = x * w - 0.25 if i % 3 else (x + w).tanh()
        return x

    f64, f32 = torch.float64, torch.float32
    for f in (s.compile(line), s.compile(loop)):
        for n in (2, 30, 31, 32, 33):
            for x in (T([1.0, 2.0]).to(f64).requires_grad_(), T(0.5).to(f64).requires_grad_()):
                w = T(0.75).to(f64).requires_grad_()
                for dtype in (f64, f32, f64, f32, torch.int64):
                    for hook in (None, lambda g: g.to(f32), lambda g: g[..., :1]):
                        y = s.call(f, x, w, n, backward=False)
                        if hook is not None and y.dim():
                            y.register_hook(hook)
                        given = torch.tensor(2, dtype=dtype).expand(y.shape)
                        s.attempt(torch.autograd.grad, y, (x, w), given)


def scene_selected_from_what_could_be_computed_again(s: Session) -> None:
    """A derivative looks for what was selected: in the same bits, or it finds nothing."""
    selections = (
        lambda x: x.exp().max(),
        lambda x: torch.sigmoid(x * 3 + 1).amin(0),
        lambda x: x.tanh().median(),
        lambda x: x.exp().norm(float("inf")),
        lambda x: torch.maximum(x.exp(), x.exp().max().detach()).sum(),
        lambda x: x.exp().scatter_reduce(0, torch.tensor([0, 0, 1, 1]), x.tanh() * 9, "amax").sum(),
    )
    generator = torch.Generator().manual_seed(0)
    for select in selections:
        for _ in range(8):
            # first calls compute with NumPy what later ones do natively
            f = s.compile(lambda x, select=select: select(x))
            for _ in range(4):
                x = torch.randn(4, generator=generator).requires_grad_()
                s.call(f, x)
                s.see(x.grad)
