"""Interrupts at any place of a call: it has done what an interrupted eager call may have done."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import appending, cycles, host_calls, replay, tape, watching
from jitgrad.locks import LOWERING, SHARED
from jitgrad.modes import state
from tests.graph import programs_interrupts
from tests.graph.interrupting import Interrupt, Place, Refusal, interrupted, outermost, places
from tests.native import needs_native

PROGRAMS = [each for name, each in vars(programs_interrupts).items() if name[:8] == "program_"]
CALLS = (0, 1, 2, 9, 20)
"""Which calls are interrupted: the first, which is recorded, and others, by what is known then."""

USUAL = 6
"""At how many places a usual run interrupts each of these calls."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(config, "max_range", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    monkeypatch.setattr(host_calls, "WARM", 2)
    monkeypatch.setattr(watching, "FAMILIAR", 2)
    for module in (replay, tape):
        monkeypatch.setattr(module, "WARM", 4)


# -- what can be seen -----------------------------------------------------------------------


def seen(value: Any) -> Any:
    """Return all that can be seen of a box, or of results."""
    if isinstance(value, torch.Tensor):
        rounded = np.round(value.detach().numpy(), 9).ravel().tolist()
        return "tensor", tuple(rounded), value.requires_grad, seen(value.grad)
    if isinstance(value, torch.nn.Module):
        return tuple(map(seen, value.parameters()))
    if isinstance(value, torch.optim.Optimizer):
        return tuple(seen(dict(value.state.get(each, {}))) for each in _parameters(value))
    if isinstance(value, (list, tuple)):
        return tuple(map(seen, value))
    if isinstance(value, dict):
        return tuple((key, seen(held)) for key, held in value.items())
    return seen(vars(value)) if isinstance(value, SimpleNamespace) else value


def _parameters(optimizer: Any) -> list[Any]:
    return [each for group in optimizer.param_groups for each in group["params"]]


def tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors of a box."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, torch.nn.Module):
        yield from value.parameters()
    elif isinstance(value, SimpleNamespace):
        for each in vars(value).values():
            yield from tensors(each)


def call(function: Callable, box: Any, number: int) -> Any:
    """Make the call with this number, with its backward pass; return all that it gives."""
    draw = random.Random(number)
    values = [draw.uniform(-1, 1) for _ in range(2)]
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = function(box, x, 1 + number % 4)
    if y.requires_grad:
        y.sum().backward()
    return seen([y, x])


def eager_outcomes(plain: Callable, box: Any, number: int) -> set:
    """Return what becomes of a box where an eager call is interrupted, anywhere in its own code."""
    found = {seen(box)}

    def belongs(file: str) -> bool:
        return file == programs_interrupts.__file__

    for place in places(lambda: call(plain, copy.deepcopy(box), number), belongs):
        left = copy.deepcopy(box)
        interrupted(lambda left=left: call(plain, left, number), place, belongs=belongs)
        torch.set_grad_enabled(True)
        found.add(seen(left))
    whole = copy.deepcopy(box)
    call(plain, whole, number)
    return {*found, seen(whole)}


def is_torn(error: BaseException | None) -> bool:
    """Did an interrupt come where a replay performs effects? Then `finally` blocks do not run."""
    entry = None if error is None else error.__traceback__
    while entry is not None:
        held = entry.tb_frame.f_locals
        runs = [held.get("run"), getattr(held.get("going"), "run", None)]
        if any(getattr(each, "is_torn", False) for each in runs):
            return True
        entry = entry.tb_next
    return False


def is_free(lock: Any) -> bool:
    """Could another thread take a lock?"""
    found: list[bool] = []

    def take() -> None:
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    other = threading.Thread(target=take)
    other.start()
    other.join()
    return found[0]


# -- at any place ---------------------------------------------------------------------------


