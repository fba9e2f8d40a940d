"""Scenes of iterators that have a state of their own, over what Python code makes.

All of them are recorded without leaving to Python; those whose name ends in `_leaves` are not.
"""

# what ruff would write otherwise is what is tested
# ruff: noqa: C416, C417

from __future__ import annotations

import itertools
import operator
from collections import deque
from types import SimpleNamespace

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def halves(x, count):
    for i in range(count):
        x = x / 2
        yield x + i


class Loader:
    """What can be iterated, by a generator."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        for i in range(self.count):
            yield torch.ones(2) * i, i


class Data:
    """What has items, and nothing else that iterates."""

    def __init__(self, count):
        self.count = count

    def __getitem__(self, at):
        if self.count < 0:
            raise ValueError("negative")
        if at >= self.count:
            raise IndexError(at)
        return torch.ones(2) * at


class Countdown:
    """An iterator written in Python."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return self

    def __next__(self):
        if self.count == 0:
            raise StopIteration
        self.count -= 1
        return self.count


class Seldom:
    """An iterator that goes on behind its end."""

    def __init__(self):
        self.turn = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.turn += 1
        if self.turn % 3 == 0:
            raise StopIteration
        return self.turn


def scene_enumerate_over_generators(s: Session) -> None:
    loader = Loader(3)

    def f(x, n):
        total = x * 0
        for i, (batch, k) in enumerate(loader, 2):
            total = total + batch * x * i + k
        for i, half in enumerate(halves(x, n)):
            if half.sum() < 1:
                break
            total = total + half * i
        return total, [i * y for i, y in enumerate(x * j for j in range(2))]

    f = s.compile(f)
    for value, n in ((1.0, 2), (4.0, 2), (0.1, 2), (4.0, 3), (1.0, 2), (4.0, 3)):
        s.call(f, grad(value, 2.0), n)
    loader.count = 2
    s.call(f, grad(1.0, 2.0), 2)
    before, Loader.__iter__ = Loader.__iter__, lambda self: iter([(T([1.0, 5.0]), 7)])
    s.call(f, grad(1.0, 2.0), 2)
    s.call(f, grad(1.0, 3.0), 2)
    Loader.__iter__ = before
    s.call(f, grad(1.0, 3.0), 2)


def scene_zip_over_tensors_and_generators(s: Session) -> None:
    def f(x, y, n):
        a = [p * q for p, q in zip(x, y)]
        b = [p * q * i for i, (p, q) in enumerate(zip(halves(x, n), y))]
        c = [p + q for p, q in zip(map(lambda i: x * i, range(2)), Countdown(3))]
        d = [p for p in zip(Loader(2), "abc")]
        return a, b, c, d, [r * i for i, r in enumerate(x)]

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, 2.0), grad(1.0, value), 3)
        s.call(f, grad(value, 2.0), grad(1.0, value), 1)


def scene_strict_zip(s: Session) -> None:
    def f(x, n, m):
        try:
            return [p * q for p, q in zip(halves(x, n), range(m), strict=True)]
        except ValueError as error:
            return x * 2, str(error)

    f = s.compile(f)
    for n, m in ((2, 2), (1, 2), (2, 1), (2, 2), (0, 1), (1, 0), (0, 0), (1, 2)):
        s.call(f, grad(1.0, 2.0), n, m)


def scene_strict_zip_raises(s: Session) -> None:
    def three(x, items):
        found = []
        for each in zip([x, x], (x, x), items, strict=True):
            found.append(sum(each))
        return found

    three = s.compile(three)
    for items in ([x := grad(1.0), x], [x], [x, x, x], [x, x]):
        s.attempt(three, grad(2.0), items)


def scene_islices(s: Session) -> None:
    def f(x, n):
        a = list(itertools.islice(halves(x, 6), n))
        g = halves(x, 6)
        b = list(itertools.islice(g, 1, None, 2))
        it = itertools.islice([x, x * 2, x * 3, x * 4, x * 5], 1, 4, 2)
        c = next(it), list(it), list(it)
        h = halves(x, 6)
        first = list(itertools.islice(h, 2, 4))
        return a, b, c, first, list(h), list(itertools.islice(range(10), 0, 7, 3))

    f = s.compile(f)
    for value, n in ((1.0, 0), (2.0, 2), (3.0, 9), (1.0, 2)):
        s.call(f, grad(value), n)


