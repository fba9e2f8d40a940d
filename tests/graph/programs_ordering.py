"""Scenes of order: sequences that are compared, sorted numbers of run time, heaps, bisection.

All of them are recorded without leaving to Python; those whose name ends in `_leaves` or
`_raises` are not.
"""

from __future__ import annotations

import bisect
import heapq
import math

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

VALUES = (1.0, 3.0, -2.0, 0.5, 3.0, -2.0, 1.0)


class Item:
    def __init__(self, cost, x):
        self.cost = cost
        self.x = x

    def __lt__(self, other):
        return self.cost < other.cost


def scene_sorted_numbers(s: Session) -> None:
    def f(x, k):
        losses = [x.sum().item(), k, 1.0, x.max().item() * 2]
        best = sorted(range(4), key=lambda i: losses[i])
        worst = sorted(losses, reverse=True)
        found = [(loss, i) for i, loss in enumerate(losses)]
        found.sort(key=lambda pair: pair[0])
        losses.sort()
        return x * best[0] + worst[1], best, worst, losses, [i for _, i in found]

    f = s.compile(f)
    for value in VALUES:
        s.call(f, grad(value, 1.0), value * 2)
    s.call(f, grad(math.nan, 1.0), 1.0)
    s.call(f, grad(1.0, 1.0), math.nan)


def scene_a_simplex(s: Session) -> None:
    def f(points, rounds):
        for _ in range(rounds):
            values = [((p - 1) ** 2).sum().item() for p in points]
            order = sorted(range(len(points)), key=values.__getitem__)
            points = [points[i] for i in order]
            center = sum(points[:-1]) / (len(points) - 1)
            points[-1] = center + 0.5 * (center - points[-1])
        return points

    f = s.compile(f)
    for shift in (0.0, 1.0, -3.0, 0.0):
        s.call(f, [grad(0.0 + shift, 1.0), grad(3.0, 1.0), grad(0.0, -2.0 - shift)], 3)


def scene_where_a_number_is(s: Session) -> None:
    def f(x, k):
        values = [x.sum().item(), k, 2.0]
        best = values.index(max(values))
        return x * values[best], best, values.index(2.0)

    f = s.compile(f)
    for value in VALUES:
        s.call(f, grad(value, 1.0), 1.5)


def scene_where_a_number_is_not_raises(s: Session) -> None:
    def f(x, k):
        values = [x.sum().item(), k]
        try:
            return x * values.index(1.5), values
        except ValueError:
            return x, values

    f = s.compile(f)
    for value, k in ((0.5, 1.5), (1.5, 0.0), (2.0, 2.0), (0.5, 1.5), (2.0, 2.0)):
        s.call(f, grad(value), k)
    s.call(f, grad(1.0), math.nan)


def scene_what_equals_a_number_is_removed(s: Session) -> None:
    def f(x, outer, k):
        values = [x.sum().item(), 1.5, k, 4]
        values.remove(k)
        outer.remove(k)
        if x.sum() > 1:
            values.remove(4)
        return x * values[0], values

    f = s.compile(f)
    for value in VALUES:
        for k in (1, 2, 3, 4, 2, 3):
            outer = [1, 2, 3, 4]
            s.call(f, grad(value), outer, k)
            s.see(outer)


def scene_bisection(s: Session) -> None:
    knots = [0.0, 1.0, 2.0, 4.0]

    def f(x, k):
        i = bisect.bisect(knots, k)
        j = bisect.bisect_left((0.5, 1.5), x.sum().item())
        return x * i + j, knots[max(i - 1, 0)], bisect.bisect_right([1, 2, 3], 2)

    f = s.compile(f)
    for value in (0.25, 1.0, 3.0, 9.0, -1.0, 1.0, math.nan):
        s.call(f, grad(value), value)
    knots[1] = 3.5
    for value in (0.25, 1.0, 3.0, 9.0):
        s.call(f, grad(value), value)
    knots.append(5.0)
    s.call(f, grad(1.0), 9.0)


def scene_insertion(s: Session) -> None:
    kept = [1.5]

    def f(x, k):
        items = []
        for value in (3, 1, 2):
            bisect.insort(items, value)
        bisect.insort_left(items, k)
        bisect.insort(kept, x.sum().item())
        return x * items[0], items, len(kept)

    f = s.compile(f)
    for value in (0.5, 2.0, 9.0, 0.5, 2.0):
        s.call(f, grad(value), value)
        s.see(kept)
        del kept[3:]


def scene_tuples_compared(s: Session) -> None:
    def f(x, k):
        key = (k, x.shape[0], "a")
        found = [
            key < (1.0, 1, "b"),
            key <= (k, 1, "a"),
            (k, 2) > (k, 1),
            (x, k) == (x, 1.0),
            [k, 1] != [k, 2],
            (1, k, 3) >= (1, 2.0),
            (k, k) == (k, k, k),
            [k] == [k],
            (0, k) < (1, k),
        ]
        return x * sum(found), found

    f = s.compile(f)
    for k in (0.5, 1.0, 2.0, 1.0, 3.0, 0.5):
        s.call(f, grad(1.0), k)


def scene_best_of_pairs(s: Session) -> None:
    def f(x, k):
        candidates = [(x.sum().item(), "sum"), (k, "k"), (1.0, "one")]
        best = max(candidates)
        return x * best[0], best, min(candidates), [name for _, name in sorted(candidates)]

    f = s.compile(f)
    for value in VALUES:
        s.call(f, grad(value), 1.5)


