"""Scenes of control flow: branches, loops, results, exceptions.

Functions with `assert` live here and not in test modules, whose asserts pytest rewrites.
"""

# what ruff would write otherwise is what is tested
# ruff: noqa: C417, UP031, UP032

from __future__ import annotations

import contextlib
import math

import jitgrad as torch
from tests.graph.agreement import Session

T = torch.tensor


def grad(*values: float) -> torch.Tensor:
    """Return a leaf that requires grad."""
    return T(list(values), requires_grad=True)


def scene_branch_on_sign(s: Session) -> None:
    def f(x):
        if x.sum() > 0:
            return x * 2
        return x * 3 - 1

    f = s.compile(f)
    for value in (1.0, 2.0, -1.0, 1.5, -2.0, 0.0, float("nan"), 3.0, float("inf")):
        s.call(f, grad(value, 1.0))


def scene_branch_tree(s: Session) -> None:
    def f(x, y):
        if x.sum() > 0:
            z = x * y
            if y.sum() > 0:
                z = z + x
            elif y.sum() > -10:
                z = z - x
            else:
                return y
        else:
            z = y.exp()
        if z.sum() > 3:
            z = z * 2
        return z

    f = s.compile(f)
    for a, b in ((1, 1), (1, -1), (1, -20), (-1, 1), (1, 1), (5, 5), (1, -1), (-1, 9), (1, -20)):
        s.call(f, grad(float(a)), grad(float(b)))


def scene_while(s: Session) -> None:
    def f(a):
        b = a * 2
        while b.norm() < 1000:
            b = b * 2
        c = b if b.sum() > 0 else 100 * b
        return c

    f = s.compile(f)
    for value in (1.5, 1.5, -3.0, 0.001, 900.0, 1.5, -0.002, 1e-9, 501.0, 1e-9):
        s.call(f, grad(value))


def scene_while_many_trips(s: Session) -> None:
    def f(x, n):
        count = 0
        while x.sum() < n:
            x = x + 1
            count += 1
        return x, count

    f = s.compile(f)
    for start, limit in ((0.0, 0.0), (0.0, 1.0), (0.0, 7.0), (0.0, 100.0), (0.0, 3.0), (5.0, 2.0)):
        s.call(f, grad(start), limit)


def scene_nested_loops(s: Session) -> None:
    def f(x):
        total = x * 0
        for i in range(3):
            y = x + i
            while y.sum() < 5:
                y = y * 2
                for j in (1, 2):
                    if y.sum() > 50 * j:
                        break
                    y = y + j
                else:
                    total = total + 1
            total = total + y
        return total

    f = s.compile(f)
    for value in (1.0, 1.0, 4.0, 0.1, 100.0, 0.1, 2.5):
        s.call(f, grad(value))


def scene_break_continue_else(s: Session) -> None:
    def f(x, limit):
        seen = []
        for i in range(6):
            if i % 2:
                continue
            x = x + i
            if x.sum() > limit:
                break
            seen.append(x)
        else:
            return x, seen, "no break"
        return x, seen, "break"

    f = s.compile(f)
    for value, limit in ((0.0, 3.0), (0.0, 100.0), (0.0, 1.0), (5.0, 3.0), (0.0, 3.0)):
        s.call(f, grad(value), limit)


def scene_early_return(s: Session) -> None:
    def f(x, flag):
        if flag:
            return None
        y = x.sin()
        if y.sum() > 0.5:
            return y, 1
        for _ in range(2):
            y = y + 0.1
            if y.sum() > 0.4:
                return [y]
        return {"y": y, "x": x}

    f = s.compile(f)
    for value, flag in ((1.0, False), (0.1, False), (0.3, True), (0.25, False), (-1.0, False)):
        s.call(f, grad(value), flag)
        s.call(f, grad(value), flag)


def scene_returns_argument(s: Session) -> None:
    def f(x, y):
        if (x * y).sum() > 0:
            return x
        return y, x, y

    f = s.compile(f)
    for a, b in ((1.0, 1.0), (1.0, -1.0), (2.0, 1.0), (1.0, -3.0)):
        s.call(f, grad(a), T([b]))


def scene_returns_views(s: Session) -> None:
    def f(x):
        return x.t(), x[0], x.view(-1), x[:, 1:].t()

    f = s.compile(f)
    for _ in range(3):
        x = T([[1.0, 2.0], [3.0, 4.0]])
        a, b, c, d = s.call(f, x)
        a.add_(1)
        s.see(x, a, b, c, d)
        s.call(f, T([[1.0, 2.0], [3.0, 4.0]], requires_grad=True))


