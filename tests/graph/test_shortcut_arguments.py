"""Calls by one function: of which classes, layouts and values their arguments may be."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

import jitgrad as torch
from jitgrad.graph.hot import WARM
from tests.graph.shortcutting import agree, double, known, takes
from tests.leaves import leaf


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


def test_an_array_whose_shape_numpy_changes() -> None:
    x = torch.arange(6.0)
    compiled = known(double, x)
    array = x.numpy()
    assert takes(compiled, x)
    for shape in ((2, 3), (6,), (3, 2), (6, 1)):
        array.shape = shape
        agree(double, compiled, x)