def scene_chains(s: Session) -> None:
    def f(x, n):
        lists = [[x], [], [x * 2, x]]
        a = list(itertools.chain.from_iterable(lists))
        b = list(itertools.chain(halves(x, n), [x], map(torch.sin, [x]), Countdown(2)))
        c = [y for y in itertools.chain.from_iterable(halves(x * i, 1) for i in range(n))]
        growing = [[1]]
        d = []
        for each in itertools.chain.from_iterable(growing):
            d.append(x * each)
            if each < 3:
                growing.append([each + 1])
        return a, b, c, d, list(itertools.chain.from_iterable(x.reshape(2, 1)))

    f = s.compile(f)
    for value, n in ((1.0, 0), (2.0, 2), (3.0, 1), (1.0, 2)):
        s.call(f, grad(value, 1.0), n)


def scene_accumulations(s: Session) -> None:
    def f(x, k):
        a = list(itertools.accumulate([x, x * 2, x * 3]))
        b = list(itertools.accumulate(halves(x, 3), operator.mul))
        c = list(itertools.accumulate([k, 2.0], lambda p, q: p * q, initial=x))
        d = itertools.accumulate([1, 2, 3], max, initial=2)
        e = next(d), next(d)
        g = list(itertools.accumulate([], initial=k)), list(itertools.accumulate(()))
        return a, b, c, e, list(d), g, list(itertools.accumulate(x))

    f = s.compile(f)
    for value, k in ((1.0, 0.5), (2.0, 1.5), (3.0, 2.5)):
        s.call(f, grad(value, 1.0), k)


def scene_while_they_hold(s: Session) -> None:
    def f(x, limit):
        a = list(itertools.takewhile(lambda y: y.sum() > limit, halves(x, 4)))
        b = list(itertools.dropwhile(lambda y: y.sum() > limit, halves(x, 4)))
        g = halves(x, 4)
        it = itertools.takewhile(lambda y: y.sum() > limit, g)
        c = list(it), list(it), list(g)
        d = itertools.dropwhile(lambda i: i < 2, range(5))
        e = x * next(d) + next(d), list(d)
        h = list(itertools.filterfalse(lambda y: y.sum() > limit, [x, x * 2, x * 3]))
        return a, b, c, e, h, list(itertools.filterfalse(None, [0, 1, 2]))

    f = s.compile(f)
    for value, limit in ((1.0, 0.5), (8.0, 1.5), (3.0, 2.5), (8.0, 1.5), (8.0, 3.5)):
        s.call(f, grad(value), limit)


def scene_objects_that_have_items_only(s: Session) -> None:
    data = Data(3)

    def f(x):
        total = [x * y for y in data]
        pairs = [x * i * y for i, y in enumerate(data, 1)]
        it = iter(data)
        first = next(it, None)
        return total, pairs, first, list(zip(range(2), data)), [y for y in it]

    f = s.compile(f)
    for count in (3, 2, 0, 3):
        data.count = count
        s.call(f, grad(1.0, 2.0))
        s.call(f, grad(2.0, 2.0))
    before, Data.__getitem__ = Data.__getitem__, lambda self, i: [5.0, 7.0][i]
    s.call(f, grad(1.0, 2.0))
    Data.__iter__ = lambda self: iter([9.0])  # type: ignore[attr-defined]
    s.call(f, grad(1.0, 2.0))
    del Data.__iter__  # type: ignore[attr-defined]
    Data.__getitem__ = before
    data.count = 3
    s.call(f, grad(1.0, 2.0))


