"""Scenes of generators: made, resumed, dropped, exhausted, handed over and given away."""

# what ruff would write otherwise is what is tested
# ruff: noqa: C400

from __future__ import annotations

import contextlib

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

STARTS = (1.0, 1.0, 2.0, -0.5, 9.0, 1.0, 2.0)


def count():
    n = 0
    while True:
        yield n
        n += 1


def halves(x, n):
    for i in range(n):
        y = x * i
        if y.sum() > 3:
            yield y / 2
        else:
            yield y


class Tree:
    def __init__(self, value, *children):
        self.value = value
        self.children = list(children)

    def __iter__(self):
        yield self.value
        for child in self.children:
            yield from child.walk()

    def walk(self):
        yield self.value
        for child in self.children:
            yield from child.walk()


def each_start(s: Session, f, *more) -> None:
    f = s.compile(f)
    for start in STARTS:
        s.call(f, grad(start, start * 2), *more)


def scene_expression_unpacked(s: Session) -> None:
    def f(x):
        q, k, v = (x * i for i in range(1, 4))
        first, *rest = (k + i for i in range(3) if i != 1)
        return q * v, first, rest

    each_start(s, f)


def scene_expression_to_containers(s: Session) -> None:
    def f(x):
        parts = [x, x * 2]
        pair = tuple(p + 1 for p in parts)
        more = list(p * q for p in parts for q in pair)
        spread = [*(p - 1 for p in more)]
        return torch.stack(tuple(m.sum() for m in spread)), sum(p for p in parts)

    each_start(s, f)


def scene_sum_with_start(s: Session) -> None:
    def f(x, k):
        return sum((x * i for i in range(3)), x), sum(i * k for i in range(3)), sum(i for i in ())

    f = s.compile(f)
    for k in (1.5, 2.5, 0.25):
        s.call(f, grad(1.0, k), k)


def scene_loop_over_a_generator_with_sites(s: Session) -> None:
    def f(x):
        total = 0
        for each in halves(x, 4):
            total = total + each
        return total

    each_start(s, f)


def scene_break_and_infinite(s: Session) -> None:
    def f(x):
        numbers = count()
        first = next(numbers)
        for n in numbers:
            x = x * n + 1
            if x.sum() > 40:
                break
        else:
            return None
        return x, first, n, next(numbers)

    each_start(s, f)


def scene_next_with_default(s: Session) -> None:
    def f(x):
        g = (p for p in (x, x * 2) if p is not None)
        return next(g), next(g, None), next(g, 7), next((p for p in ()), x + 1)

    each_start(s, f)


def scene_next_at_the_end(s: Session) -> None:
    def f(x):
        g = (p for p in (x, x * 2))
        x = next(g) + next(g)
        return next(g) + x

    each_start(s, f)


def scene_yield_from_and_returns(s: Session) -> None:
    def inner(x):
        got = yield x
        yield got
        return x * 5

    def outer(x):
        y = yield from inner(x)
        yield y
        yield from [x, x + 1]
        last = yield from range(2)
        yield last

    def f(x):
        return list(outer(x)), [y for y in outer(x) if y is not None]

    each_start(s, f)


def scene_recursive(s: Session) -> None:
    tree = Tree(T([1.0, 2.0]), Tree(2.0, Tree(3)), Tree(T([4.0, -1.0])))

    def f(x):
        for value in tree.walk():
            x = x * value
            if x.sum() > 10:
                x = x - 1
        for value in tree:
            x = x + value
        return x

    f = s.compile(f)
    for start in STARTS:
        s.call(f, grad(start, start * 2))
    tree.children.pop()
    for start in STARTS:
        s.call(f, grad(start, start * 2))


def scene_send(s: Session) -> None:
    def averages():
        total, n = 0.0, 0
        mean = None
        while True:
            value = yield mean
            total, n = total + value, n + 1
            mean = total / n

    def f(x):
        g = averages()
        next(g)
        a = g.send(x)
        if a.sum() > 3:
            a = g.send(a * 2)
        g.close()
        return a, next(g, None)

    each_start(s, f)


def scene_closures(s: Session) -> None:
    def f(x):
        scale = 2.0

        def scaled(items):
            nonlocal scale
            for item in items:
                scale = scale + 1
                if item.sum() > 4:
                    yield (lambda y: y * scale)(item)
                else:
                    yield item

        g = scaled([x, x * 2, x * 3])
        first = next(g)
        scale = 10.0
        return first, *g, scale

    each_start(s, f)


def scene_handed_to_helpers(s: Session) -> None:
    def pairs(items):
        before = None
        for item in items:
            if before is not None:
                yield before, item
            before = item

    def consume(items):
        total = 0
        for left, right in items:
            if (left * right).sum() > 5:
                total = total + left * right
        return total

    def f(x):
        return consume(pairs(x * i for i in range(4)))

    each_start(s, f)


def scene_two_at_once(s: Session) -> None:
    def f(x):
        one, other = halves(x, 5), halves(x + 1, 5)
        total = next(one)
        for each in other:
            total = total + each - next(one, 0)
            if total.sum() > 20:
                break
        return total, next(one, None) is None

    each_start(s, f)


def scene_given_away(s: Session) -> None:
    def f(x):
        g = halves(x, 4)
        fresh = halves(x + 1, 2)
        total = next(g)
        if x.sum() > 2:
            total = total + next(g)
        over = (i for i in range(0))
        next(over, None)
        return total, g, fresh, over

    f = s.compile(f)
    for start in STARTS:
        total, *generators = s.call(f, grad(start, start * 2), backward=False)
        s.see(total)
        for generator in generators:
            s.see(list(generator))


