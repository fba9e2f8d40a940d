"""Scenes of lists, dicts, sets and tuples, made in the call and from outside.

All of them are recorded without leaving to Python; those whose name ends in `_raises` but for the
calls that raise.
"""

# what ruff would write otherwise is what is tested
# ruff: noqa: B007, C406, C408, C416, E741, F841, PIE804, RUF005, RUF051, RUF059, SIM300

from __future__ import annotations

from collections import OrderedDict, defaultdict
from types import SimpleNamespace

from tests.graph.agreement import Session
from tests.graph.programs import T, grad


def scene_methods_of_lists(s: Session) -> None:
    def f(x, k):
        l = [x, x * 2]
        l.append(x * 3)
        l.insert(1, k)
        l.extend((4, x + 1))
        last = l.pop()
        l.reverse()
        l += [last, 5]
        if x.sum() > 0:
            first = l.pop(0)
            del l[1]
            l[1:2] = [first, x, 7]
        m = l.copy()
        m.clear()
        m.extend(l[::2])
        del m[1:]
        return l, m, l + m, m * 2, [*l, *m], len(l), l[-1], l[1:3]

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (-1.0, 2.0), (2.0, 3.0), (-2.0, 1.5), (1.0, 0.0)):
        s.call(f, grad(value), k)


def scene_constants_in_lists(s: Session) -> None:
    def f(x, names):
        l = ["b", "c", "a"]
        l.sort()
        l.remove("b")
        at = l.index("c")
        numbers = [3, 1, 2, 1]
        if "c" in l and 9 not in numbers and x.sum() > 0:
            numbers.sort()
        return x * at, l, numbers.count(1), numbers, l == ["a", "c"], [] == numbers, l < ["b"]

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0):
        s.call(f, grad(value), ("a", "b"))


def scene_tuples(s: Session) -> None:
    def f(x, t, *more):
        a, *b = x, 1, 2.0
        u = (x, 3) + t + more
        if x.sum() > 0:
            u = u * 2
        v, w = u[1:3], u[::-1]
        return u, v, w, b, (1, "a") == (1, "a"), 1 in (1, 2), 5.0 in (1, 2)

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0):
        s.call(f, grad(value), (1.5, 2), 3, 4.5)


def scene_stars(s: Session) -> None:
    def g(a, b, *rest, c=1.0, **named):
        return a * c + b, rest, named

    def f(x, items, options):
        pair = [x, x * 2]
        y = g(*pair, *items, **options)
        z = g(*x, **{"c": 2.0, "d": x})
        first, *others = x
        return y, z, first, others, {**options, "e": 1}, [*items, *options], {*"ab", "c"} == {"a"}

    f = s.compile(f)
    options = {"c": 3.0}
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value, 2.0), [1, 2.0], options)
        options["c"] += 1
    options["q"] = 1
    s.call(f, grad(1.0, 2.0), [1, 2.0], options)
    s.call(f, grad(1.0, 2.0), (1, 2.0, 3), options)


def scene_log_that_grows(s: Session) -> None:
    log, losses = [], []

    def f(x):
        y = (x * x).sum()
        log.append(y.item())
        losses.append(y.detach())
        log.extend((1, "text"))
        return y

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        s.call(f, grad(value))
        s.see(log, losses)
    log.clear()
    s.call(f, grad(6.0))
    s.see(log, losses)
    if s.compiled:
        assert f.explain().traces == 1


def scene_log_that_is_read(s: Session) -> None:
    log = []

    def f(x):
        y = x.detach() * 2
        log.append(y)
        log.append(y + 1)
        z = log[-1] + log[-2]
        if x.sum() > 0:
            y.add_(1)
            z = z + log[-2]
        if x.sum() > 2:
            y.mul_(2)
            z = z + log[0] * len(log) + log[len(log) - 2]
        return z

    f = s.compile(f)
    for value in (1.0, -1.0, 3.0, 3.0, -1.0, 2.0, 4.0):
        s.call(f, grad(value))
        s.see(log)
        if len(log) > 6:
            log.clear()


