"""Graphs that grow, run and are freed in random order, from several threads, in little memory.

    python -m tests.graph.stress --graphs 5000

Threads share some places, each with a compiled function and the one that it was made of. A thread
calls what is at a place that it draws, with inputs that it draws, and compares with eager; or it
puts a fresh function there, so that the one that was there is freed, while others may call it; or
it goes back through what another thread has computed. Every tensor is large, so that what is kept
of functions that are gone would soon be more than the process may have.
"""

from __future__ import annotations

import argparse
import collections
import gc
import random
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import jitgrad as torch
from jitgrad import config, nn
from jitgrad.graph import cycles, replay
from jitgrad.graph.graph import Graph
from jitgrad.graph.segment import Segment
from jitgrad.graph.tape import Tape
from jitgrad.kernels.program import Program
from jitgrad.storage import Storage

SIZE = 1 << 15
PLACES = 12
WAITING = 6
"""How many results wait for a thread that goes back through them."""


class Stopped(Exception):
    """What functions raise that are told to."""


def branches(draw: random.Random) -> Callable:
    scale, offset = draw.uniform(-1, 1), torch.rand(SIZE)

    def f(x, n, flag):
        y = x * scale + offset
        if y.sum() > 0:
            y = y.tanh()
        return y * n if flag else y.sin()

    return f


def turns(draw: random.Random) -> Callable:
    weight = torch.rand(SIZE, requires_grad=True)

    def f(x, n, flag):
        for _ in range(8 * n):
            x = (x * weight).sin() if flag else x * 0.5 + 1
        return x

    return f


def module(draw: random.Random) -> Callable:
    rows = 1 << 5
    net = nn.Sequential(nn.Linear(SIZE // rows, 8), nn.Tanh(), nn.Linear(8, SIZE // rows))

    def f(x, n, flag):
        y = net(x.view(rows, -1))
        return y if flag else y * n

    return f


def generator(draw: random.Random) -> Callable:
    kept = torch.rand(SIZE)

    def parts(x, n):
        for k in range(n):
            yield x * k + kept

    def f(x, n, flag):
        found = parts(x, n)
        return next(found) if flag else sum(found)

    return f


def outside(draw: random.Random) -> Callable:
    seen: list[Any] = []
    table = {"a": torch.rand(SIZE)}

    def f(x, n, flag):
        try:
            y = x * table["a" if flag else "b"]
        except KeyError:
            y = x.exp()
        seen.append(n)
        if len(repr(seen[-1])) > 1:
            raise Stopped(n)
        return y * float(str(n))

    return f


def trained(draw: random.Random) -> Callable:
    # what is trained belongs to the call, since threads that train one model need a lock
    def f(x, n, flag):
        weight = (x.detach() * 0.5).requires_grad_(False) * 1
        for _ in range(n):
            w = weight.detach().clone()
            weight = w - 0.1 * (w * x).tanh()
        return weight if flag else weight * x

    return f


KINDS = (branches, turns, module, generator, outside, trained)


def outcome(function: Callable, given: tuple) -> Any:
    """Return what a call gives, or that it was stopped."""
    x, n, flag = given
    try:
        return function(x, n, flag)
    except Stopped:
        return None


def same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return np.allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)


class Stress:
    """The places, and what threads do to them.

    Attributes:
        graphs: how many functions were made.
        calls: how often they were called.
        left: how many are still to be made.
        wrong: what went wrong.
    """

    def __init__(self, graphs: int, seed: int) -> None:
        self.seed = seed
        self.graphs = self.calls = self.passes = 0
        self.left = iter(range(graphs))
        self.places: list[tuple[Callable, Callable]] = []
        self.waiting: collections.deque = collections.deque(maxlen=WAITING)
        self.wrong: list[BaseException] = []
        draw = random.Random(seed)
        self.places = [self.made(draw) for _ in range(PLACES)]

    def made(self, draw: random.Random) -> tuple[Callable, Callable]:
        self.graphs += 1
        plain = draw.choice(KINDS)(draw)
        return plain, torch.compile(plain)

    def work(self, number: int) -> None:
        """Do what one thread does."""
        draw = random.Random(f"{self.seed} {number}")
        try:
            while not self.wrong:
                for _ in range(draw.randrange(1, 16)):
                    self.call(draw)
                if next(self.left, None) is None:
                    break
                self.places[draw.randrange(PLACES)] = self.made(draw)
        except BaseException as error:
            self.wrong.append(error)
            raise

    def call(self, draw: random.Random) -> None:
        plain, compiled = draw.choice(self.places)
        self.calls += 1
        values = np.random.default_rng(draw.randrange(100)).uniform(-1, 1, SIZE)
        n, flag, tracked = draw.choice((1, 2, 3)), draw.random() < 0.5, draw.random() < 0.7
        pair: list[Any] = []
        for function in (plain, compiled):
            x = torch.tensor(values, dtype=torch.float32, requires_grad=tracked)
            pair.append((x, outcome(function, (x, n, flag))))
        (_, expected), (_, found) = pair
        assert same(expected, found), (plain.__qualname__, n, flag, tracked)
        if tracked and found is not None:
            self.waiting.append(pair)
        if draw.random() < 0.5:
            self.go_back()

    def go_back(self) -> None:
        """Go back through what some thread has computed."""
        try:
            pair = self.waiting.popleft()
        except IndexError:
            return
        self.passes += 1
        slopes = [torch.autograd.grad(y.sum(), x)[0] for x, y in pair]
        assert same(*slopes)


def data_bytes() -> int:
    """Return what the process has of memory of its own."""
    found = re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) << 10


def living() -> collections.Counter[str]:
    """Return how many objects of ours there are."""
    gc.collect()
    kinds = (Graph, Segment, Tape, Program, Storage)
    return collections.Counter(type(e).__name__ for e in gc.get_objects() if type(e) in kinds)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megabytes", type=int, default=160, help="beside what it starts with")
    parser.add_argument("--verbose", action="store_true", help="tell now and then how it goes")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of functions that rest
    config.unroll, cycles.WARM, replay.WARM = 3, 2, 8
    # all kernels, and what has to be imported
    first = Stress(5 * PLACES, options.seed)
    first.work(0)
    assert not first.wrong
    del first
    before = living()

    stress = Stress(options.graphs, options.seed + 1)
    begin = threading.Barrier(options.threads + 1)

    def run(number: int) -> None:
        begin.wait()
        stress.work(number)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(options.threads)]
    for each in threads:
        each.start()
    limit = data_bytes() + (options.megabytes << 20)
    limit_data(limit)
    sys.setswitchinterval(1e-4)
    begin.wait()
    highest, told = 0, time.monotonic()
    while any(each.is_alive() for each in threads):
        threads[0].join(0.01)
        for each in threads:
            each.join(0.01)
        highest = max(highest, data_bytes())
        if options.verbose and time.monotonic() > told + 2:
            told = time.monotonic()
            more = (data_bytes() - limit >> 20) + options.megabytes
            print(f"{stress.graphs} graphs, {stress.calls} calls, {more} MB", flush=True)
    if stress.wrong:
        raise stress.wrong[0]
    stress.places.clear()
    stress.waiting.clear()
    after = living()
    assert all(after[kind] <= before[kind] + 2 for kind in after), (before, after)
    print(
        f"{stress.graphs} graphs, {stress.calls} calls, {stress.passes} backward passes, "
        f"{limit - highest >> 20} MB to spare"
    )


def limit_data(count: int) -> None:
    """Let the process have no more memory of its own than so many bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (count, count))


if __name__ == "__main__":
    main()
