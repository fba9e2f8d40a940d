"""Shortcuts tell apart what is the same object, shares a storage, or lies in the same memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph.hot import WARM
from jitgrad.graph.path_writer import MISSED


def add(*tensors: Any) -> Any:
    return sum(each * number for number, each in enumerate(tensors, 1))


def same(x: Any, y: Any, z: Any) -> Any:
    names = "x" * (x is y) + "y" * (y is z) + "z" * (z is x)
    return x + 2 * y + 3 * z, names


def same_lists(a: list, b: list) -> Any:
    return a[0] + b[0] * 2, a is b


def block(count: int) -> Any:
    return np.arange(6.0 * count).reshape(count, 6)


def apart() -> list[Any]:
    return [torch.tensor(row) for row in block(3)]


def one_twice() -> list[Any]:
    x, y, _ = apart()
    return [x, y, x]


def views() -> list[Any]:
    x, y, _ = apart()
    return [x, y, y[:]]


def detached() -> list[Any]:
    x, y, _ = apart()
    return [x, y, x.detach()]


def shared_arrays() -> list[Any]:
    x, y = block(2)
    return [torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(x[:])]


def shared_storages() -> list[Any]:
    x, y, z = apart()
    z.data = x
    return [x, y, z]


KINDS = [apart, one_twice, views, detached, shared_arrays, shared_storages]


def known(function: Callable, make: Callable) -> Any:
    compiled = torch.compile(function)
    for _ in range(2 * WARM):
        compiled(*make())
    (shortcut,) = compiled.graph.entrance.shortcuts
    assert shortcut.run(make(), ()) is not MISSED
    return compiled, shortcut


@pytest.mark.parametrize("function", [add, same])
@pytest.mark.parametrize("make", KINDS)
def test_tensors_are_the_same_or_share_memory_as_they_did(
    function: Callable, make: Callable
) -> None:
    compiled, shortcut = known(function, make)
    for other in KINDS:
        assert (shortcut.run(other(), ()) is MISSED) == (other is not make)
        found, wanted = compiled(*other()), function(*other())
        if function is same:
            assert found[1] == wanted[1]
            found, wanted = found[0], wanted[0]
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("count", [6, 9])
def test_any_two_of_several_tensors(count: int) -> None:
    """Few are compared two by two, many are looked up among all."""
    compiled, shortcut = known(add, lambda: [torch.tensor(row) for row in block(count)])
    for first in range(count):
        for second in range(first):
            tensors = [torch.tensor(row) for row in block(count)]
            for shared in (tensors[first], tensors[first].detach(), tensors[first][:]):
                given = [*tensors]
                given[second] = shared
                assert shortcut.run(given, ()) is MISSED
                assert compiled(*given).tolist() == add(*given).tolist()


def test_objects_are_the_same_as_they_were() -> None:
    def lists() -> list[Any]:
        return [[torch.ones(2)], [torch.ones(2)]]

    def one() -> list[Any]:
        both = [torch.ones(2)]
        return [both, both]

    for make, other in ((lists, one), (one, lists)):
        compiled, shortcut = known(same_lists, make)
        assert shortcut.run(other(), ()) is MISSED
        found, is_same = compiled(*other())
        assert found.tolist() == [3.0, 3.0] and is_same is (other is one)
