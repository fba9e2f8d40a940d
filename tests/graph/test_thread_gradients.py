"""Many threads that go back through compiled functions: each gets the right gradients."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from tests.graph.together import OFTEN, have_loops_soon, together


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_loops_soon(monkeypatch)


def scaled(x: Any, w: Any) -> Any:
    return (x * 2 + 1).exp() * w


def test_an_argument_is_written_that_many_calls_will_read_again() -> None:
    f = torch.compile(scaled)
    for _ in range(3):
        f(torch.ones(2), torch.ones(2, requires_grad=True))
    for number in range(100):
        x = torch.tensor([0.25, 0.5])
        weights: Any = [torch.full((2,), float(at), requires_grad=True) for at in range(4)]
        works = [lambda x=x, w=w: f(x, w) for w in weights]
        results = together(*works, chance=OFTEN, seed=number)
        x.zero_()
        for y, w in zip(results, weights):
            y.sum().backward()
            np.testing.assert_allclose(w.grad.numpy(), np.exp([1.5, 2.0]), rtol=1e-5)


def test_an_argument_is_written_during_the_backward_pass() -> None:
    f = torch.compile(scaled)
    size = 1 << 19
    expected = np.full(size, np.exp(1.5), np.float32)
    draw = random.Random(0)
    for _ in range(60):
        x = torch.full((size,), 0.25)
        w: Any = torch.ones(size, requires_grad=True)
        y = f(x, w).sum()
        delay = draw.uniform(0, 3e-3)
        together(y.backward, lambda x=x, delay=delay: (time.sleep(delay), x.zero_()))
        np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-5)


def test_one_call_is_gone_back_through_by_many(_interpreted: None) -> None:
    def f(x, rate):
        return ((x * rate).exp() * x).sin()

    for number in range(10):
        compiled = torch.compile(f)
        x = torch.tensor([0.5, 0.25], requires_grad=True)
        y = compiled(x, 0.5).sum()
        y = compiled(x, 0.5).sum()

        def back(y: Any = y, x: Any = x) -> Any:
            return torch.autograd.grad(y, x, retain_graph=True)[0].numpy()

        found = together(*[back] * 4, chance=OFTEN, seed=number)
        for rate in (0.5, 0.75, -1.0):
            (expected,) = torch.autograd.grad(f(x, rate).sum(), x)
            got = torch.autograd.grad(compiled(x, rate).sum(), x)[0]
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-5)
            if rate == 0.5:
                assert all(np.allclose(each, expected.numpy(), rtol=1e-5) for each in found)


def test_one_thread_frees_what_another_keeps() -> None:
    @torch.compile
    def f(x, w):
        return x.sin(), w.exp()

    for number in range(40):
        x, w = (torch.tensor(0.5, requires_grad=True) for _ in range(2))
        y, z = f(x, w)
        together(lambda y=y: y.backward(retain_graph=True), z.backward, chance=OFTEN, seed=number)
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            z.backward()


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_meet_in_one_leaf(compiled: bool) -> None:
    def f(x, k):
        return (x * k).sum() if k > 4 else (x + x * (k - 1)).sum()

    function = torch.compile(f) if compiled else f
    for number in range(10):
        x: Any = torch.zeros(3, requires_grad=True)

        def work(x: Any = x) -> None:
            for k in range(1, 9):
                function(x, float(k)).backward()

        together(*[work] * 4, chance=0.05, seed=number)
        assert x.grad.tolist() == [4 * 36.0] * 3


def test_views_follow_their_base_in_every_thread() -> None:
    f = torch.compile(lambda view, k: (view * k).sum())
    for number in range(40):
        x: Any = torch.ones(4, requires_grad=True)
        base = x * 1
        view = base[1:3]
        base.mul_(3.0)
        works = [lambda k=k, view=view: f(view, float(k)) for k in (1, 2, 4, 8)]
        results = together(*works, chance=OFTEN, seed=number)
        for k, each in zip((1, 2, 4, 8), results):
            found = torch.autograd.grad(each, view, retain_graph=True)[0]
            assert found.tolist() == [k, k]
            each.backward(retain_graph=True)
        assert x.grad.tolist() == [0.0, 45.0, 45.0, 0.0]


def test_forward_here_and_backward_there() -> None:
    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x * 0.5 + x.sin()
        return x if x.sum() > 0 else x * 2

    def expected(value: float, n: int) -> Any:
        x: Any = torch.tensor([value, 1.0], requires_grad=True)
        f.__compiled_function__(x, n).sum().backward()
        return x.grad.numpy()

    for n in (2, 9, 40):
        leaves: Any = [torch.tensor([k - 1.5, 1.0], requires_grad=True) for k in range(6)]
        made = together(*[lambda x=x, n=n: f(x, n).sum() for x in leaves])
        together(*[each.backward for each in made])
        for k, x in enumerate(leaves):
            np.testing.assert_allclose(x.grad.numpy(), expected(k - 1.5, n), rtol=1e-5)
