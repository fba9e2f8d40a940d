"""Compiled functions in child processes, forked and spawned, while threads are at work."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from pathlib import Path

import pytest

import jitgrad as torch
from tests.native import needs_native
from tests.processes import run_program

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@torch.compile
def doubled(x):
    return x * 2 if x.sum() > 0 else x * 3


COMMON = """
import os
import signal
import threading
import time
import traceback
import warnings

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles

import logging

warnings.simplefilter("ignore", DeprecationWarning)
config.unroll, cycles.WARM = 3, 2
config.max_misses = config.max_segments = 1 << 30


def body(x, n):
    for _ in range(n):
        x = (x * 0.5 + 1).sin()
    return x if x.sum() > 0 else x * 2


def in_child(check):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(30)
            check()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"a child has ended with {status}"


def check(f, size):
    x, y = (torch.full((size,), 0.25, requires_grad=True) for _ in range(2))
    f(x, 40).sum().backward()
    body(y, 40).sum().backward()
    assert x.grad.allclose(y.grad), (x.grad, y.grad)

"""

AT_WORK = """
from jitgrad.graph.graph import Graph
from jitgrad.kernels import cpu
from jitgrad.locks import SHARED

shared = torch.compile(body)
check(shared, 2)
begun = threading.Event()


def slowly(function):
    def slow(*given):
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            time.sleep(0.5)
            # as compilers do; it asks for a lock that a fork waits for, too
            logging.getLogger("a compiler").setLevel(logging.ERROR)
        return function(*given)

    return slow


def compute():
    fresh = torch.compile(lambda x: (x - 0.125).tanh() * x.cos())
    fresh(torch.ones(3))
    assert fresh(torch.ones(3)).shape == (3,)


def record():
    shared(torch.ones(3), 2)


def hold():
    with SHARED:
        begun.set()
        time.sleep(0.5)


def in_child_of(work, check):
    begun.clear()
    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    in_child(check)
    thread.join()


def recorded():
    before = shared.graph.traces
    check(shared, 5)
    assert shared.graph.traces > before


cpu.Kernel.__init__ = slowly(cpu.Kernel.__init__)
in_child_of(compute, compute)
Graph.evaluate = slowly(Graph.evaluate)
in_child_of(record, recorded)
in_child_of(hold, lambda: check(shared, 2))
print("done")
"""

HELPING = """
f = torch.compile(lambda x: (x.sin() * 2 + x).exp().sum())
big = torch.ones(1 << 20)
expected = f(big).item()
f(big)
loop = torch.compile(body)
for n in (20, 30, 40):
    loop(torch.ones(1 << 18), n)
assert threading.active_count() > 2


def again():
    assert abs(f(big).item() - expected) < 1e-3 * expected
    check(loop, 1 << 18)


stop = threading.Event()


def work():
    while not stop.is_set():
        f(big)
        loop(torch.ones(1 << 18), 20)


threads = [threading.Thread(target=work) for k in range(2)]
for each in threads:
    each.start()
try:
    for _ in range(4):
        in_child(again)
    again()
finally:
    stop.set()
print("done")
"""


@needs_fork
@needs_native
def test_a_fork_while_others_compile_and_record(tmp_path: Path) -> None:
    assert run_program(tmp_path, COMMON + AT_WORK) == "done\n"


@needs_fork
@needs_native
def test_a_fork_while_helpers_work(tmp_path: Path) -> None:
    assert run_program(tmp_path, COMMON + HELPING, {"JITGRAD_NUM_THREADS": "3"}) == "done\n"


def test_functions_are_pickled_by_name() -> None:
    doubled(torch.ones(2))
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled) is doubled


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_functions_in_processes_of_a_pool(method: str) -> None:
    doubled(torch.ones(2))
    with multiprocessing.get_context(method).Pool(2) as pool:
        waiting = [pool.apply_async(doubled, (torch.full((3,), k - 1.5),)) for k in range(4)]
        found = [each.get(120).tolist() for each in waiting]
    assert found == [[-4.5] * 3, [-1.5] * 3, [1.0] * 3, [3.0] * 3]
