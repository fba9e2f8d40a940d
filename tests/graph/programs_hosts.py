"""Scenes in which Python acts in the middle of a call, and the rest goes on natively."""

from __future__ import annotations

import logging
import random
import time
from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_print_between(s: Session) -> None:
    def f(x, name):
        y = x * 2
        print("first", name, y.detach().numpy().tolist())
        z = y * x
        print("second", end="!")
        return z + y

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 4.0):
        s.call(f, grad(value, -value), "a")
        s.call(f, grad(value), f"name {value}")


def scene_host_call_in_a_loop(s: Session) -> None:
    seen: list = []

    def f(x, n):
        for i in range(n):
            x = x * 1.5
            seen.append(f"{i}")
            if x.sum() > 20:
                seen.append("stop")
                break
        return x, len(seen)

    f = s.compile(f)
    for n in (0, 1, 2, 5, 9, 9, 3):
        s.call(f, grad(1.0, 2.0), n)
        s.see(seen)


def scene_random_module(s: Session) -> None:
    random.seed(3)

    def f(x):
        y = x * random.random()
        if random.random() > 0.5:
            y = y + 1
        return y * random.randint(1, 4)

    f = s.compile(f)
    for value in range(12):
        s.call(f, grad(float(value)))


def scene_clock(s: Session) -> None:
    def f(x):
        begun = time.perf_counter()
        y = x.exp()
        taken = time.perf_counter() - begun
        return y, taken >= 0, taken < 60

    f = s.compile(f)
    for value in range(4):
        s.call(f, grad(float(value)))


def scene_logs(s: Session) -> None:
    records: list = []

    class Kept(logging.Handler):
        def emit(self, record):
            # who has called is told, too
            records.append((record.getMessage(), record.levelno, record.funcName, record.lineno))

    logger = logging.Logger("scene_logs", logging.INFO)
    logger.addHandler(Kept())

    def halved(x):
        logger.log(logging.INFO, "halved")
        return x / 2

    def f(x, n):
        for i in range(n):
            logger.debug("turn %d", i)
            if x.sum() > 2:
                logger.warning("sum %.1f", x.sum().item())
                x = halved(x)
            x = x + 1
        try:
            return x * (6 // (n - 3))
        except ZeroDivisionError:
            logger.exception("three")
            return x

    f = s.compile(f)
    for level in (logging.INFO, logging.DEBUG, logging.ERROR, logging.INFO):
        logger.setLevel(level)
        for n in (1, 2, 5, 5, 3, 5):
            s.call(f, grad(1.0), n)
            s.see(records)


def scene_data_dependent_shape(s: Session) -> None:
    def f(x):
        positive = x[x > 0]
        y = (positive * 2).sum()
        n = len(positive)
        return y * x, n, torch.nonzero(x).shape[0]

    f = s.compile(f)
    for row in ([1.0, -1.0], [1.0, 2.0], [-1.0, -2.0], [1.0, 0.0], [3.0, 5.0], [0.0, 0.0]):
        s.call(f, grad(*row))
    for n in range(1, 12):
        s.call(f, grad(*[float(i % 3 - 1) for i in range(n)]))


def scene_callback_changes_the_surroundings(s: Session) -> None:
    box = SimpleNamespace(scale=2.0, n=0, w=grad(1.0))
    actions: list = []

    def f(x):
        y = x * box.scale * box.w
        actions[-1]()
        return y * box.scale + box.w * box.n

    f = s.compile(f)

    def double() -> None:
        box.scale *= 2

    def count() -> None:
        box.n += 1

    def replace() -> None:
        box.w = grad(3.0)

    def write() -> None:
        with torch.no_grad():
            box.w.mul_(0.5)

    for action in (double, count, count, replace, write, double, replace, write):
        actions.append(action)
        s.call(f, grad(1.5))
        s.see(box)


def scene_host_call_writes_to_what_was_computed(s: Session) -> None:
    kept: list = []

    def f(x):
        y = x * 2
        kept.append(y)
        z = y * y
        kept[-1].add_(1)
        return z + y

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        # the saved y is written: backward raises in both
        s.call(f, grad(value))
        s.see(kept)


def scene_user_function(s: Session) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.save_for_backward(x)
            ctx.k = k
            return x * k

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * ctx.k + x * 0, None

    def f(x, k):
        y = x.exp()
        for _ in range(3):
            y = Twice.apply(y, k) - 1
        return y * x

    f = s.compile(f)
    for k in (1.0, 2.0, 3.0):
        s.call(f, grad(0.5, 1.0), k)


def scene_tensor_hooks(s: Session) -> None:
    seen: list = []

    def f(x):
        y = x * 3
        y.register_hook(lambda g: seen.append(g.sum().item()))
        z = y * y
        z.register_hook(lambda g: g * 2)
        return z.sum() + y.sum()

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, 1.0))
        s.see(seen)


def scene_backward_behind_a_host_call(s: Session) -> None:
    w = grad(1.0, 2.0)

    def f(x):
        loss = (x * w).sum()
        print("loss")
        loss = loss * loss
        loss.backward()
        with torch.no_grad():
            w.sub_(w.grad * 0.01)
            print("update")
            w.grad.zero_()
        return loss

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 4.0):
        s.call(f, T([value, 1.0]), backward=False)
        s.see(w)


def scene_backward_that_is_left_to_python_behind_its_first_effects(s: Session) -> None:
    def f(x, w, turns):
        y = x * 2
        while turns > 0:
            y = y * 1
            turns = turns - 1
        z = y * 2 + w * 3
        # what arrives at `w` is stored before the history from before the loop is come to
        z.sum().backward(retain_graph=True)
        return z.detach() + w.grad

    f = s.compile(f)
    for turns in (3.0, 2.0, 3.0, 5.0, 0.0, 3.0, 3.0):
        x, w = grad(1.0, 2.0), grad(0.5, 1.0)
        s.call(f, x, w, T(turns), backward=False)
        s.see(x, w)


