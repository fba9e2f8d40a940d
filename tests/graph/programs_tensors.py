"""Scenes of tensors: memory, in-place operations, layouts, dtypes, random numbers."""

from __future__ import annotations

import numpy as np

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_layouts(s: Session) -> None:
    def f(x):
        if x.sum() > 0:
            return (x * 2).sum(), x + 1, x.t()
        return x - 1

    f = s.compile(f)
    base = np.arange(12.0).reshape(3, 4)
    for _ in range(2):
        s.call(f, T(base))
        s.call(f, T(base).t())
        s.call(f, T(base)[:, ::2])
        s.call(f, T(base)[1:])
        s.call(f, T(base[:1]).expand(5, 4))
        s.call(f, T(base).t().requires_grad_())
        s.call(f, T(np.zeros((0, 3))))
        s.call(f, T(base).flip(0))


def scene_zero_dimensional(s: Session) -> None:
    def f(x):
        if x > 0:
            return x * 2, x.sum(), x.reshape(1)
        return x

    f = s.compile(f)
    for value in (1.0, 2.0, -1.0, 3.0):
        s.call(f, T(value, requires_grad=True))
        s.call(f, T([value], requires_grad=True))


def scene_shapes_and_dtypes(s: Session) -> None:
    def f(x):
        return x * 2 + 1, x.shape[0], x.dtype is torch.float32

    f = s.compile(f)
    for dtype in (torch.float32, torch.float64, torch.int64, torch.bool, torch.float32, torch.int8):
        for size in (2, 3, 0):
            s.call(f, torch.ones(size).to(dtype))


def scene_requires_grad_changes(s: Session) -> None:
    def f(x, w):
        y = x * w
        return y, y.requires_grad, x.is_leaf

    f = s.compile(f)
    for _ in range(2):
        s.call(f, T([1.0]), T([2.0]))
        s.call(f, grad(1.0), T([2.0]))
        s.call(f, T([1.0]), grad(2.0))
        s.call(f, grad(1.0) * 2, grad(2.0))
        with torch.no_grad():
            s.call(f, grad(1.0) * 2, grad(2.0))


def scene_in_place_on_fresh(s: Session) -> None:
    def f(x):
        y = x * 2
        y.add_(x)
        y *= 3
        if y.sum() > 5:
            y[0] = 7.0
        y += 1
        return y

    f = s.compile(f)
    for value in (1.0, 0.1, 2.0, 0.2):
        s.call(f, grad(value, value))
        s.call(f, T([value, value]))


def scene_in_place_on_argument(s: Session) -> None:
    def f(x, y):
        x.add_(y)
        if x.sum() > 3:
            x.mul_(2)
        x[0] = 5.0
        return x, x * 1

    f = s.compile(f)
    for value in (1.0, 2.0, 0.5, 3.0):
        x = T([value, 1.0])
        s.call(f, x, T([1.0, 1.0]))
        s.call(f, x, x)
        s.call(f, x, x[:1])


def scene_in_place_on_argument_with_history(s: Session) -> None:
    def f(x, y):
        x.mul_(y)
        return x.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        leaf = grad(value)
        x = leaf * 2
        s.call(f, x, grad(3.0))
        s.see(leaf, x)
        s.call(f, leaf, grad(3.0))
        plain = T([value])
        s.call(f, plain, grad(3.0))
        s.see(plain)


def scene_in_place_on_views(s: Session) -> None:
    def f(x):
        y = x * 1
        v = y[0]
        v.add_(10)
        y[1].mul_(2)
        w = y.view(-1)
        w[3] = -1.0
        return y, v, w

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([[value, 2.0], [3.0, 4.0]], requires_grad=True))
        s.call(f, T([[value, 2.0], [3.0, 4.0]]))


def scene_overlapping_arguments(s: Session) -> None:
    def f(x, y):
        x.add_(y)
        z = y * 2
        y.sub_(1)
        return x + y, z

    f = s.compile(f)
    for _ in range(2):
        base = torch.arange(6.0)
        s.call(f, base[:4], base[2:])
        s.call(f, base[2:], base[:4])
        s.call(f, base[:4], base[:4])
        s.call(f, base[1:5], base[:4])
        s.call(f, torch.ones(4), torch.ones(4))
        x = torch.ones(4)
        s.call(f, x, x)
        s.call(f, x, x.detach())
        s.call(f, x, x.data)
        s.see(base, x)