def scene_given_away_in_the_middle_of_a_delegation(s: Session) -> None:
    def inner(x):
        while True:
            try:
                got = yield x
            except KeyError:
                got = 100
            x = x + (0 if got is None else got)
            if x.sum() > 500:
                return x

    def plain(x):
        got = 0
        while x.sum() < 500:
            got = yield x + (0 if got is None else got)
            x = x * 2
        return x

    def outer(x):
        end = yield from plain(x)
        yield end * 2
        end = yield from inner(x)
        yield end

    def f(x):
        g = outer(x)
        return next(g), next(g), g

    f = s.compile(f)
    for start in STARTS:
        if start <= 0:
            continue
        one, two, g = s.call(f, T([start, start * 2]))
        s.see(next(g), g.send(3.0), one, two)
        s.see(next(g) if start > 5 else None)
        s.attempt(g.throw, KeyError("thrown"))
        s.attempt(next, g)
        g.close()
        s.attempt(next, g)


def scene_leaving_inside(s: Session) -> None:
    """What is no rule's is performed by Python, inside of a generator or in its consumer."""

    def talking(x, n):
        for i in range(n):
            x = x * 2
            print("made", i, x.sum() > 10)
            yield x

    def wrapped(x):
        yield x
        yield from talking(x, 2)
        yield x - 1

    def f(x):
        total = 0
        for each in wrapped(x):
            total = total + each
            if total.sum() > 8:
                print("more")
        a, b = talking(total, 2)
        return total, a + b, sum(y for y in talking(x, 1))

    each_start(s, f)


def scene_resuming_itself(s: Session) -> None:
    def f(x):
        def selfish():
            yield 1
            try:
                next(g)
            except ValueError as error:
                yield str(error)
            yield max(p for p in (1, 2))

        g = selfish()
        return x * next(g), list(g)

    each_start(s, f)


def scene_asked_for_itself_by_c(s: Session) -> None:
    def f(x):
        def selfish():
            yield 1
            yield sorted(g)

        g = selfish()
        return x * next(g), next(g)

    f = s.compile(f)
    for start in STARTS:
        s.attempt(f, T([start]))


def scene_finally_when_dropped(s: Session) -> None:
    log = []

    def careful(x, n):
        try:
            for i in range(n):
                yield x * i
        finally:
            log.append("closed")

    def f(x):
        for each in careful(x, 5):
            if each.sum() > 3:
                break
        log.append("behind the loop")
        total = sum(careful(x, 3))
        g = careful(x, 2)
        total = total + next(g)
        del g
        log.append("deleted")
        return total + each

    f = s.compile(f)
    for start in STARTS:
        s.call(f, grad(start, start * 2))
        s.see(log)


def scene_blocks_around_yields(s: Session) -> None:
    def quiet(x):
        with torch.no_grad():
            yield x * 2
            yield x * 3
        yield x * 4

    @contextlib.contextmanager
    def mode(log):
        log.append(torch.is_grad_enabled())
        with torch.no_grad():
            yield 5
        log.append(torch.is_grad_enabled())

    def f(x):
        log = []
        with mode(log) as five:
            y = x * five
        return [each + y for each in quiet(x)], log

    each_start(s, f)


def scene_raising_inside(s: Session) -> None:
    def strict(items):
        for item in items:
            if item.sum() > 3:
                raise ValueError("too large")
            yield item * 2

    def f(x):
        return sum(strict([x, x + 1, x * 2]))

    f = s.compile(f)
    for start in (0.1, 0.2, 1.0, 0.1, 5.0, 0.3, 1.0):
        s.attempt(f, grad(start, start))


def scene_stop_iteration_inside(s: Session) -> None:
    def unwise(items):
        it = iter(items)
        while True:
            yield next(it) * 2

    def f(x):
        total = 0
        for each in unwise([x, x + 1]):
            total = total + each
        return total

    f = s.compile(f)
    for start in STARTS:
        s.attempt(f, T([start, start]))


def scene_wrong_counts(s: Session) -> None:
    def f(x, n):
        a, b = (x * i for i in range(n))
        c, d, *e = (x * i for i in range(n))
        return a + b, c, d, e

    f = s.compile(f)
    for n in (2, 3, 2, 1, 0, 4, 2):
        s.attempt(f, T([1.0, 2.0]), n)


def scene_methods_that_yield(s: Session) -> None:
    class Stack(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))
            self.order = [2, 0, 1]

        def chosen(self):
            for at in self.order:
                yield self.layers[at]

        def forward(self, x):
            for layer in self.chosen():
                x = torch.tanh(layer(x))
            return x, sum(p.pow(2).sum() for layer in self.chosen() for p in layer.parameters())

    model = Stack()
    step = s.compile(lambda x: model(x))
    for start in STARTS:
        s.call(step, grad(start, 1.0))
        s.see([p.grad for p in model.parameters()])
    model.order = [1, 1]
    for start in STARTS[:3]:
        s.call(step, grad(start, 1.0))


def scene_long(s: Session) -> None:
    def powers(x):
        while True:
            yield x
            x = x * 1.1

    def f(x):
        total = 0
        for each in powers(x):
            total = total + each
            if total.sum() > 200:
                return total

    each_start(s, lambda x: f(x.abs() + 1))


NATIVE = (
    scene_expression_unpacked,
    scene_sum_with_start,
    scene_loop_over_a_generator_with_sites,
    scene_break_and_infinite,
    scene_next_with_default,
    scene_yield_from_and_returns,
    scene_recursive,
    scene_send,
    scene_closures,
    scene_handed_to_helpers,
    scene_two_at_once,
    scene_given_away,
    scene_methods_that_yield,
    scene_long,
)
"""Those of which nothing is left to Python."""
