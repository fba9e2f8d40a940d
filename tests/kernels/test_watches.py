"""Words of memory that say whether dictionaries, objects and tensors have changed."""

from __future__ import annotations

import sys
import weakref
from types import BuiltinFunctionType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad import config
from jitgrad.dispatch import TensorCore
from jitgrad.kernels import watches
from jitgrad.storage import Storage
from tests.graph.watched import needs_versions

pytestmark = needs_versions


def test_the_trial_finds_the_versions() -> None:
    assert watches.has_versions()


def test_without_versions_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python whose dictionaries have something else there, or no version at all."""
    tried = watches.has_versions.__wrapped__
    assert tried()
    for offset in (watches.HEADER, watches.HEADER - watches.WORD):  # its length, its class
        monkeypatch.setattr(watches, "_VERSION", offset)
        assert not tried()
    monkeypatch.undo()
    monkeypatch.setattr(watches.sys, "version_info", (3, 13, 0))
    assert not tried()


def test_all_words_are_compared_and_the_first_that_differs_ends_it() -> None:
    dictionaries = [{"a": k} for k in range(100)]
    unchanged = watches.watch([watches.version_word(each) for each in dictionaries])
    assert unchanged() == 1
    for at in (0, 57, 99):
        dictionaries[at]["a"] = -1
        assert unchanged() == 0
        unchanged = watches.watch([watches.version_word(each) for each in dictionaries])
        assert unchanged() == 1
    assert watches.watch([])() == 1


def test_an_old_value_that_returns_is_a_change_all_the_same() -> None:
    held = {"a": 1.5}
    unchanged = watches.watch([watches.version_word(held)])
    held["a"] = 2.5
    held["a"] = 1.5
    assert not unchanged()


def test_items_of_lists() -> None:
    items = [object() for _ in range(5)]
    for change in (
        lambda: items.append(1),
        lambda: items.pop(),
        lambda: items.__setitem__(2, object()),
        lambda: items.extend(range(1000)),
        lambda: items.reverse(),
        lambda: items.clear(),
        lambda: items.append(2),
    ):
        held = list(items)
        unchanged = watches.watch(watches.list_words(items))
        assert unchanged()
        change()
        assert not unchanged()
        del held


def test_attributes_and_classes_of_objects() -> None:
    class One:
        pass

    class Other(One):
        pass

    def watched() -> object:
        where = watches.dictionary_word(obj)
        assert where is not None
        words = [watches.class_word(obj), where, watches.version_word(obj.__dict__)]
        return watches.watch(words)

    obj = One()
    obj.level = 1
    for change in (
        lambda: setattr(obj, "level", 2),
        lambda: delattr(obj, "level"),
        lambda: obj.__dict__.update(more=1),
        lambda: setattr(obj, "__dict__", dict(obj.__dict__)),
        lambda: setattr(obj, "__class__", Other),
    ):
        unchanged = watched()
        assert unchanged()
        change()
        assert not unchanged()


def test_objects_whose_dictionary_lies_elsewhere_are_known_or_refused() -> None:
    class Slotted:
        __slots__ = ("__dict__", "a")

    class Sized(tuple):
        pass

    for obj in (Slotted(), Sized((1, 2)), SimpleNamespace(a=1), jitgrad.nn.Linear(2, 2), sys):
        where = watches.dictionary_word(obj)
        if where is not None:
            unchanged = watches.watch([where, watches.version_word(obj.__dict__)])
            assert unchanged()
            obj.__dict__["more"] = 1
            assert not unchanged()
            del obj.__dict__["more"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [(TensorCore, "_array"), (TensorCore, "_storage"), (TensorCore, "_node"), (Storage, "lent")],
)
def test_slots_are_found_by_trial(owner: type, name: str) -> None:
    tensor = jitgrad.nn.Parameter(jitgrad.ones(3))
    obj = tensor if owner is TensorCore else tensor._storage
    word = watches.slot_word(obj, owner, name)
    assert word is not None
    unchanged = watches.watch([word])
    assert unchanged()
    held = owner.__dict__[name].__get__(obj)
    owner.__dict__[name].__set__(obj, object())
    assert not unchanged()
    owner.__dict__[name].__set__(obj, held)
    assert unchanged()


def test_what_slots_hold_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    storages = [Storage(np.zeros(1)) for _ in range(50)]
    read = watches.gatherer(storages, Storage, "version")
    assert isinstance(read, BuiltinFunctionType)
    with monkeypatch.context() as patch:
        patch.setattr(config, "program", "python")
        by_python = watches.gatherer(storages, Storage, "version")
    assert not isinstance(by_python, BuiltinFunctionType)
    with monkeypatch.context() as patch:
        patch.setattr(watches, "slot_offset", lambda owner, name: None)
        assert not isinstance(watches.gatherer(storages, Storage, "version"), BuiltinFunctionType)
    for each in (read, by_python):
        assert each() == (0,) * 50
        for number, storage in enumerate(storages):
            storage.version = 1000 + number
        assert each() == tuple(range(1000, 1050))
        for storage in storages:
            storage.version = 0
    mark: Any = object()
    storages[7].version = mark
    held = sys.getrefcount(mark)
    for _ in range(100):
        assert read()[7] is mark
    assert sys.getrefcount(mark) == held
    # they live as long as what reads them
    alive = weakref.ref(storages[0])
    del storages[:], by_python, storage, each
    assert alive() is not None
    del read
    assert alive() is None
    assert watches.gatherer([], Storage, "version")() == ()
