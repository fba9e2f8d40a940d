"""Modules whose facts are watched do what eager does, whatever changes about them."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.graph import watching
from tests.graph.watched import needs_versions, same, watch_soon, watched

pytestmark = needs_versions


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_soon(monkeypatch)


class Block(nn.Module):
    """A module with all that modules may have."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.parts = nn.ModuleList([nn.Linear(3, 3), nn.Tanh()])
        self.register_buffer("shift", torch.ones(3))
        self.scale = 0.5
        self.table = {"a": 2.0}
        self.same = self.scales = [nn.Parameter(torch.ones(3)), 2.0, (0.5, torch.ones(3))]

    def forward(self, x: Any) -> Any:
        x = self.first(x).tanh() + self.second(x) * self.scale
        for each in self.parts:
            x = each(x)
        x = x * self.scales[0] + self.scales[1] * self.scales[2][1] * self.same[2][0]
        return self.norm(x) * self.table["a"] * len(self.scales) + self.shift


def made() -> Block:
    torch.manual_seed(0)
    return Block().eval()


def test_a_model_is_watched() -> None:
    net, x = made(), torch.randn(4, 3)
    f = torch.compile(lambda x: net(x))
    for _ in range(8):
        same(f(x), net(x))
    (guards,) = watched(f)
    plan = guards.watched[1].plan
    assert len(plan.facts) > 0.75 * len(guards._facts) > 60
    # it is asked, and says yes
    guards._guards = None
    same(f(x), net(x))


def _changes() -> dict[str, Callable[[Block], Any]]:
    def replace_weight(net: Block) -> None:
        net.first.weight = nn.Parameter(torch.eye(3))

    def share(net: Block) -> None:
        net.second.weight = net.first.weight

    def write(net: Block) -> None:
        with torch.no_grad():
            net.first.weight.mul_(2)

    return {
        "another parameter": replace_weight,
        "a shared parameter": share,
        "a write to a parameter": write,
        "other data": lambda net: setattr(net.first.weight, "data", torch.eye(3) * 2),
        "other data of another dtype": lambda net: net.double(),
        "no gradient": lambda net: net.first.weight.requires_grad_(False),
        "another module": lambda net: setattr(net, "first", nn.Linear(3, 3).requires_grad_(False)),
        "another part": lambda net: net.parts.append(nn.Sigmoid()),
        "no part": lambda net: net.parts.__delitem__(1),
        "another order": lambda net: net._modules.update(
            first=net._modules.pop("second"), second=net._modules.pop("first")
        ),
        "training": lambda net: net.train(),
        "a hook": lambda net: net.first.register_forward_hook(lambda m, a, out: out * 3),
        "a hook before": lambda net: net.second.register_forward_pre_hook(lambda m, a: a[0] + 1),
        "a hook on a tensor": lambda net: net.first.weight.register_hook(lambda g: g * 2),
        "a number": lambda net: setattr(net, "scale", 0.25),
        "an integer in place of a number": lambda net: setattr(net, "scale", 2),
        "a table": lambda net: net.table.update(a=3.0),
        "another table": lambda net: setattr(net, "table", {"a": 4.0}),
        "an item of a list": lambda net: net.scales.__setitem__(0, torch.zeros(3)),
        "a number in a list": lambda net: net.scales.__setitem__(1, 3.0),
        "another tuple": lambda net: net.scales.__setitem__(2, (0.5, torch.zeros(3))),
        "a longer list": lambda net: net.scales.append(1),
        "a list in another order": lambda net: net.scales.reverse() or net.scales.reverse(),
        "another list": lambda net: setattr(net, "same", [0.0, 0.0, (2.5, 0.0)]),
        "a buffer": lambda net: setattr(net, "shift", torch.zeros(3)),
        "a tensor in place of a number": lambda net: setattr(net, "scale", torch.ones(3)),
        "an attribute that hides a module": lambda net: net.__dict__.update(first=nn.Tanh()),
        "other attributes": lambda net: setattr(
            net, "__dict__", {**net.__dict__, "_buffers": {**net._buffers, "shift": torch.ones(3)}}
        ),
        "a method of the instance": lambda net: setattr(net.first, "forward", lambda x: x * 2),
        "another class": lambda net: setattr(net.parts[1], "__class__", nn.Sigmoid),
        "another function": lambda net: setattr(nn.Tanh, "forward", lambda self, x: x + 1),
        "frozen": lambda net: net.requires_grad_(False),
    }


