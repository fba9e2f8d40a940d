"""Scenes of iteration over the rows of tensors."""

from __future__ import annotations

import copy
import itertools
from types import SimpleNamespace
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs_cycles import leaf
from tests.graph.programs_selecting import table

LENGTHS = (3, 0, 50, 1, 2, 3, 50, 1000, 0, 2, 50, 3)


def rows_of(s: Session, f: Any, *, lengths: Any = LENGTHS, grad: bool | None = None) -> None:
    """Call a function of rows and a leaf, with gradients of the rows and without."""
    f = s.compile(f)
    for n in lengths:
        for own in (True, False) if grad is None else (grad,):
            s.call(f, table(n, 2, grad=own), leaf(0.5, -0.25))


SHORT = (3, 0, 1, 2, 40, 3, 2, 40, 3)


def scene_the_last_row(s: Session) -> None:
    def f(xs, w):
        x = None
        for x in xs:
            w = (w * 0.5 + x * 1e-3).sin()
        return w, x

    rows_of(s, f)


def scene_rows_are_kept(s: Session) -> None:
    def f(xs, w):
        kept, views = [], []
        for x in xs:
            kept.append(x)
            views.append(x[:1])
            w = w + x
        return kept, views, w

    rows_of(s, f, lengths=SHORT)


def scene_all_rows(s: Session) -> None:
    def f(xs, w):
        a, *rest = xs
        return list(xs), tuple(xs), [*xs], a * w, rest, sum(xs), [x * w for x in xs], {0: a}

    def pair(xs, w):
        x, y = xs
        return x * w, y, max(x, y, key=torch.sum)

    rows_of(s, f, lengths=(3, 1, 2, 40, 3, 2, 40, 3))
    rows_of(s, pair, lengths=(2, 2, 3, 2, 1, 0, 2))


def scene_sums_and_extremes(s: Session) -> None:
    def f(xs, w):
        return sum(xs, w), sum(x * w for x in xs), [*map(torch.sum, xs)]

    def extremes(x):
        return max(x), min(x), sorted(x), any(x > 2), all(x < 50), max(x, key=lambda each: -each)

    rows_of(s, f, lengths=SHORT)
    extremes = s.compile(extremes)
    for n in (1, 3, 4, 3, 1, 3, 4):
        s.call(extremes, table(n))
        s.call(extremes, torch.arange(n).flip(0))


def scene_rows_of_vectors(s: Session) -> None:
    def f(x, w):
        total = w
        for element in x:
            total = total * 0.5 + element
            if element > 3:
                total = total - 1
        return total, [each.item() for each in x]

    f = s.compile(f)
    for n in (4, 0, 40, 200, 4, 40):
        s.call(f, table(n), leaf(1.0))
        s.call(f, torch.arange(n), leaf(1.0))
        s.call(f, torch.arange(n, dtype=torch.int32) % 2 == 0, leaf(1.0))


def scene_no_rows_at_all(s: Session) -> None:
    def f(x):
        for each in x:
            return each
        return None

    def unpacked(x):
        a, b = x
        return a, b

    functions = [s.compile(each) for each in (f, unpacked, lambda x: list(x), lambda x: iter(x))]
    for each in (torch.tensor(1.0), torch.zeros(0), torch.zeros(2, 0), leaf(2.0).sum()):
        for function in functions:
            s.attempt(function, each)
            s.attempt(function, each)


def scene_nested_loops(s: Session) -> None:
    def f(xs, w):
        for row in xs:
            for x in row:
                w = (w * 0.5 + x).sin()
            w = w + row.sum()
        return w

    def again(xs, w):
        for x in xs:
            for y in xs:
                w = (w + x * y * 1e-3).sin()
        return w

    rows_of(s, f, lengths=(3, 0, 50, 1, 3, 50))
    rows_of(s, again, lengths=(3, 0, 40, 1, 3, 40, 40))
    f = s.compile(f)
    for n in (4, 60, 60, 4, 61):
        s.call(f, table(4, n), leaf(0.5))


