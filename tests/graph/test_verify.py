"""Functions that check themselves find what is wrong, let pass what is rounded, and act once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import segment
from jitgrad.graph.hot import WARM
from jitgrad.graph.ir import Compute, Write
from jitgrad.graph.verify import CheckedProgram, unexplained
from jitgrad.kernels.program import lower
from jitgrad.ops.binary import ADD, MUL, SUB


def line_of(function: Any, text: str) -> int:
    """Return the line of a function's file where `text` stands in the function."""
    code = function.__code__
    with open(code.co_filename, encoding="utf-8") as file:
        lines = file.read().splitlines()
    at = code.co_firstlineno
    return next(n for n in range(at, len(lines) + 1) if text in lines[n - 1])


@pytest.fixture
def confuse(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Let native programs take one primitive for another."""

    def to(taken: Any, instead: Any) -> None:
        def change(step: Any) -> Any:
            if isinstance(step, Compute) and step.primitive is taken:
                return Compute(instead, step.inputs, step.params, step.output)
            return step

        monkeypatch.setattr(
            segment, "lower", lambda steps, i, o: lower([change(each) for each in steps], i, o)
        )

    return to


def f(x: Any, w: Any) -> Any:
    h = x @ w
    h = h + x
    if h.sum() > 0:
        return (h * w).sum()
    return h - 1


def test_wrong_forward_pass(confuse: Callable) -> None:
    confuse(ADD, SUB)
    checked = torch.verify(f)
    x = torch.eye(2)
    checked(x, x * 3)
    with pytest.raises(torch.VerificationError) as caught:
        checked(x, x * 3)
    text = str(caught.value)
    line = line_of(f, "h = h + x")
    assert f"the segment at {__file__}:{line_of(f, 'h = x @ w')}: " in text
    assert re.search(rf"= add\(v\d, x\d\)  # test_verify.py:{line}\n", text)
    assert "native code: 2.0\n  primitives:  4.0\n  at [0, 0]: 2 of 4 elements" in text


def test_wrong_backward_pass(confuse: Callable) -> None:
    def cube(x):
        return (x**3).sum()

    checked = torch.verify(cube)
    x = torch.tensor([2.0, 5.0], requires_grad=True)
    for _ in range(2):
        checked(x).backward()
    confuse(MUL, ADD)
    checked = torch.verify(cube)
    checked(x).backward()
    checked(x).backward()
    with pytest.raises(torch.VerificationError, match=r"(?s)backward pass of the segment at .*mul"):
        checked(x).backward()


def test_wrong_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A native program that forgets a write, one that copies a view."""

    def fill(x):
        x.mul_(2)

    checked = torch.verify(fill)
    with monkeypatch.context() as patch:
        patch.setattr(
            segment,
            "lower",
            lambda s, i, o: lower([each for each in s if not isinstance(each, Write)], i, o),
        )
        x = torch.ones(3)
        checked(x)
        with pytest.raises(torch.VerificationError, match=r"step: write\(x0, v1\)"):
            checked(x)

    def row(x):
        return x[1]

    checked = torch.verify(row)
    checked(torch.ones(3, 2))
    checked(torch.ones(3, 2))
    (candidates,) = checked.graph.entrance.entries.values()
    program = candidates[0].program
    assert isinstance(program, CheckedProgram)
    run = program.program.run
    copied = type("Copied", (), {"run": lambda self, *given: tuple(e.copy() for e in run(*given))})
    program.program = copied()
    with pytest.raises(torch.VerificationError, match="another place in memory"):
        checked(torch.ones(3, 2))


def test_effects_happen_once() -> None:
    def step(x, seen):
        x.add_(1)
        noise = torch.rand(2) + x
        if noise.sum() > 0:
            x[0] *= 2
        return noise, x[1:]

    results = []
    for function in (step, torch.verify(step)):
        torch.manual_seed(3)
        x = torch.zeros(2)
        for _ in range(4):
            noise, view = function(x, [])
        view.add_(1)
        results.append([*noise.tolist(), *x.tolist(), *torch.rand(2).tolist()])
    assert results[0] == results[1]


def test_rounding_is_allowed_and_thresholds_are_counted() -> None:
    def close(x, y):
        if (x * y - x * y).sum() + (x * 3).sum() - 3 * x.sum() > 0:
            return x.exp().softmax(0)
        return (x / y).cumsum(0).std()

    checked = torch.verify(close)
    numbers = np.random.default_rng(0)
    for _ in range(40):
        x, y = (torch.tensor(numbers.standard_normal(99), dtype=torch.float32) for _ in range(2))
        checked(x, y)
    assert checked.explain().checked_runs > 40


def test_layouts_are_kept() -> None:
    def f(x, w):
        h = (x * 1.1).t() / 3
        return (h * w.t() + h.exp()).sum(0), h

    checked = torch.verify(f)
    for seed in range(4):
        numbers = np.random.default_rng(seed)
        x, w = (torch.tensor(numbers.standard_normal((3, 4))) for _ in range(2))
        x.requires_grad_()
        total, h = checked(x, w)
        (total.sum() + h.sum()).backward()
    assert checked.explain().checked_runs == 3


def test_bounds() -> None:
    ones = np.ones(3)
    near = [ones + 1e-12, ones - 1e-12]
    assert not unexplained(ones + 2e-12, ones, near).any()
    assert unexplained(ones + 1e-10, ones, near).all()
    assert unexplained(ones * np.nan, ones, near).all()
    assert unexplained(ones, ones * np.nan, [ones * np.nan]).all()
    assert not unexplained(ones * np.nan, ones, [ones * np.nan]).any()
    assert not unexplained(ones * np.inf, ones, [ones * np.inf]).any()
    assert unexplained(ones * np.inf, ones, near).all()
    assert not unexplained(-0.0 * ones, 0.0 * ones, []).any()
    counts = np.array([1, 2, 3])
    assert unexplained(counts, counts + 1, [counts + 1]).all()
    assert list(unexplained(counts, counts + 1, [counts, counts - 1])) == [False] * 3


def test_hot_paths_and_whole_backward_passes() -> None:
    def grow(x):
        y = x * 2
        while y.norm() < 100:
            y = y * 2
        return y.sum()

    checked = torch.verify(grow)
    for _ in range(2 * WARM + 4):
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        checked(x).backward()
    (candidates,) = checked.graph.entrance.entries.values()
    assert isinstance(candidates[0].hot[0].program, CheckedProgram)
    (plan,) = candidates[0].hot[0].last.end.tape_layout.plans.values()
    assert isinstance(plan.whole.program, CheckedProgram)


def test_steps_that_raise() -> None:
    def pick(x, at):
        return x[at] * 2

    checked = torch.verify(pick)
    x = torch.ones(3)
    for at in 0, 1, 2, 7, 1:
        index = torch.tensor([at])
        if at == 7:
            with pytest.raises(IndexError):
                checked(x, index)
        else:
            assert checked(x, index).item() == 2.0


def test_what_can_be_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "verify", False)

    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.tensor(3.0))

        def forward(self, x):
            return x * self.factor

        @torch.compile
        def twice(self, x):
            return x * 2 * self.factor

    scale = Scale()
    x = torch.ones(2)
    for checked in (
        torch.verify(scale),
        torch.verify(torch.compile(scale)),
        torch.verify(torch.verify(scale)),
        torch.verify(scale.twice),
        torch.verify(torch.compile(lambda x: x * 2)),
        torch.verify(fullgraph=True)(lambda x: x * 2),
    ):
        for _ in range(3):
            checked(x)
        explained = (checked if hasattr(checked, "explain") else checked.__func__).explain()
        assert explained.checked_runs == 2
    compiled = torch.compile(f)
    torch.verify(compiled)
    compiled(torch.eye(2), torch.eye(2))
    compiled(torch.eye(2), torch.eye(2))
    assert compiled.explain().checked_runs == 0
    assert torch.compile(compiled) is compiled
    with pytest.raises(TypeError, match="verify: got a int"):
        torch.verify(3)


def test_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.config, "verify", True)
    compiled = torch.compile(f)
    for _ in range(3):
        compiled(torch.eye(2), torch.eye(2))
    assert compiled.explain().checked_runs == 4