def scene_same_tensor_twice_in_result(s: Session) -> None:
    def f(x):
        y = x * 2
        return y, y, (y, [y, y])

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_dependent_outputs(s: Session) -> None:
    def f(x):
        h = x.exp()
        y = (h * h).sum()
        return h, y

    f = s.compile(f)
    for value in (0.5, 1.0, 2.0):
        x = grad(value, 1.0)
        h, y = s.call(f, x, backward=False)
        s.see(*torch.autograd.grad(y, h, retain_graph=True))
        s.see(*torch.autograd.grad(y, x, retain_graph=True))
        y.backward()
        s.see(x, h)
        s.attempt(h.sum().backward)
        s.see(x)


def scene_disjoint_outputs(s: Session) -> None:
    def f(x, y):
        return x.exp().sum(), y.sin().sum(), (x * y).sum()

    f = s.compile(f)
    for value in (0.5, 1.0, 2.0):
        x, y = grad(value), grad(value + 1)
        a, b, c = s.call(f, x, y, backward=False)
        a.backward()
        s.see(x, y)
        b.backward()
        s.see(x, y)
        s.attempt(a.backward)
        s.attempt(b.backward)
        c.backward()
        s.see(x, y)
        s.attempt(torch.autograd.grad, c, x)


def scene_shared_prefix(s: Session) -> None:
    def f(x):
        h = x.exp()
        return (h * 2).sum(), (h * h).sum()

    f = s.compile(f)
    for value in (0.5, 1.0):
        x = grad(value)
        a, b = f(x)
        a.backward()
        s.see(x)
        s.attempt(b.backward)
        s.see(x)
        x = grad(value)
        a, b = f(x)
        a.backward(retain_graph=True)
        b.backward()
        s.see(x)


def scene_result_structures(s: Session) -> None:
    def f(x, kind):
        if kind == "none":
            return None
        if kind == "tuple":
            return (x * 1,)
        if kind == "nested":
            return {"a": [x + 1, (x + 2, None)], "b": {"c": 3, "d": "text"}, 5: True}
        if kind == "empty":
            return (), [], {}
        if kind == "number":
            return 3, 2.5, -0.0, 1e300, "s", b"b", ...
        return x.shape, x.dtype, x.ndim, len(x), x.size(0)

    f = s.compile(f)
    for kind in ("none", "tuple", "nested", "empty", "number", "meta", "nested", "tuple", "none"):
        for value in (1.0, 2.0):
            s.call(f, grad(value, 2.0), kind)


def scene_results_are_new_each_call(s: Session) -> None:
    def f(x):
        return [x], {"k": torch.ones(2)}, torch.zeros(3), torch.arange(4)

    f = s.compile(f)
    for _ in range(3):
        a, b, c, d = s.call(f, T([1.0]))
        a.append(1)
        b["n"] = 2
        b["k"].add_(5)
        c += 7
        d += 1
        s.see(a, b, c, d)


def scene_exceptions(s: Session) -> None:
    def f(x, name):
        y = x * 2
        if y.sum() > 10:
            raise ValueError(f"too large: {name}")
        assert y.sum() > -10, "too small"
        if name == "key":
            return {"a": 1}[name]
        if name == "deep":
            return deep(y, 3)
        return y

    f = s.compile(f)
    for value, name in ((1, "a"), (9, "a"), (1, "a"), (-9, "b"), (9, "c"), (1, "key"), (1, "deep")):
        s.call(f, grad(float(value)), name)
        s.call(f, grad(float(value)), name)


def deep(x, n):
    if n == 0:
        return x.view(7, 9)
    return deep(x + 1, n - 1)


def scene_try_except_finally(s: Session) -> None:
    def f(x, log):
        try:
            y = x.sum()
            if y > 5:
                raise KeyError("big")
            y = y * 2
        except KeyError as error:
            log.append(repr(error))
            y = x.sum() * 100
        else:
            log.append("fine")
        finally:
            log.append("finally")
        return y

    f = s.compile(f)
    log: list = []
    for value in (1.0, 9.0, 2.0, 8.0, 1.0):
        s.call(f, grad(value), log)


def scene_raising_operations_caught(s: Session) -> None:
    def f(x, y):
        try:
            return x.mm(y)
        except RuntimeError:
            return x + 1

    f = s.compile(f)
    for size in (2, 3, 2, 3):
        s.call(f, torch.ones(2, 2), torch.ones(size, 2))


def scene_index_out_of_range_after_write(s: Session) -> None:
    def f(x, index):
        x.add_(1)
        return x.index_select(0, index)

    f = s.compile(f)
    for index in (0, 1, 5, 1, 7, 0):
        s.call(f, torch.ones(3), T([index]))