def scene_items_given_away_and_raised_leaves(s: Session) -> None:
    def f(x, count, at):
        data = Data(count)
        it = iter(data)
        found = [next(it) * x]
        if at == 1:
            print("now")
        if at == 2:
            data.count = -1
        try:
            found.append(next(it) * x)
        except (ValueError, StopIteration) as error:
            found.append((type(error).__name__, error.__context__ is None))
        data.count = 9
        return found, it

    def g(x, count, at):
        found, it = f(x, count, at)
        return found, type(it).__name__, list(itertools.islice(it, 2))

    f = s.compile(f)
    for at in (0, 1, 2, 0, 1, 2):
        for count in (1, 2, 4):
            s.call(g, grad(1.0, 2.0), count, at)


def scene_ends_that_are_asked_for_once(s: Session) -> None:
    log = []

    def told(x, n):
        for i in range(n):
            log.append(i)
            yield x * i

    def f(x, n):
        short = [1]
        a = list(filter(None, zip(told(x, n), short)))
        b = list(itertools.filterfalse(lambda pair: pair[1] > 1, zip(told(x, n), short)))
        c = list(itertools.compress(zip(told(x, n), short), [1, 1, 1]))
        d = list(itertools.zip_longest(zip(told(x, n), short), ()))
        e = [i for i, _ in enumerate(zip(told(x, n), short))]
        try:
            g = list(zip(zip(told(x, n), short), (1,), strict=True))
        except ValueError:
            g = None
        return a, b, c, d, e, g

    f = s.compile(f)
    for n in (0, 1, 3, 3):
        s.call(f, grad(1.0), n)
        s.see(log)


def scene_classes_of_ended_iterators(s: Session) -> None:
    def f(x, n):
        made = [
            iter([x] * n), iter((x,) * n), reversed([x] * n), itertools.islice(halves(x, 3), n),
            itertools.takewhile(lambda y: y.sum() < n, halves(x, 3)), zip([x] * n), map(abs, [n]),
            iter({1: x}), iter({1: x}.values()), itertools.chain(halves(x, n), [x]), iter("ab"),
            iter(Data(n)), itertools.pairwise(halves(x, n)), enumerate(halves(x, n)),
        ]  # fmt: skip
        found = [[y for y in it] for it in made]
        return found, made

    def g(x, n):
        found, made = f(x, n)
        return found, [type(each).__name__ for each in made], [list(each) for each in made]

    f = s.compile(f)
    for value, n in ((1.0, 2), (2.0, 2), (3.0, 0), (1.0, 2), (2.0, 0)):
        s.call(g, grad(value), n)


def scene_containers_that_change_meanwhile_leaves(s: Session) -> None:
    outer = deque([1, 2], 3)

    def f(x, kind, turns):
        held = [deque([x, x]), outer, {1: x, 2: x}, {1, 2}, [x, x]][kind]
        it = iter(held)
        pairs = zip(held, (1, 2, 3))
        found = [next(it), next(pairs)]
        for _ in range(turns):
            found.append(next(it, "over"))
        if kind < 2:
            held.append(x.sum().item())
        elif kind == 2:
            held[5] = x
        elif kind == 3:
            held.add(3)
        print("changed")
        for each in (it, pairs):
            try:
                found.append(next(each, "over"))
            except RuntimeError as error:
                found.append(str(error))
        return found

    f = s.compile(f)
    for kind in range(5):
        for turns in (0, 1, 2, 0, 1, 2, 0, 2):
            s.call(f, grad(1.0), kind, turns)


def scene_compress_and_pairs(s: Session) -> None:
    def f(x, keep):
        items = [x, x * 2, x * 4]
        a = list(itertools.compress(items, keep))
        b = list(itertools.compress(halves(x, 3), (each.sum() > 2 for each in items)))
        c = [q - p for p, q in itertools.pairwise(items)]
        d = [q - p for p, q in itertools.pairwise(halves(x, 4))]
        e = []
        for p, q in itertools.pairwise(items):
            e.append(p * q)
            if len(items) < 5:
                items.append(x + len(items))
        return a, b, c, d, e, list(itertools.pairwise([x])), list(itertools.pairwise([]))

    f = s.compile(f)
    for value, keep in ((1.0, (1, 0, 1)), (2.0, (0, 0, 0)), (0.5, (1, 1)), (1.0, (1, 0, 1))):
        s.call(f, grad(value), keep)