def scene_numpy_memory_shared(s: Session) -> None:
    def f(x, y):
        x.add_(1)
        z = y * 2
        x.mul_(2)
        return z, y + 0

    f = s.compile(f)
    for _ in range(3):
        memory = np.arange(6.0)
        s.call(f, torch.from_numpy(memory[:4]), torch.from_numpy(memory[2:]))
        s.see(memory)
        other = np.arange(4.0)
        s.call(f, torch.from_numpy(other), torch.from_numpy(np.arange(4.0)))
        x = torch.arange(4.0)
        s.call(f, x, torch.from_numpy(x.numpy()))
        s.see(x, other)


def scene_captured_tensor(s: Session) -> None:
    w = T([1.0, 2.0])
    p = grad(3.0, 4.0)

    def f(x):
        w.add_(1)
        return (x * w * p).sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, value))
        s.see(w, p)


def scene_detach_and_data(s: Session) -> None:
    def f(x):
        y = x.exp()
        d = y.detach()
        e = y.data
        z = y * d
        for _ in range(2):
            z = z.detach() * y
        return y, d, e, z

    f = s.compile(f)
    for value in (0.1, 0.2, 0.3):
        y, d, e, _ = s.call(f, grad(value, 1.0), backward=False)
        e.zero_()
        s.see(y, d, e)
        s.backward(y)
        x = grad(value, 1.0)
        y, d, e, _ = f(x)
        d.zero_()
        s.see(y, d, e)
        s.attempt(y.sum().backward)
        s.see(x)


def scene_data_of_argument(s: Session) -> None:
    def f(x):
        return x.data, (x * 2).sin()

    f = s.compile(f)
    for value in (0.1, 0.2, 0.3):
        x = grad(value, 1.0)
        d, y = s.call(f, x, backward=False)
        d.add_(1)
        s.see(x, d, y)
        s.backward(y)
        s.see(x)

    def g(x, y):
        x.add_(1)
        return y * 2, x

    g = s.compile(g)
    for _ in range(3):
        x = T([1.0, 2.0])
        d, _ = f(x)
        s.call(g, d, x)
        s.call(g, x, d)


def scene_modified_between_forward_and_backward(s: Session) -> None:
    def f(x, w):
        return (x * w).sum(), (x * 2).sin().sum(), x.exp().sum()

    f = s.compile(f)
    for value in (0.1, 0.2, 0.3, 0.4):
        for at in range(3):
            leaf, w = grad(value, 1.0), grad(2.0, 3.0)
            x = leaf * 1
            results = f(x, w)
            with torch.no_grad():
                x.add_(5)
            s.attempt(results[at].backward)
            s.see(leaf, x, w)
            x, w = grad(value, 1.0), grad(2.0, 3.0)
            results = f(x, w)
            x.data.add_(5)
            s.attempt(results[at].backward)
            s.see(x, w)
            memory = np.array([value, 1.0])
            x = torch.from_numpy(memory).requires_grad_()
            results = f(x, w)
            memory += 5
            s.attempt(results[at].backward)
            s.see(x, w)


def scene_compiled_write_between(s: Session) -> None:
    def f(x):
        return (x * 2).sin().sum()

    def g(x):
        x.add_(1)

    f, g = s.compile(f), s.compile(g)
    for value in (0.1, 0.2, 0.3):
        leaf = grad(value, 1.0)
        x = leaf * 1
        y = f(x)
        with torch.no_grad():
            g(x)
        s.attempt(y.backward)
        s.see(leaf, x)


def scene_result_modified_before_backward(s: Session) -> None:
    def f(x):
        y = x.exp()
        z = y * 2
        w = y + 1
        return y, z, w.sin(), w

    f = s.compile(f)
    for value in (0.1, 0.2, 0.3):
        for at in range(4):
            for written in (0, 1, 3):
                x = grad(value, 1.0)
                results = f(x)
                with torch.no_grad():
                    results[written].mul_(3)
                s.attempt(results[at].sum().backward)
                s.see(x, *results)


def scene_fresh_overwritten(s: Session) -> None:
    def f(x, flag):
        y = x.exp()
        z = (y * y).sum()
        with torch.no_grad():
            y.mul_(2)
        if flag > 0:
            return z
        return z, y

    f = s.compile(f)
    for flag in (1.0, -1.0, 1.0, -1.0):
        s.call(f, grad(0.5, 1.0), flag)


