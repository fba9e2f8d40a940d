"""What random programs find around them: functions, classes and objects.

`host` has no source, so that whatever it is given is done by Python in the middle of a call.
"""

from __future__ import annotations

PRELUDE = """\
import bisect
import heapq
import itertools
from collections import Counter, defaultdict, deque
from dataclasses import dataclass

RATE = 2.0
log = []


def helper(a, b):
    if a.sum() > b.sum():
        return a - b
    return b - 1


def swapped(a, b):
    return a * 1 - b


def counted(a, box, step=1):
    box.n += step
    return a + box.n


def both(a):
    yield a
    yield a + 1


def total_of(first, *rest, scale=1):
    for each in rest:
        first = first + each * scale
    return first


def remember(a):
    global RATE
    RATE = 3 - RATE
    return a + RATE


class Meter:
    limit = 3

    def __init__(self):
        self.count = 0
        self.kept = None

    def __call__(self, a):
        self.count = (self.count + 1) % self.limit
        return a + self.count

    def other(self, a):
        return a - self.count

    @property
    def is_full(self):
        return self.count == self.limit - 1

    def keep(self, a):
        before, self.kept = self.kept, a.detach()
        return a if before is None else a + before.sum()

    def __len__(self):
        return self.count


meter = Meter()


class Refused(ValueError):
    pass


def checked(a, most):
    if a.sum() > most:
        raise Refused(f"more than {most}")
    return a + 1


def apply(callback, *args):
    return callback(*args)


def identity(a):
    return a


def poke(box):
    box.n = (box.n + 1) % 3
    box.rate = 3 - box.rate
    box.items[0] = box.n


def refill(box):
    box.items = [box.rate, *box.items[:2]]
    box.table = {0: box.n, **box.table}


def turn(x, y, box):
    box.n += 1
    box.last = x if box.n % 2 else y


def touch(a, by=1):
    with torch.no_grad():
        a.add_(by)


def spoil(a):
    a.data.sub_(1)


def share(a):
    a.detach().numpy()[...] += 1


def learn(a):
    if a.requires_grad:
        a.sum().backward(retain_graph=True)


def stream(a, count):
    for i in range(count):
        yield a + i
    yield a


def doubled(gradient):
    return gradient * 2


def guarded(a, box, most):
    try:
        return checked(a, most)
    except Refused:
        box.n += 1
        return a
    finally:
        box.total += 1


class Tally:
    def __init__(self, start=0):
        self.n = start
        self.kept = []

    def step(self, a):
        self.n += 1
        self.kept.append(a)
        return a + self.n

    def __add__(self, a):
        return a + self.n

    def __getitem__(self, at):
        return self.kept[at]


def look_around(x, y, box, net):
    a = helper(x, y) + meter(x) + net(y) + torch.zeros(())
    for each in box.table:
        a = a * 2 if each == "t" else a + 1
    for each in box.items:
        a = a + (each if isinstance(each, int) else 2)
    box.kept = [box.flag, box.rate, box.other.n, box.other is box, box.last is x, *box.items[:1]]
    box.n += 1
    return a.clamp(-16, 16) + box.other.n


class Row(list):
    label = 1

    def append(self, each):
        super().append(each)
        self.label = len(self)

    def __getitem__(self, at):
        return super().__getitem__(at) if len(self) else 0


class Book(dict):
    opened = 0

    def __missing__(self, key):
        self.opened += 1
        return self.opened


class Amount(float):
    def __add__(self, other):
        return Amount(float(self) + other)

    def __str__(self):
        return f"{float(self):.1f} in all"


@dataclass(order=True)
class Score:
    value: float
    rank: int = 0

    def __str__(self):
        return f"{self.rank}"


class Lenient:
    def __init__(self, box):
        self.box = box

    def __enter__(self):
        self.box.n += 1
        return self.box.n

    def __exit__(self, kind, error, trace):
        self.box.total += 1
        return kind is Refused


"""

HOSTS = """\
def host(callback, *args, **kwargs):
    return callback(*args, **kwargs)
"""
