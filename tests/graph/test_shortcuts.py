"""Calls by one function: taken where all is as before, and never where anything is not."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import tape
from jitgrad.graph.hot import PATIENCE, WARM
from jitgrad.graph.shortcuts import take_shortcut
from tests.leaves import leaf

Program = Callable[..., Any]


def described(value: Any) -> Any:
    """Return what can be seen of a result."""
    if isinstance(value, torch.Tensor):
        array = value.detach().numpy()
        return type(value), array.dtype, array.shape, array.tolist(), value.requires_grad
    if isinstance(value, (list, tuple)):
        return type(value), [described(each) for each in value]
    if isinstance(value, dict):
        return dict, list(value), [described(each) for each in value.values()]
    return type(value), value


def known(function: Program, *args: Any, **kwargs: Any) -> Any:
    """Return the function compiled, with a shortcut for calls like this one."""
    compiled = torch.compile(function)
    for _ in range(2 * WARM):
        compiled(*args, **kwargs)
    assert takes(compiled, *args, **kwargs)
    return compiled


def takes(compiled: Any, *args: Any, **kwargs: Any) -> bool:
    """Is there a shortcut for this call? It is done on the way."""
    values = [*args, *kwargs.values()]
    return take_shortcut(compiled.graph.entrance, values, tuple(kwargs)) is not None


def agree(function: Program, compiled: Any, *args: Any, **kwargs: Any) -> None:
    """Compare a call, eager and compiled, time and again, until it is known, too."""
    for _ in range(WARM // 8):
        assert described(compiled(*args, **kwargs)) == described(function(*args, **kwargs))


def double(x: Any) -> Any:
    return x * 2


def test_an_argument_whose_class_has_a_metaclass() -> None:
    class Meta(type):
        pass

    class Shape(metaclass=Meta):
        factor = 3.0

    class Color(enum.Enum):
        RED = 2.0

    def scaled(x: Any, by: Any, color: Any) -> Any:
        return x * by.factor * color.value

    compiled = known(scaled, leaf(1.0, 2.0), Shape(), Color.RED)
    agree(scaled, compiled, leaf(3.0, 4.0), Shape(), Color.RED)
    assert not takes(compiled, leaf(3.0, 4.0), Color.RED, Color.RED)


def test_what_an_argument_may_be() -> None:
    compiled = known(double, leaf(1.0, 2.0))
    assert takes(compiled, leaf(3.0, 4.0))
    square = torch.ones(2, 2)
    others = [
        torch.tensor([1.0, 2.0]),
        leaf(1.0, 2.0, 3.0),
        leaf(1.0, 2.0) * 3,
        torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64)),
        torch.tensor([1, 2]),
        square[:, 0],
        torch.tensor([1.0, 2.0]).expand(2, 2),
        torch.tensor(np.broadcast_to(np.float64(1.0), 2)),
        2,
        2.0,
        True,
        "a",
        [1],
    ]
    for other in others:
        assert not takes(compiled, other)
        agree(double, compiled, other)
    with torch.no_grad():
        assert not takes(compiled, leaf(3.0, 4.0))
        agree(double, compiled, leaf(3.0, 4.0))
    assert takes(compiled, leaf(3.0, 4.0))


def test_an_argument_that_changes_between_calls() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(double, x)
    seen: list[Any] = []
    handle = x.register_hook(seen.append)
    assert not takes(compiled, x)
    compiled(x).sum().backward()
    assert len(seen) == 1
    handle.remove()
    agree(double, compiled, x)
    x.requires_grad_(False)
    assert not takes(compiled, x)
    agree(double, compiled, x)
    x.data = torch.tensor([[1.0, 2.0, 3.0]])
    assert not takes(compiled, x)
    agree(double, compiled, x)


def test_numbers_names_and_constants() -> None:
    def scaled(x: Any, by: Any = 2, *, plus: Any = 0.5, name: str = "a") -> Any:
        return x * by + plus + len(name)

    x = leaf(1.0, 2.0)
    compiled = known(scaled, x, 3, plus=1.5)
    assert takes(compiled, x, 3, plus=2.5)
    for args, kwargs in (
        ((x,), {}),
        ((x, 4), {"plus": 1.5}),
        ((x, 3.0), {"plus": 1.5}),
        ((x, True), {"plus": 1.5}),
        ((x, 3), {"plus": 2}),
        ((x, 3), {"name": "longer"}),
        ((x, 3), {"name": "b"}),
        ((x,), {"by": 3, "plus": 1.5}),
        ((x,), {"plus": 3, "by": 1.5}),
        ((x, 3), {"plus": 1.5, "name": "no"}),
        ((x, 3), {"plus": -1.5}),
    ):
        agree(scaled, compiled, *args, **kwargs)


def test_modes_and_default_types() -> None:
    def shifted(x: Any) -> Any:
        return x + torch.ones(2)

    x = torch.tensor([1.0, 2.0])
    compiled = known(shifted, x)
    torch.set_default_dtype(torch.float64)
    try:
        assert not takes(compiled, x)
        agree(shifted, compiled, x)
    finally:
        torch.set_default_dtype(torch.float32)
    assert takes(compiled, x)


def test_a_call_that_leaves_another_mode() -> None:
    def switched(x: Any) -> Any:
        torch.set_grad_enabled(False)
        return x * 2

    x = leaf(1.0, 2.0)
    compiled = torch.compile(switched)
    for _ in range(2 * WARM):
        assert not compiled(x).requires_grad
        assert not torch.is_grad_enabled()
        torch.set_grad_enabled(True)
    assert takes(compiled, x)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)


FACTOR = torch.tensor(3.0)
RATE = 0.5


def test_what_is_found_outside() -> None:
    cell = 2.0

    def outside(x: Any) -> Any:
        return x * FACTOR * cell + RATE * holder.value + holder.shift(x)

    class Holder:
        value = 4.0

        def shift(self, x: Any) -> Any:
            return x * 0.25

    holder: Any = Holder()
    space = outside.__globals__
    x = leaf(1.0, 2.0)
    compiled = known(outside, x)
    before = dict(space)
    try:
        for change in (
            lambda: space.update(FACTOR=torch.tensor(5.0)),
            lambda: space.update(FACTOR=torch.tensor(5.0, requires_grad=True)),
            lambda: space.update(FACTOR=6.0),
            lambda: space.update(RATE=2),
            lambda: setattr(holder, "value", 1.0),
            lambda: setattr(Holder, "shift", lambda self, x: x * 8),
            lambda: setattr(holder, "shift", lambda x: x * 16),
            lambda: space.update(FACTOR=x),
        ):
            agree(outside, compiled, x)
            change()
            agree(outside, compiled, x)
        cell = 7.0
        agree(outside, compiled, x)
    finally:
        space.update(FACTOR=before["FACTOR"], RATE=before["RATE"])


def test_which_arguments_are_the_same() -> None:
    def both(x: Any, y: Any) -> Any:
        return x * 2 + y, x is y

    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    compiled = known(both, x, y)
    for one, other in ((x, x), (y, y), (x, y)):
        for _ in range(WARM // 8):
            one.grad = other.grad = None
            total, same = compiled(one, other)
            assert same is (one is other)
            total.sum().backward()
            assert one.grad.tolist() == ([3.0, 3.0] if same else [2.0, 2.0])

    def shared(x: Any, y: Any) -> Any:
        return x + y

    whole = torch.arange(4.0)
    compiled = known(shared, torch.ones(2), torch.ones(2))
    for one, other in ((whole[:2], whole[2:]), (whole[:2], whole[1:3]), (whole[:2], whole[:2])):
        assert not takes(compiled, one, other)
        agree(shared, compiled, one, other)


def test_results_are_made_anew_or_are_what_came_in() -> None:
    def several(x: Any, y: Any) -> Any:
        z = x * y
        return [z, {"x": x, "n": 3, "z": z}], (z, y), None

    x, y = leaf(1.0, 2.0), torch.tensor([3.0, 4.0])
    compiled = known(several, x, y)
    (one, inner), (again, same), nothing = compiled(x, y)
    assert takes(compiled, x, y)
    assert again is one is inner["z"]
    assert inner["x"] is x and same is y and nothing is None
    (other, other_inner), *_ = compiled(x, y)
    assert other is not one and other_inner is not inner
    one.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]
    other.sum().backward()
    assert x.grad.tolist() == [6.0, 8.0]


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
    return type(one) is type(other) and (one == other or isinstance(one, str))


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


def test_an_array_whose_shape_numpy_changes() -> None:
    x = torch.arange(6.0)
    compiled = known(double, x)
    array = x.numpy()
    assert takes(compiled, x)
    for shape in ((2, 3), (6,), (3, 2), (6, 1)):
        array.shape = shape
        agree(double, compiled, x)


def test_results_of_every_kind() -> None:
    def viewed(x: Any, n: float) -> Any:
        y = x * n
        rows = y.view(2, 2)
        return rows[0], rows.t(), y, range(3), (lambda: n), slice(0, 2)

    x = leaf(1.0, 2.0, 3.0, 4.0)
    compiled = known(viewed, x, 2.0)
    for n in (2.0, 3.0, 2.0):
        wanted, got = viewed(x, n), compiled(x, n)
        assert described(list(got[:3])) == described(list(wanted[:3]))
        assert got[4]() == n and got[3] == range(3) and got[5] == slice(0, 2)
        with torch.no_grad():
            got[2][0] = 70.0
        assert got[0][0].item() == got[1][0, 0].item() == 70.0
    row, *_, whole = compiled(x, 2.0)[:3]
    (row.sum() + (whole * whole).sum()).backward()
    assert x.grad.tolist() == [10.0, 18.0, 24.0, 32.0]


def test_one_result_that_depends_on_another() -> None:
    def chained(x: Any) -> Any:
        y = x.exp()
        return y, y * y, (y.sum() > 0).item()

    compiled = known(chained, leaf(0.5, 0.25))
    for use in range(3):
        found = []
        for function in (chained, compiled):
            x = leaf(0.5, 0.25)
            y, z, _ = function(x)
            made = (y, z, y + z)[use]
            found.append(
                [made.detach(), *torch.autograd.grad(made.sum(), (x, y), allow_unused=True)]
            )
        assert str(found[0]) == str(found[1])


def test_no_shortcut_hides_what_anomaly_mode_or_other_functions_see() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(double, x)
    with torch.eager():
        agree(double, compiled, x)

    @torch.compile
    def outer(x: Any) -> Any:
        return compiled(x) + 1

    for _ in range(2 * WARM):
        assert outer(x).tolist() == [3.0, 5.0]
    with torch.autograd.detect_anomaly():
        made = compiled(torch.tensor([0.0, float("nan")], requires_grad=True))
        with pytest.raises(RuntimeError, match="nan"):
            made.backward(torch.tensor([1.0, float("nan")]))


def test_new_code_takes_no_old_shortcut() -> None:
    def function(x: Any) -> Any:
        return x * 2

    x = leaf(1.0, 2.0)
    compiled = known(function, x)
    function.__code__ = (lambda x: x * 5).__code__
    agree(function, compiled, x)


def test_a_guess_that_is_wrong() -> None:
    def signed(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else x * 3

    x = leaf(1.0, 2.0)
    compiled = known(signed, x)
    (shortcut,) = compiled.graph.entrance.shortcuts
    agree(signed, compiled, leaf(-1.0, -2.0))
    assert shortcut.hot.credit < PATIENCE
    for _ in range(3 * PATIENCE):
        assert described(compiled(leaf(-1.0, -2.0))) == described(signed(leaf(-1.0, -2.0)))
    assert shortcut not in compiled.graph.entrance.shortcuts
    agree(signed, compiled, x)


@pytest.mark.parametrize("by", [1.0, 0.25])
def test_guesses_that_hang_on_numbers(by: float) -> None:
    def walked(x: Any, step: float, counts: Any, times: int) -> Any:
        time = 0.0
        while time < 1.0:
            x = x * 0.5 + step
            time += step
            if x.sum() > 3:
                x = x - 1
        count = int(counts.sum())
        if count % 3 == 1:
            x = x / count
        scale = 1.0 / (counts[0].item() - 2)
        names = ["none", "one", "two", "three"]
        return x * scale, names[count % 4], time * times

    x = leaf(1.0, 2.0)
    counts = torch.tensor([3, 4])
    compiled = torch.compile(walked)
    for times in range(2 * WARM):
        compiled(x, by, counts, times)
    assert takes(compiled, x, by, counts, 5)
    for values in ((3, 4), (3, 5), (4, 4), (3, 8), (5, 6), (3, 4)):
        for other in (x, leaf(-1.0, -2.0), leaf(5.0, 9.0)):
            for step in (by, 0.5, by + 1e-3, 1.5, by):
                agree(walked, compiled, other, step, torch.tensor(values), 7)
    with pytest.raises(ZeroDivisionError):
        compiled(x, by, torch.tensor([2, 5]), 3)
    agree(walked, compiled, x, by, counts, 1 << 70)


def test_many_shapes_each_with_a_shortcut() -> None:
    compiled = torch.compile(double)
    shapes = [torch.ones(n) for n in range(1, 13)]
    for _ in range(2 * WARM):
        for each in shapes:
            assert described(compiled(each)) == described(double(each))
    shortcuts = compiled.graph.entrance.shortcuts
    assert 2 < len(shortcuts) <= 8
    assert sum(takes(compiled, each) for each in shapes) == len(shortcuts)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(3, 3) for _ in range(6))

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x).tanh()
        return x


@pytest.mark.parametrize("needs_grad", [False, True])
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


def test_methods_of_several_objects() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        @torch.compile
        def apply(self, x: Any) -> Any:
            return x * self.by

    one, other = Scale(2.0), Scale(3.0)
    x = leaf(1.0, 2.0)
    for _ in range(2 * WARM):
        assert one.apply(x).tolist() == [2.0, 4.0]
        assert other.apply(x).tolist() == [3.0, 6.0]
    other.by = 4.0
    assert other.apply(x).tolist() == [4.0, 8.0]
    assert isinstance(one.apply, types.MethodType)
