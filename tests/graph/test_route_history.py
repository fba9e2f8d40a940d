"""The node of a route: it goes back in one step where all is usual, and is a chain elsewhere."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import route_node
from jitgrad.graph.route_node import RouteBackward
from tests.graph.routing import (
    RATE,
    USUAL,
    X,
    assert_alike,
    have_routes_soon,
    rate_of,
    solve,
    two,
    x_of,
)
from tests.graph.shortcutting import described
from tests.leaves import leaf
from tests.native import needs_native

pytestmark = needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note whether passes go back in one step, or through the chain."""
    seen: list[str] = []
    chain, write = RouteBackward.chain, route_node.write_reverse

    def noted(self: Any) -> Any:
        seen.append("chain")
        return chain(self)

    def written(*given: Any) -> Any:
        made = write(*given)
        if made is None:
            return None

        def run(kept: Any, cotangents: Any) -> Any:
            seen.append("step")
            return made.run(kept, cotangents)

        return made._replace(run=run)

    monkeypatch.setattr(RouteBackward, "chain", noted)
    monkeypatch.setattr(route_node, "write_reverse", written)
    return seen


def known(function: Callable, *made: Callable[[], Any], **options: Any) -> Any:
    """Return the function compiled, once passes from each of its results go back in one step."""
    compiled = torch.compile(function)
    for _ in range(USUAL):
        args = [make() for make in made]
        result = compiled(*args)
        for each in result if isinstance(result, tuple) else [result]:
            for loss in (each.sum(), (each * 1.5).sum()):
                torch.autograd.grad(loss, args, retain_graph=True, **options)
    return compiled


def compare(use: Callable[[Any, list], Any], function: Callable = solve, *made: Any) -> Any:
    """Do the same with what eager and compiled calls return; return the compiled node."""
    made = made or (x_of, rate_of)
    compiled = known(function, *made, allow_unused=True)
    seen = []
    for each in (function, compiled):
        args = [make() for make in made]
        result = each(*args)
        try:
            seen.append(described(use(result, args)))
        except RuntimeError as error:
            seen.append(str(error).partition(":")[0])
    assert_alike(seen[1], seen[0])
    return (result[0] if isinstance(result, tuple) else result).grad_fn


def test_usual_passes_take_one_step(steps: list[str]) -> None:
    node = compare(lambda y, args: torch.autograd.grad(y, args))
    assert isinstance(node, RouteBackward) and node.name() == "RouteBackward"
    assert steps[-1] == "step"
    del steps[:]
    compare(lambda y, args: torch.autograd.grad(y, args[1]))
    compare(lambda y, args: (y.backward(), [each.grad for each in args]))
    compare(lambda y, args: torch.autograd.grad(y, args, torch.tensor(2.5, dtype=y.dtype)))
    assert steps.count("step") > 3 * USUAL // 2


def test_what_is_kept_may_be_used_again(steps: list[str]) -> None:
    def use(y: Any, args: list) -> Any:
        flows = [torch.autograd.grad(y, args, retain_graph=True) for _ in range(3)]
        return flows, torch.autograd.grad(y, args)

    compare(use)
    assert steps[-4:] == ["step"] * 4


@pytest.mark.parametrize("first", ["grad", "backward", "one"])
def test_a_second_pass_raises(first: str, steps: list[str]) -> None:
    def use(y: Any, args: list) -> Any:
        if first == "backward":
            y.backward()
        else:
            torch.autograd.grad(y, args if first == "grad" else args[0])
        return torch.autograd.grad(y, args)

    args = [x_of(), rate_of()]
    with pytest.raises(RuntimeError, match="second time"):
        use(solve(*args), args)
    compare(use)


def test_what_reaches_leaves_before_the_error_does_so() -> None:
    def function(x: Any, rate: Any) -> Any:
        x = x * rate
        while x.abs().sum() < 100:
            x = x * rate
        return (x.exp() + rate).sum()

    def use(y: Any, args: list) -> Any:
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()
        return [each.grad for each in args]

    compare(use, function)


def test_what_is_freed_is_let_go() -> None:
    compiled = known(solve, x_of, rate_of)
    args = x_of(), rate_of()
    y = compiled(*args)
    node = y.grad_fn
    turns = next(each for each in node._kept if hasattr(each, "tape"))
    arrays = [weakref.ref(each) for records in turns.tape for each in records]
    arrays += [weakref.ref(each) for each in node._kept if isinstance(each, np.ndarray)]
    own = {id(each._array) for each in args}
    arrays = [each for each in arrays if id(each()) not in own]
    assert len(arrays) > 3
    del turns
    torch.autograd.grad(y, args)
    gc.collect()
    assert not [each() for each in arrays if each() is not None]
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y, args)


