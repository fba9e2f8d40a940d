"""Objects that native code makes are those that Python would have made."""

from __future__ import annotations

import copy
import gc
import sys
import weakref
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import config, dispatch
from jitgrad.graph import fresh, route_node
from jitgrad.kernels.instances import Called, Earlier, Given, Part, maker
from jitgrad.node import AccumulateGrad
from jitgrad.storage import Storage


class Pair:
    __slots__ = ("__weakref__", "first", "second", "third")

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second, self.third = first, second, 3


class Named(Pair):
    """Has a dictionary, too."""


SLOTS = {"first": Given(0), "second": Given(1), "third": 3}


def held_by(obj: Any) -> dict[str, Any]:
    """Return what all slots of an object hold."""
    names = {name for kind in type(obj).__mro__ for name in getattr(kind, "__slots__", ())}
    return {name: getattr(obj, name) for name in names - {"__dict__", "__weakref__"}}


def leaf() -> Any:
    return jitgrad.ones(3, requires_grad=True)


def arguments_of(name: str) -> tuple:
    array = np.arange(3, dtype=np.float32)
    node = AccumulateGrad(leaf())
    return {
        "Storage": (array,),
        "wrap": (array,),
        "fresh": (array, node, 2),
        "rebuild": (array, Storage(array), node, 2),
    }[name]


@pytest.mark.parametrize("name", list(fresh.names()))
def test_tensors_and_storages(name: str) -> None:
    """All slots hold what they hold in those made by Python."""
    general: Any = {
        "Storage": Storage,
        "wrap": dispatch.wrap,
        "rebuild": dispatch.rebuild,
        "fresh": lambda array, *of: dispatch.rebuild(array, Storage(array), *of),
    }[name]
    made = fresh.names()[name]
    assert isinstance(made, BuiltinFunctionType)
    given = arguments_of(name)
    found, expected = made(*given), general(*given)
    assert type(found) is type(expected)
    mine, others = held_by(found), held_by(expected)
    own = (mine.pop("_storage", None), others.pop("_storage", None))
    assert {each: id(value) for each, value in mine.items()} == {
        each: id(value) for each, value in others.items()
    }
    if own[0] is not own[1]:
        assert held_by(own[0]) == held_by(own[1])


def test_nodes_of_routes() -> None:
    class Layout:
        outputs = 2

    layout: Any = Layout()
    made = route_node.node_maker(layout)
    assert isinstance(made, BuiltinFunctionType)
    given = ((1, 2), (None,), (0,))
    before, found = route_node.RouteBackward(layout, *given), made(*given)
    after = route_node.RouteBackward(layout, *given)
    assert before.sequence < found.sequence < after.sequence
    assert type(found) is route_node.RouteBackward
    mine, others = held_by(found), held_by(before)
    assert mine.pop("_reached") is not made(*given)._reached
    assert others.pop("_reached") == {}
    del mine["sequence"], others["sequence"]
    assert mine == others
    assert mine["layout"] is layout


@pytest.mark.parametrize("kind", [Pair, Named])
def test_objects_are_ordinary_ones(kind: type) -> None:
    make: Any = maker(kind, [Part(kind, SLOTS)], [None, None])
    made = make("a", made_of := [1])
    assert (made.first, made.second, made.third) == ("a", made_of, 3)
    assert type(made) is kind
    assert gc.is_tracked(made)
    alive = weakref.ref(made)
    assert copy.copy(made).second is made_of
    made.third = 4
    if kind is Named:
        assert made.__dict__ == {}
        made.more = 5
        assert made.__dict__ == {"more": 5}
    made.first = made
    del made
    gc.collect()
    assert alive() is None


def test_other_arguments_are_left_to_python() -> None:
    calls = []

    def general(*given: Any) -> Any:
        calls.append(given)
        if not given:
            raise LookupError("nothing")
        return "other"

    make = maker(general, [Part(Pair, SLOTS)], [int, None])
    assert type(make(1, None)) is Pair
    assert calls == []
    # a bool is an int, but not of that class
    for given in ((True, None), (1,), (1, 2, 3), ("a", "b")):
        assert make(*given) == "other"
        assert calls.pop() == given
    with pytest.raises(LookupError):
        make()
    with pytest.raises(TypeError):
        make(1, second=None)


def test_nothing_is_held_too_long_or_too_short() -> None:
    class Own:
        pass

    first, constant, fails = Own(), Own(), [False]

    def called() -> Any:
        if fails[0]:
            raise LookupError("called")
        return Own()

    parts = [
        Part(Pair, {"first": Given(0), "second": constant, "third": Called(called)}),
        Part(Named, {"first": Earlier(0), "second": Earlier(0), "third": Given(0)}),
        Part(Pair, {"first": Earlier(1), "second": Called(called), "third": None}),
    ]
    make: Any = maker(lambda: None, parts, [Own])

    def counts(*more: Any) -> list[int]:
        return [sys.getrefcount(each) for each in (first, None, Pair, Named, Own, *more)]

    before = counts(constant)
    for fail in (False, True):
        fails[0] = fail
        for _ in range(1000):
            try:
                made = make(first)
            except LookupError:
                assert fail
                continue
            assert not fail
            inner = made.first
            assert inner.first is inner.second
            assert (inner.third, inner.first.first, inner.first.second) == (first, first, constant)
            assert type(inner.first.third) is type(made.second) is Own
        made = inner = None
        # tests themselves hold None
        assert max(abs(a - b) for a, b in zip(counts(constant), before)) < 100
    alive = weakref.ref(constant)
    del constant
    parts.clear()
    assert alive() is not None
    del make
    gc.collect()
    assert alive() is None


def test_slots_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jitgrad.kernels.instances.slot_offset", lambda owner, name: None)
    assert maker(Pair, [Part(Pair, SLOTS)], [None, None]) is Pair


def test_without_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "program", "python")
    assert maker(Pair, [Part(Pair, SLOTS)], [None, None]) is Pair
    assert fresh.names()["wrap"] is dispatch.wrap