def scene_cycles(s: Session) -> None:
    def f(x, n):
        a = [p * i for i, p in zip(range(n), itertools.cycle([x, x * 2]))]
        c = itertools.cycle(halves(x, 2))
        b = next(c) + next(c) * next(c) + next(c)
        empty = list(itertools.cycle([]))
        return a, b, next(c), empty

    f = s.compile(f)
    for value, n in ((1.0, 5), (2.0, 1), (3.0, 5)):
        s.call(f, grad(value), n)


def scene_until(s: Session) -> None:
    def f(x, n):
        left = [n]

        def following():
            left[0] -= 1
            return left[0]

        for each in iter(following, 0):
            x = x * each
        return x, left

    f = s.compile(f)
    for n in (3, 4, 3, 4):
        s.call(f, grad(1.0), n)


def scene_longest(s: Session) -> None:
    def f(x, n):
        a = [(p, q) for p, q in itertools.zip_longest(halves(x, n), [x], fillvalue=0)]
        return a, list(itertools.zip_longest(map(torch.sin, [x]), (1, 2)))

    f = s.compile(f)
    for n in (0, 1, 3, 0):
        s.call(f, grad(1.0), n)


def scene_given_away_in_the_middle(s: Session) -> None:
    kept = SimpleNamespace(it=None)

    def f(x, kind):
        source = halves(x, 6)
        it = {
            "enumerate": lambda: enumerate(source, 3),
            "islice": lambda: itertools.islice(source, 1, 5, 2),
            "accumulate": lambda: itertools.accumulate(source),
            "from": lambda: itertools.accumulate(source, torch.mul, initial=x),
            "takewhile": lambda: itertools.takewhile(lambda y: y.sum() > 0.5, source),
            "dropwhile": lambda: itertools.dropwhile(lambda y: y.sum() < 2.2, source),
            "cycle": lambda: itertools.cycle(itertools.islice(source, 2)),
            "pairwise": lambda: itertools.pairwise(source),
            "chain": lambda: itertools.chain.from_iterable([y, y] for y in source),
            "until": lambda: iter(lambda: next(source).sum().item(), 0.5),
            "zip": lambda: zip(source, itertools.count()),
            "filterfalse": lambda: itertools.filterfalse(lambda y: y.sum() > 4.2, source),
        }[kind]()
        first = next(it)
        return first, it

    def whole(x, kind, turns):
        first, it = g(x, kind)
        s.see(first, type(it).__name__)
        return list(itertools.islice(it, turns))

    g = s.compile(f)
    kinds = "enumerate islice accumulate from takewhile dropwhile cycle pairwise chain until zip"
    for kind in (*kinds.split(), "filterfalse"):
        for value in (4.0, 4.0, 8.0):
            s.call(whole, grad(value), kind, 3)
    s.see(kept)


def scene_python_in_the_middle_leaves(s: Session) -> None:
    def f(x, n, turns):
        its = [
            enumerate(halves(x, n)),
            itertools.islice(halves(x, n), 1, None),
            itertools.accumulate(halves(x, n)),
            itertools.takewhile(lambda y: y.sum() > 0.3, halves(x, n)),
            itertools.dropwhile(lambda y: y.sum() > 1, halves(x, n)),
            itertools.cycle(halves(x, 2)),
            itertools.pairwise(halves(x, n)),
            itertools.chain.from_iterable([y, y * 2] for y in halves(x, n)),
        ]
        found = []
        for turn in range(turns):
            print("turn", turn)
            found.append([next(it, None) for it in its])
        return found

    f = s.compile(f)
    for value, n, turns in ((1.0, 3, 4), (2.0, 3, 4), (4.0, 4, 6), (1.0, 3, 4), (1.0, 1, 2)):
        s.call(f, grad(value), n, turns)