def scene_appended_and_searched(s: Session) -> None:
    log = []

    def f(x, k):
        log.append(k)
        count = 0
        for each in log:
            count += each
        log.append(0)
        return x * count

    f = s.compile(f)
    for k in (1, 2, 1, 3, 1, 2):
        s.call(f, grad(1.0), k)
        s.see(log)
        del log[2:]


def scene_window_that_moves(s: Session) -> None:
    window = [T([float(each)]) for each in range(4)]
    numbers = [1.0, 2.0, 3.0]

    def f(x):
        first = window.pop(0)
        window.append(x * 2)
        if x.sum() > 2:
            window.insert(1, x)
            del window[2]
        numbers[:] = numbers[1:] + [numbers[0]]
        window.reverse()
        return first + window[0] * numbers[0] + window[2], len(window), window[1]

    f = s.compile(f)
    for value in (1.0, 3.0, 2.0, 4.0, 1.0, 5.0):
        s.call(f, T([value]))
        s.see(window, numbers)
        window.reverse()


def scene_elements_that_move_and_are_read(s: Session) -> None:
    def f(items, x):
        items.pop(1)
        y = items[1] * x
        items.insert(0, x)
        z = items[2] + y
        if x.sum() > 0:
            return z + items[3]
        return z - items[-1]

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -2.0):
        items = [T([float(each) * value]) for each in range(5)]
        s.call(f, items, T([value]))
        s.see(items)
        items = [value * each for each in range(5)]
        s.call(f, items, T([value]))
        s.see(items)
    same = T([3.0])
    s.call(f, [same] * 5, T([1.0]))
    s.call(f, [same] * 5, same)


def scene_lists_that_are_one(s: Session) -> None:
    def f(a, b, x):
        a.append(x)
        a[0] = x * 2
        b.append(x + 1)
        y = b[0] * len(b)
        b.pop()
        return y + a[-1]

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        one, other = [T([1.0])], [T([5.0])]
        s.call(f, one, other, T([value]))
        s.see(one, other)
        s.call(f, one, one, T([value]))
        s.see(one)


def scene_cleared(s: Session) -> None:
    box = SimpleNamespace(items=[], table={})

    def f(x):
        box.items.clear()
        box.items.append(x)
        box.table.clear()
        box.table["a"] = x * 2
        if x.sum() > 0:
            box.items.append(box.table["a"])
        return box.items[0] + len(box.items) + len(box.table), list(box.table)

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -1.0):
        s.call(f, T([value]))
        s.see(box)
        box.items += [1, 2, 3]


def scene_methods_of_dicts(s: Session) -> None:
    def f(x, k):
        d = {"a": x, "b": k}
        d["c"] = x * 2
        d.setdefault("d", 4)
        d.setdefault("a", 5)
        d.update({"b": 7}, e=x)
        removed = d.pop("c") + d.pop("missing", 1)
        if x.sum() > 0:
            del d["d"]
            d["d"] = "again"
        e = d.copy()
        last = e.popitem()
        both = d | {"z": 1, "a": 0}
        d |= {"y": x}
        made = dict(a=1, b=x), dict([("a", x), ("b", 2)]), dict(zip("ab", (x, k))), dict(d)
        squares = {n: x * n for n in range(3)}
        names = [name for name in d], [name for name, _ in e.items()], list(d.values())
        e.clear()
        return d, e, last, removed, both, made, squares, names, "a" in d, d.get("a"), len(both)

    f = s.compile(f)
    for value, k in ((1.0, 2.0), (-1.0, 2.0), (2.0, 3.0), (-2.0, 1.5)):
        s.call(f, grad(value), k)


def scene_keys(s: Session) -> None:
    def f(x):
        d = {1: x, None: 2, (1, "a"): x * 3, 2.5: 4, int: x, b"k": 5}
        d[True] = x * 7
        d[x] = "tensor"
        y = d[1] + d[(1, "a")] + d[int]
        if x.sum() > 0:
            y = y * d[None]
            del d[None]
        return y, d[x], len(d), 1.0 in d, (1, "b") in d, x in d, [*d.values()]

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0):
        s.call(f, grad(value))


