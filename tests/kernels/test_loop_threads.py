"""Native loops beside other threads, and what signals raise between their turns."""

from __future__ import annotations

import contextlib
import operator
import signal
import threading
import time

import numpy as np
import pytest

from jitgrad.graph.ir import Scalar, Write
from jitgrad.kernels import calling, running, threads
from jitgrad.kernels.loops import Stop, lower_loop
from tests.kernels import records as r
from tests.kernels.looping import check, compute, doubling, one_path, plain, scalar_step
from tests.threads import in_threads


def test_loops_run_in_several_threads():
    steps, b, doubled, test = doubling((1000,), "float64", 1e300)
    loop = lower_loop(*one_path(steps, [b], [test], [(b, doubled)], [b]))
    wrong = []

    def run(k):
        for _ in range(20):
            turns = loop.run([np.full(1000, float(k))])
            good = turns.carried[0] == k * 2.0**turns.finished
            if turns.stop is not Stop.TEST or not good.all():
                wrong.append(k)

    in_threads(run, range(1, 5))
    assert not wrong


def endless():
    """Return a loop that counts."""
    n = Scalar(int)
    more = scalar_step(operator.add, "{0} + {1}", n, 1, kind=int)
    return lower_loop(*one_path([more], [n], [], [(n, more.output)], []))


@contextlib.contextmanager
def alarm(handler):
    """Have a signal call `handler` soon."""
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def test_signals_are_heard_and_the_loop_goes_on():
    heard = []
    with alarm(lambda *_: heard.append(True)):
        turns = endless().run([0], limit=100_000_000)
    assert heard and turns.carried == [100_000_000]


def test_an_exception_of_a_signal_ends_a_run():
    def interrupt(*_):
        raise KeyboardInterrupt

    loop = endless()
    with alarm(interrupt), pytest.raises(KeyboardInterrupt):
        loop.run([0])
    assert loop.run([5], limit=10).carried == [15]


def test_what_is_raised_between_portions_ends_a_loop_that_writes(monkeypatch):
    x, total = plain((3,)), plain((3,))
    more = compute(r.ADD, x, 1.0)
    added = compute(r.ADD, total, x)
    write = Write(x, more.output)
    loop = lower_loop(*one_path([added, more, write], [x, total], [], [(total, added.output)], [x]))
    calls = []

    def look():
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return time.monotonic()

    monkeypatch.setattr(running.time, "perf_counter", look)
    value = np.zeros(3, "float32")
    turns = loop.run([value, np.zeros(3, "float32")])
    assert turns.stop is Stop.ERROR and isinstance(turns.error, KeyboardInterrupt)
    done = turns.finished
    assert done > 100 and value.tolist() == [done] * 3 and len(turns.tape[0][0]) == done
    expected = np.float32(0)
    for each in range(done):
        expected += np.float32(each)
    assert turns.carried[0].tolist() == [expected] * 3


def test_other_threads_run_during_a_long_loop():
    seen = []
    stop = threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(time.perf_counter())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    endless().run([0], limit=50_000_000)
    ended = time.perf_counter()
    stop.set()
    watcher.join()
    assert sum(started < each < ended for each in seen) > 10


@pytest.mark.parametrize("helpers", [0, 2])
def test_long_kernels_are_split_over_threads(helpers, monkeypatch):
    monkeypatch.setattr(threads, "THREADS", helpers + 1)
    prepare, prepared = calling.HELPERS.prepare, []
    monkeypatch.setattr(calling.HELPERS, "prepare", lambda: prepared.append(prepare()))
    steps, b, doubled, test = doubling((1 << 18,), "float64", 1e6)
    value = np.arange(1 << 18, dtype="float64") % 5
    check(steps, [b], [test], [(b, doubled)], [], {}, [value])
    assert bool(prepared) is bool(helpers)
