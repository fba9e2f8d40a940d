"""What a call of a model with many parameters keeps: made where it is asked for, in one block."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.graph.route_node import RouteBackward
from tests.graph.routing import assert_alike
from tests.graph.shortcutting import described
from tests.native import needs_native

LAYERS = 8

USUAL = 160
"""So many calls that are alike have a shortcut, and so have passes back."""


class Model(nn.Module):
    """Layers of which each keeps something for the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(LAYERS))
        with torch.no_grad():
            for number, each in enumerate(self.parameters()):
                each.copy_(torch.linspace(-1, 1, each.numel()).reshape(each.shape) * (number + 1))
                each.div_(number + 2)

    def forward(self, x: Any) -> Any:
        first = None
        for layer in self.layers:
            x = layer(x).tanh()
            first = x if first is None else first
        return x.exp(), first


def batch() -> Any:
    return torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


def last_of(call: Callable) -> Callable:
    return lambda x: call(x)[0] * 2


def known(call: Callable, model: Any, others: Any = ()) -> Any:
    """Return the call compiled, once passes back are familiar."""
    compiled = torch.compile(call)
    for _ in range(USUAL):
        y = compiled(batch())
        first = y[0] if isinstance(y, tuple) else y
        torch.autograd.grad(first.sum(), [*model.parameters(), *others], allow_unused=True)
    return compiled


def compare(use: Callable, make: Callable[[Any], Callable]) -> Any:
    """Do the same with what eager and compiled calls of two models return."""
    seen = []
    node = None
    for compiles in (False, True):
        model = Model()
        call = make(model)
        call = known(call, model) if compiles else call
        y = call(batch())
        node = (y[0] if isinstance(y, tuple) else y).grad_fn
        try:
            seen.append(described(use(y, model)))
        except RuntimeError as error:
            seen.append(str(error).partition(":")[0])
    eager, compiled = map(rounded, seen)
    assert_alike(compiled, eager)
    return node


def rounded(seen: Any) -> Any:
    """Return what was seen with fewer digits: single precision, summed in another order."""
    if isinstance(seen, (tuple, list)):
        return type(seen)(map(rounded, seen))
    return float(f"{seen:.3g}") if isinstance(seen, float) else seen


def gradients(y: Any, model: Any, **options: Any) -> Any:
    return torch.autograd.grad(y.sum(), [*model.parameters()], **options)


@needs_native
def test_what_is_kept_lies_in_one_block() -> None:
    def use(y: Any, model: Any) -> Any:
        return gradients(y, model, retain_graph=True), gradients(y, model)

    node: Any = compare(use, last_of)
    assert isinstance(node, RouteBackward)
    (stage,) = node.layout.stages
    assert len(stage.offsets) >= LAYERS - 1  # type: ignore[union-attr]
    (reverse,) = node.layout.reverses.values()
    # the pass reads it there, and makes no array of its parts
    assert "part" not in reverse.run.__code__.co_names


@needs_native
def test_passes_that_come_again_make_no_nodes_of_the_stages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless something has been written since."""
    model = Model()
    call = known(last_of(model), model)
    chains = []
    made = RouteBackward.chain

    def chain(self: RouteBackward) -> Any:
        chains.append(self)
        return made(self)

    monkeypatch.setattr(RouteBackward, "chain", chain)
    for _ in range(3):
        gradients(call(batch()), model)
    assert chains == []
    with torch.no_grad():
        model.layers[0].weight.mul_(2)
    for _ in range(3):
        gradients(call(batch()), model)
    assert chains == []
    y = call(batch())
    with torch.no_grad():
        model.layers[5].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradients(y, model)
    assert chains != []


def test_gradients_of_some_parameters() -> None:
    def use(y: Any, model: Any) -> Any:
        some = [each.weight for each in model.layers[2:5]]
        first = torch.autograd.grad(y.sum(), some, retain_graph=True)
        return first, torch.autograd.grad(y.sum(), model.layers[-1].bias)

    compare(use, last_of)


@needs_native
def test_a_second_pass_raises_and_nothing_is_held() -> None:
    def use(y: Any, model: Any) -> Any:
        gradients(y, model)
        return gradients(y, model)

    compare(use, last_of)
    model = Model()
    call = known(last_of(model), model)
    y = call(batch())
    (block,) = (
        weakref.ref(each)
        for each in y.grad_fn._kept
        if isinstance(each, np.ndarray) and each.dtype == np.uint8
    )
    assert block() is not None
    gradients(y, model)
    gc.collect()
    assert block() is None


@pytest.mark.parametrize("which", [0, 1, 6, 7])
def test_writing_to_parameters(which: int) -> None:
    def use(y: Any, model: Any) -> Any:
        with torch.no_grad():
            [*model.parameters()][which].add_(1)
        return gradients(y, model)

    compare(use, last_of)


def test_training() -> None:
    def use(y: Any, model: Any) -> Any:
        update = torch.optim.SGD(model.parameters(), lr=0.01)
        call, losses = last_of(model), []
        for _ in range(5):
            update.zero_grad()
            loss = call(batch()).square().mean()
            loss.backward()
            update.step()
            losses.append(loss)
        return losses, [*model.parameters()]

    compare(use, last_of)


def test_training_compiled() -> None:
    expected = []
    for compiles in (False, True):
        model = Model()
        call = known(last_of(model), model) if compiles else last_of(model)
        update = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(20):
            update.zero_grad()
            call(batch()).square().mean().backward()
            update.step()
        expected.append(rounded(described([*model.parameters()])))
    assert_alike(*expected)


def test_what_is_kept_may_be_a_result() -> None:
    def use(y: Any, model: Any) -> Any:
        last, first = y
        # which is a tensor of its own, not a part of a block
        assert first._array.base is None or first._array.base.nbytes == first._array.nbytes
        flows = gradients(last, model, retain_graph=True)
        return flows, gradients(first, model, allow_unused=True), y

    compare(use, lambda model: lambda x: model(x))

    def writing(y: Any, model: Any) -> Any:
        with torch.no_grad():
            y[1].add_(1)
        return gradients(y[0], model, allow_unused=True)

    compare(writing, lambda model: lambda x: model(x))
    compare(writing, lambda model: lambda x: (lambda a, b: (a * 2, b.detach()))(*model(x)))


def test_inputs_with_histories() -> None:
    seen = []
    for compiles in (False, True):
        model, a = Model(), batch().requires_grad_()
        call = torch.compile(last_of(model)) if compiles else last_of(model)
        for _ in range(USUAL if compiles else 1):
            y = call(a * 1.5)
            flows = torch.autograd.grad(y.sum(), [a, *model.parameters()])
        seen.append(rounded(described(flows)))
    assert_alike(*seen)


def test_recorded_passes_hooks_and_anomalies() -> None:
    def recorded(y: Any, model: Any) -> Any:
        flows = gradients(y, model, create_graph=True)
        return flows, gradients(sum(each.square().sum() for each in flows), model)

    compare(recorded, last_of)

    def hooked(y: Any, model: Any) -> Any:
        model.layers[1].weight.register_hook(lambda flow: flow * 2)
        y.retain_grad()
        y.sum().backward()
        return y.grad, [each.grad for each in model.parameters()]

    compare(hooked, last_of)

    def watched(y: Any, model: Any) -> Any:
        with torch.autograd.detect_anomaly():
            return gradients(y, model)

    compare(watched, last_of)
