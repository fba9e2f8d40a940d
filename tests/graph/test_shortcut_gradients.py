"""Gradients of calls by one function: of its arguments, and of what models have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import tape
from jitgrad.graph.hot import WARM
from tests.graph.shortcutting import Program, known, takes
from tests.leaves import leaf
from tests.native import needs_native


def test_backward_passes_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    # so that each kind has a shortcut when it comes the third time
    monkeypatch.setattr(tape, "WARM", 1)

    def pair(x: Any, y: Any) -> Any:
        z = (x * y).exp()
        return z, (x - y).sum() * x, x.detach() * 2

    def compute(function: Program, use: Callable[..., Any]) -> list[Any]:
        x, y = leaf(0.5, 0.25), leaf(1.5, 2.0)
        try:
            got = use(function(x, y), x, y)
        except RuntimeError as error:
            got = str(error)
        return [got, x.grad, y.grad]

    def changed(made: Any, x: Any, y: Any) -> None:
        with torch.no_grad():
            y.mul_(2)
        made[0].sum().backward()

    def through_data(made: Any, x: Any, y: Any) -> None:
        y.data.mul_(2)
        made[0].sum().backward()

    def twice(made: Any, x: Any, y: Any) -> None:
        made[0].sum().backward()
        made[0].sum().backward()

    def kept(made: Any, x: Any, y: Any) -> None:
        made[0].sum().backward(retain_graph=True)
        made[1].sum().backward()

    def second(made: Any, x: Any, y: Any) -> Any:
        (first,) = torch.autograd.grad(made[0].sum(), x, create_graph=True)
        return torch.autograd.grad(first.sum(), (x, y))

    def hooked(made: Any, x: Any, y: Any) -> None:
        made[0].register_hook(lambda g: g * 3)
        x.register_hook(lambda g: g + 1)
        (made[0].sum() + made[1].sum()).backward()

    def back(made: Any, x: Any, y: Any) -> None:
        made[0].sum().backward()

    def slope(made: Any, x: Any, y: Any) -> Any:
        return torch.autograd.grad(made[0].sum(), x)

    uses: list[Callable[..., Any]] = [
        lambda made, x, y: made[0].backward(torch.tensor([1.0, 2.0], dtype=torch.float64)),
        lambda made, x, y: made[0].sum().backward(),
        lambda made, x, y: made[0].backward(torch.tensor(2.0, dtype=torch.float64).expand(2)),
        lambda made, x, y: made[1].backward(torch.arange(4.0, dtype=torch.float64)[::2] + 0),
        lambda made, x, y: (made[0].sum() + made[1].sum()).backward(),
        lambda made, x, y: torch.autograd.grad(made[0].sum(), (y, x)),
        lambda made, x, y: torch.autograd.grad(made[0].sum(), (y,)),
        lambda made, x, y: torch.autograd.grad(made[1].sum(), (x, x)),
        lambda made, x, y: torch.autograd.grad(made[1], (x, made[0]), torch.ones_like(made[1])),
        lambda made, x, y: made[2].requires_grad,
        lambda made, x, y: made[0].sum().backward(inputs=[y]),
        back,
        # of the same strides, and of another dtype
        lambda made, x, y: made[0].backward(torch.tensor(2.0, dtype=torch.float32).expand(2)),
        back,
        changed,
        back,
        through_data,
        twice,
        kept,
        slope,
        second,
        hooked,
    ]
    compiled = known(pair, leaf(0.5, 0.25), leaf(1.5, 2.0))
    for _ in range(3):
        for use in uses:
            for _ in range(WARM // 16 if use is not uses[0] else 2 * WARM):
                wanted, got = compute(pair, use), compute(compiled, use)
                assert _close(got, wanted), use


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        if not isinstance(other, torch.Tensor) or one.dtype is not other.dtype:
            return False
        closeness = 1e-12 if one.dtype is torch.float64 else 1e-4
        return np.allclose(one.detach().numpy(), other.detach().numpy(), closeness, closeness / 100)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_close, one, other))
    return type(one) is type(other) and one == other


def test_arguments_written_before_the_backward_pass() -> None:
    def squashed(x: Any) -> Any:
        return (x * 2 + 1).exp() * 3

    compiled = known(squashed, leaf(0.5, 0.25))
    for _ in range(2 * WARM):
        compiled(leaf(0.5, 0.25)).sum().backward()

    def write(x: Any) -> None:
        with torch.no_grad():
            x.mul_(5)

    def write_to_data(x: Any) -> None:
        x.data.mul_(5)

    def write_by_numpy(x: Any) -> None:
        array[0] = 7.0

    for change in (write, write_to_data, write_by_numpy, lambda x: None):
        found = []
        for function in (squashed, compiled):
            x = leaf(0.5, 0.25)
            array = x.detach().numpy() if change is write_by_numpy else np.zeros(1)
            made = function(x)
            change(x)
            made.sum().backward()
            found.append(x.grad)
        assert _close(*found)


def add(x: Any) -> None:
    x.add_(1)


@pytest.mark.parametrize("change", [add, torch.Tensor.detach_])
@pytest.mark.parametrize("create_graph", [False, True])
def test_inputs_that_are_others_by_the_backward_pass(change: Callable, create_graph: bool) -> None:
    """Nodes that are made behind the call have the histories of then."""

    def shifted(x: Any) -> Any:
        return x * 2 + 1

    def squared(x: Any) -> Any:
        return (x * x + 1).sin()

    def seen(function: Callable) -> Any:
        w = leaf(0.5, 0.25)
        x = w * 3
        made = function(x)
        change(x)
        try:
            return torch.autograd.grad(made.sum(), w, create_graph=create_graph)[0].tolist()
        except RuntimeError as error:
            return type(error)

    for function in (shifted, squared):
        compiled = known(function, leaf(0.5, 0.25) * 3)
        for _ in range(2 * WARM):
            found, expected = seen(compiled), seen(function)
            assert found == (pytest.approx(expected) if isinstance(expected, list) else expected)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(3, 3) for _ in range(6))

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x).tanh()
        return x


@pytest.mark.parametrize("needs_grad", [False, True])
@needs_native
def test_models_that_are_watched(needs_grad: bool) -> None:
    torch.manual_seed(0)
    net: Any = Net()
    x = torch.randn(2, 3)
    eager = lambda x: net(x)  # noqa: E731
    compiled = torch.compile(eager)

    def agrees() -> None:
        for _ in range(2 * WARM):
            results = []
            for function in (eager, compiled):
                net.zero_grad()
                with torch.set_grad_enabled(needs_grad):
                    made = function(x)
                if made.requires_grad:
                    made.sum().backward()
                results.append([made.detach(), *[each.grad for each in net.parameters()]])
            assert _close(*results)

    agrees()
    with torch.set_grad_enabled(needs_grad):
        assert takes(compiled, x)
    first = net.layers[0]

    def shift_in_place() -> None:
        with torch.no_grad():
            first.weight.add_(1)

    changes: list[Callable[[], Any]] = [
        shift_in_place,
        lambda: setattr(first, "weight", torch.nn.Parameter(torch.randn(3, 3))),
        lambda: setattr(first.weight, "data", torch.randn(3, 3)),
        lambda: first.weight.requires_grad_(False),
        lambda: first.register_forward_hook(lambda module, args, out: out * 2),
        lambda: net.layers.append(torch.nn.Linear(3, 3)),
        lambda: setattr(first, "bias", None),
        lambda: setattr(net.layers[1], "weight", net.layers[2].weight),
        lambda: setattr(first, "forward", lambda x: x * 2),
        lambda: setattr(Net, "forward", lambda self, x: self.layers[1](x)),
    ]
    before = Net.forward
    try:
        for change in changes:
            change()
            agrees()
    finally:
        Net.forward = before  # type: ignore[method-assign]


def test_an_argument_that_the_model_has_as_well() -> None:
    torch.manual_seed(0)
    net: Any = Net()
    eager = lambda w: net(w) * (2 if w is net.layers[3].weight else 1)  # noqa: E731
    compiled = torch.compile(eager)
    for argument in (torch.nn.Parameter(torch.randn(3, 3)), net.layers[3].weight):
        for _ in range(2 * WARM):
            net.zero_grad()
            argument.grad = None
            eager(argument).sum().backward()
            wanted = argument.grad.clone()
            net.zero_grad()
            argument.grad = None
            compiled(argument).sum().backward()
            assert _close(argument.grad, wanted)