def scene_stored_then_modified(s: Session) -> None:
    class Box:
        pass

    def f(box, x, w):
        h = x * 2
        box.h = h
        if h.sum() > 0:
            y = (h * w).sum()
        else:
            y = (h * w * w).sum()
        z = (h + 1).sin() * w
        return y, z.sum()

    f = s.compile(f)
    box = Box()
    for value in (0.1, 0.2, -0.3, 0.4, -0.5):
        for at in range(2):
            w = grad(2.0, 3.0)
            results = s.call(f, box, T([value, value]), w, backward=False)
            box.h.add_(1)
            s.attempt(results[at].backward)
            s.see(w, box)


def scene_versions_of_stored(s: Session) -> None:
    class Box:
        pass

    def f(box, x):
        y = x * 2
        y.add_(1)
        box.y = y
        y.mul_(2)
        if y.sum() > 0:
            y.add_(1)
        return y

    f = s.compile(f)
    box = Box()
    for value in (0.1, 0.2, -9.0, 0.3, -8.0):
        s.call(f, box, T([value, 1.0]))
        s.see(box)


def scene_views_of_arguments_kept(s: Session) -> None:
    def f(x, y):
        v = x[0]
        x[0] = y
        return v * 2, v, x.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, torch.ones(2, 2), T([value, value]))


def scene_data_dependent_shapes(s: Session) -> None:
    def f(x):
        y = x * 2
        z = y[y > 2]
        if z.numel() > 1:
            return z.sum(), z
        return y.masked_select(y < 0), y.nonzero()

    f = s.compile(f)
    for values in ((1.0, 2.0, 3.0), (0.0, 0.5, -1.0), (3.0, 4.0, 5.0), (-1.0, -2.0, 9.0)):
        s.call(f, grad(*values))


def scene_indexing(s: Session) -> None:
    def f(x, i, index, mask):
        a = x[i]
        b = x[index]
        c = torch.where(mask, x, -x)
        d = x[i : i + 2]
        e = x[..., None, -1]
        return a, b, c, d, e

    f = s.compile(f)
    for i, index in ((0, [0, 1]), (1, [1, 1]), (0, [2, 0]), (1, [0, 1])):
        x = T([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
        s.call(f, x, i, T(index), T([True, False]))


def scene_tensor_as_index(s: Session) -> None:
    def f(x, i, items):
        return x[i], items[i], [10, 20, 30][i]

    f = s.compile(f)
    for i in (0, 2, 1, 0, 5, 2):
        s.call(f, grad(1.0, 2.0, 3.0), T(i), [T([1.0]), "b", 3])


def scene_random(s: Session) -> None:
    def f(x, flag):
        y = x * torch.rand(3)
        z = torch.randn(3)
        if y.sum() > flag:
            z = z + torch.rand(3)
        return torch.dropout(y, 0.5, True) + z

    f = s.compile(f)
    torch.manual_seed(3)
    for flag in (0.0, 1.5, 9.0, 0.0, 1.5, 1.5):
        s.call(f, grad(1.0, 2.0, 3.0), flag)
        s.see(torch.rand(2))


def scene_seed_inside(s: Session) -> None:
    def f(x):
        torch.manual_seed(5)
        return x * torch.rand(2)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        torch.rand(1)
        s.call(f, grad(value, value))
        s.see(torch.rand(2))


def scene_random_after_write(s: Session) -> None:
    def f(x, index):
        y = torch.rand(3)
        x.add_(y)
        z = torch.rand(3)
        return x.index_select(0, index) + z[0]

    f = s.compile(f)
    for index in (0, 1, 9, 1, 2):
        s.call(f, torch.zeros(3), T([index]))
        s.see(torch.rand(1))


def scene_values_returned_by_methods(s: Session) -> None:
    def make(name):
        def f(x):
            found = getattr(x, name)()
            return found, 1

        return f

    def direct(x):
        return (
            x.tolist(), x.is_contiguous(), x.stride(), x.storage_offset(), x.numel(), x.dim(),
            x.element_size(), x._version, x.nelement(), repr(x), str(x), f"{x}",
        )  # fmt: skip

    f = s.compile(direct)
    for value in (1, 2, 3):
        s.call(f, T([[value, 2], [3, 4]]))
        s.call(f, T([[value, 2], [3, 4]])[1:])
        s.call(f, T([[value, 2], [3, 4]])[:1])
        s.call(f, T([[float(value), 2], [3, 4]], requires_grad=True))
    x = T([1.0, 2.0])
    for _ in range(3):
        x.add_(1)
        s.call(f, x)
    for name in ("tolist", "storage_offset", "__repr__", "sum", "nonzero", "is_nonzero", "unique"):
        g = s.compile(make(name))
        for value in (1, 2, 1, 3):
            s.call(g, T([value]))
            s.call(g, T([0, value, value])[1:])


def scene_equal_and_allclose(s: Session) -> None:
    def f(x, y):
        return torch.equal(x, y), torch.allclose(x, y), x.equal(y)

    f = s.compile(f)
    for value in (1.0, 2.0, 1.0, 3.0):
        s.call(f, T([1.0]), T([value]))


def scene_default_dtype(s: Session) -> None:
    def f(x):
        y = torch.ones(2)
        torch.set_default_dtype(torch.float64)
        z = torch.ones(2)
        torch.set_default_dtype(torch.float32)
        return y, z, x * 2

    def g():
        return torch.ones(2)

    f, g = s.compile(f), s.compile(g)
    for dtype in (torch.float32, torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        s.call(g)
        torch.set_default_dtype(torch.float32)
        s.call(f, grad(1.0))
    torch.set_default_dtype(torch.float32)

    def h(x):
        torch.set_default_dtype(torch.float64)
        return x * 2

    h = s.compile(h)
    for _ in range(3):
        s.call(h, grad(1.0))
        s.see(torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)


def scene_tensor_from_numbers(s: Session) -> None:
    def f(x, lr, n):
        a = torch.tensor([lr, 1.0, n])
        b = torch.full((2,), lr)
        c = torch.tensor(x.sum().item())
        return a, b, c, torch.as_tensor(lr), torch.zeros_like(x) + lr

    f = s.compile(f)
    for lr in (0.1, 0.2, 0.3):
        for n in (1, 2):
            s.call(f, grad(lr), lr, n)


def scene_made_with_requires_grad(s: Session) -> None:
    def f(x):
        w = torch.ones(2, requires_grad=True)
        y = (x * w).sum()
        y.backward()
        return w, w.grad

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value, 1.0]))