class Subject:
    """A compiled program behind some calls.

    Args:
        make: the program.
        number: how many calls have been made.
    """

    def __init__(self, make: Callable, number: int) -> None:
        self.number = number
        self.plain, self.box = make()
        self.compiled = torch.compile(self.plain)
        for each in range(number):
            call(self.compiled, self.box, each)

    def call(self) -> Any:
        """Make the next call."""
        return call(self.compiled, self.box, self.number)

    def interrupt(self, place: Place, outcomes: set | None, error: Any = Interrupt) -> None:
        """Interrupt the next call, and look at everything; go on with others then."""
        before = [(each, each.detach().numpy().copy(), each._version) for each in tensors(self.box)]
        was_reached, raised = interrupted(self.call, place, error)
        if was_reached:
            assert isinstance(raised, error), (place, raised)
        assert state.recorder is None, place
        assert torch.is_grad_enabled(), place
        for lock in (LOWERING, SHARED, self.compiled.graph.lock):
            assert is_free(lock), place
        for each, elements, version in before:
            is_written = not np.array_equal(each.detach().numpy(), elements)
            assert each._version > version or not is_written, place
        if outcomes is not None and not is_torn(raised):
            assert seen(self.box) in outcomes, (place, seen(self.box), outcomes)
        other = copy.deepcopy(self.box)
        for number in (self.number + 1, self.number + 2, self.number, self.number + 3):
            expected, found = call(self.plain, other, number), call(self.compiled, self.box, number)
            assert (expected, seen(other)) == (found, seen(self.box)), place


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda each: each.__name__[8:])
@pytest.mark.parametrize("number", CALLS)
def test_interrupts_at_any_place(make: Callable, number: int) -> None:
    first = Subject(make, number)
    outcomes = None
    if make is not programs_interrupts.program_training:
        # what an optimizer does is evaluated, and may be interrupted in the middle
        outcomes = eager_outcomes(first.plain, first.box, number)
    found = outermost(places(first.call))
    assert len(found) > 100
    for place in random.Random(number).sample(found, USUAL):
        Subject(make, number).interrupt(place, outcomes)


def test_ordinary_exceptions_of_handlers_come_out() -> None:
    """Where something may raise because of data, it does again, but handlers do not."""

    def f(box, x, n):
        box.log.append(n)
        y = x[torch.tensor([0, 1])] * 2
        if y.sum() > 0:
            y = y + torch.nn.functional.one_hot(torch.tensor([0, 1])).sum()
        return y.exp()

    def make() -> Any:
        return f, SimpleNamespace(log=[])

    for number in (2, 9):
        first = Subject(make, number)
        found = outermost(places(first.call))
        for place in random.Random(number).sample(found, 10):
            Subject(make, number).interrupt(place, None, Refusal)


@pytest.mark.parametrize("behind", [False, True])
@needs_native
def test_what_turns_append_is_appended_once(monkeypatch: pytest.MonkeyPatch, behind: bool) -> None:
    """The loop writes, too: the call stands behind its turns, whatever comes in between."""

    @torch.compile
    def fill(x, buffer, log):
        for at in range(len(buffer)):
            x = x * 0.5 + 1
            buffer[at] = x
            log.append(x.item())
        return x

    for _ in range(8):
        fill(torch.tensor(1.0), torch.zeros(300), [])
    assert any(each["native"] for each in fill.explain().loops)
    perform = appending.Appended.perform
    interrupts = []

    def interrupted_once(self: Any) -> None:
        if behind:
            perform(self)
        if not interrupts:
            interrupts.append(KeyboardInterrupt())
            raise interrupts[0]
        if not behind:
            perform(self)

    monkeypatch.setattr(appending.Appended, "perform", interrupted_once)
    log: list[float] = []
    buffer = torch.zeros(300)
    with pytest.raises(KeyboardInterrupt):
        fill(torch.tensor(1.0), buffer, log)
    assert log == buffer.tolist()[: len(log)] and len(log) >= 299 * behind
    monkeypatch.undo()
    log = []
    fill(torch.tensor(1.0), buffer, log)
    assert log == buffer.tolist()


def test_a_generator_that_has_left_the_call() -> None:
    """Its body ends as it does in Python, whichever instructions an interrupt comes between."""

    def parts(log: list, x: Any) -> Iterator[Any]:
        try:
            yield x * 2
            for each in range(3):
                yield abs(x) + each
        finally:
            log.append("over")

    def begun() -> tuple[list, Any]:
        log: list = []
        made = torch.compile(lambda: parts(log, torch.ones(2)))()
        next(made)
        return log, made

    def belongs(file: str) -> bool:
        return file.endswith(("evaluate.py", "steps.py", "frames.py"))

    _, made = begun()
    found = [
        each
        for each in outermost(places(lambda: next(made), belongs))
        if each.code.co_name in ("_loop", "_result", "_enter")
    ]
    assert len(found) > 5
    for place in found:
        log, made = begun()
        was_reached, raised = interrupted(lambda made=made: next(made), place, belongs=belongs)
        assert was_reached, place
        assert isinstance(raised, Interrupt), place
        assert log == ["over"], place
