"""What compiled functions hold on to once they are dropped: nothing."""

from __future__ import annotations

import gc
import io
import linecache
import random
import weakref
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config, nn
from jitgrad.kernels import cpu
from jitgrad.python import lower
from tests.graph.growth import grown, have_programs_soon
from tests.native import needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_programs_soon(monkeypatch)


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
@needs_native
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
@needs_native
def test_what_it_read_is_let_go_without_the_collector(kind: str, _no_collector: None) -> None:
    loss, parameters = trained(kind)
    if kind == "forward":
        loss.backward()
    del loss
    assert [each() for each in parameters] == [None] * 4


@pytest.mark.parametrize("is_native", [False, True])
@needs_native
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