def scene_rows_beside_other_things(s: Session) -> None:
    def f(xs, w):
        names = []
        for x, name, i in zip(xs, "abc", (1, 2.0, w)):
            w = w + x * i
            names.append(name)
        for i, (name, x) in enumerate(zip(("a", "b"), xs)):
            w = w * i + x
            names.append(name)
        pairs = zip(xs, xs)
        first = next(pairs, None)
        for a, b in pairs:
            w = w + a * b
        numbered = enumerate(xs)
        for i, x in numbered:
            w = w - x
            if i == 1:
                break
        rest = [(i, x * w) for i, x in numbered]
        return w, names, first, rest, [(i, x) for i, x in enumerate(zip(xs))]

    def beyond_all_lengths(xs, w):
        last = None
        for i, x in zip(range(10**30, 2 * 10**30, 3), xs):
            w, last = (w + x).sin(), i
        return w, last

    rows_of(s, f, lengths=(3, 0, 1, 2, 5, 3, 40, 2, 40))
    rows_of(s, beyond_all_lengths, lengths=(3, 1, 40, 3, 40))


def scene_zips_of_one_length(s: Session) -> None:
    def f(xs, ys, w):
        for x, y in zip(xs, ys, strict=True):
            w = (w + x * y).sin()
        return w

    f = s.compile(f)
    for n, m in ((3, 3), (40, 40), (2, 3), (3, 2), (0, 0), (40, 40), (0, 1), (40, 41)):
        s.attempt(f, table(n, 2), table(m, 2), leaf(0.5, 0.25))


def scene_iterators_by_hand(s: Session) -> None:
    def f(xs, w):
        it = iter(xs)
        first = next(it, None)
        if first is None:
            return w
        for x in it:
            w = (w + first * x).sin()
            w = w - next(it, 0.5)
        return w, first, next(it, None), list(it), iter(it) is it

    rows_of(s, f, lengths=SHORT)


def scene_iterators_given_away(s: Session) -> None:
    kept: list = []

    def f(xs, w):
        it = iter(xs)
        for x in it:
            w = w + x
            if x.sum() > 0:
                break
        kept.append(it)
        return w, it, iter(xs)

    f = s.compile(f)
    for n in (3, 9, 0, 40, 9, 3, 40, 9):
        for grad in (True, False):
            _, it, new = s.call(f, table(n, 2, grad=grad), leaf(0.5, -0.25))
            s.see(type(it).__name__, it is kept[-1], next(it, None), next(new, None))
            s.see(it.__length_hint__(), [*it], next(it, None), [*new])


def scene_iterators_given(s: Session) -> None:
    def f(it, w):
        for x in it:
            w = w + x
            if w.sum() > 3:
                break
        return w, next(it, None)

    f = s.compile(f)
    for n in (3, 9, 0, 40, 9, 3, 40, 9):
        xs = table(n, 2)
        it = iter(xs)
        next(it, None)
        s.call(f, it, leaf(0.5, -0.25))
        s.call(f, iter(xs), leaf(0.5, -0.25))
        s.see([*copy.copy(it)], [*it])


def scene_generators_over_rows(s: Session) -> None:
    def scaled(xs, w):
        for x in xs:
            yield x * w
        yield from xs

    def f(xs, w):
        h = w
        for x in scaled(xs, w):
            h = (h + x).sin()
        return h, [*scaled(xs, w)][-1:], next(x for x in scaled(xs, w)) if len(xs) else None

    rows_of(s, f, lengths=(3, 0, 1, 40, 3, 40))