def scene_python_in_a_step_leaves(s: Session) -> None:
    def loud(y):
        print("asked", y.item())
        return y.sum() > 0.6

    def told(x, n):
        for y in halves(x, n):
            print("made")
            yield y

    def f(x, n):
        a = list(itertools.takewhile(loud, told(x, n)))
        b = list(itertools.accumulate(told(x, n), lambda p, q: p * q if loud(q) else p))
        c = [y * i for i, y in enumerate(told(x, n))]
        return (
            a,
            b,
            c,
            list(itertools.islice(told(x, n), 2, 3)),
            list(itertools.pairwise(told(x, n))),
        )

    f = s.compile(f)
    for value, n in ((1.0, 2), (2.0, 3), (1.0, 2), (2.0, 3), (4.0, 3)):
        s.call(f, grad(value), n)


def scene_python_behind_what_is_skipped_leaves(s: Session) -> None:
    def told(x, n):
        for i in range(n):
            if i == 3:
                print("third", i)
            yield x * i

    def f(x, n):
        it = itertools.islice(told(x, n), 4, None)
        pairs = itertools.pairwise(told(x, n))
        return next(it), list(it), list(pairs)

    f = s.compile(f)
    for value in range(8):
        s.call(f, grad(float(value)), 6)


def scene_what_raises_in_a_step_leaves(s: Session) -> None:
    def faulty(x, at):
        for i in range(4):
            if i == at:
                raise KeyError(i)
            yield x * i

    def f(x, at, kind):
        source = faulty(x, at)
        if kind == 0:
            it = enumerate(source)
        elif kind == 1:
            it = itertools.islice(source, 2, 4)
        elif kind == 2:
            it = itertools.accumulate(source)
        else:
            it = itertools.pairwise(source)
        found = []
        for _ in range(3):
            try:
                found.append(next(it))
            except KeyError as error:
                found.append(error.args)
            except StopIteration:
                found.append("over")
        return found

    f = s.compile(f)
    for kind in range(4):
        for at in (0, 1, 2, 9, 1, 0):
            s.call(f, grad(1.0), at, kind)


def scene_functions_that_raise(s: Session) -> None:
    def f(x, at):
        def asked(i):
            if i == at:
                raise ValueError(i)
            return i < 3

        its = [itertools.takewhile(asked, range(5)), itertools.dropwhile(asked, range(5))]
        its.append(itertools.accumulate(range(5), lambda p, q: p + q * asked(q)))
        found = []
        for it in its:
            for _ in range(4):
                try:
                    found.append(x * next(it))
                except ValueError as error:
                    found.append(str(error))
                except StopIteration:
                    found.append("over")
        return found

    f = s.compile(f)
    for at in (0, 1, 2, 9, 1, 0):
        s.call(f, grad(1.0), at)


def scene_iterators_that_go_on_behind_their_end(s: Session) -> None:
    def f(x):
        found = []
        for make in (enumerate, itertools.accumulate, itertools.pairwise, itertools.chain):
            it = make(Seldom())
            for _ in range(3):
                found.append([x * torch.tensor(each).sum() for each in it])
        it = itertools.islice(Seldom(), 5)
        return found, list(it), list(it), list(zip(Seldom(), Seldom()))

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_from_outside_leaves(s: Session) -> None:
    def f(x, it):
        return [p * i for i, p in enumerate(it)], list(itertools.islice(it, 2)), x * 2

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        x = grad(value)
        s.call(f, x, halves(x, 3))
        s.call(f, x, [x, x])
        s.call(f, x, iter([x, x * 2, x * 3]))


def scene_modes_and_types(s: Session) -> None:
    def f(x):
        total = 0
        for i, y in enumerate(itertools.accumulate(halves(x, 3))):
            with torch.set_grad_enabled(i % 2 == 0):
                total = total + y * i
        return total

    f = s.compile(f)
    for x in (grad(1.0), T([1.0, 2.0]), grad(2.0), T([1, 2])):
        s.call(f, x)
        with torch.no_grad():
            s.call(f, x)