def scene_user_attributes_on_tensors(s: Session) -> None:
    def f(x):
        y = x * x.scale
        y.tag = "made"
        return y, y.tag

    f = s.compile(f)
    for scale in (1.0, 2.0, 3.0):
        x = grad(1.0)
        x.scale = scale
        s.call(f, x)


def scene_tensor_subclass(s: Session) -> None:
    calls = []

    class Loud(torch.Tensor):
        def __add__(self, other):
            calls.append("add")
            return torch.Tensor.__mul__(self, other)

        def double(self):
            calls.append("double")
            return self * 2

    def f(x, y):
        return x + y, x.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        x = Loud([value, 2.0])
        s.call(f, x, T([5.0, 5.0]))
        s.call(f, T([value, 2.0]), T([5.0, 5.0]))
        s.see(calls)


def scene_numpy_arguments(s: Session) -> None:
    def f(x, array):
        y = torch.from_numpy(array)
        return x * y, array * 2, array.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(1.0), np.array([value], np.float32))
        s.call(f, grad(1.0), np.array([value, 4.0], np.float32))


def scene_unpack_and_iterate(s: Session) -> None:
    def f(x):
        a, b = x
        total = a * 0
        for i, row in enumerate(x):
            total = total + row * i
        first, *rest = [a, b, total]
        return first, rest, len(x), list(x)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([[value, 2.0], [3.0, 4.0]], requires_grad=True))
    s.call(f, torch.ones(3, 2))


def scene_broadcast_and_promotion(s: Session) -> None:
    def f(x, y):
        return x + y, x * y, x / 2, x // 2, x > y, x % 3, 2**x, x.sum(), x == y

    f = s.compile(f)
    for one, other in (
        (T([1, 2, 3]), T([[1.5], [2.5]])),
        (T([1.0, 2.0]), T(3)),
        (T([1, 2]), T(2.5)),
        (T([True, True]), T([1, 2])),
        (T([1, 2, 3]), T([[4.5], [2.5]])),
        (T([1.0, 2.0]), T(5)),
    ):
        s.call(f, one, other)


def scene_versions_of_data_that_is_written(s: Session) -> None:
    def f(x, y):
        a = x * 1
        shown = a.data
        with torch.no_grad():
            shown.add_(1)
        a += y
        a += y
        return shown, a

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value], requires_grad=True), T([0.5], requires_grad=True), backward=False)