def scene_index_out_of_range_after_store(s: Session) -> None:
    def f(d, x, index):
        d["before"] = x
        y = x * 2
        if y.sum() > 0:
            y.add_(1)
        d["y"] = y
        z = y.index_select(0, index)
        y.mul_(3)
        return z.index_select(0, index)

    f = s.compile(f)
    d: dict = {}
    for index in (0, 1, 5, 0, 7, 0, 2):
        s.call(f, d, torch.ones(3), T([index]))
        s.see(d)


def scene_division_by_zero(s: Session) -> None:
    def f(x, a, b):
        c = a / b
        return x * c, a // b, math.sqrt(a)

    f = s.compile(f)
    for a, b in ((1.0, 2.0), (1.0, 0.0), (3.0, 4.0), (-1.0, 1.0), (0.0, 0.0), (2.0, 2.0)):
        s.call(f, grad(1.0), a, b)


def scene_complex_power(s: Session) -> None:
    def f(x, a):
        return x * a**0.5

    f = s.compile(f)
    for a in (4.0, 9.0, -1.0, 2.0):
        s.call(f, grad(1.0), a)


def scene_overflow(s: Session) -> None:
    def f(x, a):
        return x * math.exp(a), a**3.0

    f = s.compile(f)
    for a in (1.0, 2.0, 1e5, 1e200, float("inf"), float("nan"), 0.5):
        s.call(f, grad(1.0), a)


def scene_float_arguments(s: Session) -> None:
    def f(x, lr, momentum=0.9, *, scale=2.0):
        rate = lr * scale / (1 - momentum)
        if rate > 1:
            rate = 1.0
        y = x * rate + min(lr, momentum) - max(lr, 0.5) + abs(-lr)
        return y.clamp(min=lr), rate, -lr, lr == momentum, isinstance(lr, float)

    f = s.compile(f)
    for lr in (0.1, 0.01, 0.5, 0.9, -0.0, 0.0, 1e-3, float("nan"), float("inf")):
        s.call(f, grad(1.0, -1.0), lr)
        s.call(f, grad(1.0, -1.0), lr, lr, scale=lr)
    if s.compiled:
        assert s.functions[0].explain().traces <= 12


def scene_number_kinds(s: Session) -> None:
    def f(x, n):
        return x * n, n, type(n), isinstance(n, int), n + 1

    f = s.compile(f)
    for n in (1, 1.0, True, 2, 0, 0.0, False, -0.0, 1, 10**30, True):
        s.call(f, grad(1.0, 2.0), n)


def scene_item(s: Session) -> None:
    def f(x, i):
        a = x.sum().item()
        if a > 2:
            a = a * 2
        n = int(i)
        for _ in range(n):
            a = a + float(x[0])
        return x * a, a, n, bool(i), i.item()

    f = s.compile(f)
    for value, i in ((1.0, 1), (2.0, 3), (0.5, 0), (1.0, 1), (2.0, 1), (9.0, 3)):
        s.call(f, grad(value, 0.5), T(i))


def scene_int_of_float_tensor(s: Session) -> None:
    def f(x):
        return int(x), [0, 10, 20, 30][int(x)], math.floor(x.item())

    f = s.compile(f)
    for value in (1.5, 2.5, 1.5, -0.5, 0.0, -0.0, 3.7, 9.0):
        s.call(f, T(value))
    s.call(f, T(float("nan")))
    s.call(f, T(float("nan")))


def scene_identity_tests(s: Session) -> None:
    def f(x, y=None, scale=None):
        if y is None:
            y = x + 1
        same = x is y
        if scale is not None:
            x = x * scale
        return x * y, same, y is x, None is scale

    f = s.compile(f)
    x = grad(2.0)
    s.call(f, x)
    s.call(f, x, x)
    s.call(f, x, grad(2.0))
    s.call(f, x, None, 2.0)
    s.call(f, x, None, 3.0)
    s.call(f, x, x, 3.0)
    s.call(f, x, scale=4.0)
    s.call(f, x, x)


def scene_with_blocks(s: Session) -> None:
    def f(x, flag):
        with torch.no_grad():
            a = x * 2
            with torch.enable_grad():
                b = x * 3
                if flag:
                    return a, b, torch.is_grad_enabled()
            c = x * 4
        with torch.set_grad_enabled(not flag), contextlib.nullcontext():
            d = x * 5
        return a, b, c, d, torch.is_grad_enabled()

    f = s.compile(f)
    for flag in (False, True, False, True):
        s.call(f, grad(1.0), flag)
        with torch.no_grad():
            s.call(f, grad(1.0), flag)


