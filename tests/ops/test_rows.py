"""Iteration over tensors: views as of the beginning, made one by one."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad


def rows(library: Any, *shape: int, grad: bool = False) -> Any:
    count = library.Size(shape).numel()
    made = library.arange(count, dtype=library.float64).reshape(shape)
    return made.requires_grad_() if grad else made


def _told(row: Any, of: Any) -> Any:
    return row.tolist(), row.requires_grad, row._base is of, row._version


def the_rows(library: Any) -> Any:
    xs = rows(library, 3, 2)
    return [_told(each, xs) for each in xs], [each.shape for each in rows(library, 0, 2)]


def begun_with_gradients(library: Any) -> Any:
    xs = rows(library, 3, 2, grad=True)
    it = iter(xs)
    with library.no_grad():
        row = next(it)
    row.sum().backward()
    return _told(row, xs), xs.grad.tolist()


def written_meanwhile(library: Any) -> Any:
    xs = rows(library, 3, 2)
    found = []
    for each in xs:
        found.append(each.tolist())
        xs.add_(1)
        each.mul_(2)
    return found, xs.tolist(), xs._version


def given_other_memory(library: Any) -> Any:
    xs = rows(library, 3, 2)
    it = iter(xs)
    first = next(it)
    xs.data = library.zeros(1, 4, dtype=library.float64)
    return _told(first, xs), [_told(each, xs) for each in it]


def transposed_meanwhile(library: Any) -> Any:
    xs = rows(library, 3, 2)
    it = iter(xs)
    first = next(it)
    xs.t_()
    return _told(first, xs), [each.tolist() for each in it]


def detached_meanwhile(library: Any) -> Any:
    xs = rows(library, 3, 2, grad=True) * 1
    it = iter(xs)
    total = next(it).sum()
    total.backward()
    return total.item(), operator.length_hint(it), len(list(it)), next(it, None)


def several(library: Any) -> Any:
    xs = rows(library, 4, 2)[::2]
    a, b = xs
    return a.tolist(), b.tolist(), [each.sum().item() for each in xs], max(rows(library, 3)).item()


SCENES = (
    the_rows, begun_with_gradients, written_meanwhile, given_other_memory, transposed_meanwhile,
    detached_meanwhile, several,
)  # fmt: skip


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_rows_are_those_of_torch(scene: Callable) -> None:
    torch = pytest.importorskip("torch")
    assert str(scene(jitgrad)) == str(scene(torch))


def _unpacked(library: Any) -> Any:
    a, b = library.ones(3)
    return a, b


def _written(library: Any) -> None:
    for each in rows(library, 3, 2, grad=True) * 1:
        each.mul_(2)


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda library: iter(library.tensor(1.0)), TypeError, "iteration over a 0-d tensor"),
        (lambda library: [*library.tensor(1)], TypeError, "iteration over a 0-d tensor"),
        (_unpacked, ValueError, r"too many values to unpack \(expected 2\)"),
        (_written, RuntimeError, "This view is the output of a function that returns multiple"),
    ],
)
def test_what_cannot_be_done(attempt: Callable, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        attempt(jitgrad)
    torch = pytest.importorskip("torch")
    with pytest.raises(error, match=text):
        attempt(torch)


def test_an_iterator_is_its_own() -> None:
    it = iter(rows(jitgrad, 3))
    next(it)
    other = copy.copy(it)
    assert iter(it) is it
    assert [each.item() for each in it] == [1, 2] == [each.item() for each in other]
    assert next(it, None) is next(other, None) is None


def test_rows_without_gradients_are_no_part_of_history() -> None:
    xs = rows(jitgrad, 3, 2, grad=True)
    with jitgrad.no_grad():
        it = iter(xs)
    assert not next(it).requires_grad