def scene_grad_modes_around_host_calls(s: Session) -> None:
    def f(x, mode):
        with torch.set_grad_enabled(mode):
            y = x * 2
            print("inside", torch.is_grad_enabled())
            y = y * y
        print("outside", torch.is_grad_enabled())
        with torch.no_grad():
            print("off", torch.is_grad_enabled())
            try:
                print("deep")
                z = y + 1
            finally:
                print("finally")
        return z * x + y

    f = s.compile(f)
    for value, mode in ((1.0, True), (2.0, False), (3.0, True), (4.0, True), (5.0, False)):
        s.call(f, grad(value), mode)


def scene_exceptions_around_host_calls(s: Session) -> None:
    def check(v):
        if v > 2.5:
            raise ValueError(f"too large: {v}")
        return v

    def f(x):
        y = x * 2
        try:
            k = check(float(repr(x[0].item())))
            y = y * k
        except ValueError as error:
            print("caught", error)
            y = y - 1
        else:
            print("fine")
        finally:
            y = y + 0.5
        return y * y

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 4.0, 1.0, 5.0):
        s.call(f, grad(value))


def scene_exceptions_that_leave_behind_host_calls(s: Session) -> None:
    def inner(x):
        print("inner")
        if x.sum() > 2:
            raise KeyError("big")
        return x * 2

    def f(x):
        y = x + 1
        print("outer")
        return inner(y) * y

    f = s.compile(f)
    for value in (0.5, 3.0, 0.25, 4.0):
        s.attempt(f, grad(value))


def scene_closures_across_host_calls(s: Session) -> None:
    def f(x, g):
        k = 2.0
        y = x * k

        def scaled(z, by=3):
            return z * y * by + k

        print("made")
        a = scaled(x)
        k = 5.0
        print("changed")
        return scaled(x, by=2) + a + g(x)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 4.0):
        s.call(f, grad(value), lambda t, value=value: t * value)


def scene_containers_across_host_calls(s: Session) -> None:
    def f(x):
        items = [x, x * 2]
        table = {"a": x + 1, "n": 3}
        pair = (items, table)
        print("made")
        items.append(x * 3)
        pair[1]["a"] = pair[1]["a"] * 2
        print(len(items), sorted(table))
        total = x * 0
        for each in items:
            total = total + each
        return total, table, items is pair[0], pair

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, 1.0))


def scene_iterators_across_host_calls(s: Session) -> None:
    def f(xs, n):
        total = xs[0] * 0
        for at, (x, k) in enumerate(zip(xs, range(n))):
            print(at, k)
            total = total + x * k
            if at == 2:
                print("enough")
                break
        left = iter(xs)
        next(left)
        print("skipped")
        for x in left:
            total = total * x
        return total

    f = s.compile(f)
    for n in (0, 1, 2, 3, 9, 3):
        s.call(f, [grad(2.0), grad(3.0), grad(4.0), grad(5.0)], n)
    s.call(f, [grad(2.0)], 4)


def scene_generators_as_arguments(s: Session) -> None:
    def numbers(n):
        for i in range(n):
            print("yields", i)
            yield float(i)

    def f(x, n):
        for k in numbers(n):
            x = x * 2 + k
        return x

    def g(x, source):
        for k in source:
            x = x + k
        return x

    f, g = s.compile(f), s.compile(g)
    for n in (0, 1, 3, 2, 5):
        s.call(f, grad(1.0, 2.0), n)
        s.call(g, grad(1.0, 2.0), numbers(n))


def scene_recursion_with_host_calls(s: Session) -> None:
    def f(x, depth):
        print("down", depth)
        if depth == 0:
            return x * 2
        y = f(x + depth, depth - 1)
        print("up", depth)
        return y * x

    f = s.compile(f)
    for depth in (0, 1, 3, 2, 6):
        s.call(f, grad(0.5), depth)


def scene_event_is_polled(s: Session) -> None:
    class Event:
        def __init__(self, after):
            self.asked = 0
            self.after = after

        def is_set(self):
            self.asked += 1
            return self.asked > self.after

    def f(x, event):
        while not event.is_set():
            x = x * 1.5
        return x

    f = s.compile(f)
    for after in (0, 1, 3, 7, 2):
        event = Event(after)
        s.call(f, grad(1.0), event)
        s.see(event)


def scene_sentinel_iterator(s: Session) -> None:
    def f(x, source):
        for value in iter(source.pop, 0.0):
            x = x * value
        return x

    f = s.compile(f)
    for source in ([0.0, 1.0, 2.0], [0.0], [5.0, 0.0, 3.0, 4.0], [0.0, 1.5] * 3):
        s.call(f, grad(1.0), source)
        s.see(source)


def scene_settings(s: Session) -> None:
    """Asked for and changed by each call."""

    def f(x, seed, precision):
        y = x * 2
        before = torch.initial_seed(), torch.get_float32_matmul_precision()
        torch.manual_seed(seed)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(seed % 2 == 1, warn_only=True)
        after = torch.initial_seed(), torch.default_generator.initial_seed()
        told = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
        return y, before, after, told, torch.get_float32_matmul_precision()

    f = s.compile(f)
    g = s.compile(lambda x: (x * 2, torch.initial_seed()))
    try:
        for turn in range(12):
            s.call(f, torch.ones(2), turn // 3, ("highest", "high")[turn % 2])
            torch.manual_seed(turn)
            s.call(g, torch.ones(2))
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.use_deterministic_algorithms(False)