def scene_outer_dicts(s: Session) -> None:
    table, ordered, counts = {"n": 0, "x": T([1.0])}, OrderedDict(b=1, a=2), defaultdict(int, a=3)

    def f(x):
        table["n"] += 1
        table["y"] = x * 2
        old = table.pop("x", None)
        table.setdefault("x", x)
        table.update(z=x.sum().item())
        counts["a"] += 2
        removed = ordered.pop("b")
        ordered["b"] = removed + 1
        if "w" in table:
            del table["w"]
        y = 0
        for name, value in ordered.items():
            y = y * 10 + value
        total = x * y
        for each in table.values():
            total = total + each
        return total, list(table), list(ordered), old, counts.get("missing"), len(table)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0, 4.0):
        s.call(f, T([value]))
        s.see(table, ordered, counts)
        if value == 2.0:
            table["w"] = 5
        if value == 3.0:
            ordered.move_to_end("a")
            table.pop("y")


def scene_bool_keys_are_integers(s: Session) -> None:
    table = {1: 2.0, 0: 3.0}

    def f(x):
        table[1] = x * 2
        y = table[True]
        x.add_(1)
        return y + table[False], y

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, T([value]))
        s.see(table)


def scene_sets(s: Session) -> None:
    seen = {"start"}

    def f(x, name):
        # whose order does not depend on how strings are hashed in this process
        kinds = {1, 2, len(name)}
        kinds.add(4)
        kinds.discard(2)
        evens = {n for n in range(5) if n % 2 == 0}
        evens |= {6}
        both = kinds & {1, 4, 7}
        if name not in seen and x.sum() > 0:
            seen.add(name)
            x = x * len(seen)
        for each in sorted(both):
            x = x * (2 if each in kinds else 3)
        return x, both == {1, 4}, len(kinds), sum(evens), evens, kinds <= {1, 4, 5}, "b" in {name}

    f = s.compile(f)
    for value, name in ((1.0, "p"), (1.0, "q"), (-1.0, "r"), (2.0, "p"), (1.0, "p"), (1.0, "r")):
        s.call(f, grad(value), name)
        s.see(sorted(seen))
    seen.discard("p")
    s.call(f, grad(1.0), "p")
    s.see(sorted(seen))


def scene_methods_from_outside(s: Session) -> None:
    one, other = [], []

    def f(note, items, x):
        note(x.sum().item())
        items.append(2)
        return x * len(items)

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, one.append, one, grad(value), backward=False)
        s.call(f, one.append, other, grad(value), backward=False)
        s.call(f, other.append, other, grad(value), backward=False)
        s.see(one, other)
        one.clear(), other.clear()


def scene_containers_of_the_call_are_kept(s: Session) -> None:
    box = SimpleNamespace(cache=None, history=[])

    def f(x):
        entry = {"x": x, "n": [1, 2]}
        box.cache = entry
        entry["n"].append(3)
        entry["y"] = x * 2
        box.history.append((x.sum().item(), entry["n"]))
        if x.sum() > 0:
            box.cache["n"].append(x)
            entry["n"].pop(0)
            del entry["x"]
        y = box.cache["y"] * len(box.history[-1][1])
        box.cache["z"] = y
        return entry, y

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, -2.0, 3.0):
        entry, _ = s.call(f, T([value]))
        s.see(box, entry is box.cache, box.history[-1][1] is entry["n"])
        entry["n"].append("after")
    if s.compiled:
        assert f.explain().traces <= 4


def scene_kept_and_changed_behind_a_site(s: Session) -> None:
    box = SimpleNamespace(items=None)

    def f(x):
        items = [x]
        box.items = items
        items.append(x + 1)
        while len(items) < 4 and x.sum() > 0:
            items.append(x * len(items))
            x = x - 1
        if x.sum() < -3:
            box.items.append("end")
        return items[-1] if x.sum() > 5 else x

    f = s.compile(f)
    for value in (1.0, -1.0, 3.0, 2.0, -9.0, 9.0, 1.0):
        s.call(f, T([value]))
        s.see(box)


