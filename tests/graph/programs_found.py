"""Scenes that random programs have led to: each once differed."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf


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


def scene_default_dictionary(s: Session) -> None:
    made: list[int] = []

    def factory() -> float:
        made.append(1)
        return 1.0

    def body(table: Any, x: Any, box: Any) -> Any:
        if box.n > 1:
            table["new"] = x.detach()
            if box.n > 2:
                return x + 1
            return x * table["new"]
        return x

    f = s.compile(body)
    for n in 2, 3, 1, 2, 3, 2, 1:
        table = defaultdict(factory)
        s.call(f, table, torch.ones(2), SimpleNamespace(n=n))
        s.see(made, table)


def scene_iterator_stays_at_its_end(s: Session) -> None:
    def body(x: Any) -> Any:
        kept = [x, x + 1]
        it = iter(kept)
        total = x * 1
        for each in it:
            total = total + each
        if total.sum() > 9:
            kept.append(x * 5)
        print("between")
        kept.append(x * 7)
        for each in it:
            total = total + each
        return total + next(it, x)

    f = s.compile(body)
    for value in 1.0, 2.0, 3.0, 1.0, 2.0, 3.0:
        s.call(f, torch.full((2,), value))


def scene_attributes_looked_up_in_a_way_of_their_own(s: Session) -> None:
    class Veiled:
        def __init__(self) -> None:
            self.n = 1.0
            self.hidden = False

        def __getattribute__(self, name: str) -> Any:
            if name == "n" and object.__getattribute__(self, "hidden"):
                raise AttributeError(name)
            return object.__getattribute__(self, name)

    has = s.compile(lambda veiled, x: x + 1 if hasattr(veiled, "n") else x)
    get = s.compile(lambda veiled, x: x + getattr(veiled, "n", 3.0))
    veiled = Veiled()
    for hidden in False, True, True, False:
        veiled.hidden = hidden
        s.call(has, veiled, torch.ones(2))
        s.call(get, veiled, torch.ones(2))


def scene_class_that_changes_how_its_attributes_are_found(s: Session) -> None:
    class Holder:
        def __init__(self) -> None:
            self.n = 1.0

    def body(holder: Any, x: Any) -> Any:
        holder.n = 5.0
        return x * holder.n

    f, g = s.compile(body), s.compile(lambda holder, x: x * holder.n)
    holder = Holder()

    def calls() -> None:
        for _ in range(3):
            s.call(f, holder, torch.ones(2))
            s.call(g, holder, torch.ones(2))

    calls()
    Holder.__setattr__ = lambda self, name, value: object.__setattr__(self, name, value + 1)  # type: ignore[method-assign]
    calls()
    Holder.__getattribute__ = (  # type: ignore[method-assign]
        lambda self, name: 7.0 if name == "n" else object.__getattribute__(self, name)
    )
    calls()


def scene_equal_ranges_that_say_something_else(s: Session) -> None:
    class Holder:
        over = range(0, 3, 2)

    f = s.compile(lambda x: x * Holder.over.stop)
    for over in range(0, 3, 2), range(0, 3, 2), range(0, 4, 2), range(0, 3, 2):
        Holder.over = over
        s.call(f, torch.ones(2))


def scene_class_called_like_one_of_ours(s: Session) -> None:
    class Size:
        def __init__(self, *sizes: float) -> None:
            self.sizes = sizes

        def __getitem__(self, at: int) -> float:
            return self.sizes[at]

        def __iter__(self) -> Any:
            return iter(self.sizes)

    kinds: list[Any] = [Size]
    kinds.append(type("Size", (tuple,), {"__new__": lambda cls, *x: tuple.__new__(cls, x)}))
    for kind in kinds:
        f = s.compile(lambda size, x: x * size[0])
        g = s.compile(lambda size, x: [x * each for each in size])
        for value in 1.0, 2.0, 3.0:
            s.call(f, kind(value, 2.0), torch.ones(2))
            s.call(g, kind(value, 2.0), torch.ones(2))


def scene_number_of_run_time_that_raises(s: Session) -> None:
    def body(x: Any, k: float) -> Any:
        try:
            x = x * (1 / int(k))
        finally:
            x = x + 1
        return x

    f = s.compile(body)
    for k in 1.0, 0.0, 0.0, 2.0, 0.5, 1.0:
        s.call(f, torch.ones(2), k)


def scene_grad_mode_that_a_number_of_run_time_decides(s: Session) -> None:
    def body(x: Any, n: int) -> Any:
        with torch.set_grad_enabled(n > 1):
            x = x * 2
        return x + 1

    f = s.compile(body)
    x = torch.ones(2, requires_grad=True)
    for n, outside in (1, True), (9, False), (9, True), (7, False), (7, True), (1, False):
        with torch.set_grad_enabled(outside):
            s.call(f, x, n)


def scene_anomalies_are_looked_for(s: Session) -> None:
    def body(x: Any) -> Any:
        (x.sqrt() * 0).sum().backward()
        return (x.sqrt() * 0).sum()

    f, g = s.compile(body), s.compile(lambda x: (x.sqrt() * 0).sum())
    for value in 1.0, 0.0, 1.0, 0.0:
        for watched in False, True:
            with torch.autograd.set_detect_anomaly(watched):
                s.call(f, torch.tensor([value], requires_grad=True))
        x = torch.tensor([value], requires_grad=True)
        result = g(x)
        with torch.autograd.set_detect_anomaly(True):
            s.backward(result)


def scene_arguments_with_one_array_and_two_storages(s: Session) -> None:
    def body(x: Any, y: Any) -> Any:
        made = y.detach()
        made.add_(1)
        return made, x.detach()

    f = s.compile(body)
    for _ in range(4):
        x = torch.ones(2)
        s.call(f, x, x.data)
        s.call(f, x.data, x)


def scene_traceback_of_an_exception_on_its_way_through_frames(s: Session) -> None:
    def body(x: Any, module: Any) -> Any:
        try:

            def inner(a: Any) -> Any:
                try:
                    return module.missing
                finally:
                    a = a * x

            return inner(x + 1)
        finally:
            x = x * 2

    f = s.compile(body)
    module = torch.nn.Linear(1, 1)
    for _ in range(5):
        s.call(f, torch.ones(2), module)


def scene_number_from_outside_that_decides_in_each_turn(s: Session) -> None:
    def body(x: Any, n: int, box: Any) -> Any:
        for _ in range(n):
            if box.rate:
                x = x + 1
            else:
                x = x - 1
        return x

    f = s.compile(body)
    box = SimpleNamespace(rate=2.0)
    for n, rate in (30, 2.0), (40, 2.0), (200, 2.0), (40, 0.0), (300, 3.0), (50, 0.0), (50, -1.0):
        box.rate = rate
        s.call(f, torch.zeros(2), n, box)


def scene_what_arrives_has_one_element_and_meets_another(s: Session) -> None:
    """What goes back from a state of a loop is added to what comes from a loss that saw it."""

    def f(x, w, n):
        losses = []
        for i in range(n):
            x = (x * w).tanh()
            if i % 3:
                losses.append((x * w).sum())
        return losses, x

    f = s.compile(f)
    for n in (2, 3, *[41] * 6, 60):
        x, w = leaf(0.5, -0.25), leaf(0.9, 1.01)
        losses, last = s.attempt(f, x, w, n)
        total = last.sum() * 0.5
        for each in losses[-2:]:
            total = total + each
        s.attempt(total.backward)
        s.see(x, w)
