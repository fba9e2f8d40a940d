"""Histories that are a line are walked as any others, in less time."""

import random

import pytest

import jitgrad as torch
from jitgrad import walk

OPERATIONS = {
    "sin": lambda x, leaf: x.sin(),
    "times": lambda x, leaf: x * leaf,
    "times itself": lambda x, leaf: x * x,
    "both sides": lambda x, leaf: leaf * x + leaf,
    "a leaf twice": lambda x, leaf: torch.addcmul(leaf, leaf, x),
    "in place": lambda x, leaf: (x * 1).mul_(leaf),
    "sum": lambda x, leaf: x.sum() + leaf,
    "view": lambda x, leaf: (x * leaf).reshape(-1).reshape(leaf.shape),
    "where": lambda x, leaf: torch.where(leaf > 0, x, leaf),
}


@pytest.fixture
def lines(monkeypatch):
    """What walks along lines have gone through."""
    taken = []
    before = walk._run_line

    def run_line(line, *rest):
        taken.append(line)
        return before(line, *rest)

    monkeypatch.setattr(walk, "_run_line", run_line)
    return taken


def made(seed):
    """Return some leaves and a result whose history is a line."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    leaves = [torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    x = leaves[0] * 2
    for _ in range(draw.randint(1, 8)):
        # what is not the line itself has no history behind it but leaves
        x = OPERATIONS[draw.choice([*OPERATIONS])](x, draw.choice(leaves))
    return leaves, x.sum(), draw


def in_both_ways(monkeypatch, act):
    """Return what `act` says, once along a line if there is one, and once as through others."""
    found = [act()]
    with monkeypatch.context() as patch:
        patch.setattr(walk, "_line_from", lambda node: None)
        found.append(act())
    return found


@pytest.mark.parametrize("seed", range(60))
def test_as_any_other(seed, monkeypatch, lines):
    def act():
        leaves, result, draw = made(seed)
        wanted = draw.sample(leaves, draw.randint(1, 4))
        kept = draw.random() < 0.5
        grads = torch.autograd.grad(result, wanted, retain_graph=True, allow_unused=True)
        try:
            result.backward(retain_graph=kept)
            result.backward()
            again = ""
        except RuntimeError as error:
            again = str(error)
        held = [each if each is None else each.tolist() for each in grads]
        return held, [None if x.grad is None else x.grad.tolist() for x in leaves], again

    one, other = in_both_ways(monkeypatch, act)
    assert one == other
    assert lines


def test_an_error_in_the_middle_leaves_what_has_arrived(monkeypatch, lines):
    def act():
        a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
        inner = b * 3
        saved = inner.exp()
        result = (saved * a).sum()
        saved.detach().zero_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            result.backward()
        return a.grad if a.grad is None else a.grad.tolist(), b.grad

    def late():
        a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
        saved = (b * 3).exp()
        result = (saved.sin() + a).sum()
        saved.detach().zero_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            result.backward()
        return a.grad.tolist(), b.grad

    one, other = in_both_ways(monkeypatch, act)
    assert one == other == (None, None)
    one, other = in_both_ways(monkeypatch, late)
    assert one == other == ([1.0, 1.0], None)
    assert len(lines) == 2


def test_a_leaf_that_is_gone(monkeypatch, lines):
    def act():
        a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
        result = (a * 2 * b).sum()
        del b
        result.backward()
        return a.grad.tolist()

    one, other = in_both_ways(monkeypatch, act)
    assert one == other
    assert lines


def test_no_line(lines):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, cotangent):
            # what comes behind is told of it, although it was not when the walk began
            x.register_hook(lambda flow: flow * 10)
            return cotangent * 2

    x = torch.ones(2, requires_grad=True)
    (Double.apply(x) * 3).sum().backward()
    assert x.grad.tolist() == [60.0, 60.0]

    x = torch.ones(2, requires_grad=True)
    middle = x * 2
    (found,) = torch.autograd.grad((middle * 3).sum(), middle)
    assert found.tolist() == [3.0, 3.0]

    seen = []
    middle = x * 2
    middle.register_hook(lambda flow: seen.append(flow.tolist()))
    (middle * 3).sum().backward()
    x.register_hook(lambda flow: flow * 5)
    (x * 3).sum().backward()
    assert seen == [[3.0, 3.0]]
    assert x.grad.tolist() == [21.0, 21.0]

    middle = x * 2
    (middle.sin() * middle).sum().backward()
    torch.autograd.grad((x * x).sum(), x, create_graph=True)
    assert not lines


def test_compiled_calls_one_behind_the_other(monkeypatch, lines):
    @torch.compile
    def step(x, rate):
        return x * rate

    @torch.compile
    def many(x, rate, turns):
        for _ in range(turns):
            x = torch.sin(x * rate)
        return x

    rate = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    start = torch.tensor([0.5, 0.7], dtype=torch.float64, requires_grad=True)

    def act():
        result = step(many(step(start, rate), rate, 200), rate)
        grads = torch.autograd.grad(result.sum(), (start, rate), retain_graph=True)
        start.grad = rate.grad = None
        result.sum().backward()
        return [each.tolist() for each in (*grads, start.grad, rate.grad)]

    for _ in range(300):
        act()
    lines.clear()
    one, other = in_both_ways(monkeypatch, act)
    assert one == other
    assert len(lines) == 2
    assert any(each.name() == "RouteBackward" for each in lines[0])