def scene_user_context(s: Session) -> None:
    class Context:
        def __init__(self, log):
            self.log = log

        def __enter__(self):
            self.log.append("in")
            return self

        def __exit__(self, kind, error, entries):
            self.log.append(("out", kind and kind.__name__))
            return kind is KeyError

    def f(x, context):
        with context as c:
            y = x * 2
            if y.sum() > 4:
                raise KeyError
            if y.sum() < -4:
                raise ValueError("small")
            return y, c
        return x

    f = s.compile(f)
    context = Context([])
    for value in (1.0, 3.0, -3.0, 1.0, 3.0):
        s.call(f, grad(value), context)


def scene_grad_mode_survives(s: Session) -> None:
    def f(x, value):
        torch.set_grad_enabled(False)
        y = x * 2
        if value > 1:
            raise ValueError("off")
        if y.sum() > 0:
            torch.set_grad_enabled(True)
        return y, x * 2

    f = s.compile(f)
    for value, sign in ((0.0, 1.0), (0.0, -1.0), (2.0, 1.0), (0.0, 1.0), (2.0, 1.0), (0.0, -1.0)):
        s.call(f, grad(sign), value)
        s.see(torch.is_grad_enabled())
        torch.set_grad_enabled(True)


def scene_recursion(s: Session) -> None:
    def f(x, n):
        if n == 0 or x.sum() > 100:
            return x
        return f(x * 2, n - 1) + x

    f = s.compile(f)
    for value, n in ((1.0, 3), (1.0, 5), (40.0, 5), (1.0, 3), (90.0, 1)):
        s.call(f, grad(value), n)


def scene_compiled_calls_compiled(s: Session) -> None:
    def g(x, k):
        if x.sum() > 0:
            return x * k
        return x - k

    g = s.compile(g)

    def f(x):
        y = g(x, 2.0)
        print("in f")
        return g(y, 3.0) + g(-y, 1.0)

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -3.0):
        s.call(f, grad(value))
        s.call(g, grad(value), 4.0)


def scene_generators(s: Session) -> None:
    def numbers(x, n):
        for i in range(n):
            yield x * i

    def f(x):
        total = x * 0
        for each in numbers(x, 3):
            total = total + each
        return total, sum(y for y in [x, x * 2]), list(map(lambda y: y + 1, [x, x]))

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_a_generator_itself(s: Session) -> None:
    def f(x):
        yield x * 2
        yield x * 3

    f = s.compile(f)
    for value in (1.0, 2.0):
        s.see(list(f(grad(value))))


def scene_match_statement(s: Session) -> None:
    def f(x, what):
        match what:
            case "double":
                return x * 2
            case (a, b):
                return x * a + b
            case {"scale": k}:
                return x * k
            case _:
                return x

    f = s.compile(f)
    for what in ("double", (2.0, 3.0), {"scale": 4.0}, 7, (5.0, 6.0), "double"):
        s.call(f, grad(1.0), what)


def scene_string_formatting(s: Session) -> None:
    def f(x, n, rate):
        name = f"n={n:03d} {n!r} {'a' + 'b'}" + "%d" % n + "{}".format(n) + str(n)
        return x * n, name, f"{rate:.3f}", "x".upper().join(["a", "b"]), f"{x.sum().item():.2f}"

    f = s.compile(f)
    for n, rate in ((1, 0.5), (1, 0.25), (2, 0.5), (1, 0.75)):
        s.call(f, grad(1.0 + rate), n, rate)


def scene_wrong_arguments(s: Session) -> None:
    def f(x, y, *, z=1):
        return x + y + z

    f = s.compile(f)
    s.call(f, grad(1.0))
    s.call(f, grad(1.0), 2.0)
    s.call(f, grad(1.0), 2.0, 3.0)
    s.call(f, grad(1.0), 2.0, w=1)
    s.call(f, grad(1.0), y=2.0, z=3.0)
    s.call(f, y=grad(1.0), x=2.0)
    s.call(f, x=2.0, y=grad(1.0))


def scene_varying_call_forms(s: Session) -> None:
    def f(*args, **kwargs):
        total = args[0] * len(args)
        for each in args[1:]:
            total = total + each
        for name, value in kwargs.items():
            total = total * value if name == "scale" else total + value
        return total, args, kwargs, list(kwargs)

    f = s.compile(f)
    x = grad(1.0)
    for _ in range(2):
        s.call(f, x)
        s.call(f, x, 2.0)
        s.call(f, x, x, scale=2.0)
        s.call(f, x, scale=3.0, shift=1.0)
        s.call(f, x, shift=3.0, scale=1.0)