def scene_pairs_by_their_names(s: Session) -> None:
    def f(x, k):
        d = {"b": x, "a": x * 2, "c": x * k}
        return sorted(d.items()), dict(sorted(d.items(), reverse=True)), d.__contains__("a")

    f = s.compile(f)
    for k in (0.5, 1.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_heaps(s: Session) -> None:
    def f(x, costs):
        heap = []
        for i, cost in enumerate(costs):
            heapq.heappush(heap, (cost * x.sum().item(), i, x * i))
        first = heapq.heappop(heap)
        again = heapq.heapreplace(heap, (0.0, 7, x))
        least = heapq.heappushpop(heap, (9.0, 8, x))
        numbers = [5, 1, 4, 2]
        heapq.heapify(numbers)
        rest = [heapq.heappop(heap)[1] for _ in range(len(heap))]
        return first, again, least, numbers, rest, heap

    f = s.compile(f)
    for value in (1.0, 2.0, -1.0, 1.0, -3.0):
        s.call(f, grad(value), (3.0, 1.0, 2.0))


def scene_heaps_of_objects(s: Session) -> None:
    waiting = []

    def f(x, k):
        heapq.heappush(waiting, (x.sum().item(), len(waiting)))
        heap = [Item(k, x), Item(2.0, x * 2), Item(1.0, x * 3)]
        heapq.heapify(heap)
        return heapq.heappop(heap).x, heap[0].x, waiting[0][0]

    f = s.compile(f)
    for value in (1.0, 3.0, -1.0, 2.0, 0.0):
        s.call(f, grad(value), value)
        s.see(waiting)


def scene_shortest_paths(s: Session) -> None:
    edges = {"a": [("b", 1.0), ("c", 4.0)], "b": [("c", 2.0), ("d", 5.0)], "c": [("d", 1.0)]}

    def f(x, scale):
        done, heap = {}, [(0.0, "a")]
        while heap:
            cost, node = heapq.heappop(heap)
            if node in done:
                continue
            done[node] = cost
            for other, weight in edges.get(node, ()):
                if other not in done:
                    heapq.heappush(heap, (cost + weight * scale, other))
        return x * done["d"], done

    f = s.compile(f)
    for scale in (1.0, 2.0, 0.5, 1.0):
        s.call(f, grad(1.0), scale)


def scene_heaps_that_raise_leaves(s: Session) -> None:
    def f(x, k):
        heap = [(k, x), (k, x)]
        try:
            heapq.heapify(heap)
            heapq.heappush(heap, (k, None))
        except (RuntimeError, TypeError) as error:
            return x, type(error).__name__
        return x * 2, len(heap)

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5):
        s.call(f, grad(1.0, 2.0), k)
        s.call(f, grad(1.0), k)
    empty = s.compile(lambda x: heapq.heappop([]) if x is None else heapq.heappop([x, x]))
    s.attempt(empty, grad(1.0))
    s.attempt(empty, None)


def scene_ranks(s: Session) -> None:
    def f(x, n):
        values = [each.item() for each in x]
        whole = [n % 5, 3, n * 2 % 7, 4]
        values.sort()
        found = sorted([*values[:3], 2.0], reverse=True)
        signs = [math.copysign(1.0, each) for each in [*values, *found]]
        numbers = sorted(whole), sorted([n, 3, 2])
        return values, signs, found, numbers, values[1] + found[0], x * found[1]

    f = s.compile(f)
    given = [
        [float((i * 7 + k) % 11) for i in range(12)] for k in range(6)
    ] + [[0.0, -0.0] * 6, [-0.0, 0.0, 1.0] * 4, [math.inf, -1.0, 2.0] * 4]  # fmt: skip
    for n, values in enumerate([*given, *given]):
        s.call(f, T(values), n)


def scene_ranks_of_what_is_no_number_leaves(s: Session) -> None:
    def f(x):
        values = [each.item() for each in x]
        values.sort(reverse=True)
        return f"{values}", sorted([x[0].item(), 1]), sorted([x[0].item(), x[1].item() > 1])

    f = s.compile(f)
    for k in range(4):
        s.call(f, T([float((i * 7 + k) % 11) for i in range(12)]))
        s.call(f, T([float((i * 7 + k) % 11) if i % 3 else math.nan for i in range(12)]))
        s.call(f, T([3.0, 1.0, math.nan, 0.5] * 3))
        s.call(f, T([math.inf, -math.inf] * 6))


def scene_ranks_in_loops(s: Session) -> None:
    def f(x, turns):
        middle = []
        for _ in range(turns):
            x = x * -0.5
            a, b, c = sorted([x[0].item(), x[1].item(), x[2].item()])
            middle.append(b)
            x = x + (c - a)
        return x, middle

    f = s.compile(f)
    for turns in (20, 30, 20, 3, 50):
        s.call(f, T([1.0, 5.0, -4.0]), turns)


def scene_more_than_are_sorted_leaves(s: Session) -> None:
    def f(x):
        values = [each.item() for each in x]
        order = sorted(range(len(values)), key=values.__getitem__)
        return x[order[0]] * order[-1], order

    f = s.compile(f)
    for turn in range(6):
        s.call(f, torch.tensor([float((i * 7 + turn * 3) % 11) for i in range(12)]))


def scene_modes(s: Session) -> None:
    def f(x, k):
        heap = [(k, 0), (1.0, 1)]
        heapq.heapify(heap)
        first = heap[0][1] == 1
        with torch.enable_grad() if first else torch.no_grad():
            y = x * 2
        return y * heap[0][0]

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5, 2.5):
        s.call(f, grad(1.0), k)
        with torch.no_grad():
            s.call(f, grad(1.0), k)