def scene_stored_and_given_a_history_leaves(s: Session) -> None:
    box = SimpleNamespace(h=None)

    def f(x, w):
        h = x * 2
        box.h = h
        h.add_(w)
        return x + 1

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        w = grad(value)
        s.call(f, T([value]), w)
        s.see(box.h.requires_grad, box.h)
        box.h.sum().backward()
        s.see(w)


def scene_membership(s: Session) -> None:
    def f(x, y, k, kind):
        result = x
        if kind in ("a", "b") and kind not in ["c"]:
            result = result * 2
        if k in (1.0, 2.0):
            result = result * 3
        if x in (x, y):
            result = result + 5
        if x in [y, x]:
            result = result + 7
        if y not in (x,):
            result = result + 11
        return result

    f = s.compile(f)
    for value, other, k, kind in (
        (1.0, 2.0, 1.0, "a"),
        (1.0, 1.0, 2.0, "c"),
        (2.0, 1.0, 7.0, "b"),
        (1.0, 2.0, float("nan"), "a"),
        (1.0, 2.0, 1.0, "c"),
    ):
        s.call(f, grad(value), grad(other), k, kind)


def scene_globals_and_cells(s: Session) -> None:
    count, last = 0, None

    def f(x):
        nonlocal count, last
        count += 1
        y = x * count
        last = y.detach()
        if x.sum() > 0:
            count += 10
        return y + last

    f = s.compile(f)
    for value in (1.0, -1.0, 2.0, 3.0, -1.0):
        s.call(f, grad(value))
        s.see(count, last)
    count = 100
    s.call(f, grad(1.0))
    s.see(count, last)


TOTAL: object = 0


def counts(x):
    global TOTAL
    TOTAL = TOTAL + 1
    from tests.graph import programs_containers

    return x * programs_containers.TOTAL


def scene_global_that_is_stored(s: Session) -> None:
    global TOTAL
    TOTAL = 0
    f = s.compile(counts)
    for _ in range(5):
        s.call(f, grad(1.0))
        s.see(TOTAL)
    TOTAL = 1.5
    s.call(f, grad(1.0))
    s.call(f, grad(1.0))
    s.see(TOTAL)
    TOTAL = 0


def scene_match(s: Session) -> None:
    class Point:
        __match_args__ = ("x", "y")

        def __init__(self, x, y):
            self.x = x
            self.y = y

    def f(x, what):
        match what:
            case "neg" | "minus":
                return -x
            case int(n):
                return x * n
            case [a]:
                return x + a
            case (a, "b", *rest):
                return x + a, rest
            case {"scale": k, **others}:
                return x * k, others
            case Point(a, y=0):
                return x + a
            case Point(x=a, y=b) if x.sum() > 0:
                return x * a + b
            case None:
                return x
            case float():
                return x * what
        return what

    f = s.compile(f)
    for _ in range(2):
        for value in (1.0, -1.0):
            for what in ("neg", "other", 3, [2.0], [1, "b", 3, 4], {"scale": 2.0, "n": 1}, 2.5,
                         None, Point(1.0, 0), Point(2.0, 1.5), (1, 2), {"n": 1}, True):  # fmt: skip
                s.call(f, grad(value), what)


def scene_errors_of_containers_raises(s: Session) -> None:
    def f(x, k):
        l, d = [x, 1], {"a": x}
        if k == 0:
            return l[2]
        if k == 1:
            return l.pop(7)
        if k == 2:
            return d["b"]
        if k == 3:
            del d["b"]
        if k == 4:
            return l.index("b")
        if k == 5:
            l[::2] = [1, 2, 3]
        if k == 6:
            return d.pop("b")
        if k == 7:
            l.extend(5)
        if k == 8:
            a, b, c = l
        return x * 2

    f = s.compile(f)
    for _ in range(2):
        for k in range(10):
            s.attempt(f, grad(1.0), k)


def scene_errors_keep_what_was_done_raises(s: Session) -> None:
    log, table = [], {}

    def f(x, k):
        log.append(x)
        table["k"] = k
        if k > 1:
            log.pop(9)
        log.append(k)
        return x * 2

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5, 2.5):
        s.attempt(f, T([1.0]), k)
        s.see(log, table)