@pytest.mark.parametrize("what", _changes())
@pytest.mark.parametrize("grad", [True, False])
def test_a_change_is_seen_at_the_next_call(
    what: str, grad: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nn.Tanh, "forward", nn.Tanh.forward)  # is put back
    change = _changes()[what]
    net = made()
    twin = copy.deepcopy(net)

    def call(x: Any) -> Any:
        return model(x)

    model: Any = net
    compiled = torch.compile(call)
    torch.manual_seed(1)
    xs = [torch.randn(4, 3) for _ in range(14)]
    for number, x in enumerate(xs):
        if number == 9:
            assert watched(compiled)
            for model in (net, twin):
                torch.manual_seed(3)
                change(model)
        x = x.to(net.second.weight.dtype)
        results = []
        for model in (net, twin):
            function = compiled if model is net else call
            with torch.set_grad_enabled(grad):
                y = function(x)
            grads = None
            if y.requires_grad:
                y.sum().backward()
                held = [each.grad for each in model.parameters()]
                grads = [None if each is None else each.clone() for each in held]
            results.append((y, grads))
        same(*results)


def test_models_that_take_turns() -> None:
    nets = [made() for _ in range(3)]
    for k, net in enumerate(nets):
        net.scale = 0.25 * k

    @torch.compile
    def f(net: Any, x: Any) -> Any:
        return net(x)

    torch.manual_seed(2)
    for number in range(40):
        net, x = nets[number // 4 % 3], torch.randn(4, 3)
        same(f(net, x), net(x))


def test_what_changes_at_each_call_is_not_watched_for_long() -> None:
    net = made()

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            self.calls = 0.0

        def forward(self, x: Any) -> Any:
            self.calls = self.calls + 1.0
            return self.net(x) * self.calls

    counted = Counted()
    f = torch.compile(lambda x: counted(x))
    x = torch.ones(4, 3)
    for number in range(60):
        same(f(x), net(x) * (number + 1.0))
    (guards,) = watched(f)
    assert guards._plans < watching.MOST_PLANS
    before = guards.watched
    for _ in range(5):
        f(x)
    assert guards.watched is before


def test_an_argument_that_is_part_of_the_model() -> None:
    """A tensor that the model has, or that shares its memory, comes in as an argument, too."""
    net = made()
    f, g = torch.compile(lambda x: net(x) + x), lambda x: net(x) + x
    for _ in range(8):
        x = torch.randn(3, 3)
        same(f(x), g(x))
    assert watched(f)
    weight = net.first.weight
    for x in (weight, weight.detach(), weight.data, weight.t(), net.second.weight, weight):
        same(f(x), g(x))


def test_a_write_to_an_argument_that_is_part_of_the_model() -> None:
    def call(net: Any, x: Any) -> Any:
        with torch.no_grad():
            before = net(x)
            x.mul_(2)
            return before, net.first.weight.sum(), net.second.weight * 1

    net, twin = made(), made()
    f = torch.compile(call)
    for _ in range(8):
        same(f(net, torch.ones(3, 3)), call(twin, torch.ones(3, 3)))
    assert watched(f)
    for pick in (
        lambda model: model.first.weight.detach(),
        lambda model: model.second.weight.detach().t(),
        lambda model: model.first.weight,
        lambda model: torch.ones(3, 3),
        lambda model: model.second.weight.detach(),
    ):
        same(f(net, pick(net)), call(twin, pick(twin)))


def test_a_model_that_nobody_else_has_is_not_kept() -> None:
    net = made()

    @torch.compile
    def f(net: Any, x: Any) -> Any:
        return net(x)

    x = torch.randn(4, 3)
    for _ in range(8):
        f(net, x)
    assert watched(f)
    gone, weight = weakref.ref(net), weakref.ref(net.first.weight)
    del net
    gc.collect()
    assert gone() is None and weight() is None
    assert not watched(f)
    for _ in range(8):
        net = made()
        same(f(net, x), net(x))


def test_threads_with_models_of_their_own() -> None:
    @torch.compile
    def f(net: Any, x: Any) -> Any:
        return net(x)

    wrong = []

    def work(seed: int) -> None:
        net = made()
        net.scale = 0.125 * seed
        x = torch.randn(4, 3)
        expected = net(x)
        for number in range(200):
            if not torch.allclose(f(net, x), expected, atol=1e-5):
                wrong.append((seed, number))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not wrong


def test_training_a_model_step_by_step() -> None:
    nets = [made(), made()]
    twins = [torch.optim.Adam(net.parameters(), lr=0.01) for net in nets]

    def step(net: Any, optimizer: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    f = torch.compile(step)
    for number in range(40):
        x = torch.randn(4, 3)
        if number == 20:
            for net in nets:
                net.first.bias.requires_grad_(False)
        one, other = f(nets[0], twins[0], x), step(nets[1], twins[1], x)
        assert abs(one.item() - other.item()) < 1e-4 * max(1.0, abs(other.item()))
    for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values()):
        assert torch.allclose(a, b, atol=1e-4)
