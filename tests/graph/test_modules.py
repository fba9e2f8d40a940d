"""Modules compile as a whole, and a compiled module is the module."""

from __future__ import annotations

import copy
import pickle

import pytest

import jitgrad as torch
from jitgrad import nn
from tests.graph.programs_modules import Pair


class Net(nn.Module):
    """Lists, dictionaries and sequences of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 2, bias=False)})
        self.last = nn.Sequential(nn.Identity(), nn.Linear(2, 2), nn.Flatten())

    def forward(self, x: torch.Tensor, key: str = "a") -> torch.Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x) if number == len(self.layers) - 1 else torch.relu(layer(x))
        return self.last(self.heads[key](x))


def test_forward_is_one_segment():
    torch.manual_seed(0)
    net = Net()
    compiled = torch.compile(net, fullgraph=True)
    x = torch.randn(3, 4)
    for _ in range(3):
        assert torch.allclose(compiled(x), copy.deepcopy(net)(x))
    explained = compiled.explain()
    assert (explained.traces, explained.segments, explained.exits) == (1, 1, [])


def test_training_step_is_one_segment():
    torch.manual_seed(0)
    net = Net()

    @torch.compile(fullgraph=True)
    def step(x, y, rate):
        loss = nn.functional.mse_loss(net(x), y)
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter -= rate * parameter.grad
        return loss

    x, y = torch.randn(3, 4), torch.randn(3, 2)
    losses = [step(x, y, 0.1 / (1 + i)).item() for i in range(8)]
    assert losses[-1] < losses[0]
    # the first call found no gradients, the second one made that the usual case
    assert step.explain().traces == 2


def test_training_and_evaluation_are_two_entries_not_many():
    net = torch.compile(Pair(), fullgraph=True)
    x = torch.ones(2)
    for _ in range(4):
        net.train()
        net(x)
        net.eval()
        net(x)
    assert net.explain().traces <= 4


def test_compiled_module_is_the_module():
    net = Net()
    compiled = torch.compile(net)
    assert isinstance(compiled, Net)
    assert repr(compiled) == repr(net)
    assert list(compiled.state_dict()) == list(net.state_dict())
    assert all(a is b for a, b in zip(compiled.parameters(), net.parameters()))
    compiled.extra = 3
    assert net.extra == 3
    net.eval()
    assert not compiled.training
    assert torch.compile(compiled) is compiled
    other = copy.deepcopy(compiled)
    x = torch.randn(1, 4)
    assert torch.equal(other(x), compiled(x))
    with torch.no_grad():
        next(compiled.parameters()).zero_()
    assert next(net.parameters()).abs().sum() == 0
    assert not torch.equal(other(x), compiled(x))


def test_compiled_module_pickles():
    compiled = torch.compile(Pair())
    other = pickle.loads(pickle.dumps(compiled))
    x = torch.ones(2)
    assert torch.equal(other(x), torch.compile(other)(x))
    assert other.explain().traces == 1


def test_errors_of_the_program_are_not_those_of_compilation():
    net = torch.compile(nn.Linear(4, 2), fullgraph=True)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            net(torch.ones(3, 3))


def test_what_cannot_be_compiled():
    with pytest.raises(TypeError, match="only Python functions, methods and objects"):
        torch.compile(3)
    with pytest.raises(TypeError, match="got a builtin_function_or_method"):
        torch.compile(len)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_step_with_an_optimizer_is_one_segment(kind):
    torch.manual_seed(0)
    net = Net()
    options = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(torch.optim, kind)(net.parameters(), lr=0.01, **options)

    @torch.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = torch.randn(5, 4), torch.tensor([0, 1, 1, 0, 1])
    losses = []
    for number in range(12):
        optimizer.param_groups[0]["lr"] = 0.01 / (1 + number)
        losses.append(step(x, y).item())
        if number == 1:
            known = step.explain().traces
    assert losses[-1] < losses[0]
    # the first call makes the state of the optimizer, which hands over
    assert step.explain().traces == known
    last = step.graph.last
    assert last.hits >= 10
    assert all(segment.end.__class__.__name__ != "Exit" for segment in last.path())