def scene_grad_modes_of_iterators(s: Session) -> None:
    def f(xs, w, before, within):
        with torch.set_grad_enabled(before):
            it = iter(xs)
        kept = []
        with torch.set_grad_enabled(within):
            for x in it:
                kept.append(x)
                w = w + x
        return w, kept

    def switched(xs, w, on):
        for x in xs:
            w = (w + x).sin()
            torch.set_grad_enabled(on and not torch.is_grad_enabled())
        torch.set_grad_enabled(True)
        return w

    def another_mode(xs, w, on):
        torch.set_grad_enabled(on)
        x = None
        for x in xs:
            with torch.enable_grad():
                w = (w * x).sin() + x
            torch.set_grad_enabled(not on)
        torch.set_grad_enabled(True)
        return w, x

    f, switched, another_mode = s.compile(f), s.compile(switched), s.compile(another_mode)
    for n in (3, 40, 41, 3, 40, 40):
        for on in (True, False):
            s.call(another_mode, table(n, 2), leaf(0.5, -0.25), on)
            s.call(another_mode, table(n, 2) * 1, leaf(0.5, -0.25), on)
    for n in (3, 40, 0, 3, 40):
        for before in (True, False):
            for within in (True, False):
                s.call(f, table(n, 2), leaf(0.5, -0.25), before, within)
            s.call(switched, table(n, 2), leaf(0.5, -0.25), before)


def scene_rows_are_written_in_place(s: Session) -> None:
    def f(xs, w):
        for x in xs:
            x.mul_(w.detach())
        return xs * w

    def with_history(xs, w):
        for x in xs:
            x.mul_(w)
        return xs

    def without_grad(xs, w):
        for x in xs:
            with torch.no_grad():
                x.mul_(2)
            w = w + x
        return w

    def begun_without(xs, w):
        with torch.no_grad():
            it = iter(xs)
        for x in it:
            x.add_(1)
            w = w + x
        return w

    def through_views(xs, w):
        for x in xs:
            x[:1] += 1
            x.view(-1)[1:] = w.detach()[1:]
        return xs

    def late(xs, w):
        for i, x in enumerate(xs):
            w = (w + x).sin()
            if i == 20:
                x.mul_(2)
        return w, xs

    for function in (f, with_history, without_grad, begun_without, through_views, late):
        compiled = s.compile(function)
        for n in (3, 40, 0, 3, 40, 1, 3):
            for make in (lambda x: x, lambda x: x.detach(), lambda x: x * 1):
                xs = make(table(n, 2))
                s.attempt(compiled, xs, leaf(0.5, -0.25))
                s.see(xs)


def scene_tensors_are_written_between_rows(s: Session) -> None:
    def f(xs, w):
        kept = []
        for x in xs:
            kept.append(x * w)
            xs.add_(1)
        return kept, xs

    def without_grad(xs, w):
        for x in xs:
            w = (w * x).sin()
            with torch.no_grad():
                xs.add_(1)
        return w

    def with_history(xs, w):
        for x in xs:
            xs.mul_(w)
            w = (w + x).sin()
        return w, xs

    for function in (f, without_grad, with_history):
        compiled = s.compile(function)
        for n in (3, 40, 0, 3, 40, 1, 3):
            for make in (lambda x: x, lambda x: x.detach(), lambda x: x * 1):
                xs = make(table(n, 2))
                result = s.attempt(compiled, xs, leaf(0.5, -0.25))
                s.see(xs, label="written")
                s.backward(result)


def scene_tensors_change_between_rows(s: Session) -> None:
    def f(xs, w, change):
        kept = []
        for x in xs:
            kept.append(x)
            w = w + x.sum()
            change(xs)
        return w, kept

    def data(xs):
        xs.data = torch.zeros(1, 2, dtype=torch.float64)

    changes = (
        lambda xs: xs.detach_(), lambda xs: xs.requires_grad_(xs.is_leaf), lambda xs: xs.t_(), data,
        lambda xs: xs.unsqueeze_(0),
    )  # fmt: skip
    for change in changes:
        compiled = s.compile(f)
        for n in (3, 40, 3, 40, 1):
            for make in (lambda x: x.detach(), lambda x: x * 1):
                xs = make(table(n, 2))
                s.attempt(compiled, xs, leaf(0.5), change)
                s.see(xs)


def scene_rows_with_gaps(s: Session) -> None:
    def f(xs, w):
        kept = []
        for x in xs:
            kept.append(x)
            w = (w + x.sum()).sin()
        return w, kept

    f = s.compile(f)
    for n in (4, 80, 4, 80):
        for grad in (True, False):
            xs = table(n, 4, grad=grad)
            for view in (xs[::2], xs[:, 1:3], xs.t(), xs[:1].expand(n, 4), xs[n:], xs.flip(0)):
                s.call(f, view, leaf(0.5))
                s.call(f, view.detach(), leaf(0.5))