def test_recorded_passes_and_their_gradients() -> None:
    def use(y: Any, args: list) -> Any:
        flows = torch.autograd.grad(y, args, create_graph=True)
        return flows, torch.autograd.grad(sum(each.sum() for each in flows), args)

    compare(use)


@pytest.mark.parametrize("which", [0, 1])
def test_writing_to_what_is_saved(which: int) -> None:
    def use(y: Any, args: list) -> Any:
        with torch.no_grad():
            args[which].mul_(2)
        return torch.autograd.grad(y, args)

    compare(use)


def again_in_front(x: Any, rate: Any) -> Any:
    """Eager saves what comes of the first operation, and that can be computed again."""
    x = (rate + 1) * x
    while x.abs().sum() < 100:
        x = x * 1.5
    return x.sum() * 2


def again_in_turns(x: Any, rate: Any) -> Any:
    x = x * 1.0
    while x.abs().sum() < 100:
        x = x * (rate + 1)
    return x.sum() * 2


def again_behind(x: Any, rate: Any) -> Any:
    x = x * 1.0
    while x.abs().sum() < 100:
        x = x * 1.5
    return ((rate + 1) * x).sum()


AGAIN = [again_in_front, again_in_turns, again_behind]


@pytest.mark.parametrize("function", AGAIN)
def test_writing_to_what_eager_has_not_saved(function: Callable) -> None:
    def use(y: Any, args: list) -> Any:
        with torch.no_grad():
            args[1].mul_(2)
        return torch.autograd.grad(y, args)

    node = compare(use, function)
    assert isinstance(node, RouteBackward)

    def use_meanwhile(y: Any, args: list) -> Any:
        made = y.grad_fn.layout.reverses if isinstance(y.grad_fn, RouteBackward) else {}
        held = dict(made)

        def writing(reverse: Any) -> Any:
            def run(kept: Any, cotangents: Any) -> Any:
                with torch.no_grad():
                    args[1].mul_(2)
                return reverse.run(kept, cotangents)

            return reverse._replace(run=run)

        made.update((kind, writing(each)) for kind, each in held.items())
        try:
            return torch.autograd.grad(y, args)
        finally:
            made.update(held)

    compare(use_meanwhile, function)


@pytest.mark.parametrize("function", AGAIN)
def test_memory_that_was_lent_before(function: Callable) -> None:
    lent: dict[int, Any] = {}

    def rate() -> Any:
        made = rate_of()
        lent[id(made)] = made.detach().numpy()
        return made

    def use(y: Any, args: list) -> Any:
        lent[id(args[1])][...] *= 2
        return torch.autograd.grad(y, args)

    compare(use, function, x_of, rate)


def saved_behind(x: Any, rate: Any) -> Any:
    x = x * rate
    while x.abs().sum() < 100:
        x = x * rate
    return x.exp()


def saved_in_turns(x: Any, rate: Any) -> Any:
    x = x * rate
    while x.abs().sum() < 100:
        x = (x * rate).exp()
    return x


@pytest.mark.parametrize("function", [saved_behind, saved_in_turns])
def test_writing_to_a_result_that_is_saved(function: Callable) -> None:
    def use(y: Any, args: list) -> Any:
        with torch.no_grad():
            y.mul_(2)
        return torch.autograd.grad(y, args, torch.ones_like(y) * 1.5)

    node = compare(use, function)
    assert isinstance(node, RouteBackward) and node.layout.reverses
    with pytest.raises(RuntimeError, match="modified"):
        args = [x_of(), rate_of()]
        use(function(*args), args)


def test_cotangents_of_other_kinds() -> None:
    def function(x: Any, rate: Any) -> Any:
        x = x * rate
        while x.abs().sum() < 100:
            x = x * rate
        return (x * rate).tanh() + x

    def use(y: Any, args: list) -> Any:
        weights = torch.tensor([[2.0, 3.0], [4.0, 5.0]], dtype=y.dtype)
        ways = (weights[0], weights[:, 0], weights[1, :1].expand(2), weights.flip(0)[0])
        flows = [torch.autograd.grad(y, args, each, retain_graph=True) for each in ways]
        return flows, torch.autograd.grad((y * weights[:, 1]).sum(), args)

    compare(use, function)


