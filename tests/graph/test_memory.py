"""What calls of compiled functions hold on to: nothing."""

from __future__ import annotations

import gc
import io
import itertools
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from bench import memory
from jitgrad import config
from jitgrad.graph import facts
from jitgrad.storage import Storage
from tests.graph.growth import grown, have_programs_soon
from tests.native import needs_native
from tests.timers import needs_timers


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_programs_soon(monkeypatch)


class Boom(Exception):
    pass


@torch.compile
def raises(x, n):
    y = (x * n).sum()
    if y > 0:
        raise Boom(n)
    return y


@torch.compile
def plain(x):
    return (x * x).sum()


@torch.compile
def truncated(x, w, n):
    while n > 0:
        x = (x * w).tanh() + 0.1
        (x * x).sum().backward()
        x = x.detach()
        n -= 1
    return x


@torch.compile
def turned(x, n):
    while n > 0:
        x = (x * 0.5).sin() + 0.1
        n -= 1
    return x


@torch.compile
def host(x):
    y = x * 2
    return y * random.random()


@torch.compile
def sized(x):
    return (x * 2 + 1).tanh().sum()


sizes = itertools.count(1)


def calls_raise() -> None:
    with pytest.raises(Boom):
        raises(torch.ones(3, requires_grad=True), random.random())


def calls_raise_in_the_backward_pass() -> None:
    x: Any = torch.ones(3, requires_grad=True)
    y = plain(x)
    with torch.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()


def calls_raise_in_a_hook() -> None:
    x = torch.ones(3, requires_grad=True)

    def hook(gradient: Any) -> Any:
        raise Boom

    x.register_hook(hook)
    with pytest.raises(Boom):
        plain(x).backward()


def calls_cut_the_history() -> None:
    truncated(torch.ones(3), torch.ones(3, requires_grad=True), 50)


def calls_go_back_through_loops() -> None:
    turned(torch.ones(3, requires_grad=True), random.choice((40, 60, 90))).sum().backward()


def calls_host() -> None:
    host(torch.ones(3, requires_grad=True)).sum().backward()


def calls_of_any_size() -> None:
    sized(torch.ones(next(sizes), requires_grad=True)).backward()


def calls_that_are_interrupted() -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 2e-3)
        turned(torch.ones(3, requires_grad=True), 10**9)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGALRM, before)
    pytest.fail("it was not interrupted")


CALLS = [
    calls_raise,
    calls_raise_in_the_backward_pass,
    calls_raise_in_a_hook,
    calls_cut_the_history,
    calls_go_back_through_loops,
    calls_host,
    calls_of_any_size,
    pytest.param(calls_that_are_interrupted, marks=needs_timers),
]


@pytest.mark.filterwarnings("ignore:.*runs eagerly for:UserWarning")
@pytest.mark.parametrize("call", CALLS, ids=lambda each: each.__name__[6:])
def test_a_call_leaves_nothing(call: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "max_misses", 20)
    monkeypatch.setattr(config, "max_segments", 20)
    monkeypatch.setattr(facts._keys, "most", 20)
    assert grown(call, times=30, first=100) == {}
    # whatever the collector does not know of: numbers, strings, arrays
    more = []
    for _ in range(3):
        before = sys.getallocatedblocks()
        for _ in range(200):
            call()
        gc.collect()
        more.append(sys.getallocatedblocks() - before)
    assert min(more) < 100


@torch.compile
def finds(x, table):
    try:
        return x * table["a"]
    except KeyError as error:
        y = x * 2
        print(end="", file=None if error.args else io.StringIO())
        return y


@torch.compile
def picks(x, n):
    return (x * 2)[n]


def calls_handle() -> None:
    finds(torch.ones(3, requires_grad=True), {})


def calls_pick() -> None:
    with pytest.raises(IndexError):
        picks(torch.ones(3, requires_grad=True), random.randrange(3, 9))


@pytest.mark.parametrize(
    "call",
    [calls_raise, calls_raise_in_a_hook, calls_host, calls_handle, calls_pick, calls_of_any_size],
    ids=lambda each: each.__name__[6:],
)
@pytest.mark.filterwarnings("ignore:.*runs eagerly for:UserWarning")
@pytest.mark.parametrize("first", [0, 60])
def test_tensors_end_with_the_call(
    call: Callable[[], None], first: int, _no_collector: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They must not wait for the collector, which does not know how large they are."""
    monkeypatch.setattr(config, "max_misses", 20)

    def storages() -> int:
        return sum(type(each) is Storage for each in gc.get_objects())

    for _ in range(first + 1):
        call()
    gc.collect()
    before = storages()
    for _ in range(10):
        call()
    assert storages() - before < 10


@needs_native
def test_turns_that_save_nothing_take_no_memory() -> None:
    @torch.compile
    def settle(x, n):
        while n > 0:
            x = x * 0.5 + 1
            n -= 1
        return x

    x = torch.ones(3, requires_grad=True)
    for n in (40, 50, 60):
        settle(x, n)
    settle(x, 1000)
    before = memory.resident()
    y = settle(x, 10**7)
    assert settle.explain().kept_bytes == 0
    after = memory.resident()
    # less than a byte a turn
    assert before is None or after is None or after - before < 10**7
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0] * 3