def scene_python_acts_at_each_row(s: Session) -> None:
    def f(xs, w):
        for i, x in enumerate(xs):
            w = (w + x).sin()
            print("row", i, w.sum().item() > 0)
        for x in xs:
            print(x.tolist())
        return w

    rows_of(s, f, lengths=(3, 0, 40, 3, 40, 40))


def scene_rows_are_stored_outside(s: Session) -> None:
    box = SimpleNamespace(last=None, it=None)

    def f(xs, w):
        for x in xs:
            box.last = x
            w = w + x
        box.it = iter(xs)
        next(box.it, None)
        return w

    f = s.compile(f)
    for n in (3, 40, 0, 3, 40, 1):
        for grad in (True, False):
            s.call(f, table(n, 2, grad=grad), leaf(0.5, -0.25))
            s.see(box.last, [*box.it])


def scene_an_exception_between_rows(s: Session) -> None:
    def f(xs, w, limit):
        x = None
        try:
            for i, x in enumerate(xs):
                w = (w + x).sin()
                if i == limit:
                    raise ValueError(i)
        except ValueError as error:
            return w, error.args, x
        return w

    f = s.compile(f)
    for n, limit in ((3, 5), (40, 5), (40, 50), (60, 41), (60, 42), (3, 2), (60, 59)):
        s.call(f, table(n, 2), leaf(0.5, -0.25), limit)


def scene_reversed_rows(s: Session) -> None:
    def f(xs, w):
        for x in reversed(list(xs)):
            w = (w + x).sin()
        for x in reversed(xs):
            w = (w * x).sin()
        for x in xs.flip(0):
            w = (w - x).sin()
        return w

    rows_of(s, f, lengths=(3, 0, 40, 3, 40))


def scene_derived_tensors(s: Session) -> None:
    class Own(torch.Tensor):
        def __iter__(self):
            return iter((self.sum(), self.mean()))

    def f(xs, w):
        for x in xs:
            w = w + x
        return w

    f = s.compile(f)
    for _ in range(3):
        s.call(f, Own([1.0, 2.0]), leaf(0.5))
        s.call(f, torch.nn.Parameter(table(3, grad=False)), leaf(0.5))


def scene_rows_through_iterators(s: Session) -> None:
    def f(xs, w):
        it = iter(xs)
        next(it, None)
        other = copy.copy(it)
        for x in other:
            w = w + x
        for x in it:
            w = (w * x).sin()
        a, b = itertools.tee(xs)
        for x, y in zip(a, b):
            w = w + x * y
        for x in itertools.islice(xs, 1, 30, 2):
            w = w + x
        for x, y in itertools.pairwise(xs):
            w = (w + x * y).sin()
        for x in itertools.chain(xs, xs):
            w = w * 0.5 + x
        for x in filter(lambda row: row.sum() > 0, xs):
            w = w + x
        for x in map(lambda one, other: one * other, xs, xs):
            w = (w + x).sin()
        for i, x in zip(itertools.count(), xs):
            w = w + x * (i % 3)
        for x, y in itertools.zip_longest(xs, xs[1:], fillvalue=1.0):
            w = (w + x * y).sin()
        return w, dict(enumerate(xs)), torch.stack([*xs, w])

    rows_of(s, f, lengths=(3, 0, 40, 3, 40, 40))


def scene_rows_with_all_kinds_of_turns(s: Session) -> None:
    def f(xs, ys, w):
        found = []
        for i, (x, y) in enumerate(zip(xs, ys)):
            if i and i % 10 == 0:
                found.append((x, w))
            for z in xs[:2]:
                w = (w + z * x).sin()
            w = w - y
        else:
            w = w * 2
        return w, found

    f = s.compile(f)
    for n in (3, 40, 60, 60, 60, 40, 3, 61):
        s.call(f, table(n, 2), table(n - 1, 2, grad=False), leaf(0.5, -0.25))
