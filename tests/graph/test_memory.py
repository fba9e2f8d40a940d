"""What compiled functions hold on to: nothing per call, and nothing once they are dropped."""

from __future__ import annotations

import collections
import gc
import io
import itertools
import linecache
import random
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType
from typing import Any

import pytest

import jitgrad as torch
from bench import memory
from jitgrad import config, nn
from jitgrad.graph import cycles, facts, replay
from jitgrad.kernels import cpu
from jitgrad.python import lower
from jitgrad.storage import Storage
from tests.timers import needs_timers


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(replay, "WARM", 4)


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def living() -> collections.Counter[str]:
    """Return how many objects of each class the collector knows of."""
    gc.collect()
    return collections.Counter(repr(type(each)) for each in gc.get_objects())


def grown(act: Callable[[], Any], times: int, first: int) -> dict[str, int]:
    """Return which classes have `times` objects more after so many calls of `act`, or more yet.

    Args:
        first: how often it is called before, for all that is made once.
    """
    for _ in range(first):
        act()
    more: dict[str, int] = {}
    for _ in range(3):
        before = living()
        for _ in range(times):
            act()
        more = {kind: count for kind, count in (living() - before).items() if count >= times}
        if not more:
            break
        # something may be made once as late as that; what leaks does so again
    return more


# -- functions that are dropped ---------------------------------------------------------------


def makes_branches() -> None:
    scale = random.random()

    @torch.compile
    def f(x):
        y = x * 2 + scale
        return y.sum() if x.sum() > 0 else y.exp().sum()

    for sign in (1.0, -1.0) * 6:
        f(torch.full((3,), sign, requires_grad=True)).backward()


def makes_a_loop() -> None:
    @torch.compile
    def f(x, n):
        seen = []
        while n > 0:
            x = (x * 0.5).sin() if n % 3 else x * 2
            seen.append(x.sum())
            n -= 1
        return torch.stack(seen).sum()

    for n in (40, 50, 60, 70):
        f(torch.ones(3, requires_grad=True), n).backward()
    assert any(segment.cycles for segment in f.graph.segments)


def makes_a_training_step() -> None:
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters())

    @torch.compile
    def step(x):
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(24):
        step(torch.ones(3, 2))


def makes_a_module() -> None:
    model = torch.compile(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))
    for _ in range(24):
        model(torch.ones(3, 2)).sum().backward()


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def scaled(self, x: Any) -> Any:
        return (x * self.factor).sum()


def makes_a_method() -> None:
    function = torch.compile(Scaled(random.random()).scaled)
    for _ in range(12):
        function(torch.ones(2, requires_grad=True)).backward()


def makes_exits_and_generators() -> None:
    stream = io.StringIO()

    @torch.compile
    def f(x):
        parts = (x * each for each in (1.0, 2.0))
        y = next(parts)
        print(y.sum().item(), file=stream)
        return y + sum(parts)

    for _ in range(12):
        f(torch.ones(2, requires_grad=True)).sum().backward()
    assert f.explain().exits


MAKERS = [
    makes_branches,
    makes_a_loop,
    makes_a_training_step,
    makes_a_module,
    makes_a_method,
    makes_exits_and_generators,
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda each: each.__name__[6:])
def test_a_function_that_is_dropped_leaves_nothing(make: Callable[[], None]) -> None:
    assert grown(make, times=4, first=2) == {}
    files = len(linecache.cache)
    make()
    gc.collect()
    assert len(linecache.cache) == files


def trained(kind: str) -> tuple[Any, list[weakref.ref]]:
    """Return the last loss of a model that is gone, and references to its parameters."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters())

    @torch.compile
    def forward(x):
        return model(x).sum()

    @torch.compile
    def train(x):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    step = train if kind == "train" else forward
    for _ in range(99):
        step(torch.ones(3, 2))
    assert step.graph.entrance.shortcuts or kind == "train"
    return step(torch.ones(3, 2)), [weakref.ref(each) for each in model.parameters()]


@pytest.mark.parametrize("kind", ["forward", "train"])
def test_what_it_read_is_let_go_without_the_collector(kind: str, _no_collector: None) -> None:
    loss, parameters = trained(kind)
    if kind == "forward":
        loss.backward()
    del loss
    assert [each() for each in parameters] == [None] * 4


@pytest.mark.parametrize("is_native", [False, True])
def test_programs_are_freed_with_their_memory_without_the_collector(
    is_native: bool, _no_collector: None
) -> None:
    @torch.compile
    def f(x):
        made = (x.sin() @ x).exp().sum(0)
        return made if is_native else made.cumprod(0)  # for which Python calls NumPy

    for _ in range(3):
        f(torch.ones(3, 3))
    (segment,) = f.graph.segments
    program = segment.program
    while not program.source:
        program = program.program
    file = program.run.__code__.co_filename
    assert file in linecache.cache
    run = weakref.ref(program.at_once())
    assert isinstance(run(), BuiltinFunctionType) == is_native
    assert (file not in linecache.cache) == is_native
    segment.program = None
    del program
    assert run() is None
    assert file not in linecache.cache


def test_code_that_is_made_of_text_is_held_in_bounded_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "program", "python")
    monkeypatch.setattr(lower._known, "most", 8)

    def make() -> None:
        number = random.random()
        source, name = f"def f(x):\n    return x * {number}\n", f"<text {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        space: dict[str, Any] = {}
        exec(compile(source, name, "exec"), space)
        function = torch.compile(space["f"])
        for _ in range(2):
            assert function(torch.ones(1)).item() == pytest.approx(number)
        assert function.explain().traces == 1
        del linecache.cache[name]

    for _ in range(20):
        make()
    assert len(lower._known) == 8


def test_what_compiles_a_kernel_holds_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cache_dir", "")
    held: list[int] = []

    def make() -> None:
        source = "def kernel(arguments, first, last):\n"
        source += f"    x = region(arguments, 0, 'float32')\n    x[0] = {random.random()}\n"
        made = cpu.kernel_for(source)
        assert not made.from_disk
        held.append(made.address)

    # a kernel itself is an object with a few slots, and stays
    assert grown(make, times=6, first=2).keys() <= {"<class 'jitgrad.kernels.cpu.Kernel'>"}
    assert len(set(held)) == len(held)
    assert not any(each.startswith("<jitgrad kernel") for each in linecache.cache)


# -- calls ------------------------------------------------------------------------------------


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