def test_hooks() -> None:
    def use(y: Any, args: list) -> Any:
        seen = []
        args[0].register_hook(lambda flow: flow * 3)
        y.register_hook(lambda flow: seen.append(flow.clone()))
        y.retain_grad()
        for keep in (True, True, False):
            y.backward(retain_graph=keep)
        return seen, y.grad, [each.grad for each in args]

    compare(use)

    def use_twice(y: Any, args: list) -> Any:
        seen = []
        for each in (y, y, args[1]):
            each.register_hook(lambda flow: (seen.append(flow.clone()), flow * 2)[1])
        for _ in range(2):
            try:
                y.backward()
            except RuntimeError as error:
                seen.append(str(error).partition(":")[0])
        return seen, [each.grad for each in args]

    compare(use_twice)


def test_anomalies_are_detected() -> None:
    def use(y: Any, args: list) -> Any:
        with torch.autograd.detect_anomaly():
            return torch.autograd.grad(y, args)

    compare(use)

    def bad(x: Any, rate: Any) -> Any:
        x = x * rate
        while x.abs().sum() < 100:
            x = x * rate
        return (x * 0).sqrt().sum() * 0

    compare(use, bad)


def test_inputs_with_histories() -> None:
    a, b = leaf(0.5, 0.25), leaf(1.5, 2.0)

    def use(y: Any, args: list) -> Any:
        z = (y * args[0]).sum()
        inner = torch.autograd.grad(z, args, retain_graph=True)
        return inner, torch.autograd.grad(z, [a, b])

    compare(use, solve, lambda: a * 1.5, lambda: b * 1.0)
    # one of them twice
    both = [b * 1.0]
    compare(
        lambda y, args: torch.autograd.grad(y, [b], retain_graph=True),
        solve, lambda: both[0], lambda: both[0],
    )  # fmt: skip


def test_two_results_of_one_node(steps: list[str]) -> None:
    def each_by_itself(y: Any, args: list) -> Any:
        flows = [torch.autograd.grad(y[0], args, retain_graph=True)]
        flows.append(torch.autograd.grad(y[1].sum(), args, allow_unused=True))
        flows.append(torch.autograd.grad(y[0].sum(), args))
        return flows

    node = compare(each_by_itself, two)
    assert isinstance(node, RouteBackward)

    def freed_one_by_one(y: Any, args: list) -> Any:
        torch.autograd.grad(y[0].sum(), args)
        flows = torch.autograd.grad(y[1].sum(), args, allow_unused=True)
        for each in y:
            with pytest.raises(RuntimeError, match="second time"):
                torch.autograd.grad(each.sum(), args, allow_unused=True)
        return flows

    compare(freed_one_by_one, two)
    compare(lambda y, args: torch.autograd.grad(y[0] + y[1].sum(), args), two)
    compare(lambda y, args: torch.autograd.grad(y[1].sum(), args[0], allow_unused=True), two)


def test_what_leads_nowhere_is_not_gone_through() -> None:
    a = leaf(0.5, 0.25)

    def use(y: Any, args: list) -> Any:
        # behind the second result there is only the second argument
        with torch.no_grad():
            a.mul_(2)
        return torch.autograd.grad(y[1].sum() * 1.0, args[1], retain_graph=True)

    compare(use, two, lambda: a.exp() * a.detach(), rate_of)


def test_memory_that_is_lent() -> None:
    def use(y: Any, args: list) -> Any:
        args[0].detach().numpy()[...] *= 2
        return torch.autograd.grad(y, args)

    def function(x: Any, rate: Any) -> Any:
        x = (x + 0.5).sin() * rate
        while x.abs().sum() < 100:
            x = x * rate
        return (x * rate).sum()

    compare(use, function)
    compare(use)


def test_threads_go_back_at_once() -> None:
    compiled = known(solve, x_of, rate_of)
    args = x_of(), rate_of()
    y = compiled(*args)
    expected = torch.autograd.grad(solve(*args), args)
    failed: list[Any] = []

    def pass_back() -> None:
        for turn in range(50):
            if turn % 10 == 9:
                other = compiled(*args)
                flows = torch.autograd.grad(other, args)
            else:
                flows = torch.autograd.grad(y, args, retain_graph=True)
            if any(not torch.allclose(*pair) for pair in zip(flows, expected)):
                failed.append(flows)

    threads = [threading.Thread(target=pass_back) for _ in range(4)]
    for each in threads:
        each.start()
    # which has the chain made meanwhile
    torch.autograd.grad(y, args, create_graph=True)
    for each in threads:
        each.join()
    assert not failed


def test_nobody_has_a_history() -> None:
    compiled = known(solve, x_of, rate_of)
    with torch.no_grad():
        for _ in range(USUAL):
            y = compiled(x_of(), rate_of())
    assert y.grad_fn is None
    plain = torch.tensor(X, dtype=torch.float64), torch.tensor(RATE, dtype=torch.float64)
    assert_alike(described(compiled(*plain)), described(solve(*plain)))
